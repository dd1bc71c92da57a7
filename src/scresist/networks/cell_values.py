"""The values from which modules are found: residuals of counts within samples, and the compartment's own space."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.counts import row_sums
from scresist.checks import RefusedError
from scresist.kernels.negative_binomial_moments import dispersion_by_moments
from scresist.kernels.residuals import (
    leading_directions,
    noise_edge,
    root_mean_squares,
    scaled,
    within_group_residuals,
)

CLIP = 10.0  # deviations; a single count of a silent gene would weigh more than all others
GENES_AT_A_TIME = 1500
OFTEN = 0.01  # counts per cell from which a gene's dispersion is more than its trend
SPACE_GENES = 2000  # the most variable genes; more genes add noise to the space faster than they add programmes
COMPONENTS = (2, 50)  # fewest and most components of the space


@dataclass(frozen=True, slots=True)
class CellValues:
    """Residuals of the cells of a compartment.

    `Z` has mean 0 within samples and variance 1 for every gene (cells x genes of the network, single precision);
    `points` are the cells' coordinates in their own space; `eigenvalues` those of the space, largest first, and `edge`
    what the largest would exceed once in a thousand were the genes independent.
    """

    Z: np.ndarray
    points: np.ndarray
    eigenvalues: np.ndarray
    edge: float

    @property
    def n_components(self) -> int:
        """Number of components of the space."""
        return self.points.shape[1]


def evenly_chosen(obs: pd.DataFrame, groups: np.ndarray, depth: np.ndarray, limit: int) -> np.ndarray:
    """Positions of at most `limit` cells: all cells of small groups, and as many of each larger one, over all depths.

    Parameters
    ----------
    obs
        Table of the cells; its index decides between cells of equal depth.
    groups
        Code of each cell's group.
    depth
        Counts of each cell.
    limit
        Largest number of cells.

    Returns
    -------
    Positions in increasing order; they do not depend on the order of the cells.
    """
    sizes = np.bincount(groups)
    if len(groups) <= limit:
        return np.arange(len(groups))
    left, share = limit, 0
    for done, size in enumerate(np.sort(sizes)):
        share = left // (len(sizes) - done)
        if size > share:
            break
        left -= int(size)
    names = obs.index.astype(str).to_numpy()
    chosen = []
    for group in np.unique(groups):
        own = np.flatnonzero(groups == group)
        if len(own) > share:
            own = own[np.lexsort((names[own], depth[own]))]
            own = own[np.linspace(0, len(own) - 1, max(share, 1)).round().astype(int)]
        chosen.append(own)
    return np.sort(np.concatenate(chosen))


def residual_variance(counts: sparse.csr_array, depth: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Variance of each gene's residuals within groups, were its dispersion that of a typical gene. Shape (genes,).

    The typical dispersion is the median over genes with counts enough to show theirs.

    Parameters
    ----------
    counts
        Shape (cells, genes).
    depth
        Counts of each cell over all genes of the data.
    codes
        Group of each cell.
    """
    n_groups = int(codes.max()) + 1
    dispersion = dispersion_by_moments(counts, depth, codes, n_groups)
    often = np.asarray(counts.mean(axis=0)).ravel() >= OFTEN
    typical = np.full(counts.shape[1], float(np.median(dispersion[often] if often.any() else dispersion)))
    columns, parts = sparse.csc_array(counts), []
    for start in range(0, counts.shape[1], GENES_AT_A_TIME):
        part = sparse.csr_array(columns[:, start : start + GENES_AT_A_TIME])
        here = typical[start : start + GENES_AT_A_TIME]
        parts.append(root_mean_squares(within_group_residuals(part, depth, codes, n_groups, here, CLIP)) ** 2)
    return np.concatenate(parts)


def cell_values(
    counts: sparse.csr_array,
    depth: np.ndarray,
    codes: np.ndarray,
    variability: np.ndarray,
    n_components: int | None,
    points: np.ndarray | None,
) -> CellValues:
    """Standardised residuals of the genes of a network, and the space in which its cells are compared.

    The space has the principal components of the residuals of the most variable genes whose eigenvalues exceed what
    independent genes give once in a thousand (`kernels.residuals.noise_edge`), at least 2 and at most 50.

    Parameters
    ----------
    counts
        Counts of the genes of the network. Shape (cells, genes).
    depth
        Counts of each cell over all genes of the data.
    codes
        Sample of each cell.
    variability
        Of each gene of the network: `residual_variance`.
    n_components
        Number of components; None decides it as above.
    points
        Coordinates to use instead of the cells' own space.

    Raises
    ------
    RefusedError
        If there are too few cells for components.
    """
    n_groups = int(codes.max()) + 1
    free = len(codes) - n_groups
    if free < 2 * COMPONENTS[0]:
        raise RefusedError(f"{len(codes)} cells of {n_groups} samples are too few to compare cells within samples")
    dispersion = dispersion_by_moments(counts, depth, codes, n_groups)
    Z, _ = scaled(within_group_residuals(counts, depth, codes, n_groups, dispersion, CLIP))
    if points is not None:
        return CellValues(Z, points, np.zeros(0), np.nan)
    chosen = np.sort(np.argsort(-variability, kind="stable")[:SPACE_GENES])
    part = Z[:, chosen]
    values, vectors = leading_directions(part, min(COMPONENTS[1], free, len(chosen)))
    edge = noise_edge(free, len(chosen)) * len(codes) / free  # residuals are scaled by cells, not by what is free
    found = int((values > edge).sum()) if n_components is None else n_components
    keep = min(max(found, COMPONENTS[0]), len(values))
    return CellValues(Z, np.asarray(part @ vectors[:, :keep].astype(np.float32), dtype=np.float64), values, edge)


def pooled_values(Z: np.ndarray, members: tuple[np.ndarray, ...]) -> np.ndarray:
    """Sum of the residuals of each metacell's distinct cells over the root of their number. Shape (metacells, genes).

    Every metacell has the same information on a gene of independent cells, a variance of 1, however deep its cells.
    """
    distinct = [np.unique(pool) for pool in members]
    sizes = np.array([len(pool) for pool in distinct])
    weight = np.repeat(1 / np.sqrt(sizes), sizes).astype(np.float32)
    rows = np.repeat(np.arange(len(distinct)), sizes)
    pools = sparse.csr_array((weight, (rows, np.concatenate(distinct))), shape=(len(distinct), len(Z)))
    return np.asarray(pools @ Z)


def samples_of(obs: pd.DataFrame, column: str | None) -> np.ndarray:
    """Code of the group within which residuals are taken: the values of a column of obs, or one for all cells."""
    if column is None:
        return np.zeros(len(obs), dtype=np.int64)
    return np.asarray(pd.factorize(obs[column].astype(str), sort=True)[0], dtype=np.int64)


def depth_of(counts: sparse.csr_array) -> np.ndarray:
    """Counts of each cell, at least 1."""
    return np.maximum(row_sums(counts), 1.0)
