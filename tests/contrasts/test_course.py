"""Ordered arms, several biopsies of a patient, covariates that are numbers, and unequal precision under relabelling."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scresist.contrasts as sc
from scresist.kernels.permutation import permutation_detail
from scresist.kernels.residual_permutation import arrangements, residual_permutation
from scresist.study.design import Contrast, Design
from studies import two_arms

ORDER = ("before", "on", "progression")
COURSE = Contrast("course", "progression", "before", order=ORDER)


def course(patients, arms, pairing="auto"):
    samples = pd.DataFrame({"patient": patients, "arm": [ORDER[a] for a in arms]})
    samples.index = [f"s{i:02d}" for i in range(len(samples))]
    return Design(ORDER, (Contrast("course", "progression", "before", pairing, order=ORDER),), samples)


SINGLES = course([f"P{i:02d}" for i in range(12)], [0, 1, 2] * 4)
ALL_THREE = course([f"P{i // 3}" for i in range(15)], [0, 1, 2] * 5)
SOME = course(list("AAABBBCCCDDEEFGHI"), [0, 1, 2] * 3 + [0, 1, 0, 2, 0, 1, 2, 2])


def values_of(design, features, rng, slope=0.0, alike=0.5):
    code, step = pd.factorize(design.samples["patient"])[0], design.samples["arm"].map(ORDER.index).to_numpy()
    own = rng.normal(size=(code.max() + 1, features))[code]
    values = np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=(len(code), features)) + slope * step[:, None]
    return pd.DataFrame(values, index=design.samples.index)


def test_the_effect_of_a_course_is_the_slope_of_a_regression_on_its_steps():
    values = values_of(SINGLES, 3, np.random.default_rng(0), slope=1.0)
    table = sc.contrast_arms(values, SINGLES, method="t").table
    step = SINGLES.samples["arm"].map(ORDER.index).to_numpy(float)
    for row, name in zip(table.itertuples(), values, strict=True):
        expected = stats.linregress(step, values[name])
        np.testing.assert_allclose([row.effect, row.p_value], [expected.slope, expected.pvalue])
    assert table[["n_test", "n_reference", "n_pairs", "n_missing"]].drop_duplicates().to_numpy().tolist() == [
        [4, 4, 0, 0]
    ]


def test_patients_seen_at_all_times_are_compared_with_themselves():
    values = values_of(ALL_THREE, 2, np.random.default_rng(1), slope=0.7)
    table = sc.contrast_arms(values, ALL_THREE, method="t").table
    own = [values[name].to_numpy().reshape(5, 3) for name in values]
    np.testing.assert_allclose(table["effect"], [((v[:, 2] - v[:, 0]) / 2).mean() for v in own])
    np.testing.assert_allclose(table["df"], 9)
    assert (table["n_pairs"] == 5).all()


@pytest.mark.parametrize("design", [SINGLES, ALL_THREE, SOME], ids=["singles", "all three", "some"])
@pytest.mark.parametrize("method", ["moderated", "t"])
def test_the_error_rate_of_a_course_holds(design, method):
    rng = np.random.default_rng(2)
    tables = [
        sc.contrast_arms(values_of(design, 60, rng), design, method=method, influence=False, n_permutations=200).table
        for _ in range(25)
    ]
    for name in ("p_value", "p_permutation"):
        p = pd.concat(tables)[name]
        assert p.notna().all()
        assert (p < 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_the_error_rate_of_a_course_holds_where_the_last_arm_varies_more():
    rng = np.random.default_rng(3)
    design = course([f"P{i:02d}" for i in range(16)], [0] * 6 + [1] * 6 + [2] * 4)
    scale = np.where(design.samples["arm"] == "progression", 3.0, 1.0)[:, None]
    p = [
        sc.contrast_arms(values_of(design, 60, rng) * scale, design, influence=False, n_permutations=1).table["p_value"]
        for _ in range(30)
    ]
    assert (np.concatenate(p) < 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1800)


def test_a_course_is_found_influenced_registered_and_said_in_words():
    design = SOME
    values = values_of(design, 4, np.random.default_rng(4), slope=4.0).add_prefix("m")
    result = sc.modules(values, design)
    claims = sc.register_claims({"modules": result}, design).table
    words = claims.loc[claims["kind"] == "modules", "statement"]
    assert words.str.contains("rises from before to progression, per step (difference ", regex=False).all()
    assert result.table["influence"].notna().all()
    head = claims.loc[claims["kind"] == "design", "statement"].item()
    assert head.startswith("course: course over before, on, progression; ")
    genes = pd.DataFrame(np.random.default_rng(5).poisson(80, (len(values), 50)), index=values.index).add_prefix("g")
    assert sc.expression(genes, design).table["p_value"].notna().all()
    assert sc.composition(genes.iloc[:, :6], design, min_cells=0).table["p_value"].notna().all()


def test_arrangements_are_counted_by_hand():
    step = np.array([0.0, 1, 2, 0, 1, 2, 2])
    who = np.array([0, 0, 0, 1, 2, 3, 4])
    total, even = arrangements(step, who, np.zeros(7, int))
    dealt = set(itertools.permutations([0, 1, 2, 2]))
    assert total == 6 * len(dealt)
    assert not even
    assert arrangements(step[:3], who[:3], np.zeros(3, int)) == (6, True)


def test_permuted_residuals_are_relabelled_patients_where_nothing_else_is_asked():
    rng = np.random.default_rng(6)
    y, arm, one, none = rng.normal(size=(8, 6)), np.repeat([1, 0], [5, 3]), np.ones((8, 1)), np.zeros(8, int)
    found = residual_permutation(y, arm.astype(float), one, patient=np.arange(8), strata=none, n_permutations=50_000)
    expected = permutation_detail(y, arm, studentised=True)
    for name in ("effect", "p_value", "p_floor", "ci_low", "ci_high"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-6)


def test_freedman_lane_is_its_definition():
    """Every order by a plain loop: residuals without the arm permuted, the full model fitted again, its t."""
    rng = np.random.default_rng(7)
    arm, x = np.array([1.0, 1, 1, 0, 0, 0]), rng.normal(size=6)
    y, base = rng.normal(size=6) + x, np.column_stack([np.ones(6), x])
    hat = base @ np.linalg.pinv(base)
    residual = (y - hat @ y) / np.sqrt(1 - np.diag(hat))

    def minus_p(values):
        model = np.column_stack([base, arm])
        coefficient = np.linalg.lstsq(model, values, rcond=None)[0]
        left = values - model @ coefficient
        free = arm - hat @ arm
        direction = free / np.linalg.norm(free)
        variance = spent = 0.0
        for level in (0, 1):
            own = arm == level
            df = (1 - np.diag(hat) - direction**2)[own].sum()
            part = (direction[own] ** 2).sum() * (left[own] ** 2).sum() / df
            variance, spent = variance + part, spent + part**2 / df
        t = abs(coefficient[-1]) * np.linalg.norm(free) / np.sqrt(variance)
        return -stats.t.sf(t, variance**2 / spent)

    observed = minus_p(y)
    count = sum(
        1 if order == tuple(range(6)) else minus_p(hat @ y + residual[list(order)]) >= observed - 1e-9
        for order in itertools.permutations(range(6))
    )
    found = residual_permutation(y[:, None], arm, base, patient=np.arange(6), strata=np.zeros(6, int), alpha=None)
    # By an approximation of the t distribution: a few orders of nearly equal p may change places.
    np.testing.assert_allclose(found.p_value[0], max(count / 720, 0.1), atol=10 / 720)


@pytest.mark.parametrize(("n_test", "n_reference"), [(8, 4), (4, 8), (5, 5)])
def test_a_covariate_that_is_a_number_is_adjusted_for_under_relabelling(n_test, n_reference):
    rng = np.random.default_rng(8)
    side = np.repeat([1.0, 0.0], [n_test, n_reference])
    rates, plain = [], []
    for _ in range(8):
        age = rng.normal(size=side.size) + side
        design = two_arms(n_test, n_reference, age=age)
        values = pd.DataFrame(rng.normal(size=(side.size, 80)) + 2 * age[:, None], index=design.samples.index)
        how = {"influence": False, "n_permutations": 400}
        rates.append((sc.contrast_arms(values, design, **how).table["p_permutation"] < 0.05).mean())
        bare = Design(design.arms, design.contrasts, design.samples)
        plain.append((sc.contrast_arms(values, bare, **how).table["p_permutation"] < 0.05).mean())
    assert np.mean(rates) < 0.06 + 2 * np.sqrt(0.05 * 0.95 / 640)
    assert np.mean(plain) > 0.15, "the covariate matters"


@pytest.mark.parametrize(("n_test", "n_reference"), [(8, 4), (4, 8), (6, 6)])
@pytest.mark.parametrize("cells", [(50, 1000), (1000, 50)])
def test_relabelling_keeps_its_level_where_the_arms_have_unequal_numbers_of_cells(n_test, n_reference, cells):
    """Noise of single cells dominates; relabelled values as they are reach 0.068 to 0.116 here."""
    rng = np.random.default_rng(9)
    design = two_arms(n_test, n_reference)
    number = np.repeat(cells, [n_test, n_reference])
    counted = pd.Series(number, index=design.samples.index)
    p = []
    for _ in range(5):
        values = (
            0.05 * rng.normal(size=(number.size, 200)) + rng.normal(size=(number.size, 200)) / np.sqrt(number)[:, None]
        )
        frame = pd.DataFrame(values, index=design.samples.index)
        found = sc.contrast_arms(frame, design, weights=counted, influence=False, n_permutations=400)
        p.append(found.table["p_permutation"])
    assert (np.concatenate(p) < 0.05).mean() < 0.06 + np.sqrt(0.05 * 0.95 / 1000)


def test_two_biopsies_of_different_sites_are_adjusted_for_by_their_parts():
    """Two thirds of a unit's cells from the liver are two thirds of the liver's effect: nothing is left of it."""
    rng = np.random.default_rng(10)
    rows = [(f"P{i}", "test" if i < 6 else "reference", site) for i, site in enumerate("ab" * 6)]
    rows += [("P0", "test", "b"), ("P7", "reference", "a")]
    samples = pd.DataFrame(rows, columns=["patient", "arm", "site"], index=[f"s{i:02d}" for i in range(14)])
    cells = pd.Series(np.r_[np.full(12, 300), [150, 600]], index=samples.index)
    design = Design(("reference", "test"), (Contrast("c", "test", "reference"),), samples, ("site",))
    clean = rng.normal(scale=0.1, size=(14, 3))
    clean[12], clean[13] = clean[0], clean[7]
    values = pd.DataFrame(clean + 50.0 * (samples["site"] == "b").to_numpy()[:, None], index=samples.index)
    result = sc.contrast_arms(values, design, weights=cells)
    assert (result.table["effect"].abs() < 1).all()
    assert (result.table["ci_high"] - result.table["ci_low"]).max() < 1
    named = [n for n in result.notes if "several values of site (a, b)" in n]
    assert [("patient P0 in arm test" in n, "patient P7 in arm reference" in n) for n in named] == [
        (True, False),
        (False, True),
    ]
    first = Design(design.arms, design.contrasts, samples, ())
    assert (sc.contrast_arms(values, first, weights=cells).table["ci_high"] > 10).all()


def test_the_error_rate_holds_with_biopsies_of_several_sites():
    rng = np.random.default_rng(11)
    rows = [
        (f"P{i}", "test" if i < 5 else "reference", site)
        for i in range(11)
        for site in rng.permutation(list("abc"))[:2]
    ]
    samples = pd.DataFrame(rows, columns=["patient", "arm", "site"], index=[f"s{i:02d}" for i in range(22)])
    design = Design(("reference", "test"), (Contrast("c", "test", "reference"),), samples, ("site",))
    code, site = pd.factorize(samples["patient"])[0], pd.factorize(samples["site"])[0]
    p = []
    for _ in range(25):
        values = rng.normal(size=(11, 60))[code] + 3 * rng.normal(size=(3, 60))[site] + 0.5 * rng.normal(size=(22, 60))
        frame = pd.DataFrame(values, index=samples.index)
        p.append(sc.contrast_arms(frame, design, influence=False, n_permutations=1).table["p_value"])
    assert abs((np.concatenate(p) < 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 1500)
