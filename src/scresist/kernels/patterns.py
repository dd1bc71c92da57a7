"""Patterns: a non-negative matrix as a product of two small ones, from a deterministic start."""

import numpy as np

from scresist.checks import InputError

SMALLEST = 1e-9  # added to denominators, and the smallest entry
NEAR_ZERO = 1e-10  # of the start, taken as 0
CHECK_EVERY, UNCHANGED, MAX_ITERATIONS = 10, 40, 2000


def start_from_svd(V: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative start of a factorisation from the singular value decomposition.

    Parameters
    ----------
    V
        Non-negative. Shape (rows, columns).
    k
        Number of patterns, at most the smaller side.

    Returns
    -------
    W (rows, k) and H (k, columns); entries below 1e-10 are 0.

    References
    ----------
    Boutsidis & Gallopoulos (2008) Pattern Recognit 41:1350.
    """
    left, size, right = np.linalg.svd(V, full_matrices=False)
    W, H = np.zeros((V.shape[0], k)), np.zeros((k, V.shape[1]))
    W[:, 0], H[0] = np.sqrt(size[0]) * np.abs(left[:, 0]), np.sqrt(size[0]) * np.abs(right[0])
    for j in range(1, k):
        u, v = left[:, j], right[j]
        sides = [(np.maximum(s * u, 0), np.maximum(s * v, 0)) for s in (1, -1)]
        norms = [(np.linalg.norm(a), np.linalg.norm(b)) for a, b in sides]
        better = 0 if norms[0][0] * norms[0][1] >= norms[1][0] * norms[1][1] else 1
        (a, b), (p, q) = sides[better], norms[better]
        scale = np.sqrt(size[j] * p * q)
        W[:, j], H[j] = (scale * a / p, scale * b / q) if p * q > 0 else (0.0, 0.0)
    W[W < NEAR_ZERO], H[H < NEAR_ZERO] = 0, 0
    return W, H


def factorise(V: np.ndarray, W: np.ndarray, H: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Multiplicative updates for the squared error, until the pattern of each column no longer changes.

    H is updated first, then W, whose columns are then scaled to a sum of 1. Every 10 iterations each column is assigned
    to its largest pattern; iterations stop when these groups of columns have not changed in more than 40 checks.

    Parameters
    ----------
    V
        Shape (rows, columns), non-negative.
    W, H
        The start. Shapes (rows, k) and (k, columns).

    Returns
    -------
    W, H, and the number of iterations (at most 2000).

    Raises
    ------
    InputError
        If V has negative, missing or infinite values.

    References
    ----------
    Lee & Seung (2001) NIPS 13:556; Brunet et al. (2004) PNAS 101:4164, on when to stop.
    """
    V = np.ascontiguousarray(V, dtype=np.float64)
    if V.ndim != 2 or not np.isfinite(V).all() or (V < 0).any():
        raise InputError("a matrix to factorise must be finite and not negative")
    W, H = W.astype(np.float64).copy(), H.astype(np.float64).copy()
    before, unchanged = np.zeros(0), 0
    for iteration in range(1, MAX_ITERATIONS + 1):
        H = np.maximum(H * (W.T @ V), SMALLEST) / (W.T @ W @ H + SMALLEST)
        W = np.maximum(W * (V @ H.T), SMALLEST) / (W @ (H @ H.T) + SMALLEST)
        W /= W.sum(axis=0)
        if iteration % CHECK_EVERY:
            continue
        now = _canonical(H.argmax(axis=0))
        unchanged = unchanged + 1 if len(before) and (now == before).all() else 0
        before = now
        if unchanged > UNCHANGED:
            break
    return W, H, iteration


def _canonical(labels: np.ndarray) -> np.ndarray:
    """Labels numbered by first appearance, so that equal partitions are equal arrays."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def consensus(V: np.ndarray, k: int, n_runs: int, *, rng: np.random.Generator) -> np.ndarray:
    """Share of random starts that put two columns into the same pattern. Shape (columns, columns).

    Parameters
    ----------
    V
        Shape (rows, columns), non-negative.
    k, n_runs
        Number of patterns and of starts.
    rng
        Generator of the starts, which are uniform up to the largest entry.

    References
    ----------
    Brunet et al. (2004) PNAS 101:4164.
    """
    total = np.zeros((V.shape[1], V.shape[1]))
    for _ in range(n_runs):
        W = rng.random((V.shape[0], k)) * V.max()
        H = rng.random((k, V.shape[1])) * V.max()
        label = factorise(V, W, H)[1].argmax(axis=0)
        total += label[:, None] == label[None, :]
    return total / n_runs
