"""What the run finds when the truth is known: planted cohorts, null cohorts, and the usual chain over cells beside it.

    python benchmarks/recovery.py [--planted 20] [--null 100] [--out DIR] [--speed]

Every cohort is simulated, written as 10x files and run through the same `run` as a user's; beside it `usual_chain.py`
reads the same files. A cohort's rows are kept in DIR as it finishes, and a second call goes on where the first stopped;
the tables are printed from what is kept. With --keep the cohorts and results stay, and a run goes on from its steps.
"""

import argparse
import json
import resource
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd

import usual_chain
from scresist.results import read_table
from scresist.run import run_study as run
from scresist.simulate import Plan, simulate, write_cohort
from scresist.simulate.recovery import truth_per_cell
from scresist.study import read_study

PLANTED = Plan(cells=200, n_genes=3000)
SMALL = Plan(patients={"baseline": 4, "primary": 4, "acquired": 4}, pairs=2, cells=110, n_genes=3000, seed=1000)
NULL = SMALL.null()
TOP, PRECISE = 10, 30
BESIDE = 10  # null cohorts that the usual chain reads too


def study_of(plan: Plan, folder: Path, bootstraps: int = 8) -> tuple[Path, dict]:
    """Simulate, write, run; the results folder and the truth. Resampling modules orders candidates, and calls none."""
    path = folder / "cohort" / "study.toml"
    if not path.exists():
        write_cohort(simulate(plan), folder / "cohort")
        path.write_text(path.read_text().replace("bootstraps = 8", f"bootstraps = {bootstraps}"))
    with patch("scresist.report.write"):  # the page is drawn from the tables and decides nothing
        results = run(read_study(path), folder / "results")
    return results, json.loads((folder / "cohort" / "truth.json").read_text())


def supported(table: pd.DataFrame) -> set[str]:
    """The genes called."""
    return set(table.loc[table["verdict"] == "supported", "gene"])


def planted(seed: int, folder: Path) -> list[dict[str, object]]:
    """One row per planted programme of one cohort."""
    started = time.perf_counter()
    results, truth = study_of(replace(PLANTED, seed=seed), folder)
    seconds = time.perf_counter() - started
    tables, cohort = results / "tables", folder / "cohort"
    candidates, modules = read_table(tables / "candidates.csv"), read_table(tables / "modules.csv")
    whole = {"seed": seed, "seconds": seconds, **labels(tables, cohort), **composition(truth, tables),
             **links(truth, tables), **hazard(truth, tables), "decoy claims": decoy_claims(truth, results)}  # fmt: skip
    cells = usual_chain.read_cells(cohort / "study.toml")
    known = truth_per_cell(cohort).reindex(cells.obs_names)["cell_type"] == "malignant"
    whole["usual malignancy right"] = (known.to_numpy() == cells.obs["malignant"].to_numpy()).mean()
    arms = read_table(cohort / "samples.csv").set_index("sample")["arm"]
    rows = []
    for arm, module in truth["modules"].items():
        own, genes = candidates[candidates["contrast"] == arm], set(module["genes"])
        real = genes | {s["gene"] for s in truth["signals"].get(arm, []) if s["cell_type"] == "malignant"}
        called, hub = supported(own), own.loc[own["gene"] == module["hub"], "rank"]
        usual = usual_chain.genes_over_cells(cells, arm)
        claimed = set(usual.loc[usual["q"] < 0.05, "gene"])
        usual_hub = usual.loc[usual["gene"] == module["hub"], "rank"]
        jaccard = {m: len(genes & set(g)) / len(genes | set(g)) for m, g in modules.groupby("module")["gene"]}
        best = max(jaccard, key=jaccard.__getitem__, default="")
        over_cells = usual_chain.modules_over_cells(cells, modules, arm)
        tested = read_table(tables / "module_contrasts.csv") if (tables / "module_contrasts.csv").exists() else None
        q = (
            pd.Series(dtype=float)
            if tested is None
            else tested[tested["contrast"] == arm].set_index("module")["q_value"]
        )
        row = {
            **whole, "arm": arm, "hub": module["hub"], "hub rank": int(hub.min()) if len(hub) else -1,
            "precision at 30": own.head(PRECISE)["gene"].isin(real).mean(),
            "module Jaccard": jaccard.get(best, 0.0), "module q": q.get(best, np.nan),
            "other modules called": int((q.drop(best, errors="ignore") < 0.05).sum()),
            "supported": len(called), "false": len(called - real),
            "usual hub rank": int(usual_hub.min()) if len(usual_hub) else -1,
            "usual precision at 30": usual.head(PRECISE)["gene"].isin(real).mean(),
            "usual claims": len(claimed), "usual false": len(claimed - real),
            "usual other modules": int((over_cells.drop(best, errors="ignore") < 0.05).sum()),
            "usual shares": usual_chain.shares_over_cells(tables, arms, arm),
            "real shares": len(truth["composition"].get(arm, {})),
        }  # fmt: skip
        for kind, members in truth["decoys"].items():
            row[kind] = len(called & set(members))
            row[f"usual {kind}"] = len(claimed & set(members))
            row[f"size of {kind}"] = len(members)
        rows.append(row)
    return rows


