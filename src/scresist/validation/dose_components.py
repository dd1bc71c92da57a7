"""Dose-response as two levels: how curves vary between replicates, between plates, and by the wells of a plate."""

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import counted
from scresist.kernels import hill_curve as hc
from scresist.kernels.random_effects import Combined, combine, t_interval
from scresist.results import Result
from scresist.validation.curves import FEWEST_DOSES, Fitted, Shape, fit_conditions
from scresist.validation.dose_input import CURVE, Doses, read_doses

COLUMNS = (
    *CURVE, "quantity", "value", "ci_low", "ci_high", "sd_replicates", "sd_plates", "sd_wells", "n_replicates",
    "n_plates", "reason",
)  # fmt: skip
OF_TESTS = ("log10 IC50", "aac")  # what conditions are compared by
CONTROL = "signal of the wells without drug"
_STEP = 1e-5


class Units(NamedTuple):
    """Curves of plates, or of replicates where plates have too few doses; which replicate and condition each is of.

    `variance` is the mean square of the residuals of each curve, drawn half way to that of its condition: a curve of
    few doses tells little about it.
    """

    fitted: Fitted
    group: np.ndarray
    replicate: np.ndarray
    plates: np.ndarray
    variance: np.ndarray


def dose_components(
    table: pd.DataFrame, *, unit: str = "percent", level: float = 50.0, top: float | None = 100.0, cap: bool = True
) -> Result:
    """Mean over replicates of what a curve gives, with the SD between replicates, between plates and from wells.

    Every plate (every replicate, where plates have fewer than four doses) has a curve of its own, whose residuals give
    the error of its IC50, slope, plateau, area and Emax. Those estimates are combined by random effects of replicates
    and of plates within them.

    Parameters
    ----------
    table, unit, level, top, cap
        As for `dose_response`.

    Returns
    -------
    Result whose table is `validation_dose_components`: one row per curve and quantity, and one for the signal of the
    wells without drug. The interval is Hartung and Knapp's t, with one degree of freedom less than replicates.
    `sd_plates` is NaN where no replicate has two plates with a curve.

    Raises
    ------
    InputError
        If the table has a fault; the message has the row of the file.

    References
    ----------
    Viechtbauer (2005) J Educ Behav Stat 30:261; Hartung & Knapp (2001) Stat Med 20:3875.
    """
    doses, shape = read_doses(table, unit=unit), Shape(top, cap)
    units = fit_units(doses, shape)
    rows = [*_of_curves(units, level), *_of_controls(doses)]
    out = pd.DataFrame(rows, columns=list(COLUMNS))
    settings = {"unit": unit, "level": level, "top": top, "cap": cap}
    return Result(out, "random effects of replicates and plates, restricted likelihood, Hartung and Knapp's interval",
                  MappingProxyType(settings), doses.notes)  # fmt: skip


def fit_units(doses: Doses, shape: Shape) -> Units:
    """A curve of every plate, or of every replicate of a condition where one of its plates has too few doses.

    Parameters
    ----------
    doses
        From `read_doses`.
    shape
        How curves are fitted.
    """
    of_plate = doses.plates
    n_doses = of_plate[of_plate["dose_um"] > 0].groupby([*CURVE, "replicate", "plate"])["dose_um"].nunique()
    enough = (n_doses >= FEWEST_DOSES).groupby(level=list(range(len(CURVE)))).all()
    whole = pd.MultiIndex.from_frame(of_plate[CURVE])
    divided = enough.reindex(whole, fill_value=False).to_numpy(bool)
    means = pd.concat([of_plate[divided], doses.means[~enough.reindex(
        pd.MultiIndex.from_frame(doses.means[CURVE]), fill_value=False).to_numpy(bool)].assign(plate="")])  # fmt: skip
    both = means["replicate"].astype(str) + "\x1f" + means["plate"].astype(str)
    fitted = fit_conditions(means.assign(replicate=both).reset_index(drop=True), shape)
    names = fitted.members["replicate"].str.split("\x1f", expand=True)
    group = fitted.members["group"].to_numpy()
    return Units(fitted, group, names[0].to_numpy(), names[1].to_numpy(), _residual_variance(fitted, shape))


