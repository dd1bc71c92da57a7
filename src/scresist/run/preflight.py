"""What can be wrong with the files that a study names beside its sheets and matrices, found before anything runs."""

from collections.abc import Callable

from scresist.checks import InputError
from scresist.run.second import examine_second
from scresist.study import Problem, Problems, Study, StudyError
from scresist.study.gene_sets import read_sets
from scresist.study.panel import read_panel
from scresist.study.settings import BENCH_FILES


def check_files(study: Study) -> tuple[Problem, ...]:
    """Every problem of the study's own marker table and ligand-receptor table, and of its second cohort.

    Parameters
    ----------
    study
        Read and free of errors.
    """
    from scresist import annotate, communication

    own = study.settings
    readers: dict[str, tuple[str, Callable[[], object]]] = {
        "communication.resource": (
            own.communication.resource,
            lambda: communication.check_resource(own.communication.resource, own.study.organism, study.folder),
        ),
    }
    if own.annotate.markers is not None:
        markers = own.annotate.markers
        readers["annotate.markers"] = (
            markers,
            lambda: annotate.read_markers(study.folder / markers, own.study.organism),
        )
    if own.signatures.gmt is not None:
        gmt = own.signatures.gmt
        readers["signatures.gmt"] = (gmt, lambda: read_sets(study.folder / gmt, gmt))
    if own.candidates.panel is not None:
        panel = own.candidates.panel
        readers["candidates.panel"] = (panel, lambda: read_panel(study.folder / panel, panel))
    problems = Problems()
    for key, (value, read) in readers.items():
        try:
            read()
        except StudyError as error:
            problems.extend(error.problems)
        except InputError as error:
            problems.error(study.path.name, f"{key} cannot be used: {error}", column=key, value=value)
    problems.extend(examine_second(study))
    if any(getattr(own.validation, key) for key in BENCH_FILES):
        from scresist.validation.files import check_bench

        for key, sentence in check_bench(study):
            problems.error(study.path.name, f"validation.{key} cannot be used: {sentence}", column=f"validation.{key}",
                           value=getattr(own.validation, key))  # fmt: skip
    return tuple(problems)


def require_files(study: Study) -> None:
    """Raise where one of the study's own files cannot be used.

    Parameters
    ----------
    study
        Read and free of errors.

    Raises
    ------
    StudyError
        With every problem of `check_files`, where one is an error.
    """
    problems = check_files(study)
    if any(p.severity == "error" for p in problems):
        raise StudyError(problems)
