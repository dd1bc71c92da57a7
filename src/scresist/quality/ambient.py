"""The ambient profile of every sample, and the share of its counts that is ambient."""

from typing import TYPE_CHECKING

import numpy as np

from scresist import keys, resources
from scresist.cells import raw_counts, sum_counts
from scresist.checks import counted
from scresist.kernels.aggregate import sum_by_group
from scresist.kernels.ambient import contamination
from scresist.quality.lineage import UNKNOWN, lineage_markers

if TYPE_CHECKING:
    from anndata import AnnData

# Transcripts that one lineage makes in quantity and the others not at all: what they hold of them is contamination.
EXCLUSIVE = {
    "T/NK": ("CD3D", "CD3E", "TRAC", "NKG7", "GNLY", "CD2"),
    "B": ("MS4A1", "CD79A", "CD79B", "BANK1"),
    "plasma": ("IGHG1", "IGHA1", "JCHAIN", "MZB1", "IGKC", "IGHG3", "IGLC2"),
    "myeloid": ("LYZ", "C1QA", "C1QB", "C1QC", "S100A8", "S100A9", "CD14"),
    "epithelial": ("EPCAM", "KRT8", "KRT18", "KRT19", "CLDN4", "KRT7"),
    "fibroblast": ("COL1A1", "COL1A2", "COL3A1", "DCN", "LUM"),
    "endothelial": ("PECAM1", "VWF", "CLDN5", "PLVAP"),
}
SHARED = (("B", "plasma"), ("plasma", "B"), ("fibroblast", "mural"))  # lineages that may share a set's transcripts
MIN_EXPECTED = 50.0
MIN_CELLS = 10
MAX_SHARE = (
    0.5  # a barcode that passes as a cell is not mostly soup: a larger share means that the cells make these genes
)


def estimate_ambient(cohort: "AnnData", usable: np.ndarray) -> list[str]:
    """Write `varm["ambient"]` and `obs["contamination"]` (with low and high); return the notes for the reader.

    The profile comes from empty droplets where ingest found them (`varm["empty_droplets"]`), otherwise from all usable
    cells of the sample. The share is estimated from lineage-exclusive genes, see `kernels.ambient.contamination`; it is
    NaN where fewer than two lineages can be separated, or where it would exceed one half.

    Parameters
    ----------
    cohort
        Barcodes x genes with raw counts.
    usable
        Barcodes that are cells. Shape (barcodes,).
    """
    names = [str(s) for s in cohort.uns["samples"]]
    codes = cohort.obs["sample"].cat.codes.to_numpy().astype(int)
    profile = sum_counts(cohort, np.where(usable, codes, -1), len(names))
    from_empty = []
    if "empty_droplets" in cohort.varm:
        empty = np.asarray(cohort.varm["empty_droplets"], dtype=float).T
        has = np.isfinite(empty).all(axis=1)
        profile[has] = empty[has]
        from_empty = [names[i] for i in np.flatnonzero(has)]
    totals = profile.sum(axis=1, keepdims=True)
    profile = np.divide(profile, totals, out=np.zeros_like(profile), where=totals > 0)
    keys.put(cohort, "ambient", profile.T.astype(np.float32))
    organism = keys.organism_of(cohort)
    markers = [name for name in lineage_markers(cohort.var_names, organism) if name in EXCLUSIVE]
    own = {name: resources.translated(EXCLUSIVE[name], organism) for name in markers}
    sets = {name: np.flatnonzero(cohort.var_names.isin(genes)) for name, genes in own.items()}
    lineage = cohort.obs["coarse_lineage"].astype(str).to_numpy()
    groups = [g for g in dict.fromkeys(cohort.obs["coarse_lineage"].cat.categories) if g != UNKNOWN]
    estimates = np.full((len(names), 3), np.nan)
    for s in range(len(names)):
        if not sets or len(groups) < 2:
            break
        inside = np.flatnonzero(usable & (codes == s))
        group = np.array([groups.index(x) if x in groups else -1 for x in lineage[inside]], dtype=int)
        sums = sum_by_group(raw_counts(cohort, cells=inside), group, len(groups))
        of_set = np.column_stack([sums[:, at].sum(axis=1) for at in sets.values()])
        share = np.array([profile[s, at].sum() for at in sets.values()])
        size = np.bincount(group[group >= 0], minlength=len(groups))
        foreign = np.array([[g != k and (k, g) not in SHARED for k in sets] for g in groups])
        foreign &= (size >= MIN_CELLS)[:, None]  # a few misplaced cells are no lineage
        estimates[s] = contamination(of_set, sums.sum(axis=1), share, foreign, MIN_EXPECTED)
    absurd = estimates[:, 0] > MAX_SHARE
    estimates[absurd] = np.nan
    for k, name in enumerate(("contamination", "contamination_low", "contamination_high")):
        keys.put(cohort, name, estimates[codes, k])
    notes = []
    if from_empty:
        notes.append(f"the ambient profile comes from empty droplets in {counted(len(from_empty), 'sample')}")
    if len(from_empty) < len(names):
        others = counted(len(names) - len(from_empty), "sample")
        notes.append(f"the ambient profile is estimated from all cells in {others}")
    if absurd.any():
        alike = "the clusters that are used as lineages there make the same genes, as in cell lines"
        notes.append(f"contamination cannot be estimated in {counted(int(absurd.sum()), 'sample')}: {alike}")
    unknown = int((np.isnan(estimates[:, 0]) & ~absurd).sum())
    if unknown:
        notes.append(f"contamination cannot be estimated in {counted(unknown, 'sample')}: too few lineages or counts")
    return notes
