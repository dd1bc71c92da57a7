"""Fine and Gray's model: how a value goes with the cumulative incidence of one of several kinds of event."""

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats


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
    beta, value = _maximum(z, np.zeros(p), at, dead, weight)
    if not np.isfinite(value):
        return FineGray(gap, gap, gap, np.nan, "the likelihood has no maximum: a covariate orders the events")
    se = _robust(z, beta, time, status, cause, at, dead, weight)
    if (np.abs(beta) > 10).any():
        return FineGray(gap, gap, gap, np.nan, "the likelihood has no maximum: a covariate orders the events")
    return FineGray(beta / scale, se / scale, 2 * stats.norm.sf(np.abs(beta / se)), float(value), "")


def _maximum(
    z: np.ndarray, beta: np.ndarray, at: np.ndarray, dead: list[np.ndarray], weight: np.ndarray, held: int = 0
) -> tuple[np.ndarray, float]:
    """Coefficients of the highest log likelihood (the first `held` stay), and its value: NaN without a maximum."""
    free, value = np.arange(held, beta.size), np.nan
    for _ in range(60):
        new, score, information = _subdistribution(z, beta, at, dead, weight)
        information = information[np.ix_(free, free)]
        if not free.size:
            return beta, new
        if np.abs(beta[free]).max() > 20 or np.linalg.eigvalsh(information).min() < 1e-9 * len(dead):
            return beta, np.nan
        step = np.zeros(beta.size)
        step[free] = np.linalg.solve(information, score[free])
        for _half in range(30):
            value = _subdistribution(z, beta + step, at, dead, weight)[0]
            if value >= new - 1e-12 * (1 + abs(new)):
                break
            step = step / 2
        beta = beta + step
        if np.abs(step).max() < 1e-11:
            break
    return beta, value


def fine_gray_limits(
    time: np.ndarray, status: np.ndarray, covariates: np.ndarray, cause: int, level: float = 0.95
) -> tuple[float, float]:
    """Profile limits of the first log subdistribution hazard ratio; NaN where `fine_gray` has no estimate.

    Where twice the fall of the weighted partial likelihood below its maximum, the other coefficients at their best,
    reaches the quantile of chi-square. Wald limits by the robust standard error are too narrow for values with heavy
    tails, and too wide after any correction that is enough for few events (see docs/measured.md).

    Parameters
    ----------
    time, status, covariates, cause
        As in `fine_gray`.
    level
        Coverage.

    References
    ----------
    Fine & Gray (1999) J Am Stat Assoc 94:496; Venzon & Moolgavkar (1988) Appl Stat 37:87 (profile limits).
    """
    fit = fine_gray(time, status, covariates, cause)
    if fit.reason:
        return float("nan"), float("nan")
    time, status = np.asarray(time, dtype=float), np.asarray(status, dtype=int)
    x = np.asarray(covariates, dtype=float)
    x = x[:, None] if x.ndim == 1 else x
    scale = x.std(axis=0)
    z, best = (x - x.mean(axis=0)) / scale, fit.coef * scale
    at, dead, weight = _weights(time, status, cause)
    floor = fit.loglik - stats.chi2.ppf(level, 1) / 2

    def above(first: float) -> float:
        start = best.copy()
        start[0] = first
        return _maximum(z, start, at, dead, weight, held=1)[1] - floor

    ends = []
    for side in (-1, 1):
        step = 1.0
        while step < 200 and above(best[0] + side * step) > 0:
            step *= 2
        end = np.nan
        if above(best[0] + side * step) < 0:
            end = float(optimize.brentq(above, best[0], best[0] + side * step, xtol=1e-10))
        ends.append(end / float(scale[0]))
    return ends[0], ends[1]


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
    shift = np.where(weight > 0, linear, -np.inf).max(axis=1)  # of each risk set: none of its sums is 0
    risk = weight * np.exp(np.minimum(linear - shift[:, None], 0.0))
    count = np.array([d.size for d in dead], dtype=float)
    s0 = risk.sum(axis=1)
    mean = (risk @ z) / s0[:, None]
    square = np.einsum("ti,ij,ik->tjk", risk, z, z) / s0[:, None, None]
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
