"""The curves of biological replicates and of all replicates of a condition, as the dose-response tables use them."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import require_choice, require_positive
from scresist.kernels import four_parameter as fp
from scresist.kernels import hill_curve as hc
from scresist.kernels.logistic_descent import LOSSES
from scresist.validation.dose_input import CURVE

FEWEST_DOSES = 4  # above zero, for a curve of three parameters
SHAPES = ("own", "shared")


@dataclass(frozen=True, slots=True)
class Shape:
    """How curves are fitted.

    `top` is the response without drug (None: estimated); `cap` takes responses beyond 0 and the top as those, as
    published screens do; `max_hill` bounds the slope; `loss` is squares, huber or cauchy with its `scale`; `replicates`
    is own (each biological replicate has its own curve) or shared (one slope and plateau, own midpoints).
    """

    top: float | None = 100.0
    cap: bool = True
    max_hill: float = 4.0
    loss: str = "squares"
    scale: float = 10.0
    replicates: str = "own"

    def __post_init__(self) -> None:
        require_choice(self.loss, LOSSES, "the loss")
        require_choice(self.replicates, SHAPES, "the shape of the replicates")
        require_positive(self.max_hill, "max_hill")
        require_positive(self.scale, "the scale of the loss")
        if self.top is not None:
            require_positive(self.top, "the top")


class Fitted(NamedTuple):
    """Curves of one response per condition and per replicate.

    `groups` has one row per condition and compound, `members` one per replicate (`group` is its row in `groups`);
    `pooled` and `own` are their parameters (rows, 4); `first` and `last` are the tested range of log10 dose of the
    groups; `rmse` of the pooled fits; `log_dose` and `response` are the points of the groups, padded with NaN, with
    `replicate_of` their row in `members` and `before_cap` the responses as they were given; `low` and `high` the bounds
    of the parameters.
    """

    groups: pd.DataFrame
    members: pd.DataFrame
    pooled: np.ndarray
    own: np.ndarray
    first: np.ndarray
    last: np.ndarray
    n_doses: np.ndarray
    rmse: np.ndarray
    converged: np.ndarray
    log_dose: np.ndarray
    response: np.ndarray
    replicate_of: np.ndarray
    before_cap: np.ndarray
    low: np.ndarray
    high: np.ndarray


def _padded(code: np.ndarray, n: int, *columns: np.ndarray) -> list[np.ndarray]:
    """Values of each code in a row of its own, padded with NaN; `code` is sorted."""
    start = np.searchsorted(code, np.arange(n))
    place = np.arange(code.size) - start[code]
    width = int(place.max()) + 1
    out = []
    for values in columns:
        block = np.full((n, width), np.nan)
        block[code, place] = values
        out.append(block)
    return out


def bounds(shape: Shape, first: np.ndarray, last: np.ndarray, *, floor: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of lower, upper, hill and midpoint of each curve. Shapes (curves, 4).

    Parameters
    ----------
    shape
        How curves are fitted.
    first, last
        Tested range of log10 dose. Shape (curves,).
    floor
        Smallest lower plateau.
    """
    n = first.size
    top = 100.0 if shape.top is None else shape.top
    low, high = np.empty((n, 4)), np.empty((n, 4))
    low[:, hc.LOWER], high[:, hc.LOWER] = floor, top
    low[:, hc.UPPER], high[:, hc.UPPER] = (0.5 * top, 1.5 * top) if shape.top is None else (top, top)
    low[:, hc.HILL], high[:, hc.HILL] = 0.0, shape.max_hill
    low[:, hc.MIDPOINT], high[:, hc.MIDPOINT] = np.minimum(-6.0, first - 2), np.maximum(6.0, last + 2)
    return low, high


def fit_conditions(means: pd.DataFrame, shape: Shape, *, value: str = "response", floor: float = 0.0) -> Fitted:
    """Fit every replicate and every condition of a table of replicate means.

    Parameters
    ----------
    means
        From `read_doses`, sorted by curve, replicate and dose.
    shape
        How curves are fitted.
    value
        The column of the response.
    floor
        Smallest lower plateau, and of a capped response.
    """
    group = means.groupby(CURVE, sort=False).ngroup().to_numpy()
    member = means.groupby([*CURVE, "replicate"], sort=False).ngroup().to_numpy()
    groups = means.groupby(CURVE, sort=False).size().reset_index()[CURVE]
    members = means.groupby([*CURVE, "replicate"], sort=False).size().reset_index()[[*CURVE, "replicate"]]
    members["group"] = group[np.flatnonzero(np.r_[True, np.diff(member) != 0])]
    dose, y = means["dose_um"].to_numpy(float), means[value].to_numpy(float)
    with np.errstate(divide="ignore"):
        x = np.log10(dose)
    given = y
    if shape.cap:
        y = np.clip(y, floor, np.inf if shape.top is None else shape.top)
    log_dose, response, replicate_of, before_cap = _padded(group, len(groups), x, y, member.astype(float), given)
    own_x, own_y = _padded(member, len(members), x, y)
    positive = np.where(np.isneginf(log_dose), np.nan, log_dose)
    n_doses = np.array([np.unique(row[np.isfinite(row)]).size for row in positive])
    first = np.array([np.nanmin(r) if np.isfinite(r).any() else 0.0 for r in positive])
    last = np.array([np.nanmax(r) if np.isfinite(r).any() else 0.0 for r in positive])
    enough = n_doses >= FEWEST_DOSES
    low, high = bounds(shape, first, last, floor=floor)
    fitted = fp.fit_curves(log_dose, response, low=low, high=high, loss=shape.loss, scale=shape.scale)
    pooled = np.where(enough[:, None], fitted.parameters, np.nan)
    own_doses = np.isfinite(own_x).sum(axis=1)
    at = members["group"].to_numpy()
    single = np.bincount(at, minlength=len(groups))[at] == 1
    own = np.full((len(members), 4), np.nan)
    own[single] = pooled[at[single]]
    if (~single).any():
        own[~single] = fp.fit_curves(
            own_x[~single],
            own_y[~single],
            low=low[at[~single]],
            high=high[at[~single]],
            loss=shape.loss,
            scale=shape.scale,
        ).parameters
    own[own_doses < FEWEST_DOSES] = np.nan
    if shape.replicates == "shared":
        _share_shape(own, at, single, own_x, own_y, low, high, pooled, shape)
    n_free = 3 + (shape.top is None)
    residual = response - hc.curve_at(pooled, log_dose)
    used = np.isfinite(residual) & ~np.isneginf(log_dose)
    rmse = np.sqrt(np.nansum(np.where(used, residual, 0) ** 2, axis=1) / np.maximum(used.sum(axis=1) - n_free, 1))
    return Fitted(
        groups,
        members,
        pooled,
        own,
        first,
        last,
        n_doses,
        np.where(enough, rmse, np.nan),
        fitted.converged,
        log_dose,
        response,
        replicate_of,
        before_cap,
        low,
        high,
    )


