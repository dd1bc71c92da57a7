"""Signatures: scored per cell to look at, and from summed counts per sample and cell type, which the tests see."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import keys, resources
from scresist.cells import log_normalised
from scresist.cells.counts import sum_counts, total_counts
from scresist.checks import RefusedError, require_columns
from scresist.kernels.normalise import log1p_per_10k_of_sums
from scresist.results import Result

if TYPE_CHECKING:
    from anndata import AnnData

MIN_SHARE = 0.4  # of a signature's genes that must be measured
SD_FLOOR = 0.05  # of log1p counts per 10,000: below it a gene's deviation is noise and would be blown up


def usable_sets(
    genes: pd.Index, sets: Mapping[str, Sequence[str]] | None = None
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Positions of the genes of each signature that can be scored, and a sentence for each that cannot.

    A signature is scored when at least 40 % of its genes, and at least three (or its only one), are measured.

    Parameters
    ----------
    genes
        Genes that are measured.
    sets
        Genes by signature.
    """
    given = resources.gene_sets("signatures") if sets is None else sets
    kept, notes = {}, []
    for name, members in given.items():
        at = np.flatnonzero(genes.isin(members))
        if len(at) >= max(MIN_SHARE * len(members), min(3, len(members))):
            kept[name] = at
        else:
            notes.append(f"signature {name!r} is not scored: {len(at)} of its {len(members)} genes are measured")
    return kept, tuple(notes)


def score(cohort: "AnnData", *, sets: Mapping[str, Sequence[str]] | None = None) -> None:
    """Write `obsm["signatures"]`: the mean over a signature's genes of their standardised expression, per cell.

    Each gene's log1p counts per 10,000 are divided by their standard deviation over all cells (at least 0.05), so that
    no abundant gene decides for the rest; the unit is standard deviations between cells. The cohort's mean is zero.

    Parameters
    ----------
    cohort
        Cells x genes with raw counts.
    sets
        Genes by signature; None is the shipped collection.

    Raises
    ------
    RefusedError
        Where no signature can be scored.
    """
    if sets is None:
        organism = keys.organism_of(cohort)
        sets = {n: resources.translated(g, organism) for n, g in resources.gene_sets("signatures").items()}
    kept, notes = usable_sets(pd.Index(cohort.var_names), sets)
    if not kept:
        raise RefusedError("no signature is scored: " + "; ".join(notes))
    used = np.unique(np.concatenate(list(kept.values())))
    part = sparse.csc_array(log_normalised(cohort, genes=used))
    mean = np.asarray(part.mean(axis=0)).ravel()
    square = np.asarray(part.multiply(part).mean(axis=0)).ravel()
    sd = np.maximum(np.sqrt(np.maximum(square - mean**2, 0)), SD_FLOOR)
    position = {int(g): i for i, g in enumerate(used)}
    weights = np.zeros((len(used), len(kept)))
    for k, at in enumerate(kept.values()):
        inside = [position[int(g)] for g in at]
        weights[inside, k] = 1 / (sd[inside] * len(at))
    values = np.asarray(part @ weights) - (mean @ weights)
    keys.put(cohort, "signatures", pd.DataFrame(values, index=cohort.obs_names, columns=list(kept)))
    keys.put(cohort, "signature_weights", pd.DataFrame(weights, cohort.var_names[used].astype(str), list(kept)))
    keys.put(cohort, "signature_notes", np.array(notes, dtype=object))


def by_sample(cohort: "AnnData", *, groupby: str, min_cells: int = 10) -> Result:
    """Signature score of each cell type (and of all cells) in each sample, from summed counts; NaN below `min_cells`.

    The logarithm of a cell's few counts is too low on average, the more so the shallower the cell: a mean of cells'
    scores would differ between arms whose cells have fewer counts, or were sequenced with other chemistry. Counts are
    therefore summed over the cells first; the expected log1p per 10,000 then hardly depends on depth or cells. Zero is
    the sum of all cells; the unit is standard deviations between cells.

    Parameters
    ----------
    cohort
        After `score`.
    groupby
        Column of obs that names the populations.
    min_cells
        Groups with fewer cells are missing.

    Returns
    -------
    Result with columns sample, cell_type, signature, value, n_cells.

    References
    ----------
    Lun (2018) bioRxiv 404962 (log-normalised means differ where only depths do).
    """
    require_columns(cohort.obs, ["sample", groupby], "the cohort")
    weights = cohort.uns["signature_weights"]
    genes = pd.Index(cohort.var_names.astype(str)).get_indexer(weights.index)
    samples = [str(s) for s in cohort.uns["samples"]]
    kinds = pd.Categorical(cohort.obs[groupby].astype(str))
    of_sample = pd.Categorical(cohort.obs["sample"].astype(str), categories=samples).codes.astype(int)
    codes = np.where(of_sample >= 0, of_sample * len(kinds.categories) + kinds.codes, -1)
    shape = (len(samples), len(kinds.categories))
    sums = sum_counts(cohort, codes, shape[0] * shape[1], genes=genes).reshape(*shape, len(genes))
    inside = codes >= 0
    totals, cells = (
        np.bincount(codes[inside], value, shape[0] * shape[1]).reshape(shape)
        for value in (total_counts(cohort)[inside], np.ones(int(inside.sum())))
    )
    level = log1p_per_10k_of_sums(sums.sum(axis=(0, 1))[None], totals.sum()[None])[0]
    parts = [("all cells", sums.sum(axis=1), totals.sum(axis=1), cells.sum(axis=1))]
    parts += [(str(k), sums[:, i], totals[:, i], cells[:, i]) for i, k in enumerate(kinds.categories)]
    tables = []
    for name, own, total, n in parts:
        if not (n >= min_cells).any():
            continue
        values = (log1p_per_10k_of_sums(own, total) - level) @ weights.to_numpy()
        values[n < min_cells] = np.nan
        wide = pd.DataFrame(values, index=pd.Index(samples, name="sample"), columns=weights.columns)
        tidy = wide.reset_index().melt(id_vars="sample", var_name="signature", value_name="value")
        tables.append(tidy.assign(cell_type=name, n_cells=np.tile(n.astype(int), weights.shape[1])))
    table = pd.concat(tables, ignore_index=True)[["sample", "cell_type", "signature", "value", "n_cells"]]
    notes = tuple(str(n) for n in cohort.uns.get("signature_notes", ()))
    method = f"log counts of the summed cells of a sample and type; below {min_cells} cells missing"
    return Result(table, method, notes=notes)
