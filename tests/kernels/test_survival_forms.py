"""Forms of an effect, ordered outcomes, permuted restricted means, net benefit: against loops and known cases."""

import numpy as np
import pytest
from scipy import optimize, special

from scresist.kernels.cox_forms import (
    changing_effect,
    natural_spline,
    net_benefit,
    predicted_risk,
    risk_sets,
    standardised_curves,
)
from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.fine_gray import fine_gray, fine_gray_limits, fine_gray_permutation
from scresist.kernels.logistic import bootstrap_roc, firth_logistic
from scresist.kernels.ordinal import ordinal_logistic, ordinal_permutation
from scresist.kernels.restricted_mean import (
    _differences,
    permuted_mean_difference,
    restricted_mean_difference,
)
from scresist.kernels.survival_curves import kaplan_meier


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    time = np.ceil(6 * rng.exponential(np.exp(-x))) / 2
    return x, time, rng.random(50) < 0.7, rng


def test_a_spline_is_straight_outside_its_knots():
    x = np.linspace(-3, 3, 400)
    knots = np.array([-1.0, 0.2, 1.5])
    bend = natural_spline(x, knots)[:, 0]
    second = np.diff(bend, 2)
    np.testing.assert_allclose(second[x[1:-1] < -1.02], 0, atol=1e-12)
    np.testing.assert_allclose(second[x[1:-1] > 1.52], 0, atol=1e-9)
    assert np.abs(second[(x[1:-1] > -0.9) & (x[1:-1] < 1.4)]).max() > 1e-5


def test_risk_sets_are_the_same_model(patients):
    x, time, event, _ = patients
    strata = (x > 0.3).astype(int)
    for layers in (None, strata):
        sets = risk_sets(time, event, strata=layers)
        one = scan_cox(np.ones(sets.row.size), sets.event, x[sets.row][:, None], strata=sets.number)
        two = scan_cox(time, event, x[:, None], strata=layers)
        np.testing.assert_allclose([one.coef, one.low, one.high], [two.coef, two.low, two.high], rtol=1e-7)


def test_a_changing_effect_against_a_plain_likelihood(patients):
    """Breslow's likelihood with the value and its product with log time, written as a loop."""
    x, _, event, rng = patients
    time = rng.permutation(np.arange(1.0, 51))
    found = changing_effect(time, event, x)
    first = np.quantile(time[event], 0.25)

    def terms(beta):
        value, information = 0.0, np.zeros((2, 2))
        for i in np.flatnonzero(event):
            at = np.column_stack([x, x * np.log(time[i] / first)])
            risk = time >= time[i]
            w = np.exp(at[risk] @ beta)
            mean = w @ at[risk] / w.sum()
            information += (at[risk] * w[:, None]).T @ at[risk] / w.sum() - np.outer(mean, mean)
            value += at[i] @ beta - np.log(w.sum())
        return value + 0.5 * np.linalg.slogdet(information)[1]

    best = optimize.minimize(
        lambda b: -terms(b), np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10}
    )
    np.testing.assert_allclose(found.early[0], best.x[0], atol=1e-4)
    late = best.x[0] + best.x[1] * np.log(found.late_time / first)
    np.testing.assert_allclose(found.late[0], late, atol=1e-4)
    assert changing_effect(time, np.arange(50) < 3, x).reason == "fewer than four distinct times of events"


def test_two_ordered_categories_are_firths_logistic_regression(patients):
    x, _, _, rng = patients
    y = (rng.random(50) < special.expit(x)).astype(int)
    one, two = ordinal_logistic(y, x), firth_logistic(y, x)
    np.testing.assert_allclose(
        [one.coef, one.low, one.high, one.p_value], [two.coef[1], two.low[1], two.high[1], two.p_value[1]], rtol=1e-3
    )


def test_ordered_outcomes_have_signs_and_reasons(patients):
    x, _, _, rng = patients
    rank = np.digitize(x + rng.logistic(size=50), [-1, 0.5, 2])
    one = ordinal_logistic(rank, x)
    other = ordinal_logistic(-rank, x)  # the order turned round
    np.testing.assert_allclose([one.coef, one.low], [-other.coef, -other.high], rtol=2e-3)
    np.testing.assert_allclose(ordinal_logistic(rank, 10 * x).coef, one.coef / 10, rtol=1e-4)
    apart = ordinal_logistic(np.repeat([0, 1, 2], 6), np.arange(18.0))  # the value orders the categories
    assert np.isfinite([apart.coef, apart.low]).all()
    assert apart.low > 0
    assert ordinal_logistic(np.zeros(10), np.arange(10.0)).reason == "all patients have the same outcome"
    assert ordinal_logistic(np.arange(10) % 2, np.ones(10)).reason == "the same value in every patient"
    assert ordinal_permutation(np.repeat([0, 1, 2], 6), np.arange(18.0), np.random.default_rng(0)) == 1 / 2000


