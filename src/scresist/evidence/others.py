"""What the other cells do: a change that all of them show alike is no factor of the compartment."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from scresist.checks import require_columns


def change_in_others(expression: pd.DataFrame, population: str, *, apart: Iterable[str] = ()) -> pd.DataFrame:
    """How a gene changes in the other populations, per contrast.

    Soup, a batch, or a response of all cells moves a gene in every population; a factor of the compartment does not.

    Parameters
    ----------
    expression
        Contrasts of all populations: cell_type, contrast, gene, log2fc.
    population
        The population of the compartment.
    apart
        Populations that share cells with the compartment: they are not among the others.

    Returns
    -------
    Indexed by gene and contrast: `change_elsewhere` (median log2 fold change of the other populations in which the gene
    could be estimated), `n_elsewhere` (how many) and `same_elsewhere` (share of them whose change has the sign of that
    of the compartment).
    """
    require_columns(expression, ["cell_type", "contrast", "gene", "log2fc"], "the expression contrasts")
    known = expression[expression["log2fc"].notna()]
    inside = known["cell_type"] == population
    own = known[inside].drop_duplicates(["gene", "contrast"]).set_index(["gene", "contrast"])["log2fc"]
    others = known[~known["cell_type"].isin([population, *apart])].join(own.rename("own"), on=["gene", "contrast"])
    others = others.assign(same=np.sign(others["log2fc"]) == np.sign(others["own"]))
    grouped = others.groupby(["gene", "contrast"])
    found = pd.DataFrame({
        "change_elsewhere": grouped["log2fc"].median(), "n_elsewhere": grouped.size(),
        "same_elsewhere": grouped["same"].mean(),
    })  # fmt: skip
    found = found.reindex(own.index)
    found["n_elsewhere"] = found["n_elsewhere"].fillna(0).astype(int)
    return found
