"""Genes in cells for the page: levels on the map for any tested gene, and markers per population."""

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.saved import saved_levels
from scresist.report.folder import Folder

BUDGET = 30_000_000  # levels on the map, cells x genes, before they are packed
LEVELS = 10  # at most 15: steps of a level; 0 is a cell without a count


def sampled_levels(folder: Folder, n_genes: int) -> tuple[sparse.csc_array, pd.Index, int] | None:
    """Levels of every so many cells, the names of the genes, and the step; None where the cohort's file is gone.

    Parameters
    ----------
    folder
        The results folder.
    n_genes
        Genes that will be packed; more of them leave fewer cells.
    """
    path = folder.path / "cohort.h5ad"
    cells = folder.cells
    if not path.exists():
        return None
    step = max(1, -(-len(cells) * max(n_genes, 1) // BUDGET))
    levels, names = saved_levels(path, slice(None, None, step))
    if levels.shape[0] != len(cells.iloc[::step]):
        return None  # the file is of another run
    return levels, pd.Index(names), step


def packed_genes(levels: sparse.csc_array, names: pd.Index, step: int, wanted: Sequence[str]) -> dict[str, Any]:
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
    step, n, names, levels (steps), top (the value of the highest step) and packed, as the map's script reads them.
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
        packed.append(base64.b64encode(zlib.compress(((dense[::2] << 4) | dense[1::2]).tobytes(), 9)).decode())
        tops.append(round(top, 2))
    return {"step": step, "n": n, "levels": LEVELS, "names": [g for g, _ in kept], "top": tops, "packed": packed}


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
    One row per group and gene: group, gene, level, share, n_cells.
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
        "group": np.repeat(known.to_numpy(), len(genes)), "gene": np.tile(list(genes), len(known)),
        "level": level.ravel(), "share": share.ravel(), "n_cells": np.repeat(sizes, len(genes)),
    })  # fmt: skip
