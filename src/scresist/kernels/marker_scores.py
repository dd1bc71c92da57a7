"""The level of a set of marker genes in a profile, and how much it depends on single markers."""

import numpy as np


def saturated(expression: np.ndarray, floor: float, share: float) -> np.ndarray:
    """Expression on a scale of 0 to 1: e / (e + h), h = max(floor, share x the gene's highest value over the rows).

    Parameters
    ----------
    expression
        Log-normalised means, rows are groups of cells. Shape (rows, genes).
    floor, share
        The half-saturation: at least `floor`, and at least `share` of the highest row, so that one abundant transcript
        does not dominate the others and traces of ambient RNA do not count.

    Returns
    -------
    Shape (rows, genes), in [0, 1).
    """
    half = np.maximum(floor, share * expression.max(axis=0, initial=0.0))
    return expression / (expression + half)


def signed_mean(levels: np.ndarray, weights: np.ndarray, penalty: float) -> np.ndarray:
    """Weighted mean level of positive markers less `penalty` times that of negative ones, for each set.

    Parameters
    ----------
    levels
        Shape (rows, genes).
    weights
        Positive for markers, negative for genes that exclude the set, 0 for other genes. Shape (sets, genes).
    penalty
        Factor of the negative part.

    Returns
    -------
    Shape (rows, sets); NaN for a set without positive markers.
    """
    for_set, against = np.maximum(weights, 0), np.maximum(-weights, 0)
    total = for_set.sum(axis=1)
    positive = levels @ for_set.T / np.where(total > 0, total, np.nan)
    negative = levels @ against.T / np.maximum(against.sum(axis=1), 1e-12)
    return np.asarray(positive - penalty * negative)


def resampled_winners(
    levels: np.ndarray,
    weights: np.ndarray,
    penalty: float,
    draws: int,
    rng: np.random.Generator,
    barred: np.ndarray | None = None,
) -> np.ndarray:
    """Share of resamplings of the positive markers in which each set scores highest.

    Every draw replaces the weight of each positive marker of each set by a multinomial count (a bootstrap over
    markers), so the share is low where the highest set depends on single genes. Shapes as in `signed_mean`; sets in
    `barred` (rows, sets) are excluded in that row.
    """
    wins = np.zeros((levels.shape[0], weights.shape[0]))
    rows = np.arange(levels.shape[0])
    for _ in range(draws):
        drawn = np.minimum(weights, 0).astype(float)
        for s in range(weights.shape[0]):
            at = np.flatnonzero(weights[s] > 0)
            if len(at):
                drawn[s, at] = rng.multinomial(len(at), np.full(len(at), 1 / len(at))) * weights[s, at]
        scores = signed_mean(levels, drawn, penalty)
        scores = np.nan_to_num(scores, nan=-np.inf)
        if barred is not None:
            scores[barred] = -np.inf
        wins[rows, scores.argmax(axis=1)] += 1
    return wins / draws
