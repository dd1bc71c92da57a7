"""Quality: every barcode is measured, and those that are no good cells are removed and counted."""

from scresist.run.bodies.focus import restated
from scresist.run.step import Context, State, Step
from scresist.study import Study


def quality(state: State, study: Study, context: Context) -> None:
    """Measure every barcode, count what each reason removes, keep the rest."""
    from scresist import quality as stage

    own = study.settings.quality
    stage.measure(
        state.cells,
        min_counts=own.min_counts,
        min_genes=own.min_genes,
        n_mads=own.n_mads,
        max_mito_percent=own.max_mito_percent,
        max_mito_percent_epithelial=own.max_mito_percent_epithelial,
        doublets=own.doublets,
        remove=own.filter,
        rng=context.seed,
        workers=context.workers,
        scheduler=context.scheduler,
    )
    state.publish("quality", stage.summarise(state.cells))
    state.publish("quality_by_lineage", stage.summarise(state.cells, by_lineage=True))
    stage.drop(state.cells)


STEP = Step(
    name="quality",
    meaning="removes barcodes that are no good cells, counted by reason, and estimates ambient counts and doublets",
    body=quality,
    after=("ingest",),
    settings=("quality",),
    tells=restated,
    whole=True,
)
