"""Correlation of what is expressed, not of what is counted: moments of counts with depths as sequencing offsets."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import sparse

from scresist.kernels._blocks import gram as lower_gram
from scresist.kernels._blocks import mirror_clipped, over_rows

ITERATIONS = 50
TOLERANCE = 1e-4  # of the variance, relative
CELLS_AT_A_TIME = 4096


@dataclass(frozen=True, slots=True)
class LatentMoments:
    """Means and variances of expression beneath Poisson counts.

    `share` is the mean expression of each gene in each group, as a share of the counts (groups, genes); `variance` the
    variance of a gene's expression over that of its mean, squared, which all groups share (genes,); 0 where counts vary
    no more than Poisson.
    """

    share: np.ndarray
    variance: np.ndarray


def latent_moments(counts: sparse.csr_array, depth: np.ndarray, codes: np.ndarray, n_groups: int) -> LatentMoments:
    """Mean and variance of each gene's expression by iteratively reweighted moments.

    A count of a cell of depth s in group g is Poisson with mean s p u, where p is the share of the gene in the group
    and u, of mean 1 and variance v, its expression in the cell. Both are regressions on the moments, x on s and
    (x - s p)^2 - s p on (s p)^2, whose weights are the inverse variances at the current values, s p + v (s p)^2 and its
    square. With one group this is CS-CORE's estimator, whose variance is v p^2.

    Parameters
    ----------
    counts
        Shape (cells, genes), in rows.
    depth
        Counts of each cell over all genes of the data. Shape (cells,).
    codes
        Group of each cell, 0 to n_groups - 1. Shape (cells,).
    n_groups
        Number of groups.

    References
    ----------
    Su et al. (2023) Nat Commun 14:4846, "Cell-type-specific co-expression inference from single cell RNA-sequencing
    data".
    """
    columns = sparse.csc_array(counts)
    data, depth = np.asarray(columns.data, dtype=np.float64), np.asarray(depth, dtype=np.float64)
    codes = np.asarray(codes, dtype=np.int64)
    sizes = np.bincount(codes, minlength=n_groups).astype(np.float64)
    free = np.where(sizes > 1, sizes / np.maximum(sizes - 1, 1), 0.0)
    share, variance = np.zeros((n_groups, counts.shape[1])), np.zeros(counts.shape[1])

    def genes(start: int, stop: int) -> None:
        _fit(data, columns.indices, columns.indptr, depth, codes, free, share, variance, start, stop)

    over_rows(genes, counts.shape[1], 32)
    return LatentMoments(share, variance)


@njit(cache=True, nogil=True)
def _fit(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, depth: np.ndarray, codes: np.ndarray, free: np.ndarray,
    share: np.ndarray, variance: np.ndarray, start: int, stop: int,
) -> None:  # fmt: skip
    n, n_groups = len(depth), len(free)
    x = np.empty(n)
    for g in range(start, stop):
        x[:] = 0.0
        for k in range(indptr[g], indptr[g + 1]):
            x[indices[k]] += data[k]
        p = np.zeros(n_groups)
        v = 0.0
        for turn in range(ITERATIONS):
            top, bottom = np.zeros(n_groups), np.zeros(n_groups)
            for i in range(n):
                weight = 1.0 / (1.0 + v * depth[i] * p[codes[i]])  # in units of the weight of a Poisson count
                top[codes[i]] += weight * x[i]
                bottom[codes[i]] += weight * depth[i]
            for c in range(n_groups):
                p[c] = top[c] / bottom[c] if bottom[c] > 0 else 0.0
            over, scale = 0.0, 0.0
            for i in range(n):
                mean = depth[i] * p[codes[i]]
                weight = 1.0 / (1.0 + v * mean) ** 2
                over += weight * (free[codes[i]] * (x[i] - mean) ** 2 - mean)
                scale += weight * mean * mean
            new = max(over / scale, 0.0) if scale > 0 else 0.0
            done = abs(new - v) <= TOLERANCE * max(new, v) and turn > 0
            v = new
            if done:
                break
        share[:, g] = p
        variance[g] = v


def latent_correlation(
    counts: sparse.csr_array, depth: np.ndarray, codes: np.ndarray, moments: LatentMoments
) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of the expression of every two genes within groups, and its statistic under independence.

    The products of residuals of two genes are regressed on the product of their means, with the weight that they have
    where the genes are independent: the inverse of (m1 + v1 m1^2) (m2 + v2 m2^2).

    Parameters
    ----------
    counts, depth, codes
        As in `latent_moments`.
    moments
        Of these genes.

    Returns
    -------
    Two symmetric matrices of genes x genes in single precision: correlations, from -1 to 1 with 1 on the diagonal (0
    with a gene whose variance is 0), and statistics, about standard normal for two independent genes.

    References
    ----------
    Su et al. (2023) Nat Commun 14:4846.
    """
    p = counts.shape[1]
    data = np.asarray(counts.data, dtype=np.float64)
    depth = np.asarray(depth, dtype=np.float64)
    sizes = np.bincount(codes, minlength=len(moments.share))
    root = np.sqrt(np.where(sizes > 1, sizes / np.maximum(sizes - 1, 1), 0.0))
    top, bottom = np.zeros((p, p), dtype=np.float32), np.zeros((p, p), dtype=np.float32)
    for first in range(0, counts.shape[0], CELLS_AT_A_TIME):
        rows = np.arange(first, min(first + CELLS_AT_A_TIME, counts.shape[0]))
        A, B = np.empty((len(rows), p), dtype=np.float32), np.empty((len(rows), p), dtype=np.float32)

        def fill(start: int, stop: int, first: int = first, A: np.ndarray = A, B: np.ndarray = B) -> None:
            _weighted(data, counts.indices, counts.indptr, depth, codes, root, moments.share, moments.variance, A, B,
                      first, start, stop)  # fmt: skip

        over_rows(fill, len(rows), 256)
        top += lower_gram(A)
        bottom += lower_gram(B)
    mirror_clipped(top, -np.inf, np.inf)
    mirror_clipped(bottom, 0.0, np.inf)
    deviation = np.sqrt(moments.variance).astype(np.float32)
    scale = bottom * np.multiply.outer(deviation, deviation)
    R = np.divide(top, scale, out=np.zeros_like(top), where=scale > 0)
    np.clip(R, -1, 1, out=R)
    np.fill_diagonal(R, 1)
    T = np.divide(top, np.sqrt(bottom), out=np.zeros_like(top), where=bottom > 0)
    return R, T


@njit(cache=True, nogil=True)
def _weighted(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, depth: np.ndarray, codes: np.ndarray, root: np.ndarray,
    share: np.ndarray, variance: np.ndarray, A: np.ndarray, B: np.ndarray, first: int, start: int, stop: int,
) -> None:  # fmt: skip
    """Residuals times means times weights, and squared means times weights, of the cells `first` + start to stop."""
    for r in range(start, stop):
        i = first + r
        own = share[codes[i]]
        scale = root[codes[i]]
        for g in range(len(own)):
            mean = depth[i] * own[g]
            B[r, g] = mean / (1.0 + variance[g] * mean)
            A[r, g] = -scale * B[r, g]
        for k in range(indptr[i], indptr[i + 1]):
            g = indices[k]
            A[r, g] += scale * data[k] / (1.0 + variance[g] * depth[i] * own[g])
