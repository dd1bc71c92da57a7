"""Annotate: lineage and type of every cell."""

from pathlib import Path

import numpy as np
import pandas as pd

from scresist import keys
from scresist.checks import RefusedError
from scresist.reading.brought import column_name
from scresist.run.step import Context, State, Step
from scresist.study import Problems, Study
from scresist.study.cell_names import own_lineages

UNASSIGNED = "unassigned"


def annotate(state: State, study: Study, context: Context) -> None:
    """Name the cells; where the measured genes do not suffice they stay unassigned, and the refusal is recorded."""
    from scresist import annotate as stage

    own, cells = study.settings.annotate, state.cells
    named = own_lineages(study.settings, study.folder, study.path.name, Problems())
    lineages = dict(zip(named["label"], named["lineage"], strict=True))
    try:
        table = (
            stage.shipped_markers(study.settings.study.organism)
            if own.markers is None
            else stage.read_markers(study.folder / own.markers, study.settings.study.organism)
        )
        if own.labels is not None:
            stage.labels(cells, column_name(own.labels), lineages=lineages, markers=table)
        else:
            stage.cell_types(cells, markers=table, overrides=own.overrides, lineages=lineages, rng=context.seed)
    except RefusedError as refusal:
        state.refuse("cell types", refusal)
        keys.put(cells, "lineage", pd.Categorical([UNASSIGNED] * cells.n_obs))
        keys.put(cells, "cell_type", pd.Categorical([UNASSIGNED] * cells.n_obs))
        keys.put(cells, "confidence", np.nan)
        return
    state.publish("annotation", stage.evidence(cells, table))


def _marker_table(study: Study) -> list[Path]:
    own = study.settings.annotate
    files = [own.markers, own.lineages if isinstance(own.lineages, str) else None]
    return [study.folder / name for name in files if name is not None]


STEP = Step(
    name="annotate",
    meaning="names lineage and cell type from marker genes, with the confidence of each call",
    body=annotate,
    after=("embed",),
    settings=("annotate.overrides", "annotate.lineages", "annotate.labels", "study.organism"),
    files=_marker_table,
)
