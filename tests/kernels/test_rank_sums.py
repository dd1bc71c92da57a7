"""Rank-sum tests of groups against the rest, against scipy gene by gene."""

import numpy as np
import pytest
from scipy import sparse, stats

from scresist.kernels.averages import sort_values
from scresist.kernels.rank_sums import rank_sum_test


def cells(seed, n=120, n_genes=12):
    rng = np.random.default_rng(seed)
    X = np.round(rng.gamma(1.5, 1.0, (n, n_genes)), 1) * (rng.random((n, n_genes)) < rng.random(n_genes))
    X[:, 1] = rng.random(n)  # no ties
    return X.astype(np.float32).astype(float), rng.integers(0, 3, n)


@pytest.mark.parametrize("stored_as", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("seed", range(3))
def test_p_values_means_and_shares_match_scipy(stored_as, seed):
    X, codes = cells(seed)
    p, difference, share = rank_sum_test(sort_values(stored_as(X)), codes, 3)
    for g in range(3):
        inside, outside = X[codes == g], X[codes != g]
        expected = stats.mannwhitneyu(inside, outside, method="asymptotic", use_continuity=True).pvalue
        np.testing.assert_allclose(p[g], expected, rtol=1e-10)
        np.testing.assert_allclose(difference[g], inside.mean(axis=0) - outside.mean(axis=0), atol=1e-13)
        np.testing.assert_allclose(share[g], np.maximum((inside > 0).mean(axis=0), (outside > 0).mean(axis=0)))


def test_a_constant_gene_has_no_p_value_and_cells_may_stand_in_any_order():
    X, codes = cells(5)
    X[:, 0] = 0
    p = rank_sum_test(sort_values(X), codes, 3)[0]
    assert np.isnan(p[:, 0]).all()
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(rank_sum_test(sort_values(X[order]), codes[order], 3)[0], p, rtol=1e-12)


def test_values_equal_in_single_precision_are_ties():
    X, codes = cells(6)
    nudged = X * (1 + 1e-10)
    nudged[::2] = X[::2]
    np.testing.assert_array_equal(
        rank_sum_test(sort_values(nudged), codes, 3)[0], rank_sum_test(sort_values(X), codes, 3)[0]
    )
