"""Counts drawn anew: their spread is that of the data, the order of types does not matter, tails give degrees."""

import numpy as np
import pytest
from scipy import stats

from scresist.kernels.cell_numbers import log_odds, log_rates
from scresist.kernels.redrawn_cells import degrees_of_tail, redrawn_odds, redrawn_rates


@pytest.mark.parametrize("shape", [0.5, 3.0])
@pytest.mark.parametrize("odds", [False, True])
def test_draws_spread_as_the_values_of_the_data_do(shape, odds):
    """With many units the dispersion is known, and the draws have the mean and variance of the data at each depth."""
    rng = np.random.default_rng(1)
    total = np.repeat([200.0, 5000.0], 600)
    share = np.minimum(rng.gamma(shape, 0.02 / shape, total.size), 1)
    counts = rng.binomial(total.astype(int), share).astype(float)
    if odds:
        found, redrawn = log_odds(counts[:, None], total), redrawn_odds
    else:
        found, redrawn = log_rates(counts[:, None], total[:, None]), redrawn_rates
    drawn = redrawn(counts, found, 0, 50, 2)
    assert drawn.shape == (total.size, 50)
    for depth in np.unique(total):
        own, again = found.values[total == depth, 0], drawn[total == depth]
        assert again.mean() == pytest.approx(own.mean(), abs=4 * own.std() / np.sqrt(own.size))
        assert again.var() == pytest.approx(own.var(), rel=0.2)


def test_the_place_of_a_type_does_not_matter():
    rng = np.random.default_rng(3)
    total = np.full(8, 500.0)
    counts = rng.poisson([5.0, 50.0], (8, 2)).astype(float)
    turned = counts[:, ::-1]
    for redrawn, one, two in (
        (redrawn_rates, log_rates(counts, total[:, None] * np.ones(2)), log_rates(turned, total[:, None] * np.ones(2))),
        (redrawn_odds, log_odds(counts, total), log_odds(turned, total)),
    ):
        np.testing.assert_allclose(redrawn(counts[:, 0], one, 0, 20, 4), redrawn(turned[:, 1], two, 1, 20, 4))


def test_degrees_of_freedom_are_those_of_the_tail():
    even = (np.arange(2000) + 0.5) / 2000
    assert degrees_of_tail(even, 10.0, 0.03) == pytest.approx(10.0, rel=0.02)
    assert degrees_of_tail(np.sqrt(even), 10.0, 0.03) == 10.0  # lighter tails add nothing
    heavy = 2 * stats.t.sf(stats.t.isf(even / 2, 4), 10)
    assert degrees_of_tail(heavy, 10.0, 0.03) == pytest.approx(4.0, rel=0.02)
    assert degrees_of_tail(np.zeros(100), 10.0, 0.03) == pytest.approx(1.0, abs=1e-6)
    assert degrees_of_tail(even / 10, 1.0, 0.03) == 1.0
