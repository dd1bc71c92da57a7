"""Variances of arms whose ratio differs by feature: against quadrature, invariants and nulls."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import digamma, polygamma

from scresist.contrasts import contrast_arms
from scresist.kernels.arm_variance import ArmVariances, arm_variances, variance_ratio
from scresist.kernels.separate_variances import ArmPriors, arm_priors, effect_variances
from scresist.study.design import Contrast, Design


def drawn(rng, n_test, n_reference, *, own, ratio=1.0, features=400):
    """Values without a difference in means; the SD of the test arm is `ratio` times a factor of each feature."""
    test = np.arange(n_test + n_reference) < n_test
    values = rng.normal(size=(len(test), features)) * np.sqrt(5 / rng.chisquare(5, features))
    values[test] *= ratio * np.exp(own * rng.normal(size=features))
    return values, test


def found_in(values, test):
    return arm_variances(values, np.column_stack([np.ones(len(test)), test]), test)


@pytest.mark.parametrize(("layout", "ratio"), [((3, 3), 1), ((4, 8), 1), ((4, 8), 3), ((8, 4), 3), ((6, 6), 1)])
def test_nulls_hold_where_features_have_ratios_of_their_own(layout, ratio):
    rng, p, pooled = np.random.default_rng(7), [], []
    for _ in range(30):
        values, test = drawn(rng, *layout, own=0.7, ratio=ratio)
        found = found_in(values, test)
        variance, df = effect_variances(found, arm_priors(found, np.ones(400, bool)))
        t = (values[test].mean(axis=0) - values[~test].mean(axis=0)) / np.sqrt(
            variance * (1 / test.sum() + 1 / (~test).sum())
        )
        p.append(2 * stats.t.sf(np.abs(t), df))
        pooled.append(stats.ttest_ind(values[test], values[~test]).pvalue)
    assert 0.042 < np.mean(np.concatenate(p) < 0.05) < 0.056  # error 0.002
    assert np.mean(np.concatenate(p) < 0.001) < 0.002
    if (layout, ratio) == ((4, 8), 3):
        assert np.mean(np.concatenate(pooled) < 0.05) > 0.12


def test_the_posterior_is_that_of_quadrature():
    found = ArmVariances(np.array([[0.5, 2.0, 1.0], [3.0, 0.4, 1.0]]), np.full((2, 3), 3.0), np.tile([[0.6], [0.4]], 3))
    priors = ArmPriors(np.zeros((2, 1)), np.array([[0.5, 0.4], [0.4, 0.6]]), np.zeros((2, 2)), np.full((2, 1), 1e-9))
    variance, df = effect_variances(found, priors)
    half = found.df / 2
    logs = np.log(found.mean_square) - digamma(half) + np.log(half)
    axis = np.linspace(-6, 6, 601)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    inverse = np.linalg.inv(priors.covariance)
    for f in range(3):
        density = np.exp(
            -0.5 * (inverse[0, 0] * x**2 + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y**2)
            - 0.5 * ((x - logs[0, f]) ** 2 + (y - logs[1, f]) ** 2) / polygamma(1, 1.5)
        )
        density /= density.sum()
        total = 0.6 * np.exp(x) + 0.4 * np.exp(y)
        first = (density * total).sum()
        spread = np.log((density * total**2).sum() / first**2)
        assert polygamma(1, df[f] / 2) == pytest.approx(spread, rel=0.01)
        assert np.log(variance[f]) - digamma(df[f] / 2) + np.log(df[f] / 2) == pytest.approx(
            np.log(first) - spread / 2, abs=0.01
        )


def test_a_scale_changes_the_variance_and_not_the_degrees_of_freedom():
    values, test = drawn(np.random.default_rng(3), 4, 6, own=0.6)
    one, other = (effect_variances(f, arm_priors(f, np.ones(400, bool))) for f in
                  (found_in(values, test), found_in(10 * values, test)))  # fmt: skip
    np.testing.assert_allclose(other[0], 100 * one[0], rtol=1e-9)
    np.testing.assert_allclose(other[1], one[1], rtol=1e-6)


def test_the_order_of_the_arms_does_not_matter():
    values, test = drawn(np.random.default_rng(4), 4, 6, own=0.6)
    found = found_in(values, test)
    turned = ArmVariances(*(part[::-1] for part in found))
    for one, other in zip(effect_variances(found, arm_priors(found, np.ones(400, bool))),
                          effect_variances(turned, arm_priors(turned, np.ones(400, bool))), strict=True):  # fmt: skip
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_a_feature_without_residuals_has_no_variance():
    values, test = drawn(np.random.default_rng(5), 4, 6, own=0.6)
    values[:, 0] = np.nan
    found = found_in(values, test)
    variance, df = effect_variances(found, arm_priors(found, np.arange(400) > 0))
    assert np.isnan([variance[0], df[0]]).all()
    assert np.isfinite(variance[1:]).all()


@pytest.mark.parametrize(("own", "differ"), [(0.0, False), (0.7, True)])
def test_ratios_that_differ_are_noticed(own, differ):
    values, test = drawn(np.random.default_rng(6), 5, 5, own=own, ratio=2)
    ratio = variance_ratio(found_in(values, test), np.ones(400, bool))
    assert ratio.differ == differ
    assert np.ptp(ratio.ratio) == 0
    assert np.sqrt(ratio.ratio[0, 0]) == pytest.approx(2, rel=0.1)


def test_a_feature_that_is_off_in_one_arm_is_found_without_a_warning():
    values, test = drawn(np.random.default_rng(9), 6, 6, own=0.7)
    values[np.ix_(~test, np.arange(40))] = 0  # off in the reference, in every patient
    values[np.ix_(~test, np.arange(40, 60))] *= 1e-160
    values[np.ix_(test, np.arange(60))] += 12
    found = found_in(values, test)
    with np.errstate(all="raise", under="ignore"):
        variance, _ = effect_variances(found, arm_priors(found, np.ones(400, bool)))
    assert np.isnan(variance[:60]).all()  # the arms together decide
    assert np.isfinite(variance[60:]).all()
    table = contrast_arms(pd.DataFrame(values, [f"S{i}" for i in range(12)]), design_of(test)).table
    assert (table["p_value"][:60] < 0.01).mean() > 0.9
    welch = stats.ttest_ind(values[test], values[~test], equal_var=False).pvalue
    assert np.median(np.abs(np.log10(table["p_value"][60:] / welch[60:]))) < 0.2


def design_of(test):
    arm = np.where(test, "test", "reference")
    samples = pd.DataFrame({"patient": [f"P{i}" for i in range(len(arm))], "arm": arm})
    samples.index = [f"S{i}" for i in range(len(arm))]
    return Design(("reference", "test"), (Contrast("c", "test", "reference"),), samples)


def test_nulls_hold_where_many_values_are_zero():
    rng, p = np.random.default_rng(10), []
    test = np.arange(12) < 6
    for _ in range(60):
        zero = rng.random((12, 200)) < rng.uniform(0.2, 0.9, 200)
        values = np.where(zero, 0, rng.lognormal(0, 0.5, (12, 200))) * np.exp(rng.normal(0, 2, 200))
        table = contrast_arms(
            pd.DataFrame(values, [f"S{i}" for i in range(12)]), design_of(test), influence=False, n_permutations=1
        ).table
        p.append(table["p_value"].dropna())
    assert (pd.concat(p) < 0.05).mean() < 0.055  # error 0.002


def test_an_arm_without_residuals_takes_the_ratio_of_all():
    rng = np.random.default_rng(8)
    values, test = drawn(rng, 5, 5, own=0.7)
    code = np.concatenate([test.astype(int), [2]])
    joined = np.vstack([values, rng.normal(size=(1, 400))])
    found = arm_variances(joined, np.eye(3)[code], code)
    ratio = variance_ratio(found, np.ones(400, bool))
    assert not ratio.differ
    assert np.isfinite(ratio.ratio).all()
