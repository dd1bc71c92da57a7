"""The figures of the page as files: each as SVG and PDF, and one sheet per section at the width of a journal."""

import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from pypdf import PdfReader, PdfWriter, Transformation

from scresist.plots.pdfs import PdfMaker
from scresist.plots.style import FULL_WIDTH, to_pdf
from scresist.report.blocks import Section
from scresist.results import write_bytes, write_text

WIDTH, HEIGHT = FULL_WIDTH * 72, 247 / 25.4 * 72  # points of a page of a journal
GAP, LETTER = 9.0, 11.0  # points between panels, and above each for its letter
PARALLEL_FROM = 20  # figures; a second process needs two seconds to start
PANELS = 6  # of a section that shows no figure before its folds


class _Panel(NamedTuple):
    name: str
    svg: str
    width: float
    height: float
    left: float
    top: float


class FigureFiles:
    """Writes the figures of sections as they are made; PDFs are made beside, in a process of their own.

    Used as a context: files of an earlier run that have no figure now are removed at the end.

    Parameters
    ----------
    folder
        Where the files are written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()
        self._written: set[Path] = set()
        self._waiting: list[tuple[Path, Figure | Future[bytes]]] = []
        self._captions: list[tuple[str, str]] = []
        self._sheets: list[tuple[str, list[_Panel]]] = []
        self._maker: PdfMaker | None = None
        self._open = ExitStack()

    def __enter__(self) -> "FigureFiles":
        self._folder.mkdir(exist_ok=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._open:
            if kind is None:
                self._finish()

    def add(self, section: Section) -> None:
        """Write the SVGs of a section, and set its PDFs going.

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
            self._write(self._folder / f"{name}.svg", entry["printed"])
            self._waiting.append((self._folder / f"{name}.pdf", self._started(entry["figure"])))
        shown = [(names[id(e)], e["printed"]) for e in _shown(section.blocks)]
        for number, panels in enumerate(laid_out(shown), start=1):
            self._sheets.append((f"sheet_{section.id}{f'_{number}' if number > 1 else ''}", panels))

    def _started(self, figure: Figure) -> Figure | Future[bytes]:
        """A PDF that another process makes, once there are many; before that the figure itself."""
        if self._maker is None:
            if len(self._waiting) < PARALLEL_FROM or (os.cpu_count() or 1) < 2:
                return figure
            self._maker = self._open.enter_context(PdfMaker())
        return self._maker.submit(figure)

    def _finish(self) -> None:
        made: dict[str, bytes] = {}
        for path, pdf in self._waiting:
            made[path.stem] = pdf.result() if isinstance(pdf, Future) else to_pdf(pdf)
            write_bytes(made[path.stem], path)
            self._written.add(path)
        for name, panels in self._sheets:
            self._write(self._folder / f"{name}.svg", sheet_svg(panels))
            write_bytes(sheet_pdf(panels, made), self._folder / f"{name}.pdf")
            self._written.add(self._folder / f"{name}.pdf")
        captions = pd.DataFrame([*self._captions, *_legends(self._sheets, dict(self._captions))],
                                columns=["figure", "caption"])  # fmt: skip
        self._write(self._folder / "captions.csv", captions.to_csv(index=False, lineterminator="\n"))
        for path in [p for kind in ("*.svg", "*.pdf") for p in self._folder.glob(kind)]:
            if path not in self._written:
                path.unlink()

    def _write(self, path: Path, words: str) -> None:
        write_text(words, path)
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
    for panel in panels:
        own = PdfReader(io.BytesIO(made[panel.name])).pages[0]
        page.merge_transformed_page(own, Transformation().translate(panel.left, height - panel.top - panel.height))
    writer.metadata = None
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
