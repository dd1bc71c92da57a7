"""The genes to take to the bench: evidence joined per gene, known escape routes beside new names."""

from scresist.evidence.doubts import doubts, doubts_said
from scresist.evidence.elsewhere import elsewhere
from scresist.evidence.provenance import provenance
from scresist.evidence.ranking import COLUMNS, rank
from scresist.evidence.sensitivity import sensitivity
from scresist.evidence.technical import technical

__all__ = ["COLUMNS", "doubts", "doubts_said", "elsewhere", "provenance", "rank", "sensitivity", "technical"]
