"""Permutation tests of two arms with patients as the unit: all relabellings that the design allows, or a number."""

from itertools import combinations
from math import comb, prod
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from scresist.kernels.inversion import bisected_ends

_TOLERANCE = 1e-9  # relative: relabellings this close to the observed one count as equal to it
_CHUNK = 512  # features at a time; every feature is computed on its own


class PermutationTest(NamedTuple):
    """Effect (test minus reference), two-sided p-value and the smallest p-value the design can reach."""

    effect: np.ndarray
    p_value: np.ndarray
    p_floor: np.ndarray


class PermutationDetail(NamedTuple):
    """A permutation test with the interval that agrees with it and the number of relabellings."""

    effect: np.ndarray
    p_value: np.ndarray
    p_floor: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    n_relabellings: np.ndarray
    exact: np.ndarray


def exact_permutation_test(
    values: np.ndarray,
    arm: np.ndarray,
    *,
    patient: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    correlation: float = 0.0,
    studentised: bool = False,
    n_permutations: int = 10_000,
    rng: int | np.random.Generator = 1,
) -> PermutationTest:
    """The difference between two arms, and the share of relabellings of patients with one as large.

    Parameters
    ----------
    values
        One value per unit (a patient in one arm) and feature, shape (units,) or (units, features). NaN is missing: the
        unit is not used for that feature, and a pair that loses one side counts as a single unit.
    arm
        True (or 1) for the test arm, False (or 0) for the reference, shape (units,).
    patient
        Patient of each unit, shape (units,). A patient in both arms is a pair: its labels are swapped or not. All other
        units exchange labels. None: every unit is another patient.
    strata
        Labels are exchanged within these groups only, and the effect is adjusted for them. Shape (units,).
    weights
        Precision of each unit, shape (units,); it stays with the value, not with the label.
    correlation
        Correlation of the two values of a patient; it decides the weight of pairs relative to single units.
    studentised
        Whether the statistic is the difference over its standard error with variances by arm, as the normal value of
        the same probability at Welch's degrees of freedom, so that unequal variances do not make the test liberal: it
        is exact where the arms have one distribution, and close to its level where they have one mean only. Used where
        no patient is in both arms; a pair's difference does not need it.
    n_permutations
        Where the design has more relabellings than this, this many are drawn at random (the observed one is added);
        otherwise all are used and the test is exact.
    rng
        Seed or generator of the random relabellings. Not used by an exact test.

    Returns
    -------
    Effect, p-value and p_floor, each of shape (features,) (or numbers for one-dimensional values). All NaN where an
    arm is empty; the p-value is NaN where the values do not vary.

    References
    ----------
    Fisher (1935), The Design of Experiments, chapter 3; Phipson & Smyth (2010) Stat Appl Genet Mol Biol 9:39: a random
    permutation p-value is (1 + as large) / (1 + drawn), never 0. Janssen (1997) Stat Probab Lett 36:9; Chung & Romano
    (2013) Ann Stat 41:484, on studentised statistics; Welch (1947) Biometrika 34:28; Beran (1988) J Am Stat Assoc
    83:687 (a p-value as the statistic).
    """
    detail = permutation_detail(
        values, arm, patient=patient, strata=strata, weights=weights, correlation=correlation,
        studentised=studentised, n_permutations=n_permutations, alpha=None, rng=rng,
    )  # fmt: skip
    return PermutationTest(detail.effect, detail.p_value, detail.p_floor)


