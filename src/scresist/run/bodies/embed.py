"""Embed: components, clusters and a layout of the cells."""

from scresist.run.step import Context, State, Step
from scresist.study import Study


def embed(state: State, study: Study, context: Context) -> None:
    """Normalise, integrate, cluster, lay out, and describe the clusters."""
    from scresist.embedding import embed as embed_cells
    from scresist.embedding import markers

    cells, own = state.cells, study.settings.embed
    embed_cells(
        cells,
        n_genes=own.n_genes,
        n_components=own.n_components,
        n_neighbors=own.n_neighbors,
        resolution=own.resolution,
        integrate=own.integrate,
        use=None if own.use is None else "input_embedding",
        layout=None if own.layout is None else "input_layout",
        rng=context.seed,
    )
    state.publish("markers", markers(cells))


STEP = Step(
    name="embed",
    meaning="selects genes, integrates the samples, clusters the cells and lays them out",
    body=embed,
    after=("quality",),
    settings=("embed",),
)
