"""Survival beyond the hazard ratio: response, assumptions, competing events, scores, other cohorts, bad input."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scresist.contrasts.claims import register_claims
from scresist.kernels.cox_scan import scan_cox
from scresist.study.design import Contrast, Design
from scresist.survival import adjusted, assumptions, competing, cox, external, groups, response, scores
from scresist.survival.endpoint import gather
from scresist.survival.remark import remark
from scresist.survival.response import best_response, same_response
from scresist.survival.scores import nested_score

NONE = np.zeros((50, 0))


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Fewer permutations and resamples: what is checked here does not depend on them."""
    for module in (adjusted, competing, groups, scores, response):
        monkeypatch.setattr(module, "DRAWS", 99)


@pytest.fixture(scope="module")
def cohort():
    rng = np.random.default_rng(1)
    ids = [f"p{i:02d}" for i in range(50)]
    x = rng.normal(size=(50, 4))
    time = rng.exponential(10 * np.exp(-x[:, 0]))
    people = pd.DataFrame({"t": time, "e": (rng.random(50) < 0.75).astype(int), "age": rng.normal(size=50)}, ids)
    values = pd.DataFrame(x, ids, ["true", "a", "b", "c"])
    return gather(values, people, time="t", event="e", covariates=["age"])


def test_response_has_three_outcomes_and_the_true_feature_is_a_claim(cohort):
    rng = np.random.default_rng(2)
    values = cohort.values
    seen = pd.Series(np.array(["PD", "SD", "PR", "CR"])[
        np.digitize(2.5 * values["true"] + rng.logistic(size=50), [-1.5, 0.5, 2])], values.index)  # fmt: skip
    seen.iloc[0] = "NE"
    found = best_response(values, seen, features=["true"]).table
    assert list(found["endpoint"].unique()) == ["response", "clinical benefit", "best response"]
    own = found[found["feature"] == "true"]
    assert (own["n"] == 49).all()
    assert (own["q_value"] < 0.05).all()
    assert (own["ci_low"] > 1).all()
    assert (own["p_floor"] <= own["p_permutation"] + 1e-12).all()
    area = own.iloc[0]
    assert area["auc_low"] < area["auc"] < area["auc_high"]
    sheet = pd.DataFrame({"patient": values.index, "arm": np.tile(["x", "y"], 25), "taken": "before"}, values.index)
    design = Design(("x", "y"), (Contrast("c", "y", "x"),), sheet)
    claims = register_claims({"response": found}, design, files={"response": "survival_response"}).table
    own = claims[(claims["kind"] == "response") & (claims["feature"] == "true")]
    assert len(own) == 3
    assert "supported" in set(own["verdict"])
    assert own["statement"].str.startswith("Higher true goes with").all()
    marked = best_response(values, seen, weak="the same evidence as contrast c").table
    claims = register_claims({"response": marked}, design, files={"response": "survival_response"}).table
    assert "supported" not in set(claims.loc[claims["kind"] == "response", "verdict"])


def test_too_few_responders_give_a_reason(cohort):
    seen = pd.Series("PD", index=cohort.values.index)
    seen.iloc[0] = "PR"
    found = best_response(cohort.values, seen).table
    assert found["p_value"].isna().all()
    assert set(found["reason"]) == {"1 with and 49 without", "49 of 50 patients have the same best response"}
    constant = best_response(cohort.values.assign(true=1.0), pd.Series(np.tile(["PD", "CR"], 25), cohort.values.index))
    assert (
        constant.table.loc[constant.table["feature"] == "true", "reason"] == "the same value in every patient"
    ).all()


def test_arms_that_follow_from_the_response_are_the_same_evidence():
    rng = np.random.default_rng(3)
    ids = [f"p{i}" for i in range(20)]
    seen = pd.Series(["PD"] * 10 + ["PR"] * 10, ids)
    sheet = pd.DataFrame({"patient": ids, "arm": ["r"] * 10 + ["s"] * 10, "taken": "before"}, ids)
    design = Design(("s", "r"), (Contrast("c", "r", "s"),), sheet)
    assert same_response(design, seen).startswith("the same evidence as contrast c")
    mixed = sheet.assign(arm=rng.permutation(sheet["arm"].to_numpy()))
    assert same_response(Design(("s", "r"), (Contrast("c", "r", "s"),), mixed), seen) == ""


