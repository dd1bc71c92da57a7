"""Validation: the modules of the study in a second cohort: scored, preserved, tested between its arms."""

import shutil
from typing import TYPE_CHECKING

import pandas as pd

from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.second import FOLDER, Second, files_of, require_other_cells, require_shared, second_cohort
from scresist.run.step import Context, State, Step
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.networks import Network, Query

NOT_PRESERVED = "its genes are no module of the second cohort"


def validation(state: State, study: Study, context: Context) -> None:
    """The modules in the second cohort, where the study names one."""
    from scresist import networks

    own = study.settings.validation
    if own.cohort is None or own.cohort.endswith(".h5ad"):  # what an earlier run made of another second cohort
        shutil.rmtree(state.out / FOLDER, ignore_errors=True)
    if own.cohort is None:
        return
    if "modules" not in state.results:
        state.refuse("second cohort", "the study has no module to look for")
        return
    net = networks.load(state.out / "network.zip")
    try:
        second = second_cohort(study, state.out, context)
        require_shared(state.cells.var_names, second.cells.var_names)
        require_other_cells(state.cells, second.cells)
        query = networks.in_other_cells(net, second.cells, rng=context.seed)
    except RefusedError as refusal:
        state.refuse("second cohort", refusal)
        return
    found = networks.preserved_modules(net, query, n_permutations=own.permutations, rng=context.seed)
    table = found.table.assign(cohort=second.name)
    notes = (*second.notes, *query.notes, *found.notes)
    state.publish("validation_preservation", Result(table, found.method, found.settings, notes))
    scores = networks.module_scores(net, second.cells)
    state.publish("validation_scores", _with_patients(scores, second))
    _test(state, second, scores, table, context)
    if own.consensus:
        _agree(state, net, query)


def _with_patients(scores: Result, second: Second) -> Result:
    """The scores with the patient and, where it is known, the arm of each sample."""
    columns = ["patient", *(["arm"] if "arm" in second.cells.obs else [])]
    sheet = second.cells.obs[["sample", *columns]].astype(str).drop_duplicates("sample").set_index("sample")
    table = scores.table.join(sheet, on="sample")
    table = table.assign(arm="") if "arm" not in table else table
    return Result(table[["sample", "patient", "arm", "module", "score", "n_cells"]], scores.method, scores.settings,
                  scores.notes)  # fmt: skip


def _test(state: State, second: Second, scores: Result, preserved: pd.DataFrame, context: Context) -> None:
    """The contrasts of the study between the arms of the second cohort."""
    from scresist import contrasts as stage

    if second.design is None:
        state.refuse("arms of the second cohort", "it has no contrast of the same role (or name, or arms) as the study")
        return
    try:
        tested = stage.replication(scores, second.design, state.table("module_contrasts"), rng=context.seed)
    except RefusedError as refusal:
        state.refuse("arms of the second cohort", refusal)
        return
    table = tested.table.assign(cohort=second.name)
    lost = set(preserved.loc[~preserved["preserved"], "module"])
    doubted = [NOT_PRESERVED if m in lost and not w else w for m, w in zip(table["module"], table["weak"], strict=True)]
    state.publish(
        "validation_modules", Result(table.assign(weak=doubted), tested.method, tested.settings, tested.notes)
    )


def _agree(state: State, net: "Network", query: "Query") -> None:
    """What both cohorts agree on."""
    from scresist import networks

    try:
        state.publish("validation_consensus", networks.shared_modules(net, query))
    except RefusedError as refusal:
        state.refuse("consensus with the second cohort", refusal)


STEP = Step(
    name="validation",
    meaning="looks for the modules in a second cohort: whether they are preserved, and whether its arms differ alike",
    body=validation,
    after=("networks", "contrasts"),
    settings=("validation.cohort", "validation.cohort_results", "validation.consensus", "validation.permutations",
              "focus.compartment", "study.organism"),
    design=True,
    files=files_of,
)  # fmt: skip
