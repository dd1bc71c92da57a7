"""The genes to take to the bench: evidence joined per gene, known escape routes beside new names."""

from scresist.evidence.doubts import doubt_sentences, doubts
from scresist.evidence.others import change_in_others
from scresist.evidence.provenance import provenance
from scresist.evidence.ranking import COLUMNS, rank
from scresist.evidence.sensitivity import sensitivity
from scresist.evidence.technical import technical

__all__ = ["COLUMNS", "doubts", "doubt_sentences", "change_in_others", "provenance", "rank", "sensitivity", "technical"]
