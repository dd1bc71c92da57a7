"""Quantiles of Poisson and binomial distributions: many distributions, a few quantiles of each."""

import numpy as np
from numba import njit
from scipy.special import bdtr, gammaln, pdtr, xlogy
from scipy.stats import binom, poisson

_FAR = 1e6  # a variance from which the search would be longer than scipy's
_BEFORE = 2.0  # deviations below the mean, and as many counts, at which the search begins


def poisson_quantiles(levels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Smallest counts whose cumulative probability reaches each level.

    Parameters
    ----------
    levels
        Increasing, above 0.03 and below 1. Shape (levels,).
    mean
        At least 0, of any shape.

    Returns
    -------
    Shape (*mean.shape, levels).

    References
    ----------
    Kemp & Kemp (1991) J R Stat Soc C 40:143 (search from near the mode).
    """
    mu = np.ascontiguousarray(mean, dtype=float).ravel()
    far = mu > _FAR
    if far.any():
        out = np.empty((mu.size, levels.size))
        out[far] = poisson.ppf(levels, mu[far, None])
        out[~far] = poisson_quantiles(levels, mu[~far])
        return out.reshape(*np.shape(mean), levels.size)
    start = np.maximum(np.floor(mu - _BEFORE * np.sqrt(mu) - _BEFORE), 0.0)
    below = np.where(start > 0, pdtr(start - 1, mu), 0.0)
    first = np.exp(xlogy(start, mu) - mu - gammaln(start + 1))
    out = np.empty((mu.size, levels.size))
    _poisson(np.ascontiguousarray(levels, dtype=float), mu, start, below, first, out)
    return out.reshape(*np.shape(mean), levels.size)


def binomial_quantiles(levels: np.ndarray, n: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Smallest counts whose cumulative probability reaches each level.

    Parameters
    ----------
    levels
        Increasing, above 0.03 and below 1. Shape (levels,).
    n, share
        Trials (whole numbers) and the probability of each (between 0 and 1, both left out), of shapes that go together.

    Returns
    -------
    Shape (*shape of n and share together, levels).
    """
    shape = np.broadcast_shapes(np.shape(n), np.shape(share))
    trials, p = (np.array(np.broadcast_to(values, shape), dtype=float).ravel() for values in (n, share))
    mean = trials * p
    far = mean * (1 - p) > _FAR
    if far.any():
        out = np.empty((trials.size, levels.size))
        out[far] = binom.ppf(levels, trials[far, None], p[far, None])
        out[~far] = binomial_quantiles(levels, trials[~far], p[~far])
        return out.reshape(*shape, levels.size)
    start = np.maximum(np.floor(mean - _BEFORE * np.sqrt(mean * (1 - p)) - _BEFORE), 0.0)
    below = np.where(start > 0, bdtr(start - 1, trials.astype(np.int64), p), 0.0)
    ways = gammaln(trials + 1) - gammaln(start + 1) - gammaln(trials - start + 1)
    first = np.exp(ways + start * np.log(p) + (trials - start) * np.log1p(-p))
    out = np.empty((trials.size, levels.size))
    _binomial(np.ascontiguousarray(levels, dtype=float), trials, p / (1 - p), start, below, first, out)
    return out.reshape(*shape, levels.size)


@njit(cache=True, nogil=True)
def _poisson(
    levels: np.ndarray, mean: np.ndarray, start: np.ndarray, below: np.ndarray, first: np.ndarray, out: np.ndarray
) -> None:
    for i in range(mean.size):
        count, probability = start[i], first[i]
        reached = below[i] + probability
        for j in range(levels.size):
            # A probability that has become 0 adds nothing: the level is within rounding of 1.
            while reached < levels[j] and probability > 0:
                count += 1.0
                probability *= mean[i] / count
                reached += probability
            out[i, j] = count


@njit(cache=True, nogil=True)
def _binomial(
    levels: np.ndarray, n: np.ndarray, odds: np.ndarray, start: np.ndarray, below: np.ndarray, first: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip
    for i in range(n.size):
        count, probability = start[i], first[i]
        reached = below[i] + probability
        for j in range(levels.size):
            while reached < levels[j] and count < n[i]:
                probability *= (n[i] - count) / (count + 1.0) * odds[i]
                count += 1.0
                reached += probability
            out[i, j] = count
