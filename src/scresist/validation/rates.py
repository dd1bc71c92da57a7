"""Linker cleavage and payload release: rate constants, Vmax, Km, Ki and IC50, intervals and choice of the model."""

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import counted, require_choice
from scresist.kernels import kinetics as kernel
from scresist.results import Result, number
from scresist.validation.rate_fits import (
    OF_POINTS,
    OF_REPLICATES,
    Fits,
    arguments,
    fit_models,
    fit_replicates,
    measured,
)
from scresist.validation.rate_ratios import rate_ratios
from scresist.validation.rates_input import read_kinetics
from scresist.validation.two_conditions import (
    FEW,
    PAIRINGS,
    mean_interval,
    q_values,
    reference_of,
    sign_of,
)

COLUMNS = (
    "experiment",
    "condition",
    "reference",
    "model",
    "parameter",
    "value",
    "ci_low",
    "ci_high",
    "unit",
    "p_value",
    "q_value",
    "chosen",
    "aicc",
    "weight",
    "n_replicates",
    "n_reference",
    "n_points",
    "interval_of",
    "expected",
    "met",
    "weak",
    "reason",
)

POINTS = ("experiment", "condition", "replicate", "time", "released", "substrate_um", "inhibitor_um", "enzyme_um",
          "rate", "time_unit", "rate_unit")  # fmt: skip


def kinetics(
    table: pd.DataFrame,
    *,
    models: Iterable[str] | None = None,
    interval: str = "replicates",
    reference: str | None = None,
    pairing: str = "unpaired",
    expected: str | None = None,
) -> Result:
    """Rate constants of every experiment and condition, the model chosen by AICc, and ratios between conditions.

    Which models are compared follows from what was varied: time courses (first order with a free plateau, to 100
    percent, constant rate), substrate (Michaelis-Menten), substrate and inhibitor (competitive, uncompetitive,
    noncompetitive, mixed), inhibitor alone (hyperbolic, sigmoid; Morrison's tight binding where the enzyme's
    concentration is given).

    Parameters
    ----------
    table
        experiment, condition, replicate and either `time`, `released` (percent of the payload; `time_unit` s, min, h or
        d, else h), or `rate` with any of `substrate_um`, `inhibitor_um`, `enzyme_um` (`concentration_unit` M to pM,
        else uM; `rate_unit` is passed on). One row per measurement.
    models
        Only these of `scresist.kernels.kinetics.MODELS`.
    interval
        `replicates`: geometric mean and t interval over biological replicates where there are at least two, else the
        profile of the fit; `profile`: the fit of all points and its profile.
    reference
        The condition that others are compared with; None takes one that is named as a control, else the first.
    pairing
        `unpaired`, or `paired`: replicates of one name were done together in both conditions.
    expected
        `higher` or `lower`: the direction that was predicted of the model's constant (k or rate of a release, Vmax
        without an inhibitor, Ki or IC50 with one); None uses the column `expected` of the table, where there is one.

    Returns
    -------
    Result with one row per parameter of every model; `chosen` marks the model of least AICc, and only its rows
    have intervals. Rows with a `reference` are ratios of the condition to it (Welch's t of the logarithms over
    biological replicates, under the model of least AICc in both). A half-life or IC50 beyond what was measured is NaN
    with its bound in `ci_low`.

    Raises
    ------
    InputError
        If the table has a fault; the message has the row of the file. If a model is unknown.

    References
    ----------
    Copeland (2005) Evaluation of Enzyme Inhibitors in Drug Discovery; Morrison (1969) Biochim Biophys Acta 185:269;
    Hurvich & Tsai (1989) Biometrika 76:297.
    """
    require_choice(interval, ("replicates", "profile"), "interval")
    require_choice(pairing, PAIRINGS, "pairing")
    wanted = set(kernel.MODELS) if models is None else set(models)
    for name in wanted:
        require_choice(name, kernel.MODELS, "a model")
    way = sign_of(expected)
    points, notes, predicted = read_kinetics(table)
    rows: list[dict[str, object]] = []
    for experiment, block in points.groupby("experiment", sort=False):
        fits: dict[str, Fits] = {}
        for condition, data in block.groupby("condition", sort=False):
            found = fit_models(data, wanted)
            fits[str(condition)] = found
            place = {"experiment": experiment, "condition": condition, "reference": ""}
            rows += [place | row for row in _rows(found, data, of_replicates=interval == "replicates")]
        if len(fits) > 1:
            first, words = reference_of(list(fits), reference if reference in fits else None, "condition")
            if reference is not None and reference not in fits:
                words = f"experiment {experiment!r} has no condition {reference!r}: compared with {first!r}"
            notes += [words] if words else []
            for name in fits:
                if name != first:
                    sign = way or predicted.get((str(experiment), str(name)), 0)
                    compared = rate_ratios(block, fits, name, first, sign, paired=pairing == "paired")
                    rows += [{"experiment": experiment, "condition": name, "reference": first, **r} for r in compared]
    out = pd.DataFrame(rows)
    out = out.reindex(columns=list(COLUMNS))
    out["q_value"] = q_values(out["p_value"].to_numpy(float))
    for name in ("interval_of", "weak", "reason", "unit", "expected", "met"):
        out[name] = out[name].fillna("")
    settings = {"interval": interval, "pairing": pairing, "models": sorted(wanted) if models is not None else "all"}
    return Result(out, "least squares, model of least AICc", MappingProxyType(settings), tuple(dict.fromkeys(notes)))


