"""What a cell is: the phenotype of the file, calls of markers, or gates on intensities with their uncertainty."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scresist.checks import InputError, suggestion
from scresist.kernels.gates import control_gate, find_gate
from scresist.results import Result
from scresist.validation.cell_tables import CellTable

MIN_SEPARATION = 2.0  # Ashman's D: nearer populations cannot be told apart
BOOTSTRAPS, SAMPLE = 50, 5_000
BINS = 60
RARE = 0.005  # of the cells: combinations of markers that are rarer are "other"
CONTROL_ABOVE = 0.02  # of the cells that cannot have a marker, above its gate
MAX_FALSE = 0.5  # of the cells above such a gate: with more, the marker has no positive cells to tell
MIN_CONTROL = 200  # cells: a quantile of 2 % of fewer has no upper end
GATES = ("marker", "gate", "gate_low", "gate_high", "positive_share", "separation", "n_cells", "gate_control",
         "false_share", "reason")  # fmt: skip


def gate_markers(
    found: CellTable,
    *,
    given: Mapping[str, float] | None = None,
    controls: Mapping[str, str] | None = None,
    definitions: Mapping[str, str] | None = None,
    rng: np.random.Generator,
) -> tuple[Result, pd.DataFrame]:
    """A threshold for every marker with intensities, and the calls that follow.

    Intensities are compared on the scale log(1 + x / median), on which stained and unstained cells are each about
    normal. A marker whose cells are one population has no gate, and no cell is called positive or negative, unless
    `controls` names cells that cannot have it: then 2 % of those are above its gate.

    Parameters
    ----------
    found
        From `read_cells`.
    given
        Thresholds that were chosen by hand, on the scale of the intensities.
    controls
        For markers of rare cells: a marker, or a phenotype of the file, whose cells never have it: `{"CD8": "CK"}`.
    definitions
        As in `phenotype_cells`: only their markers are gated. Without them, and with a column of phenotypes in the
        file, only markers with a given threshold are.
    rng
        Of the resamples.

    Returns
    -------
    Result with one row per marker, and calls, cells x markers (1, 0, NaN).

    Raises
    ------
    InputError
        If a threshold or control is given for a marker that the cells do not have, a control has no positive cells, or
        intensities are negative, with the row.
    """
    given, controls = dict(given or {}), dict(controls or {})
    _check_controls(found, given, controls)
    for marker in given:
        if marker not in found.intensities:
            raise InputError(f"a gate is given for {marker!r}, which has no intensities; "
                             f"{suggestion(marker, found.intensities)}")  # fmt: skip
    rows, calls = [], pd.DataFrame(index=found.cells.index)
    for marker in found.calls:
        calls[marker] = _as_calls(found.cells[marker])
    needed = _needed(found, given, controls, definitions)
    for marker in sorted(needed, key=lambda m: m in controls):  # controls are gated before the markers that use them
        values = found.cells[marker].to_numpy(float)
        if np.nanmin(values) < 0:
            at = int(np.flatnonzero(values < 0)[0])
            raise InputError(f"mif_cells row {at + 2}: intensity of {marker} is negative ({values[at]:g}); give "
                             "intensities before a background is subtracted below 0")  # fmt: skip
        record: dict[str, object] = {"marker": marker, "n_cells": int(np.isfinite(values).sum()), "reason": ""}
        if marker in given:
            gate = float(given[marker])
            record |= {"gate": gate, "positive_share": float(np.nanmean(values > gate)), "reason": "given"}
        elif marker in controls:
            record |= _by_control(values, _control_cells(found, calls, marker, controls[marker]), controls[marker])
            gate = float(str(record["gate"]))
        else:
            middle = float(np.nanmedian(values[values > 0])) if (values > 0).any() else 1.0
            own = find_gate(np.log1p(values / middle), least_separation=MIN_SEPARATION, bootstraps=BOOTSTRAPS,
                            sample=SAMPLE, rng=rng)  # fmt: skip
            gate, low, high = (middle * float(np.expm1(g)) for g in (own.gate, own.low, own.high))
            record |= {"gate": gate, "gate_low": low, "gate_high": high, "positive_share": own.share,
                       "separation": own.separation}  # fmt: skip
            if not np.isfinite(gate):
                record["reason"] = ("its cells are one population; give a gate (mif_gates), cells that cannot have it "
                                    "(mif_controls), or calls")  # fmt: skip
        calls[marker] = np.where(np.isfinite(values), values > gate, np.nan) if np.isfinite(gate) else np.nan
        rows.append(record)
    rows.sort(key=lambda r: needed.index(str(r["marker"])))
    table = pd.DataFrame(rows, columns=list(GATES))
    notes = tuple(f"{r['marker']}: {r['reason']}" for r in rows if r["reason"] not in ("", "given"))
    return Result(table, "gates by mixtures of two normal populations", {"least_separation": MIN_SEPARATION},
                  notes), calls  # fmt: skip


def intensity_histogram(found: CellTable, markers: Sequence[str]) -> pd.DataFrame:
    """Number of cells by intensity of each marker, in bins of equal width on the scale that gates are found on.

    Parameters
    ----------
    found
        From `read_cells`.
    markers
        Those that were gated.
    """
    parts = []
    for marker in markers:
        values = found.cells[marker].dropna().to_numpy(float)
        middle = float(np.median(values[values > 0])) if (values > 0).any() else 1.0
        counts, edges = np.histogram(np.log1p(values / middle), bins=BINS)
        limits = middle * np.expm1(edges)
        parts.append(pd.DataFrame({"marker": marker, "left": limits[:-1], "right": limits[1:], "n_cells": counts}))
    columns = ["marker", "left", "right", "n_cells"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _needed(
    found: CellTable, given: Mapping[str, float], controls: Mapping[str, str], definitions: Mapping[str, str] | None
) -> list[str]:
    chosen = {*given, *controls, *controls.values()}
    if definitions:
        words = {w[:-1].casefold() for text in definitions.values() for w in text.split()}
        return [m for m in found.intensities if m in chosen or {m.casefold(), marker_name(m).casefold()} & words]
    if (found.cells["phenotype"] != "").any():
        return [m for m in found.intensities if m in chosen]
    return list(found.intensities)


def _check_controls(found: CellTable, given: Mapping[str, float], controls: Mapping[str, str]) -> None:
    known = [*found.intensities, *found.calls, *(p for p in found.cells["phenotype"].unique() if p)]
    for marker, control in controls.items():
        if marker not in found.intensities:
            raise InputError(f"mif_controls: {marker!r} has no intensities; {suggestion(marker, found.intensities)}")
        if marker in given:
            raise InputError(f"mif_controls and mif_gates both have {marker}; keep one of them")
        if control not in known:
            raise InputError(f"mif_controls: {control!r}, the control of {marker}, is no marker and no phenotype; "
                             f"{suggestion(control, known)}")  # fmt: skip
        if control in controls:
            raise InputError(f"mif_controls: {control}, the control of {marker}, has a control itself; a control must "
                             "have calls, two populations, or a gate")  # fmt: skip


def _control_cells(found: CellTable, calls: pd.DataFrame, marker: str, control: str) -> np.ndarray:
    if control in calls.columns and calls[control].notna().any():
        positive: np.ndarray = calls[control].to_numpy(float) == 1
    elif (found.cells["phenotype"] == control).any():
        positive = (found.cells["phenotype"] == control).to_numpy()
    else:
        raise InputError(f"mif_controls: {control}, the control of {marker}, has no gate (its cells are one "
                         "population); give one in mif_gates, or calls")  # fmt: skip
    if positive.sum() < MIN_CONTROL:
        raise InputError(f"mif_controls: {int(positive.sum())} cells are {control}, the control of {marker}; at least "
                         f"{MIN_CONTROL} are needed")  # fmt: skip
    return positive


def _by_control(values: np.ndarray, control: np.ndarray, name: str) -> dict[str, object]:
    own = control_gate(values, control, above=CONTROL_ABOVE)
    none = float("nan")
    if not own.false_share <= MAX_FALSE:
        return {"gate": none, "gate_control": name, "false_share": own.false_share, "reason":
                f"the intensity that {CONTROL_ABOVE:.0%} of {name} cells exceed is exceeded by {own.share:.1%} of the "
                "others, too few more to tell positive cells; give a gate (mif_gates), or calls"}  # fmt: skip
    return {"gate": own.gate, "gate_low": own.low, "gate_high": own.high, "gate_control": name,
            "positive_share": float(np.nanmean(values > own.gate)), "false_share": own.false_share}  # fmt: skip


def _as_calls(values: pd.Series) -> np.ndarray:
    if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
        return values.to_numpy(float)
    words = values.astype(str).str.strip().str.lower()
    positive = words.str.endswith("+") | words.isin(["true", "positive"])
    return np.where(values.isna(), np.nan, positive.astype(float))


def phenotype_cells(
    found: CellTable, calls: pd.DataFrame, *, definitions: Mapping[str, str] | None = None
) -> tuple[pd.Series, tuple[str, ...]]:
    """The phenotype of every cell, and notes.

    Parameters
    ----------
    found
        From `read_cells`.
    calls
        From `gate_markers`.
    definitions
        Name of each phenotype and the markers that it has and has not: `{"CD8 T": "CD8+ CK-"}`. The first that fits
        names the cell; cells that none fits are "other". Without definitions the file's own column of phenotypes is
        used; without one, the positive markers of the cell.

    Raises
    ------
    InputError
        If a definition names a marker that is not there, or that has no gate, or there is nothing to name cells by.
    """
    cells = found.cells
    if definitions:
        return _defined(calls, definitions, (*found.calls, *found.intensities)), ()
    given = cells["phenotype"]
    if (given != "").any():
        return given.where(given != "", "unnamed"), ()
    known = [m for m in calls.columns if calls[m].notna().any()]
    if not known:
        raise InputError("cells have no phenotype, no call and no marker with two populations; add a column phenotype, "
                         "or give gates")  # fmt: skip
    stems = [marker_name(m) for m in known]
    positive = calls[known].to_numpy(float) == 1
    names = pd.Series([" ".join(f"{s}+" for s, p in zip(stems, row, strict=True) if p) or "negative"
                       for row in positive], index=cells.index)  # fmt: skip
    share = names.value_counts(normalize=True)
    rare = set(share.index[share < RARE]) - {"negative"}
    note = f"phenotypes are the positive markers of a cell; {len(rare)} combinations below {RARE:.1%} are 'other'"
    return names.where(~names.isin(rare), "other"), (note,)


def marker_name(column: str) -> str:
    """The marker of a column: `phenotype_cd8` is CD8.

    Parameters
    ----------
    column
        Of intensities or calls.
    """
    bare = re.sub(r"^phenotype[_ ]", "", column, flags=re.IGNORECASE)
    return column if bare == column else bare.upper()


def _defined(calls: pd.DataFrame, definitions: Mapping[str, str], markers: Sequence[str]) -> pd.Series:
    by_name = {marker_name(m).casefold(): m for m in calls.columns} | {m.casefold(): m for m in calls.columns}
    names = pd.Series("other", index=calls.index)
    left = np.ones(len(calls), dtype=bool)
    for phenotype, text in definitions.items():
        fits = left.copy()
        for word in text.split():
            sign, marker = word[-1], word[:-1].casefold()
            if sign not in "+-" or not marker:
                raise InputError(f"phenotype {phenotype!r}: {word!r} must be a marker and + or -, such as CD8+")
            if marker not in by_name:
                raise InputError(f"phenotype {phenotype!r}: there is no marker {word[:-1]!r}; "
                                 f"{suggestion(word[:-1], [marker_name(m) for m in markers])}")  # fmt: skip
            values = calls[by_name[marker]].to_numpy(float)
            if not np.isfinite(values).any():
                raise InputError(f"phenotype {phenotype!r}: {word[:-1]} has no gate (its cells are one population); "
                                 "give a gate, or calls")  # fmt: skip
            fits &= values == (1.0 if sign == "+" else 0.0)
        names[fits] = phenotype
        left &= ~fits
    return names
