"""The qPCR and blot files: one log2 level of each gene or protein per replicate, relative to its controls."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from scresist.checks import InputError, counted, suggestion
from scresist.validation.assay_table import Rows, expected_column, number_column, read_assay, refuse_repeats
from scresist.validation.two_conditions import difference

UNDETERMINED = ("undetermined", "undet", "undet.", "n/a", "na", "nd", "no ct", "")
LARGEST_CT = 50.0
SPREAD_CT = 0.5  # SD of technical wells above which they are pointed out
KEYS = ["experiment", "line"]
LEVELS = [*KEYS, "target", "condition", "replicate", "level"]
PREDICTED = [*KEYS, "target", "condition"]


class Levels(NamedTuple):
    """Log2 level of every target, condition and replicate (higher for more), notes, and directions of the file."""

    table: pd.DataFrame
    notes: list[str]
    predicted: dict[tuple[str, ...], int]


def _controls_there(found: Iterable[str], controls: list[str], what: str, where: str) -> None:
    known = list(dict.fromkeys(found))
    if not controls:
        raise InputError(f"{where}: no {what} is given; values cannot be normalised")
    for name in controls:
        if name not in known:
            raise InputError(f"{where} has no {what} {name!r}; {suggestion(name, known)}")


def qpcr_levels(table: pd.DataFrame, controls: list[str]) -> Levels:
    """Minus delta Ct of every gene and replicate: its Ct relative to the mean of the reference genes.

    Parameters
    ----------
    table
        As for `qpcr`.
    controls
        The reference genes.
    """
    given = table
    if isinstance(table, pd.DataFrame) and "ct" in table:
        unseen = table["ct"].astype(str).str.strip().str.lower().isin(UNDETERMINED)
        given = table.assign(ct=table["ct"].astype(object).where(~unseen, np.nan))
    wells, rows = read_assay(
        given,
        "qpcr.csv",
        names=["line", "condition", "replicate", "gene"],
        numbers=["ct"],
        filled={"experiment": ""},
        may_miss=["ct"],
    )
    _controls_there(wells["gene"], controls, "reference gene", "qpcr.csv")
    rows.refuse(
        (wells["ct"] <= 0) | (wells["ct"] > LARGEST_CT),
        f"a Ct is not between 0 and {LARGEST_CT:g} cycles",
        list(wells["ct"]),
    )
    factor = np.full(len(wells), 2.0)
    if "efficiency" in wells:
        efficiency = number_column(wells["efficiency"], "efficiency", rows, may_miss=True)
        rows.refuse(
            (efficiency < 1.5) | (efficiency > 2.2),
            "an efficiency must be the factor per cycle, 1.5 to 2.2 (100 percent is 2)",
            list(efficiency),
        )
        factor = efficiency.fillna(2.0).to_numpy(float)
    keys = [*KEYS, "condition", "replicate", "gene"]
    refuse_repeats(wells, keys, "ct", rows)
    predicted = expected_column(wells.rename(columns={"gene": "target"}), PREDICTED, rows)
    rows.stop()
    # Pfaffl's form: log2 of the quantity is minus Ct times log2 of the factor, per gene.
    wells["level"] = -wells["ct"].to_numpy(float) * np.log2(np.maximum(factor, 1.0))
    by = wells.groupby(keys, sort=False)
    out = by["level"].mean().reset_index()
    spread = by["ct"].std(ddof=1)
    notes = []
    wide = int((spread > SPREAD_CT).sum())
    if wide:
        notes.append(f"technical wells differ by more than {SPREAD_CT} cycles (SD) in {wide} of {len(spread)} means")
    missing = int(wells["ct"].isna().sum())
    if missing:
        notes.append(f"{counted(missing, 'well')} without a Ct left out (not replaced by a number)")
    is_control = out["gene"].isin(controls)
    place = [*KEYS, "condition", "replicate"]
    base = out[is_control].groupby(place)["level"].agg(lambda v: v.mean() if v.notna().all() else np.nan).rename("base")
    count = out[is_control & out["level"].notna()].groupby(place)["gene"].nunique().rename("n_controls")
    out = out.join(base, on=place).join(count, on=place)
    lacks = (out["n_controls"].fillna(0) < len(controls)) & ~is_control
    if lacks.any():
        notes.append(f"{counted(int(lacks.sum()), 'value')} without all reference genes left out")
    out["level"] = (out["level"] - out["base"]).where(~lacks | is_control)
    notes += _moving_controls(out, controls)
    found = out.rename(columns={"gene": "target"})[LEVELS]
    return Levels(found[~found["target"].isin(controls)], notes, predicted)


def _moving_controls(values: pd.DataFrame, controls: list[str]) -> list[str]:
    """Reference genes that differ between conditions relative to the others."""
    notes = []
    if len(controls) < 2:
        return ["one reference gene: whether it is stable between the conditions cannot be checked"]
    for gene in controls:
        part = values[values["gene"] == gene]
        groups = [g["level"].to_numpy(float) for _, g in part.groupby("condition", sort=False)]
        for other in groups[1:]:
            found = difference(other, groups[0])
            if found.p_value < 0.05 and abs(found.effect) > 0.5:
                notes.append(
                    f"reference gene {gene} differs between conditions by {abs(found.effect):.1f} cycles relative "
                    "to the mean of all; check whether it is stable"
                )
    return notes


def blot_levels(table: pd.DataFrame, controls: list[str]) -> Levels:
    """Log2 of each protein over the loading controls of its lane, the mean over the membranes of a replicate.

    Parameters
    ----------
    table
        As for `blot`.
    controls
        The loading controls.
    """
    bands, rows = read_assay(
        table,
        "blot.csv",
        names=["line", "condition", "replicate", "protein"],
        numbers=["signal"],
        filled={"experiment": "", "membrane": "", "lane": ""},
        may_miss=["signal"],
    )
    _controls_there(bands["protein"], controls, "loading control", "blot.csv")
    if "background" in bands:
        bands["background"] = number_column(bands["background"], "background", rows, may_miss=True)
        bands["signal"] = bands["signal"] - bands["background"].fillna(0)
    elif len(bands):
        rows.refuse(bands["signal"] < 0, "a signal is negative", list(bands["signal"]))
    lane = [*KEYS, "condition", "replicate", "membrane", "lane"]
    refuse_repeats(bands, [*lane, "protein"], "signal", rows)
    _lanes_have_controls(bands, lane, controls, rows)
    predicted = expected_column(bands.rename(columns={"protein": "target"}), PREDICTED, rows)
    rows.stop()
    notes = []
    unseen = int((~(bands["signal"] > 0)).sum())
    if unseen:
        notes.append(f"{counted(unseen, 'band')} without a signal above the background left out")
    level = np.log2(bands["signal"].where(bands["signal"] > 0))
    bands = bands.assign(level=level).groupby([*lane, "protein"], sort=False)["level"].mean().reset_index()
    base = bands[bands["protein"].isin(controls)].groupby(lane)["level"].agg(_all_mean).rename("base")
    bands = bands.join(base, on=lane)
    bands["level"] = bands["level"] - bands["base"]
    # Lanes of one membrane and membranes of one replicate are technical; the place of a pair is replicate and membrane.
    out = bands.rename(columns={"protein": "target"})
    keys = [*KEYS, "target", "condition", "replicate"]
    of_membrane = out.groupby([*keys, "membrane"], sort=False)["level"].mean().reset_index()
    shared = of_membrane.groupby([*KEYS, "target", "replicate", "membrane"])["condition"].transform("nunique")
    alone = of_membrane.groupby([*KEYS, "target", "replicate"])["membrane"].transform("nunique") > 1
    apart = alone & (shared < 2)
    if apart.any():
        notes.append(f"{counted(int(apart.sum()), 'value')} of membranes with one condition left out: no common scale")
    found = of_membrane[~apart].groupby(keys, sort=False)["level"].mean().reset_index()[LEVELS]
    return Levels(found[~found["target"].isin(controls)], notes, predicted)


def _all_mean(values: pd.Series) -> float:
    return float(values.mean()) if values.notna().all() else float("nan")


def _lanes_have_controls(bands: pd.DataFrame, lane: list[str], controls: list[str], rows: Rows) -> None:
    """Note bands whose lane has no loading control."""
    there = bands["protein"].isin(controls).groupby([bands[k] for k in lane]).transform("any")
    rows.refuse(~there, f"the lane of this band has no loading control ({', '.join(controls)})", list(bands["protein"]))
