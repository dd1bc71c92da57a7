"""A network by log-normalised metacells: hdWGCNA's, and what sound mode makes of the same values."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.counts import raw_counts
from scresist.cells.network_cells import neighbour_space
from scresist.checks import RefusedError
from scresist.kernels.normalise import log1p_per_10k
from scresist.networks.detect import cut_modules
from scresist.networks.matrix import (
    N_NEIGHBOURS,
    Found,
    Made,
    Matrix,
    centred_within,
    check_kept,
    group_codes,
    metacell_values,
    with_scale,
)
from scresist.networks.modes import NetworkMode
from scresist.networks.pooling import Metacells, pool_cells
from scresist.networks.power import PowerChoice, choose_power, power_table
from scresist.networks.recipe import Recipe, correlations, dissimilarity
from scresist.networks.request import Request
from scresist.networks.selection import GeneChoice, select_genes

SMALLEST_MODULE = 20  # genes; below, eigengenes of chance modules are as tight as those of real ones


def from_log(adata: Any, request: Request) -> Made:
    """Metacells, expression and modules by log-normalised metacells; see `build`.

    Raises
    ------
    RefusedError
        If metacells or genes are too few, or no module is found.
    """
    rules, recipe, search = request.rules, request.recipe, request.search
    pooled = _pooled(_cells_of(adata, request), request)
    matrix = _matrix(pooled, request.genes, rules, request.measure.within)
    fitted_by = search.threshold_correlation or rules.threshold_correlation or recipe.correlation
    threshold = PowerChoice(request.power, tuple(search.powers), fitted_by)
    return Made(pooled.metacells, matrix, _modules(matrix.X, recipe, threshold, rules))


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells that metacells are drawn from, and which of them are in the compartment.

    `cell_type` is the one whose metacells are kept, where those of all types are drawn first.
    """

    cells: Any
    inside: np.ndarray
    cell_type: str | None

    @property
    def obs(self) -> pd.DataFrame:
        """The table of the compartment's cells."""
        return self.cells.obs[self.inside]


@dataclass(frozen=True, slots=True)
class _Pooled:
    """Metacells of the compartment, with the cells' counts, the columns cells were pooled within, and the space."""

    where: _Cells
    counts: sparse.csr_array
    metacells: Metacells
    columns: list[str]
    space: str


def _cells_of(adata: Any, request: Request) -> _Cells:
    inside, compartment = request.inside, request.compartment
    by_type = request.rules.every_type_first and "cell_type" in request.columns
    if by_type and _is_cell_type(adata.obs, compartment, inside):
        return _Cells(adata, inside, str(compartment))
    return _Cells(adata if inside.all() else adata[inside], np.ones(int(inside.sum()), dtype=bool), None)


def _is_cell_type(obs: pd.DataFrame, compartment: str | None, inside: np.ndarray) -> bool:
    """Whether the compartment is one group of cell_type."""
    return bool(inside.any()) and np.array_equal(obs["cell_type"].astype(str) == compartment, inside)


def _pooled(where: _Cells, request: Request) -> _Pooled:
    """Metacells of the compartment's cells."""
    cells, counts, minimum = where.cells, raw_counts(where.cells), request.rules.minimum_metacells
    columns = request.pooled_within(cells.obs)
    points, space = neighbour_space(cells, counts, request.measure.reduction)
    metacells = pool_cells(cells.obs, counts, points, columns, request.pooling, request.source)
    if where.cell_type is not None:
        metacells = _of_cell_type(metacells, where.cell_type)
    made = metacells.counts.shape[0]
    if made < minimum:
        raise RefusedError(
            f"{made} metacells are too few for correlations (at least {minimum} are needed); "
            "lower k or min_cells of the pooling, or choose a wider compartment"
        )
    return _Pooled(where, counts, metacells, columns, space)


def _of_cell_type(metacells: Metacells, cell_type: str) -> Metacells:
    keep = np.flatnonzero(metacells.table["cell_type"].astype(str) == cell_type)
    members = tuple(metacells.members[i] for i in keep)
    table = metacells.table.iloc[keep].reset_index(drop=True)
    return Metacells(metacells.counts[keep], members, table, metacells.report, metacells.notes)


def _matrix(pooled: _Pooled, choice: GeneChoice, rules: NetworkMode, within: str | None) -> Matrix:
    """Log-normalised metacells of the selected genes; `within` names the groups whose means are subtracted."""
    obs, inside = pooled.where.cells.obs, pooled.where.inside
    names = pooled.where.cells.var_names
    expression = log1p_per_10k(pooled.metacells.counts)
    codes = group_codes(obs[inside], pooled.columns, per_group=rules.detection_by_group)
    own = pooled.counts if inside.all() else pooled.counts[inside]  # a selection is a copy
    report = select_genes(own, names, codes, choice, metacells=expression, minimum_cells=rules.minimum_cells)
    kept = report["kept"].to_numpy()[: len(names)].copy()
    check_kept(kept)
    X = expression[:, kept]
    within = rules.column_within(obs, within)
    values = metacell_values(pooled.metacells, obs, within)
    if values is not None:
        X = centred_within(X, values)
        moving = ~(X.var(axis=0) <= (1e-10 * np.abs(X).max()) ** 2)
        still = np.flatnonzero(kept)[~moving]
        report.loc[still, ["kept", "reason"]] = (False, f"constant within every {within}")
        kept[still] = False
        X = X[:, moving]
    report = with_scale(report, np.flatnonzero(kept), X)
    return Matrix(X, names[kept].astype(str), report, within, pooled.where.cells, pooled.columns, pooled.space)


def _modules(X: np.ndarray, recipe: Recipe, choice: PowerChoice, rules: NetworkMode) -> Found:
    """The fit table, the power and the modules."""
    R = correlations(X, recipe)
    other = choice.correlation != recipe.correlation
    fitted = correlations(X, replace(recipe, correlation=choice.correlation)) if other else R
    table = power_table(fitted, recipe.network, choice.powers)
    del fitted
    power, note = choose_power(table, len(X), recipe.network, given=choice.power, living_fit=rules.living_fit)
    recipe, notes = replace(recipe, power=power), [note]
    if recipe.min_module_size > X.shape[1] // 2:
        notes.append(f"min_module_size was lowered from {recipe.min_module_size} to half of {X.shape[1]} genes")
    D = dissimilarity(R, recipe)
    del R
    detected = cut_modules(X, D, recipe, n_neighbours=N_NEIGHBOURS)
    wanted = recipe.min_module_size
    while rules.smaller_modules and not detected.labels.any() and recipe.min_module_size // 2 >= SMALLEST_MODULE:
        recipe = replace(recipe, min_module_size=recipe.min_module_size // 2)
        detected = cut_modules(X, D, recipe, n_neighbours=N_NEIGHBOURS)
    if recipe.min_module_size < wanted and detected.labels.any():
        notes.append(f"there is no module of {wanted} genes; min_module_size was lowered to {recipe.min_module_size}")
    if not detected.labels.any():
        raise RefusedError(
            f"no module of {recipe.min_module_size} genes or more was found among {X.shape[1]} genes over {len(X)} "
            "metacells; lower min_module_size, raise deep_split, or choose another power from the fit table"
        )
    return Found(recipe, table, detected, tuple(notes))
