"""Which barcodes are cells worth keeping, and what contaminates them: per sample, by lineage, nothing in silence."""

from scresist.quality.ambient import estimate_ambient
from scresist.quality.filter import drop, filter, measure, summarise
from scresist.quality.lineage import call_coarse_lineage

__all__ = ["call_coarse_lineage", "drop", "estimate_ambient", "filter", "measure", "summarise"]