def test_permuted_means_equal_the_plain_ones_and_agree_with_their_limits(patients):
    x, time, event, rng = patients
    groups = np.stack([rng.permutation(x > 0) for _ in range(20)])
    difference, error = _differences(time, event.astype(float), groups.astype(float), 3.0)
    for k, group in enumerate(groups):
        plain = restricted_mean_difference(time, event, group, 3.0)
        np.testing.assert_allclose([difference[k], error[k]], [plain.difference, np.hypot(*plain.errors)], rtol=1e-10)
    for k in range(15):
        own = permuted_mean_difference(time, event, groups[k], 3.0, np.random.default_rng(k), draws=199)
        assert (own.p_value <= 0.05) == (own.low > 0 or own.high < 0) or own.p_value == pytest.approx(0.05, abs=0.006)
    assert np.isnan(permuted_mean_difference(time, event, x > 99, 3.0, rng).p_value)
    assert np.isnan(permuted_mean_difference(time, event * 0, x > 0, 1e9, rng).p_value)


def test_standardised_curves_without_an_effect_of_the_covariate_are_those_of_the_groups():
    rng = np.random.default_rng(2)
    time, event, group = rng.exponential(size=400), rng.random(400) < 0.8, np.arange(400) % 2 == 1
    z = rng.normal(size=(400, 1))
    at = np.array([0.2, 0.5, 1.0])
    curves = standardised_curves(time, event, group, z, at)
    for side in (0, 1):
        own = kaplan_meier(time[group == side], event[group == side])
        plain = own.survival[np.searchsorted(own.time, at, side="right") - 1]
        np.testing.assert_allclose(curves[side], plain, atol=0.02)
    # A covariate that differs between the groups and carries the whole difference is taken out.
    z = rng.normal(size=(400, 1)) + group[:, None]
    time = rng.exponential(np.exp(-1.2 * z[:, 0]))
    adjusted = standardised_curves(time, np.ones(400), group, z, at)
    raw = [kaplan_meier(time[group == s], np.ones(200)) for s in (0, 1)]
    apart = abs(raw[0].survival[np.searchsorted(raw[0].time, 0.5)] - raw[1].survival[np.searchsorted(raw[1].time, 0.5)])
    assert np.abs(adjusted[0] - adjusted[1])[1] < 0.4 * apart


def test_net_benefit_by_hand_and_of_treating_all():
    time, event = np.array([1.0, 2, 3, 4, 5, 6]), np.array([1, 1, 0, 1, 0, 0])
    risk = np.array([0.9, 0.2, 0.6, 0.7, 0.1, 0.4])
    # Without censoring before the horizon it is true less weighted false positives, per patient.
    found = net_benefit(time, event, risk, 2.5, np.array([0.5]))
    np.testing.assert_allclose(found, (1 - 2 * 0.5 / 0.5) / 6)
    everybody = net_benefit(time, event, np.ones(6), 2.5, np.array([0.2]))
    np.testing.assert_allclose(everybody, 2 / 6 - 4 / 6 * 0.25)
    np.testing.assert_array_equal(net_benefit(time, event, risk, 2.5, np.array([0.95])), 0)


def test_net_benefit_of_resamples_is_that_of_the_patients_drawn():
    rng = np.random.default_rng(8)
    time, event, risk = rng.exponential(size=30), rng.random(30) < 0.7, rng.random(30)
    rows, levels = rng.integers(0, 30, (5, 30)), np.array([0.2, 0.5, 0.9])
    counts = np.stack([np.bincount(r, minlength=30) for r in rows])
    got = net_benefit(time, event, risk, 0.8, levels, counts=counts)
    for k, r in enumerate(rows):
        for j, level in enumerate(levels):
            own = r[risk[r] >= level]
            left = 1.0
            for t in np.unique(time[own]):
                if t <= 0.8:
                    left *= 1 - (event[own] & (time[own] == t)).sum() / (time[own] >= t).sum()
            expected = own.size / 30 * ((1 - left) - left * level / (1 - level))
            assert got[k, j] == pytest.approx(expected, abs=1e-12)


