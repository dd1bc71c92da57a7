"""Levels of a column and groups of rows: against an independent fit, invariants, and values at one level."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from scresist.kernels.subclones import divided_columns, groups, two_levels


def drawn(seed, *, apart=4.0, share=0.3, n=150):
    rng = np.random.default_rng(seed)
    upper = rng.random(n) < share
    return rng.normal(scale=0.5, size=n) + 0.5 * apart * upper, upper


def test_levels_are_those_of_a_general_optimiser():
    x, _ = drawn(1)

    def loss(p):
        share = 1 / (1 + np.exp(-p[0]))
        return -np.logaddexp(
            np.log(1 - share) + norm.logpdf(x, p[1], 0.5), np.log(share) + norm.logpdf(x, p[2], 0.5)
        ).sum()

    best = min((minimize(loss, [0.0, a, b], method="BFGS") for a, b in ((0, 2), (1, 0), (0, 1))), key=lambda r: r.fun)
    apart, share, shift, gain = two_levels(x, 0.5)
    own = 1 / (1 + np.exp(-best.x[0]))
    expected = (best.x[2] - best.x[1]) * (1 if own <= 0.5 else -1)
    np.testing.assert_allclose([shift, apart], [expected, expected / 0.5], rtol=1e-3)
    np.testing.assert_allclose(share, min(own, 1 - own), rtol=1e-3)
    np.testing.assert_allclose(gain, 2 * (-best.fun - norm.logpdf(x, x.mean(), 0.5).sum()), rtol=1e-5)


def test_the_rarer_level_gives_the_sign():
    x, upper = drawn(2)
    assert two_levels(x, 0.5)[2] > 0
    assert two_levels(-x, 0.5)[2] < 0
    assert abs(two_levels(x, 0.5)[1] - upper.mean()) < 0.05


def test_values_at_one_level_gain_little_whatever_their_noise():
    rng = np.random.default_rng(3)
    reference = rng.normal(size=(60, 40))
    values = rng.normal(scale=1.7, size=(120, 40)) + rng.normal(size=40)  # cells of another depth
    found, spread = divided_columns(values, reference)
    assert (found[:, 3] < 20).mean() > 0.9
    assert not ((np.abs(found[:, 0]) >= 2.2) & (found[:, 1] >= 0.15) & (found[:, 3] >= 20)).any()
    np.testing.assert_allclose(np.median(values.std(axis=0, ddof=1) / spread), 1)
    values[0, 5] = np.nan
    assert np.isnan(divided_columns(values, reference)[0][5]).all()


@pytest.mark.parametrize("number", [1, 2, 3])
def test_groups_are_found_in_any_order_of_rows(number):
    rng = np.random.default_rng(number)
    true = np.sort(rng.choice(number, 90, p=np.array([[1, 0, 0], [0.6, 0.4, 0], [0.5, 0.3, 0.2]])[number - 1][:number]))
    centre = np.array([[0.0, 0, 0], [5, 0, 0], [5, 5, 0]])[:number]
    values = 0.3 * (centre[true] + rng.normal(size=(90, 3)))
    member = groups(values, np.full(3, 0.3), at_most=5, smallest=5)
    assert member.max() + 1 == number
    assert (np.diff(np.bincount(member)) <= 0).all()
    assert len(set(zip(member, true, strict=True))) <= number + 1
    order = rng.permutation(90)
    assert (groups(values[order], np.full(3, 0.3), at_most=5, smallest=5) == member[order]).all()
