"""Whether a Cox model lacks a term: its score test, the null distribution drawn from the model that was fitted."""

from typing import NamedTuple

import numpy as np
from numba import njit

from scresist.kernels.cox_likelihood import BRESLOW, CoxData, _factor, _maximise, _solve, cox_data

_TOLERANCE, _FIRTH = 1e-6, True


class AddedTerm(NamedTuple):
    """Standardised score of the term, its p-value, and why there is none."""

    z: float
    p_value: float
    reason: str


def added_term(
    time: np.ndarray, event: np.ndarray, covariates: np.ndarray, term: np.ndarray, rng: np.random.Generator, *,
    over_time: bool = False, draws: int = 199, entry: np.ndarray | None = None, strata: np.ndarray | None = None,
    ties: str = "efron",
) -> AddedTerm:  # fmt: skip
    """Score test of one more term beside covariates that have an effect of their own.

    Chi-square and permuted residuals err here: the residuals of a curved term on a straight one are largest where the
    values are, and patients with different hazards are not exchangeable. So the studies of the null distribution are
    drawn from the fitted model without the term. Times and censorings stay as they are; going up in time, every event
    is given to one of the patients still at risk, with chances as their hazards, every censoring to any of them. The
    covariates of a patient stay together. Each study is fitted anew.

    Parameters
    ----------
    time, event, entry, strata, ties
        As in `cox_regression`.
    covariates
        Those of the model without the term, shape (patients, covariates). Without any, the test is the log-rank test
        of the term and the draws are permutations.
    term
        Shape (patients,).
    rng
        Source of chance.
    over_time
        Multiply the term by the logarithm of time: the test of an effect that changes.
    draws
        Studies that are drawn; the observed one counts as one more.

    References
    ----------
    Rao (1948) Proc Camb Philos Soc 44:50 (score test), at Firth's estimate, so that it exists under separation too,
    with the effective score of Neyman (1959); Abrahamowicz, MacKenzie & Esdaile (1996) J Am Stat Assoc 91:1432 and
    Sylvestre & Abrahamowicz (2008) Stat Med 27:2618 (drawing times for given covariates); Grambsch & Therneau (1994)
    Biometrika 81:515 (the term times a function of time).
    """
    data = cox_data(time, event, entry=entry, strata=strata, ties=ties)
    known = np.asarray(covariates, dtype=float)[data.order]
    added = np.asarray(term, dtype=float)[data.order]
    for part in (known, added):
        if not (part.std(axis=0) > 1e-12 * np.maximum(np.abs(part).max(axis=0), 1e-300)).all():
            return AddedTerm(np.nan, np.nan, "the same value in every patient")
    x = np.column_stack([(known - known.mean(axis=0)) / known.std(axis=0), (added - added.mean()) / added.std()])
    if not data.died.any():
        return AddedTerm(np.nan, np.nan, "no event")
    weight = np.ones(x.shape[0])
    if over_time:
        positive = data.time[data.died & (data.time > 0)]
        if np.unique(positive).size < 2:
            return AddedTerm(np.nan, np.nan, "all events at the same time")
        # A time of 0 has no logarithm: half the smallest.
        weight = np.log(np.maximum(data.time, positive.min() / 2))
        weight -= weight[data.died].mean()
    # The order in which times are given to patients: up in time, events before censorings.
    slots = np.lexsort((~data.died, data.time, data.stratum))
    chance = rng.random((draws, x.shape[0]))
    z, drawn = _test(np.ascontiguousarray(x), weight, slots, chance, data)
    if not np.isfinite(z):
        return AddedTerm(np.nan, np.nan, "the model without the term has no estimate, or the term follows from it")
    beyond = (np.where(np.isfinite(drawn), np.abs(drawn), np.inf) >= abs(z) - 1e-7).sum()
    return AddedTerm(float(z), float((1 + beyond) / (draws + 1)), "")


@njit(cache=True, nogil=True)
def _test(  # pragma: no cover
    x: np.ndarray, weight: np.ndarray, slots: np.ndarray, chance: np.ndarray, data: CoxData
) -> tuple[float, np.ndarray]:  # fmt: skip
    """The standardised score of the last column, and those of studies drawn from the model of the others."""
    n, p = x.shape
    beta = np.zeros(p - 1)
    without = x[:, : p - 1].copy()
    drawn = np.full(chance.shape[0], np.nan)
    if p > 1 and not _maximise(without, beta, np.int64(0), data, np.bool_(_FIRTH), _TOLERANCE, np.int64(200))[3]:
        return np.nan, drawn
    z = _score(x, beta, weight, data)
    hazard = np.zeros(n)
    for i in range(n):
        for a in range(p - 1):
            hazard[i] += without[i, a] * beta[a]
    hazard = np.exp(hazard - hazard.max())
    owner, moved, start, own = np.zeros(n, np.int64), x.copy(), data.entry.copy(), beta.copy()
    for b in range(chance.shape[0]):
        if not _assign(slots, chance[b], hazard, data, owner):
            continue
        for i in range(n):
            moved[i] = x[owner[i]]
            start[i] = data.entry[owner[i]]
        without[:] = moved[:, : p - 1]
        own[:] = beta
        late = CoxData(data.order, data.stratum, data.time, data.died, start, data.truncated, data.ties)
        if p == 1 or _maximise(without, own, np.int64(0), late, np.bool_(_FIRTH), _TOLERANCE, np.int64(200))[3]:
            drawn[b] = _score(moved, own, weight, late)
    return z, drawn


