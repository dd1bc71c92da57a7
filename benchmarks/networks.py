"""How fast the networks are: every step beside the machine's limit, in one run, on one thread and on all.

    python benchmarks/networks.py                       10,000 genes; about three minutes on two cores
    python benchmarks/networks.py --genes 5000 --threads 1
    python benchmarks/networks.py --large               also 20,000 genes, with the peak of memory
    python benchmarks/networks.py --beside PYTHON       also py-hdwgcna, in that interpreter's environment
    python benchmarks/networks.py --beside-r Rscript    also R's WGCNA (Debian: r-cran-wgcna, libopenblas0-pthread)
    python benchmarks/networks.py --only standard       the standard run alone, with what is asked beside it

Times are CPU seconds (user and system, all threads) of one call after a first, compiling one, which is shown too; the
memory is the peak of the process. R's figures were measured on a machine of this size with OpenBLAS on one thread.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

R_SECONDS = {
    "overlap from expression, 10,000 genes": 24.3,
    "fit table of 20 powers, 2,000 genes": 4.0,
    "metacells, 50,000 cells": 65.6,
    "preservation, 100 permutations, 2,000 genes": 393.0,
    "kME, 20,000 cells x 5,000 genes": 1.24,
    "tree, 10,000 genes": 5.3,
    "cut, 10,000 genes": 0.75,
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS")
PER_GROUP = 100  # metacells of each of ten patients in the standard run
POWERS = [*range(1, 11), *range(12, 31, 2)]


def timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """CPU seconds, wall seconds and the value of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    value = function()
    return time.process_time() - cpu, time.perf_counter() - wall, value


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def simulated(n_samples: int, n_genes: int, seed: int = 7) -> Any:
    """Samples x genes with 25 latent modules, single precision."""
    import numpy as np

    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n_samples, 25)).astype(np.float32)
    loading = rng.uniform(0.2, 1.2, n_genes).astype(np.float32) * (rng.random(n_genes) < 0.7)
    X = rng.standard_normal((n_samples, n_genes), dtype=np.float32)
    X += factors[:, rng.integers(0, 25, n_genes)] * loading
    return X


def simulated_cells(n_cells: int, n_genes: int, seed: int = 7) -> Any:
    """Counts of cells x genes, sparse, about 6 % stored."""
    import numpy as np
    from scipy import sparse

    rng = np.random.default_rng(seed)
    base = rng.gamma(0.3, 0.3, n_genes) + 0.01
    use = rng.normal(size=(n_cells, 10))
    module = rng.integers(0, 14, n_genes)
    blocks = []
    for start in range(0, n_cells, 2000):
        part = use[start : start + 2000]
        rate = np.tile(base, (len(part), 1))
        inside = module < 10
        rate[:, inside] *= np.exp(part[:, module[inside]] - 0.5)
        blocks.append(sparse.csr_matrix(rng.poisson(rate).astype(np.int32)))
    return sparse.vstack(blocks).tocsr()


def square_steps(n: int) -> dict[str, Any]:
    """The steps on gene x gene matrices, single precision."""
    import numpy as np
    from scipy.linalg import blas

    from scresist import kernels

    compile_all()
    X = simulated(500, n)
    steps: dict[str, float] = {}
    steps["correlation"], _, R = timed(lambda: kernels.correlation(X))
    steps["correlation, bicor"], _, _ = timed(lambda: kernels.correlation(X, "bicor"))
    steps["fit table"], _, _ = timed(lambda: kernels.soft_threshold(R, POWERS))
    steps["adjacency"], _, A = timed(lambda: kernels.adjacency(R, 12))
    R = None
    limit = min(timed(lambda: blas.ssyrk(1.0, A.T))[0] for _ in range(2))
    steps["ssyrk"] = limit
    one_pass = timed(A.copy)[0]
    steps["one pass"] = one_pass
    runs = []
    for _ in range(2):
        T = None
        cpu, _, T = timed(lambda: kernels.topological_overlap(A))
        runs.append(cpu)
    steps["overlap"] = min(runs)
    A = None
    D = np.subtract(np.float32(1), T, out=T)
    steps["tree"], _, Z = timed(lambda: kernels.average_linkage(D))
    steps["cut"], _, labels = timed(lambda: kernels.cut_tree_hybrid(Z, D))
    steps["cut with PAM"], _, _ = timed(lambda: kernels.cut_tree_hybrid(Z, D, deep_split=2, pam=True))
    return {"steps": steps, "modules": int(labels.max()), "peak_gb": peak_gb()}