def test_forms_find_a_bent_effect_and_one_that_changes():
    rng = np.random.default_rng(4)
    n = 250
    ids = [f"p{i}" for i in range(n)]
    x, y = rng.normal(size=n), rng.normal(size=n)
    bent = gather(
        pd.DataFrame({"bent": x}, ids), pd.DataFrame({"t": rng.exponential(np.exp(-(x**2))), "e": 1}, ids), time="t",
        event="e",
    )  # fmt: skip
    table, curve = (r.table for r in assumptions.forms(bent, ["bent"], endpoint="t", adjust=np.zeros((n, 0))))
    assert table["form_p"].iloc[0] < 0.01
    assert (table[["hr_low", "hr_high"]].iloc[0] > 1.5).all()
    assert (curve["ci_low"] <= curve["hr"]).all()
    assert curve["hr"].iloc[[0, -1]].min() > 1 > curve["ci_low"].min()
    # Strong before time 0.5, none after it: hazard 1 without the effect, piecewise.
    early = rng.exponential(np.exp(-1.5 * y))
    time = np.where(early < 0.5, early, 0.5 + rng.exponential(size=n))
    fades = gather(pd.DataFrame({"fades": y}, ids), pd.DataFrame({"t": time, "e": 1}, ids), time="t", event="e")
    row = assumptions.forms(fades, ["fades"], endpoint="t", adjust=np.zeros((n, 0)))[0].table.iloc[0]
    assert row["change_p"] < 0.01
    assert row["hr_early"] > row["hr_late"]
    few = assumptions.forms(
        gather(pd.DataFrame({"g": x[:12]}, ids[:12]), pd.DataFrame({"t": time[:12], "e": 0}, ids[:12]), time="t",
               event="e"), ["g"], endpoint="t", adjust=np.zeros((12, 0)),
    )[0].table  # fmt: skip
    assert few["reason"].iloc[0] == "0 events, fewer than 15"


def test_scan_times_with_no_interval_change_nothing(cohort):
    exact = assumptions.scan_times(cohort, ["true"], cohort.time, endpoint="t", adjust=NONE).table.iloc[0]
    np.testing.assert_allclose([exact["hr_middle"], exact["hr_left"], exact["hr_imputed"]], exact["hr"], rtol=1e-9)
    assert exact["interval_hr"] == pytest.approx(0, abs=1e-9)
    wide = assumptions.scan_times(cohort, ["true"], cohort.time - 5, endpoint="t", adjust=NONE).table.iloc[0]
    assert wide["interval_hr"] > 0
    assert wide["ci_low"] < wide["hr_imputed"] < wide["ci_high"]
    by_hand = scan_cox(
        np.where(cohort.event > 0, (np.maximum(cohort.time - 5, 0) + cohort.time) / 2, cohort.time), cohort.event,
        cohort.values[["true"]].to_numpy() / cohort.values["true"].std(), firth=True,
    )  # fmt: skip
    np.testing.assert_allclose(wide["hr_middle"], np.exp(by_hand.coef[0]), rtol=1e-4)


def test_incidences_add_up_and_groups_are_tested(cohort):
    other = (cohort.event == 0) & (np.arange(50) % 2 == 0)
    compared = groups.compare_groups(cohort, ["true"], endpoint="t").table
    table = competing.incidence(cohort, other, compared, endpoint="t").table
    last = table[table["group"] == "all"].groupby("cause")["incidence"].last()
    assert last.sum() <= 1 + 1e-12
    assert (table[table["group"] == "all"].groupby("cause")["incidence"].diff().dropna() >= 0).all()
    tested = table[table["feature"] == "true"]
    assert tested.groupby("cause")["p_value"].nunique().eq(1).all()
    assert tested["p_value"].between(0.002, 1).all()
    last = tested[tested["cause"] == "event"].groupby("group")["incidence"].last()
    assert last["high"] != last["low"]
    models = competing.incidence_models(cohort, other, ["true"], endpoint="t").table.iloc[0]
    assert models["ci_low"] < models["hr"] < models["ci_high"]
    assert models["p_value"] < 0.05


def test_adjusted_curves_need_covariates_and_lie_in_their_limits(cohort):
    compared = groups.compare_groups(cohort, ["true"], endpoint="t").table
    assert adjusted.adjusted_curves(cohort, compared, endpoint="t", adjust=NONE).table.empty
    age = cohort.patients[["age"]].to_numpy()
    table = adjusted.adjusted_curves(cohort, compared, endpoint="t", adjust=age).table
    known = table.dropna()
    assert len(known) > 20
    assert ((known["ci_low"] <= known["survival"] + 1e-9) & (known["survival"] <= known["ci_high"] + 1e-9)).mean() > 0.9


