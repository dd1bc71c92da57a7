"""The counts of a cohort: of all cells or some, in blocks, summed within groups. No stage reads the matrix itself.

A matrix in memory is not copied as a whole; one that lies on disk (backed, or Dask over zarr) is read block by block.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import sparse

from scresist.checks import InputError, suggestion
from scresist.kernels.aggregate import sum_by_group

BLOCK = 16_384  # cells that are in memory beside the matrix at a time


def raw_counts(
    adata: Any, *, cells: np.ndarray | None = None, genes: np.ndarray | None = None, layer: str = "auto"
) -> sparse.csr_array:
    """Raw counts of some cells and genes.

    Parameters
    ----------
    adata
        Cells x genes.
    cells
        Positions or a mask; None takes all cells.
    genes
        Positions; None takes all genes.
    layer
        Where the counts are: a name in `adata.layers`, "X", or "auto": `layers["counts"]`, else X.

    Returns
    -------
    Cells x genes, sparse in rows. Without a choice of cells or genes it is the stored matrix: do not change it.

    Raises
    ------
    InputError
        If there is no such matrix, or it has values that are negative, NaN or infinite, or X has fractions.
    """
    matrix, where = _stored(adata, layer)
    counts = _checked(_in_memory(matrix, cells), where)
    return counts if genes is None else sparse.csr_array(counts[:, genes])


def count_blocks(
    adata: Any, *, layer: str = "auto", cells: np.ndarray | None = None, size: int = BLOCK
) -> Iterator[tuple[slice, sparse.csr_array]]:
    """The counts of consecutive cells, one block after the other.

    Parameters
    ----------
    adata, layer
        As in `raw_counts`.
    cells
        Positions or a mask; None takes all cells.
    size
        Cells per block.

    Yields
    ------
    Which of the chosen cells the block has, and their counts.
    """
    matrix, where = _stored(adata, layer)
    chosen = None if cells is None else _positions(cells)
    n = matrix.shape[0] if chosen is None else len(chosen)
    for start in range(0, n, size):
        here = slice(start, min(start + size, n))
        yield here, _checked(_in_memory(matrix, here if chosen is None else chosen[here]), where)


def sum_counts(
    adata: Any, codes: np.ndarray, n_groups: int, *, genes: np.ndarray | None = None, layer: str = "auto"
) -> np.ndarray:
    """Sum of the counts of each gene over the cells of each group.

    Parameters
    ----------
    adata, layer
        As in `raw_counts`.
    codes
        Group of each cell, from 0, or -1 for none. Shape (cells,).
    n_groups
        Number of groups.
    genes
        Positions of the genes to sum; None is all.

    Returns
    -------
    Shape (n_groups, genes), float64; 0 for a group without cells.
    """
    sums = np.zeros((n_groups, adata.shape[1] if genes is None else len(genes)))
    chosen, own = _grouped(codes)
    for here, block in count_blocks(adata, layer=layer, cells=chosen):
        sums += sum_by_group(block if genes is None else sparse.csr_array(block[:, genes]), own[here], n_groups)
    return sums


def _grouped(codes: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """The cells that have a group, where they are the smaller part (else all of them: None), and their groups."""
    codes = np.asarray(codes)
    chosen = np.flatnonzero(codes >= 0)
    return (chosen, codes[chosen]) if len(chosen) < len(codes) / 2 else (None, codes)


def count_detected(adata: Any, codes: np.ndarray, n_groups: int, *, layer: str = "auto") -> np.ndarray:
    """Number of cells of each group that have a count of each gene; parameters and shape as in `sum_counts`.

    Parameters
    ----------
    adata
        Cells x genes.
    codes
        Group of each cell, or -1. Shape (cells,).
    n_groups
        Number of groups.
    layer
        As in `raw_counts`.
    """
    found = np.zeros((n_groups, adata.shape[1]))
    chosen, own = _grouped(codes)
    for here, block in count_blocks(adata, layer=layer, cells=chosen):
        seen = sparse.csr_array(((block.data > 0).view(np.int8), block.indices, block.indptr), shape=block.shape)
        found += sum_by_group(seen, own[here], n_groups)
    return found


def total_counts(adata: Any, *, genes: np.ndarray | None = None, layer: str = "auto") -> np.ndarray:
    """Counts of each cell, over all genes or those at the positions `genes`. Shape (cells,).

    Parameters
    ----------
    adata
        Cells x genes.
    genes
        Positions; None is all genes.
    layer
        As in `raw_counts`.
    """
    parts = [
        row_sums(block if genes is None else sparse.csr_array(block[:, genes]))
        for _, block in count_blocks(adata, layer=layer)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


def genes_per_cell(adata: Any) -> np.ndarray:
    """Number of genes with a count, of each cell. Shape (cells,).

    Parameters
    ----------
    adata
        Cells x genes.
    """
    parts = [np.diff(block.indptr) for _, block in count_blocks(adata)]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)


def row_sums(counts: sparse.csr_array) -> np.ndarray:
    """Sum of each row, float64; exact for counts. Shape (rows,).

    Parameters
    ----------
    counts
        Sparse in rows.
    """
    return np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()


def _stored(adata: Any, layer: str) -> tuple[Any, str]:
    """The matrix of a layer, and how messages name it."""
    if layer == "auto":
        layer = "counts" if "counts" in adata.layers else "X"
    if layer != "X" and layer not in adata.layers:
        raise InputError(
            f"adata.layers has no {layer!r} ({suggestion(layer, adata.layers.keys())}); raw counts are needed: put "
            "them there, or name the layer where they are"
        )
    matrix = adata.X if layer == "X" else adata.layers[layer]
    if matrix is None:
        raise InputError('there are no counts: adata has neither layers["counts"] nor X; raw counts are needed')
    return matrix, "X" if layer == "X" else f'layers["{layer}"]'


def _positions(cells: np.ndarray) -> np.ndarray:
    cells = np.asarray(cells)
    return np.flatnonzero(cells) if cells.dtype == bool else cells


def _in_memory(matrix: Any, cells: np.ndarray | slice | None) -> sparse.csr_array:
    if isinstance(cells, slice) and sparse.issparse(matrix) and matrix.format == "csr":
        return _rows(matrix, cells)
    part = matrix if cells is None else matrix[cells]
    for reader in ("to_memory", "compute"):
        part = getattr(part, reader)() if hasattr(part, reader) else part
    return sparse.csr_array(part)


def _rows(matrix: Any, cells: slice) -> sparse.csr_array:
    """Consecutive rows of a matrix in memory, without a copy of their values."""
    start, stop, _ = cells.indices(matrix.shape[0])
    low, high = matrix.indptr[start], matrix.indptr[stop]
    part = sparse.csr_array((stop - start, matrix.shape[1]), dtype=matrix.dtype)
    part.data, part.indices = matrix.data[low:high], matrix.indices[low:high]
    part.indptr = matrix.indptr[start : stop + 1] - low
    return part


def _checked(counts: sparse.csr_array, where: str) -> sparse.csr_array:
    values = counts.data
    if values.size == 0:
        return counts
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise InputError(f"{where} has {bad} values that are NaN or infinite; give raw counts")
    if values.min() < 0:
        raise InputError(
            f'{where} has negative values (the smallest is {values.min():g}); put raw counts in layers["counts"]'
        )
    if where == "X" and values.dtype.kind == "f" and (values != np.round(values)).any():
        raise InputError('X has values that are not whole numbers and there is no layers["counts"]; '
                         "put the raw counts there")  # fmt: skip
    return counts
