"""Survival: whether genes and modules predict the endpoint, from samples taken before treatment."""

import pandas as pd

from scresist.checks import RefusedError
from scresist.kernels.normalise import log2_counts_per_million
from scresist.run.bodies.focus import focus_population, sums_of
from scresist.run.step import Context, State, Step
from scresist.study import Study

STRONGEST = 50  # genes of the focus, by p-value between arms


def survival(state: State, study: Study, context: Context) -> None:
    """Hazard ratios of the strongest genes and of the modules."""
    from scresist import survival as stage

    endpoint = study.settings.survival
    if endpoint is None:
        return
    values = _values(state, study)
    if values is None:
        state.refuse("all", "the compartment in focus has no value to test")
        return
    people = study.patients.rename_axis("patient")
    try:
        fitted = stage.cox(
            values,
            people,
            time=endpoint.time,
            event=endpoint.event,
            design=study.design,
            measured_in=endpoint.measured_in,
        )
    except RefusedError as refusal:
        state.refuse("Cox models", refusal)
        return
    state.publish("survival", fitted)


def _values(state: State, study: Study) -> pd.DataFrame | None:
    """Module scores, and log2 counts per million of the strongest and the kept genes, samples x features."""
    parts = []
    if "module_scores" in state.results:
        table = state.table("module_scores")
        parts.append(table.pivot_table(index="sample", columns="module", values="score", observed=True))
    tested = state.table("expression_contrasts")
    if len(tested):
        name = focus_population(state, study)
        own = tested[(tested["cell_type"] == name) & tested["p_value"].notna()].sort_values("p_value", kind="stable")
        genes = list(dict.fromkeys([*own["gene"].head(STRONGEST), *study.settings.focus.keep_genes]))
        sums = sums_of(state).counts
        counts = sums[sums.index.get_level_values("cell_type") == name].droplevel("cell_type")
        level = pd.DataFrame(log2_counts_per_million(counts.to_numpy()), counts.index, counts.columns)
        parts.append(level[[g for g in genes if g in level.columns]])
    if not parts:
        return None
    joined = pd.concat(parts, axis=1).rename_axis(index="sample", columns="feature")
    return joined if joined.shape[1] else None


STEP = Step(
    name="survival",
    meaning="fits Cox models of the endpoint, from samples taken before treatment",
    body=survival,
    after=("contrasts",),
    settings=("survival", "focus"),
    sheet=lambda study: ("patient", "arm", "taken"),
    patients=lambda study: study.settings.endpoint_columns,
)
