"""Draw the pictures of docs/gallery.md by running the calls that it shows, on the tables of a run.

Usage: python scripts/make_gallery.py RESULTS (the folder of `scresist demo`).
"""

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg

import scresist as sr
from scresist.cells.saved import saved_copy_number
from scresist.plots.style import for_print, new_axes
from scresist.report import evidence
from scresist.report.expression import detected, sampled_levels
from scresist.report.folder import Folder

DOCS = Path(__file__).resolve().parents[1] / "docs"


def entries(text: str) -> dict[str, str]:
    """The code of every figure of the gallery, by the name of its function."""
    found = re.findall(r"### `([^`]+)`\n\n!\[[^\]]*\]\([^)]*\)\n\n((?:    .*\n|\n)+)", text)
    return {name: "\n".join(line[4:] for line in code.splitlines()) for name, code in found}


class Tables:
    """`run["modules"]` is the table of that name."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __getitem__(self, name: str) -> pd.DataFrame:
        return self._folder.table(name)


def names_for(folder: Folder) -> dict[str, Any]:
    """What the code of the gallery refers to."""
    levels, measured, _ = sampled_levels(folder.path / "cohort.h5ad", len(folder.cells), 1)

    def levels_of(genes: list[str]) -> pd.DataFrame:
        return detected(levels, measured, folder.cells["cell_type"].astype(str), genes).rename(
            columns={"cell_type": "group"}
        )

    values = folder.table("communication_samples")
    values = values[values["level"] == "pathway"]
    links = values.pivot_table(index="source", columns="target", values="value", aggfunc="sum", fill_value=0.0)
    both = sorted(set(links.index) & set(links.columns))
    links = links.loc[both, both].rename_axis(index=None, columns=None) / values["sample"].nunique()
    return {
        "sr": sr, "pd": pd, "np": np, "new_axes": new_axes, "evidence": evidence, "folder": folder,
        "run": Tables(folder), "net": folder.network, "arms": folder.arms, "levels_of": levels_of, "links": links,
        "copy_number": saved_copy_number(folder.path / "cohort.h5ad"),
    }  # fmt: skip


def drawn(code: str, names: dict[str, Any]) -> bytes:
    """The figure that the code makes, as PNG."""
    scope = dict(names)
    exec(code, scope)
    for_print(scope["figure"])
    scope["figure"].set_dpi(110)
    buffer = io.BytesIO()
    FigureCanvasAgg(scope["figure"]).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def main(results: Path) -> None:
    """Write the pictures."""
    found = entries((DOCS / "gallery.md").read_text(encoding="utf-8"))
    folder = Folder(results.absolute())
    os.chdir(results.parent)
    names = names_for(folder)
    (DOCS / "gallery").mkdir(exist_ok=True)
    for name, code in found.items():
        (DOCS / "gallery" / f"{name}.png").write_bytes(drawn(code, names))
    for path in (DOCS / "gallery").glob("*.png"):
        if path.stem not in found:
            path.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
