"""Co-expression networks: the fit of the power, the tree, hubs, and comparisons of modules."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from scresist.checks import InputError, require_columns
from scresist.kernels.linkage import average_linkage, leaf_order
from scresist.networks.power import TARGET_R2
from scresist.plots.effects import by_arm
from scresist.plots.labels import label_points
from scresist.plots.style import FAINT, in_ratios, module_colours, tidy

INK = "#374151"
_VECTOR_BRANCHES = 1000  # a tree with more is drawn as pixels


def fit_table(table: pd.DataFrame, axes: Axes, *, power: float | None = None) -> Axes:
    """Scale-free fit against power, with the mean connectivity on a second axis.

    Parameters
    ----------
    table
        Columns power, sft_r2, slope, mean_k; powers with a rising line are drawn as open circles.
    axes
        Where to draw.
    power
        The power that was used; it is marked.
    """
    require_columns(table, ["power", "sft_r2", "slope", "mean_k"], "the fit table")
    falling = (table["slope"] < 0).to_numpy()
    axes.axhline(TARGET_R2, color=FAINT, linewidth=1)
    axes.plot(table["power"], table["sft_r2"], color=INK, linewidth=1)
    axes.scatter(
        table["power"], table["sft_r2"], c=np.where(falling, INK, "white").tolist(), edgecolors=INK, s=28, zorder=3
    )
    if power is not None:
        axes.axvline(power, color="#d55e00", linewidth=1, linestyle=":")
        axes.annotate(f"power {power:g}", (power, 0.02), xytext=(3, 0), textcoords="offset points", fontsize=8,
                      color="#d55e00", xycoords=("data", "axes fraction"))  # fmt: skip
    axes.set_xlabel("soft-threshold power", fontsize=8)
    axes.set_ylabel("scale-free fit, R²", fontsize=8)
    axes.set_ylim(-0.03, 1.03)
    tidy(axes)
    other = axes.twinx()
    other.plot(table["power"], table["mean_k"], color="#0072b2", linewidth=1, linestyle="--")
    other.set_yscale("log")
    other.set_ylabel("mean connectivity (dashed)", fontsize=8, color="#0072b2")
    other.tick_params(labelsize=8, colors="#0072b2")
    other.spines[["top"]].set_visible(False)
    return axes


def dendrogram(linkage: np.ndarray, modules: pd.Series, axes: Axes, *, top: float | None = None) -> Axes:
    """The tree of genes with their modules in a band below.

    Parameters
    ----------
    linkage
        Merges in scipy's convention.
    modules
        Module of each gene, in the order of the tree's leaves by number.
    axes
        Where to draw.
    top
        Largest height that is drawn; None draws the whole tree.

    Raises
    ------
    InputError
        If the tree and `modules` have different numbers of genes.
    """
    n = len(modules)
    if len(linkage) != n - 1:
        raise InputError(f"the tree has {len(linkage) + 1} genes and modules has {n}; give the same genes")
    order = leaf_order(linkage)
    x, y = np.empty(2 * n - 1), np.zeros(2 * n - 1)
    x[order] = np.arange(n)
    lines = np.empty((n - 1, 4, 2))
    low = float(linkage[0, 2])
    drop = 0.05 * max(float(linkage[-1, 2]) - low, 1e-9)
    for step, (a, b, height, _) in enumerate(linkage):
        left, right = int(a), int(b)
        x[n + step], y[n + step] = (x[left] + x[right]) / 2, height
        feet = [y[child] if child >= n else height - drop for child in (left, right)]
        lines[step] = [[x[left], feet[0]], [x[left], height], [x[right], height], [x[right], feet[1]]]
    # Thousands of branches as vectors would make the page large; as pixels they look the same.
    axes.add_collection(LineCollection(list(lines), colors=INK, linewidths=0.4, rasterized=n > _VECTOR_BRANCHES))
    band = low - drop - 0.14 * (linkage[-1, 2] - low), low - drop - 0.03 * (linkage[-1, 2] - low)
    colour = module_colours(_in_order(modules))
    _band(axes, modules.to_numpy()[order], colour, band)
    axes.set_xlim(-1, n)
    axes.set_ylim(band[0], top if top is not None else linkage[-1, 2] + drop / 2)
    axes.set_xticks([])
    axes.set_ylabel("1 - topological overlap", fontsize=8)
    axes.set_xlabel(f"{n:,} genes; the band shows their module", fontsize=8)
    tidy(axes)
    axes.spines["bottom"].set_visible(False)
    _legend(axes, colour, per_column=10)
    return axes


def _in_order(modules: pd.Series) -> list[str]:
    """Modules in the order of their numbers, unassigned last."""
    names = [str(name) for name in modules.unique()]
    number = {name: int(name.split(" ")[0][1:]) if name[:1] == "M" and name[1:2].isdigit() else 10**9 for name in names}
    return sorted(names, key=lambda name: (number[name], name))


def _band(axes: Axes, labels: np.ndarray, colour: Mapping[str, str], limits: tuple[float, float]) -> None:
    # One row of pixels: hundreds of bars would take a second to draw.
    tints = np.array([to_rgb(colour[str(label)]) for label in labels])[None]
    axes.imshow(tints, extent=(-0.5, len(labels) - 0.5, *limits), aspect="auto", interpolation="nearest")


def _legend(axes: Axes, colour: Mapping[str, str], *, per_column: int = 20) -> None:
    handles = [Patch(color=value, label=name) for name, value in colour.items()]
    axes.legend(handles=handles, fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0),
                ncols=1 + len(handles) // per_column)  # fmt: skip


def kme_ranks(hubs: pd.DataFrame, axes: Axes) -> Axes:
    """The hub genes of one module: kME with its interval, the interval of the rank in words.

    Parameters
    ----------
    hubs
        Rows of one module from `hub_genes`: gene, kme, kme_low, kme_high, rank_low, rank_high, hub first.
    axes
        Where to draw.
    """
    require_columns(hubs, ["gene", "kme", "kme_low", "kme_high", "rank_low", "rank_high"], "the table of hubs")
    rows = np.arange(len(hubs))[::-1]
    axes.hlines(rows, hubs["kme_low"], hubs["kme_high"], color="#9aa3af", linewidth=2)
    own = str(hubs["module"].iloc[0]) if "module" in hubs and len(hubs) else ""
    axes.scatter(hubs["kme"], rows, color=module_colours([own])[own] if own else "#0072b2", s=30, zorder=3)
    right = float(np.nanmax([hubs["kme_high"].max(), hubs["kme"].max()]))
    for row, hub in zip(rows, hubs.itertuples(), strict=True):
        if np.isfinite(hub.rank_low):
            axes.annotate(f"rank {hub.rank_low:.0f} to {hub.rank_high:.0f}", (right, row), xytext=(6, 0), va="center",
                          textcoords="offset points", fontsize=7, color="#6b7280")  # fmt: skip
    axes.set_yticks(rows, hubs["gene"].astype(str).tolist(), fontsize=8)
    axes.set_xlabel("kME (95 % interval over patients)", fontsize=8)
    axes.set_ylim(-0.7, len(hubs) - 0.3)
    axes.margins(x=0.25)
    tidy(axes)
    return axes


def hub_network(edges: pd.DataFrame, modules: pd.DataFrame, axes: Axes, *, label_top: int | None = None) -> Axes:
    """Genes as points on rings by kME (hubs inside), joined by the strongest overlaps.

    Parameters
    ----------
    edges
        source, target, overlap.
    modules
        gene, module, kme, rank of the genes to show, of one module or of a few; each is drawn around its own centre.
    axes
        Where to draw.
    label_top
        How many hubs of each module are labelled; None labels six of a single module, and one of each of several.
    """
    require_columns(edges, ["source", "target", "overlap"], "the table of edges")
    require_columns(modules, ["gene", "module", "kme", "rank"], "the table of genes")
    names = _in_order(modules["module"])
    label_top = (6 if len(names) == 1 else 1) if label_top is None else label_top
    colour = module_colours(names)
    centres = _centres(len(names))
    place: dict[str, tuple[float, float]] = {}
    for centre, name in zip(centres, names, strict=True):
        own = modules[modules["module"] == name].sort_values("rank")
        for i, gene in enumerate(own["gene"]):
            # A sunflower: the golden angle between neighbours, and a radius that grows with the root of the rank.
            angle, radius = 2.39996 * i, np.sqrt(i / max(len(own), 1))
            place[str(gene)] = (centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle))
    shown = edges[edges["source"].isin(place) & edges["target"].isin(place)].sort_values("overlap")
    strength = shown["overlap"].to_numpy()
    spread = float(np.ptp(strength)) if len(strength) else 0.0
    scale = (strength - strength.min()) / spread if spread > 0 else np.full(len(strength), 0.5)
    lines = [[place[a], place[b]] for a, b in zip(shown["source"], shown["target"], strict=True)]
    axes.add_collection(
        LineCollection(lines, colors=[(0.55, 0.58, 0.63, 0.08 + 0.4 * s) for s in scale], linewidths=0.7)
    )
    points = np.array([place[str(gene)] for gene in modules["gene"]])
    size = 12 + 60 * np.clip(modules["kme"].fillna(0), 0, 1) ** 3
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=size,
        c=[colour[m] for m in modules["module"]],
        zorder=3,
        edgecolors="white",
        linewidths=0.5,
    )
    axes.set_aspect("equal")
    axes.autoscale_view()
    hubs = modules[modules["rank"] <= label_top].sort_values("rank")
    at = np.array([place[str(gene)] for gene in hubs["gene"]]).reshape(-1, 2)
    label_points([str(gene) for gene in hubs["gene"]], at[:, 0], at[:, 1], axes, around=points)
    axes.set_axis_off()
    _legend(axes, colour)
    return axes


def _centres(count: int) -> np.ndarray:
    """Centres of rings side by side, four in a row."""
    return np.array([[2.4 * (i % 4), -2.4 * (i // 4)] for i in range(count)])


def module_similarity(eigengenes: pd.DataFrame, axes: Axes) -> Axes:
    """Correlation of eigengenes, modules in the order of their tree.

    Parameters
    ----------
    eigengenes
        Samples x modules.
    axes
        Where to draw.
    """
    R = np.corrcoef(eigengenes.to_numpy(), rowvar=False).reshape(eigengenes.shape[1], -1)
    order = leaf_order(average_linkage(1 - R)) if len(R) > 1 else np.arange(1)
    names = [str(eigengenes.columns[i]) for i in order]
    return _matrix(R[np.ix_(order, order)], names, names, axes, "correlation of eigengenes", 1.0, digits=2)


def overlap_heatmap(table: pd.DataFrame, axes: Axes, *, row: str = "module", column: str = "list") -> Axes:
    """Overlap of modules with lists of genes: -log10 q as colour, the number of shared genes as text.

    Parameters
    ----------
    table
        Columns `row`, `column`, n_overlap and q_value (or p_value).
    axes
        Where to draw.
    row, column
        Columns of the table with the names of the rows and columns of the figure.
    """
    require_columns(table, [row, column, "n_overlap"], "the table of overlaps")
    value = "q_value" if "q_value" in table else "p_value"
    rows, columns = _in_order(table[row]), list(dict.fromkeys(table[column].astype(str)))
    p, n = np.ones((len(rows), len(columns))), np.zeros((len(rows), len(columns)))
    for entry in table[[row, column, "n_overlap", value]].itertuples(index=False):
        i, j = rows.index(str(entry[0])), columns.index(str(entry[1]))
        n[i, j], p[i, j] = entry[2], entry[3]
    strength = -np.log10(np.maximum(p, 1e-30))
    return _matrix(strength, rows, columns, axes, f"-log10 {value[0]}", max(float(strength.max()), 2.0), text=n)


def _matrix(
    values: np.ndarray,
    rows: list[str],
    columns: list[str],
    axes: Axes,
    title: str,
    limit: float,
    *,
    text: np.ndarray | None = None,
    digits: int = 0,
) -> Axes:
    signed = values.min(initial=0) < 0
    image = axes.imshow(
        values, cmap="RdBu_r" if signed else "Blues", vmin=-limit if signed else 0, vmax=limit, aspect="auto"
    )
    shown = values if text is None else text
    if shown.size <= 400:
        for i, j in np.ndindex(values.shape):
            dark = abs(values[i, j]) > 0.6 * limit
            axes.text(j, i, f"{shown[i, j]:.{digits}f}", ha="center", va="center", fontsize=6,
                      color="white" if dark else INK)  # fmt: skip
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", fontsize=8)
    axes.set_yticks(range(len(rows)), rows, fontsize=8)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.6)
    bar.set_label(title, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return axes


def module_umap(table: pd.DataFrame, axes: Axes, *, label_top: int = 1) -> Axes:
    """Genes in two dimensions by their correlation with hubs, coloured by module, hubs labelled.

    Parameters
    ----------
    table
        gene, module, kme, rank, x, y, as from `lay_out_genes`.
    axes
        Where to draw.
    label_top
        How many hubs of each module are labelled.
    """
    require_columns(table, ["gene", "module", "kme", "rank", "x", "y"], "the table of genes")
    colour = module_colours(_in_order(table["module"]))
    size = 3 + 25 * np.clip(table["kme"].fillna(0), 0, 1) ** 3
    axes.scatter(table["x"], table["y"], s=size, c=[colour[m] for m in table["module"]], linewidths=0)
    hubs = table[table["rank"] <= label_top]
    label_points([str(g) for g in hubs["gene"]], hubs["x"].to_numpy(float), hubs["y"].to_numpy(float), axes,
                 around=table[["x", "y"]].to_numpy(float))  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("genes by correlation with hubs (UMAP)", fontsize=8)
    tidy(axes)
    _legend(axes, colour)
    return axes


def eigengene_embedding(table: pd.DataFrame, axes: Axes, *, module: str) -> Axes:
    """Cells in an embedding, coloured by a module's eigengene between its 1st and 99th percentile.

    Parameters
    ----------
    table
        x, y, value, one row per cell.
    axes
        Where to draw.
    module
        Name of the module, for the title.
    """
    require_columns(table, ["x", "y", "value"], "the table of cells")
    shown = table.sort_values("value", key=np.abs)
    limit = float(np.nanquantile(np.abs(shown["value"]), 0.99)) or 1.0
    points = axes.scatter(shown["x"], shown["y"], c=shown["value"], cmap="RdBu_r", vmin=-limit, vmax=limit, s=4,
                          linewidths=0)  # fmt: skip
    axes.set_title(module, fontsize=9, loc="left")
    axes.set_xticks([])
    axes.set_yticks([])
    tidy(axes)
    bar = axes.figure.colorbar(points, ax=axes, shrink=0.6)
    bar.set_label("eigengene", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return axes


def module_by_arm(scores: pd.DataFrame, samples: pd.DataFrame, axes: Axes, *, module: str) -> Axes:
    """A module's score in each arm, one point per patient (the mean of the patient's samples of that arm).

    Parameters
    ----------
    scores
        sample, module, score.
    samples
        Indexed by sample, with patient and arm; arms are drawn in the order of their categories, else of the rows.
    axes
        Where to draw.
    module
        The module to show.
    """
    require_columns(scores, ["sample", "module", "score"], "the table of scores")
    require_columns(samples, ["patient", "arm"], "the table of samples")
    own = scores[scores["module"] == module].merge(samples[["patient", "arm"]], left_on="sample", right_index=True)
    own = own.assign(patient=own["patient"].astype(str))
    arm = own["arm"]
    arms = (
        list(arm.cat.categories) if isinstance(arm.dtype, pd.CategoricalDtype) else list(dict.fromkeys(samples["arm"]))
    )
    table = own.assign(arm=arm.astype(str)).groupby(["patient", "arm"], as_index=False)["score"].mean()
    by_arm(table.rename(columns={"score": "value"}), axes, arms=[str(a) for a in arms], unit="module score")
    axes.set_title(module, fontsize=9, loc="left")
    return axes


def preservation(table: pd.DataFrame, axes: Axes) -> Axes:
    """Zsummary against module size, with the thresholds of 2 and 10.

    Parameters
    ----------
    table
        module, size, z_summary.
    axes
        Where to draw.
    """
    require_columns(table, ["module", "size", "z_summary"], "the table of preservation")
    for height, words in ((2, "some"), (10, "strong")):
        axes.axhline(height, color=FAINT, linewidth=1)
        axes.annotate(words, (1, height), xycoords=("axes fraction", "data"), fontsize=7, color="#6b7280", ha="right",
                      xytext=(0, 2), textcoords="offset points")  # fmt: skip
    proper = table["module"].str.match(r"M\d").to_numpy()
    axes.scatter(table["size"], table["z_summary"], s=36, zorder=3, edgecolors=INK,
                 c=np.where(proper, "#0072b2", "white").tolist())  # fmt: skip
    axes.set_xscale("log")
    in_ratios(axes.xaxis)
    axes.set_xlabel("genes in the module", fontsize=8)
    axes.set_ylabel("preservation, Zsummary", fontsize=8)
    axes.margins(x=0.2)
    label_points([str(m) for m in table["module"]], table["size"].to_numpy(float), table["z_summary"].to_numpy(float),
                 axes)  # fmt: skip
    tidy(axes)
    return axes
