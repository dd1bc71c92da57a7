"""The best cut of a value for survival, with a p-value that accounts for the search."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class CutPoint(NamedTuple):
    """Largest standardised log-rank statistic, the cut (low is at or below it) and two p-values for the search."""

    statistic: float
    cut: float
    p_lausen92: float
    p_lausen94: float


def log_rank_scores(time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Event minus expected number of events of each patient, shape (patients,).

    References
    ----------
    Hothorn & Lausen (2003) Comput Stat Data Anal 43:121, section 2.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    ordered = np.sort(time)
    upto = np.searchsorted(ordered, time, side="right")
    hazard = event / (time.size - upto + 1)
    order = np.argsort(time, kind="stable")
    running = np.cumsum(hazard[order])
    return event - running[upto - 1]


def best_cut(
    values: np.ndarray, time: np.ndarray, event: np.ndarray, *, low_share: float = 0.1, high_share: float = 0.9
) -> CutPoint:
    """The cut of a value with the largest difference in survival, among cuts with enough patients on both sides.

    Parameters
    ----------
    values, time, event
        Shape (patients,).
    low_share, high_share
        Smallest and largest share of patients at or below the cut.

    Returns
    -------
    All NaN where the value does not vary within these bounds, or nobody had the event. `p_lausen94` is a bound; it is
    reported as at most 1.

    References
    ----------
    Lausen & Schumacher (1992) Biometrics 48:73, equation for the limit distribution; Lausen, Sauerbrei & Schumacher
    (1994), in Computational Statistics, p. 1483: the improved Bonferroni bound.
    """
    values = np.asarray(values, dtype=float)
    scores, n = log_rank_scores(time, event), values.size
    order = np.argsort(values, kind="stable")
    x, summed = values[order], np.cumsum(scores[order])
    size = np.flatnonzero(np.diff(x) > 0) + 1
    size = size[(size >= max(1, np.floor(n * low_share))) & (size <= np.floor(n * high_share))]
    total, squares = scores.sum(), np.sum(scores**2)
    spread = (n * squares - total**2) / (n**2 * (n - 1)) if n > 1 else 0.0
    if size.size == 0 or spread <= 1e-14:
        return CutPoint(np.nan, np.nan, np.nan, np.nan)
    standardised = np.abs(summed[size - 1] - size / n * total) / np.sqrt(size * (n - size) * spread)
    best = int(np.argmax(standardised))
    b = float(standardised[best])
    return CutPoint(b, float(x[size[best] - 1]), _limit(b, low_share, high_share), _bonferroni(b, size, n))


def _limit(b: float, low: float, high: float) -> float:
    density = stats.norm.pdf(b)
    p = 4 * density / b + density * (b - 1 / b) * np.log(high * (1 - low) / ((1 - high) * low))
    return float(min(max(p, np.finfo(float).tiny), 1.0)) if b > 1 else 1.0


def _bonferroni(b: float, size: np.ndarray, n: int) -> float:
    first, second = size[:-1], size[1:]
    t = np.sqrt(np.maximum(1 - first * (n - second) / ((n - first) * second), 0.0))
    steps = np.exp(-(b**2) / 2) / np.pi * (t - (b**2 / 4 - 1) * t**3 / 6)
    return float(min(max(2 * stats.norm.sf(b) + steps.sum(), np.finfo(float).tiny), 1.0))
