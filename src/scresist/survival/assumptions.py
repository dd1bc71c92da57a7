"""What a hazard ratio assumes: a straight effect, one that does not change with time, and times known exactly."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scresist.kernels.cox import cox_regression
from scresist.kernels.cox_added import added_term
from scresist.kernels.cox_forms import Changing, changing_effect, natural_spline
from scresist.kernels.cox_scan import scan_cox
from scresist.results import Result
from scresist.survival.endpoint import Endpoint
from scresist.survival.ties import choose_ties

KNOTS = (0.1, 0.5, 0.9)
CURVE = np.linspace(5, 95, 19) / 100
CURVE_EVENTS = 30  # fewer give no curve: its pointwise limits are too narrow
IMPUTED = 20
LIMIT = float(stats.norm.ppf(0.975))
MIN_EVENTS = 15
CHANGE_EVENTS = 20  # fewer do not tell an early from a late effect
STUDIES = 199  # drawn from the fitted model for the tests of form and of change
_SEED = 1


def forms(
    found: Endpoint, features: Sequence[object], *, endpoint: str, adjust: np.ndarray, strata: np.ndarray | None = None,
) -> tuple[Result, Result]:  # fmt: skip
    """Whether the effect of some features is curved or changes with time, and what it is then.

    Parameters
    ----------
    found
        Patients with their times and values.
    features
        Columns of the values.
    endpoint
        Its name.
    adjust
        Covariates, shape (patients, covariates); without columns where there are none.
    strata
        Groups with a baseline hazard each.

    Returns
    -------
    Two results. The first has one row per feature: `form_p` tests a natural spline (knots at the 10th, 50th and 90th
    percentile) against the line, its null distribution drawn from the model of the line; `hr_low` and `hr_high` are the
    hazard ratios of the 10th and the 90th percentile against the median on the spline; `change_p` tests value times log
    time in the same way, and `hr_early` and `hr_late` are the hazard ratios per SD at the first and third quartile of
    the times of events. The second has the curve of the spline, relative to the median, with pointwise 95 % limits
    (from 30 events).

    References
    ----------
    See `kernels.cox_forms` and `kernels.cox_added`.
    """
    rows, curves = [], []
    for feature in features:
        values = found.values[feature].to_numpy(float)
        here = np.flatnonzero(~np.isnan(values))
        base: dict[str, Any] = {
            "feature": feature,
            "endpoint": endpoint,
            "n": here.size,
            "events": int(found.event[here].sum()),
        }
        x = values[here]
        sd = float(x.std(ddof=1)) if x.size > 1 else 0.0
        if base["events"] < MIN_EVENTS or not sd > 0:
            few = f"{base['events']} events, fewer than {MIN_EVENTS}" if sd > 0 else "the same value in every patient"
            rows.append(base | {"reason": few})
            continue
        x = (x - x.mean()) / sd
        fixed = adjust[here]
        fixed = fixed[:, fixed.std(axis=0) > 0]
        how: dict[str, Any] = {
            "strata": None if strata is None else strata[here],
            "entry": None if found.entry is None else found.entry[here],
        }  # fmt: skip
        time, event = found.time[here], found.event[here]
        bent, curve = _spline(x, time, event, fixed, how)
        enough = base["events"] >= CHANGE_EVENTS
        ties = choose_ties(time, event, how["strata"])
        change = _no_change(base["events"])
        if enough:
            change = changing_effect(time, event, x, adjust=fixed, ties=ties, **how)
        line = np.column_stack([x, fixed])
        change_p = np.nan if change.reason else added_term(
            time, event, line, x, np.random.default_rng(_SEED), over_time=True, draws=STUDIES, **how
        ).p_value  # fmt: skip
        with np.errstate(over="ignore"):
            early, late = np.exp(change.early), np.exp(change.late)
        rows.append(base | bent | {
            "change_p": change_p, "early_time": change.early_time, "late_time": change.late_time,
            "hr_early": early[0], "early_low": early[1], "early_high": early[2], "hr_late": late[0],
            "late_low": late[1], "late_high": late[2], "reason": change.reason,
        })  # fmt: skip
        if curve is not None:
            curves.append(
                curve.assign(feature=feature, endpoint=endpoint, value=curve["value"] * sd + values[here].mean())
            )
    columns = ["feature", "endpoint", "n", "events", "form_p", "hr_low", "hr_high", "change_p", "early_time",
               "hr_early", "early_low", "early_high", "late_time", "hr_late", "late_low", "late_high",
               "reason"]  # fmt: skip
    drawn = ["feature", "endpoint", "value", "hr", "ci_low", "ci_high"]
    curve_table = pd.concat(curves, ignore_index=True)[drawn] if curves else pd.DataFrame(columns=drawn)
    return (
        Result(
            pd.DataFrame(rows, columns=columns),
            "score tests of a natural spline and of value times log time, drawn from the fitted model",
        ),
        Result(curve_table, "natural spline with three knots, Cox"),
    )


def _no_change(events: int) -> Changing:
    gap = np.full(3, np.nan)
    return Changing(
        np.nan, gap, gap, np.nan, np.nan, f"{events} events, fewer than {CHANGE_EVENTS}: no changing effect"
    )


def bend_p(x: np.ndarray, time: np.ndarray, event: np.ndarray, fixed: np.ndarray, how: dict[str, Any]) -> float:
    """Test of a natural spline (knots at the 10th, 50th and 90th percentile) against the line: p, NaN below 15 events.

    The draws have a seed of their own: the same patients give the same p in every table.

    Parameters
    ----------
    x
        Value of each patient, shape (patients,).
    time, event
        Shape (patients,).
    fixed
        Covariates that vary, shape (patients, covariates).
    how
        `entry`, `strata`, `ties` of `kernels.cox_added.added_term`.
    """
    knots = np.quantile(x, KNOTS)
    if (event > 0).sum() < MIN_EVENTS or not (np.diff(knots) > 0).all():
        return float("nan")
    bend, line = natural_spline(x, knots)[:, 0], np.column_stack([x, fixed])
    return added_term(time, event, line, bend, np.random.default_rng(_SEED), draws=STUDIES, **how).p_value


def _spline(
    x: np.ndarray, time: np.ndarray, event: np.ndarray, fixed: np.ndarray, how: dict[str, Any]
) -> tuple[dict[str, float], pd.DataFrame | None]:
    """The test of the bend, hazard ratios of the outer knots, and the curve."""
    knots = np.quantile(x, KNOTS)
    gap = {"form_p": bend_p(x, time, event, fixed, how), "hr_low": np.nan, "hr_high": np.nan}
    if not (np.diff(knots) > 0).all():
        return gap, None
    bend = natural_spline(x, knots)
    both = np.column_stack([x, bend, fixed])
    fit = cox_regression(time, event, both, diagnose=False, **how)
    if fit.reason:
        return gap, None
    at = np.quantile(x, CURVE)
    away = np.column_stack([at - knots[1], natural_spline(at, knots)[:, 0] - natural_spline(knots[1:2], knots)[0, 0]])
    log = away @ fit.coef[:2]
    ends = np.column_stack(
        [knots - knots[1], natural_spline(knots, knots)[:, 0] - natural_spline(knots[1:2], knots)[0, 0]]
    )
    outer = np.exp(ends @ fit.coef[:2])
    out = gap | {"hr_low": float(outer[0]), "hr_high": float(outer[2])}
    if event.sum() < CURVE_EVENTS:
        return out, None
    # The standard error of each point: the coefficient of the model whose first covariate is that contrast.
    width = np.full(at.size, np.nan)
    for k, row in enumerate(away):
        length = float(row @ row)
        if length < 1e-12:
            width[k] = 0.0
            continue
        turned = np.column_stack([both[:, :2] @ row / length, both[:, :2] @ np.array([-row[1], row[0]]), fixed])
        width[k] = LIMIT * float(cox_regression(time, event, turned, diagnose=False, **how).se[0])
    with np.errstate(over="ignore"):
        curve = pd.DataFrame(
            {"value": at, "hr": np.exp(log), "ci_low": np.exp(log - width), "ci_high": np.exp(log + width)}
        )
    return out, curve


def scan_times(
    found: Endpoint, features: Sequence[object], before: np.ndarray, *, endpoint: str, adjust: np.ndarray,
    strata: np.ndarray | None = None, rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """How far hazard ratios depend on when, between two scans, the event came.

    Parameters
    ----------
    found, features, endpoint, adjust, strata
        As in `forms`.
    before
        Time of each patient's last scan without the event, shape (patients,); of patients without an event it is not
        used.
    rng
        Source of chance, or its seed.

    Returns
    -------
    Result whose table has per feature the hazard ratio per SD with the event at the scan that saw it (`hr`), half-way
    (`hr_middle`) and right after the scan before (`hr_left`), with their p-values; and `hr_imputed` with limits and p
    from 20 draws of the time within its interval, combined by Rubin's rules: the error of the times is in it.

    References
    ----------
    Rubin (1987) Multiple Imputation for Nonresponse in Surveys; Pan (2000) Biometrics 56:199 (interval-censored Cox by
    multiple imputation).
    """
    chance = np.random.default_rng(rng)
    event = found.event > 0
    floor = np.zeros(found.time.size) if found.entry is None else np.maximum(found.entry, 0.0)
    left = np.where(event, np.clip(before, floor, found.time), found.time)
    # Right after the scan before: later than it, so that no time is 0 and nobody leaves the risk set.
    left = left + 1e-6 * (found.time - left)
    shares = chance.random((IMPUTED, found.time.size))
    rows = []
    for feature in features:
        values = found.values[feature].to_numpy(float)
        here = np.flatnonzero(~np.isnan(values))
        x = values[here]
        sd = float(x.std(ddof=1)) if x.size > 1 else 0.0
        base: dict[str, Any] = {"feature": feature, "endpoint": endpoint, "n": here.size,
                "events": int(event[here].sum()),
                "width": float(np.median((found.time - left)[event])) if event.any() else np.nan}  # fmt: skip
        if base["events"] < MIN_EVENTS or not sd > 0:
            few = f"{base['events']} events, fewer than {MIN_EVENTS}" if sd > 0 else "the same value in every patient"
            rows.append(base | {"reason": few})
            continue
        x = ((x - x.mean()) / sd)[:, None]
        fixed = adjust[here]
        fixed = fixed[:, fixed.std(axis=0) > 0]

        def fit(time: np.ndarray) -> tuple[float, float, float]:
            layer = None if strata is None else strata[here]  # noqa: B023
            ties = choose_ties(time[here], found.event[here], layer)  # noqa: B023
            one = scan_cox(
                time[here], found.event[here], x, adjust=fixed, strata=layer, ties=ties, firth=True,  # noqa: B023
                limits=False,
                entry=None if found.entry is None else found.entry[here],  # noqa: B023
            )  # fmt: skip
            return float(one.coef[0]), float(one.se[0]), float(one.p_value[0])

        ends = {name: fit(t) for name, t in (("", found.time), ("_middle", (left + found.time) / 2), ("_left", left))}
        drawn = np.array([fit(left + share * (found.time - left)) for share in shares])
        mean, within, between = drawn[:, 0].mean(), (drawn[:, 1] ** 2).mean(), drawn[:, 0].var(ddof=1)
        total = within + (1 + 1 / IMPUTED) * between
        extra = (1 + 1 / IMPUTED) * between / within
        law = stats.t(min((IMPUTED - 1) * (1 + 1 / extra) ** 2, 1e6) if extra > 0 else 1e6)
        width = float(law.ppf(0.975)) * np.sqrt(total)
        rows.append(base | {f"hr{k}": np.exp(v[0]) for k, v in ends.items()} | {
            f"p{k or '_value'}": v[2] for k, v in ends.items()} | {
            "hr_imputed": np.exp(mean), "ci_low": np.exp(mean - width), "ci_high": np.exp(mean + width),
            "p_imputed": float(2 * law.sf(abs(mean) / np.sqrt(total))),
            "interval_hr": max(abs(ends[k][0] - ends[""][0]) for k in ("_middle", "_left")), "reason": "",
        })  # fmt: skip
    columns = ["feature", "endpoint", "n", "events", "width", "hr", "p_value", "hr_middle", "p_middle", "hr_left",
               "p_left", "hr_imputed", "ci_low", "ci_high", "p_imputed", "interval_hr", "reason"]  # fmt: skip
    return Result(pd.DataFrame(rows, columns=columns), "event times within their interval; Firth's likelihood")