def _residual_variance(fitted: Fitted, shape: Shape) -> np.ndarray:
    """Mean square of the residuals of each curve, half its own and half that of all curves of its condition."""
    group = fitted.members["group"].to_numpy()
    n = group.size
    rss, points = np.zeros(n), np.zeros(n)
    used = np.isfinite(fitted.response) & np.isfinite(fitted.log_dose) & np.isfinite(fitted.replicate_of)
    at = fitted.replicate_of[used].astype(int)
    x, y = fitted.log_dose[used], fitted.response[used]
    expected = hc.curve_at(fitted.own[at], x[:, None])[:, 0]
    np.add.at(rss, at, np.where(np.isfinite(expected), (y - expected) ** 2, 0.0))
    np.add.at(points, at, np.isfinite(expected))
    df = np.maximum(points - 3 - (shape.top is None), 0)
    of_group = [np.bincount(group, v, len(fitted.groups)) for v in (rss, df)]
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = (of_group[0] / of_group[1])[group]
        own = np.where(df > 0, rss / df, pooled)
    return 0.5 * own + 0.5 * pooled


def quantities(level: float) -> dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]]:
    """What a curve gives, as functions of parameters (curves, 4) and the tested range of log10 dose.

    Parameters
    ----------
    level
        The response that defines the IC50.
    """
    return {
        "log10 IC50": lambda p, first, last: hc.crossing(p, level),
        "slope": lambda p, first, last: p[:, hc.HILL],
        "lower plateau": lambda p, first, last: p[:, hc.LOWER],
        "aac": lambda p, first, last: 1 - hc.mean_response(p, first, last) / 100,
        "emax": lambda p, first, last: hc.curve_at(p, last),
    }


def estimates(units: Units, name: str, level: float) -> tuple[np.ndarray, np.ndarray]:
    """A quantity of every curve and the square of its error from the curve's residuals (delta method).

    Parameters
    ----------
    units
        From `fit_units`.
    name
        Of `quantities`.
    level
        The response that defines the IC50.

    Returns
    -------
    Both NaN for an IC50 outside the tested doses, and for a curve without parameters.
    """
    of, fitted = quantities(level)[name], units.fitted
    p, first, last = fitted.own, fitted.first[units.group], fitted.last[units.group]
    value = of(p, first, last)
    if name == "log10 IC50":
        value = np.where((value >= first - 1e-9) & (value <= last + 1e-9), value, np.nan)
    gradient = np.empty_like(p)
    for k in range(4):
        step = np.zeros(4)
        step[k] = _STEP
        with np.errstate(invalid="ignore", divide="ignore"):
            gradient[:, k] = (of(p + step, first, last) - of(p - step, first, last)) / (2 * _STEP)
    variance = np.full(len(p), np.nan)
    for i in np.flatnonzero(np.isfinite(value)):
        variance[i] = _variance(fitted, int(i), int(units.group[i]), gradient[i], float(units.variance[i]))
    return value, variance


def _variance(fitted: Fitted, i: int, group: int, gradient: np.ndarray, residual: float) -> float:
    """Square of the error of a quantity of one curve; parameters at a bound have none."""
    p = fitted.own[i]
    own = (fitted.replicate_of[group] == i) & np.isfinite(fitted.log_dose[group]) & np.isfinite(fitted.response[group])
    low, high = fitted.low[group], fitted.high[group]
    free = np.flatnonzero((p > low + 1e-9) & (p < high - 1e-9) & np.isfinite(gradient))
    if not free.size:
        return 0.0
    a = hc.information(fitted.log_dose[group][own], fitted.response[group][own], p, expected=True)[np.ix_(free, free)]
    scale = np.sqrt(np.maximum(np.diag(a), 1e-300))
    a = a / np.outer(scale, scale)
    eigen, vectors = np.linalg.eigh(a)
    if eigen[0] < 1e-10 * eigen[-1]:
        return np.nan
    return float(((vectors.T @ (gradient[free] / scale)) ** 2 / eigen).sum() * residual)


class Leveled(NamedTuple):
    """A quantity of one condition by random effects, the names of its replicates, and the variance from wells."""

    mean: Combined
    names: np.ndarray
    wells: float


