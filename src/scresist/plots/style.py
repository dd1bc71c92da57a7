"""One look for every figure: colours of arms and categories, and SVG that is the same bytes every time."""

import atexit
import io
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import matplotlib as mpl
import numpy as np
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.collections import Collection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

PRINTED = 0.78  # of the size on the page
# Latin, Greek, punctuation, arrows, signs of mathematics: what a figure nearly always has. Others take the whole font.
_LETTERS = {*range(0x20, 0x250), *range(0x370, 0x400), *range(0x2010, 0x2070), *range(0x2190, 0x2200),
            *range(0x2200, 0x2270), 0x0A}  # fmt: skip
_FONTS = {"normal": "DejaVuSans.ttf", 400: "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf", 700: "DejaVuSans-Bold.ttf"}
COLUMN, FULL_WIDTH = 89 / 25.4, 183 / 25.4  # inches of one and of two columns of a journal

_NEVER_REFERRED_TO = re.compile(r' id="[A-Za-z0-9.]+_[0-9]+"')
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


def short(words: object, *, at_most: int = 22) -> str:
    """A name that fits beside an axis; an ellipsis where it is longer.

    Parameters
    ----------
    words
        The name.
    at_most
        Letters that are shown.
    """
    text = str(words)
    return text if len(text) <= at_most else f"{text[: at_most - 1]}…"


def module_colours(names: Iterable[str]) -> dict[str, str]:
    """A colour per module by the number in its name (M6 SBDS), so that it is the same in every figure.

    Parameters
    ----------
    names
        Of modules; one without a number has a colour by its place.
    """
    out = {}
    for place, name in enumerate(names):
        number = re.match(r"M([0-9]+)\b", name)
        out[name] = NAMED.get(name, CATEGORIES[(int(number[1]) - 1 if number else place) % len(CATEGORIES)])
    return out


def new_axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel in inches, outside pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    tidy(axes)
    return figure, axes


def new_grid(panels: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of several panels, in rows from the left.

    Parameters
    ----------
    panels, columns
        How many, and how many in a row.
    width, height
        Of one panel, in inches.
    """
    columns = min(columns, max(panels, 1))
    rows = -(-max(panels, 1) // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    made = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for axes in made:
        tidy(axes)
    return figure, made


def in_ratios(axis: Axis) -> None:
    """Ticks of a logarithmic axis at 1, 2, 5 and their tens, written as plain numbers.

    Parameters
    ----------
    axis
        Of ratios; changed in place.
    """
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def tidy(axes: Axes) -> None:
    """Only the axes that carry numbers, in quiet colours."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#9aa3af")
    axes.tick_params(colors="#374151", labelsize=8)


def for_print(figure: Figure) -> None:
    """Bring a figure to the size of a journal: at most 183 mm wide (or 89 mm, where it is near), text of 5 to 7 points.

    Parameters
    ----------
    figure
        Drawn at the size of the page; its inches, text, lines and marks shrink alike, but for the height of one that is
        wider than the page.
    """
    width, height = figure.get_size_inches()
    factor = print_factor(figure)
    # A very wide figure keeps its height: shrunk alike, its labels of at least 5 points would leave no room.
    figure.set_size_inches(width * factor, height * (PRINTED if factor < PRINTED else factor))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks = axis.get_major_ticks()
            if ticks:
                size, length = float(ticks[0].label1.get_fontsize()), ticks[0].tick1line.get_markersize()
                axis.set_tick_params(labelsize=_points(size, factor), width=0.5, length=length * factor)
        for spine in axes.spines.values():
            spine.set_linewidth(0.5)
    for part in figure.findobj():
        if isinstance(part, Text):
            part.set_fontsize(_points(float(part.get_fontsize()), factor))
        elif isinstance(part, Line2D):
            part.set_linewidth(part.get_linewidth() * factor)
            part.set_markersize(part.get_markersize() * factor)
        elif isinstance(part, Collection):
            part.set_linewidth([width * factor for width in np.atleast_1d(part.get_linewidth())])
            if isinstance(part, PathCollection):
                part.set_sizes(np.asarray(part.get_sizes()) * factor**2)


def print_factor(figure: Figure) -> float:
    """By how much a figure shrinks to be printed.

    Parameters
    ----------
    figure
        At the size of the page.
    """
    width = float(figure.get_size_inches()[0])
    factor = min(PRINTED, FULL_WIDTH / width)
    return COLUMN / width if COLUMN < width * factor < 1.1 * COLUMN else factor


def _points(size: float, factor: float) -> float:
    return float(np.clip(size * factor, 5, 7))


def enlarged(svg: str) -> str:
    """A printed figure as the page shows it: the same picture, larger, without the ids that nothing refers to.

    Parameters
    ----------
    svg
        As `to_svg` gives it.
    """
    head, _, rest = svg.partition(">")
    rest = _NEVER_REFERRED_TO.sub("", rest)  # a page has many figures, and each would bring the same ids
    grown = re.sub(r'(width|height)="([0-9.]+)pt"', lambda m: f'{m[1]}="{float(m[2]) / PRINTED:.1f}pt"', head)
    return f"{grown}>{rest}"


def to_pdf(figure: Figure) -> bytes:
    """The figure as PDF without dates, with text that can be edited; its layout must be settled (`to_svg` does it).

    Parameters
    ----------
    figure
        Any figure.
    """
    figure.set_layout_engine("none")  # it was laid out for the SVG
    for words in figure.findobj(Text):
        file = _FONTS.get(words.get_fontproperties().get_weight())
        if file is not None and _LETTERS.issuperset(map(ord, words.get_text())):
            words.get_fontproperties().set_file(_small_font(file))
    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": 42, "font.family": "sans-serif"}):
        figure.set_dpi(200)  # of what is drawn as pixels
        FigureCanvasPdf(figure).print_pdf(buffer, metadata={"CreationDate": None, "Creator": None})
    return buffer.getvalue()


@cache
def _small_font(file: str) -> str:
    """A font of matplotlib with the letters of Europe and some signs: a part of it is embedded ten times as fast."""
    font = TTFont(Path(mpl.get_data_path()) / "fonts" / "ttf" / file, recalcTimestamp=False)
    options = Options(layout_features=[], glyph_names=True, notdef_outline=True, name_IDs=["*"])
    options.drop_tables += ["FFTM", "GDEF", "GPOS", "GSUB", "kern"]
    part = Subsetter(options)
    part.populate(unicodes=sorted(_LETTERS))
    part.subset(font)
    path = Path(mkdtemp(prefix="scresist-")) / file
    atexit.register(rmtree, path.parent, ignore_errors=True)
    font.save(path)
    return str(path)


def to_svg(figure: Figure) -> str:
    """The figure as SVG text without dates or random ids; text stays text."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "scresist", "font.family": "sans-serif"}):
        figure.set_dpi(200)  # of what is drawn as pixels
        # Not savefig, which draws everything twice: here the layout comes with the first time.
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
