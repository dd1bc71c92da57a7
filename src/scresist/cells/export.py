"""The cohort as a file that other programs read: the counts, and log-normalised values made while they are written."""

from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from scresist.cells.counts import count_blocks, raw_counts
from scresist.kernels.normalise import log1p_per_10k

if TYPE_CHECKING:
    from anndata import AnnData


def write_cohort(cohort: "AnnData", path: Path) -> None:
    """Write an h5ad of the cohort, whole or not at all: X has log1p of counts per 10,000 (float32).

    Parameters
    ----------
    cohort
        Cells x genes with `layers["counts"]`. An X that it has is written as it is.
    path
        The file.
    """
    part = path.with_name(f".{path.name}.part")
    cohort.write_h5ad(part, compression="lzf")
    if cohort.X is None:
        _add_normalised(cohort, part)
    part.replace(path)


def _add_normalised(cohort: "AnnData", path: Path) -> None:
    counts = raw_counts(cohort, layer="counts")
    with h5py.File(path, "r+") as file:
        if "X" in file:
            del file["X"]
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        group.attrs["shape"] = np.array(counts.shape)
        for name, values in (("indices", counts.indices), ("indptr", counts.indptr)):
            group.create_dataset(name, data=values, compression="lzf", maxshape=(None,))
        data = group.create_dataset("data", shape=(counts.nnz,), dtype=np.float32, compression="lzf", maxshape=(None,))
        for here, block in count_blocks(cohort, layer="counts"):
            start, stop = counts.indptr[here.start], counts.indptr[here.stop]
            data[start:stop] = log1p_per_10k(block).data.astype(np.float32)
