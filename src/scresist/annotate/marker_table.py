"""Marker tables: the shipped one for human tumours, or a user's own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scresist import resources
from scresist.checks import InputError, require_columns
from scresist.study.marker_sheets import read_marker_sheet
from scresist.study.problems import Problems, StudyError
from scresist.study.sheets import LINE

MIN_MARKERS = 3


@dataclass(frozen=True, slots=True)
class MarkerTable:
    """One row per lineage or cell type and gene.

    Columns: lineage, cell_type ("" for the lineage itself), parent, gene, sign (1: for it, -1: against it), essential
    (1: a type is not called where none of its essential genes is seen).
    """

    table: pd.DataFrame
    source: str

    def weights(self, genes: pd.Index, lineage: str | None) -> tuple[list[str], np.ndarray]:
        """Names and weights over `genes`, of the lineages (None) or of one lineage's types.

        A marker shared by several of them weighs less, 1 / their number (the lineage counts too); a negative one weighs
        -1. Those with fewer than 3 positive markers among `genes` are left out.
        """
        rows = self.table[self.table["cell_type"] == ""] if lineage is None else self._types(lineage)
        column = "lineage" if lineage is None else "cell_type"
        rows = rows[rows["gene"].isin(genes)]
        positive = rows[rows["sign"] > 0]
        everywhere = self.table[(self.table["lineage"] == lineage) & (self.table["sign"] > 0)]
        shared = (positive if lineage is None else everywhere).groupby("gene")[column].nunique()
        enough = positive.groupby(column)["gene"].nunique()
        names = [n for n in dict.fromkeys(rows[column]) if enough.get(n, 0) >= MIN_MARKERS]
        weights = np.zeros((len(names), len(genes)))
        at = genes.get_indexer(pd.Index(rows["gene"]))
        for name, gene, sign, position in zip(rows[column], rows["gene"], rows["sign"], at, strict=True):
            if name in names:
                weights[names.index(name), position] = 1 / shared[gene] if sign > 0 else -1.0
        return names, weights

    def essential(self, genes: pd.Index, names: list[str]) -> list[np.ndarray]:
        """Positions among `genes` of the essential genes of each cell type."""
        rows = self.table[self.table["essential"] == 1]
        return [np.flatnonzero(genes.isin(rows.loc[rows["cell_type"] == n, "gene"])) for n in names]

    def _types(self, lineage: str) -> pd.DataFrame:
        return self.table[(self.table["lineage"] == lineage) & (self.table["cell_type"] != "")]

    def line(self, cell_type: str) -> tuple[str, ...]:
        """A type and the broader ones it belongs to, narrowest first."""
        found = [cell_type]
        while True:
            rows = self.table.loc[self.table["cell_type"] == found[-1], "parent"]
            parent = str(rows.iloc[0]) if len(rows) else ""
            if parent == "" or parent in found:
                return tuple(found)
            found.append(parent)


def shipped_markers(organism: str = "human") -> MarkerTable:
    """The shipped table for human tumours; for mouse its genes are their one-to-one orthologues.

    Parameters
    ----------
    organism
        human | mouse.
    """
    source = "scresist, human tumours" + (" (mouse orthologues)" if organism == "mouse" else "")
    return MarkerTable(resources.translated_table(resources.markers(), organism), source)


def read_markers(path: Path, organism: str = "human") -> MarkerTable:
    """A user's own table: columns cell_type and gene; lineage (default: the cell type), parent and sign (default 1).

    Parameters
    ----------
    path
        A CSV with cell_type and gene, and any of lineage, parent, sign; or a table of PanglaoDB, CellMarker, ScType or
        CellTypist.
    organism
        human | mouse: the rows that are taken where the table has species.

    Raises
    ------
    StudyError
        Where it is no such table.
    """
    problems = Problems()
    sheet = read_marker_sheet(path, path.name, problems, organism)
    if sheet is None or problems.errors:
        raise StudyError(problems)
    for column, default in (("lineage", None), ("parent", ""), ("sign", "1"), ("essential", "0")):
        if column not in sheet:
            sheet[column] = sheet["cell_type"] if default is None else default
    sign = pd.to_numeric(sheet["sign"].replace("", "1"), errors="coerce")
    if not sign.isin([1, -1]).all():
        bad = int(sheet.loc[~sign.isin([1, -1]), LINE].iloc[0])
        raise InputError(f"{path.name}, row {bad}: sign must be 1 or -1")
    essential = (sheet["essential"] == "1").astype(int)
    columns = ["lineage", "cell_type", "parent", "gene", "sign", "essential"]
    table = sheet.assign(sign=sign.astype(int), essential=essential)[columns]
    require_columns(table, ["gene"], path.name)
    lineages = table.assign(cell_type="") if "lineage" in sheet and (sheet["cell_type"] != "").all() else table.iloc[:0]
    return MarkerTable(pd.concat([lineages, table], ignore_index=True).drop_duplicates(), path.name)
