"""The bodies of the steps: call the stages in turn, put their results where the next step and the folder look."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scresist.checks import DesignError, InputError, RefusedError
from scresist.results import Result, write_table
from scresist.run_state import Run, hash_files
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.pipeline import Context

UNASSIGNED = "unassigned"
OUTPUTS = {"report": ("report.html", "cohort.h5ad", "tables/cells.parquet")}
MAYBE = {"report": ("claims.csv",), "networks": ("network.zip",)}


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


def outputs_exist(step: str, out: Path) -> bool:
    """Whether the files a step leaves outside its kept state are still there."""
    return all((out / name).exists() for name in OUTPUTS.get(step, ()))


def remove_outputs(step: str, out: Path) -> None:
    """Remove the files a step left outside its kept state: they are of other settings."""
    for name in (*OUTPUTS.get(step, ()), *MAYBE.get(step, ())):
        (out / name).unlink(missing_ok=True)


def after_load(step: str, run: Run) -> None:
    """Make again what is not kept on disk: the normalised matrix, which follows from the counts."""
    if step == "embed":
        from scresist.embed import normalise

        normalise(run.cells)


def _publish(run: Run, context: "Context", name: str, result: Result, suffix: str = ".csv") -> None:
    """Keep a result for later steps and put its table into the results folder at once."""
    run.results[name] = result
    run.published[name] = f"tables/{name}{suffix}"
    write_table(result.table, context.out / run.published[name])


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
        scheduler=context.scheduler,
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


def networks(run: Run, study: Study, context: "Context") -> None:
    """Modules of co-expression in the compartment in focus, and their scores per sample."""
    import warnings

    from scresist import networks as stage
    from scresist.populations import in_compartment

    cells, focus, own = run.cells, study.settings.focus, study.settings.networks
    try:
        in_compartment(cells, focus.compartment)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", stage.PowerWarning)
            net = stage.build(
                cells,
                groupby=("patient", "population"),
                compartment=focus.compartment,
                mode=context.mode,
                min_module_size=own.min_module_size,
                select="variable",
                fraction=own.fraction,
                n_genes=own.n_genes,
                keep_genes=[g for g in focus.keep_genes if g in cells.var_names],
                rng=context.seed,
            )
    except (RefusedError, InputError) as refusal:  # the inputs were checked before: the cells do not suffice
        run.refuse("networks", f"modules of {focus.compartment} cells", refusal)
        return
    for warning in said:
        run.refuse("networks", "soft threshold", warning.message)
    if own.bootstraps:
        try:
            again = stage.stability(
                net, n_bootstraps=own.bootstraps, rng=context.seed, workers=context.workers, scheduler=context.scheduler
            )
            net = stage.with_stability(net, again)
        except (DesignError, RefusedError) as refusal:
            run.refuse("networks", "stability of modules", refusal)
    net.save(context.out / "network.zip")
    modules = net.modules[net.modules["module"] != UNASSIGNED].assign(compartment=focus.compartment)
    columns = ["compartment", "module", "gene", "kme", "rank"]
    table = modules[[*columns, *(c for c in modules.columns if c not in columns)]]
    _publish(run, context, "modules", Result(table, "co-expression network over metacells", notes=net.notes))
    scores = stage.module_scores(net, cells)
    _publish(run, context, "module_scores", scores)


def communication(run: Run, study: Study, context: "Context") -> None:
    """Who signals to whom in every sample, and how that differs between arms."""
    from scresist import communication as stage

    own = study.settings.communication
    try:
        com = stage.infer(
            run.cells,
            groupby="population",
            mode=context.mode,
            resource=own.resource if own.resource.startswith("cellchatdb") else study.folder / own.resource,
            permutations=own.permutations,
            min_cells=own.min_cells,
            organism=study.settings.study.organism,
            rng=context.seed,
        )
    except (RefusedError, InputError) as refusal:  # the inputs were checked before: the cells do not suffice
        run.refuse("communication", "ligand-receptor links", refusal)
        return
    table = com.table
    if "sample" not in table:
        table.insert(0, "sample", "all")
    _publish(
        run,
        context,
        "communication",
        Result(table, "CellChat's probability, per sample", com.settings, com.notes),
        ".parquet",
    )
    if study.design.contrasts and context.mode == "sound":
        flow = stage.interaction_table(com, level="pathway")
        flow = flow.groupby(["sample", "pathway"], as_index=False)["value"].mean()
        try:
            from scresist.contrasts import contrast_arms

            _publish(run, context, "flow_contrasts", contrast_arms(flow, study.design, rng=context.seed))
            _publish(
                run,
                context,
                "communication_contrasts",
                stage.contrast_communication(com, study.design, rng=context.seed),
            )
        except (RefusedError, InputError) as refusal:
            run.refuse("communication", "comparison of arms", refusal)


def contrasts(run: Run, study: Study, context: "Context") -> None:
    """Every comparison of arms, with patients as the unit."""
    from scresist import contrasts as stage

    design = study.design
    if not design.contrasts:
        run.refuse("contrasts", "all comparisons", "the study names no contrast: results describe")
        return
    able = stage.estimable(design)
    _publish(run, context, "design", able)
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
    if "module_scores" in run.results:
        _try(
            run,
            context,
            "module_contrasts",
            "modules",
            lambda: stage.modules(run.results["module_scores"], design, rng=context.seed),
        )
    _compare_resistances(run, study, context)
    _count_flips(run, study, context)
    if context.calibrate:
        _try(run, context, "calibration", "calibration", lambda: _calibrate(run, study, context))


def _compare_resistances(run: Run, study: Study, context: "Context") -> None:
    """Primary against acquired, where the design has both."""
    from scresist import contrasts as stage

    if not {"primary", "acquired"} <= {c.name for c in study.design.contrasts}:
        return
    if "module_scores" in run.results:
        scores = run.results["module_scores"].table[["sample", "module", "score"]].rename(columns={"score": "value"})
        _try(
            run,
            context,
            "module_resistance",
            "primary against acquired, modules",
            lambda: stage.primary_against_acquired(scores, study.design, name="module"),
        )
    sums = stage.pseudobulk(run.cells, groupby="population")
    _try(
        run,
        context,
        "expression_resistance",
        "primary against acquired, genes",
        lambda: stage.primary_against_acquired(_only(sums, focus_population(run, study)), study.design, name="gene"),
    )


def _only(sums: Any, population: str) -> Any:
    """The sums of one population."""
    from scresist.contrasts import Pseudobulk

    inside = sums.counts.index.get_level_values("cell_type") == population
    if not inside.any():
        raise RefusedError(f"no sample has enough cells of {population}")
    return Pseudobulk(sums.counts[inside], sums.groups[sums.groups["cell_type"] == population])


def _count_flips(run: Run, study: Study, context: "Context") -> None:
    """What tests over cells and over pairs of cell types would have claimed, and which of it stands over patients."""
    from scresist import over_cells

    for name, compute in (
        ("flips", lambda: over_cells.gene_flips(run.cells, study, run.table("expression_contrasts"))),
        ("module_flips", lambda: over_cells.module_flips(run.cells, study, run.table("module_contrasts"), context.out)),
        ("flow_flips", lambda: over_cells.flow_flips(run.cells, study, run.table("flow_contrasts"), context.seed)),
    ):
        _try(run, context, name, name.replace("_", " "), compute)


def _calibrate(run: Run, study: Study, context: "Context") -> Result:
    """The chain from the contrasts on, with the patients shuffled."""
    from scresist import contrasts as stage
    from scresist.design import Design

    counted = run.table("composition").set_index("sample")
    sums = _only(stage.pseudobulk(run.cells, groupby="population"), focus_population(run, study))
    claims: dict[str, Callable[[Design], pd.DataFrame]] = {
        "composition": lambda d: stage.composition(counted, d).table,
        "expression": lambda d: stage.expression(sums, d, influence=False).table,
    }
    scores = run.table("signature_scores")
    if len(scores):
        tidy = scores[["sample", "signature", "cell_type", "value"]]
        claims["signatures"] = lambda d: stage.contrast_arms(tidy, d, influence=False, rng=context.seed).table
    if "module_scores" in run.results:
        modules = run.results["module_scores"]
        claims["modules"] = lambda d: stage.modules(modules, d, rng=context.seed).table
    return stage.calibrate(study.design, claims, n_shuffles=context.calibrate, rng=context.seed)


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
    except (RefusedError, InputError) as refusal:  # the inputs were checked before: the data do not suffice
        run.refuse("contrasts", what, refusal)
        return
    _publish(run, context, name, result)


def focus_population(run: Run, study: Study) -> str:
    """The population that stands for the compartment in focus."""
    from scresist.populations import focus_name

    return focus_name(run.cells, study.settings.focus.compartment)


def survival(run: Run, study: Study, context: "Context") -> None:
    """Whether the strongest genes and the modules predict the endpoint, from samples taken before its clock ran."""
    from scresist import survival as stage

    asked = study.settings.survival
    if asked is None:
        return
    tested = run.table("expression_contrasts")
    values = _patient_values(run, study, tested)
    if values is None:
        run.refuse("survival", "all", "the compartment in focus has no value to test")
        return
    design, measured_in = _before_the_clock(study, asked.measured_in)
    if measured_in is not None and not measured_in:
        run.refuse(
            "survival",
            "all",
            "no sample was taken before treatment: a value measured at progression never predicts that progression",
        )
        return
    values = values[values.index.isin(design.samples.index)]
    people = study.patients.rename_axis("patient")
    try:
        fitted = stage.cox(values, people, time=asked.time, event=asked.event, design=design, measured_in=measured_in)
    except InputError as refusal:
        run.refuse("survival", "Cox models", refusal)
        return
    _publish(run, context, "survival", fitted)


def _before_the_clock(study: Study, named: list[str] | None) -> tuple[Any, list[str] | None]:
    """The design of the samples that may predict the endpoint, and their arms: named, or by their time point."""
    from dataclasses import replace

    from scresist.study_sheets import BEFORE

    design = study.design
    if named is not None or "timepoint" not in design.samples:
        return design, named
    early = design.samples["timepoint"].astype(str).str.lower().isin(BEFORE)
    kept = design.samples[early.to_numpy()]
    return replace(design, samples=kept), [a for a in design.arms if a in set(kept["arm"])]


def _patient_values(run: Run, study: Study, tested: pd.DataFrame) -> pd.DataFrame | None:
    """Module scores, and log2 counts per million of the 50 strongest and the kept genes, samples x features."""
    from scresist import contrasts as stage

    parts = []
    if "module_scores" in run.results:
        table = run.table("module_scores")
        parts.append(table.pivot_table(index="sample", columns="module", values="score", observed=True))
    if len(tested):
        name = focus_population(run, study)
        own = tested[(tested["cell_type"] == name) & tested["p_value"].notna()].sort_values("p_value", kind="stable")
        genes = list(dict.fromkeys([*own["gene"].head(50), *study.settings.focus.keep_genes]))
        sums = stage.pseudobulk(run.cells, groupby="population").counts
        inside = sums.index.get_level_values("cell_type") == name
        counts = sums[inside].droplevel("cell_type")
        level = np.log2(counts.mul(1e6 / counts.sum(axis=1), axis=0) + 1)
        parts.append(level[[g for g in genes if g in level.columns]])
    if not parts:
        return None
    joined = pd.concat(parts, axis=1).rename_axis(index="sample", columns="feature")
    return joined if joined.shape[1] else None


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
    if own["p_value"].isna().all():
        run.refuse("candidates", "ranking", "no gene of the compartment could be tested over patients: none is ranked")
        return
    ranked = stage.rank(
        own,
        stage.provenance(run.cells, inside),
        modules=run.table("modules"),
        module_contrasts=run.table("module_contrasts"),
        survival=run.table("survival"),
        keep_genes=focus.keep_genes,
    )
    _publish(run, context, "candidates", ranked)
    genes = list(dict.fromkeys([*ranked.table.groupby("contrast").head(12)["gene"], *focus.keep_genes]))
    _publish(run, context, "candidate_values", _values(run, inside, [g for g in genes if g in run.cells.var_names]))


def _values(run: Run, inside: np.ndarray, genes: list[str]) -> Result:
    """Log2 counts per million of some genes in the compartment, per patient and arm: what the figures show."""
    from scresist.kernels.aggregate import sum_by_group

    cells = run.cells
    key = cells.obs["patient"].astype(str) + "\t" + cells.obs["arm"].astype(str)
    units = pd.Categorical(key.where(inside))
    sums = sum_by_group(cells.layers["counts"], units.codes.astype(int), len(units.categories))
    level = np.log2(1e6 * sums / sums.sum(axis=1, keepdims=True) + 1)
    names = pd.DataFrame([u.split("\t") for u in units.categories], columns=["patient", "arm"])
    n = np.bincount(units.codes[units.codes >= 0], minlength=len(names))
    tables = [names.assign(gene=g, value=level[:, cells.var_names.get_loc(g)], n_cells=n) for g in genes]
    return Result(pd.concat(tables, ignore_index=True), "log2 counts per million of the summed compartment")


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
    from scresist.contrasts import register_claims

    kinds = {
        "expression_contrasts": "expression",
        "module_contrasts": "modules",
        "composition_contrasts": "composition",
        "signature_contrasts": "signatures",
        "communication_contrasts": "communication",
        "survival": "survival",
    }
    tables = {kind: run.results[name] for name, kind in kinds.items() if name in run.results}
    if study.design.contrasts:
        claims = register_claims(tables, study.design, keep=study.settings.focus.keep_genes)
        write_table(claims.table, context.out / "claims.csv")
    stage.rebuild(context.out)
