"""The ligand-receptor table that a call or a study names: a shipped one, or a user's own."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from scresist import resources
from scresist.checks import InputError, require_choice, require_columns, suggestion
from scresist.communication.interactions import (
    COLUMNS,
    KINDS,
    NON_PROTEIN,
    ORGANISMS,
    LigandReceptorTable,
    cellchatdb,
    completed,
)
from scresist.communication.readers import read_cellchatdb_rda

SHIPPED = "cellchatdb"
ALL = f"{SHIPPED}:all"
SUFFIXES = (".csv", ".rda", ".rdata")


def is_shipped(resource: Any) -> bool:
    """Whether a resource is the name of a shipped table: "cellchatdb", or "cellchatdb:" and a part of it.

    Parameters
    ----------
    resource
        A name, a path or a table.
    """
    return isinstance(resource, str) and resource.partition(":")[0] == SHIPPED


def locate_resource(resource: str, folder: str | Path) -> "str | Path":
    """A shipped table by its name, or the path of a study's own table.

    Parameters
    ----------
    resource
        As study.toml names it.
    folder
        The folder that paths in study.toml are relative to.
    """
    return resource if is_shipped(resource) else Path(folder) / resource


def resource_files(resource: str, folder: str | Path) -> list[Path]:
    """The files that a resource is read from, whose content decides the inference; none for a shipped table.

    Parameters
    ----------
    resource, folder
        As in `locate_resource`.
    """
    located = locate_resource(resource, folder)
    return [located] if isinstance(located, Path) else []


def check_resource(resource: str, organism: str, folder: str | Path) -> None:
    """Raise InputError unless a resource can be read; no cells are needed.

    Parameters
    ----------
    resource, folder
        As in `locate_resource`.
    organism
        human | mouse.

    Raises
    ------
    InputError
        For an unknown name, a file that does not exist or cannot be read, or a table that is wrong.
    """
    read_resource(locate_resource(resource, folder), organism)


def read_resource(
    resource: "str | Path | pd.DataFrame | LigandReceptorTable", organism: str = "human"
) -> LigandReceptorTable:
    """A table of ligand-receptor interactions by its name, from a file, or from a data frame.

    A user's table needs the columns ligand and receptor; columns that it lacks are empty. Complexes are genes joined by
    "+" or "_and_", or names of complexes in CellChatDB of the organism.

    Parameters
    ----------
    resource
        "cellchatdb" (without non-protein signals), "cellchatdb:all", "cellchatdb:Secreted Signaling" or another kind;
        the path of a csv or of CellChatDB's .rda; a data frame; or a table that was read already.
    organism
        human | mouse.

    Raises
    ------
    InputError
        For an unknown name, a file that does not exist or cannot be read, a missing or unknown column, an empty ligand
        or receptor, or an interaction that occurs more than once.
    """
    require_choice(organism, ORGANISMS, "organism")
    if isinstance(resource, LigandReceptorTable):
        return resource
    if isinstance(resource, pd.DataFrame):
        return _own(resource, "the table", organism)
    if is_shipped(resource):
        return _part(str(resource), organism)
    path = Path(resource)
    if not path.is_file():
        raise InputError(_not_there(path))
    if path.suffix.lower() in {".rda", ".rdata"}:
        return read_cellchatdb_rda(path)
    return _own(_read_csv(path), path.name, organism)


def _part(name: str, organism: str) -> LigandReceptorTable:
    whole, (_, colon, part) = cellchatdb(organism), name.partition(":")
    if part == "all":
        return whole
    kinds = [part] if colon else [kind for kind in KINDS if kind != NON_PROTEIN]
    if kinds[0] not in KINDS:
        raise InputError(f"{SHIPPED} has no part {part!r}; {suggestion(part, ['all', *KINDS])}")
    return whole.subset(annotation=kinds)


def _not_there(path: Path) -> str:
    if path.is_dir():
        return f"{path} is a folder; give the path of a csv, or read CellPhoneDB's tables with read_cellphonedb"
    beside = (
        sorted(p.name for p in path.parent.iterdir() if p.suffix.lower() in SUFFIXES) if path.parent.is_dir() else []
    )
    near = suggestion(path.name, [SHIPPED, ALL, *beside])
    return f"there is no ligand-receptor table {str(path)!r}: give {SHIPPED}, {ALL} or the path of a csv; {near}"


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=False, dtype=str)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a csv of interactions ({error}); save it as UTF-8 csv") from error


def _own(rows: pd.DataFrame, where: str, organism: str) -> LigandReceptorTable:
    allowed = {*COLUMNS, "interaction_name_2", "version"}
    require_columns(rows, ["ligand", "receptor"], where)
    for column in rows.columns:
        if column not in allowed:
            raise InputError(f"{where} has an unknown column {column!r}; {suggestion(str(column), sorted(allowed))}")
    if rows.empty:
        raise InputError(f"{where} has no rows; at least one interaction is needed")
    table = completed(rows)
    for column in ("ligand", "receptor"):
        empty = table.index[table[column].str.strip() == ""]
        if len(empty):
            raise InputError(f"{where}, row {empty[0] + 2}: {column} is empty")
    doubled = table.index[table["interaction_name"].duplicated()]
    if len(doubled):
        name = table.loc[doubled[0], "interaction_name"]
        raise InputError(f"{where}: interaction {name!r} occurs more than once; give each a row and a name of its own")
    shipped = cellchatdb(organism)
    names = set(table["ligand"]) | set(table["receptor"])
    complexes = {n: g for n, g in shipped.complexes.items() if n in names}
    complexes |= {n: genes for n in names if len(genes := _joined_genes(n)) > 1}
    return LigandReceptorTable(table, MappingProxyType(complexes), shipped.cofactors, where)


def _joined_genes(name: str) -> Sequence[str]:
    return tuple(part.strip() for part in name.replace("_and_", "+").split("+"))


def coverage(
    adata: Any, *, resource: "str | Path | pd.DataFrame | LigandReceptorTable" = SHIPPED, organism: str = "human"
) -> pd.DataFrame:
    """Which interactions can be inferred from the measured genes: interaction, pathway, covered, missing, known_as.

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
        renamed = [f"{older[g]} = {g}" for g in lost if g in older]
        rows.append((name, pathway, not lost, ", ".join(lost), ", ".join(renamed)))
    return pd.DataFrame(rows, columns=["interaction", "pathway", "covered", "missing", "known_as"])
