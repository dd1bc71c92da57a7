"""Several kinds of event, one of which is of interest: cumulative incidence, Gray's test, Fine and Gray's model."""

from typing import NamedTuple

import numpy as np
from scipy import stats


OPT=(0,0,0,0,0,0)
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
    with np.errstate(divide="ignore", invalid="ignore"):
        for j in range(at.size):
            s, fj = slice(0, j + 1), f[j]
            # An event of another cause moves the later incidence; one of this cause also adds its own step.
            other = np.where(after[s] > 0, ((fj - f[s]) / after[s]) ** 2, 0.0) * after[s] ** 2
            own = (before[s] - (fj - f[s]) * np.where(after[s] > 0, before[s] / after[s], 0.0)) ** 2
            rest = ((fj - f[s]) * np.where(after[s] > 0, before[s] / after[s], 0.0)) ** 2
            del other
            multi = lambda d: np.where(n[s] > 1, d * (n[s] - d) / (n[s] ** 2 * np.maximum(n[s] - 1, 1)), d / n[s] ** 2)  # noqa: E731, B023, E501
            variance[j] = np.sum(own * multi(d1[s]) + rest * multi(d2[s]))
    return Incidence(at, n, f, variance)


class FineGray(NamedTuple):
    """Log subdistribution hazard ratios with robust standard errors and p-values; NaN with a reason."""

    coef: np.ndarray
    se: np.ndarray
    p_value: np.ndarray
    loglik: float
    reason: str


def fine_gray(time: np.ndarray, status: np.ndarray, covariates: np.ndarray, cause: int) -> FineGray:
    """Log subdistribution hazard ratios: how a covariate goes with the cumulative incidence of one cause.

    Patients who had another event stay at risk with the chance that they were not censored since.

    Parameters
    ----------
    time, status, cause
        As in `cumulative_incidence`.
    covariates
        Shape (patients,) or (patients, covariates).

    References
    ----------
    Fine & Gray (1999) J Am Stat Assoc 94:496.
    """
    time, status = np.asarray(time, dtype=float), np.asarray(status, dtype=int)
    x = np.asarray(covariates, dtype=float)
    x = x[:, None] if x.ndim == 1 else x
    scale = x.std(axis=0)
    p = x.shape[1]
    gap = np.full(p, np.nan)
    if not (status == cause).any():
        return FineGray(gap, gap, gap, np.nan, "no event of this cause")
    if (scale <= 1e-12).any():
        return FineGray(gap, gap, gap, np.nan, "a covariate does not vary")
    z = (x - x.mean(axis=0)) / scale
    at, dead, weight = _weights(time, status, cause)
    beta, value = np.zeros(p), -np.inf
    for _ in range(60):
        new, score, information = _subdistribution(z, beta, at, dead, weight)
        if np.abs(beta).max() > 20 or np.linalg.eigvalsh(information).min() < 1e-9 * len(dead):
            return FineGray(gap, gap, gap, np.nan, "the likelihood has no maximum: a covariate orders the events")
        step = np.linalg.solve(information, score)
        for _half in range(30):
            ahead = _subdistribution(z, beta + step, at, dead, weight)[0]
            if ahead >= new - 1e-12 * (1 + abs(new)):
                break
            step = step / 2
        beta, value = beta + step, ahead
        if np.abs(step).max() < 1e-11:
            break
    se = _robust(z, beta, time, status, cause, at, dead, weight)
    if (np.abs(beta) > 10).any():
        return FineGray(gap, gap, gap, np.nan, "the likelihood has no maximum: a covariate orders the events")
    return FineGray(beta / scale, se / scale, 2 * stats.norm.sf(np.abs(beta / se)), float(value), "")


