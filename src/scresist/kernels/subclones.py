"""Groups within one tumour: columns whose values lie at two levels, and the groups that these columns give."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from scresist.kernels.linkage import average_linkage

STARTS = (0.2, 0.35, 0.5, 0.65, 0.8)  # share of the lower level at the start of a search
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
    one = norm.logpdf(x, x.mean(), sd).sum()
    best = (-np.inf, 0.0, 0.0, 0.0)
    for start in STARTS:
        cut = np.quantile(x, start)
        upper = x > cut
        if not upper.any() or upper.all():
            continue
        low, high, share = x[~upper].mean(), x[upper].mean(), 1.0 - start
        for _ in range(ROUNDS):
            a = np.log1p(-share) + norm.logpdf(x, low, sd)
            b = np.log(share) + norm.logpdf(x, high, sd)
            total = np.logaddexp(a, b)
            weight = np.exp(b - total)
            before = share
            share = float(np.clip(weight.mean(), SMALLEST, 1 - SMALLEST))
            low = ((1 - weight) @ x) / max((1 - weight).sum(), 1e-9)
            high = (weight @ x) / max(weight.sum(), 1e-9)
            if abs(share - before) < 1e-8:
                break
        if total.sum() > best[0]:
            best = (float(total.sum()), share, float(low), float(high))
    gain, share, low, high = best
    if not np.isfinite(gain):
        return 0.0, 0.0, 0.0, 0.0
    shift = high - low if share <= 0.5 else low - high
    return shift / sd, min(share, 1 - share), shift, 2 * (gain - one)


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
        density = np.log(share / share.sum()) + norm.logpdf(z[:, None, :], centre[None], 1.0).sum(axis=2)
        total = logsumexp(density, axis=1)
        weight = np.exp(density - total[:, None])
        before, gain = gain, float(total.sum())
        if gain - before < 1e-8:
            break
    return weight.argmax(axis=1), gain
