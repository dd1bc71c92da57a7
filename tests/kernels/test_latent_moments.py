"""Latent correlations: a plain loop, counts over gammas of known correlation, and independent genes."""

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import gamma, kstest, norm

from scresist.kernels.latent_moments import latent_correlation, latent_moments


def drawn(n=3000, seed=0, shared=0.5, groups=3, deep=6000):
    """Poisson counts over gammas: the first ten genes share a part of their expression, the correlation of any two.

    The shape of gene g is k; a sum of a shared gamma of shape k * shared and an own one of k * (1 - shared) has
    correlation `shared` with another such sum.
    """
    rng = np.random.default_rng(seed)
    shape, genes = 2.5, 20
    common = rng.gamma(shape * shared, 1 / shape, (n, 1))
    u = common + rng.gamma(shape * (1 - shared), 1 / shape, (n, genes))
    u[:, 10:] = rng.gamma(shape, 1 / shape, (n, 10))
    codes = np.resize(np.arange(groups), n)
    share = np.exp(rng.normal(0, 1, genes) + rng.normal(0, 0.5, (groups, genes)))
    share *= 0.02 / share.mean(axis=1, keepdims=True)
    depth = deep * np.exp(rng.normal(0, 0.6, n))
    return rng.poisson(depth[:, None] * share[codes] * u * 0.05), depth, codes, shape


def test_known_correlations_are_found_whatever_the_depth():
    for shared in (0.3, 0.6):
        for deep in (2000, 20000):
            X, depth, codes, shape = drawn(6000, shared=shared, deep=deep)
            moments = latent_moments(sparse.csr_array(X), depth, codes, 3)
            R, _ = latent_correlation(sparse.csr_array(X), depth, codes, moments)
            inside = R[:10, :10][np.triu_indices(10, 1)]
            assert np.median(moments.variance) == pytest.approx(1 / shape, rel=0.1)
            assert np.median(inside) == pytest.approx(shared, abs=0.06)
            # What is counted correlates less, the less the shallower the cells.
            counted = np.corrcoef(np.log1p(X / depth[:, None] * 1e4), rowvar=False)[:10, :10][np.triu_indices(10, 1)]
            assert np.median(counted) < np.median(inside)


def test_statistics_of_independent_genes_are_standard_normal():
    X, depth, codes, _ = drawn(4000, seed=4)
    moments = latent_moments(sparse.csr_array(X), depth, codes, 3)
    _, T = latent_correlation(sparse.csr_array(X), depth, codes, moments)
    outside = T[10:, 10:][np.triu_indices(10, 1)]
    assert kstest(outside, norm.cdf).pvalue > 0.01
    assert np.abs(T[:10, :10][np.triu_indices(10, 1)]).min() > 5


def test_moments_are_those_of_a_plain_loop():
    X, depth, codes, _ = drawn(90, seed=2)
    moments = latent_moments(sparse.csr_array(X), depth, codes, 3)
    R, T = latent_correlation(sparse.csr_array(X), depth, codes, moments)
    free = 30 / 29
    M, W = np.zeros(X.shape), np.zeros(X.shape)
    for g in range(X.shape[1]):
        v, share = 0.0, np.zeros(3)
        for _ in range(500):
            for c in range(3):
                own = codes == c
                weight = 1 / (1 + v * depth[own] * share[c])
                share[c] = (weight * X[own, g]).sum() / (weight * depth[own]).sum()
            m = depth * share[codes]
            weight = 1 / (m + v * m**2) ** 2
            v = max((weight * m**2 * (free * (X[:, g] - m) ** 2 - m)).sum() / (weight * m**4).sum(), 0)
        assert moments.variance[g] == pytest.approx(v, rel=1e-2, abs=1e-4)
        M[:, g] = depth * moments.share[codes, g]
        W[:, g] = 1 / (M[:, g] + moments.variance[g] * M[:, g] ** 2)
    for a, b in ((0, 1), (3, 12), (15, 16)):
        weight, product = W[:, a] * W[:, b], M[:, a] * M[:, b]
        residual = free * (X[:, a] - M[:, a]) * (X[:, b] - M[:, b])
        covariance = (weight * product * residual).sum() / (weight * product**2).sum()
        scale = np.sqrt(moments.variance[a] * moments.variance[b])
        assert R[a, b] == pytest.approx(np.clip(covariance / scale, -1, 1), abs=1e-4)
        assert T[a, b] == pytest.approx(
            (weight * product * residual).sum() / np.sqrt((weight * product**2).sum()), abs=1e-3
        )


def test_a_gene_that_varies_as_poisson_has_no_correlation():
    rng = np.random.default_rng(1)
    X = np.column_stack([rng.poisson(3.0, 500), np.full(500, 3), rng.poisson(rng.gamma(1, 3.0, 500))])
    moments = latent_moments(sparse.csr_array(X), np.ones(500), np.zeros(500, dtype=int), 1)
    R, _ = latent_correlation(sparse.csr_array(X), np.ones(500), np.zeros(500, dtype=int), moments)
    assert moments.variance[1] == 0
    assert (R[1] == [0, 1, 0]).all()
    assert moments.variance[2] == pytest.approx(gamma(1).var(), rel=0.3)
