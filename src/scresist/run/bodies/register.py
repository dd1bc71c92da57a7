"""What becomes a claim: the tables of tests by kind, their verdicts, and the sentences that are counts."""

import pandas as pd

from scresist.contrasts.claims import Judge
from scresist.contrasts.verdict import ALPHA
from scresist.run.bodies.focus import focus_population
from scresist.run.step import State
from scresist.study import Study
from scresist.tables import TABLES, of_kind

CANDIDATES = "candidates"
# Kind of claim: its table, in the order of the register.
ORDER = ("expression", "modules", "composition", "signatures", "proteins", "communication", "responses",
         "module resistance", "gene resistance", "survival", "response", "validation", "ihc", "mif", "mif spatial",
         "dose ratios", "readouts", "bench expression")  # fmt: skip
KINDS = {kind: of_kind(kind).name for kind in ORDER}
WITH_DOUBTS = ("expression", "gene resistance")
OF_MODULES = ("modules", "module resistance", "validation")
OVER = {
    "flips": ("cells", "genes"),
    "module_flips": ("cells", "modules"),
    "flow_flips": ("pairs of populations", "pathways"),
}
_DRAWN = {"patients shuffled": "patients shuffled", "signs of residuals": "residuals given signs at random"}
FATES = {
    "stands": ("stands", "stand"),
    "suggestive": ("is suggestive", "are suggestive"),
    "falls": ("falls", "fall"),
    "reversed": ("is reversed", "are reversed"),
    "no test": ("has no test", "have no test"),
}