def test_a_score_of_noise_has_no_benefit_and_that_of_a_true_gene_has(cohort):
    true = nested_score(cohort, endpoint="t", repeats=1)
    assert true.score.table["concordance"].iloc[0] > 0.55
    decision = true.decision.table
    middle = decision[decision["threshold"].between(0.3, 0.7)]
    assert middle["net_benefit"].mean() > middle["benefit_all"].mean()
    thirds = true.calibration.table
    assert thirds["n"].sum() == 50
    assert thirds["predicted"].is_monotonic_increasing
    assert thirds["observed"].iloc[2] > thirds["observed"].iloc[0]
    few = gather(
        cohort.values, pd.DataFrame({"t": cohort.time, "e": np.arange(50) < 5}, cohort.values.index).astype({"e": int}),
        time="t", event="e",
    )  # fmt: skip
    empty = nested_score(few, endpoint="t")
    assert empty.score.table["reason"].iloc[0] == "5 events, fewer than 15"
    assert empty.decision.table.empty


def bulk(rng, n, effect, genes):
    z = rng.normal(size=n)
    values = pd.DataFrame(8 + 0.8 * z + rng.normal(size=(len(genes), n)), genes, [f"s{i}" for i in range(n)])
    people = pd.DataFrame({"time": rng.exponential(np.exp(-effect * z)), "status": (rng.random(n) < 0.7).astype(int)},
                          values.columns)  # fmt: skip
    return values, people


def test_other_cohorts_are_pooled_as_by_hand():
    rng = np.random.default_rng(6)
    genes = [f"G{i}" for i in range(10)]
    cohorts = {
        "one": bulk(rng, 120, 0.7, genes),
        "two": bulk(rng, 80, 0.7, genes[:6]),
        "three": bulk(rng, 90, 0.7, genes),
    }
    first = pd.DataFrame({"hr": [1.8], "cut_share": [0.5]}, ["module"])
    made = external.external_cohorts(cohorts, {"module": genes, "none": ["Q"]}, first, time="t", event="e")
    table = made.table
    own = table[table["feature"] == "module"].set_index("cohort")
    assert own.loc["two", "genes_found"] == pytest.approx(0.6)
    assert own.loc["one", "same_direction"]
    assert own.loc["one", "p_one_sided"] == pytest.approx(own.loc["one", "p_value"] / 2)
    assert own.loc["one", "cut_hr"] > 1
    log = np.log(own.loc[["one", "two", "three"], "hr"].to_numpy(float))
    se = []
    for values, people in cohorts.values():
        z = values.sub(values.mean(axis=1), axis=0).div(values.std(axis=1), axis=0).mean(axis=0)
        se.append(scan_cox(people["time"], people["status"], (z / z.std()).to_numpy()[:, None]).se[0])
    w = 1 / np.array(se) ** 2
    fixed = (w * log).sum() / w.sum()
    q = (w * (log - fixed) ** 2).sum()
    tau = max((q - 2) / (w.sum() - (w**2).sum() / w.sum()), 0)
    np.testing.assert_allclose(np.log(own.loc["all cohorts, fixed effect", "hr"]), fixed, rtol=1e-6)
    np.testing.assert_allclose(
        own.loc["all cohorts", ["cochran_q", "tau_squared"]].to_numpy(float), [q, tau], atol=1e-6
    )
    w = 1 / (np.array(se) ** 2 + tau)
    np.testing.assert_allclose(np.log(own.loc["all cohorts", "hr"]), (w * log).sum() / w.sum(), rtol=1e-6)
    assert "none" not in set(table["feature"])
    assert any("1 gene of" in note and "not measured there" in note for note in made.notes)


def test_remark_names_the_scans_when_they_are_given():
    ends = [SimpleNamespace(label="PFS", time="t", event="e", unit="months", covariates=[], cut="median",
                            scan_interval=None, last_scan=None)]  # fmt: skip
    survival = pd.DataFrame({"what": ["gene"], "penalised": [True]})
    overview = pd.DataFrame([{"endpoint": "PFS", "n": 5, "events": 3, "follow_up": np.nan, "unit": "months"}])
    plain = remark(ends, pd.DataFrame(), survival, overview, pd.DataFrame()).table
    assert plain.loc[plain["item"] == "18", "text"].str.contains("taken as exact").all()
    ends[0].scan_interval = 1.5
    given = remark(ends, pd.DataFrame(), survival, overview, pd.DataFrame()).table
    assert given.loc[given["item"] == "18", "text"].str.contains("survival_scans.csv").all()


# --- bad input: no failure, NaN with a reason or a finite answer ---


def spoil(kind, values, people):
    if kind == "no events":
        people["e"] = 0
    elif kind == "all events":
        people["e"] = 1
    elif kind == "ties":
        people["t"] = np.ceil(people["t"] / 20)
    elif kind == "zero times":
        people.loc[people.index[:3], "t"] = 0.0
    elif kind == "one group empty":
        values["a"] = (np.arange(50) == 0).astype(float)
    elif kind == "missing values":
        values.loc[values.index[5:25], "a"] = np.nan
    elif kind == "constant factor":
        values["a"] = 3.0
    elif kind == "perfect separation":
        people["t"], people["e"] = np.arange(1.0, 51), 1
        values["a"] = -np.arange(50.0)
    return values, people


