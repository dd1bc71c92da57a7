"""Tests that two groups differ in survival: exact, by permutation of scores, weighted, and the best of several."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

EXACT_UP_TO = 36  # patients: all divisions are counted by halves, 2^18 sums each


def survival_scores(time: np.ndarray, event: np.ndarray, *, strata: np.ndarray | None = None) -> np.ndarray:
    """Event minus Nelson-Aalen hazard of each patient; tied patients share one hazard. Shape (patients,).

    With strata the hazard is that of the stratum of the patient.

    References
    ----------
    Hothorn & Lausen (2003) Comput Stat Data Anal 43:121; Nelson (1972) Technometrics 14:945.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    if strata is not None:
        out = np.empty(time.size)
        for here in _layers(time.size, strata):
            out[here] = survival_scores(time[here], event[here])
        return out
    at, code = np.unique(time, return_inverse=True)
    dead = np.bincount(code, weights=event, minlength=at.size)
    risk = np.bincount(code, minlength=at.size)[::-1].cumsum()[::-1]
    return np.asarray(event - np.cumsum(dead / risk)[code])


def _layers(n: int, strata: np.ndarray | None) -> list[np.ndarray]:
    """The patients of each stratum."""
    code = np.zeros(n, int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    return [np.flatnonzero(code == k) for k in range(code.max(initial=0) + 1)]


class ScoreTest(NamedTuple):
    """Standardised statistic, its asymptotic p-value, the exact (or drawn) one, and whether all divisions were made."""

    z: float
    p_asymptotic: float
    p_exact: float
    enumerated: bool


def permutation_log_rank(
    scores: np.ndarray, group: np.ndarray, *, draws: int = 9999, rng: np.random.Generator | None = None,
    strata: np.ndarray | None = None,
) -> ScoreTest:  # fmt: skip
    """Whether the sum of scores of a group is larger or smaller than relabelling the patients gives.

    Parameters
    ----------
    scores
        From `survival_scores` (or any others), shape (patients,).
    group
        1 (or True) for the group whose scores are summed. Shape (patients,).
    draws
        Random relabellings where there are too many to make all; the observed one counts too.
    rng
        Source of chance; needed only where relabellings are drawn.
    strata
        Patients are relabelled within these; then relabellings are always drawn.

    References
    ----------
    Strasser & Weber (1999) Math Methods Stat 8:220 for the moments; van de Wiel (2001) Biometrical J 43:491 for the
    exact distribution by halves.
    """
    scores, group = np.asarray(scores, dtype=float), np.asarray(group).astype(bool)
    n, k = scores.size, int(group.sum())
    layers, variance, centred = _layers(n, strata), 0.0, scores.copy()
    for here in layers:
        centred[here] -= scores[here].mean()
        m, own = here.size, int(group[here].sum())
        variance += own * (m - own) / (m * (m - 1)) * float(np.sum(centred[here] ** 2)) if m > 1 else 0.0
    if k in (0, n) or variance <= 1e-14:
        return ScoreTest(np.nan, np.nan, np.nan, enumerated=False)
    gap = float(centred[group].sum())
    z = gap / np.sqrt(variance)
    p = float(2 * stats.norm.sf(abs(z)))
    bound = abs(gap) - 1e-9 * (1 + abs(gap))
    if n <= EXACT_UP_TO and len(layers) == 1:
        return ScoreTest(z, p, _exact(centred, k, bound), enumerated=True)
    if rng is None:
        raise ValueError("there are too many relabellings to make all: give rng")
    total = np.zeros(draws)
    for here in layers:
        own = int(group[here].sum())
        total += rng.permuted(np.broadcast_to(centred[here], (draws, here.size)), axis=1)[:, :own].sum(axis=1)
    drawn = np.abs(total)
    return ScoreTest(z, p, float((1 + (drawn >= bound).sum()) / (draws + 1)), enumerated=False)


def _exact(centred: np.ndarray, k: int, bound: float) -> float:
    """Share of all groups of k whose absolute sum is at least `bound`, sums of two halves joined."""
    halves = []
    for part in (centred[: centred.size // 2], centred[centred.size // 2 :]):
        total, size = np.zeros(1), np.zeros(1, dtype=int)
        for value in part:
            total, size = np.r_[total, total + value], np.r_[size, size + 1]
        halves.append([np.sort(total[size == j]) for j in range(part.size + 1)])
    beyond = every = 0
    for j, left in enumerate(halves[0]):
        if not 0 <= k - j < len(halves[1]):
            continue
        right = halves[1][k - j]
        high = right.size - np.searchsorted(right, bound - left, side="left")
        low = np.searchsorted(right, -bound - left, side="right")
        beyond += int(np.minimum(high + low, right.size).sum())
        every += left.size * right.size
    return beyond / every


class MaxCombo(NamedTuple):
    """Statistics of each weight, the largest, its asymptotic p-value and that by permutation (NaN without draws)."""

    z: np.ndarray
    largest: float
    p_value: float
    p_permutation: float


WEIGHTS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


def max_combo(
    time: np.ndarray, event: np.ndarray, group: np.ndarray, *, weights: tuple[tuple[float, float], ...] = WEIGHTS,
    draws: int = 0, rng: np.random.Generator | None = None, asymptotic: bool = True,
    strata: np.ndarray | None = None,
) -> MaxCombo:  # fmt: skip
    """The largest of several weighted log-rank statistics, with the p-value of a search over them.

    Weights are S(t-)^rho (1 - S(t-))^gamma of the pooled Kaplan-Meier: equal weights, late, early and middle effects.

    Parameters
    ----------
    time, event
        Shape (patients,).
    group
        1 (or True) for one of two groups. Shape (patients,).
    weights
        Pairs of rho and gamma.
    draws, rng
        Permutations of the group, and their source of chance.
    asymptotic
        Whether the p-value by the joint normal distribution is computed, which is slow; it is NaN without.
    strata
        Groups are compared, and permuted, within these.

    References
    ----------
    Fleming & Harrington (1991) Counting Processes and Survival Analysis, chapter 7; Karrison (2016) Stata J 16:678.
    """
    time, event = np.asarray(time, dtype=float), np.asarray(event, dtype=float)
    group = np.asarray(group, dtype=float)
    empty = np.full(len(weights), np.nan)
    if not (event > 0).any() or group.min() == group.max():
        return MaxCombo(empty, np.nan, np.nan, np.nan)
    layers = _layers(time.size, strata)
    parts = [_weighted(time[here], event[here], weights) for here in layers]

    def of(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sums = [part(labels[..., here]) for part, here in zip(parts, layers, strict=True)]
        return np.asarray(sum(s for s, _ in sums)), np.asarray(sum(c for _, c in sums))

    score, covariance = of(group)
    sd = np.sqrt(np.diag(covariance))
    if not (sd > 0).all():
        return MaxCombo(empty, np.nan, np.nan, np.nan)
    z = score / sd
    largest = float(np.abs(z).max())
    inside = np.nan
    if asymptotic:
        r = covariance / np.outer(sd, sd)
        box = stats.multivariate_normal(cov=r, allow_singular=True, seed=1, abseps=1e-4, releps=1e-4)
        inside = box.cdf(np.full(len(z), largest), lower_limit=np.full(len(z), -largest))
    p_drawn = np.nan
    if draws and rng is not None:
        moved = np.empty((draws, group.size))
        for here in layers:
            moved[:, here] = rng.permuted(np.broadcast_to(group[here], (draws, here.size)), axis=1)
        s, c = of(moved)
        with np.errstate(divide="ignore", invalid="ignore"):
            # A grouping without any variance has a score of 0: it is not extreme.
            drawn = np.nan_to_num(np.abs(s) / np.sqrt(np.einsum("baa->ba", c)), nan=0.0).max(axis=1)
        p_drawn = float((1 + (drawn >= largest - 1e-9).sum()) / (draws + 1))
    return MaxCombo(z, largest, float(np.clip(1 - inside, 0.0, 1.0)), p_drawn)


def _weighted(
    time: np.ndarray, event: np.ndarray, weights: tuple[tuple[float, float], ...]
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Of one stratum: the scores of all weights and their covariance, for labels of the patients (the last axis)."""
    at = np.unique(time[event > 0])
    risk = (time[None, :] >= at[:, None]).astype(float)
    dead = ((time[None, :] == at[:, None]) & (event[None, :] > 0)).astype(float)
    n, d = risk.sum(axis=1), dead.sum(axis=1)
    before = np.r_[1.0, np.cumprod(1 - d / n)][:-1]
    w = np.stack([before**rho * (1 - before) ** gamma for rho, gamma in weights])
    spread = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1), 0.0)

    def of(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = labels @ risk.T / n
        score = (labels @ dead.T - d * share) @ w.T
        covariance = np.einsum("at,bt,...t->...ab", w, w, spread * share * (1 - share))
        return score, covariance

    return of
