"""Bench: IHC, multiplex immunofluorescence and functional assays of the study, beside the RNA of the same patients."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from scresist.checks import RefusedError, nearest
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.counts import tmm_factors
from scresist.kernels.normalise import log2_counts_per_million
from scresist.resources import genes
from scresist.results import Result
from scresist.run.bodies.focus import focus_population, sums_of
from scresist.run.step import Context, State, Step
from scresist.study import Study
from scresist.study.settings import BENCH_FILES

AMBIENT = 0.2  # of a gene's share of the counts of all cells: with less its RNA in the focus may be ambient
FEWEST_COUNTS = 2  # of a gene in a sample, on average, as in comparisons of arms
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
    proteins, unknown = _proteins(state)
    everywhere = _counts(state, study, focus=False)
    own = {focus: proteins[proteins["all_cells"] != focus] for focus in (True, False)}
    for focus, measured in own.items():
        counts = _counts(state, study, focus=focus)
        if measured.empty:
            continue
        if counts is None:
            state.refuse("agreement of protein and RNA", "no cell in focus has RNA to set beside protein")
            continue
        cells = f"{focus_population(state, study)} cells" if focus else "all cells"
        left_out = _not_compared(counts, everywhere, cells)
        parts.append(stage.agreement(_rna(counts), measured, study.design.samples["patient"], not_compared=left_out,
                                     cells=cells, rng=context.seed))  # fmt: skip
    for marker, where in unknown.items():
        state.refuse(f"agreement of {marker} ({where}) and RNA", _without_gene(marker))
    given = study.settings.validation.perturbations
    tests = {name: state.table(name) for name in FUNCTIONAL if name in state.results}
    if given and tests:
        parts.append(stage.functional_agreement(tests, _directions(state, study), given))
    if not parts:
        return
    table = pd.concat([p.table for p in parts], ignore_index=True)
    state.publish("validation_agreement", Result(table, "; ".join(p.method for p in parts)))


def _proteins(state: State) -> tuple[pd.DataFrame, dict[str, str]]:
    """Sample, gene, evidence and value of every stain whose gene is known; the others with their assay.

    The RNA of the population in focus stands beside IHC and the tumour's compartment of mIF, that of all cells beside
    all cells of mIF (`all_cells`).
    """
    from scresist.microenvironment.proteins import gene_of
    from scresist.validation import by_sample
    from scresist.validation.image_scores import BESIDE
    from scresist.validation.marker_levels import marker_values

    parts = []
    if "validation_ihc" in state.results:
        values = by_sample.ihc_values(state.table("validation_ihc"))
        plain = values["marker"].astype(str).str.removesuffix(BESIDE)
        beside = values["marker"].astype(str) != plain
        parts.append(values.assign(marker=plain, evidence=np.where(beside, "IHC, images", "IHC"), all_cells=False))
    if "validation_mif_markers" in state.results:
        levels = state.table("validation_mif_markers")
        for tumour, evidence in ((True, "mIF, tumour"), (False, "mIF, all cells")):
            values = marker_values(levels, tumour=tumour)
            parts.append(values.assign(evidence=evidence, all_cells=not tumour))
    columns = ["sample", "gene", "evidence", "value", "all_cells"]
    if not parts:
        return pd.DataFrame(columns=columns), {}
    joined = pd.concat(parts, ignore_index=True)
    joined["gene"] = joined["marker"].map({marker: gene_of(marker) for marker in joined["marker"].unique()})
    unknown = joined[joined["gene"] == ""].drop_duplicates("marker").set_index("marker")["evidence"]
    return joined.loc[joined["gene"] != "", columns], unknown.str.split(",").str[0].to_dict()


def _without_gene(marker: str) -> str:
    from scresist.microenvironment.proteins import SEVERAL, plain_name

    if plain_name(marker) in SEVERAL:
        return f"{marker} stains the products of several genes"
    near = nearest(marker, [str(g) for g in genes().index])
    return (f"no gene is known for the protein {marker!r}; name it as its gene, or by an alias (HER2, PD-1, cystatin C)"
            + (f". Did you mean {near!r}?" if near else ""))  # fmt: skip


def _counts(state: State, study: Study, *, focus: bool) -> pd.DataFrame | None:
    """Summed counts, samples x genes, of the population in focus or of all cells; None without such cells."""
    sums = sums_of(state).counts
    if focus:
        sums = sums[sums.index.get_level_values("cell_type") == focus_population(state, study)]
    if not len(sums):
        return None
    return sums.groupby(sums.index.get_level_values("sample").astype(str)).sum()


def _not_compared(counts: pd.DataFrame, everywhere: pd.DataFrame | None, cells: str) -> dict[str, str]:
    """Genes of too few counts, or of which other cells have most of the RNA, with the reason."""
    mean = counts.mean()
    few = mean.index[mean < FEWEST_COUNTS]
    reasons = {str(g): f"its RNA has {mean[g]:.1f} counts a sample in {cells}; at least {FEWEST_COUNTS} are needed"
               for g in few}  # fmt: skip
    if everywhere is not None:
        share, of_all = mean / mean.sum(), everywhere.mean() / everywhere.mean().sum()
        for gene in mean.index[(share < AMBIENT * of_all).to_numpy()].difference(few):
            reasons[str(gene)] = (
                f"its RNA is of other cells: in {cells} it has less than a fifth of its share in all cells"
            )
    return reasons


def _rna(counts: pd.DataFrame) -> pd.DataFrame:
    """log2 counts per million, samples x genes."""
    values = counts.to_numpy(float)
    level = log2_counts_per_million(values, values.sum(axis=1) * tmm_factors(values))
    return pd.DataFrame(level, counts.index, counts.columns)


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
