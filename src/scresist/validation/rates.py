"""Linker cleavage and payload release: rate constants, Vmax, Km, Ki and IC50, intervals and choice of the model."""

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import counted, require_choice
from scresist.kernels import kinetics as kernel
from scresist.results import Result
from scresist.validation.rates_input import read_kinetics
from scresist.validation.two_conditions import FEW, PAIRINGS, difference, mean_interval, q_values, reference_of

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
    "weak",
    "reason",
)
ARGUMENTS = {
    "michaelis-menten": ("substrate_um",),
    "competitive": ("substrate_um", "inhibitor_um"),
    "uncompetitive": ("substrate_um", "inhibitor_um"),
    "noncompetitive": ("substrate_um", "inhibitor_um"),
    "mixed": ("substrate_um", "inhibitor_um"),
    "morrison": ("inhibitor_um", "enzyme_um"),
    "morrison, enzyme estimated": ("inhibitor_um",),
    "hyperbolic": ("inhibitor_um",),
    "sigmoid": ("inhibitor_um",),
    "first order": ("time",),
    "first order to 100 %": ("time",),
    "constant rate": ("time",),
}
KINDS = {
    "release": ("first order", "first order to 100 %", "constant rate"),
    "substrate": ("michaelis-menten",),
    "inhibition": ("competitive", "uncompetitive", "noncompetitive", "mixed"),
    "tight": ("morrison", "morrison, enzyme estimated", "hyperbolic", "sigmoid"),
    "inhibitor": ("hyperbolic", "sigmoid"),
}
OF_REPLICATES, OF_POINTS = "biological replicates", "profile over points"


