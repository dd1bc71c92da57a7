"""Labels that the cells bring: cell type and lineage, and who is malignant, as the study names them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist import keys
from scresist.checks import InputError, suggestion
from scresist.results import Result
from scresist.study.cell_names import UNASSIGNED, lineage_by_label, lineages_of, malignancy_of

if TYPE_CHECKING:
    from anndata import AnnData

    from scresist.annotate.marker_table import MarkerTable

CALLS = ("malignant", "normal", "uncertain")


def labels(
    cohort: "AnnData",
    column: str,
    *,
    lineages: Mapping[str, str] | None = None,
    markers: "MarkerTable | None" = None,
) -> None:
    """Write `obs` lineage, cell_type and confidence from a column of labels; a cell without a label is unassigned.

    Parameters
    ----------
    cohort
        Cells with the column in obs.
    column
        Its name.
    lineages
        Lineage by label; a label that is not in it has the lineage of that name in the marker table (case does not
        matter), else its own name is its lineage.
    markers
        Marker table; None is the shipped one for human tumours.

    Raises
    ------
    InputError
        If obs has no such column.
    """
    from scresist.annotate.marker_table import shipped_markers

    if column not in cohort.obs:
        raise InputError(f"obs has no column {column!r}; {suggestion(column, cohort.obs.columns)}")
    given = cohort.obs[column].astype(object)
    missing = given.isna().to_numpy()
    words = given.astype(str).to_numpy(dtype=object)
    table = pd.DataFrame(list((lineages or {}).items()), columns=["label", "lineage"])
    known = lineages_of((markers or shipped_markers()).table)
    by_label = lineage_by_label(sorted(set(words[~missing])), table, known)
    cell_type = np.where(missing, UNASSIGNED, words)
    lineage = [UNASSIGNED if m else by_label[w] or w for m, w in zip(missing, words, strict=True)]
    keys.put(cohort, "cell_type", pd.Categorical(cell_type))
    keys.put(cohort, "lineage", pd.Categorical(lineage))
    keys.put(cohort, "confidence", np.where(missing, np.nan, 1.0))


def declared_malignancy(
    cohort: "AnnData", *, column: str | None = None, by_label: Mapping[str, str] | None = None
) -> Result:
    """Write `obs["malignancy"]` as the study declares it, from a column of cells or by cell type; no probability.

    Parameters
    ----------
    cohort
        Cells with `cell_type`.
    column
        Column of obs with words such as malignant, tumour, normal, yes, no (see MALIGNANT_WORDS); a cell without one is
        uncertain.
    by_label
        malignant | normal by cell type; others are uncertain.

    Returns
    -------
    Result whose table has the cells per patient and call: patient, malignant, normal, uncertain.

    Raises
    ------
    InputError
        If obs has no such column, or for a word that is not known.
    """
    if column is not None:
        if column not in cohort.obs:
            raise InputError(f"obs has no column {column!r}; {suggestion(column, cohort.obs.columns)}")
        given = cohort.obs[column].astype(object)
        found = {word: malignancy_of(word) for word in given.dropna().unique()}
        unknown = [str(word) for word, call in found.items() if call is None]
        if unknown:
            raise InputError(
                f"the column {column!r} has words that mean neither malignant nor normal: {', '.join(unknown[:8])}; "
                "write malignant, normal or uncertain"
            )
        calls = [found.get(word) or "uncertain" for word in given]
    else:
        calls = [(by_label or {}).get(name) or "uncertain" for name in cohort.obs["cell_type"].astype(str)]
    keys.put(cohort, "malignant_probability", np.nan)
    keys.put(cohort, "malignancy", pd.Categorical(calls, categories=list(CALLS)))
    table = pd.crosstab(cohort.obs["patient"].astype(str), np.array(calls, dtype=object))
    return Result(
        table.reindex(columns=list(CALLS), fill_value=0).reset_index(names="patient"), "declared by the study"
    )
