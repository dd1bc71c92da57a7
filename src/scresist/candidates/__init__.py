"""The genes to take to the bench: evidence joined per gene, known escape routes beside new names."""

from scresist._callable import make_callable
from scresist.candidates.provenance import provenance
from scresist.candidates.ranking import COLUMNS, rank

__all__ = ["COLUMNS", "provenance", "rank"]
make_callable(__name__, rank)
