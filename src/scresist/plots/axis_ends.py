"""Where an axis of effects ends, so that one large effect does not squeeze all others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TIMES = 3.0  # the median reach of the rows; a row that reaches further does not decide where the axis ends
POINTS = 2.0  # times the 99 % quantile of the size of points without a class
NAMED = 5  # points beyond the axes that have their value written
NARROW = 3.0  # inches of a figure that has room for an effect but not for its interval
INK = "#374151"


def reach(low: np.ndarray, effect: np.ndarray, high: np.ndarray) -> np.ndarray:
    """How far each row is from 0 at its furthest end; NaN where it has no number.

    Parameters
    ----------
    low, effect, high
        Interval and effect, on the scale on which 0 is no effect. Shape (rows,).
    """
    ends = np.abs(np.stack([low, effect, high]).astype(float))
    ends[~np.isfinite(ends)] = np.nan
    known = np.isfinite(ends).any(axis=0)
    furthest = np.full(ends.shape[1], np.nan)
    furthest[known] = np.nanmax(ends[:, known], axis=0)
    return furthest


def ends_of_effects(
    low: np.ndarray, effect: np.ndarray, high: np.ndarray, *, decide: np.ndarray | None = None
) -> tuple[float, float]:
    """The two ends of an axis with 0 that has every row which reaches at most 3 times as far as the median row.

    Parameters
    ----------
    low, effect, high
        Interval and effect, on the scale on which 0 is no effect. Shape (rows,).
    decide
        The rows that decide; None: all.
    """
    far = reach(low, effect, high)
    own = np.isfinite(far) if decide is None or not decide.any() else np.isfinite(far) & decide
    if not own.any():
        return -1.0, 1.0
    kept = own & (far <= TIMES * np.median(far[own]))
    parts = np.concatenate([np.stack([low, effect, high]).astype(float)[:, kept].ravel(), [0.0]])
    parts = parts[np.isfinite(parts)]
    left, right = float(parts.min()), float(parts.max())
    margin = 0.06 * (right - left) or 1.0
    return left - margin, right + margin


def reaches_beyond(low: np.ndarray, effect: np.ndarray, high: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """Which rows do not fit between the ends of an axis.

    Parameters
    ----------
    low, effect, high
        Interval and effect. Shape (rows,).
    ends
        Of the axis.
    """
    parts = np.stack([low, effect, high]).astype(float)
    return np.asarray(((parts < ends[0]) | (parts > ends[1])).any(axis=0))


def clip_note(table: pd.DataFrame, *, effect: str = "effect", ratio: bool = False) -> str:
    """The sentence for the caption of a forest, empty where its axis has every row.

    Parameters
    ----------
    table
        Columns `effect`, ci_low, ci_high.
    effect
        The column of the effects.
    ratio
        Effects are ratios, whose axis is logarithmic.
    """
    low, middle, high = (table[c].to_numpy(float) for c in ("ci_low", effect, "ci_high"))
    if ratio:
        low, middle, high = logs(low), logs(middle), logs(high)
    return note(reaches_beyond(low, middle, high, ends_of_effects(low, middle, high)))


def note(beyond: np.ndarray) -> str:
    """The sentence for the caption of a figure with rows beyond its axis.

    Parameters
    ----------
    beyond
        Which rows are.
    """
    if not beyond.any():
        return ""
    return f" An arrow marks what reaches over {TIMES:g} times as far as the median row; its numbers stand beside it."


def logs(values: np.ndarray) -> np.ndarray:
    """Natural logarithms of ratios; NaN where there is none.

    Parameters
    ----------
    values
        Ratios. Shape (rows,).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(values > 0, np.log(values), np.nan)


