"""What groups send and receive."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.plots.labels import label_points
from scresist.plots.style import colours, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


ALONG = 12  # points of an arrow that no name shall cover


def roles(
    table: pd.DataFrame, axes: "Axes", *, unit: str = "strength", palette: Mapping[str, str] | None = None
) -> "Axes":
    """Groups by what they send (x) and receive (y); the size of a point is the number of links.

    Parameters
    ----------
    table
        Columns group, outgoing, incoming, and n_links if there are; from `signalling_roles` or `role_change_totals`.
    axes
        Where to draw.
    unit
        What is on the axes, after "outgoing" and "incoming".
    palette
        Colours of groups; None: by their place.
    """
    require_columns(table, ["group", "outgoing", "incoming"], "the table of roles")
    names = [str(g) for g in table["group"]]
    links = table["n_links"].to_numpy(dtype=float) if "n_links" in table else np.ones(len(table))
    colour = colours(names) | dict(palette or {})
    axes.scatter(table["outgoing"], table["incoming"], s=20 + 160 * links / max(links.max(), 1),
                 c=[colour[n] for n in names], alpha=0.85, edgecolors="white")  # fmt: skip
    if (table[["outgoing", "incoming"]] < 0).any(axis=None):
        axes.axhline(0, color="#9aa3af", linewidth=0.8)
        axes.axvline(0, color="#9aa3af", linewidth=0.8)
    axes.margins(0.15)
    label_points(names, table["outgoing"].to_numpy(float), table["incoming"].to_numpy(float), axes)
    axes.set_xlabel(f"outgoing {unit}", fontsize=8)
    axes.set_ylabel(f"incoming {unit}", fontsize=8)
    tidy(axes)
    return axes


def role_changes(
    table: pd.DataFrame, axes: "Axes", *, unit: str = "strength", palette: Mapping[str, str] | None = None
) -> "Axes":
    """Groups as arrows from what they send (x) and receive (y) in one arm to what they do in the other.

    Parameters
    ----------
    table
        Columns group, outgoing_reference, incoming_reference, outgoing_test, incoming_test.
    axes
        Where to draw.
    unit
        What is on the axes, after "outgoing" and "incoming".
    palette
        Colours of groups; None: by their place.
    """
    ends = ["outgoing_reference", "incoming_reference", "outgoing_test", "incoming_test"]
    require_columns(table, ["group", *ends], "the table of changed roles")
    own = table.dropna(subset=ends)
    names = [str(g) for g in own["group"]]
    colour = colours(names) | dict(palette or {})
    for name, (x0, y0, x1, y1) in zip(names, own[ends].to_numpy(float), strict=True):
        axes.scatter(x0, y0, s=18, facecolor="white", edgecolor=colour[name], zorder=3)
        axes.annotate("", (x1, y1), (x0, y0), zorder=2,
                      arrowprops={"arrowstyle": "-|>", "color": colour[name], "linewidth": 1.2, "shrinkB": 0
                      })  # fmt: skip
    axes.scatter(own["outgoing_test"], own["incoming_test"], s=1, alpha=0)  # the limits take both ends in
    axes.margins(0.15)
    first, last = own[ends[:2]].to_numpy(float), own[ends[2:]].to_numpy(float)
    along = np.concatenate([first + share * (last - first) for share in np.linspace(0, 1, ALONG)])
    label_points(names, last[:, 0], last[:, 1], axes, around=along)
    axes.set_xlabel(f"outgoing {unit}", fontsize=8)
    axes.set_ylabel(f"incoming {unit}", fontsize=8)
    tidy(axes)
    return axes
