"""Ends of an interval by inverting a test."""

from collections.abc import Callable

import numpy as np

DOUBLINGS = 12  # of the distance from the effect, before the interval is called unbounded
HALVINGS = 40


def bisected_ends(
    kept: Callable[[np.ndarray], np.ndarray], effect: np.ndarray, spread: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Ends of the shifts around each effect that a test does not reject; infinite where it rejects none.

    Parameters
    ----------
    kept
        Whether the test keeps a shift of each feature: shape (features,) in, booleans of that shape out.
    effect
        The estimates, which the test keeps. Shape (features,).
    spread
        Scale of the first step away from them. Shape (features,).

    Returns
    -------
    Lower and upper ends. Shape (2, features).
    """
    ends = np.full((2, len(effect)), np.nan)
    for row, sign in enumerate((-1.0, 1.0)):
        inside, outside = effect.copy(), effect + sign * 4 * spread
        for _ in range(DOUBLINGS):
            outside = np.where(kept(outside), effect + 2 * (outside - effect), outside)
        unbounded = kept(outside)
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            within = kept(middle)
            inside, outside = np.where(within, middle, inside), np.where(within, outside, middle)
        ends[row] = np.where(unbounded, sign * np.inf, inside)
    return ends
