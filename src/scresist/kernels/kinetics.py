"""Enzyme and release kinetics: model functions, least-squares fits, profile intervals, model choice by AICc."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

_ITERATIONS = 200
_STEP = 1e-30  # of the complex derivative


class Model(NamedTuple):
    """A model: its function of (parameters, columns of the data), its parameters (all above zero), starts on a grid.

    The first parameter multiplies the whole function.
    """

    function: Callable[..., np.ndarray]
    parameters: tuple[str, ...]
    starts: Callable[..., np.ndarray]


class KineticFit(NamedTuple):
    """A fit: `parameters`, residual sum of squares, observations, `errors` (standard errors), whether it converged."""

    parameters: np.ndarray
    rss: float
    n: int
    errors: np.ndarray
    converged: bool


def _michaelis_menten(p: np.ndarray, s: np.ndarray) -> np.ndarray:
    return p[0] * s / (p[1] + s)


def _competitive(p: np.ndarray, s: np.ndarray, i: np.ndarray) -> np.ndarray:
    return p[0] * s / (p[1] * (1 + i / p[2]) + s)


def _uncompetitive(p: np.ndarray, s: np.ndarray, i: np.ndarray) -> np.ndarray:
    return p[0] * s / (p[1] + s * (1 + i / p[2]))


def _noncompetitive(p: np.ndarray, s: np.ndarray, i: np.ndarray) -> np.ndarray:
    return p[0] * s / ((p[1] + s) * (1 + i / p[2]))


def _mixed(p: np.ndarray, s: np.ndarray, i: np.ndarray) -> np.ndarray:
    return p[0] * s / (p[1] * (1 + i / p[2]) + s * (1 + i / (p[3] * p[2])))


def _morrison(p: np.ndarray, i: np.ndarray, e: np.ndarray) -> np.ndarray:
    return p[0] * _free_enzyme(e, i, p[1])


def _morrison_enzyme(p: np.ndarray, i: np.ndarray) -> np.ndarray:
    return p[0] * _free_enzyme(p[2], i, p[1])


def _free_enzyme(e: np.ndarray, i: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Share of the enzyme without inhibitor: the root of Morrison's quadratic, without cancellation."""
    b = e - i - k
    root = np.sqrt(b * b + 4 * e * k)
    positive = np.real(b) >= 0
    return np.where(positive, (b + root) / (2 * e), 2 * k / np.where(positive, 1.0, root - b))


def _hyperbolic(p: np.ndarray, i: np.ndarray) -> np.ndarray:
    return p[0] / (1 + i / p[1])


def _sigmoid(p: np.ndarray, i: np.ndarray) -> np.ndarray:
    safe = np.where(i > 0, i, 1.0)
    return p[0] / (1 + np.where(i > 0, (safe / p[1]) ** p[2], 0.0))