def permutation_detail(
    values: np.ndarray,
    arm: np.ndarray,
    *,
    patient: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    correlation: float = 0.0,
    studentised: bool = False,
    n_permutations: int = 10_000,
    alpha: float | None = 0.05,
    rng: int | np.random.Generator = 1,
) -> PermutationDetail:
    """`exact_permutation_test` with the interval of shifts it does not reject at `alpha` (infinite where it has none).

    The interval inverts the test: a shift of the test arm by delta changes every relabelled statistic linearly, so the
    shifts at which a relabelling is as extreme as the observed one form one interval around the effect, and order
    statistics of their ends bound the shifts with p above alpha. A studentised test is inverted by bisection.
    """
    values = np.asarray(values, dtype=float)
    flat = values.ndim == 1
    y = values[:, None] if flat else values
    n, n_features = y.shape
    is_test = np.asarray(arm).astype(bool)
    who = np.arange(n) if patient is None else np.unique(np.asarray(patient), return_inverse=True)[1].ravel()
    group = np.zeros(n, int) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1].ravel()
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    # Each pattern of missing values starts from the same seed: a feature's result does not depend on its neighbours.
    seed = int(np.random.default_rng(rng).integers(2**63))
    out = np.full((7, n_features), np.nan)
    missing = np.isnan(y) | ~(w > 0)[:, None]
    patterns, code = np.unique(missing, axis=1, return_inverse=True)
    for k in range(patterns.shape[1]):
        features, here = np.flatnonzero(code.ravel() == k), ~patterns[:, k]
        if is_test[here].any() and not is_test[here].all():
            out[:, features] = _pattern(
                y[np.ix_(here, features)], is_test[here], who[here], group[here], w[here], correlation,
                n_permutations, alpha, seed, studentised=studentised,
            )  # fmt: skip
    pieces = [row[0] if flat else row for row in out]
    return PermutationDetail(*pieces)


def n_relabellings(arm: np.ndarray, patient: np.ndarray, strata: np.ndarray) -> int:
    """How many relabellings keep pairs together and the arms' sizes within strata."""
    pair, groups = _layout(np.asarray(arm).astype(bool), patient, strata)
    return 2 ** len(pair) * prod(comb(len(units), k) for units, k in groups)


def relabellings(
    arm: np.ndarray, patient: np.ndarray, strata: np.ndarray, n_permutations: int, seed: int
) -> tuple[np.ndarray, bool]:
    """Labels allowed by the design, shape (relabellings, units), the observed first; and whether these are all."""
    arm = np.asarray(arm).astype(bool)
    pairs, groups = _layout(arm, patient, strata)
    if n_relabellings(arm, patient, strata) <= n_permutations:
        return _enumerate(arm, pairs, groups), True
    rng = np.random.default_rng(seed)
    labels = np.repeat(arm[None], n_permutations + 1, axis=0)
    if pairs:
        flip = rng.random((n_permutations, len(pairs))) < 0.5
        for j, units in enumerate(pairs):
            labels[1:, units] ^= flip[:, [j]]
    for units, k in groups:
        order = np.argsort(rng.random((n_permutations, len(units))), axis=1)
        labels[1:, units] = order < k
    return labels, False


def _layout(
    arm: np.ndarray, patient: np.ndarray, strata: np.ndarray
) -> tuple[list[np.ndarray], list[tuple[np.ndarray, int]]]:
    """Pairs (their two units) and, per stratum, the single units with the number of them in the test arm."""
    counts = np.bincount(patient)
    pairs = [np.flatnonzero(patient == p) for p in np.flatnonzero(counts == 2)]
    if (counts > 2).any() or any(arm[u].sum() != 1 for u in pairs):
        raise ValueError("a patient has at most one unit in each arm: average a patient's samples of one arm first")
    single = counts[patient] == 1
    groups = [np.flatnonzero(single & (strata == s)) for s in np.unique(strata)]
    kept = [(units, int(arm[units].sum())) for units in groups if 0 < arm[units].sum() < len(units)]
    return pairs, kept


def _enumerate(arm: np.ndarray, pairs: list[np.ndarray], groups: list[tuple[np.ndarray, int]]) -> np.ndarray:
    """Every allowed labelling, the observed first."""
    labels = arm[None]
    for units, k in groups:
        chosen = np.array(list(combinations(range(len(units)), k)))
        block = np.zeros((len(chosen), len(units)), bool)
        block[np.arange(len(chosen))[:, None], chosen] = True
        start = len(labels)
        labels = np.repeat(labels, len(block), axis=0)
        labels[:, units] = np.tile(block, (start, 1))
    for units in pairs:
        flipped = labels.copy()
        flipped[:, units] ^= True
        labels = np.concatenate([labels, flipped])
    first = int(np.flatnonzero((labels == arm).all(axis=1))[0])
    order = np.r_[first, np.delete(np.arange(len(labels)), first)]
    return labels[order]


