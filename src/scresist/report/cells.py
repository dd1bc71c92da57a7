"""The section on the cells: the map, the markers of every population, the evidence for every name."""

from typing import Any

import pandas as pd

from scresist.checks import counted
from scresist.plots.cells import dots, layout
from scresist.plots.style import arm_colours, new_axes
from scresist.report.blocks import Drawn, Section, cell_map, figures, heading, table
from scresist.report.expression import for_the_map, named_markers
from scresist.report.folder import Folder

FIRST = 4  # populations that are named in the answer


def cells(folder: Folder) -> Section:
    """Map, markers, evidence per cluster."""
    found = folder.cells
    blocks: list[dict[str, Any]] = []
    if "umap_1" in found:
        genes = for_the_map(folder.table("map_genes"))
        blocks.append(cell_map(found, folder.arms, palette=folder.palette, genes=genes))
        drawn = _layouts(folder, found)
        blocks += [figures(drawn[:1], on_paper=True)]
        blocks += [heading("The map by arm and patient, as figures"), figures(drawn[1:])] if drawn[1:] else []
    blocks += _markers(folder)
    evidence = folder.table("annotation")
    if len(evidence):
        blocks += [heading("Evidence per cluster"), table(evidence, "annotation", [
            "cluster", "n_cells", "n_samples",
            "cell_type", "cell_type_share",
            "confidence",
            "markers_for", "markers_against",
        ])]  # fmt: skip
    lead = ("Cells were integrated over samples for naming and looking only; every test goes back to raw counts. The "
            "distances on the map have no unit.")  # fmt: skip
    return Section("cells", "Who the cells are", lead, blocks)


def named(folder: Folder) -> list[tuple[str, str]]:
    """How many cells have a name, and the commonest populations."""
    found = folder.cells
    if "cell_type" not in found:
        return []
    sizes = found["cell_type"].astype(str).value_counts()
    without = int(sizes.get("unassigned", 0))
    sizes = sizes.drop("unassigned", errors="ignore")
    clusters = found["cluster"].nunique() if "cluster" in found else 0
    more = ", …" if len(sizes) > FIRST else "."
    first = ", ".join(f"{name} ({n:,})" for name, n in sizes.head(FIRST).items())
    out = [("", f"{counted(len(sizes), 'population')} in {counted(clusters, 'cluster')}: {first}{more}")]  # fmt: skip
    if without:
        out.append(("", f"{without:,} cells ({100 * without / len(found):.1f} %) have no name."))
    return out


def _layouts(folder: Folder, found: pd.DataFrame) -> list[Drawn]:
    drawn = []
    for column, words in (("cell_type", "population"), ("arm", "arm"), ("patient", "patient")):
        if column not in found or found[column].isna().all() or (column != "cell_type" and found[column].nunique() < 2):
            continue
        columns = found[column].nunique() // 19  # of the names, beyond the first
        wide, more = (6.2, 2.4) if column == "cell_type" else (4.6, 0.8)
        figure, axes = new_axes(wide + more * columns, 3.4)
        own = found
        if column == "arm":
            own = found.assign(arm=pd.Categorical(found["arm"].astype(str), categories=folder.arms))
        layout(own, axes, by=column, palette=arm_colours(folder.arms) if column == "arm" else folder.palette)
        drawn.append((figure, f"{len(found):,} cells by {words}; in brackets the number of each.", f"umap_{column}"))
    return drawn


def _markers(folder: Folder) -> list[dict[str, Any]]:
    """Dots of the markers that gave the populations their names, from the evidence per cluster."""
    shown = folder.table("marker_levels")
    if not len(shown):
        return []
    present = set(shown["cell_type"].astype(str))
    genes, groups = named_markers(folder.table("annotation"), set(shown["gene"].astype(str)))
    groups = [g for g in groups if g in present]
    figure, axes = new_axes(max(5.0, 2.9 + 0.2 * len(genes)), 1.6 + 0.22 * len(groups))
    dots(shown.rename(columns={"cell_type": "group"}), axes, genes=genes, groups=groups)
    words = "The markers with most weight for each name; in brackets the number of cells that were looked at."
    return [heading("Markers of every population"), figures([(figure, words, "markers")])]
