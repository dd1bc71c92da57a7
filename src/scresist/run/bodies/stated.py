"""What a report states: which tables hold claims, and the sentences that are counts."""

import pandas as pd

from scresist.run.publishing import focus_population
from scresist.run.store import Run
from scresist.study import Study

# table of the run: kind of claim
KINDS = {
    "expression_contrasts": "expression",
    "module_contrasts": "modules",
    "composition_contrasts": "composition",
    "signature_contrasts": "signatures",
    "communication_contrasts": "communication",
    "signal_chain_contrasts": "responses",
    "module_resistance": "module resistance",
    "expression_resistance": "gene resistance",
    "survival": "survival",
}
OVER = {
    "flips": ("cells", "genes"),
    "module_flips": ("cells", "modules"),
    "flow_flips": ("pairs of populations", "pathways"),
}
FATES = ("stands", "suggestive", "falls", "reversed", "no test")


def tables_of_claims(run: Run, study: Study) -> dict[str, pd.DataFrame]:
    """Every table of tests by its kind; the genes of the compartment in focus are a kind of their own, candidates."""
    tables = {kind: run.table(name) for name, kind in KINDS.items() if name in run.results}
    tables = {kind: table for kind, table in tables.items() if len(table)}
    if "expression" in tables:
        genes = tables["expression"]
        focused = genes["cell_type"] == focus_population(run, study)
        tables["expression"] = genes[~focused]
        tables = {"candidates": genes.loc[focused, ["contrast", "gene", "p_value", "q_value"]], **tables}
    return tables


def counted_sentences(run: Run) -> list[tuple[str, str, str]]:
    """Statements that are counts: what tests over cells would have claimed, and error rates on shuffled patients."""
    said = []
    for name, (unit, what) in OVER.items():
        made = run.table(name)
        if not len(made):
            continue
        for contrast, own in made.groupby("contrast", sort=False):
            counts = own["verdict"].value_counts()
            fates = ", ".join(f"{counts[f]} {_fate(f, int(counts[f]))}" for f in FATES if f in counts)
            sentence = f"{contrast}: a test over {unit} claims {len(own)} {what}; over patients {fates}."
            said.append(("over cells", sentence, "cell" if unit == "cells" else "pair of populations"))
    for row in run.table("calibration").to_dict("records"):
        sentence = (
            f"With patients shuffled {row['n_shuffles']} times, {100 * row['false_positive_rate']:.1f} % of the tests "
            f"of {row['claim']} ({row['contrast']}) have p < {row['nominal']:g}, and "
            f"{100 * row['any_discovery_rate']:.0f} % of the shuffles some discovery: {row['verdict']}."
        )
        said.append(("calibration", sentence, "shuffle"))
    said += [("refusal", f"{r['step']}, {r['what']}: {r['reason']}", "study") for r in run.refusals]
    return said


def _fate(verdict: str, n: int) -> str:
    one = n == 1
    return {
        "stands": "stands" if one else "stand", "suggestive": "is suggestive" if one else "are suggestive",
        "falls": "falls" if one else "fall", "reversed": "is reversed" if one else "are reversed",
        "no test": "has no test" if one else "have no test",
    }[verdict]  # fmt: skip
