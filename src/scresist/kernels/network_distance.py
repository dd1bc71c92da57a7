"""How similar networks over the same nodes are: by the links they share, and by the shape of the graph."""

import numpy as np
from numba import njit

from scresist.checks import InputError

WEIGHTS = (0.45, 0.45, 0.1)  # distance distributions, dispersion of nodes, alpha centrality
MINIMUM_SHARED = 1 / 15


def link_overlap(links: np.ndarray) -> np.ndarray:
    """Jaccard index of the links of every two networks.

    Parameters
    ----------
    links
        Weights or True where there is a link. Shape (nodes, nodes, networks).

    Returns
    -------
    Shape (networks, networks), diagonal 1; two networks without links have 0.

    References
    ----------
    Jaccard (1901) Bull Soc Vaudoise Sci Nat 37:547.
    """
    flat = _links(links).reshape(-1, np.shape(links)[2]).astype(np.float64)
    shared = flat.T @ flat
    size = flat.sum(axis=0)
    union = size[:, None] + size[None, :] - shared
    out = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    np.fill_diagonal(out, 1)
    return np.asarray(out)


def structural_distances(links: np.ndarray) -> np.ndarray:
    """Dissimilarity of the shapes of every two directed graphs over the same nodes, without their weights.

    0.45 of the divergence of the distributions of distances averaged over nodes, 0.45 of the difference of the
    dispersions between nodes, and 0.1 of the divergence of the alpha centralities of the graphs and of their
    complements. Distances are those of the undirected graph.

    Parameters
    ----------
    links
        Weights or True where there is a link. Shape (nodes, nodes, networks).

    Returns
    -------
    Shape (networks, networks), symmetric, diagonal 0. Where rounding makes a divergence negative the entry is 0, as in
    CellChat.

    Raises
    ------
    InputError
        For fewer than two nodes, or another shape.

    References
    ----------
    Schieber et al. (2017) Nat Commun 8:13928.
    """
    whole = np.ascontiguousarray(_links(links).transpose(2, 0, 1))
    n = whole.shape[1]
    if n < 2:
        raise InputError("a distance between networks needs at least two nodes")
    loops = np.eye(n, dtype=bool)
    complement = ~whole & ~loops
    mean, dispersion = _node_distances(whole)
    alpha, other = _alpha(whole), _alpha(complement)
    first = np.sqrt(np.maximum(_divergences(mean), 0))
    second = np.abs(np.sqrt(dispersion)[:, None] - np.sqrt(dispersion)[None, :])
    with np.errstate(invalid="ignore"):
        third = 0.5 * np.sqrt(_divergences(alpha)) + 0.5 * np.sqrt(_divergences(other))
    out = np.nan_to_num(WEIGHTS[0] * first + WEIGHTS[1] * second + WEIGHTS[2] * third, nan=0.0)
    np.fill_diagonal(out, 0)
    return np.asarray(out)


def _links(links: np.ndarray) -> np.ndarray:
    A = np.asarray(links)
    if A.ndim != 3 or A.shape[0] != A.shape[1]:
        raise InputError(f"networks must be nodes x nodes x networks; got shape {A.shape}")
    return A > 0


def _node_distances(links: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over nodes of the distribution of distances (networks, nodes), and the dispersion of nodes of each."""
    n_networks, n = links.shape[:2]
    mean, dispersion = np.empty((n_networks, n)), np.empty(n_networks)
    for k, graph in enumerate(links):
        distance = _hops(graph | graph.T)
        q = np.zeros((n, n))
        for d in range(1, n + 1):
            q[:, d - 1] = ((distance == d) & ~np.eye(n, dtype=bool)).sum(axis=1) / (n - 1)
        mean[k] = q.mean(axis=0)
        reached = int((mean[k, : n - 1] > 0).sum())
        spread = float(_entropy(mean[k])) - float(_entropy(q.ravel())) / n
        dispersion[k] = max(0.0, spread) / np.log(max(2, 1 + reached))
    return mean, dispersion


@njit(cache=True)
def _hops(graph):  # type: ignore[no-untyped-def]
    """Numbers of steps between nodes; the number of nodes where there is no path."""
    n = len(graph)
    out = np.full((n, n), n, dtype=np.int64)
    queue = np.empty(n, dtype=np.int64)
    for s in range(n):
        out[s, s] = 0
        queue[0], head, tail = s, 0, 1
        seen = np.zeros(n, dtype=np.bool_)
        seen[s] = True
        while head < tail:
            v = queue[head]
            head += 1
            for w in range(n):
                if graph[v, w] and not seen[w]:
                    seen[w] = True
                    out[s, w] = out[s, v] + 1
                    queue[tail] = w
                    tail += 1
    return out


def _alpha(links: np.ndarray) -> np.ndarray:
    """Sorted alpha centralities with what is left to 1, per network: shape (networks, nodes + 1)."""
    n = links.shape[1]
    out = np.empty((len(links), n + 1))
    for k, graph in enumerate(links):
        plain = graph & ~np.eye(n, dtype=bool)
        degree = (graph.sum(axis=0) + graph.sum(axis=1)) / (n - 1)
        value = np.linalg.solve(np.eye(n) - plain.T / n, degree)
        value = np.sort(value) / n**2
        out[k, :n], out[k, n] = value, max(0.0, 1 - value.sum())
    return out


def _entropy(x: np.ndarray) -> np.ndarray:
    """Of the last axis, summed in extended precision as in R: the sign of a rounding error decides whether it is 0."""
    terms = np.where(x > 0, -x * np.log(np.where(x > 0, x, 1.0)), 0.0)
    return np.asarray(terms.astype(np.longdouble).sum(axis=-1).astype(np.float64))


def _divergences(x: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence, in bits, of every two rows."""
    own = _entropy(x)
    both = np.stack([_entropy((row + x) / 2) for row in x])
    return np.asarray((both - (own[:, None] + own[None, :]) / 2) / np.log(2))


def default_neighbours(n: int) -> int:
    """How many neighbours (itself among them) smooth the similarity of n networks: the root of n, one more above 25."""
    return int(np.ceil(np.sqrt(n))) + (1 if n > 25 else 0)


def shared_neighbours(similarity: np.ndarray, k: int, neighbours: np.ndarray | None = None) -> np.ndarray:
    """The share of nearest neighbours that every two networks have in common.

    Parameters
    ----------
    similarity
        Rows are compared by Euclidean distance. Shape (n, n).
    k
        Neighbours of each, itself among them.
    neighbours
        Positions of the k - 1 others. None: computed here, ties in the order of positions. Shape (n, k - 1).

    Returns
    -------
    s / (2 k - s) for s shared neighbours, 0 below 1/15, diagonal 1. Shape (n, n).

    Raises
    ------
    InputError
        For fewer than k networks.
    """
    n = len(similarity)
    if n < k or k < 1:
        raise InputError(f"{n} networks do not have {k} nearest neighbours; use fewer")
    if neighbours is None:
        gap = ((similarity[:, None, :] - similarity[None, :, :]) ** 2).sum(axis=2)
        np.fill_diagonal(gap, -1)
        neighbours = np.argsort(gap, axis=1, kind="stable")[:, 1:k]
    member = np.zeros((n, n))
    member[np.arange(n)[:, None], neighbours] = 1
    np.fill_diagonal(member, 1)
    shared = member @ member.T
    out = shared / (2 * k - shared)
    out[out < MINIMUM_SHARED] = 0
    np.fill_diagonal(out, 1)
    return np.asarray(out)
