"""Calibration: the error rates of this study's own tests, with its patients shuffled."""

from collections.abc import Callable, Iterable

import pandas as pd

from scresist.checks import RefusedError
from scresist.run.bodies.focus import focus_population, sums_of
from scresist.run.step import Context, State, Step
from scresist.study import Study

OPTION = "calibrate"


def calibration(state: State, study: Study, context: Context) -> None:
    """Repeat the contrasts with the patients shuffled: each kind of claim that the study could make."""
    n_shuffles = context.options[OPTION]
    if not n_shuffles or not study.design.contrasts:
        return
    from scresist.contrasts import calibrate

    values = _values(state)
    try:
        state.publish("calibration", calibrate(
            study.design, _claims(state, study, context, values), values=values, n_shuffles=n_shuffles,
            rng=context.seed))  # fmt: skip
    except RefusedError as refusal:
        state.refuse("calibration", refusal)


def _claims(
    state: State, study: Study, context: Context, values: Iterable[str]
) -> dict[str, Callable[..., pd.DataFrame]]:
    from scresist import contrasts as stage

    counted = state.table("composition").set_index("sample")
    sums = sums_of(state).of(focus_population(state, study))
    claims: dict[str, Callable[..., pd.DataFrame]] = {
        "expression": lambda d: stage.expression(sums, d, influence=False).table,
    }
    if "composition_contrasts" in state.results:
        claims["composition"] = lambda d: stage.composition(counted, d).table
    for name in values:
        claims[name] = lambda d, table: stage.contrast_arms(table, d, influence=False, rng=context.seed).table
    if "modules" in values:
        cells = state.table("module_scores").groupby("sample")["n_cells"].max()
        claims["modules"] = lambda d, table: stage.modules(table, d, weights=cells, rng=context.seed).table
    return claims


def _values(state: State) -> dict[str, pd.DataFrame]:
    """What is no count, with the columns that name the feature: their residuals are used."""
    found = {}
    links = state.table("communication_samples")
    if "communication_contrasts" in state.results and len(links):
        found["communication"] = links.loc[
            links["level"] == "pathway", ["sample", "source", "target", "pathway", "value"]
        ]
    scores = state.table("signature_scores")
    if len(scores):
        found["signatures"] = scores[["sample", "signature", "cell_type", "value"]]
    if "module_scores" in state.results:
        found["modules"] = state.table("module_scores")[["sample", "module", "score"]]
    return found


STEP = Step(
    name="calibration",
    meaning="measures error rates, patients shuffled or signs of residuals (`scresist run --calibrate B`)",
    body=calibration,
    after=("contrasts", "communication"),
    needs=("contrasts",),
    settings=("focus",),
    design=True,
    option=OPTION,
)