@njit(cache=True, nogil=True)
def _assign(  # pragma: no cover
    slots: np.ndarray, chance: np.ndarray, hazard: np.ndarray, data: CoxData, owner: np.ndarray
) -> bool:  # fmt: skip
    """Gives every time to a patient of its stratum who is under observation; False where nobody is left for one."""
    left = np.ones(slots.size, np.bool_)
    for k in range(slots.size):
        s = slots[k]
        total = 0.0
        for i in range(slots.size):
            if left[i] and data.stratum[i] == data.stratum[s] and data.entry[i] < data.time[s]:
                total += hazard[i] if data.died[s] else 1.0
        if not total > 0:
            return False
        reach, taken = chance[k] * total, -1
        for i in range(slots.size):
            if left[i] and data.stratum[i] == data.stratum[s] and data.entry[i] < data.time[s]:
                taken = i
                reach -= hazard[i] if data.died[s] else 1.0
                if reach < 0:
                    break
        left[taken] = False
        owner[s] = taken
    return True


@njit(cache=True, nogil=True)
def _score(x: np.ndarray, beta: np.ndarray, weight: np.ndarray, data: CoxData) -> float:  # pragma: no cover
    """Effective score of the last column, times a weight of the time, over its standard error."""
    n, p = x.shape
    score, information = np.zeros(p), np.zeros((p, p))
    s1, d1, s2, d2, mean = np.zeros(p), np.zeros(p), np.zeros((p, p)), np.zeros((p, p)), np.zeros(p)
    risk = np.zeros(n)
    for i in range(n):
        for a in range(p - 1):
            risk[i] += x[i, a] * beta[a]
    risk = np.exp(risk - risk.max())
    s0, i, begin = 0.0, 0, 0
    while i < n:
        if i == 0 or data.stratum[i] != data.stratum[i - 1]:
            s0, begin = 0.0, i
            s1[:] = 0.0
            s2[:] = 0.0
        stop, deaths = i, 0
        while stop < n and data.stratum[stop] == data.stratum[i] and data.time[stop] == data.time[i]:
            deaths += data.died[stop]
            stop += 1
        first = i
        if data.truncated:
            first, s0 = begin, 0.0
            s1[:] = 0.0
            s2[:] = 0.0
        for j in range(first, stop):
            if data.truncated and data.entry[j] >= data.time[i]:
                continue
            s0 += risk[j]
            for a in range(p):
                s1[a] += risk[j] * x[j, a]
                for b in range(a + 1):
                    s2[a, b] += risk[j] * x[j, a] * x[j, b]
        if deaths > 0:
            d0 = 0.0
            d1[:] = 0.0
            d2[:] = 0.0
            h = weight[i]
            for j in range(i, stop):
                if data.died[j]:
                    d0 += risk[j]
                    for a in range(p):
                        score[a] += x[j, a] * (h if a == p - 1 else 1.0)
                        d1[a] += risk[j] * x[j, a]
                        for b in range(a + 1):
                            d2[a, b] += risk[j] * x[j, a] * x[j, b]
            for k in range(deaths):
                share = k / deaths if data.ties != BRESLOW else 0.0
                total = s0 - share * d0
                for a in range(p):
                    mean[a] = (s1[a] - share * d1[a]) / total
                    score[a] -= mean[a] * (h if a == p - 1 else 1.0)
                for a in range(p):
                    ha = h if a == p - 1 else 1.0
                    for b in range(a + 1):
                        hb = h if b == p - 1 else 1.0
                        information[a, b] += ha * hb * ((s2[a, b] - share * d2[a, b]) / total - mean[a] * mean[b])
        i = stop
    lower, cross = np.zeros((p, p)), information[p - 1, : p - 1].copy()
    if not _factor(information[: p - 1, : p - 1].copy(), 0, lower):
        return np.nan
    _solve(lower, p - 1, cross)
    effective, variance = score[p - 1], information[p - 1, p - 1]
    for a in range(p - 1):
        effective -= cross[a] * score[a]
        variance -= cross[a] * information[p - 1, a]
    if not variance > 1e-10 * information[p - 1, p - 1]:
        return np.nan
    return effective / np.sqrt(variance)