def signed(value: float) -> str:
    """An effect in a figure, with two digits.

    Parameters
    ----------
    value
        The number.
    """
    words = f"{value:+.2f}" if abs(value) >= 0.1 or value == 0 else f"{value:+.1g}"
    return words.replace("-", "−")


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def mark_beyond(
    axes: "Axes", rows: np.ndarray, table: Sequence[np.ndarray], ends: tuple[float, float], *,
    faces: Sequence[str], ratio: bool = False, words: bool = True,
) -> np.ndarray:  # fmt: skip
    """An arrow at the end of the axis for every row that goes on, with its numbers there or at the right of the axes.

    Parameters
    ----------
    axes
        Of a forest; changed in place.
    rows
        Heights of the rows. Shape (rows,).
    table
        Lower end, effect and upper end of each row, on the scale of the ends.
    ends
        Of the axis.
    faces
        Colour of each row; an arrow has it where the effect itself is beyond.
    ratio
        The scale is of logarithms, and the axis of ratios.
    words
        Write the numbers.

    Returns
    -------
    Whether the effect itself is beyond, for each row; it then has no dot.
    """
    low, effect, high = (np.asarray(part, float) for part in table)
    shown = np.exp(ends) if ratio else np.asarray(ends)
    below, above = effect < ends[0], effect > ends[1]
    sides = ((shown[0], "<", below, (low < ends[0]) | below), (shown[1], ">", above, (high > ends[1]) | above))
    for edge, mark, whole, goes_on in sides:
        for k in np.flatnonzero(goes_on):
            axes.plot([edge], [rows[k]], mark, markersize=6.5 if whole[k] else 4, clip_on=False, zorder=4,
                      markerfacecolor=faces[int(k)] if whole[k] else INK, markeredgecolor=INK)  # fmt: skip
    brief = axes.figure.get_figure(root=True).get_size_inches()[0] < NARROW
    empty = {"<": high < ends[0], ">": low > ends[1]}  # rows of which nothing is on the axis have room for words
    for k in np.flatnonzero(reaches_beyond(low, effect, high, ends)) if words else ():
        numbers = numbers_beyond(low[k], effect[k], high[k], ends, ratio=ratio)
        numbers = numbers.partition(" (")[0] if brief else numbers
        place: dict[str, Any] = {"fontsize": 7, "color": INK, "va": "center"}
        if empty["<"][k]:
            axes.annotate(numbers, (shown[0], rows[k]), (8, 0), textcoords="offset points", **place)
        elif empty[">"][k]:
            axes.annotate(numbers, (shown[1], rows[k]), (-8, 0), textcoords="offset points", ha="right", **place)
        else:
            axes.annotate(numbers, (1, rows[k]), (8, 0), xycoords=axes.get_yaxis_transform(),
                          textcoords="offset points", **place)  # fmt: skip
    return np.asarray(below | above)


def numbers_beyond(low: float, effect: float, high: float, ends: tuple[float, float], *, ratio: bool) -> str:
    """An effect with its interval, where one of them is beyond the axis; else empty.

    Parameters
    ----------
    low, effect, high
        On the scale of the ends.
    ends
        Of the axis.
    ratio
        The scale is of logarithms, and ratios are written.
    """
    if not reaches_beyond(np.array([low]), np.array([effect]), np.array([high]), ends)[0]:
        return ""
    parts = [_ratio(float(np.exp(v))) if ratio else signed(v) for v in (effect, low, high)]
    return f"{parts[0]} ({parts[1]} to {parts[2]})" if np.isfinite([low, high]).all() else parts[0]


def end_of_points(values: np.ndarray, *, keep: np.ndarray) -> float:
    """Size at which an axis of many points ends: 2 times the 99 % quantile of their size, or the largest to keep.

    Parameters
    ----------
    values
        Effects of the points. Shape (points,).
    keep
        Points that must not be cut. Shape (points,).
    """
    size = np.abs(values[np.isfinite(values)])
    if not len(size):
        return 1.0
    limit = max(POINTS * float(np.quantile(size, 0.99)), float(np.max(np.abs(values[keep]), initial=0.0)))
    return min(limit, float(size.max())) or 1.0


def points_note(axes: Sequence[pd.Series], keep: pd.Series) -> str:
    """The sentence for the caption of a figure of many points, empty where its axes have all.

    Parameters
    ----------
    axes
        The effects along each axis that is cut.
    keep
        Points that are not cut.
    """
    parts = [part.to_numpy(float) for part in axes]
    beyond = np.zeros(len(keep), bool)
    for values in parts:
        beyond |= np.abs(values) > end_of_points(values, keep=keep.to_numpy(bool))
    n = int(beyond.sum())
    return f" {n} beyond the axes {'is an arrow' if n == 1 else 'are arrows'} at the edge." if n else ""


def mark_points(axes: "Axes", x: np.ndarray, y: np.ndarray, names: Sequence[str], ends: tuple[float, float]) -> None:
    """Arrows at the edge for points beyond the axes, the furthest with their value.

    Parameters
    ----------
    axes
        Of a scatter; its limits are set.
    x, y
        Points. Shape (points,).
    names
        One a point.
    ends
        Size at which the axis of x ends, and that of y; infinite where it is not cut.
    """
    far = np.maximum(np.abs(x) / ends[0], np.abs(y) / ends[1])
    out = np.flatnonzero(far > 1)
    for rank, k in enumerate(out[np.argsort(-far[out], kind="stable")]):
        at = float(np.clip(x[k], -ends[0], ends[0])), float(np.clip(y[k], -ends[1], ends[1]))
        sideways = abs(x[k]) > ends[0]
        mark = ("<" if x[k] < 0 else ">") if sideways else ("v" if y[k] < 0 else "^")
        axes.plot(*at, mark, markersize=4.5, color="#6b7280", zorder=3)
        if rank < NAMED:
            value = x[k] if sideways else y[k]
            right = at[0] > 0
            axes.annotate(f"{names[k]} {signed(value)}", at, (-5 if right else 5, 0), textcoords="offset points",
                          fontsize=7, color="#6b7280", ha="right" if right else "left", va="center")  # fmt: skip
