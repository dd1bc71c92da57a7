"""The section on the cohort and its quality: what was removed, for which reason, in which arm."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.plots.composition import SLOTS, shares
from scresist.plots.style import new_axes
from scresist.report.blocks import Section, bullets, figures, heading, table
from scresist.report.folder import Folder

REASONS = {
    "cells_kept": ("kept", "#d1d5db"), "low_counts": ("few counts", "#0072b2"), "low_genes": ("few genes", "#56b4e9"),
    "high_mito": ("mitochondrial", "#d55e00"), "doublet": ("doublet", "#cc79a7"),
}  # fmt: skip
FAR = 0.1  # difference of the share of lost barcodes between arms that is named


def cohort(folder: Folder) -> Section:
    """What was removed, for which reason, and the contamination of every sample."""
    found = folder.table("quality")
    blocks: list[dict[str, Any]] = []
    if len(found):
        words = (f"{int(found['cells_in'].sum()):,} barcodes of {len(found)} samples: kept, or removed for the first "
                 "reason against them.")  # fmt: skip
        blocks.append(figures([(_losses(folder, found), words, "losses")]))
    blocks += [heading("Quality of every sample"), table(found, "quality", [
        "sample", "cells_in", "cells_kept",
        "low_counts", "low_genes",
        "high_mito", "doublet",
        "median_counts", "median_genes",
        "median_mito_percent", "contamination",
        "contamination_low", "contamination_high",
    ])]  # fmt: skip
    notes = [*folder.notes("quality"), *folder.notes("ingest")]
    if notes:
        blocks += [heading("Notes of reading and quality control"), bullets(notes)]
    lead = "Thresholds adapt to each sample; a barcode that was removed counts under its first reason only."
    return Section("quality", "Cohort and quality", lead, blocks)


def lost(folder: Folder) -> list[tuple[str, str]]:
    """How many barcodes were kept, the loss of every arm, and the depth of every arm."""
    found = folder.table("quality")
    if not len(found):
        return []
    found = found.join(folder.sheet["arm"], on="sample")
    kept, all_in = int(found["cells_kept"].sum()), int(found["cells_in"].sum())
    sums = found.groupby("arm")[["cells_in", "cells_kept"]].sum().reindex(folder.arms).dropna()
    share = 1 - sums["cells_kept"] / sums["cells_in"].replace(0, np.nan)
    words = ", ".join(f"{arm} {100 * s:.1f} %" for arm, s in share.items())
    out = [("", f"{kept:,} of {all_in:,} barcodes are kept. Lost: {words}.")]
    if len(share) > 1 and share.max() - share.min() > FAR:
        out.append(("", f"{share.idxmax()} loses far more cells than {share.idxmin()}: differences between these arms "
                    "may be of quality."))  # fmt: skip
    depth = found.groupby("arm")["median_counts"].median().reindex(folder.arms).dropna()
    if len(depth):
        words = ", ".join(f"{arm} {value:,.0f}" for arm, value in depth.items())
        out.append(("", f"Counts per cell, median of the samples: {words}."))
    return out


def _losses(folder: Folder, found: pd.DataFrame) -> Any:
    counts = found.set_index("sample")[[c for c in REASONS if c in found]].rename(
        columns={column: name for column, (name, _) in REASONS.items()}
    )
    sheet = folder.sheet["arm"]
    arm = pd.Series(pd.Categorical(sheet, categories=folder.arms), index=sheet.index.astype(str))
    counts.index = counts.index.astype(str)
    figure, axes = new_axes(0.34 * max(len(counts), SLOTS) + 2.4, 3.2)
    counts = counts.loc[:, counts.sum() > 0]
    shares(counts, axes, arm=arm, colours=dict(REASONS.values()))
    axes.set_ylabel("share of barcodes", fontsize=8)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7, frameon=False)
    return figure
