"""From expression to modules: correlation, overlap, tree, cut, trimming, merging; the same for every resample."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import rankdata

from scresist.checks import InputError, require_choice, require_positive
from scresist.kernels._blocks import nearest_columns, over_rows
from scresist.kernels.linkage import average_linkage
from scresist.kernels.membership import refine_members
from scresist.kernels.modules import merge_modules, trim_modules
from scresist.kernels.overlap import topological_overlap
from scresist.kernels.pairwise import correlation
from scresist.kernels.similarity import NETWORKS, adjacency_into
from scresist.kernels.tree_cut import cut_tree_hybrid
from scresist.networks.latent import Counted
from scresist.networks.naming import alphabetical_codes, colours_of

LAYERS = 2  # of programmes: strong ones, and those beneath them
AXIS = 0.1  # of the genes; a larger module is searched for programmes inside it


@dataclass(frozen=True, slots=True)
class Recipe:
    """How modules are made of expression; the defaults are hdWGCNA's.

    `single` computes correlations, overlap and tree in single precision (a quarter of the time, half of the memory;
    overlaps differ by less than 1e-5); eigengenes and kME are always in double precision. Where `members` is above 0,
    the branches of the tree are only where modules start: each gene is then moved to the module that it follows most
    (`kernels.membership`), if by `members` or more. `seed_genes` is how many genes the tree of a resample has, those
    whose metacells vary most (0 is all): the others can still become members.
    """

    network: str = "signed"
    tom: str = "signed"
    correlation: str = "pearson"
    max_p_outliers: float = 1.0
    denominator: str = "min"
    power: float = 6
    deep_split: int = 4
    min_module_size: int = 50
    merge_height: float = 0.2
    cut_height: float = 0.995
    pam: bool = False
    min_core_kme: float = 0.5
    min_kme_to_stay: float = 0.2
    single: bool = True
    members: float = 0.0
    seed_genes: int = 0


def check_recipe(recipe: Recipe) -> None:
    """Check the settings of a recipe.

    Raises
    ------
    InputError
        For a setting that does not exist or is out of range.
    """
    require_choice(recipe.network, NETWORKS, "network")
    require_choice(recipe.tom, ("signed", "unsigned", "signed Nowick"), "tom")
    require_choice(recipe.correlation, ("pearson", "bicor", "latent"), "correlation")
    require_positive(recipe.min_module_size, "min_module_size")
    require_positive(recipe.merge_height, "merge_height", allow_zero=True)
    if recipe.deep_split not in range(5):
        raise InputError(f"deep_split must be a whole number from 0 to 4; got {recipe.deep_split!r}")


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


def feeding_network(network: str, tom: str) -> str:
    """The adjacency from which an overlap is computed.

    WGCNA keeps the sign of r for a signed overlap of an unsigned network, and for "signed Nowick" of any network.
    """
    if tom == "signed Nowick" or (tom == "signed" and network == "unsigned"):
        return "unsigned keep sign"
    return network


def correlations(X: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Gene by gene correlations of a recipe, in its precision; Pearson's where counts give those of the recipe."""
    X = np.asarray(X, dtype=np.float32 if recipe.single else np.float64)
    kind = "pearson" if recipe.correlation == "latent" else recipe.correlation
    return correlation(X, kind, recipe.max_p_outliers)


def dissimilarity(R: np.ndarray, recipe: Recipe) -> np.ndarray:
    """One less the topological overlap, its diagonal 0. R is overwritten."""
    A = adjacency_into(R, R, recipe.power, feeding_network(recipe.network, recipe.tom))
    D = topological_overlap(A, recipe.tom, recipe.denominator)
    np.subtract(D.dtype.type(1), D, out=D)
    np.fill_diagonal(D, 0)
    return D


@dataclass(frozen=True, slots=True)
class Start:
    """A tree of the genes in which modules start: their positions, values, dissimilarity and tree."""

    chosen: np.ndarray
    X: np.ndarray
    D: np.ndarray
    tree: np.ndarray


