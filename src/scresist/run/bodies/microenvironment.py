"""Microenvironment: the populations, their numbers, and what they do."""

import pandas as pd

from scresist import keys
from scresist.cells import populations, pseudobulk
from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.bodies.focus import focus_of
from scresist.run.step import Context, State, Step
from scresist.study import Study


def microenvironment(state: State, study: Study, context: Context) -> None:
    """Count the cells of each population, score signatures, average them per sample and population."""
    from scresist import microenvironment as stage

    cells = state.cells
    keys.put(cells, "population", pd.Categorical(populations(cells.obs)))
    counted = stage.count_cells(cells, groupby="population")
    state.publish("composition", Result(counted.reset_index(), "cells per sample and population"))
    _sum_counts(state, study)
    try:
        stage.score(cells)
    except RefusedError as refusal:
        state.refuse("signatures", refusal)
        return
    scores = stage.by_sample(cells, groupby="population")
    for note in scores.notes:
        state.refuse("signatures", note)
    state.publish("signature_scores", scores)


def _sum_counts(state: State, study: Study) -> None:
    """The counts per sample and population, and per sample in the focus: every later step reads them."""
    try:
        focus = focus_of(state, study)
    except RefusedError as refusal:
        state.refuse(f"compartment {study.settings.focus.compartment}", refusal)
        focus = None
    sums = pseudobulk(state.cells, groupby="population", focus=focus)
    groups = sums.result()
    state.publish("pseudobulk", Result(sums.table(), groups.method, groups.settings, groups.notes))
    state.publish("pseudobulk_groups", groups)


STEP = Step(
    name="microenvironment",
    meaning="counts the cells of every population and scores signatures per sample",
    body=microenvironment,
    after=("malignancy",),
    settings=("focus.compartment",),
)
