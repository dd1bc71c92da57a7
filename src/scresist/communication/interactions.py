"""Ligands, receptors and what they are made of: the form of a table of interactions, and the table that is shipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import pandas as pd

from scresist import resources
from scresist.checks import InputError, require_choice, require_columns, suggestion

COLUMNS = (
    "interaction_name", "pathway_name", "ligand", "receptor", "agonist", "antagonist", "co_A_receptor",
    "co_I_receptor", "annotation", "evidence",
)  # fmt: skip
NON_PROTEIN = "Non-protein Signaling"
# The order of interactions where more than one kind is used.
KINDS = ("Secreted Signaling", "ECM-Receptor", NON_PROTEIN, "Cell-Cell Contact")
ORGANISMS = ("human", "mouse")


@dataclass(frozen=True, slots=True)
class LigandReceptorTable:
    """Interactions with their complexes and cofactors.

    `interactions` has COLUMNS, "" where a part is absent; `complexes` and `cofactors` map names to genes.
    """

    interactions: pd.DataFrame
    complexes: Mapping[str, tuple[str, ...]]
    cofactors: Mapping[str, tuple[str, ...]]
    name: str

    def genes_of(self, name: str) -> tuple[str, ...]:
        """The genes of a ligand or receptor: the subunits of a complex, else the gene itself."""
        return self.complexes.get(name, (name,))

    def signalling_genes(self) -> set[str]:
        """Every gene of the interactions: ligands and receptors with their subunits, and cofactors."""
        table = self.interactions
        out = {g for column in ("ligand", "receptor") for n in table[column] for g in self.genes_of(str(n))}
        for column in ("agonist", "antagonist", "co_A_receptor", "co_I_receptor"):
            for name in set(table[column]) - {""}:
                out |= set(self.cofactors.get(str(name), ()))
        return out

    def subset(self, **wanted: str | Sequence[str]) -> "LigandReceptorTable":
        """Interactions with one of the wanted values in each named column (annotation="Secreted Signaling").

        Raises
        ------
        InputError
            For a column or a value that no interaction has.
        """
        keep = pd.Series(data=True, index=self.interactions.index)
        for column, values in wanted.items():
            require_columns(self.interactions, [column], self.name)
            chosen = [values] if isinstance(values, str) else list(values)
            present = set(self.interactions[column])
            for value in chosen:
                if value not in present:
                    raise InputError(f"no interaction has {column} = {value!r}; {suggestion(value, sorted(present))}")
            keep &= self.interactions[column].isin(chosen)
        return replace(self, interactions=self.interactions[keep].reset_index(drop=True))

    def ordered(self) -> "LigandReceptorTable":
        """Interactions sorted by kind (secreted, matrix, non-protein, contact) where there are several kinds."""
        kinds = self.interactions["annotation"]
        if kinds.nunique() < 2:
            return self
        rank = kinds.map({k: i for i, k in enumerate(KINDS)}).fillna(len(KINDS))
        order = rank.sort_values(kind="stable").index
        return replace(self, interactions=self.interactions.loc[order].reset_index(drop=True))


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """Every value as text, "" where it is missing; categories become their names."""
    return table.astype(object).where(table.notna(), "").astype(str)


def completed(table: pd.DataFrame) -> pd.DataFrame:
    """A table of ligands and receptors with all COLUMNS.

    Columns that it lacks are empty; an interaction without a name is called ligand_receptor, and one without a pathway
    is a pathway of its own.
    """
    table = as_text(table).reset_index(drop=True)
    for column in COLUMNS:
        if column not in table:
            table[column] = ""
    unnamed = table["interaction_name"] == ""
    table.loc[unnamed, "interaction_name"] = (table["ligand"] + "_" + table["receptor"])[unnamed]
    alone = table["pathway_name"] == ""
    table.loc[alone, "pathway_name"] = table["interaction_name"][alone]
    return table


def cellchatdb(organism: str = "human") -> LigandReceptorTable:
    """CellChatDB v2, whole.

    Parameters
    ----------
    organism
        human | mouse.

    Raises
    ------
    InputError
        For another organism.

    References
    ----------
    Jin S, Plikus MV, Nie Q (2025) Nat Protoc 20:180. The table is shipped under its own terms (GPL-3).
    """
    require_choice(organism, ORGANISMS, "organism")
    kept = _shipped(organism)
    # A copy, because a caller may change the table.
    return replace(kept, interactions=kept.interactions.copy())


@cache
def _shipped(organism: str) -> LigandReceptorTable:
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
