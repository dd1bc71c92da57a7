"""Permutation of residuals: with covariates that are numbers, unequal precision, or a course over several arms."""

from collections.abc import Callable
from itertools import permutations, product
from math import factorial, prod

import numpy as np
from numba import njit, prange

from scresist.kernels.inversion import bisected_ends
from scresist.kernels.permutation import PermutationDetail, as_normal

_TOLERANCE = 1e-9


def residual_permutation(
    values: np.ndarray,
    regressor: np.ndarray,
    nuisance: np.ndarray,
    *,
    patient: np.ndarray,
    strata: np.ndarray,
    weights: np.ndarray | None = None,
    correlation: float = 0.0,
    n_permutations: int = 10_000,
    alpha: float | None = 0.05,
    rng: int | np.random.Generator = 1,
) -> PermutationDetail:
    """The coefficient of a regressor, and how often permuted residuals of the model without it give one as large.

    Residuals are brought to equal variance by the precisions and the patient effect, and exchanged within a patient
    who has several units, and among all other units of a stratum. The statistic is the coefficient over its standard
    error; where no patient is repeated each level of the regressor has a variance of its own, and the statistic is the
    normal value of the same probability at Welch's degrees of freedom. Close to its level,
    not exact: residuals are only nearly exchangeable.

    Parameters
    ----------
    values
        Shape (units, features). NaN is missing: the unit is not used for that feature.
    regressor
        What is tested: the arm as 0 and 1, or the place of the arm in a course. Shape (units,).
    nuisance
        Intercept and covariates, which may be numbers. Shape (units, parameters).
    patient, strata
        Codes, shape (units,).
    weights
        Precision of each unit, shape (units,) or (units, features); None is 1 throughout.
    correlation
        Of the values of one patient, below 1.
    n_permutations
        All permutations of the residuals are used up to this number, so many random ones beyond.
    alpha
        The interval has a coverage of 1 - alpha; None: no interval.
    rng
        Seed or generator of the random permutations.

    Returns
    -------
    As of `permutation_detail`. No p-value is below `p_floor`, which is that of relabelling patients: permuted residuals
    are more numerous than relabellings, but the design is not more informative for it.

    References
    ----------
    Freedman & Lane (1983) J Bus Econ Stat 1:292; Winkler et al. (2014) NeuroImage 92:381 (blocks, variance groups);
    DiCiccio & Romano (2017) J Am Stat Assoc 112:1211 (studentised statistics).
    """
    y = np.asarray(values, dtype=float)
    n, n_features = y.shape
    w = np.ones((n, 1)) if weights is None else np.asarray(weights, dtype=float).reshape(n, -1)
    seed = int(np.random.default_rng(rng).integers(2**63))
    missing = np.isnan(y) | ~(np.broadcast_to(w, y.shape) > 0)
    key = np.concatenate([missing, np.broadcast_to(w, y.shape)]) if w.shape[1] > 1 else missing
    patterns, code = np.unique(key, axis=1, return_inverse=True)
    out = np.full((7, n_features), np.nan)
    dealt: dict[bytes, tuple[np.ndarray, bool]] = {}  # the same permutations for all features with the same units
    for k in range(patterns.shape[1]):
        features = np.flatnonzero(code.ravel() == k)
        here = ~missing[:, features[0]]
        if np.unique(regressor[here]).size < 2:
            continue
        own = w[here, features[0]] if w.shape[1] > 1 else w[here, 0]
        if here.tobytes() not in dealt:
            blocks = _blocks(patient[here], strata[here])
            dealt[here.tobytes()] = _orders(blocks, int(here.sum()), n_permutations, seed)
        out[:, features] = _pattern(
            y[np.ix_(here, features)], regressor[here].astype(float), nuisance[here], patient[here], strata[here], own,
            correlation, alpha, dealt[here.tobytes()],
        )  # fmt: skip
    return PermutationDetail(*out)


