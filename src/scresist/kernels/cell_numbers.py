"""Numbers of cells as log rates and log odds whose expectation does not depend on how many cells were sequenced."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, digamma, gammaincinv, polygamma

from scresist.kernels.count_quantiles import binomial_quantiles, poisson_quantiles

_OUTER = (np.arange(16) + 0.5) / 16  # quantiles over patients
_INNER = (np.arange(8) + 0.5) / 8  # quantiles over cells
_SMALL, _LARGE = 1e-4, 1e4  # a squared coefficient of variation between patients
_LARGEST_CORRELATION = 0.9  # of the cells of a patient
_RELIABLE = (1e-3, 1.0)
_ROUNDS = 4
_CHANGED = 3.0  # a type whose arms differ by more standard errors is no part of the reference


class LogNumbers(NamedTuple):
    """Values on the log scale with their precision, per unit and type.

    `values` and `reliability` have the shape (units, types): the share of the variance between units of a value that
    is not noise of counting, from 0 to 1. `mean` (a rate or share), `variance` (of the true log values between
    patients) and `dispersion` (squared coefficient of variation of rates; correlation of the cells of a patient for
    odds) have the shape (types,). `exposure` is what the counts are relative to, shape (units, types).
    """

    values: np.ndarray
    reliability: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    dispersion: np.ndarray
    exposure: np.ndarray


class LogRatios(NamedTuple):
    """`numbers` relative to the reference, and which types the reference is the median of, shape (types,)."""

    numbers: LogNumbers
    in_reference: np.ndarray


def log_rates(counts: np.ndarray, exposure: np.ndarray) -> LogNumbers:
    """Log of the number of cells per exposure, each patient's own, with its reliability.

    Rates of patients have a gamma distribution, its moments from all units together, arms not used. A value is the
    expected log rate given the count, stretched so that it is not shrunken: its expectation is the same at any depth.

    Parameters
    ----------
    counts
        Cells of each unit and type, shape (units, types).
    exposure
        What the counts are relative to, positive; shape (units, types).

    References
    ----------
    Williams (1982) J R Stat Soc C 31:144 (the variance between units from Pearson's chi-square); Robbins (1956), Proc
    Third Berkeley Symp 1:157 (expectation given a count).
    """
    mean, dispersion = _moments(counts, exposure, _poisson_variance, _LARGE)
    shape = 1 / dispersion
    rate, variance = shape / mean, polygamma(1, shape)
    given, prior = expected_log_rates(counts, exposure, mean, dispersion)
    drawn = gammaincinv(shape[:, None], _OUTER) / rate[:, None]
    cells = poisson_quantiles(_INNER, exposure[:, :, None] * drawn)
    left = polygamma(1, shape[:, None, None] + cells).mean(axis=(2, 3))
    reliability = np.clip(1 - left / variance, *_RELIABLE)
    return LogNumbers(stretched(given, prior, reliability), reliability, mean, variance, dispersion, exposure)


def log_odds(counts: np.ndarray, total: np.ndarray) -> LogNumbers:
    """Log odds of the share of each type, each patient's own, with its reliability.

    As `log_rates`, with shares of patients from a beta distribution.

    Parameters
    ----------
    counts
        Cells of each unit and type, shape (units, types).
    total
        Cells of each unit in all, positive; shape (units,).
    """
    n, mean, correlation = _share_moments(counts, total)
    size = (1 - correlation) / correlation
    one, other = mean * size, (1 - mean) * size
    variance = polygamma(1, one) + polygamma(1, other)
    given, prior = expected_log_odds(counts, n, mean, correlation)
    drawn = np.clip(betaincinv(one[:, None], other[:, None], _OUTER), 1e-12, 1 - 1e-12)
    cells = binomial_quantiles(_INNER, n[:, :, None], drawn)
    rest = n[:, :, None, None] - cells
    left = polygamma(1, one[:, None, None] + cells) + polygamma(1, other[:, None, None] + rest)
    reliability = np.clip(1 - left.mean(axis=(2, 3)) / variance, *_RELIABLE)
    return LogNumbers(stretched(given, prior, reliability), reliability, mean, variance, correlation, n)


def expected_log_rates(
    counts: np.ndarray, exposure: np.ndarray, mean: np.ndarray | float, dispersion: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Expected log rate given each count, and given none, where rates have a gamma distribution.

    Parameters
    ----------
    counts, exposure
        Of any shapes that go together.
    mean, dispersion
        Mean and squared coefficient of variation of the rates.
    """
    shape = np.asarray(1 / dispersion)
    rate = shape / mean
    return digamma(shape + counts) - np.log(rate + exposure), digamma(shape) - np.log(rate)


def expected_log_odds(
    counts: np.ndarray, n: np.ndarray, mean: np.ndarray | float, correlation: np.ndarray | float
) -> tuple[np.ndarray, np.ndarray]:
    """Expected log odds given each count, and given none, where shares have a beta distribution.

    Parameters
    ----------
    counts, n
        Cells of the type and in all, of any shapes that go together.
    mean, correlation
        Mean of the shares, and the correlation of the cells of a patient.
    """
    size = (1 - correlation) / correlation
    one, other = np.asarray(mean * size), np.asarray((1 - mean) * size)
    return digamma(one + counts) - digamma(other + n - counts), digamma(one) - digamma(other)


def stretched(given: np.ndarray, prior: np.ndarray, reliability: np.ndarray) -> np.ndarray:
    """Values that are not shrunken: the distance of an expectation from that of all units over its reliability."""
    return np.asarray(prior + (given - prior) / reliability)


def mean_shares(counts: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Mean share of each type over patients, each weighted by its precision; shape (types,).

    So weighted, a mean tells nothing of how two groups of patients differ: types may be chosen by it before a test of
    the difference. The plain mean is high where shallow biopsies have many cells of a type by chance.

    Parameters
    ----------
    counts
        Cells of each unit and type, shape (units, types).
    total
        Cells of each unit in all, positive; shape (units,).
    """
    return _share_moments(counts, total)[1]


def log_ratios(counts: np.ndarray, total: np.ndarray, is_test: np.ndarray) -> LogRatios:
    """Log numbers of cells relative to the median type of each unit.

    The reference of a unit is the weighted median, over types, of how far its log numbers are from those of all units.
    Types whose arms differ by more than three standard errors are left out of it, at most half of them: one type that
    grows is then no reason for the others to shrink.

    Parameters
    ----------
    counts
        Cells of each unit and type, shape (units, types).
    total
        Cells of each unit in all, positive; shape (units,).
    is_test
        Shape (units,).

    References
    ----------
    Anders & Huber (2010) Genome Biol 11:R106 (median of ratios); Robinson & Oshlack (2010) ibid. 11:R25 (leaving out
    what differs most).
    """
    offset, kept = np.zeros(len(counts)), np.ones(counts.shape[1], bool)
    exposure = np.broadcast_to(total[:, None], counts.shape).astype(float)
    for step in range(_ROUNDS):
        found = log_rates(counts, exposure * np.exp(offset)[:, None])
        if step:
            kept = _unchanged(found, is_test)
        centre = np.sum(found.reliability * found.values, axis=0) / found.reliability.sum(axis=0)
        weights = found.reliability / (found.variance + np.median(found.variance))
        offset = offset + _weighted_median((found.values - centre)[:, kept], weights[:, kept])
        offset = offset - offset.mean()
    return LogRatios(log_rates(counts, exposure * np.exp(offset)[:, None]), kept)


def _poisson_variance(mean: np.ndarray, n: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    expected = n * mean
    return np.asarray(expected + dispersion * expected**2)


def _binomial_variance(mean: np.ndarray, n: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    return np.asarray(n * mean * (1 - mean) * (1 + (n - 1) * correlation))


def _share_moments(counts: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cells of each unit in all, for every type; mean share of each type, and the correlation of a patient's cells."""
    n = np.broadcast_to(total[:, None], counts.shape).astype(float)
    return n, *_moments(counts, n, _binomial_variance, _LARGEST_CORRELATION)


def _moments(
    counts: np.ndarray,
    n: np.ndarray,
    variance_of: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    largest: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean rate of each type and the dispersion at which Pearson's chi-square equals its degrees of freedom."""
    rates, df = counts / n, len(counts) - 1

    def chi_square(dispersion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = np.clip(rates.mean(axis=0), 1e-9, None)
        for _ in range(10):
            precision = (n * mean) ** 2 / variance_of(mean, n, dispersion)
            mean = np.clip(np.sum(precision * rates, axis=0) / precision.sum(axis=0), 1e-9, None)
        return mean, np.sum((counts - n * mean) ** 2 / variance_of(mean, n, dispersion), axis=0)

    low, high = np.full(counts.shape[1], _SMALL), np.full(counts.shape[1], largest)
    for _ in range(40):
        middle = np.sqrt(low * high)
        above = chi_square(middle)[1] > df
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    dispersion = np.sqrt(low * high)
    return chi_square(dispersion)[0], dispersion


def _unchanged(found: LogNumbers, is_test: np.ndarray) -> np.ndarray:
    """Types whose arms do not clearly differ; at least half of all."""
    sides = [(found.values[a], found.reliability[a]) for a in (is_test, ~is_test)]
    if min(len(values) for values, _ in sides) == 0 or len(is_test) < 3:
        return np.ones(found.mean.size, bool)
    weight = [w.sum(axis=0) for _, w in sides]
    mean = [np.sum(w * y, axis=0) / t for (y, w), t in zip(sides, weight, strict=True)]
    squares = sum(np.sum(w * (y - m) ** 2, axis=0) for (y, w), m in zip(sides, mean, strict=True))
    error = np.sqrt(squares / (len(is_test) - 2) * (1 / weight[0] + 1 / weight[1]))
    distance = np.abs(mean[0] - mean[1]) / np.maximum(error, np.finfo(float).tiny)
    farthest = np.argsort(-distance, kind="stable")[: (distance.size - 1) // 2]
    kept = np.ones(distance.size, bool)
    kept[farthest[distance[farthest] > _CHANGED]] = False
    return kept


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of each row, interpolated between the middles of the weights."""
    order = np.argsort(values, axis=1, kind="stable")
    value, weight = np.take_along_axis(values, order, axis=1), np.take_along_axis(weights, order, axis=1)
    place = (np.cumsum(weight, axis=1) - weight / 2) / weight.sum(axis=1, keepdims=True)
    return np.array([np.interp(0.5, p, v) for p, v in zip(place, value, strict=True)])
