"""Who signals to whom in every sample, what that rests on, and how it differs between arms."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.step import Context, State, Step
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.communication import Communication

MORE = 10  # times as many relabellings where few exceed a link, unless the study says how many


def communication(state: State, study: Study, context: Context) -> None:
    """Who signals to whom in every sample, what that rests on, and how it differs between arms."""
    from scresist import communication as stage

    own, organism = study.settings.communication, study.settings.study.organism
    resource = stage.locate_resource(own.resource, study.folder)
    at_most = own.permutations * MORE if own.permutations_max is None else own.permutations_max
    try:
        com = stage.infer(
            state.cells, groupby="population", mode=context.mode, resource=resource, permutations=own.permutations,
            permutations_max=at_most if context.mode == "sound" else None, min_cells=own.min_cells, organism=organism,
            average=own.average, trim=own.trim, population_size=own.population_size, rng=context.seed,
        )  # fmt: skip
    except RefusedError as refusal:
        state.refuse("ligand-receptor links", refusal)
        return
    table = com.table
    if "sample" not in table:
        table.insert(0, "sample", "all")
    links = Result(table, "CellChat's probability, per sample", com.settings, com.notes)
    state.publish("communication", links)
    whole = stage.read_resource("cellchatdb:all" if stage.is_shipped(resource) else resource, organism)
    _describe(state, com, whole)
    if context.mode == "sound":
        _compare(state, study, context, com, whole)


def _describe(state: State, com: "Communication", whole: Any) -> None:
    """What every link rests on, and how other scores rank it."""
    from scresist import communication as stage

    evidence = Result(stage.link_evidence(state.cells, com, resource=whole), "samples, cells and soup behind each link")
    state.publish("communication_evidence", evidence)
    scores = Result(stage.score_links(state.cells, com, resource=whole), "seven scores and the rank they agree on")
    state.publish("communication_scores", scores)


def _compare(state: State, study: Study, context: Context, com: "Communication", whole: Any) -> None:
    """Values per sample, and their differences between arms."""
    from scresist import communication as stage
    from scresist.contrasts import contrast_arms

    design, seed = study.design, context.seed
    levels = ("pathway", "outgoing", "incoming")
    each = {level: stage.interaction_table(com, level=level) for level in levels}
    named = [
        table.rename(columns={"group": "target" if level == "incoming" else "source"}).assign(level=level)
        for level, table in each.items()
    ]
    values = pd.concat(named, ignore_index=True)[["level", "sample", "source", "target", "pathway", "value"]]
    state.publish("communication_samples", Result(values, "probability per sample: sum over pairs, mean over partners"))
    chain = _noted(
        state,
        "from signal to response",
        lambda: stage.signal_chain(state.cells, com, resource=whole, organism=study.settings.study.organism),
    )
    if chain is not None:
        state.publish("signal_chain", Result(chain, "ligand, receptor and response per sample"))
    if not design.contrasts:
        return
    flow = each["pathway"].groupby(["sample", "pathway"], as_index=False)["value"].mean()
    depth = stage.depths(state.cells, com)

    def doubted(result: Result) -> Result:
        return stage.with_depth_doubts(result, depth, design, rng=seed)

    tasks: dict[str, tuple[str, Callable[[], Result]]] = {
        "flow_contrasts": ("comparison of arms", lambda: doubted(contrast_arms(flow, design, rng=seed))),
        "communication_contrasts": (
            "comparison of links", lambda: doubted(stage.contrast_communication(com, design, rng=seed))),
    }  # fmt: skip
    if chain is not None:
        tasks["signal_chain_contrasts"] = (
            "comparison of responses", lambda: doubted(stage.contrast_steps(chain, design, rng=seed)))  # fmt: skip
    for name, (what, compute) in tasks.items():
        result = _noted(state, what, compute)
        if result is not None:
            state.publish(name, result)


def _noted(state: State, what: str, compute: Callable[[], Any]) -> Any:
    """What was computed, or None with the reason noted."""
    try:
        return compute()
    except RefusedError as refusal:
        state.refuse(what, refusal)
        return None


def resource_files(study: Study) -> list[Path]:
    """The files of the study's own ligand-receptor table.

    Parameters
    ----------
    study
        The study.
    """
    from scresist import communication as stage

    return stage.resource_files(study.settings.communication.resource, study.folder)


STEP = Step(
    name="communication",
    meaning="infers who signals to whom in every sample, and compares the arms",
    body=communication,
    after=("microenvironment",),
    settings=("communication", "study.organism"),
    design=True,
    files=resource_files,
    mode=True,
)
