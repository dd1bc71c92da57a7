"""The features of a matrix by kind: genes are used, antibodies are kept beside them, the rest is named and left out."""

import re

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.reading.matrix import CountMatrix

ENSEMBL = re.compile(r"^ENS[A-Z]*G\d{6,}(\.\d+)?$")
GENE_KINDS = frozenset({"gene expression", "gene", "genes", "rna", "gex", "protein_coding", "", "nan", "spliced"})
PROTEIN_KINDS = frozenset({"antibody capture", "antibody", "adt", "protein", "proteins", "prot", "cite", "citeseq"})
# A third column with values of these is no kind of feature (a genome, a chromosome, a biotype): all are genes.
KINDS = re.compile(
    r"capture|custom|peaks?|crispr|multiplex|hashtag|hto|guide|lipid|antigen|vdj|accessib", re.IGNORECASE
)


def split_features(
    counts: sparse.csr_array, barcodes: np.ndarray, names: np.ndarray, ids: np.ndarray, kinds: np.ndarray | None,
    notes: tuple[str, ...] = (),
) -> CountMatrix:  # fmt: skip
    """Genes as counts, antibodies as protein; the other kinds are named in a note and left out.

    Parameters
    ----------
    counts
        Cells x features.
    barcodes
        Of the cells.
    names, ids
        Of the features; ids may be names again.
    kinds
        Kind of every feature as 10x names it (Gene Expression, Antibody Capture, ...); None where all are genes.
    notes
        What was noted before.
    """
    if kinds is None or not is_kind(kinds):
        return CountMatrix(counts, barcodes, names, ensembl_only(ids), notes)
    lowered = np.array([str(k).strip().lower() for k in kinds], dtype=object)
    genes = np.flatnonzero([k in GENE_KINDS or (k not in PROTEIN_KINDS and not KINDS.search(k)) for k in lowered])
    antibodies = np.flatnonzero([k in PROTEIN_KINDS for k in lowered])
    others = np.setdiff1d(np.arange(len(kinds)), genes)
    if len(others):
        found = pd.Series(np.asarray(kinds, dtype=str)[others]).value_counts().sort_index()
        named = ", ".join(f"{n} {kind}" for kind, n in found.items())
        kept = " (antibodies are kept as protein)" if len(antibodies) else ""
        notes = (*notes, f"gene expression is used; left out: {named}{kept}")
    # The same antibody as a feature of another kind of assay (a hashtag) has a kind of its own in Cell Ranger.
    protein = counts[:, antibodies] if len(antibodies) else None
    return CountMatrix(
        counts[:, genes], barcodes, names[genes], ensembl_only(ids[genes]), notes, protein,
        names[antibodies] if len(antibodies) else None,
    )  # fmt: skip


def is_kind(kinds: np.ndarray) -> bool:
    """Whether a column of features names their kind, and is not a genome or a chromosome."""
    seen = {str(k).strip().lower() for k in kinds}
    return any(k in GENE_KINDS - {"", "nan"} or k in PROTEIN_KINDS or KINDS.search(k) for k in seen)


def ensembl_only(ids: np.ndarray) -> np.ndarray | None:
    """Ids with those that are not Ensembl's emptied (a spike-in, a transgene); None where there are none at all."""
    given = np.array([str(i) for i in ids], dtype=object)
    ensembl = np.array([bool(ENSEMBL.match(i)) for i in given], dtype=bool)
    return np.where(ensembl, given, "").astype(object) if ensembl.any() else None


def looks_like_barcodes(values: np.ndarray) -> bool:
    """Whether most values are 10x-like barcodes: a run of 8 or more of A, C, G, T, N."""
    some = [str(v) for v in values[:200]]
    return len(some) > 0 and sum(bool(re.search(r"[ACGTN]{8,}", v)) for v in some) > len(some) / 2
