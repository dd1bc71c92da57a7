"""The likelihood of tied deaths in any order: against the sum over their orders, and where Efron's is wrong."""

from itertools import permutations

import numpy as np
import pytest

from scresist.kernels.cox_likelihood import COARSE, MARGINAL, cox_data, derivatives
from scresist.kernels.cox_scan import scan_cox


def _patients(seed: int, scale: float, *, late: bool, strata: bool):
    rng = np.random.default_rng(seed)
    x = scale * rng.normal(size=(14, 2))
    time = np.ceil(2 * rng.exponential(size=14))
    entry = np.where(rng.random(14) < 0.4, np.maximum(time - 1.5, 0), -np.inf) if late else None
    died, layer = rng.random(14) < 0.8, rng.integers(0, 2, 14) if strata else np.zeros(14, int)
    return x, cox_data(time, died, entry=entry, strata=layer, ties="marginal")


def _likelihood(x, data, beta, ties=MARGINAL):
    p = beta.size
    third, score, information = np.zeros((p, p, p)), np.zeros(p), np.zeros((p, p))
    value = derivatives(x, beta, data._replace(ties=ties), third, score, information, penalised=True)
    return value, score, information, third


def _all_orders(x, data, beta):
    """The sum over all orders of the deaths of each time, written as it is defined."""
    theta, total = np.exp(x @ beta), 0.0
    for layer in np.unique(data.stratum):
        for at in np.unique(data.time[data.died & (data.stratum == layer)]):
            dead = np.flatnonzero(data.died & (data.stratum == layer) & (data.time == at))
            risk = set(np.flatnonzero((data.stratum == layer) & (data.time >= at) & (data.entry < at)))
            chances = []
            for order in permutations(dead):
                chance = 1.0
                for k, j in enumerate(order):
                    chance *= theta[j] / theta[sorted(risk - set(order[:k]))].sum()
                chances.append(chance)
            total += np.log(sum(chances))
    return total


@pytest.mark.parametrize(("seed", "scale", "late", "strata"), [
    (0, 1.0, False, False), (1, 1.0, True, False), (2, 3.0, False, True), (3, 3.0, True, True),
])  # fmt: skip
def test_the_integral_is_the_sum_over_all_orders(seed, scale, late, strata):
    x, data = _patients(seed, scale, late=late, strata=strata)
    beta = np.random.default_rng(seed).normal(size=2)
    x = np.ascontiguousarray(x[data.order])
    value, score, information, third = _likelihood(x, data, beta)
    assert value == pytest.approx(_all_orders(x, data, beta), abs=1e-10)
    assert _likelihood(x, data, beta, COARSE)[0] == pytest.approx(value, abs=1e-4)
    for k, step in enumerate(1e-5 * np.eye(2)):
        up, down = _likelihood(x, data, beta + step), _likelihood(x, data, beta - step)
        assert (up[0] - down[0]) / 2e-5 == pytest.approx(score[k], abs=1e-6)
        np.testing.assert_allclose((up[1] - down[1]) / 2e-5, -information[k], atol=1e-5)
        np.testing.assert_allclose((up[2] - down[2]) / 2e-5, third[k], atol=1e-4, rtol=1e-4)


def test_without_ties_it_is_cox_and_far_values_do_not_overflow():
    rng = np.random.default_rng(4)
    x, time, died = rng.normal(size=(30, 3)), rng.exponential(size=30), rng.random(30) < 0.7
    marginal, efron = (scan_cox(time, died, x, ties=ties) for ties in ("marginal", "efron"))
    np.testing.assert_allclose(marginal.coef, efron.coef, rtol=1e-9)
    np.testing.assert_allclose(marginal.low, efron.low, rtol=1e-9)
    x = np.r_[1e3, rng.normal(size=29)][:, None]
    found = scan_cox(np.ceil(4 * time), died, x, ties="marginal")
    assert np.isfinite(found.coef[0]) or found.reason[0]


def test_deaths_that_all_have_larger_values_than_who_stays_are_separated_whatever_their_order():
    time, died = np.repeat([1.0, 2.0, 3.0], 4), np.repeat([True, True, False], 4)
    x = np.r_[9, 12, 10, 11, 6, 8, 7, 5, 1, 2, 3, 4].astype(float)[:, None]
    marginal, efron = (scan_cox(time, died, x, ties=ties) for ties in ("marginal", "efron"))
    assert marginal.monotone[0]
    assert not efron.monotone[0]
    assert np.isfinite(marginal.coef[0])  # Firth's
    assert np.isposinf(marginal.high[0]) or np.isfinite(marginal.high[0])


def test_times_rounded_to_scans_keep_the_hazard_ratio_where_efron_loses_it():
    """Grouped times, a log-normal marker: Efron's median is a fifth too small, the marginal likelihood's is not."""
    rng, found = np.random.default_rng(5), {"marginal": [], "efron": []}
    for _ in range(60):
        x = np.exp(1.2 * rng.normal(size=100))
        x = (x - x.mean()) / x.std(ddof=1)
        time = rng.exponential(np.exp(-np.log(2) * x))
        rounded, died = np.ceil(5 * time / np.median(time)), np.ones(100, bool)
        for ties, coefs in found.items():
            coefs.append(scan_cox(rounded, died, x[:, None], ties=ties, limits=False).coef[0])
    assert np.median(found["marginal"]) == pytest.approx(np.log(2), abs=0.07)
    assert np.median(found["efron"]) < np.log(2) - 0.1
