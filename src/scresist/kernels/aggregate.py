"""Sums and means of rows within groups, sparse or dense, without densifying."""

import numpy as np
from scipy import sparse


def sum_by_group(values: np.ndarray | sparse.sparray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum of each column within each group of rows; an empty group gives 0; a row with code -1 belongs to none.

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
    rows = np.flatnonzero(codes >= 0)
    ones = np.ones(len(rows))
    indicator = sparse.csr_array((ones, (codes[rows], rows)), shape=(n_groups, len(codes)))
    sums = indicator @ values
    return np.asarray(sums.todense() if sparse.issparse(sums) else sums, dtype=float)


def mean_by_group(values: np.ndarray | sparse.sparray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Mean of each column within each group of rows; an empty group gives NaN. Shapes as in `sum_by_group`."""
    size = np.bincount(codes[codes >= 0], minlength=n_groups).astype(float)
    size[size == 0] = np.nan
    return sum_by_group(values, codes, n_groups) / size[:, None]


def median_and_mad(values: np.ndarray) -> tuple[float, float]:
    """Median, and median absolute deviation scaled to the standard deviation of a normal (x 1.4826); NaN ignored."""
    middle = float(np.nanmedian(values))
    return middle, 1.4826 * float(np.nanmedian(np.abs(values - middle)))
