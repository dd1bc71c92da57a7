"""Groups within one tumour: columns whose values lie at two levels, and the groups that these columns give."""

import math

import numpy as np
from numba import njit
from scipy.special import logsumexp

from scresist.kernels.linkage import average_linkage

STARTS = (0.2, 0.35, 0.5, 0.65, 0.8)  # share of the lower level where a search starts
ROUNDS = 200
SMALLEST = 1e-3  # share of a level


def two_levels(x: np.ndarray, sd: float) -> tuple[float, float, float, float]:
    """Values around two levels with a known spread: how far apart, what share is at the rarer, and by how much better.

    Parameters
    ----------
    x
        Shape (cells,).
    sd
        Spread around a level.

    Returns
    -------
    The distance of the levels in units of `sd` (signed: rarer less commoner), the share of the rarer, its level less
    that of the other, and twice the gain in log-likelihood over one level.
    """
    x = np.ascontiguousarray(x, dtype=np.float64)
    cuts = np.quantile(x, STARTS)
    share, low, high, gain = _best_levels(x, cuts, float(sd))
    if not np.isfinite(gain):
        return 0.0, 0.0, 0.0, 0.0
    shift = high - low if share <= 0.5 else low - high
    return shift / sd, min(share, 1 - share), shift, gain


@njit(cache=True, nogil=True)
def _best_levels(x: np.ndarray, cuts: np.ndarray, sd: float) -> tuple[float, float, float, float]:
    """Share and place of the upper level, place of the lower, and twice the gain over one level, over all starts."""
    n, mean = len(x), x.mean()
    one = -0.5 * np.sum(((x - mean) / sd) ** 2)
    best = (0.0, 0.0, 0.0, -np.inf)
    for cut in cuts:
        above, high, low = 0, 0.0, 0.0
        for value in x:
            if value > cut:
                above += 1
                high += value
            else:
                low += value
        if above in (0, n):
            continue
        high, low, share, total = high / above, low / (n - above), above / n, 0.0
        for _ in range(ROUNDS):
            weights, upper, lower, total = 0.0, 0.0, 0.0, 0.0
            rest, rarer = math.log1p(-share), math.log(share)
            for value in x:
                a = rest - 0.5 * ((value - low) / sd) ** 2
                b = rarer - 0.5 * ((value - high) / sd) ** 2
                top = max(a, b)
                both = top + math.log(math.exp(a - top) + math.exp(b - top))
                weight = math.exp(b - both)
                total += both
                weights += weight
                upper += weight * value
                lower += (1 - weight) * value
            before = share
            share = min(max(weights / n, SMALLEST), 1 - SMALLEST)
            low, high = lower / max(n - weights, 1e-9), upper / max(weights, 1e-9)
            if abs(share - before) < 1e-8:
                break
        gain = 2 * (total - one)
        if gain > best[3]:
            best = (share, low, high, gain)
    return best


def divided_columns(values: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For every column, whether its values lie at two levels, given how far values of one level spread.

    The spread of a column is that of the reference, times the median over the columns of what the values spread more
    or less than the reference: cells of another depth have another noise, in all columns alike.

    Parameters
    ----------
    values
        Shape (cells, columns).
    reference
        Rows of one level, shape (others, columns).

    Returns
    -------
    Per column the distance in spreads, share, shift and gain of `two_levels`, shape (columns, 4), NaN where the column
    has missing values or no spread; and the spreads, shape (columns,).
    """
    spread = reference.std(axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = values.std(axis=0, ddof=1) / spread
    spread = spread * float(np.nanmedian(ratio[np.isfinite(ratio)])) if np.isfinite(ratio).any() else spread
    out = np.full((values.shape[1], 4), np.nan)
    for column in range(values.shape[1]):
        if np.isfinite(values[:, column]).all() and spread[column] > 0:
            out[column] = two_levels(values[:, column], float(spread[column]))
    return out, spread


def groups(values: np.ndarray, spread: np.ndarray, *, at_most: int, smallest: int) -> np.ndarray:
    """Rows in groups with a known spread around each; their number has the least Bayesian information criterion.

    Parameters
    ----------
    values
        Shape (cells, columns): the columns that are divided.
    spread
        Shape (columns,).
    at_most, smallest
        Groups that are tried, and rows that each must have.

    Returns
    -------
    Group of each row, 0 the largest. Shape (cells,).
    """
    z = values / spread
    squared = (z**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squared[:, None] + squared[None] - 2 * z @ z.T, 0))
    np.fill_diagonal(distance, 0)
    tree = average_linkage(distance)
    best, found = np.inf, np.zeros(len(z), dtype=np.intp)
    for number in range(1, at_most + 1):
        member, gain = _searched(z, _cut(tree, number), number)
        if np.bincount(member, minlength=number).min() < smallest:
            continue
        criterion = -2 * gain + (number * z.shape[1] + number - 1) * np.log(len(z))
        if criterion < best:
            best, found = criterion, member
    order = np.argsort(-np.bincount(found), kind="stable")
    return np.argsort(order)[found]


def _cut(tree: np.ndarray, number: int) -> np.ndarray:
    """Groups of a tree at the height where it has so many."""
    n = len(tree) + 1
    member = np.arange(2 * n - 1)
    for step in range(n - number):
        a, b = int(tree[step, 0]), int(tree[step, 1])
        member[(member == member[a]) | (member == member[b])] = n + step
    return np.unique(member[:n], return_inverse=True)[1]


def _searched(z: np.ndarray, member: np.ndarray, number: int) -> tuple[np.ndarray, float]:
    """Expectation-maximisation from a start: the group of each row, and the log-likelihood."""
    weight = np.eye(number)[member]
    gain = -np.inf
    for _ in range(ROUNDS):
        share = np.maximum(weight.mean(axis=0), SMALLEST)
        centre = (weight.T @ z) / np.maximum(weight.sum(axis=0), 1e-9)[:, None]
        density = np.log(share / share.sum()) + (-0.5 * (z[:, None, :] - centre[None]) ** 2).sum(axis=2)
        total = logsumexp(density, axis=1)
        weight = np.exp(density - total[:, None])
        before, gain = gain, float(total.sum())
        if gain - before < 1e-8:
            break
    return weight.argmax(axis=1), gain