@dataclass(frozen=True, slots=True)
class Prepared:
    """Correlations of the genes in which modules start, from which the tree of any power follows."""

    chosen: np.ndarray
    X: np.ndarray
    R: np.ndarray
    recipe: Recipe

    def at(self, power: float) -> Start:
        """The tree at a power."""
        D = dissimilarity(self.R.copy(), replace(self.recipe, power=power))
        return Start(self.chosen, self.X, D, average_linkage(D))


def prepared(X: np.ndarray, recipe: Recipe, *, counted: Counted | None = None) -> Prepared:
    """Correlations of the genes in which modules start: those that vary, and of these the `seed_genes` that vary most.

    Parameters
    ----------
    X
        Expression. Shape (metacells, genes).
    recipe
        The settings.
    counted
        Counts of the cells, which give latent correlations; None correlates X.
    """
    variance = X.var(axis=0)
    moving = np.flatnonzero(varying(variance))
    if recipe.seed_genes and len(moving) > recipe.seed_genes:
        moving = np.sort(moving[np.argsort(-variance[moving], kind="stable")[: recipe.seed_genes]])
    R = correlations(X[:, moving], recipe) if counted is None else counted.correlations(moving)
    return Prepared(moving, X[:, moving], R, recipe)


def varying(variance: np.ndarray) -> np.ndarray:
    """Whether each variance is more than rounding leaves of a constant, beside the largest."""
    return np.asarray(variance > 1e-12 * variance.max(initial=0.0))


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
    start = prepared(X, recipe, counted=counted).at(recipe.power)
    if recipe.members:
        return with_members(X, seed_labels(X, recipe, start), recipe, cells)
    labels = np.zeros(X.shape[1], dtype=np.int64)
    labels[start.chosen] = cut_modules(start.X, start.D, recipe, tree=start.tree).labels
    return labels


def seed_labels(X: np.ndarray, recipe: Recipe, start: Start) -> np.ndarray:
    """Module of every gene of X by the branches of a tree of some of them; 0 for the others.

    Parameters
    ----------
    X
        Expression. Shape (metacells, genes).
    recipe
        The settings of the cut.
    start
        The tree.
    """
    labels = np.zeros(X.shape[1], dtype=np.int64)
    labels[start.chosen] = _branches(start.tree, start.D, recipe)
    return labels


