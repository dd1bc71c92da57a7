"""Patterns as a river: groups, patterns, pathways."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.plots.style import colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def river(groups: pd.DataFrame, pathways: pd.DataFrame, axes: "Axes", *, minimum: float = 0.2) -> "Axes":
    """Groups on the left, patterns in the middle, pathways on the right, bands as wide as contributions.

    Parameters
    ----------
    groups, pathways
        Tables of `find_patterns`: group (pathway), pattern, contribution.
    axes
        Where to draw.
    minimum
        Smallest contribution that is drawn.
    """
    patterns = list(dict.fromkeys(groups["pattern"]))
    colour = colours(patterns)
    kept = [t[t["contribution"] >= minimum] for t in (groups, pathways)]
    # A pattern is one block in the middle; its height is its mean share of groups and of pathways.
    shares = [t.groupby("pattern", observed=True)["contribution"].sum().reindex(patterns).fillna(0) for t in kept]
    middle = _blocks(sum(s / s.sum() for s in shares) / 2)
    for own, total, name, x0 in zip(kept, shares, ("group", "pathway"), (0.0, 2.0), strict=True):
        home = own.sort_values("contribution", ascending=False).drop_duplicates(name)
        home = home.assign(place=home["pattern"].map(patterns.index)).sort_values("place", kind="stable")
        order = list(home[name])
        outer = _blocks(own.groupby(name, observed=True)["contribution"].sum().reindex(order))
        low = {n: block[0] for n, block in outer.items()}
        mid = {n: block[0] for n, block in middle.items()}
        rows = own.assign(a=own[name].map(order.index), b=own["pattern"].map(patterns.index))
        for row in rows.sort_values(["a", "b"], ascending=False).to_dict("records"):
            n, k, size = row[name], row["pattern"], row["contribution"]
            wide = size * (outer[n][1] - outer[n][0]) / own.loc[own[name] == n, "contribution"].sum()
            inner = size * (middle[k][1] - middle[k][0]) / total[k]
            _band(axes, (x0, low[n], low[n] + wide), (1.0, mid[k], mid[k] + inner), colour[k])
            low[n], mid[k] = low[n] + wide, mid[k] + inner
        for label, (bottom, top) in outer.items():
            axes.text(x0 + (-0.03 if x0 == 0 else 0.03), (bottom + top) / 2, str(label), va="center",
                      fontsize=8 if len(outer) <= 25 else 5.5, ha="right" if x0 == 0 else "left")  # fmt: skip
    for label, (bottom, top) in middle.items():
        axes.text(1.0, (bottom + top) / 2, str(label), fontsize=8, ha="center", va="center",
                  bbox={"facecolor": "white", "edgecolor": colour[str(label)], "pad": 2.5})  # fmt: skip
    axes.set_xlim(-0.8, 2.8)
    axes.set_ylim(-0.02, 1.02)
    axes.axis("off")
    return axes


def _blocks(sizes: pd.Series) -> dict[str, tuple[float, float]]:
    """Lower and upper end of each block of a stack with gaps that fills 0 to 1, from the top down."""
    gap = 0.2 / max(len(sizes), 1)
    scale = (1 - gap * (len(sizes) - 1)) / (float(sizes.sum()) or 1.0)
    out, top = {}, 1.0
    for name, size in sizes.items():
        out[str(name)] = (top - float(size) * scale, top)
        top -= float(size) * scale + gap
    return out


def _band(axes: "Axes", first: tuple[float, float, float], last: tuple[float, float, float], tint: str) -> None:
    t = np.linspace(0, 1, 30)
    bend = t * t * (3 - 2 * t)
    x = first[0] + (last[0] - first[0]) * t
    axes.fill_between(x, first[1] + (last[1] - first[1]) * bend, first[2] + (last[2] - first[2]) * bend, color=tint,
                      alpha=0.55, linewidth=0)  # fmt: skip
