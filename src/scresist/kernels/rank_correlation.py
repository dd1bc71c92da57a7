"""Spearman's rank correlation with its interval."""

import numpy as np
from scipy import stats


def rank_correlation(x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[float, float, float]:
    """Correlation of the ranks, and its limits by Fisher's transformation; both limits are it where it is 1 or -1.

    Parameters
    ----------
    x, y
        Values without a missing one, at least 4, not all equal.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Notes
    -----
    Variance: Bonett DG & Wright TA 2000, Psychometrika 65:23.
    """
    r = float(np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1])
    if abs(r) >= 1:
        return r, r, r
    half = float(stats.norm.ppf(1 - alpha / 2)) * np.sqrt((1 + r**2 / 2) / (len(x) - 3))
    return r, float(np.tanh(np.arctanh(r) - half)), float(np.tanh(np.arctanh(r) + half))
