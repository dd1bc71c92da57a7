"""Components turned so that each gene follows few of them."""

import numpy as np

ROUNDS, SETTLED = 200, 1e-7


def varimax(loadings: np.ndarray) -> np.ndarray:
    """Loadings turned so that the variance of their squares within components is largest.

    Parameters
    ----------
    loadings
        Shape (genes, components).

    Returns
    -------
    The turned loadings; each component has the sign that makes the sum of its cubes positive, so that its few large
    loadings are positive. Shape (genes, components).

    References
    ----------
    Kaiser (1958) Psychometrika 23:187; the iteration by singular values is that of Horst (1965).
    """
    k = loadings.shape[1]
    turn, before = np.eye(k), 0.0
    for _ in range(ROUNDS if k > 1 else 0):
        turned = loadings @ turn
        u, s, v = np.linalg.svd(loadings.T @ (turned**3 - turned * (turned**2).mean(axis=0)))
        turn = u @ v
        if s.sum() <= before * (1 + SETTLED):
            break
        before = float(s.sum())
    turned = loadings @ turn
    return np.asarray(turned * np.where((turned**3).sum(axis=0) < 0, -1, 1))
