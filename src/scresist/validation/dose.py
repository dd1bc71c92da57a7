"""Dose-response: IC50 with a bound where it is not reached, area above the curve, Emax, slope, growth-rate metrics."""

from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, counted
from scresist.kernels import four_parameter as fp
from scresist.results import Result
from scresist.validation.curves import FEWEST_DOSES, Fitted, Shape, fit_conditions, lack_of_fit, log_ic50_error
from scresist.validation.dose_input import CURVE, Doses, read_doses
from scresist.validation.dose_ratios import dose_ratios
from scresist.validation.two_conditions import FEW, mean_interval

__all__ = ["dose_points", "dose_ratios", "dose_response"]

COLUMNS = (
    *CURVE,
    "ic50_um",
    "ic50_low",
    "ic50_high",
    "ic50_reached",
    "aac",
    "emax",
    "hill",
    "n_replicates",
    "aac_low",
    "aac_high",
    "ec50_um",
    "lower_plateau",
    "upper_plateau",
    "gr50_um",
    "gr_max",
    "gr_aoc",
    "dose_min_um",
    "dose_max_um",
    "n_doses",
    "rmse",
    "lack_of_fit_p",
    "interval_of",
    "weak",
    "reason",
)
OF_REPLICATES, OF_DOSES = "biological replicates", "doses of one replicate"


def dose_response(
    table: pd.DataFrame,
    *,
    unit: str = "percent",
    level: float = 50.0,
    top: float | None = 100.0,
    cap: bool = True,
    max_hill: float = 4.0,
    loss: str = "squares",
    replicates: str = "own",
) -> Result:
    """IC50, area above the curve, Emax and slope of every line, condition and compound, with biological replicates as
    unit.

    The curve is `lower + (top - lower) / (1 + (dose / midpoint) ** hill)`. The IC50 is the dose at which it crosses
    `level`; it is never extrapolated. Where the curve does not cross within the tested doses, `ic50_um` is NaN,
    `ic50_reached` is False, and the bound is in `ic50_low` (the highest dose: the IC50 is above it) or in `ic50_high`
    (the lowest dose: it is below). With several biological replicates, all of which reach it, the IC50 is the geometric
    mean of theirs, with a t interval; with one replicate the interval is that of the fit and `interval_of` names it.

    Parameters
    ----------
    table
        experiment, line, condition, compound, dose_um, replicate, plate, response, one row per well; response in
        percent of control. A dose of 0 is a control. Optional: dose_unit, response_unit (percent, fraction, raw), well,
        and `divisions` (doublings of the control during the assay) or `time_zero` (count at the start, percent of the
        control at the end), which give the growth-rate metrics.
    unit
        Of the response, where the table has no column `response_unit`: percent, fraction or raw.
    level
        The response that defines the IC50, in percent of control.
    top
        Response without drug, in percent; None estimates it.
    cap
        Takes means below 0 or above the top as those, as the published re-analysis of CCLE does.
    max_hill
        Steepest slope.
    loss
        `squares`; `huber` and `cauchy` lower the weight of outlying doses (more than 10 percent from the curve).
    replicates
        `own`: each biological replicate has its own curve; `shared`: one slope and plateau, own midpoints.

    Returns
    -------
    Result with one row per experiment, line, condition and compound. `aac` is the mean of 1 - response / 100 of
    the curve over log10 dose, between the lowest and the highest dose above zero, 0 to 1. `emax` is the response of the
    curve at the highest dose, in percent; `lower_plateau` what the curve tends to. `reason` names why a value is
    missing.

    Raises
    ------
    InputError
        If the table has a fault; the message has the row of the file. If `level` is not between 0 and the top.

    References
    ----------
    Barretina et al. (2012) Nature 483:603; Smirnov et al. (2016) Bioinformatics 32:1244 (area and bounds);
    Hafner et al. (2016) Nat Methods 13:521 (growth-rate metrics).
    """
    shape = Shape(top, cap, max_hill, loss, replicates=replicates)
    if not 0 < level < (100.0 if top is None else top):
        raise InputError(f"level must be between 0 and the response without drug; got {level!r}")
    doses = read_doses(table, unit=unit)
    fitted = fit_conditions(doses.means, shape)
    out = _rows(fitted, level, shape)
    growth = growth_rate_metrics(doses.means, shape)
    for name in ("gr50_um", "gr_max", "gr_aoc"):
        out[name] = growth[name] if growth is not None else np.nan
    notes = [*doses.notes, *_notes(out)]
    settings = {
        "unit": unit,
        "level": level,
        "top": top,
        "cap": cap,
        "max_hill": max_hill,
        "loss": loss,
        "replicates": replicates,
    }
    return Result(
        out[list(COLUMNS)], "logistic curve of each biological replicate", MappingProxyType(settings), tuple(notes)
    )


