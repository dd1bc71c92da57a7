"""Which cells a question is about, and their counts: the one door to the matrix of a cohort."""

from scresist.cells.counts import (
    count_blocks,
    count_detected,
    genes_per_cell,
    raw_counts,
    row_sums,
    sum_counts,
    total_counts,
)
from scresist.cells.export import write_cohort
from scresist.cells.focus import ALL_CELLS, MALIGNANT, Focus, populations, resolve_focus
from scresist.cells.normalise import log_normalised, log_normalised_by_gene, mean_log_normalised, normalise
from scresist.cells.sums import Pseudobulk, as_pseudobulk, pseudobulk, read_pseudobulk

__all__ = [
    "ALL_CELLS", "MALIGNANT", "Focus", "Pseudobulk", "as_pseudobulk", "count_blocks", "count_detected",
    "genes_per_cell", "log_normalised", "log_normalised_by_gene", "mean_log_normalised", "normalise", "populations",
    "pseudobulk",
    "raw_counts", "read_pseudobulk", "row_sums", "resolve_focus", "sum_counts", "total_counts", "write_cohort",
]  # fmt: skip
