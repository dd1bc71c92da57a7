"""The inputs of an inference: the group of every cell, and the values of the signalling genes, sorted once."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.normalise import log_normalised
from scresist.checks import InputError, RefusedError
from scresist.communication.interactions import LigandReceptorTable
from scresist.kernels.averages import Sorted, sort_values
from scresist.kernels.signalling import Formula, PairGenes

MAXIMUM_LOG = 25.0  # no log1p of normalised counts is larger


@dataclass(frozen=True, slots=True)
class Settings:
    """The numbers of a call that the arithmetic needs."""

    average: str
    trim: float
    kh: float
    hill: float
    population_size: bool
    min_cells: int
    permutations_max: int | None = None

    def formula(self, size: np.ndarray) -> Formula:
        """The formula of the probabilities of groups of these sizes."""
        share = size / size.sum() if self.population_size else None
        return Formula(self.average, self.trim, self.kh, self.hill, share)


@dataclass(frozen=True, slots=True)
class SignallingValues:
    """Values of the signalling genes, cells x genes and sorted, and the largest of them, which is the scale."""

    genes: pd.Index
    values: sparse.csc_array
    order: Sorted
    scale: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of both modes: values, the genes of the pairs, groups, the numbers of the call and its settings."""

    data: SignallingValues
    plan: PairGenes
    groups: pd.Index
    codes: np.ndarray
    chosen: pd.DataFrame
    coverage: pd.DataFrame
    call: Settings
    settings: MappingProxyType[str, Any]


def groups_of(labels: pd.Series, mode: str) -> tuple[pd.Index, np.ndarray]:
    """Names of the groups in order, and the position of each cell's group.

    Parameters
    ----------
    labels
        Group of each cell.
    mode
        sound | parity.

    Raises
    ------
    InputError
        For cells without a group, or in parity mode a group named "0".
    RefusedError
        For fewer than two groups.
    """
    if labels.isna().any():
        raise InputError(
            f"{int(labels.isna().sum())} cells have no group in {labels.name!r}; name them or leave them out"
        )
    kept = labels.cat.remove_unused_categories() if isinstance(labels.dtype, pd.CategoricalDtype) else (
        labels.astype(str).astype("category"))  # fmt: skip
    names = pd.Index([str(c) for c in kept.cat.categories], name="group")
    if len(names) < 2:
        raise RefusedError(f"communication needs at least two groups; {labels.name!r} has {len(names)}")
    if mode == "parity" and "0" in names:
        raise InputError(f"a group of {labels.name!r} is named '0', which CellChat does not accept; rename it")
    return names, kept.cat.codes.to_numpy().astype(np.int64)


def signalling_values(adata: Any, table: LigandReceptorTable, organism: str) -> SignallingValues:
    """The values of the signalling genes, sorted once, and the largest of them.

    Parameters
    ----------
    adata
        Cells x genes, log-normalised.
    table
        The interactions, whose genes are the signalling genes.
    organism
        For the message where no gene is found.

    Raises
    ------
    InputError
        If gene names repeat, or X is not log-transformed.
    RefusedError
        If no signalling gene is measured or expressed.
    """
    genes = pd.Index(adata.var_names).astype(str)
    if genes.has_duplicates:
        raise InputError(f"gene names must be unique; {genes[genes.duplicated()][0]!r} occurs more than once")
    inside = np.flatnonzero(genes.isin(table.signalling_genes()))
    if len(inside) == 0:
        raise RefusedError(
            f"none of the genes of {table.name} is among the {len(genes)} genes of the cells (such as {genes[0]!r}): "
            f"they may be of another organism (organism is {organism!r}), or ids instead of symbols"
        )
    values = sparse.csc_array(log_normalised(adata, genes=inside), dtype=np.float64)
    order = sort_values(values)
    largest = float(values.data.max(initial=0))
    if largest > MAXIMUM_LOG:
        raise InputError(f"X has values up to {largest:g}: not log-transformed; take log1p of normalised counts")
    if largest == 0:
        raise RefusedError("no signalling gene is expressed")
    return SignallingValues(genes[inside], values, order, largest)
