"""The parts of a cohort that every format has: counts, columns of cells, embeddings."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.counts import raw_counts

if TYPE_CHECKING:
    from anndata import AnnData


def counts_of(cohort: "AnnData") -> sparse.csr_array:
    """Raw counts, cells x genes.

    Parameters
    ----------
    cohort
        With `layers["counts"]`.
    """
    return sparse.csr_array(raw_counts(cohort, layer="counts"))


def embeddings(cohort: "AnnData") -> dict[str, np.ndarray]:
    """Numeric embeddings with a row per cell, by the name of their slot.

    Parameters
    ----------
    cohort
        With obsm.
    """
    found = {}
    for name, values in cohort.obsm.items():
        if isinstance(values, pd.DataFrame) or sparse.issparse(values):
            continue
        array = np.asarray(values)
        if array.ndim == 2 and array.shape[1] >= 2 and array.dtype.kind in "fiu" and str(name).startswith("X_"):
            found[str(name)] = array
    return found


def columns_of_cells(cohort: "AnnData") -> pd.DataFrame:
    """Columns of obs and the scores per cell in obsm that have names, as numbers or words.

    Parameters
    ----------
    cohort
        With obs.
    """
    table = cohort.obs.copy()
    for name, values in cohort.obsm.items():
        if isinstance(values, pd.DataFrame):
            table = table.join(values.add_prefix(f"{name}."))
    for column in table:
        values = table[column]
        if values.dtype.kind not in "fiub":
            table[column] = values.astype(object).where(values.notna(), "").astype(str)
    return table


def ensembl_of(symbols: pd.Index, ids: "pd.Series | np.ndarray | None" = None) -> np.ndarray:
    """Ensembl id of every gene; "" where neither its file nor the shipped table has one, or GENCODE no longer has it.

    Parameters
    ----------
    symbols
        Official symbols, or Ensembl ids.
    ids
        Ensembl ids in the first sample's file, "" where it has none.
    """
    from scresist import resources
    from scresist.reading.features import ENSEMBL

    genes = resources.genes()
    table = {**dict(zip(genes.index, genes["ensembl"], strict=True)),
             **{s: e for e, s in resources.ensembl_supplement().items()}}  # fmt: skip
    gone = resources.withdrawn_ensembl()
    given = np.asarray(symbols if ids is None else ids, dtype=object)
    out = []
    for symbol, name in zip(symbols, given, strict=True):
        own = next((str(n).partition(".")[0] for n in (name, symbol) if ENSEMBL.match(str(n))), "")
        found = own or str(table.get(str(symbol), ""))
        out.append("" if found in gone else found)
    return np.array(out, dtype=object)
