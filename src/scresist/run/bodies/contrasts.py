"""Contrasts: every comparison of arms, with patients as the unit, and primary against acquired resistance."""

from collections.abc import Callable
from typing import Any

from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.bodies.focus import focus_population, restated, restated_in_focus, samples_left, sums_of
from scresist.run.step import Context, State, Step
from scresist.study import Study


def contrasts(state: State, study: Study, context: Context) -> None:
    """Every comparison of arms, with patients as the unit."""
    from scresist import contrasts as stage

    design = study.design
    if not design.contrasts:
        state.refuse("all comparisons", "the study names no contrast, so the results only describe")
        return
    able = stage.estimable(design, kept=samples_left(state))
    state.publish("design", able)
    for row in able.table.to_dict("records"):
        if row["verdict"] == "refused":
            state.refuse(str(row["contrast"]), row["sentence"])
    for sentence in (*restated(state, study), *restated_in_focus(state, study)):
        state.refuse("patients", sentence)
    counted = state.table("composition").set_index("sample")
    _attempt(state, "composition_contrasts", "composition", lambda: stage.composition(counted, design))
    scores = state.table("signature_scores")
    if len(scores):
        tidy = scores[["sample", "signature", "cell_type", "value"]]
        _attempt(state, "signature_contrasts", "signatures",
                 lambda: stage.contrast_arms(tidy, design, rng=context.seed))  # fmt: skip
    proteins = state.table("protein_scores")
    if len(proteins):
        tidy = proteins.loc[~proteins["control"].astype(bool), ["sample", "protein", "cell_type", "value"]]
        _attempt(state, "protein_contrasts", "antibodies",
                 lambda: stage.contrast_arms(tidy, design, rng=context.seed))  # fmt: skip
    _attempt(state, "expression_contrasts", "expression", lambda: _expression(state, study))
    if "module_scores" in state.results:
        _attempt(state, "module_contrasts", "modules",
                 lambda: stage.modules(state.results["module_scores"], design, rng=context.seed))  # fmt: skip
    _compare_resistances(state, study)


def _attempt(state: State, name: str, what: str, compute: Callable[[], Result]) -> None:
    """Publish a result, or record why there is none."""
    try:
        result = compute()
    except RefusedError as refusal:
        state.refuse(what, refusal)
        return
    state.publish(name, result)


def _compare_resistances(state: State, study: Study) -> None:
    """Primary against acquired, where the design has a contrast of each role."""
    from scresist import contrasts as stage

    design = study.design
    primary, acquired = design.with_role("primary"), design.with_role("acquired")
    if primary is None or acquired is None:
        return

    def compare(values: Any, name: str) -> Result:
        return stage.primary_against_acquired(values, design, name=name, primary=primary.name, acquired=acquired.name)

    if "module_scores" in state.results:
        scores = state.table("module_scores")[["sample", "module", "score"]].rename(columns={"score": "value"})
        what = "primary against acquired, modules"
        _attempt(state, "module_resistance", what, lambda: compare(scores, "module"))
    what, population = "primary against acquired, genes", focus_population(state, study)
    _attempt(state, "expression_resistance", what, lambda: compare(sums_of(state).of(population), "gene"))


def _expression(state: State, study: Study) -> Result:
    from scresist import contrasts as stage

    return stage.expression(sums_of(state), study.design, keep_genes=study.settings.focus.keep_genes)


STEP = Step(
    name="contrasts",
    meaning="compares the arms: genes, modules, composition, signatures; primary against acquired resistance",
    body=contrasts,
    after=("microenvironment", "networks"),
    needs=("microenvironment",),
    settings=("focus",),
    design=True,
)
