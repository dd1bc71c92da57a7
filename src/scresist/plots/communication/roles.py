"""What groups send and receive."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.plots.style import colours, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def roles(table: pd.DataFrame, axes: "Axes", *, unit: str = "strength") -> "Axes":
    """Groups by what they send (x) and receive (y); the size of a point is the number of links.

    Parameters
    ----------
    table
        Columns group, outgoing, incoming, and n_links if there are; from `signalling_roles` or `role_change_totals`.
    axes
        Where to draw.
    unit
        What is on the axes, after "outgoing" and "incoming".
    """
    require_columns(table, ["group", "outgoing", "incoming"], "the table of roles")
    names = [str(g) for g in table["group"]]
    links = table["n_links"].to_numpy(dtype=float) if "n_links" in table else np.ones(len(table))
    colour = colours(names)
    axes.scatter(table["outgoing"], table["incoming"], s=20 + 160 * links / max(links.max(), 1),
                 c=[colour[n] for n in names], alpha=0.85, edgecolors="white")  # fmt: skip
    if (table[["outgoing", "incoming"]] < 0).any(axis=None):
        axes.axhline(0, color="#9aa3af", linewidth=0.8)
        axes.axvline(0, color="#9aa3af", linewidth=0.8)
    axes.margins(0.15)
    _label_points(names, table["outgoing"].to_numpy(), table["incoming"].to_numpy(), axes)
    axes.set_xlabel(f"outgoing {unit}", fontsize=8)
    axes.set_ylabel(f"incoming {unit}", fontsize=8)
    tidy(axes)
    return axes


def _label_points(names: list[str], x: np.ndarray, y: np.ndarray, axes: "Axes") -> None:
    """Names beside their points: the nearest place around each that covers no point and no other name."""
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    box = axes.get_window_extent()
    points_per_pixel = 72 / axes.figure.dpi
    high = 9 / (box.height * points_per_pixel)  # of a line of text, as a share of the axes
    letter = 4.1 / (box.width * points_per_pixel)
    u, v = (x - x0) / (x1 - x0), (y - y0) / (y1 - y0)
    taken = [(a - 0.4 * letter, b - high / 4, a + 0.4 * letter, b + high / 4) for a, b in zip(u, v, strict=True)]
    for k in np.argsort(-v, kind="stable"):
        wide = letter * len(names[k])
        box_k = _free_place(float(u[k]), float(v[k]), wide, high, taken)
        taken.append(box_k)
        axes.annotate(names[k], (x[k], y[k]), xytext=(box_k[0], (box_k[1] + box_k[3]) / 2), fontsize=7, va="center",
                      textcoords="axes fraction",
                      arrowprops={"arrowstyle": "-", "color": "#c8ccd2", "linewidth": 0.5, "shrinkA": 0})  # fmt: skip


def _free_place(
    u: float, v: float, wide: float, high: float, taken: list[tuple[float, float, float, float]]
) -> tuple[float, float, float, float]:
    """Left, lower, right and upper end of the free place nearest to a point; the place beside it where none is."""
    beside = (u + 1.2 * high, v - high / 2, u + 1.2 * high + wide, v + high / 2)
    for step in np.arange(1.2, 14, 0.4):
        for turn in np.linspace(0, 2 * np.pi, 16, endpoint=False):
            left = u + step * high * np.cos(turn) - (wide if np.cos(turn) < -0.1 else 0)
            low = v + step * high * np.sin(turn) - high / 2
            place = (float(left), float(low), float(left) + wide, float(low) + high)
            inside = left > 0.01 and left + wide < 1.1 and low > -0.01 and low + high < 1.04
            if inside and not any(
                place[0] < t[2] and t[0] < place[2] and place[1] < t[3] and t[1] < place[3] for t in taken
            ):
                return place
    return beside
