import numpy as np

from scresist.kernels.marker_scores import resampled_winners, saturated, signed_mean


def test_saturation_is_half_at_the_floor_or_at_the_share_of_the_highest():
    np.testing.assert_allclose(saturated(np.array([[0.5], [0.0]]), 0.5, 0.5), [[0.5], [0.0]])
    np.testing.assert_allclose(saturated(np.array([[2.0], [4.0]]), 0.5, 0.5), [[0.5], [2 / 3]])


def test_signed_means_match_a_plain_loop():
    levels = np.array([[0.2, 0.8, 0.5], [1.0, 0.0, 0.4]])
    weights = np.array([[1.0, 0.5, -1.0], [0.0, 1.0, 1.0]])
    expected = [[(0.2 + 0.4) / 1.5 - 0.5 * 0.5, 0.65], [1.0 / 1.5 - 0.5 * 0.4, 0.2]]
    np.testing.assert_allclose(signed_mean(levels, weights, 0.5), expected)


def test_a_winner_on_every_marker_always_wins_and_one_on_a_single_marker_does_not():
    weights = np.zeros((2, 12))
    weights[0, :6], weights[1, 6:] = 1, 1
    clear = np.array([[0.9] * 6 + [0.1] * 6])
    one = np.array([[0.95] + [0.0] * 5 + [0.14] * 6])
    rng = np.random.default_rng(0)
    assert resampled_winners(clear, weights, 0.5, 200, rng)[0, 0] == 1.0
    share = resampled_winners(one, weights, 0.5, 400, rng)[0, 0]
    # The single marker is drawn at least once with probability 1 - (5/6)^6 = 0.67.
    assert 0.55 < share < 0.78
