"""The pieces a page is made of: tables, lists, figures, the map of cells; plain data that the template lays out."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure

from scresist import tables
from scresist.checks import counted
from scresist.contrasts.verdict import SMALLEST_P
from scresist.plots.printer import Printed
from scresist.plots.style import arm_colours, colours, enlarged, print_factor


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page.

    `answers` are (verdict, sentence) and stand under the question.
    """

    id: str
    title: str
    lead: str = ""
    blocks: list[dict[str, Any]] = field(default_factory=list)
    question: str = ""
    answers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a shown table: where it comes from, what it is called, how its numbers are written."""

    source: str
    name: str
    form: str = ""
    hint: str = ""
    pill: bool = False


def fold(title: str, blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks that are closed until the reader opens them."""
    return [{"kind": "fold", "text": title}, *blocks, {"kind": "unfold"}]


def folded(blocks: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks with every heading as a fold that has what stands under it; what comes before the first stays open.

    A section without an open figure shows its first figures.

    Parameters
    ----------
    blocks
        Of a section, with headings.
    """
    first = next((k for k, block in enumerate(blocks) if block["kind"] == "heading"), len(blocks))
    drawn = {"figures", "cards", "map"}
    if not any(block["kind"] in drawn for block in blocks[:first]):
        at = next((k for k, block in enumerate(blocks) if block["kind"] == "figures"), None)
        if at is not None:
            blocks = [*blocks[:first], blocks[at], *blocks[first:at], *blocks[at + 1 :]]
    out: list[dict[str, Any]] = []
    inside = False
    for block in blocks:
        if block["kind"] == "heading":
            out += [{"kind": "unfold"}] if inside else []
            out.append({"kind": "fold", "text": block["text"]})
            inside = True
        else:
            out.append(block)
    return [*out, {"kind": "unfold"}] if inside else out


def heading(text: str) -> dict[str, Any]:
    """A heading within a section."""
    return {"kind": "heading", "text": text}


def text(words: str) -> dict[str, Any]:
    """A paragraph."""
    return {"kind": "text", "text": words}


def bullets(items: Sequence[str | tuple[str, str]]) -> dict[str, Any]:
    """A list; an item may carry a verdict, (verdict, text)."""
    shown = [{"verdict": i[0], "text": i[1]} if isinstance(i, tuple) else {"verdict": "", "text": i} for i in items]
    return {"kind": "list", "entries": shown}


WIDE, SMALL = 5.2, 2.6  # inches at the size of print, above and below which a figure has a row, or a third of one
Drawn = tuple[Figure, str, str]  # a figure, its caption, and what it shows, which names its files


def figures(items: Sequence[Drawn], *, on_paper: bool = False) -> dict[str, Any]:
    """Figures side by side.

    Parameters
    ----------
    items
        Figures with their captions and names.
    on_paper
        Only where the page is printed, in place of what needs a screen.
    """
    return {"kind": "figures", "entries": [figure_entry(*item) for item in items], "on_paper": on_paper}


@dataclass(frozen=True, slots=True)
class Card:
    """One module or gene: its verdict, what is known of it as pairs of words, and its figures."""

    title: str
    verdict: str
    lines: Sequence[tuple[str, str]]
    drawn: Sequence[Drawn] = ()


def cards(items: Sequence[Card]) -> dict[str, Any]:
    """Cards side by side.

    Parameters
    ----------
    items
        In the order of reading.
    """
    made = [
        {"title": c.title, "verdict": c.verdict, "lines": [line for line in c.lines if line[1]],
         "figures": [figure_entry(*d) for d in c.drawn]}
        for c in items
    ]  # fmt: skip
    return {"kind": "cards", "cards": made, "entries": [entry for card in made for entry in card["figures"]]}


def figure_entry(figure: Figure, caption: str, name: str) -> dict[str, Any]:
    """A figure that is drawn later, its caption, and what it shows, which names its files."""
    width = float(figure.get_size_inches()[0]) * print_factor(figure)
    size = "wide" if width > WIDE else "small" if width < SMALL else ""
    return {"size": size, "caption": caption, "name": name, "drawn": Printed(figure)}


def on_page(drawn: Printed) -> Markup:
    """A printed figure as the page shows it.

    Parameters
    ----------
    drawn
        Of an entry.
    """
    return Markup(enlarged(drawn.svg))


def table(frame: pd.DataFrame, name: str, columns: Sequence[str], *, at_most: int = 200) -> dict[str, Any]:
    """Some columns of a table of the results folder, with the headings and formats of the register of tables.

    Empty columns are left out; the file that has all rows is named.
    """
    entry = tables.TABLES[name]
    shown = plain_table(frame, [_column(name, c) for c in columns], at_most=at_most, file=entry.path)
    return shown | {"name": name}


def _column(name: str, source: str) -> Column:
    entry = tables.column(name, source)
    return Column(source, entry.label, entry.form, entry.meaning, pill=source == "verdict")


def plain_table(
    frame: pd.DataFrame, columns: Sequence[Column], *, at_most: int = 200, file: str = ""
) -> dict[str, Any]:
    """A table with numbers written for reading, without its empty columns."""
    present = [c for c in columns if c.source in frame.columns and (frame.empty or frame[c.source].notna().any())]
    rows = [[_cell(row[c.source], c) for c in present] for row in frame.head(at_most).to_dict("records")]
    shown = counted(len(frame), "row") if len(frame) <= at_most else f"the first {at_most} of {len(frame):,} rows"
    more = f"{shown}; all in {file}" if file else ""
    return {"kind": "table", "name": "", "columns": present, "rows": rows, "more": more}


def _cell(value: Any, column: Column) -> dict[str, Any]:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    shown = written(value, column.form)
    wide = len(shown) > 30  # a sentence is no label
    return {"text": shown, "number": number, "pill": column.pill and not wide, "wide": wide}


def written(value: Any, form: str = "") -> str:
    """A value for reading: p as 0.012 or 1.2e-05, missing as a dash, a percentage where the form is `%`."""
    if value is None or (isinstance(value, (float, np.floating)) and not np.isfinite(value)):
        return "–" if value is None or np.isnan(value) else ("∞" if value > 0 else "-∞")
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if form == "p":
        if value < SMALLEST_P:
            return f"< {SMALLEST_P:.0e}"
        return f"{value:.3f}" if value >= 0.001 else f"{value:.1e}"
    if form == "%":
        return f"{100 * float(value):.1f} %"
    if form:
        return format(value, form)
    if isinstance(value, (float, np.floating)):
        return f"{value:.3g}"
    return str(value)


def interval(row: Mapping[str, Any], effect: str = "effect") -> str:
    """An effect with its interval, in words for a list."""
    return f"{written(row[effect], '+.2f')} [{written(row['ci_low'], '+.2f')}, {written(row['ci_high'], '+.2f')}]"


def cell_map(
    cells: pd.DataFrame, arms: Sequence[str], *, palette: Mapping[str, str] | None = None,
    genes: Mapping[str, Any] | None = None, at_most: int = 200_000,
) -> dict[str, Any]:  # fmt: skip
    """The layout of the cells, coloured by what the reader picks; a regular sample of them above `at_most`.

    Parameters
    ----------
    cells
        One row a cell, with umap_1 and umap_2.
    arms
        In the order of the study.
    palette
        Colours of names; others have a colour by their place.
    genes
        As `packed_genes` gives them: levels of genes in every `genes["step"]`-th cell.
    at_most
        Cells that are drawn.
    """
    step = max(1, -(-len(cells) // at_most))
    if genes is not None and genes["step"] % step:
        step = genes["step"]  # the cells with genes are some of those that are drawn
    shown = cells.iloc[::step]
    xy = shown[["umap_1", "umap_2"]].to_numpy(dtype=float)
    low, high = xy.min(axis=0), xy.max(axis=0)
    scaled = np.round((xy - low) / np.maximum(high - low, 1e-9) * 65535).astype("<u2")
    scaled[:, 1] = 65535 - scaled[:, 1]
    by = {}
    for column in ("cell_type", "lineage", "malignancy", "arm", "patient", "cluster"):
        if column not in shown or shown[column].isna().all():
            continue
        values = pd.Categorical(shown[column].astype(str))
        names = [a for a in arms if a in values.categories] if column == "arm" else list(values.categories)
        if column == "cluster":
            names = sorted(names, key=int)
        codes = pd.Categorical(values.astype(str), categories=names).codes.astype("<u2")
        tints = arm_colours(arms) if column == "arm" else colours(names) | dict(palette or {})
        by[column.replace("_", " ")] = {
            "names": names,
            "colours": [tints[n] for n in names],
            "sizes": np.bincount(codes, minlength=len(names)).tolist(),
            "codes": base64.b64encode(codes.tobytes()).decode(),
        }
    data: dict[str, Any] = {"xy": base64.b64encode(scaled.tobytes()).decode(), "by": by}
    if genes is not None:
        data["genes"] = {**genes, "step": genes["step"] // step}
    left = f"{len(shown):,} of {len(cells):,} cells, every {step}th" if step > 1 else f"all {len(cells):,} cells"
    return {"kind": "map", "names": list(by), "genes": list(genes["names"]) if genes else [], "shown": left,
            "data": Markup(embedded_json(data))}  # fmt: skip


def embedded_json(data: Any) -> str:
    """JSON for a script element: no `<` is left that could start or end an element there."""
    return json.dumps(data).replace("<", "\\u003c")
