"""Firth, profile limits and exact tests against R (../shared/oracle/inference/survival, see its README)."""

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from scresist.kernels.competing_risks import cumulative_incidence
from scresist.kernels.cox import cox_regression
from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.cut_points import log_rank_scores
from scresist.kernels.fine_gray import fine_gray
from scresist.kernels.gray_test import gray_test
from scresist.kernels.log_rank import max_combo, permutation_log_rank, survival_scores
from scresist.kernels.logistic import exact_two_by_two, firth_logistic, roc_area
from scresist.kernels.restricted_mean import follow_up, median_limits, restricted_mean_difference
from scresist.kernels.searched_cut import maximal_p, searched_cut

GOLDEN = SHARED / "oracle" / "inference" / "survival"
NOT_CONVERGED = {8}  # coxphf's limits, by the README


def read(name):
    return pd.read_csv(GOLDEN / f"{name}.csv.gz")


def sets(name):
    return {int(s): d for s, d in read(name).groupby("set")}


def split(d):
    binary = set(d["x"]) <= {0.0, 1.0}
    return (d["x"].astype(int) if binary else (d["x"] > d["x"].median()).astype(int)).to_numpy()


@needs_shared
def test_profile_limits_match_r():
    data = sets("in_cox_sets")
    for r in read("coxph_profile").itertuples():
        d = data[r.set]
        if int(r.monotone):
            continue
        z = d[["z"]].to_numpy() if r.adjusted_for_z else None
        fit = scan_cox(
            d["time"], d["status"], d[["x"]].to_numpy(), adjust=z, ties=r.ties, firth=False, level=float(r.level)
        )
        got = [fit.coef[0], fit.se[0], fit.low[0], fit.high[0], fit.p_value[0]]
        expected = [r.coef, r.se, r.profile_lower, r.profile_upper, r.lr_p_x]
        np.testing.assert_allclose(got, np.array(expected, float), rtol=1e-6, err_msg=f"{r.set} {r.ties}")


@needs_shared
def test_firth_cox_matches_coxphf():
    data, golden = sets("in_cox_sets"), read("coxphf")
    for r in golden[golden["firth"] & (golden["interval"] == "profile") & (golden["term"] == "x")].itertuples():
        d = data[r.set]
        z = d[["z"]].to_numpy() if d["z"].notna().all() else None
        fit = scan_cox(d["time"], d["status"], d[["x"]].to_numpy(), adjust=z, ties="breslow", firth=True)
        if r.set in NOT_CONVERGED:
            np.testing.assert_allclose(fit.coef[0], r.coef, rtol=1e-3)
            continue
        got, expected = [fit.coef[0], fit.low[0], fit.high[0], fit.p_value[0]], [r.coef, r.lower, r.upper, r.prob]
        np.testing.assert_allclose(got, expected, rtol=1e-6, err_msg=str(r.set))


@needs_shared
def test_firth_logistic_matches_logistf():
    data, golden = sets("in_logistic_sets"), read("firth_logistic")
    for s, d in data.items():
        own = golden[(golden["set"] == s) & (golden["method"] == "logistf_profile")]
        fit = firth_logistic(d["y"], d[["x", *(["z"] if "z" in set(own["term"]) else [])]].to_numpy())
        # Where logistf stopped early (sets 7 and 10: separation) brglm2 has the coefficient.
        loose = s in (7, 10)
        np.testing.assert_allclose(fit.p_value, own["p"], rtol=1e-6)
        if not loose:
            np.testing.assert_allclose(fit.coef, own["coef"], rtol=1e-6)
            np.testing.assert_allclose(fit.low, own["lower"], rtol=1e-6)
            np.testing.assert_allclose(fit.high, own["upper"], rtol=1e-6)
        se = golden[(golden["set"] == s) & (golden["method"] == "brglm2_AS_mean")]["se"]
        np.testing.assert_allclose(fit.se, se, rtol=1e-6)
        if s == 7:
            np.testing.assert_allclose(fit.high[1], 36.772, rtol=1e-4)


