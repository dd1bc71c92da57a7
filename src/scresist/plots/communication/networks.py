"""Who signals to whom: a circle of arrows, chords, and a matrix."""

from collections.abc import Mapping
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, PathPatch, Wedge
from matplotlib.path import Path

from scresist.checks import InputError
from scresist.plots.style import colours

LETTERS = 22  # of a line of a name around a circle
UP, DOWN = "#b2182b", "#2166ac"


def circle(matrix: pd.DataFrame, axes: Axes, *, links: int = 60) -> Axes:
    """Groups on a circle, with arrows from source to target whose width is the strength; loops are outside.

    Arrows have the colour of their source. In a matrix with negative entries (a difference) increases are red and
    decreases blue.

    Parameters
    ----------
    matrix
        Source x target, from `counts`, `weights` or `difference`.
    axes
        Where to draw.
    links
        Number of links that are drawn, the strongest ones.
    """
    names, A = _square(matrix)
    signed = bool((A < 0).any())
    colour, n = colours(names), len(names)
    angle = np.pi / 2 - 2 * np.pi * np.arange(n) / n
    at = np.column_stack([np.cos(angle), np.sin(angle)])
    largest = float(np.abs(A).max()) or 1.0
    order = np.argsort(-np.abs(A), axis=None)[: min(links, int((A != 0).sum()))]
    for flat in order[::-1]:
        i, j = divmod(int(flat), n)
        share = abs(A[i, j]) / largest
        tint = (UP if A[i, j] > 0 else DOWN) if signed else colour[names[i]]
        if i == j:
            axes.add_patch(
                Circle(tuple(at[i] * 1.1), 0.1, fill=False, color=tint, linewidth=0.4 + 3.6 * share, alpha=0.8)
            )
            continue
        axes.add_patch(
            FancyArrowPatch(
                tuple(at[i]), tuple(at[j]), connectionstyle="arc3,rad=0.18", arrowstyle="-|>", shrinkA=7, shrinkB=8,
                mutation_scale=6 + 6 * share, linewidth=0.4 + 3.6 * share, color=tint, alpha=0.35 + 0.5 * share,
            )
        )  # fmt: skip
    axes.scatter(at[:, 0], at[:, 1], s=70, c=[colour[m] for m in names], edgecolors="white", zorder=3)
    _names_around(names, angle, axes, radius=1.27)
    return _bare(axes, 1.9)


def chord(
    matrix: pd.DataFrame, axes: Axes, *, palette: Mapping[str, str] | None = None, total: float | None = None
) -> Axes:
    """Groups as arcs whose length is all that they send and receive, with ribbons in the colour of the source.

    Parameters
    ----------
    matrix
        Source x target, not negative.
    axes
        Where to draw.
    palette
        Colours of groups; None: by their place.
    total
        Total that fills the circle, so that several circles have one scale; None takes that of the matrix.

    Raises
    ------
    InputError
        If the matrix has negative entries or is not square.
    """
    names, A = _square(matrix)
    if (A < 0).any():
        raise InputError("a chord plot shows amounts; draw a difference with `circle` or `matrix`")
    n, colour = len(names), colours(names) | dict(palette or {})
    size = A.sum(axis=0) + A.sum(axis=1)
    unit = 2 * np.pi * 0.8 / (2 * total if total else size.sum() or 1.0)
    gap = (2 * np.pi - unit * size.sum()) / n  # a circle with less has wider gaps
    start = np.pi / 2 - np.concatenate([[0], np.cumsum(size * unit + gap)[:-1]])
    cursor = start.copy()
    ends: dict[tuple[int, int, int], tuple[float, float]] = {}
    for i in range(n):
        for side in (0, 1):
            for j in range(n):
                width = (A[i, j] if side == 0 else A[j, i]) * unit
                key = (i, j, 0) if side == 0 else (j, i, 1)
                ends[key] = (cursor[i], cursor[i] - width)
                cursor[i] -= width

    def point(a: float, r: float = 0.97) -> tuple[float, float]:
        return (r * float(np.cos(a)), r * float(np.sin(a)))

    for i in range(n):
        for j in range(n):
            if A[i, j] <= 0:
                continue
            (a0, a1), (b0, b1) = ends[i, j, 0], ends[i, j, 1]
            vertices = [point(a0), point((a0 + a1) / 2, 0.985), point(a1), (0.0, 0.0), point(b0, 0.9),
                        point((b0 + b1) / 2, 0.915), point(b1, 0.9), (0.0, 0.0), point(a0)]  # fmt: skip
            codes = [Path.MOVETO, *[Path.CURVE3] * 8]
            axes.add_patch(PathPatch(Path(vertices, codes), facecolor=colour[names[i]], edgecolor="none", alpha=0.55))
    for i in range(n):
        first, last = np.degrees(start[i] - size[i] * unit), np.degrees(start[i])
        axes.add_patch(Wedge((0, 0), 1.06, first, last, width=0.07, facecolor=colour[names[i]], edgecolor="none"))
    _names_around(names, start - size * unit / 2, axes, radius=1.14)
    return _bare(axes, 1.75)


def matrix(table: pd.DataFrame, axes: Axes, *, label: str, limit: float | None = None) -> Axes:
    """Source (rows) x target (columns) in colour: white to red, or blue to red around 0 for a difference.

    Parameters
    ----------
    table
        Source x target, or groups x pathways.
    axes
        Where to draw.
    label
        Label of the colour bar.
    limit
        Value of the full colour, so that several matrices have one scale; None takes the largest.
    """
    values = table.to_numpy(dtype=float)
    signed = bool(np.nanmin(values) < 0)
    top = limit or float(np.nanmax(np.abs(values))) or 1.0
    image = axes.imshow(
        values, cmap="RdBu_r" if signed else "Reds", vmin=-top if signed else 0, vmax=top, aspect="auto"
    )
    axes.set_xticks(range(table.shape[1]), [str(c) for c in table.columns], rotation=90, fontsize=7)
    axes.set_yticks(range(table.shape[0]), [str(r) for r in table.index], fontsize=7)
    axes.set_xlabel("target" if table.columns.name in {None, "group"} else str(table.columns.name), fontsize=8)
    axes.set_ylabel("source" if table.columns.name in {None, "group"} else "group", fontsize=8)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.6, pad=0.02)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return axes


def _square(matrix: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    names = [str(n) for n in matrix.index]
    if names != [str(n) for n in matrix.columns]:
        raise InputError("a network is drawn from a table with the same groups in rows and columns")
    return names, np.nan_to_num(matrix.to_numpy(dtype=float))


def _names_around(names: list[str], angle: np.ndarray, axes: Axes, *, radius: float) -> None:
    for name, a in zip(names, angle, strict=True):
        degrees, left = float(np.degrees(a)), bool(np.cos(a) < -1e-9)
        lines = "\n".join(wrap(name, LETTERS))
        axes.text(radius * np.cos(a), radius * np.sin(a), lines, fontsize=8, linespacing=1.0,
                  rotation=degrees + 180 if left else degrees, rotation_mode="anchor",
                  ha="right" if left else "left", va="center")  # fmt: skip


def _bare(axes: Axes, limit: float) -> Axes:
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.set_aspect("equal")
    axes.axis("off")
    return axes
