"""A first, coarse lineage of every barcode from its raw counts: it decides which cells are compared with which."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist import keys, resources
from scresist.cells import count_blocks, row_sums
from scresist.kernels.normalise import log1p_per_10k

if TYPE_CHECKING:
    from anndata import AnnData

COARSE = ("T/NK", "B", "plasma", "myeloid", "epithelial", "fibroblast", "mural", "endothelial")
UNKNOWN = "unknown"
MIN_MARKERS = 3


def lineage_markers(genes: pd.Index, organism: str = "human") -> dict[str, np.ndarray]:
    """Positions among `genes` of the markers of each coarse lineage; a lineage with fewer than 3 is left out."""
    table = resources.translated_table(resources.markers(), organism)
    table = table[(table["cell_type"] == "") & (table["sign"] == 1)]
    found = {n: np.flatnonzero(genes.isin(table.loc[table["lineage"] == n, "gene"])) for n in COARSE}
    return {name: at for name, at in found.items() if len(at) >= MIN_MARKERS}


def call_coarse_lineage(cohort: "AnnData") -> None:
    """Write `obs["coarse_lineage"]`: the lineage whose markers have the largest share of the cell's log counts.

    The score of a lineage is the mean of log1p(counts per 10,000) over its markers; the best must reach 0.3 and exceed
    the second by a tenth, otherwise the cell is `unknown`. Fewer than two lineages measurable: all are `unknown`.

    Parameters
    ----------
    cohort
        Barcodes x genes with raw counts.
    """
    markers = lineage_markers(cohort.var_names, keys.organism_of(cohort))
    names = [*markers, UNKNOWN]
    if len(markers) < 2:
        keys.put(cohort, "coarse_lineage", pd.Categorical([UNKNOWN] * cohort.n_obs, categories=[UNKNOWN]))
        return
    scores = np.zeros((cohort.n_obs, len(markers)))
    for here, block in count_blocks(cohort):
        totals = row_sums(block)
        for k, at in enumerate(markers.values()):
            scores[here, k] = row_sums(log1p_per_10k(block[:, at], totals)) / len(at)
    order = np.sort(scores, axis=1)
    best = scores.argmax(axis=1)
    sure = (order[:, -1] >= 0.3) & (order[:, -1] >= 1.1 * order[:, -2])
    codes = np.where(sure, best, len(markers))
    keys.put(cohort, "coarse_lineage", pd.Categorical.from_codes(codes, categories=names))
