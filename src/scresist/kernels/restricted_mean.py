"""The difference of mean times free of the event up to a horizon; the median with its interval; follow-up."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from scresist.kernels.survival_curves import kaplan_meier, restricted_mean


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


def median_limits(time: np.ndarray, event: np.ndarray, *, level: float = 0.95) -> tuple[float, float, float]:
    """Median time with the limits of Brookmeyer and Crowley (log-log); NaN where a curve does not fall so far.

    Parameters
    ----------
    time, event
        Shape (patients,).
    level
        Coverage.

    References
    ----------
    Brookmeyer & Crowley (1982) Biometrics 38:29.
    """
    curve = kaplan_meier(time, event, level=level)
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


def follow_up(time: np.ndarray, event: np.ndarray, *, level: float = 0.95) -> tuple[float, float, float]:
    """Median follow-up with limits by the reverse Kaplan-Meier: how long patients were seen, but for the event.

    At a time with an event and a censoring, the censoring is counted first (the roles are swapped).

    Parameters
    ----------
    time, event, level
        As in `median_limits`.

    References
    ----------
    Schemper & Smith (1996) Control Clin Trials 17:343.
    """
    return median_limits(time, 1 - np.asarray(event, dtype=float), level=level)
