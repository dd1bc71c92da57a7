"""Several scores of each link, which of them agree, and the samples and cells behind each link."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.normalise import mean_log_normalised
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.levels import levels, over_samples
from scresist.communication.resource import read_resource
from scresist.communication.result import LINK_P, Communication
from scresist.kernels.link_scores import SCORES, link_scores, robust_rank_aggregate

AMBIENT_SHARE = 0.05  # of a cell's counts that may be ambient RNA
TOP = 0.05  # share of the links that are high by a score
OFFSET = 1e-3  # added to levels before a log-fold, in log1p units


def score_links(
    adata: Any,
    com: Communication,
    *,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
    sample: str = "sample",
) -> pd.DataFrame:
    """Seven scores of every link above zero, their joint rank, and how many of them are among the highest 5 %.

    Parameters
    ----------
    adata, com
        The cells and what was inferred from them. In sound mode levels are means of samples' means, so that a sample
        with many cells does not dominate.
    resource, organism
        The table with the subunits of complexes.
    sample
        Column of the samples.

    Returns
    -------
    source, target, interaction, ligand, receptor, pathway, probability, and the scores of `kernels.link_scores`, then
    `aggregate` (robust rank aggregate; small is a high rank, and it is no p-value) and `n_high`; sorted by `aggregate`.
    """
    sides, genes = _subunits(com, read_resource(resource, organism))
    means = over_samples(levels(adata, com, genes, sample=sample))
    n = len(com.groups)
    own = np.nan_to_num(means)
    others = (own.sum(axis=0) - own) / max(n - 1, 1)
    fold = np.log2(own + OFFSET) - np.log2(others + OFFSET)
    level = {s: _lowest(own, genes, units) for s, units in sides.items()}
    change = {s: _lowest(fold, genes, units) for s, units in sides.items()}
    overall = mean_log_normalised(adata)
    made = link_scores(level["ligand"], level["receptor"], change["ligand"], change["receptor"], level=overall)
    probability = np.nan_to_num(com.probability)
    source, target, pair = np.nonzero(probability > 0)
    rows = com.interactions.iloc[pair]
    out = pd.DataFrame(
        {
            "source": com.groups[source], "target": com.groups[target],
            "interaction": rows["interaction_name"].to_numpy(),
            "ligand": rows["ligand"].to_numpy(), "receptor": rows["receptor"].to_numpy(),
            "pathway": rows["pathway_name"].to_numpy(), "probability": probability[source, target, pair],
        }
        | {name: made[name][source, target, pair] for name in SCORES}
    )  # fmt: skip
    # Product, geometric mean and the regularised score order links in the same way: only one of them counts.
    counted = ["probability", "regularised", "mean", "specificity", "log_fold"]
    values = out[counted].to_numpy()
    out["aggregate"] = robust_rank_aggregate(values)
    lowest = np.quantile(values, 1 - TOP, axis=0) if len(out) else np.zeros(len(counted))
    out["n_high"] = (values >= lowest).sum(axis=1)
    return out.sort_values("aggregate", kind="stable").reset_index(drop=True)


def link_evidence(
    adata: Any,
    com: Communication,
    *,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
    sample: str = "sample",
) -> pd.DataFrame:
    """The samples and cells behind each link above zero, and how much of the ligand ambient RNA could explain.

    Parameters
    ----------
    adata, com, resource, organism, sample
        As in `score_links`.

    Returns
    -------
    source, target, interaction; `n_samples` (both groups measured), `share_samples` (of them with the link above zero),
    `share_significant` (p < 0.05), `ligand_cells` and `receptor_cells` (share of cells above zero, lowest subunit,
    mean of samples), `ligand_ambient_share` (5 % of the mean of all groups over that of the source, at most 1: the
    share of the ligand in the source that ambient RNA of that size would explain).
    """
    sides, genes = _subunits(com, read_resource(resource, organism))
    share = np.nan_to_num(over_samples(levels(adata, com, genes, sample=sample, above_zero=True)))
    mean = np.nan_to_num(over_samples(levels(adata, com, genes, sample=sample)))
    cells = {s: _lowest(share, genes, units) for s, units in sides.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        soup = np.minimum(AMBIENT_SHARE * mean.mean(axis=0) / mean, 1.0)
    ambient = -_lowest(-soup, genes, sides["ligand"])
    values = com.probability[None] if com.by_sample is None else com.by_sample
    p_values = com.p_value[None] if com.p_by_sample is None else com.p_by_sample
    measured = np.isfinite(values).sum(axis=0)
    some = np.maximum(measured, 1)
    positive, called = (np.nan_to_num(values) > 0).sum(axis=0), ((p_values < LINK_P) & (values > 0)).sum(axis=0)
    source, target, pair = at = np.nonzero(positive > 0)
    return pd.DataFrame(
        {
            "source": com.groups[source], "target": com.groups[target], "interaction": com.pairs[pair],
            "n_samples": measured[at], "share_samples": (positive / some)[at], "share_significant": (called / some)[at],
            "ligand_cells": cells["ligand"][source, pair], "receptor_cells": cells["receptor"][target, pair],
            "ligand_ambient_share": ambient[source, pair],
        }
    )  # fmt: skip


def _subunits(com: Communication, table: LigandReceptorTable) -> tuple[dict[str, list[list[str]]], pd.Index]:
    """Genes of the ligand and of the receptor of every pair, and all of them."""
    sides = {side: [list(table.genes_of(str(n))) for n in com.interactions[side]] for side in ("ligand", "receptor")}
    return sides, pd.Index(sorted({g for units in sides.values() for own in units for g in own}))


def _lowest(values: np.ndarray, genes: pd.Index, units: list[list[str]]) -> np.ndarray:
    """Of every group (rows) the lowest value among the subunits of each pair."""
    return np.stack([values[:, genes.get_indexer(u)].min(axis=1) for u in units], axis=1)
