"""Effects with their intervals, and values with one point per patient."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.contrasts.verdict import ALPHA
from scresist.plots.axis_ends import ends_of_effects, mark_beyond
from scresist.plots.style import arm_colours, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def forest(table: pd.DataFrame, axes: "Axes", *, label: str, effect: str = "effect", unit: str = "effect") -> "Axes":
    """One row per feature: the effect, its 95 % interval, filled where q < 0.05, open otherwise.

    The axis has 0 and every row that reaches at most 3 times as far as the median row. What goes on beyond its end is
    an arrow there, with the effect and its interval in numbers at the right.

    Parameters
    ----------
    table
        Columns `label`, `effect`, ci_low, ci_high, q_value; rows from top to bottom.
    axes
        Where to draw.
    label, effect, unit
        The column of the names, that of the effects, and the words under the axis.
    """
    require_columns(table, [label, effect, "ci_low", "ci_high", "q_value"], "the table of effects")
    rows = np.arange(len(table))[::-1]
    called = (table["q_value"] < ALPHA).to_numpy()
    faces = np.where(called, "#b2182b", "white")
    low, middle, high = (table[c].to_numpy(float) for c in ("ci_low", effect, "ci_high"))
    ends = ends_of_effects(low, middle, high)
    axes.axvline(0, color="#9aa3af", linewidth=0.8)
    axes.hlines(rows, np.clip(low, *ends), np.clip(high, *ends), color="#374151", linewidth=1.2)
    gone = mark_beyond(axes, rows, (low, middle, high), ends, faces=faces.tolist())
    axes.scatter(middle[~gone], rows[~gone], s=34, zorder=3, edgecolors="#1f2937", c=faces[~gone].tolist())
    axes.set_xlim(ends)
    axes.set_yticks(rows, table[label].astype(str).tolist(), fontsize=8)
    axes.set_xlabel(unit, fontsize=8)
    axes.set_ylim(-0.7, len(table) - 0.3)
    tidy(axes)
    return axes


def by_arm(
    table: pd.DataFrame, axes: "Axes", *, arms: Sequence[str], unit: str, palette: Sequence[str] | None = None
) -> "Axes":
    """One point per patient and arm, a bar at the mean of each arm, lines between samples of one patient.

    Parameters
    ----------
    table
        Columns patient, arm, value.
    axes
        Where to draw.
    arms
        In the order of the study.
    unit
        The words beside the axis.
    palette
        All arms of the study where `arms` are some of them, so that each keeps its colour; None: `arms`.
    """
    require_columns(table, ["patient", "arm", "value"], "the table of values")
    colour = arm_colours(arms if palette is None else palette)
    place = {arm: i for i, arm in enumerate(arms)}
    shown = table[table["arm"].isin(arms) & table["value"].notna()].sort_values(["arm", "patient"])
    at: dict[tuple[str, str], tuple[float, float]] = {}
    for arm, own in shown.groupby("arm", sort=False, observed=True):
        spread = np.linspace(-0.16, 0.16, len(own)) if len(own) > 1 else np.zeros(1)
        x = place[str(arm)] + spread
        axes.scatter(x, own["value"], s=26, color=colour[str(arm)], edgecolors="white", linewidths=0.6, zorder=3)
        middle = float(own["value"].mean())
        axes.hlines(middle, place[str(arm)] - 0.28, place[str(arm)] + 0.28, color=colour[str(arm)], linewidth=2)
        at |= {
            (str(p), str(arm)): (float(a), float(v)) for p, a, v in zip(own["patient"], x, own["value"], strict=True)
        }
    _join_pairs(at, arms, axes)
    size = axes.figure.get_figure(root=True).get_size_inches()[0]
    long = sum(len(arm) + 2 for arm in arms) > 15 * (size - 0.5)  # characters of 8 points in the width
    sizes = shown.groupby(shown["arm"].astype(str))["patient"].nunique()
    axes.set_xticks(range(len(arms)), [f"{short(arm)}\nn = {sizes.get(arm, 0)}" for arm in arms], fontsize=8,
                    rotation=25 if long else 0, ha="right" if long else "center")  # fmt: skip
    axes.set_xlim(-0.6, len(arms) - 0.4)
    axes.set_ylabel(unit, fontsize=8)
    tidy(axes)
    return axes


def _join_pairs(at: Mapping[tuple[str, str], tuple[float, float]], arms: Sequence[str], axes: "Axes") -> None:
    for patient in sorted({p for p, _ in at}):
        points = [at[patient, arm] for arm in arms if (patient, arm) in at]
        for (x0, y0), (x1, y1) in pairwise(points):
            axes.plot([x0, x1], [y0, y1], color="#9aa3af", linewidth=0.8, zorder=1)
