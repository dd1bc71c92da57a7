"""Clusters of points by k-means, and how many there are."""

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2
from scipy.spatial.distance import pdist, squareform

from scresist.checks import InputError, require_finite
from scresist.kernels.patterns import silhouette

STARTS = 10  # of k-means; the tightest is kept


def cluster_points(points: np.ndarray, k: int, *, rng: np.random.Generator) -> np.ndarray:
    """k-means from several starts: the cluster of each point, numbered from 0 by first appearance.

    Parameters
    ----------
    points
        Shape (points, axes).
    k
        Number of clusters, at most that of distinct points.
    rng
        Of the starts.

    Returns
    -------
    Shape (points,), integer.

    Raises
    ------
    InputError
        If k is below 1 or above the number of distinct points, or a point is not finite.

    References
    ----------
    Arthur & Vassilvitskii (2007) SODA 1027 (how a start is drawn).
    """
    require_finite(points, "points to cluster")
    distinct = len(np.unique(points, axis=0))
    if not 1 <= k <= distinct:
        raise InputError(f"k must lie in 1 to {distinct}, the number of distinct points; got {k!r}")
    best, least = np.zeros(len(points), dtype=np.int64), np.inf
    for _ in range(STARTS if k > 1 else 0):
        try:
            centres, labels = kmeans2(points, k, minit="++", missing="raise", rng=rng)
        except ClusterError:  # a cluster ran empty: this start is no clustering into k
            continue
        spread = float(((points - centres[labels]) ** 2).sum())
        if spread < least:
            best, least = labels.astype(np.int64), spread
    _, first, inverse = np.unique(best, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse])


def number_of_clusters(points: np.ndarray, most: int, *, rng: np.random.Generator) -> int:
    """The number of clusters, from 2 to `most`, whose points lie nearest to their own and farthest from the next.

    Parameters
    ----------
    points
        Shape (points, axes).
    most
        Largest number considered; fewer where there are fewer distinct points.
    rng
        Of the starts of k-means.

    Returns
    -------
    The number with the largest mean silhouette width; 1 where there are fewer than three distinct points.

    References
    ----------
    Rousseeuw (1987) J Comput Appl Math 20:53.
    """
    most = min(most, len(np.unique(points, axis=0)) - 1)
    if most < 2:
        return 1
    apart = squareform(pdist(points))
    width = [silhouette(apart, cluster_points(points, k, rng=rng)).mean() for k in range(2, most + 1)]
    return int(np.argmax(width)) + 2
