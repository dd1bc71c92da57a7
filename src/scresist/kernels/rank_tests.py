"""Rank tests of two vectors with R's rules for when the exact distribution is used."""

import numpy as np
from scipy import stats

from scresist.checks import InputError, require_finite
from scresist.kernels.rank_sums import rank_sum_test

EXACT_BELOW = 50  # observations


def signed_rank_test(x: np.ndarray, y: np.ndarray) -> float:
    """Two-sided p-value of Wilcoxon's signed-rank test of paired values.

    Exact below 50 pairs without ties among the differences or differences of zero; otherwise the normal approximation
    with the corrections for ties and continuity. NaN where no difference is left.

    Parameters
    ----------
    x, y
        Paired values. Shape (n,).

    Returns
    -------
    In [0, 1].

    Raises
    ------
    InputError
        If the vectors differ in length or have values that are not finite.

    References
    ----------
    Wilcoxon (1945) Biometrics Bull 1:80; Hollander & Wolfe (1973) Nonparametric Statistical Methods, 27-33.
    """
    x, y = _vectors(x, y)
    if len(x) != len(y):
        raise InputError(f"paired values must have one length; got {len(x)} and {len(y)}")
    whole = x - y
    d = whole[whole != 0]
    n = len(d)
    if n == 0:
        return np.nan
    exact = n < EXACT_BELOW and n == len(whole) and len(np.unique(np.abs(d))) == n
    return float(stats.wilcoxon(d, method="exact" if exact else "asymptotic", correction=not exact).pvalue)


def two_sample_rank_test(x: np.ndarray, y: np.ndarray, *, exact_below: int = EXACT_BELOW) -> float:
    """Two-sided p-value of the rank-sum test of two samples.

    Exact where both have fewer than `exact_below` values and none are tied; otherwise the normal approximation with the
    corrections for ties and continuity. NaN where all values are equal or a sample is empty.

    Parameters
    ----------
    x, y
        Values. Shapes (n,) and (m,).
    exact_below
        0 gives the normal approximation always.

    Returns
    -------
    In [0, 1].

    Raises
    ------
    InputError
        If values are not finite.

    References
    ----------
    Mann & Whitney (1947) Ann Math Stat 18:50.
    """
    x, y = _vectors(x, y)
    if len(x) == 0 or len(y) == 0:
        return np.nan
    side = np.repeat([0, 1], [len(x), len(y)])
    found = rank_sum_test(np.concatenate([x, y])[:, None], side, 2, exact_below=exact_below)
    return float(found.p_value[0, 0])


def _vectors(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, dtype=np.float64).ravel(), np.asarray(y, dtype=np.float64).ravel()
    require_finite(x, "x")
    require_finite(y, "y")
    return x, y
