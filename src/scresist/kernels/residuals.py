"""Pearson residuals of counts within groups of cells, which neither depth nor a difference between groups moves."""

import numpy as np
from numba import njit
from scipy import sparse
from scipy.linalg import eigh

from scresist.kernels._blocks import gram as lower_gram
from scresist.kernels._blocks import mirror_clipped, over_rows


def within_group_residuals(
    counts: sparse.csr_array, depth: np.ndarray, codes: np.ndarray, n_groups: int, dispersion: np.ndarray, clip: float
) -> np.ndarray:
    """Residuals of a negative binomial with the depth as offset and a profile per group, of mean 0 in each group.

    A cell of depth d in a group with share p of a gene expects m = d p counts, with variance m + dispersion m^2.

    Parameters
    ----------
    counts
        Shape (cells, genes), in rows.
    depth
        Counts of each cell over all genes of the data, not only those of `counts`. Shape (cells,).
    codes
        Group of each cell, 0 to n_groups - 1. Shape (cells,).
    n_groups
        Number of groups.
    dispersion
        Of each gene. Shape (genes,).
    clip
        Residuals beyond this size are set to it.

    Returns
    -------
    Single precision, shape (cells, genes). The variance of a gene is 1 where the model is right.

    References
    ----------
    Lause, Berens & Kobak (2021) Genome Biol 22:258; Hafemeister & Satija (2019) Genome Biol 20:296.
    """
    profile, centre = _profiles(counts, depth, codes, n_groups)
    out = np.empty(counts.shape, dtype=np.float32)
    data, depth = np.asarray(counts.data, dtype=np.float32), np.asarray(depth, dtype=np.float64)
    dispersion = np.asarray(dispersion, dtype=np.float64)

    def rows(start: int, stop: int) -> None:
        _fill(data, counts.indices, counts.indptr, depth, codes, profile, dispersion, float(clip), out, start, stop)

    over_rows(rows, len(out), 256)
    _centre(out, codes, np.bincount(codes, minlength=n_groups).astype(np.float64), centre)
    return out


def _profiles(
    counts: sparse.csr_array, depth: np.ndarray, codes: np.ndarray, n_groups: int
) -> tuple[np.ndarray, np.ndarray]:
    """Share of each gene in the counts of each group, and an array of zeros of that shape."""
    member = sparse.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_groups, len(codes)))
    sums = np.asarray((member @ counts).todense(), dtype=np.float64)
    total = member @ np.asarray(depth, dtype=np.float64)
    return sums / np.maximum(total, 1.0)[:, None], np.zeros_like(sums)


@njit(cache=True, nogil=True)
def _fill(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, depth: np.ndarray, codes: np.ndarray,
    profile: np.ndarray, dispersion: np.ndarray, clip: float, out: np.ndarray, start: int, stop: int,
) -> None:  # fmt: skip
    for i in range(start, stop):
        share = profile[codes[i]]
        row = out[i]
        for g in range(row.shape[0]):
            row[g] = 0.0
        for k in range(indptr[i], indptr[i + 1]):
            row[indices[k]] += data[k]
        for g in range(row.shape[0]):
            mean = depth[i] * share[g]
            if mean > 0:
                value = (row[g] - mean) / np.sqrt(mean + dispersion[g] * mean * mean)
                row[g] = min(max(value, -clip), clip)
            else:
                row[g] = 0.0


@njit(cache=True, nogil=True)
def _centre(out: np.ndarray, codes: np.ndarray, sizes: np.ndarray, centre: np.ndarray) -> None:
    for i in range(out.shape[0]):
        for g in range(out.shape[1]):
            centre[codes[i], g] += out[i, g]
    for c in range(centre.shape[0]):
        for g in range(centre.shape[1]):
            centre[c, g] /= max(sizes[c], 1.0)
    for i in range(out.shape[0]):
        for g in range(out.shape[1]):
            out[i, g] -= centre[codes[i], g]


def scaled(Z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Z with each column divided by its root mean square, in place, and these roots; a column of zeros is left.

    Parameters
    ----------
    Z
        Centred values, overwritten. Shape (cells, genes).
    """
    root = root_mean_squares(Z)
    Z /= np.where(root > 0, root, 1.0).astype(Z.dtype)
    return Z, root


def root_mean_squares(Z: np.ndarray) -> np.ndarray:
    """Root mean square of each column, summed in double precision. Shape (columns,).

    Parameters
    ----------
    Z
        Values. Shape (rows, columns).
    """
    square = np.zeros(Z.shape[1])
    for start in range(0, len(Z), 4096):
        part = np.zeros(Z.shape[1])
        _add_squares(Z[start : start + 4096], part)
        square += part
    return np.asarray(np.sqrt(square / max(len(Z), 1)))


@njit(cache=True, nogil=True)
def _add_squares(Z: np.ndarray, square: np.ndarray) -> None:
    for i in range(Z.shape[0]):
        for g in range(Z.shape[1]):
            value = np.float64(Z[i, g])
            square[g] += value * value


def gram(Z: np.ndarray) -> np.ndarray:
    """Z'Z / rows, in the precision of Z. Shape (columns, columns)."""
    product = lower_gram(Z)
    mirror_clipped(product, -np.inf, np.inf)
    product /= product.dtype.type(max(len(Z), 1))
    return product


def noise_edge(rows: int, columns: int) -> float:
    """What the largest eigenvalue of a correlation matrix of independent columns exceeds once in a thousand.

    Parameters
    ----------
    rows, columns
        Independent rows (cells less the groups whose mean was subtracted), and columns.

    References
    ----------
    Johnstone (2001) Ann Stat 29:295; 3.27 is the 0.999 quantile of the Tracy-Widom law of order 1.
    """
    root = np.sqrt(max(rows - 1, 1)) + np.sqrt(columns)
    spread = root * (1 / np.sqrt(max(rows - 1, 1)) + 1 / np.sqrt(columns)) ** (1 / 3)
    return float((root**2 + 3.27 * spread) / max(rows, 1))


def leading_directions(Z: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The `count` largest eigenvalues of Z'Z / rows, largest first, and their eigenvectors (columns, count).

    In the precision of Z: single precision is off by about 1e-5 and takes half of the time. The sign of a vector is
    such that its largest entry by size is positive.

    Parameters
    ----------
    Z
        Shape (rows, columns).
    count
        How many; at most the columns.
    """
    G = gram(Z)
    p = len(G)
    count = min(count, p)
    values, vectors = eigh(G, subset_by_index=[p - count, p - 1], overwrite_a=True)
    values, vectors = values[::-1].astype(np.float64), vectors[:, ::-1].astype(np.float64)
    sign = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(count)])
    return values, vectors * np.where(sign == 0, 1.0, sign)
