"""How the tissue around the tumour changes: its composition, and what its cells are doing."""

from scresist.microenvironment.composition import count_cells
from scresist.microenvironment.proteins import gene_of, protein_against_rna, protein_by_sample
from scresist.microenvironment.signatures import by_sample, score, usable_sets

__all__ = [
    "by_sample", "count_cells", "gene_of", "protein_against_rna", "protein_by_sample", "score", "usable_sets",
]  # fmt: skip