def large_overlap(n: int) -> dict[str, Any]:
    """Correlation to modules' tree at a large size: seconds and the peak of memory above the input."""
    from scresist.networks.detect import cut_modules
    from scresist.networks.recipe import Recipe, correlations, dissimilarity

    few = simulated(60, 200)
    recipe = Recipe(power=12, min_module_size=20)
    cut_modules(few, dissimilarity(correlations(few, recipe), recipe), recipe)
    X = simulated(500, n)
    before = peak_gb()
    total, wall, D = timed(lambda: dissimilarity(correlations(X, recipe), recipe))
    tree, _, found = timed(lambda: cut_modules(X, D, recipe))
    return {"overlap": total, "wall": wall, "tree and modules": tree, "peak_gb": peak_gb(), "before_gb": before,
            "modules": int(found.labels.max())}  # fmt: skip


def other_steps() -> dict[str, Any]:
    """Metacells, preservation, kME, and a fit table of R's size."""
    import numpy as np
    from scipy import sparse

    from scresist import kernels
    from scresist.kernels.metacells import aggregate_members, choose_metacells

    rng = np.random.default_rng(7)
    steps: dict[str, float] = {}
    compile_all()
    points = rng.normal(size=(50_000, 30))
    counts = sparse.random(50_000, 5_000, density=0.058, format="csr", rng=rng, dtype=np.float32)

    def metacells(cells: int) -> Any:
        chosen = choose_metacells(points[:cells], 25, 10, 1000, 5000, np.random.default_rng(1))
        return aggregate_members(counts[:cells], chosen, average=True)

    steps["metacells, 50,000 cells"] = timed(lambda: metacells(50_000))[0]
    E = rng.normal(size=(20_000, 15))
    cells = sparse.csr_array(counts[:20_000])
    steps["kME, 20,000 cells x 5,000 genes"] = timed(lambda: kernels.signed_kme(cells, E))[0]
    X = simulated(500, 2_000).astype(float)
    labels = rng.integers(0, 16, 2_000)
    steps["preservation, 100 permutations, 2,000 genes"] = timed(
        lambda: kernels.module_preservation(X[:250], X[250:], labels, 100, 1)
    )[0]
    R = kernels.correlation(X, "bicor")
    kernels.soft_threshold(R[:50, :50], POWERS)
    steps["fit table of 20 powers, 2,000 genes"] = timed(
        lambda: kernels.soft_threshold(kernels.correlation(X, "bicor"), POWERS)
    )[0]
    return {"steps": steps, "peak_gb": peak_gb()}


def standard_cells(path: Path) -> None:
    """Write the cells of the standard run: 20,000 cells of ten patients, 5,000 genes."""
    import anndata as ad
    import numpy as np
    import pandas as pd
    from scipy import sparse

    from scresist.cells.network_cells import principal_components
    from scresist.kernels.normalise import log1p_per_10k

    counts = simulated_cells(20_000, 5_000)
    X = log1p_per_10k(sparse.csr_array(counts))
    obs = pd.DataFrame({"patient": np.repeat([f"P{i}" for i in range(10)], 2_000), "cell_type": "malignant"})
    obs.index = [f"c{i}" for i in range(len(obs))]
    adata = ad.AnnData(sparse.csr_matrix(X.astype(np.float32)), obs=obs)
    adata.var_names = [f"G{i}" for i in range(5_000)]
    adata.layers["counts"] = sparse.csr_matrix(counts)
    adata.obsm["X_pca"] = principal_components(X, 2000, 30)
    adata.write_h5ad(path)


