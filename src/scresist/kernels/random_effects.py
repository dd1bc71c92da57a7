"""Estimates that vary between replicates and, within them, between plates: variance components and their mean."""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import stats

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_GRID = 24
_STEPS = 50


class Combined(NamedTuple):
    """Mean over replicates with its error and degrees of freedom; variances between replicates and between plates.

    `estimate` and `variance` are those of each replicate (its plates joined, their own errors included); `plates` is
    NaN where no replicate has two.
    """

    mean: float
    error: float
    df: float
    between: float
    plates: float
    estimate: np.ndarray
    variance: np.ndarray


@njit(cache=True, nogil=True)
def _minus_restricted(y: np.ndarray, v: np.ndarray, between: float) -> float:
    """Minus twice the restricted log-likelihood of one level, but for a constant."""
    total = weighted = logs = 0.0
    for i in range(y.size):
        w = 1.0 / (v[i] + between)
        total += w
        weighted += w * y[i]
        logs -= np.log(w)
    mean = weighted / total
    rest = 0.0
    for i in range(y.size):
        rest += (y[i] - mean) ** 2 / (v[i] + between)
    return logs + np.log(total) + rest


@njit(cache=True, nogil=True)
def _between(y: np.ndarray, v: np.ndarray, largest: float) -> tuple[float, float]:
    """The variance between units that maximises the restricted likelihood, and minus twice the latter."""
    floor = 1e-12 * largest * largest if v.min() <= 0.0 else 0.0  # without any error the likelihood has no end at 0
    best, at = np.inf, 0
    for k in range(_GRID + 1):
        value = _minus_restricted(y, v, floor + (largest * k / _GRID) ** 2)
        if value < best:
            best, at = value, k
    low, high = largest * max(at - 1, 0) / _GRID, largest * min(at + 1, _GRID) / _GRID
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    of_a, of_b = _minus_restricted(y, v, floor + a * a), _minus_restricted(y, v, floor + b * b)
    for _ in range(_STEPS):
        if of_a < of_b:
            high, b, of_b = b, a, of_a
            a = high - _GOLDEN * (high - low)
            of_a = _minus_restricted(y, v, floor + a * a)
        else:
            low, a, of_a = a, b, of_b
            b = low + _GOLDEN * (high - low)
            of_b = _minus_restricted(y, v, floor + b * b)
    middle = 0.5 * (low + high)
    value = _minus_restricted(y, v, floor + middle * middle)
    zero = _minus_restricted(y, v, floor)
    if zero <= value:
        return floor, zero
    return floor + middle * middle, value


