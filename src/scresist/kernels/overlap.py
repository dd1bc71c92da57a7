"""Topological overlap: to what extent two genes share neighbours."""

import numpy as np
from numba import njit

from scresist.checks import InputError, require_choice
from scresist.kernels._blocks import TILE, copy_repeats, gram, over_rows
from scresist.kernels.similarity import square

TOMS = ("signed", "unsigned", "signed Nowick")


def topological_overlap(A: np.ndarray, tom: str = "signed", denominator: str = "min") -> np.ndarray:
    """Shared neighbourhood of every pair of genes, in the precision of A.

    With k the row sums of |a| (diagonal taken as 1) and L = A A, the overlap of genes i and j is
    (L_ij - a_ij) / (min(k_i, k_j) - |a_ij|): the strength of their common neighbours and of their own link, over the
    largest value possible for the gene with fewer links.

    Parameters
    ----------
    A
        Adjacency, shape (genes, genes), symmetric; the diagonal is taken as 1. Values in [-1, 1].
    tom
        "signed" uses the absolute value of the numerator, "unsigned" and "signed Nowick" keep its sign. They differ
        only where A has negative entries.
    denominator
        "min" as above, or "mean" of the two row sums in its place.

    Returns
    -------
    Overlap, shape (genes, genes), symmetric with diagonal 1; 0 where the denominator is 0. One matrix of
    the size of A is allocated. Results do not depend on threads beyond the summation order of the BLAS in use.

    Raises
    ------
    InputError
        If A is not square, or has missing or infinite values, since one would change every overlap.

    References
    ----------
    Zhang & Horvath (2005) Stat Appl Genet Mol Biol 4:17; Nowick et al. (2009) PNAS 106:22358.
    """
    require_choice(tom, TOMS, "tom")
    require_choice(denominator, ("min", "mean"), "denominator")
    A = square(A, "A")
    sums, ones = _row_sums(A)
    if not np.isfinite(sums).all():
        bad = np.flatnonzero(~np.isfinite(sums))
        raise InputError(
            f"A has missing or infinite values in the rows of {len(bad)} genes, the first is gene {bad[0]}; "
            "drop constant genes and those with many missing values before the overlap"
        )
    if not (np.diag(A) == 1).all():
        A = A.copy()
        np.fill_diagonal(A, 1)
        sums, ones = _row_sums(A)
    T = gram(A)
    k = sums.astype(A.dtype)
    constants = A.dtype.type(0), A.dtype.type(0.5)
    over_rows(
        lambda a, b: _finish_rows(A, T, k, tom == "signed", denominator == "mean", *constants, a, b), len(A), 4 * TILE
    )
    np.fill_diagonal(T, 1)
    copy_repeats(T, _repeated_rows(A, np.flatnonzero(ones > 1)))
    return T


def _row_sums(A: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of absolute values of each row, in double precision, and how many entries are exactly 1."""
    sums, ones = np.empty(len(A)), np.empty(len(A), dtype=np.int64)
    over_rows(lambda a, b: _sum_rows(A, sums, ones, a, b), len(A), 256)
    return sums, ones


def _repeated_rows(A: np.ndarray, candidates: np.ndarray) -> dict[int, list[int]]:
    """The later genes whose adjacencies repeat an earlier gene's exactly, by that earlier one."""
    repeats: dict[int, list[int]] = {}
    seen: set[int] = set()
    for i in candidates.tolist():
        if i not in seen:
            later = [j for j in np.flatnonzero(A[i] == 1).tolist() if j > i and np.array_equal(A[i], A[j])]
            if later:
                repeats[i] = later
                seen.update(later)
    return repeats


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _sum_rows(A: np.ndarray, sums: np.ndarray, ones: np.ndarray, start: int, stop: int) -> None:
    for i in range(start, stop):
        total = 0.0
        count = 0
        for j in range(A.shape[1]):
            total += abs(A[i, j])
            count += A[i, j] == 1
        sums[i] = total
        ones[i] = count


@njit(cache=True, nogil=True, error_model="numpy")
def _finish_rows(
    A: np.ndarray,
    T: np.ndarray,
    k: np.ndarray,
    absolute: bool,  # noqa: FBT001 (numba)
    mean: bool,  # noqa: FBT001 (numba)
    zero: float,
    half: float,
    start: int,
    stop: int,
) -> None:
    """Turn the lower triangle of A A into overlaps, tile by tile, and copy it onto the upper."""
    for i0 in range(start, stop, TILE):
        i1 = min(i0 + TILE, stop)
        for j0 in range(0, i1, TILE):
            for i in range(i0, i1):
                ki = k[i]
                for j in range(j0, min(j0 + TILE, i)):
                    a = A[i, j]
                    shared = T[i, j] - a
                    if absolute:
                        shared = abs(shared)
                    bound = ((ki + k[j]) * half if mean else min(ki, k[j])) - abs(a)
                    T[i, j] = shared / bound if bound > zero else zero
            for i in range(i0, i1):
                for j in range(j0, min(j0 + TILE, i)):
                    T[j, i] = T[i, j]
