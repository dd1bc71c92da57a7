"""The dose-response file: wells in percent of control, doses in micromolar, one mean per replicate and dose."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from scresist.checks import InputError, counted, require_choice
from scresist.validation.assay_table import Rows, dose_scale, expected_column, number_column, read_assay, refuse_repeats

CURVE = ["experiment", "line", "condition", "compound"]
UNITS = ("percent", "fraction", "raw")
WHERE = "dose_response.csv"
LARGEST_PERCENT = 1000.0  # percent of control above which a response is a raw signal
LARGEST_FRACTION = 3.0  # largest response of a whole table below which percents look like fractions


class Doses(NamedTuple):
    """Means per biological replicate and dose in percent of control, the same per plate, wells, and notes.

    Wells have `response` in percent of control and `signal`, the number of the file. `expected` has the direction that
    was predicted of the IC50 of a curve (+1, -1), where the file has one.
    """

    means: pd.DataFrame
    plates: pd.DataFrame
    wells: pd.DataFrame
    notes: tuple[str, ...]
    expected: dict[tuple[str, ...], int]


def read_doses(table: pd.DataFrame, *, unit: str = "percent") -> Doses:
    """Check a dose-response table and average technical wells within plates, plates within biological replicates.

    Parameters
    ----------
    table
        experiment, line, condition, compound, dose_um, replicate, plate, response; experiment and plate may be absent.
        A dose of 0 is a control. Optional: dose_unit (M, mM, uM, nM, pM; else uM), response_unit, well,
        divisions (doublings of the control during the assay) or time_zero (count at the start, percent of the control),
        expected (higher or lower IC50 than the reference's).
    unit
        Of the response, where the table has no column `response_unit`: `percent` or `fraction` of control, or `raw`,
        a signal that is divided by the mean of the dose-0 wells of its plate.
    """
    require_choice(unit, UNITS, "the unit of the response")
    wells, rows = read_assay(
        table,
        WHERE,
        names=["line", "condition", "compound", "replicate"],
        numbers=["dose_um", "response"],
        filled={"experiment": "", "plate": ""},
        may_miss=["response"],
    )
    wells["dose_um"] = wells["dose_um"] * dose_scale(wells, rows)
    rows.refuse(
        wells["dose_um"] < 0,
        "a dose is negative; doses are concentrations (not their logarithm), 0 is a control",
        list(wells["dose_um"]),
    )
    growth = [c for c in ("divisions", "time_zero") if c in wells]
    for name in growth:
        wells[name] = number_column(wells[name], name, rows, may_miss=True)
        rows.refuse(wells[name] <= 0, f"{name} must be above zero", list(wells[name]))
    if "time_zero" in growth:
        rows.refuse(
            wells["time_zero"] >= 100,
            "time_zero must be below 100 percent of the control at the end: the control did not grow",
            list(wells["time_zero"]),
        )
    refuse_repeats(wells, [*CURVE, "replicate", "plate", "dose_um"], "response", rows)
    expected = expected_column(wells, CURVE, rows)
    wells, notes = _in_percent(wells, unit, rows)
    rows.stop()
    missing = int(wells["response"].isna().sum())
    if missing:
        notes.append(f"{counted(missing, 'well')} without a response left out")
    wells = wells[wells["response"].notna()]
    if not (wells["dose_um"] > 0).any():
        raise InputError(f"{WHERE}: no well has a dose above 0; give the doses, and 0 for the control")
    plates = _of_plates(wells, growth)
    return Doses(_means(plates, growth), plates, wells, tuple(notes), expected)


def _in_percent(wells: pd.DataFrame, unit: str, rows: Rows) -> tuple[pd.DataFrame, list[str]]:
    """Responses in percent of control."""
    units = wells["response_unit"].astype(str).str.strip().str.lower() if "response_unit" in wells else None
    if units is None:
        units = pd.Series(unit, index=wells.index)
    else:
        units = units.replace({"%": "percent", "percent of control": "percent", "signal": "raw", "counts": "raw"})
    rows.refuse(
        ~units.isin(UNITS), "unknown unit of the response; one of percent, fraction, raw is needed", list(units)
    )
    y = wells["response"].to_numpy(float)
    percent = (units == "percent").to_numpy()
    if (
        percent.any()
        and np.nanmax(np.abs(y[percent]), initial=0.0) <= LARGEST_FRACTION
        and np.isfinite(y[percent]).any()
    ):
        first = percent & np.isfinite(y)
        rows.refuse(
            first & (np.cumsum(first) == 1),
            "responses look like fractions: none of the table is above "
            f"{LARGEST_FRACTION:g}; give percent of control, or response_unit 'fraction'",
            list(y),
        )
    rows.refuse(
        percent & (y > LARGEST_PERCENT),
        f"a response is above {LARGEST_PERCENT:g} percent of control; is it a raw "
        "signal? then give response_unit 'raw' and dose-0 wells on each plate",
        list(y),
    )
    notes: list[str] = []
    raw = (units == "raw").to_numpy()
    plate = ["experiment", "plate"] if (wells["plate"] != "").any() else [*CURVE, "replicate"]
    if raw.any():
        zero = wells["response"].where((wells["dose_um"] == 0) & raw)
        # A plate may have two lines: a control is the untreated well of the same line and condition on the plate.
        control = zero.groupby([wells[c] for c in dict.fromkeys([*plate, "line", "condition", "replicate"])]).transform(
            "mean"
        )
        lacks = raw & control.isna().to_numpy()
        rows.refuse(
            lacks,
            "a raw signal has no control: no dose-0 well of this line, condition and replicate on its plate; "
            "add them or give percent of control",
            list(wells["plate"]),
        )
        rows.refuse(
            raw & (control <= 0).to_numpy(),
            "the mean of the dose-0 wells of a plate is not above zero",
            list(wells["plate"]),
        )
        y = np.where(raw, 100 * y / control.to_numpy(float), y)
        notes.append("raw signals were divided by the mean of the dose-0 wells of their plate")
    y = np.where((units == "fraction").to_numpy(), 100 * y, y)
    wells = wells.assign(response=y, signal=wells["response"])
    control = wells.loc[(wells["dose_um"] == 0) & ~raw].groupby(plate)["response"].mean()
    off = control[(control < 80) | (control > 125)]
    if len(off):
        name = " ".join(map(str, off.index[0] if isinstance(off.index[0], tuple) else (off.index[0],))).strip()
        notes.append(
            f"the dose-0 wells of {counted(len(off), 'plate')} are not near 100 percent (first: {name}, "
            f"{off.iloc[0]:.0f} percent); were the responses divided by another control?"
        )
    return wells, notes


def _of_plates(wells: pd.DataFrame, growth: list[str]) -> pd.DataFrame:
    """Means of the technical wells of each plate and dose, in the order of the file's curves and replicates."""
    keys = [*CURVE, "replicate", "plate", "dose_um"]
    of = wells.groupby(keys, sort=False, observed=True)
    return _ordered(of[["response", *growth]].mean().assign(n_wells=of.size()).reset_index())


def _means(plates: pd.DataFrame, growth: list[str]) -> pd.DataFrame:
    """Means of the plates of each biological replicate and dose."""
    of = plates.groupby([*CURVE, "replicate", "dose_um"], sort=False, observed=True)
    return _ordered(of[["response", *growth]].mean().assign(n_wells=of["n_wells"].sum()).reset_index())


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    keys = [k for k in [*CURVE, "replicate", "plate"] if k in table]
    order = [table["dose_um"].to_numpy(float), *(pd.factorize(table[k])[0] for k in reversed(keys))]
    return table.iloc[np.lexsort(order)].reset_index(drop=True)
