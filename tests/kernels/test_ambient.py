import numpy as np
import pytest

from scresist.kernels.ambient import contamination


def test_a_known_contamination_is_recovered():
    totals = np.array([1e5, 2e5, 3e5])
    share = np.array([0.01, 0.02, 0.005])
    foreign = ~np.eye(3, dtype=bool)
    counts = 0.08 * totals[:, None] * share[None, :]
    counts[np.eye(3, dtype=bool)] = 1e4
    estimate, low, middle = contamination(counts, totals, share, foreign, 50)
    assert estimate == pytest.approx(0.08)
    assert (low, middle) == (pytest.approx(0.08), pytest.approx(0.08))


def test_without_enough_counts_it_is_missing():
    assert np.isnan(contamination(np.ones((1, 1)), np.array([100.0]), np.array([0.01]), np.array([[True]]), 50)).all()


def test_it_never_exceeds_one():
    estimate, _, _ = contamination(np.array([[1e4]]), np.array([1e5]), np.array([0.01]), np.array([[True]]), 50)
    assert estimate == 1.0
