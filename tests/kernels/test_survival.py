"""Survival kernels against R survival 3.5-3 and maxstat 0.7-25 (../shared/oracle/survival)."""

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from scresist.kernels.cox import concordance_index, cox_regression
from scresist.kernels.cut_points import best_cut
from scresist.kernels.survival_curves import kaplan_meier, log_rank, median_survival, restricted_mean

GOLDEN = SHARED / "oracle" / "survival"
TIGHT = {"rtol": 1e-6}


def read(name):
    return pd.read_csv(GOLDEN / name)


@pytest.fixture(scope="module")
def acrg():
    used = read("acrg_used.csv")
    raw = pd.read_csv(SHARED / "data" / "survival" / "acrg_expr.csv.gz", index_col=0)[used["id"]].T
    return used["time"].to_numpy(), used["status"].to_numpy(), used["subtype"].to_numpy(), raw


def standardised(raw):
    return (raw - raw.mean()) / raw.std()


@needs_shared
def test_univariable_cox_matches_r(acrg):
    time, status, _, raw = acrg
    golden, x = read("acrg_cox_univariable.csv"), standardised(raw)
    fits = [cox_regression(time, status, x[g].to_numpy()) for g in golden["gene"]]
    for name, column in (
        ("coef", "coef"),
        ("se", "se"),
        ("p_wald", "p_wald"),
        ("zph_chisq", "zph_chisq"),
        ("zph_p", "zph_p"),
    ):
        np.testing.assert_allclose([getattr(f, name)[0] for f in fits], golden[column], err_msg=name, **TIGHT)
    for name, column in (("p_lrt", "p_lrt"), ("p_score", "p_score"), ("loglik_null", "loglik0"), ("loglik", "loglik1"),
                         ("concordance", "concordance")):  # fmt: skip
        np.testing.assert_allclose([getattr(f, name) for f in fits], golden[column], err_msg=name, **TIGHT)


@needs_shared
def test_breslow_robust_and_strata_match_r(acrg):
    time, status, subtype, raw = acrg
    x = standardised(raw)
    first = x[read("acrg_cox_univariable.csv")["gene"][0]].to_numpy()
    golden = read("acrg_cox_breslow_gene1.csv")
    fit = cox_regression(time, status, first, ties="breslow")
    np.testing.assert_allclose([fit.coef[0], fit.se[0]], golden[["coef", "se(coef)"]].iloc[0], **TIGHT)
    golden = read("acrg_cox_robust_gene1.csv")
    fit = cox_regression(time, status, first, cluster=subtype)
    np.testing.assert_allclose([fit.robust_se[0], fit.p_wald[0]], golden[["robust se", "Pr(>|z|)"]].iloc[0], **TIGHT)
    golden = read("acrg_cox_multivariable_stratified.csv")
    fit = cox_regression(time, status, x[golden["gene"]].to_numpy(), strata=subtype)
    np.testing.assert_allclose(fit.coef, golden["coef"], **TIGHT)
    np.testing.assert_allclose(fit.se, golden["se(coef)"], **TIGHT)


@needs_shared
def test_time_dependent_cox_matches_r():
    heart, golden = read("heart_startstop.csv"), read("heart_cox_timedependent.csv")
    x = heart[["age", "surgery", "transplant"]].to_numpy(float)
    fit = cox_regression(heart["stop"].to_numpy(), heart["event"].to_numpy(), x, entry=heart["start"].to_numpy())
    np.testing.assert_allclose(fit.coef, golden["coef"], **TIGHT)
    np.testing.assert_allclose(fit.se, golden["se(coef)"], **TIGHT)
    np.testing.assert_allclose(fit.p_wald, golden["Pr(>|z|)"], **TIGHT)


@needs_shared
def test_curves_and_log_rank_match_r(acrg):
    time, status, subtype, raw = acrg
    golden = read("acrg_logrank_mean_split.csv")
    for row in golden.itertuples():
        gene = raw[row.gene].to_numpy()
        found = log_rank(time, status, (gene > gene.mean()).astype(int))
        got = [found.statistic, found.p_value, *found.observed, *found.expected]
        expected = [row.chisq, row.p, row.obs_low, row.obs_high, row.exp_low, row.exp_high]
        np.testing.assert_allclose(got, expected, **TIGHT)
    found = log_rank(time, status, pd.factorize(subtype)[0])
    np.testing.assert_allclose([found.statistic, found.df], read("acrg_logrank_subtype.csv").iloc[0], **TIGHT)
    high = (raw["DCN"] > raw["DCN"].mean()).to_numpy()
    km, table = read("acrg_km_mean_split.csv"), read("acrg_km_table_rmean60.csv").set_index("Unnamed: 0")
    for name, side in (("hi=FALSE", ~high), ("hi=TRUE", high)):
        curve, expected = kaplan_meier(time[side], status[side]), km[km["strata"] == name]
        names = {"n_risk": "n_risk", "n_event": "n_event", "survival": "surv", "ci_low": "lower", "ci_high": "upper"}
        for ours, theirs in {"time": "time", **names}.items():  # R's table has the times of events only
            found = getattr(curve, ours)[curve.n_event > 0]
            np.testing.assert_allclose(found, expected[theirs], err_msg=ours, **TIGHT)
        mean = table.loc[name, ["rmean", "se(rmean)"]].astype(float)
        np.testing.assert_allclose(restricted_mean(curve, 60), mean, **TIGHT)
        np.testing.assert_allclose(median_survival(curve), table.loc[name, "median"], **TIGHT)


