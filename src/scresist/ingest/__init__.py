"""From files to a cohort: readers by format, symbols mapped openly, sheets joined to cells."""

from scresist._callable import make_callable
from scresist.ingest.cohort import Inspection, ingest, inspect
from scresist.ingest.formats import read_matrix
from scresist.ingest.matrix import CountMatrix

__all__ = ["CountMatrix", "Inspection", "ingest", "inspect", "read_matrix"]
make_callable(__name__, ingest)
