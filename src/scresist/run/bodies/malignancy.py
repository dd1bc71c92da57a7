"""Malignancy: which cells are malignant, from copy number or as the study declares."""

import numpy as np
import pandas as pd

from scresist import keys
from scresist.checks import RefusedError
from scresist.run.step import Context, State, Step
from scresist.study import Study


def malignancy(state: State, study: Study, context: Context) -> None:
    """Call malignant cells, or take what the study declares."""
    from scresist import annotate as stage

    cells, declared = state.cells, study.settings.annotate.malignancy
    if declared == "copy_number":
        try:
            stage.malignancy(cells)
        except RefusedError as refusal:
            state.refuse("copy number", refusal)
        else:
            summary = stage.malignancy_summary(cells)
            state.publish("malignancy", summary)
            for note in summary.notes:
                state.refuse("copy number", note)
            return
    label = "malignant" if declared == "all" else "uncertain"
    keys.put(cells, "malignant_probability", np.nan)
    keys.put(
        cells, "malignancy", pd.Categorical([label] * cells.n_obs, categories=["malignant", "normal", "uncertain"])
    )
    if declared != "copy_number":
        state.refuse("copy number", f'not computed: the study sets annotate.malignancy = "{declared}"')


STEP = Step(
    name="malignancy",
    meaning="calls malignant cells from copy number, patient by patient",
    body=malignancy,
    after=("annotate",),
    settings=("annotate.malignancy",),
)
