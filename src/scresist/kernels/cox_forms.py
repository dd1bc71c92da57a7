"""What a Cox model assumes: the form of an effect as a natural spline, and an effect that changes with time."""

from typing import NamedTuple

import numpy as np

from scresist.kernels.cox import cox_regression
from scresist.kernels.cox_scan import scan_cox


def natural_spline(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    """Terms that bend a straight line between knots and keep it straight beyond them; shape (values, knots - 2).

    Parameters
    ----------
    x
        Shape (values,).
    knots
        Ascending, at least three.

    References
    ----------
    Harrell (2015) Regression Modeling Strategies, section 2.4.5 (restricted cubic spline, scaled by the squared range).
    """
    x, knots = np.asarray(x, dtype=float), np.asarray(knots, dtype=float)
    last, before = knots[-1], knots[-2]

    def cube(at: float) -> np.ndarray:
        return np.asarray(np.maximum(x - at, 0.0) ** 3)

    columns = [
        cube(t) - cube(before) * (last - t) / (last - before) + cube(last) * (before - t) / (last - before)
        for t in knots[:-2]
    ]
    return np.column_stack(columns) / (last - knots[0]) ** 2


class RiskSets(NamedTuple):
    """One row per patient at risk at an event: who, when, whether with the event, number of the risk set."""

    row: np.ndarray
    time: np.ndarray
    event: np.ndarray
    number: np.ndarray


def risk_sets(
    time: np.ndarray, event: np.ndarray, *, entry: np.ndarray | None = None, strata: np.ndarray | None = None
) -> RiskSets:
    """The patients at risk at every event: a Cox model of these rows, stratified by risk set, is that of the patients.

    Values of a row may depend on its time, which gives effects that change.

    Parameters
    ----------
    time, event, entry, strata
        As in `kernels.cox.cox_regression`.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event) > 0
    start = np.full(time.size, -np.inf) if entry is None else np.asarray(entry, dtype=float)
    layer = np.zeros(time.size, int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    rows, times, events, numbers = [], [], [], []
    number = 0
    for own in np.unique(layer):
        for at in np.unique(time[event & (layer == own)]):
            here = np.flatnonzero((layer == own) & (time >= at) & (start < at))
            rows.append(here)
            times.append(np.full(here.size, at))
            events.append(event[here] & (time[here] == at))
            numbers.append(np.full(here.size, number))
            number += 1
    if not rows:
        return RiskSets(np.zeros(0, int), np.zeros(0), np.zeros(0, bool), np.zeros(0, int))
    return RiskSets(*(np.concatenate(part) for part in (rows, times, events, numbers)))


class Changing(NamedTuple):
    """An effect that changes with the logarithm of time: p of the change, the effect at two times with limits."""

    p_value: float
    early: np.ndarray
    late: np.ndarray
    early_time: float
    late_time: float
    reason: str


def changing_effect(
    time: np.ndarray, event: np.ndarray, x: np.ndarray, *, adjust: np.ndarray | None = None,
    entry: np.ndarray | None = None, strata: np.ndarray | None = None, ties: str = "efron", level: float = 0.95,
) -> Changing:  # fmt: skip
    """Log hazard ratio of a value at the first and the third quartile of the event times, its slope in log time free.

    Parameters
    ----------
    time, event, entry, strata, ties
        As in `kernels.cox.cox_regression`.
    x
        The value whose effect changes. Shape (patients,).
    adjust
        Covariates with a constant effect. Shape (patients, covariates).
    level
        Coverage of the profile limits.

    Returns
    -------
    `early` and `late` are (log hazard ratio, low, high), by Firth's likelihood; `p_value` is the likelihood ratio of
    the term value times log time.

    References
    ----------
    Cox (1972) J R Stat Soc B 34:187, section 7 (a covariate times a function of time).
    """
    gap = np.full(3, np.nan)
    time, event = np.asarray(time, dtype=float), np.asarray(event) > 0
    dead = time[event]
    if np.unique(dead[dead > 0]).size < 4:
        return Changing(np.nan, gap, gap, np.nan, np.nan, "fewer than four distinct times of events")
    sets = risk_sets(time, event, entry=entry, strata=strata)
    positive = dead[dead > 0]
    # A time of 0 has no logarithm: half the smallest.
    log = np.log(np.maximum(sets.time, positive.min() / 2))
    first, third = np.quantile(positive, [0.25, 0.75])
    value = np.asarray(x, dtype=float)[sets.row]
    fixed = np.zeros((value.size, 0)) if adjust is None else np.asarray(adjust, dtype=float)[sets.row]
    fixed = fixed[:, fixed.std(axis=0) > 0]
    found = []
    for at in (first, third):
        slope = value * (log - np.log(at))
        fit = scan_cox(
            np.ones(value.size), sets.event, value[:, None], adjust=np.column_stack([slope, fixed]),
            strata=sets.number, ties=ties, firth=True, level=level,
        )  # fmt: skip
        if fit.reason[0]:
            return Changing(np.nan, gap, gap, float(first), float(third), fit.reason[0])
        found.append(np.array([fit.coef[0], fit.low[0], fit.high[0]]))
    slope = value * (log - np.log(first))
    test = scan_cox(
        np.ones(value.size), sets.event, slope[:, None], adjust=np.column_stack([value, fixed]), strata=sets.number,
        ties=ties, firth=True, limits=False,
    )  # fmt: skip
    return Changing(float(test.p_value[0]), found[0], found[1], float(first), float(third), test.reason[0])


def standardised_curves(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, adjust: np.ndarray, at: np.ndarray, *,
    entry: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Share free of the event in each of two groups, had each the covariates of all patients; shape (2, times).

    A Cox model with a baseline hazard per group and the covariates; the curve of a group is the mean over all patients
    of what it predicts for their covariates there (direct standardisation).

    Parameters
    ----------
    time, event
        Shape (patients,).
    group
        Whether each is in the second group. Shape (patients,).
    adjust
        Covariates, shape (patients, covariates).
    at
        Times of the curves.
    entry
        From when each patient is under observation.

    References
    ----------
    Makuch (1982) J Chronic Dis 35:437; Breslow (1974) Biometrics 30:89 (baseline hazard).
    """
    time, event, group = np.asarray(time, float), np.asarray(event) > 0, np.asarray(group).astype(bool)
    fit = cox_regression(time, event, adjust, strata=group.astype(int), entry=entry, diagnose=False)
    out = np.full((2, len(at)), np.nan)
    if fit.reason:
        return out
    start = np.full(time.size, -np.inf) if entry is None else np.asarray(entry, float)
    risk = np.exp((adjust - adjust.mean(axis=0)) @ fit.coef)
    for side in (0, 1):
        own = group == bool(side)
        dead = np.unique(time[own & event])
        step = np.array([
            (own & event & (time == t)).sum() / risk[own & (time >= t) & (start < t)].sum() for t in dead
        ])  # fmt: skip
        hazard = np.r_[0.0, np.cumsum(step)][np.searchsorted(dead, at, side="right")]
        curve = np.exp(-hazard[:, None] * risk[None, :]).mean(axis=1)
        out[side] = np.where(np.asarray(at) <= time[own].max(), curve, np.nan)
    return out


def predicted_risk(
    time: np.ndarray, event: np.ndarray, score: np.ndarray, other: np.ndarray, horizon: float
) -> np.ndarray:
    """The risk of the event by a horizon for other patients, by a Cox model of a score in these ones.

    Parameters
    ----------
    time, event, score
        Of the patients of the model. Shape (patients,).
    other
        Scores of the others.
    horizon
        In the unit of the times.

    Returns
    -------
    NaN where the model has no estimate.

    References
    ----------
    Breslow (1974) Biometrics 30:89. The coefficient is that of Firth's likelihood, finite also under separation.
    """
    time, event = np.asarray(time, float), np.asarray(event) > 0
    fit = scan_cox(time, event, np.asarray(score, float)[:, None], firth=True, limits=False)
    if fit.reason[0]:
        return np.full(np.shape(other), np.nan)
    coef = float(fit.coef[0])
    centre = float(np.mean(score))
    risk = np.exp(coef * (np.asarray(score, float) - centre))
    hazard = sum(
        float((event & (time == t)).sum() / risk[time >= t].sum()) for t in np.unique(time[event]) if t <= horizon
    )  # fmt: skip
    return np.asarray(1 - np.exp(-hazard * np.exp(coef * (np.asarray(other, float) - centre))))


def net_benefit(
    time: np.ndarray, event: np.ndarray, risk: np.ndarray, horizon: float, thresholds: np.ndarray, *,
    counts: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Net benefit of treating those whose risk by a horizon is at least a threshold; shape (thresholds,).

    True positives less false positives times the odds of the threshold, per patient; the share with the event by the
    horizon among those above the threshold is that of their Kaplan-Meier curve, so that censoring counts.

    Parameters
    ----------
    time, event
        Shape (patients,).
    risk
        Predicted risk of the event by the horizon. Shape (patients,).
    horizon
        In the unit of the times.
    thresholds
        In (0, 1).
    counts
        How often each patient is in each resample, shape (resamples, patients): then the shape is (resamples,
        thresholds).

    References
    ----------
    Vickers & Elkin (2006) Med Decis Making 26:565; Vickers et al. (2008) BMC Med Inform Decis Mak 8:53 (censoring).
    """
    time, event, risk = (np.asarray(v, dtype=float) for v in (time, event, risk))
    weight = np.ones((1, time.size)) if counts is None else np.asarray(counts, dtype=float)
    at = np.unique(time[(event > 0) & (time <= horizon)])
    present = (time[:, None] >= at).astype(float)
    dead = ((time[:, None] == at) & (event[:, None] > 0)).astype(float)
    out = np.zeros((len(weight), len(thresholds)))
    for k, threshold in enumerate(thresholds):
        own = weight * (risk >= threshold)
        n, d = own @ present, own @ dead
        left = np.prod(1 - np.divide(d, n, out=np.zeros_like(n), where=n > 0), axis=1)
        share = own.sum(axis=1) / weight.sum(axis=1)
        out[:, k] = share * (1 - left) - share * left * threshold / (1 - threshold)
    return out[0] if counts is None else out
