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


def samples_left(state: State) -> list[str]:
    """The samples that have a cell left.

    Parameters
    ----------
    state
        With the cells.
    """
    return sorted(map(str, state.cells.obs["sample"].unique()))


def restated(state: State, study: Study) -> list[str]:
    """The design over the patients that have cells left, where that is not the sheet's: a sentence per contrast.

    Parameters
    ----------
    state
        With the cells.
    study
        Its design is that of the sheet.
    """
    from scresist.contrasts import losses

    lost = losses(study.design, study.design.of(samples_left(state)))
    return [f"after quality control {name} is {words}" for name, words in lost.items()]


def restated_in_focus(state: State, study: Study) -> list[str]:
    """The same over the patients that have cells in the focus, where these are fewer than those that have any.

    Parameters
    ----------
    state
        With the cells annotated.
    study
        Its design is that of the sheet.
    """
    from scresist.contrasts import losses

    try:
        focus = focus_of(state, study)
    except RefusedError:
        return []
    left = study.design.of(samples_left(state))
    lost = losses(left, left.of(state.cells.obs.loc[focus.mask, "sample"].unique()))
    return [
        f"in the focus ({focus.name}) {name} is {words.replace('as in the sheet', 'as in all cells')}"
        for name, words in lost.items()
    ]
