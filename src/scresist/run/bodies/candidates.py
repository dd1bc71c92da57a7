"""The ranking of the genes of the compartment in focus, and what its figures show."""

import numpy as np
import pandas as pd

from scresist import resources
from scresist.checks import RefusedError
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.normalise import log2_counts_per_million
from scresist.results import Result
from scresist.run.bodies.focus import focus_of, focus_population
from scresist.run.bodies.register import tables_of_tests
from scresist.run.step import Context, State, Step
from scresist.study import Study
from scresist.study.panel import read_panel


def candidates(state: State, study: Study, context: Context) -> None:
    """Join the evidence per gene of the focus compartment."""
    import scresist.evidence as stage
    from scresist.contrasts import study_levels

    focus = study.settings.focus
    tested = state.table("expression_contrasts")
    inside: np.ndarray | None = None
    try:
        inside = focus_of(state, study).mask
    except RefusedError as refusal:
        state.refuse(f"compartment {focus.compartment}", refusal)
    if len(tested):
        state.publish("gene_doubts", _doubts(state, study, tested, inside))
    scored = _scored(state, study, inside)
    levels = study_levels(tables_of_tests(state, study, scored), primary=study.design.primary)
    if len(levels.table):
        state.publish("families", levels)
    if inside is None or scored is None:
        return
    ranked = stage.judge_genes(
        scored, contrast_verdicts=state.table("design"), levels=levels.table, keep_genes=focus.keep_genes
    )
    state.publish("candidates", ranked)
    state.publish("candidates_sensitivity", stage.sensitivity(ranked))
    genes = list(dict.fromkeys([*ranked.table.groupby("contrast").head(12)["gene"], *focus.keep_genes]))
    state.publish("candidate_values", _values(state, inside, [g for g in genes if g in state.cells.var_names]))


def _scored(state: State, study: Study, inside: np.ndarray | None) -> pd.DataFrame | None:
    """The evidence and the doubts of every gene of the focus; None, with the reason recorded, where there is none."""
    import scresist.evidence as stage

    tested = state.table("expression_contrasts")
    if inside is None:
        return None
    if not len(tested):
        state.refuse("ranking", "no comparison of arms was made, so no candidate is ranked")
        return None
    own = tested[tested["cell_type"] == focus_population(state, study)]
    if own["p_value"].isna().all():
        state.refuse("ranking", "no gene of the compartment could be tested over patients: none is ranked")
        return None
    return stage.score_genes(
        own,
        stage.provenance(state.cells, inside),
        modules=state.table("modules"),
        module_contrasts=state.table("module_contrasts"),
        survival=state.table("survival"),
        others=stage.change_in_others(tested, focus_population(state, study), apart=_sharing(state, inside)),
        technical=stage.technical(state.cells, inside, study.design),
        panel=_panel(study),
        bench=state.table("validation_agreement"),
    )


def _panel(study: Study) -> pd.DataFrame:
    """The known routes of escape: the study's own, else those that are shipped."""
    own = study.settings.candidates.panel
    if own is not None:
        return read_panel(study.folder / own, own)
    return resources.translated_table(resources.known_escape(), study.settings.study.organism)


def _doubts(state: State, study: Study, tested: pd.DataFrame, focused: np.ndarray | None) -> Result:
    """Soup, and a change of all cells alike, for the genes found in every population."""
    import scresist.evidence as stage

    focus, cells = focus_population(state, study), state.cells
    found = tested[tested["q_value"] < ALPHA]
    whole = stage.counts_per_patient(cells)
    parts = []
    for name in dict.fromkeys([focus, *found["cell_type"]]):
        inside = focused if name == focus and focused is not None else (cells.obs["population"] == name).to_numpy()
        own = tested[(tested["cell_type"] == name) & (tested["p_value"] < ALPHA)]
        if not inside.any() or own.empty:
            continue
        table = own.join(stage.provenance(cells, inside, per_patient=whole), on="gene")
        apart = [*_sharing(state, inside), *([focus] if focused is not None and (inside & focused).any() else [])]
        table = table.join(stage.change_in_others(tested, name, apart=apart), on=["gene", "contrast"])
        table = table.assign(**{f"doubt_{what}": size for what, size in stage.doubts(table).items()})
        table["doubts"] = ["; ".join(stage.doubt_sentences(row)) for row in table.to_dict("records")]
        parts.append(table[["cell_type", "contrast", "gene", "doubt_ambient", "doubt_elsewhere", "doubts"]])
    columns = ["cell_type", "contrast", "gene", "doubt_ambient", "doubt_elsewhere", "doubts"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return Result(table, "share of a change that soup or all cells alike may explain")


def _sharing(state: State, inside: np.ndarray) -> list[str]:
    """The populations that have some of these cells: what they show is no evidence of other cells."""
    return sorted(state.cells.obs["population"].astype(str)[inside].unique())


def _values(state: State, inside: np.ndarray, genes: list[str]) -> Result:
    """Log2 counts per million of some genes in the compartment, per patient and arm: what the figures show."""
    from scresist.cells import sum_counts

    cells = state.cells
    key = cells.obs["patient"].astype(str) + "\t" + cells.obs["arm"].astype(str)
    units = pd.Categorical(key.where(inside))
    sums = sum_counts(cells, units.codes, len(units.categories))
    level = log2_counts_per_million(sums)
    names = pd.DataFrame([u.split("\t") for u in units.categories], columns=["patient", "arm"])
    n = np.bincount(units.codes[units.codes >= 0], minlength=len(names))
    tables = [names.assign(gene=g, value=level[:, cells.var_names.get_loc(g)], n_cells=n) for g in genes]
    return Result(pd.concat(tables, ignore_index=True), "log2 counts per million of the summed compartment")


STEP = Step(
    name="candidates",
    meaning="joins the evidence per gene of the focus, ranks the genes, and sets the level of every family of tests",
    body=candidates,
    after=("contrasts", "survival", "communication", "validation", "bench"),
    needs=("contrasts",),
    settings=("focus", "design.primary", "candidates", "study.organism"),
    files=lambda study: [study.folder / study.settings.candidates.panel] if study.settings.candidates.panel else [],
    design=True,
)
