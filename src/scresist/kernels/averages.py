"""Robust averages of genes within groups of cells, from the non-zero values alone, and under relabellings."""

import numpy as np
from numba import njit, prange
from scipy import sparse

from scresist.checks import InputError, require_choice

AVERAGES = ("trimean", "truncated", "thresholded", "median", "mean")
BLOCK = 64  # relabellings handled in one pass over the values: their labels of a cell fill one cache line
NEVER = np.iinfo(np.int32).max


def group_average(
    X: np.ndarray | sparse.sparray, codes: np.ndarray, n_groups: int, average: str = "trimean", trim: float = 0.1
) -> np.ndarray:
    """A robust average of each gene over the cells of each group, zeros included.

    Parameters
    ----------
    X
        Non-negative values. Shape (cells, genes), sparse or dense.
    codes
        Group of each cell, 0 to n_groups - 1. Shape (cells,).
    n_groups
        Number of groups.
    average
        trimean ((Q1 + 2 median + Q3) / 4, quantiles by linear interpolation) | truncated (the `trim` lowest and highest
        are dropped) | thresholded (the mean, 0 where fewer than `trim` of the cells are above zero) | median | mean.
    trim
        Share for truncated and thresholded.

    Returns
    -------
    Shape (n_groups, genes), float64; NaN for a group without cells.

    Raises
    ------
    InputError
        For negative or missing values, codes out of range, or an unknown average.

    References
    ----------
    Tukey (1977) Exploratory Data Analysis (trimean); Hyndman & Fan (1996) Am Stat 50:361, type 7 (quantiles).
    """
    return averages_of_sorted(sort_values(X), codes, n_groups, average, trim)


def averages_of_sorted(order: "Sorted", codes: np.ndarray, n_groups: int, average: str, trim: float) -> np.ndarray:
    """`group_average` of sorted values."""
    labels = check_codes(codes, n_groups, order.n_cells)
    size = np.bincount(labels, minlength=n_groups)
    out = np.asarray(relabelled_averages(order, labels[:, None], size, average, trim)[0])
    out[size == 0] = np.nan
    return out


def check_codes(codes: np.ndarray, n_groups: int, n_cells: int) -> np.ndarray:
    """Codes as integers, one per cell, within range.

    Raises
    ------
    InputError
        If their number, type or range is wrong.
    """
    codes = np.asarray(codes)
    if codes.shape != (n_cells,):
        raise InputError(f"codes must have one entry per cell ({n_cells}); got shape {codes.shape}")
    if not np.issubdtype(codes.dtype, np.integer):
        raise InputError(f"codes must be integers; got {codes.dtype}")
    if n_cells and (codes.min() < 0 or codes.max() >= n_groups):
        raise InputError(f"codes must be from 0 to {n_groups - 1}; got {codes.min()} to {codes.max()}")
    return codes.astype(np.int64)


class Sorted:
    """The non-zero values of each gene in descending order, with their cells (column pointers as in CSC)."""

    __slots__ = ("cells", "n_cells", "pointers", "values")

    def __init__(self, values: np.ndarray, cells: np.ndarray, pointers: np.ndarray, n_cells: int) -> None:
        self.values, self.cells, self.pointers, self.n_cells = values, cells, pointers, n_cells

    def scaled(self, scale: float) -> "Sorted":
        """The values divided by `scale`."""
        return Sorted(self.values / scale, self.cells, self.pointers, self.n_cells)

    def take(self, genes: np.ndarray) -> "Sorted":
        """The genes at these positions, in that order."""
        parts = [slice(self.pointers[g], self.pointers[g + 1]) for g in genes]
        pointers = np.concatenate([[0], np.cumsum(np.diff(self.pointers)[genes])]).astype(np.int64)
        values = np.concatenate([self.values[p] for p in parts]) if parts else self.values[:0]
        cells = np.concatenate([self.cells[p] for p in parts]) if parts else self.cells[:0]
        return Sorted(values, cells, pointers, self.n_cells)

    def dense(self) -> np.ndarray:
        """The values as cells x genes, zeros included."""
        shape = self.n_cells, len(self.pointers) - 1
        return np.asarray(sparse.csc_array((self.values, self.cells, self.pointers), shape=shape).toarray())


def sort_values(X: np.ndarray | sparse.sparray, *, signed: bool = False) -> Sorted:
    """Sort each gene's non-zero values once: every relabelling is then one pass over them.

    Parameters
    ----------
    X
        Shape (cells, genes), sparse or dense. It is not changed.
    signed
        Whether values below zero are allowed.

    Raises
    ------
    InputError
        For missing, infinite or (where not allowed) negative values.
    """
    columns = sparse.csc_array(X)
    if not columns.has_canonical_format or (columns.data == 0).any():
        columns = columns.copy()
        columns.sum_duplicates()
        columns.eliminate_zeros()
    values = columns.data.astype(np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"X has {int((~np.isfinite(values)).sum())} NaN or infinite values; remove them")
    if not signed and (values < 0).any():
        raise InputError("X has negative values (scaled data?); give counts or log-normalised values")
    cells = columns.indices.astype(np.int32)
    pointers = columns.indptr.astype(np.int64)
    _sort_columns(values, cells, pointers)
    return Sorted(values, cells, pointers, X.shape[0])


@njit(cache=True, parallel=True)
def _sort_columns(values, cells, pointers):  # type: ignore[no-untyped-def]
    for g in prange(len(pointers) - 1):
        lo, hi = pointers[g], pointers[g + 1]
        # Stable, so that equal values keep the order of their cells.
        order = np.argsort(-values[lo:hi], kind="mergesort")
        values[lo:hi] = values[lo:hi][order]
        cells[lo:hi] = cells[lo:hi][order]