def test_predicted_risk_without_a_score_is_the_share_with_the_event():
    rng = np.random.default_rng(5)
    time = rng.exponential(size=300)
    risk = predicted_risk(time, np.ones(300), rng.normal(size=300), rng.normal(size=50), 0.7)
    assert abs(risk.mean() - (time <= 0.7).mean()) < 0.02
    score = -np.log(time) + rng.normal(size=300)
    strong = predicted_risk(time, np.ones(300), score, np.array([-3.0, 3.0]), 0.7)
    assert strong[0] < 0.2 < 0.8 < strong[1]


def test_the_permuted_score_of_fine_and_gray_has_the_sign_of_its_estimate():
    rng = np.random.default_rng(6)
    x = rng.normal(size=80)
    time, status = rng.exponential(np.exp(-2 * x)), rng.choice([0, 1, 2], 80, p=[0.2, 0.7, 0.1])
    assert fine_gray_permutation(time, status, x, 1, rng, 999) < 0.01
    assert fine_gray(time, status, x, 1).p_value[0] < 0.01
    assert fine_gray_permutation(time, status, rng.permutation(x), 1, rng, 999) > 0.01


@pytest.mark.parametrize("covariates", [1, 3])
def test_profile_limits_of_fine_and_gray_without_censoring_are_those_of_cox(covariates):
    rng = np.random.default_rng(8)
    x = np.exp(rng.normal(size=(40, covariates)))
    time, status = rng.exponential(np.exp(-0.5 * x[:, 0])), rng.choice([1, 2], 40, p=[0.7, 0.3])
    # Patients with the other event stay in every risk set: they are never seen to have this one.
    late, own = np.where(status == 2, time.max() + 1, time), status == 1
    cox = scan_cox(late, own, x[:, :1], adjust=x[:, 1:] if covariates > 1 else None)
    low, high = fine_gray_limits(time, status, x, 1)
    assert (low, high) == pytest.approx((cox.low[0], cox.high[0]), abs=1e-6)


def test_profile_limits_of_fine_and_gray_hold_for_heavy_tails_and_few_events():
    rng = np.random.default_rng(9)
    covered = []
    for _ in range(300):
        x = np.exp(rng.normal(size=25))
        time, status = rng.exponential(size=25), rng.choice([0, 1, 2], 25, p=[0.2, 0.5, 0.3])
        low, high = fine_gray_limits(time, status, x, 1)
        covered.append(low <= 0 <= high)
    assert 0.91 <= np.mean(covered) <= 0.98  # three standard errors are .04; robust Wald limits cover .87 to .90


def test_a_group_without_an_event_up_to_the_horizon_has_a_p_value_of_its_mean_and_no_limits():
    time, group = np.r_[np.arange(1.0, 9), np.full(8, 9.0)], np.arange(16) < 8
    event = group.astype(int)
    found = permuted_mean_difference(time, event, group, 8.0, np.random.default_rng(1), draws=199)
    assert found.p_value < 0.05
    assert np.isnan(found.low)
    assert np.isnan(found.high)
    assert np.isfinite(found.difference)


def test_the_order_of_response_beside_a_covariate_is_called_at_its_level():
    rng = np.random.default_rng(10)
    called = []
    for _ in range(600):
        z = rng.normal(size=15)
        rank = np.digitize(0.7 * z + rng.logistic(size=15), [-1, 0, 1.5])
        p = ordinal_permutation(rank, rng.normal(size=15) + 0.7 * z, rng, draws=99, adjust=z[:, None])
        called.append(p <= 0.05)
    assert np.mean(called) < 0.067  # two standard errors above .05; without the partial correlation .073


def test_steep_fine_and_gray_models_have_no_empty_sums():
    rng = np.random.default_rng(11)
    x = rng.normal(size=30) * 1e3
    time = rng.exponential(size=30)
    status = np.where(np.arange(30) % 3 == 0, 2, 1)
    low, high = fine_gray_limits(time, status, np.column_stack([x, rng.normal(size=30)]), 1)
    assert np.isfinite([low, high]).all()


def test_the_area_under_the_curve_is_covered_where_nearly_all_pairs_agree():
    rng = np.random.default_rng(12)
    truth, covered = special.expit(0.9 * np.log(10)), []  # of exponential scores with ten to the .9 times the mean
    for _ in range(400):
        y = rng.random(25) < 0.3
        if not 2 <= y.sum() <= 23:
            continue
        low, high = bootstrap_roc(rng.exponential(size=25) * np.where(y, 10**0.9, 1.0), y, rng, draws=300)
        covered.append(low <= truth <= high)
    assert np.mean(covered) > 0.92  # the binomial error of all pairs covered .85
