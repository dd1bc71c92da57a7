"""Who the cells are: lineage, then type, from marker tables; and which of them are malignant, from copy number."""

from scresist.annotate.cell_types import cell_types, evidence
from scresist.annotate.malignancy import malignancy, malignancy_summary
from scresist.annotate.marker_table import MarkerTable, read_markers, shipped_markers
from scresist.annotate.own_labels import declared_malignancy, labels
from scresist.annotate.subclones import subclones

__all__ = [
    "MarkerTable",
    "cell_types",
    "declared_malignancy",
    "evidence",
    "labels",
    "malignancy",
    "malignancy_summary",
    "read_markers",
    "shipped_markers",
    "subclones",
]
