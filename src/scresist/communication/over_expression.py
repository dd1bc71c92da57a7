"""Genes over-expressed in a group against all other cells, as CellChat selects them before the inference."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.normalise import log_normalised
from scresist.checks import InputError, RefusedError, require_choice, require_columns
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.resource import read_resource
from scresist.kernels.aggregate import mean_by_group
from scresist.kernels.averages import Sorted, sort_values
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.rank_sums import rank_sum_test
from scresist.kernels.rank_tests import EXACT_BELOW

GENE_P = 0.05  # p-value below which CellChat selects a gene


def over_expressed_genes(
    adata: Any,
    *,
    groupby: str,
    method: str = "fast",
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb",
    min_cells: int = 10,
    organism: str = "human",
) -> pd.DataFrame:
    """Signalling genes with higher expression in a group than in all other cells, with cells as replicates.

    This selects genes for an inference; it is no test of arms.

    Parameters
    ----------
    adata
        Cells x genes, X log-normalised.
    groupby
        Column of the groups.
    method
        fast (rank-sum test in single precision, difference of mean log values, Benjamini-Hochberg within a group) |
        slow (rank-sum test, exact in small groups without ties, log-fold of means of expm1 values, Bonferroni over
        signalling genes) | expressed (no test: above zero in at least `min_cells` cells).
    resource, organism
        Whose genes are signalling genes.
    min_cells
        For "expressed".

    Returns
    -------
    group, gene, log_fc, p_value, p_adjusted, share_in, share_out with p < 0.05 and log_fc > 0; gene and n_cells for
    "expressed".

    Raises
    ------
    InputError
        For an unknown method, or cells without a group.
    RefusedError
        For fewer than two groups.
    """
    require_choice(method, ("fast", "slow", "expressed"), "method")
    require_columns(adata.obs, [groupby], "the cells' table (adata.obs)")
    names = pd.Index(adata.var_names).astype(str)
    inside = np.flatnonzero(names.isin(read_resource(resource, organism).signalling_genes()))
    genes, X = names[inside], sparse.csc_array(log_normalised(adata, genes=inside), dtype=np.float64)
    if method == "expressed":
        n_cells = np.asarray((X > 0).sum(axis=0)).ravel()
        kept = n_cells >= min_cells
        return pd.DataFrame({"gene": genes[kept], "n_cells": n_cells[kept]})
    labels = adata.obs[groupby].astype("category").cat.remove_unused_categories()
    if labels.isna().any():
        raise InputError(f"{int(labels.isna().sum())} cells have no group in {groupby!r}; name them or leave them out")
    if len(labels.cat.categories) < 2:
        raise RefusedError(f"over-expression needs at least two groups; {groupby!r} has {len(labels.cat.categories)}")
    codes, groups = labels.cat.codes.to_numpy().astype(np.int64), labels.cat.categories.astype(str)
    s = gene_statistics(X, codes, len(groups), method)
    fold, p = s["log_fc"], s["p_value"]
    kept = (p < GENE_P) & (fold > 0) & (np.maximum(s["share_in"], s["share_out"]) > 0)
    at_group, at_gene = np.nonzero(kept)
    table = pd.DataFrame(
        {
            "group": groups[at_group], "gene": genes[at_gene]} | {k: v[kept] for k, v in s.items()
        }
    )  # fmt: skip
    if method == "fast":
        return table.sort_values("p_value", kind="stable").reset_index(drop=True)
    ranked = table.assign(at=at_group, down=-table["log_fc"]).sort_values(["at", "p_value", "down"], kind="stable")
    return ranked.drop(columns=["at", "down"]).reset_index(drop=True)


def gene_statistics(X: sparse.csc_array, codes: np.ndarray, n_groups: int, method: str) -> dict[str, np.ndarray]:
    """log_fc, p_value, p_adjusted, share_in, share_out of each group against the rest: each (groups, genes)."""
    fast = method == "fast"
    found = rank_sum_test(sort_values(X), codes, n_groups, single=fast, exact_below=0 if fast else EXACT_BELOW)
    share_in, share_out, p = found.share_in, found.share_out, found.p_value
    if fast:
        fold = found.mean_in - found.mean_out
        # As in CellChat, a gene without values counts among the tests.
        adjusted = np.stack([benjamini_hochberg(np.nan_to_num(row, nan=1.0)) for row in p])
    else:
        fold = _log_fold(X, codes, n_groups)
        share_in, share_out = _thousandths(share_in), _thousandths(share_out)
        adjusted = np.minimum(p * X.shape[1], 1.0)
    return {"log_fc": fold, "p_value": p, "p_adjusted": adjusted, "share_in": share_in, "share_out": share_out}


def fast_selection(order: Sorted, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Which genes the fast method selects in some group, from values that are sorted already."""
    found = rank_sum_test(order, codes, n_groups, single=True)
    higher = found.mean_in - found.mean_out > 0
    some = np.maximum(found.share_in, found.share_out) > 0
    return np.asarray(((found.p_value < GENE_P) & higher & some).any(axis=0))


def _thousandths(share: np.ndarray) -> np.ndarray:
    """Rounded to the nearer of the two neighbours as doubles, the even one where they are equally near, as R does."""
    below = np.floor(share * 1000)
    low, high = below / 1000, np.ceil(share * 1000) / 1000
    gap = (high - share) - (share - low)
    return np.asarray(np.where((gap < 0) | ((gap == 0) & (below % 2 == 1)), high, low))


def _log_fold(X: sparse.csc_array, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Log of the mean of expm1 values and one, in each group less outside it."""
    moved, size = X.copy(), np.bincount(codes, minlength=n_groups)
    moved.data = np.expm1(moved.data)
    mean = mean_by_group(moved, codes, n_groups)
    sums = mean * size[:, None]
    outside = (sums.sum(axis=0) - sums) / (size.sum() - size)[:, None]
    return np.asarray(np.log(mean + 1) - np.log(outside + 1))