def dose_points(table: pd.DataFrame, *, unit: str = "percent") -> Result:
    """Mean response of every biological replicate and dose, in percent of control, as the curves are fitted to.

    Parameters
    ----------
    table
        As for `dose_response`.
    unit
        Of the response, where the table has no column `response_unit`.
    """
    doses: Doses = read_doses(table, unit=unit)
    columns = [*CURVE, "replicate", "dose_um", "response", "n_wells"]
    return Result(doses.means[columns], "means of technical wells", MappingProxyType({"unit": unit}), doses.notes)


def _rows(fitted: Fitted, level: float, shape: Shape) -> pd.DataFrame:
    """The table but for the growth-rate metrics."""
    at = fitted.members["group"].to_numpy()
    crossed = fp.crossing(fitted.own, level)
    slack = 1e-9
    inside = (crossed >= fitted.first[at] - slack) & (crossed <= fitted.last[at] + slack)
    with np.errstate(invalid="ignore"):
        aac = 1 - fp.mean_response(fitted.own, fitted.first[at], fitted.last[at]) / 100
        emax = fp.curve_at(fitted.own, fitted.last[at])
    n = len(fitted.groups)
    places = (
        np.split(np.arange(at.size), np.searchsorted(at, np.arange(1, n)))
        if np.all(np.diff(at) >= 0)
        else [np.flatnonzero(at == g) for g in range(n)]
    )
    rows = [_one(fitted, g, p, crossed[p], inside[p], aac[p], emax[p], level, shape) for g, p in enumerate(places)]
    return pd.concat([fitted.groups, pd.DataFrame(rows)], axis=1)


