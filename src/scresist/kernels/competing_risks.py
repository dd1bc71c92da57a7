"""Several kinds of event, one of which is of interest: cumulative incidence, and Fine and Gray's model."""

from typing import NamedTuple

import numpy as np
from scipy import stats


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


def fine_gray_permutation(
    time: np.ndarray, status: np.ndarray, x: np.ndarray, cause: int, rng: np.random.Generator, draws: int, *,
    adjust: np.ndarray | None = None,
) -> float:  # fmt: skip
    """Two-sided p of the score test of Fine and Gray's model with one value, the value permuted over the patients.

    With covariates the score is that at their estimate without the value, and what they do not tell of the value is
    permuted (its residuals).

    Parameters
    ----------
    time, status, cause
        As in `cumulative_incidence`.
    x
        Shape (patients,).
    rng
        Source of chance.
    draws
        Permutations; the observed order counts as one more.
    adjust
        Covariates, shape (patients, covariates). NaN where their model has no estimate.

    References
    ----------
    Fine & Gray (1999) J Am Stat Assoc 94:496; Freedman & Lane (1983) J Bus Econ Stat 1:292 (permuted residuals).
    """
    time, status = np.asarray(time, dtype=float), np.asarray(status, dtype=int)
    dead, weight = _weights(time, status, cause)[1:]
    z = np.zeros((time.size, 0)) if adjust is None else np.asarray(adjust, dtype=float)
    risk = np.ones(time.size)
    if z.shape[1]:
        fit = fine_gray(time, status, z, cause)
        if fit.reason:
            return float("nan")
        risk = np.exp((z - z.mean(axis=0)) @ fit.coef)
    # The score is linear in the values: each patient's share of it.
    count = np.array([d.size for d in dead], dtype=float)
    share = -(count / (weight @ risk)) @ weight * risk
    for d in dead:
        share[d] += 1
    base = np.column_stack([np.ones(time.size), z])
    x = np.asarray(x, dtype=float)
    x = x - base @ np.linalg.lstsq(base, x, rcond=None)[0]
    moved = np.vstack([x, rng.permuted(np.broadcast_to(x, (draws, x.size)), axis=1)])
    found = np.abs(moved @ share)
    if z.shape[1]:
        # Patients are not exchangeable then: only the score over its robust error has the right level in large samples.
        found = found / np.sqrt(moved**2 @ share**2)
    return float((found >= found[0] * (1 - 1e-10)).mean())


def _censoring(time: np.ndarray, status: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times of censoring and the Kaplan-Meier of censoring from each on."""
    at = np.unique(time[status == 0])
    # At a time with an event and a censoring, both are at risk.
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
        behind, late = other & (time < u), at >= u
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
