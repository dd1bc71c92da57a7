"""Membership against plain correlations with the gene taken out, and on independent genes."""

import numpy as np
import pytest
from scipy.stats import chisquare

from scresist.kernels.membership import (
    axis_correlations,
    drawn_without_replacement,
    mean_correlations,
    mean_correlations_with,
    membership_z,
    refine_members,
    two_sides,
)


def values(seed=0, n=2000, genes=200, planted=30, strength=0.4):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, genes))
    Z[:, :planted] += strength * rng.normal(size=(n, 1))
    return ((Z - Z.mean(axis=0)) / Z.std(axis=0)).astype(np.float64)


def test_membership_is_the_correlation_with_the_sum_of_the_others():
    Z = values()
    labels = np.repeat([1, 2, 0], [30, 20, 150])
    found = membership_z(Z, labels, np.array([1, 2]))
    r = np.empty((200, 2))
    for m in (1, 2):
        for g in range(200):
            others = np.flatnonzero((labels == m) & (np.arange(200) != g))
            r[g, m - 1] = np.corrcoef(Z[:, g], Z[:, others].sum(axis=1))[0, 1]
    for m in (1, 2):
        outside = r[labels != m, m - 1]
        centre = np.median(outside)
        spread = max(1.4826 * np.median(np.abs(outside - centre)), 1 / np.sqrt(2000))
        np.testing.assert_allclose(found[:, m - 1], (r[:, m - 1] - centre) / spread, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_independent_genes_do_not_belong(seed):
    """A random set holds itself together by nothing: at 4 deviations its genes leave it."""
    Z = np.random.default_rng(seed).normal(size=(3000, 400))
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    labels = np.repeat([1, 2, 0], [30, 30, 340])
    assert not refine_members(Z, labels, threshold=4, min_size=3).any()


def test_members_are_completed_and_strangers_leave():
    Z = values()
    labels = np.zeros(200, dtype=int)
    labels[:12] = 1
    labels[100:106] = 1
    assert np.flatnonzero(refine_members(Z, labels, threshold=4, min_size=10)).tolist() == list(range(30))
    assert not refine_members(Z, labels, threshold=4, min_size=31).any()


def test_an_axis_that_all_genes_share_is_no_module():
    rng = np.random.default_rng(1)
    Z = rng.normal(size=(2000, 300)) + 0.6 * rng.normal(size=(2000, 1))
    Z[:, :20] += 0.6 * rng.normal(size=(2000, 1))
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    assert not refine_members(Z, np.ones(300, dtype=int), threshold=4, min_size=10)[20:].any()
    labels = np.repeat([1, 0], [20, 280])
    assert np.flatnonzero(refine_members(Z, labels, threshold=4, min_size=10)).tolist() == list(range(20))


def test_mean_correlations_of_sets_are_those_of_the_matrix():
    rng = np.random.default_rng(0)
    Z = rng.normal(size=(40, 9)) + 0.5 * rng.normal(size=(40, 1))
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    C = np.corrcoef(Z, rowvar=False)
    sets, ends = np.array([0, 3, 5, 2, 8, 4]), np.array([0, 3, 5, 6])
    expected = [(C[0, 3] + C[0, 5] + C[3, 5]) / 3, C[2, 8], 0]  # one gene has no other
    np.testing.assert_allclose(mean_correlations(Z, sets, ends), expected, rtol=1e-10)
    np.testing.assert_allclose(mean_correlations(Z.astype(np.float32), sets, ends), expected, atol=1e-6)
    np.testing.assert_allclose(mean_correlations_with(Z, np.array([1, 4, 7])), C[:, [1, 4, 7]].mean(axis=1), atol=1e-12)


def two_axes(correlation, *, seed=0, rows=2000, sizes=(40, 20), strength=0.5):
    """Genes that follow one of two axes, each with noise of its own; and the axes."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(rows, 2)) @ np.linalg.cholesky([[1, correlation], [correlation, 1]]).T
    own = np.repeat([0, 1], sizes)
    Z = strength * axes[:, own] + np.sqrt(1 - strength**2) * rng.normal(size=(rows, sum(sizes)))
    return Z - Z.mean(axis=0), own + 1


@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.5, 0.8])
@pytest.mark.parametrize("strength", [0.2, 0.5, 0.9])
def test_correlations_of_axes_are_those_behind_the_noise(correlation, strength):
    Z, labels = two_axes(correlation, strength=strength)
    R = axis_correlations(Z, labels)
    assert R[0, 1] == pytest.approx(correlation, abs=0.08)
    assert np.allclose(R, R.T)
    assert np.diag(R).tolist() == [1, 1]


def test_a_module_of_independent_genes_has_no_axis():
    Z = np.random.default_rng(1).normal(size=(4000, 60))
    assert abs(axis_correlations(Z - Z.mean(axis=0), np.repeat([1, 2], 30))[0, 1]) < 1
    alternating = np.column_stack([Z[:, 0], -Z[:, 0]])  # their covariance is below 0: there is no common axis
    assert axis_correlations(alternating - alternating.mean(axis=0), np.array([1, 1])).tolist() == [[1]]


@pytest.mark.parametrize("correlation", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_the_sides_are_the_axes(correlation, seed):
    Z, labels = two_axes(correlation, seed=seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    sides = two_sides((Z / Z.std(axis=0))[:, order])
    same = sides == labels[order]
    assert max(same.mean(), (~same).mean()) > 0.95
    assert sides[0] == 1


def test_a_mixture_of_cell_types_does_not_hide_the_members():
    """All genes follow the axis of the types, up or down, so that their spread is wide; a strong member stays one."""
    rng = np.random.default_rng(2)
    kind = np.repeat([-1.0, 1.0], 400)[:, None]
    loading = np.concatenate([np.full(20, 0.7), rng.uniform(-0.4, 0.4, 280)])
    Z = kind * loading + rng.normal(size=(800, 300)) * np.sqrt(1 - loading**2)
    Z = (Z - Z.mean(axis=0)) / Z.std(axis=0)
    labels = np.repeat([1, 0], [20, 280])
    bounded = refine_members(Z, labels, threshold=4, min_size=5, sufficient=0.2)
    assert refine_members(Z, labels, threshold=4, min_size=5)[:20].sum() < bounded[:20].sum() == 20


def test_sets_are_drawn_evenly_and_without_repeats():
    """Each of the 10 sets of 3 of 5 is as frequent (chi-square of 9 degrees of freedom), and so is each order."""
    among = np.array([3, 7, 11, 20, 41])
    drawn = drawn_without_replacement(among, np.random.default_rng(0).random((60_000, 3)))
    assert all(len(set(row)) == 3 and set(row) <= set(among) for row in drawn[:500].tolist())
    for rows, n in ((np.sort(drawn, axis=1), 10), (drawn, 60)):
        counts = np.unique(rows, axis=0, return_counts=True)[1]
        assert len(counts) == n
        assert chisquare(counts).pvalue > 1e-3
    assert sorted(drawn_without_replacement(among, np.full((1, 5), np.nextafter(1, 0)))[0]) == among.tolist()
