"""One look for every figure: colours of arms and categories, and SVG that is the same bytes every time."""

import io
from collections.abc import Iterable

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito (2008), readable with colour blindness; arms take them in the order of the study.
ARMS = ("#4a5568", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00")
# Twenty categories that stay apart on a screen, after Kelly (1965) and Glasbey (2007).
CATEGORIES = (
    "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#bcbd22", "#17becf", "#aec7e8",
    "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#f7b6d2", "#dbdb8d", "#9edae5", "#393b79", "#637939",
    "#8c6d31", "#843c39", "#7b4173", "#3182bd", "#e6550d", "#31a354", "#756bb1", "#636363", "#6baed6", "#fd8d3c",
)  # fmt: skip
FAINT = "#c8ccd2"
NAMED = {"unassigned": FAINT, "uncertain": FAINT, "malignant": "#b2182b", "normal": "#4393c3", "unknown": FAINT}


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour per category, in the order given; names with a fixed colour keep it."""
    out, at = {}, 0
    for name in names:
        if name in NAMED:
            out[name] = NAMED[name]
        else:
            out[name] = CATEGORIES[at % len(CATEGORIES)]
            at += 1
    return out


def arm_colours(arms: Iterable[str]) -> dict[str, str]:
    """A colour per arm, in the order of the study."""
    return {arm: ARMS[i % len(ARMS)] for i, arm in enumerate(arms)}


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel in inches, outside pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    tidy(axes)
    return figure, axes


def tidy(axes: Axes) -> None:
    """Only the axes that carry numbers, in quiet colours."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9aa3af")
    axes.tick_params(colors="#374151", labelsize=8)


def to_svg(figure: Figure) -> str:
    """The figure as SVG text without dates or random ids; text stays text."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scresist", "font.family": "sans-serif"}):
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
