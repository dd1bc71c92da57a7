"""Ligand-receptor tables of other programs: CellChatDB's .rda, CellPhoneDB's folder, LIANA's table."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from scresist.checks import InputError, require_columns
from scresist.communication.interactions import COLUMNS, LigandReceptorTable, as_text, cellchatdb, completed


def read_cellchatdb_rda(path: str | Path) -> LigandReceptorTable:
    """CellChatDB as CellChat keeps it: an .rda file of one list of interaction, complex, cofactor and geneInfo.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If the file does not exist or has another content, or the package rdata is not installed.
    """
    try:
        import rdata
    except ImportError as missing:
        raise InputError("the package rdata is needed to read .rda files: pip install rdata") from missing
    if not Path(path).exists():
        raise InputError(f"there is no file {str(path)!r}")
    content: dict[str, Any] = rdata.read_rda(path)
    parts = next((v for v in content.values() if isinstance(v, dict) and "interaction" in v), None)
    if parts is None:
        raise InputError(f"{path} contains {', '.join(content)}, none of which is a list with a table interaction")
    for part in ("complex", "cofactor"):
        if part not in parts:
            raise InputError(f"{path} has no table {part!r} beside interaction: it is not CellChatDB")
    interactions = as_text(parts["interaction"]).reset_index(drop=True)
    require_columns(interactions, COLUMNS, f"{path}, interaction")
    return LigandReceptorTable(interactions, _rows(parts["complex"]), _rows(parts["cofactor"]), Path(path).name)


def _rows(table: pd.DataFrame) -> MappingProxyType[str, tuple[str, ...]]:
    text = as_text(table)
    return MappingProxyType(
        {str(n): tuple(g for g in row if g) for n, row in zip(text.index, text.to_numpy(), strict=True)}
    )


def read_cellphonedb(folder: str | Path) -> LigandReceptorTable:
    """CellPhoneDB's input tables (human): interaction_input.csv, complex_input.csv and gene_input.csv, versions 3 to 5.

    Partner a is the ligand and partner b the receptor, as the tables are written.

    Parameters
    ----------
    folder
        The folder of the three tables.

    Raises
    ------
    InputError
        If a file or a column is missing, or a partner is neither a complex nor a protein with a gene.
    """
    folder = Path(folder)
    read = {}
    for kind in ("interaction", "complex", "gene"):
        path = folder / f"{kind}_input.csv"
        if not path.exists():
            raise InputError(f"{folder} has no {path.name}; it must be the folder of CellPhoneDB's input tables")
        read[kind] = pd.read_csv(path, dtype=str, keep_default_na=False)
    require_columns(read["interaction"], ["partner_a", "partner_b"], "interaction_input.csv")
    require_columns(read["gene"], ["uniprot", "hgnc_symbol"], "gene_input.csv")
    require_columns(read["complex"], ["complex_name", "uniprot_1"], "complex_input.csv")
    symbol: dict[str, str] = dict(zip(read["gene"]["uniprot"], read["gene"]["hgnc_symbol"], strict=True))
    proteins = [c for c in read["complex"].columns if c.startswith("uniprot_")]

    def gene(protein: str) -> str:
        if protein not in symbol:
            raise InputError(
                f"gene_input.csv has no gene for {protein!r}, which interaction or complex_input.csv names"
            )
        return symbol[protein]

    complexes = {
        str(row["complex_name"]): tuple(gene(str(row[c])) for c in proteins if row[c])
        for row in read["complex"].to_dict("records")
    }

    def name(partner: str) -> str:
        return partner if partner in complexes else gene(partner)

    pairs = read["interaction"]
    table = pd.DataFrame({"ligand": pairs["partner_a"].map(name), "receptor": pairs["partner_b"].map(name)})
    table["pathway_name"] = pairs.get("classification", "")
    table["annotation"] = pairs.get("annotation_strategy", "")
    table["evidence"] = pairs.get("source", "")
    return _joined(table, complexes, f"CellPhoneDB, {folder.name}", "human")


def read_liana(path: str | Path | pd.DataFrame, *, organism: str = "human") -> LigandReceptorTable:
    """A LIANA resource: columns ligand and receptor, subunits of a complex joined by "_".

    Parameters
    ----------
    path
        A csv, or the table.
    organism
        human | mouse: whose cofactors are used.

    Raises
    ------
    MissingColumnError
        If there is no column ligand or receptor.
    """
    rows = path if isinstance(path, pd.DataFrame) else pd.read_csv(path, dtype=str, keep_default_na=False)
    where = "the table" if isinstance(path, pd.DataFrame) else Path(path).name
    require_columns(rows, ["ligand", "receptor"], where)
    names = set(rows["ligand"].astype(str)) | set(rows["receptor"].astype(str))
    # No human or mouse symbol has a "_", so that "_" joins subunits.
    complexes = {n: tuple(n.split("_")) for n in names if "_" in n}
    return _joined(rows[["ligand", "receptor"]], complexes, where, organism)


def _joined(
    table: pd.DataFrame, complexes: dict[str, tuple[str, ...]], name: str, organism: str
) -> LigandReceptorTable:
    table = completed(table).drop_duplicates("interaction_name").reset_index(drop=True)
    return LigandReceptorTable(table, MappingProxyType(complexes), cellchatdb(organism).cofactors, name)
