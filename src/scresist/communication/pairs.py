"""Which interactions can be inferred from the data, which are, and the genes of each."""

import numpy as np
import pandas as pd

from scresist.checks import InputError, suggestion
from scresist.communication.interactions import LigandReceptorTable
from scresist.kernels.signalling import PairGenes, ragged


def covered(table: LigandReceptorTable, genes: pd.Index) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Interactions whose ligand and receptor are measured with all subunits, and the others with the missing genes."""
    known = set(genes)
    rows = table.interactions
    missing = [
        [g for name in sides for g in table.genes_of(name) if g not in known]
        for sides in zip(rows["ligand"], rows["receptor"], strict=True)
    ]
    whole = np.array([not m for m in missing])
    lost = rows.loc[~whole, ["interaction_name", "pathway_name"]].assign(missing=[", ".join(m) for m in missing if m])
    return rows[whole], lost.reset_index(drop=True)


def named_pairs(
    table: LigandReceptorTable, pairs: list[str], available: pd.DataFrame, coverage: pd.DataFrame
) -> pd.DataFrame:
    """The named interactions, in that order.

    Parameters
    ----------
    table
        All interactions.
    pairs
        Names.
    available
        The interactions that are measured.
    coverage
        The others, with the missing genes.

    Raises
    ------
    InputError
        For a name that is unknown, not measured or repeated.
    """
    names, whole = set(table.interactions["interaction_name"]), set(available["interaction_name"])
    for name in pairs:
        if name not in names:
            raise InputError(f"no interaction {name!r} in {table.name}; {suggestion(name, names)}")
        if name not in whole:
            lost = coverage.loc[coverage["interaction_name"] == name, "missing"].iloc[0]
            raise InputError(f"interaction {name!r} cannot be inferred: {lost} is not measured; leave the pair out")
    if not pairs:
        raise InputError("pairs is empty; name at least one interaction, or omit it")
    if len(set(pairs)) < len(pairs):
        raise InputError("pairs has an interaction more than once")
    return available.set_index("interaction_name", drop=False).loc[pairs]


def over_expressed_pairs(
    available: pd.DataFrame, significant: set[str], table: LigandReceptorTable, *, both: bool
) -> pd.DataFrame:
    """Interactions whose ligand and receptor (or one of them) have a gene over-expressed in some group (any group)."""
    wanted = all if both else any
    keep = [
        wanted(any(g in significant for g in table.genes_of(name)) for name in sides)
        for sides in zip(available["ligand"], available["receptor"], strict=True)
    ]
    return available[np.array(keep, dtype=bool)]


def genes_of_pairs(table: LigandReceptorTable, chosen: pd.DataFrame, genes: pd.Index) -> PairGenes:
    """Positions of the genes of each pair; a name that is a measured gene is that gene."""
    at = {g: i for i, g in enumerate(genes)}

    def units(column: str) -> list[list[int]]:
        return [[at[n]] if n in at else [at[g] for g in table.genes_of(n)] for n in chosen[column].astype(str)]

    def helpers(column: str) -> list[list[int]]:
        return [[at[g] for g in table.cofactors.get(n, ()) if g in at] for n in chosen[column].astype(str)]

    return PairGenes(
        ragged(units("ligand")), ragged(units("receptor")), ragged(helpers("co_A_receptor")),
        ragged(helpers("co_I_receptor")), ragged(helpers("agonist")), ragged(helpers("antagonist")),
    )  # fmt: skip
