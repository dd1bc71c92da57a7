"""The genes to take to the bench: evidence joined per gene, known escape routes beside new names."""

from scresist._callable import make_callable
from scresist.candidates.doubts import doubts, doubts_said
from scresist.candidates.elsewhere import elsewhere
from scresist.candidates.provenance import provenance
from scresist.candidates.ranking import COLUMNS, rank
from scresist.candidates.sensitivity import sensitivity
from scresist.candidates.technical import technical

__all__ = ["COLUMNS", "doubts", "doubts_said", "elsewhere", "provenance", "rank", "sensitivity", "technical"]
make_callable(__name__, rank)
