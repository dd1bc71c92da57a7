"""The threshold between two populations of one marker's intensities, with how sure it is."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Gate(NamedTuple):
    """Threshold on the given scale, its interval, share above, distance of the two means in SD, and gain in BIC.

    `gate` is NaN where one normal population describes the values as well as two.
    """

    gate: float
    low: float
    high: float
    share: float
    separation: float
    gain: float


def two_normals(values: np.ndarray, iterations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Weights, means and SDs of two normal populations by maximum likelihood, and the log-likelihood.

    Parameters
    ----------
    values
        Finite numbers.
    iterations
        Of expectation and maximisation, at most.
    """
    best: tuple[np.ndarray, np.ndarray, np.ndarray, float] | None = None
    floor = max(1e-3 * float(values.std()), 1e-12)
    for cut in (0.5, 0.7, 0.9, 0.97):
        split = values > np.quantile(values, cut)
        if not split.any() or split.all():
            continue
        w = np.array([1 - split.mean(), split.mean()])
        m = np.array([values[~split].mean(), values[split].mean()])
        s = np.maximum([values[~split].std(), values[split].std()], floor)
        last = -np.inf
        for _ in range(iterations):
            logs = _log_densities(values, w, m, s)
            top = logs.max(axis=1)
            total = top + np.log(np.exp(logs - top[:, None]).sum(axis=1))
            log_likelihood = float(total.sum())
            if log_likelihood - last < 1e-7 * abs(log_likelihood):
                break
            last = log_likelihood
            r = np.exp(logs - total[:, None])
            n = np.maximum(r.sum(axis=0), 1e-9)
            w, m = n / len(values), (r * values[:, None]).sum(axis=0) / n
            s = np.maximum(np.sqrt((r * (values[:, None] - m) ** 2).sum(axis=0) / n), floor)
        if best is None or log_likelihood > best[3]:
            order = np.argsort(m)
            best = w[order], m[order], s[order], log_likelihood
    if best is None:
        nothing = np.full(2, np.nan)
        return nothing, nothing, nothing, -np.inf
    return best


def _log_densities(values: np.ndarray, w: np.ndarray, m: np.ndarray, s: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.log(w) - np.log(s) - 0.5 * ((values[:, None] - m) / s) ** 2 - 0.5 * np.log(2 * np.pi)
    return found


def crossing(w: np.ndarray, m: np.ndarray, s: np.ndarray) -> float:
    """Where a value is equally likely of both populations, between their means; NaN where there is no such place.

    Parameters
    ----------
    w, m, s
        Weights, means and SDs, the lower mean first.
    """
    grid = np.linspace(m[0], m[1], 513)
    logs = _log_densities(grid, w, m, s)
    above = logs[:, 1] > logs[:, 0]
    if above.all() or not above.any():
        return float("nan")
    return float(grid[int(np.argmax(above))])


def find_gate(
    values: np.ndarray, *, least_separation: float, bootstraps: int, sample: int, rng: np.random.Generator
) -> Gate:
    """The threshold between two populations, by a mixture of two normals.

    Parameters
    ----------
    values
        Intensities on a scale where a population is about normal (logarithm, arcsinh).
    least_separation
        Distance of the means in units of the root mean square SD; nearer populations are one.
    bootstraps
        Resamples for the interval of the threshold.
    sample
        Values of each resample, at most.
    rng
        Of the resamples.
    """
    values = values[np.isfinite(values)]
    none = float("nan")
    if len(values) < 20 or values.std() == 0:
        return Gate(none, none, none, none, none, none)
    w, m, s, found = two_normals(values, 200)
    one = -0.5 * len(values) * (np.log(2 * np.pi * values.var()) + 1)
    gain = 2 * (found - one) - 3 * np.log(len(values))
    separation = float((m[1] - m[0]) / np.sqrt((s[0] ** 2 + s[1] ** 2) / 2))
    gate = crossing(w, m, s)
    if not np.isfinite(gate) or separation < least_separation or gain <= 0:
        return Gate(none, none, none, none, separation, float(gain))
    gates = []
    for _ in range(bootstraps):
        drawn = values[rng.integers(0, len(values), min(len(values), sample))]
        gates.append(crossing(*two_normals(drawn, 60)[:3]))
    kept = np.array(gates)[np.isfinite(gates)]
    low, high = np.quantile(kept, [0.025, 0.975]) if len(kept) > 1 else (none, none)
    return Gate(gate, float(low), float(high), float((values > gate).mean()), separation, float(gain))


class ControlGate(NamedTuple):
    """Threshold on the scale of the values, its interval, share of the other cells above it, and how many are false.

    `false_share` is the share of the control above the gate over that of the other cells: the part of the cells that
    are called positive which stained cells do not explain.
    """

    gate: float
    low: float
    high: float
    share: float
    false_share: float


def control_gate(values: np.ndarray, control: np.ndarray, *, above: float, level: float = 0.95) -> ControlGate:
    """The intensity that only a small share of unstained cells exceeds, from cells that cannot have the marker.

    Parameters
    ----------
    values
        Intensities, shape (cells,); NaN is left out.
    control
        Which cells are known not to have the marker, shape (cells,).
    above
        Share of the control cells above the gate.
    level
        Coverage of the interval of that quantile (order statistics; no assumption on the intensities).

    References
    ----------
    Hahn & Meeker (1991) Statistical Intervals, section 5.2 (intervals of quantiles); Chang et al. (2020) Commun Biol
    3:111 (negative cells from markers that exclude each other).
    """
    known = np.isfinite(values)
    unstained, other = np.sort(values[known & control]), values[known & ~control]
    n = unstained.size
    if not n or not other.size:
        return ControlGate(*np.full(5, np.nan))
    low, middle, high = stats.binom.ppf([(1 - level) / 2, 0.5, (1 + level) / 2], n, 1 - above).astype(int)
    gate = float(unstained[min(middle, n - 1)])
    share = float((other > gate).mean())
    false = float((unstained > gate).mean()) / share if share else np.inf
    ends = unstained[max(low - 1, 0)], unstained[high] if high < n else np.inf
    return ControlGate(gate, float(ends[0]), float(ends[1]), share, false)
