"""Gray's test: whether the cumulative incidence of one cause is the same in groups of patients."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class GrayTest(NamedTuple):
    """Statistic, degrees of freedom and p-value (NaN where the scores do not vary); the score of every group."""

    statistic: float
    df: int
    p_value: float
    score: np.ndarray


def gray_test(
    time: np.ndarray, status: np.ndarray, group: np.ndarray, cause: int, *, rho: float = 0.0,
    strata: np.ndarray | None = None,
) -> GrayTest:  # fmt: skip
    """Whether groups differ in the cumulative incidence of one cause, beside others that make it impossible.

    Parameters
    ----------
    time
        Shape (patients,).
    status
        0 censored, else the cause. Shape (patients,).
    group
        Group of each patient, any values. Shape (patients,).
    cause
        The one of interest.
    rho
        Power of 1 - F(t-) by which times are weighted, F the pooled incidence; 0 weights all alike.
    strata
        Groups are compared within these. Shape (patients,).

    References
    ----------
    Gray (1988) Ann Stat 16:1141, section 2 (score) and its variance by a_kr and b_2kr; d tied events of one time count
    as draws without replacement, 1 - (d - 1) / (m - 1), m the patients at risk (for the pooled incidence the risk set
    of the group scaled to all groups).
    """
    time, status = np.asarray(time, dtype=float), np.asarray(status, dtype=int)
    names, code = np.unique(group, return_inverse=True)
    code, k = code.ravel(), names.size
    layers = np.zeros(time.size, dtype=int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    score, variance = np.zeros(k), np.zeros((k, k))
    for layer in np.unique(layers):
        here = layers == layer
        own_score, own_variance = _stratum(time[here], status[here], code[here], k, cause, rho)
        score += own_score
        variance += own_variance
    free = np.flatnonzero(np.diag(variance) > 0)[:-1]
    block = variance[np.ix_(free, free)]
    if free.size == 0 or np.linalg.matrix_rank(block) < free.size:
        return GrayTest(np.nan, int(free.size), np.nan, score)
    statistic = float(score[free] @ np.linalg.solve(block, score[free]))
    return GrayTest(statistic, int(free.size), float(stats.chi2.sf(statistic, free.size)), score)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0))


def _stratum(
    time: np.ndarray, status: np.ndarray, code: np.ndarray, k: int, cause: int, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the groups and their covariance in one stratum."""
    at = np.unique(time[status != 0])
    member = code[None, :] == np.arange(k)[:, None]
    risk = (member[:, None, :] & (time[None, None, :] >= at[None, :, None])).sum(axis=2).astype(float)
    then = time[None, :] == at[:, None]
    own = (member[:, None, :] & (then & (status == cause))[None]).sum(axis=2).astype(float)
    other = (member[:, None, :] & (then & (status != cause) & (status != 0))[None]).sum(axis=2).astype(float)
    after = np.cumprod(1 - _ratio(own + other, risk), axis=1)
    before = np.column_stack([np.ones(k), after[:, :-1]])
    scaled = _ratio(risk, before)  # h of the paper
    step = _ratio(before * own, risk)
    at_risk = scaled * (1 - np.cumsum(step, axis=1) + step)  # R of the paper
    events = own.sum(axis=0)
    pooled = _ratio(events, scaled.sum(axis=0))
    free_after = 1 - np.cumsum(pooled)
    free_before = free_after + pooled
    weight = free_before**rho
    score = (weight * (own - at_risk * _ratio(events, at_risk.sum(axis=0)))).sum(axis=1)
    # Influence of the events of group r on the score of group g, shape (g, r, times).
    share = _ratio(scaled, scaled.sum(axis=0))
    now = weight * scaled[:, None, :] * (np.eye(k)[:, :, None] - share[None])
    grown = np.cumsum(now * _ratio(pooled, free_before), axis=2)
    later = grown[:, :, -1:] - grown
    ratio = _ratio(np.broadcast_to(free_after, after.shape), after)
    a, b = now + (1 - ratio) * later, ratio * later
    size = scaled.sum(axis=0) * before
    ties = np.where(events > 1, 1 - _ratio(np.broadcast_to(events - 1, size.shape), size - 1), 1.0)
    ties_other = np.where(other > 1, 1 - _ratio(other - 1, risk - 1), 1.0)
    first = np.where(risk > 0, ties * _ratio(np.broadcast_to(pooled, scaled.shape), scaled), 0.0)
    second = ties_other * _ratio(_ratio(before * other, risk), scaled)
    variance = np.einsum("grt,hrt,rt->gh", a, a, first) + np.einsum("grt,hrt,rt->gh", b, b, second)
    return score, variance
