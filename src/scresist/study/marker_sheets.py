"""Marker tables as people have them: our own layout, and those of PanglaoDB, CellMarker, ScType and CellTypist."""

import re
from pathlib import Path

import pandas as pd

from scresist.study.problems import Problems
from scresist.study.sheets import LINE, read_sheet

REQUIRED = ("cell_type", "gene")
# Layout: the column of the cell type, the columns of its genes (with their sign), the column of its lineage.
LAYOUTS: dict[str, tuple[str, dict[str, int], str]] = {
    "PanglaoDB": ("cell type", {"official gene symbol": 1}, ""),
    "ScType": ("cellname", {"genesymbolmore1": 1, "genesymbolmore2": -1}, ""),
    "CellMarker 2": ("cell_name", {"symbol": 1}, ""),
    "CellMarker 2 (marker)": ("cell_name", {"marker": 1}, ""),
    "CellMarker 1": ("cellname", {"genesymbol": 1}, ""),
    "CellTypist": ("low-hierarchy cell types", {"curated markers": 1}, "high-hierarchy cell types"),
}
SPECIES = ("species", "speciestype")
NAMES = {"human": ("human", "hs", "homo sapiens"), "mouse": ("mouse", "mm", "mus musculus")}


def read_marker_sheet(path: Path, shown: str, problems: Problems, organism: str = "human") -> pd.DataFrame | None:
    """A marker table: columns cell_type and gene, and any of lineage, parent, sign, essential; None if it is none.

    A table of PanglaoDB, CellMarker, ScType or CellTypist is known by its columns: its rows become a row per cell type
    and gene. Where it has species, the rows of the study's are taken.

    Parameters
    ----------
    path
        The file.
    shown
        Its name in messages.
    problems
        Receives what is wrong.
    organism
        human | mouse.
    """
    trial = Problems()
    sheet = read_sheet(path, shown, trial, ())
    if sheet is None:
        problems.extend(trial)
        return None
    lowered = {str(c).strip().lower(): str(c) for c in sheet.columns}
    for name, (kind, genes, lineage) in LAYOUTS.items():
        if kind in lowered and any(g in lowered for g in genes) and "cell_type" not in sheet:
            return _converted(sheet, lowered, (kind, genes, lineage), organism, shown, name, problems)
    return read_sheet(path, shown, problems, REQUIRED)


def _converted(
    sheet: pd.DataFrame, lowered: dict[str, str], layout: tuple[str, dict[str, int], str], organism: str, shown: str,
    name: str, problems: Problems,
) -> pd.DataFrame | None:  # fmt: skip
    kind, genes, lineage = layout
    species = next((lowered[c] for c in SPECIES if c in lowered), None)
    if species is not None:
        words = sheet[species].str.lower().str.split(r"[ ,;/]+")
        wanted = set(" ".join(NAMES[organism]).split())
        sheet = sheet[[bool(wanted & set(own)) for own in words]]
    rows = []
    for row in sheet.to_dict("records"):
        for column, sign in genes.items():
            for gene in re.split(r"[,;|/]\s*|\s{2,}", str(row.get(lowered.get(column, ""), ""))):
                plain = gene.strip(" []\"'")
                if plain and plain.upper() not in {"NA", "NAN"} and row[lowered[kind]]:
                    rows.append({
                        "cell_type": row[lowered[kind]], "gene": plain, "sign": str(sign), LINE: row[LINE],
                        **({"lineage": row[lowered[lineage]]} if lineage in lowered else {}),
                    })  # fmt: skip
    if not rows:
        problems.error(shown, f"the table of {name} has no marker of {organism}", "give the table of this species",
                       value=", ".join(lowered)[:80])  # fmt: skip
        return None
    problems.note(shown, f"the columns are those of {name}: {len(rows)} markers of "
                  f"{len({r['cell_type'] for r in rows})} cell types")  # fmt: skip
    return pd.DataFrame(rows).drop_duplicates(["cell_type", "gene", "sign"]).reset_index(drop=True)
