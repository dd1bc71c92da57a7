"""Missing expression values from the genes nearest to a gene."""

import numpy as np


def impute_from_nearest(X: np.ndarray, k: int) -> np.ndarray:
    """X with each missing value replaced by the mean, in that sample, of the k genes nearest to its gene.

    Parameters
    ----------
    X
        Expression, shape (samples, genes), NaN where missing. Distance between genes is the mean squared difference
        over samples that both have.
    k
        Number of genes that are averaged; those that lack the sample too are left out.

    Returns
    -------
    A new array without NaN: where no near gene has the sample, the gene's own mean is used, and a gene without any
    value becomes zero.

    References
    ----------
    Troyanskaya et al. (2001) Bioinformatics 17:520.
    """
    filled = X.copy()
    known = ~np.isnan(X)
    values = np.where(known, X, 0.0)
    for gene in np.flatnonzero(~known.all(axis=0)):
        own = known[:, gene]
        mean = values[own, gene].mean() if own.any() else 0.0
        both = known & own[:, None]
        shared = both.sum(axis=0)
        squares = np.where(both, (values - values[:, [gene]]) ** 2, 0.0).sum(axis=0)
        distance = np.where(shared > 0, squares / np.maximum(shared, 1), np.inf)
        distance[gene] = np.inf
        nearest = np.argsort(distance, kind="stable")[:k]
        nearest = nearest[np.isfinite(distance[nearest])]
        for sample in np.flatnonzero(~own):
            usable = nearest[known[sample, nearest]]
            filled[sample, gene] = values[sample, usable].mean() if len(usable) else mean
    return filled
