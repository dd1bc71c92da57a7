"""The bench files that a study names: read, checked against its samples, and computed one assay at a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scresist.checks import InputError, RefusedError, ScresistError
from scresist.results import Result
from scresist.study import Study
from scresist.study.settings import BENCH_FILES, ValidationSection
from scresist.validation import (
    arrangement,
    assays,
    by_sample,
    cell_tables,
    dose,
    expression,
    image_scores,
    rates,
    two_drugs,
)
from scresist.validation import densities as imaging
from scresist.validation import her2_status as status
from scresist.validation import readers as scores
from scresist.validation.dose_components import dose_components
from scresist.validation.dose_ratios import dose_ratios


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one file gave: a table by its name, or the reason why there is none."""

    what: str
    name: str = ""
    result: Result | None = None
    reason: str = ""


def named_files(study: Study) -> dict[str, Path]:
    """The bench files of the study by their setting.

    Parameters
    ----------
    study
        From `read_study`.
    """
    own = study.settings.validation
    return {key: study.folder / getattr(own, key) for key in BENCH_FILES if getattr(own, key) is not None}


def read_file(path: Path) -> Any:
    """A table of an assay, as it is in the file: CSV or tab-separated text (gzip too), an Excel sheet, or an h5ad.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        if path.suffix == ".h5ad":
            import anndata

            return anndata.read_h5ad(path)
        if path.suffix == ".xlsx":
            return pd.read_excel(path)
        plain = path.name.removesuffix(".gz")
        return pd.read_csv(path, sep="\t" if plain.endswith((".tsv", ".txt")) else ",", low_memory=False)
    except FileNotFoundError:
        raise InputError(f"{path.name} does not exist; correct the path") from None
    except (OSError, ValueError, ImportError) as error:  # pandas' parser errors are ValueErrors
        raise InputError(
            f"{path.name} cannot be read as a table ({error}); save it as CSV with one header row"
        ) from error


def check_bench(study: Study) -> Iterator[tuple[str, str]]:
    """What is wrong with each bench file: the setting and the sentence; nothing is computed.

    Parameters
    ----------
    study
        From `read_study`.
    """
    for key, path in named_files(study).items():
        if not path.exists():
            continue  # the study's own check names it
        try:
            _check_one(key, read_file(path), study)
        except ScresistError as error:
            yield key, str(error)


def _check_one(key: str, table: Any, study: Study) -> None:
    own = study.settings.validation
    if key in ("ihc", "ihc_images", "her2", "mif_cells"):
        images = None
        if key == "ihc":
            scores.score_rows(table)
        elif key == "ihc_images":
            image_scores.read_sheet(table, named_files(study)[key].parent, um_per_pixel=own.ihc_um_per_pixel)
        elif key == "her2":
            status.her2(table, guideline=own.her2_guideline)
        else:
            images = _images(study)
            table = cell_tables.read_cells(table, images=images, um_per_pixel=own.mif_um_per_pixel).cells
        by_sample.require_of_study(table, study.design, getattr(own, key))
    elif key != "mif_images":
        for _, compute in _assays(study)[key]:
            compute(table)


def _images(study: Study) -> pd.DataFrame | None:
    path = named_files(study).get("mif_images")
    found: pd.DataFrame | None = None if path is None else read_file(path)
    return found


def _assays(study: Study) -> dict[str, list[tuple[str, Callable[[Any], Result]]]]:
    """The tables that each assay file gives."""
    own = study.settings.validation
    first = own.reference
    return {
        "dose_response": [
            ("validation_dose_response", dose.dose_response),
            ("validation_dose_points", dose.dose_points),
            ("validation_dose_components", dose_components),
            ("validation_dose_ratios", lambda t: dose_ratios(t, reference=first)),
        ],
        "kinetics": [
            ("validation_kinetics", lambda t: rates.kinetics(t, reference=first)),
            ("validation_kinetics_points", rates.kinetics_points),
        ],
        "combinations": [("validation_combinations", two_drugs.combinations)],
        "readouts": [
            ("validation_readouts", lambda t: assays.readouts(t, reference=first)),
            ("validation_readout_points", assays.readout_points),
        ],
        "qpcr": [
            ("validation_expression", lambda t: _qpcr(t, own)),
            (
                "validation_expression_points",
                lambda t: expression.expression_points(t, assay="qpcr", controls=own.qpcr_reference_genes),
            ),
        ],
        "blot": [
            ("validation_expression", lambda t: _blot(t, own)),
            (
                "validation_expression_points",
                lambda t: expression.expression_points(t, assay="blot", controls=own.blot_loading),
            ),
        ],
    }


def _qpcr(table: pd.DataFrame, own: ValidationSection) -> Result:
    if not own.qpcr_reference_genes:
        raise InputError("qPCR needs reference genes; set validation.qpcr_reference_genes")
    return expression.qpcr(table, reference=own.reference, reference_genes=own.qpcr_reference_genes)


def _blot(table: pd.DataFrame, own: ValidationSection) -> Result:
    if not own.blot_loading:
        raise InputError("a blot needs a loading control; set validation.blot_loading")
    return expression.blot(table, reference=own.reference, loading=own.blot_loading)


def compute_bench(study: Study, *, seed: int, workers: int = 1, overlays: Path | None = None) -> Iterator[Outcome]:
    """The tables of every bench file of the study, each with its name, or the reason why it is not there.

    Parameters
    ----------
    study
        From `read_study`.
    seed
        Of the resamplings and shuffles.
    workers
        Threads; they change no number.
    overlays
        Folder for one picture of each stained image, with the outlines of its cells; None draws none.
    """
    paths = named_files(study)
    if "ihc" in paths or "ihc_images" in paths:
        yield from _ihc(study, paths, overlays)
    if "her2" in paths:
        guideline = study.settings.validation.her2_guideline
        yield from _each("HER2 status", paths["her2"],
                         [("validation_her2", lambda t: status.her2(t, guideline=guideline))])  # fmt: skip
    if "mif_cells" in paths:
        yield from _mif(study, paths["mif_cells"], seed, workers)
    parts: dict[str, list[Result]] = {}
    for key, computed in _assays(study).items():
        if key not in paths:
            continue
        for outcome in _each(key.replace("_", " "), paths[key], computed):
            if key in ("qpcr", "blot") and outcome.result is not None:
                parts.setdefault(outcome.name, []).append(outcome.result)
            else:
                yield outcome
    for name, results in parts.items():
        table = pd.concat([r.table for r in results], ignore_index=True)
        notes = tuple(n for r in results for n in r.notes)
        yield Outcome("fold changes", name, Result(table, results[0].method, {}, notes))


def _each(what: str, path: Path, computed: list[tuple[str, Callable[[Any], Result]]]) -> Iterator[Outcome]:
    table = read_file(path)
    for name, compute in computed:
        try:
            yield Outcome(what, name, compute(table))
        except RefusedError as refusal:
            yield Outcome(what, reason=str(refusal))


def _ihc(study: Study, paths: Mapping[str, Path], overlays: Path | None) -> Iterator[Outcome]:
    """Scores of readers, scores of images, both as samples, and how far they agree."""
    table: pd.DataFrame | None = None
    if "ihc" in paths:
        table = read_file(paths["ihc"])
        by_sample.require_of_study(table, study.design, paths["ihc"].name)
        scores.score_rows(table)  # a fault is named with its row of this file
    together = table
    if "ihc_images" in paths:
        path, own = paths["ihc_images"], study.settings.validation
        sheet = read_file(path)
        by_sample.require_of_study(sheet, study.design, path.name)
        found = image_scores.score_images(sheet, folder=path.parent, um_per_pixel=own.ihc_um_per_pixel,
                                          cuts=own.ihc_cuts, overlays=overlays)  # fmt: skip
        yield Outcome("IHC images", "validation_ihc_cores", found.cores)
        yield Outcome("IHC images", "validation_ihc_cells", found.cells)
        if found.scores.empty and table is None:
            yield Outcome("IHC", reason="no image has a nucleus; look at the overlays")
            return
        together = image_scores.with_readers(table, found.scores)
        table = found.scores if table is None else pd.concat([table, found.scores], ignore_index=True)
    yield Outcome("IHC", "validation_ihc", scores.ihc(together))
    if table is not None and "reader" in table and len(set(table["reader"].dropna())) > 1:
        yield Outcome("agreement of readers", "validation_ihc_agreement", scores.reader_agreement(table))


def _mif(study: Study, path: Path, seed: int, workers: int) -> Iterator[Outcome]:
    own = study.settings.validation
    ready = imaging.prepare(
        read_file(path), images=_images(study), um_per_pixel=own.mif_um_per_pixel, phenotypes=own.mif_phenotypes,
        gates=own.mif_gates, controls=own.mif_controls, rng=seed,
    )  # fmt: skip
    by_sample.require_of_study(ready.cells, study.design, path.name)
    yield Outcome("mIF", "validation_mif", imaging.mif(ready))
    if len(ready.levels):
        yield Outcome("markers", "validation_mif_markers", Result(ready.levels, "means over cells"))
    if len(ready.gates.table):
        yield Outcome("gates", "validation_mif_gates", ready.gates)
        yield Outcome("gates", "validation_mif_intensities", Result(ready.intensities, "cells by intensity"))
    yield Outcome("spatial statistics", "validation_mif_spatial", arrangement.mif_spatial(
        ready, radius_um=own.mif_radius_um, shuffles=own.mif_shuffles, workers=workers, seed=seed))  # fmt: skip
    try:
        yield Outcome("neighbourhoods", "validation_mif_neighbourhoods", arrangement.neighbourhoods(ready, seed=seed))
    except InputError as error:
        yield Outcome("neighbourhoods", reason=str(error))
