"""Survival of patients: what may predict, what is refused, what comes out."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scresist as sr
from scresist.checks import InputError, MissingColumnError, RefusedError
from scresist.kernels.cox_scan import scan_cox
from scresist.study.design import Contrast, Design
from scresist.survival import candidates, cox, kaplan_meier


def cohort(n=60, seed=0, slope=1.0):
    """Patients with a baseline sample each, half of them with one at progression that knows the time; one true gene."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    time = rng.exponential(10 * np.exp(-slope * x)) + 0.1
    patients = pd.DataFrame(
        {"pfs_months": time, "pfs_event": (rng.random(n) < 0.8).astype(int), "age": rng.normal(60, 8, n),
         "site": rng.choice(["a", "b"], n)}, index=[f"p{i}" for i in range(n)]
    )  # fmt: skip
    rows = [(f"p{i}", "baseline") for i in range(n)] + [(f"p{i}", "acquired") for i in range(0, n, 2)]
    samples = pd.DataFrame(rows, columns=["patient", "arm"], index=[f"s{i}" for i in range(len(rows))])
    samples["taken"] = np.where(samples["arm"] == "baseline", "before", "at progression")
    design = Design(("baseline", "acquired"), (Contrast("acquired", "acquired", "baseline"),), samples)
    values = pd.DataFrame(
        {"gene": np.r_[x, rng.normal(size=n // 2)], "noise": rng.normal(size=len(rows))}, samples.index
    )
    values["leak"] = rng.normal(size=len(rows))
    values.loc[samples["arm"] == "acquired", "leak"] = -5 * np.log(time[::2])
    return values, patients, design


def test_the_true_gene_is_found_and_columns_are_the_contract():
    values, patients, design = cohort()
    result = sr.survival.cox(values, patients, design=design)
    expected = ["feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "method", "n", "events"]
    assert list(result.table.columns[:10]) == expected
    table = result.table.set_index("feature")
    assert table.loc["gene", "q_value"] < 0.001
    assert table.loc["gene", "ci_low"] > 1
    assert table.loc["gene", "n"] == 60


def test_a_value_measured_at_progression_never_predicts_it():
    values, patients, design = cohort()
    result = cox(values, patients, design=design)
    assert result.table.set_index("feature").loc["leak", "p_value"] > 0.01
    assert "30 samples of acquired not used" in result.notes[0]
    with pytest.raises(InputError, match="taken at progression"):
        cox(values, patients, design=design, measured_in=["baseline", "acquired"])
    with pytest.raises(InputError, match="did you mean 'baseline'"):
        cox(values, patients, design=design, measured_in=["base"])


def test_the_guard_does_not_depend_on_names():
    """Renaming arms and contrasts opens nothing: what counts is when a sample was taken."""
    values, patients, design = cohort()
    names = {"baseline": "naive", "acquired": "relapsed"}
    renamed = Design(
        ("naive", "relapsed"), (Contrast("later", "relapsed", "naive"),),
        design.samples.assign(arm=design.samples["arm"].map(names)),
    )  # fmt: skip
    pd.testing.assert_frame_equal(
        cox(values, patients, design=renamed).table, cox(values, patients, design=design).table
    )
    with pytest.raises(InputError, match="'relapsed' were taken at progression or on treatment"):
        cox(values, patients, design=renamed, measured_in=["naive", "relapsed"])


def test_what_is_not_known_is_refused_or_left_out_and_said():
    values, patients, design = cohort()
    blind = replace(design, samples=design.samples.drop(columns="taken"))
    with pytest.raises(RefusedError, match="not known when the samples of acquired, baseline were taken"):
        cox(values, patients, design=blind)
    given = cox(values, patients, design=blind, measured_in=["baseline"])
    pd.testing.assert_frame_equal(given.table, cox(values, patients, design=design).table)
    with pytest.raises(InputError, match="'acquired' were taken at progression"):  # its role is known
        cox(values, patients, design=blind, measured_in=["acquired"])
    some = design.samples.copy()
    some.loc["s0", "taken"] = None
    result = cox(values, patients, design=replace(design, samples=some))
    assert "1 sample of baseline not used: it is not known when they were taken" in result.notes
    late = replace(design, samples=design.samples.assign(taken="on"))
    with pytest.raises(RefusedError, match="no sample was taken before treatment"):
        cox(values, patients, design=late)


def test_order_changes_nothing_and_values_by_patient_are_the_same():
    values, patients, design = cohort()
    one = cox(values, patients, design=design).table
    two = cox(values.sample(frac=1, random_state=1), patients.sample(frac=1, random_state=2), design=design).table
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    baseline = values.iloc[:60].set_axis(patients.index)
    pd.testing.assert_frame_equal(cox(baseline, patients).table, one)


def test_adjusted_stratified_landmark():
    values, patients, design = cohort()
    table = cox(values, patients, design=design, covariates=["age", "site"]).table.set_index("feature")
    assert table.loc["gene", "q_value"] < 0.001
    assert "adjusted for age, site" in table.loc["gene", "method"]
    assert cox(values, patients, design=design, strata="site").table["p_value"].notna().all()
    late = cox(values, patients, design=design, landmark=2.0)
    assert (late.table["n"] == (patients["pfs_months"] > 2).sum()).all()
    assert "their time ended by 2" in late.notes[1]


def test_candidates_give_the_continuous_model_first_and_a_corrected_cut():
    values, patients, design = cohort()
    table = candidates(values, patients, design=design, features=["gene", "noise"]).table
    assert list(table["feature"]) == ["gene", "noise", "gene", "noise"]
    assert table.loc[2, "p_value"] < 0.01
    assert table.loc[2, "hr"] > 1
    assert np.isnan(table.loc[2, "ci_low"])
    with pytest.raises(InputError, match="no feature 'gen'"):
        candidates(values, patients, design=design, features=["gen"])


@pytest.mark.parametrize("cut", ["median", "mean", "best", 0.2])
def test_curves(cut):
    values, patients, design = cohort()
    result = kaplan_meier(values, patients, design=design, cut=cut)
    gene = result.table[result.table["feature"] == "gene"]
    assert set(gene["group"]) == {"low", "high"}
    assert gene["p_value"].iloc[0] < 0.01
    last = gene.groupby("group").last()
    assert last.loc["high", "mean_to_horizon"] < last.loc["low", "mean_to_horizon"]
    assert last["n"].sum() == 60
    assert any("gene: " in n and "events" in n for n in result.notes)


def test_curves_of_groups():
    values, patients, _ = cohort()
    groups = (values.iloc[:60, [0]] > 0).astype(float).set_axis(patients.index)
    table = kaplan_meier(groups, patients, cut="groups").table
    assert set(table["group"]) == {"0", "1"}
    assert kaplan_meier(groups * 0, patients).table.empty


@pytest.mark.slow
def test_a_searched_cut_keeps_its_level():
    rng = np.random.default_rng(0)
    n = 60
    patients = pd.DataFrame({"pfs_months": rng.exponential(size=n), "pfs_event": 1}, index=[f"p{i}" for i in range(n)])
    values = pd.DataFrame(rng.normal(size=(n, 300)), index=patients.index)
    table = candidates(values, patients).table
    found = table[table["method"].str.startswith("best cut")]["p_value"] < 0.05
    assert len(found) == 300
    assert found.mean() < 0.08


def test_whose_hazard_ratio_it_is():
    values, patients, design = cohort()
    row = cox(values, patients, design=design).table.set_index("feature").loc["gene"]
    assert 0 < row["influence"] < 0.5
    assert not row["rests_on_one"]
    rng = np.random.default_rng(0)
    n = 14
    few = pd.DataFrame({"pfs_months": rng.exponential(10, n), "pfs_event": 1}, index=[f"p{i}" for i in range(n)])
    score = pd.Series(rng.normal(size=n) * 0.2, index=few.index)
    score["p7"], few.loc["p7", "pfs_months"] = 2.0, 0.001
    score["p3"], few.loc["p3", "pfs_months"] = 1.0, 0.002
    row = cox(score.to_frame("g"), few).table.iloc[0]
    assert row["p_value"] < 0.05
    assert row["rests_on_one"]
    # Both p3 and p7 carry it; whose influence is larger is decided by leaving each patient out, here by hand.
    x, time, event = score.to_numpy(), few["pfs_months"].to_numpy(), np.ones(n)
    whole = scan_cox(time, event, x[:, None], firth=True).coef[0]
    left = [np.arange(n) != i for i in range(n)]
    change = [abs(scan_cox(time[r], event[r], x[r][:, None], firth=True).coef[0] - whole) / abs(whole) for r in left]
    assert row["influence_patient"] == few.index[int(np.argmax(change))]
    assert row["influence_patient"] in {"p3", "p7"}
    np.testing.assert_allclose(row["influence"], max(change), rtol=1e-6)


# --- bad input ---


def test_too_few_events_and_constant_values_say_why():
    values, patients, design = cohort()
    few = patients.assign(pfs_event=0)
    few.iloc[:3, 1] = 1
    table = cox(values, few, design=design).table
    assert table["p_value"].isna().all()
    assert set(table["reason"]) == {"3 events, fewer than 5"}
    result = cox(values.assign(gene=1.0), patients, design=design)
    assert result.table.set_index("feature").loc["gene", "reason"] == "the same value in every patient"
    assert any("1 features not tested" in n for n in result.notes)


def test_missing_values_leave_only_their_feature():
    values, patients, design = cohort()
    values.loc["s0", "noise"] = np.nan
    patients.loc["p1", "pfs_months"] = np.nan
    result = cox(values, patients, design=design)
    assert list(result.table["n"]) == [59, 58, 59]
    assert any("1 patient without pfs_months" in n for n in result.notes)


def test_a_perfect_predictor_has_firths_estimate_and_a_p_by_permutation():
    n = 20
    patients = pd.DataFrame({"pfs_months": np.arange(1.0, n + 1), "pfs_event": 1}, index=[f"p{i}" for i in range(n)])
    row = cox(pd.DataFrame({"g": -np.arange(float(n))}, patients.index), patients).table.iloc[0]
    assert np.isfinite([row["hr"], row["ci_low"]]).all()
    assert row["ci_low"] > 1
    assert row["p_permutation"] == 0.001  # none of 999 relabellings orders the events as well
    assert row["penalised"]


def test_few_events_use_permutation_and_the_interval_is_that_of_the_test():
    values, patients, design = cohort(n=18, seed=3)
    table = cox(values, patients, design=design, covariates=["age"]).table
    assert table["method"].str.contains("Firth's likelihood, permutation").any()
    tested = table[table["p_value"].notna() & np.isfinite(table[["ci_low", "ci_high"]]).all(axis=1)]
    excludes = (tested["ci_low"] > 1) | (tested["ci_high"] < 1)
    np.testing.assert_array_equal(excludes, tested["p_value"] < 0.05)


def test_arms_that_follow_from_the_endpoint_are_the_same_evidence():
    """Arms that are the halves of PFS, both sampled before treatment."""
    values, patients, design = cohort(n=24, slope=0.0)
    early = values.iloc[:24]
    half = np.where(patients["pfs_months"] < patients["pfs_months"].median(), "short", "long")
    samples = design.samples.iloc[:24].assign(arm=half)
    halves = Design(("long", "short"), (Contrast("by_pfs", "short", "long"),), samples)
    table = cox(early, patients, design=halves).table
    assert table["weak"].str.startswith("the same evidence as contrast by_pfs").all()
    rng = np.random.default_rng(0)
    other = Design(
        ("long", "short"), (Contrast("by_pfs", "short", "long"),), samples.assign(arm=rng.permutation(half))
    )  # fmt: skip
    assert (cox(early, patients, design=other).table["weak"] == "").all()


def test_a_sample_on_treatment_enters_by_its_date_or_a_landmark():
    values, patients, design = cohort(n=30)
    on = design.samples.iloc[:30].assign(arm="later", taken="on", date="2024-03-31", treatment_start="2024-01-31")
    late = Design(("baseline", "later"), (Contrast("c", "later", "baseline"),), on)
    early = values.iloc[:30]
    with pytest.raises(RefusedError, match="no sample was taken before treatment"):
        cox(early, patients, design=late)
    entered = cox(early, patients, design=late, measured_in=["later"])
    after = 60 / (365.25 / 12)
    assert (entered.table["n"] == (patients["pfs_months"] > after).sum()).all()
    assert any("under observation from their sample on" in n for n in entered.notes)
    marked = cox(early, patients, design=late, measured_in=["later"], landmark=2.0)
    assert (marked.table["n"] == (patients["pfs_months"] > 2.0).sum()).all()
    # With one entry for all, left truncation and the landmark are one model.
    whole = cox(early, patients[patients["pfs_months"] > 2.0], design=late, measured_in=["later"]).table
    np.testing.assert_allclose(whole["hr"], marked.table["hr"], rtol=1e-6)
    with pytest.raises((InputError, RefusedError)):  # a landmark before the sample was taken
        cox(early, patients, design=late, measured_in=["later"], landmark=0.5)


def test_what_cannot_be_read_is_an_error():
    values, patients, design = cohort()
    with pytest.raises(MissingColumnError, match="did you mean 'pfs_months'"):
        cox(values, patients, design=design, time="pfs_month")
    with pytest.raises(InputError, match="must be 0"):
        cox(values, patients.assign(pfs_event=2), design=design)
    with pytest.raises(InputError, match="negative"):
        cox(values, patients.assign(pfs_months=-1.0), design=design)
    with pytest.raises(InputError, match="must be numbers"):
        cox(values, patients.assign(pfs_months="long"), design=design)
    with pytest.raises(InputError, match="no patient with values"):
        cox(values, patients.rename(index=lambda p: f"x{p}"), design=design)
    with pytest.raises(InputError, match="more than one row"):
        cox(values, pd.concat([patients, patients]), design=design)
