"""What was planted against what was found: the answer key of a simulated cohort."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from scresist.results import read_table


def compare(results: Path, cohort: Path) -> pd.DataFrame:
    """One row per planted fact: what, where, planted, found.

    Covers the programmes (rank of the hub, precision of the first 30 candidates, decoys called), the cell types
    (agreement over cells), malignancy (accuracy over cells called), and the cell types whose share was changed.
    """
    truth = json.loads((cohort / "truth.json").read_text(encoding="utf-8"))
    tables = results / "tables"
    rows = _modules(truth, tables) + _cells(tables, cohort) + _composition(truth, tables)
    return pd.DataFrame(rows, columns=["what", "where", "planted", "found"])


def truth_per_cell(cohort: Path) -> pd.DataFrame:
    """What each cell of a simulated cohort is, indexed as the run names its cells."""
    known = pd.read_parquet(cohort / "truth_cells.parquet")
    known.index = pd.Index(known["sample"] + ":" + known["barcode"], name="cell")
    return known


def _modules(truth: dict[str, object], tables: Path) -> list[tuple[str, str, str, str]]:
    if not (tables / "candidates.csv").exists():
        return []
    candidates = read_table(tables / "candidates.csv")
    rows = []
    planted: dict[str, dict[str, object]] = truth["modules"]  # type: ignore[assignment]
    for contrast, module in planted.items():
        own = candidates[candidates["contrast"] == contrast]
        genes = set(module["genes"])  # type: ignore[call-overload]
        hub = own.loc[own["gene"] == module["hub"], "rank"]
        found = f"rank {int(hub.iloc[0])}" if len(hub) else "not tested"
        rows.append(("hub gene", contrast, str(module["hub"]), found))
        share = own.head(30)["gene"].isin(genes).mean()
        rows.append(("programme", contrast, f"{len(genes)} genes", f"{share:.0%} of the first 30 candidates"))
        called = own[own["verdict"] == "supported"]["gene"]
        decoys: dict[str, list[str]] = truth["decoys"]  # type: ignore[assignment]
        for name, members in decoys.items():
            rows.append(
                (name, contrast, "no call", f"{int(called.isin(members).sum())} of {len(members)} genes called")
            )
    return rows


def _cells(tables: Path, cohort: Path) -> list[tuple[str, str, str, str]]:
    cells = read_table(tables / "cells.parquet").set_index("cell")
    known = truth_per_cell(cohort)
    own = known.loc[cells.index, "cell_type"]
    epithelial = own.isin(["malignant", "gastric pit mucous cell"])
    agree = np.where(epithelial, cells["lineage"] == "epithelial", cells["cell_type"].astype(str) == own)
    called = cells["malignancy"].isin(["malignant", "normal"])
    right = (cells["malignancy"] == "malignant") == (own == "malignant")
    return [
        ("cell type", "all cells", f"{own.nunique()} types", f"{np.mean(agree):.1%} agree"),
        ("malignancy", f"{called.mean():.1%} of cells called", f"{(own == 'malignant').sum()} malignant",
         f"{right[called].mean():.1%} right"),
    ]  # fmt: skip


def _composition(truth: dict[str, object], tables: Path) -> list[tuple[str, str, str, str]]:
    if not (tables / "composition_contrasts.csv").exists():
        return []
    table = read_table(tables / "composition_contrasts.csv").set_index(["contrast", "cell_type"])
    rows = []
    changes: dict[str, dict[str, float]] = truth["composition"]  # type: ignore[assignment]
    for contrast, types in changes.items():
        for cell_type, size in types.items():
            if (contrast, cell_type) in table.index:
                row = table.loc[(contrast, cell_type)]
                found = f"{row['effect']:+.2f} [{row['ci_low']:+.2f}, {row['ci_high']:+.2f}] q {row['q_value']:.2f}"
                rows.append((f"share of {cell_type}", contrast, f"log {size:+.1f}", found))
    return rows
