"""Negative binomial parameters of real counts by moments: dispersion, spread between patients, shared factors."""

import numpy as np
from scipy import sparse

_PRIOR_CV2 = 0.5  # squared coefficient of variation of dispersions around their trend
_BIN = 100  # genes that share a trend


def group_sums(counts: sparse.csr_array, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Sum of each column within each group of rows. Shape (groups, genes)."""
    member = sparse.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_groups, len(codes)))
    return np.asarray((member @ counts).todense(), dtype=float)


def dispersion_by_moments(counts: sparse.csr_array, size: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Variance of each gene beyond Poisson within groups of cells: (variance - mean) / mean^2, drawn to its trend.

    Parameters
    ----------
    counts
        Shape (cells, genes).
    size
        Library size of each cell. Shape (cells,).
    codes
        Group of each cell (a patient's cells of one type), 0 .. n_groups - 1. Shape (cells,).
    n_groups
        Number of groups.

    Returns
    -------
    In [0.01, 20]. Shape (genes,). A gene's own estimate counts by its precision; the rest is the trend over genes of
    like mean.

    References
    ----------
    Robinson & Smyth (2008) Biostatistics 9:321, on what moments give; weights as of a normal prior around the trend.
    """
    member = sparse.csr_array((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(n_groups, len(codes)))
    one, two = member @ size, member @ size**2
    n = np.bincount(codes, minlength=n_groups)
    rate = group_sums(counts, codes, n_groups) / np.maximum(one, 1.0)[:, None]
    squares = np.asarray((member @ counts.power(2)).todense(), dtype=float)
    weighted = np.asarray((member @ counts.multiply(size[:, None]).tocsr()).todense(), dtype=float)
    correct = np.where(n > 1, n / np.maximum(n - 1, 1), 0.0)[:, None]
    scatter = correct * (squares - 2 * rate * weighted + rate**2 * two[:, None])
    used = (n > 1)[:, None]
    over = ((scatter - rate * one[:, None]) * used).sum(axis=0)
    scale = (rate**2 * two[:, None] * used).sum(axis=0)
    mean = (rate * one[:, None] * used).sum(axis=0) / max(len(codes), 1)
    trend = _trend(over, scale, mean)
    # Variance of the sum of squares about, from that of a negative binomial of the trend's dispersion.
    variance = mean + trend * mean**2
    noise = len(codes) * (2 * variance**2 + variance) / np.where(scale > 0, scale, 1.0) ** 2
    own = np.where(scale > 0, over / np.where(scale > 0, scale, 1.0), trend)
    prior = _PRIOR_CV2 * trend**2
    weight = np.where(scale > 0, prior / (prior + noise), 0.0)
    return np.clip(weight * own + (1 - weight) * trend, 0.01, 20.0)


def _trend(over: np.ndarray, scale: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Ratio of sums over genes of like mean, interpolated over the log mean."""
    order = np.argsort(mean, kind="stable")
    order = order[scale[order] > 0]
    if not len(order):
        return np.ones(len(mean))
    blocks = np.array_split(order, max(len(order) // _BIN, 1))
    where = [np.log(mean[b].mean()) for b in blocks]
    level = [np.clip(over[b].sum() / scale[b].sum(), 0.02, 10.0) for b in blocks]
    return np.exp(np.interp(np.log(np.maximum(mean, 1e-12)), where, np.log(level)))


def between_patient_variance(
    sums: np.ndarray, size: np.ndarray, squared: np.ndarray, types: np.ndarray, dispersion: np.ndarray
) -> np.ndarray:
    """Variance between patients of the log rate of each gene, within cell types, the noise of counting taken off.

    Parameters
    ----------
    sums
        Counts of each patient's cells of one type. Shape (groups, genes).
    size, squared
        Sums of their library sizes, and of the squares. Shape (groups,).
    types
        Cell type of each group as a code. Shape (groups,).
    dispersion
        Between cells of one group. Shape (genes,).

    Returns
    -------
    Zero or more; NaN where no type has two patients with 5 counts. Shape (genes,).
    """
    total, weight = np.zeros(sums.shape[1]), np.zeros(sums.shape[1])
    for kind in np.unique(types):
        rows = types == kind
        counts, depth = sums[rows], size[rows][:, None]
        seen = counts >= 5
        n = seen.sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.log((counts + 0.5) / depth)
            centre = np.where(seen, rate, 0).sum(axis=0) / n
            spread = np.where(seen, (rate - centre) ** 2, 0).sum(axis=0)
            noise = np.where(
                seen, 1 / np.maximum(counts, 1) + dispersion * (squared[rows] / size[rows] ** 2)[:, None], 0
            )
            own = spread - (n - 1) * noise.sum(axis=0) / n
        use = n >= 2
        total[use] += own[use]
        weight[use] += n[use] - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 0, np.maximum(total / weight, 0.0), np.nan)


def shared_factors(residuals: np.ndarray, n_factors: int) -> np.ndarray:
    """Loadings of the directions in which genes vary together beyond noise, in units of their residuals.

    Parameters
    ----------
    residuals
        Of unit noise variance. Shape (cells, genes).
    n_factors
        At most so many.

    Returns
    -------
    Shape (factors, genes): eigenvectors of the covariance, scaled by what exceeds independent noise of the same shape;
    none where nothing exceeds it.

    References
    ----------
    Gavish & Donoho (2017) IEEE Trans Inf Theory 63:2137; Benaych-Georges & Nadakuditi (2011) Adv Math 227:494.
    """
    n, p = residuals.shape
    if min(n, p) < 2:
        return np.zeros((0, p))
    ratio = p / n
    gram = residuals.T @ residuals / n
    values, vectors = np.linalg.eigh(gram)
    values, vectors = values[::-1][:n_factors], vectors[:, ::-1][:, :n_factors]
    noise = np.median(np.diag(gram))
    values = values / noise
    keep = values > (1 + np.sqrt(ratio)) ** 2 * 1.05
    values, vectors = values[keep], vectors[:, keep]
    half = values - 1 - ratio
    spike = (half + np.sqrt(np.maximum(half**2 - 4 * ratio, 0.0))) / 2  # excess of the true eigenvalue over the noise
    cosine = (1 - ratio / spike**2) / (1 + ratio / spike)
    return (vectors * np.sqrt(np.maximum(spike * cosine, 0.0) * noise)).T
