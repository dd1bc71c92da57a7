"""How central each group is in a network of signals: igraph's measures, and those that igraph does not have."""

import numpy as np

from scresist.kernels.centrality import centralities as without_igraph

DAMPING = 0.85
MEASURES = (
    "outdeg", "indeg", "outdeg_unweighted", "indeg_unweighted", "hub", "authority", "eigen", "page_rank",
    "betweenness", "flowbet", "info",
)  # fmt: skip


def centralities(weights: np.ndarray) -> dict[str, np.ndarray]:
    """How central each group is in each network, by the eleven measures that CellChat reports.

    Parameters
    ----------
    weights
        Entry i, j, k is the strength of the signal from group i to group j in network k; 0 where there is none. Shape
        (groups, groups, networks).

    Returns
    -------
    By name (MEASURES), shape (groups, networks): `page_rank` (damping 0.85, sums to 1) and `betweenness` (paths of
    length 1 / weight, loops ignored) by igraph, the others as in `kernels.centrality.centralities`.

    References
    ----------
    Brin & Page (1998) Comput Netw 30:107; Brandes (2001) J Math Sociol 25:163.
    """
    found = without_igraph(weights)
    each = [_by_igraph(weights[:, :, k]) for k in range(weights.shape[2])]
    empty = np.empty((len(weights), 0))
    found["page_rank"] = np.stack([rank for rank, _ in each], axis=1) if each else empty
    found["betweenness"] = np.stack([between for _, between in each], axis=1) if each else empty
    return {measure: found[measure] for measure in MEASURES}


def _by_igraph(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Page rank and betweenness of one network."""
    import igraph

    ends = np.argwhere(A > 0)
    graph = igraph.Graph(n=len(A), edges=ends, directed=True)
    if len(ends) == 0:
        return np.full(len(A), 1 / len(A)), np.zeros(len(A))
    strength = A[A > 0]
    rank = graph.pagerank(directed=True, damping=DAMPING, weights=strength.tolist())
    between = graph.betweenness(directed=True, weights=(1 / strength).tolist())
    return np.asarray(rank), np.asarray(between)