def _pattern(
    y: np.ndarray, arm: np.ndarray, patient: np.ndarray, strata: np.ndarray, w: np.ndarray, correlation: float,
    n_permutations: int, alpha: float | None, seed: int, *, studentised: bool,
) -> np.ndarray:  # fmt: skip
    """The seven rows of `PermutationDetail` for features without missing values."""
    patient = np.unique(patient, return_inverse=True)[1].ravel()
    labels, exact = relabellings(arm, patient, strata, n_permutations, seed)
    nuisance = np.eye(int(strata.max()) + 1)[strata][:, np.unique(strata)]
    directions, ys, size = _directions(y, labels, nuisance, patient, w, correlation)
    n_features = y.shape[1]
    if size <= _TOLERANCE:
        return np.full((7, n_features), np.nan)
    n_labels = len(labels)
    along = directions @ directions[0]
    mirrored = int(np.sum(np.abs(along) > 1 - 1e-9))
    total = n_relabellings(arm, patient, strata)
    lowest = mirrored / n_labels if exact else max(2.0 / total, 1.0 / n_labels)
    out = np.empty((7, n_features))
    out[2], out[5], out[6] = lowest, n_labels, float(exact)
    k = None if alpha is None else int(np.floor(alpha * n_labels + 1e-12)) + 1
    by_arm = _ByArm(labels, directions, nuisance, w) if studentised and np.bincount(patient).max() == 1 else None
    for start in range(0, n_features, _CHUNK):
        part = slice(start, min(start + _CHUNK, n_features))
        statistic = directions @ ys[:, part]
        observed = statistic[0]
        scale = np.sqrt(np.sum(ys[:, part] ** 2, axis=0))
        if by_arm is None:
            as_large = (np.abs(statistic) >= np.abs(observed) - _TOLERANCE * scale).sum(axis=0)
        else:
            as_large = by_arm.count_large(ys[:, part])
        spread = np.max(np.abs(y[:, part]), axis=0)
        varies = scale > 1e-12 * np.where(spread > 0, spread, 1.0)
        out[0, part] = observed / size
        out[1, part] = np.where(varies, as_large / n_labels, np.nan)
        if k is None:
            out[3:5, part] = np.nan
        elif by_arm is None:
            out[3:5, part] = _invert(statistic, along, size, k)
        else:
            out[3:5, part] = _bisect(by_arm, directions, ys[:, part], size, k)
    return out


class _ByArm:
    """The parts of the standard error of every relabelling, with the residual variance of each of its arms."""

    def __init__(self, labels: np.ndarray, directions: np.ndarray, nuisance: np.ndarray, w: np.ndarray) -> None:
        basis, triangle = np.linalg.qr(np.sqrt(w)[:, None] * nuisance)
        basis = basis[:, np.abs(np.diag(triangle)) > 1e-10]
        self.labels, self.directions = np.ascontiguousarray(labels), np.ascontiguousarray(directions)
        free = 1 - np.sum(basis**2, axis=1)  # residual of each unit after the nuisance
        self.on_test = np.sum(labels * directions**2, axis=1)
        self.df_test = labels @ free - self.on_test
        self.df_reference = free.sum() - 1.0 - self.df_test

    def count_large(self, ys: np.ndarray) -> np.ndarray:
        """Relabellings whose studentised statistic is as large as the observed one (the first), per feature."""
        return np.asarray(
            _count_large(
                self.labels, self.directions, np.ascontiguousarray(ys.T), self.on_test, self.df_test,
                self.df_reference, _TOLERANCE,
            )
        )  # fmt: skip


@njit(cache=True)
def as_normal(squared_t: float, df: float) -> float:  # pragma: no cover
    """The square of the normal value that is as improbable as a t value of `df` degrees of freedom, nearly.

    A relabelling that puts much of the variance into few units has few degrees of freedom, and the same t tells less.

    References
    ----------
    Wallace (1959) Ann Math Stat 30:1121.
    """
    return ((8 * df + 1) / (8 * df + 3)) ** 2 * df * np.log1p(squared_t / df)


