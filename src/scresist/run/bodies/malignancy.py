"""Malignancy: which cells are malignant, from copy number or as the study declares."""

import numpy as np
import pandas as pd

from scresist import keys
from scresist.checks import RefusedError
from scresist.reading.brought import column_name
from scresist.run.step import Context, State, Step
from scresist.study import Problems, Study
from scresist.study.cell_names import malignant_lineages, own_lineages


def malignancy(state: State, study: Study, context: Context) -> None:
    """Call malignant cells, or take what the study declares."""
    from scresist import annotate as stage

    cells, declared, own = state.cells, study.settings.annotate.malignancy, study.settings.annotate
    named = own_lineages(study.settings, study.folder, study.path.name, Problems())
    by_label = {label: call for label, call in zip(named["label"], named["malignant"], strict=True) if call}
    if own.malignant is not None or by_label:
        column = None if own.malignant is None else column_name(own.malignant)
        given = stage.declared_malignancy(cells, column=column, by_label=by_label)
        where = f"the column {own.malignant!r} of the cells" if column else f"the table {own.lineages}"
        state.refuse("copy number", f"not computed: {where} gives who is malignant ({_counts(given.table)})")
        return
    if declared == "copy_number":
        try:
            stage.malignancy(cells, lineages=malignant_lineages(study.settings))
        except RefusedError as refusal:
            state.refuse("copy number", refusal)
        else:
            summary = stage.malignancy_summary(cells)
            state.publish("malignancy", summary)
            for note in summary.notes:
                state.refuse("copy number", note)
            divided = stage.subclones(cells)
            state.publish("subclones", divided)
            for note in divided.notes:
                state.refuse("subclones", note)
            return
    label = "malignant" if declared == "all" else "uncertain"
    keys.put(cells, "malignant_probability", np.nan)
    keys.put(
        cells, "malignancy", pd.Categorical([label] * cells.n_obs, categories=["malignant", "normal", "uncertain"])
    )
    if declared != "copy_number":
        state.refuse("copy number", f'not computed: the study sets annotate.malignancy = "{declared}"')


def _counts(table: pd.DataFrame) -> str:
    return ", ".join(f"{int(table[c].sum())} {c}" for c in table.columns if c != "patient")


STEP = Step(
    name="malignancy",
    meaning="calls malignant cells from copy number, patient by patient",
    body=malignancy,
    after=("annotate",),
    settings=("annotate.malignancy", "annotate.malignant", "annotate.malignant_lineage", "annotate.lineages"),
)
