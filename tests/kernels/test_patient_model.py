"""The patient model against plain least squares, paired differences, dense algebra and statsmodels."""

import warnings

import numpy as np
import pytest
from scipy import stats

from scresist.kernels.mixed_model import mixed_model
from scresist.kernels.moderated import inverse_trigamma, squeeze, variance_prior
from scresist.kernels.patient_model import effect_variance, fit_patient_model, patient_correlation


def plain(fit):
    with np.errstate(invalid="ignore"):
        return effect_variance(
            fit, fit.within_ss / fit.within_df, fit.within_df, fit.between_ss / fit.between_df, fit.between_df
        )


def test_single_patients_match_the_two_sample_t_test():
    y, arm = np.random.default_rng(0).normal(size=(9, 5)), np.array([1, 1, 1, 1, 0, 0, 0, 0, 0.0])
    fit = fit_patient_model(y, np.column_stack([np.ones(9), arm]), np.array([[0.0, 1.0]]), np.arange(9))
    variance, df = plain(fit)
    expected = stats.ttest_ind(y[:4], y[4:])
    np.testing.assert_allclose(fit.effect[0] / np.sqrt(variance[0]), expected.statistic)
    np.testing.assert_allclose(df, 7)


def test_complete_pairs_match_the_paired_t_test():
    rng = np.random.default_rng(1)
    y = rng.normal(size=(12, 4)) + np.tile(rng.normal(size=(6, 1)) * 5, (2, 1))
    x = np.column_stack([np.ones(12), np.repeat([1.0, 0.0], 6)])
    fit = fit_patient_model(y, x, np.array([[0.0, 1.0]]), np.tile(np.arange(6), 2), correlation=1.0)
    variance, df = plain(fit)
    np.testing.assert_allclose(fit.effect[0] / np.sqrt(variance[0]), stats.ttest_rel(y[:6], y[6:]).statistic)
    np.testing.assert_allclose(df, 5)


def test_partial_pairs_match_dense_algebra():
    rng = np.random.default_rng(2)
    who = np.array([0, 0, 1, 1, 2, 2, 8, 8, 3, 4, 5, 6, 7])
    arm = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 1.0])
    x = np.column_stack([np.ones(13), rng.normal(size=13), arm])
    y, w, rho = rng.normal(size=(13, 3)), rng.uniform(0.3, 1, 13), 0.4
    y[3, 1] = np.nan
    fit = fit_patient_model(y, x, np.array([[0.0, 0, 1]]), who, weights=w, correlation=rho)
    for f in range(3):
        here = ~np.isnan(y[:, f])
        p = np.eye(9)[who][here]
        v = np.linalg.inv((1 - rho) * np.diag(1 / w[here]) + rho * p @ p.T)
        c = (np.linalg.inv(x[here].T @ v @ x[here]) @ x[here].T @ v)[2]
        assert fit.effect[0, f] == pytest.approx(c @ y[here, f])
        assert fit.within_factor[0, f] == pytest.approx(np.sum(c**2 / w[here]))
        assert fit.between_factor[0, f] == pytest.approx(np.sum((p.T @ c) ** 2))


def test_layers_are_unbiased():
    rng = np.random.default_rng(3)
    who = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7])
    arm = np.array([0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1.0])
    y = rng.normal(size=(12, 20_000)) * 0.5 + (rng.normal(size=(8, 20_000)) * 1.5)[who]
    fit = fit_patient_model(y, np.column_stack([np.ones(12), arm]), np.array([[0.0, 1.0]]), who, correlation=0.5)
    assert np.mean(fit.within_ss / fit.within_df) == pytest.approx(0.25, rel=0.03)
    between = (fit.between_ss - fit.between_df * 0.25) / fit.between_trace
    assert between.mean() == pytest.approx(2.25, rel=0.03)
    variance, _ = plain(fit)
    assert variance.mean() == pytest.approx(np.var(fit.effect[0]), rel=0.03)
    assert np.median(patient_correlation(fit)) == pytest.approx(0.9, abs=0.05)


def test_not_estimable_is_nan():
    arm = np.array([1, 1, 0, 0.0])
    x = np.column_stack([np.ones(4), arm, arm])
    fit = fit_patient_model(np.arange(4.0)[:, None], x, np.eye(3)[2:], np.arange(4))
    assert np.isnan(fit.effect).all()


def test_mixed_model_matches_statsmodels():
    sm = pytest.importorskip("statsmodels.regression.mixed_linear_model")
    rng = np.random.default_rng(4)
    who = np.repeat(np.arange(12), 2)[:20]
    who = np.r_[who, 20, 21, 22, 23]
    arm = np.r_[np.tile([0.0, 1.0], 10), 0, 0, 1, 1]
    y = rng.normal(size=24) + rng.normal(size=24)[who] * 1.2 + 0.5 * arm
    x = np.column_stack([np.ones(24), arm])
    effect, se, df, share = mixed_model(y[:, None], x, np.array([0.0, 1.0]), who)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = sm.MixedLM(y, x, groups=who).fit(reml=True)
    assert effect[0] == pytest.approx(fit.fe_params[1], rel=1e-4)
    assert fit.bse_fe[1] <= se[0] < 1.1 * fit.bse_fe[1]  # the weights it estimates are allowed for
    variance = float(np.asarray(fit.cov_re).squeeze())
    assert share[0] == pytest.approx(variance / (variance + fit.scale), rel=1e-3)
    assert 9 < df[0] < 22


def test_inverse_trigamma():
    from scipy.special import polygamma

    y = np.array([1e-4, 0.1, 1.0, 10.0, 1e4])
    np.testing.assert_allclose(inverse_trigamma(polygamma(1, y)), y, rtol=1e-6)


@pytest.mark.parametrize("robust", [False, True])
def test_prior_is_recovered(robust):
    rng = np.random.default_rng(5)
    true = 2.0 * 8 / rng.chisquare(8, 20_000)
    prior = variance_prior(true * rng.chisquare(4, 20_000) / 4, 4, robust=robust)
    assert prior.variance[0] == pytest.approx(2.0, rel=0.1)
    assert prior.df[0] == pytest.approx(8, rel=0.2)


def test_without_a_prior_variances_stay():
    variance, df = squeeze(np.array([3.0]), np.array([4.0]), variance_prior(np.array([3.0]), 4))
    assert (variance[0], df[0]) == (3.0, 4.0)
