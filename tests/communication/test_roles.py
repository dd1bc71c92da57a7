"""Centralities, roles, contributions and comparisons of two conditions against CellChat's own on real data."""

import numpy as np
import pandas as pd
import pytest
from cellchat_oracle import ORACLE, arrays, inferred, stored, table, vectors

from oracle import needs_shared
from scresist.checks import InputError, RefusedError
from scresist.communication import (
    compare_totals,
    contribution,
    difference,
    group_centralities,
    lift,
    role_change_totals,
    role_changes,
    select_links,
    signalling_roles,
)
from scresist.communication.centrality import MEASURES
from scresist.communication.conditions import rounded
from scresist.usual_tools import rank_flow

RUNS = [
    "oligo/tri",
    "oligo/trunc_pop",
    "nsclc/tri",
    "nsclc/trunc",
    "kang_CTRL/trunc",
    "kang_STIM/tri",
    "nsclcP_tumor/tri",
]
COMPARISONS = {
    "kang_cmp_tri": {"CTRL": "kang_CTRL/tri", "STIM": "kang_STIM/tri"},
    "kang_cmp_trunc": {"CTRL": "kang_CTRL/trunc", "STIM": "kang_STIM/trunc"},
    "nsclc_cmp_tri": {"blood": "nsclc_blood/tri", "tumor": "nsclc_tumor/tri"},
    "nsclcP_cmp_tri": {"blood": "nsclcP_blood/tri", "tumor": "nsclcP_tumor/tri"},
}


def two(name):
    return {label: stored(folder) for label, folder in COMPARISONS[name].items()}


@needs_shared
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("measure", MEASURES)
def test_centralities_are_cellchats(run, measure):
    com, expected = stored(run), arrays(run)[f"centr_netP.{measure}"].copy()
    wide = group_centralities(com).pivot_table(index="group", columns="pathway", values=measure, sort=False)
    names = com.pathway_array()[1]
    got = wide.loc[com.groups, names].to_numpy()
    if measure == "hub":
        # Two groups that signal to each other alone and equally: the principal eigenvector is not unique, and the
        # stored one is of one of them, while that of the authority is of both.
        sums = com.pathway_array()[0]
        values = [np.linalg.eigvalsh(sums[:, :, k] @ sums[:, :, k].T) for k in range(len(names))]
        unique = np.array([v[-2] < v[-1] * (1 - 1e-12) for v in values])
        assert (~unique).sum() <= 1
        got, expected = got[:, unique], expected[:, unique]
    np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)


@needs_shared
@pytest.mark.parametrize("run", RUNS)
def test_centralities_of_the_aggregate_are_cellchats(run):
    got, expected = group_centralities(stored(run), level="aggregate"), vectors(run)
    for measure in MEASURES:
        own = expected[f"centr_aggregate.{measure}"]
        own = list(own.values()) if isinstance(own, dict) else own
        np.testing.assert_allclose(got[measure], own, rtol=1e-8, atol=1e-8)


@needs_shared
@pytest.mark.parametrize("run", RUNS)
def test_contributions_and_roles_are_cellchats(run):
    com, expected = stored(run), table(run, "contribution")
    got = contribution(com)
    assert list(got["pathway"] + got["interaction"]) == list(expected["pathway"] + expected["interaction_name"])
    np.testing.assert_allclose(got["contribution"], expected["contribution"], rtol=1e-10)
    roles, own = signalling_roles(com), table(run, "signalingRole_scatter")
    for ours, theirs in (("outgoing", "x"), ("incoming", "y"), ("n_links", "Count")):
        np.testing.assert_allclose(roles[ours], own[theirs], rtol=1e-10)
    one = contribution(com, pathway=got["pathway"].iloc[0])
    np.testing.assert_allclose(one["contribution"].sum(), 1)


@needs_shared
@pytest.mark.parametrize("run", RUNS)
def test_flow_of_one_condition_is_cellchats(run):
    got, expected = rank_flow({"all": stored(run)}), table(run, "rankNet_single")
    assert list(got["name"]) == list(expected["name"])
    np.testing.assert_allclose(got["flow"], expected["contribution"], rtol=1e-10)
    np.testing.assert_allclose(got["scaled_flow"], expected["contribution.scaled"], rtol=1e-8)


@needs_shared
@pytest.mark.parametrize("name", COMPARISONS)
def test_totals_and_differences_are_cellchats(name):
    conditions, expected = two(name), arrays(name)
    totals = compare_totals(conditions)
    np.testing.assert_array_equal(totals["count"], table(name, "compareInteractions_count")["count"])
    np.testing.assert_allclose(totals["weight"].round(3), table(name, "compareInteractions_weight")["count"])
    for measure in ("count", "weight"):
        own = pd.DataFrame(expected[f"diff_{measure}"], *(expected[f"diff_{measure}__dim{d}"] for d in (1, 2)))
        got = difference(conditions, measure=measure)
        np.testing.assert_allclose(got.loc[own.index, own.columns], own, atol=1e-12)


