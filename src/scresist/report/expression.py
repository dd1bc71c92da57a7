"""Genes in cells for the page: levels on the map for any tested gene, and markers per population."""

import base64
import zlib
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.saved import saved_levels

BUDGET = 30_000_000  # levels on the map, cells x genes, before they are packed
PER_TYPE = 3  # markers of each population in the picture
LEVELS = 10  # at most 15: steps of a level; 0 is a cell without a count


def sampled_levels(path: Path, n_cells: int, n_genes: int) -> tuple[sparse.csc_array, pd.Index, int]:
    """Levels of every so many cells of a saved cohort, the names of the genes, and the step.

    Parameters
    ----------
    path
        The h5ad.
    n_cells
        Cells of the cohort.
    n_genes
        Genes that will be packed; more of them leave fewer cells.
    """
    step = max(1, -(-n_cells * max(n_genes, 1) // BUDGET))
    levels, names = saved_levels(path, slice(None, None, step))
    return levels, pd.Index(names), step


def named_markers(evidence: pd.DataFrame, measured: Container[str]) -> tuple[list[str], list[str]]:
    """The markers with most weight for the name of each population, and the populations, by lineage.

    Parameters
    ----------
    evidence
        Per cluster: cell_type, n_cells, lineage, markers_for.
    measured
        Genes that can be shown.
    """
    if not len(evidence) or "markers_for" not in evidence:
        return [], []
    largest = evidence.sort_values("n_cells", ascending=False, kind="stable").drop_duplicates("cell_type")
    lineage = largest.set_index("cell_type")["lineage"] if "lineage" in largest else pd.Series(dtype=object)
    groups = sorted(largest["cell_type"].astype(str), key=lambda t: (str(lineage.get(t, "")), t))
    genes: list[str] = []
    for group in groups:
        words = str(largest.loc[largest["cell_type"].astype(str) == group, "markers_for"].iloc[0])
        own = [w.strip().rsplit(" ", 1)[0] for w in words.split(",") if " " in w.strip()]
        genes += [g for g in own if g in measured and g not in genes][:PER_TYPE]
    return genes, groups


def packed_genes(levels: sparse.csc_array, names: pd.Index, step: int, wanted: Sequence[str]) -> pd.DataFrame:
    """Levels of genes in cells, four bits each, every gene compressed by itself so that one can be read alone.

    A level is a tenth of the gene's 99.5 % quantile over the cells with counts, at least 1 where there is a count.

    Parameters
    ----------
    levels
        Log1p of counts per 10,000. Shape (cells, genes).
    names
        Of the genes. Shape (genes,).
    step
        Every so many cells were taken.
    wanted
        The genes to pack; those that are not measured are left out.

    Returns
    -------
    One row per gene: gene, step, n_cells, top (the value of the highest level) and packed (bytes).
    """
    place = names.get_indexer(list(wanted))
    kept = [(g, p) for g, p in zip(wanted, place, strict=True) if p >= 0]
    n = levels.shape[0]
    packed, tops = [], []
    for _, p in kept:
        part = slice(levels.indptr[p], levels.indptr[p + 1])
        values = levels.data[part]
        top = float(np.quantile(values, 0.995)) if len(values) else 1.0
        dense = np.zeros(n + n % 2, dtype=np.uint8)
        dense[levels.indices[part]] = np.clip(np.rint(LEVELS * values / top), 1, LEVELS)
        packed.append(zlib.compress(((dense[::2] << 4) | dense[1::2]).tobytes(), 9))
        tops.append(round(top, 2))
    return pd.DataFrame({"gene": [g for g, _ in kept], "step": step, "n_cells": n, "top": tops, "packed": packed})


def for_the_map(table: pd.DataFrame) -> dict[str, Any] | None:
    """The table of packed genes as the map's script reads it; None where there is none.

    Parameters
    ----------
    table
        From `packed_genes`.
    """
    if not len(table):
        return None
    return {"step": int(table["step"].iloc[0]), "n": int(table["n_cells"].iloc[0]), "levels": LEVELS,
            "names": table["gene"].astype(str).tolist(), "top": table["top"].tolist(),
            "packed": [base64.b64encode(p).decode() for p in table["packed"]]}  # fmt: skip


def detected(levels: sparse.csc_array, names: pd.Index, groups: pd.Series, genes: Sequence[str]) -> pd.DataFrame:
    """Mean level and share of cells with a count, for every population and gene.

    Parameters
    ----------
    levels, names
        As `sampled_levels` gives them.
    groups
        Population of each cell. Shape (cells,).
    genes
        Which.

    Returns
    -------
    One row per population and gene: cell_type, gene, level, share, n_cells.
    """
    codes, known = pd.factorize(groups, sort=True)
    sizes = np.bincount(codes[codes >= 0], minlength=len(known))
    member = sparse.csr_array(
        (np.ones(int((codes >= 0).sum())), (codes[codes >= 0], np.flatnonzero(codes >= 0))),
        shape=(len(known), len(codes)),
    )
    at = names.get_indexer(list(genes))
    own = sparse.csc_array(levels[:, at])
    level = (member @ own).toarray() / sizes[:, None]
    share = (member @ (own > 0).astype(float)).toarray() / sizes[:, None]
    return pd.DataFrame({
        "cell_type": np.repeat(known.to_numpy(), len(genes)), "gene": np.tile(list(genes), len(known)),
        "level": level.ravel(), "share": share.ravel(), "n_cells": np.repeat(sizes, len(genes)),
    })  # fmt: skip
