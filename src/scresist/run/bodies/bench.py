"""Bench: IHC, multiplex immunofluorescence and functional assays of the study, beside the RNA of the same patients."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from scresist.checks import RefusedError
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.counts import tmm_factors
from scresist.kernels.normalise import log2_counts_per_million
from scresist.results import Result
from scresist.run.bodies.focus import focus_population, sums_of
from scresist.run.step import Context, State, Step
from scresist.study import Study
from scresist.study.settings import BENCH_FILES

OVERLAYS = "overlays"  # folder of the pictures of stained images, in the results folder
FUNCTIONAL = ("validation_dose_ratios", "validation_readouts", "validation_kinetics",
              "validation_combinations")  # fmt: skip


def bench(state: State, study: Study, context: Context) -> None:
    """Every table of the bench, its comparisons between arms, and whether it agrees with the RNA."""
    overlays = state.out / OVERLAYS
    for earlier in overlays.glob("*.png"):
        earlier.unlink()
    if not _files(study):
        return
    from scresist.validation.files import compute_bench

    for outcome in compute_bench(study, seed=context.seed, workers=context.workers, overlays=overlays):
        if outcome.result is None:
            state.refuse(outcome.what, outcome.reason)
        else:
            state.publish(outcome.name, outcome.result)
    _between_arms(state, study, context)
    _agreement(state, study, context)


def _between_arms(state: State, study: Study, context: Context) -> None:
    from scresist.contrasts import contrast_arms
    from scresist.validation import by_sample

    if not study.design.contrasts:
        return
    values: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
        "validation_ihc": ("validation_ihc_contrasts", by_sample.ihc_values),
        "validation_mif": ("validation_mif_contrasts", by_sample.density_values),
        "validation_mif_spatial": ("validation_mif_spatial_contrasts", by_sample.spatial_values),
    }
    for name, (tested, make) in values.items():
        if name not in state.results:
            continue
        tidy = make(state.table(name))
        if tidy.empty:
            state.refuse(tested.removesuffix("_contrasts"), "no sample has a value")
            continue
        try:
            state.publish(tested, contrast_arms(tidy, study.design, rng=context.seed))
        except RefusedError as refusal:
            state.refuse(f"{name.removeprefix('validation_')} between arms", refusal)


def _agreement(state: State, study: Study, context: Context) -> None:
    """RNA against protein over patients, and assays against what RNA predicts."""
    from scresist.validation import concordance as stage

    parts: list[Result] = []
    proteins = _proteins(state)
    rna = _rna(state, study)
    if len(proteins) and rna is None:
        state.refuse("agreement of protein and RNA", "no cell in focus has RNA to set beside protein")
    elif rna is not None and len(proteins):
        parts.append(stage.agreement(rna, proteins, study.design.samples["patient"], rng=context.seed))
    given = study.settings.validation.perturbations
    tests = {name: state.table(name) for name in FUNCTIONAL if name in state.results}
    if given and tests:
        parts.append(stage.functional_agreement(tests, _directions(state, study), given))
    if not parts:
        return
    table = pd.concat([p.table for p in parts], ignore_index=True)
    state.publish("validation_agreement", Result(table, "; ".join(p.method for p in parts)))


def _proteins(state: State) -> pd.DataFrame:
    """Sample, gene, evidence and value of every stain whose gene is known."""
    from scresist.microenvironment.proteins import gene_of
    from scresist.validation import by_sample
    from scresist.validation.image_scores import BESIDE

    if "validation_ihc" not in state.results:
        return pd.DataFrame(columns=["sample", "gene", "evidence", "value"])
    values = by_sample.ihc_values(state.table("validation_ihc"))
    plain = values["marker"].astype(str).str.removesuffix(BESIDE)
    genes = {marker: gene_of(marker) for marker in plain.unique()}
    beside = values["marker"].astype(str) != plain
    out = values.assign(gene=plain.map(genes), evidence=np.where(beside, "IHC, images", "IHC"))
    return out.loc[out["gene"] != "", ["sample", "gene", "evidence", "value"]]


def _rna(state: State, study: Study) -> pd.DataFrame | None:
    """log2 counts per million of the population in focus, samples x genes."""
    sums = sums_of(state).counts
    own = sums[sums.index.get_level_values("cell_type") == focus_population(state, study)].droplevel("cell_type")
    if not len(own):
        return None
    values = own.to_numpy(float)
    level = log2_counts_per_million(values, values.sum(axis=1) * tmm_factors(values))
    return pd.DataFrame(level, own.index.astype(str), own.columns)


def _directions(state: State, study: Study) -> pd.Series:
    """By gene whose RNA differs, its log2 fold change in the focus, in the contrast where it is surest."""
    tested = state.table("expression_contrasts")
    if not len(tested):
        return pd.Series(dtype=float)
    own = tested[(tested["cell_type"] == focus_population(state, study)) & (tested["p_value"] < ALPHA)]
    effect = "log2fc" if "log2fc" in own else "effect"
    first = own.sort_values("p_value", kind="stable").drop_duplicates("gene").set_index("gene")[effect]
    return first[np.isfinite(first)]


def _files(study: Study) -> list[Path]:
    own = study.settings.validation
    given = [getattr(own, key) for key in BENCH_FILES]
    files = [study.folder / file for file in given if file is not None]
    return files if own.ihc_images is None else [*files, *_images(study.folder / own.ihc_images)]


def _images(sheet: Path) -> list[Path]:
    """Images and masks that a sheet names: when one changes, the step is done again."""
    from scresist.checks import InputError
    from scresist.validation.files import read_file

    try:
        table = read_file(sheet)
    except InputError:
        return []  # the study's own check names it
    named = [str(v) for c in ("image", "mask") if c in table for v in table[c].dropna()]
    return [path for path in (sheet.parent / name for name in named) if path.is_file()]


STEP = Step(
    name="bench",
    meaning="reads IHC, multiplex immunofluorescence and assays, compares arms, and sets them beside the RNA",
    body=bench,
    after=("ingest", "contrasts"),
    needs=("ingest",),
    settings=("validation", "focus"),
    design=True,
    files=_files,
)
