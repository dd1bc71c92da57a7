"""Composition: which cell types make up more, or less, of a biopsy; patients as the unit."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, counted, require_choice, require_positive
from scresist.contrasts.arms import contrast_table, q_values, refusals, spread_note, unshared
from scresist.contrasts.engine import (
    METHODS,
    Tested,
    describe,
    evaluate_contrast,
    limit_degrees,
    null_p_values,
)
from scresist.contrasts.genes import summed_units
from scresist.contrasts.influence import leave_one_patient_out
from scresist.contrasts.units import Units, check_design, feature_table
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.cell_numbers import LogNumbers, log_odds, log_ratios, mean_shares
from scresist.kernels.redrawn_cells import degrees_of_tail, redrawn_odds, redrawn_rates
from scresist.results import Result
from scresist.study.design import Contrast, Design

MINIMUM_EXPECTED = 5  # cells of a type, in each arm
_DRAWS = 1000  # of the null, by type
_TAIL = 0.03  # share of the draws by whose p-values the tail of the t distribution is chosen


class _Numbers(NamedTuple):
    """What is tested: values and their precision (units, types), and what the reference is.

    `found` is the model behind the values of the types that are tested, None where they are no model's.
    """

    values: np.ndarray
    weights: np.ndarray | None
    reference: str
    left_out: tuple[str, ...] = ()
    found: LogNumbers | None = None


def composition(
    cells: Any,
    design: Design,
    *,
    transform: str = "ratio",
    min_cells: int = 50,
    method: str = "auto",
    n_permutations: int = 10_000,
    alpha: float = ALPHA,
    rng: int | np.random.Generator = 1,
) -> Result:
    """How the number of cells of each type, relative to the median type, differs between arms; patients as the unit.

    Where one type grows, the shares of all others shrink though their numbers do not change. The effect is therefore
    the log of the number of cells relative to the median of the types; the log odds of the share is beside it, and a
    claim needs both. The numbers are modelled as counts: a biopsy with few cells weighs as much as its counting noise
    leaves of the variance between patients, and a type that a biopsy lacks is a count of zero there, not a missing
    value.

    Parameters
    ----------
    cells
        Number of cells: samples x cell types, a tidy table (sample, cell_type, cells), or a Pseudobulk.
    design
        Arms, contrasts, sheet of samples.
    transform
        What the effect is about: ratio (log number relative to the median type) | logit (log odds of the share) | clr
        (log share against the mean log share of all types) | arcsine (of the square root of the share). The last two
        are of shares as they are: biopsies of unequal depth are not allowed for.
    min_cells
        Samples with fewer cells in all are left out and named.
    method, n_permutations
        As in `contrast_arms`.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    rng
        Seed or generator.

    Returns
    -------
    Result whose table has one row per cell type and contrast: the columns of `contrast_arms` (`cell_type` names the
    feature; `effect` is a difference of logs, or of angles), `reference` (what the number is relative to),
    `effect_low_reference` and `effect_high_reference` (the effect were the reference the cell type at the first or
    third quartile of effects, not the median), `share_effect` and `share_p_value` (log odds of the share),
    `share_test`, `share_reference` (mean share of the patients of each arm), `fold_change` (exp of the effect; NaN
    under arcsine). A type is tested where both arms are expected to have at least 5 cells of it, at the mean
    share of all patients of the contrast, each weighted by its precision. Where nobody is in both arms, each type's
    degrees of freedom are at most those at which the t distribution has the tails of the same test on 1,000 draws of
    counts without a difference (their dispersion as likely as the data make it): few cells give heavier tails.

    Raises
    ------
    InputError
        For negative numbers of cells, or cell types named by several columns.
    RefusedError
        With fewer than two cell types.

    References
    ----------
    Phipson et al. (2022) Bioinformatics 38:4720 (moderated tests of shares); Aitchison (1982) J R Stat Soc B 44:139
    (log-ratios); Anders & Huber (2010) Genome Biol 11:R106 (median reference); Rubin (1984) Ann Stat 12:1151
    (predictive p-values).
    """
    require_choice(transform, ("ratio", "logit", "clr", "arcsine"), "transform")
    require_choice(method, METHODS, "method")
    require_positive(min_cells, "min_cells", allow_zero=True)
    require_positive(n_permutations, "n_permutations")
    wide, small = _numbers_of_cells(cells, min_cells)
    check_design(design, wide.index)
    seed = int(np.random.default_rng(rng).integers(2**63))
    how = {"method": method, "n_permutations": int(n_permutations), "alpha": alpha, "seed": seed}
    tables, notes = [], []
    for contrast in design.contrasts:
        table, reasons = _one_contrast(wide, design, contrast, transform, how)
        tables.append(table)
        notes += reasons
    result = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    shares = _mean_shares(wide.div(wide.sum(axis=1), axis=0), design)
    for side in ("test", "reference"):
        arm = {c.name: getattr(c, side) for c in design.contrasts}
        keys = list(zip(result["contrast"].map(arm), result["cell_type"], strict=True))
        result[f"share_{side}"] = shares.reindex(pd.MultiIndex.from_tuples(keys)).to_numpy() if keys else np.nan
    result["fold_change"] = np.nan if transform == "arcsine" else np.exp(result["effect"])
    if len(small):
        left_out = counted(len(small), "sample")
        notes.append(f"{left_out} left out, fewer than {min_cells} cells: {', '.join(map(str, small))}")
    settings = {
        "method": method, "n_permutations": int(n_permutations), "alpha": alpha, "transform": transform,
        "min_cells": min_cells, "covariates": list(design.covariates),
    }  # fmt: skip
    words = describe("moderated" if method == "auto" else method)
    name = f"{words}, patients as the unit, on {_WORDS[transform]}"
    return Result(result, name, MappingProxyType(settings), tuple(notes))


_WORDS = {
    "ratio": "numbers relative to the median type", "logit": "log odds of shares", "clr": "clr shares",
    "arcsine": "arcsine shares",
}  # fmt: skip


def _numbers_of_cells(cells: Any, min_cells: int) -> tuple[pd.DataFrame, pd.Index]:
    """Samples x cell types, and the samples that have too few cells."""
    table = cells.cells if hasattr(cells, "cells") and hasattr(cells, "groups") else cells
    wide = feature_table(
        table.rename(columns={"cells": "value"}) if isinstance(table, pd.DataFrame) else table, name="cell_type"
    )
    if wide.columns.nlevels > 1:
        raise InputError(f"composition needs one name per cell type; got the columns {list(wide.columns.names)}")
    wide = wide.fillna(0.0).rename_axis(columns="cell_type")
    if (wide.to_numpy() < 0).any():
        raise InputError("the numbers of cells have negative values; give counts, zero or more")
    if wide.shape[1] < 2:
        raise RefusedError(f"composition needs at least two cell types; got {list(wide.columns)}")
    total = wide.sum(axis=1)
    return wide[total >= max(min_cells, 1)], wide.index[total < max(min_cells, 1)]


def _one_contrast(
    wide: pd.DataFrame, design: Design, contrast: Contrast, transform: str, how: dict[str, Any]
) -> tuple[pd.DataFrame, list[str]]:
    units = summed_units(wide, design, contrast)
    reason = _not_tested(units)
    tested = reason == ""
    main = _transformed(units, wide.columns, tested, transform)
    share = main if transform == "logit" else _transformed(units, wide.columns, tested, "logit")
    found = _test(units, main, reason, how)
    _widen(found, units, main, redrawn_odds if transform == "logit" else redrawn_rates, how)
    beside = found
    if transform != "logit":
        beside = _test(units, share, reason, {**how, "beside": False})
        _widen(beside, units, share, redrawn_odds, how)
    influence = leave_one_patient_out(found, alpha=how["alpha"])
    table = contrast_table(found, wide.columns, contrast, design, influence)
    table["q_value"] = q_values(table)
    table["reference"] = main.reference
    low, high = _quartiles(table["effect"].to_numpy(float)) if transform == "ratio" else (np.nan, np.nan)
    table["effect_low_reference"], table["effect_high_reference"] = table["effect"] - low, table["effect"] - high
    table["share_effect"], table["share_p_value"] = beside.effect, beside.p_value
    notes = [*units.notes, *refusals(table, contrast), *unshared(design, contrast), *spread_note(found, contrast)]
    if main.left_out:
        notes.append(f"{contrast.name}: the reference is {main.reference}; left out of it, because their own numbers "
                     f"differ: {', '.join(main.left_out)}")  # fmt: skip
    return table, notes


def _not_tested(units: Units) -> np.ndarray:
    """Why a type is not tested; empty where it is."""
    counts = units.values
    total = counts.sum(axis=1)
    reason = np.full(counts.shape[1], "", dtype=object)
    if not len(counts):
        return reason
    share = mean_shares(counts, total)
    for arm, name in ((units.is_test, units.contrast.test), (units.is_reference, units.contrast.reference)):
        few = (share * total[arm].sum() < MINIMUM_EXPECTED) & (reason == "")
        reason[few] = f"fewer than {MINIMUM_EXPECTED} cells expected in arm {name}"
    reason[counts.sum(axis=0) == 0] = "no cell of this type in the samples that are compared"
    return reason


def _transformed(units: Units, types: pd.Index, tested: np.ndarray, transform: str) -> _Numbers:
    """The values of the types that are tested, NaN for the others."""
    counts, total = units.values, units.values.sum(axis=1)
    values, weights = np.full(counts.shape, np.nan), np.full(counts.shape, np.nan)
    if not tested.any() or len(counts) < 3:
        return _Numbers(values, None, "")
    if transform in ("clr", "arcsine"):
        return _Numbers(np.where(tested, _plain(counts, transform), np.nan), None, "all cell types")
    weights[:, ~tested] = 1.0
    if transform == "logit":
        found = log_odds(counts[:, tested], total)
        values[:, tested], weights[:, tested] = found.values, found.reliability
        return _Numbers(values, weights, "all other cells", found=found)
    ratios = log_ratios(counts[:, tested], total, units.is_test)
    values[:, tested], weights[:, tested] = ratios.numbers.values, ratios.numbers.reliability
    n, kept = int(tested.sum()), int(ratios.in_reference.sum())
    left_out = tuple(str(t) for t in types[tested][~ratios.in_reference])
    words = f"median of {kept} of {n} cell types" if left_out else f"median of {n} cell types"
    return _Numbers(values, weights, words, left_out, ratios.numbers)


def _plain(cells: np.ndarray, transform: str) -> np.ndarray:
    if transform == "clr":
        logs = np.log(cells + 0.5)
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))
    return np.asarray(np.arcsin(np.sqrt(cells / cells.sum(axis=1, keepdims=True))))


def _test(units: Units, numbers: _Numbers, reason: np.ndarray, how: dict[str, Any]) -> Tested:
    found = evaluate_contrast(
        units.with_values(numbers.values.copy()), weights=numbers.weights, method=how["method"],
        n_permutations=how["n_permutations"], alpha=how["alpha"], seed=how["seed"],
        permutation_beside=how.get("beside", True),
    )  # fmt: skip
    refused = reason != ""
    found.reason[refused] = reason[refused]
    # These patients have a number of such cells, zero included: it is not missing.
    for name, rows in (("n_test", units.is_test), ("n_reference", units.is_reference)):
        getattr(found, name)[refused] = int(rows.sum())
    return found


def _widen(
    found: Tested, units: Units, numbers: _Numbers, redrawn: Callable[..., np.ndarray], how: dict[str, Any]
) -> None:
    """Lower the degrees of freedom of types whose test has heavier tails, in draws of the null, than t has.

    Few cells, many patients without any, and numbers that differ much between patients give skewed values and arms that
    do not vary at all by chance.
    """
    if numbers.found is None or found.setup.method not in ("moderated", "t") or units.paired.any():
        return
    limit = np.full(found.df.shape, np.inf)
    for column, feature in enumerate(np.flatnonzero(np.isfinite(numbers.values).all(axis=0))):
        if not np.isfinite(found.p_value[feature]):
            continue
        values = redrawn(units.values[:, feature], numbers.found, column, _DRAWS, how["seed"])
        limit[feature] = degrees_of_tail(null_p_values(found.setup, int(feature), values), found.df[feature], _TAIL)
    limit_degrees(found, limit, how["alpha"])


def _quartiles(effect: np.ndarray) -> tuple[float, float]:
    known = effect[np.isfinite(effect)]
    if not known.size:
        return np.nan, np.nan
    return float(np.quantile(known, 0.25)), float(np.quantile(known, 0.75))


def _mean_shares(shares: pd.DataFrame, design: Design) -> pd.Series:
    """Mean share by arm and cell type: samples averaged within patients, then patients."""
    long = shares.reset_index(names="sample").melt("sample", var_name="cell_type", value_name="share")
    sheet = design.samples[["patient", "arm"]]
    long = long.merge(sheet, left_on="sample", right_index=True, how="left")
    return long.groupby(["patient", "arm", "cell_type"])["share"].mean().groupby(["arm", "cell_type"]).mean()
