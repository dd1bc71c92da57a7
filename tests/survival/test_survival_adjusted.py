"""Covariates, strata and late entry in groups, competing events and best response: used, or named as not used."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.fine_gray import fine_gray_permutation
from scresist.kernels.log_rank import max_combo, permutation_log_rank, survival_scores
from scresist.kernels.logistic import firth_logistic
from scresist.kernels.ordinal import ordinal_logistic, ordinal_permutation
from scresist.kernels.restricted_mean import adjusted_mean_difference
from scresist.kernels.survival_curves import kaplan_meier, log_rank
from scresist.survival import competing, cox, groups, response, scores
from scresist.survival.assumptions import scan_times
from scresist.survival.competing import incidence, incidence_models
from scresist.survival.endpoint import Endpoint, gather
from scresist.survival.external import external_cohorts
from scresist.survival.groups import compare_groups, curves, overview
from scresist.survival.response import best_response
from scresist.survival.scores import nested_score


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Fewer draws: what is checked here does not depend on them."""
    for module in (competing, groups, scores, response):
        monkeypatch.setattr(module, "DRAWS", 199)


def confounded(n=200, seed=5, entry=None):
    """Patients whose hazard follows a covariate; the value follows the covariate and has no effect of its own."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    x = z + 0.6 * rng.normal(size=n)
    time = rng.exponential(np.exp(-1.5 * z)) + 0.01
    names = [f"p{i}" for i in range(n)]
    late = None if entry is None else entry * time
    values = pd.DataFrame({"a": x, "b": rng.normal(size=n)}, names)
    event = (rng.random(n) < 0.8).astype(int)
    return Endpoint(pd.DataFrame(index=names), time, event, values, (), late), z, rng


def test_a_group_that_follows_a_covariate_has_no_effect_beside_it():
    found, z, _ = confounded()
    plain = compare_groups(found, ["a"], endpoint="t").table.iloc[0]
    beside = compare_groups(found, ["a"], endpoint="t", adjust=z[:, None]).table.iloc[0]
    layers = np.digitize(z, [-1, -0.5, 0, 0.5, 1]).astype(str)
    within = compare_groups(found, ["a"], endpoint="t", strata=layers).table.iloc[0]
    for name in ("p_value", "p_permutation", "mean_p"):
        assert plain[name] < 0.01
        assert beside[name] > 0.05
        assert within[name] > 0.05
    assert within["p_combo"] > 0.05
    assert plain["adjusted"] == ""
    assert beside["adjusted"].startswith("log-rank and restricted means adjusted for covariates; MaxCombo not")
    assert within["adjusted"] == "log-rank, MaxCombo and restricted means by strata; medians not"
    searched = compare_groups(found, ["a"], endpoint="t", adjust=z[:, None], cut="best").table.iloc[0]
    assert "the searched cut, its p-value and hazard ratio are not adjusted" in searched["adjusted"]


def test_relabelling_within_strata_is_that_of_all_relabellings():
    rng = np.random.default_rng(1)
    time, event = rng.exponential(size=9), np.array([1, 0, 1, 1, 1, 1, 0, 1, 1])
    group, layer = np.array([1, 0, 0, 1, 1, 0, 1, 0, 0]), np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    scores = survival_scores(time, event, strata=layer)
    np.testing.assert_allclose(scores[:4], survival_scores(time[:4], event[:4]))
    first = [scores[list(c)].sum() for c in combinations(range(4), 2)]
    second = [scores[list(c)].sum() for c in combinations(range(4, 9), 2)]
    every = np.add.outer(first, second).ravel()
    exact = np.mean(np.abs(every - every.mean()) >= abs(scores[group == 1].sum() - every.mean()) - 1e-9)
    drawn = permutation_log_rank(scores, group, draws=4000, rng=rng, strata=layer)
    assert not drawn.enumerated
    assert drawn.p_exact == pytest.approx(exact, abs=0.03)
    assert drawn.z == pytest.approx((scores[group == 1].sum() - every.mean()) / every.std(), rel=1e-9)


def test_the_unweighted_part_of_max_combo_is_the_stratified_log_rank_test():
    found, z, rng = confounded(60)
    group, layer = rng.random(60) < 0.5, (z > 0).astype(int)
    z_all = max_combo(found.time, found.event, group, strata=layer, asymptotic=False).z
    test = log_rank(found.time, found.event, group.astype(int), strata=layer)
    assert z_all[0] ** 2 == pytest.approx(test.statistic, rel=1e-9)


def test_without_censoring_restricted_means_beside_covariates_are_least_squares():
    found, z, rng = confounded(50)
    group, until = rng.random(50) < 0.5, float(np.quantile(found.time, 0.7))
    got = adjusted_mean_difference(found.time, np.ones(50), group, z[:, None], until, rng, draws=99)
    x = np.column_stack([group, np.ones(50), z])
    expected = np.linalg.lstsq(x, np.minimum(found.time, until), rcond=None)[0][0]
    assert got.difference == pytest.approx(expected, rel=1e-9)
    assert (got.p_value <= 0.05) == (got.low > 0 or got.high < 0)


def test_covariates_enter_competing_events_and_strata_enter_grays_test():
    found, z, rng = confounded()
    rival = (found.event == 0) & (rng.random(found.time.size) < 0.7)
    plain = incidence_models(found, rival, ["a"], endpoint="t").table.iloc[0]
    beside = incidence_models(found, rival, ["a"], endpoint="t", adjust=z[:, None]).table.iloc[0]
    assert plain["p_value"] < 0.01 < 0.05 < beside["p_value"]
    assert beside["ci_low"] < 1 < beside["ci_high"]
    assert plain["ci_low"] > 1
    compared = compare_groups(found, ["a"], endpoint="t").table
    layers = np.digitize(z, [-1, -0.5, 0, 0.5, 1])
    by = [incidence(found, rival, compared, endpoint="t", strata=s).table for s in (None, layers)]
    first, second = (t[(t["cause"] == "event") & (t["group"] == "high")]["p_value"].iloc[0] for t in by)
    assert first < 0.01 < 0.05 < second
    status = np.where(found.event > 0, 1, 0)
    same = fine_gray_permutation(found.time, status, z, 1, rng, 19, adjust=np.column_stack([z, z]))
    assert np.isnan(same)


def test_the_order_of_two_categories_beside_a_covariate_is_firths_logistic_regression():
    _, z, rng = confounded(60)
    x = rng.normal(size=60) + 0.5 * z
    rank = (rng.random(60) < 1 / (1 + np.exp(-x - z))).astype(int)
    expected = firth_logistic(rank, np.column_stack([x, z]), which=(1,))
    got = ordinal_logistic(rank, x, adjust=z[:, None])
    assert got.coef == pytest.approx(expected.coef[1], abs=1e-4)
    assert got.low == pytest.approx(expected.low[1], abs=1e-3)
    assert ordinal_permutation(rank, z, rng, draws=99, adjust=z[:, None]) > 0.05


def test_best_response_beside_a_covariate():
    _, z, rng = confounded()
    values = pd.DataFrame({"a": z + 0.5 * rng.normal(size=200)}, [f"p{i}" for i in range(200)])
    level = 2 * z + rng.logistic(size=200)
    best = pd.Series(np.array(["PD", "SD", "PR", "CR"])[np.digitize(level, [-1, 0.5, 2])], values.index)
    age = pd.DataFrame({"age": z}, values.index).drop("p0")
    plain = best_response(values, best).table.set_index("endpoint")
    beside = best_response(values, best, adjust=age).table.set_index("endpoint")
    assert (plain["p_value"] < 0.001).all()
    assert (beside["p_value"] > 0.03).all()
    assert beside["method"].str.endswith("adjusted for age").all()
    assert (beside["n"] == 199).all()


def test_what_cannot_allow_for_late_entry_is_not_given():
    found, z, rng = confounded(80, entry=0.4)
    row = compare_groups(found, ["a"], endpoint="t").table.iloc[0]
    above = (found.values["a"] > row["cut"]).to_numpy(float)[:, None]
    whole = scan_cox(found.time, found.event, above, entry=found.entry, limits=False)
    assert row["p_permutation"] == pytest.approx(whole.p_value[0], abs=0.1)
    assert np.isnan([row["p_combo"], row["mean_difference"], row["mean_p"]]).all()
    assert "no MaxCombo, no restricted means" in row["adjusted"]
    drawn = curves(found, pd.DataFrame([row])).table
    high = (found.values["a"] > row["cut"]).to_numpy()
    expected = kaplan_meier(found.time[high], found.event[high], entry=found.entry[high])
    np.testing.assert_allclose(drawn[drawn["group"] == "high"]["n_risk"], expected.n_risk)
    assert overview(found, endpoint="t").table["median"].notna().all()
    rival = (found.event == 0) & (rng.random(80) < 0.7)
    models = incidence_models(found, rival, ["a"], endpoint="t", adjust=z[:, None]).table.iloc[0]
    assert models["reason"] == "patients come under observation late: not computed"
    assert np.isnan(models["hr"])
    assert not len(incidence(found, rival, pd.DataFrame([row]), endpoint="t").table)
    assert nested_score(found, endpoint="t").score.table["reason"].iloc[0].startswith("patients come under observation")


def test_times_rounded_to_scans_are_summed_over_and_too_coarse_ones_named_under_efron():
    rng = np.random.default_rng(2)
    x = np.exp(1.2 * rng.normal(size=100))
    time = rng.exponential(np.exp(-0.7 * (x - x.mean()) / x.std()))
    people = pd.DataFrame({"t": time, "e": 1}, [f"p{i}" for i in range(100)])
    values = pd.DataFrame({"marker": x, "noise": rng.normal(size=100)}, people.index)
    words = "marker: events are tied at times too coarse"
    exact = cox(values, people, time="t", event="e", permutations=0)
    assert not any(words in note for note in exact.notes)
    scans = people.assign(t=np.ceil(5 * time / np.median(time)))
    coarse = cox(values, scans, time="t", event="e", ties="efron", permutations=0)
    assert any(words in note for note in coarse.notes)
    summed = cox(values, scans, time="t", event="e", permutations=0)
    assert "of the events share their time with another" in summed.notes[-1]
    assert summed.method == "Cox per SD, ties in any order"
    hazard = {k: r.table.set_index("feature")["hr"]["marker"] for k, r in (("c", coarse), ("s", summed))}
    assert 1 < hazard["c"] < hazard["s"]
    few = scans.assign(t=np.where(np.arange(100) < 60, time, scans["t"]))
    assert cox(values, few, time="t", event="e", permutations=0).method == "Cox per SD, Efron ties"


def test_a_set_of_which_a_cohort_has_few_genes_is_not_tested_there():
    rng = np.random.default_rng(3)
    samples = [f"s{i}" for i in range(60)]
    values = pd.DataFrame(rng.normal(size=(2, 60)), ["A", "B"], samples)
    people = pd.DataFrame({"time": rng.exponential(size=60), "event": 1}, samples)
    sets = {"wide": [*"ABCDEFGHIJKLM"], "narrow": ["A", "B", "C"]}
    made = external_cohorts(
        {"other": (values, people)}, sets, pd.DataFrame({"hr": [2.0]}, ["wide"]), time="t", event="e"
    )
    table = made.table.set_index("feature")
    assert table.loc["wide", "reason"] == "the cohort has 2 of its 13 genes, less than 20%"
    assert np.isnan(table.loc["wide", "p_value"])
    assert table.loc["narrow", "p_value"] > 0


def test_late_entry_without_its_date_is_biased_and_with_it_is_not():
    """Patients whose sample came late are those who lived till then: a marker that rises with that time is spurious."""
    without, late = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        time = rng.exponential(size=400)
        entry = rng.exponential(0.7, size=400)
        x = entry + 0.5 * rng.normal(size=400)  # the value changes on treatment; it has no effect
        seen = time > entry
        t, e, start, value = time[seen], np.ones(seen.sum()), entry[seen], x[seen, None]
        without.append(scan_cox(t, e, value, limits=False).coef[0] * value.std())
        late.append(scan_cox(t, e, value, entry=start, limits=False).coef[0] * value.std())
    assert np.mean(without) < -0.15
    assert abs(np.mean(late)) < 3 * np.std(late) / np.sqrt(40)


def turnbull(left, right, at):
    """Share without the event after each time of `at` by self-consistency (Turnbull 1976); censored: right is inf."""
    cells = [(a, b) for a, b in zip([0.0, *at], [*at, np.inf], strict=True)]
    inside = np.array([[lo <= a and b <= hi for a, b in cells] for lo, hi in zip(left, right, strict=True)], float)
    mass = np.full(len(cells), 1 / len(cells))
    for _ in range(5000):
        mass = (inside * mass / (inside @ mass)[:, None]).mean(axis=0)
    return 1 - np.cumsum(mass)[:-1]


def test_curves_of_events_seen_at_scans_are_turnbulls_at_the_scans():
    """With scans for all at the same times, the Kaplan-Meier curve at the scans needs no correction."""
    rng = np.random.default_rng(4)
    true, lost = rng.exponential(4.0, size=80), rng.integers(1, 8, size=80)
    scan = np.ceil(true)
    event = scan <= lost
    time = np.where(event, scan, lost).astype(float)
    at = np.arange(1.0, 8.0)
    expected = turnbull(np.where(event, time - 1, time), np.where(event, time, np.inf), at)
    curve = kaplan_meier(time, event)
    got = curve.survival[np.searchsorted(curve.time, at, side="right") - 1]
    reached = at <= time.max()
    np.testing.assert_allclose(got[reached], expected[reached], atol=2e-3)
    # Between scans the event is counted late: by half an interval on average.
    values = pd.DataFrame({"a": rng.normal(size=80)}, [f"p{i}" for i in range(80)])
    people = pd.DataFrame({"t": time, "e": event.astype(int)}, values.index)
    found = gather(values, people, time="t", event="e")
    made = scan_times(found, ["a"], time - 1, endpoint="t", adjust=np.zeros((80, 0))).table.iloc[0]
    assert made["width"] == pytest.approx(1.0, abs=1e-5)
    assert min(made["hr"], made["hr_left"]) * 0.98 <= made["hr_imputed"] <= max(made["hr"], made["hr_left"]) * 1.02