def with_members(X: np.ndarray, labels: np.ndarray, recipe: Recipe, cells: np.ndarray | None = None) -> np.ndarray:
    """Labels after members were decided, agreeing modules merged, and weaker programmes found beneath; 1 the largest.

    A strong axis takes the genes of weaker programmes along. So the sums of the modules are taken out of all values and
    modules are sought once more in what is left. A module found there gets those of its genes that were in none, or in
    one more than twice as large.

    Parameters
    ----------
    X, recipe, cells
        As in `find_modules`.
    labels
        Where modules start. Shape (genes,).
    """
    pools = standardised(X)
    Z = pools if cells is None else cells
    labels = _members(pools, Z, labels, recipe)
    for _ in range(LAYERS - 1):
        if not labels.any():
            break
        deviation = X.std(axis=0, dtype=np.float64).astype(np.float32)
        beneath = without_modules(pools, labels) * deviation
        start = prepared(beneath, recipe).at(recipe.power)
        rest = standardised(without_modules(Z, labels))
        found = _members(standardised(beneath), rest, seed_labels(beneath, recipe, start), recipe)
        if not found.any():
            break
        sizes, own = np.bincount(labels), np.bincount(found)
        moved = (found > 0) & ((labels == 0) | (2 * own[found] < sizes[labels]))
        labels = by_size(np.where(moved, found + len(sizes), labels), min(recipe.min_module_size, X.shape[1] // 2))
    return labels


def _members(pools: np.ndarray, Z: np.ndarray, labels: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Labels after members were decided in Z and modules that agree over the rows of `pools` were merged."""
    if not labels.any():
        return labels
    size = min(recipe.min_module_size, Z.shape[1] // 2)
    labels = split_axes(pools, labels, recipe)
    for _ in range(3):  # merged modules decide their members once more
        labels = refine_members(Z, labels, threshold=recipe.members, min_size=size)
        merged = merge_agreeing(pools, labels, recipe.merge_height)
        if merged.max(initial=0) == len(np.unique(labels[labels > 0])):
            return merged
        labels = merged
    return by_size(refine_members(Z, labels, threshold=recipe.members, min_size=size), 1)


def without_modules(Z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Z less what the sums of its modules explain of each gene. Shape (rows, genes).

    Parameters
    ----------
    Z
        Standardised values. Shape (rows, genes).
    labels
        Module of each gene.
    """
    names = np.unique(labels[labels > 0])
    sums = Z @ (labels[:, None] == names).astype(Z.dtype)
    basis = np.linalg.qr(sums.astype(np.float64))[0].astype(Z.dtype)
    return np.asarray(Z - basis @ (basis.T @ Z))


def by_size(labels: np.ndarray, min_size: int) -> np.ndarray:
    """Labels numbered by size, 1 the largest (of equals that with the first gene); smaller modules are dissolved.

    Parameters
    ----------
    labels
        Module of each gene; numbers may be missing.
    min_size
        Fewest genes.
    """
    names, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    kept = (names > 0) & (sizes >= min_size)
    names, first, sizes = names[kept], first[kept], sizes[kept]
    place = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int64)
    place[names[np.lexsort((first, -sizes))]] = np.arange(1, len(names) + 1)
    return place[labels]


def split_axes(Z: np.ndarray, labels: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Labels with the programmes inside very large modules as modules of their own.

    A module of more than a tenth of the genes is an axis that many genes share. Its mean is taken out of its genes, and
    modules start anew among what is left; the other genes stay together.

    Parameters
    ----------
    Z
        Standardised values. Shape (rows, genes).
    labels
        Module of each gene.
    recipe
        The settings.
    """
    labels = labels.copy()
    for label in range(1, int(labels.max(initial=0)) + 1):
        inside = np.flatnonzero(labels == label)
        if len(inside) <= AXIS * len(labels) or len(inside) < 2 * recipe.min_module_size:
            continue
        axis = standardised(Z[:, inside].mean(axis=1, keepdims=True))
        left = Z[:, inside] - axis * (axis.T @ Z[:, inside] / len(Z))
        start = prepared(left, recipe).at(recipe.power)
        found = seed_labels(left, recipe, start)
        labels[inside[found > 0]] = labels.max() + found[found > 0]
    return labels


def merge_agreeing(Z: np.ndarray, labels: np.ndarray, merge_height: float) -> np.ndarray:
    """Labels after modules whose sums correlate by 1 - merge_height or more were merged, 1 the largest.

    The sum of standardised genes is used in place of the eigengene: the members of a module all follow it.

    Parameters
    ----------
    Z
        Standardised values. Shape (rows, genes).
    labels
        Module of each gene; numbers may be missing.
    merge_height
        Largest dissimilarity that is merged, by average linkage.
    """
    names, number = np.unique(labels, return_inverse=True)
    number = number + (names[0] != 0)
    count = int(number.max(initial=0))
    if count > 1:
        sums = standardised(Z @ (number[:, None] == np.arange(1, count + 1)).astype(Z.dtype)).astype(np.float64)
        R = np.clip(sums.T @ sums / len(sums), -1, 1)
        tree = linkage(squareform(1 - R, checks=False), "average")
        number = np.concatenate([[0], fcluster(tree, merge_height, "distance")])[number]
    return by_size(number, 1)


def standardised(X: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and variance 1 in single precision; a constant column is 0."""
    X = np.asarray(X, dtype=np.float32) - np.asarray(X.mean(axis=0), dtype=np.float32)
    deviation = X.std(axis=0)
    return X / np.where(deviation > 0, deviation, 1)


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
    cut = _branches(Z, D, recipe)
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


def _branches(tree: np.ndarray, D: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Label of every gene by the branches of a tree of D; 0 in none."""
    size = min(recipe.min_module_size, len(D) // 2)
    # WGCNA's blockwise functions use the cut height as the maximum distance of the PAM stage.
    return cut_tree_hybrid(
        tree, D, recipe.cut_height, recipe.deep_split, size, recipe.pam, max_pam_distance=recipe.cut_height
    )


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
