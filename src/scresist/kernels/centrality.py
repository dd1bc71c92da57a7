"""Centralities of weighted directed graphs with loops: one value per node."""

import numpy as np
from numba import njit
from scipy import linalg

from scresist.checks import InputError

MEASURES = (
    "outdeg", "indeg", "outdeg_unweighted", "indeg_unweighted", "hub", "authority", "eigen", "page_rank",
    "betweenness", "flowbet", "info",
)  # fmt: skip
DAMPING = 0.85
TOLERANCE = 1e-10  # relative, within which two paths are of equal length


def centralities(weights: np.ndarray) -> dict[str, np.ndarray]:
    """How central each node of a weighted directed graph is, by eleven measures.

    Parameters
    ----------
    weights
        Entry i, j is the weight of the link from i to j; non-negative, 0 where there is none. Shape (nodes, nodes), or
        (nodes, nodes, graphs).

    Returns
    -------
    By name (MEASURES), shape (nodes,) or (nodes, graphs): `outdeg`, `indeg` (sums with loops), the same `_unweighted`
    (numbers of links), `hub`, `authority`, `eigen` (principal eigenvectors of A A', A'A and A + A', largest 1),
    `page_rank` (damping 0.85, sums to 1), `betweenness` (paths of length 1 / weight, loops ignored), `flowbet` (loss of
    maximum flow over all ordered pairs when the node is gone), `info` (information centrality, sums to 1). `info` reads
    the lower triangle alone where a graph is not symmetric, as the program does whose numbers these are: it depends on
    the order of the nodes and may be negative.

    Raises
    ------
    InputError
        If the matrix is not square, or has negative, missing or infinite entries.

    References
    ----------
    Kleinberg (1999) J ACM 46:604; Bonacich (1987) Am J Sociol 92:1170; Brin & Page (1998); Brandes (2001) J Math Sociol
    25:163; Freeman, Borgatti & White (1991) Soc Networks 13:141; Stephenson & Zelen (1989) Soc Networks 11:1.
    """
    A = np.asarray(weights, dtype=np.float64)
    if A.ndim not in {2, 3} or A.shape[0] != A.shape[1]:
        raise InputError(f"weights must be nodes x nodes (x graphs); got shape {A.shape}")
    if not np.isfinite(A).all() or (A < 0).any():
        raise InputError("weights must be finite and not negative; put 0 where there is no link")
    if A.ndim == 2:
        return _one(A)
    each = [_one(np.ascontiguousarray(A[:, :, k])) for k in range(A.shape[2])]
    return {m: np.stack([e[m] for e in each], axis=1) if each else np.empty((len(A), 0)) for m in MEASURES}


def _one(A: np.ndarray) -> dict[str, np.ndarray]:
    links = A > 0
    strength = A.sum(axis=0) + A.sum(axis=1)
    return {
        "outdeg": A.sum(axis=1),
        "indeg": A.sum(axis=0),
        "outdeg_unweighted": links.sum(axis=1).astype(float),
        "indeg_unweighted": links.sum(axis=0).astype(float),
        "hub": _principal(A @ A.T, strength),
        "authority": _principal(A.T @ A, strength),
        "eigen": _principal(A + A.T, strength),
        "page_rank": _page_rank(A),
        "betweenness": _betweenness(A),
        "flowbet": _flow_betweenness(A),
        "info": _information(A),
    }


