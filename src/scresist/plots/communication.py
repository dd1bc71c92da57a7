"""Communication: networks of groups, links as bubbles, roles, flows, patterns, and one point per patient."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_columns
from scresist.plots.effects import by_arm
from scresist.plots.style import arm_colours, colours, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UP, DOWN = "#b2182b", "#2166ac"


def circle(matrix: pd.DataFrame, axes: "Axes", *, links: int = 60) -> "Axes":
    """Groups on a circle, an arrow from source to target as wide as the link is strong; loops outside.

    Arrows have the colour of their source; in a matrix with negative entries (a difference) they are red where it rises
    and blue where it falls.

    Parameters
    ----------
    matrix
        Source x target, from `counts`, `weights` or `difference`.
    axes
        Where to draw.
    links
        The strongest links are drawn, up to this number.
    """
    from matplotlib.patches import Circle, FancyArrowPatch

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


def chord(matrix: pd.DataFrame, axes: "Axes") -> "Axes":
    """Groups as arcs as long as all they send and receive, ribbons in the colour of the source.

    Parameters
    ----------
    matrix
        Source x target, not negative.
    axes
        Where to draw.
    """
    from matplotlib.patches import PathPatch, Wedge
    from matplotlib.path import Path

    names, A = _square(matrix)
    if (A < 0).any():
        raise InputError("a chord plot shows amounts; draw a difference with `circle` or `matrix`")
    n, colour = len(names), colours(names)
    size = A.sum(axis=0) + A.sum(axis=1)
    gap = 2 * np.pi * 0.2 / n
    unit = (2 * np.pi - n * gap) / (size.sum() or 1.0)
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
    _names_around(names, start - size * unit / 2, axes, radius=1.1)
    return _bare(axes, 1.75)


def matrix(table: pd.DataFrame, axes: "Axes", *, label: str) -> "Axes":
    """Source (rows) x target (columns) in colour: white to red, or blue to red around 0 for a difference.

    Parameters
    ----------
    table
        Source x target, or groups x pathways.
    axes
        Where to draw.
    label
        Of the colour bar.
    """
    values = table.to_numpy(dtype=float)
    signed = bool(np.nanmin(values) < 0)
    top = float(np.nanmax(np.abs(values))) or 1.0
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
    for column, most in (("pair", rows), ("link", columns)):
        strong = shown.groupby(column, observed=True)["probability"].sum().nlargest(most).index
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


def roles(table: pd.DataFrame, axes: "Axes", *, unit: str = "strength") -> "Axes":
    """Groups by what they send (x) and receive (y), as large as they have links.

    Parameters
    ----------
    table
        Columns group, outgoing, incoming, and n_links if there are; from `signalling_roles` or `role_change_totals`.
    axes
        Where to draw.
    unit
        The word after "outgoing" and "incoming".
    """
    require_columns(table, ["group", "outgoing", "incoming"], "the table of roles")
    names = [str(g) for g in table["group"]]
    links = table["n_links"].to_numpy(dtype=float) if "n_links" in table else np.ones(len(table))
    colour = colours(names)
    axes.scatter(table["outgoing"], table["incoming"], s=20 + 160 * links / max(links.max(), 1),
                 c=[colour[n] for n in names], alpha=0.85, edgecolors="white")  # fmt: skip
    if (table[["outgoing", "incoming"]] < 0).any(axis=None):
        axes.axhline(0, color="#9aa3af", linewidth=0.8)
        axes.axvline(0, color="#9aa3af", linewidth=0.8)
    axes.margins(0.15)
    _label_points(names, table["outgoing"].to_numpy(), table["incoming"].to_numpy(), axes)
    axes.set_xlabel(f"outgoing {unit}", fontsize=8)
    axes.set_ylabel(f"incoming {unit}", fontsize=8)
    tidy(axes)
    return axes


def flows(table: pd.DataFrame, axes: "Axes", *, most: int = 40) -> "Axes":
    """Information flow of each pathway, ranked: bars, or two bars side by side for two conditions.

    Parameters
    ----------
    table
        From `rank_flow`: name, condition, flow (and order).
    axes
        Where to draw.
    most
        Pathways shown: those with the largest flow.
    """
    require_columns(table, ["name", "condition", "flow"], "the table of flows")
    keep = table.groupby("name", observed=True)["flow"].max().nlargest(most).index
    shown = table[table["name"].isin(keep)]
    order = shown.drop_duplicates("name")
    names = list(order.sort_values("order")["name"] if "order" in order else order.sort_values("flow")["name"])[::-1]
    if "order" not in order:
        names = names[::-1]
    conditions = list(dict.fromkeys(shown["condition"]))
    colour, height = arm_colours(conditions), 0.8 / len(conditions)
    for c, label in enumerate(conditions):
        own = shown[shown["condition"] == label].set_index("name")["flow"].reindex(names).fillna(0)
        y = np.arange(len(names)) + (len(conditions) - 1) * height / 2 - c * height
        axes.barh(y, own, height=height, color=colour[label], label=str(label))
    axes.set_yticks(range(len(names)), [str(n) for n in names], fontsize=7)
    axes.set_ylim(-0.6, len(names) - 0.4)
    # Pathways differ by orders of magnitude: on a root scale the small ones are still seen, and zero is zero.
    axes.set_xscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    axes.set_xlim(0, None)
    axes.set_xlabel("information flow (sum of probabilities, root scale)", fontsize=8)
    if len(conditions) > 1:
        axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    tidy(axes)
    axes.tick_params(axis="y", labelsize=7)
    return axes


def river(groups: pd.DataFrame, pathways: pd.DataFrame, axes: "Axes", *, least: float = 0.2) -> "Axes":
    """Groups on the left, patterns in the middle, pathways on the right, bands as wide as contributions.

    Parameters
    ----------
    groups, pathways
        Tables of `find_patterns`: group (pathway), pattern, contribution.
    axes
        Where to draw.
    least
        Contributions below it are left out.
    """
    patterns = list(dict.fromkeys(groups["pattern"]))
    colour = colours(patterns)
    kept = [t[t["contribution"] >= least] for t in (groups, pathways)]
    # A pattern is one block in the middle, as high as it matters to groups and pathways on average.
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


def by_patient(table: pd.DataFrame, samples: pd.DataFrame, axes: "Axes", *, arms: Sequence[str], unit: str) -> "Axes":
    """One link, pathway or role: one point per patient and arm.

    Parameters
    ----------
    table
        Rows of `interaction_table` of one feature: sample, value.
    samples
        The sheet of samples, indexed by sample: patient, arm.
    axes
        Where to draw.
    arms
        In the order of the study.
    unit
        The words beside the axis.
    """
    require_columns(table, ["sample", "value"], "the table of values")
    require_columns(samples, ["patient", "arm"], "the sheet of samples")
    if table["sample"].duplicated().any():
        raise InputError("the table holds more than one value per sample; choose one link, pathway or role")
    joined = table.join(samples[["patient", "arm"]], on="sample")
    # A patient's samples of one arm are one point, as they are one unit of the test.
    points = joined.groupby(["patient", "arm"], as_index=False, observed=True)["value"].mean()
    return by_arm(points, axes, arms=arms, unit=unit)


def _square(matrix: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    names = [str(n) for n in matrix.index]
    if names != [str(n) for n in matrix.columns]:
        raise InputError("a network is drawn from a table with the same groups in rows and columns")
    return names, np.nan_to_num(matrix.to_numpy(dtype=float))


def _names_around(names: list[str], angle: np.ndarray, axes: "Axes", *, radius: float) -> None:
    for name, a in zip(names, angle, strict=True):
        degrees, left = float(np.degrees(a)), bool(np.cos(a) < -1e-9)
        axes.text(radius * np.cos(a), radius * np.sin(a), name, fontsize=8, rotation=degrees + 180 if left else degrees,
                  rotation_mode="anchor", ha="right" if left else "left", va="center")  # fmt: skip


def _bare(axes: "Axes", limit: float) -> "Axes":
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.set_aspect("equal")
    axes.axis("off")
    return axes


def _label_points(names: list[str], x: np.ndarray, y: np.ndarray, axes: "Axes") -> None:
    """Names beside points, moved up where the one below would be covered."""
    x0, x1 = axes.get_xlim()
    y0, y1 = axes.get_ylim()
    placed: list[tuple[float, float]] = []
    for k in np.lexsort((x, y)):
        u, v = (x[k] - x0) / (x1 - x0) + 0.015, (y[k] - y0) / (y1 - y0)
        while any(abs(u - a) < 0.22 and abs(v - b) < 0.032 for a, b in placed):
            v += 0.008
        placed.append((u, v))
        axes.annotate(names[k], (x[k], y[k]), xytext=(u, v), textcoords="axes fraction", fontsize=7, va="center",
                      arrowprops={"arrowstyle": "-", "color": "#c8ccd2", "linewidth": 0.5})  # fmt: skip


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
