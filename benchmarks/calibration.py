"""Calibration, power and speed of the patient-level tests: `python benchmarks/calibration.py [--quick]`.

Prints, as markdown tables: the type I error of every test over designs (null draws, cells beside patients); false
discovery and power of expression beside PyDESeq2 on counts with planted effects; discoveries on real data with the
patients shuffled (needs ../shared); and seconds for the sizes that matter. `--only` takes names of tables (`--only
three_arms few`); each table has its own random numbers, so that it is the same alone. Nothing is downloaded.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

import depth_nulls
import nulls
import rare_types
from scresist import contrasts
from scresist.contrasts.engine import evaluate_contrast
from scresist.contrasts.units import Units
from scresist.kernels import exact_permutation_test
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.study.design import Contrast, Design

SHARED = Path(__file__).resolve().parents[2] / "shared"
# name: patients in the test arm only, in the reference only, in both
DESIGNS = {
    "3 v 3": (3, 3, 0), "4 v 4": (4, 4, 0), "5 v 5": (5, 5, 0), "8 v 6": (8, 6, 0), "5 pairs": (0, 0, 5),
    "4 pairs + 2 v 3": (2, 3, 4),
}  # fmt: skip
TESTS = ("moderated", "t", "mixed", "permutation")
FEATURES = 20  # per data set of a moderated test


def units_of(layout: tuple[int, int, int], values: np.ndarray, cells: np.ndarray, *, batch: bool) -> Units:
    """Units of one contrast straight from arrays: pairs first (reference, test), then test, then reference."""
    n_test, n_reference, n_pairs = layout
    who = [f"q{i}" for i in range(n_pairs) for _ in range(2)]
    who += [f"t{i}" for i in range(n_test)] + [f"r{i}" for i in range(n_reference)]
    side = [False, True] * n_pairs + [True] * n_test + [False] * n_reference
    n = len(who)
    level = batches(layout) if batch else np.zeros(n, int)
    nuisance = np.column_stack([np.ones(n), *([level.astype(float)] if batch else [])])
    contrast = Contrast("c", "test", "reference")
    return Units(contrast, np.array(who), np.array(side), values.copy(), cells, nuisance, level, (), ())


def batches(layout: tuple[int, int, int]) -> np.ndarray:
    """A batch that both arms share: alternating patients."""
    n_test, n_reference, n_pairs = layout
    return np.array([i % 2 for i in range(n_pairs) for _ in range(2)] + [i % 2 for i in range(n_test)]
                    + [i % 2 for i in range(n_reference)])  # fmt: skip


def null_values(
    rng: np.random.Generator, layout: tuple[int, int, int], icc: float, cells: np.ndarray, features: int, *, batch: bool
) -> np.ndarray:
    """Mean over each unit's cells; cells of a patient correlate by `icc`, half of it shared by the two of a pair."""
    n_test, n_reference, n_pairs = layout
    n = 2 * n_pairs + n_test + n_reference
    own = rng.normal(size=(n, features))
    shared = own.copy()
    shared[1 : 2 * n_pairs : 2] = shared[0 : 2 * n_pairs : 2]
    biology = np.sqrt(icc / 2) * shared + np.sqrt(icc / 2) * rng.normal(size=(n, features))
    noise = np.sqrt((1 - icc) / cells)[:, None] * rng.normal(size=(n, features))
    return biology + noise + (1.0 * batches(layout)[:, None] if batch else 0)


