"""How strongly genes are connected, in total and within their module."""

import numpy as np

from scresist.checks import InputError
from scresist.kernels.modules import as_labels
from scresist.kernels.similarity import square


def intramodular_connectivity(A: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of each gene's adjacencies to the others, within its module and outside it.

    Parameters
    ----------
    A
        Adjacency, shape (genes, genes); the diagonal is not used.
    labels
        Module of each gene, shape (genes,); the unassigned genes (0) are treated as one group.

    Returns
    -------
    Arrays over genes: `total`; `within` (0 in a group of fewer than three genes); `outside` = total - within;
    `difference` = within - outside; `scaled`, within over the largest of the group (NaN where that is 0).

    Raises
    ------
    InputError
        If A is not square or has missing values.

    References
    ----------
    Langfelder & Horvath (2008) BMC Bioinformatics 9:559, "intramodular connectivity".
    """
    A = square(A, "A")
    labels = as_labels(labels, len(A))
    if np.isnan(A).any():
        raise InputError(f"A has {int(np.isnan(A).sum())} missing values; drop constant genes first")
    own = np.diag(A).astype(np.float64)
    total = A.sum(axis=1, dtype=np.float64) - own
    within, scaled = np.zeros(len(A)), np.full(len(A), np.nan)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) >= 3:
            within[members] = A[np.ix_(members, members)].sum(axis=1, dtype=np.float64) - own[members]
            largest = within[members].max()
            scaled[members] = within[members] / largest if largest > 0 else np.nan
    outside = total - within
    return {"total": total, "within": within, "outside": outside, "difference": within - outside, "scaled": scaled}


def one_sided_degrees(T: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Sums of each gene's overlaps with later genes of its module, which hdWGCNA reports as degree; shape (genes,).

    It depends on the order of genes, and the last gene of a module has 0. Use `intramodular_connectivity` for anything
    except comparisons with hdWGCNA's tables.
    """
    T = square(T, "T")
    labels = as_labels(labels, len(T))
    degrees = np.zeros(len(T))
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        degrees[members] = np.triu(T[np.ix_(members, members)], 1).sum(axis=1, dtype=np.float64)
    return degrees
