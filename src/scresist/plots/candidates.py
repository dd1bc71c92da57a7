"""Candidates: genes against lines of evidence, and the known routes of escape as a map."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import FancyBboxPatch, Rectangle

from scresist.checks import require_columns
from scresist.plots.style import short, tidy

FOR, AGAINST, INK, GREY = "#0072b2", "#d55e00", "#374151", "#9aa3af"
VERDICTS = {"supported": "#166534", "suggestive": "#92400e", "not supported": "#64748b", "refused": "#991b1b"}


def evidence_matrix(table: pd.DataFrame, axes: Axes, *, genes: Sequence[str], lines: Sequence[str]) -> Axes:
    """Genes (rows) against lines of evidence (columns): the larger a disc, the stronger the line.

    Parameters
    ----------
    table
        One row per gene and line: gene, line, state (for, against, open, not measured), strength (0 to 1), verdict.
    axes
        Where to draw.
    genes, lines
        From top to bottom, and from left to right.
    """
    require_columns(table, ["gene", "line", "state", "strength", "verdict"], "the table of evidence")
    row, column = {g: i for i, g in enumerate(genes)}, {name: i for i, name in enumerate(lines)}
    own = table[table["gene"].isin(row) & table["line"].isin(column)]
    x, y = own["line"].map(column).to_numpy(float), own["gene"].map(row).to_numpy(float)
    size = 12 + 90 * np.clip(own["strength"].fillna(0).to_numpy(float), 0, 1)
    state = own["state"].to_numpy(object)
    for name, face, edge in (("for", FOR, FOR), ("against", AGAINST, AGAINST), ("open", "white", GREY)):
        at = state == name
        axes.scatter(x[at], y[at], s=size[at] if name != "open" else 30, facecolor=face, edgecolor=edge, linewidths=0.9,
                     zorder=3)  # fmt: skip
    at = state == "not measured"
    axes.scatter(x[at], y[at], s=22, marker="_", color="#d1d5db", zorder=2)
    for i in range(len(genes)):
        axes.axhline(i, color="#f1f5f9", linewidth=0.8, zorder=0)
    verdict = own.drop_duplicates("gene").set_index("gene")["verdict"]
    for gene, i in row.items():
        word = str(verdict.get(gene, ""))
        axes.text(len(lines) - 0.3, i, word, fontsize=7.5, va="center", color=VERDICTS.get(word, INK))
    axes.set_xticks(range(len(lines)), list(lines), rotation=55, ha="left", fontsize=8)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(genes)), list(genes), fontsize=8)
    axes.set_xlim(-0.6, len(lines) + 1.9)
    axes.set_ylim(len(genes) - 0.4, -0.6)
    for name, face, edge in (
        ("for", FOR, FOR),
        ("against", AGAINST, AGAINST),
        ("measured, not decided", "white", GREY),
    ):
        axes.scatter([], [], s=50, facecolor=face, edgecolor=edge, label=name)
    axes.scatter([], [], s=22, marker="_", color=GREY, label="not measured")
    axes.legend(
        fontsize=7,
        frameon=False,
        ncols=4,
        loc="upper left",
        bbox_to_anchor=(-0.15, 0),
        handletextpad=0.1,
        columnspacing=0.8,
    )
    tidy(axes)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return axes


def mechanism_map(
    table: pd.DataFrame, axes: Axes, *, stations: Mapping[str, Sequence[str]], contrasts: Sequence[str]
) -> Axes:
    """The route of the drug from left to right, with the genes by which tumours are known to leave it.

    Each gene has one square per contrast: red where it is higher, blue where it is lower, framed where the change is
    supported. The arrow after the name is the direction that would confer resistance.

    Parameters
    ----------
    table
        One row per gene and contrast: gene, contrast, log2fc, verdict, direction_expected (up, down or empty).
    axes
        Where to draw.
    stations
        Genes of each station of the route, stations in order.
    contrasts
        In the order of the squares.
    """
    require_columns(table, ["gene", "contrast", "log2fc", "verdict", "direction_expected"], "the table of routes")
    known = table.drop_duplicates(["gene", "contrast"]).set_index(["gene", "contrast"])
    arrows = table.drop_duplicates("gene").set_index("gene")["direction_expected"].astype(str)
    deepest = max((len(genes) for genes in stations.values()), default=1)
    scale, cmap = Normalize(-2, 2), colormaps["RdBu_r"]
    for k, (station, genes) in enumerate(stations.items()):
        axes.add_patch(FancyBboxPatch((k + 0.04, -0.06), 0.86, deepest + 1.2, boxstyle="round,pad=0,rounding_size=0.06",
                                      facecolor="#f8fafc", edgecolor="#d1d5db", linewidth=0.8))  # fmt: skip
        axes.text(
            k + 0.47, deepest + 0.72, station, ha="center", va="center", fontsize=7.5, fontweight="bold", color=INK
        )
        if k:
            axes.annotate("", (k + 0.04, deepest / 2), (k - 0.1, deepest / 2),
                          arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0
                          })  # fmt: skip
        for i, gene in enumerate(genes):
            y = deepest - 0.5 - i
            mark = {"up": " ↑", "down": " ↓"}.get(str(arrows.get(gene, "")), "")
            axes.text(k + 0.08, y, f"{short(gene, at_most=10)}{mark}", fontsize=7.5, va="center", color=INK)
            for j, contrast in enumerate(contrasts):
                place = (k + 0.87 - 0.13 * (len(contrasts) - j), y - 0.34)
                if (gene, contrast) not in known.index:
                    axes.add_patch(Rectangle(place, 0.1, 0.68, facecolor="white", edgecolor="#e5e7eb", linewidth=0.6))
                    continue
                row = known.loc[(gene, contrast)]
                found = str(row["verdict"]) == "supported"
                axes.add_patch(Rectangle(place, 0.1, 0.68, facecolor=cmap(scale(float(row["log2fc"]))),
                                         edgecolor="black" if found else "#d1d5db", linewidth=1.4 if found else 0.5
                                         ))  # fmt: skip
    axes.set_xlim(0, len(stations))
    axes.set_ylim(-0.2, deepest + 1.25)
    axes.set_axis_off()
    bar = axes.figure.colorbar(ScalarMappable(scale, cmap), ax=axes, shrink=0.6, pad=0.01, extend="both")
    bar.set_label("log2 fold change", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return axes
