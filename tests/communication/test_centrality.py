"""Centralities of groups: igraph's against networkx, and all of them against the order of the groups."""

import networkx as nx
import numpy as np
import pytest

from scresist.checks import InputError
from scresist.communication.centrality import MEASURES, centralities


def graph(seed, n=8, density=0.5):
    rng = np.random.default_rng(seed)
    return np.round(rng.random((n, n)) * (rng.random((n, n)) < density), 2)


@pytest.mark.parametrize("seed", range(4))
def test_page_rank_and_betweenness_match_networkx(seed):
    A = graph(seed)
    found = centralities(A[:, :, None])
    directed = nx.from_numpy_array(A, create_using=nx.DiGraph)
    for _, _, link in directed.edges(data=True):
        link["length"] = 1 / link["weight"]
    rank = nx.pagerank(directed, alpha=0.85, weight="weight", tol=1e-14, max_iter=10_000)
    np.testing.assert_allclose(found["page_rank"][:, 0], list(rank.values()), atol=1e-10)
    directed.remove_edges_from(nx.selfloop_edges(directed))
    between = nx.betweenness_centrality(directed, weight="length", normalized=False)
    np.testing.assert_allclose(found["betweenness"][:, 0], list(between.values()), atol=1e-10)


def test_the_order_of_groups_does_not_matter_but_for_information():
    A = np.stack([graph(3), graph(4), np.zeros((8, 8))], axis=2)
    order = np.random.default_rng(0).permutation(len(A))
    found, moved = centralities(A), centralities(A[np.ix_(order, order)])
    assert tuple(found) == MEASURES
    for name in set(MEASURES) - {"info"}:
        np.testing.assert_allclose(moved[name], found[name][order], atol=1e-9)
    np.testing.assert_allclose(found["page_rank"].sum(axis=0), 1)
    np.testing.assert_allclose(found["page_rank"][:, 2], 1 / 8)
    assert (found["betweenness"][:, 2] == 0).all()


def test_no_network_and_no_graph():
    assert centralities(np.zeros((3, 3, 0)))["page_rank"].shape == (3, 0)
    with pytest.raises(InputError, match="not negative"):
        centralities(-np.ones((2, 2, 1)))
