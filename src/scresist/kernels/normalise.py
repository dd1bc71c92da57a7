"""Counts made comparable between cells or samples of differing depth: the two scales that are used, each once."""

from functools import cache
from typing import Any

import numpy as np
from scipy import sparse
from scipy.stats import poisson

TABULATED = 60  # counts below which the expected loss is computed in full


def log1p_per_10k(counts: Any, totals: np.ndarray | None = None) -> Any:
    """The natural logarithm of 1 + counts per 10,000 of each row.

    Parameters
    ----------
    counts
        Shape (rows, genes), dense or sparse; possibly only some of the genes.
    totals
        Counts of each row over all genes; None takes the sums of the rows given. Shape (rows,).

    Returns
    -------
    Same shape, float64, sparse in rows where `counts` is sparse. A row without counts is zero.
    """
    if totals is None:
        totals = np.asarray(counts.sum(axis=1)).ravel()
    total = np.asarray(totals, dtype=np.float64)
    factor = np.divide(1e4, total, out=np.zeros_like(total), where=total > 0)
    if sparse.issparse(counts):
        result = sparse.csr_array(counts, dtype=np.float64, copy=True)
        result.data *= np.repeat(factor, np.diff(result.indptr))
        np.log1p(result.data, out=result.data)
        return result
    scaled = np.asarray(counts, dtype=np.float64) * factor[:, None]
    return np.log1p(scaled, out=scaled)


def log1p_per_10k_of_sums(counts: np.ndarray, totals: np.ndarray | None = None) -> np.ndarray:
    """The natural logarithm of 1 + counts per 10,000 of sums over cells, whose expectation hardly depends on depth.

    The logarithm of a noisy count is too low on average, the more so the fewer cells were summed: an arm of small
    biopsies would differ from one of large biopsies in every gene. For Poisson counts the expected loss is added, and
    that of the sum again; beyond counts of 60 the second-order term of the loss.

    Parameters
    ----------
    counts
        Shape (rows, genes); possibly only some of the genes.
    totals
        Counts of each row over all genes; None takes the sums of the rows given. Shape (rows,).

    Returns
    -------
    Shape (rows, genes). A row without counts is zero.

    References
    ----------
    Hall (1992) The Bootstrap and Edgeworth Expansion, section 1.4 (repeated correction of a bias).
    """
    counts = np.asarray(counts, dtype=np.float64)
    total = np.asarray(counts.sum(axis=1) if totals is None else totals, dtype=np.float64)
    out, drawn = np.zeros_like(counts), _poisson_table()
    grid = np.arange(len(drawn), dtype=np.float64)
    for row in np.flatnonzero(total > 0):
        scale = 1e4 / total[row]
        table = np.log1p(scale * grid)
        lost = table - drawn @ table
        table += lost
        table += lost - drawn @ lost
        scaled = scale * counts[row]
        out[row] = np.where(
            counts[row] < TABULATED,
            np.interp(counts[row], grid, table),
            np.log1p(scaled) + 0.5 * scale * scaled / (1 + scaled) ** 2,
        )
    return out


@cache
def _poisson_table() -> np.ndarray:
    """The chance of each count (columns) given each mean (rows), both 0 to four times `TABULATED`."""
    grid = np.arange(4 * TABULATED)
    chance = poisson.pmf(grid[None, :], grid[:, None].astype(float))
    chance /= chance.sum(axis=1, keepdims=True)
    chance.setflags(write=False)
    return np.asarray(chance)


def log2_counts_per_million(
    counts: np.ndarray, library: np.ndarray | None = None, *, prior: float | np.ndarray | None = None
) -> np.ndarray:
    """The logarithm to base 2 of counts per million of each row.

    Parameters
    ----------
    counts
        Shape (rows, genes).
    library
        Library size of each row; None takes the sums of the rows given. Shape (rows,).
    prior
        Counts added to each count, and twice that to the library (one number, or one per row): 0.5 is the scale of
        limma's precision weights. None adds one count per million, so that a gene without counts is 0.

    Returns
    -------
    Same shape, float64. A row whose library is 0 is NaN where `prior` is None.

    References
    ----------
    Law et al. (2014) Genome Biol 15:R29, section "Log-counts per million".
    """
    size = np.asarray(counts.sum(axis=1) if library is None else library, dtype=np.float64)
    if prior is None:
        million = np.divide(1e6, size, out=np.full_like(size, np.nan), where=size > 0)
        return np.asarray(np.log2(counts * million[:, None] + 1))
    added = np.broadcast_to(np.asarray(prior, dtype=np.float64), size.shape)
    return np.asarray(np.log2((counts + added[:, None]) / (size + 2 * added)[:, None] * 1e6))
