"""Residuals within groups against plain loops; the edge of noise against draws."""

import numpy as np
import pytest
from scipy import sparse

from scresist.kernels.residuals import gram, leading_directions, noise_edge, scaled, within_group_residuals


def drawn(seed=0, cells=60, genes=12):
    rng = np.random.default_rng(seed)
    depth = rng.integers(50, 400, cells).astype(float)
    codes = np.resize([0, 1, 2], cells)
    share = rng.dirichlet(np.ones(genes), 3) * 0.8
    return rng.poisson(depth[:, None] * share[codes]), depth, codes, rng.uniform(0.01, 0.5, genes)


def test_residuals_are_those_of_a_plain_loop():
    X, depth, codes, dispersion = drawn()
    expected = np.zeros(X.shape)
    for i in range(len(X)):
        own = codes == codes[i]
        for g in range(X.shape[1]):
            mean = depth[i] * X[own, g].sum() / depth[own].sum()
            if mean > 0:
                expected[i, g] = (X[i, g] - mean) / np.sqrt(mean + dispersion[g] * mean**2)
    expected = np.clip(expected, -2, 2)
    for code in range(3):
        expected[codes == code] -= expected[codes == code].mean(axis=0)
    found = within_group_residuals(sparse.csr_array(X), depth, codes, 3, dispersion, 2.0)
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_a_cell_twice_as_deep_has_the_same_residuals_but_for_noise():
    """Counts that are exactly proportional to depth leave nothing."""
    share, depth = np.array([0.1, 0.3, 0.6]), np.array([100.0, 200.0, 400.0, 1000.0])
    X = sparse.csr_array((depth[:, None] * share).astype(int))
    found = within_group_residuals(X, depth, np.zeros(4, dtype=int), 1, np.full(3, 0.1), 10.0)
    np.testing.assert_allclose(found, 0, atol=1e-5)


def test_a_gene_that_is_silent_in_a_group_is_zero_there():
    X, depth, codes, dispersion = drawn()
    X[codes == 1, 4] = 0
    found = within_group_residuals(sparse.csr_array(X), depth, codes, 3, dispersion, 10.0)
    assert (found[codes == 1, 4] == 0).all()


def test_scaling_gives_variance_one_and_leaves_zeros():
    Z = np.random.default_rng(1).normal(size=(5000, 3)).astype(np.float32) * [1, 5, 0]
    out, root = scaled(Z.astype(np.float32))
    np.testing.assert_allclose((out[:, :2] ** 2).mean(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(root[1], 5, rtol=0.05)
    assert (out[:, 2] == 0).all()


@pytest.mark.parametrize(("rows", "columns"), [(400, 100), (300, 600)])
def test_independent_columns_rarely_pass_the_edge(rows, columns):
    """Three draws in a thousand would be the bad luck of a law that is right: none of forty passes."""
    rng = np.random.default_rng(2)
    passed = 0
    for _ in range(40):
        Z = rng.normal(size=(rows, columns))
        Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
        passed += np.linalg.eigvalsh(Z.T @ Z / rows)[-1] > noise_edge(rows, columns)
    assert passed <= 1


def test_a_planted_direction_is_found_and_signed():
    rng = np.random.default_rng(3)
    Z = rng.normal(size=(500, 40))
    Z[:, :10] -= 1.5 * rng.normal(size=(500, 1))
    values, vectors = leading_directions(Z, 5)
    expected, basis = np.linalg.eigh(Z.T @ Z / 500)
    np.testing.assert_allclose(values, expected[::-1][:5], rtol=1e-8)
    np.testing.assert_allclose(np.abs(vectors[:, 0]), np.abs(basis[:, -1]), atol=1e-8)
    assert vectors[np.abs(vectors[:, 0]).argmax(), 0] > 0
    np.testing.assert_allclose(gram(Z), Z.T @ Z / 500)
