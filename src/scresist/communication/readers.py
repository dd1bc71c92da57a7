"""Ligand-receptor tables of other programs (CellChatDB's .rda, CellPhoneDB's folder, LIANA's), and what is covered."""

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from scresist import resources
from scresist.checks import InputError, require_columns
from scresist.communication.resource import COLUMNS, LigandReceptorTable, cellchatdb, read_resource


def read_cellchatdb_rda(path: str | Path) -> LigandReceptorTable:
    """CellChatDB as CellChat keeps it: an .rda file of one list of interaction, complex, cofactor and geneInfo.

    Raises
    ------
    InputError
        If the file cannot be read so, or the package rdata is not installed.
    """
    try:
        import rdata
    except ImportError as missing:
        raise InputError("reading .rda files takes the package rdata: pip install rdata") from missing
    if not Path(path).exists():
        raise InputError(f"no file {str(path)!r}")
    content: dict[str, Any] = rdata.read_rda(path)
    parts = next((v for v in content.values() if isinstance(v, dict) and "interaction" in v), None)
    if parts is None:
        raise InputError(f"{path} holds {', '.join(content)}, none of which is a list with a table named interaction")
    for part in ("complex", "cofactor"):
        if part not in parts:
            raise InputError(f"{path} has no table {part!r} beside interaction; it is no CellChatDB")
    interactions = _text(parts["interaction"]).reset_index(drop=True)
    require_columns(interactions, COLUMNS, f"{path}, interaction")
    return LigandReceptorTable(interactions, _rows(parts["complex"]), _rows(parts["cofactor"]), Path(path).name)


def _text(table: pd.DataFrame) -> pd.DataFrame:
    """Every value as text, "" where R has a missing one; factors become their labels."""
    return table.astype(object).where(table.notna(), "").astype(str)


def _rows(table: pd.DataFrame) -> MappingProxyType[str, tuple[str, ...]]:
    text = _text(table)
    return MappingProxyType(
        {str(n): tuple(g for g in row if g) for n, row in zip(text.index, text.to_numpy(), strict=True)}
    )


def read_cellphonedb(folder: str | Path) -> LigandReceptorTable:
    """CellPhoneDB's input tables: interaction_input.csv, complex_input.csv and gene_input.csv (versions 3 to 5).

    Partner a is taken for the ligand and partner b for the receptor, as the tables are written; a pair whose proteins
    have no gene is an error.

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
    return _joined(table, complexes, f"CellPhoneDB, {folder.name}")


def read_liana(path: str | Path | pd.DataFrame) -> LigandReceptorTable:
    """A LIANA resource: columns ligand and receptor, subunits of a complex joined by "_"."""
    given = path if isinstance(path, pd.DataFrame) else pd.read_csv(path, dtype=str, keep_default_na=False)
    where = "the table given" if isinstance(path, pd.DataFrame) else Path(path).name
    require_columns(given, ["ligand", "receptor"], where)
    names = set(given["ligand"].astype(str)) | set(given["receptor"].astype(str))
    # A symbol with "_" in it does not exist among human or mouse genes, so that "_" joins subunits.
    complexes = {n: tuple(n.split("_")) for n in names if "_" in n}
    return _joined(given[["ligand", "receptor"]].astype(str), complexes, where)


def _joined(table: pd.DataFrame, complexes: dict[str, tuple[str, ...]], name: str) -> LigandReceptorTable:
    table = table.copy()
    for column in COLUMNS:
        if column not in table:
            table[column] = ""
    table["interaction_name"] = table["ligand"] + "_" + table["receptor"]
    bare = table["pathway_name"] == ""
    table.loc[bare, "pathway_name"] = table["interaction_name"][bare]
    table = table.drop_duplicates("interaction_name").reset_index(drop=True)
    return LigandReceptorTable(table, MappingProxyType(complexes), cellchatdb("human").cofactors, name)


def coverage(
    adata: Any, *, resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb", organism: str = "human"
) -> pd.DataFrame:
    """Which interactions the genes measured allow: interaction, pathway, covered, missing, known_as.

    `missing` lists genes of ligand and receptor that are not measured; `known_as` those of them that seem to be
    measured under an older symbol ("old = new"). Nothing is renamed: rename genes yourself and infer again.

    Parameters
    ----------
    adata
        Cells x genes.
    resource, organism
        As in `infer`.
    """
    table = read_resource(resource, organism)
    genes = set(pd.Index(adata.var_names).astype(str))
    older: dict[str, str] = {}
    if organism == "human":
        older = {new: old for old, new in resources.aliases().items() if old in genes and new not in genes}
    rows = []
    own = table.interactions
    for name, pathway, ligand, receptor in zip(
        own["interaction_name"], own["pathway_name"], own["ligand"], own["receptor"], strict=True
    ):
        lost = [g for side in (ligand, receptor) for g in table.genes_of(side) if g not in genes]
        known = [f"{older[g]} = {g}" for g in lost if g in older]
        rows.append((name, pathway, not lost, ", ".join(lost), ", ".join(known)))
    return pd.DataFrame(rows, columns=["interaction", "pathway", "covered", "missing", "known_as"])
