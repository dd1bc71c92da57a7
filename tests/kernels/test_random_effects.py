"""Random effects of replicates and plates against the plain likelihood, R's nlme and the t test that they become."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from scresist.kernels.random_effects import combine, t_interval


def minus_log_likelihood(sd, y, v, replicate, *, nested):
    """Restricted likelihood of the whole covariance matrix, written out."""
    same = (replicate[:, None] == replicate).astype(float)
    inverse = np.linalg.inv(covariance := np.diag(v + nested * sd[1] ** 2) + sd[0] ** 2 * same)
    x = np.ones((y.size, 1))
    a = x.T @ inverse @ x
    rest = y - x @ np.linalg.solve(a, x.T @ inverse @ y)
    return np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(a)[1] + rest @ inverse @ rest


@pytest.mark.parametrize(("replicates", "plates"), [(3, 1), (6, 1), (4, 2), (5, 3)])
def test_components_maximise_the_restricted_likelihood_of_the_whole_matrix(replicates, plates):
    rng = np.random.default_rng(replicates)
    codes = np.repeat(np.arange(replicates), plates)
    v = rng.uniform(0.001, 0.02, codes.size)
    y = 0.2 * rng.normal(size=replicates)[codes] + rng.normal(size=codes.size) * np.sqrt(0.01 + v)
    nested = plates > 1
    best = min(
        (minimize(lambda sd: minus_log_likelihood(sd, y, v, codes, nested=nested), start, method="Nelder-Mead",
                  options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 3000})
         for start in ((0.01, 0.01), (0.01, 0.2), (0.3, 0.01), (0.3, 0.2))), key=lambda r: r.fun,
    )  # fmt: skip
    found = combine(y, v, codes)
    assert np.sqrt(found.between) == pytest.approx(abs(best.x[0]), abs=1e-6)
    if nested:
        assert np.sqrt(found.plates) == pytest.approx(abs(best.x[1]), abs=1e-6)
    else:
        assert np.isnan(found.plates)


def test_plates_without_errors_of_their_own_are_those_of_nlme():
    # nlme 3.1-162, R 4.2.2: VarCorr(lme(y ~ 1, random = ~ 1 | replicate, method = "REML")) and fixef().
    y = np.array([0.12, 0.18, -0.25, -0.08, 0.41, 0.30, 0.05, -0.02, 0.22])
    codes = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])
    found = combine(y, np.zeros(9), codes)
    components = [np.sqrt(found.between), np.sqrt(found.plates), found.mean]
    np.testing.assert_allclose(components, [0.2005341, 0.1030345, 0.105608136], rtol=1e-5)


def test_equal_errors_give_students_interval_and_one_replicate_none():
    y = np.array([0.3, 0.1, 0.6, 0.2])
    for v in (0.0, 1e-3, 10.0):
        found = combine(y, np.full(4, v), np.arange(4))
        expected = stats.t.interval(0.95, 3, y.mean(), stats.sem(y))
        np.testing.assert_allclose(t_interval(found, level=0.95), expected, rtol=1e-9)
    alone = combine(y[:2], np.full(2, 0.01), np.zeros(2, int))
    assert alone.mean == pytest.approx(0.2)
    assert np.isnan([alone.error, alone.between, *t_interval(alone, level=0.95)]).all()


def test_an_uncertain_replicate_counts_less_and_order_changes_nothing():
    y, v = np.array([0.0, 0.1, -0.1, 2.0]), np.array([0.01, 0.01, 0.01, 4.0])
    found = combine(y, v, np.arange(4))
    assert found.mean < 0.1 < y.mean()
    other = combine(y[::-1].copy(), v[::-1].copy(), np.arange(4))
    assert (other.mean, other.error) == pytest.approx((found.mean, found.error), rel=1e-9)


@pytest.mark.slow
def test_intervals_have_the_truth_as_often_as_they_claim():
    rng = np.random.default_rng(5)
    for n in (3, 5, 8):
        inside = []
        for _ in range(2000):
            v = rng.uniform(0.002, 0.03, n)
            found = combine(0.12 * rng.normal(size=n) + np.sqrt(v) * rng.normal(size=n), v, np.arange(n))
            low, high = t_interval(found, level=0.95)
            inside.append(low <= 0 <= high)
        assert 0.935 < np.mean(inside) < 0.97
