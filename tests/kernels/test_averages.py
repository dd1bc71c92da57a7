"""Group averages against plain loops over dense columns, on every storage and under relabelling."""

import numpy as np
import pytest
from scipy import sparse

from scresist.checks import InputError
from scresist.kernels import group_average
from scresist.kernels.averages import AVERAGES, relabelled_averages, sort_values

STORAGES = [np.asarray, sparse.csr_array, sparse.csc_array, sparse.coo_array, sparse.csr_matrix]


def cells(seed=0, n=83, n_genes=17, n_groups=4):
    rng = np.random.default_rng(seed)
    X = np.round(rng.gamma(1.5, 1.0, (n, n_genes)), 1) * (rng.random((n, n_genes)) < rng.random(n_genes))
    X[:, 0] = 0
    X[:, 1] = 2.5
    return X, rng.integers(0, n_groups, n)


def one_average(x, average, trim):
    """What R's quantile (type 7), mean(trim=) and median give for one gene in one group."""
    n, x = len(x), np.sort(x)
    if average == "trimean":
        q1, q2, q3 = np.quantile(x, [0.25, 0.5, 0.75], method="linear")
        return (q1 + 2 * q2 + q3) / 4
    if average == "truncated":
        if trim >= 0.5:
            return np.median(x)
        cut = int(np.floor(n * trim))
        return x[cut : n - cut].mean()
    if average == "thresholded":
        return 0.0 if (x > 0).sum() / n < trim else x.mean()
    return np.median(x) if average == "median" else x.mean()


@pytest.mark.parametrize("stored_as", STORAGES)
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("trim", [0.0, 0.1, 0.25, 0.5])
def test_averages_match_a_plain_loop(stored_as, average, trim):
    X, codes = cells()
    expected = [[one_average(X[codes == g, j], average, trim) for j in range(X.shape[1])] for g in range(4)]
    np.testing.assert_allclose(group_average(stored_as(X), codes, 4, average, trim), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("size", range(1, 14))
def test_small_groups_of_every_size(average, size):
    rng = np.random.default_rng(size)
    X = rng.random((size + 5, 6)) * (rng.random((size + 5, 6)) < 0.7)
    codes = np.repeat([0, 1], [size, 5])
    got = group_average(X, codes, 2, average, 0.1)
    expected = [one_average(X[:size, j], average, 0.1) for j in range(6)]
    np.testing.assert_allclose(got[0], expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("average", AVERAGES)
def test_the_order_of_cells_and_genes_does_not_matter(average):
    X, codes = cells(1)
    rng = np.random.default_rng(2)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.shape[1])
    moved = group_average(sparse.csr_array(X[rows][:, columns]), codes[rows], 4, average)
    np.testing.assert_allclose(moved, group_average(X, codes, 4, average)[:, columns], rtol=1e-13)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("n_relabellings", [1, 16, 37])
def test_relabellings_are_averages_of_relabelled_cells(average, n_relabellings):
    X, codes = cells(3)
    rng = np.random.default_rng(4)
    labels = np.stack([rng.permutation(codes) for _ in range(n_relabellings)], axis=1)
    got = relabelled_averages(sort_values(X), labels, np.bincount(codes, minlength=4), average, 0.1)
    for b in range(n_relabellings):
        np.testing.assert_array_equal(got[b], group_average(X, labels[:, b], 4, average))


def test_more_groups_than_fit_in_a_byte():
    X, _ = cells(5, n=900)
    codes = np.arange(900) % 300
    expected = [[one_average(X[codes == g, j], "trimean", 0) for j in range(X.shape[1])] for g in range(300)]
    np.testing.assert_allclose(group_average(X, codes, 300), expected, rtol=1e-13, atol=1e-15)


def test_a_group_without_cells_is_missing_and_explicit_zeros_are_zeros():
    X, codes = cells(6)
    stored = sparse.csc_array(X)
    stored.data[:7] = 0
    got = group_average(stored, codes, 5)
    assert np.isnan(got[4]).all()
    np.testing.assert_array_equal(got[:4], group_average(stored.toarray(), codes, 4))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X": -1.0}, "negative values"),
        ({"X": np.nan}, "1 NaN or infinite"),
        ({"codes": "short"}, "one entry per cell"),
        ({"codes": "float"}, "must be integers"),
        ({"codes": "range"}, "0 to 3; got 0 to 9"),
        ({"average": "mode"}, "average must be"),
        ({"trim": 1.5}, "trim must be from"),
    ],
)
def test_bad_input_is_said(change, message):
    X, codes = cells(7)
    if "X" in change:
        X[3, 3] = change["X"]
    codes[0] = 0
    if change.get("codes") == "range":
        codes[1] = 9
    codes = {"short": codes[:-1], "float": codes.astype(float)}.get(change.get("codes"), codes)
    with pytest.raises(InputError, match=message):
        group_average(X, codes, 4, change.get("average", "truncated"), change.get("trim", 0.1))
