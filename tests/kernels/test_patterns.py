"""Factorisation, consensus and distances of networks against plain loops and what must hold."""

import networkx as nx
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from scresist.checks import InputError
from scresist.kernels.network_distance import (
    default_neighbours,
    link_overlap,
    shared_neighbours,
    structural_distances,
)
from scresist.kernels.patterns import consensus, factorise, start_from_svd


def networks(seed=0, n=6, k=9):
    rng = np.random.default_rng(seed)
    return (rng.random((n, n, k)) < rng.random(k)).astype(float)


def test_overlap_is_the_jaccard_index():
    A = networks()
    A[:, :, 3] = 0
    got = link_overlap(A)
    for i in range(9):
        for j in range(9):
            a, b = set(np.flatnonzero(A[:, :, i])), set(np.flatnonzero(A[:, :, j]))
            expected = 1.0 if i == j else len(a & b) / len(a | b) if a | b else 0.0
            assert got[i, j] == pytest.approx(expected)


def slow_distance(A, B):
    def node_distances(G):
        n = len(G)
        steps = dict(nx.all_pairs_shortest_path_length(nx.from_numpy_array(((G + G.T) > 0).astype(int))))
        q = np.zeros((n, n))
        for i in range(n):
            for j in range(n):
                if i != j:
                    q[i, steps[i].get(j, n) - 1] += 1 / (n - 1)
        return q

    def entropy(x):
        x = x[x > 0]
        return -(x * np.log(x)).sum()

    def alpha(G):
        n, plain = len(G), G * (1 - np.eye(len(G)))
        value = np.linalg.inv(np.eye(n) - plain.T / n) @ ((G.sum(0) + G.sum(1)) / (n - 1))
        value = np.sort(value) / n**2
        return np.append(value, max(0, 1 - value.sum()))

    qs = [node_distances(G) for G in (A, B)]
    means = [q.mean(axis=0) for q in qs]
    spread = [
        max(0, entropy(m) - entropy(q.ravel()) / len(A)) / np.log(max(2, 1 + (m[:-1] > 0).sum()))
        for m, q in zip(means, qs, strict=True)
    ]

    def js(x, y):
        return np.sqrt(max(0, (entropy((x + y) / 2) - (entropy(x) + entropy(y)) / 2) / np.log(2)))

    complements = [(1 - G) * (1 - np.eye(len(G))) for G in (A, B)]
    third = js(alpha(A), alpha(B)) / 2 + js(*(alpha(G) for G in complements)) / 2
    assert js(*means) == pytest.approx(jensenshannon(*means, base=2), abs=1e-7)
    return 0.45 * js(*means) + 0.45 * abs(np.sqrt(spread[0]) - np.sqrt(spread[1])) + 0.1 * third


def test_structural_distances_match_a_plain_loop():
    A = networks(1)
    got = structural_distances(A)
    np.testing.assert_array_equal(got, got.T)
    for i in range(9):
        for j in range(i):
            assert got[i, j] == pytest.approx(slow_distance(A[:, :, i], A[:, :, j]), abs=1e-8)


def test_the_names_of_nodes_do_not_matter_to_the_shape():
    A = networks(2)
    order = np.random.default_rng(0).permutation(6)
    moved = A[np.ix_(order, order)]
    np.testing.assert_allclose(structural_distances(moved), structural_distances(A), atol=1e-7)


def test_shared_neighbours_and_their_number():
    assert [default_neighbours(n) for n in (2, 4, 25, 26, 56)] == [2, 2, 5, 7, 9]
    blocks = np.kron(np.eye(2), np.ones((3, 3)))
    np.testing.assert_array_equal(shared_neighbours(blocks, 3), blocks)
    with pytest.raises(InputError, match="use fewer"):
        shared_neighbours(np.eye(3), 4)


def test_a_product_of_patterns_is_found_again():
    rng = np.random.default_rng(0)
    W = np.kron(np.eye(3), np.ones((4, 1))) + 0.01
    H = rng.dirichlet(np.full(3, 0.2), size=20).T
    V = W @ H
    got_W, got_H, n = factorise(V, *start_from_svd(V, 3))
    assert ((V - got_W @ got_H) ** 2).sum() < 0.05
    assert n % 10 == 0
    np.testing.assert_allclose(got_W.sum(axis=0), 1)
    together = consensus(V, 3, 5, rng=np.random.default_rng(1))
    own = H.argmax(axis=0)
    same = own[:, None] == own[None, :]
    assert together[same].mean() > 0.8 > 0.3 > together[~same].mean()
    with pytest.raises(InputError, match="not negative"):
        factorise(-V, got_W, got_H)
