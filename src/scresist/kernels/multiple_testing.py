"""False discovery rates over a family of tests."""

import numpy as np


def benjamini_hochberg(p_value: np.ndarray) -> np.ndarray:
    """The smallest false discovery rate at which each test of a family would be called.

    Parameters
    ----------
    p_value
        Two-sided p-values of one family, any shape. NaN (not tested) takes no part in the family and stays NaN.

    Returns
    -------
    q-values, same shape, at most 1.

    Raises
    ------
    ValueError
        If a p-value lies outside [0, 1].

    References
    ----------
    Benjamini & Hochberg (1995) J R Stat Soc B 57:289, the step-up procedure.
    """
    p = np.asarray(p_value, dtype=float)
    tested = ~np.isnan(p)
    found = p[tested]
    if found.size and (found.min() < 0 or found.max() > 1):
        raise ValueError("p-values must lie in [0, 1]")
    q = np.full(p.shape, np.nan)
    order = np.argsort(found, kind="stable")
    scaled = found[order] * found.size / np.arange(1, found.size + 1)
    stepped = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    ranked = np.empty(found.size)
    ranked[order] = stepped
    q[tested] = ranked
    return q
