"""Thresholds that adapt to each sample, with fixed floors; each barcode that is removed has one reason."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scresist import keys
from scresist.cells import genes_per_cell, total_counts
from scresist.checks import InputError
from scresist.kernels.aggregate import median_and_mad
from scresist.quality.ambient import estimate_ambient
from scresist.quality.doublets import score_doublets
from scresist.quality.lineage import call_coarse_lineage
from scresist.results import Result

if TYPE_CHECKING:
    from anndata import AnnData

REASONS = ("low_counts", "low_genes", "high_mito", "doublet")
WHOLE_TRANSCRIPTOME = 2000  # genes; a panel below this cannot be held to floors made for whole transcriptomes
MIN_MITO_GENES = 5  # of the 13; fewer do not make a share
MIN_GROUP = 20  # cells; a smaller group of one lineage is compared with its whole sample


def filter(
    cohort: "AnnData",
    *,
    min_counts: int = 500,
    min_genes: int = 200,
    n_mads: float = 5.0,
    max_mito_percent: float = 25.0,
    max_mito_percent_epithelial: float = 40.0,
    doublets: bool = True,
    rng: int | np.random.Generator = 1,
) -> None:
    """Measure every barcode and keep the cells that pass, in place; see `measure` and `summarise`.

    Parameters
    ----------
    cohort
        Barcodes x genes with raw counts.
    min_counts, min_genes
        Fixed floors.
    n_mads
        Width of the adaptive thresholds, in median absolute deviations.
    max_mito_percent, max_mito_percent_epithelial
        Upper bounds of the adaptive limit of the mitochondrial share, percent.
    doublets
        Whether to look for doublets.
    rng
        Seed or generator.
    """
    measure(
        cohort,
        min_counts=min_counts,
        min_genes=min_genes,
        n_mads=n_mads,
        max_mito_percent=max_mito_percent,
        max_mito_percent_epithelial=max_mito_percent_epithelial,
        doublets=doublets,
        rng=rng,
    )
    drop(cohort)


def measure(
    cohort: "AnnData",
    *,
    min_counts: int = 500,
    min_genes: int = 200,
    n_mads: float = 5.0,
    max_mito_percent: float = 25.0,
    max_mito_percent_epithelial: float = 40.0,
    doublets: bool = True,
    remove: bool = True,
    rng: int | np.random.Generator = 1,
    workers: int = 1,
    scheduler: str | None = None,
) -> None:
    """Write what each barcode is worth and `obs["removed_for"]`: "" or the first of REASONS that applies.

    Counts and genes: below the floor, or more than `n_mads` scaled median absolute deviations below the sample's median
    on the log scale (the median of the barcodes above the floors, so that empty droplets do not set it). Mitochondrial
    share: above the median plus `n_mads` deviations of the cells of the same sample and coarse lineage (at least 5,
    at most `max_mito_percent`, for epithelial cells `max_mito_percent_epithelial`, which live with more). Doublets: by
    sample, see `score_doublets`. Panels below 2,000 genes: floors in proportion; fewer than 5
    mitochondrial genes: their share is not used.

    Parameters
    ----------
    cohort, min_counts, min_genes, n_mads, max_mito_percent, max_mito_percent_epithelial, doublets, rng
        As in `filter`.
    remove
        False: the cells were filtered before; every barcode is measured and none has a reason against it.
    workers, scheduler
        As in `parallel.map_tasks`.
    """
    mito = cohort.var_names.str.upper().str.startswith("MT-")
    total = total_counts(cohort).astype(np.int64)
    keys.put(cohort, "n_counts", total)
    keys.put(cohort, "n_genes", genes_per_cell(cohort))
    mito_counts = total_counts(cohort, genes=np.flatnonzero(mito))
    keys.put(cohort, "mito_percent", 100.0 * mito_counts / np.maximum(total, 1))
    call_coarse_lineage(cohort)
    panel = cohort.n_vars < WHOLE_TRANSCRIPTOME
    scale = cohort.n_vars / 20000 if panel else 1.0
    notes = []
    if panel:
        notes.append(
            f"{cohort.n_vars} genes are a panel: the floors are {min_counts * scale:.0f} counts and "
            f"{min_genes * scale:.0f} genes"
        )
    if mito.sum() < MIN_MITO_GENES:
        notes.append(
            f"{int(mito.sum())} mitochondrial genes (MT-...) are measured: the mitochondrial share is not used"
        )
    limits = {False: max_mito_percent, True: max_mito_percent_epithelial}
    low_counts = _low(cohort.obs, "n_counts", min_counts * scale, n_mads)
    low_genes = _low(cohort.obs, "n_genes", min_genes * scale, n_mads) & ~low_counts
    high_mito = np.zeros(cohort.n_obs, dtype=bool)
    if mito.sum() >= MIN_MITO_GENES:
        high_mito = _high_mito(cohort.obs, ~(low_counts | low_genes), n_mads, limits)
    removed = np.select([low_counts, low_genes, high_mito], REASONS[:3], default="").astype(object)
    if not remove:
        against = int((removed != "").sum())
        notes.append(f"quality.filter = false: no cell is removed; {against} would have been by the thresholds")
        removed[:] = ""
    looked = doublets and remove
    found = score_doublets(cohort, removed == "", rng=rng, workers=workers, scheduler=scheduler) if looked else None
    keys.put(cohort, "doublet_score", np.nan if found is None else found.score)
    if found is not None:
        removed[(removed == "") & found.is_doublet] = "doublet"
        notes.extend(found.notes)
    keys.put(cohort, "removed_for", pd.Categorical(removed, categories=["", *REASONS]))
    notes.extend(estimate_ambient(cohort, removed == ""))
    keys.put(cohort, "quality_notes", np.array(notes, dtype=object))


def drop(cohort: "AnnData") -> None:
    """Remove the barcodes that `measure` found a reason against, in place.

    Parameters
    ----------
    cohort
        After `measure`; changed in place.

    Raises
    ------
    InputError
        If no cell passes.
    """
    kept = (cohort.obs["removed_for"] == "").to_numpy()
    if not kept.any():
        worst = cohort.obs["removed_for"].value_counts()
        raise InputError(f"no cell passes quality control ({worst.to_dict()}); lower the floors in [quality]")
    cohort._inplace_subset_obs(kept)
    del cohort.obs["removed_for"]


def summarise(cohort: "AnnData", *, by_lineage: bool = False) -> Result:
    """Barcodes in, kept, and removed for each reason, per sample (and coarse lineage); after `measure`.

    The reasons are exclusive: cells_in = cells_kept + the sum of the reasons. Columns: sample, (lineage,) cells_in,
    cells_kept, one per reason, median_counts, median_genes, contamination with its low and high bound.

    Parameters
    ----------
    cohort
        After `measure` and before `drop`.
    by_lineage
        One row per sample and coarse lineage instead of one per sample.
    """
    obs = cohort.obs
    keys = ["sample", "coarse_lineage"] if by_lineage else ["sample"]
    rows: list[dict[str, Any]] = []
    for name, group in obs.groupby(keys, observed=True, sort=True):
        kept = group[group["removed_for"] == ""]
        row: dict[str, Any] = dict(
            zip(["sample", "lineage"], name if isinstance(name, tuple) else (name,), strict=False)
        )
        row |= {"cells_in": len(group), "cells_kept": len(kept)}
        row |= {reason: int((group["removed_for"] == reason).sum()) for reason in REASONS}
        row |= {"median_counts": kept["n_counts"].median(), "median_genes": kept["n_genes"].median()}
        row["median_mito_percent"] = kept["mito_percent"].median()
        if not by_lineage:
            row |= {c: group[c].iloc[0] for c in ("contamination", "contamination_low", "contamination_high")}
        rows.append(row)
    notes = tuple(str(n) for n in cohort.uns.get("quality_notes", ()))
    return Result(pd.DataFrame(rows), "median absolute deviations per sample, mitochondria per lineage", notes=notes)


def _low(obs: pd.DataFrame, column: str, floor: float, n_mads: float) -> np.ndarray:
    values = np.log1p(obs[column].to_numpy(dtype=float))
    low = values < np.log1p(floor)
    for at in obs.groupby("sample", observed=True).indices.values():
        above = at[~low[at]]
        if len(above) >= MIN_GROUP:
            middle, mad = median_and_mad(values[above])
            low[above] = values[above] < middle - n_mads * mad
    return low


def _high_mito(obs: pd.DataFrame, usable: np.ndarray, n_mads: float, limits: dict[bool, float]) -> np.ndarray:
    percent = obs["mito_percent"].to_numpy()
    lineage = obs["coarse_lineage"].astype(str).to_numpy()
    high = np.zeros(len(obs), dtype=bool)
    for at in obs.groupby("sample", observed=True).indices.values():
        inside = at[usable[at]]
        if len(inside) == 0:
            continue
        for name in np.unique(lineage[inside]):
            group = inside[lineage[inside] == name]
            reference = group if len(group) >= MIN_GROUP else inside
            limit = limits[name == "epithelial"]
            if len(reference) >= MIN_GROUP:
                middle, mad = median_and_mad(percent[reference])
                limit = min(max(middle + n_mads * mad, 5.0), limit)
            high[group] = percent[group] > limit
    return high
