"""Effects shrunk towards zero by a prior that is estimated from all effects."""

import numpy as np

_SAMPLE = 3_000  # features the mixture is fitted on
_STEPS = 200


def shrink_effects(effect: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Posterior mean of each effect under a prior estimated from all of them: a mixture of normals around zero.

    For ranking: a large effect with a large standard error ranks below a moderate one with a small standard error.

    Parameters
    ----------
    effect, se
        Shape (features,). NaN stays NaN and is left out of the fit.

    References
    ----------
    Stephens (2017) Biostatistics 18:275, sections 2.1 to 2.4 (normal mixture, penalty of 10 on the null weight).
    """
    effect, se = np.asarray(effect, dtype=float), np.asarray(se, dtype=float)
    out = np.full(effect.shape, np.nan)
    usable = np.isfinite(effect) & np.isfinite(se) & (se > 0)
    if not usable.any():
        return out
    b, s = effect[usable], se[usable]
    grid = _grid(b, s)
    order = np.argsort(b, kind="stable")
    part = order[np.unique(np.linspace(0, b.size - 1, _SAMPLE).astype(int))]
    weight = _fit(_likelihood(b[part], s[part], grid))
    responsibility = _likelihood(b, s, grid) * weight
    responsibility /= responsibility.sum(axis=1, keepdims=True)
    shrunken = grid**2 / (grid**2 + s[:, None] ** 2)
    out[usable] = b * np.sum(responsibility * shrunken, axis=1)
    return out


def _grid(effect: np.ndarray, se: np.ndarray) -> np.ndarray:
    low = np.median(se) / 10
    high = max(2 * np.sqrt(max(np.max(effect**2 - se**2), 0.0)), 8 * low)
    return np.concatenate([[0.0], low * np.sqrt(2) ** np.arange(int(np.ceil(2 * np.log2(high / low))) + 1)])


def _likelihood(effect: np.ndarray, se: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Density of each effect under each component, relative to its largest (features, components)."""
    variance = grid**2 + se[:, None] ** 2
    log_density = -0.5 * (np.log(variance) + effect[:, None] ** 2 / variance)
    return np.exp(log_density - log_density.max(axis=1, keepdims=True))


def _fit(likelihood: np.ndarray) -> np.ndarray:
    """Weights of the components by expectation and maximisation, the null counted ten times more."""
    prior = np.ones(likelihood.shape[1])
    prior[0] = 10
    weight = prior / prior.sum()
    for _ in range(_STEPS):
        share = likelihood * weight
        share /= share.sum(axis=1, keepdims=True)
        new = share.sum(axis=0) + prior - 1
        new /= new.sum()
        if np.max(np.abs(new - weight)) < 1e-6:
            return new
        weight = new
    return weight
