"""What the run finds when the truth is known: planted cohorts, null cohorts, and the usual chain over cells beside it.

    python benchmarks/recovery.py [--planted 20] [--null 20] [--speed]

Every cohort is simulated, written as 10x files and run through the same `run` as a user's. Planted: rank of the hub,
precision of the first 30 candidates, Jaccard of the module nearest to the programme, decoys called, agreement of cell
types and of malignancy. Null: cohorts with any supported claim. Beside them the chain as people run it today: a
Wilcoxon test over malignant cells between arms, Benjamini-Hochberg, on the same cells.
"""

import argparse
import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from scresist.pipeline import run
from scresist.results import read_table
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study import read_study

SMALL = Plan(cells=120, n_genes=3000)
NULL = replace(SMALL, module_effect=0.0, composition_effect=0.0, signal_effect=0.0, log_hazard=0.0)


def study_of(plan: Plan, folder: Path) -> tuple[Path, dict]:
    """Simulate, write, run; the results folder and the truth."""
    path = write_cohort(simulate(plan), folder / "cohort")
    results = run(read_study(path), folder / "results")
    return results, json.loads((folder / "cohort" / "truth.json").read_text())


def planted(seed: int) -> list[dict[str, object]]:
    """One row per planted programme of one cohort."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        results, truth = study_of(replace(SMALL, cells=250, n_genes=5000, seed=seed), folder)
        tables = results / "tables"
        candidates, modules = read_table(tables / "candidates.csv"), read_table(tables / "modules.csv")
        flips = read_table(tables / "flips.csv")
        cells = read_table(tables / "cells.parquet").set_index("cell")
        known = pd.read_parquet(folder / "cohort" / "truth_cells.parquet")
        known.index = pd.Index(known["sample"] + ":" + known["barcode"])
        own = known.loc[cells.index, "cell_type"]
        called = cells["malignancy"].isin(["malignant", "normal"])
        right = ((cells["malignancy"] == "malignant") == (own == "malignant"))[called].mean()
        signals = {arm: {s["gene"] for s in rows} for arm, rows in truth["signals"].items()}
        decoys = {g for genes in truth["decoys"].values() for g in genes}
        rows = []
        for arm, module in truth["modules"].items():
            found, genes = candidates[candidates["contrast"] == arm], set(module["genes"])
            supported = set(found.loc[found["verdict"] == "supported", "gene"])
            real = genes | signals.get(arm, set())
            over_cells = set(flips.loc[flips["contrast"] == arm, "gene"])
            jaccard = max((len(genes & set(g)) / len(genes | set(g)) for _, g in modules.groupby("module")["gene"]),
                          default=0.0)  # fmt: skip
            rows.append({
                "seed": seed, "arm": arm, "hub rank": int(found.loc[found["gene"] == module["hub"], "rank"].min()),
                "precision at 30": found.head(30)["gene"].isin(real).mean(), "module Jaccard": jaccard,
                "supported": len(supported), "false": len(supported - real), "decoys called": len(supported & decoys),
                "over cells": len(over_cells), "false over cells": len(over_cells - real),
                "malignancy right": right,
            })  # fmt: skip
        return rows


def null(seed: int) -> dict[str, object]:
    """Supported claims in one cohort without any effect, and what a test over cells claims there."""
    with tempfile.TemporaryDirectory() as place:
        results, _ = study_of(replace(NULL, seed=1000 + seed), Path(place))
        claims = read_table(results / "claims.csv")
        candidates = read_table(results / "tables" / "candidates.csv")
        called = claims[(claims["verdict"] == "supported") & (claims["kind"] != "design")]
        return {"seed": seed, "claims supported": len(called), "kinds": ", ".join(sorted(set(called["kind"]))),
                "candidates supported": int((candidates["verdict"] == "supported").sum()),
                "over cells": len(read_table(results / "tables" / "flips.csv"))}  # fmt: skip


def speed() -> None:
    """Simulate 20 samples of 1,000 cells and 15,000 genes."""
    plan = Plan(patients={"baseline": 7, "primary": 7, "acquired": 6}, pairs=3, cells=1000, n_genes=15000)
    started = time.perf_counter()
    total = sum(sample.counts.nnz for sample in simulate(plan).samples())
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"20 samples x 1,000 cells x 15,000 genes: {seconds:.1f} s, {peak:.2f} GB, {total:,} counts above zero")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--planted", type=int, default=20)
    parser.add_argument("--null", type=int, default=20)
    parser.add_argument("--speed", action="store_true", help="only the speed of the simulator")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    rows = [row for seed in range(options.planted) for row in planted(seed)]
    if rows:
        table = pd.DataFrame(rows)
        print(table.round(2).to_string(index=False))
        by_seed = table.groupby("seed")
        hubs = (by_seed["hub rank"].max() <= 10).sum()
        precise = (by_seed["precision at 30"].min() >= 0.8).sum()
        false = table["false"].sum() / max(table["supported"].sum(), 1)
        cells = table["false over cells"].sum() / max(table["over cells"].sum(), 1)
        print(
            f"\n{options.planted} planted cohorts: both hubs in the first 10 in {hubs}; precision at 30 >= 0.8 in "
            f"{precise}"
        )
        print(
            f"decoys called {table['decoys called'].sum()}; false among supported {false:.1%}, among claims over cells "
            f"{cells:.1%}"
        )
    nulls = pd.DataFrame([null(seed) for seed in range(options.null)])
    if len(nulls):
        print("\n" + nulls.to_string(index=False))
        some = int(((nulls["claims supported"] > 0) | (nulls["candidates supported"] > 0)).sum())
        print(f"\n{options.null} null cohorts: {some} with a supported claim; a test over cells claims "
              f"{np.median(nulls['over cells']):.0f} genes in the median cohort")  # fmt: skip


if __name__ == "__main__":
    main()
