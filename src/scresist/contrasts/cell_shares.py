"""Composition: which cell types make up more, or less, of a biopsy; patients as the unit."""

from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, require_choice, require_positive
from scresist.contrasts.arms import contrast_arms
from scresist.contrasts.units import feature_table
from scresist.contrasts.verdict import ALPHA
from scresist.results import Result
from scresist.study.design import Design


def composition(
    cells: Any,
    design: Design,
    *,
    transform: str = "logit",
    min_cells: int = 50,
    method: str = "auto",
    n_permutations: int = 10_000,
    alpha: float = ALPHA,
    rng: int | np.random.Generator = 1,
) -> Result:
    """How the share of each cell type differs between arms, with patients as the unit.

    A cell type that a biopsy lacks is a share of zero there, not a missing value: half a cell is added before logs.

    Parameters
    ----------
    cells
        Number of cells: samples x cell types, a tidy table (sample, cell_type, cells), or a Pseudobulk.
    design
        Arms, contrasts, sheet of samples.
    transform
        logit (log odds of a cell type against all others) | clr (log share against the mean log share of all types:
        steadier where one type expands and pushes all others down) | arcsine (of the square root of the share).
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
    feature; `effect` is a difference of log odds, of centred log shares, or of angles), and `share_test`,
    `share_reference` (mean share of the patients of each arm), `fold_change` (exp of the effect: an odds ratio under
    logit; NaN under arcsine).

    Raises
    ------
    InputError
        For negative numbers of cells.
    RefusedError
        With fewer than two cell types.

    References
    ----------
    Phipson et al. (2022) Bioinformatics 38:4720 (moderated tests of transformed shares); Aitchison (1982) J R Stat Soc
    B 44:139 (centred log-ratio).
    """
    require_choice(transform, ("logit", "clr", "arcsine"), "transform")
    require_positive(min_cells, "min_cells", allow_zero=True)
    table = cells.cells if hasattr(cells, "cells") and hasattr(cells, "groups") else cells
    wide = feature_table(
        table.rename(columns={"cells": "value"}) if isinstance(table, pd.DataFrame) else table, name="cell_type"
    )
    wide = wide.fillna(0.0)
    if (wide.to_numpy() < 0).any():
        raise InputError("the numbers of cells have negative values; give counts, zero or more")
    if wide.shape[1] < 2:
        raise RefusedError(f"composition needs at least two cell types; got {list(wide.columns)}")
    total = wide.sum(axis=1)
    small = total[total < max(min_cells, 1)]
    wide, total = wide[total >= max(min_cells, 1)], total[total >= max(min_cells, 1)]
    values = pd.DataFrame(_transform(wide.to_numpy(float), transform), index=wide.index, columns=wide.columns)
    found = contrast_arms(
        values, design, weights=total, method=method, n_permutations=n_permutations, alpha=alpha, rng=rng
    )
    result = found.table.copy()
    shares = _mean_shares(wide.div(total, axis=0), design)
    for side in ("test", "reference"):
        arm = {c.name: getattr(c, side) for c in design.contrasts}
        keys = list(zip(result["contrast"].map(arm), result["cell_type"], strict=True))
        result[f"share_{side}"] = shares.reindex(pd.MultiIndex.from_tuples(keys)).to_numpy() if keys else np.nan
    result["fold_change"] = np.nan if transform == "arcsine" else np.exp(result["effect"])
    notes = list(found.notes)
    if len(small):
        notes.append(f"{len(small)} samples left out, fewer than {min_cells} cells: {', '.join(map(str, small.index))}")
    settings = {**found.settings, "transform": transform, "min_cells": min_cells}
    return Result(result, f"{found.method}, on {transform} shares", MappingProxyType(settings), tuple(notes))


def _transform(cells: np.ndarray, transform: str) -> np.ndarray:
    total = cells.sum(axis=1, keepdims=True)
    if transform == "logit":
        return np.log((cells + 0.5) / (total - cells + 0.5))
    if transform == "clr":
        logs = np.log(cells + 0.5)
        return logs - logs.mean(axis=1, keepdims=True)
    return np.arcsin(np.sqrt(cells / total))


def _mean_shares(shares: pd.DataFrame, design: Design) -> pd.Series:
    """Mean share by arm and cell type: samples averaged within patients, then patients."""
    long = shares.reset_index(names="sample").melt("sample", var_name="cell_type", value_name="share")
    sheet = design.samples[["patient", "arm"]]
    long = long.merge(sheet, left_on="sample", right_index=True, how="left")
    return long.groupby(["patient", "arm", "cell_type"])["share"].mean().groupby(["arm", "cell_type"]).mean()