@needs_shared
@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("level", ["pathway", "pair"])
@pytest.mark.parametrize("measure", ["weight", "count"])
@pytest.mark.parametrize("paired", [True, False])
def test_flows_of_two_conditions_and_their_test_are_cellchats(name, level, measure, paired):
    file = f"rankNet_{'netP' if level == 'pathway' else 'net'}_{measure}_{'paired' if paired else 'unpaired'}"
    expected = table(name, file)
    if "error" in expected:
        pytest.skip("the program fails here")
    got = rank_flow(two(name), level=level, measure=measure, paired=paired)
    key = ["name", "condition"]
    own = expected.rename(columns={"group": "condition"}).set_index(key)
    ours = got.set_index(key)
    assert set(own.index) == set(ours.index)
    ours = ours.loc[own.index]
    np.testing.assert_allclose(ours["flow"], own["contribution"], rtol=1e-10)
    np.testing.assert_allclose(ours["scaled_flow"], own["contribution.scaled"], rtol=1e-8)
    np.testing.assert_allclose(ours["relative"], own["contribution.relative.1"], rtol=1e-12)
    np.testing.assert_allclose(ours["p_value"], own["pvalues"], rtol=1e-8, atol=1e-12)
    assert list(got["name"]) == list(expected["name"])


@needs_shared
@pytest.mark.parametrize("name", COMPARISONS)
def test_changes_of_roles_are_cellchats(name):
    conditions, checked = two(name), 0
    for path in sorted((ORACLE / name).glob("signalingChanges_scatter.*.parquet")):
        expected = pd.read_parquet(path)
        label = path.name.removeprefix("signalingChanges_scatter.").removesuffix(".parquet")
        group = next(g for c in conditions.values() for g in c.groups if g.replace(" ", "_") == label)
        if "error" in expected:
            continue
        got = role_changes(conditions, group).set_index("pathway").loc[expected["labels"]]
        assert len(got) == len(role_changes(conditions, group))
        np.testing.assert_allclose(got["outgoing"], expected["outgoing"], atol=1e-12)
        np.testing.assert_allclose(got["incoming"], expected["incoming"], atol=1e-12)
        assert list(got["roles"]) == list(expected["specificity.out.in"])
        whose = expected["specificity"].str.removesuffix(" specific")
        assert list(got["condition"]) == list(whose)
        checked += 1
    assert checked >= 2
    totals, own = role_change_totals(conditions).set_index("group"), table(name, "diff_signalingRole_scatter")
    if "error" not in own:
        got = totals.loc[own["labels"]]
        np.testing.assert_allclose(got["outgoing"], own["x"], atol=1e-12)
        np.testing.assert_allclose(got["incoming"], own["y"], atol=1e-12)


@needs_shared
def test_lifting_places_by_name_in_any_order():
    com, expected = stored("nsclcP_blood/tri"), arrays("nsclcP_cmp_tri")
    names = [str(g) for g in expected["lifted_1.prob__dim1"]]
    long = lift(com, names)
    np.testing.assert_allclose(long.probability, expected["lifted_1.prob"], atol=1e-15)
    np.testing.assert_array_equal(long.counts(), expected["lifted_1.count"])
    reversed_order = lift(com, names[::-1])
    np.testing.assert_array_equal(reversed_order.counts().loc[names, names], long.counts())
    # The program places by position: its matrix has the right values under wrong names.
    wrong = expected["lifted_1_reversed_order.count"]
    assert wrong.sum() == long.counts().to_numpy().sum()
    assert not np.array_equal(reversed_order.counts().to_numpy(), wrong)
    with pytest.raises(InputError, match="is not among those to lift to"):
        lift(com, names[:2])


@needs_shared
def test_links_are_chosen_by_group_and_pathway():
    com = inferred("oligo", "tri", 10)
    links = select_links(com, sources=["malignant_93"], pathways=["PTN"])
    assert set(links["source"]) == {"malignant_93"}
    assert set(links["pathway"]) == {"PTN"}
    with pytest.raises(InputError, match="did you mean"):
        select_links(com, sources=["malignant_39"])
    with pytest.raises(RefusedError, match="there is no link"):
        select_links(com, sources=["malignant_93"], pathways=["NEGR"], pairs=["PTN_NCL"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.64, 0.88, 0.329, 0.0, np.inf], [1.6, 0.9, 0.3, 0.0, np.inf]),
        ([123.4, 2.0], [123.0, 2.0]),
        ([0.00004, 12.6], [4e-05, 1e01]),
        ([0.96, 0.04], [0.96, 0.04]),
    ],
)
def test_rounding_for_display(values, expected):
    np.testing.assert_allclose(rounded(np.array(values)), expected)