def _first_order(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -p[0] * np.expm1(-p[1] * t)


def _first_order_whole(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -100.0 * np.expm1(-p[0] * t)


def _constant_rate(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    return p[0] * t


def _scales(values: np.ndarray, n: int = 9) -> np.ndarray:
    """Starts around the values above zero, evenly on the log scale."""
    positive = values[values > 0]
    if positive.size == 0:
        return np.ones(1)
    return np.geomspace(positive.min() / 10, positive.max() * 10, n)


def _grid(*axes: np.ndarray) -> np.ndarray:
    return np.stack([g.ravel() for g in np.meshgrid(np.ones(1), *axes, indexing="ij")], axis=1)


def _of_inhibitor(s: np.ndarray, i: np.ndarray) -> np.ndarray:
    return _grid(_scales(s), _scales(i))


MODELS = {
    "michaelis-menten": Model(_michaelis_menten, ("vmax", "km"), lambda s: _grid(_scales(s))),
    "competitive": Model(_competitive, ("vmax", "km", "ki"), _of_inhibitor),
    "uncompetitive": Model(_uncompetitive, ("vmax", "km", "ki"), _of_inhibitor),
    "noncompetitive": Model(_noncompetitive, ("vmax", "km", "ki"), _of_inhibitor),
    "mixed": Model(_mixed, ("vmax", "km", "ki", "alpha"),
                   lambda s, i: _grid(_scales(s, 6), _scales(i, 6), np.array([0.1, 0.5, 1.0, 5.0, 50.0]))),
    "morrison": Model(_morrison, ("v0", "ki_app"), lambda i, e: _grid(_scales(np.r_[i, e] / 10, 15))),
    "morrison, enzyme estimated": Model(
        _morrison_enzyme, ("v0", "ki_app", "enzyme"), lambda i: _grid(_scales(i / 10, 13), _scales(i, 13))),
    "hyperbolic": Model(_hyperbolic, ("v0", "ic50"), lambda i: _grid(_scales(i, 13))),
    "sigmoid": Model(_sigmoid, ("v0", "ic50", "hill"), lambda i: _grid(_scales(i, 13), np.array([0.5, 1.0, 2.0, 4.0]))),
    "first order": Model(_first_order, ("plateau", "k"), lambda t: _grid(1 / _scales(t, 15))),
    "first order to 100 %": Model(_first_order_whole, ("k",), lambda t: 1 / _scales(t, 15)[:, None]),
    "constant rate": Model(_constant_rate, ("rate",), lambda t: np.ones((1, 1))),
}  # fmt: skip
_NO_SCALE = "first order to 100 %"  # its first parameter does not multiply the function


def model_value(model: str, parameters: np.ndarray, *columns: np.ndarray) -> np.ndarray:
    """The value of a model at the columns of its data. Shape (observations,)."""
    return np.real(MODELS[model].function(np.asarray(parameters), *columns))


def _jacobian(
    function: Callable[..., np.ndarray], log_p: np.ndarray, columns: Sequence[np.ndarray], free: Sequence[int]
) -> np.ndarray:
    """Derivative by the logarithm of each free parameter, by a complex step: exact to rounding."""
    out = []
    for j in free:
        z = log_p.astype(complex)
        z[j] += 1j * _STEP
        out.append(np.imag(function(np.exp(z), *columns)) / _STEP)
    return np.stack(out, axis=1)


def _descend(
    function: Callable[..., np.ndarray], log_p: np.ndarray, columns: Sequence[np.ndarray], y: np.ndarray,
    free: Sequence[int],
) -> tuple[np.ndarray, float, bool]:  # fmt: skip
    """Levenberg-Marquardt in the logarithms of the free parameters."""
    lam, converged = 1e-3, False
    residual = y - np.real(function(np.exp(log_p), *columns))
    rss = float(residual @ residual)
    if not free:
        return log_p, rss, True
    for _ in range(_ITERATIONS):
        jac = _jacobian(function, log_p, columns, free)
        normal, gradient = jac.T @ jac, jac.T @ residual
        scale = np.maximum(np.diag(normal), 1e-14 * max(float(np.diag(normal).max()), 1e-300))
        accepted = False
        while lam < 1e12:
            step = np.linalg.lstsq(normal + lam * np.diag(scale), gradient, rcond=None)[0]
            step = np.clip(step, -3, 3)
            trial = log_p.copy()
            trial[free] = np.clip(trial[free] + step, -60, 60)
            with np.errstate(over="ignore", invalid="ignore"):
                off = y - np.real(function(np.exp(trial), *columns))
            value = float(off @ off)
            if np.isfinite(value) and value <= rss:
                accepted = True
                break
            lam *= 6
        if not accepted:
            return log_p, rss, True
        gain, moved = rss - value, float(np.abs(trial - log_p).max())
        log_p, rss, residual, lam = trial, value, off, max(lam / 6, 1e-14)
        if moved < 1e-10 or (gain <= 1e-15 * rss and moved < 1e-6):
            converged = True
            break
    return log_p, rss, converged


def fit_model(model: str, y: np.ndarray, *columns: np.ndarray, keep: int = 3) -> KineticFit:
    """The least-squares fit of a model, from the best starts of a grid on which the scale is known in closed form.

    Parameters
    ----------
    model
        One of `MODELS`.
    y
        Rates, or what was released. Shape (observations,).
    columns
        What the model is a function of, in its order: substrate, inhibitor | inhibitor, enzyme | time.
    keep
        Starts that are followed.

    References
    ----------
    Michaelis & Menten (1913) Biochem Z 49:333; Morrison (1969) Biochim Biophys Acta 185:269; Copeland (2005) Evaluation
    of Enzyme Inhibitors in Drug Discovery, chapters 3 and 7.
    """
    function, names, grid = MODELS[model]
    y, data = np.asarray(y, float), [np.asarray(c, float) for c in columns]
    starts = grid(*data)
    scored = []
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for start in starts:
            p = start.copy()
            shape = np.real(function(p, *data))
            if model != _NO_SCALE:
                scale = float(shape @ y) / max(float(shape @ shape), 1e-300)
                p[0] *= max(scale, 1e-12)
                shape = shape * max(scale, 1e-12)
            value = float(((y - shape) ** 2).sum())
            if np.isfinite(value):
                scored.append((value, p))
    scored.sort(key=lambda pair: pair[0])
    free = list(range(len(names)))
    found = [_descend(function, np.log(p), data, y, free) for _, p in scored[:keep]]
    log_p, rss, converged = min(found, key=lambda f: f[1])
    p = np.exp(log_p)
    df = y.size - p.size
    errors = np.full(p.size, np.nan)
    if df > 0:
        jac = _jacobian(function, log_p, data, free) / p
        normal = jac.T @ jac
        size = np.sqrt(np.diag(normal))
        if (size > 0).all() and np.linalg.cond(normal / np.outer(size, size)) < 1e14:
            errors = np.sqrt(np.diag(np.linalg.inv(normal / np.outer(size, size))) * rss / df) / size
    return KineticFit(p, rss, y.size, errors, converged)


def profile_interval(
    model: str, fit: KineticFit, parameter: int, y: np.ndarray, *columns: np.ndarray, level: float = 0.95
) -> tuple[float, float]:
    """Profile interval of one parameter: where the sum of squares of the rest rises by t^2 times the residual variance.

    Parameters
    ----------
    model, y, columns
        As in `fit_model`.
    fit
        Its fit.
    parameter
        Which one, in the order of the model.
    level
        Coverage of the interval.

    Returns
    -------
    Ends; 0 or infinity where an end is open, NaN without residual degrees of freedom.

    References
    ----------
    Bates & Watts (1988) Nonlinear Regression Analysis, section 6.1.
    """
    function = MODELS[model].function
    data = [np.asarray(c, float) for c in columns]
    df = fit.n - fit.parameters.size
    if df < 1 or not fit.rss > 0:
        return float("nan"), float("nan")
    t = stats.t.ppf(0.5 + level / 2, df)
    target = fit.rss * (1 + t * t / df)
    free = [j for j in range(fit.parameters.size) if j != parameter]
    centre = np.log(fit.parameters)
    relative = fit.errors[parameter] / fit.parameters[parameter]
    step = float(np.clip(t * relative, 1e-4, 2.0)) if np.isfinite(relative) else 1.0
    ends = []
    for sign in (-1.0, 1.0):
        state = {"log_p": centre.copy()}

        def excess(value: float, state: dict[str, np.ndarray] = state) -> float:
            start = state["log_p"].copy()
            start[parameter] = value
            found, rss, _ = _descend(function, start, data, np.asarray(y, float), free)
            state["log_p"] = found
            return rss - target

        inside, outside, width = centre[parameter], centre[parameter] + sign * step, step
        value = excess(outside)
        while value < 0 and abs(outside - centre[parameter]) < 30:
            inside, width = outside, 2 * width
            outside += sign * width
            value = excess(outside)
        if value < 0:
            ends.append(0.0 if sign < 0 else np.inf)
            continue
        ends.append(float(np.exp(_root(excess, inside, outside, value, fit.rss - target))))
    return ends[0], ends[1]


def _root(
    excess: Callable[[float], float], inside: float, outside: float, of_outside: float, of_inside: float
) -> float:
    """Where a function crosses zero between two places (Illinois' rule)."""
    a, fa, b, fb = inside, of_inside if of_inside < 0 else -1e-300, outside, of_outside
    side = 0
    for _ in range(100):
        c = (a * fb - b * fa) / (fb - fa)
        fc = excess(c)
        if abs(b - a) < 1e-11 or fc == 0:
            return c
        if fc * fb > 0:
            b, fb = c, fc
            if side == -1:
                fa /= 2
            side = -1
        else:
            a, fa = c, fc
            if side == 1:
                fb /= 2
            side = 1
        if abs(fc) < 1e-13 * abs(of_inside):
            return c
    return c


def aicc(rss: float, n: int, n_parameters: int) -> float:
    """Akaike's criterion for least squares, corrected for small samples; infinite where there are too few observations.

    The variance counts as a parameter.

    References
    ----------
    Hurvich & Tsai (1989) Biometrika 76:297.
    """
    k = n_parameters + 1
    if n - k - 1 <= 0 or not rss > 0:
        return float("inf")
    return float(n * np.log(rss / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))
