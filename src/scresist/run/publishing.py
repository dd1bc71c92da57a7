"""How a step hands over: its result to later steps and to the folder at once, or the reason there is none."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from scresist.checks import InputError, RefusedError
from scresist.results import Result, write_table
from scresist.run.store import Run
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.cells import Focus, Pseudobulk
    from scresist.run.pipeline import Context


def publish(run: Run, context: "Context", name: str, result: Result, suffix: str = ".csv") -> None:
    """Keep a result for later steps and put its table into the results folder at once."""
    run.results[name] = result
    run.published[name] = f"tables/{name}{suffix}"
    write_table(result.table, context.out / run.published[name])


def attempt(run: Run, context: "Context", name: str, what: str, compute: Callable[[], Result]) -> None:
    """Publish a result, or note why there is none."""
    try:
        result = compute()
    except (RefusedError, InputError) as refusal:  # the inputs were checked before: the data do not suffice
        run.refuse("contrasts", what, refusal)
        return
    publish(run, context, name, result)


def focus_of(run: Run, study: Study) -> "Focus":
    """The cells in focus.

    Raises
    ------
    RefusedError
        If there are none.
    """
    from scresist.cells import resolve_focus
    from scresist.study.cell_names import cell_names

    return resolve_focus(
        run.cells.obs, study.settings.focus.compartment, known=cell_names(study.settings, study.folder)
    )


def focus_population(run: Run, study: Study) -> str:
    """The population that stands for the compartment in focus; the name of the compartment where it has no cell."""
    try:
        return focus_of(run, study).population
    except RefusedError:
        return study.settings.focus.compartment


def sums_of(run: Run) -> "Pseudobulk":
    """The counts per sample and population that the microenvironment step summed."""
    from scresist.cells import read_pseudobulk

    return read_pseudobulk(run.table("pseudobulk"), run.table("pseudobulk_groups"))
