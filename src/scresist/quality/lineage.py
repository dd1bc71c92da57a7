"""A first, coarse lineage of every barcode from its raw counts: it decides which cells are compared with which."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import resources

if TYPE_CHECKING:
    from anndata import AnnData

COARSE = ("T/NK", "B", "plasma", "myeloid", "epithelial", "fibroblast", "mural", "endothelial")
UNKNOWN = "unknown"
MIN_MARKERS = 3


def lineage_markers(genes: pd.Index) -> dict[str, np.ndarray]:
    """Positions among `genes` of the markers of each coarse lineage; a lineage with fewer than 3 is left out."""
    table = resources.markers()
    table = table[(table["cell_type"] == "") & (table["sign"] == 1)]
    found = {n: np.flatnonzero(genes.isin(table.loc[table["lineage"] == n, "gene"])) for n in COARSE}
    return {name: at for name, at in found.items() if len(at) >= MIN_MARKERS}


def call_coarse_lineage(cohort: "AnnData") -> None:
    """Write `obs["coarse_lineage"]`: the lineage whose markers hold the largest share of the cell's log counts.

    The score of a lineage is the mean of log1p(counts per 10,000) over its markers; the best must reach 0.3 and exceed
    the second by a tenth, otherwise the cell is `unknown`. Fewer than two lineages measurable: all are `unknown`.
    """
    markers = lineage_markers(cohort.var_names)
    names = [*markers, UNKNOWN]
    if len(markers) < 2:
        cohort.obs["coarse_lineage"] = pd.Categorical([UNKNOWN] * cohort.n_obs, categories=[UNKNOWN])
        return
    counts = cohort.layers["counts"]
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    scores = np.zeros((cohort.n_obs, len(markers)))
    for k, at in enumerate(markers.values()):
        some = sparse.csr_array(counts[:, at], dtype=float)
        some.data = np.log1p(some.data * np.repeat(1e4 / totals, np.diff(some.indptr)))
        scores[:, k] = np.asarray(some.sum(axis=1)).ravel() / len(at)
    order = np.sort(scores, axis=1)
    best = scores.argmax(axis=1)
    sure = (order[:, -1] >= 0.3) & (order[:, -1] >= 1.1 * order[:, -2])
    codes = np.where(sure, best, len(markers))
    cohort.obs["coarse_lineage"] = pd.Categorical.from_codes(codes, categories=names)
