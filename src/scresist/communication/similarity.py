"""How alike pathways are in who signals to whom, and which of them go together."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.cluster.vq import kmeans2

from scresist.checks import InputError, RefusedError, require_choice
from scresist.communication.conditions import together
from scresist.communication.result import Communication
from scresist.kernels.network_distance import (
    default_neighbours,
    link_overlap,
    shared_neighbours,
    structural_distances,
)

MOST_CLUSTERS = 10


def pathway_similarity(
    com: Communication | Mapping[str, Communication],
    *,
    kind: str = "functional",
    neighbours: int | None = None,
    smooth: bool = True,
    threshold: float = 0.05,
) -> pd.DataFrame:
    """How alike the networks of every two pathways are: by the links they share, or by their shape alone.

    Parameters
    ----------
    com
        One result, or several by name; pathways are then called "pathway--name" and groups are matched by name.
    kind
        functional (Jaccard index of the links) | structural (1 less the dissimilarity of the graphs).
    neighbours
        For smoothing, itself among them; None takes the root of the number of pathways (one more above 25).
    smooth
        Multiply by the share of nearest neighbours in common.
    threshold
        p-value up to which links count.

    Returns
    -------
    Pathways x pathways.

    Raises
    ------
    RefusedError
        With fewer than two pathways.
    InputError
        With fewer pathways than neighbours.

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
        raise RefusedError(f"{len(names)} pathways have links with a p-value up to {threshold:g}; two are compared")
    values = link_overlap(sums) if kind == "functional" else 1 - structural_distances(sums)
    if smooth:
        k = default_neighbours(len(names)) if neighbours is None else neighbours
        values = values * shared_neighbours(values, k)
    return pd.DataFrame(values, index=names, columns=names)


def place_pathways(similarity: pd.DataFrame, *, rng: int | np.random.Generator = 1) -> pd.DataFrame:
    """Pathways in a plane, alike ones near each other, and in clusters: pathway, x, y, cluster.

    The plane is spanned by the first eigenvectors of the normalised similarity, so that it is the same every time; the
    number of clusters is where the eigenvalues fall most.

    Parameters
    ----------
    similarity
        From `pathway_similarity`.
    rng
        Of the starts of k-means.

    References
    ----------
    Ng, Jordan & Weiss (2002) NIPS 14:849; von Luxburg (2007) Stat Comput 17:395.
    """
    S = similarity.to_numpy()
    if S.ndim != 2 or S.shape[0] != S.shape[1] or not np.allclose(S, S.T):
        raise InputError(f"a similarity is square and symmetric; got shape {S.shape}")
    degree = S.sum(axis=1)
    values, vectors = np.linalg.eigh(S / np.sqrt(degree[:, None] * degree[None, :]))
    values, vectors = values[::-1], vectors[:, ::-1]
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(S))])
    most = min(MOST_CLUSTERS, len(S) - 1)
    k = int(np.argmax(values[:most] - values[1 : most + 1])) + 1
    rows = vectors[:, :k] / np.maximum(np.linalg.norm(vectors[:, :k], axis=1, keepdims=True), 1e-300)
    generator = np.random.default_rng(rng)
    cluster = kmeans2(rows, k, minit="++", rng=generator)[1] if k > 1 else np.zeros(len(S), dtype=int)
    _, first, inverse = np.unique(cluster, return_index=True, return_inverse=True)
    spread = vectors[:, 1:3] / np.sqrt(degree)[:, None]
    plane = np.zeros((len(S), 2))
    plane[:, : spread.shape[1]] = spread
    return pd.DataFrame(
        {
            "pathway": similarity.index.to_numpy(), "x": plane[:, 0], "y": plane[:, 1],
            "cluster": np.argsort(np.argsort(first))[inverse] + 1,
        }
    )  # fmt: skip


def pathway_shift(placed: pd.DataFrame) -> pd.DataFrame:
    """How far each pathway of two results lies from itself: pathway, distance, largest first.

    Parameters
    ----------
    placed
        From `place_pathways` of the similarity of two results ("pathway--name").
    """
    parts = placed["pathway"].str.rsplit("--", n=1, expand=True)
    if parts.shape[1] != 2 or parts[1].nunique() != 2:
        raise InputError('a shift is between two results: pathways must be named "pathway--name" of two names')
    table = placed.assign(name=parts[0], condition=parts[1]).pivot_table(
        index="name", columns="condition", values=["x", "y"]
    )
    both = table.dropna()
    conditions = both.columns.levels[1]
    gap = [both[axis][conditions[0]] - both[axis][conditions[1]] for axis in ("x", "y")]
    out = pd.DataFrame({"pathway": both.index, "distance": np.hypot(*gap).to_numpy()})
    return out.sort_values("distance", ascending=False, kind="stable").reset_index(drop=True)
