"""The precision of a patient's value, from the number of cells behind it."""

import numpy as np

_BLOCK = 2048


def cell_precision(values: np.ndarray, cells: np.ndarray, nuisance: np.ndarray) -> np.ndarray:
    """Relative precision of each unit, where a part of its variance decreases with the number of cells.

    Model: var(value) is proportional to 1 + ratio / cells, one ratio for all features, found by restricted maximum
    likelihood on a grid. It does not use the arms: relabelling patients does not change the weights.

    Parameters
    ----------
    values
        Shape (units, features), NaN where missing.
    cells
        Number of cells behind each value, shape (units,) or (units, features).
    nuisance
        Intercept and covariates, shape (units, parameters).

    Returns
    -------
    Weights in (0, 1], shape as `cells`; 0 where there is no cell.

    References
    ----------
    Crowell et al. (2020) Nat Commun 11:6077, on why cells do not replace patients; the likelihood is Patterson &
    Thompson (1971) Biometrika 58:545.
    """
    cells = np.asarray(cells, dtype=float)
    typical = np.median(cells[cells > 0]) if (cells > 0).any() else 1.0
    ratios = np.concatenate([[0.0], typical * np.geomspace(0.02, 50, 23)])
    likelihood = np.array([_restricted_likelihood(values, _weights(cells, r), nuisance) for r in ratios])
    return _weights(cells, float(ratios[int(np.argmax(likelihood))]))


def _weights(cells: np.ndarray, ratio: float) -> np.ndarray:
    return cells / (cells + ratio) if ratio > 0 else (cells > 0) * 1.0


def _restricted_likelihood(values: np.ndarray, weights: np.ndarray, nuisance: np.ndarray) -> float:
    """Sum over features of the restricted log-likelihood, each with a variance of its own."""
    w = np.broadcast_to(weights.reshape(len(values), -1), values.shape)
    w = np.where(np.isnan(values), 0.0, w)
    y = np.where(np.isnan(values), 0.0, values)
    total = 0.0
    for start in range(0, values.shape[1], _BLOCK):
        part = slice(start, start + _BLOCK)
        v = np.sqrt(w[:, part]).T
        x = v[:, :, None] * nuisance
        gram = np.swapaxes(x, 1, 2) @ x
        eigen, vectors = np.linalg.eigh(gram)
        keep = eigen > 1e-9 * np.maximum(eigen[:, -1:], 1e-300)
        reciprocal = np.where(keep, 1 / np.where(keep, eigen, 1.0), 0.0)
        inverse = (vectors * reciprocal[:, None, :]) @ np.swapaxes(vectors, 1, 2)
        ys = v * y[:, part].T
        fitted = x @ (inverse @ (np.swapaxes(x, 1, 2) @ ys[:, :, None]))
        rss = np.sum((ys - fitted[:, :, 0]) ** 2, axis=1)
        df = (v > 0).sum(axis=1) - keep.sum(axis=1)
        scale = np.sum(ys**2, axis=1)
        usable = (df > 0) & (rss > 1e-12 * np.where(scale > 0, scale, 1.0))
        log_det = np.sum(np.log(np.where(keep, eigen, 1.0)), axis=1)
        log_w = np.sum(np.log(np.where(v > 0, v, 1.0)), axis=1)
        each = -0.5 * df * np.log(np.where(usable, rss, 1.0)) + log_w - 0.5 * log_det
        total += float(each[usable].sum())
    return total
