"""Which cells a comparison is about: cell types with the malignant cells apart, and the compartment in focus."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, suggestion

if TYPE_CHECKING:
    from anndata import AnnData

MALIGNANT = "malignant"
ALL = "all"


def populations(cohort: "AnnData") -> pd.Series:
    """The population of each cell: `malignant`, or its cell type."""
    cell_type = cohort.obs["cell_type"].astype(str)
    if "malignancy" not in cohort.obs:
        return cell_type
    return cell_type.where(cohort.obs["malignancy"].astype(str) != MALIGNANT, MALIGNANT)


def in_compartment(cohort: "AnnData", compartment: str | None) -> np.ndarray:
    """Whether each cell belongs to a compartment: all (or None), malignant, normal, a lineage, or a cell type.

    Raises
    ------
    InputError
        For a name that is none of these.
    RefusedError
        For malignant (or normal) where malignancy was not called.
    """
    obs = cohort.obs
    if compartment in (None, ALL):
        return np.ones(cohort.n_obs, dtype=bool)
    if compartment in ("malignant", "normal"):
        if "malignancy" not in obs or not (obs["malignancy"] == compartment).any():
            raise RefusedError(
                f"there is no {compartment} cell to look at: malignancy was refused or found none; name a lineage, a "
                'cell type or "all" as focus.compartment'
            )
        return np.asarray(obs["malignancy"] == compartment)
    for column in ("lineage", "cell_type"):
        if column in obs and (obs[column].astype(str) == compartment).any():
            return np.asarray(obs[column].astype(str) == compartment)
    known = [ALL, "malignant", "normal"]
    for column in ("lineage", "cell_type"):
        if column in obs:
            known += sorted(set(obs[column].astype(str)))
    raise InputError(
        f"focus.compartment {compartment!r} is no cell type or lineage here; {suggestion(str(compartment), known)}"
    )


def focus_name(cohort: "AnnData", compartment: str) -> str:
    """The population of the expression contrasts that stands for the compartment in focus."""
    if compartment != ALL:
        return compartment
    found = cohort.obs["population"].cat.categories
    return "all cells" if len(found) > 1 else str(found[0])
