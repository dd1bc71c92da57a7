"""Sums and means of rows within groups, sparse or dense, without densifying."""

import numpy as np
from numba import njit
from scipy import sparse


def sum_by_group(values: np.ndarray | sparse.sparray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum of each column within each group of rows; 0 for an empty group; a row with code -1 is in no group.

    Parameters
    ----------
    values
        Shape (rows, columns), dense or sparse.
    codes
        Group of each row, 0 to n_groups - 1, or -1. Shape (rows,).
    n_groups
        Number of groups.

    Returns
    -------
    Shape (n_groups, columns), float64.
    """
    codes = np.asarray(codes, dtype=np.int64)
    sums = np.zeros((n_groups, values.shape[1]))
    if isinstance(values, np.ndarray):
        rows = np.flatnonzero(codes >= 0)
        indicator = sparse.csr_array((np.ones(len(rows)), (codes[rows], rows)), shape=(n_groups, len(codes)))
        sums += indicator @ values
    elif values.format == "csc":
        _add_columns(values.data, values.indices, values.indptr, codes, sums)
    else:
        by_row = values.tocsr()
        _add_rows(by_row.data, by_row.indices, by_row.indptr, codes, sums)
    return sums


@njit(cache=True, nogil=True)
def _add_rows(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, codes: np.ndarray, sums: np.ndarray
) -> None:  # pragma: no cover
    for row in range(len(codes)):
        if codes[row] >= 0:
            group = sums[codes[row]]
            for k in range(indptr[row], indptr[row + 1]):
                group[indices[k]] += data[k]


@njit(cache=True, nogil=True)
def _add_columns(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, codes: np.ndarray, sums: np.ndarray
) -> None:  # pragma: no cover
    for column in range(len(indptr) - 1):
        for k in range(indptr[column], indptr[column + 1]):
            if codes[indices[k]] >= 0:
                sums[codes[indices[k]], column] += data[k]


def mean_by_group(values: np.ndarray | sparse.sparray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean of each column within each group of rows; NaN for an empty group. Parameters as in `sum_by_group`."""
    size = np.bincount(codes[codes >= 0], minlength=n_groups).astype(float)
    size[size == 0] = np.nan
    return sum_by_group(values, codes, n_groups) / size[:, None]


def median_and_mad(values: np.ndarray) -> tuple[float, float]:
    """Median, and median absolute deviation scaled to the standard deviation of a normal (x 1.4826); NaN ignored."""
    middle = float(np.nanmedian(values))
    return middle, 1.4826 * float(np.nanmedian(np.abs(values - middle)))
