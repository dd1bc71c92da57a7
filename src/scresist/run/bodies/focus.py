"""What several steps ask of the cohort: the cells in focus, their population, and the counts summed per sample."""

from scresist.cells import Focus, Pseudobulk, read_pseudobulk, resolve_focus
from scresist.checks import RefusedError
from scresist.run.step import State
from scresist.study import Study
from scresist.study.cell_names import cell_names


def focus_of(state: State, study: Study) -> Focus:
    """The cells in focus.

    Parameters
    ----------
    state
        With the cells annotated.
    study
        Its setting `focus.compartment` names the cells.

    Raises
    ------
    RefusedError
        If there are none.
    """
    if state.focus is None:
        known = cell_names(study.settings, study.folder)
        state.focus = resolve_focus(state.cells.obs, study.settings.focus.compartment, known=known)
    return state.focus


def focus_population(state: State, study: Study) -> str:
    """The population of the compartment in focus; the name of the compartment where it has no cell."""
    try:
        return focus_of(state, study).population
    except RefusedError:
        return study.settings.focus.compartment


def sums_of(state: State) -> Pseudobulk:
    """The counts per sample and population that the microenvironment step summed."""
    if state.sums is None:
        state.sums = read_pseudobulk(state.table("pseudobulk"), state.table("pseudobulk_groups"))
    return state.sums
