"""Pictures of contrasts: effects with their intervals, patients as points, primary against acquired."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.contrasts.verdict import ALPHA
from scresist.plots.labels import label_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"supported": "#b2182b", "suggestive": "#ef8a62", "not supported": "#999999", "refused": "#cccccc"}


def volcano(table: pd.DataFrame, ax: "Axes", *, effect: str = "log2fc", label: str = "gene", top: int = 10) -> "Axes":
    """Effect against p, the smallest p-values named; a dotted line at the smallest p an exact test can reach."""
    require_columns(table, [effect, "p_value", "q_value", label], "the table of contrasts")
    tested = table[table["p_value"].notna()]
    level = -np.log10(tested["p_value"].to_numpy(float))
    found = (tested["q_value"] < ALPHA).to_numpy()
    ax.scatter(tested[effect][~found], level[~found], s=5, color="#bbbbbb", rasterized=True)
    ax.scatter(tested[effect][found], level[found], s=9, color=COLOURS["supported"], rasterized=True)
    named = np.argsort(-level, kind="stable")[:top]
    label_points([str(n) for n in tested[label].iloc[named]], tested[effect].to_numpy(float)[named], level[named], ax)
    if "p_floor" in tested and tested["p_floor"].notna().any():
        floor = float(tested["p_floor"].min())
        ax.axhline(-np.log10(floor), color="#444444", linestyle=":", linewidth=0.8)
        ax.annotate("exact floor", (ax.get_xlim()[0], -np.log10(floor)), fontsize=7, va="bottom")
    ax.set_xlabel(effect)
    ax.set_ylabel("-log10 p (patients)")
    return ax


def primary_against_acquired(table: pd.DataFrame, ax: "Axes", *, label: str = "feature", top: int = 10) -> "Axes":
    """The two effects of every feature against each other, coloured by class."""
    require_columns(table, ["primary_effect", "acquired_effect", "class", label], "the table of both effects")
    colours = {"shared": "#762a83", "opposite": "#1b7837", "primary only": "#2166ac", "acquired only": "#b2182b"}
    plain = table["class"] == "undecided"
    ax.axhline(0, color="#cccccc", linewidth=0.8)
    ax.axvline(0, color="#cccccc", linewidth=0.8)
    ax.scatter(table["primary_effect"][plain], table["acquired_effect"][plain], s=6, color="#bbbbbb", label="undecided")
    for kind, colour in colours.items():
        own = table[table["class"] == kind]
        ax.scatter(own["primary_effect"], own["acquired_effect"], s=16, color=colour, label=kind)
    called = table[~plain].sort_values("p_value", kind="stable").head(top)
    effects = called[["primary_effect", "acquired_effect"]].to_numpy(float)
    label_points([str(name) for name in called[label]], effects[:, 0], effects[:, 1], ax)
    ax.set_xlabel("effect in primary resistance")
    ax.set_ylabel("effect in acquired resistance")
    ax.legend(fontsize=7, frameon=False)
    return ax
