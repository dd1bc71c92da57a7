"""Calibration: the error rates of this study's own tests, with its patients shuffled."""

from collections.abc import Callable

import pandas as pd

from scresist.checks import RefusedError
from scresist.run.bodies.focus import focus_population, sums_of
from scresist.run.step import Context, State, Step
from scresist.study import Design, Study

OPTION = "calibrate"


def calibration(state: State, study: Study, context: Context) -> None:
    """Repeat the contrasts with the patients shuffled: each kind of claim that the study could make."""
    n_shuffles = context.options[OPTION]
    if not n_shuffles or not study.design.contrasts:
        return
    from scresist.contrasts import calibrate

    try:
        state.publish("calibration", calibrate(
            study.design, _claims(state, study, context), n_shuffles=n_shuffles, rng=context.seed))  # fmt: skip
    except RefusedError as refusal:
        state.refuse("calibration", refusal)


def _claims(state: State, study: Study, context: Context) -> dict[str, Callable[[Design], pd.DataFrame]]:
    from scresist import contrasts as stage

    counted = state.table("composition").set_index("sample")
    sums = sums_of(state).of(focus_population(state, study))
    claims: dict[str, Callable[[Design], pd.DataFrame]] = {
        "expression": lambda d: stage.expression(sums, d, influence=False).table,
    }
    if "composition_contrasts" in state.results:
        claims["composition"] = lambda d: stage.composition(counted, d).table
    links = state.table("communication_samples")
    if "communication_contrasts" in state.results and len(links):
        flows = links.loc[links["level"] == "pathway", ["sample", "source", "target", "pathway", "value"]]
        claims["communication"] = lambda d: stage.contrast_arms(flows, d, influence=False, rng=context.seed).table
    scores = state.table("signature_scores")
    if len(scores):
        tidy = scores[["sample", "signature", "cell_type", "value"]]
        claims["signatures"] = lambda d: stage.contrast_arms(tidy, d, influence=False, rng=context.seed).table
    if "module_scores" in state.results:
        modules = state.results["module_scores"]
        claims["modules"] = lambda d: stage.modules(modules, d, rng=context.seed).table
    return claims


STEP = Step(
    name="calibration",
    meaning="measures error rates with the patients of the study shuffled (`scresist run --calibrate B`)",
    body=calibration,
    after=("contrasts", "communication"),
    settings=("focus",),
    design=True,
    option=OPTION,
)