def standard_run(path: Path) -> dict[str, Any]:
    """The whole of a standard run, power chosen, modules and kME; single precision and R's way."""
    import warnings

    import anndata as ad

    from scresist import networks

    adata = ad.read_h5ad(path)
    result: dict[str, Any] = {}
    for mode in ("sound", "parity"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", networks.PowerWarning)

            def run(mode: str = mode) -> Any:
                pooling = networks.Pooling(target=PER_GROUP, small_groups=mode == "sound")
                net = networks.build(adata, mode=mode, fraction=0.0, pooling=pooling)
                networks.cell_eigengenes(net, adata)
                return net

            first = timed(run)
            cpu, wall, net = timed(run)
        result[mode] = {"cpu": cpu, "wall": wall, "first_wall": first[1], "modules": len(net.names),
                        "metacells": len(net.metacells), "genes": len(net.genes), "power": net.power}  # fmt: skip
    pooling = networks.Pooling(target=PER_GROUP)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", networks.PowerWarning)
        built = timed(lambda: networks.build(adata, values="log", fraction=0.0, pooling=pooling))
    resampled = timed(lambda: networks.stability(built[2], n_bootstraps=20, rng=1))
    result["log"] = {"cpu": built[0] + resampled[0], "wall": built[1] + resampled[1]}
    return {**result, "peak_gb": peak_gb()}


def compile_all() -> dict[str, Any]:
    """Wall seconds of the first call of every step, on data so small that compiling is all there is."""
    import numpy as np

    from scresist import kernels
    from scresist.kernels.components import cell_component
    from scresist.kernels.metacells import aggregate_members, choose_metacells

    first: dict[str, float] = {}
    X = simulated(100, 300)
    _, first["correlation"], r = timed(lambda: kernels.correlation(X))
    _, ready, a = timed(lambda: kernels.adjacency(r, 12))
    _, first["overlap"], t = timed(lambda: kernels.topological_overlap(a))
    first["overlap"] += ready
    first["fit table"] = timed(lambda: kernels.soft_threshold(r, POWERS))[1]
    _, first["tree"], z = timed(lambda: kernels.average_linkage(1 - t))
    first["cut"] = timed(lambda: kernels.cut_tree_hybrid(z, 1 - t, min_size=10, pam=True))[1]
    counts = simulated_cells(300, 100)
    _, first["metacells"], sets = timed(
        lambda: choose_metacells(
            np.random.default_rng(1).normal(size=(300, 5)), 10, 5, 20, 100, np.random.default_rng(1)
        )
    )
    first["metacells"] += timed(lambda: aggregate_members(counts, sets, average=True))[1]
    first["kME"] = timed(lambda: kernels.signed_kme(counts, np.random.default_rng(1).normal(size=(300, 3))))[1]
    first["cell eigengenes"] = timed(lambda: cell_component(counts[:, :20]))[1]
    few = X.astype(float)
    labels = np.arange(300) % 5
    first["preservation"] = timed(lambda: kernels.module_preservation(few[:50], few[50:], labels, 2))[1]
    return {"first": first}


def export_metacells(argument: str) -> dict[str, Any]:
    """Write the metacells of the standard run in parity, for R."""
    import warnings

    import anndata as ad
    import numpy as np

    from scresist import networks

    path, folder = argument.split(":")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", networks.PowerWarning)
        pooling = networks.Pooling(target=PER_GROUP, small_groups=False)
        net = networks.build(ad.read_h5ad(path), mode="parity", fraction=0.0, pooling=pooling)
    X = np.asarray(net.expression, dtype=np.float64)
    X.ravel(order="F").tofile(Path(folder) / "matrix.bin")
    Path(folder, "shape.txt").write_text(f"{X.shape[0]} {X.shape[1]}")
    Path(folder, "power.txt").write_text(f"{net.power:g}")
    return {}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "compile": compile_all,
    "square": square_steps,
    "large": large_overlap,
    "other": other_steps,
    "standard": lambda path: standard_run(Path(path)),
    "export": export_metacells,
}


