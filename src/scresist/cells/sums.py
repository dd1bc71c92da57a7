"""Pseudobulk: counts summed per sample and population; groups with too few cells are left out and listed."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.counts import sum_counts
from scresist.cells.focus import Focus
from scresist.checks import InputError, MissingColumnError, RefusedError, require_columns, require_positive
from scresist.results import Result

GROUP = ["sample", "cell_type"]


@dataclass(frozen=True, slots=True)
class Pseudobulk:
    """Sums of counts: `counts` has one row per kept group, indexed by (sample, cell_type), and one column per gene.

    `groups` lists every group, kept or not: sample, cell_type, cells, kept, reason.
    """

    counts: pd.DataFrame
    groups: pd.DataFrame

    @property
    def cells(self) -> pd.DataFrame:
        """Number of cells, samples x cell types, 0 where there is none."""
        wide = self.groups.pivot_table(
            index="sample", columns="cell_type", values="cells", aggfunc="sum", fill_value=0, observed=True
        )
        return wide.astype(int)

    def result(self) -> Result:
        """The table of groups as a result."""
        dropped = self.groups[~self.groups["kept"]]
        note = f"{len(dropped)} of {len(self.groups)} groups of sample and cell type are below the minimum of cells"
        return Result(self.groups, "sums of counts", MappingProxyType({}), (note,) if len(dropped) else ())

    def table(self) -> pd.DataFrame:
        """One row per kept group and gene: sample, cell_type, gene, count; in the order of the groups and genes."""
        n_genes = self.counts.shape[1]
        values = self.counts.to_numpy()
        whole = np.issubdtype(values.dtype, np.integer) or bool((values == np.floor(values)).all())
        largest = values.max(initial=0)
        kind = np.float64 if not whole else np.int32 if largest <= np.iinfo(np.int32).max else np.int64
        columns = {}
        for name in GROUP:
            level = pd.Categorical(self.counts.index.get_level_values(name))
            columns[name] = pd.Categorical.from_codes(np.repeat(level.codes, n_genes), dtype=level.dtype)
        gene = np.tile(np.arange(n_genes, dtype=np.int32), len(self.counts))
        columns["gene"] = pd.Categorical.from_codes(gene, categories=self.counts.columns)
        return pd.DataFrame({**columns, "count": values.astype(kind).ravel()})

    def of(self, population: str) -> "Pseudobulk":
        """The sums of one population.

        Raises
        ------
        RefusedError
            If no sample has enough of its cells.
        """
        inside = self.counts.index.get_level_values("cell_type") == population
        if not inside.any():
            raise RefusedError(f"no sample has enough cells of {population}")
        return Pseudobulk(self.counts[inside], self.groups[self.groups["cell_type"] == population])


def pseudobulk(
    adata: Any,
    *,
    groupby: str = "cell_type",
    min_cells: int = 10,
    layer: str | None = "counts",
    sample: str = "sample",
    focus: Focus | None = None,
) -> Pseudobulk:
    """Sums of raw counts per sample and cell type. Samples are not joined, also not those of one patient.

    Parameters
    ----------
    adata
        Cells x genes with raw counts in `layer`.
    groupby
        Column of `adata.obs` that names the cell type. Cells without a name are left out.
    min_cells
        Groups with fewer cells are not summed; they are listed with the reason.
    layer
        Where the counts are; None is X.
    sample
        Column of `adata.obs` that names the sample.
    focus
        A compartment that is summed too, under the name of its population, where that is none of the cell types.

    Raises
    ------
    InputError
        If there is no such layer, or it has negative values.
    MissingColumnError
        If a column is missing.
    """
    require_columns(adata.obs, [sample, groupby], "the table of cells (adata.obs)")
    require_positive(min_cells, "min_cells")
    kinds = adata.obs[groupby]
    parts = [_summed(adata, kinds, min_cells=min_cells, layer=layer or "X", sample=sample)]
    if focus is not None and not (kinds.astype(str) == focus.population).any():
        kinds = pd.Series(focus.population, index=adata.obs_names, dtype=object).where(focus.mask)
        parts.append(_summed(adata, kinds, min_cells=min_cells, layer=layer or "X", sample=sample))
    if len(parts) == 1:
        return parts[0]
    return Pseudobulk(pd.concat([p.counts for p in parts]), pd.concat([p.groups for p in parts], ignore_index=True))


def _summed(adata: Any, kinds: pd.Series, *, min_cells: int, layer: str, sample: str) -> Pseudobulk:
    named = kinds.notna().to_numpy() & adata.obs[sample].notna().to_numpy()
    key = pd.DataFrame({
        "sample": adata.obs[sample].astype(str).to_numpy()[named],
        "cell_type": kinds.astype(str).to_numpy()[named],
    })  # fmt: skip
    groups = key.value_counts(sort=False).rename("cells").reset_index().sort_values(["cell_type", "sample"])
    groups = groups.reset_index(drop=True)
    groups["kept"] = groups["cells"] >= min_cells
    groups["reason"] = np.where(groups["kept"], "", f"fewer than {min_cells} cells")
    place = groups["kept"].cumsum().where(groups["kept"], 0).to_numpy() - 1
    codes = np.full(adata.shape[0], -1)
    codes[named] = key.merge(groups[GROUP].assign(code=place), on=GROUP, how="left")["code"].to_numpy()
    summed = sum_counts(adata, codes, int(groups["kept"].sum()), layer=layer)
    index = pd.MultiIndex.from_frame(groups.loc[groups["kept"], GROUP])
    return Pseudobulk(pd.DataFrame(summed, index=index, columns=adata.var_names.rename("gene")), groups)


def read_pseudobulk(table: pd.DataFrame, groups: pd.DataFrame) -> Pseudobulk:
    """The sums from their two published tables, as `pseudobulk` made them.

    Parameters
    ----------
    table
        From `Pseudobulk.table`: sample, cell_type, gene, count.
    groups
        `Pseudobulk.groups`: sample, cell_type, cells, kept, reason.

    Raises
    ------
    MissingColumnError
        If a column is missing.
    InputError
        If the two are not of one run: the table has another number of rows than its genes times the groups kept.
    """
    require_columns(table, [*GROUP, "gene", "count"], "the table of pseudobulk counts")
    require_columns(groups, [*GROUP, "cells", "kept", "reason"], "the table of pseudobulk groups")
    kept = groups.loc[groups["kept"], GROUP]
    n_genes, rest = divmod(len(table), max(len(kept), 1))
    if rest or (len(kept) == 0) != (len(table) == 0):
        raise InputError(f"{len(table)} rows of sums are not those of {len(kept)} groups; read both tables of one run")
    values = table["count"].to_numpy(dtype=np.float64).reshape(len(kept), n_genes)
    names = pd.Index(table["gene"].iloc[:n_genes].astype(str), name="gene")
    groups = groups.assign(reason=groups["reason"].fillna(""))
    return Pseudobulk(pd.DataFrame(values, index=pd.MultiIndex.from_frame(kept.astype(str)), columns=names), groups)


def as_pseudobulk(counts: Any) -> Pseudobulk:
    """Sums of counts in any of the shapes that users have.

    Parameters
    ----------
    counts
        A Pseudobulk; a table samples x genes or (sample, cell_type) x genes; or an AnnData with one row per group,
        `sample` (and `cell_type`, `cells`) in obs and the sums in X.

    Raises
    ------
    InputError
        If it is none of these, or has NaN, negative numbers or a group twice.
    MissingColumnError
        If rows are not indexed by sample and cell_type.
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
        raise InputError("counts have NaN or negative numbers; sums of raw counts are zero or more")
    if counts.index.has_duplicates:
        raise InputError(f"{counts.index[counts.index.duplicated()][0]} has more than one row of sums")
    groups = counts.index.to_frame(index=False)
    groups["cells"], groups["kept"], groups["reason"] = cells, True, ""
    return Pseudobulk(counts, groups)
