"""Descent to the least loss of four-parameter logistic curves that may share parameters, within bounds."""

import numpy as np
from numba import njit

from scresist.kernels.hill_curve import LN10

LOSSES = ("squares", "huber", "cauchy")
_ITERATIONS = 500


@njit(cache=True, nogil=True)
def share_of_upper(x: float, hill: float, midpoint: float) -> float:
    """Share of the upper plateau at a dose: 1 / (1 + 10 ** (hill * (x - midpoint))); 1 at a dose of zero.

    Parameters
    ----------
    x
        Log10 dose; -inf is a dose of zero.
    hill, midpoint
        Slope, and log10 dose half way between the plateaus.
    """
    if x == -np.inf:
        return 1.0
    z = LN10 * hill * (x - midpoint)
    if z > 700.0:
        return 0.0
    return 1.0 / (1.0 + np.exp(z))


@njit(cache=True, nogil=True)
def _weight(r: float, loss: int, scale: float) -> float:
    """Derivative of the loss by the squared residual."""
    if loss == 1:
        return 1.0 if abs(r) <= scale else scale / abs(r)
    if loss == 2:
        return 1.0 / (1.0 + (r / scale) ** 2)
    return 1.0


@njit(cache=True, nogil=True)
def _cost(r: float, loss: int, scale: float) -> float:
    if loss == 1:
        return r * r if abs(r) <= scale else 2.0 * scale * abs(r) - scale * scale
    if loss == 2:
        return scale * scale * np.log1p((r / scale) ** 2)
    return r * r


@njit(cache=True, nogil=True)
def _solve(a: np.ndarray, b: np.ndarray, n: int) -> bool:
    """Solve a positive definite system by Cholesky, in place in `b`; False where it is none."""
    for i in range(n):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= a[i, k] * a[j, k]
            if i == j:
                if not s > 0.0:
                    return False
                a[i, i] = np.sqrt(s)
            else:
                a[i, j] = s / a[j, j]
    for i in range(n):
        s = b[i]
        for k in range(i):
            s -= a[i, k] * b[k]
        b[i] = s / a[i, i]
    for i in range(n - 1, -1, -1):
        s = b[i]
        for k in range(i + 1, n):
            s -= a[k, i] * b[k]
        b[i] = s / a[i, i]
    return True


@njit(cache=True, nogil=True)
def _total(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, which: np.ndarray, theta: np.ndarray, loss: int, scale: float
) -> float:
    """Sum of the losses at the points; `which` tells where each point has its four parameters in `theta`."""
    s = 0.0
    for i in range(x.size):
        low, up = theta[which[i, 0]], theta[which[i, 1]]
        f = low + (up - low) * share_of_upper(x[i], theta[which[i, 2]], theta[which[i, 3]])
        s += w[i] * _cost(y[i] - f, loss, scale)
    return s


@njit(cache=True, nogil=True)
def descend(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, which: np.ndarray, theta: np.ndarray, low: np.ndarray,
    high: np.ndarray, loss: int, scale: float,
) -> tuple[float, bool]:  # fmt: skip
    """Levenberg-Marquardt within bounds, in place in `theta`: the loss at the end, and whether the descent converged.

    Parameters that press against a bound are held for a step.

    Parameters
    ----------
    x, y, w
        Log10 dose, response and weight of each point. Shape (points,).
    which
        For each point, where its lower, upper, hill and midpoint are in `theta`. Shape (points, 4).
    theta, low, high
        Parameters at the start, within their bounds. Shape (parameters,).
    loss
        Place in `LOSSES`.
    scale
        Residuals above it have less weight in `huber` and `cauchy`, in the unit of the response.

    References
    ----------
    Marquardt (1963) J SIAM 11:431.
    """
    p = theta.size
    lam, best, quiet = 1e-3, _total(x, y, w, which, theta, loss, scale), 0
    normal, gradient = np.empty((p, p)), np.empty(p)
    a, step, trial = np.empty((p, p)), np.empty(p), np.empty(p)
    free = np.empty(p, np.int64)
    d = np.empty(4)
    for _ in range(_ITERATIONS):
        normal[:] = 0.0
        gradient[:] = 0.0
        for i in range(x.size):
            lo, up, h, e = theta[which[i, 0]], theta[which[i, 1]], theta[which[i, 2]], theta[which[i, 3]]
            g = share_of_upper(x[i], h, e)
            r = y[i] - lo - (up - lo) * g
            d[0], d[1] = 1.0 - g, g
            if x[i] == -np.inf:
                d[2] = d[3] = 0.0
            else:
                slope = -(up - lo) * g * (1.0 - g) * LN10
                d[2], d[3] = slope * (x[i] - e), -slope * h
            v = w[i] * _weight(r, loss, scale)
            for j in range(4):
                gradient[which[i, j]] += v * d[j] * r
                for k in range(4):
                    normal[which[i, j], which[i, k]] += v * d[j] * d[k]
        n = 0
        for j in range(p):
            pressed = (theta[j] <= low[j] and gradient[j] <= 0.0) or (theta[j] >= high[j] and gradient[j] >= 0.0)
            if not pressed and normal[j, j] > 0.0:
                free[n] = j
                n += 1
        if n == 0:
            return best, True
        while True:
            for j in range(n):
                step[j] = gradient[free[j]]
                for k in range(n):
                    a[j, k] = normal[free[j], free[k]]
                a[j, j] *= 1.0 + lam
            solved = _solve(a, step, n)
            value, moved = np.inf, 0.0
            if solved:
                trial[:] = theta
                for j in range(n):
                    at = free[j]
                    trial[at] = min(max(theta[at] + step[j], low[at]), high[at])
                    moved = max(moved, abs(trial[at] - theta[at]) / (1e-8 + abs(theta[at])))
                value = _total(x, y, w, which, trial, loss, scale)
            if solved and value <= best:
                gain = best - value
                theta[:] = trial
                best = value
                lam = max(lam * 0.2, 1e-15)
                quiet = quiet + 1 if (gain <= 1e-14 * best and moved < 1e-9) or moved < 1e-13 else 0
                if quiet >= 2:
                    return best, True
                break
            lam *= 5.0
            if lam > 1e14:
                return best, True
    return best, False
