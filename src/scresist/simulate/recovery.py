"""What was planted against what was found: the answer key of a simulated cohort."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scresist.results import read_table

Row = tuple[str, str, str, str]


def compare(results: Path, cohort: Path) -> pd.DataFrame:
    """One row per planted fact: what, where, planted, found.

    Covers the programmes (rank of the hub, precision of the first 30 candidates, nearest module), every decoy (genes
    called), the cell types (agreement over cells), malignancy (accuracy over cells called), cell types whose share was
    changed, single genes that were changed, the hazard, and the bench files where there are any. A fact whose table the
    run did not write has no row.
    """
    truth = json.loads((cohort / "truth.json").read_text(encoding="utf-8"))
    tables = results / "tables"
    rows = [*_modules(truth, tables), *_decoys(truth, tables), *_cells(tables, cohort), *_composition(truth, tables)]
    rows += [*_signals(truth, tables), *_hazard(truth, tables), *_bench(tables, cohort)]
    return pd.DataFrame(rows, columns=["what", "where", "planted", "found"])


def truth_per_cell(cohort: Path) -> pd.DataFrame:
    """What each cell of a simulated cohort is, indexed as the run names its cells."""
    known = pd.read_parquet(cohort / "truth_cells.parquet")
    known.index = pd.Index(known["sample"] + ":" + known["barcode"], name="cell")
    return known


def _read(tables: Path, name: str) -> pd.DataFrame:
    """A table of the run; empty where the run did not write it."""
    file = tables / name
    return read_table(file) if file.exists() else pd.DataFrame()


def _modules(truth: Mapping[str, Any], tables: Path) -> list[Row]:
    candidates, modules = _read(tables, "candidates.csv"), _read(tables, "modules.csv")
    if candidates.empty:
        return []
    rows = []
    for contrast, module in truth["modules"].items():
        own, genes = candidates[candidates["contrast"] == contrast], set(module["genes"])
        hub = own.loc[own["gene"] == module["hub"]]
        found = f"rank {int(hub['rank'].iloc[0])}, {hub['verdict'].iloc[0]}" if len(hub) else "not tested"
        rows.append(("hub gene", contrast, str(module["hub"]), found))
        share = own.head(30)["gene"].isin(genes).mean()
        rows.append(("programme", contrast, f"{len(genes)} genes", f"{share:.0%} of the first 30 candidates"))
        if len(modules):
            near = modules.groupby("module")["gene"].agg(set).map(lambda g, own=genes: len(own & g) / len(own | g))
            rows.append(("module", contrast, f"{len(genes)} genes", f"{near.idxmax()}: Jaccard index {near.max():.2f}"))
    return rows


def _decoys(truth: Mapping[str, Any], tables: Path) -> list[Row]:
    candidates = _read(tables, "candidates.csv")
    if candidates.empty:
        return []
    called = candidates[candidates["verdict"] == "supported"]
    return [
        (name, contrast, "no call", f"{int(own['gene'].isin(members).sum())} of {len(members)} genes called")
        for contrast, own in ((c, called[called["contrast"] == c]) for c in truth["modules"])
        for name, members in truth["decoys"].items()
    ]


def _cells(tables: Path, cohort: Path) -> list[Row]:
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


def _composition(truth: Mapping[str, Any], tables: Path) -> list[Row]:
    table = _read(tables, "composition_contrasts.csv")
    if table.empty:
        return []
    table = table.set_index(["contrast", "cell_type"])
    rows = []
    for contrast, types in truth["composition"].items():
        for cell_type, size in types.items():
            if (contrast, cell_type) in table.index:
                rows.append((f"number of {cell_type}", contrast, f"log ratio {size:+.1f}",
                             _estimate(table.loc[(contrast, cell_type)], "effect")))  # fmt: skip
    return rows


def _signals(truth: Mapping[str, Any], tables: Path) -> list[Row]:
    table = _read(tables, "expression_contrasts.csv")
    if table.empty:
        return []
    table = table.set_index(["contrast", "cell_type", "gene"])
    rows = []
    for contrast, changes in truth["signals"].items():
        for change in changes:
            key = (contrast, change["cell_type"], change["gene"])
            found = _estimate(table.loc[key], "log2fc") if key in table.index else "not tested"
            size = change["log_fold_change"] / np.log(2)
            rows.append((f"{change['gene']} in {change['cell_type']}", contrast, f"log2 {size:+.1f}", found))
    return rows


def _hazard(truth: Mapping[str, Any], tables: Path) -> list[Row]:
    table = _read(tables, "survival.csv")
    if table.empty or "primary" not in truth["baseline_sd"]:
        return []
    hub = truth["modules"]["primary"]["hub"]
    own = table[table["feature"] == hub]
    size = np.exp(truth["plan"]["log_hazard"] * truth["baseline_sd"]["primary"])
    found = "not tested"
    if len(own) and np.isfinite(own["hr"].iloc[0]):
        row = own.iloc[0]
        found = f"ratio {row['hr']:.1f} [{row['ci_low']:.1f}, {row['ci_high']:.1f}] q {row['q_value']:.2f}"
    return [("hazard of the programme, per SD", hub, f"ratio {size:.1f}", found)]


def _estimate(row: pd.Series, effect: str) -> str:
    if not np.isfinite(row["p_value"]):
        return f"{row[effect]:+.2f}, not tested"
    return f"{row[effect]:+.2f} [{row['ci_low']:+.2f}, {row['ci_high']:+.2f}] q {row['q_value']:.2f}"


def _bench(tables: Path, cohort: Path) -> list[Row]:
    """Protein that follows RNA, PD-1 cells in the tumour, IC50 and release."""
    file = cohort / "truth_bench.json"
    agreed = _read(tables, "validation_agreement.csv")
    if not file.exists():
        return []
    truth = json.loads(file.read_text(encoding="utf-8"))
    rows: list[Row] = []
    for gene in truth["protein_follows_rna"]:
        of = agreed[agreed["gene"] == gene] if len(agreed) else agreed
        for evidence in ("protein by IHC", "protein by mIF, tumour"):
            own = of[of["evidence"] == evidence] if len(of) else of
            if own.empty and evidence != "protein by IHC":
                continue  # only one marker is in the mIF panel
            found = "no row" if own.empty else f"rho {own['value'].iloc[0]:.2f}, {own['met'].iloc[0]}"
            rows.append((evidence.removesuffix(" by IHC"), gene, "follows RNA", found))
    dense = _read(tables, "validation_mif_contrasts.csv")
    if truth["pd1_near_tumour"] and len(dense):
        arm = truth["pd1_near_tumour"]
        own = dense[
            (dense["contrast"] == arm) & (dense["phenotype"] == "CD8 PD-1") & (dense["compartment"] == "tumour")
        ]
        found = "no row" if own.empty else f"log2 ratio {own['effect'].iloc[0]:.2f}, q {own['q_value'].iloc[0]:.2g}"
        rows.append(("PD-1 cells in the tumour", arm, "more", found))
    ratios = _read(tables, "validation_dose_ratios.csv")
    for condition, ratio in truth["ic50_ratio"].items() if len(ratios) else ():
        own = ratios[ratios["test"] == condition]
        found = "no row" if own.empty else (f"{own['ratio'].iloc[0]:.2f} [{own['ci_low'].iloc[0]:.2f}, "
                                            f"{own['ci_high'].iloc[0]:.2f}]")  # fmt: skip
        rows.append(("ratio of IC50", condition, f"{ratio:g}", found))
    rates = _read(tables, "validation_kinetics.csv")
    own = rates[rates["parameter"] == "k ratio"] if len(rates) else rates
    if len(own):
        found = f"{own['value'].iloc[0]:.2f} [{own['ci_low'].iloc[0]:.2f}, {own['ci_high'].iloc[0]:.2f}]"
        rows.append(("ratio of release", str(own["condition"].iloc[0]), f"{truth['release_ratio']:g}", found))
    return rows
