"""False discovery rates against the definition."""

import numpy as np
import pytest
from scipy.stats import norm

from scresist.kernels.multiple_testing import benjamini_hochberg, focused_q_values


def test_matches_the_definition():
    p = np.random.default_rng(0).uniform(size=50) ** 2
    ordered = np.sort(p)
    expected = [min(1, min(ordered[j] * 50 / (j + 1) for j in range(i, 50))) for i in range(50)]
    np.testing.assert_allclose(np.sort(benjamini_hochberg(p)), expected)


def test_untested_takes_no_part():
    q = benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(q[[0, 2]], [0.02, 0.04])
    assert np.isnan(q[1])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="from 0 to 1"):
        benjamini_hochberg(np.array([1.2]))


def test_focused_rates_follow_their_definition():
    """At every threshold: expected false findings below it over what is called and kept; by a plain loop."""
    rng = np.random.default_rng(2)
    p = np.round(rng.uniform(size=60) ** 3, 3)  # with ties
    kept = rng.uniform(size=60) < 0.6
    estimate = {t: 60 * t / max(int((kept & (p <= t)).sum()), 1e-300) for t in np.unique(p)}
    expected = [min(1.0, min(e for t, e in estimate.items() if t >= own)) for own in p]
    np.testing.assert_allclose(focused_q_values(p, kept), expected)
    np.testing.assert_allclose(focused_q_values(p, np.ones(60, bool)), benjamini_hochberg(p))
    assert (focused_q_values(p, np.zeros(60, bool)) == 1).all()
    assert np.isnan(focused_q_values(np.array([np.nan, 0.1]), np.array([True, True]))[0])


@pytest.mark.parametrize("doubted", [0.5, 0.9, 1.0])
def test_what_is_left_keeps_its_rate_where_true_changes_are_the_doubted_ones(doubted):
    """50 true changes, most of them doubted, among 1,000 tests: the false share of what is left."""
    rng = np.random.default_rng(int(10 * doubted))
    rates = {"focused": [], "filtered": []}
    for _ in range(200):
        z = rng.normal(size=1000)
        z[:50] += 5
        p = 2 * norm.sf(np.abs(z))
        kept = np.ones(1000, bool)
        kept[:50] = rng.uniform(size=50) >= doubted
        for name, q in (("focused", focused_q_values(p, kept)), ("filtered", benjamini_hochberg(p))):
            called = kept & (q < 0.05)
            rates[name].append(called[50:].sum() / max(called.sum(), 1))
    assert np.mean(rates["focused"]) < 0.05 + 3 * np.std(rates["focused"]) / np.sqrt(200)
    assert np.mean(rates["filtered"]) > 0.06, "taking findings away after the correction does not keep the rate"
