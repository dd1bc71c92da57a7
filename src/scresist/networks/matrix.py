"""What modules are found in: the expression of the selected genes over metacells, and what was found in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.network_cells import group_names
from scresist.checks import RefusedError, require_columns
from scresist.networks.detect import Detected
from scresist.networks.pooling import Metacells
from scresist.networks.recipe import Recipe

MIN_GENES = 20
MINIMUM_METACELLS = 15  # correlations over fewer are mostly noise
N_NEIGHBOURS = 50


@dataclass(frozen=True, slots=True)
class Matrix:
    """Expression of the selected genes over metacells, and where it is from.

    `report` has a row per gene of the data; `within` is the column whose groups' means were subtracted; `cells` are the
    cells that were pooled, `columns` those within which, and `space` is where their neighbours were sought.
    """

    X: np.ndarray
    genes: pd.Index
    report: pd.DataFrame
    within: str | None
    cells: Any
    columns: list[str]
    space: str


@dataclass(frozen=True, slots=True)
class Found:
    """The modules, the recipe and the tables they were found with, and notes for the reader.

    `stability` is of every gene: how often it is in the same module where a part of the patients is left out.
    """

    recipe: Recipe
    table: pd.DataFrame
    detected: Detected
    notes: tuple[str, ...]
    choices: pd.DataFrame | None = None
    candidates: pd.DataFrame | None = None
    stability: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """The metacells, the matrix and what was found in it."""

    metacells: Metacells
    matrix: Matrix
    found: Found


def check_kept(kept: np.ndarray) -> None:
    """Check that enough genes are left for a network.

    Raises
    ------
    RefusedError
        If fewer than 20 are.
    """
    if kept.sum() < MIN_GENES:
        raise RefusedError(f"{int(kept.sum())} genes are left of {len(kept)} (at least {MIN_GENES} are needed); "
                         "lower fraction, or see the reasons in gene_report")  # fmt: skip


def group_codes(obs: pd.DataFrame, columns: Sequence[str], *, per_group: bool) -> np.ndarray:
    """Groups within which a gene must be detected: those of the metacells, or one of all cells."""
    if not per_group:
        return np.zeros(len(obs), dtype=np.int64)
    return np.asarray(pd.factorize(group_names(obs, columns)[0], use_na_sentinel=False)[0])


def metacell_values(metacells: Metacells, obs: pd.DataFrame, column: str | None) -> np.ndarray | None:
    """The value of a column for every metacell: its own column, else that of the cell it was drawn around."""
    if column is None:
        return None
    require_columns(obs, [column], "adata.obs")
    if column in metacells.table:
        return metacells.table[column].astype(str).to_numpy()
    return obs[column].astype(str).to_numpy()[[pool[-1] for pool in metacells.members]]


def centred_within(X: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Expression with the mean of each group of rows replaced by the overall mean.

    Raises
    ------
    RefusedError
        If too few rows are left to correlate.
    """
    groups = np.unique(values)
    left = len(X) - len(groups)
    if left < MINIMUM_METACELLS:
        raise RefusedError(
            f"{len(X)} metacells of {len(groups)} samples leave {left} to correlate within samples (at least "
            f"{MINIMUM_METACELLS} are needed); lower k or min_cells of the pooling, or subtract no means with "
            "within=None"
        )
    X = X.copy()
    overall = X.mean(axis=0)
    for name in groups:
        rows = values == name
        X[rows] += overall - X[rows].mean(axis=0)
    return X


def with_scale(report: pd.DataFrame, kept: np.ndarray, expression: np.ndarray) -> pd.DataFrame:
    """The report on genes with `mean` and `deviation` of the log-normalised expression of those at `kept`.

    Parameters
    ----------
    report
        A row per gene.
    kept
        Positions of the genes of the network.
    expression
        Of these genes. Shape (metacells, genes kept).
    """
    report = report.assign(mean=np.nan, deviation=np.nan)
    report.loc[kept, "mean"] = expression.mean(axis=0, dtype=np.float64)
    report.loc[kept, "deviation"] = expression.std(axis=0, ddof=1, dtype=np.float64)
    return report
