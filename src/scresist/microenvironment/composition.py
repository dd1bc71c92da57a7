"""The number of cells of each type in every sample."""

from typing import TYPE_CHECKING

import pandas as pd

from scresist.checks import require_columns

if TYPE_CHECKING:
    from anndata import AnnData


def count_cells(cohort: "AnnData", *, groupby: str, without: str | None = None) -> pd.DataFrame:
    """Cells of each type in each sample; a type absent from a sample is a true 0 there.

    Parameters
    ----------
    cohort
        After annotation.
    groupby
        Column of `obs` that names the types.
    without
        A value of `obs["malignancy"]` to leave out (for example "malignant": the share of the microenvironment, which a
        change of tumour purity alone does not move).

    Returns
    -------
    Samples x types, integer.
    """
    require_columns(cohort.obs, ["sample", groupby], "the cohort")
    obs = cohort.obs
    if without is not None:
        require_columns(obs, ["malignancy"], "the cohort")
        obs = obs[obs["malignancy"] != without]
    table = pd.crosstab(obs["sample"].astype(str), obs[groupby].astype(str))
    table = table.reindex([str(s) for s in cohort.uns["samples"]], fill_value=0)
    table.index.name, table.columns.name = "sample", "cell_type"
    return table
