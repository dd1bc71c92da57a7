"""From files to a cohort: readers by format, symbols mapped openly, sheets joined to cells."""

from scresist.reading.cohort import Inspection, ingest, inspect
from scresist.reading.formats import read_matrix
from scresist.reading.matrix import CountMatrix

__all__ = ["CountMatrix", "Inspection", "ingest", "inspect", "read_matrix"]