def level_conditions(units: Units, name: str, level: float) -> dict[int, Leveled]:
    """Random effects of a quantity over the curves of each condition, by its row; those without a value are left out.

    Parameters
    ----------
    units
        From `fit_units`.
    name
        Of `quantities`.
    level
        The response that defines the IC50.
    """
    value, variance = estimates(units, name, level)
    out = {}
    for g in range(len(units.fitted.groups)):
        rows = np.flatnonzero((units.group == g) & np.isfinite(value))
        if not rows.size:
            continue
        own = variance[rows]
        known = own[np.isfinite(own)]
        # A curve whose error cannot be told is the least certain one.
        own = np.where(np.isfinite(own), own, known.max() if known.size else 0.0)
        names, codes = np.unique(units.replicate[rows], return_inverse=True)
        out[g] = Leveled(combine(value[rows], own, codes), names, float(known.mean()) if known.size else np.nan)
    return out


def paired_difference(test: Leveled, reference: Leveled) -> tuple[float, float, float, float]:
    """Difference over the replicates that both conditions have, by their names: effect, interval and p-value.

    Parameters
    ----------
    test, reference
        From `level_conditions`.
    """
    names = [n for n in test.names if n in set(reference.names)]
    a, b = ([list(side.names).index(n) for n in names] for side in (test, reference))
    if len(names) < 2:
        return np.nan, np.nan, np.nan, np.nan
    found = combine(test.mean.estimate[a] - reference.mean.estimate[b],
                    test.mean.variance[a] + reference.mean.variance[b], np.arange(len(names)))  # fmt: skip
    low, high = t_interval(found, level=0.95)
    p = float(2 * stats.t.sf(abs(found.mean) / found.error, found.df)) if found.error > 0 else np.nan
    return found.mean, low, high, p


def _of_curves(units: Units, level: float) -> list[dict[str, object]]:
    found = {name: level_conditions(units, name, level) for name in quantities(level)}
    crossed = estimates(units, "log10 IC50", level)[0]
    rows = []
    for g, place in enumerate(units.fitted.groups.to_dict("records")):
        members = np.flatnonzero(units.group == g)
        n = {"n_replicates": np.unique(units.replicate[members]).size, "n_plates": members.size}
        outside = int((~np.isfinite(crossed[members])).sum())
        for name, of in found.items():
            row = place | {"quantity": name} | n
            if g not in of and not (name == "log10 IC50" and np.isfinite(units.fitted.own[members, 0]).any()):
                rows.append(row | {"reason": f"a curve needs {FEWEST_DOSES} doses above zero"})
            elif name == "log10 IC50" and outside:
                rows.append(row | {"reason": f"{outside} of {counted(members.size, 'curve')} do not reach the IC50"})
            else:
                rows.append(row | _numbers(of[g]))
    return rows


def _numbers(found: Leveled) -> dict[str, object]:
    low, high = t_interval(found.mean, level=0.95)
    reason = "" if found.mean.df >= 1 else "one replicate: no interval and no SD between replicates"
    if found.mean.error == 0:
        low, high, reason = np.nan, np.nan, "the same in every replicate, at a bound of the curve: no interval"
    return {
        "value": found.mean.mean, "ci_low": low, "ci_high": high, "sd_replicates": np.sqrt(found.mean.between),
        "sd_plates": np.sqrt(found.mean.plates), "sd_wells": np.sqrt(found.wells),
        "reason": reason,
    }  # fmt: skip


def _of_controls(doses: Doses) -> list[dict[str, object]]:
    """How the signal of wells without drug differs between replicates, plates and wells, in percent of its mean."""
    zero = doses.wells[doses.wells["dose_um"] == 0]
    rows = []
    for key, own in zero.groupby(CURVE, sort=False):
        signal = 100 * own["signal"] / own["signal"].mean()
        of = signal.groupby([own["replicate"].astype(str), own["plate"].astype(str)])
        n, mean = of.size().to_numpy(), of.mean()
        df = float((n - 1).sum())
        if len(mean) < 2 or df < 1:
            continue
        within = float((of.var(ddof=1).fillna(0).to_numpy() * (n - 1)).sum() / df)
        codes = pd.factorize(mean.index.get_level_values(0))[0]
        found = combine(mean.to_numpy(float), within / n, codes)
        rows.append(dict(zip(CURVE, key, strict=True)) | {
            "quantity": CONTROL, "value": own["signal"].mean(), "sd_replicates": np.sqrt(found.between),
            "sd_plates": np.sqrt(found.plates), "sd_wells": np.sqrt(within), "n_replicates": int(codes.max()) + 1,
            "n_plates": len(mean), "reason": "the SD are in percent of the mean",
        })  # fmt: skip
    return rows
