"""The permutation kernel against enumeration by hand, and its interval against its own test."""

from itertools import combinations, product

import numpy as np
import pytest

from scresist.kernels import exact_permutation_test
from scresist.kernels.permutation import n_relabellings, permutation_detail


def test_two_arms_match_a_plain_loop():
    rng = np.random.default_rng(0)
    y, arm = rng.normal(size=(7, 4)), np.array([1, 1, 1, 0, 0, 0, 0])
    effect, p, floor = exact_permutation_test(y, arm)
    observed = y[:3].mean(axis=0) - y[3:].mean(axis=0)
    count = np.zeros(4)
    for chosen in combinations(range(7), 3):
        rest = [i for i in range(7) if i not in chosen]
        count += np.abs(y[list(chosen)].mean(axis=0) - y[rest].mean(axis=0)) >= np.abs(observed) - 1e-12
    np.testing.assert_allclose(effect, observed)
    np.testing.assert_allclose(p, count / 35)
    np.testing.assert_allclose(floor, 1 / 35)


def test_pairs_match_sign_flips():
    rng = np.random.default_rng(1)
    d = rng.normal(size=5) + 0.5
    y = np.concatenate([d, np.zeros(5)]) + np.tile(rng.normal(size=5), 2)
    result = exact_permutation_test(y, np.repeat([1, 0], 5), patient=np.tile(np.arange(5), 2))
    flips = np.array(list(product([1, -1], repeat=5)))
    assert result.p_value == pytest.approx(np.mean(np.abs(flips @ d) >= abs(d.sum()) - 1e-12))
    assert result.effect == pytest.approx(d.mean())
    assert result.p_floor == 2 / 32


def test_three_against_three_cannot_go_below_one_tenth():
    y = np.array([10.0, 11, 12, 0, 1, 2])
    result = exact_permutation_test(y, np.array([1, 1, 1, 0, 0, 0]))
    assert result.p_value == result.p_floor == pytest.approx(0.1)


def test_strata_confine_the_relabelling_and_adjust_the_effect():
    rng = np.random.default_rng(2)
    arm, strata = np.array([1, 1, 0, 0, 1, 0, 0, 0]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    y = rng.normal(size=8) + 100 * strata
    result = exact_permutation_test(y, arm, strata=strata)
    count = []
    for one in combinations(range(4), 2):
        for other in combinations(range(4, 8), 1):
            z = np.isin(np.arange(8), one + other)
            weights, effects = [], []
            for s in (0, 1):
                here = strata == s
                n1, n0 = (z & here).sum(), (~z & here).sum()
                weights.append(n1 * n0 / (n1 + n0))
                effects.append(y[z & here].mean() - y[~z & here].mean())
            count.append(np.average(effects, weights=weights))
            if (z == arm).all():
                observed = count[-1]
    assert result.effect == pytest.approx(observed)
    assert result.p_value == pytest.approx(np.mean(np.abs(count) >= abs(observed) - 1e-12))
    assert n_relabellings(arm, np.arange(8), strata) == 24


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_interval_is_where_the_test_does_not_reject(alpha):
    rng = np.random.default_rng(3)
    arm, who = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0, 0]), np.array([0, 1, 2, 3, 4, 0, 1, 5, 6, 7])
    y, weights = rng.normal(size=10) + arm, rng.uniform(0.5, 1, 10)
    options = {"patient": who, "weights": weights, "correlation": 0.4}
    detail = permutation_detail(y, arm, alpha=alpha, **options)
    assert detail.exact == 1
    for edge, inside in ((detail.ci_low, 1e-6), (detail.ci_high, -1e-6)):
        assert exact_permutation_test(y - (edge + inside) * arm, arm, **options).p_value > alpha
        assert exact_permutation_test(y - (edge - inside) * arm, arm, **options).p_value <= alpha


def test_missing_values_are_left_out_feature_by_feature():
    rng = np.random.default_rng(4)
    y, arm = rng.normal(size=(8, 2)), np.array([1, 1, 1, 1, 0, 0, 0, 0])
    y[0, 1] = np.nan
    both, alone = exact_permutation_test(y, arm), exact_permutation_test(y[1:, 1], arm[1:])
    assert both.p_value[1] == pytest.approx(alone.p_value)
    assert both.p_floor[0] == pytest.approx(2 / 70)


def test_random_relabellings_count_the_observed_one_and_follow_the_seed():
    rng = np.random.default_rng(5)
    y, arm = rng.normal(size=(30, 3)), np.arange(30) % 2
    y[:, 0] += 50 * arm
    one, again = (exact_permutation_test(y, arm, n_permutations=199, rng=7) for _ in range(2))
    np.testing.assert_array_equal(one.p_value, again.p_value)
    assert one.p_value[0] == pytest.approx(1 / 200)
    alone = exact_permutation_test(y[:, 1], arm, n_permutations=199, rng=7)
    assert alone.p_value == one.p_value[1]


def test_what_cannot_be_tested_is_nan():
    arm = np.array([1, 1, 0, 0])
    assert np.isnan(exact_permutation_test(np.ones(4), np.ones(4)).p_value)
    assert np.isnan(exact_permutation_test(np.full(4, 3.0), arm).p_value)
    assert np.isnan(exact_permutation_test(np.full(4, np.nan), arm).effect)
    with pytest.raises(ValueError, match="one unit in each arm"):
        exact_permutation_test(np.arange(4.0), arm, patient=np.array([0, 0, 0, 1]))
