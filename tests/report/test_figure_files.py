"""The files of the figures: named by content, at the size of a journal, with text that stays text."""

import re

import pandas as pd
from matplotlib.text import Text
from pypdf import PdfReader

from scresist.plots.effects import by_arm
from scresist.plots.printer import PARALLEL_FROM, Printed, Printer
from scresist.plots.style import module_colours, new_axes
from scresist.report.blocks import Section, figures
from scresist.report.figure_files import FigureFiles, laid_out


def drawn(width):
    figure, axes = new_axes(width, 3)
    points = pd.DataFrame({"patient": list("ABC"), "arm": ["x", "x", "y"], "value": [1.0, 2, 3]})
    by_arm(points, axes, arms=["x", "y"], unit="µ ≥ Ж")
    return figure


def test_each_figure_is_an_svg_and_a_pdf_with_a_name_of_its_own(tmp_path):
    (tmp_path / "summary_01.svg").write_text("of an earlier run")
    items = [(drawn(3), "", "M1 JUND/tree"), (drawn(3), "", "m1 jund tree"), (drawn(12), "", "../x")]
    with FigureFiles(tmp_path) as files:
        files.add(Section("modules", "", "", [figures(items)]))
    names = {"modules_M1_JUND_tree", "modules_m1_jund_tree_2", "modules_.._x", "sheet_modules"}
    assert {path.name for path in tmp_path.iterdir()} == {f"{n}.{kind}" for n in names for kind in ("svg", "pdf")} | {
        "captions.csv"}  # fmt: skip
    pdf = (tmp_path / "modules_M1_JUND_tree.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/Subtype /CIDFontType2" in pdf, "letters are kept as a TrueType font"
    assert ">n = 2<" in (tmp_path / "modules_M1_JUND_tree.svg").read_text(encoding="utf-8")
    svg = (tmp_path / "modules_.._x.svg").read_text(encoding="utf-8")
    assert float(re.search(r'width="([0-9.]+)pt"', svg)[1]) <= 183 / 25.4 * 72 + 0.01


def test_text_has_five_to_seven_points():
    figure = drawn(12)
    assert Printed(figure).svg
    sizes = [float(t.get_fontsize()) for t in figure.findobj(Text) if t.get_text()]
    assert 5 <= min(sizes) <= max(sizes) <= 7


def test_a_module_has_the_same_colour_alone_and_among_others():
    among = module_colours(["M1 A", "M2 B", "M10 C", "unassigned"])
    assert len(set(among.values())) == 4
    assert module_colours(["M10 C"])["M10 C"] == among["M10 C"]


def test_a_sheet_has_its_panels_in_rows_of_a_journal_with_letters_and_text(tmp_path):
    items = [(drawn(4), "", f"panel {k}") for k in range(3)]
    with FigureFiles(tmp_path) as files:
        files.add(Section("cells", "", "", [figures(items)]))
    svg = (tmp_path / "sheet_cells.svg").read_text(encoding="utf-8")
    assert re.findall(r'font-weight="bold">(.)<', svg) == ["a", "b", "c"]
    assert svg.count(">n = 2<") == 3
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert len(ids) - len(set(ids)) <= sum(i[2:].startswith(("m", "p")) for i in ids), "panels share no id"
    panels = [entry["drawn"].svg for entry in figures(items)["entries"]]
    placed = laid_out([(str(k), panel) for k, panel in enumerate(panels)])[0]
    assert all(p.left + p.width <= 183 / 25.4 * 72 + 1 for p in placed)
    assert placed[0].top == placed[1].top < placed[2].top
    page = PdfReader(tmp_path / "sheet_cells.pdf").pages
    assert len(page) == 1
    words = page[0].extract_text()
    assert words.count("n = 2") == 3
    assert {"a", "b", "c"} <= set(words.split())


def test_figures_drawn_by_two_processes_are_the_same():
    made = [Printed(drawn(3)) for _ in range(PARALLEL_FROM + 8)]
    with Printer() as printer:
        for figure in made:
            printer.add(figure)
        printer.finish()
    alone = Printed(drawn(3))
    assert {figure.svg for figure in made} == {alone.svg}
    assert {figure.pdf for figure in made} == {alone.pdf}
