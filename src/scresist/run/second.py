"""The second cohort of a study: its checks, and its cells in focus by the steps that the first cohort went through."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scresist.cells import resolve_focus
from scresist.checks import InputError, RefusedError
from scresist.run.bodies import annotate, embed, ingest, malignancy, quality
from scresist.run.execute import do_step, fingerprints, seed_of
from scresist.run.step import Context, State
from scresist.run.store import Store, hash_files, locked
from scresist.study import Design, Problem, Problems, Study, StudyError, examine_study, read_study
from scresist.study.cell_names import cell_names

if TYPE_CHECKING:
    from anndata import AnnData

    from scresist.reading import Cells

STEPS = (ingest.STEP, quality.STEP, embed.STEP, annotate.STEP, malignancy.STEP)
FOLDER = "second_cohort"  # in the results folder: what these steps made of it
SHARED = 0.5  # of the genes of the smaller cohort; fewer are no common reference


@dataclass(frozen=True, slots=True)
class Second:
    """A second cohort: its name, its cells of the compartment in focus, its design, and notes for the reader.

    `design` has the contrasts that both cohorts have, under the names of the first; None where there are none.
    """

    name: str
    cells: "AnnData"
    design: Design | None
    notes: tuple[str, ...] = ()


def path_of(study: Study) -> Path | None:
    """The file of the second cohort; None where the study names none."""
    given = study.settings.validation.cohort
    return None if given is None else study.folder / given


def files_of(study: Study) -> list[Path]:
    """Every file that the second cohort is read from; it counts by its content.

    Parameters
    ----------
    study
        The first.
    """
    path = path_of(study)
    if path is None or path.suffix == ".h5ad":
        return [] if path is None else [path]
    other = read_study(path)
    sheets = [other.settings.study.samples, other.settings.study.patients]
    return [path, *(other.folder / s for s in sheets if s), *(f for step in STEPS for f in step.files(other))]


def examine_second(study: Study) -> tuple[Problem, ...]:
    """What is wrong with the second cohort as far as its sheets or its tables of cells and genes show it.

    Parameters
    ----------
    study
        The first, free of errors.
    """
    path, shown = path_of(study), str(study.settings.validation.cohort)
    problems = Problems()
    if path is None:
        return ()
    if path.suffix == ".h5ad":
        from scresist.reading import examine_annotated

        examine_annotated(
            path, shown, compartment=study.settings.focus.compartment, organism=study.settings.study.organism,
            problems=problems,
        )  # fmt: skip
    elif path.suffix == ".toml":
        _examine_study(study, path, shown, problems)
    else:
        problems.error(
            study.path.name, "validation.cohort is neither a study file nor an h5ad",
            "give the study.toml of the second cohort, or an annotated .h5ad", column="cohort", value=shown,
        )  # fmt: skip
    return tuple(problems)


def _examine_study(study: Study, path: Path, shown: str, problems: Problems) -> None:
    if path.resolve() == study.path.resolve():
        problems.error(study.path.name, "validation.cohort is the study itself", "name a cohort of other patients",
                       column="cohort", value=shown)  # fmt: skip
        return
    other, found = examine_study(path)
    problems.extend(_placed(p, shown) for p in found if p.severity == "error")
    if other is None:
        return
    ours, theirs = study.settings.study.organism, other.settings.study.organism
    if ours != theirs:
        problems.error(shown, f"the second cohort is {theirs} and the study is {ours}",
                       "give a cohort of the same species", column="organism", value=theirs)  # fmt: skip
    same = {f.resolve() for f in ingest.STEP.files(study)} & {f.resolve() for f in ingest.STEP.files(other)}
    if same:
        problems.error(shown, f"{len(same)} matrices are read by both cohorts, so that modules would be tested in the "
                       "cells that formed them", "leave them out of one", value=str(sorted(same)[0]))  # fmt: skip
    both = sorted({*study.samples["patient"].astype(str)} & {*other.samples["patient"].astype(str)})
    if both:
        problems.note(shown, f"{len(both)} names of patients are in both cohorts; the second needs other patients",
                      "check that they are other patients of the same names", value=", ".join(both[:5]))  # fmt: skip
    markers = other.settings.annotate.markers
    if markers is not None:
        from scresist.annotate import read_markers

        try:
            read_markers(other.folder / markers)
        except InputError as error:
            problems.error(shown, f"annotate.markers of the second cohort cannot be used: {error}",
                           column="annotate.markers", value=markers)  # fmt: skip
    compartment = study.settings.focus.compartment
    if compartment not in {"all", "malignant", "normal", *cell_names(other.settings, other.folder)}:
        problems.error(shown, f"no cell of the second cohort can be {compartment!r}, the compartment of the study",
                       "use the same marker table in both", column="focus.compartment", value=compartment)  # fmt: skip


def _placed(problem: Problem, shown: str) -> Problem:
    return replace(problem, file=f"{shown}: {problem.file}")


def inspect_second(study: Study, genes: frozenset[str], prints: "Sequence[Cells]" = ()) -> tuple[Problem, ...]:
    """What is wrong with the matrices of the second cohort, and whether the two cohorts share their genes, or cells.

    Parameters
    ----------
    study
        The first; `examine_second` found no error.
    genes
        Genes of the first cohort.
    prints
        Of its cells.
    """
    from scresist import reading

    path, shown = path_of(study), str(study.settings.validation.cohort)
    if path is None:
        return ()
    problems = Problems()
    if path.suffix == ".h5ad":
        try:
            cells = reading.read_annotated(path, shown, organism=study.settings.study.organism)
            theirs, held = frozenset(cells.var_names), reading.prints_by_sample(cells)
        except StudyError as error:
            return error.problems
    else:
        found = reading.inspect(read_study(path))
        problems.extend(_placed(p, shown) for p in found.problems if p.severity == "error")
        theirs, held = found.genes, list(found.prints)
    for sentence in reading.shared_between(prints, held):
        problems.error(shown, f"{sentence}, so that modules would be tested in the cells that formed them",
                       "leave them out of one cohort")  # fmt: skip
    shared = len(genes & theirs)
    if theirs and genes and shared < SHARED * min(len(genes), len(theirs)):
        problems.error(
            shown, f"the cohorts share {shared} genes (they have {len(genes)} and {len(theirs)})",
            "quantify both against one reference, with gene symbols or Ensembl ids as names",
        )  # fmt: skip
    else:
        problems.note(shown, f"{shared} of {len(genes)} genes are in the second cohort too")
    return tuple(problems)


def require_shared(genes: pd.Index, theirs: pd.Index) -> None:
    """Raise RefusedError where two cohorts share less than half of the genes of the smaller."""
    shared = len(genes.intersection(theirs))
    if shared < SHARED * min(len(genes), len(theirs)):
        raise RefusedError(
            f"the cohorts share {shared} genes (they have {len(genes)} and {len(theirs)}); quantify both against one "
            "reference, with gene symbols or Ensembl ids as names"
        )


def require_other_cells(cells: "AnnData", theirs: "AnnData") -> None:
    """Raise RefusedError where two cohorts share cells: modules would be tested in the cells that formed them."""
    from scresist import reading

    found = reading.shared_between(reading.prints_by_sample(cells), reading.prints_by_sample(theirs))
    if found:
        raise RefusedError("; ".join(found[:3]) + "; leave them out of one cohort")


def second_cohort(study: Study, out: Path, context: Context) -> Second:
    """The cells of the second cohort that are in the compartment of the first, and its design.

    A study goes through ingest, quality, embed, annotate and malignancy with its own settings, kept in
    `out/second_cohort`; results of an earlier run of it (`validation.cohort_results`) are used where these steps are
    complete and of the same inputs, settings and version. The cells of an h5ad are used as they are annotated.

    Parameters
    ----------
    study
        The first.
    out
        Its results folder.
    context
        Workers of the run.

    Raises
    ------
    StudyError
        With every problem of the second cohort.
    RefusedError
        If it has no cell in the compartment.
    """
    path = path_of(study)
    if path is None:
        raise InputError("the study names no second cohort; set validation.cohort")
    compartment = study.settings.focus.compartment
    if path.suffix == ".h5ad":
        from scresist.reading import read_annotated

        cells = read_annotated(path, str(study.settings.validation.cohort), organism=study.settings.study.organism)
        inside = resolve_focus(cells.obs, compartment).mask
        design = _shared_design(study.design, _design_of(cells.obs, study.design))
        return Second(path.stem, cells[inside].copy(), design, ("the cells of the h5ad are used as they are",))
    other = read_study(path)
    cells, notes = _through_steps(other, study, out, context)
    known = cell_names(other.settings, other.folder)
    inside = resolve_focus(cells.obs, compartment, known=known).mask
    return Second(other.name, cells[inside].copy(), _shared_design(study.design, other.design), notes)


def _through_steps(other: Study, study: Study, out: Path, context: Context) -> "tuple[AnnData, tuple[str, ...]]":
    """The second cohort after the steps that name its cells; what is kept of an earlier run is not made again."""
    inputs = {step.name: hash_files(step.files(other)) for step in STEPS}
    prints = fingerprints(STEPS, other, inputs, "", dict.fromkeys(inputs, 0))
    notes: list[str] = []
    given = study.settings.validation.cohort_results
    if given is not None:
        store, state = Store(study.folder / given / ".state"), State(out / FOLDER)
        if all(store.is_done(step, prints[step.name]) for step in STEPS):
            for step in STEPS:
                store.load_cohort(step, state)
            return state.cells, (f"the second cohort was read from {given}",)
        notes.append(f"{given} is not complete, or of other inputs, settings or version: the cohort was read anew")
    folder = out / FOLDER
    store, state = Store(folder / ".state"), State(folder)
    with locked(folder / ".state"):
        for step in STEPS:
            if not store.is_done(step, prints[step.name]):
                store.forget(step)
        for step in STEPS:
            state.step = step.name
            if store.is_done(step, prints[step.name]):
                store.load(step, state)
                continue
            own = Context(seed_of(other, step.name), context.workers, context.scheduler, context.mode, {})
            do_step(step, state, other, own, store, prints[step.name], within=True)
    return state.cells, (*notes, *(f"{r['step']}, {r['what']}: {r['reason']}" for r in state.refusals))


def _design_of(obs: pd.DataFrame, first: Design) -> Design | None:
    """The design of an annotated cohort: the arms and contrasts of the first, over its own samples."""
    if "arm" not in obs:
        return None
    sheet = obs[["sample", "patient", "arm"]].astype(str).drop_duplicates("sample").set_index("sample")
    return Design(tuple(sorted(sheet["arm"].unique())), first.contrasts, sheet)


def _shared_design(first: Design, other: Design | None) -> Design | None:
    """The second design with the contrasts that both have, under the first's names: of one resistance, or one name."""
    if other is None:
        return None
    pairs = []
    for contrast in first.contrasts:
        same = other.with_role(contrast.resistance) if contrast.resistance != "none" else None
        named = next((c for c in other.contrasts if c.name == contrast.name), None)
        found = same or named
        if found is not None and {found.test, found.reference} <= set(other.arms):
            pairs.append(replace(found, name=contrast.name))
    if not pairs:
        return None
    return Design(other.arms, tuple(pairs), other.samples, other.covariates, other.batches)