def _principal(S: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The principal eigenvector scaled to a largest entry of 1; where it is not unique, the part of `start` in it."""
    if not S.any():
        return np.ones(len(S))
    values, vectors = np.linalg.eigh(S)
    space = vectors[:, values >= values[-1] * (1 - 1e-12)]
    vector = space[:, 0] if space.shape[1] == 1 else space @ (space.T @ start)
    vector = np.abs(vector)
    vector[vector < vector.max() * 1e-14] = 0
    return np.asarray(vector / vector.max())


def _page_rank(A: np.ndarray) -> np.ndarray:
    n = len(A)
    total = A.sum(axis=1)
    step = np.divide(A, total[:, None], out=np.full_like(A, 1 / n), where=total[:, None] > 0)
    rank = np.linalg.solve(np.eye(n) - DAMPING * step.T, np.full(n, (1 - DAMPING) / n))
    return np.asarray(rank / rank.sum())


@njit(cache=True)
def _betweenness(A):  # type: ignore[no-untyped-def]
    """Brandes' accumulation with Dijkstra over a dense graph."""
    n = len(A)
    out = np.zeros(n)
    for s in range(n):
        distance, paths, done = np.full(n, np.inf), np.zeros(n), np.zeros(n, dtype=np.bool_)
        order, n_done = np.empty(n, dtype=np.int64), 0
        before = np.zeros((n, n), dtype=np.bool_)  # before[w, v]: v precedes w on a shortest path from s
        distance[s], paths[s] = 0.0, 1.0
        while True:
            v, best = -1, np.inf
            for u in range(n):
                if not done[u] and distance[u] < best:
                    v, best = u, distance[u]
            if v < 0:
                break
            done[v] = True
            order[n_done] = v
            n_done += 1
            for w in range(n):
                if w == v or done[w] or A[v, w] <= 0.0:
                    continue
                length = best + 1.0 / A[v, w]
                if np.isinf(distance[w]) or length < distance[w] - TOLERANCE * length:
                    distance[w], paths[w] = length, paths[v]
                    before[w] = False
                    before[w, v] = True
                elif length <= distance[w] + TOLERANCE * length:
                    paths[w] += paths[v]
                    before[w, v] = True
        share = np.zeros(n)
        for k in range(n_done - 1, -1, -1):
            w = order[k]
            for v in range(n):
                if before[w, v]:
                    share[v] += paths[v] / paths[w] * (1.0 + share[w])
            if w != s:
                out[w] += share[w]
    return out


@njit(cache=True)
def _max_flow(A, source, sink, without):  # type: ignore[no-untyped-def]
    """Maximum flow by shortest augmenting paths (Edmonds & Karp), with one node left out."""
    n = len(A)
    rest = A.copy()
    queue, parent = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    flow = 0.0
    while True:
        parent[:] = -1
        parent[source] = source
        queue[0], head, tail = source, 0, 1
        while head < tail and parent[sink] < 0:
            v = queue[head]
            head += 1
            for w in range(n):
                if parent[w] < 0 and w != without and rest[v, w] > 0.0:
                    parent[w] = v
                    queue[tail] = w
                    tail += 1
        if parent[sink] < 0:
            return flow
        least, w = np.inf, sink
        while w != source:
            least = min(least, rest[parent[w], w])
            w = parent[w]
        w = sink
        while w != source:
            rest[parent[w], w] -= least
            rest[w, parent[w]] += least
            w = parent[w]
        flow += least


@njit(cache=True)
def _flow_betweenness(A):  # type: ignore[no-untyped-def]
    n = len(A)
    out = np.zeros(n)
    for s in range(n):
        for t in range(n):
            if s == t:
                continue
            whole = _max_flow(A, s, t, -1)
            if whole <= 0.0:
                continue
            for v in range(n):
                if v not in (s, t):
                    out[v] += whole - _max_flow(A, s, t, v)
    return out


def _information(A: np.ndarray) -> np.ndarray:
    n = len(A)
    lower = np.tril(A)
    M = A if (A == A.T).all() else lower + np.tril(A, -1).T
    kept = np.flatnonzero(M.any(axis=1))
    out = np.zeros(n)
    if len(kept) <= 1:
        return out
    M = M[np.ix_(kept, kept)]
    B = 1 - M
    np.fill_diagonal(B, 1 + M.sum(axis=1))
    if np.linalg.cond(B, 1) > 1 / np.finfo(float).eps:
        return out
    C = linalg.inv(B)
    trace, rows = np.trace(C), C.sum(axis=1)
    out[kept] = 1 / (np.diag(C) + (trace - 2 * rows) / n)
    return np.asarray(out / out.sum())
