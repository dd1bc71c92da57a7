"""Log counts of sums over cells: their expectation at any depth, and what they are where counts are many."""

import numpy as np
import pytest
from scipy.stats import poisson

from scresist.kernels.normalise import log1p_per_10k, log1p_per_10k_of_sums


def expectation(of, mean, total):
    """The expected value over Poisson counts of that mean, of a row of `total` counts."""
    counts = np.arange(int(mean + 12 * np.sqrt(mean) + 30.0))
    values = of(np.tile(counts[:, None].astype(float), (1, 1)), np.full(len(counts), float(total)))
    return float(poisson.pmf(counts, mean) @ np.asarray(values)[:, 0])


@pytest.mark.parametrize(("total", "share"), [(20_000, 0.15), (40_000, 0.1), (400_000, 0.1)])
def test_the_mean_of_sums_hardly_depends_on_depth(total, share):
    for per_10k in (0.3, 1.0, 3.0, 10.0, 40.0):
        mean, true = per_10k * total / 1e4, np.log1p(per_10k)
        plain, ours = (expectation(of, mean, total) - true for of in (log1p_per_10k, log1p_per_10k_of_sums))
        assert abs(ours) < max(share * abs(plain), 0.001 if total > 20_000 else 0.008)


def test_many_counts_and_none():
    counts = np.array([[0.0, 500.0, 99_500.0], [0.0, 0.0, 0.0], [0.5, 59.9, 60.1]])
    found = log1p_per_10k_of_sums(counts)
    np.testing.assert_allclose(found[0], log1p_per_10k(counts)[0], atol=1e-3)
    assert found[0, 0] == 0
    assert (found[1] == 0).all()
    totals = np.full(3, 20_000.0)
    table, beyond = log1p_per_10k_of_sums(np.array([[59.999], [60.0], [0.5]]), totals).ravel()[:2]
    assert beyond == pytest.approx(table, abs=1e-4)  # where the table ends
