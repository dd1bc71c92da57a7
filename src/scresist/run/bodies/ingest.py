"""Ingest: the matrices and the sheets become one cohort."""

from pathlib import Path

from scresist.run.step import Context, State, Step
from scresist.study import Study


def ingest(state: State, study: Study, context: Context) -> None:
    """Read the matrices and join the sheets."""
    import scresist.reading as stage

    state.cohort = stage.ingest(study)


def _matrices(study: Study) -> list[Path]:
    from scresist.reading.layouts import files_of
    from scresist.study.paths import locate

    given = list(study.samples["path"])
    for column in ("raw_path", "protein_path"):
        if column in study.samples:
            given += [p for p in study.samples[column] if isinstance(p, str)]
    return [file for p in given for file in files_of(locate(study.folder, str(p)).path)]


STEP = Step(
    name="ingest",
    meaning="reads the matrices, maps gene names to symbols and joins the sheets",
    body=ingest,
    settings=("study.organism", "design.arms", "focus.keep_genes", "quality.min_cells", "annotate.labels",
              "annotate.malignant", "annotate.lineages", "annotate.markers", "embed.use", "embed.layout"),
    sheet=lambda study: ("patient", "arm", "path", "raw_path", "protein_path"),
    files=_matrices,
    whole=True,
)  # fmt: skip
