"""Parts of the kernels on large square matrices: blocks of rows on threads, symmetric products, mirrored triangles."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from scipy.linalg import blas

TILE = 64  # two tiles of float64 stay in a first-level cache of 64 KiB


def n_threads() -> int:
    """Threads to use: NUMBA_NUM_THREADS or OMP_NUM_THREADS where set, else every core this process may run on."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over_rows(function: Callable[[int, int], None], n: int, block: int) -> None:
    """Call `function(start, stop)` for consecutive blocks of rows, on threads where there are several.

    Every row is computed by the same instructions on any thread, so the number of threads never changes a result.
    """
    starts = range(0, n, block)
    if n_threads() == 1 or len(starts) == 1:
        for start in starts:
            function(start, min(start + block, n))
        return
    with ThreadPoolExecutor(n_threads()) as pool:
        for _ in pool.map(lambda start: function(start, min(start + block, n)), starts):
            pass


def gram(Z: np.ndarray) -> np.ndarray:
    """The product Z'Z for Z of shape (n, p), its lower triangle only (the upper is undefined); precision of Z."""
    Z = np.ascontiguousarray(Z)
    syrk = blas.ssyrk if Z.dtype == np.float32 else blas.dsyrk
    product: np.ndarray = syrk(1.0, Z.T).T
    return product


@njit(cache=True, nogil=True)
def _mirror_rows(L: np.ndarray, start: int, stop: int, low: float, high: float) -> None:
    for i0 in range(start, stop, TILE):
        i1 = min(i0 + TILE, stop)
        for j0 in range(0, i1, TILE):
            for i in range(i0, i1):
                for j in range(j0, min(j0 + TILE, i + 1)):
                    value = min(max(L[i, j], low), high)
                    L[i, j] = value
                    L[j, i] = value


def mirror_clipped(L: np.ndarray, low: float, high: float) -> None:
    """Clip the lower triangle of L to [low, high] and copy it onto the upper, in place."""
    limits = L.dtype.type(low), L.dtype.type(high)
    over_rows(lambda start, stop: _mirror_rows(L, start, stop, *limits), L.shape[0], 4 * TILE)


def copy_repeats(M: np.ndarray, repeats: dict[int, list[int]], within: float | None = None) -> None:
    """Copy to genes that repeat another gene that gene's row and column, in place.

    A fast product rounds by position, so that the results of equal genes differ in the last digit, and chance would
    decide the ties between them in a tree. `within` is the value between repeats; None is that of the gene and its
    first repeat.
    """
    for first, later in repeats.items():
        value = M[first, later[0]] if within is None else within
        for j in later:
            M[j] = M[first]
            M[:, j] = M[first]
        group = [first, *later]
        corner = M[first, first]
        M[np.ix_(group, group)] = value
        M[group, group] = corner


@njit(cache=True, nogil=True)
def nearest_columns(D: np.ndarray, columns: np.ndarray, values: np.ndarray, start: int, stop: int) -> None:
    """For rows start to stop of a square matrix, the columns of its smallest entries off the diagonal, ascending.

    Their number is the width of `columns` and `values`; ties are in the order of columns.
    """
    wanted = columns.shape[1]
    for i in range(start, stop):
        filled = 0
        for j in range(D.shape[1]):
            value = D[i, j]
            if j == i or (filled == wanted and value >= values[i, wanted - 1]):
                continue
            place = min(filled, wanted - 1)
            while place > 0 and values[i, place - 1] > value:
                values[i, place], columns[i, place] = values[i, place - 1], columns[i, place - 1]
                place -= 1
            values[i, place], columns[i, place] = value, j
            filled = min(filled + 1, wanted)
