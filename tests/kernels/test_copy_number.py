import numpy as np
import pytest

from scresist.kernels.copy_number import mixture_with_known_null, project, relative_to_reference, smoothing_matrix


def test_expression_within_the_range_of_the_references_is_zero():
    means = np.array([[1.0, 2.0], [2.0, 2.5]])
    x = np.array([[1.5, 2.2], [0.5, 3.0], [9.0, -9.0]])
    np.testing.assert_allclose(relative_to_reference(x, means, 3.0), [[0, 0], [-0.5, 0.5], [3.0, -3.0]])


def test_windows_match_a_plain_loop_and_stay_on_their_chromosome():
    chromosome = np.array(["1"] * 12 + ["2"] * 9 + ["3"] * 3)
    weights, middles = smoothing_matrix(chromosome, window=5, step=2)
    dense = weights.toarray()
    np.testing.assert_allclose(dense.sum(axis=0), 1.0)
    for column, middle in zip(dense.T, middles, strict=True):
        inside = np.flatnonzero(column)
        assert set(chromosome[inside]) == {chromosome[middle]}
        expected = np.array([3 - abs(i - middle) for i in inside], dtype=float)
        np.testing.assert_allclose(column[inside], expected / expected.sum())
    assert "3" not in chromosome[middles]


def test_the_projection_of_a_profile_on_itself_is_one():
    direction = np.random.default_rng(0).normal(size=50)
    np.testing.assert_allclose(project(np.vstack([direction, 0.5 * direction, 0 * direction]), direction), [1, 0.5, 0])


def test_the_mixture_recovers_its_parameters():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 0.2, 300), rng.normal(1, 0.25, 700)])
    posterior, mean, sd, share = mixture_with_known_null(values, 0.0, 0.2, start=1.0)
    assert mean == pytest.approx(1.0, abs=0.03)
    assert sd == pytest.approx(0.25, abs=0.03)
    assert share == pytest.approx(0.7, abs=0.03)
    truth = np.repeat([False, True], [300, 700])
    assert ((posterior > 0.5) == truth).mean() > 0.97


def test_where_all_are_null_few_are_called():
    values = np.random.default_rng(2).normal(0, 0.2, 500)
    posterior, *_ = mixture_with_known_null(values, 0.0, 0.2, start=1.0)
    assert (posterior > 0.8).mean() < 0.05