def _censoring(time: np.ndarray, status: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times of censoring and the Kaplan-Meier of censoring from each on; an event comes before a censoring."""
    at = np.unique(time[status == 0])
    n = np.array([(time > t).sum() + ((time == t) & (status == 0)).sum() for t in at], dtype=float)
    # The convention of the method's reference implementation counts all with a time of t or later.
    n = np.array([(time >= t).sum() for t in at], dtype=float)
    d = np.array([((time == t) & (status == 0)).sum() for t in at], dtype=float)
    return at, np.cumprod(1 - d / n)


def _weights(time: np.ndarray, status: np.ndarray, cause: int) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Distinct times of the cause, who had it then, and the weight of every patient in each risk set."""
    at = np.unique(time[status == cause])
    when, left = _censoring(time, status)

    def before(t: np.ndarray) -> np.ndarray:
        return np.asarray(np.r_[1.0, left][np.searchsorted(when, t, side="left")])

    weight = np.zeros((at.size, time.size))
    other = (status != 0) & (status != cause)
    for k, t in enumerate(at):
        weight[k, time >= t] = 1.0
        gone = other & (time < t)
        weight[k, gone] = before(np.array([t]))[0] / before(time[gone])
    dead = [np.flatnonzero((time == t) & (status == cause)) for t in at]
    return at, dead, weight


def _subdistribution(
    z: np.ndarray, beta: np.ndarray, at: np.ndarray, dead: list[np.ndarray], weight: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    linear = z @ beta
    shift = linear.max()
    risk = np.exp(linear - shift)
    count = np.array([d.size for d in dead], dtype=float)
    s0 = weight @ risk
    mean = (weight @ (risk[:, None] * z)) / s0[:, None]
    square = np.einsum("ti,ij,ik->tjk", weight * risk, z, z) / s0[:, None, None]
    died = np.concatenate(dead)
    value = linear[died].sum() - np.sum(count * (np.log(s0) + shift))
    score = z[died].sum(axis=0) - count @ mean
    information = np.einsum("t,tjk->jk", count, square - mean[:, :, None] * mean[:, None, :])
    return float(value), score, information


def _robust(
    z: np.ndarray, beta: np.ndarray, time: np.ndarray, status: np.ndarray, cause: int, at: np.ndarray,
    dead: list[np.ndarray], weight: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """The sandwich, with the part that comes from the estimated weights."""
    risk = np.exp(z @ beta)
    count = np.array([d.size for d in dead], dtype=float)
    s0 = weight @ risk
    mean = (weight @ (risk[:, None] * z)) / s0[:, None]
    step = count / s0
    n, p = z.shape
    eta = -np.einsum("ti,t,i,tij->ij", weight, step, risk, z[None] - mean[:, None, :])
    for k, d in enumerate(dead):
        eta[d] += z[d] - mean[k]
    censored = np.unique(time[status == 0])
    other = (status != 0) & (status != cause)
    psi = np.zeros((n, p))
    for u in censored:
        behind, late = other & (time < u), at > u
        pull = np.einsum(
            "ti,t,i,tij->j", weight[late][:, behind], step[late], risk[behind],
            z[behind][None] - mean[late][:, None, :],
        )  # fmt: skip
        at_risk = float((time >= u).sum())
        here = (time == u) & (status == 0)
        psi[here] += pull / at_risk
        psi[time >= u] -= pull * here.sum() / at_risk**2
    both = eta + psi
    inverse = np.linalg.inv(_subdistribution(z, beta, at, dead, weight)[2])
    return np.asarray(np.sqrt(np.diag(inverse @ (both.T @ both) @ inverse)))


class GrayTest(NamedTuple):
    """Gray's test that groups have one cumulative incidence of a cause."""

    statistic: float
    df: int
    p_value: float


def gray_test(
    time: np.ndarray, status: np.ndarray, group: np.ndarray, cause: int, *, rho: float = 0.0,
    strata: np.ndarray | None = None,
) -> GrayTest:  # fmt: skip
    """Whether the cumulative incidence of a cause differs between groups.

    Parameters
    ----------
    time, status, cause
        As in `cumulative_incidence`.
    group
        Codes 0 .. groups - 1, shape (patients,).
    rho
        Weight (1 - incidence) to this power.
    strata
        Groups are compared within these. Shape (patients,).

    References
    ----------
    Gray (1988) Ann Stat 16:1141, sections 2 and 3.
    """
    time, status, group = np.asarray(time, float), np.asarray(status, int), np.asarray(group, int)
    k = int(group.max()) + 1
    layers = np.zeros(time.size, int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    score, covariance = np.zeros(k), np.zeros((k, k))
    for layer in np.unique(layers):
        here = layers == layer
        s, v = _gray_stratum(time[here], status[here], group[here], cause, k, rho)
        score, covariance = score + s, covariance + v
    statistic = float(score[:-1] @ np.linalg.pinv(covariance[:-1, :-1]) @ score[:-1])
    if not np.trace(covariance) > 0:
        return GrayTest(np.nan, k - 1, np.nan)
    return GrayTest(statistic, k - 1, float(stats.chi2.sf(statistic, k - 1)))


def _gray_stratum(
    time: np.ndarray, status: np.ndarray, group: np.ndarray, cause: int, k: int, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    at = np.unique(time[status != 0])
    n = np.array([[((time >= t) & (group == j)).sum() for j in range(k)] for t in at], dtype=float)
    d1 = np.array([[((time == t) & (group == j) & (status == cause)).sum() for j in range(k)] for t in at], float)
    d2 = np.array([[((time == t) & (group == j) & (status != 0)).sum() for j in range(k)] for t in at], float) - d1
    with np.errstate(divide="ignore", invalid="ignore"):
        surv = np.cumprod(np.where(n > 0, 1 - (d1 + d2) / n, 1.0), axis=0)
    before = np.vstack([np.ones(k), surv[:-1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.cumsum(np.where(n > 0, before * d1 / n, 0.0), axis=0)
    own_before = np.vstack([np.zeros(k), own[:-1]])
    active = n > 0
    # Size of the risk set of the subdistribution, for every group.
    r = np.where(active, n * (1 - own_before) / np.where(before > 0, before, 1.0), 0.0)
    total = r.sum(axis=1)
    pooled_step = np.where(total > 0, d1.sum(axis=1) / np.where(total > 0, total, 1.0), 0.0)
    # Incidence of all groups together.
    pooled = np.zeros(at.size)
    f = 0.0
    for i in range(at.size):
        f += (1 - f) * pooled_step[i]
        pooled[i] = f
    pooled_before = np.r_[0.0, pooled[:-1]]
    w = (1 - pooled_before) ** rho
    score = np.sum(w[:, None] * (d1 - r * pooled_step[:, None]), axis=0)
    return score, _gray_variance(n, d2, before, r, total, pooled_step, pooled, pooled_before, w, OPT)


def _gray_variance(
    n: np.ndarray, d2: np.ndarray, before: np.ndarray, r: np.ndarray, total: np.ndarray, step: np.ndarray,
    pooled: np.ndarray, pooled_before: np.ndarray, w: np.ndarray, opt=(0,0,0,0,0,0),
) -> np.ndarray:  # fmt: skip
    """The variance under the null, from the martingales of both kinds of event in every group."""
    m, k = n.shape
    share = np.where(total[:, None] > 0, r / np.where(total[:, None] > 0, total[:, None], 1.0), 0.0)
    a = w[:, None, None] * r[:, :, None] * (np.eye(k)[None] - share[:, None, :])  # time, score, group
    gm, g = 1 - pooled_before, 1 - pooled
    down = np.maximum(gm if opt[0] else g, 1e-300)
    after = np.cumsum((a * (step / down)[:, None, None])[::-1], axis=0)[::-1]
    later = after if opt[5] else np.concatenate([after[1:], np.zeros((1, k, k))])
    out = np.zeros((k, k))
    for t in range(m):
        for j in range(k):
            if n[t, j] == 0:
                continue
            s = before[t, j]
            c1 = a[t, :, j] * s / max((gm if opt[1] else g)[t], 1e-300) + (s - (gm if opt[2] else g)[t]) * later[t, :, j]
            c2 = -(gm if opt[3] else g)[t] * later[t, :, j]
            v1 = gm[t] * step[t] / (s * n[t, j]) if s > 0 else 0.0
            v2 = d2[t, j] / n[t, j] ** 2
            if opt[4]: v2 *= (n[t,j]-d2[t,j])/max(n[t,j]-1,1)
            out += np.outer(c1, c1) * v1 + np.outer(c2, c2) * v2
    return out
