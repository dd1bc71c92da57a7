"""Some cells of a cohort that was written, without reading the rest."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from scresist.kernels.normalise import log1p_per_10k


def saved_levels(path: Path, rows: slice) -> tuple[sparse.csc_array, list[str]]:
    """Log1p of counts per 10,000 of some cells of a saved cohort, and the names of its genes.

    Parameters
    ----------
    path
        The h5ad, with `layers/counts` as rows of cells.
    rows
        Which cells; a step reads every so many.

    Returns
    -------
    Cells x genes, float32, and the genes.
    """
    with h5py.File(path) as file:
        layer = file["layers/counts"]
        n_cells, n_genes = (int(n) for n in layer.attrs["shape"])
        indptr = layer["indptr"][()].astype(np.int64)
        chosen = np.arange(n_cells)[rows]
        names = [str(name) for name in file[f"var/{file['var'].attrs['_index']}"].asstr()[()]]
        sizes = np.diff(indptr)[chosen]
        if len(chosen) == n_cells:
            data, indices = layer["data"][()], layer["indices"][()]
        else:
            ends = [(int(indptr[i]), int(indptr[i + 1])) for i in chosen]
            data = np.concatenate([layer["data"][a:b] for a, b in ends]) if ends else np.empty(0)
            indices = np.concatenate([layer["indices"][a:b] for a, b in ends]) if ends else np.empty(0, int)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    counts = sparse.csr_array((data, indices, starts), shape=(len(chosen), n_genes))
    return sparse.csc_array(log1p_per_10k(counts).astype(np.float32)), names


def saved_copy_number(path: Path) -> pd.DataFrame:
    """The copy-number signal of every cell of a saved cohort, cells x chromosome arms; empty where there is none.

    Parameters
    ----------
    path
        The h5ad.
    """
    with h5py.File(path) as file:
        if "obsm/copy_number" not in file:
            return pd.DataFrame()
        group = file["obsm/copy_number"]
        arms = [str(name) for name in group.attrs["column-order"]]
        return pd.DataFrame({arm: group[arm][()] for arm in arms})
