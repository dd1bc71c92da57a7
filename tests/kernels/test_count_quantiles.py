"""Quantiles of counts are those of scipy, at any size."""

import numpy as np
from scipy import stats

from scresist.kernels.count_quantiles import binomial_quantiles, poisson_quantiles

LEVELS = (np.arange(8) + 0.5) / 8


def test_poisson_quantiles_are_those_of_scipy():
    rng = np.random.default_rng(4)
    mean = np.concatenate(
        [10 ** rng.uniform(-9, 6.5, 3_000), [0.0, 1e-300, 744.0, 746.0, 1e12, 1e17, 1e300, 1e9]]
    ).reshape(4, -1)
    np.testing.assert_array_equal(poisson_quantiles(LEVELS, mean), stats.poisson.ppf(LEVELS, mean[..., None]))


def test_binomial_quantiles_are_those_of_scipy():
    rng = np.random.default_rng(4)
    n = np.round(10 ** rng.uniform(0, 9, (50, 1)))
    share = np.clip(rng.beta(0.3, 0.5, (50, 60)), 1e-12, 1 - 1e-12)
    expected = stats.binom.ppf(LEVELS, n[..., None], share[..., None])
    np.testing.assert_array_equal(binomial_quantiles(LEVELS, n, share), expected)


def test_a_level_beyond_rounding_ends():
    high = np.array([1 - 1e-16, 1 - 2e-16])
    assert np.isfinite(poisson_quantiles(high, np.array([0.1, 50.0]))).all()
    assert (binomial_quantiles(high, np.array([5.0]), np.array([0.5])) <= 5).all()
