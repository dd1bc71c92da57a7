"""Proportional odds for ordered outcomes: penalised likelihood with profile limits, score test by permutation."""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import optimize, special, stats


class OrdinalFit(NamedTuple):
    """Log odds ratio per unit (of a higher category) with profile limits, p of the penalised likelihood ratio."""

    coef: float
    low: float
    high: float
    p_value: float
    reason: str


@njit(cache=True, nogil=True)
def _value(parameters: np.ndarray, coef: float, rank: np.ndarray, x: np.ndarray) -> float:
    """Penalised log-likelihood: a first cut, the logarithms of the distances, coefficients of x from the second on.

    The information is the sum over patients and categories of the outer products of the gradient of the chance, over
    the chance.
    """
    n, columns = x.shape
    n_cuts = parameters.size - columns + 1
    cuts = np.empty(n_cuts)
    cuts[0] = parameters[0]
    for c in range(1, n_cuts):
        cuts[c] = cuts[c - 1] + math.exp(min(max(parameters[c], -30.0), 8.0))
    size = n_cuts + columns
    information, gradient = np.zeros((size, size)), np.zeros(size)
    total = 0.0
    for i in range(n):
        height = coef * x[i, 0]
        for m in range(1, columns):
            height += x[i, m] * parameters[n_cuts + m - 1]
        below_before, slope_before = 0.0, 0.0
        for c in range(n_cuts + 1):
            below, slope = 1.0, 0.0
            if c < n_cuts:
                below = 1.0 / (1.0 + math.exp(-(cuts[c] - height)))
                slope = below * (1.0 - below)
            chance = below - below_before
            if c == rank[i]:
                if not chance > 0:
                    return -1e10
                total += math.log(chance)
            gradient[:] = 0.0
            if c < n_cuts:
                gradient[c] = slope
            if c > 0:
                gradient[c - 1] = -slope_before
            for m in range(columns):
                gradient[n_cuts + m] = -x[i, m] * (slope - slope_before)
            weight = 1.0 / max(chance, 1e-300)
            for j in range(size):
                for k in range(j + 1):
                    information[j, k] += gradient[j] * gradient[k] * weight
            below_before, slope_before = below, slope
    for j in range(size):
        for k in range(j):
            information[k, j] = information[j, k]
    sign, log_det = np.linalg.slogdet(information)
    return float(total + 0.5 * log_det) if sign > 0 else -1e10


def ordinal_logistic(
    rank: np.ndarray, x: np.ndarray, *, adjust: np.ndarray | None = None, level: float = 0.95
) -> OrdinalFit:
    """How the odds of a higher category change per unit of a value, the same for every cut between categories.

    The penalty is half the log determinant of the expected information (Jeffreys' prior), which keeps the estimate
    finite under separation, as Firth's does for two categories.

    Parameters
    ----------
    rank
        Ordered categories, any integers; categories without a patient are left out. Shape (patients,).
    x
        Shape (patients,).
    adjust
        Covariates that vary, shape (patients, covariates).
    level
        Coverage of the profile limits.

    References
    ----------
    McCullagh (1980) J R Stat Soc B 42:109; Firth (1993) Biometrika 80:27; Kosmidis (2014) J R Stat Soc B 76:169 on
    penalties for ordinal models.
    """
    x = np.asarray(x, dtype=float)
    names, code = np.unique(np.asarray(rank), return_inverse=True)
    code = code.ravel()
    gap = float("nan")
    if names.size < 2:
        return OrdinalFit(gap, gap, gap, gap, "all patients have the same outcome")
    sd = float(x.std())
    if not sd > 1e-12 * max(float(np.abs(x).max()), 1e-300):
        return OrdinalFit(gap, gap, gap, gap, "the same value in every patient")
    z = ((x - x.mean()) / sd)[:, None]
    if adjust is not None and adjust.shape[1]:
        z = np.column_stack([z, (adjust - adjust.mean(axis=0)) / adjust.std(axis=0)])
    share = np.clip(np.cumsum(np.bincount(code))[:-1] / code.size, 1e-3, 1 - 1e-3)
    cuts = special.logit(share)
    start = np.r_[cuts[0], np.log(np.maximum(np.diff(cuts), 1e-3)), np.zeros(z.shape[1] - 1)]

    starts = [start]

    def profile(coef: float) -> float:
        # From the estimate, else from the shares of the categories: the height depends on nothing tried before.
        heights = []
        for begin in starts:
            found = optimize.minimize(lambda p: -_value(p, coef, code, z), begin, method="BFGS", options={"gtol": 1e-5})
            heights.append(-float(found.fun))
            if found.success:
                break
        return max(heights)

    best = optimize.minimize_scalar(lambda b: -profile(b), bracket=(-0.5, 0.5), tol=1e-6)
    coef = float(best.x)
    near = optimize.minimize(lambda p: -_value(p, coef, code, z), start, method="BFGS", options={"gtol": 1e-5})
    starts.insert(0, near.x)
    top = profile(coef)
    target = top - stats.chi2.ppf(level, 1) / 2
    ends = []
    for side in (-1, 1):
        reach = 1.0
        while profile(coef + side * reach) > target and reach < 64:
            reach *= 2
        inside, outside = sorted((coef, coef + side * reach))
        ends.append(
            float(optimize.brentq(lambda b: profile(b) - target, inside, outside, xtol=1e-5))
            if reach < 64 else float(np.copysign(np.inf, side))
        )  # fmt: skip
    p = float(stats.chi2.sf(max(2 * (top - profile(0.0)), 0.0), 1))
    return OrdinalFit(coef / sd, ends[0] / sd, ends[1] / sd, p, "")


def ordinal_permutation(
    rank: np.ndarray, x: np.ndarray, rng: np.random.Generator, *, draws: int = 1999, adjust: np.ndarray | None = None
) -> float:
    """Two-sided p of the score test of proportional odds, the values permuted over the patients.

    The score at no effect is the covariance of the value with the ridits of the categories. With covariates it is
    their partial correlation, and the residuals of the value are permuted.

    Parameters
    ----------
    rank, x
        As in `ordinal_logistic`.
    rng
        Source of chance.
    draws
        Permutations; the observed order counts as one more.
    adjust
        Covariates, shape (patients, covariates).

    References
    ----------
    McCullagh (1980) J R Stat Soc B 42:109, section 2.2; Freedman & Lane (1983) J Bus Econ Stat 1:292.
    """
    ridit, x = stats.rankdata(rank), np.asarray(x, dtype=float)
    base = np.column_stack([np.ones(x.size), np.zeros((x.size, 0)) if adjust is None else adjust])
    ridit = ridit - base @ np.linalg.lstsq(base, ridit, rcond=None)[0]
    x = x - base @ np.linalg.lstsq(base, x, rcond=None)[0]
    moved = rng.permuted(np.broadcast_to(x, (draws, x.size)), axis=1)
    # What a permuted value shares with the covariates is no part of its spread beside them.
    shared = moved @ np.linalg.qr(base)[0]
    left = np.sqrt(np.maximum((x**2).sum() - (shared**2).sum(axis=1), 1e-12 * (x**2).sum()))
    bound = abs(float(ridit @ x)) * (1 - 1e-10)
    drawn = np.abs(moved @ ridit) * np.sqrt((x**2).sum()) / left
    return float((1 + (drawn >= bound).sum()) / (draws + 1))
