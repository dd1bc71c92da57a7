"""The kinetics file: time courses of release, or rates at concentrations of substrate, inhibitor and enzyme."""

import numpy as np
import pandas as pd

from scresist.checks import MissingColumnError, counted
from scresist.validation.assay_table import Rows, dose_scale, expected_column, number_column, read_assay, refuse_repeats

TIMES = ("s", "min", "h", "d")
CONCENTRATIONS = ("substrate_um", "inhibitor_um", "enzyme_um")
WHERE = "kinetics.csv"


def read_kinetics(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str], dict[tuple[str, ...], int]]:
    """Check a table of kinetics and average technical repeats within biological replicates.

    Parameters
    ----------
    table
        As for `kinetics`.

    Returns
    -------
    One row per experiment, condition, replicate and point, with all columns (NaN where they do not apply); notes; by
    experiment and condition the direction that the file predicts.

    Raises
    ------
    MissingColumnError
        If there is neither a time course nor a rate.
    """
    points, rows = read_assay(
        table,
        WHERE,
        names=["condition", "replicate"],
        numbers=[],
        filled={"experiment": "", "time_unit": "h", "rate_unit": "", "concentration_unit": "uM"},
    )
    course, rates = {"time", "released"} <= set(points), "rate" in points
    if not course and not rates:
        raise MissingColumnError(
            f"{WHERE} needs the columns time and released (release of payload), or rate with "
            f"substrate_um, inhibitor_um or enzyme_um; it has: {', '.join(points.columns)}"
        )
    for name in ("time", "released", "rate", *CONCENTRATIONS):
        points[name] = number_column(points[name], name, rows, may_miss=True) if name in points else np.nan
    scale = dose_scale(points, rows, "concentration_unit")
    for name in CONCENTRATIONS:
        rows.refuse(points[name] < 0, f"{name} is negative; concentrations are zero or more", list(points[name]))
        points[name] = points[name] * scale
    rows.refuse(
        points["enzyme_um"] == 0,
        "enzyme_um is zero; leave it empty where the enzyme's concentration is unknown",
        list(points["enzyme_um"]),
    )
    rows.refuse(points["time"] < 0, "time is negative; time 0 is the start of the reaction", list(points["time"]))
    rows.refuse(
        ~points["time_unit"].isin(TIMES),
        f"unknown unit of time; one of {', '.join(TIMES)} is needed",
        list(points["time_unit"]),
    )
    _released(points, rows)
    missing = _incomplete(points, rows)
    for experiment, block in points.groupby("experiment", sort=False):
        for name in ("time_unit", "rate_unit"):
            other = (points["experiment"] == experiment) & (points[name] != block[name].iloc[0])
            rows.refuse(other, f"an experiment has two values of {name}; give it in one unit", list(points[name]))
    keys = ["experiment", "condition", "replicate", "time", *CONCENTRATIONS]
    points["measured"] = points["released"].fillna(points["rate"])
    refuse_repeats(points, keys, "measured", rows)
    predicted = expected_column(points, ["experiment", "condition"], rows)
    rows.stop()
    notes = [f"{counted(int(missing.sum()), 'row')} without a measurement left out"] if missing.any() else []
    kept = points[~missing]
    of = {"released": "mean", "rate": "mean", "time_unit": "first", "rate_unit": "first"}
    out = kept.groupby(keys, sort=False, dropna=False).agg(of).reset_index()
    return out, notes, predicted


def _released(points: pd.DataFrame, rows: Rows) -> None:
    """Percent of the payload: not a fraction, not far over 100, not far below 0."""
    released = points["released"].to_numpy(float)
    rows.refuse(released > 150, "more than 150 percent was released; give percent of the payload", list(released))
    rows.refuse(released < -20, "less than -20 percent was released; subtract the blank", list(released))
    if np.isfinite(released).any() and 0 < np.nanmax(released) <= 1.5 and np.isfinite(released).sum() > 3:
        fraction = np.nanmax(released) > 0.05
        at = np.zeros(len(points), bool)
        at[int(np.nanargmax(released))] = fraction
        rows.refuse(
            at,
            "released looks like a fraction: none of the table is above 1.5; give percent of the payload",
            list(released),
        )


def _incomplete(points: pd.DataFrame, rows: Rows) -> pd.Series:
    """Rows without a measurement; a measurement without its time or concentration is noted as an error."""
    of_time, of_rate = points["released"].notna(), points["rate"].notna()
    rows.refuse(of_time & of_rate, "a row has both released and rate; keep one")
    rows.refuse(of_time & points["time"].isna(), "released has no time; give the time in the column time")
    none = points[list(CONCENTRATIONS)].isna().all(axis=1)
    rows.refuse(of_rate & none, "a rate has no concentration; give substrate_um or inhibitor_um")
    kinds = points.assign(course=of_time.where(of_time | of_rate)).groupby("experiment")["course"].transform("nunique")
    rows.refuse(
        (kinds > 1) & of_rate,
        "an experiment has both time courses and rates; give them two names",
        list(points["experiment"]),
    )
    return ~(of_time | of_rate)
