"""How similar pathways are in which groups signal to which, and clusters of similar pathways."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, require_choice
from scresist.communication.conditions import together
from scresist.communication.result import LINK_P, Communication
from scresist.kernels.network_distance import (
    default_neighbours,
    link_overlap,
    shared_neighbours,
    structural_distances,
)

MAXIMUM_CLUSTERS = 10
MINIMUM_PLACED = 5  # pathways: with fewer a plane shows nothing
MINIMUM_DISTANCE = 0.3  # between points of the plane
STARTS = 10  # of k-means; the tightest is kept


def pathway_similarity(
    com: Communication | Mapping[str, Communication],
    *,
    kind: str = "functional",
    neighbours: int | None = None,
    smooth: bool = True,
    threshold: float = LINK_P,
) -> pd.DataFrame:
    """How similar the networks of every two pathways are, by the links they share or by their shape alone.

    Parameters
    ----------
    com
        One result, or several by name; pathways are then called "pathway--name" and groups are matched by name.
    kind
        functional (Jaccard index of the links) | structural (1 less the dissimilarity of the graphs).
    neighbours
        Nearest neighbours for smoothing, itself among them; None is the root of the number of pathways (one more above
        25 pathways).
    smooth
        Whether the similarity is multiplied by the share of nearest neighbours in common.
    threshold
        p-value up to which links count.

    Returns
    -------
    Pathways x pathways.

    Raises
    ------
    RefusedError
        For fewer than two pathways.
    InputError
        For fewer pathways than neighbours.

    References
    ----------
    Jin S et al. (2021) Nat Commun 12:1088; Schieber et al. (2017) Nat Commun 8:13928.
    """
    require_choice(kind, ("functional", "structural"), "kind")
    if isinstance(com, Communication):
        sums, index = com.pathway_array(threshold=threshold)
        names = list(index)
    else:
        each = {label: own.pathway_array(threshold=threshold) for label, own in together(com).items()}
        sums = np.concatenate([array for array, _ in each.values()], axis=2)
        names = [f"{n}--{label}" for label, (_, own) in each.items() for n in own]
    if len(names) < 2:
        raise RefusedError(
            f"{len(names)} pathways have links with a p-value up to {threshold:g}; at least two are needed"
        )
    values = link_overlap(sums) if kind == "functional" else 1 - structural_distances(sums)
    if smooth:
        k = default_neighbours(len(names)) if neighbours is None else neighbours
        values = values * shared_neighbours(values, k)
    return pd.DataFrame(values, index=names, columns=names)


def place_pathways(
    similarity: pd.DataFrame,
    *,
    neighbours: int | None = None,
    clusters: int | None = None,
    rng: int | np.random.Generator = 1,
) -> pd.DataFrame:
    """Pathways in a plane, similar ones near each other, and in clusters: pathway, x, y, cluster.

    The plane is UMAP of the rows of the similarity, the clusters are k-means in that plane. A pathway without
    similarity to any other has NaN and cluster 0. Distances in the plane depend on the seed and on the version of UMAP:
    compare their order, over several seeds.

    Parameters
    ----------
    similarity
        From `pathway_similarity`.
    neighbours
        Nearest neighbours of each pathway; None is one more than the root of the number of pathways.
    clusters
        Number of clusters; None is the number from 2 to 10 with the largest mean silhouette width.
    rng
        Seed or generator of the plane and of the starts of k-means.

    Raises
    ------
    InputError
        If the similarity is not square and symmetric, or the number of neighbours or clusters is out of range.
    RefusedError
        For fewer than five pathways with similarity to another.

    References
    ----------
    McInnes, Healy & Melville (2018) arXiv 1802.03426; Jin S et al. (2021) Nat Commun 12:1088.
    """
    S = similarity.to_numpy(dtype=float)
    if S.ndim != 2 or S.shape[0] != S.shape[1] or not np.allclose(S, S.T):
        raise InputError(f"a similarity must be square and symmetric; got shape {S.shape}")
    own = np.flatnonzero((S > 0).sum(axis=1) > 1)
    if len(own) < MINIMUM_PLACED:
        raise RefusedError(f"{len(own)} pathways are similar to another one; a plane needs at least {MINIMUM_PLACED}")
    generator = np.random.default_rng(rng)
    k = int(np.ceil(np.sqrt(len(own)))) + 1 if neighbours is None else neighbours
    if not 2 <= k < len(own):
        raise InputError(f"neighbours must be from 2 to {len(own) - 1}; got {k!r}")
    plane, cluster = np.full((len(S), 2), np.nan), np.zeros(len(S), dtype=np.int64)
    plane[own] = _plane(S[np.ix_(own, own)], k, int(generator.integers(2**31)))
    cluster[own] = _clusters(plane[own], clusters, generator) + 1
    return pd.DataFrame(
        {"pathway": similarity.index.to_numpy(), "x": plane[:, 0], "y": plane[:, 1], "cluster": cluster}
    )


def _plane(rows: np.ndarray, neighbours: int, seed: int) -> np.ndarray:
    from umap import UMAP  # seconds to import

    # Principal components as start: eigenvectors of so small a graph do not always exist, and vary more by seed.
    model = UMAP(n_neighbors=neighbours, min_dist=MINIMUM_DISTANCE, init="pca", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(rows), dtype=np.float64)


def _clusters(points: np.ndarray, wanted: int | None, rng: np.random.Generator) -> np.ndarray:
    """Clusters of points by k-means, numbered from 0 by first appearance.

    Where no number is wanted, it is the one with the largest mean silhouette width, and 1 for fewer than three distinct
    points.
    """
    from sklearn.cluster import KMeans  # seconds to import
    from sklearn.metrics import silhouette_score

    distinct = len(np.unique(points, axis=0))
    if wanted is not None and not 1 <= wanted <= distinct:
        raise InputError(f"clusters must be from 1 to {distinct}, the number of distinct points; got {wanted!r}")
    numbers = [wanted] if wanted is not None else range(2, min(MAXIMUM_CLUSTERS, distinct - 1) + 1)
    best, widest = np.zeros(len(points), dtype=np.int64), -np.inf
    for number in numbers:
        labels = KMeans(number, n_init=STARTS, random_state=int(rng.integers(2**31))).fit_predict(points)
        width = float(silhouette_score(points, labels)) if len(numbers) > 1 else 0.0
        if width > widest:
            best, widest = labels, width
    return np.asarray(pd.factorize(best)[0])


def pathway_shift(placed: pd.DataFrame) -> pd.DataFrame:
    """Distance between the places of each pathway in two results: pathway, distance, largest first.

    Parameters
    ----------
    placed
        From `place_pathways` of the similarity of two results ("pathway--name").

    Raises
    ------
    InputError
        If the pathways are not of two results.
    """
    parts = placed["pathway"].str.rsplit("--", n=1, expand=True)
    if parts.shape[1] != 2 or parts[1].nunique() != 2:
        raise InputError('a shift needs two results: pathways must be named "pathway--name" with two names')
    table = placed.assign(name=parts[0], condition=parts[1]).pivot_table(
        index="name", columns="condition", values=["x", "y"]
    )
    both = table.dropna()
    conditions = both.columns.levels[1]
    gap = [both[axis][conditions[0]] - both[axis][conditions[1]] for axis in ("x", "y")]
    out = pd.DataFrame({"pathway": both.index, "distance": np.hypot(*gap).to_numpy()})
    return out.sort_values("distance", ascending=False, kind="stable").reset_index(drop=True)
