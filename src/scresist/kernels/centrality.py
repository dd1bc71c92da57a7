"""Centralities of weighted directed graphs with loops that igraph does not have or does not determine."""

import numpy as np
from numba import njit
from scipy import linalg

from scresist.checks import InputError

MEASURES = (
    "outdeg", "indeg", "outdeg_unweighted", "indeg_unweighted", "hub", "authority", "eigen", "flowbet", "info",
)  # fmt: skip


def centralities(weights: np.ndarray) -> dict[str, np.ndarray]:
    """How central each node of a weighted directed graph is, by nine measures.

    Parameters
    ----------
    weights
        Entry i, j is the weight of the link from i to j; non-negative, 0 where there is none. Shape (nodes, nodes), or
        (nodes, nodes, graphs).

    Returns
    -------
    By name (MEASURES), shape (nodes,) or (nodes, graphs): `outdeg`, `indeg` (sums with loops), the same `_unweighted`
    (numbers of links), `hub`, `authority`, `eigen` (principal eigenvectors of A A', A'A and A + A', largest 1; where
    there are several, the part of the strengths in their span, so that the order of the nodes does not matter),
    `flowbet` (loss of maximum flow over all ordered pairs when the node is removed), `info` (information centrality,
    sums to 1). Where a graph is not symmetric, `info` uses the lower triangle alone, as CellChat does through sna: it
    depends on the order of the nodes and may be negative.

    Raises
    ------
    InputError
        If the matrix is not square, or has negative, missing or infinite entries.

    References
    ----------
    Kleinberg (1999) J ACM 46:604; Bonacich (1987) Am J Sociol 92:1170; Freeman, Borgatti & White (1991) Soc Networks
    13:141; Stephenson & Zelen (1989) Soc Networks 11:1.
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
        smallest, w = np.inf, sink
        while w != source:
            smallest = min(smallest, rest[parent[w], w])
            w = parent[w]
        w = sink
        while w != source:
            rest[parent[w], w] -= smallest
            rest[w, parent[w]] += smallest
            w = parent[w]
        flow += smallest


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
