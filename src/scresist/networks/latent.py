"""Correlation of the genes of a network from counts of cells, in place of values of metacells."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import norm

from scresist.kernels.latent_moments import latent_correlation, latent_moments

LEVEL = 0.05  # false discovery rate over pairs; a correlation that does not pass is 0


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of the genes of a network.

    `counts` is cells x genes; `depth` the counts of each cell over all genes of the data; `sample` the code of the
    group within which genes are correlated.
    """

    counts: sparse.csr_array
    depth: np.ndarray
    sample: np.ndarray

    def of(self, rows: np.ndarray) -> "Counted":
        """The same of some cells, by their positions or a mask."""
        codes = np.unique(self.sample[rows], return_inverse=True)[1].astype(np.int64)
        return Counted(sparse.csr_array(self.counts[rows]), self.depth[rows], codes)

    def of_genes(self, genes: np.ndarray) -> "Counted":
        """The same of some genes, by their positions."""
        return Counted(sparse.csr_array(self.counts[:, genes]), self.depth, self.sample)

    def correlations(self, genes: np.ndarray) -> np.ndarray:
        """Latent correlations of some genes, at their positions, 0 where chance explains them. Shape (genes, genes).

        Su et al. (2023) set correlations to 0 that do not pass a false discovery rate of 5 % over pairs, before WGCNA.
        """
        own = sparse.csr_array(self.counts[:, genes])
        moments = latent_moments(own, self.depth, self.sample, int(self.sample.max(initial=0)) + 1)
        R, T = latent_correlation(own, self.depth, self.sample, moments)
        np.abs(T, out=T)
        smallest = _smallest_found(T)
        R[smallest > T] = 0
        np.fill_diagonal(R, 1)
        return R


def _smallest_found(size: np.ndarray) -> float:
    """The smallest statistic that passes Benjamini-Hochberg over pairs of genes; infinite where none does."""
    below = np.tril_indices(len(size), -1)
    pairs = max(len(below[0]), 1)
    values = np.sort(size[below])[::-1]
    values = values[: int(np.searchsorted(-values, -norm.isf(LEVEL / 2)))]  # a larger p-value cannot pass
    passed = np.flatnonzero(2 * norm.sf(values.astype(np.float64)) <= LEVEL * np.arange(1, len(values) + 1) / pairs)
    return float(values[passed[-1]]) if len(passed) else np.inf
