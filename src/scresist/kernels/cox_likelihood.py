"""The log partial likelihood with its derivatives up to the third, plain or penalised, compiled for many small fits."""

from typing import NamedTuple

import numpy as np
from numba import njit

from scresist.kernels.cox_marginal import tied_deaths

_HALVINGS = 40
BRESLOW, EFRON, MARGINAL, COARSE = 0, 1, 2, 3  # the last is the marginal one with fewer nodes
TIES = {"breslow": BRESLOW, "efron": EFRON, "marginal": MARGINAL}


class CoxData(NamedTuple):
    """Rows sorted for the likelihood: by stratum, then from the last time to the first.

    `order` are the rows of the input in that order, `block` numbers their groups of stratum and time, `died` whether
    each had the event, `entry` when it came under observation; `truncated` whether any came late; `ties` one of TIES.
    """

    order: np.ndarray
    stratum: np.ndarray
    time: np.ndarray
    died: np.ndarray
    entry: np.ndarray
    truncated: bool
    ties: int


def cox_data(
    time: np.ndarray,
    event: np.ndarray,
    *,
    entry: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    ties: str = "efron",
) -> CoxData:
    """Sort patients once for all fits.

    Parameters
    ----------
    time, event, entry, strata, ties
        As in `cox_regression`.
    """
    time = np.asarray(time, dtype=np.float64)
    died = np.asarray(event).astype(np.bool_)
    layer = np.zeros(time.size, int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    start = np.full(time.size, -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    order = np.lexsort((-time, layer))
    return CoxData(
        order, layer[order].astype(np.int64), time[order], died[order], start[order], entry is not None, TIES[ties]
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _add(  # pragma: no cover
    w: float, x: np.ndarray, first: np.ndarray, second: np.ndarray, third: np.ndarray, penalised: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Adds a weighted patient to the sums of products of the covariates, those with a >= b >= c."""
    for a in range(x.size):
        wa = w * x[a]
        first[a] += wa
        for b in range(a + 1):
            wab = wa * x[b]
            second[a, b] += wab
            if penalised:
                for c in range(b + 1):
                    third[a, b, c] += wab * x[c]


@njit(cache=True, nogil=True)
def _factor(matrix: np.ndarray, begin: int, lower: np.ndarray) -> bool:  # pragma: no cover
    """Cholesky's factor of the block from `begin` on, into `lower`; False where it is not positive definite."""
    size = matrix.shape[0] - begin
    for a in range(size):
        for b in range(a + 1):
            total = matrix[begin + a, begin + b]
            for c in range(b):
                total -= lower[a, c] * lower[b, c]
            if a == b:
                if not total > 1e-13 * matrix[begin + a, begin + a]:
                    return False
                lower[a, a] = np.sqrt(total)
            else:
                lower[a, b] = total / lower[b, b]
    return True


@njit(cache=True, nogil=True)
def _solve(lower: np.ndarray, size: int, right: np.ndarray) -> None:  # pragma: no cover
    """Solves in place by Cholesky's factor."""
    for a in range(size):
        for c in range(a):
            right[a] -= lower[a, c] * right[c]
        right[a] /= lower[a, a]
    for a in range(size - 1, -1, -1):
        for c in range(a + 1, size):
            right[a] -= lower[c, a] * right[c]
        right[a] /= lower[a, a]


@njit(cache=True, nogil=True)
def derivatives(  # pragma: no cover
    x: np.ndarray,
    beta: np.ndarray,
    data: CoxData,
    third: np.ndarray,
    score: np.ndarray,
    information: np.ndarray,
    penalised: bool,  # noqa: FBT001
) -> float:
    """The log partial likelihood; fills `score`, `information` and, where `penalised`, `third`."""
    n, p = x.shape
    score[:] = 0.0
    information[:] = 0.0
    third[:] = 0.0
    value = 0.0
    s1, d1 = np.zeros(p), np.zeros(p)
    s2, d2 = np.zeros((p, p)), np.zeros((p, p))
    s3, d3 = np.zeros((p, p, p)), np.zeros((p, p, p))
    marginal = data.ties >= MARGINAL
    mean, moment = np.zeros(p), np.zeros((p, p))
    eta = np.zeros(n)
    for i in range(n):
        for a in range(p):
            eta[i] += x[i, a] * beta[a]
    s0, shift = 0.0, -np.inf
    i, begin = 0, 0
    while i < n:
        if i == 0 or data.stratum[i] != data.stratum[i - 1]:
            s0, shift, begin = 0.0, -np.inf, i
            s1[:] = 0.0
            s2[:] = 0.0
            s3[:] = 0.0
        stop = i
        deaths = 0
        while stop < n and data.stratum[stop] == data.stratum[i] and data.time[stop] == data.time[i]:
            deaths += data.died[stop]
            stop += 1
        first = i
        if data.truncated:
            if deaths == 0:
                i = stop
                continue
            s0, shift, first = 0.0, -np.inf, begin
            s1[:] = 0.0
            s2[:] = 0.0
            s3[:] = 0.0
        for last in (False, True):  # those who stay at risk, then those who die now
            for j in range(first, stop):
                if (j >= i and data.died[j]) != last or (data.truncated and data.entry[j] >= data.time[i]):
                    continue
                if eta[j] > shift:
                    down = np.exp(shift - eta[j]) if shift > -np.inf else 0.0
                    s0 *= down
                    s1 *= down
                    s2 *= down
                    if penalised:
                        s3 *= down
                    shift = eta[j]
                w = np.exp(eta[j] - shift)
                s0 += w
                _add(w, x[j], s1, s2, s3, penalised)
            if not last and marginal and deaths > 1 and s0 > 0:
                value += tied_deaths(
                    x, eta, np.int64(i), stop, data.died, np.log(s0) + shift, s1 / s0, s2 / s0, s3 / s0, score,
                    information, third, penalised, data.ties == COARSE,
                )  # fmt: skip
        if deaths > 0 and not (marginal and deaths > 1):
            d0 = 0.0
            d1[:] = 0.0
            d2[:] = 0.0
            d3[:] = 0.0
            for j in range(i, stop):
                if not data.died[j]:
                    continue
                value += eta[j]
                w = np.exp(eta[j] - shift)
                d0 += w
                for a in range(p):
                    score[a] += x[j, a]
                if deaths > 1:
                    _add(w, x[j], d1, d2, d3, penalised)
            for k in range(deaths):
                share = k / deaths if data.ties != BRESLOW else 0.0
                total = s0 - share * d0
                value -= np.log(total) + shift
                for a in range(p):
                    mean[a] = (s1[a] - share * d1[a]) / total
                    score[a] -= mean[a]
                # Moments are symmetric: only those with a >= b >= c are summed.
                for a in range(p):
                    for b in range(a + 1):
                        moment[a, b] = (s2[a, b] - share * d2[a, b]) / total
                        information[a, b] += moment[a, b] - mean[a] * mean[b]
                if penalised:
                    for a in range(p):
                        for b in range(a + 1):
                            for c in range(b + 1):
                                third[a, b, c] += (
                                    (s3[a, b, c] - share * d3[a, b, c]) / total - mean[a] * moment[b, c]
                                    - mean[b] * moment[a, c] - mean[c] * moment[a, b]
                                    + 2 * mean[a] * mean[b] * mean[c]
                                )  # fmt: skip
        i = stop
    for a in range(p):
        for b in range(a + 1):
            information[b, a] = information[a, b]
            if penalised:
                for c in range(b + 1):
                    cell = third[a, b, c]
                    third[a, c, b] = cell
                    third[b, a, c] = cell
                    third[b, c, a] = cell
                    third[c, a, b] = cell
                    third[c, b, a] = cell
    return value


@njit(cache=True, nogil=True)
def _evaluate(  # pragma: no cover
    x: np.ndarray, beta: np.ndarray, data: CoxData, penalised: bool, third: np.ndarray, score: np.ndarray,  # noqa: FBT001
    information: np.ndarray,
) -> float:  # fmt: skip
    """The (penalised) log-likelihood; the score gets that of the penalty. -inf where there is no information."""
    value = derivatives(
        x, beta, data, third, score, information, penalised
    )  # fmt: skip
    if not penalised:
        return value
    p = beta.size
    if p == 1:
        if not information[0, 0] > 0:
            return -np.inf
        score[0] += 0.5 * third[0, 0, 0] / information[0, 0]
        return value + 0.5 * np.log(information[0, 0])
    lower = np.zeros((p, p))
    if not _factor(information, 0, lower):
        return -np.inf
    column = np.zeros(p)
    for c in range(p):
        value += np.log(lower[c, c])
        column[:] = 0.0
        column[c] = 1.0
        _solve(lower, p, column)
        for a in range(p):
            for b in range(p):
                score[a] += 0.5 * column[b] * third[b, c, a]
    return value


@njit(cache=True, nogil=True)
def _maximise(  # pragma: no cover
    x: np.ndarray, beta: np.ndarray, free_from: int, data: CoxData, penalised: bool, tolerance: float,  # noqa: FBT001
    iterations: int,
) -> tuple[float, float, float, bool]:  # fmt: skip
    """Newton's steps over beta[free_from:], at most 2 SD of the covariate each, halved while the likelihood falls.

    Returns the likelihood, the score of the first coefficient, its information, and whether the steps converged.
    """
    p = beta.size
    third, score, information = np.zeros((p, p, p)), np.zeros(p), np.zeros((p, p))
    new_score, new_information = np.zeros(p), np.zeros((p, p))
    now = _evaluate(x, beta, data, penalised, third, score, information)
    free = p - free_from
    converged = free == 0
    step, trial, lower = np.zeros(free), beta.copy(), np.zeros((p, p))
    for _ in range(iterations):
        if free == 0:
            break
        if free == 1:
            if not information[free_from, free_from] > 0:
                break
            step[0] = score[free_from] / information[free_from, free_from]
        else:
            if not _factor(information, free_from, lower):
                break
            step[:] = score[free_from:]
            _solve(lower, free, step)
        largest = np.abs(step).max()
        if not np.isfinite(largest):
            break
        if largest > 2.0:
            step *= 2.0 / largest
        better = False
        for _h in range(_HALVINGS):
            for a in range(free):
                trial[free_from + a] = beta[free_from + a] + step[a]
            value = _evaluate(
                x, trial, data, penalised, third, new_score, new_information
            )  # fmt: skip
            if value >= now - 1e-12 * (1 + abs(now)):
                better = True
                break
            step *= 0.5
        if not better:
            converged = np.abs(step).max() < 1e-7
            break
        beta[free_from:] = trial[free_from:]
        now = value
        score[:] = new_score
        information[:] = new_information
        if np.abs(step).max() < tolerance * (1 + np.abs(beta[free_from:]).max()):
            converged = True
            break
    return now, score[0], information[0, 0], converged


@njit(cache=True, nogil=True)
def _limit(  # pragma: no cover
    x: np.ndarray, best: np.ndarray, top: float, fall: float, side: int, se: float, data: CoxData,
    penalised: bool,  # noqa: FBT001
) -> float:  # fmt: skip
    """Where the profile (penalised) likelihood of the first coefficient has fallen by `fall`, on one side."""
    beta = best.copy()
    inner = best[0]
    reach = se * np.sqrt(2 * fall)
    outer = inner + side * reach
    target = top - fall
    found = False
    for _ in range(40):
        beta[0] = outer
        value, slope, _i, _c = _maximise(
            x, beta, np.int64(1), data, penalised, 1e-9, np.int64(200)
        )  # fmt: skip
        if value < target:
            found = True
            break
        inner = outer
        reach *= 1.6
        outer += side * reach
        if abs(outer) > 1e4:
            break
    if not found:
        return side * np.inf
    b = outer
    for _ in range(100):
        gap = value - target
        if gap > 0:
            inner = b
        else:
            outer = b
        guess = b - gap / slope if slope != 0 else 0.5 * (inner + outer)
        low, high = min(inner, outer), max(inner, outer)
        if not (low < guess < high):
            guess = 0.5 * (inner + outer)
        if abs(guess - b) < 1e-11 * (1 + abs(b)) or high - low < 1e-12 * (1 + abs(b)):
            return guess
        b = guess
        beta[0] = b
        value, slope, _i, _c = _maximise(
            x, beta, np.int64(1), data, penalised, 1e-9, np.int64(200)
        )  # fmt: skip
    return b


@njit(cache=True, nogil=True)
def ordered(x: np.ndarray, data: CoxData) -> int:  # pragma: no cover
    """1 (-1) where every death has the largest (smallest) value of those at risk (a monotone likelihood), else 0.

    Under the marginal likelihood deaths at one time may have had any order, and are not compared with each other.
    """
    n = x.size
    up, down = True, True
    for i in range(n):
        if not data.died[i]:
            continue
        for j in range(n):
            if data.ties >= MARGINAL and data.died[j] and data.time[j] == data.time[i]:
                continue
            if data.stratum[j] == data.stratum[i] and data.time[j] >= data.time[i] and data.entry[j] < data.time[i]:
                up = up and x[j] <= x[i]
                down = down and x[j] >= x[i]
        if not (up or down):
            return 0
    return 1 if up else -1
