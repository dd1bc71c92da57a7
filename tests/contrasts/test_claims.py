"""What is claimed: calibration on shuffled patients, tests over cells against patients, the register."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

import scresist.contrasts as sc
import scresist.usual_tools as su
from scresist.cells import pseudobulk
from scresist.checks import InputError, RefusedError
from scresist.contrasts.claims import Judge
from scresist.contrasts.shuffling import flip_signs, residuals
from scresist.contrasts.verdict import ALPHA
from scresist.results import Result
from studies import noise, three_arms, two_arms


def judged(table, design):
    """The table of genes with the verdict of the study, each family held to the plain level."""
    families = pd.DataFrame({"kind": "expression", "family": sc.family_names(table).unique(), "level": ALPHA})
    judge = Judge.of(sc.estimable(design).table, families)
    return table.assign(verdict=judge.verdicts("expression", table))


def test_shuffles_keep_sizes_pairs_and_strata():
    design = three_arms(6, 4)
    before = design.samples
    seen = set()
    for seed in range(30):
        after = sc.shuffle_arms(design, rng=seed).samples
        assert after["arm"].value_counts().to_dict() == before["arm"].value_counts().to_dict()
        for who in ("b0", "b1", "b2", "b3"):
            assert set(after.loc[after["patient"] == who, "arm"]) == {"baseline", "acquired"}
        seen.add(tuple(after["arm"]))
    assert len(seen) > 25
    batch = two_arms(4, 4, site=["a", "a", "a", "b", "a", "b", "b", "b"])
    for seed in range(10):
        after = sc.shuffle_arms(batch, rng=seed).samples
        assert pd.crosstab(after["site"], after["arm"]).equals(pd.crosstab(batch.samples["site"], batch.samples["arm"]))


def test_calibration_holds_for_patients_and_fails_for_cells():
    design = two_arms(5, 5)
    rng = np.random.default_rng(0)
    patient = pd.DataFrame(rng.normal(size=(10, 20)), index=design.samples.index)
    cells = patient.loc[np.repeat(design.samples.index, 100)] + rng.normal(size=(1000, 20)) * 2
    sample = pd.Series(cells.index.to_numpy())
    means = cells.groupby(level=0).mean()

    claims = {
        "modules": lambda d: sc.contrast_arms(means, d, influence=False),
        "over cells": lambda d: su.cell_level_values(cells.reset_index(drop=True), sample, d),
    }
    table = sc.calibrate(design, claims, n_shuffles=60, rng=1).table.set_index("claim")
    assert table.loc["modules", "false_positive_rate"] < 0.08
    assert table.loc["modules", "verdict"] == "holds"
    assert table.loc["over cells", "false_positive_rate"] > 0.4
    assert table.loc["over cells", "verdict"] == "too many"
    again = sc.calibrate(design, claims, n_shuffles=60, rng=1).table.set_index("claim")
    pd.testing.assert_frame_equal(table, again)


def test_signs_of_residuals_see_what_unequal_variances_do():
    """Three times the SD in the arm of four, 4 v 8: the t test with equal variances is wrong in one draw of six."""
    design = two_arms(4, 8)
    wide = (design.samples["arm"] == "resistant").to_numpy()
    values = noise(design, 300) * np.where(wide, 3.0, 1.0)[:, None] + 5.0 * wide[:, None]

    def between_arms(design, table, *, equal):
        return sc.contrast_arms(
            table, design, influence=False, n_permutations=1, equal_variances=equal, method="auto"
        ).table

    claims = {"equal": partial(between_arms, equal=True), "own": partial(between_arms, equal=False),
              "shuffled": lambda d: between_arms(d, values, equal=True)}  # fmt: skip
    found = sc.calibrate(
        design, claims, values={"equal": values, "own": values}, n_shuffles=30, moved=(0.3, 0.7), rng=1
    )
    table = found.table.set_index("claim")
    assert table.loc["equal", "false_positive_rate"] > 0.12
    assert table.loc["equal", "verdict"] == "too many"
    assert table.loc["own", "false_positive_rate"] < 0.075
    assert table.loc["shuffled", "false_positive_rate"] < 0.1
    assert table["scheme"].to_dict() == {
        "equal": "signs of residuals",
        "own": "signs of residuals",
        "shuffled": "patients shuffled",
    }
    with pytest.raises(InputError, match="which are no claims"):
        sc.calibrate(design, claims, values={"other": values}, n_shuffles=1)


def test_residuals_keep_the_variance_of_each_arm_and_the_bond_of_a_patient():
    design = three_arms(8, 4)
    values = noise(design, 2000) * np.repeat([1.0, 2.0, 3.0], 8)[:, None] + np.repeat([0.0, 5.0, 9.0], 8)[:, None]
    centred = residuals(values, design)
    for arm, sd in (("baseline", 1), ("primary", 2), ("acquired", 3)):
        own = centred[design.samples["arm"] == arm]
        np.testing.assert_allclose(own.mean(), 0, atol=1e-9)
        np.testing.assert_allclose((own**2).mean().mean(), sd**2, rtol=0.05)
    flipped = flip_signs(centred, design, rng=1)
    signs = (flipped / centred).round(9)
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert (signs.max(axis=1) == signs.min(axis=1)).all()
    grouped = signs.groupby(design.samples["patient"])
    assert (grouped.max() == grouped.min()).all().all()


def test_calibration_counts_what_refuses():
    def refuses(_design):
        raise RefusedError("not here")

    row = sc.calibrate(two_arms(), {"none": refuses}, n_shuffles=3).table.iloc[0]
    assert (row["refused"], row["verdict"]) == (3, "no test")
    with pytest.raises(InputError, match="at least one kind"):
        sc.calibrate(two_arms(), {})


def test_claims_over_cells_that_patients_do_not_carry_fall():
    anndata = pytest.importorskip("anndata")
    design = two_arms(5, 5)
    rng = np.random.default_rng(0)
    level = rng.normal(1.5, 0.5, size=(10, 40))
    level[:5, 0] += 3
    sample = np.repeat(design.samples.index, 80)
    counts = rng.poisson(np.exp(np.repeat(level, 80, axis=0)))
    obs = pd.DataFrame({"sample": sample, "cell_type": "tumour"}, index=[f"c{i}" for i in range(len(sample))])
    var = pd.DataFrame(index=[f"g{i}" for i in range(40)])
    adata = anndata.AnnData(np.log1p(counts).astype(np.float32), obs=obs, var=var, layers={"counts": counts})
    over_cells = su.cell_level_expression(adata, design)
    over_patients = judged(sc.expression(pseudobulk(adata), design).table, design)
    result = su.compare_claims(over_cells, over_patients, on=["cell_type", "contrast", "gene"])
    verdict = result.table.set_index("gene")["verdict"]
    assert verdict["g0"] == "stands"
    assert len(verdict) > 15
    assert (verdict == "falls").mean() > 0.6
    assert "claimed over cells" in result.notes[0]
    few = two_arms(1, 5)
    adata = adata[adata.obs["sample"].isin(few.samples.index)].copy()
    untested = su.compare_claims(
        su.cell_level_expression(adata, few),
        judged(sc.expression(pseudobulk(adata), few).table, few),
        on=["cell_type", "contrast", "gene"],
    )
    assert set(untested.table["verdict"]) == {"no test"}


def test_wilcoxon_over_cells_is_scipys():
    from scipy import stats

    anndata = pytest.importorskip("anndata")
    design = two_arms(2, 2)
    rng = np.random.default_rng(0)
    x = np.log1p(rng.poisson(1.0, size=(80, 5)))
    obs = pd.DataFrame(
        {"sample": np.repeat(design.samples.index, 20), "cell_type": "T"}, index=[f"c{i}" for i in range(80)]
    )
    adata = anndata.AnnData(x.astype(np.float64), obs=obs)
    found = su.cell_level_expression(adata, design).table
    expected = stats.mannwhitneyu(x[:40], x[40:], method="asymptotic").pvalue
    np.testing.assert_allclose(found["p_value"], expected, rtol=1e-3)


def test_the_register_says_what_stands_and_why_not():
    design = two_arms(6, 6)
    values = noise(design, 6, seed=3)
    test = design.samples["arm"] == "resistant"
    values.loc[test, "m0"] += 6
    values["m1"] = [9.0, 1.3, 1.1, 1.2, 0.9, 1.0, 0.3, 0.1, 0.0, 0.2, 0.15, 0.05]
    values["m2"] = 1.0
    result = sc.register_claims({"modules": sc.modules(values, design, method="t")}, design, keep=["m2"])
    columns = [
        "statement",
        "unit",
        "n",
        "test",
        "effect",
        "ci_low",
        "ci_high",
        "p_value",
        "p_floor",
        "q_value",
        "verdict",
    ]
    assert set(columns) <= set(result.table.columns)
    table = result.table.set_index("feature")
    assert table.loc["m0", "verdict"] == "supported"
    assert table.loc["m0", "statement"].startswith("Module m0 is more active in resistant than in naive (difference ")
    assert table.loc["m0", "n"] == "6 against 6 patients"
    assert table.loc["m2", "verdict"] == "refused"
    assert table.loc["m2", "why"] == "the same value in every patient"
    assert set(result.table["verdict"]) <= {"supported", "suggestive", "not supported", "refused", "ok"}
    assert table.loc["", "verdict"] == "ok"
    assert result.table.iloc[0]["kind"] == "design"


def test_what_stands_in_its_family_may_not_stand_over_the_study():
    design = two_arms(6, 6)
    kinds = {name: sc.modules(noise(design, 6, seed=i), design, method="t") for i, name in enumerate("abcdef")}
    table = kinds["a"].table.copy()
    table.loc[0, ["p_value", "q_value", "p_permutation"]] = [0.004, 0.024, 0.004]
    table["rests_on_one"] = False
    alone = sc.register_claims({"modules": table}, design).table.set_index("feature")
    assert alone.loc["m0", "verdict"] == "supported"
    quiet = {k: r.table.assign(p_value=0.5, q_value=0.5) for k, r in kinds.items() if k != "a"}
    among = sc.register_claims({"modules": table, **quiet}, design).table
    row = among[(among["kind"] == "modules") & (among["feature"] == "m0")].iloc[0]
    assert row["verdict"] == "suggestive"
    assert "over the whole study none of this family passes" in row["why"]


def test_links_are_named_by_both_ends():
    row = {"level": "pair", "source": "macrophage", "target": "T cell", "ligand": "TGFB1", "receptor": "TGFbR1_R2",
           "pathway": "TGFb", "interaction": "TGFB1_TGFBR1_TGFBR2", "contrast": "primary", "effect": 0.012,
           "ci_low": 0.004, "ci_high": 0.02, "p_value": 0.01, "p_floor": 0.002, "q_value": 0.2, "n_test": 6,
           "n_reference": 6, "n_pairs": 0, "rests_on_one": False}  # fmt: skip
    all_sent = {**row, "level": "outgoing", "target": "", "ligand": "", "receptor": "", "pathway": "MIF"}
    answer = {**row, "level": "", "pathway": "TGFb", "step": "response", "group": "fibroblast", "effect": -0.4,
              "ci_low": -0.7, "ci_high": -0.1}  # fmt: skip
    chain = sc.register_claims({"responses": pd.DataFrame([answer])}, two_arms()).table
    assert chain["statement"].iloc[1] == ("TGFb response is lower in fibroblast in resistant than in naive "
                                          "(difference -0.40, 95 % interval -0.70 to -0.10).")  # fmt: skip
    claims = sc.register_claims({"communication": pd.DataFrame([row, all_sent])}, two_arms()).table
    said = list(claims["statement"])[1:]
    assert said[0] == ("TGFB1 to TGFbR1_R2 from macrophage to T cell is stronger in resistant than in naive "
                       "(difference of probability 0.012, 95 % interval 0.004 to 0.02).")  # fmt: skip
    assert said[1].startswith("MIF signalling sent by macrophage is stronger")


def test_a_design_whose_relabellings_cannot_reach_the_level_supports_by_model():
    design = two_arms(3, 3)
    values = noise(design, 20)
    values.loc[design.samples["arm"] == "resistant", "m0"] += 20
    table = sc.register_claims({"modules": sc.modules(values, design)}, design).table.set_index("feature")
    assert table.loc["m0", "q_value"] < 0.05
    assert table.loc["m0", "verdict"] == "supported"
    assert table.loc["m0", "grade"] == "model"
    assert "cannot go below p = 0.1" in table.loc["m0", "why"]
    assert "assumes that values of patients are about normally distributed" in table.loc["m0", "why"]


def test_two_patients_in_an_arm_support_nothing():
    """Without one of them there is no test: the finding rests on that patient."""
    design = two_arms(2, 5)
    values = noise(design, 20)
    values.loc[design.samples["arm"] == "resistant", "m0"] += 20
    table = sc.register_claims({"modules": sc.modules(values, design)}, design).table.set_index("feature")
    assert table.loc["m0", "verdict"] == "not supported"


def test_a_finding_that_rests_on_one_patient_is_not_called():
    design = two_arms(5, 5)
    row = {"module": "m", "contrast": "primary", "effect": 1.0, "ci_low": 0.2, "ci_high": 1.8, "p_value": 0.01,
           "p_floor": 0.008, "q_value": 0.02, "n_test": 5, "n_reference": 5, "n_pairs": 0, "influence": 0.9,
           "influence_patient": "t0", "rests_on_one": True, "reason": ""}  # fmt: skip
    table = sc.register_claims({"modules": pd.DataFrame([row])}, design).table
    assert table.iloc[1]["verdict"] == "not supported"
    assert table.iloc[1]["why"] == "rests on patient t0"
    soup = {**row, "rests_on_one": False, "doubts": "80% of its counts may be ambient"}
    table = sc.register_claims({"modules": pd.DataFrame([soup])}, design).table
    assert (table.iloc[1]["verdict"], table.iloc[1]["why"]) == ("not supported", "80% of its counts may be ambient")


def test_survival_claims():
    rows = [
        {"feature": "MUC3A", "endpoint": "pfs_months", "hr": 2.0, "ci_low": 1.3, "ci_high": 3.1, "p_value": 0.001,
         "q_value": 0.01, "method": "Cox", "n": 30, "events": 20, "zph_p": 0.4, "reason": ""},
        {"feature": "CST3", "endpoint": "pfs_months", "hr": np.nan, "ci_low": np.nan, "ci_high": np.nan,
         "p_value": np.nan, "q_value": np.nan, "method": "Cox", "n": 30, "events": 2, "zph_p": np.nan, "reason": "few"},
    ]  # fmt: skip
    result = sc.register_claims({"survival": Result(pd.DataFrame(rows))}, two_arms(), keep=["CST3"])
    table = result.table.set_index("feature")
    assert table.loc["MUC3A", "verdict"] == "supported"
    assert "shorter pfs_months (hazard ratio per SD 2.00" in table.loc["MUC3A", "statement"]
    assert table.loc["CST3", "verdict"] == "refused"
