"""The score test of a term that a Cox model lacks: by a plain likelihood, its level, and what has no answer."""

import numpy as np
import pytest

from scresist.kernels.cox_added import added_term
from scresist.kernels.cox_scan import scan_cox


def patients(n=40, seed=3, slope=0.8):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    time = rng.exponential(np.exp(-slope * x)) + 0.01
    return x, time, rng.random(n) < 0.7, rng


def plain(beta, theta, x, term, time, event, layer, start, *, over_time):
    """Log partial likelihood without ties, in loops."""
    middle = np.log(time[event]).mean()
    total = 0.0
    for i in np.flatnonzero(event):
        at_risk = [j for j in range(x.size) if layer[j] == layer[i] and time[j] >= time[i] and start[j] < time[i]]
        h = np.log(time[i]) - middle if over_time else 1.0
        eta = {j: beta * x[j] + theta * term[j] * h for j in at_risk}
        total += eta[i] - np.log(sum(np.exp(v) for v in eta.values()))
    return total


@pytest.mark.parametrize("over_time", [False, True])
@pytest.mark.parametrize("case", ["plain", "strata", "entry"])
def test_the_score_is_that_of_a_plain_likelihood(case, over_time):
    x, time, event, rng = patients()
    layer = rng.integers(0, 2, x.size) if case == "strata" else np.zeros(x.size, int)
    start = 0.3 * rng.random(x.size) * time if case == "entry" else np.full(x.size, -1.0)
    term = x if over_time else x**2
    more = {"strata": {"strata": layer}, "entry": {"entry": start}}.get(case, {})
    got = added_term(time, event, x[:, None], term, rng, over_time=over_time, draws=19, **more)
    beta = float(scan_cox(time, event, x[:, None], firth=True, limits=False, **more).coef[0])

    def value(b, theta):
        return plain(b, theta, x, term, time, event, layer, start, over_time=over_time)

    d = 1e-4
    bb = -(value(beta + d, 0) - 2 * value(beta, 0) + value(beta - d, 0)) / d**2
    tt = -(value(beta, d) - 2 * value(beta, 0) + value(beta, -d)) / d**2
    bt = -(value(beta + d, d) - value(beta + d, -d) - value(beta - d, d) + value(beta - d, -d)) / (4 * d**2)
    score_b = (value(beta + d, 0) - value(beta - d, 0)) / (2 * d)
    score_t = (value(beta, d) - value(beta, -d)) / (2 * d)
    expected = (score_t - bt / bb * score_b) / np.sqrt(tt - bt**2 / bb)
    assert got.z == pytest.approx(expected, abs=1e-4)
    assert 0 < got.p_value <= 1


def test_the_level_is_kept_beside_a_straight_effect():
    p = []
    for seed in range(250):
        x, time, event, rng = patients(30, seed=seed)
        p.append(added_term(time, event, x[:, None], x**2, rng, draws=99).p_value)
    assert 0.02 <= np.mean(np.array(p) <= 0.05) <= 0.085


def test_a_bent_and_a_changing_effect_are_found():
    x, _, _, rng = patients(200)
    bent = rng.exponential(np.exp(-(x**2)))
    assert added_term(bent, np.ones(200), x[:, None], x**2, rng).p_value == 1 / 200
    # Hazards cross: the effect is 2 before time 1, -2 after.
    first = rng.exponential(np.exp(-2 * x))
    crossed = np.where(first < 1, first, 1 + rng.exponential(np.exp(2 * x)))
    assert added_term(crossed, np.ones(200), x[:, None], x, rng, over_time=True).p_value == 1 / 200


def test_order_of_the_patients_does_not_move_the_score_and_what_has_no_answer_has_a_reason():
    x, time, event, rng = patients()
    turned = rng.permutation(x.size)
    one = added_term(time, event, x[:, None], x**2, rng, draws=19)
    two = added_term(time[turned], event[turned], x[turned, None], x[turned] ** 2, rng, draws=19)
    assert one.z == pytest.approx(two.z, rel=1e-8)
    assert added_term(time, event * 0, x[:, None], x**2, rng).reason == "no event"
    assert added_term(time, event, x[:, None], np.ones(x.size), rng).reason == "the same value in every patient"
    assert "follows from it" in added_term(time, event, x[:, None], 2 * x, rng).reason
    once = added_term(np.ones(x.size), event, x[:, None], x, rng, over_time=True)
    assert once.reason == "all events at the same time"
