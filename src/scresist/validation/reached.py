"""The dose at which curves cross a level: mean and interval over replicates, or the bound where it is not reached."""

from typing import NamedTuple

import numpy as np

from scresist.kernels import hill_curve as hc
from scresist.validation.curves import Fitted, Shape, log_ic50_error
from scresist.validation.two_conditions import mean_interval

OF_REPLICATES, OF_DOSES = "biological replicates", "doses of one replicate"
_SLACK = 1e-9


class Reached(NamedTuple):
    """Dose, its limits (or one bound), whether it is within the tested doses, what the interval is of, and why not."""

    dose: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    reached: bool = False
    interval_of: str = ""
    reason: str = ""


def crossing_dose(fitted: Fitted, group: int, members: np.ndarray, *, level: float, shape: Shape, name: str) -> Reached:
    """The dose at which a condition crosses a level; never extrapolated.

    Parameters
    ----------
    fitted
        Curves of replicates and conditions.
    group
        Row of the condition.
    members
        Rows of its replicates.
    level
        The response that is crossed.
    shape
        How curves were fitted.
    name
        For the reason: IC50, GR50.
    """
    first, last, pooled = fitted.first[group], fitted.last[group], fitted.pooled[group]
    own, n = fitted.own[members], members.size
    have = np.isfinite(own[:, 0])
    if not have.any():  # no replicate has a curve of its own: the curve of all, without an interval
        own, have, n = pooled[None], np.ones(1, bool), 0
    crossed = hc.crossing(own, level)
    inside = have & (crossed >= first - _SLACK) & (crossed <= last + _SLACK)
    if not inside[have].all():
        return _outside(pooled, crossed, inside, have, (first, last), level, name)
    mean, low, high = mean_interval(crossed[have])
    of = OF_REPLICATES
    if have.sum() == 1:
        x, y = fitted.log_dose[group], fitted.response[group]
        used = np.isfinite(x) & np.isfinite(y)
        half = log_ic50_error(x[used], y[used], pooled, level, fixed_parameters(pooled, shape)) if n == 1 else np.nan
        low, high, of = mean - half, mean + half, OF_DOSES
    return Reached(10**mean, _dose(low), _dose(high), reached=True, interval_of=of)


def fixed_parameters(parameters: np.ndarray, shape: Shape, *, floor: float = 0.0) -> list[int]:
    """Parameters that have no error: the given top, and a plateau or slope at its bound.

    Parameters
    ----------
    parameters
        lower, upper, hill, midpoint.
    shape
        How curves were fitted.
    floor
        Smallest lower plateau.
    """
    fixed = [] if shape.top is None else [hc.UPPER]
    fixed += [hc.LOWER] if parameters[hc.LOWER] <= floor else []
    return fixed + ([hc.HILL] if parameters[hc.HILL] >= shape.max_hill else [])


def _dose(log10: float) -> float:
    """A dose from its logarithm; infinite where the interval of one curve is open."""
    return float("inf") if log10 >= 300 else float(10**log10)


def _outside(
    pooled: np.ndarray, crossed: np.ndarray, inside: np.ndarray, have: np.ndarray, tested: tuple[float, float],
    level: float, name: str,
) -> Reached:  # fmt: skip
    """The bound where replicates cross outside the tested doses, and the reason."""
    first, last = tested
    starts_below = hc.curve_at(pooled[None], np.array([first]))[0] < level
    below = have & ((crossed < first) | (np.isnan(crossed) & starts_below)) & ~inside
    above = have & ~inside & ~below
    n, none = int(have.sum()), float("nan")
    if above[have].all():
        return Reached(low=10**last, reason=f"{name} not reached: it is above the highest dose tested")
    if below[have].all():
        return Reached(high=10**first, reason=f"{name} not reached: it is below the lowest dose tested")
    if above.any() and below.any():
        return Reached(reason=f"{name} above the highest dose in {int(above.sum())} and below the lowest in "
                              f"{int(below.sum())} replicates")  # fmt: skip
    found = float(hc.crossing(pooled, level))
    # The replicates that do not reach it have no number: the middle comes from the curve of all, one bound is open.
    middle = first <= found <= last
    open_above = bool(above.any())
    side, what = ("above the highest", "lowest") if open_above else ("below the lowest", "highest")
    bound = 10 ** float(crossed[inside].min() if open_above else crossed[inside].max())
    return Reached(
        10**found if middle else none, bound if open_above else none, none if open_above else bound, middle,
        OF_REPLICATES if middle else "",
        f"{name} {side} dose in {int(above.sum() + below.sum())} of {n} replicates: no interval; the bound is the "
        f"{what} of the replicates that reach it",
    )  # fmt: skip
