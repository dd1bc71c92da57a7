"""Labels of cells under permutations, from an array or drawn block by block."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from scresist.checks import InputError, require_positive
from scresist.kernels.averages import BLOCK


def number_of(permutations: Any) -> int:
    """The number of relabellings.

    Parameters
    ----------
    permutations
        A whole number, or an array (cells, permutations).

    Raises
    ------
    InputError
        For anything else.
    """
    if isinstance(permutations, np.ndarray):
        return int(permutations.shape[-1]) if permutations.ndim else 0
    if isinstance(permutations, bool) or not isinstance(permutations, (int, np.integer)):
        raise InputError(f"permutations must be a whole number or an integer array; got {permutations!r}")
    require_positive(int(permutations), "permutations", allow_zero=True)
    return int(permutations)


def labels_under(
    permutations: int | np.ndarray, codes: np.ndarray, rng: np.random.Generator
) -> np.ndarray | Iterator[np.ndarray]:
    """Labels under the permutations of an array, or under a number of random ones, in blocks."""
    if isinstance(permutations, np.ndarray):
        return permuted_labels(codes, permutations)
    return drawn_labels(codes, permutations, rng)


def permuted_labels(codes: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Labels under the permutations of an array.

    Parameters
    ----------
    codes
        Group of each cell.
    positions
        Entry c, b is the cell whose label cell c gets. Shape (cells, permutations).

    Raises
    ------
    InputError
        If the array has another shape or type, or a column is not a permutation.
    """
    n, kind = len(codes), positions.dtype
    if positions.ndim != 2 or positions.shape[0] != n or not np.issubdtype(kind, np.integer):
        raise InputError(f"permutations must be an integer array of {n} rows; got {kind} {positions.shape}")
    if positions.size and (positions.min() < 0 or positions.max() >= n):
        raise InputError(f"permutations must be from 0 to {n - 1}; got {positions.min()} to {positions.max()}")
    for b, column in enumerate(positions.T):
        if np.bincount(column, minlength=n).max(initial=0) > 1:
            raise InputError(f"column {b} of permutations is not a permutation: it has a cell more than once")
    return np.asarray(codes.astype(np.int32)[positions])


def drawn_labels(codes: np.ndarray, permutations: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random relabellings in blocks, so that all relabellings of many cells are never in memory at once."""
    compact = codes.astype(np.uint8 if codes.max(initial=0) < 256 else np.int32)
    for start in range(0, permutations, BLOCK):
        drawn = np.empty((min(BLOCK, permutations - start), len(codes)), dtype=compact.dtype)
        for row in drawn:
            row[:] = rng.permutation(compact)
        yield np.ascontiguousarray(drawn.T)