def decoy_claims(truth: dict, results: Path) -> int:
    """Supported claims on a decoy gene that are no candidates; macrophage genes in macrophages do change."""
    claims = read_table(results / "claims.csv")
    own = claims[(claims["verdict"] == "supported") & (claims["kind"] != "candidates")]
    kind = own["feature"].map({g: k for k, genes in truth["decoys"].items() for g in genes})
    true = (kind == "decoy macrophage") & (own["cell_type"] == "macrophage SPP1")
    return int((kind.notna() & ~true).sum())


def labels(tables: Path, cohort: Path) -> dict[str, float]:
    """Cell types and malignancy against the truth of each cell."""
    cells = read_table(tables / "cells.parquet").set_index("cell")
    own = truth_per_cell(cohort).loc[cells.index, "cell_type"]
    called = cells["malignancy"].isin(["malignant", "normal"])
    right = ((cells["malignancy"] == "malignant") == (own == "malignant"))[called].mean()
    epithelial = own.isin(["malignant", "gastric pit mucous cell"])
    same = np.where(epithelial, cells["lineage"] == "epithelial", cells["cell_type"].astype(str) == own)
    return {"type right": same.mean(), "malignancy called": called.mean(), "malignancy right": right}


def composition(truth: dict, tables: Path) -> dict[str, float]:
    """Changed cell types: sign, and whether the interval holds the expected change; unchanged ones called."""
    table = read_table(tables / "composition_contrasts.csv").set_index(["contrast", "cell_type"])
    rows = [
        (np.sign(own["effect"]) == np.sign(size), own["ci_low"] <= size <= own["ci_high"], own["q_value"] < 0.05)
        for arm, sizes in truth["log_odds"].items() for name, size in sizes.items()
        if name in truth["composition"].get(arm, {}) and (arm, name) in table.index
        for own in [table.loc[(arm, name)]]
    ]  # fmt: skip
    every = [
        table.loc[(arm, name), "ci_low"] <= size <= table.loc[(arm, name), "ci_high"]
        for arm, sizes in truth["log_odds"].items() for name, size in sizes.items() if (arm, name) in table.index
    ]  # fmt: skip
    found = np.array(rows, dtype=float).reshape(-1, 3)
    return {
        "types": len(found), "sign right": found[:, 0].sum(), "in interval": found[:, 1].sum(),
        "types called": found[:, 2].sum(), "types all": len(every), "in interval all": int(np.sum(every)),
    }  # fmt: skip


def links(truth: dict, tables: Path) -> dict[str, float]:
    """Links whose ligand or receptor was planted to rise: tested, right in sign, p and q < 0.05; pathways pooled."""
    file = tables / "communication_contrasts.csv"
    names = ("links", "links sign right", "links p", "links q", "usual flows", "flows called")
    if not file.exists():
        return dict.fromkeys(names, 0)
    table = read_table(file)
    table = table[(table["level"] == "pair") & table["p_value"].notna()]
    planted_ = [(arm, s["gene"], s["cell_type"]) for arm, rows in truth["signals"].items() for s in rows
                if s["log_fold_change"] > 0]  # fmt: skip
    hit = np.zeros(len(table), bool)
    for arm, gene, cell_type in planted_:
        here = (table["contrast"] == arm).to_numpy()
        hit |= here & (table["ligand"] == gene).to_numpy() & (table["source"] == cell_type).to_numpy()
        hit |= here & (table["receptor"] == gene).to_numpy() & (table["target"] == cell_type).to_numpy()
    own = table[hit]
    flips = read_table(tables / "flow_flips.csv") if (tables / "flow_flips.csv").exists() else None
    sound = read_table(tables / "flow_contrasts.csv")
    counts = (
        len(own), (own["effect"] > 0).sum(), (own["p_value"] < 0.05).sum(), (own["q_value"] < 0.05).sum(),
        0 if flips is None else (flips["cell_q"] < 0.05).sum(), (sound["q_value"] < 0.05).sum(),
    )  # fmt: skip
    return dict(zip(names, map(int, counts), strict=True))


