"""Who signals to whom in every sample, and how that differs between arms."""

from typing import TYPE_CHECKING

from scresist.checks import InputError, RefusedError
from scresist.results import Result
from scresist.run_state import Run
from scresist.steps.publishing import publish
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.pipeline import Context


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
    publish(
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

            publish(run, context, "flow_contrasts", contrast_arms(flow, study.design, rng=context.seed))
            publish(
                run,
                context,
                "communication_contrasts",
                stage.contrast_communication(com, study.design, rng=context.seed),
            )
        except (RefusedError, InputError) as refusal:
            run.refuse("communication", "comparison of arms", refusal)
