"""The genes to take to the bench: evidence joined per gene, known escape routes beside new names."""

from scresist.evidence.doubts import doubt_sentences, doubts
from scresist.evidence.others import change_in_others
from scresist.evidence.provenance import counts_per_patient, provenance
from scresist.evidence.ranking import COLUMNS, judge_genes, rank, score_genes
from scresist.evidence.sensitivity import sensitivity
from scresist.evidence.technical import technical

__all__ = [
    "COLUMNS", "change_in_others", "counts_per_patient", "doubt_sentences", "doubts", "judge_genes", "provenance",
    "rank", "score_genes", "sensitivity", "technical",
]  # fmt: skip
