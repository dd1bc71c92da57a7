"""Several scores of each link, which of them agree, and what each link rests on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.normalise import mean_log_normalised
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.levels import levels, over_samples
from scresist.communication.resource import read_resource
from scresist.communication.result import Communication
from scresist.kernels.link_scores import SCORES, link_scores, robust_rank_aggregate

AMBIENT_SHARE = 0.05  # of a cell's counts that may come from the soup
TOP = 0.05  # share of links that a score calls high
OFFSET = 1e-3  # added to levels before a log-fold, in log1p units


def score_links(
    adata: Any,
    com: Communication,
    *,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
    sample: str = "sample",
) -> pd.DataFrame:
    """Every link above zero by seven scores, the rank that they agree on, and how many put it among the highest 5 %.

    Parameters
    ----------
    adata, com
        The cells and what was inferred from them. In sound mode levels are means of samples' means, so that no sample
        speaks for the rest by its number of cells.
    resource, organism
        Where the subunits of complexes stand.
    sample
        Column of the samples.

    Returns
    -------
    source, target, interaction, ligand, receptor, pathway, probability, and the scores of `kernels.link_scores`, then
    `aggregate` (robust rank aggregate, small is high: an order, no p-value) and `n_high`; ordered by `aggregate`.
    """
    sides, genes = _subunits(com, read_resource(resource, organism))
    means = over_samples(levels(adata, com, genes, sample=sample))
    n = len(com.groups)
    known = np.nan_to_num(means)
    others = (known.sum(axis=0) - known) / max(n - 1, 1)
    fold = np.log2(known + OFFSET) - np.log2(others + OFFSET)
    level = {s: _lowest(known, genes, units) for s, units in sides.items()}
    change = {s: _lowest(fold, genes, units) for s, units in sides.items()}
    overall = mean_log_normalised(adata)
    made = link_scores(level["ligand"], level["receptor"], change["ligand"], change["receptor"], level=overall)
    probability = np.nan_to_num(com.probability)
    source, target, pair = np.nonzero(probability > 0)
    own = com.interactions.iloc[pair]
    out = pd.DataFrame(
        {
            "source": com.groups[source], "target": com.groups[target],
            "interaction": own["interaction_name"].to_numpy(),
            "ligand": own["ligand"].to_numpy(), "receptor": own["receptor"].to_numpy(),
            "pathway": own["pathway_name"].to_numpy(), "probability": probability[source, target, pair],
        }
        | {name: made[name][source, target, pair] for name in SCORES}
    )  # fmt: skip
    # Product, geometric mean and the regularised score order links alike: one of them votes.
    voters = ["probability", "regularised", "mean", "specificity", "log_fold"]
    values = out[voters].to_numpy()
    out["aggregate"] = robust_rank_aggregate(values)
    least = np.quantile(values, 1 - TOP, axis=0) if len(out) else np.zeros(len(voters))
    out["n_high"] = (values >= least).sum(axis=1)
    return out.sort_values("aggregate", kind="stable").reset_index(drop=True)


def link_evidence(
    adata: Any,
    com: Communication,
    *,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
    sample: str = "sample",
) -> pd.DataFrame:
    """What each link above zero rests on: samples, cells, and how much of the ligand ambient RNA could explain.

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
    positive, called = (np.nan_to_num(values) > 0).sum(axis=0), ((p_values < 0.05) & (values > 0)).sum(axis=0)
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