@needs_shared
def test_incidence_and_fine_gray_match_cmprsk():
    data = sets("in_competing_sets")
    for r in read("cuminc_timepoints").itertuples():
        group, cause = r.curve.split()
        d = data[r.set][data[r.set]["group"] == group]
        curve = cumulative_incidence(d["time"], d["status"], int(cause))
        i = np.searchsorted(curve.time, r.time, side="right") - 1
        if np.isfinite(r.est) and i >= 0:
            np.testing.assert_allclose([curve.estimate[i], curve.variance[i]], [r.est, r.var], rtol=1e-6, atol=1e-12)
    golden = read("crr")
    for (s, cause), own in golden[golden["cengroup"] == "none"].groupby(["set", "cause"]):
        if not own["converged"].all():
            continue
        d = data[s]
        groups = [(d["group"] == t.removeprefix("group")).to_numpy(float) for t in own["term"] if t != "x"]
        fit = fine_gray(d["time"].to_numpy(), d["status"].to_numpy(), np.column_stack([*groups, d["x"]]), int(cause))
        if fit.reason:
            continue
        np.testing.assert_allclose(fit.coef, own["coef"], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(fit.se, own["se"], rtol=1e-6)


@needs_shared
def test_grays_test_matches_cmprsk():
    data = sets("in_competing_sets")
    for r in read("cuminc_gray").itertuples():
        d = data[r.set]
        strata = d["block"].to_numpy() if r.stratified else None
        test = gray_test(d["time"], d["status"], d["group"].to_numpy(), int(r.cause), rho=float(r.rho), strata=strata)
        np.testing.assert_allclose([test.statistic, test.p_value, test.df], [r.stat, r.pv, r.df], rtol=1e-6)


def test_grays_test_keeps_its_level_and_knows_no_names():
    rng = np.random.default_rng(8)
    p = []
    for _ in range(400):
        time, status = np.ceil(8 * rng.exponential(size=50)), rng.choice(3, 50, p=[0.3, 0.4, 0.3])
        group = rng.integers(0, 2, 50)
        p.append(gray_test(time, status, group, 1).p_value)
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.085  # 2.7 standard errors
    order = rng.permutation(50)
    one = gray_test(time, status, group, 1)
    other = gray_test(time[order], status[order], np.array(["z", "a"])[group[order]], 1)
    np.testing.assert_allclose(other.statistic, one.statistic)
    assert np.isnan(gray_test(time, status, np.zeros(50), 1).p_value)
    assert np.isnan(gray_test(time, np.zeros(50, int), group, 1).p_value)
    # Groups with the same patients do not differ.
    same = gray_test(np.tile(time, 2), np.tile(status, 2), np.repeat([0, 1], 50), 1)
    np.testing.assert_allclose(same.statistic, 0, atol=1e-12)


@needs_shared
def test_means_medians_and_follow_up_match_r():
    data, means = sets("in_cox_sets"), read("rmst_survRM2")
    for r in means[(means["what"] == "difference_1_minus_0") & means["est"].notna()].itertuples():
        d = data[r.set]
        got = restricted_mean_difference(d["time"], d["status"], split(d), float(r.tau))
        if np.isfinite(got.difference):
            expected = [float(r.est), float(r.lower), float(r.upper), float(r.p)]
            np.testing.assert_allclose(got[:4], expected, rtol=1e-6, atol=1e-12)
    golden = read("km_reverse_median")
    for r in golden[golden["conf.type"] == "log-log"].itertuples():
        d = data[r.set]
        got = (follow_up if r.reverse else median_limits)(d["time"], d["status"])
        np.testing.assert_allclose(got, [r.median, r.lower, r.upper], rtol=1e-9)


@needs_shared
def test_exact_log_rank_matches_coin():
    data, golden = sets("in_cox_sets"), read("logrank_exact").rename(columns={"ties.method": "ties"})
    own = golden[(golden["type"] == "logrank") & golden["ties"].isin(["mid-ranks", "Hothorn-Lausen"])]
    for r in own.itertuples():
        d = data[r.set]
        if len(d) > 36:
            continue
        how = survival_scores if r.ties == "mid-ranks" else log_rank_scores
        got = permutation_log_rank(how(d["time"], d["status"]), split(d))
        np.testing.assert_allclose(abs(got.z), abs(r.Z), rtol=1e-6)
        np.testing.assert_allclose(
            got.p_exact if r.distribution == "exact" else got.p_asymptotic, r.p, rtol=1e-6, err_msg=str(r.set)
        )


@needs_shared
def test_the_conditional_p_of_a_cut_is_within_the_spread_of_maxstat():
    data, golden = sets("in_maxstat_sets"), read("maxstat")
    for (s, share), own in golden[golden["pmethod"] == "condMC"].groupby(["set", "minprop"]):
        d = data[s]
        got = maximal_p(d["x"], d["time"], d["status"], np.random.default_rng(0), low_share=share, high_share=1 - share)
        np.testing.assert_allclose(got[:2], [own["statistic"].iloc[0], own["cutpoint"].iloc[0]], rtol=1e-6)
        middle = own["p"].mean()
        assert abs(got[2] - middle) < 6 * np.sqrt(middle * (1 - middle) / 9999 + 1e-8) + 2e-4


def test_a_likelihood_with_a_maximum_is_never_refused_and_one_without_has_firths_answer():
    rng = np.random.default_rng(0)
    for _ in range(150):
        n = int(rng.integers(8, 16))
        x = np.exp(1.5 * rng.normal(size=n))
        time = rng.exponential(np.exp(-2 * (x - x.mean()) / x.std()))
        event = rng.random(n) < 0.7
        if event.sum() < 3:
            continue
        fit, plain = scan_cox(time, event, x[:, None]), cox_regression(time, event, x, diagnose=False)
        assert np.isfinite(fit.coef[0])
        assert fit.monotone[0] == (plain.reason != "")
        if not fit.monotone[0]:
            np.testing.assert_allclose(fit.coef[0], plain.coef[0], rtol=1e-6)


def test_separation_has_a_finite_estimate_and_one_finite_limit():
    time, x = np.arange(1.0, 13.0), -np.arange(12.0)
    fit = scan_cox(time, np.ones(12), x[:, None])
    assert np.isfinite([fit.coef[0], fit.low[0]]).all()
    assert fit.low[0] > 0
    assert fit.how[0] == 1


@pytest.mark.slow
def test_calibration_makes_test_and_interval_agree_and_keeps_the_level():
    rng = np.random.default_rng(1)
    p, agree = [], []
    for _ in range(40):
        n = 15
        z, x = rng.normal(size=(n, 2)), np.exp(rng.normal(size=(n, 10)))
        fit = scan_cox(rng.exponential(size=n), rng.random(n) < 0.7, x, adjust=z, firth=True, permutations=199, rng=rng)
        known = np.isfinite(fit.p_value) & np.isfinite(fit.low) & np.isfinite(fit.high)
        p += list(fit.p_value[known])
        excludes = (fit.low > 0) | (fit.high < 0)
        agree += list((excludes == (fit.p_value < 0.05))[known])
    assert np.mean(agree) == 1
    assert np.mean(np.array(p) < 0.05) < 0.08  # 400 tests; uncorrected the rate is about 0.1


def test_threads_and_order_of_features_change_nothing():
    rng = np.random.default_rng(2)
    time, event, x = rng.exponential(size=30), rng.random(30) < 0.6, rng.normal(size=(30, 7))
    one = scan_cox(time, event, x, firth=True, permutations=99, rng=np.random.default_rng(0))
    two = scan_cox(time, event, x[:, ::-1], firth=True, permutations=99, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(one.p_value, two.p_value[::-1])


def test_one_cause_is_no_competing_risk():
    rng = np.random.default_rng(3)
    time, event, x = rng.exponential(size=60), (rng.random(60) < 0.7).astype(int), rng.normal(size=60)
    fit = fine_gray(time, event, x, 1)
    np.testing.assert_allclose(fit.coef, cox_regression(time, event, x).coef, rtol=1e-6)


def test_searched_cut_is_shrunk_and_weighted_tests_are_bounded():
    rng = np.random.default_rng(4)
    x, time, event = rng.normal(size=30), rng.exponential(size=30), np.ones(30)
    found = searched_cut(x, time, event, rng, draws=199, resamples=30)
    assert 0 <= found.shrinkage <= 1
    assert found.cut_low <= found.cut <= found.cut_high
    combo = max_combo(time, event, x > 0, draws=199, rng=rng)
    assert combo.largest == np.abs(combo.z).max()
    assert combo.p_permutation == pytest.approx(combo.p_value, abs=0.1)


def test_two_by_two_and_area_by_hand():
    odds, p = exact_two_by_two(np.array([[3, 0], [0, 3]]))
    assert np.isinf(odds)
    assert p == pytest.approx(0.1)
    assert roc_area(np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1])) == 1
    assert np.isnan(roc_area(np.array([1.0, 2]), np.array([1, 1])))
