"""The leading component of cells over a module's genes, from sparse expression."""

import numpy as np
from numba import njit
from scipy import sparse

from scresist.checks import InputError


def cell_component(
    X: "np.ndarray | sparse.sparray | sparse.spmatrix", *, clip: float = 10.0, covariates: np.ndarray | None = None
) -> np.ndarray:
    """First principal component score of each cell over the genes of a module, as in hdWGCNA.

    Genes are standardised over the cells, values above `clip` are set to it, and the component keeps its length, so
    that modules of more genes vary more. Its sign is that of the mean of the genes. Constant genes have no weight.

    Parameters
    ----------
    X
        Log-normalised expression, shape (cells, genes of the module). Sparse expression stays sparse: the standardised
        zeros of a gene are equal, so only stored entries are multiplied.
    clip
        Largest standardised value; there is no lower bound.
    covariates
        Covariates whose linear effect is removed from every gene first, shape (cells, covariates); this makes X dense.

    Returns
    -------
    Scores, shape (cells,); NaN throughout if every gene is constant.

    Raises
    ------
    InputError
        If there are fewer than two cells, or covariates have another number of cells.

    References
    ----------
    Morabito et al. (2023) Cell Rep Methods 3:100498.
    """
    n = X.shape[0]
    if n < 2:
        raise InputError(f"X has {n} cells; a component needs at least two")
    columns = sparse.csc_array(X, dtype=np.float64, copy=True)
    average = np.asarray(columns.mean(axis=1)).ravel()
    if covariates is not None:
        columns = sparse.csc_array(_residuals(columns.toarray(), covariates))
    mean = np.asarray(columns.mean(axis=0)).ravel()
    counts = np.diff(columns.indptr)
    gene = np.repeat(np.arange(columns.shape[1]), counts)
    spread = np.bincount(gene, weights=(columns.data - mean[gene]) ** 2, minlength=len(mean)) + (n - counts) * mean**2
    deviation = np.sqrt(spread / (n - 1))
    varying = np.flatnonzero(deviation > 1e-12 * np.maximum(np.abs(mean), 1e-300))
    if len(varying) == 0:
        return np.full(n, np.nan)
    columns.data = np.minimum(columns.data, (mean + clip * deviation)[gene])
    columns.data /= np.where(deviation > 0, deviation, 1)[gene]
    scaled = sparse.csr_array(columns[:, varying] if len(varying) < columns.shape[1] else columns)
    offset = mean[varying] / deviation[varying]
    product, total = _products(scaled.data, scaled.indices, scaled.indptr, len(varying))
    product += n * np.outer(offset, offset) - np.outer(total, offset) - np.outer(offset, total)
    right = np.linalg.eigh(product)[1][:, -1]
    component = np.asarray(scaled @ right - offset @ right)
    centred = component - component.mean()
    return -component if centred @ (average - average.mean()) < 0 else component


@njit(cache=True, nogil=True)
def _products(data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, n_genes: int) -> tuple[np.ndarray, np.ndarray]:
    """X'X and column sums of a matrix stored in rows."""
    product = np.zeros((n_genes, n_genes))
    total = np.zeros(n_genes)
    for i in range(len(indptr) - 1):
        for k in range(indptr[i], indptr[i + 1]):
            total[indices[k]] += data[k]
            row = product[indices[k]]
            for other in range(indptr[i], k + 1):
                row[indices[other]] += data[k] * data[other]
    for i in range(n_genes):
        for j in range(i):
            # The entries of a row of X have any order, so a pair may be in either triangle.
            value = product[i, j] + product[j, i]
            product[i, j] = value
            product[j, i] = value
    return product, total


def _residuals(X: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """Residuals of a linear regression of every gene on the covariates."""
    covariates = np.asarray(covariates, dtype=np.float64).reshape(len(covariates), -1)
    if len(covariates) != len(X):
        raise InputError(f"covariates have {len(covariates)} cells and X has {len(X)}; give the same cells")
    design = np.column_stack([np.ones(len(X)), covariates])
    return np.asarray(X - design @ np.linalg.lstsq(design, X, rcond=None)[0])
