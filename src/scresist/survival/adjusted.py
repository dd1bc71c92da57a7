"""Curves of high and low values with equal covariates, and their limits."""

import numpy as np
import pandas as pd
from scipy import stats

from scresist.kernels.cox_forms import standardised_curves
from scresist.results import Result
from scresist.survival.endpoint import Endpoint

DRAWS = 200
FEWEST = 3  # events of a group by a time, and patients still at risk, without which its curve has no limits there


def adjusted_curves(
    found: Endpoint, compared: pd.DataFrame, *, endpoint: str, adjust: np.ndarray, rng: int | np.random.Generator = 1
) -> Result:
    """Curves of high and low values of features, had both groups the covariates of all patients.

    Parameters
    ----------
    found, endpoint, adjust
        As in `assumptions.forms`.
    compared
        Table of `groups.compare_groups`, whose cuts are used.
    rng
        Source of chance, or its seed.

    Returns
    -------
    Result whose table has per feature, group and time `survival` with 95 % limits, from the error of log(-log survival)
    over 200 resamples of the patients and the t distribution: percentiles are too narrow with few patients. Limits
    begin at the third event of a group and end with its last three patients. Empty without covariates.

    References
    ----------
    See `kernels.cox_forms.standardised_curves`; Kalbfleisch & Prentice (2002), section 1.4 (log-log limits).
    """
    chance = np.random.default_rng(rng)
    columns = ["feature", "endpoint", "group", "time", "survival", "ci_low", "ci_high", "n", "events"]
    parts = []
    for row in compared[compared["reason"] == ""].to_dict("records") if adjust.shape[1] else ():
        values = found.values[row["feature"]].to_numpy(float)
        here = np.flatnonzero(~np.isnan(values))
        time, event, fixed = found.time[here], found.event[here], adjust[here]
        entry = None if found.entry is None else found.entry[here]
        fixed = fixed[:, fixed.std(axis=0) > 0]
        high = values[here] > row["cut"]
        at = np.unique(np.quantile(time[event > 0], np.linspace(0, 1, 25)))
        curve = standardised_curves(time, event, high, fixed, at, entry=entry)
        if np.isnan(curve).all():
            continue
        drawn = []
        for _ in range(DRAWS):
            rows = chance.integers(0, here.size, here.size)
            if high[rows].all() or not high[rows].any():
                continue
            drawn.append(standardised_curves(
                time[rows], event[rows], high[rows], fixed[rows], at, entry=None if entry is None else entry[rows]
            ))  # fmt: skip
        low, top = _limits(curve, np.stack(drawn), high, _enough(time, event > 0, high, at), event > 0)
        for side, label in enumerate(("low", "high")):
            own = high == bool(side)
            parts.append(pd.DataFrame({
                "feature": row["feature"], "endpoint": endpoint, "group": label, "time": at, "survival": curve[side],
                "ci_low": low[side], "ci_high": top[side], "n": int(own.sum()), "events": int(event[own].sum()),
            }))  # fmt: skip
    table = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return Result(table, "direct standardisation over the covariates, Cox stratified by group")


def _enough(time: np.ndarray, event: np.ndarray, high: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether each group has had enough events by each time and has enough patients left, shape (2, times)."""
    out = []
    for side in (False, True):
        own = high == side
        by_then = (event[own] & (time[own] <= at[:, None])).sum(axis=1)
        left = (time[own] >= at[:, None]).sum(axis=1)
        out.append((by_then >= FEWEST) & (left >= FEWEST))
    return np.array(out)


def _limits(
    curve: np.ndarray, drawn: np.ndarray, high: np.ndarray, enough: np.ndarray, event: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-log limits of both curves; degrees of freedom are the events of the group less one."""
    low, top = np.full(curve.shape, np.nan), np.full(curve.shape, np.nan)
    for side in (0, 1):
        own = high == bool(side)
        # A resample without an event by then has a share of 1, whose logarithm has none: half a patient.
        edge = 0.5 / own.sum()
        known = (np.isfinite(drawn[:, side]).sum(axis=0) >= DRAWS / 2) & enough[side]
        known &= np.isfinite(curve[side])
        scale = np.log(-np.log(np.clip(drawn[:, side][:, known], edge, 1 - edge)))
        middle = np.log(-np.log(np.clip(curve[side, known], edge, 1 - edge)))
        width = stats.t.ppf(0.975, max(event[own].sum() - 1, 1)) * np.nanstd(scale, axis=0, ddof=1)
        low[side, known], top[side, known] = np.exp(-np.exp(middle + width)), np.exp(-np.exp(middle - width))
    return np.minimum(low, curve), np.maximum(top, curve)
