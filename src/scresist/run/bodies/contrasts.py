"""Every comparison of arms; primary against acquired; what tests over cells would have claimed."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from scresist.results import Result
from scresist.run.publishing import attempt, focus_of, focus_population, publish, sums_of
from scresist.run.store import Run
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.run.pipeline import Context


def contrasts(run: Run, study: Study, context: "Context") -> None:
    """Every comparison of arms, with patients as the unit."""
    from scresist import contrasts as stage
    from scresist.power import power_curves

    design = study.design
    if not design.contrasts:
        run.refuse("contrasts", "all comparisons", "the study names no contrast: results describe")
        return
    able = stage.estimable(design)
    publish(run, context, "design", able)
    attempt(run, context, "power", "power", lambda: power_curves(study=study))
    for row in able.table.to_dict("records"):
        if row["verdict"] == "refused":
            run.refuse("contrasts", str(row["contrast"]), row["sentence"])
    counted = run.table("composition").set_index("sample")
    attempt(run, context, "composition_contrasts", "composition", lambda: stage.composition(counted, design))
    scores = run.table("signature_scores")
    if len(scores):
        tidy = scores[["sample", "signature", "cell_type", "value"]]
        attempt(
            run,
            context,
            "signature_contrasts",
            "signatures",
            lambda: stage.contrast_arms(tidy, design, rng=context.seed),
        )
    attempt(run, context, "expression_contrasts", "expression", lambda: _expression(run, study))
    if "module_scores" in run.results:
        attempt(
            run,
            context,
            "module_contrasts",
            "modules",
            lambda: stage.modules(run.results["module_scores"], design, rng=context.seed),
        )
    _compare_resistances(run, study, context)
    _count_flips(run, study, context)
    if context.calibrate:
        attempt(run, context, "calibration", "calibration", lambda: _calibrate(run, study, context))


def _compare_resistances(run: Run, study: Study, context: "Context") -> None:
    """Primary against acquired, where the design has both."""
    from scresist import contrasts as stage

    if not {"primary", "acquired"} <= {c.name for c in study.design.contrasts}:
        return
    if "module_scores" in run.results:
        scores = run.results["module_scores"].table[["sample", "module", "score"]].rename(columns={"score": "value"})
        attempt(
            run,
            context,
            "module_resistance",
            "primary against acquired, modules",
            lambda: stage.primary_against_acquired(scores, study.design, name="module"),
        )
    population = focus_population(run, study)
    attempt(
        run,
        context,
        "expression_resistance",
        "primary against acquired, genes",
        lambda: stage.primary_against_acquired(sums_of(run).of(population), study.design, name="gene"),
    )


def _count_flips(run: Run, study: Study, context: "Context") -> None:
    """What tests over cells and over pairs of cell types would have claimed, and which of it stands over patients."""
    from scresist.usual_tools import over_cells

    for name, compute in (
        (
            "flips",
            lambda: over_cells.gene_flips(run.cells, study, focus_of(run, study), run.table("expression_contrasts")),
        ),
        (
            "module_flips",
            lambda: over_cells.module_flips(
                run.cells, study, focus_of(run, study), run.table("module_contrasts"), context.out
            ),
        ),
        ("flow_flips", lambda: over_cells.flow_flips(run.cells, study, run.table("flow_contrasts"), context.seed)),
    ):
        attempt(run, context, name, name.replace("_", " "), compute)


def _calibrate(run: Run, study: Study, context: "Context") -> Result:
    """The chain from the contrasts on, with the patients shuffled: each kind of claim that the study could make."""
    from scresist import contrasts as stage
    from scresist.study.design import Design

    counted = run.table("composition").set_index("sample")
    sums = sums_of(run).of(focus_population(run, study))
    claims: dict[str, Callable[[Design], pd.DataFrame]] = {
        "expression": lambda d: stage.expression(sums, d, influence=False).table,
    }
    if "composition_contrasts" in run.results:
        claims["composition"] = lambda d: stage.composition(counted, d).table
    links = run.table("communication_samples")
    if "communication_contrasts" in run.results and len(links):
        flows = links.loc[links["level"] == "pathway", ["sample", "source", "target", "pathway", "value"]]
        claims["communication"] = lambda d: stage.contrast_arms(flows, d, influence=False, rng=context.seed).table
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

    return stage.expression(sums_of(run), study.design, keep_genes=study.settings.focus.keep_genes)
