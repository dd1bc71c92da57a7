"""From files to a cohort: readers by format, symbols mapped openly, sheets joined to cells."""

from scresist.reading.annotated import examine_annotated, read_annotated
from scresist.reading.cohort import Inspection, ingest, inspect
from scresist.reading.formats import read_matrix
from scresist.reading.identity import Cells, prints_by_sample, shared_between
from scresist.reading.matrix import CountMatrix

__all__ = ["Cells", "CountMatrix", "Inspection", "examine_annotated", "ingest", "inspect", "prints_by_sample",
           "read_annotated", "read_matrix", "shared_between"]  # fmt: skip