def hazard(truth: dict, tables: Path) -> dict[str, float]:
    """Whether the interval of the hazard ratio of the planted module, per SD of its score, holds the planted one."""
    file = tables / "survival.csv"
    if not file.exists() or not truth["modules"].get("primary"):
        return {}
    genes, modules = set(truth["modules"]["primary"]["genes"]), read_table(tables / "modules.csv")
    overlap = modules.groupby("module")["gene"].agg(lambda g: len(genes & set(g)) / len(genes | set(g)))
    table = read_table(file).set_index("feature")
    if not len(overlap) or overlap.idxmax() not in table.index:
        return {}
    own = table.loc[overlap.idxmax()]
    if not np.isfinite(own["ci_low"]):
        return {"hazard tested": 0}
    true = np.exp(truth["plan"]["log_hazard"] * truth["baseline_sd"]["primary"])
    return {"hazard tested": 1, "hazard": own["hr"], "true hazard": true,
            "hazard in interval": int(own["ci_low"] <= true <= own["ci_high"])}  # fmt: skip


def null(seed: int, folder: Path) -> list[dict[str, object]]:
    """Supported claims in one cohort without any effect, and what tests over cells claim there."""
    started = time.perf_counter()
    results, _ = study_of(replace(NULL, seed=1000 + seed), folder, bootstraps=0)
    seconds = time.perf_counter() - started
    tables, cohort = results / "tables", folder / "cohort"
    claims = read_table(results / "claims.csv")
    called = claims[(claims["verdict"] == "supported") & (claims["kind"] != "design")]
    file = tables / "candidates.csv"
    candidates = read_table(file) if file.exists() else pd.DataFrame({"verdict": [], "gene": [], "contrast": []})
    row = {
        "seed": seed, "seconds": seconds, "claims supported": len(called),
        "claims": "; ".join(called["kind"] + ": " + called["feature"].astype(str)),
        "candidates supported": int((candidates["verdict"] == "supported").sum()),
        "candidates": "; ".join(candidates.loc[candidates["verdict"] == "supported", "gene"]),
        "candidates ranked": len(candidates), "tests": len(claims),
    }  # fmt: skip
    return [row | (usual_null(cohort, tables) if seed < BESIDE else {})]


def usual_null(cohort: Path, tables: Path) -> dict[str, int]:
    """What the usual chain claims in a null cohort."""
    cells = usual_chain.read_cells(cohort / "study.toml")
    arms = read_table(cohort / "samples.csv").set_index("sample")["arm"]
    file, both = tables / "modules.csv", ("primary", "acquired")
    modules = read_table(file) if file.exists() else pd.DataFrame({"module": [], "gene": []})
    return {
        "usual genes": sum(int((usual_chain.genes_over_cells(cells, a)["q"] < 0.05).sum()) for a in both),
        "usual modules": sum(int((usual_chain.modules_over_cells(cells, modules, a) < 0.05).sum()) for a in both),
        "usual shares": sum(usual_chain.shares_over_cells(tables, arms, a) for a in both),
        "usual flows": int(links({"signals": {}}, tables)["usual flows"]),
    }  # fmt: skip


def kept(
    file: Path, number: int, one: Callable[[int, Path], list[dict[str, object]]], keep: Path | None
) -> pd.DataFrame:
    """The rows of seeds 0 to number - 1: read where they are kept, computed and kept where not."""
    done = pd.read_csv(file) if file.exists() else pd.DataFrame({"seed": []})
    for seed in range(number):
        if (done["seed"] == seed).any():
            continue
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) if keep is None else keep / f"{file.stem}_{seed:03d}"
            rows = pd.DataFrame(one(seed, folder))
        done = pd.concat([done, rows], ignore_index=True) if len(done) else rows
        part = file.with_suffix(".part")
        done.to_csv(part, index=False)
        shutil.move(part, file)
    return done[done["seed"] < number]


