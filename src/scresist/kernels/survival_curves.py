"""Survival without a model: Kaplan-Meier, log-rank, restricted mean."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class SurvivalCurve(NamedTuple):
    """A Kaplan-Meier curve at the distinct times of a group; `log_se` is the standard error of the log of survival."""

    time: np.ndarray
    n_risk: np.ndarray
    n_event: np.ndarray
    survival: np.ndarray
    log_se: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray


def kaplan_meier(
    time: np.ndarray, event: np.ndarray, *, entry: np.ndarray | None = None, level: float = 0.95
) -> SurvivalCurve:
    """The share without the event from each time on, with log-log intervals.

    Parameters
    ----------
    time
        Time of each patient's event or last observation, shape (patients,).
    event
        1 (or True) for the event, 0 for censored, shape (patients,).
    entry
        Time from which each patient is observed; None is 0.
    level
        Coverage of the interval, which is undefined (NaN) where survival is 1 or 0.

    References
    ----------
    Kaplan & Meier (1958) J Am Stat Assoc 53:457; Greenwood's variance; Kalbfleisch & Prentice (2002), The Statistical
    Analysis of Failure Time Data, section 1.4, for the log-log interval.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    distinct, code = np.unique(time, return_inverse=True)
    n_event = np.bincount(code, weights=event, minlength=distinct.size)
    n_risk = _at_risk(time, entry, distinct)
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.cumprod(1 - n_event / n_risk)
        log_se = np.sqrt(np.cumsum(n_event / (n_risk * (n_risk - n_event))))
        width = stats.norm.ppf((1 + level) / 2) * log_se / np.abs(np.log(survival))
        inside = (survival > 0) & (survival < 1)
        base = np.where(inside, survival, np.nan)
        low, high = base ** np.exp(width), base ** np.exp(-width)
    return SurvivalCurve(distinct, n_risk, n_event, survival, log_se, low, high)


def _at_risk(time: np.ndarray, entry: np.ndarray | None, at: np.ndarray) -> np.ndarray:
    """The number of patients under observation just before each time."""
    staying = time.size - np.searchsorted(np.sort(time), at, side="left")
    if entry is None:
        return staying.astype(float)
    waiting = time.size - np.searchsorted(np.sort(np.asarray(entry, dtype=float)), at, side="left")
    return (staying - waiting).astype(float)


def median_survival(curve: SurvivalCurve, *, share: float = 0.5) -> float:
    """The time by which survival has fallen to `share`; half-way where it stays exactly there; NaN if it never does."""
    reached = np.flatnonzero(curve.survival <= share + 1e-12)
    if reached.size == 0:
        return float("nan")
    first = reached[0]
    if abs(curve.survival[first] - share) > 1e-12:
        return float(curve.time[first])
    below = np.flatnonzero(curve.survival < share - 1e-12)
    return float((curve.time[first] + curve.time[below[0]]) / 2) if below.size else float(curve.time[first])


def restricted_mean(curve: SurvivalCurve, horizon: float) -> tuple[float, float]:
    """Mean time free of the event up to a horizon (the area under the curve), and its standard error.

    References
    ----------
    Royston & Parmar (2013) BMC Med Res Methodol 13:152; Greenwood-type variance: squared remaining areas times
    d / (n (n - d)).

    Raises
    ------
    ValueError
        If the horizon is later than the last observed time.
    """
    if horizon > curve.time[-1]:
        raise ValueError(f"the horizon {horizon:g} is later than the last observed time, {curve.time[-1]:g}")
    before = curve.time < horizon
    edges = np.concatenate([[0.0], curve.time[before], [horizon]])
    heights = np.concatenate([[1.0], curve.survival[before]])
    areas = np.diff(edges) * heights
    remaining = (areas.sum() - np.cumsum(areas))[: before.sum()]
    d, n = curve.n_event[before], curve.n_risk[before]
    with np.errstate(divide="ignore", invalid="ignore"):
        hazard = np.where(n > d, d / (n * (n - d)), 0.0)
    return float(areas.sum()), float(np.sqrt(np.sum(remaining**2 * hazard)))


class LogRank(NamedTuple):
    """A log-rank test: chi-square, degrees of freedom, p-value, and observed and expected events per group."""

    statistic: float
    df: int
    p_value: float
    observed: np.ndarray
    expected: np.ndarray


def log_rank(time: np.ndarray, event: np.ndarray, group: np.ndarray, *, strata: np.ndarray | None = None) -> LogRank:
    """Whether groups differ in survival.

    Parameters
    ----------
    time, event
        As in `kaplan_meier`.
    group
        Codes 0 .. groups - 1, shape (patients,).
    strata
        Groups are compared within these. Shape (patients,).

    Returns
    -------
    The p-value is NaN for a single group, or where the variance is 0.

    References
    ----------
    Mantel (1966) Cancer Chemother Rep 50:163; Peto & Peto (1972) J R Stat Soc A 135:185.
    """
    time, event, group = np.asarray(time, dtype=float), np.asarray(event, dtype=float), np.asarray(group)
    k = int(group.max()) + 1
    observed, expected, covariance = np.zeros(k), np.zeros(k), np.zeros((k, k))
    layers = np.zeros(time.size) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    for layer in np.unique(layers):
        here = layers == layer
        t, e, g = time[here], event[here], group[here]
        at = np.unique(t[e > 0])
        risk = np.stack([_at_risk(t[g == j], None, at) for j in range(k)], axis=1)
        dead = np.stack([[e[(t == s) & (g == j)].sum() for j in range(k)] for s in at]) if at.size else np.zeros((0, k))
        n, d = risk.sum(axis=1), dead.sum(axis=1)
        share = risk / n[:, None]
        observed += dead.sum(axis=0)
        expected += (d[:, None] * share).sum(axis=0)
        spread = np.where(n > 1, d * (n - d) / np.where(n > 1, n - 1, 1), 0.0)
        covariance += np.einsum("t,tij->ij", spread, share[:, :, None] * (np.eye(k) - share[:, None, :]))
    used = np.flatnonzero(expected > 0)[:-1]
    gap, block = (observed - expected)[used], covariance[np.ix_(used, used)]
    if used.size == 0 or np.linalg.matrix_rank(block) < used.size:
        return LogRank(np.nan, int(used.size), np.nan, observed, expected)
    statistic = float(gap @ np.linalg.solve(block, gap))
    return LogRank(statistic, int(used.size), float(stats.chi2.sf(statistic, used.size)), observed, expected)
