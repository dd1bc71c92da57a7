"""Links through pairs, as bubbles."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.plots.style import tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def bubbles(table: pd.DataFrame, axes: "Axes", *, rows: int = 30, columns: int = 40) -> "Axes":
    """Pairs (rows) by source and target (columns): colour is the probability, size the p-value.

    Parameters
    ----------
    table
        Columns source, target, ligand, receptor, probability, p_value; of several samples the mean is shown.
    axes
        Where to draw.
    rows, columns
        The strongest pairs, and the strongest pairs of groups, up to these numbers.
    """
    require_columns(table, ["source", "target", "ligand", "receptor", "probability", "p_value"], "the table of links")
    shown = table.assign(
        pair=table["ligand"].astype(str) + " - " + table["receptor"].astype(str),
        link=table["source"].astype(str) + " > " + table["target"].astype(str),
    )
    shown = shown.groupby(["pair", "link"], as_index=False, observed=True)[["probability", "p_value"]].mean()
    for column, limit in (("pair", rows), ("link", columns)):
        strong = shown.groupby(column, observed=True)["probability"].sum().nlargest(limit).index
        shown = shown[shown[column].isin(strong)]
    pairs, links = sorted(shown["pair"].unique(), reverse=True), sorted(shown["link"].unique())
    depth = -np.log10(shown["p_value"].clip(lower=1e-3))
    points = axes.scatter(
        shown["link"].map(links.index), shown["pair"].map(pairs.index), c=shown["probability"], s=8 + 14 * depth,
        cmap="viridis", linewidths=0,
    )  # fmt: skip
    axes.set_xticks(range(len(links)), links, rotation=90, fontsize=6)
    axes.set_yticks(range(len(pairs)), pairs, fontsize=6)
    axes.set_xlim(-0.7, len(links) - 0.3)
    axes.set_ylim(-0.7, len(pairs) - 0.3)
    axes.grid(color="#eef0f3", linewidth=0.6)
    axes.set_axisbelow(True)
    bar = axes.figure.colorbar(points, ax=axes, shrink=0.5, pad=0.02)
    bar.set_label("probability", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    for p in (0.05, 0.001):
        axes.scatter([], [], s=8 - 14 * np.log10(p), color="#6b7280", label=f"p = {p:g}")
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1.0))
    tidy(axes)
    axes.tick_params(axis="both", labelsize=6)
    return axes