def rates(table: pd.DataFrame) -> pd.DataFrame:
    """The proof: one row per question, ours and the usual chain's on the same planted cohorts."""
    cohorts = table.groupby("seed")
    first = cohorts.first()
    n = len(first)

    def share(good: str, whole: str) -> str:
        total = first[whole].sum()
        return f"{first[good].sum() / total:.2f} of {total:.0f}" if total else "none tested"

    def within(column: str, most: int) -> str:
        ok = table[column].between(1, most).groupby(table["seed"]).all()
        return f"{ok.sum()} of {n}"

    kinds = [c for c in table if c.startswith("decoy ") and c != "decoy claims"]
    precise, usual_precise = (cohorts[f"{who}precision at 30"].min() >= 0.8 for who in ("", "usual "))
    rows = [
        ("both hubs in the first 10, cohorts", within("hub rank", TOP), within("usual hub rank", TOP)),
        ("median rank of a hub", f"{table['hub rank'].median():.0f}", f"{table['usual hub rank'].median():.0f}"),
        ("precision at 30 >= 0.8 in both contrasts, cohorts", *(f"{p.sum()} of {n}" for p in (precise, usual_precise))),
        ("mean precision at 30", *(f"{table[f'{w}precision at 30'].mean():.2f}" for w in ("", "usual "))),
        ("genes called", f"{table['supported'].sum()}", f"{table['usual claims'].sum()}"),
        ("false among genes called", f"{table['false'].sum() / max(table['supported'].sum(), 1):.3f}",
         f"{table['usual false'].sum() / max(table['usual claims'].sum(), 1):.3f}"),
        *((f"{k}: called of {table[f'size of {k}'].sum():.0f}", f"{table[k].sum()}", f"{table[f'usual {k}'].sum()}")
          for k in kinds),
        ("cohorts with a decoy gene called a candidate",
         f"{(table[kinds].sum(axis=1).groupby(table['seed']).sum() > 0).sum()} of {n}",
         f"{(table[[f'usual {k}' for k in kinds]].sum(axis=1).groupby(table['seed']).sum() > 0).sum()} of {n}"),
        ("decoy genes in other claims (soup in other cells)", f"{first['decoy claims'].sum()}", ""),
        ("planted module found, mean Jaccard", f"{table['module Jaccard'].mean():.2f}", "not sought"),
        ("planted module called, q < 0.05", f"{(table['module q'] < 0.05).sum()} of {len(table)}", ""),
        ("modules called that were not planted", f"{table['other modules called'].sum()}",
         f"{table['usual other modules'].sum()}"),
        ("cell types right", f"{first['type right'].mean():.3f}", "not sought"),
        ("malignant or not, right of cells called", f"{first['malignancy right'].mean():.3f}",
         f"{first['usual malignancy right'].mean():.3f}"),
        ("share of cells called malignant or not", f"{first['malignancy called'].mean():.3f}", "1"),
        ("changed cell types: sign right", share("sign right", "types"), ""),
        ("changed cell types: 95 % interval holds the change", share("in interval", "types"), "no interval"),
        ("all cell types: 95 % interval holds the change", share("in interval all", "types all"), "no interval"),
        ("changed cell types: q < 0.05", share("types called", "types"), ""),
        ("populations called changed", "", f"{table['usual shares'].sum()}, {table['real shares'].sum()} are"),
        ("planted links: sign right", share("links sign right", "links"), ""),
        ("planted links: p < 0.05", share("links p", "links"), ""),
        ("planted links: q < 0.05", share("links q", "links"), ""),
        ("pathways whose flow is called changed", f"{first['flows called'].sum()}", f"{first['usual flows'].sum()}"),
    ]  # fmt: skip
    if "hazard in interval" in first:
        rows.append(
            ("hazard ratio: 95 % interval holds it", share("hazard in interval", "hazard tested"), "no interval")
        )
    return pd.DataFrame(rows, columns=["what", "scresist", "usual chain"])


def null_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Cohorts without any effect in which something is called."""
    n = len(table)
    ours = {
        "any supported claim or candidate": (table["claims supported"] > 0) | (table["candidates supported"] > 0),
        "any supported claim": table["claims supported"] > 0,
        "any supported candidate": table["candidates supported"] > 0,
    }
    usual = {"any gene": "usual genes", "any module": "usual modules", "any cell type": "usual shares",
             "any pathway's flow": "usual flows"}  # fmt: skip
    rows = [(f"scresist: {name}", f"{found.sum()} of {n}", "") for name, found in ours.items()]
    read = table[table["seed"] < BESIDE]
    rows += [(f"usual chain: {name}", f"{(read[c] > 0).sum()} of {len(read)}", f"{read[c].median():.0f}")
             for name, c in usual.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["null cohorts with", "cohorts", "claims in the median cohort"])


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
    parser.add_argument("--null", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("recovery"))
    parser.add_argument("--keep", type=Path, help="leave the cohorts and their results in this folder")
    parser.add_argument("--speed", action="store_true", help="only the speed of the simulator")
    options = parser.parse_args()
    if options.speed:
        speed()
        return
    warnings.filterwarnings("ignore")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.planted:
        table = kept(options.out / "planted.csv", options.planted, planted, options.keep)
        shown = ["seed", "arm", "hub rank", "precision at 30", "module Jaccard", "supported", "false"]
        print(table[shown].round(2).to_string(index=False))
        print("\n" + rates(table).to_string(index=False))
        print(f"{table.groupby('seed')['seconds'].first().sum():.0f} s for the runs")
    if options.null:
        table = kept(options.out / "null.csv", options.null, null, options.keep)
        print("\n" + null_rates(table).to_string(index=False))
        print(f"{table['seconds'].sum():.0f} s for the runs")


if __name__ == "__main__":
    main()
