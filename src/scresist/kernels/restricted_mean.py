"""The difference of mean times free of the event up to a horizon; the median with its interval; follow-up."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from scresist.kernels.survival_curves import kaplan_meier, restricted_mean

FEWEST = 5  # events up to the horizon; fewer give a difference without a test


class MeanDifference(NamedTuple):
    """Difference of restricted means (group 1 less group 0), limits, p-value, and the mean and error of each group."""

    difference: float
    low: float
    high: float
    p_value: float
    means: tuple[float, float]
    errors: tuple[float, float]


def restricted_mean_difference(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, horizon: float, *, level: float = 0.95, small: bool = False
) -> MeanDifference:
    """How much longer one group is free of the event up to a horizon, in the unit of the times.

    Parameters
    ----------
    time, event
        Shape (patients,).
    group
        Whether each is in group 1. Shape (patients,).
    horizon
        Not later than the last time observed in either group (unless that is an event that leaves nobody), else all
        values are NaN.
    level
        Coverage of the limits.
    small
        Use the t distribution with Satterthwaite's degrees of freedom and each variance times m / (m - 1), m the
        events: for few events.

    References
    ----------
    Royston & Parmar (2013) BMC Med Res Methodol 13:152; Uno et al. (2014) J Clin Oncol 32:2380.
    """
    time, event, group = np.asarray(time, float), np.asarray(event, float), np.asarray(group).astype(bool)
    gap = float("nan")
    nothing = MeanDifference(gap, gap, gap, gap, (gap, gap), (gap, gap))
    if group.all() or not group.any():
        return nothing
    means, errors, df = [], [], []
    for side in (~group, group):
        curve = kaplan_meier(time[side], event[side])
        last = float(curve.time[-1])
        # Beyond a last event that leaves nobody the curve is 0; beyond a censoring it is not known.
        if horizon > last * (1 + 1e-12) and curve.survival[-1] > 0:
            return nothing
        mean, se = restricted_mean(curve, min(horizon, last))
        m = float(event[side][time[side] <= horizon].sum())
        means.append(mean)
        errors.append(se * np.sqrt(m / (m - 1)) if small and m > 1 else se)
        df.append(max(m - 1, 1.0))
    variance = errors[0] ** 2 + errors[1] ** 2
    if not variance > 0:
        return nothing
    se = float(np.sqrt(variance))
    freedom = variance**2 / sum(e**4 / f for e, f in zip(errors, df, strict=True))
    law = stats.t(freedom) if small else stats.norm()
    difference, width = means[1] - means[0], float(law.ppf((1 + level) / 2)) * se
    return MeanDifference(
        difference, difference - width, difference + width, float(2 * law.sf(abs(difference) / se)),
        (means[0], means[1]), (errors[0], errors[1]),
    )  # fmt: skip


def permuted_mean_difference(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, horizon: float, rng: np.random.Generator, *,
    draws: int = 999, level: float = 0.95,
) -> MeanDifference:  # fmt: skip
    """The difference of restricted means, its p-value and limits by permuting the groups over the patients.

    With fewer than five events up to the horizon there is no test. The statistic is the difference over its standard
    error; where a permuted group ends before the horizon its curve stays at its last height. The limits use the
    quantile of the permuted statistics, so that test and interval agree. There are none where a group has no event up
    to the horizon: its mean then has no error (they would cover .45 of the true differences, see docs/measured.md).

    Parameters
    ----------
    time, event, group, horizon
        As in `restricted_mean_difference`.
    rng
        Source of chance.
    draws
        Permutations; the observed groups count as one more.
    level
        Coverage of the limits.

    References
    ----------
    Horiguchi & Uno (2020) Stat Med 39:4087; Ditzhaus, Yu & Xu (2023) Stat Med 42:3945 (studentised permutation).
    """
    time, event, group = np.asarray(time, float), np.asarray(event, float), np.asarray(group).astype(bool)
    own = restricted_mean_difference(time, event, group, horizon, level=level)
    if np.isnan(own.difference):
        return own
    if (event[time <= horizon] > 0).sum() < FEWEST:
        return own._replace(low=np.nan, high=np.nan, p_value=np.nan)
    labels = np.vstack([group, *(rng.permutation(group) for _ in range(draws))]).astype(float)
    difference, error = _differences(time, event, labels, horizon)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.abs(np.where(difference == 0, 0.0, difference / error))
    p = float((statistic >= statistic[0] * (1 - 1e-10)).mean())
    # The smallest statistic that rejects at this level is the one after the (1 - level) share of the largest.
    bound = float(np.sort(statistic)[max(int(np.ceil(level * (draws + 1))) - 1, 0)])
    early = (event > 0) & (time <= horizon)
    width = bound * float(error[0]) if early[group].any() and early[~group].any() else float("nan")
    return MeanDifference(own.difference, own.difference - width, own.difference + width, p, own.means, own.errors)


def _differences(
    time: np.ndarray, event: np.ndarray, labels: np.ndarray, horizon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of restricted means and their standard errors for many groupings, shape (groupings, patients)."""
    sides = [_areas(time, event, side, horizon) for side in (1 - labels, labels)]
    return sides[1][0] - sides[0][0], np.sqrt(sides[0][1] + sides[1][1])


