"""The genes to take to the bench: evidence joined per gene, known escape routes beside new names."""

from scresist.evidence.doubts import doubt_sentences, doubts
from scresist.evidence.elsewhere import elsewhere
from scresist.evidence.provenance import provenance
from scresist.evidence.ranking import COLUMNS, rank
from scresist.evidence.sensitivity import sensitivity
from scresist.evidence.technical import technical

__all__ = ["COLUMNS", "doubts", "doubt_sentences", "elsewhere", "provenance", "rank", "sensitivity", "technical"]
