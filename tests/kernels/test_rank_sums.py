"""Rank-sum tests of groups against the rest, against scipy column by column."""

import numpy as np
import pytest
from scipy import sparse, stats

from scresist.checks import InputError
from scresist.kernels import group_average
from scresist.kernels.averages import sort_values
from scresist.kernels.rank_sums import BLOCK, RankSums, rank_sum_test
from scresist.kernels.rank_tests import two_sample_rank_test

STORAGES = [np.asarray, sparse.csr_array, sparse.csc_matrix]


def cells(seed, n=120, n_genes=12):
    rng = np.random.default_rng(seed)
    X = np.round(rng.gamma(1.5, 1.0, (n, n_genes)), 1) * (rng.random((n, n_genes)) < rng.random(n_genes))
    X[:, 1] = rng.random(n)  # no ties
    return X.astype(np.float32).astype(float), rng.integers(0, 3, n)


def scipys(X, codes, group, method="asymptotic"):
    return stats.mannwhitneyu(X[codes == group], X[codes != group], method=method, use_continuity=True).pvalue


@pytest.mark.parametrize("stored_as", STORAGES)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shift", [0.0, 1.0, 9.0])
def test_p_values_means_and_shares_match_scipy(stored_as, seed, shift):
    """Shifted down, values lie on both sides of zero (1), or below it (9), where zeros are the highest or none."""
    X, codes = cells(seed)
    X = np.where(X == 0, 0, X - shift)
    found = rank_sum_test(stored_as(X), codes, 3)
    for g in range(3):
        inside, outside = X[codes == g], X[codes != g]
        np.testing.assert_allclose(found.p_value[g], scipys(X, codes, g), rtol=1e-10)
        np.testing.assert_allclose(found.mean_in[g], inside.mean(axis=0), atol=1e-13)
        np.testing.assert_allclose(found.mean_out[g], outside.mean(axis=0), atol=1e-13)
        np.testing.assert_allclose(found.share_in[g], (inside > 0).mean(axis=0))
        np.testing.assert_allclose(found.share_out[g], (outside > 0).mean(axis=0))


def test_blocks_of_columns_change_nothing():
    X, codes = cells(7, n=40, n_genes=BLOCK + 30)
    whole, part = rank_sum_test(X, codes, 3), rank_sum_test(X[:, BLOCK - 5 :], codes, 3)
    for name in RankSums.__slots__:
        np.testing.assert_array_equal(getattr(whole, name)[:, BLOCK - 5 :], getattr(part, name))
    np.testing.assert_array_equal(rank_sum_test(sort_values(X), codes, 3).p_value, whole.p_value)
    assert rank_sum_test(X[:, :0], codes, 3).p_value.shape == (3, 0)


def test_small_groups_without_ties_get_the_exact_distribution():
    rng = np.random.default_rng(2)
    X, codes = rng.normal(size=(30, 5)), np.repeat([0, 1, 2], [4, 11, 15])
    X[:, 4] = np.round(X[:, 4])  # ties
    exact = rank_sum_test(X, codes, 3, exact_below=50).p_value
    for g in range(3):
        np.testing.assert_allclose(exact[g, :4], scipys(X[:, :4], codes, g, "exact"), rtol=1e-12)
        np.testing.assert_allclose(exact[g, 4], scipys(X[:, 4], codes, g), rtol=1e-12)
    np.testing.assert_allclose(rank_sum_test(X, codes, 3, exact_below=20).p_value[0], scipys(X, codes, 0), rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 2.5, -1.0])
def test_a_constant_column_has_no_p_value_and_rows_may_stand_in_any_order(value):
    X, codes = cells(5)
    X[:, 0] = value
    p = rank_sum_test(X, codes, 3).p_value
    assert np.isnan(p[:, 0]).all()
    assert np.isnan(two_sample_rank_test(X[codes == 0, 0], X[codes == 1, 0]))
    assert np.isnan(two_sample_rank_test(X[codes == 0, 0], X[codes == 1, 0], exact_below=0))
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(rank_sum_test(X[order], codes[order], 3).p_value, p, rtol=1e-12)


def test_a_group_without_rows_or_with_all_of_them_has_no_p_value():
    X, codes = cells(8)
    p = rank_sum_test(X, np.minimum(codes, 1), 3).p_value
    assert np.isnan(p[2]).all()
    assert np.isnan(rank_sum_test(X, np.zeros(len(X), dtype=int), 1).p_value).all()


def test_values_equal_in_single_precision_are_ties():
    X, codes = cells(6)
    nudged = X * (1 + 1e-10)
    nudged[::2] = X[::2]
    single = [rank_sum_test(values, codes, 3, single=True).p_value for values in (nudged, X)]
    np.testing.assert_array_equal(*single)
    assert not np.array_equal(rank_sum_test(nudged, codes, 3).p_value, single[1])


def test_zeros_that_are_stored_are_zeros_and_the_matrix_is_left_alone():
    X, codes = cells(9)
    padded = sparse.csc_array(np.where(X == 0, 7.0, X))
    padded.data[padded.data == 7.0] = 0.0
    before = padded.copy()
    np.testing.assert_array_equal(rank_sum_test(padded, codes, 3).p_value, rank_sum_test(X, codes, 3).p_value)
    share = [group_average(values, codes, 3, "thresholded", 0.6) for values in (padded, X)]
    np.testing.assert_array_equal(*share)
    assert padded.nnz == before.nnz
    np.testing.assert_array_equal(padded.data, before.data)


def test_bad_input_is_named():
    X, codes = cells(3)
    with pytest.raises(InputError, match="NaN or infinite"):
        rank_sum_test(np.where(X > 2, np.nan, X), codes, 3)
    with pytest.raises(InputError, match="codes must be from 0 to 1"):
        rank_sum_test(X, codes, 2)
