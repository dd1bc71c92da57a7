"""Least-squares fits of the four-parameter logistic curve: many curves at once, and curves that share parameters.

The curve and the order of its parameters are those of `hill_curve`.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from scresist.kernels.hill_curve import HILL, MIDPOINT
from scresist.kernels.logistic_descent import LOSSES, descend, share_of_upper

_GRID_MIDPOINTS = 41
_STARTS = 3


class Curves(NamedTuple):
    """Fitted curves: `parameters` (curves, 4), loss at the fit, points used, and whether the fit converged."""

    parameters: np.ndarray
    loss: np.ndarray
    n: np.ndarray
    converged: np.ndarray


class JointFit(NamedTuple):
    """Parameters of several curves together, sum of the losses, and whether the fit converged."""

    parameters: np.ndarray
    loss: float
    converged: bool


@njit(cache=True, nogil=True)
def _plateaus(
    y: np.ndarray, w: np.ndarray, share: np.ndarray, low: np.ndarray, high: np.ndarray, out: np.ndarray
) -> float:
    """Best lower and upper plateau within bounds for given shares of the upper one; the sum of squares."""
    n = y.size
    gg = g1 = 0.0
    ss = gy = sy = 0.0
    for i in range(n):
        g, s = share[i], 1.0 - share[i]
        gg += w[i] * g * g
        g1 += w[i] * g * s
        ss += w[i] * s * s
        gy += w[i] * g * y[i]
        sy += w[i] * s * y[i]
    best = np.inf
    det = gg * ss - g1 * g1
    if low[0] < high[0] and low[1] < high[1] and det > 1e-12 * gg * ss:
        a, b = (gg * sy - g1 * gy) / det, (ss * gy - g1 * sy) / det
        if low[0] <= a <= high[0] and low[1] <= b <= high[1]:
            out[0], out[1] = a, b
            best = 0.0
    if best > 0.0:
        for edge in range(4):
            if edge < 2:
                a = low[0] if edge == 0 else high[0]
                if not np.isfinite(a):
                    continue
                b = (gy - a * g1) / gg if gg > 0 else high[1]
                b = min(max(b, low[1]), high[1])
            else:
                b = low[1] if edge == 2 else high[1]
                if not np.isfinite(b):
                    continue
                a = (sy - b * g1) / ss if ss > 1e-300 else b
                a = min(max(a, low[0]), high[0])
            value = a * a * ss + 2 * a * b * g1 + b * b * gg - 2 * a * sy - 2 * b * gy
            if value < best or best == np.inf:
                best, out[0], out[1] = value, a, b
    total = 0.0
    for i in range(n):
        total += w[i] * (y[i] - out[0] * (1.0 - share[i]) - out[1] * share[i]) ** 2
    return total


@njit(cache=True, nogil=True)
def _fit_one(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, low: np.ndarray, high: np.ndarray, hills: np.ndarray,
    midpoints: np.ndarray, loss: int, scale: float, theta: np.ndarray,
) -> tuple[float, bool]:  # fmt: skip
    """Best of several descents, from the best midpoints of a grid for each slope."""
    which = np.empty((x.size, 4), np.int64)
    for i in range(x.size):
        for j in range(4):
            which[i, j] = j
    starts, values = np.empty((hills.size, 4)), np.full(hills.size, np.inf)
    share, plateau = np.empty(x.size), np.empty(2)
    for a in range(hills.size):
        for m in midpoints:
            for i in range(x.size):
                share[i] = share_of_upper(x[i], hills[a], m)
            plateau[:] = np.nan
            value = _plateaus(y, w, share, low, high, plateau)
            if value < values[a] and np.isfinite(plateau[0]) and np.isfinite(plateau[1]):
                values[a] = value
                starts[a, 0], starts[a, 1], starts[a, 2], starts[a, 3] = plateau[0], plateau[1], hills[a], m
    best, converged = np.inf, False
    order = np.argsort(values)
    for k in range(min(_STARTS, hills.size)):
        if not np.isfinite(values[order[k]]):
            break
        trial = starts[order[k]].copy()
        value, done = descend(x, y, w, which, trial, low, high, loss, scale)
        if value < best - 1e-12 * abs(best) or not np.isfinite(best):
            best, converged = value, done
            theta[:] = trial
    return best, converged


@njit(cache=True, nogil=True)
def _fit_all(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, low: np.ndarray, high: np.ndarray, hills: np.ndarray,
    midpoints: np.ndarray, loss: int, scale: float, parameters: np.ndarray, value: np.ndarray, used: np.ndarray,
    converged: np.ndarray,
) -> None:  # fmt: skip
    """Fit every row of padded points, into the arrays of the result."""
    for c in range(x.shape[0]):
        keep = np.empty(x.shape[1], np.int64)
        n = 0
        for i in range(x.shape[1]):
            if not (np.isnan(x[c, i]) or np.isnan(y[c, i])) and w[c, i] > 0.0:
                keep[n] = i
                n += 1
        used[c] = n
        parameters[c] = np.nan
        value[c], converged[c] = np.nan, False
        if n == 0:
            continue
        at = keep[:n]
        best, done = _fit_one(
            x[c][at], y[c][at], w[c][at], low[c], high[c], hills, midpoints[c], loss, scale, parameters[c]
        )
        value[c], converged[c] = best, done


def fit_curves(
    log_dose: np.ndarray,
    response: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    weights: np.ndarray | None = None,
    loss: str = "squares",
    scale: float = 1.0,
) -> Curves:
    """The four-parameter logistic of least loss within bounds, for each of many curves.

    For a grid of slopes and midpoints the best plateaus are known in closed form; the best three starts are followed by
    Levenberg-Marquardt steps within the bounds.

    Parameters
    ----------
    log_dose, response
        Points of each curve, padded with NaN; a log dose of -inf is a dose of zero. Shape (curves, points).
    low, high
        Bounds of lower, upper, hill, midpoint; equal ones fix a parameter. Shape (4,) or (curves, 4).
    weights
        Of the points, zero or above. Shape (curves, points).
    loss
        `squares`; `huber` and `cauchy` lower the weight of residuals larger than `scale`.
    scale
        In the unit of the response.

    References
    ----------
    Hill (1910) J Physiol 40:iv; Marquardt (1963) J SIAM 11:431; Huber (1964) Ann Math Stat 35:73.
    """
    x, y = np.atleast_2d(np.asarray(log_dose, float)), np.atleast_2d(np.asarray(response, float))
    n = x.shape[0]
    low_all, high_all = _own(low, (n, 4)), _own(high, (n, 4))
    finite = np.where(np.isfinite(x), x, np.nan)
    with np.errstate(all="ignore"):
        first = np.where(
            np.isfinite(finite).any(axis=1), np.nanmin(np.where(np.isnan(finite), np.inf, finite), axis=1), 0.0
        )
        last = np.where(
            np.isfinite(finite).any(axis=1), np.nanmax(np.where(np.isnan(finite), -np.inf, finite), axis=1), 0.0
        )
    steps = np.linspace(-0.4, 1.4, _GRID_MIDPOINTS)
    midpoints = first[:, None] + np.maximum(last - first, 0.5)[:, None] * steps
    midpoints = np.clip(midpoints, low_all[:, [MIDPOINT]], high_all[:, [MIDPOINT]])
    hills = np.array([0.15, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
    inside = hills[(hills >= low_all[:, HILL].max()) & (hills <= high_all[:, HILL].min())]
    hills = inside if inside.size else np.array([low_all[0, HILL]])
    out = Curves(np.empty((n, 4)), np.empty(n), np.empty(n, np.int64), np.empty(n, np.bool_))
    w = _own(1.0 if weights is None else weights, x.shape)
    _fit_all(_own(x, x.shape), _own(y, y.shape), w, low_all, high_all, hills, midpoints,
             LOSSES.index(loss), float(scale), *out)  # fmt: skip
    return out


def _own(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A copy of that shape: for arrays that cannot be written to numba would compile everything once more."""
    return np.array(np.broadcast_to(values, shape), dtype=float, order="C")


def fit_joint(
    log_dose: np.ndarray,
    response: np.ndarray,
    which: np.ndarray,
    start: np.ndarray,
    *,
    low: np.ndarray,
    high: np.ndarray,
    loss: str = "squares",
    scale: float = 1.0,
) -> JointFit:
    """Curves that share some of their parameters, fitted together within bounds from one start.

    Parameters
    ----------
    log_dose, response
        Points of all curves. Shape (points,).
    which
        For each point, where its lower, upper, hill and midpoint are in `start`. Shape (points, 4).
    start, low, high
        Start and bounds of all parameters. Shape (parameters,).
    loss, scale
        As in `fit_curves`.
    """
    theta = np.clip(np.asarray(start, float), low, high)
    x, y = np.ascontiguousarray(log_dose, float), np.ascontiguousarray(response, float)
    at, bounds = np.ascontiguousarray(which, np.int64), [np.asarray(v, float) for v in (low, high)]
    value, done = descend(x, y, np.ones_like(x), at, theta, *bounds, LOSSES.index(loss), float(scale))
    return JointFit(theta, float(value), bool(done))
