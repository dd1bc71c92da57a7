"""Contacts and nearest neighbours of types: plain loops; shuffles within strata; the rate of a true null."""

import numpy as np
import pytest

from scresist.kernels.label_shuffles import arrangements, two_sided


def cells(seed, n=150):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, [120, 90], (n, 2))
    return xy, rng.integers(0, 3, n), (xy[:, 0] > 60).astype(int), rng


def around(xy):
    return np.minimum.reduce([xy[:, 0], 120 - xy[:, 0], xy[:, 1], 90 - xy[:, 1]])


def arranged(xy, types, strata, shuffles, rng, n_types=3):
    return arrangements(xy, types, strata, n_types, radius=15.0, edge=around(xy), sides=(120.0, 90.0),
                        shuffles=shuffles, rng=rng)  # fmt: skip


@pytest.mark.parametrize("n", [150, 400])
def test_the_sums_are_those_of_a_plain_loop(n):
    xy, types, strata, rng = cells(1, n)
    types[types == 2] = 1
    types[:2] = 2  # a type of two cells, that is rarely among the nearest
    found = arranged(xy, types, strata, 1, rng)
    d = np.sqrt(((xy[:, None] - xy[None]) ** 2).sum(axis=2))
    np.fill_diagonal(d, np.inf)
    weight = 120 * 90 / np.prod(np.array([120, 90]) - np.abs(xy[:, None] - xy[None]), axis=2)
    for s in range(3):
        for t in range(3):
            block = np.ix_(types == s, types == t)
            assert found.contacts[0, s, t] == (d[block] <= 15).sum()
            np.testing.assert_allclose(found.corrected[0, s, t], weight[block][d[block] <= 15].sum(), rtol=1e-10)
            nearest = d[block].min(axis=1)
            np.testing.assert_allclose(found.nearest[0, s, t], nearest.mean(), rtol=1e-10)
            inner = around(xy)[types == s] >= 15
            share = (nearest[inner] <= 15).mean() if inner.any() else np.nan
            np.testing.assert_allclose(found.within[0, s, t], share, rtol=1e-10)


def test_a_type_that_fills_a_stratum_stays_in_it():
    xy, types, strata, rng = cells(2)
    types[strata == 1] = 2
    types[(strata == 0) & (types == 2)] = 0
    found = arranged(xy, types, strata, 20, rng)
    np.testing.assert_allclose(found.contacts[:, 2, 2], found.contacts[0, 2, 2])
    assert len(set(found.contacts[:, 0, 1])) > 5


def test_types_at_random_are_called_at_the_stated_rate():
    p = []
    for seed in range(400):
        xy, types, strata, rng = cells(seed, 80)
        found = arranged(xy, types, strata, 99, rng)
        p.append([two_sided(found.contacts[:, 0, 1])[2], two_sided(found.nearest[:, 0, 1])[2]])
    rates = np.mean(np.array(p) <= 0.05, axis=0)
    assert (rates <= 0.06).all()
    assert (rates >= 0.02).all()


def test_types_apart_have_fewer_contacts_than_shuffles():
    xy, _, strata, rng = cells(3)
    found = arranged(xy, strata, np.zeros(len(xy), int), 199, rng, n_types=2)
    _, z, p = two_sided(found.contacts[:, 0, 1])
    assert z < -5
    assert p == pytest.approx(0.01)
    assert np.isnan(two_sided(np.array([np.nan, 1.0, 2.0]))).all()