def arrangements(regressor: np.ndarray, patient: np.ndarray, strata: np.ndarray) -> tuple[int, bool]:
    """How many ways the regressor's values can be dealt out within blocks, and whether each has a mirror image.

    Parameters
    ----------
    regressor, patient, strata
        As in `residual_permutation`.
    """
    blocks = _blocks(patient, strata)
    total, even = 1, True
    centre = regressor.min() + regressor.max()
    for units in blocks:
        own = np.sort(regressor[units])
        counts = np.unique(own, return_counts=True)[1]
        total *= factorial(len(units)) // prod(factorial(int(c)) for c in counts)
        even &= bool(np.allclose(np.sort(centre - own), own)) or own.min() == own.max()
    return total, even


def _blocks(patient: np.ndarray, strata: np.ndarray) -> list[np.ndarray]:
    """Units that exchange residuals: those of a repeated patient, and the single patients of a stratum."""
    _, code, size = np.unique(patient, return_inverse=True, return_counts=True)
    single = size[code] == 1
    blocks = [np.flatnonzero(code == p) for p in np.flatnonzero(size > 1)]
    blocks += [np.flatnonzero(single & (strata == s)) for s in np.unique(strata[single])]
    return [b for b in blocks if b.size > 1]


def _orders(blocks: list[np.ndarray], n: int, n_permutations: int, seed: int) -> tuple[np.ndarray, bool]:
    """Permutations of the units, the identity first; and whether these are all."""
    if prod(factorial(len(b)) for b in blocks) <= n_permutations:
        rows = []
        for choice in product(*(permutations(b) for b in blocks)):
            order = np.arange(n)
            for units, dealt in zip(blocks, choice, strict=True):
                order[units] = dealt
            rows.append(order)
        return np.array(rows), True
    rng = np.random.default_rng(seed)
    orders = np.tile(np.arange(n), (n_permutations + 1, 1))
    for units in blocks:
        orders[1:, units] = units[np.argsort(rng.random((n_permutations, len(units))), axis=1)]
    return orders, False


def _pattern(
    y: np.ndarray, regressor: np.ndarray, nuisance: np.ndarray, patient: np.ndarray, strata: np.ndarray, w: np.ndarray,
    correlation: float, alpha: float | None, dealt: tuple[np.ndarray, bool],
) -> np.ndarray:  # fmt: skip
    """The seven rows of `PermutationDetail` for features without missing values; `dealt` is what `_orders` gave."""
    orders, exact = dealt
    out = np.full((7, y.shape[1]), np.nan)
    code = np.unique(patient, return_inverse=True)[1].ravel()
    whiten = _whitening(w, code, correlation)
    left, size, _ = np.linalg.svd(whiten @ nuisance, full_matrices=False)
    basis = left[:, size > 1e-9 * max(float(size.max(initial=0.0)), 1e-300)]
    free = whiten @ regressor
    free = free - basis @ (basis.T @ free)
    length = float(np.sqrt(np.sum(free**2)))
    if length <= 1e-9 * float(np.linalg.norm(whiten @ regressor)):
        return out
    direction = free / length
    leverage = np.sum(basis**2, axis=1)
    repeated = np.bincount(code).max() > 1
    group = np.zeros(len(y), int) if repeated else np.unique(regressor, return_inverse=True)[1].ravel()
    left_over = 1 - leverage - direction**2
    if min(left_over[group == g].sum() for g in range(group.max() + 1)) < 1e-6:
        group = np.zeros(len(y), int)  # an arm without residuals of its own takes the variance of all
    parts = [(np.sum(direction[group == g] ** 2), left_over[group == g].sum()) for g in range(group.max() + 1)]
    total, even = arrangements(regressor, code, strata)
    white = whiten @ y
    residual = white - basis @ (basis.T @ white)
    scale = 1 / np.sqrt(np.maximum(1 - leverage, 1e-6))

    def as_large(e: np.ndarray) -> np.ndarray:
        return np.asarray(
            _count_large(
                np.ascontiguousarray(e.T), orders, np.ascontiguousarray(basis), direction, scale, group,
                np.array(parts), _TOLERANCE,
            )
        )  # fmt: skip

    floor = min((2 if even else 1) / total, 1.0)
    along = direction @ residual
    rounding = 1e-12 * np.maximum(np.max(np.abs(white), axis=0), 1e-300)
    varies = np.sqrt(np.sum(residual**2, axis=0)) > rounding
    out[0] = along / length
    out[1] = np.where(varies, np.maximum(as_large(residual) / len(orders), floor), np.nan)
    out[2], out[5], out[6] = floor, len(orders), float(exact)
    if alpha is not None:
        out[3:5] = _invert(as_large, residual, direction, length, alpha, len(orders), floor)
    return out