def _areas(time: np.ndarray, event: np.ndarray, side: np.ndarray, horizon: float) -> tuple[np.ndarray, np.ndarray]:
    """Restricted means and their variances of many sets of patients, shape (sets, patients)."""
    at = np.unique(time[(event > 0) & (time < horizon)])
    risk = (time[:, None] >= at[None, :]).astype(float)
    dead = ((time[:, None] == at[None, :]) & (event[:, None] > 0)).astype(float)
    lengths = np.diff(np.r_[0.0, at, horizon])
    n, d = side @ risk, side @ dead
    hazard = np.divide(d, n, out=np.zeros_like(n), where=n > 0)
    heights = np.column_stack([np.ones(len(side)), np.cumprod(1 - hazard, axis=1)])
    areas = heights * lengths
    remaining = areas.sum(axis=1, keepdims=True) - np.cumsum(areas, axis=1)[:, :-1]
    spread = np.divide(d, n * (n - d), out=np.zeros_like(n), where=n > d)
    return areas.sum(axis=1), (remaining**2 * spread).sum(axis=1)


def adjusted_mean_difference(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, adjust: np.ndarray, horizon: float,
    rng: np.random.Generator, *, draws: int = 999, level: float = 0.95,
) -> MeanDifference:  # fmt: skip
    """The difference of restricted means at equal covariates, with p-value and limits by permutation.

    The pseudo-value of each patient is what it adds to the restricted mean of all; these are regressed on the
    group and the covariates. The statistic is the difference over its robust error; the residuals without the group are
    permuted. Censoring must not depend on group or covariates.

    Parameters
    ----------
    time, event, group, horizon, rng, draws, level
        As in `permuted_mean_difference`, with the same answers where there is none.
    adjust
        Covariates, shape (patients, covariates).

    References
    ----------
    Andersen, Hansen & Klein (2004) Lifetime Data Anal 10:335 (pseudo-values); MacKinnon & White (1985) J Econom 29:305
    (HC3); Freedman & Lane (1983) J Bus Econ Stat 1:292.
    """
    time, event, group = np.asarray(time, float), np.asarray(event, float), np.asarray(group).astype(bool)
    own = restricted_mean_difference(time, event, group, horizon, level=level)
    gap = float("nan")
    nothing = own._replace(difference=gap, low=gap, high=gap, p_value=gap)
    n = time.size
    base = np.column_stack([np.ones(n), adjust])
    x = np.column_stack([group.astype(float), base])
    few = (event[time <= horizon] > 0).sum() < FEWEST or n < x.shape[1] + 3
    if np.isnan(own.difference) or few or np.linalg.matrix_rank(x) < x.shape[1]:
        return nothing
    sets = np.vstack([np.ones(n), 1 - np.eye(n)])
    means = _areas(time, event, sets, horizon)[0]
    pseudo = n * means[0] - (n - 1) * means[1:]
    inverse = np.linalg.pinv(x)
    hat = x @ inverse
    room = 1 - np.diag(hat)
    if not (room > 1e-9).all():
        return nothing
    expected = base @ np.linalg.lstsq(base, pseudo, rcond=None)[0]
    left = pseudo - expected
    drawn = expected + rng.permuted(np.broadcast_to(left, (draws, n)), axis=1)
    every = np.vstack([pseudo, drawn])
    difference = every @ inverse[0]
    error = np.sqrt((((every - every @ hat) / room) ** 2) @ inverse[0] ** 2)
    statistic = np.abs(np.divide(difference, error, out=np.zeros_like(error), where=error > 0))
    p = float((statistic >= statistic[0] * (1 - 1e-10)).mean())
    width = float(np.sort(statistic)[max(int(np.ceil(level * (draws + 1))) - 1, 0)] * error[0])
    middle = float(difference[0])
    return own._replace(difference=middle, low=middle - width, high=middle + width, p_value=p)


def median_limits(
    time: np.ndarray, event: np.ndarray, *, entry: np.ndarray | None = None, level: float = 0.95
) -> tuple[float, float, float]:
    """Median time with the limits of Brookmeyer and Crowley (log-log); NaN where a curve does not fall so far.

    Parameters
    ----------
    time, event
        Shape (patients,).
    entry
        From when each patient is under observation; None is from the start.
    level
        Coverage.

    References
    ----------
    Brookmeyer & Crowley (1982) Biometrics 38:29.
    """
    curve = kaplan_meier(time, event, entry=entry, level=level)
    survival = curve.survival
    low, high = np.where(survival <= 0, np.nan, curve.ci_low), np.where(survival <= 0, np.nan, curve.ci_high)
    return _crossing(curve.time, survival), _crossing(curve.time, low), _crossing(curve.time, high)


def _crossing(time: np.ndarray, height: np.ndarray) -> float:
    """The first time at or below one half; half-way to the next step where it is one half exactly."""
    known = np.isfinite(height)
    time, height = time[known], height[known]
    reached = np.flatnonzero(height <= 0.5 + 1e-12)
    if reached.size == 0:
        return float("nan")
    first = int(reached[0])
    if abs(height[first] - 0.5) <= 1e-12:
        below = np.flatnonzero(height < 0.5 - 1e-12)
        return float((time[first] + time[below[0]]) / 2) if below.size else float(time[first])
    return float(time[first])


def follow_up(
    time: np.ndarray, event: np.ndarray, *, entry: np.ndarray | None = None, level: float = 0.95
) -> tuple[float, float, float]:
    """Median follow-up with limits by the reverse Kaplan-Meier: how long patients were seen, but for the event.

    At a time with an event and a censoring, the censoring is counted first (the roles are swapped).

    Parameters
    ----------
    time, event, entry, level
        As in `median_limits`.

    References
    ----------
    Schemper & Smith (1996) Control Clin Trials 17:343.
    """
    return median_limits(time, 1 - np.asarray(event, dtype=float), entry=entry, level=level)
