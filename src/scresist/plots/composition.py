"""What every sample is made of."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.plots.style import tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


NAMED_UP_TO = 70  # samples whose names are legible below their bars
SLOTS = 9  # bars that have their full width; fewer leave room


def shares(counts: pd.DataFrame, axes: "Axes", *, arm: pd.Series, colours: Mapping[str, str]) -> "Axes":
    """One stacked bar per sample, samples grouped by arm, types from the most to the least common.

    Parameters
    ----------
    counts
        Cells, samples x types.
    axes
        Where to draw.
    arm
        Arm of each sample, categorical in the order of the study.
    colours
        Colour of each type.
    """
    total = counts.sum(axis=1)
    part = counts.div(total.where(total > 0), axis=0).fillna(0)
    own = pd.DataFrame({"arm": arm.reindex(counts.index).array, "sample": list(counts.index)})
    order = own.sort_values(["arm", "sample"])
    part = part.loc[order["sample"], counts.sum().sort_values(ascending=False, kind="stable").index]
    gaps = (order["arm"].astype(str) != order["arm"].astype(str).shift()).cumsum().to_numpy() - 1
    x = np.arange(len(part)) + 0.7 * gaps
    floor = np.zeros(len(part))
    for name in part.columns:
        axes.bar(x, part[name], bottom=floor, width=0.9, color=colours[str(name)], label=str(name))
        floor += part[name].to_numpy()
    for name in dict.fromkeys(order["arm"].astype(str)):
        inside = x[(order["arm"].astype(str) == name).to_numpy()]
        axes.text(inside.mean(), 1.02, name, ha="center", fontsize=8, color="#374151")
    if len(part) <= NAMED_UP_TO:
        axes.set_xticks(x, [str(s) for s in part.index], rotation=90, fontsize=7)
    else:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(part)} samples", fontsize=8)
    axes.set_ylabel("share of cells", fontsize=8)
    axes.set_ylim(0, 1.0)
    axes.set_xlim(-0.6, max(float(x[-1]) if len(x) else 0.0, SLOTS - 1) + 0.6)
    tidy(axes)
    return axes
