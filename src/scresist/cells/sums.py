"""Counts summed per sample and cell type, with the cells behind them; groups too small are kept apart and counted."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError, MissingColumnError, require_columns, require_positive, suggestion
from scresist.results import Result


@dataclass(frozen=True, slots=True)
class Pseudobulk:
    """Sums of counts: `counts` has a row per kept group, indexed by (sample, cell_type), and a column per gene.

    `groups` says of every group, kept or not: sample, cell_type, cells, kept, reason.
    """

    counts: pd.DataFrame
    groups: pd.DataFrame

    @property
    def cells(self) -> pd.DataFrame:
        """Number of cells, samples x cell types, 0 where there is none: what `composition` takes."""
        wide = self.groups.pivot_table(
            index="sample", columns="cell_type", values="cells", aggfunc="sum", fill_value=0, observed=True
        )
        return wide.astype(int)

    def result(self) -> Result:
        """The table of groups as a result."""
        dropped = self.groups[~self.groups["kept"]]
        note = f"{len(dropped)} of {len(self.groups)} groups of sample and cell type are below the minimum of cells"
        return Result(self.groups, "sums of counts", MappingProxyType({}), (note,) if len(dropped) else ())


def pseudobulk(
    adata: Any, *, groupby: str = "cell_type", min_cells: int = 10, layer: str | None = "counts", sample: str = "sample"
) -> Pseudobulk:
    """Sums of raw counts per sample and cell type. Samples stay apart, also those of one patient.

    Parameters
    ----------
    adata
        Cells x genes with raw counts in `layer` (None: in X).
    groupby
        Column of `adata.obs` that names the cell type. Cells without one take no part.
    min_cells
        Groups with fewer cells are not summed; they are listed with the reason.
    layer
        Where the counts are.
    sample
        Column of `adata.obs` that names the sample.

    Raises
    ------
    InputError
        If there is no such layer, or it holds negative numbers.
    """
    require_columns(adata.obs, [sample, groupby], "the cells' table (adata.obs)")
    require_positive(min_cells, "min_cells")
    if layer is not None and layer not in adata.layers:
        raise InputError(
            f"adata.layers has no {layer!r} ({suggestion(layer, adata.layers.keys())}); sums need raw counts: "
            "put them there, or pass layer=None where X holds them"
        )
    matrix = adata.X if layer is None else adata.layers[layer]
    if matrix.shape[0] and matrix.min() < 0:
        raise InputError("counts hold negative numbers: this is not a matrix of raw counts (scaled, perhaps)")
    named = adata.obs[groupby].notna().to_numpy() & adata.obs[sample].notna().to_numpy()
    key = pd.DataFrame({
        "sample": adata.obs[sample].astype(str).to_numpy()[named],
        "cell_type": adata.obs[groupby].astype(str).to_numpy()[named],
    })  # fmt: skip
    groups = key.value_counts(sort=False).rename("cells").reset_index().sort_values(["cell_type", "sample"])
    groups = groups.reset_index(drop=True)
    groups["kept"] = groups["cells"] >= min_cells
    groups["reason"] = np.where(groups["kept"], "", f"fewer than {min_cells} cells")
    row = key.merge(groups.reset_index(), on=["sample", "cell_type"], how="left")["index"].to_numpy()
    members = sparse.csr_array((np.ones(len(row)), (row, np.flatnonzero(named))), shape=(len(groups), adata.shape[0]))[
        groups["kept"].to_numpy()
    ]
    summed = members @ matrix
    dense = summed.toarray() if sparse.issparse(summed) else np.asarray(summed)
    index = pd.MultiIndex.from_frame(groups.loc[groups["kept"], ["sample", "cell_type"]])
    return Pseudobulk(pd.DataFrame(dense, index=index, columns=adata.var_names.rename("gene")), groups)


def as_pseudobulk(counts: Any) -> Pseudobulk:
    """Sums given in any of the shapes users have: a Pseudobulk, samples x genes, (sample, cell_type) x genes, AnnData.

    An AnnData has one row per group, `sample` (and `cell_type`, `cells`) in obs and the sums in X.
    """
    if isinstance(counts, Pseudobulk):
        return counts
    cells: np.ndarray | float = np.nan
    if hasattr(counts, "obs") and hasattr(counts, "var_names"):
        require_columns(counts.obs, ["sample"], "the table of sums (adata.obs)")
        obs = counts.obs
        cells = obs["cells"].to_numpy() if "cells" in obs else np.nan
        kind = obs["cell_type"].astype(str) if "cell_type" in obs else pd.Series("all", index=obs.index)
        matrix = counts.X.toarray() if sparse.issparse(counts.X) else np.asarray(counts.X)
        index = pd.MultiIndex.from_arrays([obs["sample"].astype(str), kind], names=["sample", "cell_type"])
        counts = pd.DataFrame(matrix, index=index, columns=counts.var_names)
    if not isinstance(counts, pd.DataFrame):
        raise InputError(f"counts must be sums per sample and gene (DataFrame, AnnData); got {type(counts).__name__}")
    if counts.index.nlevels == 1:
        index = pd.MultiIndex.from_arrays([counts.index, ["all"] * len(counts)], names=["sample", "cell_type"])
        counts = counts.set_axis(index, axis=0)
    if set(counts.index.names) != {"sample", "cell_type"}:
        raise MissingColumnError(f"rows must be indexed by sample and cell_type; got {list(counts.index.names)}")
    counts = counts.reorder_levels(["sample", "cell_type"])
    values = counts.to_numpy(float)
    if np.isnan(values).any() or (values < 0).any():
        raise InputError("counts hold NaN or negative numbers; sums of raw counts are zero or more")
    if counts.index.has_duplicates:
        raise InputError(f"{counts.index[counts.index.duplicated()][0]} has more than one row of sums")
    groups = counts.index.to_frame(index=False)
    groups["cells"], groups["kept"], groups["reason"] = cells, True, ""
    return Pseudobulk(counts, groups)
