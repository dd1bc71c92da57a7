"""Names beside points that cover neither each other nor the points."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def label_points(
    names: Sequence[str], x: np.ndarray, y: np.ndarray, axes: "Axes", *, around: np.ndarray | None = None
) -> None:
    """Names beside their points: the nearest place around each that covers no point to avoid and no other name.

    Parameters
    ----------
    names
        One a point.
    x, y
        Where the points are, in the units of the axes. Shape (n_names,).
    axes
        With its limits and scales settled; changed in place.
    around
        Further points that no name shall cover. Shape (points, 2).
    """
    if not len(names):
        return
    axes.autoscale_view()  # which matplotlib otherwise puts off until it draws
    box = axes.get_window_extent()
    points_per_pixel = 72 / axes.figure.get_figure(root=True).dpi
    high = 9 / (box.height * points_per_pixel)  # of a line of text, as a share of the axes
    letter = 4.5 / (box.width * points_per_pixel)
    both = np.c_[x, y] if around is None else np.r_[np.c_[x, y], around]
    at = axes.transAxes.inverted().transform(axes.transData.transform(both))
    half = np.array([0.4 * letter, high / 4])
    taken = np.c_[at - half, at + half]
    for k in np.argsort(-at[: len(names), 1], kind="stable"):
        u, v = (float(part) for part in at[k])
        wide = letter * len(names[k])
        place = _free_place(u, v, wide, high, taken)
        taken = np.r_[taken, [place]]
        axes.annotate(names[k], (x[k], y[k]), xytext=(place[0], (place[1] + place[3]) / 2), fontsize=7, va="center",
                      textcoords="axes fraction", zorder=4,
                      arrowprops={"arrowstyle": "-", "color": "#c8ccd2", "linewidth": 0.5, "shrinkA": 0})  # fmt: skip


def _free_place(u: float, v: float, wide: float, high: float, taken: np.ndarray) -> tuple[float, float, float, float]:
    """Left, lower, right and upper end of the free place nearest to a point; that which covers least where none is."""
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    steps, turns = (part.ravel() for part in np.meshgrid(np.arange(1.2, 14, 0.4), turn, indexing="ij"))
    left = u + steps * high * np.cos(turns) - np.where(np.cos(turns) < -0.1, wide, 0)
    low = v + steps * high * np.sin(turns) - high / 2
    inside = (left > 0.01) & (left + wide < 1.1) & (low > -0.01) & (low + high < 1.04)
    covers = (
        (left[:, None] < taken[:, 2]) & (taken[:, 0] < left[:, None] + wide)
        & (low[:, None] < taken[:, 3]) & (taken[:, 1] < low[:, None] + high)
    ).sum(axis=1)  # fmt: skip
    if not inside.any():
        return (u + 1.2 * high, v - high / 2, u + 1.2 * high + wide, v + high / 2)
    covers = np.where(inside, covers, len(taken) + 1)
    best = int(np.argmin(covers))  # the first of the least, and the nearest come first
    return (float(left[best]), float(low[best]), float(left[best]) + wide, float(low[best]) + high)