def kinetics(
    table: pd.DataFrame,
    *,
    models: Iterable[str] | None = None,
    interval: str = "replicates",
    reference: str | None = None,
    pairing: str = "unpaired",
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
    points, notes = read_kinetics(table)
    rows: list[dict[str, object]] = []
    for experiment, block in points.groupby("experiment", sort=False):
        fits: dict[str, dict[str, object]] = {}
        for condition, data in block.groupby("condition", sort=False):
            found = _fits(data, wanted)
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
                    compared = _ratios(block, fits, name, first, paired=pairing == "paired")
                    rows += [{"experiment": experiment, "condition": name, "reference": first, **r} for r in compared]
    out = pd.DataFrame(rows)
    out = out.reindex(columns=list(COLUMNS))
    out["q_value"] = q_values(out["p_value"].to_numpy(float))
    for name in ("interval_of", "weak", "reason", "unit"):
        out[name] = out[name].fillna("")
    settings = {"interval": interval, "pairing": pairing, "models": sorted(wanted) if models is not None else "all"}
    return Result(out, "least squares, model of least AICc", MappingProxyType(settings), tuple(dict.fromkeys(notes)))


def _kind(data: pd.DataFrame) -> str:
    """What was varied, which decides the models."""
    if data["time"].notna().any():
        return "release"
    levels = {c: data[c].dropna().nunique() for c in ("substrate_um", "inhibitor_um")}
    if levels["inhibitor_um"] > 1:
        if levels["substrate_um"] > 1:
            return "inhibition"
        return "tight" if data["enzyme_um"].notna().all() else "inhibitor"
    return "substrate"


def _y(data: pd.DataFrame) -> np.ndarray:
    return data["released" if data["time"].notna().any() else "rate"].to_numpy(float)


def _columns(data: pd.DataFrame, model: str) -> list[np.ndarray]:
    return [data[c].to_numpy(float) for c in ARGUMENTS[model]]


def _fits(data: pd.DataFrame, wanted: set[str]) -> dict[str, object]:
    """The fit and AICc of every model of one condition; a reason where there is none."""
    kind, y = _kind(data), _y(data)
    names = [m for m in KINDS[kind] if m in wanted]
    lacks = _too_little(data, kind)
    out: dict[str, object] = {"kind": kind, "names": names, "lacks": lacks, "fits": {}, "aicc": {}}
    if lacks:
        return out
    for name in names:
        if y.size > len(kernel.MODELS[name].parameters):
            fit = kernel.fit_model(name, y, *_columns(data, name))
            out["fits"][name] = fit  # type: ignore[index]
            out["aicc"][name] = kernel.aicc(fit.rss, fit.n, fit.parameters.size)  # type: ignore[index]
    if not out["fits"]:
        out["lacks"] = f"{counted(y.size, 'point')}; more are needed than a model has parameters"
    return out


def _too_little(data: pd.DataFrame, kind: str) -> str:
    if kind == "release":
        after = data.loc[data["time"] > 0, "time"].nunique()
        if after < 2:
            return f"{counted(after, 'time')} after 0; a rate constant needs 2"
        if data["released"].max() < 1:
            return "less than 1 percent was released at any time: there is no rate constant"
        return ""
    levels = data["substrate_um"].dropna().nunique()
    if kind == "substrate" and levels < 3:
        return f"{counted(levels, 'concentration')} of substrate; Km needs 3, or an inhibitor that is varied"
    if kind in ("tight", "inhibitor") and data["inhibitor_um"].nunique() < 3:
        return f"{counted(data['inhibitor_um'].nunique(), 'concentration')} of inhibitor; an IC50 needs 3"
    if not (data["rate"] > 0).any():
        return "no rate is above zero"
    return ""


def _chosen(found: dict[str, object]) -> str:
    scores: dict[str, float] = found["aicc"]  # type: ignore[assignment]
    return min(scores, key=lambda m: scores[m])


def _weights(found: dict[str, object]) -> dict[str, float]:
    scores: dict[str, float] = found["aicc"]  # type: ignore[assignment]
    values = np.array(list(scores.values()))
    if not np.isfinite(values).any():
        return dict.fromkeys(scores, float("nan"))
    relative = np.exp(-0.5 * (values - values.min()))
    return dict(zip(scores, relative / relative.sum(), strict=True))


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


def _rows(found: dict[str, object], data: pd.DataFrame, *, of_replicates: bool) -> list[dict[str, object]]:
    """Rows of one condition: every parameter of every model."""
    n = data["replicate"].nunique()
    few = "" if n >= FEW else f"{counted(n, 'biological replicate')}; {FEW} are needed"
    common = {"n_replicates": n, "n_points": len(data), "weak": few}
    if found["lacks"]:
        return [{**common, "model": "", "parameter": "", "value": np.nan, "chosen": False, "reason": found["lacks"]}]
    best, weights, out = _chosen(found), _weights(found), []
    scores: dict[str, float] = found["aicc"]  # type: ignore[assignment]
    for name, fit in found["fits"].items():  # type: ignore[attr-defined]
        scored = {**common, "model": name, "aicc": scores[name], "weight": weights[name], "chosen": name == best}
        own = _own(data, name) if n > 1 and of_replicates and name == best else None
        for j, parameter in enumerate(kernel.MODELS[name].parameters):
            row = {
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


def _own(data: pd.DataFrame, model: str) -> np.ndarray | None:
    """Logarithms of the parameters of every biological replicate; None where one has too few points of its own."""
    n = len(kernel.MODELS[model].parameters)
    out = []
    for _, part in data.groupby("replicate", sort=False):
        y = _y(part)
        if y.size <= n or not (y > 0).any():
            return None
        out.append(np.log(kernel.fit_model(model, y, *_columns(part, model)).parameters))
    return np.stack(out)


def _interval(model, fit, j, data, own) -> dict[str, object]:  # type: ignore[no-untyped-def]
    if own is not None:
        mean, low, high = mean_interval(own[:, j])
        return {"value": np.exp(mean), "ci_low": np.exp(low), "ci_high": np.exp(high), "interval_of": OF_REPLICATES}
    low, high = kernel.profile_interval(model, fit, j, _y(data), *_columns(data, model))
    open_end = "the data do not bound it on one side" if low == 0 or high == np.inf else ""
    return {"ci_low": low, "ci_high": high, "interval_of": OF_POINTS, "reason": open_end}


def _derived(rows: list[dict[str, object]], data: pd.DataFrame) -> list[dict[str, object]]:
    """The half-life of a first-order release, and the IC50 of tight binding."""
    out = []
    for row in [r for r in rows if r["chosen"]]:
        low, high, value = (float(row.get(c, np.nan)) for c in ("ci_low", "ci_high", "value"))  # type: ignore[arg-type]
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
    if not float(row["value"]) > largest:  # type: ignore[arg-type]
        return row
    what = "concentration of the inhibitor" if of == "inhibitor_um" else "time"
    return row | {
        "value": np.nan,
        "ci_low": largest,
        "ci_high": np.nan,
        "reason": f"{row['parameter']} not reached: it is above the highest {what} ({largest:g})",
    }


def _ratios(block: pd.DataFrame, fits, test: str, ref: str, *, paired: bool) -> list[dict[str, object]]:  # type: ignore[no-untyped-def]
    """Ratios of the parameters of two conditions under the model of least AICc in both."""
    sides = [block[block["condition"] == name] for name in (test, ref)]
    n_test, n_ref = (s["replicate"].nunique() for s in sides)
    base: dict[str, object] = {
        "n_replicates": n_test,
        "n_reference": n_ref,
        "n_points": sum(map(len, sides)),
        "chosen": True,
    }
    lacking = [name for name in (test, ref) if fits[name]["lacks"]]
    common = [m for m in fits[test]["fits"] if m in fits[ref]["fits"]]
    if lacking or not common:
        why = f"no fit of {', '.join(lacking)}" if lacking else "the conditions have no model in common"
        return [{**base, "model": "", "parameter": "", "value": np.nan, "chosen": False, "reason": why}]
    model = min(common, key=lambda m: fits[test]["aicc"][m] + fits[ref]["aicc"][m])
    own = [_own(s, model) for s in sides]
    names = [list(dict.fromkeys(s["replicate"])) for s in sides]
    out = []
    for j, parameter in enumerate(kernel.MODELS[model].parameters):
        row = {**base, "model": model, "parameter": f"{parameter} ratio", "unit": "", "interval_of": OF_REPLICATES}
        pooled = fits[test]["fits"][model].parameters[j] / fits[ref]["fits"][model].parameters[j]
        if own[0] is None or own[1] is None:
            out.append(
                row
                | {
                    "value": pooled,
                    "interval_of": "",
                    "weak": "replicates cannot be fitted one by one",
                    "reason": "a biological replicate has too few points for a fit of its own",
                }
            )
            continue
        a, b = own[0][:, j], own[1][:, j]
        if paired:
            both = [n for n in names[0] if n in names[1]]
            a, b = (v[[names[k].index(n) for n in both]] for k, v in enumerate((a, b)))
        found = difference(a, b, paired=paired)
        value = np.exp(found.effect) if np.isfinite(found.effect) else pooled
        out.append(
            row
            | {
                "value": value,
                "ci_low": np.exp(found.ci_low),
                "ci_high": np.exp(found.ci_high),
                "p_value": found.p_value,
                "weak": found.weak,
                "reason": found.reason,
            }
        )
    return out
