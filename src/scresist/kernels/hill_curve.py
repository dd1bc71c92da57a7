"""The four-parameter logistic curve: its values, areas, crossings, errors, and the ratio of two midpoints.

response = lower + (upper - lower) / (1 + 10 ** (hill * (log10 dose - midpoint))). A dose of zero has the log dose -inf
and the response `upper`; a positive `hill` falls from `upper` to `lower`. Parameters are ordered lower, upper, hill,
midpoint.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

LOWER, UPPER, HILL, MIDPOINT = 0, 1, 2, 3
LN10 = float(np.log(10.0))


def curve_at(parameters: np.ndarray, log_dose: np.ndarray) -> np.ndarray:
    """The response of each curve at log doses: shapes (..., 4) and (...,) or (..., points) to the latter."""
    p = np.asarray(parameters, float)
    x = np.asarray(log_dose, float)
    lower, upper, hill, midpoint = (p[..., i] if x.ndim < p.ndim else p[..., i, None] for i in range(4))
    with np.errstate(invalid="ignore", over="ignore"):
        z = LN10 * hill * (x - midpoint)
        share = np.where(np.isneginf(x), 1.0, 1.0 / (1.0 + np.exp(np.minimum(z, 700.0))))
    return lower + (upper - lower) * share


def crossing(parameters: np.ndarray, level: float | np.ndarray) -> np.ndarray:
    """Log10 dose at which a curve crosses a level of the response; NaN where it never does. Shape (...,)."""
    p = np.asarray(parameters, float)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (level - p[..., LOWER]) / (p[..., UPPER] - p[..., LOWER])
        inside = (share > 0) & (share < 1) & (p[..., HILL] != 0)
        return np.where(inside, p[..., MIDPOINT] + np.log(1.0 / share - 1.0) / (LN10 * p[..., HILL]), np.nan)


def mean_response(parameters: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Mean of each curve over log10 dose between two log doses, in closed form. Shape (...,)."""
    lower, upper, hill, midpoint = np.moveaxis(np.asarray(parameters, float), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        softened = [np.logaddexp(0.0, LN10 * hill * (edge - midpoint)) for edge in (first, last)]
        share = 1.0 - (softened[1] - softened[0]) / (LN10 * hill * (last - first))
    share = np.where(np.abs(hill) < 1e-9, 0.5, share)
    return lower + (upper - lower) * share


def information(
    log_dose: np.ndarray, response: np.ndarray, parameters: np.ndarray, *, expected: bool = False
) -> np.ndarray:
    """Half the second derivative of the sum of squares of one curve by its parameters. Shape (4, 4).

    Parameters
    ----------
    log_dose, response
        Points of the curve. Shape (points,).
    parameters
        lower, upper, hill, midpoint.
    expected
        Leaves out the part that multiplies the residuals (Gauss-Newton).
    """
    lower, upper, hill, midpoint = parameters
    zero = np.isneginf(log_dose)
    x = np.where(zero, midpoint, log_dose)
    with np.errstate(over="ignore"):
        g = np.where(zero, 1.0, 1.0 / (1.0 + np.exp(np.minimum(LN10 * hill * (x - midpoint), 700.0))))
    spread = g * (1 - g)
    z = np.stack([LN10 * (x - midpoint), np.full_like(x, -LN10 * hill)])
    jacobian = np.stack([1 - g, g, *(-(upper - lower) * spread * z)])
    out = jacobian @ jacobian.T
    if expected:
        return out
    residual = response - (lower + (upper - lower) * g)
    second = np.zeros((4, 4, x.size))
    for i in range(2):
        second[LOWER, 2 + i] = second[2 + i, LOWER] = spread * z[i]
        second[UPPER, 2 + i] = second[2 + i, UPPER] = -spread * z[i]
        for j in range(2):
            mixed = np.where(zero, 0.0, -LN10) if i != j else 0.0
            second[2 + i, 2 + j] = (upper - lower) * (spread * (1 - 2 * g) * z[i] * z[j] - spread * mixed)
    return out - second @ residual


def crossing_gradient(parameters: np.ndarray, level: float) -> np.ndarray:
    """Derivative of the log10 dose of a crossing by lower, upper, hill and midpoint. Shape (4,)."""
    lower, upper, hill, _ = parameters
    scale = 1.0 / (LN10 * hill)
    ratio = (upper - level) / (level - lower)
    return np.array([scale / (level - lower), scale / (upper - level), -np.log(ratio) * scale / hill, 1.0])


class MidpointRatio(NamedTuple):
    """Ratio of the doses at two midpoints, its standard error, intervals by the delta method and by Fieller, t test."""

    ratio: float
    error: float
    delta: tuple[float, float]
    fieller: tuple[float, float]
    p_value: float


def midpoint_ratio(
    first: tuple[np.ndarray, np.ndarray, np.ndarray],
    second: tuple[np.ndarray, np.ndarray, np.ndarray],
    *,
    level: float = 0.95,
) -> MidpointRatio:
    """Ratio of the midpoints of two unbounded curves whose points have one variance; points are the unit.

    Parameters
    ----------
    first, second
        Log10 dose, response and fitted parameters of each curve. Shapes (points,), (points,), (4,).
    level
        Coverage of the intervals.

    Returns
    -------
    The t test is of a ratio of 1. Ends of Fieller's interval are NaN where the second midpoint is not above zero with
    that confidence.

    References
    ----------
    Fieller (1954) J R Stat Soc B 16:175; Ritz et al. (2015) PLoS One 10:e0146021.
    """
    rss, df = 0.0, 0
    for x, y, p in (first, second):
        rss += float(((y - curve_at(p[None], x[None])[0]) ** 2).sum())
        df += x.size - 4
    sides = []
    for x, y, p in (first, second):
        dose = 10.0 ** float(p[MIDPOINT])
        variance = float(np.linalg.inv(information(x, y, p))[MIDPOINT, MIDPOINT]) * rss / df
        sides.append((dose, variance * (dose * LN10) ** 2))
    (a, var_a), (b, var_b) = sides
    ratio = a / b
    error = float(np.sqrt(var_a + ratio**2 * var_b) / b)
    t = float(stats.t.ppf(0.5 + level / 2, df))
    g = t * t * var_b / (b * b)
    half = t / b * np.sqrt(max(var_a * (1 - g) + ratio**2 * var_b, 0.0)) / (1 - g) if g < 1 else np.nan
    centre = ratio / (1 - g) if g < 1 else np.nan
    p_value = float(2 * stats.t.sf(abs(ratio - 1) / error, df))
    return MidpointRatio(ratio, error, (ratio - t * error, ratio + t * error), (centre - half, centre + half), p_value)