def _whitening(w: np.ndarray, code: np.ndarray, correlation: float) -> np.ndarray:
    """The matrix that gives units equal variance and takes out what those of a patient share; (units, units)."""
    one_hot = np.eye(code.max() + 1)[code]
    shared = np.sqrt(w)[:, None] * one_hot
    covariance = (1 - correlation) * np.eye(len(w)) + correlation * shared @ shared.T
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors / np.sqrt(values)) @ vectors.T @ np.diag(np.sqrt(w)))


def _invert(
    as_large: Callable[[np.ndarray], np.ndarray], residual: np.ndarray, direction: np.ndarray, length: float,
    alpha: float, n_orders: int, floor: float,
) -> np.ndarray:  # fmt: skip
    """Ends of the shifts around the effect that are not rejected, by bisection; infinite where none is rejected."""
    effect = direction @ residual / length
    spread = np.sqrt(np.sum((residual - direction[:, None] * (direction @ residual)) ** 2, axis=0)) / length

    def kept(shift: np.ndarray) -> np.ndarray:
        p = as_large(residual - direction[:, None] * (length * shift)) / n_orders
        return np.asarray(np.maximum(p, floor) > alpha)

    return bisected_ends(kept, effect, spread)


@njit(parallel=True, cache=True)
def _count_large(
    residual: np.ndarray, orders: np.ndarray, basis: np.ndarray, direction: np.ndarray, scale: np.ndarray,
    group: np.ndarray, parts: np.ndarray, tolerance: float,
) -> np.ndarray:  # fmt: skip
    """Per feature (rows), permutations whose studentised coefficient is as large as that of the first order."""
    n_features, n = residual.shape
    n_basis, n_groups = basis.shape[1], parts.shape[0]
    counts = np.zeros(n_features, np.int64)
    for f in prange(n_features):
        z, within = np.empty(n), np.empty(n_groups)
        whole, observed = 0.0, 0.0
        for i in range(n):
            whole += residual[f, i] ** 2
        for k in range(orders.shape[0]):
            for i in range(n):
                j = orders[k, i]
                z[i] = residual[f, j] * scale[j] if k else residual[f, i]
            for b in range(n_basis):
                on = 0.0
                for i in range(n):
                    on += basis[i, b] * z[i]
                for i in range(n):
                    z[i] -= on * basis[i, b]
            along = 0.0
            for i in range(n):
                along += direction[i] * z[i]
            within[:] = 0.0
            for i in range(n):
                within[group[i]] += (z[i] - direction[i] * along) ** 2
            variance, spent = 0.0, 0.0
            for g in range(n_groups):
                own = parts[g, 0] * within[g] / parts[g, 1]
                variance += own
                spent += own * own / parts[g, 1]
            squared = along * along
            if squared <= tolerance**2 * whole:
                size = 0.0
            elif variance <= 1e-20 * whole:
                size = np.inf
            else:
                size = as_normal(squared / variance, variance * variance / spent)
            if k == 0:
                observed = size
            if size >= observed * (1 - tolerance) ** 2:
                counts[f] += 1
    return counts