@njit(parallel=True, cache=True)
def _count_large(
    labels: np.ndarray, directions: np.ndarray, ys: np.ndarray, on_test: np.ndarray, df_test: np.ndarray,
    df_reference: np.ndarray, tolerance: float,
) -> np.ndarray:  # fmt: skip
    """Per feature (rows of ys); every feature is counted by one thread, in the order of the labels."""
    n_features, n = ys.shape
    counts = np.zeros(n_features, np.int64)
    for f in prange(n_features):
        whole = 0.0
        for i in range(n):
            whole += ys[f, i] ** 2
        observed = 0.0
        for k in range(labels.shape[0]):
            along, inside, on_arm = 0.0, 0.0, 0.0
            for i in range(n):
                part = directions[k, i] * ys[f, i]
                along += part
                if labels[k, i]:
                    on_arm += part
                    inside += ys[f, i] ** 2
            squared = along * along
            test = max(inside - 2 * along * on_arm + squared * on_test[k], 0.0)
            reference = max(whole - squared - test, 0.0)
            first = on_test[k] * test / df_test[k]
            second = (1 - on_test[k]) * reference / df_reference[k]
            variance = first + second
            if squared <= tolerance**2 * whole:
                size = 0.0
            elif variance <= 1e-20 * whole:
                size = np.inf
            else:
                df = variance * variance / (first * first / df_test[k] + second * second / df_reference[k])
                size = as_normal(squared / variance, df)
            if k == 0:
                observed = size
            if size >= observed * (1 - tolerance) ** 2:
                counts[f] += 1
    return counts


def _bisect(by_arm: _ByArm, directions: np.ndarray, ys: np.ndarray, size: float, k: int) -> np.ndarray:
    """Ends of the shifts around the effect that at least k relabellings are as extreme as, shape (2, features)."""
    arm = directions[0] * size  # the arm's column, free of the nuisance

    def kept(shift: np.ndarray) -> np.ndarray:
        moved = ys - arm[:, None] * shift
        return by_arm.count_large(moved) >= k

    if k > len(directions):
        return np.full((2, ys.shape[1]), np.nan)
    effect = directions[0] @ ys / size
    spread = np.sqrt(np.sum((ys - arm[:, None] * effect) ** 2, axis=0)) / size
    return bisected_ends(kept, effect, spread)


def _directions(
    y: np.ndarray, labels: np.ndarray, nuisance: np.ndarray, patient: np.ndarray, w: np.ndarray, correlation: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Unit vectors of all labellings and the values, whitened and free of the nuisance; the length of the observed.

    With unit vectors the statistics of all labellings have one scale, so that the inversion is monotone.
    """
    v = np.sqrt(w)
    one_hot = np.eye(int(patient.max()) + 1)[patient]
    per_patient = w @ one_hot
    shrink = (np.sqrt((1 - correlation) / (1 - correlation + correlation * per_patient)) - 1) / per_patient

    def whiten(m: np.ndarray) -> np.ndarray:
        m = v[:, None] * m
        return m + v[:, None] * (one_hot @ (shrink[:, None] * (one_hot.T @ (v[:, None] * m))))

    basis, triangle = np.linalg.qr(whiten(nuisance))
    basis = basis[:, np.abs(np.diag(triangle)) > 1e-10]

    def residual(m: np.ndarray) -> np.ndarray:
        white = whiten(m)
        return white - basis @ (basis.T @ white)

    z = residual(labels.T.astype(float)).T
    length = np.sqrt(np.sum(z**2, axis=1))
    unit = z / np.where(length > _TOLERANCE, length, 1.0)[:, None]
    return unit, residual(y), float(length[0])


def _invert(statistic: np.ndarray, along: np.ndarray, size: float, k: int) -> np.ndarray:
    """Lower and upper ends of the shifts that fewer than k labellings reject, shape (2, features)."""
    observed = statistic[0]
    forward, backward = size * (1 - along), size * (1 + along)
    always = (forward < _TOLERANCE * size) | (backward < _TOLERANCE * size)
    one = (observed - statistic) / np.where(always, 1.0, forward)[:, None]
    two = (observed + statistic) / np.where(always, 1.0, backward)[:, None]
    low = np.where(always[:, None], -np.inf, np.minimum(one, two))
    high = np.where(always[:, None], np.inf, np.maximum(one, two))
    if k > len(low):
        return np.full((2, low.shape[1]), np.nan)
    return np.stack([np.partition(low, k - 1, axis=0)[k - 1], np.partition(high, -k, axis=0)[-k]])
