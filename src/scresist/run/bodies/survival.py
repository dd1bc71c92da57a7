"""Whether genes and modules predict the endpoint."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.checks import InputError
from scresist.kernels.normalise import log2_counts_per_million
from scresist.run.publishing import focus_population, publish, sums_of
from scresist.run.store import Run
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.run.pipeline import Context


def survival(run: Run, study: Study, context: "Context") -> None:
    """Whether the strongest genes and the modules predict the endpoint, from samples taken before its clock ran."""
    from scresist import survival as stage

    asked = study.settings.survival
    if asked is None:
        return
    tested = run.table("expression_contrasts")
    values = _patient_values(run, study, tested)
    if values is None:
        run.refuse("survival", "all", "the compartment in focus has no value to test")
        return
    design, measured_in = _before_the_clock(study, asked.measured_in)
    if measured_in is not None and not measured_in:
        run.refuse(
            "survival",
            "all",
            "no sample was taken before treatment: a value measured at progression never predicts that progression",
        )
        return
    values = values[values.index.isin(design.samples.index)]
    people = study.patients.rename_axis("patient")
    try:
        fitted = stage.cox(values, people, time=asked.time, event=asked.event, design=design, measured_in=measured_in)
    except InputError as refusal:
        run.refuse("survival", "Cox models", refusal)
        return
    publish(run, context, "survival", fitted)


def _before_the_clock(study: Study, named: list[str] | None) -> tuple[Any, list[str] | None]:
    """The design of the samples that may predict the endpoint, and their arms: named, or by their time point."""
    from dataclasses import replace

    from scresist.study.sheet_checks import BEFORE

    design = study.design
    if named is not None or "timepoint" not in design.samples:
        return design, named
    early = design.samples["timepoint"].astype(str).str.lower().isin(BEFORE)
    kept = design.samples[early.to_numpy()]
    return replace(design, samples=kept), [a for a in design.arms if a in set(kept["arm"])]


def _patient_values(run: Run, study: Study, tested: pd.DataFrame) -> pd.DataFrame | None:
    """Module scores, and log2 counts per million of the 50 strongest and the kept genes, samples x features."""
    parts = []
    if "module_scores" in run.results:
        table = run.table("module_scores")
        parts.append(table.pivot_table(index="sample", columns="module", values="score", observed=True))
    if len(tested):
        name = focus_population(run, study)
        own = tested[(tested["cell_type"] == name) & tested["p_value"].notna()].sort_values("p_value", kind="stable")
        genes = list(dict.fromkeys([*own["gene"].head(50), *study.settings.focus.keep_genes]))
        sums = sums_of(run).counts
        counts = sums[sums.index.get_level_values("cell_type") == name].droplevel("cell_type")
        level = pd.DataFrame(log2_counts_per_million(counts.to_numpy()), counts.index, counts.columns)
        parts.append(level[[g for g in genes if g in level.columns]])
    if not parts:
        return None
    joined = pd.concat(parts, axis=1).rename_axis(index="sample", columns="feature")
    return joined if joined.shape[1] else None
