"""Ligand-receptor tables: the shipped CellChatDB v2, or a user's own, in one format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from scresist import resources
from scresist.checks import InputError, require_choice, require_columns, suggestion

COLUMNS = (
    "interaction_name", "pathway_name", "ligand", "receptor", "agonist", "antagonist", "co_A_receptor",
    "co_I_receptor", "annotation", "evidence",
)  # fmt: skip
NON_PROTEIN = "Non-protein Signaling"
# The order in which interactions stand when more than one kind is used.
_KINDS = ("Secreted Signaling", "ECM-Receptor", NON_PROTEIN, "Cell-Cell Contact")


@dataclass(frozen=True, slots=True)
class LigandReceptorTable:
    """Interactions with their complexes and cofactors.

    `interactions` has COLUMNS, "" where a part is absent; `complexes` and `cofactors` give the genes of each name.
    """

    interactions: pd.DataFrame
    complexes: Mapping[str, tuple[str, ...]]
    cofactors: Mapping[str, tuple[str, ...]]
    name: str

    def genes_of(self, name: str) -> tuple[str, ...]:
        """The genes of a ligand or receptor: the subunits of a complex, else the gene itself."""
        return self.complexes.get(name, (name,))

    def signalling_genes(self) -> set[str]:
        """Every gene that takes part: ligands and receptors with their subunits, and the cofactors used."""
        table = self.interactions
        out = {g for column in ("ligand", "receptor") for n in table[column] for g in self.genes_of(str(n))}
        for column in ("agonist", "antagonist", "co_A_receptor", "co_I_receptor"):
            for name in set(table[column]) - {""}:
                out |= set(self.cofactors.get(str(name), ()))
        return out

    def subset(self, **wanted: str | Sequence[str]) -> "LigandReceptorTable":
        """Interactions whose columns hold one of the values asked for (annotation="Secreted Signaling")."""
        keep = pd.Series(data=True, index=self.interactions.index)
        for column, values in wanted.items():
            require_columns(self.interactions, [column], self.name)
            asked = [values] if isinstance(values, str) else list(values)
            known = set(self.interactions[column])
            for value in asked:
                if value not in known:
                    raise InputError(f"no interaction has {column} = {value!r}; {suggestion(value, sorted(known))}")
            keep &= self.interactions[column].isin(asked)
        return replace(self, interactions=self.interactions[keep].reset_index(drop=True))

    def ordered(self) -> "LigandReceptorTable":
        """Interactions by kind (secreted, matrix, non-protein, contact) where there are several, else as they are."""
        kinds = self.interactions["annotation"]
        if kinds.nunique() < 2:
            return self
        rank = kinds.map({k: i for i, k in enumerate(_KINDS)}).fillna(len(_KINDS))
        order = rank.sort_values(kind="stable").index
        return replace(self, interactions=self.interactions.loc[order].reset_index(drop=True))


@cache
def cellchatdb(organism: str = "human") -> LigandReceptorTable:
    """CellChatDB v2, whole.

    References
    ----------
    Jin S, Plikus MV, Nie Q (2025) Nat Protoc 20:180. The table is shipped under its own terms (GPL-3).
    """
    require_choice(organism, ("human", "mouse"), "organism")
    folder = files(resources).joinpath("ligand_receptor")

    def read(kind: str) -> pd.DataFrame:
        with folder.joinpath(f"{kind}_{organism}.csv.gz").open("rb") as handle:
            return pd.read_csv(handle, compression="gzip", keep_default_na=False, dtype=str)

    return LigandReceptorTable(read("interaction"), _names(read("complex")), _names(read("cofactor")),
                               f"CellChatDB v2, {organism}")  # fmt: skip


def _names(table: pd.DataFrame) -> Mapping[str, tuple[str, ...]]:
    genes = table.drop(columns="name")
    return MappingProxyType(
        {str(n): tuple(g for g in row if g) for n, row in zip(table["name"], genes.to_numpy(), strict=True)}
    )


def read_resource(
    resource: "str | Path | pd.DataFrame | LigandReceptorTable", organism: str = "human"
) -> LigandReceptorTable:
    """A table by name ("cellchatdb" without non-protein signals, "cellchatdb:all", "cellchatdb:Secreted Signaling"),
    by path (csv with at least ligand and receptor, or CellChatDB's .rda), or given.

    A user's table may write complexes as genes joined by "+" or "_and_"; columns it lacks are empty.

    Raises
    ------
    InputError
        For an unknown name, a missing or unknown column, an empty ligand or receptor, or a doubled interaction.
    """
    if isinstance(resource, LigandReceptorTable):
        return resource
    if isinstance(resource, pd.DataFrame):
        return _own(resource, "the table given")
    text = str(resource)
    if text.startswith("cellchatdb"):
        whole = cellchatdb(organism)
        part = text.partition(":")[2]
        if part == "all":
            return whole
        kinds = [k for k in _KINDS if k != NON_PROTEIN] if part == "" else [part]
        return whole.subset(annotation=kinds)
    path = Path(text)
    if not path.exists():
        raise InputError(f"no ligand-receptor table {text!r}: give cellchatdb, cellchatdb:all, or the path of a csv")
    if path.suffix.lower() in {".rda", ".rdata"}:
        from scresist.communication.readers import read_cellchatdb_rda

        return read_cellchatdb_rda(path)
    return _own(pd.read_csv(path, keep_default_na=False, dtype=str), path.name)


def _own(given: pd.DataFrame, where: str) -> LigandReceptorTable:
    known = {*COLUMNS, "interaction_name_2", "version"}
    require_columns(given, ["ligand", "receptor"], where)
    for column in given.columns:
        if column not in known:
            raise InputError(f"{where} has an unknown column {column!r}; {suggestion(str(column), sorted(known))}")
    if given.empty:
        raise InputError(f"{where} has no rows; give one interaction at least")
    table = given.astype(str).copy()
    for column in COLUMNS:
        if column not in table:
            table[column] = ""
    for column in ("ligand", "receptor"):
        empty = table.index[table[column].str.strip() == ""]
        if len(empty):
            raise InputError(f"{where}, row {table.index.get_loc(empty[0]) + 2}: {column} is empty")
    complexes: dict[str, tuple[str, ...]] = {}
    for column in ("ligand", "receptor"):
        for name in table[column]:
            parts = tuple(p.strip() for p in name.replace("_and_", "+").split("+"))
            if len(parts) > 1:
                complexes[name] = parts
    unnamed = table["interaction_name"] == ""
    table.loc[unnamed, "interaction_name"] = (table["ligand"] + "_" + table["receptor"])[unnamed]
    doubled = table.index[table["interaction_name"].duplicated()]
    if len(doubled):
        name = table.loc[doubled[0], "interaction_name"]
        raise InputError(f"{where}: interaction {name!r} stands more than once; name each row once")
    shipped = cellchatdb("human")
    used = set(table["ligand"]) | set(table["receptor"])
    complexes |= {n: g for n, g in shipped.complexes.items() if n in used and n not in complexes}
    return LigandReceptorTable(table.reset_index(drop=True), MappingProxyType(complexes), shipped.cofactors, where)
