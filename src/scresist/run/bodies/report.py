"""The last step: the cohort, the table of cells, the claims, the page."""

from typing import TYPE_CHECKING

import pandas as pd

from scresist.cells import write_cohort
from scresist.results import write_table
from scresist.run.bodies.stated import KINDS, counted_sentences
from scresist.run.publishing import focus_population
from scresist.run.store import Run
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.run.pipeline import Context


DOUBTED = ("expression", "gene resistance")
FOUND = 0.05
STATED = 40  # rows of a kind and contrast that the page shows, hence claims


def report(run: Run, study: Study, context: "Context") -> None:
    """Write the cohort, the table of cells, the claims, the figures and the page."""
    from scresist import report as stage

    cells = run.cells
    columns = ["sample", "patient", "arm", "cluster", "lineage", "cell_type", "confidence", "malignant_probability",
               "malignancy", "doublet_score"]  # fmt: skip
    table = cells.obs.reindex(columns=columns).reset_index()
    write_table(table, context.out / "tables" / "cells.parquet")
    write_cohort(cells, context.out / "cohort.h5ad")
    if study.design.contrasts:
        write_table(_register(run, study), context.out / "claims.csv")
    stage.rebuild(context.out)


def _register(run: Run, study: Study) -> pd.DataFrame:
    """The claims: what the page may state."""
    from scresist.contrasts import register_claims

    tables = {kind: run.table(name) for name, kind in KINDS.items() if name in run.results}
    ranked = run.table("candidates")
    if len(ranked) and "expression" in tables:
        genes = tables["expression"]
        # Candidates speak for the compartment in focus.
        tables["expression"] = genes[genes["cell_type"] != focus_population(run, study)]
        tables = {"candidates": ranked, **tables}
    doubted = run.table("gene_doubts")
    if len(doubted):
        tables |= {kind: _with_doubts(tables[kind], doubted) for kind in DOUBTED if kind in tables}
    files = {kind: name for name, kind in KINDS.items()} | {"candidates": "candidates"}
    claims = register_claims(
        tables, study.design, top=STATED, keep=study.settings.focus.keep_genes, files=files,
        levels=run.table("families"), said=counted_sentences(run),
    )  # fmt: skip
    return claims.table


def _with_doubts(table: pd.DataFrame, doubted: pd.DataFrame) -> pd.DataFrame:
    """What may explain the changes of genes away; for both resistances, in the contrast that finds it."""
    said = doubted[doubted["doubts"].fillna("") != ""].set_index(["cell_type", "gene", "contrast"])["doubts"]
    if "contrast" in table:
        keys = pd.MultiIndex.from_frame(table[["cell_type", "gene", "contrast"]])
        return table.assign(doubts=said.reindex(keys).fillna("").to_numpy())
    found = [(c, f"{c}_q") for c in ("primary", "acquired")]
    out = pd.Series("", index=table.index)
    for contrast, q in found:
        keys = pd.MultiIndex.from_arrays([table["cell_type"], table["gene"], [contrast] * len(table)])
        own = said.reindex(keys).fillna("").to_numpy()
        out = out.where((table[q] >= FOUND) | (own == ""), own)
    return table.assign(doubts=out)
