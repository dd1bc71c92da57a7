"""The score of a module in every sample, which is compared between arms."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import keys
from scresist.cells.counts import raw_counts, row_sums, sum_counts
from scresist.cells.focus import resolve_focus
from scresist.cells.network_cells import check_genes
from scresist.checks import InputError, counted, require_columns, require_positive
from scresist.kernels.components import cell_component
from scresist.kernels.normalise import log1p_per_10k, log1p_per_10k_of_sums
from scresist.networks.network import Network
from scresist.results import Result

METHOD = "kME-weighted mean of standardised pseudobulk expression over a module's genes"


def module_scores(
    net: Network, adata: Any, *, by: str = "sample", compartment: str | None = "of the network", min_cells: int = 10
) -> Result:
    """Mean expression of each module's genes in each sample's cells of the compartment, weighted by kME.

    Counts are summed over a sample's cells, log-normalised (so that the number of cells does not move the mean), and
    standardised gene by gene with the mean and deviation
    that the gene has over the network's metacells; a score is their mean over the module's genes, weighted by kME.
    Zero is the average metacell, one a metacell standard deviation. Nothing is harmonised between samples.

    Parameters
    ----------
    net
        The network.
    adata
        Cells with raw counts, of the network's cohort or of another one with the same gene names.
    by
        Column of obs with the samples.
    compartment
        Cells to score; by default those the network was built from. See `build`.
    min_cells
        Fewest cells of a sample in the compartment; a sample with fewer has NaN.

    Returns
    -------
    Result whose table has `sample`, `module`, `score`, `n_cells` for every sample of `adata` and every module. A module
    with less than half of its weight on genes of `adata` has NaN. `wide_scores` gives samples x modules.

    Raises
    ------
    InputError
        If a column or the compartment is missing, or no gene is shared.
    """
    require_columns(adata.obs, [by], "adata.obs")
    require_positive(min_cells, "min_cells")
    check_genes(adata.var_names)
    chosen = net.settings.get("compartment") if compartment == "of the network" else compartment
    inside = resolve_focus(adata.obs, chosen).mask
    samples = adata.obs[by].astype("category").cat
    names = samples.categories
    codes = np.where(inside, samples.codes.to_numpy(), -1)
    pooled, n_cells = sum_counts(adata, codes, len(names)), np.bincount(codes[codes >= 0], minlength=len(names))
    scores, notes = score_profiles(net, log1p_per_10k_of_sums(pooled), adata.var_names)
    few = n_cells < min_cells
    scores[few] = np.nan
    if few.any():
        listed = ", ".join(f"{name} ({n})" for name, n in zip(names[few], n_cells[few], strict=True))
        without = counted(int(few.sum()), "sample")
        notes.append(f"{without} with fewer than {min_cells} cells, without a score: {listed}")
    table = pd.DataFrame(
        {
            "sample": np.repeat(names.astype(str), len(net.names)),
            "module": np.tile(net.names, len(names)),
            "score": scores.ravel(),
            "n_cells": np.repeat(n_cells, len(net.names)),
        }
    )
    return Result(table, METHOD, {"by": by, "compartment": chosen, "min_cells": min_cells}, tuple(notes))


def wide_scores(scores: "Result | pd.DataFrame") -> pd.DataFrame:
    """Module scores as samples x modules, both in their order in the table.

    Parameters
    ----------
    scores
        Of `module_scores` or `project`.
    """
    table = scores.table if isinstance(scores, Result) else scores
    wide = table.pivot_table(
        index="sample", columns="module", values="score", sort=False, dropna=False, aggfunc="first"
    )
    return wide.reindex(index=table["sample"].unique(), columns=table["module"].unique())


def score_profiles(net: Network, profiles: np.ndarray, names: pd.Index) -> tuple[np.ndarray, list[str]]:
    """Scores of log-normalised profiles, shape (profiles, modules), and notes on genes that are missing.

    Parameters
    ----------
    net
        The network.
    profiles
        Log-normalised expression. Shape (profiles, genes).
    names
        Names of these genes.

    Raises
    ------
    InputError
        If no gene of the network is among `names`.
    """
    places = names.get_indexer(net.genes)
    here = places >= 0
    if not here.any():
        raise InputError(f"none of the network's genes is in the data: the data have names such as {names[0]!r}, "
                         f"the network such as {net.genes[0]!r}; map the names first")  # fmt: skip
    mean, deviation = net.scale
    weights = module_weights(net)
    size = np.abs(weights)
    found = size[here].sum(axis=0) / size.sum(axis=0)
    Z = (profiles[:, places[here]] - mean[here]) / deviation[here]
    scores = Z @ weights[here]
    with np.errstate(invalid="ignore", divide="ignore"):
        scores /= size[here].sum(axis=0)
    scores[:, found < 0.5] = np.nan
    notes = []
    for name, share in zip(net.names, found, strict=True):
        if share < 1:
            without = "; it has no score" if share < 0.5 else ""
            notes.append(f"{name}: {share:.0%} of its weight is on genes that the data have{without}")
    return np.asarray(scores), notes


def module_weights(net: Network) -> np.ndarray:
    """Weight of each gene in each module's score, (genes, modules): its kME where it is a member.

    A member with a negative kME has weight 0 in a signed network, and a negative weight in an unsigned one.
    """
    member = net.labels[:, None] == np.arange(1, len(net.names) + 1)
    kme = np.nan_to_num(net.kme.to_numpy())
    return np.where(member, kme if net.settings.get("network") == "unsigned" else np.maximum(kme, 0), 0.0)


def cell_eigengenes(net: Network, adata: Any) -> None:
    """Each cell's eigengene of every module, written to `obsm["module_eigengenes"]`, a table of cells x modules.

    As in hdWGCNA: the first principal component of log-normalised expression, standardised over the cells and cut at
    10. Its length is kept, so that modules of more genes vary more, and its sign is that of the mean of the genes. A
    module with less than half of its genes in the data has NaN. Sparse expression is never made dense.

    Parameters
    ----------
    net
        The network.
    adata
        The cells to standardise over, usually those of the compartment, with raw counts.

    References
    ----------
    Morabito et al. (2023) Cell Rep Methods 3:100498.
    """
    check_genes(adata.var_names)
    counts = raw_counts(adata)
    members = {module: adata.var_names.get_indexer(net.members(module)["gene"]) for module in net.names}
    used = np.unique(np.concatenate([*members.values(), [-1]]))[1:]
    X = sparse.csc_array(log1p_per_10k(counts[:, used], row_sums(counts)))
    table = pd.DataFrame(index=adata.obs_names)
    for module, places in members.items():
        if (places >= 0).sum() < 0.5 * len(places):
            table[module] = np.nan
            continue
        table[module] = cell_component(X[:, np.searchsorted(used, np.sort(places[places >= 0]))])
    keys.put(adata, "module_eigengenes", table)
