"""The best cut of a value by its conditional distribution, its hazard ratio without the search's optimism, its interval."""  # noqa: E501

from itertools import permutations
from math import factorial
from typing import NamedTuple

import numpy as np

from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.cut_points import log_rank_scores

_ENUMERATED = 50_000


class SearchedCut(NamedTuple):
    """Largest statistic, the cut, its conditional p-value; cross-validated log hazard ratio; interval of the cut."""

    statistic: float
    cut: float
    p_value: float
    coef: float
    shrinkage: float
    cut_low: float
    cut_high: float


def _sizes(ordered: np.ndarray, low: float, high: float) -> np.ndarray:
    n = ordered.size
    size = np.flatnonzero(np.diff(ordered) > 0) + 1
    return np.asarray(size[(size >= max(1, np.floor(n * low))) & (size <= np.floor(n * high))])


def _statistics(scores: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Standardised statistics of every cut, for scores in the order of the value; shape (..., cuts)."""
    n = scores.shape[-1]
    total = scores.sum(axis=-1, keepdims=True)
    spread = (n * (scores**2).sum(axis=-1, keepdims=True) - total**2) / (n**2 * (n - 1))
    summed = np.cumsum(scores, axis=-1)[..., size - 1]
    return np.asarray(np.abs(summed - size / n * total) / np.sqrt(np.maximum(size * (n - size) * spread, 1e-300)))


def maximal_p(
    values: np.ndarray, time: np.ndarray, event: np.ndarray, rng: np.random.Generator, *, low_share: float = 0.1,
    high_share: float = 0.9, draws: int = 9999,
) -> tuple[float, float, float]:  # fmt: skip
    """The maximally selected log-rank statistic, its cut, and its p-value given the scores.

    The conditional distribution is enumerated where the patients are few enough, else drawn; the observed order counts.

    Parameters
    ----------
    values, time, event
        Shape (patients,).
    rng
        Source of chance.
    low_share, high_share
        Smallest and largest share of patients at or below the cut.
    draws
        Random orders where not all are enumerated.

    References
    ----------
    Hothorn & Lausen (2003) Comput Stat Data Anal 43:121, section 3 (conditional distribution given the scores).
    """
    values = np.asarray(values, dtype=float)
    order = np.argsort(values, kind="stable")
    size = _sizes(values[order], low_share, high_share)
    scores = log_rank_scores(time, event)[order]
    if size.size == 0 or np.ptp(scores) <= 1e-12:
        return np.nan, np.nan, np.nan
    found = _statistics(scores, size)
    best = int(np.argmax(found))
    bound = found[best] * (1 - 1e-10)
    n = values.size
    if factorial(n) <= _ENUMERATED:
        every = np.array(list(permutations(scores)))
        p = float((_statistics(every, size).max(axis=1) >= bound).mean())
    else:
        drawn = rng.permuted(np.broadcast_to(scores, (draws, n)), axis=1)
        p = float((1 + (_statistics(drawn, size).max(axis=1) >= bound).sum()) / (draws + 1))
    return float(found[best]), float(values[order][size[best] - 1]), p


def _cut_of(values: np.ndarray, time: np.ndarray, event: np.ndarray, low: float, high: float) -> float:
    order = np.argsort(values, kind="stable")
    size = _sizes(values[order], low, high)
    scores = log_rank_scores(time, event)[order]
    if size.size == 0 or np.ptp(scores) <= 1e-12:
        return float("nan")
    return float(values[order][size[int(np.argmax(_statistics(scores, size)))] - 1])


def searched_cut(
    values: np.ndarray, time: np.ndarray, event: np.ndarray, rng: np.random.Generator, *, low_share: float = 0.1,
    high_share: float = 0.9, draws: int = 9999, folds: int = 5, repeats: int = 10, resamples: int = 200,
) -> SearchedCut:  # fmt: skip
    """The best cut with an honest p-value, hazard ratio and interval.

    The hazard ratio of the cut that separates most is too large by construction. Here each patient is put above or
    below a cut that was found without the patient (cross-validation over folds, repeated); the mean log hazard ratio
    of those groups, by Firth's likelihood, is at most the naive one and never of the other sign (then it is 0).
    The interval of the cut is that of cuts found in resamples of the patients.

    Parameters
    ----------
    values, time, event, rng, low_share, high_share, draws
        As in `maximal_p`.
    folds, repeats
        Of the cross-validation.
    resamples
        Of the interval of the cut.

    References
    ----------
    Faraggi & Simon (1996) Stat Med 15:2203; Hollander, Sauerbrei & Schumacher (2004) Stat Med 23:1701; Altman et al.
    (1994) J Natl Cancer Inst 86:829.
    """
    values, time, event = (np.asarray(v, dtype=float) for v in (values, time, event))
    statistic, cut, p = maximal_p(
        values, time, event, rng, low_share=low_share, high_share=high_share, draws=draws
    )  # fmt: skip
    gap = float("nan")
    if np.isnan(statistic):
        return SearchedCut(gap, gap, gap, gap, gap, gap, gap)
    n = values.size
    whole = float(scan_cox(time, event, (values > cut).astype(float)[:, None], firth=True, limits=False).coef[0])
    groups = []
    for _ in range(repeats):
        fold = rng.permutation(n) % folds
        side = np.full(n, np.nan)
        for f in range(folds):
            there = fold == f
            found = _cut_of(values[~there], time[~there], event[~there], low_share, high_share)
            if np.isfinite(found):
                # A cut belongs to a direction: a patient above it is in the group with the worse outcome there.
                up = values[~there] > found
                scores = log_rank_scores(time[~there], event[~there])
                worse = scores[up].mean() >= scores[~up].mean()
                side[there] = (values[there] > found) == worse
        if np.isfinite(side).all() and np.ptp(side) > 0:
            groups.append(side)
    logs = scan_cox(time, event, np.column_stack(groups), firth=True, limits=False).coef if groups else np.zeros(0)
    # Groups are "worse" and "better": below 0 the cut does not reproduce.
    logs = logs[np.isfinite(logs)]
    honest = max(float(np.mean(logs)), 0.0) if logs.size else 0.0
    coef = float(np.sign(whole)) * min(honest, abs(whole))
    cuts = []
    for _ in range(resamples):
        rows = rng.integers(0, n, n)
        cuts.append(_cut_of(values[rows], time[rows], event[rows], low_share, high_share))
    low, high = np.nanquantile(cuts, [0.025, 0.975]) if np.isfinite(cuts).any() else (gap, gap)
    shrinkage = coef / whole if whole else gap
    return SearchedCut(statistic, cut, p, coef, shrinkage, float(low), float(high))
