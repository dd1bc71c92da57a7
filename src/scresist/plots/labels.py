"""Names beside points that cover neither each other nor the points."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def label_points(names: Sequence[str], x: np.ndarray, y: np.ndarray, axes: "Axes") -> None:
    """Names beside their points: the nearest place around each that covers no labelled point and no other name.

    Parameters
    ----------
    names
        One a point.
    x, y
        Where the points are, in the units of the axes. Shape (n_names,).
    axes
        With its limits and scales settled; changed in place.
    """
    if not len(names):
        return
    axes.autoscale_view()  # which matplotlib otherwise puts off until it draws
    box = axes.get_window_extent()
    points_per_pixel = 72 / axes.figure.get_figure(root=True).dpi
    high = 9 / (box.height * points_per_pixel)  # of a line of text, as a share of the axes
    letter = 4.1 / (box.width * points_per_pixel)
    u, v = axes.transAxes.inverted().transform(axes.transData.transform(np.c_[x, y])).T
    taken = [(a - 0.4 * letter, b - high / 4, a + 0.4 * letter, b + high / 4) for a, b in zip(u, v, strict=True)]
    for k in np.argsort(-v, kind="stable"):
        wide = letter * len(names[k])
        box_k = _free_place(float(u[k]), float(v[k]), wide, high, taken)
        taken.append(box_k)
        axes.annotate(names[k], (x[k], y[k]), xytext=(box_k[0], (box_k[1] + box_k[3]) / 2), fontsize=7, va="center",
                      textcoords="axes fraction", zorder=4,
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
