"""Which genes belong to the modules: each follows one over cells; agreeing ones are merged, mixed ones taken apart."""

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from scresist.kernels.membership import axis_correlations, refine_members, two_sides
from scresist.networks.recipe import Recipe
from scresist.networks.starts import by_size, prepared, seed_labels, standardised, start_labels

LAYERS = 2  # of programmes: strong ones, and those beneath them
AXIS = 0.1  # of the genes; a larger module is searched for programmes inside it
REMEMBERED = 2  # labellings, of which what is left beneath is kept


@dataclass(frozen=True, slots=True)
class Known:
    """What was computed of some rows and is needed again: different settings often give the same modules.

    `whole` are the modules that are not taken apart, by the smallest size and their genes; `left` is what the last
    labellings left of the values of metacells and cells.
    """

    whole: set[tuple[int, bytes]] = field(default_factory=set)
    left: dict[bytes, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def beneath(
        self, X: np.ndarray, pools: np.ndarray, Z: np.ndarray, labels: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Values of the metacells, in their own units, and standardised values of the cells, without the modules."""
        key = labels.tobytes()
        if key not in self.left:
            while len(self.left) >= REMEMBERED:
                self.left.pop(next(iter(self.left)))
            deviation = X.std(axis=0, dtype=np.float64).astype(np.float32)
            left = without_modules(pools, labels) * deviation
            self.left[key] = left, standardised(without_modules(Z, labels), overwrite=True)
        return self.left[key]


def with_members(
    X: np.ndarray,
    labels: np.ndarray,
    recipe: Recipe,
    cells: np.ndarray | None = None,
    *,
    known: Known | None = None,
) -> np.ndarray:
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
    known
        What earlier calls with the same X, cells and `merge_height` computed.
    """
    known = Known() if known is None else known
    pools = standardised(X)
    Z = pools if cells is None else cells
    if cells is None:  # neighbours are pooled, so that all genes correlate by more than over cells
        recipe = replace(recipe, sufficient=np.inf)
    labels = _members(pools, Z, labels, recipe, known.whole)
    for _ in range(LAYERS - 1):
        if not labels.any():
            break
        left, rest = known.beneath(X, pools, Z, labels)
        found = _members(standardised(left), rest, start_labels(left, recipe, rest), recipe, set())
        if not found.any():
            break
        sizes, own = np.bincount(labels), np.bincount(found)
        moved = (found > 0) & ((labels == 0) | (2 * own[found] < sizes[labels]))
        labels = by_size(np.where(moved, found + len(sizes), labels), min(recipe.min_module_size, X.shape[1] // 2))
    return labels


def _members(
    pools: np.ndarray, Z: np.ndarray, labels: np.ndarray, recipe: Recipe, whole: set[tuple[int, bytes]]
) -> np.ndarray:
    """Labels after members were decided in Z and modules that agree over the rows of `pools` were merged."""
    if not labels.any():
        return labels
    size = min(recipe.min_module_size, Z.shape[1] // 2)
    labels = split_axes(pools, labels, recipe)
    for _ in range(3):  # merged modules decide their members once more
        labels = _refined(Z, labels, recipe, size)
        merged = merge_agreeing(Z, labels, recipe.merge_height)
        merged = taken_apart(Z, merged, recipe, whole)
        if merged.max(initial=0) == len(np.unique(labels[labels > 0])):
            return merged
        labels = merged
    return by_size(_refined(Z, labels, recipe, size), 1)


def _refined(Z: np.ndarray, labels: np.ndarray, recipe: Recipe, size: int) -> np.ndarray:
    return refine_members(Z, labels, threshold=recipe.members, min_size=size, sufficient=recipe.sufficient)


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
    explained = basis @ (basis.T @ Z)
    return np.asarray(np.subtract(Z, explained, out=explained))


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


def taken_apart(
    Z: np.ndarray, labels: np.ndarray, recipe: Recipe, whole: set[tuple[int, bytes]] | None = None
) -> np.ndarray:
    """Labels with modules of two axes as two modules, 1 the largest.

    The genes of a module are divided in every second row, and the two sides stay apart if their axes correlate by less
    than 1 - merge_height in the other rows, which did not divide them; each side is then divided further.

    Parameters
    ----------
    Z
        Standardised values. Shape (rows, genes).
    labels
        Module of each gene.
    recipe
        The settings.
    whole
        Modules of the same Z that stayed whole, by the smallest size and their genes; those found here are added.
    """
    labels, size = labels.copy(), min(recipe.min_module_size, Z.shape[1] // 2)
    whole = set() if whole is None else whole
    waiting = [int(label) for label in np.unique(labels[labels > 0])]
    while waiting:
        label = waiting.pop()
        inside = np.flatnonzero(labels == label)
        key = (size, inside.tobytes())
        if len(inside) < 2 * max(size, 2) or key in whole:
            continue
        whole.add(key)
        sides = two_sides(Z[::2][:, inside])
        if np.bincount(sides, minlength=3)[1:].min() < size:
            continue
        if axis_correlations(Z[1::2][:, inside], sides)[0, 1] < 1 - recipe.merge_height:
            whole.discard(key)
            new = int(labels.max()) + 1
            labels[inside[sides == 2]] = new
            waiting += [label, new]
    return by_size(labels, 1)


def merge_agreeing(Z: np.ndarray, labels: np.ndarray, merge_height: float) -> np.ndarray:
    """Labels after modules whose axes correlate by 1 - merge_height or more were merged, 1 the largest.

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
        R = axis_correlations(Z, number)
        tree = linkage(squareform(1 - R, checks=False), "average")
        number = np.concatenate([[0], fcluster(tree, merge_height, "distance")])[number]
    return by_size(number, 1)
