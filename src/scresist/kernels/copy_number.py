"""Copy number along the genome from expression, relative to reference cells."""

import numpy as np
from scipy import sparse


def relative_to_reference(expression: np.ndarray, reference_means: np.ndarray, limit: float) -> np.ndarray:
    """Expression beyond the range of the reference groups' means: 0 within it, the distance outside, clipped.

    Parameters
    ----------
    expression
        Log-normalised. Shape (cells, genes).
    reference_means
        Mean of each reference group (a lineage). Shape (groups, genes).
    limit
        Values are clipped to [-limit, limit].

    Returns
    -------
    Shape (cells, genes).

    References
    ----------
    Tirosh I et al. (2016) Science 352:189, for the range of several reference types.
    """
    low, high = reference_means.min(axis=0), reference_means.max(axis=0)
    beyond = np.maximum(expression - high, 0) + np.minimum(expression - low, 0)
    return np.clip(beyond, -limit, limit)


def smoothing_matrix(chromosome: np.ndarray, window: int, step: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Weights that average genes in order along each chromosome: triangular windows, one every `step` genes.

    A chromosome with fewer genes than `window` has windows as wide as it is; one with fewer than 5 genes has none.

    Parameters
    ----------
    chromosome
        Chromosome of each gene, genes sorted by chromosome and position. Shape (genes,).
    window, step
        In genes; `window` odd.

    Returns
    -------
    Weights of shape (genes, windows), columns sum to 1; and the middle gene of each window.
    """
    rows: list[int] = []
    columns: list[int] = []
    weights: list[float] = []
    middles: list[int] = []
    for name in dict.fromkeys(chromosome):
        at = np.flatnonzero(chromosome == name)
        if len(at) < 5:
            continue
        half = min(window, len(at)) // 2
        for middle in range(min(step // 2, len(at) - 1), len(at), step):
            inside = np.arange(max(0, middle - half), min(len(at), middle + half + 1))
            w = half + 1 - np.abs(inside - middle)
            rows.extend(at[inside])
            columns.extend([len(middles)] * len(inside))
            weights.extend(w / w.sum())
            middles.append(at[middle])
    shape = (len(chromosome), len(middles))
    return sparse.csr_array((weights, (rows, columns)), shape=shape), np.array(middles, dtype=int)


def project(profiles: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """How much of `direction` each profile carries: least squares, 1 where the profile equals it. Shape (cells,)."""
    return np.asarray(profiles @ direction / max(float(direction @ direction), 1e-12))


def mixture_with_known_null(
    values: np.ndarray, null_mean: float, null_sd: float, start: float, iterations: int = 200
) -> tuple[np.ndarray, float, float, float]:
    """Posterior of the second of two normals, the first known: expectation-maximisation for the other three parameters.

    Parameters
    ----------
    values
        Shape (n,).
    null_mean, null_sd
        The known component.
    start
        Starting value of the second component's mean.
    iterations
        Largest number of iterations; the fit stops earlier when the share changes by less than 1e-6.

    Returns
    -------
    Posterior of the second component, shape (n,); its mean, standard deviation and share.

    References
    ----------
    Dempster AP, Laird NM, Rubin DB (1977) J R Stat Soc B 39:1.
    """
    mean, sd, share = start, null_sd, 0.5
    posterior = np.full(len(values), 0.5)
    for _ in range(iterations):
        log_first = -0.5 * ((values - null_mean) / null_sd) ** 2 - np.log(null_sd) + np.log1p(-share)
        log_second = -0.5 * ((values - mean) / sd) ** 2 - np.log(sd) + np.log(share)
        posterior = 1 / (1 + np.exp(np.clip(log_first - log_second, -500, 500)))
        # A value beyond the second mean is in the second component, however wide the first one is.
        posterior = np.where(values >= mean, np.maximum(posterior, share), posterior)
        weight = posterior.sum()
        if weight < 1e-6:
            return np.zeros(len(values)), mean, sd, 0.0
        mean = float(posterior @ values / weight)
        spread = float(posterior @ (values - mean) ** 2 / weight)
        sd = max(np.sqrt(spread), 0.5 * null_sd)
        new_share = float(np.clip(weight / len(values), 1e-3, 1 - 1e-3))
        if abs(new_share - share) < 1e-6:
            break
        share = new_share
    return posterior, mean, sd, share
