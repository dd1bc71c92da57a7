"""Centralities against networkx and definitions written out; rank tests against scipy."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from scresist.checks import InputError
from scresist.communication.centrality import centralities as eleven_measures
from scresist.kernels.centrality import MEASURES, centralities
from scresist.kernels.rank_tests import signed_rank_test, two_sample_rank_test


def graph(seed, n=8, density=0.5):
    rng = np.random.default_rng(seed)
    return np.round(rng.random((n, n)) * (rng.random((n, n)) < density), 2)


@pytest.mark.parametrize("seed", range(4))
def test_flow_betweenness_matches_networkx(seed):
    A = graph(seed)
    got = centralities(A)
    directed = nx.from_numpy_array(A, create_using=nx.DiGraph)
    flow = np.zeros(len(A))
    for s in range(len(A)):
        for t in range(len(A)):
            if s == t:
                continue
            whole = nx.maximum_flow_value(directed, s, t, capacity="weight")
            for v in set(range(len(A))) - {s, t}:
                less = directed.copy()
                less.remove_node(v)
                flow[v] += whole - nx.maximum_flow_value(less, s, t, capacity="weight")
    np.testing.assert_allclose(got["flowbet"], flow, atol=1e-9)


def test_eigenvectors_solve_their_equations():
    A = graph(7)
    got = centralities(A)
    for name, S in (("hub", A @ A.T), ("authority", A.T @ A), ("eigen", A + A.T)):
        largest = np.linalg.eigvalsh(S)[-1]
        np.testing.assert_allclose(S @ got[name], largest * got[name], atol=1e-9)
        assert got[name].max() == 1


def test_the_order_of_nodes_does_not_matter_but_for_information():
    A = graph(3)
    order = np.random.default_rng(0).permutation(len(A))
    got, moved = centralities(A), centralities(A[np.ix_(order, order)])
    for name in set(MEASURES) - {"info"}:
        np.testing.assert_allclose(moved[name], got[name][order], atol=1e-9)
    symmetric = A + A.T
    got, moved = centralities(symmetric), centralities(symmetric[np.ix_(order, order)])
    np.testing.assert_allclose(moved["info"], got["info"][order], atol=1e-9)


def test_graphs_without_links_and_stacks_of_graphs():
    by_igraph = {name: values[:, 0] for name, values in eleven_measures(np.zeros((4, 4, 1))).items()}
    empty = by_igraph | centralities(np.zeros((4, 4)))
    assert (empty["outdeg"] == 0).all()
    assert (empty["info"] == 0).all()
    np.testing.assert_allclose(empty["page_rank"], 0.25)
    stack = np.stack([graph(1), graph(2)], axis=2)
    for name, values in centralities(stack).items():
        np.testing.assert_allclose(values[:, 1], centralities(graph(2))[name])


@pytest.mark.parametrize(("A", "message"), [
    (np.ones((2, 3)), "nodes x nodes"), (-np.ones((2, 2)), "not negative"), (np.full((2, 2), np.nan), "finite"),
])  # fmt: skip
def test_what_is_no_graph_is_refused(A, message):
    with pytest.raises(InputError, match=message):
        centralities(A)


@pytest.mark.parametrize("seed", range(3))
def test_rank_tests_match_scipy(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=20), rng.normal(0.5, size=20)
    assert signed_rank_test(x, y) == pytest.approx(stats.wilcoxon(x, y, method="exact").pvalue)
    assert two_sample_rank_test(x, y) == pytest.approx(stats.mannwhitneyu(x, y, method="exact").pvalue)
    x, y = np.round(rng.normal(size=60)), np.round(rng.normal(1, size=60))
    expected = stats.wilcoxon(x, y, method="asymptotic", correction=True, zero_method="wilcox").pvalue
    assert signed_rank_test(x, y) == pytest.approx(expected)
    assert two_sample_rank_test(x, y) == pytest.approx(stats.mannwhitneyu(x, y, method="asymptotic").pvalue)


def test_rank_tests_without_anything_to_rank():
    assert np.isnan(signed_rank_test(np.ones(4), np.ones(4)))
    assert np.isnan(two_sample_rank_test(np.ones(4), np.ones(5)))
    assert np.isnan(two_sample_rank_test(np.ones(0), np.ones(5)))
    with pytest.raises(InputError, match="one length"):
        signed_rank_test(np.ones(4), np.ones(5))
