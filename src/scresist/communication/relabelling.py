"""Labels of cells under permutations: given, or drawn block by block."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from scresist.checks import InputError, require_positive
from scresist.kernels.averages import BLOCK


def number_of(permutations: Any) -> int:
    """How many relabellings a number or an array asks for."""
    if isinstance(permutations, np.ndarray):
        return int(permutations.shape[-1]) if permutations.ndim else 0
    if isinstance(permutations, bool) or not isinstance(permutations, (int, np.integer)):
        raise InputError(f"permutations must be a whole number or an integer array; got {permutations!r}")
    require_positive(int(permutations), "permutations", allow_zero=True)
    return int(permutations)


def labels_under(
    permutations: int | np.ndarray, codes: np.ndarray, rng: np.random.Generator
) -> np.ndarray | Iterator[np.ndarray]:
    """Labels under permutations that are given, or under as many as asked for, in blocks."""
    if isinstance(permutations, np.ndarray):
        return given_labels(codes, permutations)
    return drawn_labels(codes, permutations, rng)


def given_labels(codes: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Labels under permutations that are given, (cells, permutations)."""
    if given.ndim != 2 or given.shape[0] != len(codes) or not np.issubdtype(given.dtype, np.integer):
        raise InputError(f"permutations must be an integer array of {len(codes)} rows; got {given.dtype} {given.shape}")
    if given.size and (given.min() < 0 or given.max() >= len(codes)):
        raise InputError(f"permutations must lie in 0 to {len(codes) - 1}; got {given.min()} to {given.max()}")
    for b, column in enumerate(given.T):
        if np.bincount(column, minlength=len(codes)).max(initial=0) > 1:
            raise InputError(f"column {b} of permutations is no permutation: it takes a cell more than once")
    return np.asarray(codes.astype(np.int32)[given])


def drawn_labels(codes: np.ndarray, permutations: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random relabellings in blocks, so that a million cells by a thousand relabellings are never held at once."""
    compact = codes.astype(np.uint8 if codes.max(initial=0) < 256 else np.int32)
    for start in range(0, permutations, BLOCK):
        drawn = np.empty((min(BLOCK, permutations - start), len(codes)), dtype=compact.dtype)
        for row in drawn:
            row[:] = rng.permutation(compact)
        yield np.ascontiguousarray(drawn.T)
