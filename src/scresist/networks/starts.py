"""Where modules start: the branches of a tree of genes, or the components that cells vary along."""

from dataclasses import dataclass, replace

import numpy as np

from scresist.kernels.linkage import average_linkage
from scresist.kernels.residuals import leading_directions, noise_edge
from scresist.kernels.rotation import varimax
from scresist.kernels.tree_cut import cut_tree_hybrid
from scresist.networks.latent import Counted
from scresist.networks.recipe import Recipe, correlations, dissimilarity

MAX_COMPONENTS = 50
FOLLOWS = 3.0  # deviations of the correlation of an independent gene with a component


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
    moving = starting_genes(X, recipe)
    R = correlations(X[:, moving], recipe) if counted is None else counted.correlations(moving)
    return Prepared(moving, X[:, moving], R, recipe)


def starting_genes(X: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Positions of the genes in which modules start, ascending.

    Parameters
    ----------
    X
        Expression. Shape (metacells, genes).
    recipe
        The settings.
    """
    variance = X.var(axis=0)
    moving = np.flatnonzero(varying(variance))
    if recipe.seed_genes and len(moving) > recipe.seed_genes:
        moving = np.sort(moving[np.argsort(-variance[moving], kind="stable")[: recipe.seed_genes]])
    return moving


def varying(variance: np.ndarray) -> np.ndarray:
    """Whether each variance is more than rounding leaves of a constant, beside the largest."""
    return np.asarray(variance > 1e-12 * variance.max(initial=0.0))


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
    labels[start.chosen] = branches(start.tree, start.D, recipe)
    return labels


def start_labels(
    X: np.ndarray, recipe: Recipe, cells: np.ndarray | None = None, *, counted: Counted | None = None
) -> np.ndarray:
    """Module of every gene of X where modules start, by the tree or the components of a recipe; 0 for the others.

    Parameters
    ----------
    X
        Expression. Shape (metacells, genes).
    recipe
        The settings.
    cells
        Values of the cells, of which components are computed; without them modules start from the tree: metacells share
        cells, so that more components than are there exceed what independent rows give. Shape (cells, genes).
    counted
        As in `prepared`.
    """
    if recipe.start == "components" and cells is not None:
        return component_labels(cells, starting_genes(X, recipe), recipe)
    return seed_labels(X, recipe, prepared(X, recipe, counted=counted).at(recipe.power))


def component_labels(Z: np.ndarray, chosen: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Module of every gene by the component that it follows most; 0 for genes that follow none.

    The components are those whose eigenvalues exceed what independent genes give once in a thousand, turned so that
    each gene follows few of them. The genes at both ends of a component start a module.

    Parameters
    ----------
    Z
        Values. Shape (rows, genes).
    chosen
        Positions of the genes that are used.
    recipe
        The settings.
    """
    return of_start_size(component_ends(Z, chosen), recipe)


def of_start_size(ends: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Labels without those of fewer genes than a module may start from: two thirds of the smallest, at least three.

    Parameters
    ----------
    ends
        Of `component_ends`.
    recipe
        The settings.
    """
    return by_size(ends, max(min(recipe.min_module_size, len(ends) // 2) * 2 // 3, 3))


def component_ends(Z: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The end of a component that every gene follows most, from 1; 0 for genes that follow none, or were not chosen.

    Parameters
    ----------
    Z, chosen
        As in `component_labels`.
    """
    labels = np.zeros(Z.shape[1], dtype=np.int64)
    part = standardised(Z[:, chosen])
    values, vectors = leading_directions(part, min(MAX_COMPONENTS, *part.shape))
    n = int((values > noise_edge(*part.shape)).sum())
    if n == 0:
        return labels
    turned = varimax(vectors[:, :n] * np.sqrt(values[:n] - 1))  # 1 is the noise of single genes
    ends = np.concatenate([turned, -turned], axis=1)
    best = ends.argmax(axis=1)
    follows = ends.max(axis=1) >= FOLLOWS / np.sqrt(len(part))
    labels[chosen] = np.where(follows, best + 1, 0)
    return labels


def branches(tree: np.ndarray, D: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Label of every gene by the branches of a tree of D; 0 in none.

    Parameters
    ----------
    tree
        As of `average_linkage`.
    D
        Dissimilarity. Shape (genes, genes).
    recipe
        The settings of the cut.
    """
    size = min(recipe.min_module_size, len(D) // 2)
    # WGCNA's blockwise functions use the cut height as the maximum distance of the PAM stage.
    return cut_tree_hybrid(
        tree, D, recipe.cut_height, recipe.deep_split, size, recipe.pam, max_pam_distance=recipe.cut_height
    )


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


def standardised(X: np.ndarray, *, overwrite: bool = False) -> np.ndarray:
    """Columns of mean 0 and variance 1 in single precision; a constant column is 0.

    Parameters
    ----------
    X
        Values. Shape (rows, columns).
    overwrite
        Whether X may be changed, where it is in single precision already.
    """
    X = np.asarray(X, dtype=np.float32) if overwrite else np.array(X, dtype=np.float32, order="C")
    X -= X.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = np.sqrt(np.einsum("ij,ij->j", X, X) / np.float32(max(len(X), 1)))
    X /= np.where(deviation > 0, deviation, 1)
    return X
