"""The gallery shows every figure, and each picture is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLOTS = ROOT / "src" / "scresist" / "plots"
NO_FIGURES = {"axis_ends.py", "labels.py", "printer.py", "style.py", "__init__.py"}
HELPERS = {"bar_arm", "hazard_note"}


def drawing():
    """Public functions of the files of figures; those of a folder by the name of the folder."""
    for path in sorted(PLOTS.rglob("*.py")):
        if path.name in NO_FIGURES:
            continue
        room = path.parent.name if path.parent != PLOTS else path.stem
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in HELPERS:
                yield f"{room}.{node.name}", ast.unparse(node.returns)


def test_every_figure_is_in_the_gallery_with_its_picture():
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    shown = re.findall(r"^### `([^`]+)`$", text, re.MULTILINE)
    assert sorted(shown) == sorted(name for name, _ in drawing())
    pictures = {path.stem for path in (ROOT / "docs" / "gallery").glob("*.png")}
    assert pictures == set(shown)
    assert set(re.findall(r"sr\.plots\.([a-z_]+\.[a-z_]+)\(", text)) >= set(shown)


def test_every_figure_gives_its_axes():
    assert [name for name, given in drawing() if given.strip("'") not in {"Axes", "Any", "Figure"}] == []
