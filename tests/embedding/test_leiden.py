"""Clusters depend on the seed alone, and leave every generator of random numbers as it was."""

import random

import igraph
import numpy as np
import pytest
from scipy import sparse

from scresist.embedding.space import leiden


def noise(seed=0, n=120):
    upper = sparse.random(n, n, density=0.05, random_state=seed)
    return sparse.csr_matrix(upper + upper.T)


class Counting:
    """A generator that a user gave to igraph."""

    def __init__(self):
        self.drawn, self.own = 0, random.Random(5)

    def __getattr__(self, name):
        if name not in {"random", "randint", "gauss", "getrandbits"}:
            raise AttributeError(name)

        def draw(*arguments):
            self.drawn += 1
            return getattr(self.own, name)(*arguments)

        return draw


def test_pythons_generator_is_left_where_it_was_and_does_not_matter():
    random.seed(11)
    before = random.getstate()
    first = leiden(noise(), 1.0, seed=4)
    assert random.getstate() == before
    random.seed(99)
    np.testing.assert_array_equal(leiden(noise(), 1.0, seed=4), first)
    others = [leiden(noise(), 1.0, seed=seed) for seed in range(20)]
    assert any(not np.array_equal(other, first) for other in others)


def test_a_generator_that_a_user_gave_to_igraph_stays_with_igraph():
    given = Counting()
    igraph.set_random_number_generator(given)
    try:
        with pytest.warns(UserWarning, match="the clusters do not depend on the seed"):
            leiden(noise(), 1.0, seed=4)
        drawn = given.drawn
        igraph.Graph.Erdos_Renyi(20, 0.5)
        assert given.drawn > drawn
    finally:
        igraph.set_random_number_generator(random)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_graphs_without_edges(n):
    np.testing.assert_array_equal(leiden(sparse.csr_matrix((n, n)), 1.0, seed=1), np.arange(n))
