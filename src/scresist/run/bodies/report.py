"""Report: the cohort, the table of cells, the register of claims, and the page that is made from the tables."""

import pandas as pd

from scresist.cells import write_cohort
from scresist.results import Result
from scresist.run.bodies.focus import samples_left
from scresist.run.bodies.register import KINDS, counted_sentences, tables_of_claims
from scresist.run.step import Context, State, Step
from scresist.study import Study
from scresist.tables import TABLES

CLAIMED = 40  # rows of a kind and contrast that become claims, hence are shown on the page


def report(state: State, study: Study, context: Context) -> None:
    """Write the cohort, the table of cells, the claims, the figures and the page."""
    if study.design.contrasts and "families" in state.results:
        state.publish("claims", _register(state, study))
    elif study.design.contrasts:  # what else may explain a gene, and the level of its family, are not known
        state.refuse("claims", "no finding has a verdict: the step candidates, which sets the levels, has no result")
    write_page(state, study, context)


def write_page(state: State, study: Study, context: Context) -> None:
    """Write the cohort and the page from what there is, which may be less than a whole run."""
    from scresist import report as stage

    cells = state.cells
    state.publish("cells", Result(_cells(state), "cells that were kept"))
    state.publish("samples", Result(study.samples.reset_index(), "the sample sheet, with the columns of the patients"))
    write_cohort(cells, state.out / "cohort.h5ad")
    _publish_levels(state)
    if context.before_page:
        context.before_page(state.out)
    stage.write(state.out)


def _publish_levels(state: State) -> None:
    """What the page shows of single cells: any tested gene on the map, markers, copy number along the genome."""
    from scresist.report.expression import detected, named_markers, packed_genes, sampled_levels
    from scresist.report.folder import Folder
    from scresist.report.genes import tested_genes

    cells, folder = state.cells, Folder(state.out)
    wanted = tested_genes(folder)
    levels, names, step = sampled_levels(state.out / "cohort.h5ad", cells.n_obs, len(wanted))
    if wanted:
        state.publish("map_genes", Result(packed_genes(levels, names, step, wanted), "levels in ten steps, compressed"))
    genes, _ = named_markers(folder.table("annotation"), set(names))
    if genes and "cell_type" in cells.obs:
        table = detected(levels, names, cells.obs["cell_type"].astype(str).iloc[::step], genes)
        state.publish("marker_levels", Result(table, "means of log1p of counts per 10,000"))
    if "copy_number" in cells.obsm:
        signal = cells.obsm["copy_number"].reset_index(names="cell")
        state.publish("cell_copy_number", Result(signal, "signal per chromosome arm, log scale"))


def _cells(state: State) -> pd.DataFrame:
    """One row per cell, with the columns that the steps so far have made."""
    cells = state.cells
    table = cells.obs.reindex(columns=[c for c in TABLES["cells"].columns if c != "cell"]).reset_index(names="cell")
    if "subclone" in cells.obs:
        table["subclone"] = cells.obs["subclone"].astype(str).to_numpy()
    if "population" in cells.obs:
        table["population"] = cells.obs["population"].to_numpy()
    if "X_umap" in cells.obsm:
        table["umap_1"], table["umap_2"] = cells.obsm["X_umap"][:, 0], cells.obsm["X_umap"][:, 1]
    return table


def _register(state: State, study: Study) -> Result:
    """The claims: what the page may state."""
    from scresist.contrasts import register_claims

    return register_claims(
        tables_of_claims(state, study), study.design, top=CLAIMED, keep=study.settings.focus.keep_genes,
        files=KINDS | {"candidates": "candidates"}, levels=state.table("families"), counted=counted_sentences(state),
        kept=samples_left(state),
    )  # fmt: skip


STEP = Step(
    name="report",
    meaning="writes the cohort, the register of claims and the page",
    body=report,
    after=("candidates", "communication", "power", "usual_tools", "calibration"),
    needs=("ingest",),
    settings=("study", "design", "focus"),
    sheet=lambda study: tuple(study.samples.columns),
    outputs=("report.html", "cohort.h5ad"),
)
