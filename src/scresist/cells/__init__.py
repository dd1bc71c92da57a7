"""Which cells a question is about, and their counts: the one door to the matrix of a cohort."""

from scresist.cells.populations import focus_name, in_compartment, populations
from scresist.cells.sums import Pseudobulk, as_pseudobulk, pseudobulk

__all__ = ["Pseudobulk", "as_pseudobulk", "focus_name", "in_compartment", "populations", "pseudobulk"]
