"""Several kinds of event, one of which is of interest: its cumulative incidence."""

from typing import NamedTuple

import numpy as np


class Incidence(NamedTuple):
    """Cumulative incidence of one cause at the distinct times of a group, and its variance (Aalen's)."""

    time: np.ndarray
    n_risk: np.ndarray
    estimate: np.ndarray
    variance: np.ndarray


def cumulative_incidence(time: np.ndarray, status: np.ndarray, cause: int) -> Incidence:
    """The share of patients who had an event of one cause by each time, the others being no censoring.

    Parameters
    ----------
    time
        Shape (patients,).
    status
        0 censored, else the cause. Shape (patients,).
    cause
        The one of interest.

    References
    ----------
    Aalen & Johansen (1978) Scand J Stat 5:141; variance: Aalen (1978) Ann Stat 6:701, as in Gray (1988).
    """
    time, status = np.asarray(time, dtype=float), np.asarray(status, dtype=int)
    at = np.unique(time[status != 0])
    n = np.array([(time >= t).sum() for t in at], dtype=float)
    d1 = np.array([((time == t) & (status == cause)).sum() for t in at], dtype=float)
    d2 = np.array([((time == t) & (status != cause) & (status != 0)).sum() for t in at], dtype=float)
    after = np.cumprod(1 - (d1 + d2) / n)
    before = np.r_[1.0, after[:-1]]
    f = np.cumsum(before * d1 / n)
    variance = np.empty(at.size)
    lost = np.divide(before, after, out=np.zeros_like(after), where=after > 0)

    def spread(d: np.ndarray, n: np.ndarray) -> np.ndarray:
        return np.where(n > 1, d * (n - d) / (n**2 * np.maximum(n - 1, 1)), d / n**2)

    for j in range(at.size):
        s = slice(0, j + 1)
        # An event of another cause lowers the later incidence; one of this cause adds its own step, too.
        later = (f[j] - f[s]) * lost[s]
        variance[j] = np.sum((before[s] - later) ** 2 * spread(d1[s], n[s]) + later**2 * spread(d2[s], n[s]))
    return Incidence(at, n, f, variance)
