"""From expression to modules: correlation, overlap, tree, cut, trimming, merging; the same for every resample."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from scresist.kernels._blocks import nearest_columns, over_rows
from scresist.kernels.linkage import average_linkage
from scresist.kernels.modules import merge_modules, trim_modules
from scresist.networks.latent import Counted
from scresist.networks.members import with_members
from scresist.networks.naming import alphabetical_codes, colours_of
from scresist.networks.recipe import Recipe
from scresist.networks.starts import branches, prepared, start_labels


@dataclass(frozen=True, slots=True)
class Detected:
    """Modules of the columns of an expression matrix.

    `labels` are final (1 the largest, 0 unassigned), `unmerged` those before merging, `Z` the tree. `neighbours` and
    `overlaps` are the genes with the highest overlap with each gene and these overlaps, in decreasing order.
    """

    labels: np.ndarray
    unmerged: np.ndarray
    Z: np.ndarray
    neighbours: np.ndarray
    overlaps: np.ndarray


def find_modules(
    X: np.ndarray, recipe: Recipe, *, cells: np.ndarray | None = None, counted: Counted | None = None
) -> np.ndarray:
    """Module of each column of X (metacells, genes) by a recipe, 1 the largest, or 0; see `cut_modules`.

    Parameters
    ----------
    X
        Expression. Shape (metacells, genes).
    recipe
        The settings.
    cells
        Standardised values of the cells, in which members are decided; None decides them in X. Shape (cells, genes).
    counted
        As in `prepared`.
    """
    if recipe.members:
        return with_members(X, start_labels(X, recipe, cells, counted=counted), recipe, cells)
    start = prepared(X, recipe, counted=counted).at(recipe.power)
    labels = np.zeros(X.shape[1], dtype=np.int64)
    labels[start.chosen] = cut_modules(start.X, start.D, recipe, tree=start.tree).labels
    return labels


def cut_modules(
    X: np.ndarray,
    D: np.ndarray,
    recipe: Recipe,
    *,
    n_neighbours: int = 0,
    tree: np.ndarray | None = None,
    cells: np.ndarray | None = None,
) -> Detected:
    """Modules from a dissimilarity: tree, hybrid cut, then trimming by kME and merging by eigengene, or `with_members`.

    Parameters
    ----------
    X
        Expression. Shape (samples, genes).
    D
        Dissimilarity. Shape (genes, genes).
    recipe
        The settings.
    n_neighbours
        Genes of highest overlap that are kept for each gene.
    tree
        The tree of D, where it was computed already.
    cells
        As in `find_modules`.
    """
    Z = average_linkage(D) if tree is None else tree
    of_cells = recipe.start == "components" and cells is not None
    cut = start_labels(X, recipe, cells) if of_cells else branches(Z, D, recipe)
    neighbours, overlaps = strongest(D, n_neighbours)
    if recipe.members:
        return Detected(with_members(X, cut, recipe, cells), cut, Z, neighbours, overlaps)
    X = np.asarray(X, dtype=np.float64)
    unmerged = trim_modules(
        X,
        cut,
        min_size=min(recipe.min_module_size, X.shape[1] // 2),
        min_core_kme=recipe.min_core_kme,
        min_kme_to_stay=recipe.min_kme_to_stay,
        absolute=recipe.network == "unsigned",
    )
    return Detected(merge_and_number(X, unmerged, recipe.merge_height), unmerged, Z, neighbours, overlaps)


def merge_and_number(X: np.ndarray, labels: np.ndarray, merge_height: float) -> np.ndarray:
    """Labels after merging, 1 the largest; equal sizes by the alphabetical order of their colours, as in WGCNA."""
    if not labels.any():
        return labels
    codes, names = alphabetical_codes(colours_of(labels))
    merged = merge_modules(X, codes, merge_height)
    sizes = np.bincount(merged, minlength=len(names))
    sizes[0] = 0
    present = np.flatnonzero(sizes)
    number = np.zeros(len(names), dtype=np.int64)
    number[present] = rankdata(-sizes[present], method="ordinal")
    return number[merged]


def strongest(D: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each gene the `count` genes nearest by D, nearest first, and their overlap 1 - D; shapes (genes, count)."""
    count = max(0, min(count, len(D) - 1))
    neighbours = np.empty((len(D), count), dtype=np.int32)
    overlaps = np.empty((len(D), count), dtype=D.dtype)
    if count:
        over_rows(lambda start, stop: nearest_columns(D, neighbours, overlaps, start, stop), len(D), 256)
        np.subtract(D.dtype.type(1), overlaps, out=overlaps)
    return neighbours, overlaps
