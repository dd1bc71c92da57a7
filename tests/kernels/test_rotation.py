"""Components turned so that each gene follows few of them."""

import numpy as np
import pytest

from scresist.kernels.rotation import varimax


def simple(seed, k=4):
    """Loadings of k blocks of genes, and the same turned at random."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(np.eye(k), np.ones((10, 1))) * rng.uniform(0.4, 0.9, (10 * k, 1))
    turn = np.linalg.qr(rng.normal(size=(k, k)))[0]
    return blocks, blocks @ turn


@pytest.mark.parametrize("seed", range(4))
def test_simple_structure_is_found_again(seed):
    blocks, turned = simple(seed)
    found = varimax(turned)
    order = np.argmax(np.abs(found.T @ blocks), axis=0)
    assert sorted(order) == [0, 1, 2, 3]
    assert np.allclose(found[:, order], blocks, atol=1e-4)


def test_a_rotation_keeps_what_the_genes_share():
    L = np.random.default_rng(5).normal(size=(50, 6))
    found = varimax(L)
    assert np.allclose(found @ found.T, L @ L.T)
    spread = [(x**2).var(axis=0).sum() for x in (L, found)]
    assert spread[1] > spread[0]
    assert ((found**3).sum(axis=0) >= 0).all()


def test_two_components_equal_the_closed_form():
    """For two components the angle is known (Kaiser 1958)."""
    L = np.random.default_rng(6).normal(size=(40, 2))
    u, v = L[:, 0] ** 2 - L[:, 1] ** 2, 2 * L[:, 0] * L[:, 1]
    top = 2 * (u * v).sum() - 2 * u.sum() * v.sum() / len(L)
    angle = np.arctan2(top, (u**2 - v**2).sum() - (u.sum() ** 2 - v.sum() ** 2) / len(L)) / 4
    turned = L @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    criterion = [(x**2).var(axis=0).sum() for x in (turned, varimax(L))]
    assert criterion[0] == pytest.approx(criterion[1])


def test_one_component_is_as_it_was():
    assert varimax(np.array([[-2.0], [1.0]])).tolist() == [[2.0], [-1.0]]