def _one(fitted, g, members, crossed, inside, aac, emax, level, shape) -> dict[str, object]:  # type: ignore[no-untyped-def]
    """One row: a line, condition and compound."""
    first, last, pooled = fitted.first[g], fitted.last[g], fitted.pooled[g]
    n = members.size
    row: dict[str, object] = {
        "ic50_um": np.nan,
        "ic50_low": np.nan,
        "ic50_high": np.nan,
        "ic50_reached": False,
        "aac": np.nan,
        "emax": np.nan,
        "hill": np.nan,
        "n_replicates": n,
        "aac_low": np.nan,
        "aac_high": np.nan,
        "ec50_um": np.nan,
        "lower_plateau": np.nan,
        "upper_plateau": np.nan,
        "dose_min_um": 10**first if fitted.n_doses[g] else np.nan,
        "dose_max_um": 10**last if fitted.n_doses[g] else np.nan,
        "n_doses": fitted.n_doses[g],
        "rmse": fitted.rmse[g],
        "lack_of_fit_p": np.nan,
        "interval_of": "",
        "reason": "",
        "weak": "" if n >= FEW else f"{counted(n, 'biological replicate')}; {FEW} are needed",
    }
    if not np.isfinite(pooled[0]):
        row["reason"] = f"{counted(int(fitted.n_doses[g]), 'dose')} above zero; a curve needs {FEWEST_DOSES}"
        return row
    x, y = fitted.log_dose[g], fitted.response[g]
    used = np.isfinite(x) & np.isfinite(y)
    x, y = x[used], y[used]
    area, low, high = mean_interval(aac)
    row |= {
        "aac": area,
        "aac_low": low,
        "aac_high": high,
        "emax": float(np.nanmean(emax)) if np.isfinite(emax).any() else np.nan,
        "hill": pooled[fp.HILL],
        "ec50_um": 10 ** pooled[fp.MIDPOINT],
        "lower_plateau": pooled[fp.LOWER],
        "upper_plateau": pooled[fp.UPPER],
    }
    row["lack_of_fit_p"] = lack_of_fit(
        x, y, float(((y - fp.curve_at(pooled[None], x[None])[0]) ** 2).sum()), 3 + (shape.top is None)
    )[1]
    lacking = int((~np.isfinite(crossed) & ~np.isfinite(aac)).sum())
    reasons = [f"{lacking} of {n} replicates have fewer than {FEWEST_DOSES} doses"] if lacking else []
    reasons += _flat(x, fitted.before_cap[g][used], pooled, row, last)
    have = np.isfinite(aac)
    if not have.any():
        edges = np.array([first]), np.array([last])
        row |= {
            "aac": float(1 - fp.mean_response(pooled[None], *edges)[0] / 100),
            "emax": float(fp.curve_at(pooled[None], edges[1])[0]),
        }
        reasons.append("the curve is that of all replicates together; there is no interval")
        crossed = fp.crossing(pooled[None], level)
        have, inside = np.ones(1, bool), (crossed >= first - 1e-9) & (crossed <= last + 1e-9)
        n = 0
    if inside[have].all():
        mean, low, high = mean_interval(crossed[have])
        row |= {"ic50_reached": True, "interval_of": OF_REPLICATES}
        if have.sum() == 1:
            half = log_ic50_error(x, y, pooled, level, _fixed(pooled, shape)) if n == 1 else np.nan
            low, high, row["interval_of"] = mean - half, mean + half, OF_DOSES
        row |= {"ic50_um": 10**mean, "ic50_low": _dose(low), "ic50_high": _dose(high)}
    else:
        reasons.append(_not_reached(row, fitted, g, crossed, inside, have, level))
    row["reason"] = "; ".join(r for r in reasons if r)
    return row


def _dose(log10: float) -> float:
    """A dose from its logarithm; infinite where the interval of one curve is open."""
    return float("inf") if log10 >= 300 else float(10**log10)


def _fixed(parameters: np.ndarray, shape: Shape) -> list[int]:
    """Parameters that have no error: the given top, and a plateau or slope at its bound."""
    fixed = [] if shape.top is None else [fp.UPPER]
    fixed += [fp.LOWER] if parameters[fp.LOWER] <= 0 else []
    return fixed + ([fp.HILL] if parameters[fp.HILL] >= shape.max_hill else [])


def _flat(x, y, pooled, row, last) -> list[str]:  # type: ignore[no-untyped-def]
    """Reasons of a curve that does not fall; its slope and midpoint are then taken out."""
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    rise = stats.linregress(x, y) if np.ptp(y) > 0 else None
    fall = pooled[fp.UPPER] - float(fp.curve_at(pooled[None], np.array([last]))[0])
    if fall >= 1:
        return []
    row |= {"hill": np.nan, "ec50_um": np.nan, "lower_plateau": np.nan}
    if rise is not None and rise.slope > 0 and rise.pvalue < 0.05:
        return ["the response rises with dose; a falling curve does not describe it"]
    return ["flat: the curve falls by less than 1 percent of control"]


