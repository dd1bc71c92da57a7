"""Log-normalised values of some cells and genes: made from the counts, never kept beside them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from scresist.cells.counts import count_blocks, raw_counts, row_sums
from scresist.checks import InputError
from scresist.kernels.normalise import log1p_per_10k

GENES_PER_BLOCK = 2048
_LOOKED_AT = 100_000  # values that show whether a matrix holds counts


def log_normalised(adata: Any, *, cells: np.ndarray | None = None, genes: np.ndarray | None = None) -> sparse.csr_array:
    """Log1p of counts per 10,000 of some cells and genes: X where there is one, else made from the counts.

    Parameters
    ----------
    adata
        Cells x genes, with log-normalised values in X, or without X and with `layers["counts"]`.
    cells
        Positions or a mask; None takes all cells.
    genes
        Positions; None takes all genes. The counts of a cell are those over all genes.

    Returns
    -------
    Cells x genes, sparse in rows; float32 where made from counts, as they would be stored.

    Raises
    ------
    InputError
        If X has whole numbers only (counts), or there are neither X nor counts.
    """
    if adata.X is not None:
        part = adata.X if cells is None else adata.X[cells]
        part = sparse.csr_array(part if genes is None else part[:, genes])
        _refuse_counts(part.data)
        return part
    parts = []
    for _, block in count_blocks(adata, cells=cells):
        some = block if genes is None else sparse.csr_array(block[:, genes])
        parts.append(log1p_per_10k(some, row_sums(block)).astype(np.float32))
    if not parts:
        return sparse.csr_array((0, adata.shape[1] if genes is None else len(genes)), dtype=np.float32)
    return parts[0] if len(parts) == 1 else sparse.csr_array(sparse.vstack(parts, format="csr"))


def log_normalised_by_gene(adata: Any, *, size: int = GENES_PER_BLOCK) -> Iterator[tuple[slice, sparse.csc_array]]:
    """The values of `log_normalised` for all cells and consecutive genes, one block of genes after the other.

    Parameters
    ----------
    adata
        As in `log_normalised`.
    size
        Genes per block.

    Yields
    ------
    Which genes the block has, and their values, sparse in columns.
    """
    if adata.X is not None:
        columns = sparse.csc_array(adata.X)
        _refuse_counts(columns.data)
        for start in range(0, columns.shape[1], size):
            yield slice(start, start + size), columns[:, start : start + size]
        return
    counts = raw_counts(adata)
    totals = row_sums(counts)
    columns = counts.tocsc()
    for start in range(0, columns.shape[1], size):
        some = sparse.csr_array(columns[:, start : start + size])
        yield slice(start, start + size), sparse.csc_array(log1p_per_10k(some, totals).astype(np.float32))


def mean_log_normalised(adata: Any) -> float:
    """Mean of the log-normalised values over all cells and genes, zeros included; see `log_normalised`.

    Parameters
    ----------
    adata
        Cells x genes, as in `log_normalised`.
    """
    if adata.X is not None:
        return float(sparse.csr_array(adata.X).sum(dtype=np.float64)) / (adata.shape[0] * adata.shape[1])
    total = 0.0
    for _, block in count_blocks(adata):
        total += float(np.sum(log1p_per_10k(block).data))
    return total / (adata.shape[0] * adata.shape[1])


def normalise(cohort: Any) -> None:
    """Write X: log1p of counts per 10,000 (float32, sparse), for other programs; no stage needs it.

    A cell without counts is zero. X shares the positions of its values with `layers["counts"]`.

    Parameters
    ----------
    cohort
        Cells x genes with raw counts in `layers["counts"]`.
    """
    counts = raw_counts(cohort, layer="counts")
    values = np.empty(counts.nnz, dtype=np.float32)
    for here, block in count_blocks(cohort, layer="counts"):
        values[counts.indptr[here.start] : counts.indptr[here.stop]] = log1p_per_10k(block).data
    cohort.X = sparse.csr_matrix((values, counts.indices, counts.indptr), shape=counts.shape)


def _refuse_counts(values: np.ndarray) -> None:
    some = values[:_LOOKED_AT]
    if some.size and some.max() > 0 and (some == np.floor(some)).all():
        raise InputError(
            f"X has whole numbers up to {values.max():g}: counts; log-normalised values are needed there (log1p of "
            'counts per 10,000), or no X and the counts in layers["counts"]'
        )
