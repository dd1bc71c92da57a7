"""Microenvironment: the populations, their numbers, and what they do."""

import pandas as pd

from scresist import keys
from scresist.cells import populations, pseudobulk
from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.bodies.focus import focus_of
from scresist.run.step import Context, State, Step
from scresist.study import Study
from scresist.study.gene_sets import read_sets


def microenvironment(state: State, study: Study, context: Context) -> None:
    """Count the cells of each population, score signatures, average them per sample and population."""
    from scresist import microenvironment as stage

    cells = state.cells
    keys.put(cells, "population", pd.Categorical(populations(cells.obs)))
    counted = stage.count_cells(cells, groupby="population")
    state.publish("composition", Result(counted.reset_index(), "cells per sample and population"))
    _sum_counts(state, study)
    _proteins(state)
    try:
        stage.score(cells, sets=_sets(study))
    except RefusedError as refusal:
        state.refuse("signatures", refusal)
        return
    scores = stage.by_sample(cells, groupby="population")
    for note in scores.notes:
        state.refuse("signatures", note)
    state.publish("signature_scores", scores)


def _sets(study: Study) -> dict[str, tuple[str, ...]]:
    """The shipped signatures and the study's own; one of its own replaces a shipped one of the same name."""
    from scresist import resources

    own = study.settings.signatures
    organism = study.settings.study.organism
    given = resources.gene_sets("signatures") if own.shipped else {}
    shipped = {name: resources.translated(genes, organism) for name, genes in given.items()}
    return shipped if own.gmt is None else {**shipped, **read_sets(study.folder / own.gmt, own.gmt)}


def _proteins(state: State) -> None:
    """Antibodies per sample and population, where the samples have any."""
    from scresist import microenvironment as stage

    if "protein" not in state.cells.obsm:
        return
    try:
        found = stage.protein_by_sample(state.cells, groupby="population")
    except RefusedError as refusal:
        state.refuse("antibodies", refusal)
        return
    for note in found.notes:
        state.refuse("antibodies", note)
    state.publish("protein_scores", found)
    state.publish("protein_against_rna", stage.protein_against_rna(found.table))


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
    settings=("focus.compartment", "signatures", "study.organism"),
    files=lambda study: [study.folder / study.settings.signatures.gmt] if study.settings.signatures.gmt else [],
)