@njit(cache=True, nogil=True)
def _joined(
    y: np.ndarray, v: np.ndarray, replicate: np.ndarray, n: int, plates: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Estimates and variances of the replicates for a variance between plates, and what the likelihood loses."""
    weight, mean = np.zeros(n), np.zeros(n)
    logs = 0.0
    for i in range(y.size):
        w = 1.0 / (v[i] + plates)
        weight[replicate[i]] += w
        mean[replicate[i]] += w * y[i]
        logs -= np.log(w)
    mean /= weight
    rest = 0.0
    for i in range(y.size):
        rest += (y[i] - mean[replicate[i]]) ** 2 / (v[i] + plates)
    for r in range(n):
        logs += np.log(weight[r])
    return mean, 1.0 / weight, logs + rest


@njit(cache=True, nogil=True)
def _nested(
    y: np.ndarray, v: np.ndarray, replicate: np.ndarray, n: int, plates: float, largest: float
) -> tuple[float, float]:
    mean, variance, lost = _joined(y, v, replicate, n, plates)
    if n < 2:
        return lost, 0.0
    between, value = _between(mean, variance, largest)
    return lost + value, between


@njit(cache=True, nogil=True)
def _both(y: np.ndarray, v: np.ndarray, replicate: np.ndarray, n: int, largest: float) -> tuple[float, float]:
    """Variances between replicates and between plates that maximise the restricted likelihood together."""
    floor = 1e-12 * largest * largest if v.min() <= 0.0 else 0.0
    best, at = np.inf, 0
    for k in range(_GRID + 1):
        value = _nested(y, v, replicate, n, floor + (largest * k / _GRID) ** 2, largest)[0]
        if value < best:
            best, at = value, k
    low, high = largest * max(at - 1, 0) / _GRID, largest * min(at + 1, _GRID) / _GRID
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    of_a = _nested(y, v, replicate, n, floor + a * a, largest)[0]
    of_b = _nested(y, v, replicate, n, floor + b * b, largest)[0]
    for _ in range(_STEPS):
        if of_a < of_b:
            high, b, of_b = b, a, of_a
            a = high - _GOLDEN * (high - low)
            of_a = _nested(y, v, replicate, n, floor + a * a, largest)[0]
        else:
            low, a, of_a = a, b, of_b
            b = low + _GOLDEN * (high - low)
            of_b = _nested(y, v, replicate, n, floor + b * b, largest)[0]
    middle = 0.5 * (low + high)
    found = _nested(y, v, replicate, n, floor + middle * middle, largest)
    zero = _nested(y, v, replicate, n, floor, largest)
    if zero[0] <= found[0]:
        return zero[1], floor
    return found[1], floor + middle * middle


def combine(estimate: np.ndarray, variance: np.ndarray, replicate: np.ndarray) -> Combined:
    """Mean of a quantity over biological replicates with random effects of replicates and of plates within them.

    Variances between replicates and between plates are those of restricted maximum likelihood. The error of the mean
    is Hartung and Knapp's: the weighted spread of the replicates' estimates, with one degree of freedom less than
    replicates; plates and wells add none.

    Parameters
    ----------
    estimate, variance
        Of each plate (or of each replicate), and the square of its own error; 0 where it has none. Shape (plates,).
    replicate
        Codes 0, 1, ... of the replicate of each plate. Shape (plates,).

    Returns
    -------
    `error` and `between` are NaN with one replicate, and 0 where all estimates are equal and one of them has no error.

    References
    ----------
    Viechtbauer (2005) J Educ Behav Stat 30:261 (restricted likelihood); Hartung & Knapp (2001) Stat Med 20:3875;
    Konstantopoulos (2011) Res Synth Methods 2:61 (three levels).
    """
    y, v = np.ascontiguousarray(estimate, float), np.ascontiguousarray(variance, float)
    codes = np.ascontiguousarray(replicate, np.int64)
    n = int(codes.max()) + 1
    largest = float(np.ptp(y)) + 1e-300  # no variance of the restricted likelihood is above the squared range
    nested = y.size > n
    if v.min() <= 0.0 and 1e-12 * largest * largest == 0.0:  # equal values of which one is exact: nothing varies
        nothing = 0.0 if n > 1 else np.nan
        return Combined(float(y[0]), nothing, float(n - 1) if n > 1 else np.nan, nothing, 0.0 if nested else np.nan,
                        np.full(n, y[0]), np.zeros(n))  # fmt: skip
    if nested:
        between, plates = _both(y, v, codes, n, largest)
    else:
        between, plates = (_between(y, v, largest)[0] if n > 1 else 0.0), 0.0
    floor = 0.0 if v.min() + plates > 0 else 1e-12 * largest**2
    mean, own, _ = _joined(y, v + floor, codes, n, plates)
    weight = 1.0 / (own + between)
    centre = float((weight * mean).sum() / weight.sum())
    if n > 1:
        spread = float((weight * (mean - centre) ** 2).sum() / (n - 1))
        error, df = float(np.sqrt(spread / weight.sum())), float(n - 1)
    else:
        error, df, between = np.nan, np.nan, np.nan
    return Combined(centre, error, df, between, plates if nested else np.nan, mean, own)


def t_interval(found: Combined, *, level: float) -> tuple[float, float]:
    """Limits of the mean by Student's t.

    Parameters
    ----------
    found
        From `combine`.
    level
        Coverage of the interval.
    """
    if not found.df >= 1:
        return np.nan, np.nan
    half = float(stats.t.ppf(0.5 + level / 2, found.df)) * found.error
    return found.mean - half, found.mean + half
