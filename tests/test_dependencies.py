"""Every package that is imported is declared, once, and none is declared that nothing uses."""

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMPORTED_AS = {"scikit-learn": "sklearn", "scikit-image": "skimage", "umap-learn": "umap",
               "fonttools": "fontTools", "pillow": "PIL", "openslide-python": "openslide",
               "axe-core-python": "axe_core_python"}  # fmt: skip
# Used through another package: pandas writes parquet by pyarrow, and umap-learn sets
# no upper bound to pynndescent; openslide-bin has the library that openslide loads, and tifffile decompresses
# LZW and JPEG by imagecodecs.
NOT_IMPORTED = {"pyarrow", "pynndescent", "openslide-bin", "imagecodecs"}


def imported(folder):
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else (
                [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else [])  # fmt: skip
            found |= {name.split(".")[0] for name in names}
    own = {part for path in (ROOT / "tests").rglob("*.py") for part in (path.stem, path.parent.name)}
    return found - set(sys.stdlib_module_names) - own - {"scresist", ""}


def declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = {
        "needed": project["project"]["dependencies"],
        "extra": [name for part in project["project"]["optional-dependencies"].values() for name in part],
        "dev": project["dependency-groups"]["dev"],
    }
    return {
        group: [IMPORTED_AS.get(name, name) for name in (re.split(r"[\[<>=]", entry)[0] for entry in entries)]
        for group, entries in groups.items()
    }


def test_what_the_package_imports_is_declared_once_and_nothing_else_is():
    needed, extra = declared()["needed"], declared()["extra"]
    assert sorted(needed) == sorted(set(needed))
    assert imported("src") - set(extra) == set(needed) - NOT_IMPORTED
    assert set(extra) - NOT_IMPORTED <= imported("src") | imported("benchmarks")


def test_what_the_tests_import_is_declared():
    everything = {name for names in declared().values() for name in names}
    assert imported("tests") <= everything
