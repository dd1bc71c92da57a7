"""Dose-response: IC50 with a bound where it is not reached, area above the curve, Emax, slope, growth-rate metrics."""

from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, counted
from scresist.kernels import hill_curve as hc
from scresist.results import Result
from scresist.validation import growth_rate
from scresist.validation.curves import FEWEST_DOSES, Fitted, Shape, fit_conditions, lack_of_fit
from scresist.validation.dose_input import CURVE, Doses, read_doses
from scresist.validation.reached import crossing_dose
from scresist.validation.two_conditions import FEW, mean_interval

COLUMNS = (
    *CURVE, "ic50_um", "ic50_low", "ic50_high", "ic50_reached", "aac", "emax", "hill", "n_replicates", "aac_low",
    "aac_high", "emax_low", "emax_high", "ec50_um", "lower_plateau", "upper_plateau", *growth_rate.COLUMNS[:-1],
    "dose_min_um", "dose_max_um", "n_doses", "rmse", "lack_of_fit_p", "interval_of", "weak", "reason",
)  # fmt: skip


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
    growth = growth_rate.growth_rate_metrics(doses.means, shape)
    for name in growth_rate.COLUMNS[:-1]:
        out[name] = growth[name] if growth is not None else ("" if name == "gr50_reached" else np.nan)
    if growth is not None:
        out["reason"] = ["; ".join(r for r in both if r) for both in
                         zip(out["reason"], growth["gr_reason"], strict=True)]  # fmt: skip
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
    with np.errstate(invalid="ignore"):
        aac = 1 - hc.mean_response(fitted.own, fitted.first[at], fitted.last[at]) / 100
        emax = hc.curve_at(fitted.own, fitted.last[at])
    order = np.argsort(at, kind="stable")
    members = np.split(order, np.searchsorted(at[order], np.arange(1, len(fitted.groups))))
    rows = [_one(fitted, g, own, aac[own], emax[own], level, shape) for g, own in enumerate(members)]
    return pd.concat([fitted.groups, pd.DataFrame(rows)], axis=1)


def _one(
    fitted: Fitted, g: int, members: np.ndarray, aac: np.ndarray, emax: np.ndarray, level: float, shape: Shape
) -> dict[str, object]:
    """One row: a line, condition and compound."""
    first, last, pooled = fitted.first[g], fitted.last[g], fitted.pooled[g]
    n = members.size
    row: dict[str, object] = dict.fromkeys(COLUMNS[len(CURVE) :], np.nan) | {
        "ic50_reached": False, "n_replicates": n, "n_doses": fitted.n_doses[g], "rmse": fitted.rmse[g],
        "interval_of": "", "reason": "",
        "weak": "" if n >= FEW else f"{counted(n, 'biological replicate')}; {FEW} are needed",
    }  # fmt: skip
    if fitted.n_doses[g]:
        row |= {"dose_min_um": 10**first, "dose_max_um": 10**last}
    if not np.isfinite(pooled[0]):
        row["reason"] = f"{counted(int(fitted.n_doses[g]), 'dose')} above zero; a curve needs {FEWEST_DOSES}"
        return row
    for name, values in (("aac", aac), ("emax", emax)):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), mean_interval(values), strict=True))
    row |= {"hill": pooled[hc.HILL], "ec50_um": 10 ** pooled[hc.MIDPOINT], "lower_plateau": pooled[hc.LOWER],
            "upper_plateau": pooled[hc.UPPER]}  # fmt: skip
    x, y = fitted.log_dose[g], fitted.response[g]
    used = np.isfinite(x) & np.isfinite(y)
    x, y = x[used], y[used]
    rss = float(((y - hc.curve_at(pooled[None], x[None])[0]) ** 2).sum())
    row["lack_of_fit_p"] = lack_of_fit(x, y, rss, 3 + (shape.top is None))[1]
    lacking = int((~np.isfinite(aac)).sum())
    reasons = [f"{lacking} of {n} replicates have fewer than {FEWEST_DOSES} doses"] if lacking else []
    flat = _flat(x, fitted.before_cap[g][used], pooled, last)
    if flat:
        row |= {"hill": np.nan, "ec50_um": np.nan, "lower_plateau": np.nan}
    if lacking == n:
        edges = np.array([first]), np.array([last])
        row |= {"aac": float(1 - hc.mean_response(pooled[None], *edges)[0] / 100),
                "emax": float(hc.curve_at(pooled[None], edges[1])[0])}  # fmt: skip
    found = crossing_dose(fitted, g, members, level=level, shape=shape, name=f"IC{100 - level:g}")
    row |= {"ic50_um": found.dose, "ic50_low": found.low, "ic50_high": found.high, "ic50_reached": found.reached,
            "interval_of": found.interval_of}  # fmt: skip
    together = "the curve is that of all replicates together; there is no interval" if lacking == n else ""
    row["reason"] = "; ".join(r for r in (*reasons, flat, together, found.reason) if r)
    return row


def _flat(x: np.ndarray, y: np.ndarray, pooled: np.ndarray, last: float) -> str:
    """Why a curve that does not fall has no slope and midpoint; empty where it falls."""
    x, y = x[np.isfinite(x)], y[np.isfinite(x)]
    fall = pooled[hc.UPPER] - float(hc.curve_at(pooled[None], np.array([last]))[0])
    if fall >= 1:
        return ""
    rise = stats.linregress(x, y) if np.ptp(y) > 0 else None
    if rise is not None and rise.slope > 0 and rise.pvalue < 0.05:
        return "the response rises with dose; a falling curve does not describe it"
    return "flat: the curve falls by less than 1 percent of control"


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
