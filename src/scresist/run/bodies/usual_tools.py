"""Usual tools: what tests over cells and pairs of populations would have claimed, and what patients support."""

from collections.abc import Callable
from functools import partial

from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.bodies.communication import resource_files
from scresist.run.bodies.focus import focus_of
from scresist.run.bodies.register import verdicts_of
from scresist.run.step import Context, State, Step
from scresist.study import Study


def usual_tools(state: State, study: Study, context: Context) -> None:
    """Count the claims that tests over cells make, and those of them that patients support."""
    from scresist import usual_tools as stage

    with_verdicts = partial(verdicts_of, state, study)
    tasks: dict[str, Callable[[], Result]] = {
        "flips": lambda: stage.gene_flips(
            state.cells, study, focus_of(state, study), with_verdicts("expression_contrasts")
        ),
        "module_flips": lambda: stage.module_flips(
            state.cells, study, focus_of(state, study), with_verdicts("module_contrasts"), out=state.out
        ),
        "flow_flips": lambda: stage.flow_flips(state.cells, study, with_verdicts("flow_contrasts"), context.seed),
    }
    for name, compute in tasks.items():
        try:
            state.publish(name, compute())
        except RefusedError as refusal:
            state.refuse(name.replace("_", " "), refusal)


STEP = Step(
    name="usual_tools",
    meaning="repeats the tests over cells that other tools make, and counts which of their claims patients support",
    body=usual_tools,
    after=("contrasts", "communication", "candidates"),
    needs=("contrasts",),
    settings=("focus", "communication", "study.organism"),
    design=True,
    files=resource_files,
    mode=True,
)