def one_thread() -> dict[str, str]:
    return {**os.environ, **dict.fromkeys(THREADS, "1")}


def apart(job: str, argument: str, threads: int, cache: str | None = None) -> dict[str, Any]:
    """Run one job in a process of its own, with so many threads; `cache` is where compiled code is kept."""
    env = {**os.environ, **dict.fromkeys(THREADS, str(threads))} | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    done = subprocess.run(
        [sys.executable, __file__, "--job", job, "--argument", argument],
        env=env,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def show(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in
                        enumerate(zip(row, widths, strict=True))))  # fmt: skip


def show_square(n: int, threads: int, found: dict[str, Any]) -> None:
    steps = found["steps"]
    limit = steps["ssyrk"] + steps["one pass"]
    print(
        f"\n{n:,} genes, single precision, {threads} thread(s): {found['modules']} modules, {found['peak_gb']:.1f} GB"
    )
    rows = [("step", "CPU s", "beside", "ratio", "target")]

    def row(name: str, beside: str, value: float, target: str) -> None:
        rows.append((name, f"{steps[name]:.2f}", beside, f"{steps[name] / value:.2f}", target))

    rows.append(("ssyrk (the limit)", f"{steps['ssyrk']:.2f}", "", "", ""))
    rows.append(("one pass over the matrix", f"{steps['one pass']:.2f}", "", "", ""))
    row("overlap", "1.3 ssyrk + pass", 1.3 * steps["ssyrk"] + steps["one pass"], "<= 1")
    row("overlap", "ssyrk + pass", limit, "")
    row("fit table", "overlap", steps["overlap"], "<= 0.25")
    steps["tree and cut"] = steps["tree"] + steps["cut"]
    row("tree and cut", "overlap", steps["overlap"], "<= 1")
    for name in ("correlation", "correlation, bicor", "adjacency", "tree", "cut", "cut with PAM"):
        row(name, "overlap", steps["overlap"], "")
    show(rows)


