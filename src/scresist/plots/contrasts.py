"""Pictures of contrasts: effects with their intervals, patients as points, primary against acquired."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.contrasts.verdict import ALPHA
from scresist.plots.axis_ends import end_of_points, mark_points
from scresist.plots.labels import label_points
from scresist.plots.style import tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EFFECTS = {"log2fc": "log2 fold change"}
COLOURS = {"supported": "#b2182b", "suggestive": "#ef8a62", "not supported": "#999999", "refused": "#cccccc"}


def volcano(table: pd.DataFrame, ax: "Axes", *, effect: str = "log2fc", label: str = "gene", top: int = 10) -> "Axes":
    """Effect against p, the smallest p-values named; a dotted line at the smallest p an exact test can reach.

    The axis of effects ends at 2 times the 99 % quantile of their size, or at the largest with q < 0.05; genes beyond
    are arrows at its end, the furthest with their effect.
    """
    require_columns(table, [effect, "p_value", "q_value", label], "the table of contrasts")
    tested = table[table["p_value"].notna()]
    level = -np.log10(tested["p_value"].to_numpy(float))
    found = (tested["q_value"] < ALPHA).to_numpy()
    x = tested[effect].to_numpy(float)
    end = end_of_points(x, keep=found)
    within = np.abs(x) <= end
    ax.scatter(x[~found & within], level[~found & within], s=5, color="#bbbbbb", rasterized=True)
    ax.scatter(x[found], level[found], s=9, color=COLOURS["supported"], rasterized=True)
    ax.set_xlim(max(-1.05 * end, np.min(x, initial=0) - end / 20), min(1.05 * end, np.max(x, initial=0) + end / 20))
    if "p_floor" in tested and tested["p_floor"].notna().any():
        floor = -np.log10(float(tested["p_floor"].min()))
        ax.axhline(floor, color="#444444", linestyle=":", linewidth=0.8)
        ax.annotate("exact test\nreaches here", (1, floor), (3, 0), xycoords=("axes fraction", "data"), va="center",
                    textcoords="offset points", fontsize=7, color="#444444")  # fmt: skip
    mark_points(ax, x, level, [str(n) for n in tested[label]], (end, np.inf))
    named = np.argsort(-level, kind="stable")[:top]
    named = named[within[named]]
    label_points([str(n) for n in tested[label].iloc[named]], x[named], level[named], ax,
                 around=np.c_[x, level][found])  # fmt: skip
    ax.set_xlabel(EFFECTS.get(effect, effect), fontsize=8)
    ax.set_ylabel("-log10 p, patients as units", fontsize=8)
    tidy(ax)
    return ax


def primary_against_acquired(table: pd.DataFrame, ax: "Axes", *, label: str = "feature", top: int = 10) -> "Axes":
    """The two effects of every feature against each other, coloured by class.

    Each axis ends at 2 times the 99 % quantile of the size of its effects, or at the largest effect of a feature that
    has a class; features beyond are arrows at the edge, the furthest with their effect.
    """
    require_columns(table, ["primary_effect", "acquired_effect", "class", label], "the table of both effects")
    colours = {"shared": "#762a83", "opposite": "#1b7837", "primary only": "#2166ac", "acquired only": "#b2182b"}
    plain = table["class"] == "undecided"
    x, y = (table[c].to_numpy(float) for c in ("primary_effect", "acquired_effect"))
    ends = tuple(end_of_points(values, keep=~plain.to_numpy()) for values in (x, y))
    within = (np.abs(x) <= ends[0]) & (np.abs(y) <= ends[1])
    ax.axhline(0, color="#cccccc", linewidth=0.8)
    ax.axvline(0, color="#cccccc", linewidth=0.8)
    shown = plain.to_numpy() & within
    ax.scatter(x[shown], y[shown], s=6, color="#bbbbbb", label=f"undecided ({int(plain.sum()):,})")
    for kind, colour in colours.items():
        own = (table["class"] == kind).to_numpy()
        if own.any():
            ax.scatter(x[own], y[own], s=16, color=colour, label=f"{kind} ({int(own.sum()):,})")
    for values, end, limits in ((x, ends[0], ax.set_xlim), (y, ends[1], ax.set_ylim)):
        low, high = np.nanmin(values, initial=0), np.nanmax(values, initial=0)
        limits(max(-1.06 * end, low - 0.06 * end), min(1.06 * end, high + 0.06 * end))
    mark_points(ax, x, y, [str(name) for name in table[label]], (ends[0], ends[1]))
    called = table[~plain].sort_values("p_value", kind="stable").head(top)
    effects = called[["primary_effect", "acquired_effect"]].to_numpy(float)
    label_points([str(name) for name in called[label]], effects[:, 0], effects[:, 1], ax,
                 around=np.c_[x, y][~plain.to_numpy()])  # fmt: skip
    ax.set_xlabel("effect in primary resistance", fontsize=8)
    ax.set_ylabel("effect in acquired resistance", fontsize=8)
    ax.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2)
    tidy(ax)
    return ax
