"""Endpoints beside an event that makes them impossible: cumulative incidence, Gray's test, Fine-Gray models."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from scresist.kernels.competing_risks import cumulative_incidence
from scresist.kernels.fine_gray import fine_gray, fine_gray_limits, fine_gray_permutation
from scresist.kernels.gray_test import gray_test
from scresist.results import Result
from scresist.survival.endpoint import Endpoint

EVENT, COMPETING = 1, 2
CAUSES = {EVENT: "event", COMPETING: "competing event"}
DRAWS = 499
LIMIT_EVENTS = 3  # for each coefficient: with fewer there are no limits
LIMIT = float(stats.norm.ppf(0.975))
LATE = "patients come under observation late: not computed"


def _status(found: Endpoint, competing: np.ndarray) -> np.ndarray:
    return np.where(found.event > 0, EVENT, np.where(competing, COMPETING, 0))


def incidence(
    found: Endpoint, competing: np.ndarray, compared: pd.DataFrame, *, endpoint: str,
    strata: np.ndarray | None = None, rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """The share of patients with the event, and with the competing one, by each time: Aalen-Johansen.

    Parameters
    ----------
    found, endpoint, rng
        As in `incidence_models`.
    competing
        Whether each patient had the other event at that time, shape (patients,).
    compared
        Table of `groups.compare_groups`, whose cuts are used.
    strata
        Gray's test compares, and permutes, groups within these. Covariates do not enter it.

    Returns
    -------
    Result whose table has one row per feature, group, cause and time: `incidence` with log-log 95 % limits, and the
    same in all rows of a feature and cause `p_value`, Gray's test with the groups permuted over the patients: its
    chi-square errs with few patients. The group `all`, of no feature, has all patients.

    References
    ----------
    Aalen & Johansen (1978) Scand J Stat 5:141; Gray (1988) Ann Stat 16:1141; Choudhury (2002) Stat Med 21:1129
    (log-log limits).
    """
    chance = np.random.default_rng(rng)
    status = _status(found, competing)
    columns = ["feature", "endpoint", "group", "cause", "time", "n_risk", "incidence", "ci_low", "ci_high", "p_value",
               "n", "events"]  # fmt: skip
    if found.entry is not None:
        return Result(pd.DataFrame(columns=columns), "Aalen-Johansen", notes=(f"cumulative incidence: {LATE}",))
    parts = [_curves(found.time, status, cause, "", endpoint, "all") for cause in CAUSES]
    for row in compared[compared["reason"] == ""].to_dict("records"):
        values = found.values[row["feature"]].to_numpy(float)
        here = ~np.isnan(values)
        time, own = found.time[here], status[here]
        high = values[here] > row["cut"]
        for cause in CAUSES:
            p = _gray(time, own, high, cause, None if strata is None else strata[here], chance)
            for label, side in (("low", ~high), ("high", high)):
                part = _curves(time[side], own[side], cause, row["feature"], endpoint, label)
                parts.append(part.assign(p_value=p))
    table = pd.concat(parts, ignore_index=True).reindex(columns=columns)
    return Result(table, "Aalen-Johansen, log-log limits; Gray's test")


def _gray(
    time: np.ndarray, status: np.ndarray, high: np.ndarray, cause: int, strata: np.ndarray | None,
    rng: np.random.Generator,
) -> float:  # fmt: skip
    """Gray's test with the groups permuted over the patients (of a stratum)."""
    code = np.zeros(time.size, int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    layers = [np.flatnonzero(code == k) for k in range(code.max() + 1)]

    def statistic(group: np.ndarray) -> float:
        return gray_test(time, status, group.astype(int), cause, strata=strata).statistic

    own, drawn = statistic(high), []
    if np.isnan(own):
        return np.nan
    for _ in range(DRAWS):
        moved = high.copy()
        for rows in layers:
            moved[rows] = rng.permutation(high[rows])
        drawn.append(statistic(moved))
    return float((1 + (np.nan_to_num(drawn, nan=np.inf) >= own - 1e-9).sum()) / (DRAWS + 1))


def _curves(
    time: np.ndarray, status: np.ndarray, cause: int, feature: object, endpoint: str, group: str
) -> pd.DataFrame:
    curve = cumulative_incidence(time, status, cause)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = (curve.estimate > 0) & (curve.estimate < 1)
        base = np.where(inside, curve.estimate, np.nan)
        width = LIMIT * np.sqrt(curve.variance) / (base * np.abs(np.log(base)))
        low, high = base ** np.exp(np.minimum(width, 500.0)), base ** np.exp(-width)
    return pd.DataFrame({
        "feature": feature, "endpoint": endpoint, "group": group, "cause": CAUSES[cause], "time": curve.time,
        "n_risk": curve.n_risk, "incidence": curve.estimate, "ci_low": low, "ci_high": high, "n": time.size,
        "events": int((status == cause).sum()),
    })  # fmt: skip


def incidence_models(
    found: Endpoint, competing: np.ndarray, features: Sequence[object], *, endpoint: str,
    adjust: np.ndarray | None = None, rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """Subdistribution hazard ratios per SD of some features, where another event makes this one impossible.

    Parameters
    ----------
    found
        Patients with their times and values.
    competing
        Whether each patient had the other event at that time, shape (patients,).
    features
        Columns of the values.
    endpoint
        Its name.
    adjust
        Covariates, shape (patients, covariates); strata as columns of 0 and 1.
    rng
        Source of chance, or its seed.

    Returns
    -------
    Result whose table has the hazard ratio, its limits by the profile of the weighted likelihood, and
    `p_value` of the score test with the values permuted over the patients: Wald's test errs with few events.

    References
    ----------
    See `kernels.competing_risks`.
    """
    chance = np.random.default_rng(rng)
    status = _status(found, competing)
    rows = []
    for feature in features:
        values = found.values[feature].to_numpy(float)
        here = ~np.isnan(values)
        x, time, own = values[here], found.time[here], status[here]
        sd = float(x.std(ddof=1)) if x.size > 1 else np.nan
        fixed = np.zeros((x.size, 0)) if adjust is None else adjust[here]
        fixed = fixed[:, fixed.std(axis=0) > 0]
        fit = fine_gray(time, own, np.column_stack([x, fixed]), EVENT)
        reason = LATE if found.entry is not None else fit.reason
        events = int((own == EVENT).sum())
        p = np.nan
        if not reason:
            p = fine_gray_permutation(time, own, x, EVENT, chance, DRAWS, adjust=fixed)
        middle = np.nan if reason else fit.coef[0]
        few = events < LIMIT_EVENTS * (1 + fixed.shape[1])
        ends = (np.nan, np.nan) if reason or few else fine_gray_limits(time, own, np.column_stack([x, fixed]), EVENT)
        log = np.array([middle, *ends])
        if few and not reason:
            reason = f"no interval from {events} events; at least {LIMIT_EVENTS} for each coefficient are needed"
        rows.append((feature, endpoint, *np.exp(log * sd), p, int(here.sum()), events,
                     int((own == COMPETING).sum()), reason))  # fmt: skip
    columns = ["feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "n", "events",
               "competing_events", "reason"]  # fmt: skip
    return Result(pd.DataFrame(rows, columns=columns), "Fine-Gray, profile limits")