def show_other(threads: int, found: dict[str, Any]) -> None:
    targets = {"metacells": "15", "preservation": "50", "kME": "8"}
    print(f"\nother steps, {threads} thread(s)")
    rows = [("step", "CPU s", "R, CPU s", "R / here", "target")]
    for name, seconds in found["steps"].items():
        target = next((f">= {t}" for key, t in targets.items() if name.startswith(key)), "")
        rows.append((name, f"{seconds:.2f}", f"{R_SECONDS[name]:.2f}", f"{R_SECONDS[name] / seconds:.0f}", target))
    show(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--genes", type=int, default=10_000)
    parser.add_argument("--threads", default="1,all", help="comma-separated; all is every core")
    parser.add_argument("--large", action="store_true", help="also 20,000 genes")
    parser.add_argument("--beside", help="python of an environment that has py-hdwgcna")
    parser.add_argument("--beside-r", help="Rscript of an R that has WGCNA")
    parser.add_argument("--only", choices=["standard"], help="one part alone")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--argument", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        argument = int(given.argument) if given.argument.isdigit() else given.argument
        print(json.dumps(JOBS[given.job](argument) if argument != "" else JOBS[given.job]()))
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = list(dict.fromkeys(cores if t == "all" else int(t) for t in given.threads.split(",")))
    if given.only != "standard":
        steps(counts, given.genes)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cells.h5ad"
        standard_cells(path)
        single = 0.0
        for threads in counts:
            found = apart("standard", str(path), threads)
            print(f"\nstandard run, 20,000 cells x 5,000 genes, {threads} thread(s), peak {found['peak_gb']:.1f} GB")
            rows = [("mode", "CPU s", "wall s", "first call, wall s", "metacells", "genes", "power", "modules")]
            rows += [
                (mode, f"{r['cpu']:.1f}", f"{r['wall']:.1f}", f"{r['first_wall']:.1f}", str(r["metacells"]),
                 str(r["genes"]), f"{r['power']:g}", str(r["modules"]))
                for mode, r in found.items() if mode not in ("peak_gb", "log")
            ]  # fmt: skip
            show(rows)
            log, sound = found["log"], found["sound"]
            print(f'values="log" with 20 resamples of patients, which sound mode was before: {log["cpu"]:.1f} CPU s; '
                  f"sound, whose proof tells the recurrence: {sound['cpu'] / log['cpu']:.2f} x")  # fmt: skip
            single = single or found["sound"]["cpu"]
        if given.beside:
            beside(given.beside, path, single)
        if given.beside_r:
            beside_r(given.beside_r, path, single, Path(folder))
    if given.large:
        found = apart("large", "20000", counts[-1])
        print(f"\n20,000 genes, {counts[-1]} thread(s): correlation to overlap {found['overlap']:.0f} CPU s "
              f"({found['wall']:.0f} wall), tree to modules {found['tree and modules']:.0f} CPU s, peak "
              f"{found['peak_gb']:.1f} GB ({found['peak_gb'] - found['before_gb']:.1f} above the input), "
              f"{found['modules']} modules")  # fmt: skip


def steps(counts: list[int], genes: int) -> None:
    """The first calls, then every step by itself."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = (apart("compile", "", 1, cache)["first"] for _ in range(2))
    print("first calls, wall s: compiling, then from the cache")
    show([("step", "compiling", "cached")] + [(name, f"{cold[name]:.1f}", f"{warm[name]:.2f}") for name in cold])
    print(f"all together {sum(cold.values()):.0f} s once per installation, then {sum(warm.values()):.1f} s per process")
    for threads in counts:
        show_square(genes, threads, apart("square", str(genes), threads))
        show_other(threads, apart("other", "", threads))


def beside_r(rscript: str, path: Path, ours: float, folder: Path) -> None:
    """R's WGCNA on the metacells of the same cells: the network alone, without R's metacells and its kME of cells."""
    apart("export", f"{path}:{folder}", 1)
    script = Path(__file__).with_name("beside_wgcna.R")
    done = subprocess.run(
        [rscript, str(script), str(folder)], env=one_thread(), check=False, capture_output=True, text=True
    )
    if done.returncode:
        print("\nWGCNA failed:", done.stderr.strip()[-500:])
        return
    theirs = json.loads(done.stdout.splitlines()[-1])
    modules, blas = theirs.pop("modules"), theirs.pop("blas")
    said = ", ".join(f"{name} {seconds:.1f}" for name, seconds in theirs.items())
    whole = sum(theirs.values())
    print(f"\nR's WGCNA ({blas}), the same metacells, 1 thread: {whole:.1f} CPU s ({said}), {modules} modules; "
          f"{whole / ours:.1f} x our sound run, which also makes the metacells and the eigengenes of 20,000 cells "
          "(target >= 20 with both)")  # fmt: skip


def beside(python: str, path: Path, ours: float) -> None:
    """The same cells through py-hdwgcna, in its own environment and as it is."""
    script = Path(__file__).with_name("beside_py_hdwgcna.py")
    if not script.exists():
        print("\npy-hdwgcna: no script beside this one")
        return
    call = [python, str(script), str(path), str(PER_GROUP)]
    done = subprocess.run(call, env=one_thread(), check=False, capture_output=True, text=True)
    if done.returncode:
        print("\npy-hdwgcna failed:", done.stderr.strip()[-500:])
        return
    theirs = json.loads(done.stdout.splitlines()[-1])
    steps = ", ".join(f"{name} {seconds:.1f}" for name, seconds in theirs["steps"].items())
    print(f"\npy-hdwgcna, the same cells and metacells, 1 thread: {theirs['cpu']:.1f} CPU s ({steps}); "
          f"{theirs['cpu'] / ours:.1f} x the sound run (target >= 10)")  # fmt: skip


if __name__ == "__main__":
    main()