def relabelled_averages(
    order: Sorted, labels: np.ndarray, size: np.ndarray, average: str, trim: float, dtype: type = np.float64
) -> np.ndarray:
    """`group_average` under each column of `labels` (cells, relabellings); shape (relabellings, groups, genes).

    All columns are relabellings of one grouping, so that the groups keep their `size`.

    Raises
    ------
    InputError
        For an unknown average, or `trim` out of range.
    """
    require_choice(average, AVERAGES, "average")
    if not 0 <= trim <= 1:
        raise InputError(f"trim must be from 0 to 1; got {trim!r}")
    n_groups, n_genes = len(size), len(order.pointers) - 1
    compact = np.ascontiguousarray(labels, dtype=np.uint8 if n_groups <= 256 else np.int32)
    out: np.ndarray = np.zeros((labels.shape[1], n_groups, n_genes), dtype=dtype)
    ranks, weights = _schedule(size, average, trim)
    for start in range(0, labels.shape[1], BLOCK):
        block = np.ascontiguousarray(compact[:, start : start + BLOCK])
        part = out[start : start + BLOCK]
        if ranks is None:
            first, last, divisor, minimum = _ranges(size, average, trim)
            _sum_ranges(order.values, order.cells, order.pointers, block, first, last, divisor, minimum, part)
        else:
            _pick_ranks(order.values, order.cells, order.pointers, block, ranks, weights, part)
    return out


def _schedule(size: np.ndarray, average: str, trim: float) -> tuple[np.ndarray | None, np.ndarray]:
    """Places from the top, and their weights, of the order statistics that make a quantile average of each group."""
    if average == "truncated" and trim >= 0.5:
        average = "median"
    quantiles = {"trimean": ((0.25, 0.25), (0.5, 0.5), (0.75, 0.25)), "median": ((0.5, 1.0),)}.get(average)
    if quantiles is None:
        return None, np.empty(0)
    width = 2 * len(quantiles)
    ranks = np.full((len(size), width + 1), NEVER, dtype=np.int64)
    weights = np.zeros((len(size), width))
    for g, n in enumerate(size):
        if n == 0:
            continue
        places: list[tuple[int, float]] = []
        for p, w in quantiles:
            at = (n - 1) * p
            low = int(np.floor(at + 4 * np.finfo(float).eps))
            part = max(at - low, 0.0)
            places.append((int(n) - 1 - low, w * (1 - part)))
            places.append((int(n) - 1 - min(low + 1, int(n) - 1), w * part))
        places.sort()
        for k, (place, w) in enumerate(places):
            ranks[g, k], weights[g, k] = place, w
    return ranks, weights


def _ranges(size: np.ndarray, average: str, trim: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """First and last place from the top that enter the sum, its divisor, and the smallest number above zero."""
    n = size.astype(np.int64)
    cut = np.floor(n * trim).astype(np.int64) if average == "truncated" else np.zeros(len(n), dtype=np.int64)
    # Fewer cells above zero than `trim` of the group: the share is compared as a quotient, as it is defined.
    share = np.array([int(np.searchsorted(np.arange(m + 1) / max(m, 1), trim)) for m in n], dtype=np.int64)
    minimum = share if average == "thresholded" else np.zeros(len(n), dtype=np.int64)
    return cut, n - cut, np.maximum(n - 2 * cut, 1).astype(float), minimum


@njit(cache=True, parallel=True)
def _pick_ranks(values, cells, pointers, labels, ranks, weights, out):  # type: ignore[no-untyped-def]
    n_labels, n_groups = labels.shape[1], ranks.shape[0]
    for gene in prange(len(pointers) - 1):
        # One counter per relabelling and group, down to its next rank: it must stay in the first cache.
        left = np.empty((n_labels, n_groups), dtype=np.int32)
        at = np.zeros((n_labels, n_groups), dtype=np.int32)
        total = np.zeros((n_labels, n_groups))
        for b in range(n_labels):
            for g in range(n_groups):
                left[b, g] = ranks[g, 0] + 1 if ranks[g, 0] < NEVER else NEVER
        for i in range(pointers[gene], pointers[gene + 1]):
            cell = cells[i]
            for b in range(n_labels):
                g = labels[cell, b]
                rest = left[b, g] - np.int32(1)
                left[b, g] = rest
                if rest == 0:
                    k = at[b, g]
                    place = ranks[g, k]
                    while ranks[g, k] == place:
                        total[b, g] += weights[g, k] * values[i]
                        k += 1
                    at[b, g] = k
                    left[b, g] = ranks[g, k] - place if ranks[g, k] < NEVER else NEVER
        for b in range(n_labels):
            for g in range(n_groups):
                out[b, g, gene] = total[b, g]


@njit(cache=True, parallel=True)
def _sum_ranges(values, cells, pointers, labels, first, last, divisor, minimum, out):  # type: ignore[no-untyped-def]
    n_labels, n_groups = labels.shape[1], len(first)
    for gene in prange(len(pointers) - 1):
        seen = np.zeros((n_labels, n_groups), dtype=np.int64)
        total = np.zeros((n_labels, n_groups))
        for i in range(pointers[gene], pointers[gene + 1]):
            cell, value = cells[i], values[i]
            for b in range(n_labels):
                g = labels[cell, b]
                place = seen[b, g]
                seen[b, g] = place + 1
                if place >= first[g] and place < last[g]:
                    total[b, g] += value
        for b in range(n_labels):
            for g in range(n_groups):
                out[b, g, gene] = total[b, g] / divisor[g] if seen[b, g] >= minimum[g] else 0.0