def type_one(rng: np.random.Generator, draws: int, alpha: float = 0.05) -> pd.DataFrame:
    """Rate of p < alpha per design, correlation, cells and test."""
    rows = []
    settings = [(icc, how, False) for icc in (0.05, 0.2, 0.5) for how in ("50", "1000", "50-1000")] + [
        (0.2, "50-1000", True)
    ]
    for name, layout in DESIGNS.items():
        n = layout[0] + layout[1] + 2 * layout[2]
        for icc, how, batch in settings:
            row: dict[str, object] = {"design": name, "correlation": icc, "cells": how, "batch": "yes" if batch else ""}
            for test in TESTS:
                # Tests of single features need no neighbours; with equal cells, neighbours teach them nothing either.
                features = FEATURES if test == "moderated" else 1 if "-" in how or test == "mixed" else draws
                hits = tested = 0
                for _ in range(int(np.ceil(draws / features))):
                    cells = cells_of(rng, how, n)
                    values = null_values(rng, layout, icc, cells, features, batch=batch)
                    units = units_of(layout, values, cells, batch=batch)
                    p = evaluate_contrast(units, method=test, permutation_beside=False).p_value
                    hits, tested = hits + int((p < alpha).sum()), tested + int(np.isfinite(p).sum())
                row[test] = hits / tested
            row["Wilcoxon over cells"] = over_cells(rng, layout, icc, how, max(draws // 20, 20), alpha)
            rows.append(row)
            print(" | ".join(str(round(v, 3) if isinstance(v, float) else v) for v in row.values()), file=sys.stderr)
    return pd.DataFrame(rows)


def cells_of(rng: np.random.Generator, how: str, n: int) -> np.ndarray:
    """Cells of each unit: a number, or log-uniform between two."""
    if "-" not in how:
        return np.full(n, float(how))
    return np.exp(rng.uniform(*np.log([float(x) for x in how.split("-")]), n)).round()


def over_cells(
    rng: np.random.Generator, layout: tuple[int, int, int], icc: float, how: str, draws: int, alpha: float
) -> float:
    """What a rank test over cells makes of the same null."""
    n_test, n_reference, n_pairs = layout
    n = n_test + n_reference + 2 * n_pairs
    side = np.array([False, True] * n_pairs + [True] * n_test + [False] * n_reference)
    hits = 0
    for _ in range(draws):
        cells = (
            np.full(n, int(float(how))) if "-" not in how else np.exp(rng.uniform(*np.log([50, 1000]), n)).astype(int)
        )
        level = null_values(rng, layout, icc, np.full(n, np.inf), 1, batch=False)[:, 0]
        x = np.repeat(level, cells) + np.sqrt(1 - icc) * rng.normal(size=cells.sum())
        arm = np.repeat(side, cells)
        hits += stats.mannwhitneyu(x[arm], x[~arm], method="asymptotic").pvalue < alpha
    return hits / draws


def planted(
    rng: np.random.Generator, layout: tuple[int, int, int], genes: int
) -> tuple[pd.DataFrame, Design, np.ndarray]:
    """Sums of counts: negative binomial, one gene in ten changed by a factor of 2 to 4 up or down."""
    n_test, n_reference, n_pairs = layout
    rows = [(f"q{i}", a) for i in range(n_pairs) for a in ("reference", "test")]
    rows += [(f"t{i}", "test") for i in range(n_test)] + [(f"r{i}", "reference") for i in range(n_reference)]
    samples = pd.DataFrame(rows, columns=["patient", "arm"], index=[f"s{i:02d}" for i in range(len(rows))])
    design = Design(("reference", "test"), (Contrast("c", "test", "reference"),), samples)
    mean = rng.lognormal(4, 1.5, genes)
    dispersion = (0.15 + 1 / mean) * rng.chisquare(10, genes) / 10
    truth = np.zeros(genes)
    changed = rng.choice(genes, genes // 10, replace=False)
    truth[changed] = rng.uniform(1, 2, changed.size) * rng.choice([-1, 1], changed.size)
    size = rng.uniform(0.4, 2.0, len(rows))
    people = {p: rng.normal(0, 0.3, genes) for p in samples["patient"].unique()}
    personal = np.stack([people[p] for p in samples["patient"]]) if n_pairs else 0.0
    log_rate = (
        np.log(mean * size[:, None]) + np.log(2) * truth * (samples["arm"] == "test").to_numpy()[:, None] + personal
    )
    rate = np.exp(log_rate)
    counts = rng.poisson(rate * rng.gamma(1 / dispersion, dispersion, rate.shape))
    names = [f"g{i}" for i in range(genes)]
    return pd.DataFrame(counts, index=samples.index, columns=names), design, truth


def deseq2(counts: pd.DataFrame, design: Design) -> pd.Series:
    """p-values of PyDESeq2, no independent filtering, so that the tests and not their filters are compared."""
    from pydeseq2.dds import DeseqDataSet
    from pydeseq2.default_inference import DefaultInference
    from pydeseq2.ds import DeseqStats

    paired = design.samples["patient"].duplicated().any()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = DeseqDataSet(
            counts=counts, metadata=design.samples, design="~patient + arm" if paired else "~arm", quiet=True,
            inference=DefaultInference(n_cpus=1),
        )  # fmt: skip
        data.deseq2()
        result = DeseqStats(
            data, contrast=["arm", "test", "reference"], independent_filter=False, quiet=True,
            inference=DefaultInference(n_cpus=1),
        )  # fmt: skip
        result.summary()
    return result.results_df["pvalue"]


def in_r(rscript: str, counts: pd.DataFrame, design: Design) -> pd.DataFrame:
    """p-values of edgeR's quasi-likelihood test and of R's limma-voom, by gene."""
    with tempfile.TemporaryDirectory() as folder:
        counts.to_csv(Path(folder) / "counts.csv")
        design.samples.to_csv(Path(folder) / "samples.csv")
        script = Path(__file__).with_name("beside_edger.R")
        subprocess.run([rscript, str(script), folder], check=True, capture_output=True)
        return pd.read_csv(Path(folder) / "p.csv").set_index("gene")


def power(rng: np.random.Generator, cohorts: int, genes: int, rscript: str | None = None) -> pd.DataFrame:
    """False discovery and power at q < 0.05, and power where the true false discovery proportion is 0.05."""
    rows = []
    for name, layout in {"5 v 5": (5, 5, 0), "8 v 6": (8, 6, 0), "6 pairs": (0, 0, 6)}.items():
        programs = ["scresist", "PyDESeq2", *(["edgeR", "limma"] if rscript else [])]
        found: dict[str, list[tuple[float, float, float, float]]] = {program: [] for program in programs}
        for _ in range(cohorts):
            counts, design, truth = planted(rng, layout, genes)
            started = time.perf_counter()
            table = contrasts.expression(counts, design, influence=False).table.set_index("gene")
            middle = time.perf_counter()
            other = deseq2(counts[table.index], design)
            ended = time.perf_counter()
            real = pd.Series(truth != 0, index=counts.columns)[table.index]
            found["scresist"].append((*score(table["p_value"], real), middle - started))
            found["PyDESeq2"].append((*score(other.reindex(table.index), real), ended - middle))
            if rscript:
                theirs = in_r(rscript, counts[table.index], design)
                for program in ("edgeR", "limma"):
                    found[program].append((*score(theirs[program].reindex(table.index), real), np.nan))
        for program, scores in found.items():
            mean = np.mean(scores, axis=0)
            names = ("false discovery at q < 0.05", "power at q < 0.05", "power at 5 % true false discovery", "seconds")
            rows.append({"design": name, "program": program, **dict(zip(names, mean, strict=True))})
    return pd.DataFrame(rows)


def score(p: pd.Series, real: pd.Series) -> tuple[float, float, float]:
    """False discovery proportion and power at q < 0.05; power where the best cut-off makes 5 % false discoveries."""
    called = benjamini_hochberg(p.to_numpy(float)) < 0.05
    order = real.to_numpy()[np.argsort(p.fillna(1).to_numpy(), kind="stable")]
    share = np.cumsum(~order) / np.arange(1, order.size + 1)
    last = np.flatnonzero(share <= 0.05)
    reached = order[: last[-1] + 1].sum() / order.sum() if last.size else 0.0
    false = float((called & ~real.to_numpy()).sum() / max(called.sum(), 1))
    return false, float((called & real.to_numpy()).sum() / real.sum()), float(reached)


def shuffled_real(shuffles: int, rng: np.random.Generator) -> pd.DataFrame:
    """Discoveries on real pseudobulk after shuffling: breast lines (8 v 8) and glioblastoma (5 pairs, arms swapped)."""
    folder, tables = SHARED / "oracle" / "pseudobulk", []
    for name, arms in (("br", ("afatinib_resistant", "afatinib_sensitive")), ("gbm", ("ctrl", "panobinostat"))):
        counts = pd.read_csv(folder / f"{name}_counts.csv.gz", index_col=0).T
        meta = pd.read_csv(folder / f"{name}_meta.csv", index_col=0)
        patient = meta.get("patient", pd.Series(meta.index, index=meta.index))
        samples = pd.DataFrame({"patient": patient, "arm": meta["condition"]})
        design = Design(arms, (Contrast("drug", arms[1], arms[0]),), samples)
        calls = {name: lambda d, counts=counts: contrasts.expression(counts, d, influence=False)}
        for moved in ((0.0, 1.0), (0.3, 0.7)):
            table = contrasts.calibrate(design, calls, n_shuffles=shuffles, moved=moved, rng=rng).table
            tables.append(table.assign(moved=f"{moved[0]:g} to {moved[1]:g}"))
    columns = ["claim", "moved", "n_shuffles", "tests", "false_positive_rate", "ci_low", "ci_high"]
    columns += ["any_discovery_rate", "discoveries"]
    return pd.concat(tables)[[*columns, "observed_discoveries", "p_observed"]]


def speed(rng: np.random.Generator, *, quick: bool) -> pd.DataFrame:
    """Seconds for 20 cell types x 15,000 genes x 40 samples with three contrasts, and 10,000 permutations."""
    kinds, genes, n = (2 if quick else 20), 15_000, 40
    arm = np.repeat(["baseline", "primary", "acquired"], [16, 12, 12])
    patient = (
        [f"b{i}" for i in range(16)] + [f"p{i}" for i in range(12)] + [f"b{i}" if i < 6 else f"a{i}" for i in range(12)]
    )
    samples = pd.DataFrame({"patient": patient, "arm": arm}, index=[f"s{i:02d}" for i in range(n)])
    pairs = (Contrast("primary", "primary", "baseline"), Contrast("acquired", "acquired", "baseline"),
             Contrast("late", "acquired", "primary"))  # fmt: skip
    design = Design(("baseline", "primary", "acquired"), pairs, samples)
    mean = rng.lognormal(4, 1, genes)
    parts = [pd.DataFrame(rng.poisson(mean * rng.gamma(5, 0.2, (n, genes))), index=samples.index) for _ in range(kinds)]
    counts = pd.concat({f"type {k:02d}": p for k, p in enumerate(parts)}, names=["cell_type", "sample"])
    rows = []
    started = time.perf_counter()
    rows.append(("expression", f"{kinds} types x {genes} genes x {n} samples, 3 contrasts",
                 len(contrasts.expression(counts, design).table), time.perf_counter() - started))  # fmt: skip
    values = pd.DataFrame(rng.normal(size=(n, 50)), index=samples.index)
    started = time.perf_counter()
    table = contrasts.contrast_arms(values, design, method="permutation", influence=False).table
    rows.append(
        ("permutation", "50 modules, 3 contrasts, 10,000 relabellings", len(table), time.perf_counter() - started)
    )
    started = time.perf_counter()
    table = contrasts.contrast_arms(values, design).table
    rows.append(
        ("moderated", "the same with influence and permutation beside", len(table), time.perf_counter() - started)
    )
    started = time.perf_counter()
    exact_permutation_test(rng.normal(size=(14, 15_000)), np.repeat([1, 0], [8, 6]))
    rows.append(
        ("exact kernel", "15,000 features, 8 v 6, all 3,003 relabellings", 15_000, time.perf_counter() - started)
    )
    return pd.DataFrame(rows, columns=["what", "size", "rows", "seconds"])


def show(title: str, table: pd.DataFrame) -> None:
    print(f"\n## {title}\n")
    print("| " + " | ".join(table.columns) + " |")
    print("|" + "---|" * table.shape[1])
    for row in table.itertuples(index=False):
        print("| " + " | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row) + " |", flush=True)


def null_tables(draws: int, *, quick: bool) -> dict[str, tuple[str, Callable[[np.random.Generator], pd.DataFrame]]]:
    """Tables of the nulls by the name that `--only` takes: the title, and what makes the table from a generator."""
    cohorts, genes = (2, 500) if quick else (20, 4_000)
    some, few = max(draws // 8, 5), max(draws // 80, 2)  # studies
    return {
        "unequal": ("Arms that vary unequally", lambda r: nulls.unequal_variance(r, 10 * draws)),
        "few": ("Families of eight features", lambda r: nulls.few_features(r, max(draws // 3, 5))),
        "counts": (f"Counts: {cohorts} cohorts of {genes}", lambda r: nulls.unequal_dispersion(r, cohorts, genes)),
        "composition": ("Composition", lambda r: nulls.composition(r, some)),
        "rare": ("Rare cell types", lambda r: rare_types.pooled(rare_types.rare_types(r, few))),
        "rare_power": ("Power of rare cell types", lambda r: rare_types.rare_power(r, max(draws // 200, 2))),
        "shallow": ("Arms of shallow samples", lambda r: depth_nulls.genes_of_few_counts(r, cohorts, genes)),
        "scores": ("Module scores of few cells", lambda r: depth_nulls.module_scores(r, some)),
        "depth": ("Cells of unequal depth", lambda r: depth_nulls.cells_of_unequal_depth(r, few)),
        "pairs": ("Families in partly paired designs", lambda r: nulls.partly_paired(r, max(draws // 2, 10))),
        "third_arm": ("A third arm in the same fit", lambda r: nulls.third_arm(r, 2 * draws)),
        "primary": ("A question declared beforehand", lambda r: nulls.primary_question(r, draws)),
        "residuals": ("Permuted residuals", lambda r: nulls.permuted_residuals(r, 2 * draws)),
        "three_arms": ("Three arms that vary unequally", lambda r: nulls.three_arms(r, 2 * draws)),
        "verdict": ("What the verdict supports", lambda r: nulls.supported(r, max(draws // 4, 5))),
        "filtered": ("Findings taken away", lambda r: nulls.filtered(r, draws)),
    }  # fmt: skip


def tables(
    draws: int, *, quick: bool, rscript: str | None
) -> dict[str, tuple[str, Callable[[np.random.Generator], pd.DataFrame]]]:
    """All tables in their order; what is not here (`../shared`) is left out."""
    cohorts, genes = (1, 1_000) if quick else (10, 5_000)
    first = {"type1": (f"Type I error at 0.05, {draws} null draws a row", lambda r: type_one(r, draws))}
    last = {
        "power": (f"Planted effects, {cohorts} cohorts of {genes} genes", lambda r: power(r, cohorts, genes, rscript)),
        "shuffled": ("Real data, patients shuffled", lambda r: shuffled_real(20 if quick else 200, r)),
        "speed": ("Seconds", lambda r: speed(r, quick=quick)),
    }
    if not SHARED.exists():
        del last["shuffled"]
    return {**first, **null_tables(draws, quick=quick), **last}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few draws: minutes instead of hours")
    parser.add_argument(
        "--only", nargs="+", metavar="TABLE", help="these tables only; 'nulls': all between type1 and power"
    )
    parser.add_argument("--draws", type=int, help="null draws per row of the first table (2,000; quick: 100)")
    parser.add_argument("--beside-r", help="Rscript of an R that has edgeR (Debian: r-bioc-edger), for the power")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    draws = asked.draws or (100 if asked.quick else 2_000)
    every = tables(draws, quick=asked.quick, rscript=asked.beside_r)
    only = set(asked.only or every)
    if "nulls" in only:
        only = only - {"nulls"} | set(null_tables(draws, quick=asked.quick))
    if unknown := sorted(only - {*every, "shuffled"}):
        parser.error(f"--only has no table {', '.join(unknown)}; the tables are nulls, {', '.join(every)}")
    for name, (title, make) in every.items():
        if name in only:
            started = time.perf_counter()
            # A generator of its own for each table: alone or with others, a table has the same numbers.
            show(title, make(np.random.default_rng([asked.seed, *name.encode()])))
            print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if "shuffled" in only and not SHARED.exists():
        print("\nReal data: ../shared is not here, left out")


if __name__ == "__main__":
    main()
