"""Loom files (loompy, velocyto, SCope), read through h5py: genes in rows, attributes of rows and columns."""

from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from scresist.reading.features import ensembl_only
from scresist.reading.matrix import CountMatrix
from scresist.reading.recognise import known_share
from scresist.reading.selectors import choose_rows
from scresist.reading.tenx_h5 import text
from scresist.study.problems import Problems

NAMES = ("Gene", "gene", "GeneName", "gene_name", "gene_names", "var_names", "symbol", "Symbol", "index")
IDS = ("Accession", "accession", "gene_ids", "gene_id", "Ensembl", "EnsemblID", "ensembl_id")
CELLS = ("CellID", "cell_id", "obs_names", "barcode", "Barcode", "cell_names", "CellName", "index")


def is_loom(file: h5py.File) -> bool:
    """Whether an open HDF5 file is a loom."""
    return "matrix" in file and isinstance(file["matrix"], h5py.Dataset) and "row_attrs" in file and "col_attrs" in file


def read_loom(file: h5py.File, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    """Counts of a loom, from the main matrix, or from the layer of counts where the main matrix has other values.

    Parameters
    ----------
    file
        Open.
    selector
        column=value of the attributes of the columns, suffix=3, or "".
    shown, problems
        As in `open_matrix`.
    """
    columns, genes = _attributes(file["col_attrs"]), _attributes(file["row_attrs"])
    n_genes, n_cells = (int(n) for n in file["matrix"].shape)
    cells = next((columns[c] for c in CELLS if c in columns and len(columns[c]) == n_cells), None)
    if cells is None:
        cells = np.array([f"cell_{i + 1}" for i in range(n_cells)], dtype=object)
    obs = pd.DataFrame({k: v for k, v in columns.items() if len(v) == n_cells})
    rows = choose_rows(obs, cells, selector, shown, problems)
    if rows is None:
        return None
    named = [genes[c] for c in NAMES if c in genes and len(genes[c]) == n_genes]
    ids = next((genes[c] for c in IDS if c in genes and len(genes[c]) == n_genes), None)
    if not named and ids is None:
        problems.error(shown, "the loom has no row attribute with names of genes", "add row_attrs/Gene",
                       value=", ".join(genes))  # fmt: skip
        return None
    names = max(named, key=known_share) if named else ids
    node, slot = file["matrix"], "matrix"
    if not _integers(node) and "layers" in file:
        better = [k for k in file["layers"] if file["layers"][k].shape == node.shape and _integers(file["layers"][k])]
        better.sort(key=lambda k: "count" not in k.lower())
        if better:
            node, slot = file["layers"][better[0]], f"layers/{better[0]}"
    counts = _cells_by_genes(node)[rows]
    assert names is not None
    return CountMatrix(counts, cells[rows], names, ensembl_only(ids if ids is not None else names),
                       (f"counts from {slot}",), slot=f"{slot} of the loom was read", obs=obs.iloc[rows])  # fmt: skip


def _attributes(group: Any) -> dict[str, np.ndarray]:
    found = {}
    for key in group:
        node = group[key]
        if isinstance(node, h5py.Dataset) and len(node.shape) == 1:
            values = node[:]
            found[key] = text(node) if values.dtype.kind in "OS" else values.astype(object)
    return found


def _integers(node: Any) -> bool:
    some = np.asarray(node[: max(1, 100_000 // max(1, node.shape[1]))], dtype=float)
    return bool(np.isfinite(some).all() and (some == np.floor(some)).all() and (some >= 0).all())


def _cells_by_genes(node: Any) -> sparse.csr_array:
    step = max(1, 20_000_000 // max(1, int(node.shape[1])))
    blocks = [sparse.csr_array(np.asarray(node[s : s + step])) for s in range(0, int(node.shape[0]), step)]
    return sparse.csr_array(sparse.vstack(blocks).T) if blocks else sparse.csr_array(tuple(node.shape[::-1]))
