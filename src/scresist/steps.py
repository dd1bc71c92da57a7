"""The bodies of the steps: call the stages in turn, put their results where the next step and the folder expect them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scresist.checks import RefusedError
from scresist.results import Result, write_table
from scresist.run_state import Run, hash_files
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.pipeline import Context

UNASSIGNED = "unassigned"


def input_files(study: Study) -> list[Path]:
    """The matrices a study reads."""
    given = list(study.samples["path"])
    if "raw_path" in study.samples:
        given += [p for p in study.samples["raw_path"] if isinstance(p, str)]
    return [study.folder / str(p).partition("#")[0] for p in given]


def marker_hash(study: Study) -> Any:
    """What identifies the marker table: nothing for the shipped one, the content of a user's own."""
    own = study.settings.annotate.markers
    return None if own is None else hash_files([study.folder / own])


def after_load(step: str, run: Run) -> None:
    """Make again what is not kept on disk: the normalised matrix, which follows from the counts."""
    if step == "embed":
        from scresist.embed import normalise

        normalise(run.cells)


def _publish(run: Run, context: "Context", name: str, result: Result, suffix: str = ".csv") -> None:
    """Keep a result for later steps and put its table into the results folder at once."""
    run.results[name] = result
    write_table(result.table, context.out / "tables" / f"{name}{suffix}")


def ingest(run: Run, study: Study, context: "Context") -> None:
    """Read the matrices and join the sheets."""
    import scresist.ingest as stage

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
    )
    _publish(run, context, "quality", stage.summarise(run.cells))
    _publish(run, context, "quality_by_lineage", stage.summarise(run.cells, by_lineage=True))
    stage.drop(run.cells)


def embed(run: Run, study: Study, context: "Context") -> None:
    """Normalise, integrate, cluster, lay out, and describe the clusters."""
    from scresist.embed import embed as embed_cells
    from scresist.embed import markers

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
    for slot in ("distances", "connectivities"):
        del run.cells.obsp[slot]
    for name in ("neighbors", "umap", "hvg", "pca"):
        run.cells.uns.pop(name, None)
    _publish(run, context, "markers", markers(run.cells))


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
        stage.cell_types(cells, markers=table, overrides=own.overrides, rng=context.seed)
    except RefusedError as refusal:
        run.refuse("annotate", "cell types", refusal)
        cells.obs["lineage"] = pd.Categorical([UNASSIGNED] * cells.n_obs)
        cells.obs["cell_type"] = pd.Categorical([UNASSIGNED] * cells.n_obs)
        cells.obs["confidence"] = np.nan
        return
    _publish(run, context, "annotation", stage.evidence(cells, table))


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
            _publish(run, context, "malignancy", summary)
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
    from scresist.populations import populations

    cells = run.cells
    cells.obs["population"] = pd.Categorical(populations(cells))
    counted = stage.count_cells(cells, groupby="population")
    _publish(run, context, "composition", Result(counted.reset_index(), "cells per sample and population"))
    try:
        stage.score(cells)
    except RefusedError as refusal:
        run.refuse("microenvironment", "signatures", refusal)
        return
    scores = stage.by_sample(cells, groupby="population")
    for note in scores.notes:
        run.refuse("microenvironment", "signatures", note)
    _publish(run, context, "signature_scores", scores)


def contrasts(run: Run, study: Study, context: "Context") -> None:
    """Every comparison of arms, with patients as the unit."""
    from scresist import contrasts as stage

    design = study.design
    able = stage.estimable(design)
    _publish(run, context, "design", able)
    if not design.contrasts:
        run.refuse("contrasts", "all comparisons", "the study names no contrast: results describe")
        return
    for row in able.table.to_dict("records"):
        if row["verdict"] == "refused":
            run.refuse("contrasts", str(row["contrast"]), row["sentence"])
    counted = run.table("composition").set_index("sample")
    _try(run, context, "composition_contrasts", "composition", lambda: stage.composition(counted, design))
    scores = run.table("signature_scores")
    if len(scores):
        tidy = scores[["sample", "signature", "cell_type", "value"]]
        _try(
            run,
            context,
            "signature_contrasts",
            "signatures",
            lambda: stage.contrast_arms(tidy, design, rng=context.seed),
        )
    _try(run, context, "expression_contrasts", "expression", lambda: _expression(run, study))


def _expression(run: Run, study: Study) -> Result:
    from scresist import contrasts as stage

    cells, focus = run.cells, study.settings.focus
    sums = [stage.pseudobulk(cells, groupby="population")]
    if focus.compartment == "all" and len(cells.obs["population"].cat.categories) > 1:
        whole = cells.obs.assign(everything="all cells")
        import anndata

        sums.append(
            stage.pseudobulk(anndata.AnnData(obs=whole, var=cells.var, layers=dict(cells.layers)), groupby="everything")
        )
    results = [stage.expression(s, study.design, keep_genes=focus.keep_genes) for s in sums]
    notes = tuple(dict.fromkeys(n for r in results for n in r.notes))
    table = pd.concat([r.table for r in results], ignore_index=True)
    return Result(table, results[0].method, results[0].settings, notes)


def _try(run: Run, context: "Context", name: str, what: str, compute: Callable[[], Result]) -> None:
    """Publish a result, or note why there is none."""
    try:
        result = compute()
    except RefusedError as refusal:
        run.refuse("contrasts", what, refusal)
        return
    _publish(run, context, name, result)


def focus_population(run: Run, study: Study) -> str:
    """The population of the expression contrasts that stands for the compartment in focus."""
    compartment = study.settings.focus.compartment
    if compartment != "all":
        return compartment
    found = run.cells.obs["population"].cat.categories
    return "all cells" if len(found) > 1 else str(found[0])


def candidates(run: Run, study: Study, context: "Context") -> None:
    """Join the evidence per gene of the focus compartment."""
    import scresist.candidates as stage
    from scresist.populations import in_compartment

    focus = study.settings.focus
    tested = run.table("expression_contrasts")
    try:
        inside = in_compartment(run.cells, focus.compartment)
    except RefusedError as refusal:
        run.refuse("candidates", f"compartment {focus.compartment}", refusal)
        return
    if not len(tested):
        run.refuse("candidates", "ranking", "no comparison of arms was made, so no candidate is ranked")
        return
    own = tested[tested["cell_type"] == focus_population(run, study)]
    ranked = stage.rank(
        own,
        stage.provenance(run.cells, inside),
        modules=run.table("modules"),
        module_contrasts=run.table("module_contrasts"),
        survival=run.table("survival"),
        keep_genes=focus.keep_genes,
    )
    _publish(run, context, "candidates", ranked)


def report(run: Run, study: Study, context: "Context") -> None:
    """Write the cohort, the table of cells, the claims, the figures and the page."""
    from scresist import report as stage

    cells = run.cells
    columns = ["sample", "patient", "arm", "cluster", "lineage", "cell_type", "confidence", "malignant_probability",
               "malignancy", "doublet_score"]  # fmt: skip
    table = cells.obs.reindex(columns=columns).reset_index()
    write_table(table, context.out / "tables" / "cells.parquet")
    part = context.out / ".cohort.h5ad.part"
    cells.write_h5ad(part, compression="lzf")
    part.replace(context.out / "cohort.h5ad")
    stage.write(run, study, context.out)
