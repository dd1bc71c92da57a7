"""From matrices to named cells: ingest, quality, embedding, cell types, malignancy, microenvironment."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.publishing import focus_of, publish
from scresist.run.store import Run
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.run.pipeline import Context

UNASSIGNED = "unassigned"


def ingest(run: Run, study: Study, context: "Context") -> None:
    """Read the matrices and join the sheets."""
    import scresist.reading as stage

    run.cohort = stage.ingest(study)


def quality(run: Run, study: Study, context: "Context") -> None:
    """Measure every barcode, count what each reason removes, keep the rest."""
    from scresist import quality as stage

    own = study.settings.quality
    stage.measure(
        run.cells,
        min_counts=own.min_counts,
        min_genes=own.min_genes,
        n_mads=own.n_mads,
        max_mito_percent=own.max_mito_percent,
        max_mito_percent_epithelial=own.max_mito_percent_epithelial,
        doublets=own.doublets,
        rng=context.seed,
        workers=context.workers,
        scheduler=context.scheduler,
    )
    publish(run, context, "quality", stage.summarise(run.cells))
    publish(run, context, "quality_by_lineage", stage.summarise(run.cells, by_lineage=True))
    stage.drop(run.cells)


def embed(run: Run, study: Study, context: "Context") -> None:
    """Normalise, integrate, cluster, lay out, and describe the clusters."""
    from scresist.embedding.space import embed as embed_cells
    from scresist.embedding.space import markers

    own = study.settings.embed
    embed_cells(
        run.cells,
        n_genes=own.n_genes,
        n_components=own.n_components,
        n_neighbors=own.n_neighbors,
        resolution=own.resolution,
        integrate=own.integrate,
        rng=context.seed,
    )
    publish(run, context, "markers", markers(run.cells))


def annotate(run: Run, study: Study, context: "Context") -> None:
    """Name the cells; where the genes measured cannot say, they stay unassigned and the step says so."""
    from scresist import annotate as stage

    own, cells = study.settings.annotate, run.cells
    try:
        table = (
            stage.shipped_markers(study.settings.study.organism)
            if own.markers is None
            else stage.read_markers(study.folder / own.markers)
        )
        stage.cell_types(cells, markers=table, overrides=own.overrides, lineages=own.lineages, rng=context.seed)
    except RefusedError as refusal:
        run.refuse("annotate", "cell types", refusal)
        cells.obs["lineage"] = pd.Categorical([UNASSIGNED] * cells.n_obs)
        cells.obs["cell_type"] = pd.Categorical([UNASSIGNED] * cells.n_obs)
        cells.obs["confidence"] = np.nan
        return
    publish(run, context, "annotation", stage.evidence(cells, table))


def malignancy(run: Run, study: Study, context: "Context") -> None:
    """Call malignant cells, or take what the study declares."""
    from scresist import annotate as stage

    cells, declared = run.cells, study.settings.annotate.malignancy
    if declared == "copy_number":
        try:
            stage.malignancy(cells)
        except RefusedError as refusal:
            run.refuse("malignancy", "copy number", refusal)
        else:
            summary = stage.malignancy_summary(cells)
            publish(run, context, "malignancy", summary)
            for note in summary.notes:
                run.refuse("malignancy", "copy number", note)
            return
    label = "malignant" if declared == "all" else "uncertain"
    cells.obs["malignant_probability"] = np.nan
    cells.obs["malignancy"] = pd.Categorical([label] * cells.n_obs, categories=["malignant", "normal", "uncertain"])
    if declared != "copy_number":
        run.refuse("malignancy", "copy number", f'not asked for: annotate.malignancy = "{declared}" in the study')


def microenvironment(run: Run, study: Study, context: "Context") -> None:
    """Count the cells of each type, score signatures, average them per sample and population."""
    from scresist import microenvironment as stage
    from scresist.cells import populations

    cells = run.cells
    cells.obs["population"] = pd.Categorical(populations(cells.obs))
    counted = stage.count_cells(cells, groupby="population")
    publish(run, context, "composition", Result(counted.reset_index(), "cells per sample and population"))
    _sum_counts(run, study, context)
    try:
        stage.score(cells)
    except RefusedError as refusal:
        run.refuse("microenvironment", "signatures", refusal)
        return
    scores = stage.by_sample(cells, groupby="population")
    for note in scores.notes:
        run.refuse("microenvironment", "signatures", note)
    publish(run, context, "signature_scores", scores)


def _sum_counts(run: Run, study: Study, context: "Context") -> None:
    """The counts per sample and population, and per sample in the compartment in focus: every later step reads them."""
    from scresist.cells import pseudobulk

    try:
        focus = focus_of(run, study)
    except RefusedError as refusal:
        run.refuse("microenvironment", f"compartment {study.settings.focus.compartment}", refusal)
        focus = None
    sums = pseudobulk(run.cells, groupby="population", focus=focus)
    groups = sums.result()
    publish(run, context, "pseudobulk", Result(sums.table(), groups.method, groups.settings, groups.notes), ".parquet")
    publish(run, context, "pseudobulk_groups", groups)
