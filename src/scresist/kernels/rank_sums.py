"""The rank-sum test (Wilcoxon, Mann-Whitney): every group against all other rows, column by column."""

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy import sparse, stats
from scipy.special import ndtr

from scresist.kernels.averages import Sorted, check_codes, sort_values

BLOCK = 1024  # columns that are sorted at a time: the copies of a whole matrix would not fit


@dataclass(frozen=True, slots=True)
class RankSums:
    """What the test gives, each of shape (groups, columns).

    `p_value` is two-sided; NaN where all rows have one value, or a group has no rows or all of them. `mean_in`,
    `mean_out` are means, `share_in`, `share_out` the shares of rows above zero, in the group and outside it.
    """

    p_value: np.ndarray
    mean_in: np.ndarray
    mean_out: np.ndarray
    share_in: np.ndarray
    share_out: np.ndarray


def rank_sum_test(
    values: np.ndarray | sparse.sparray | Sorted,
    codes: np.ndarray,
    n_groups: int,
    *,
    exact_below: int = 0,
    single: bool = False,
) -> RankSums:
    """Whether values are higher or lower in each group than in all other rows.

    Normal approximation with the corrections for ties and for continuity (0.5).

    Parameters
    ----------
    values
        Shape (rows, columns), dense, sparse, or sorted already.
    codes
        Group of each row, 0 to n_groups - 1. Shape (rows,).
    n_groups
        Number of groups.
    exact_below
        The exact distribution is used where a group and the other rows are both fewer than this and no values of the
        column are tied. R uses 50.
    single
        Compare values in single precision, so that values equal but for rounding are ties (as CellChat's fast test).

    Raises
    ------
    InputError
        If values are missing or infinite, or codes are out of range.

    References
    ----------
    Wilcoxon (1945) Biometrics Bull 1:80; Mann & Whitney (1947) Ann Math Stat 18:50; Lehmann (1975) Nonparametrics, on
    the correction for ties.
    """
    if isinstance(values, Sorted):
        return _of_sorted(values, check_codes(codes, n_groups, values.n_cells), n_groups, exact_below, single=single)
    columns = sparse.csc_array(values) if sparse.issparse(values) else np.asarray(values)
    labels = check_codes(codes, n_groups, columns.shape[0])
    parts = [
        _of_sorted(sort_values(columns[:, at : at + BLOCK], signed=True), labels, n_groups, exact_below, single=single)
        for at in range(0, max(columns.shape[1], 1), BLOCK)
    ]
    return RankSums(*(np.concatenate([getattr(part, name) for part in parts], axis=1) for name in RankSums.__slots__))


def _of_sorted(order: Sorted, codes: np.ndarray, n_groups: int, exact_below: int, *, single: bool) -> RankSums:
    n, size = order.n_cells, np.bincount(codes, minlength=n_groups).astype(np.float64)
    compared = order.values.astype(np.float32) if single else order.values
    rank, total, stored, above, ties, zero_rank = _sums(
        order.values, compared, order.cells, order.pointers, codes, n_groups, n
    )
    n1, n2 = size[:, None], n - size[:, None]
    rank = rank + (n1 - stored) * zero_rank
    z = rank - n1 * (n1 + 1) / 2 - n1 * n2 / 2
    z -= 0.5 * np.sign(z)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = n1 * n2 * ((float(n) ** 3 - n) - ties) / (12 * (float(n) ** 2 - n))
        p = np.where(variance > 0, 2 * ndtr(-np.abs(z) / np.sqrt(variance)), np.nan)
        found = RankSums(p, total / n1, (total.sum(axis=0) - total) / n2, above / n1, (above.sum(axis=0) - above) / n2)
    if exact_below:
        _make_exact(p, order, codes, (ties == 0) & (variance > 0), exact_below)
    return found


def _make_exact(p: np.ndarray, order: Sorted, codes: np.ndarray, possible: np.ndarray, below: int) -> None:
    """Write the exact p-values of small groups where it is possible."""
    size = np.bincount(codes, minlength=len(p))
    small = (size < below) & (len(codes) - size < below)
    for group in np.flatnonzero(small):
        columns = np.flatnonzero(possible[group])
        if len(columns):
            dense = order.take(columns).dense()
            inside = codes == group
            p[group, columns] = stats.mannwhitneyu(dense[inside], dense[~inside], method="exact").pvalue


@njit(cache=True, parallel=True)
def _sums(values, compared, cells, pointers, codes, n_groups, n):  # type: ignore[no-untyped-def]
    """Sums of ranks and of values, numbers stored and above zero by group; ties and the rank of zero by column."""
    n_genes = len(pointers) - 1
    rank, total = np.zeros((n_groups, n_genes)), np.zeros((n_groups, n_genes))
    stored, above = np.zeros((n_groups, n_genes)), np.zeros((n_groups, n_genes))
    ties, zero_rank = np.zeros(n_genes), np.zeros(n_genes)
    for gene in prange(n_genes):
        i, end = pointers[gene], pointers[gene + 1]
        zeros = float(n - (end - i))
        ties[gene] = zeros**3 - zeros
        place, passed = float(n), False
        while i < end or not passed:
            if not passed and (i == end or values[i] < 0):
                zero_rank[gene] = place - (zeros - 1) / 2.0
                place -= zeros
                passed = True
                continue
            j = i
            while j < end and compared[j] == compared[i] and (values[j] > 0) == (values[i] > 0):
                j += 1
            block = j - i
            middle = place - (block - 1) / 2.0
            for k in range(i, j):
                g = codes[cells[k]]
                rank[g, gene] += middle
                total[g, gene] += values[k]
                stored[g, gene] += 1.0
                if values[k] > 0:
                    above[g, gene] += 1.0
            ties[gene] += float(block) ** 3 - block
            place -= block
            i = j
    return rank, total, stored, above, ties, zero_rank