def _not_reached(row, fitted, g, crossed, inside, have, level) -> str:  # type: ignore[no-untyped-def]
    """Put the bound of an IC50 that is outside the tested doses into the row, and give the reason."""
    first, last = fitted.first[g], fitted.last[g]
    below = have & (crossed < first) | (
        have & np.isnan(crossed) & (fp.curve_at(fitted.pooled[g][None], first[None])[0] < level)
    )
    above = have & ~inside & ~below
    n, name = int(have.sum()), f"IC{100 - level:g}"
    if above[have].all():
        row["ic50_low"] = 10**last
        return f"{name} not reached: it is above the highest dose tested"
    if below[have].all():
        row["ic50_high"] = 10**first
        return f"{name} not reached: it is below the lowest dose tested"
    if above.any() and below.any():
        return (
            f"{name} above the highest dose in {int(above.sum())} and below the lowest in {int(below.sum())} replicates"
        )
    found = float(fp.crossing(fitted.pooled[g], level))
    outside = int(above.sum() + below.sum())
    side = "above the highest" if above.any() else "below the lowest"
    if first <= found <= last:
        # The replicates that do not reach it have no number: the middle comes from the curve of all, one bound is open.
        row |= {"ic50_um": 10**found, "ic50_reached": True, "interval_of": OF_REPLICATES}
    reached = crossed[inside]
    if above.any():
        row["ic50_low"] = 10 ** float(reached.min())
    else:
        row["ic50_high"] = 10 ** float(reached.max())
    what = "lowest" if above.any() else "highest"
    return (
        f"{name} {side} dose in {outside} of {n} replicates: no interval; the bound is the {what} of the replicates "
        "that reach it"
    )


def growth_rate_metrics(means: pd.DataFrame, shape: Shape) -> pd.DataFrame | None:
    """GR50 (NaN where it is not reached), GR at the highest dose and area over the GR curve; None without growth.

    GR = 2 ** (log2(x / x0) / log2(control / x0)) - 1: 1 no effect, 0 no growth, below 0 fewer cells than at the start.

    Parameters
    ----------
    means
        From `read_doses`, with `divisions` or `time_zero`.
    shape
        How curves are fitted; the top is 1.

    References
    ----------
    Hafner et al. (2016) Nat Methods 13:521.
    """
    if not {"divisions", "time_zero"} & set(means.columns):
        return None
    divisions = means["divisions"] if "divisions" in means else np.log2(100 / means["time_zero"])
    growth = np.clip(means["response"].to_numpy(float), 0, None) / 100
    gr = 2.0 * growth ** (1 / divisions.to_numpy(float)) - 1
    of_growth = Shape(1.0, shape.cap, 5.0, shape.loss, 0.1, shape.replicates)
    fitted = fit_conditions(means.assign(gr=gr), of_growth, value="gr", floor=-1.0)
    at = fitted.members["group"].to_numpy()
    area = 1 - fp.mean_response(fitted.own, fitted.first[at], fitted.last[at])
    largest = fp.curve_at(fitted.own, fitted.last[at])
    crossed = fp.crossing(fitted.own, 0.5)
    inside = (crossed >= fitted.first[at]) & (crossed <= fitted.last[at])
    by = pd.DataFrame(
        {
            "group": at,
            "crossed": np.where(inside, crossed, np.nan),
            "gr_max": largest,
            "gr_aoc": area,
            "have": np.isfinite(area),
            "inside": inside,
        }
    ).groupby("group")
    out = by[["crossed", "gr_max", "gr_aoc"]].mean().reindex(range(len(fitted.groups)))
    all_inside = (by["inside"].sum() == by["have"].sum()).reindex(out.index, fill_value=False)
    out["gr50_um"] = np.where(all_inside, 10 ** out["crossed"], np.nan)
    return out[["gr50_um", "gr_max", "gr_aoc"]].reset_index(drop=True)


def _notes(out: pd.DataFrame) -> list[str]:
    notes = []
    for words, rows in (
        ("does not reach the IC50 at the doses tested", (~out["ic50_reached"].astype(bool)) & out["aac"].notna()),
        ("has no curve", out["aac"].isna()),
        (f"has fewer than {FEW} biological replicates", out["n_replicates"] < FEW),
    ):
        k = int(rows.sum())
        if k:
            verb = words if k == 1 else words.replace("does not", "do not").replace("has ", "have ")
            notes.append(f"{counted(k, 'curve')} of {len(out):,} {verb}")
    return notes
