"""A loom file of the cohort, version 3.0.0 of the format (linnarssonlab.org/loompy/format), written through h5py."""

from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from scresist.exchange.tidy import columns_of_cells, counts_of, embeddings, ensembl_of

if TYPE_CHECKING:
    from anndata import AnnData

BLOCK = 2000  # cells that are dense at a time


def write_loom(cohort: "AnnData", path: Path) -> tuple[str, ...]:
    """Write a loom, whole or not at all: raw counts, genes in rows, columns of obs and embeddings as attributes.

    Parameters
    ----------
    cohort
        Cells x genes with `layers["counts"]`.
    path
        The file.

    Returns
    -------
    No notes: everything is kept but graphs.
    """
    counts = counts_of(cohort)
    n_cells, n_genes = counts.shape
    part = path.with_name(f".{path.name}.part")
    words = h5py.string_dtype("utf-8")
    with h5py.File(part, "w") as file:
        matrix = file.create_dataset("matrix", shape=(n_genes, n_cells), dtype=np.int32, compression="gzip",
                                     compression_opts=2, chunks=(min(64, n_genes), min(256, n_cells)))  # fmt: skip
        for start in range(0, n_cells, BLOCK):
            block = counts[start : start + BLOCK]
            matrix[:, start : start + block.shape[0]] = block.toarray().T.astype(np.int32)
        for group in ("attrs", "layers", "row_attrs", "col_attrs", "row_graphs", "col_graphs"):
            file.create_group(group)
        file["attrs"].create_dataset("LOOM_SPEC_VERSION", data="3.0.0", dtype=words)
        rows, columns = file["row_attrs"], file["col_attrs"]
        rows.create_dataset("Gene", data=cohort.var_names.to_numpy(dtype=object), dtype=words)
        rows.create_dataset("Accession", data=ensembl_of(cohort.var_names, cohort.var.get("gene_id")), dtype=words)
        columns.create_dataset("CellID", data=cohort.obs_names.to_numpy(dtype=object), dtype=words)
        for name, values in columns_of_cells(cohort).items():
            key = str(name).replace("/", "_")
            if values.dtype.kind in "fiu":
                columns.create_dataset(key, data=values.to_numpy())
            else:
                columns.create_dataset(key, data=values.astype(str).to_numpy(dtype=object), dtype=words)
        for name, values in embeddings(cohort).items():
            columns.create_dataset(name, data=values.astype(np.float32))
    part.replace(path)
    return ()
