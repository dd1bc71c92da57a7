"""Modules that are no programme of the compartment: genes of other cells (soup, doublets), and copy number."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from scresist.cells.counts import sum_counts
from scresist.cells.focus import populations, resolve_focus
from scresist.networks.covariates import BATCHES
from scresist.networks.network import Network
from scresist.resources import genes as gene_positions

OTHER_CELLS = 5.0  # times the expression in the compartment: soup and doublets of up to a fifth bring no more
HALF_OF_GENES = 0.5  # of a module, from which the module is that
MIN_CELLS = 20  # of another population
DOUBTED = ("log_depth", "log_detected", "mito_share", "contamination", *BATCHES)
MIN_PLACED = 8  # genes of a module with a known place
FEW_CELLS = 0.01  # of the cells, with half of a module's variance: a fifth to a tenth of what programmes have
SELDOM = 1 / 3  # of the networks without a part of the data
ARM_P = 1e-6  # of as many genes on one chromosome arm, of about fifty arms in a module


def with_origin(net: Network, adata: Any) -> Network:
    """The network with `other_cells`, `arm`, `arm_share`, `flags` and `doubts` in its catalogue.

    `other_cells` is the share of a module's genes that are expressed five times higher in another population than in
    the compartment; from one half on, and twice the share over all genes of the network, the module is of other cells:
    of their RNA in the soup, or of doublets. `arm` is the chromosome arm with more of its genes than chance gives, from
    one half of them on: a copy number that varies between cells. A module with half of its variance in less than a
    hundredth of the cells rests on few cells, and the genes of one that is found again in under a third of the networks
    without a part of the patients (or cells) are uncertain. `flags` has in words everything else that may explain a
    module, or that it has more than the stated share of the genes; `doubts` those of them because of which a
    difference between arms is no finding: other cells, depth, dying cells, soup, a batch.

    Parameters
    ----------
    net
        The network, with the flags of `with_flags`.
    adata
        The cells it was built from, with those outside the compartment.
    """
    catalogue = net.catalogue.copy()
    higher = _higher_elsewhere(net, adata)
    arms = _arms(net.genes)
    overall = float(np.nanmean(higher)) if np.isfinite(higher).any() else np.nan
    shares, names, parts = [], [], []
    for number in range(1, len(net.names) + 1):
        inside = net.labels == number
        shares.append(float(np.nanmean(higher[inside])) if np.isfinite(higher[inside]).any() else np.nan)
        arm, share = _arm_of(arms, inside)
        names.append(arm)
        parts.append(share)
    catalogue["other_cells"], catalogue["arm"], catalogue["arm_share"] = shares, names, parts
    foreign = (catalogue["other_cells"] >= HALF_OF_GENES) & (catalogue["other_cells"] >= 2 * overall)
    rows = list(zip(catalogue.to_dict("records"), foreign, strict=True))
    doubts = [_doubts(row, is_foreign=bool(is_foreign)) for row, is_foreign in rows]
    largest = float(net.settings.get("max_module_share", 1.0)) * len(net.genes)
    catalogue["flags"] = [
        "; ".join([*found, *_other_flags(row, largest)]) for found, (row, _) in zip(doubts, rows, strict=True)
    ]
    catalogue["doubts"] = ["; ".join(found) for found in doubts]
    notes = [f"{row['module']}: {row['flags']}" for row in catalogue.to_dict("records") if row["flags"]]
    return net.replace(catalogue=catalogue, notes=(*net.notes, *notes))


def _doubts(row: dict[Any, Any], *, is_foreign: bool) -> list[str]:
    words = []
    if is_foreign:
        words.append(f"genes of other cells ({row['other_cells']:.0%} of them five times higher there)")
    if row.get("technical") in DOUBTED:
        words.append(f"associated with {row['technical']} (r {row['technical_r']:.2f})")
    return words


def _other_flags(row: dict[Any, Any], largest: float) -> list[str]:
    words = []
    if row["arm"]:
        words.append(f"copy number of chromosome arm {row['arm']} ({row['arm_share']:.0%} of the placed genes)")
    if row.get("technical") and row["technical"] not in DOUBTED:
        words.append(f"associated with {row['technical']} (r {row['technical_r']:.2f})")
    if row.get("carried_by"):
        words.append(f"rests on patient {row['carried_by']}")
    if row.get("cells_of_half", 1.0) < FEW_CELLS:
        words.append(f"rests on few cells ({row['cells_of_half']:.1%} of them have half of its variance): doublets, or "
                     "cells of another kind")  # fmt: skip
    if row.get("recurrence", 1.0) < SELDOM:
        words.append(f"uncertain genes: found again in {row['recurrence']:.0%} of the networks "
                     "without a part of the data")  # fmt: skip
    if row["n_genes"] > largest:
        words.append(f"{row['n_genes']} genes, more than a module should have ({largest:.0f})")
    return words


def _higher_elsewhere(net: Network, adata: Any) -> np.ndarray:
    """1 where a gene is five times higher in another population, 0 where not, NaN where there is none."""
    inside = resolve_focus(adata.obs, net.settings.get("compartment")).mask
    if inside.all() or "cell_type" not in adata.obs:
        return np.full(len(net.genes), np.nan)
    codes, names = pd.factorize(populations(adata.obs).where(~inside, ""), sort=True)
    sums = sum_counts(adata, codes, len(names))
    rates = sums / np.maximum(sums.sum(axis=1, keepdims=True), 1)
    enough = np.bincount(codes, minlength=len(names)) >= MIN_CELLS
    own = int(pd.Index(names).get_indexer(pd.Index([""]))[0])
    others = [i for i in range(len(names)) if i != own and enough[i]]
    if not others:
        return np.full(len(net.genes), np.nan)
    places = adata.var_names.get_indexer(net.genes)
    return (rates[others].max(axis=0) > OTHER_CELLS * rates[own])[places].astype(float)


def _arms(genes: pd.Index) -> np.ndarray:
    """Chromosome arm of each gene ("8q"), empty where it is not known."""
    table = gene_positions()
    known = table.reindex(genes)
    band = known["cytoband"].astype("object").where(known["cytoband"].notna(), "").astype(str)
    return band.str.extract(r"^([0-9XY]+[pq])", expand=False).fillna("").to_numpy(dtype=object)


def _arm_of(arms: np.ndarray, inside: np.ndarray) -> tuple[str, float]:
    """The arm with half of a module's placed genes or more, where that is no chance, and its share."""
    own = arms[inside]
    own = own[own != ""]
    if len(own) < MIN_PLACED:
        return "", np.nan
    names, counts = np.unique(own.astype(str), return_counts=True)
    best = int(counts.argmax())
    share = counts[best] / len(own)
    usual = float((arms == names[best]).sum() / max((arms != "").sum(), 1))
    chance = binom.sf(counts[best] - 1, len(own), usual)
    return (str(names[best]), float(share)) if share >= HALF_OF_GENES and chance < ARM_P else ("", float(share))
