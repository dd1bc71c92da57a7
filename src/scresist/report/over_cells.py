"""The section on tests over cells: what they would have claimed, and the error rates of this study's own tests."""

from typing import Any

import pandas as pd

from scresist.report.blocks import Column, Section, bullets, heading, plain_table, table
from scresist.report.folder import Folder


def over_cells(folder: Folder) -> Section | None:
    """What tests over cells would have claimed, and what patients say to it; error rates on shuffled patients."""
    calibrated = folder.table("calibration")
    blocks: list[dict[str, Any]] = []
    if folder.sentences("over cells"):
        blocks.append(bullets(folder.sentences("over cells")))
    for name, title in (("flips", "Genes"), ("module_flips", "Modules"), ("flow_flips", "Pathways")):
        made = folder.table(name)
        if len(made):
            counted = pd.crosstab(made["contrast"], made["verdict"]).reset_index()
            columns = [Column(str(c), str(c)) for c in counted.columns]
            blocks += [
                heading(f"{title} claimed, and what patients say"),
                plain_table(counted, columns, file=f"tables/{name}.csv"),
            ]
    if len(calibrated):
        blocks += [
            heading("Error rates with the patients of this study shuffled"),
            table(
                calibrated,
                "calibration",
                [
                    "claim",
                    "contrast",
                    "n_shuffles",
                    "false_positive_rate",
                    "ci_low",
                    "ci_high",
                    "any_discovery_rate",
                    "observed_discoveries",
                    "p_observed",
                    "verdict",
                ],
            ),
        ]
    lead = "Cells of one patient are not independent; a test that takes them for replicates finds what is not there."
    return Section("over_cells", "What tests over cells would have claimed", lead, blocks) if blocks else None
