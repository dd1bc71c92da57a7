"""The settings by which modules are made of expression, and the gene by gene matrices that follow from them."""

from dataclasses import dataclass

import numpy as np

from scresist.checks import InputError, require_choice, require_positive
from scresist.kernels.overlap import topological_overlap
from scresist.kernels.pairwise import correlation
from scresist.kernels.similarity import NETWORKS, adjacency_into

STARTS = ("tree", "components")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How modules are made of expression; the defaults are hdWGCNA's.

    `single` computes correlations, overlap and tree in single precision (a quarter of the time, half of the memory;
    overlaps differ by less than 1e-5); eigengenes and kME are always in double precision. Where `members` is above 0,
    modules start from the branches of the tree or, by `start`, from "components" (`starts.component_labels`), and each
    gene is then moved to the module that it follows most (`kernels.membership`), if by `members` deviations, or by a
    correlation of `sufficient`, or more. `seed_genes` is how many genes make the components and the tree of a
    resample, those whose metacells vary most (0 is all): the others can still become members.
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
    start: str = "tree"
    members: float = 0.0
    sufficient: float = 0.2
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
    require_choice(recipe.start, STARTS, "start")
    require_positive(recipe.min_module_size, "min_module_size")
    require_positive(recipe.merge_height, "merge_height", allow_zero=True)
    if recipe.deep_split not in range(5):
        raise InputError(f"deep_split must be a whole number from 0 to 4; got {recipe.deep_split!r}")


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