@pytest.mark.parametrize("kind", [
    "no events", "all events", "ties", "zero times", "one group empty", "missing values", "constant factor",
    "perfect separation",
])  # fmt: skip
def test_bad_input_has_an_answer_or_a_reason_everywhere(kind, cohort):
    values, people = spoil(kind, cohort.values.copy(), cohort.patients.copy())
    fitted = cox(values, people, time="t", event="e", permutations=99).table
    assert (fitted["p_value"].notna() | (fitted["reason"] != "")).all()
    assert not (fitted["p_value"] == 1).any()
    found = gather(values, people, time="t", event="e")
    compared = groups.compare_groups(found, ["a"], endpoint="t").table
    assert compared["p_permutation"].notna().all() or compared["reason"].ne("").all() or kind == "no events"
    other = (found.event == 0) & (np.arange(50) % 3 == 0)
    parts = [
        *assumptions.forms(found, ["a"], endpoint="t", adjust=NONE),
        assumptions.scan_times(found, ["a"], found.time - 1, endpoint="t", adjust=NONE),
        competing.incidence(found, other, compared, endpoint="t"),
        competing.incidence_models(found, other, ["a"], endpoint="t"),
        groups.curves(found, compared), groups.overview(found, endpoint="t"),
        *nested_score(found, endpoint="t", repeats=1),
    ]  # fmt: skip
    for part in parts:
        if {"p_value", "reason"} <= set(part.table):
            assert (part.table["p_value"].notna() | (part.table["reason"] != "")).all()


def test_the_slope_of_a_score_is_near_one_for_true_effects_and_near_zero_for_noise():
    rng, found = np.random.default_rng(12), {}
    values = pd.DataFrame(rng.normal(size=(150, 6)), [f"p{i}" for i in range(150)], list("abcdef"))
    for name, effect in (("true", np.r_[1.0, 1.0, 0, 0, 0, 0]), ("noise", np.zeros(6))):
        time = rng.exponential(1 / np.exp(values.to_numpy() @ effect))
        people = pd.DataFrame({"t": time, "e": 1}, values.index)
        own = gather(values, people, time="t", event="e")
        found[name] = nested_score(own, endpoint="t", repeats=2)
    true, noise = (found[k].score.table.iloc[0] for k in ("true", "noise"))
    assert true["slope_low"] < 1 < true["slope_high"]
    assert 0.8 < true["slope"] < 1.1
    assert noise["slope_low"] < 0 < noise["slope_high"]
    decided = found["noise"].decision.table
    few = np.minimum(decided["share_above"], 1 - decided["share_above"]) * 150 < 5
    assert few.any()
    assert decided["ci_low"].isna().equals(few)


@pytest.mark.parametrize(("events", "has"), [(7, False), (8, True)])
def test_a_median_from_few_events_has_no_interval_and_a_reason(events, has):
    ids = [f"p{i:02d}" for i in range(15)]
    people = pd.DataFrame({"t": np.arange(1.0, 16), "e": (np.arange(15) < events).astype(int)}, ids)
    found = gather(pd.DataFrame({"g": np.arange(15.0)}, ids), people, time="t", event="e")
    row = groups.overview(found, endpoint="PFS").table.iloc[0]
    assert np.isfinite(row["ci_low"]) == has
    assert ("no interval of the median from 7 events" in row["reason"]) != has
    assert ("of the follow-up from 7 patients" in row["reason"]) == has
    assert np.isfinite(row["follow_up_low"]) != has


def test_a_subdistribution_hazard_ratio_from_few_events_for_each_coefficient_has_no_interval():
    rng = np.random.default_rng(4)
    ids = [f"p{i:02d}" for i in range(16)]
    people = pd.DataFrame({"t": rng.exponential(size=16), "e": (np.arange(16) < 5).astype(int)}, ids)
    found = gather(pd.DataFrame({"g": rng.normal(size=16)}, ids), people, time="t", event="e")
    other = np.arange(16) >= 10
    alone = competing.incidence_models(found, other, ["g"], endpoint="PFS").table.iloc[0]
    assert alone["reason"] == ""
    assert alone["ci_low"] < alone["hr"] < alone["ci_high"]
    beside = competing.incidence_models(found, other, ["g"], endpoint="PFS", adjust=rng.normal(size=(16, 1))).table
    assert "no interval from 5 events; at least 3 for each coefficient" in beside["reason"].iloc[0]
    assert np.isfinite(beside["hr"].iloc[0])
    assert np.isfinite(beside["p_value"].iloc[0])
    assert np.isnan(beside["ci_low"].iloc[0])
