"""The figures of the page as files: each as SVG and PDF, and one sheet per section at the width of a journal."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, cast

import pandas as pd
from matplotlib.figure import Figure
from pypdf import PageObject, PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, IndirectObject, NameObject, StreamObject

from scresist.plots.printer import Printed, Printer
from scresist.plots.style import FULL_WIDTH, to_pdf
from scresist.report.blocks import Section
from scresist.results import write_bytes, write_text

WIDTH, HEIGHT = FULL_WIDTH * 72, 247 / 25.4 * 72  # points of a page of a journal
GAP, LETTER = 9.0, 11.0  # points between panels, and above each for its letter
PANELS = 6  # of a section that shows no figure before its folds


class _Panel(NamedTuple):
    name: str
    svg: str
    width: float
    height: float
    left: float
    top: float


class FigureFiles:
    """Writes the figures of sections, which a process beside draws while the next sections are made.

    Used as a context: at its end all figures are drawn, the files are written, and files of an earlier run that have no
    figure now are removed.

    Parameters
    ----------
    folder
        Where the files are written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()
        self._written: set[Path] = set()
        self._figures: dict[str, Printed] = {}
        self._captions: list[tuple[str, str]] = []
        self._sheets: list[tuple[str, list[str]]] = []
        self._open = ExitStack()

    def __enter__(self) -> "FigureFiles":
        self._folder.mkdir(exist_ok=True)
        self._printer = self._open.enter_context(Printer())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._open:
            if kind is None:
                self._finish()

    def add(self, section: Section) -> None:
        """Set the drawing of the figures of a section going.

        Parameters
        ----------
        section
            With its blocks.
        """
        names: dict[int, str] = {}
        for entry in _entries(section.blocks):
            name = file_name(f"{section.id}_{entry['name']}", self._used)
            names[id(entry)] = name
            self._captions.append((name, entry["caption"]))
            self._figures[name] = entry["drawn"]
            self._printer.add(entry["drawn"])
        self._sheets.append((f"sheet_{section.id}", [names[id(e)] for e in _shown(section.blocks)]))

    def _finish(self) -> None:
        self._printer.finish()
        for name, figure in self._figures.items():
            self._write(self._folder / f"{name}.svg", figure.svg)
            self._write(self._folder / f"{name}.pdf", figure.pdf)
        sheets = [
            (f"{sheet}_{number}" if number > 1 else sheet, panels)
            for sheet, names in self._sheets
            for number, panels in enumerate(laid_out([(name, self._figures[name].svg) for name in names]), start=1)
        ]
        for name, panels in sheets:
            self._write(self._folder / f"{name}.svg", sheet_svg(panels))
            self._write(
                self._folder / f"{name}.pdf", sheet_pdf(panels, {p.name: self._figures[p.name].pdf for p in panels})
            )
        captions = pd.DataFrame([*self._captions, *_legends(sheets, dict(self._captions))],
                                columns=["figure", "caption"])  # fmt: skip
        self._write(self._folder / "captions.csv", captions.to_csv(index=False, lineterminator="\n"))
        for path in [p for kind in ("*.svg", "*.pdf") for p in self._folder.glob(kind)]:
            if path not in self._written:
                path.unlink()

    def _write(self, path: Path, content: str | bytes) -> None:
        if isinstance(content, bytes):
            write_bytes(content, path)
        else:
            write_text(content, path)
        self._written.add(path)


def _legends(sheets: Iterable[tuple[str, list[_Panel]]], captions: Mapping[str, str]) -> list[tuple[str, str]]:
    """The legend of every sheet, from the captions of its panels."""
    return [(name, " ".join(f"{letter}, {captions[p.name].rstrip('.')}." for letter, p in _lettered(panels)))
            for name, panels in sheets]  # fmt: skip