def _share_shape(
    own: np.ndarray, at: np.ndarray, single: np.ndarray, x: np.ndarray, y: np.ndarray, low: np.ndarray,
    high: np.ndarray, pooled: np.ndarray, shape: Shape,
) -> None:  # fmt: skip
    """Give the replicates of a condition one slope and plateau, and own midpoints, in place."""
    for group in np.unique(at[~single]):
        of_group = np.flatnonzero(at == group)
        rows = [r for r in of_group if np.isfinite(own[r, 0])]
        if len(rows) < 2 or not np.isfinite(pooled[group, 0]):
            continue
        fit = joint_midpoints(
            x[rows],
            y[rows],
            np.zeros(len(rows), int),
            np.arange(len(rows)),
            pooled[[group]],
            low[[group]],
            high[[group]],
            shape,
        )
        own[rows, :3] = fit.parameters[:3]
        own[rows, hc.MIDPOINT] = fit.parameters[3:]


def joint_midpoints(
    x: np.ndarray,
    y: np.ndarray,
    shape_of: np.ndarray,
    midpoint_of: np.ndarray,
    start: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    shape: Shape,
) -> fp.JointFit:
    """Replicates that share plateaus and slopes as `shape_of` tells, and midpoints as `midpoint_of` tells.

    Parameters
    ----------
    x, y
        Points of each replicate, padded with NaN. Shape (replicates, points).
    shape_of, midpoint_of
        Which plateaus and slope, and which midpoint, each replicate has. Shape (replicates,).
    start, low, high
        Parameters and bounds of each shape. Shape (shapes, 4).
    shape
        How curves are fitted.

    Returns
    -------
    Parameters: lower, upper, hill of each shape, then the midpoints.
    """
    n_shapes, n_midpoints = start.shape[0], int(midpoint_of.max()) + 1
    first = [int(shape_of[midpoint_of == m][0]) for m in range(n_midpoints)]
    theta, lo, hi = (np.r_[v[:, :3].ravel(), v[first, 3]] for v in (start, low, high))
    row, column = np.nonzero(~np.isnan(x) & ~np.isnan(y))
    which = np.column_stack([3 * shape_of[row] + k for k in range(3)] + [3 * n_shapes + midpoint_of[row]])
    return fp.fit_joint(
        x[row, column], y[row, column], which, theta, low=lo, high=hi, loss=shape.loss, scale=shape.scale
    )


def log_ic50_error(x: np.ndarray, y: np.ndarray, parameters: np.ndarray, level: float, fixed: list[int]) -> float:
    """Half width of the 95 % interval of the log10 dose of a crossing, from the residuals of one curve; NaN if unknown.

    Parameters
    ----------
    x, y
        Log10 dose and response. Shape (points,).
    parameters
        lower, upper, hill, midpoint.
    level
        The response that is crossed.
    fixed
        Parameters that are fixed or at a bound.
    """
    free = [i for i in range(4) if i not in fixed]
    df = x.size - len(free)
    if df < 1 or not free:
        return float("nan")
    rss = float(((y - hc.curve_at(parameters[None], x[None])[0]) ** 2).sum())
    a = hc.information(x, y, parameters, expected=True)[np.ix_(free, free)]
    gradient = hc.crossing_gradient(parameters, level)[free]
    if np.linalg.cond(a) > 1e14:
        return float("nan")
    variance = float(gradient @ np.linalg.solve(a, gradient)) * rss / df
    return float(stats.t.ppf(0.975, df) * np.sqrt(variance)) if variance >= 0 else float("nan")


def lack_of_fit(x: np.ndarray, y: np.ndarray, rss: float, n_parameters: int) -> tuple[float, float]:
    """F and p-value of a curve against free means per dose; NaN where no dose is repeated.

    Parameters
    ----------
    x, y
        Log10 dose and response. Shape (points,).
    rss
        Residual sum of squares of the curve.
    n_parameters
        Of the curve.

    References
    ----------
    Bates & Watts (1988) Nonlinear Regression Analysis, section 3.12.
    """
    _, code = np.unique(x, return_inverse=True)
    n = np.bincount(code)
    means = np.bincount(code, y) / n
    pure, df = float(((y - means[code]) ** 2).sum()), x.size - n.size
    extra = n.size - n_parameters
    if df < 1 or extra < 1 or not pure > 0:
        return float("nan"), float("nan")
    f = (rss - pure) / extra / (pure / df)
    return f, float(stats.f.sf(f, extra, df))
