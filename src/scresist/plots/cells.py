"""Cells: the layout as a figure, markers as dots, copy number along the genome."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from scresist.checks import require_columns
from scresist.plots.style import FAINT, colours, short, tidy

INK = "#374151"


def layout(table: pd.DataFrame, axes: Axes, *, by: str, palette: Mapping[str, str] | None = None) -> Axes:
    """The cells of a two-dimensional layout, coloured by a column, with the number of cells of each name.

    Parameters
    ----------
    table
        One row a cell: umap_1, umap_2 and `by`.
    axes
        Where to draw.
    by
        The column of names.
    palette
        Colours of names; others have a colour by their place.
    """
    require_columns(table, ["umap_1", "umap_2", by], "the table of cells")
    values = pd.Categorical(table[by])
    tints = colours(str(n) for n in values.categories) | dict(palette or {})
    codes = values.codes
    tint = np.array([*(tints[str(n)] for n in values.categories), FAINT])[codes]
    size = float(np.clip(9000 / max(len(table), 1), 0.3, 6))
    # In an order by chance that is always the same, so that no name lies on top of the others.
    order = np.random.default_rng(0).permutation(len(table))
    axes.scatter(table["umap_1"].to_numpy()[order], table["umap_2"].to_numpy()[order], s=size, c=tint[order].tolist(),
                 linewidths=0, rasterized=True)  # fmt: skip
    sizes = np.bincount(codes[codes >= 0], minlength=len(values.categories))
    for name, n in zip(values.categories, sizes, strict=True):
        axes.scatter([], [], s=18, color=tints[str(name)], label=f"{short(name, at_most=30)} ({n:,})")
    axes.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), handletextpad=0.2,
                ncols=1 + len(values.categories) // 19)  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("UMAP 1", fontsize=8)
    axes.set_ylabel("UMAP 2", fontsize=8)
    tidy(axes)
    return axes


def dots(table: pd.DataFrame, axes: Axes, *, genes: Sequence[str], groups: Sequence[str]) -> Axes:
    """Markers per population: the size of a dot is the share of cells with a count, its colour the mean level.

    Parameters
    ----------
    table
        Columns group, gene, level, share, n_cells.
    axes
        Where to draw.
    genes, groups
        From left to right, and from top to bottom.
    """
    require_columns(table, ["group", "gene", "level", "share", "n_cells"], "the table of markers")
    column, row = {g: i for i, g in enumerate(genes)}, {g: i for i, g in enumerate(groups)}
    own = table[table["gene"].isin(column) & table["group"].isin(row)]
    top = own.groupby("gene")["level"].transform("max").replace(0, np.nan)
    drawn = axes.scatter(own["gene"].map(column), own["group"].map(row), s=70 * own["share"] + 0.5,
                         c=(own["level"] / top).fillna(0), cmap="Reds", vmin=0, vmax=1, edgecolors="#9aa3af",
                         linewidths=0.4)  # fmt: skip
    sizes = own.drop_duplicates("group").set_index("group")["n_cells"]
    axes.set_xticks(range(len(genes)), list(genes), rotation=90, fontsize=7)
    axes.set_yticks(range(len(groups)), [f"{short(g, at_most=30)} ({sizes.get(g, 0):,})" for g in groups], fontsize=7)
    axes.set_xlim(-0.7, len(genes) - 0.3)
    axes.set_ylim(len(groups) - 0.3, -0.7)
    bar = axes.figure.colorbar(drawn, ax=axes, shrink=0.5, pad=0.01)
    bar.set_label("mean level, highest = 1", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    for share in (0.25, 0.5, 1.0):
        axes.scatter([], [], s=70 * share, color="#9aa3af", label=f"{share:.0%}")
    axes.legend(title="cells with a count", title_fontsize=7, fontsize=7, frameon=False, ncols=3, loc="lower left",
                bbox_to_anchor=(0, 1.0))  # fmt: skip
    tidy(axes)
    axes.tick_params(length=0, labelsize=7)
    return axes


def genome(
    table: pd.DataFrame, axes: Axes, *, groups: Sequence[str], palette: Mapping[str, str] | None = None,
    limit: float | None = None,
) -> Axes:  # fmt: skip
    """Copy-number signal of cells (rows) along the chromosome arms (columns), in blocks of rows with a name each.

    Parameters
    ----------
    table
        Cells x chromosome arms, in the order of drawing; log scale, 0 is the reference.
    axes
        Where to draw.
    groups
        Name of the block of each row; blocks lie one after the other. Shape (cells,).
    palette
        Colours of the bands beside the blocks.
    limit
        Signal at full colour; None takes the 99 % quantile of its size.
    """
    values = table.to_numpy(float)
    top = limit or float(np.nanquantile(np.abs(values), 0.99)) or 1.0
    shown = axes.imshow(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto",
                        interpolation="nearest", rasterized=True)  # fmt: skip
    names = np.asarray(groups, dtype=object)
    edges = np.concatenate([[0], np.flatnonzero(names[1:] != names[:-1]) + 1, [len(names)]])
    for start, stop in pairwise(edges):
        tint = (palette or {}).get(str(names[start]).split(" ")[0], "#9aa3af")
        axes.add_patch(
            _rectangle(-0.5 - 0.02 * values.shape[1], start - 0.5, 0.014 * values.shape[1], stop - start, tint)
        )
        axes.axhline(stop - 0.5, color="white", linewidth=1)
    middles = (edges[:-1] + edges[1:] - 1) / 2
    apart = len(values) * 7.5 / (72 * 0.85 * axes.figure.get_figure(root=True).get_size_inches()[1])  # rows of a line
    named: list[int] = []
    for k, middle in enumerate(middles):
        if not named or middle - middles[named[-1]] >= apart:
            named.append(k)
    axes.set_yticks(middles[named], [str(names[edges[k]]) for k in named], fontsize=7)
    chromosome = [str(c)[:-1] for c in table.columns]
    firsts = [i for i, c in enumerate(chromosome) if i == 0 or chromosome[i - 1] != c]
    for i in firsts[1:]:
        axes.axvline(i - 0.5, color="#d1d5db", linewidth=0.5)
    axes.set_xticks([np.mean([j for j, c in enumerate(chromosome) if c == chromosome[i]]) for i in firsts],
                    [chromosome[i] for i in firsts], fontsize=7)  # fmt: skip
    axes.set_xlabel("chromosome, short arm before long arm", fontsize=8)
    axes.set_xlim(-0.5 - 0.03 * values.shape[1], values.shape[1] - 0.5)
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.5, pad=0.01)
    bar.set_label("copy-number signal, log scale", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _rectangle(x: float, y: float, width: float, height: float, tint: str) -> Rectangle:
    return Rectangle((x, y), width, height, facecolor=tint, edgecolor="none", clip_on=False)