def _entries(blocks: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [e for b in blocks if b["kind"] in ("figures", "first", "cards") for e in b["entries"]]


def _shown(blocks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The figures that are not folded; where all are, the first few."""
    depth, shown = 0, []
    for block in blocks:
        depth += {"fold": 1, "unfold": -1}.get(block["kind"], 0)
        if not depth:
            shown.append(block)
    return _entries(shown) or _entries(blocks)[:PANELS]


def file_name(words: str, used: set[str]) -> str:
    """Letters, digits and a few marks; a number where two figures would have one name, whatever the case.

    Parameters
    ----------
    words
        What the figure shows.
    used
        Names in small letters that are taken; the new one is added.
    """
    name = re.sub(r"[^A-Za-z0-9.+-]+", "_", words).strip("_.")[:80]
    taken, number = name, 1
    while taken.lower() in used:
        number += 1
        taken = f"{name}_{number}"
    used.add(taken.lower())
    return taken


def laid_out(figures: Sequence[tuple[str, str]]) -> list[list[_Panel]]:
    """Figures in rows on pages of a journal: 183 mm wide and at most 247 mm high.

    Parameters
    ----------
    figures
        Name and SVG of each, at the size of print.
    """
    pages: list[list[_Panel]] = []
    page: list[_Panel] = []
    left = top = row = 0.0
    for name, svg in figures:
        width, height = _size(svg)
        if left and left + width > WIDTH + 0.5:
            left, top, row = 0.0, top + row + GAP, 0.0
        if page and top + LETTER + height > HEIGHT:
            pages.append(page)
            page, left, top, row = [], 0.0, 0.0, 0.0
        page.append(_Panel(name, svg, width, height, left, top + LETTER))
        left, row = left + width + GAP, max(row, height + LETTER)
    return [*pages, page] if page else pages


def _size(svg: str) -> tuple[float, float]:
    head = svg[: svg.index(">")]
    found = {m[1]: float(m[2]) for m in re.finditer(r'\b(width|height)="([0-9.]+)pt"', head)}
    return found["width"], found["height"]


def _whole(panels: Sequence[_Panel]) -> tuple[float, float]:
    return max(WIDTH, *(p.left + p.width for p in panels)), max(p.top + p.height for p in panels)


def sheet_svg(panels: Sequence[_Panel]) -> str:
    """The panels of one page as one SVG with letters; text stays text.

    Parameters
    ----------
    panels
        From `laid_out`.
    """
    width, height = _whole(panels)
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
             f'width="{width:.2f}pt" height="{height:.2f}pt" '
             f'viewBox="0 0 {width:.2f} {height:.2f}" version="1.1">\n']  # fmt: skip
    for letter, panel in _lettered(panels):
        own = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{letter}-", panel.svg)
        own = re.sub(r"<svg\b", f'<svg x="{panel.left:.2f}" y="{panel.top:.2f}"', own, count=1)
        own = re.sub(r'\b(width|height)="([0-9.]+)pt"', r'\1="\2"', own, count=2)
        parts.append(f'<text x="{panel.left:.2f}" y="{panel.top - 3:.2f}" font-family="sans-serif" font-size="8" '
                     f'font-weight="bold">{letter}</text>\n{own}\n')  # fmt: skip
    return "".join([*parts, "</svg>\n"])


def _lettered(panels: Sequence[_Panel]) -> list[tuple[str, _Panel]]:
    names = [chr(97 + k % 26) * (1 + k // 26) for k in range(len(panels))]
    return list(zip(names, panels, strict=True))


def sheet_pdf(panels: Sequence[_Panel], made: Mapping[str, bytes]) -> bytes:
    """The panels of one page as one PDF with letters, from the PDF of each.

    Parameters
    ----------
    panels
        From `laid_out`.
    made
        PDFs by name.
    """
    width, height = _whole(panels)
    letters = Figure(figsize=(width / 72, height / 72))
    for letter, panel in _lettered(panels):
        letters.text(panel.left / width, 1 - (panel.top - 3) / height, letter, fontsize=8, fontweight="bold")
    writer = PdfWriter()
    page = writer.add_page(PdfReader(io.BytesIO(to_pdf(letters))).pages[0])
    content = cast("StreamObject", page["/Contents"].get_object())
    forms, parts = DictionaryObject(), [content.get_data()]
    for letter, panel in _lettered(panels):
        own = PdfReader(io.BytesIO(made[panel.name])).pages[0]
        forms[NameObject(f"/Panel-{letter}")] = _as_form(own, writer)
        low = height - panel.top - panel.height
        parts.append(f"q 1 0 0 1 {panel.left:.3f} {low:.3f} cm /Panel-{letter} Do Q".encode())
    content.set_data(b"\n".join(parts))
    cast("DictionaryObject", page["/Resources"].get_object())[NameObject("/XObject")] = forms
    writer.metadata = None
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _as_form(page: PageObject, writer: PdfWriter) -> IndirectObject:
    """A page as a drawing that another page can place; its content is copied and not read."""
    form = cast("StreamObject", page["/Contents"].get_object()).clone(writer)
    form[NameObject("/Type")] = NameObject("/XObject")
    form[NameObject("/Subtype")] = NameObject("/Form")
    form[NameObject("/BBox")] = page.mediabox.clone(writer)
    form[NameObject("/Resources")] = cast("DictionaryObject", page["/Resources"].get_object()).clone(writer)
    return cast("IndirectObject", form.indirect_reference)