def tables_of_tests(state: State, study: Study, scored: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Every table of tests by its kind, with what may explain the change of a gene.

    The genes of the focus are a kind of their own, candidates, with the doubts of `scored` where there is a ranking.
    """
    tables = {kind: state.table(name) for kind, name in KINDS.items() if len(state.table(name))}
    if "expression" in tables:
        genes = tables["expression"]
        focused = genes["cell_type"] == focus_population(state, study)
        tables["expression"] = genes[~focused]
        columns = ["contrast", "gene", "p_value", "q_value", "rests_on_one"]
        own = genes.loc[focused, columns] if scored is None else scored[[*columns, "doubts"]]
        tables = {CANDIDATES: own, **tables}
    return _doubted(tables, state, study)


def tables_of_claims(state: State, study: Study) -> dict[str, pd.DataFrame]:
    """The same with the ranked candidates for the focus, and with what may explain the change of a gene."""
    tables = tables_of_tests(state, study, None)
    tables.pop(CANDIDATES, None)
    ranked = state.table("candidates")
    return {CANDIDATES: ranked, **tables} if len(ranked) else tables


def _doubted(tables: dict[str, pd.DataFrame], state: State, study: Study) -> dict[str, pd.DataFrame]:
    doubted = state.table("gene_doubts")
    tables = tables | {kind: with_module_doubts(tables[kind], state) for kind in OF_MODULES if kind in tables}
    if not len(doubted):
        return tables
    return tables | {kind: with_doubts(tables[kind], doubted, study) for kind in WITH_DOUBTS if kind in tables}


def with_doubts(table: pd.DataFrame, doubted: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The table with `doubts`; for both resistances, those of the contrast that finds the change."""
    words = doubted[doubted["doubts"].fillna("") != ""].set_index(["cell_type", "gene", "contrast"])["doubts"]
    if "contrast" in table:
        keys = pd.MultiIndex.from_frame(table[["cell_type", "gene", "contrast"]])
        return table.assign(doubts=words.reindex(keys).fillna("").to_numpy())
    out = pd.Series("", index=table.index)
    for role in ("primary", "acquired"):
        contrast = study.design.with_role(role)
        if contrast is None:
            continue
        keys = pd.MultiIndex.from_arrays([table["cell_type"], table["gene"], [contrast.name] * len(table)])
        own = words.reindex(keys).fillna("").to_numpy()
        out = out.where((table[f"{role}_q"] >= ALPHA) | (own == ""), own)
    return table.assign(doubts=out)


def with_module_doubts(table: pd.DataFrame, state: State) -> pd.DataFrame:
    """The table with `doubts`: what else may explain the module of each row, decided without looking at arms."""
    catalogue = state.table("module_catalogue")
    if "doubts" not in catalogue:
        return table
    words = catalogue.set_index("module")["doubts"].fillna("")
    return table.assign(doubts=table["module"].map(words).fillna("").to_numpy())


def verdicts_of(state: State, study: Study, name: str) -> pd.DataFrame:
    """A table of tests with the verdict on every row: that of the ranked candidates where they are in it."""
    table = state.table(name)
    if not len(table):
        return table
    judge = Judge.of(state.table("design"), _levels(state, name, table))
    kind = TABLES[name].kind or name
    doubted = state.table("gene_doubts")
    if kind in WITH_DOUBTS and len(doubted):
        table = with_doubts(table, doubted, study)
    if kind in OF_MODULES:
        table = with_module_doubts(table, state)
    if kind != "expression":
        return table.assign(verdict=judge.verdicts(kind, table))
    focus = table["cell_type"] == focus_population(state, study)
    own = table[focus].drop(columns=["family", "cell_type"])
    verdicts = pd.concat([judge.verdicts(CANDIDATES, own), judge.verdicts(kind, table[~focus])]).sort_index()
    ranked = state.table("candidates")
    if len(ranked):
        known = ranked.set_index(["contrast", "gene"])["verdict"]
        keys = pd.MultiIndex.from_frame(own[["contrast", "gene"]])
        better = known.reindex(keys).set_axis(own.index).dropna()
        verdicts.loc[better.index] = better
    return table.assign(verdict=verdicts)


def _levels(state: State, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """The levels of the study; a table that is no kind of claim is one family per contrast, with the plain level."""
    if TABLES[name].kind:
        return state.table("families")
    from scresist.contrasts import family_names

    families = family_names(table).unique()
    return pd.DataFrame({"kind": name, "family": families, "level": ALPHA})


def counted_sentences(state: State) -> list[tuple[str, str, str]]:
    """Statements that are counts: what tests over cells would have claimed, error rates on shuffled patients."""
    rows = []
    for name, (unit, what) in OVER.items():
        table = state.table(name)
        if not len(table):
            continue
        for contrast, own in table.groupby("contrast", sort=False):
            counts = own["verdict"].value_counts()
            fates = ", ".join(f"{counts[f]} {words[int(counts[f]) != 1]}" for f, words in FATES.items() if f in counts)
            sentence = f"{contrast}: a test over {unit} claims {len(own)} {what}; over patients {fates}."
            rows.append(("over cells", sentence, "cell" if unit == "cells" else "pair of populations"))
    for row in state.table("calibration").to_dict("records"):
        sentence = (
            f"With {_DRAWN[row['scheme']]} {row['n_shuffles']} times, {100 * row['false_positive_rate']:.1f} % of the "
            f"tests of {row['claim']} ({row['contrast']}) have p < {row['nominal']:g}, and "
            f"{100 * row['any_discovery_rate']:.0f} % of the shuffles some discovery: {row['verdict']}."
        )
        rows.append(("calibration", sentence, "shuffle"))
    rows += _about_second(state)
    rows += [("agreement", str(r["sentence"]), "patient" if str(r["evidence"]).startswith("protein") else "replicate")
             for r in state.table("validation_agreement").to_dict("records")]  # fmt: skip
    rows += [("refusal", f"{r['step']}, {r['what']}: {r['reason']}", "study") for r in state.refusals]
    return rows


def _about_second(state: State) -> list[tuple[str, str, str]]:
    """How many modules the second cohort has too, and how many differ there in the same direction."""
    found, tested = state.table("validation_preservation"), state.table("validation_modules")
    rows = []
    if len(found):
        sentence = (
            f"{int(found['preserved'].sum())} of {len(found)} modules are preserved in the second cohort, "
            f"{found['cohort'].iloc[0]} ({found['n_patients'].iloc[0]} patients): Zsummary of 2 or more, and q < "
            f"{ALPHA:g} against permuted genes and random sets of like expression."
        )
        rows.append(("preservation", sentence, "module"))
    for contrast, own in tested.groupby("contrast", sort=False) if len(tested) else ():
        called = own[own["first_q"] < ALPHA]
        same = int(called["same_direction"].fillna(value=False).astype(bool).sum())
        sentence = (
            f"{contrast}: of the modules with q < {ALPHA:g} here ({len(called)}), {same} differ in the same direction "
            "in the second cohort."
        )
        rows.append(("replication", sentence, "module"))
    return rows
