"""Counts as from sequencing: negative binomial around a rate."""

import numpy as np


def draw_counts(rate: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Negative binomial counts with mean `rate` and variance rate + dispersion x rate^2 (gamma-Poisson).

    Parameters
    ----------
    rate
        Mean of each count. Shape (cells, genes).
    dispersion
        Of each gene, above 0. Shape (genes,).
    rng
        Generator.

    Returns
    -------
    Shape (cells, genes), int32.
    """
    shape = 1.0 / dispersion
    gamma = rng.standard_gamma(np.broadcast_to(shape.astype(np.float32), rate.shape), dtype=np.float32)
    gamma *= rate / shape
    return rng.poisson(gamma).astype(np.int32)