@needs_shared
def test_cut_points_match_maxstat(acrg):
    time, status, _, raw = acrg
    for row in read("acrg_maxstat.csv").itertuples():
        found = best_cut(raw[row.gene].to_numpy(), time, status)
        expected = [row.statistic, row.cut, row.p_Lau92, min(row.p_Lau94, 1)]
        np.testing.assert_allclose(found, expected, err_msg=row.gene, **TIGHT)


def test_cox_against_a_plain_likelihood():
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    n = 60
    x, entry = rng.normal(size=(n, 2)), rng.uniform(0, 2, n).round(1)
    time, event, strata = entry + rng.exponential(3, n).round(1) + 0.1, rng.random(n) < 0.7, rng.integers(0, 2, n)

    def minus_loglik(beta):
        risk, total = np.exp(x @ beta), 0.0
        for s in (0, 1):
            for t in np.unique(time[event & (strata == s)]):
                at = (strata == s) & (time >= t) & (entry < t)
                dead = at & (time == t) & event
                total += (x[dead] @ beta).sum()
                for k in range(dead.sum()):
                    total -= np.log(risk[at].sum() - k / dead.sum() * risk[dead].sum())
        return -total

    best = minimize(minus_loglik, np.zeros(2), tol=1e-10)
    fit = cox_regression(time, event, x, entry=entry, strata=strata)
    np.testing.assert_allclose(fit.coef, best.x, atol=1e-5)
    assert fit.loglik == pytest.approx(-best.fun)


def test_robust_residuals_sum_to_nothing_and_match_leaving_out():
    rng = np.random.default_rng(1)
    x, time, event = rng.normal(size=80), rng.exponential(size=80).round(1), rng.random(80) < 0.7
    fit = cox_regression(time, event, x, cluster=np.arange(80))
    without = np.array(
        [cox_regression(np.delete(time, i), np.delete(event, i), np.delete(x, i)).coef[0] for i in range(80)]
    )
    jackknife = np.sqrt(np.sum((without - fit.coef[0]) ** 2))
    assert fit.robust_se[0] == pytest.approx(jackknife, rel=0.15)


@pytest.mark.parametrize(
    ("x", "event", "reason"),
    [
        (np.arange(6.0), np.zeros(6), "no event"),
        (np.ones(6), np.ones(6), "does not vary"),
        (-np.arange(6.0), np.ones(6), "perfectly"),
    ],
)
def test_what_has_no_estimate_says_why(x, event, reason):
    fit = cox_regression(np.arange(1.0, 7), event, x)
    assert np.isnan(fit.coef).all()
    assert np.isnan(fit.p_wald).all()
    assert reason in fit.reason


def test_collinear_covariates_have_no_estimate():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, 1))
    fit = cox_regression(rng.exponential(size=30), np.ones(30), np.column_stack([x, x]))
    assert "collinear" in fit.reason


def test_concordance_by_hand():
    assert concordance_index([3.0, 2, 1], [1.0, 2, 3], [1, 1, 1]) == 1
    assert concordance_index([1.0, 1, 1], [1.0, 2, 3], [1, 1, 0]) == 0.5
    assert np.isnan(concordance_index([1.0, 2], [1.0, 2], [0, 0]))


def test_edges_of_curves():
    curve = kaplan_meier(np.array([1.0, 2, 3]), np.array([1, 1, 1]))
    assert curve.survival[-1] == 0
    assert np.isnan(curve.ci_low[-1])
    assert median_survival(kaplan_meier(np.array([1.0, 2]), np.array([0, 0]))) != 0.5
    with pytest.raises(ValueError, match="later than the last"):
        restricted_mean(curve, 5)
    assert np.isnan(log_rank(np.array([1.0, 2]), np.array([1, 1]), np.array([0, 0])).p_value)
    assert np.isnan(best_cut(np.ones(10), np.arange(10.0), np.ones(10)).statistic)


def test_data_that_say_nothing_give_a_reason_and_no_warning():
    rng = np.random.default_rng(0)
    reasons = set()
    for _ in range(200):
        n = int(rng.integers(4, 14))
        x = (rng.normal(size=(n, 2)) > 0).astype(float)
        time = np.argsort(np.argsort(-x[:, 0])) + 1.0
        fit = cox_regression(time, rng.random(n) < 0.7, x)
        reasons.add(fit.reason)
        assert fit.reason or np.isfinite(fit.se).all()
        assert not fit.reason or np.isnan(fit.coef).all()
    assert any("perfectly" in reason for reason in reasons)
