"""The rank-sum test of every gene in each group against all other cells, from the sorted non-zero values."""

import numpy as np
from numba import njit, prange
from scipy.special import ndtr

from scresist.kernels.averages import Sorted


def rank_sum_test(
    order: Sorted, codes: np.ndarray, n_groups: int, *, single: bool = True
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two-sided p-value, difference of means, and share of cells above zero, of each group against the rest.

    Normal approximation with tie correction and a continuity correction of 0.5.

    Parameters
    ----------
    order
        Sorted values of the genes.
    codes
        Group of each cell.
    n_groups
        Number of groups.
    single
        Compare values in single precision, so that values equal but for rounding are ties (as CellChat's fast test).

    Returns
    -------
    Three arrays (groups, genes): p-value, mean in the group less mean outside, the larger of the two shares above zero.

    References
    ----------
    Mann & Whitney (1947) Ann Math Stat 18:50; Lehmann (1975) Nonparametrics, on the correction for ties.
    """
    n = order.n_cells
    size = np.bincount(codes, minlength=n_groups).astype(np.float64)
    rank, total, above, ties = _sums(
        order.values,
        order.values.astype(np.float32 if single else np.float64),
        order.cells,
        order.pointers,
        codes.astype(np.int64),
        n_groups,
        n,
    )
    n1, n2 = size[:, None], n - size[:, None]
    positive = above.sum(axis=0)
    zeros = n - positive
    rank = rank + (n1 - above) * (zeros + 1) / 2
    ties = ties + zeros**3 - zeros
    z = rank - n1 * (n1 + 1) / 2 - n1 * n2 / 2
    z -= 0.5 * np.sign(z)
    variance = n1 * n2 * ((float(n) ** 3 - n) - ties) / (12 * (float(n) ** 2 - n))
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * ndtr(-np.abs(z) / np.sqrt(variance))
        difference = total / n1 - (total.sum(axis=0) - total) / n2
        share = np.maximum(above / n1, (positive - above) / n2)
    return p, difference, share


@njit(cache=True, parallel=True)
def _sums(values, single, cells, pointers, codes, n_groups, n):  # type: ignore[no-untyped-def]
    n_genes = len(pointers) - 1
    rank = np.zeros((n_groups, n_genes))
    total = np.zeros((n_groups, n_genes))
    above = np.zeros((n_groups, n_genes))
    ties = np.zeros(n_genes)
    for gene in prange(n_genes):
        i, end = pointers[gene], pointers[gene + 1]
        place = float(n)
        while i < end:
            j = i
            while j < end and single[j] == single[i]:
                j += 1
            block = j - i
            middle = place - (block - 1) / 2.0
            for k in range(i, j):
                g = codes[cells[k]]
                rank[g, gene] += middle
                total[g, gene] += values[k]
                above[g, gene] += 1.0
            ties[gene] += float(block) ** 3 - block
            place -= block
            i = j
    return rank, total, above, ties
