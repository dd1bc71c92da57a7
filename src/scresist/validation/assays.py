"""Growth, colonies, apoptosis, internalisation: two conditions compared with biological replicates as the unit."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import counted, require_choice
from scresist.results import Result
from scresist.validation.assay_table import Rows, expected_column, number_column, read_assay, refuse_repeats
from scresist.validation.two_conditions import (
    PAIRINGS,
    bootstrap_difference,
    difference,
    met,
    q_values,
    reference_of,
    sign_of,
    word_of,
)

KINDS = ("growth", "colony", "apoptosis", "internalisation", "other")
SCALES = ("auto", "ratio", "difference")
WHERE = "readouts.csv"
KEYS = ["experiment", "line", "kind", "readout"]
COLUMNS = (
    *KEYS,
    "test",
    "reference",
    "effect",
    "ci_low",
    "ci_high",
    "p_value",
    "q_value",
    "scale",
    "unit",
    "mean_test",
    "mean_reference",
    "n_test",
    "n_reference",
    "boot_low",
    "boot_high",
    "pairing",
    "expected",
    "met",
    "weak",
    "reason",
)
Expected = Mapping[str, str] | str | None


def readouts(
    table: pd.DataFrame,
    *,
    reference: str | None = None,
    pairing: str = "unpaired",
    scale: str = "auto",
    expected: Expected = None,
    rng: np.random.Generator | int = 1,
) -> Result:
    """Difference of each read-out between conditions, with interval and test over biological replicates.

    Technical wells are averaged first. A time course of growth becomes doublings per unit of time (slope of log2),
    another time course its mean over time, colonies the percent of the plated cells where `plated` is given. Ratios are
    compared on the log scale. The test is Welch's t, or the t of the differences where replicates are paired.

    Parameters
    ----------
    table
        line, condition, replicate, readout, value, one row per well. Optional: experiment, kind (growth, colony,
        apoptosis, internalisation, other), time, time_unit, plated, unit (`percent`, or any word), well.
    reference
        The condition that others are compared with; None takes one that is named as a control, else the first.
    pairing
        `unpaired`, or `paired`: replicates of one name were done together in both conditions.
    scale
        `ratio` (log scale), `difference`, or `auto`: difference for percent, growth rates and values with zeros, else
        ratio.
    expected
        `higher` or `lower`, for all read-outs or by their name: the direction that was predicted; None uses the column
        `expected` of the table, where there is one.
    rng
        Of the bootstrap over replicates (`boot_low`, `boot_high`), which is too narrow for few replicates.

    Returns
    -------
    Result with one row per read-out and comparison. `effect` is the ratio or the difference that `scale` names;
    `met` is yes, no (the opposite direction) or open where a direction was predicted. `q_value` is over the rows.

    Raises
    ------
    InputError
        If the table has a fault; the message has the row of the file.

    References
    ----------
    Welch (1947) Biometrika 34:28; Lazic (2010) BMC Neurosci 11:5 (replicates).
    """
    require_choice(pairing, PAIRINGS, "pairing")
    require_choice(scale, SCALES, "scale")
    generator = np.random.default_rng(rng)
    values, notes, predicted = _read(table)
    names = list(dict.fromkeys(values["condition"]))
    first, words = reference_of(names, reference, "condition")
    notes += [words] if words else []
    rows = []
    for key, block in values.groupby(KEYS, sort=False):
        of = {name: part.set_index("replicate")["value"] for name, part in block.groupby("condition", sort=False)}
        if first not in of:
            notes.append(f"{key[3]!r} of line {key[1]!r} has no condition {first!r}: not compared")
            continue
        way = sign_of(expected.get(str(key[3])) if isinstance(expected, Mapping) else expected)
        chosen = _scale(block, scale)
        for name, part in of.items():
            if name != first:
                sign = way or predicted.get((*map(str, key), str(name)), 0)
                found = _compared(part, of[first], chosen, sign, paired=pairing == "paired", rng=generator)
                rows.append(
                    {
                        **dict(zip(KEYS, key, strict=True)),
                        "test": name,
                        "reference": first,
                        "scale": chosen,
                        "unit": "" if chosen == "ratio" else block["unit"].iloc[0],
                        "pairing": pairing,
                        **found,
                    }
                )
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["q_value"] = q_values(out["p_value"].to_numpy(float))
    if out.empty:
        notes.append("no read-out has two conditions: there is no comparison")
    settings = {"pairing": pairing, "scale": scale, "reference": first}
    return Result(out, "t over biological replicates", MappingProxyType(settings), tuple(dict.fromkeys(notes)))


def _compared(
    test: pd.Series, ref: pd.Series, scale: str, way: int, *, paired: bool, rng: np.random.Generator
) -> dict[str, object]:
    sides = [test, ref]
    if paired:
        both = [r for r in test.index if r in ref.index]
        sides = [s.loc[both] for s in sides]
    arrays = [s.to_numpy(float) for s in sides]
    mean = [float(np.nanmean(a)) if np.isfinite(a).any() else np.nan for a in arrays]
    reason = ""
    if scale == "ratio":
        zero = [int((a <= 0).sum()) for a in arrays]
        reason = f"{counted(sum(zero), 'value')} of zero left out of the ratio" if sum(zero) else ""
        with np.errstate(divide="ignore", invalid="ignore"):
            arrays = [np.where(a > 0, np.log(np.where(a > 0, a, 1.0)), np.nan) for a in arrays]
    found = difference(arrays[0], arrays[1], paired=paired)
    low, high = bootstrap_difference(arrays[0], arrays[1], paired=paired, rng=rng)
    numbers = np.array([found.effect, found.ci_low, found.ci_high, low, high])
    if scale == "ratio":
        numbers = np.exp(numbers)
    return {
        **dict(zip(("effect", "ci_low", "ci_high", "boot_low", "boot_high"), numbers, strict=True)),
        "p_value": found.p_value,
        "mean_test": mean[0],
        "mean_reference": mean[1],
        "n_test": found.n_test,
        "n_reference": found.n_reference,
        "expected": word_of(way),
        "met": met(found.effect, found.p_value, way),
        "weak": found.weak,
        "reason": "; ".join(r for r in (reason, found.reason) if r),
    }


def _scale(block: pd.DataFrame, scale: str) -> str:
    """Ratio or difference."""
    if scale != "auto":
        return scale
    of_difference = block["unit"].iloc[0] in ("percent", "percentage points") or str(block["unit"].iloc[0]).startswith(
        "doublings"
    )
    return "difference" if of_difference or (block["value"] <= 0).any() else "ratio"


def readout_points(table: pd.DataFrame) -> Result:
    """The value of every biological replicate, as conditions are compared.

    Parameters
    ----------
    table
        As for `readouts`.
    """
    values, notes, _ = _read(table)
    columns = [*KEYS, "condition", "replicate", "value", "unit"]
    return Result(values[columns], "means of technical wells", MappingProxyType({}), tuple(notes))


def _read(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str], dict[tuple[str, ...], int]]:
    """One value per read-out, condition and biological replicate; notes; directions that the file predicts."""
    wells, rows = read_assay(
        table,
        WHERE,
        names=["line", "condition", "replicate", "readout"],
        numbers=["value"],
        may_miss=["value"],
        filled={"experiment": "", "kind": "other", "unit": "", "time_unit": "h"},
    )
    wells["kind"] = wells["kind"].str.lower().replace({"internalization": "internalisation", "colonies": "colony"})
    rows.refuse(
        ~wells["kind"].isin(KINDS),
        f"unknown kind of read-out; one of {', '.join(KINDS)} is needed",
        list(wells["kind"]),
    )
    rows.refuse(
        wells["value"] < 0,
        "a value is negative; subtract backgrounds so that none is below zero, or leave it out",
        list(wells["value"]),
    )
    wells["unit"] = wells["unit"].replace({"%": "percent"})
    percent = wells["unit"] == "percent"
    rows.refuse(
        percent & (wells["value"] > 100) & (wells["kind"] == "apoptosis"),
        "a percentage of cells is above 100",
        list(wells["value"]),
    )
    for key, block in wells[percent].groupby(KEYS, sort=False):
        if block["value"].notna().sum() > 2 and 0 < block["value"].max() <= 1:
            at = np.zeros(len(wells), bool)
            at[block.index[0]] = True
            rows.refuse(
                at,
                f"{key[3]!r} is in percent, and none of its values is above 1: these look like fractions",
                list(wells["value"]),
            )
    for name in ("time", "plated"):
        wells[name] = number_column(wells[name], name, rows, may_miss=name == "plated") if name in wells else np.nan
    rows.refuse(wells["time"] < 0, "time is negative", list(wells["time"]))
    _plated(wells, rows)
    predicted = expected_column(wells, [*KEYS, "condition"], rows)
    refuse_repeats(wells, [*KEYS, "condition", "replicate", "time"], "value", rows)
    rows.stop()
    notes = []
    missing = int(wells["value"].isna().sum())
    if missing:
        notes.append(f"{counted(missing, 'well')} without a value left out")
    wells = wells[wells["value"].notna()]
    keys = [*KEYS, "condition", "replicate"]
    means = (
        wells.groupby([*keys, "time"], sort=False, dropna=False)
        .agg(value=("value", "mean"), unit=("unit", "first"), time_unit=("time_unit", "first"))
        .reset_index()
    )
    if means["time"].isna().all():
        return means, notes, predicted
    courses = [_course(dict(zip(keys, key, strict=True)), part, notes) for key, part in means.groupby(keys, sort=False)]
    return pd.DataFrame(courses), notes, predicted


def _plated(wells: pd.DataFrame, rows: Rows) -> None:
    """Colonies in percent of the plated cells."""
    rows.refuse(wells["plated"] <= 0, "plated must be above zero", list(wells["plated"]))
    given = wells["plated"] > 0
    rows.refuse(given & (wells["value"] > wells["plated"]), "more colonies than plated cells", list(wells["value"]))
    wells["value"] = np.where(given, 100 * wells["value"] / wells["plated"].where(given, 1.0), wells["value"])
    wells["unit"] = wells["unit"].where(~given, "percent of plated cells")


def _course(key: dict[str, object], part: pd.DataFrame, notes: list[str]) -> dict[str, object]:
    """One number of a time course: doublings per time of growth, else the mean over time."""
    part = part.sort_values("time")
    time, value = part["time"].to_numpy(float), part["value"].to_numpy(float)
    if key["kind"] == "growth":
        positive = value > 0
        key |= {"unit": f"doublings per {part['time_unit'].iloc[0]}", "value": np.nan}
        if np.unique(time[positive]).size >= 2:
            key["value"] = float(np.polyfit(time[positive], np.log2(value[positive]), 1)[0])
        else:
            notes.append(
                f"replicate {key['replicate']} of {key['condition']}: fewer than 2 times above zero, no growth rate"
            )
        return key
    whole = np.ptp(time)
    area = float(((value[1:] + value[:-1]) / 2 * np.diff(time)).sum() / whole) if whole > 0 else float(value.mean())
    return key | {"unit": part["unit"].iloc[0], "value": area}
