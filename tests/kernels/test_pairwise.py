"""Correlations against the definition, and against WGCNA 1.72-1's cor and bicor."""

import numpy as np
import pytest

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError


def plain_bicor(x, y):
    def weighted(v):
        centre = np.median(v)
        u = (v - centre) / (9 * np.median(np.abs(v - centre)))
        a = (v - centre) * (1 - u**2) ** 2 * (np.abs(u) < 1)
        return a / np.sqrt((a**2).sum())

    return weighted(x) @ weighted(y)


def test_pearson_and_bicor_match_their_definitions():
    X = np.random.default_rng(0).normal(size=(30, 6)) ** 3
    np.testing.assert_allclose(kernels.correlation(X), np.corrcoef(X, rowvar=False), atol=1e-14)
    expected = [[plain_bicor(X[:, i], X[:, j]) for j in range(6)] for i in range(6)]
    np.testing.assert_allclose(kernels.correlation(X, "bicor"), expected, atol=1e-14)


@pytest.mark.parametrize("method", ["pearson", "bicor"])
def test_a_pair_with_missing_values_is_that_of_its_complete_samples(method):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, 5))
    X[rng.random(X.shape) < 0.1] = np.nan
    R = kernels.correlation(X, method)
    for i in range(5):
        for j in range(i):
            both = ~np.isnan(X[:, [i, j]]).any(axis=1)
            np.testing.assert_allclose(R[i, j], kernels.correlation(X[both][:, [i, j]], method)[0, 1], atol=1e-14)


def test_equal_and_proportional_genes_get_equal_numbers():
    X = np.random.default_rng(2).random((37, 50))
    X[:, 40], X[:, 49] = X[:, 3], 0.37 * X[:, 3] + 2
    R = kernels.correlation(X)
    others = np.delete(np.arange(50), [3, 40, 49])
    assert (R[3, others] == R[40, others]).all()
    assert (R[3, others] == R[49, others]).all()
    assert R[3, 40] == R[3, 49] == R[40, 49] == 1


def test_single_precision_stays_single():
    X = np.random.default_rng(3).random((30, 10), dtype=np.float32)
    R = kernels.correlation(X)
    assert R.dtype == np.float32
    np.testing.assert_allclose(R, kernels.correlation(X.astype(float)), atol=1e-6)


def test_a_constant_gene_has_no_correlation():
    X = np.random.default_rng(4).random((20, 4))
    X[:, 1] = 3.3
    missing = np.isnan(kernels.correlation(X))
    assert missing[1].all()
    assert missing[:, 1].all()
    assert missing.sum() == 7


def test_bad_input_is_named():
    X = np.random.default_rng(5).random((20, 4))
    with pytest.raises(InputError, match="infinite"):
        kernels.correlation(np.where(X > 0.9, np.inf, X))
    with pytest.raises(InputError, match="two dimensions"):
        kernels.correlation(X[0])
    with pytest.raises(InputError, match="method"):
        kernels.correlation(X, "spearman")
    with pytest.raises(InputError, match="max_p_outliers"):
        kernels.correlation(X, "bicor", 0.0)
    with pytest.raises(InputError, match="samples"):
        kernels.correlation(X[:1])


@needs_shared
@pytest.mark.parametrize("dataset", golden.SETS)
def test_r_correlations(dataset):
    X, stored = golden.expression(dataset), golden.arrays(f"{dataset}/misc.npz")
    lower = np.tril_indices(X.shape[1], -1)
    calls = {"pearson_upper": (), "bicor_upper": ("bicor",), "bicor_maxPOutliers0.1_upper": ("bicor", 0.1)}
    for name, call in calls.items():
        if name in stored:
            atol = 1e-13 if stored[name].dtype == np.float64 else 1e-7
            np.testing.assert_allclose(kernels.correlation(X, *call)[lower], stored[name], atol=atol, rtol=0)


@needs_shared
@pytest.mark.parametrize(("name", "method"), [("na_cor", "pearson"), ("na_bicor", "bicor")])
def test_r_correlations_with_missing_values(name, method):
    found = kernels.correlation(golden.edge_array("na_datExpr"), method)
    np.testing.assert_allclose(found, golden.edge_array(name), atol=1e-13)


@needs_shared
def test_r_fallbacks_where_the_median_deviation_is_zero():
    X = golden.edge_array("bicor_zero_mad_datExpr")
    np.testing.assert_allclose(kernels.correlation(X, "bicor"), golden.edge_array("bicor_zero_mad"), atol=1e-13)
    everywhere = kernels.correlation(X, "bicor", fallback="all")
    np.testing.assert_allclose(everywhere, golden.edge_array("bicor_zero_mad_all"), atol=1e-13)
    assert np.isnan(kernels.correlation(X, "bicor", fallback="none")).sum() == 700