def _unit(parameter: str, data: pd.DataFrame) -> str:
    time = str(data["time_unit"].iloc[0])
    rate = str(data["rate_unit"].iloc[0])
    return {
        "k": f"1/{time}",
        "plateau": "percent",
        "rate": f"percent/{time}",
        "half-life": time,
        "vmax": rate,
        "v0": rate,
        "alpha": "",
        "hill": "",
    }.get(parameter, "uM")


def _rows(found: Fits, data: pd.DataFrame, *, of_replicates: bool) -> list[dict[str, object]]:
    """Rows of one condition: every parameter of every model."""
    n = data["replicate"].nunique()
    few = "" if n >= FEW else f"{counted(n, 'biological replicate')}; {FEW} are needed"
    common = {"n_replicates": n, "n_points": len(data), "weak": few}
    if found.lacks:
        return [{**common, "model": "", "parameter": "", "value": np.nan, "chosen": False, "reason": found.lacks}]
    best, weights = found.chosen, found.weights
    out: list[dict[str, object]] = []
    for name, fit in found.models.items():
        scored = {**common, "model": name, "aicc": found.aicc[name], "weight": weights[name], "chosen": name == best}
        own = fit_replicates(data, name) if n > 1 and of_replicates and name == best else None
        for j, parameter in enumerate(kernel.MODELS[name].parameters):
            row: dict[str, object] = {
                **scored,
                "parameter": parameter,
                "value": fit.parameters[j],
                "unit": _unit(parameter, data),
                "reason": "",
            }
            if name == best:
                row |= _interval(name, fit, j, data, own)
            out.append(row)
        if name == best:
            out += _derived(out, data)
    return [_bounded(row, data) for row in out]


def _interval(
    model: str, fit: kernel.KineticFit, j: int, data: pd.DataFrame, own: np.ndarray | None
) -> dict[str, object]:
    if own is not None:
        mean, low, high = mean_interval(own[:, j])
        return {"value": np.exp(mean), "ci_low": np.exp(low), "ci_high": np.exp(high), "interval_of": OF_REPLICATES}
    low, high = kernel.profile_interval(model, fit, j, measured(data), *arguments(data, model))
    open_end = "the data do not bound it on one side" if low == 0 or high == np.inf else ""
    return {"ci_low": low, "ci_high": high, "interval_of": OF_POINTS, "reason": open_end}


def _derived(rows: list[dict[str, object]], data: pd.DataFrame) -> list[dict[str, object]]:
    """The half-life of a first-order release, and the IC50 of tight binding."""
    out = []
    for row in [r for r in rows if r["chosen"]]:
        low, high, value = (number(row.get(c, np.nan)) for c in ("ci_low", "ci_high", "value"))
        if row["parameter"] == "k":
            with np.errstate(divide="ignore"):
                ends = np.log(2) / np.array([value, high, low])
            out.append(
                row
                | {
                    "parameter": "half-life",
                    "unit": _unit("half-life", data),
                    "value": ends[0],
                    "ci_low": ends[1],
                    "ci_high": ends[2],
                }
            )
        if row["parameter"] == "ki_app" and row["model"] == "morrison":
            half = float(data["enzyme_um"].mean()) / 2
            out.append(row | {"parameter": "ic50", "value": value + half, "ci_low": low + half, "ci_high": high + half})
    return out


def _bounded(row: dict[str, object], data: pd.DataFrame) -> dict[str, object]:
    """An IC50 or half-life beyond what was measured: NaN with the bound."""
    of = {"ic50": "inhibitor_um", "half-life": "time"}.get(str(row["parameter"]))
    if of is None:
        return row
    largest = float(data[of].max())
    if not number(row["value"]) > largest:
        return row
    what = "concentration of the inhibitor" if of == "inhibitor_um" else "time"
    return row | {
        "value": np.nan,
        "ci_low": largest,
        "ci_high": np.nan,
        "reason": f"{row['parameter']} not reached: it is above the highest {what} ({largest:g})",
    }


def kinetics_points(table: pd.DataFrame) -> Result:
    """The mean of the technical repeats of every biological replicate and point, as models are fitted to.

    Parameters
    ----------
    table
        As for `kinetics`.
    """
    points, notes, _ = read_kinetics(table)
    return Result(points[list(POINTS)], "means of technical repeats", MappingProxyType({}), tuple(notes))
