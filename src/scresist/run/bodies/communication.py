"""Who signals to whom in every sample, what that rests on, and how it differs between arms."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.checks import InputError, RefusedError
from scresist.results import Result
from scresist.run.publishing import publish
from scresist.run.store import Run
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.communication import Communication
    from scresist.run.pipeline import Context

MORE = 10  # times as many relabellings where few exceed a link, unless the study says how many


def communication(run: Run, study: Study, context: "Context") -> None:
    """Who signals to whom in every sample, what that rests on, and how it differs between arms."""
    from scresist import communication as stage

    own, organism = study.settings.communication, study.settings.study.organism
    resource = own.resource if own.resource.startswith("cellchatdb") else study.folder / own.resource
    most = own.permutations * MORE if own.permutations_max is None else own.permutations_max
    try:
        com = stage.infer(
            run.cells, groupby="population", mode=context.mode, resource=resource, permutations=own.permutations,
            permutations_max=most if context.mode == "sound" else None, min_cells=own.min_cells, organism=organism,
            rng=context.seed,
        )  # fmt: skip
    except (RefusedError, InputError) as refusal:  # the inputs were checked before: the cells do not suffice
        run.refuse("communication", "ligand-receptor links", refusal)
        return
    table = com.table
    if "sample" not in table:
        table.insert(0, "sample", "all")
    links = Result(table, "CellChat's probability, per sample", com.settings, com.notes)
    publish(run, context, "communication", links, ".parquet")
    whole = stage.read_resource("cellchatdb:all" if own.resource.startswith("cellchatdb") else resource, organism)
    _describe(run, context, com, whole)
    if context.mode == "sound":
        _compare(run, study, context, com, whole)


def _describe(run: Run, context: "Context", com: "Communication", whole: Any) -> None:
    """What every link rests on, and how other scores rank it."""
    from scresist import communication as stage

    evidence = Result(stage.link_evidence(run.cells, com, resource=whole), "samples, cells and soup behind each link")
    publish(run, context, "communication_evidence", evidence, ".parquet")
    scores = Result(stage.score_links(run.cells, com, resource=whole), "seven scores and the rank they agree on")
    publish(run, context, "communication_scores", scores, ".parquet")


def _compare(run: Run, study: Study, context: "Context", com: "Communication", whole: Any) -> None:
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
    publish(run, context, "communication_samples", Result(values, "summed probability per sample"), ".parquet")
    chain = _noted(run, "from signal to response", lambda: stage.signal_chain(run.cells, com, resource=whole))
    if chain is not None:
        publish(run, context, "signal_chain", Result(chain, "ligand, receptor and response per sample"), ".parquet")
    if not design.contrasts:
        return
    flow = each["pathway"].groupby(["sample", "pathway"], as_index=False)["value"].mean()
    asked: dict[str, tuple[str, Callable[[], Result]]] = {
        "flow_contrasts": ("comparison of arms", lambda: contrast_arms(flow, design, rng=seed)),
        "communication_contrasts": (
            "comparison of links", lambda: stage.contrast_communication(com, design, rng=seed)),
    }  # fmt: skip
    if chain is not None:
        asked["signal_chain_contrasts"] = (
            "comparison of responses", lambda: stage.contrast_steps(chain, design, rng=seed))  # fmt: skip
    for name, (what, compute) in asked.items():
        result = _noted(run, what, compute)
        if result is not None:
            publish(run, context, name, result)


def _noted(run: Run, what: str, compute: Callable[[], Any]) -> Any:
    """What was computed, or None with the reason noted."""
    try:
        return compute()
    except (RefusedError, InputError) as refusal:  # the inputs were checked before: the data do not suffice
        run.refuse("communication", what, refusal)
        return None
