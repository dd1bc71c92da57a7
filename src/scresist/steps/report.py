"""The last step: the cohort, the table of cells, the claims, the page."""

from typing import TYPE_CHECKING

from scresist.results import write_table
from scresist.run_state import Run
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.pipeline import Context


def report(run: Run, study: Study, context: "Context") -> None:
    """Write the cohort, the table of cells, the claims, the figures and the page."""
    from scresist import report as stage

    cells = run.cells
    columns = ["sample", "patient", "arm", "cluster", "lineage", "cell_type", "confidence", "malignant_probability",
               "malignancy", "doublet_score"]  # fmt: skip
    table = cells.obs.reindex(columns=columns).reset_index()
    write_table(table, context.out / "tables" / "cells.parquet")
    part = context.out / ".cohort.h5ad.part"
    cells.write_h5ad(part, compression="lzf")
    part.replace(context.out / "cohort.h5ad")
    from scresist.contrasts import register_claims

    kinds = {
        "expression_contrasts": "expression",
        "module_contrasts": "modules",
        "composition_contrasts": "composition",
        "signature_contrasts": "signatures",
        "communication_contrasts": "communication",
        "survival": "survival",
    }
    tables = {kind: run.results[name] for name, kind in kinds.items() if name in run.results}
    if study.design.contrasts:
        claims = register_claims(tables, study.design, keep=study.settings.focus.keep_genes)
        write_table(claims.table, context.out / "claims.csv")
    stage.rebuild(context.out)
