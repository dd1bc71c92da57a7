"""Topological overlap against its formula and against WGCNA 1.72-1."""

import numpy as np
import pytest

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError


def plain_overlap(A, tom, denominator):
    A = A.copy()
    np.fill_diagonal(A, 1)
    k, L, n = np.abs(A).sum(axis=1), A @ A, len(A)
    T = np.eye(n)
    for i in range(n):
        for j in range(n):
            if i != j:
                shared = abs(L[i, j] - A[i, j]) if tom == "signed" else L[i, j] - A[i, j]
                bound = (min(k[i], k[j]) if denominator == "min" else (k[i] + k[j]) / 2) - abs(A[i, j])
                T[i, j] = shared / bound if bound > 0 else 0
    return T


@pytest.mark.parametrize("tom", ["signed", "unsigned", "signed Nowick"])
@pytest.mark.parametrize("denominator", ["min", "mean"])
def test_overlap_matches_a_plain_loop(tom, denominator):
    R = kernels.correlation(np.random.default_rng(0).normal(size=(20, 70)))
    A = kernels.adjacency(R, 3, "unsigned keep sign")
    T = kernels.topological_overlap(A, tom, denominator)
    np.testing.assert_allclose(T, plain_overlap(A, tom, denominator), atol=1e-13)
    assert (T == T.T).all()


def test_the_diagonal_given_does_not_matter_and_the_input_is_left_alone():
    A = np.random.default_rng(1).random((30, 30))
    A = (A + A.T) / 2
    before = A.copy()
    T = kernels.topological_overlap(A)
    np.testing.assert_array_equal(A, before)
    np.fill_diagonal(A, 0)
    np.testing.assert_array_equal(kernels.topological_overlap(A), T)


def test_genes_without_neighbours_have_no_overlap():
    np.testing.assert_array_equal(kernels.topological_overlap(np.eye(4)), np.eye(4))


def test_threads_do_not_change_a_number(monkeypatch):
    R = kernels.correlation(np.random.default_rng(2).normal(size=(20, 700)).astype(np.float32))
    one = kernels.topological_overlap(kernels.adjacency(R, 6))
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    np.testing.assert_array_equal(kernels.topological_overlap(kernels.adjacency(R, 6)), one)


def test_missing_adjacency_is_refused_by_gene():
    A = np.eye(5)
    A[3, 1] = A[1, 3] = np.nan
    with pytest.raises(InputError, match="2 genes, the first is gene 1"):
        kernels.topological_overlap(A)


@needs_shared
@pytest.mark.parametrize(("dataset", "tag"), golden.NETS)
def test_r_overlap(dataset, tag):
    stored = golden.arrays(f"{dataset}/net_{tag}.npz")
    method, power, network, tom = golden.RECIPES[tag]
    R = kernels.correlation(golden.expression(dataset), method)
    A = kernels.adjacency(R, power or golden.POWER[dataset], network)
    T = kernels.topological_overlap(A, tom)
    expected = stored[f"net_{tag}__tom_upper"]
    atol = 1e-12 if expected.dtype == np.float64 else 1e-7
    lower = np.tril_indices(len(T), -1)
    np.testing.assert_allclose(T[lower], expected, atol=atol, rtol=0)
    mean = kernels.topological_overlap(A, tom, "mean")[:200, :200]
    np.testing.assert_allclose(mean, stored[f"net_{tag}__tom_meandenom_first200"], atol=1e-12, rtol=0)
    single = kernels.topological_overlap(A.astype(np.float32), tom)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single[lower], expected, atol=1e-5, rtol=0)
