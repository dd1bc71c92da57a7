"""Time and memory of communication on real cells resampled, other programs beside.

    python benchmarks/communication.py                   two settings, growth in cells and permutations, similarity
    python benchmarks/communication.py --beside          also liana, pycellchat, and CellChat where R has it
    python benchmarks/communication.py --only-million    a million cells (minutes)

The cells are those of the NSCLC oracle (../shared/oracle/cellchat/nsclc), drawn with replacement; groups are halved
until there are as many as asked for. CPU seconds of the process, all threads together. Every program reads the same
matrix and draws the same number of permutations. `--beside` makes an environment for each Python program under
benchmarks/out (uv must be there; minutes and some 6 GB, most of it torch) and uses it again the next time; CellChat is
run if Rscript finds the package. A program that is not run is quoted from ../shared/oracle/cellchat/SPEED.md, another
day on a machine of this size.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from scipy.io import mmwrite

from scresist.communication import cellchatdb, infer
from scresist.communication.resource import read_resource
from scresist.kernels.network_distance import structural_distances

ORACLE = Path(__file__).resolve().parents[2] / "shared" / "oracle" / "cellchat"
HERE = Path(__file__).resolve().parent
QUOTED = {
    (5_000, 10): {"CellChat (R)": 86.7, "pycellchat": 22.4, "liana": 6.2},
    (20_000, 15): {"CellChat (R)": 212.0, "pycellchat": 152.0, "liana": 26.3},
}
TARGETS = {"CellChat (R)": 200, "pycellchat": 20, "liana": 10}
PACKAGES = {"liana": "liana==1.10.0", "pycellchat": "pycellchat==1.5.0.post1"}
ALONE = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "NUMBA")}


def real_cells() -> ad.AnnData:
    """The NSCLC cells in groups of more than 10."""
    folder = ORACLE / "nsclc" / "base"
    names = json.loads((folder / "X_names.json").read_text())
    with np.load(folder / "X_genes_x_cells_csc.npz") as file:
        X = sparse.csc_array((file["data"], file["indices"], file["indptr"]), shape=tuple(file["shape"])).T.tocsr()
    labels = pd.read_parquet(folder / "meta.parquet")["labels"].astype(str).to_numpy()
    cells = ad.AnnData(sparse.csr_matrix(X), var=pd.DataFrame(index=names["rows"]))
    cells.obs["group"] = labels
    large = cells.obs["group"].value_counts().index[:10]
    return cells[cells.obs["group"].isin(large)].copy()


def resample(cells: ad.AnnData, n: int, n_groups: int, *, seed: int = 0) -> ad.AnnData:
    """`n` cells drawn with replacement, in `n_groups` groups."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, cells.n_obs, n)
    names, codes = np.unique(cells.obs["group"].to_numpy()[rows], return_inverse=True)
    labels = list(names)
    while len(labels) < n_groups:
        largest = int(np.bincount(codes).argmax())
        own = np.flatnonzero(codes == largest)
        codes[own[rng.random(len(own)) < 0.5]] = len(labels)
        labels.append(f"{labels[largest]}'")
    obs = pd.DataFrame({"group": pd.Categorical.from_codes(codes, [f"{i:02d} {x}" for i, x in enumerate(labels)])})
    obs.index = obs.index.astype(str)
    return ad.AnnData(sparse.csr_matrix(cells.X)[rows], obs=obs, var=cells.var)


def seconds(cells: ad.AnnData, permutations: int) -> tuple[float, float, int]:
    """CPU and wall seconds, and how many pairs have a signal."""
    cpu, wall = time.process_time(), time.perf_counter()
    com = infer(cells, groupby="group", mode="parity", permutations=permutations)
    return time.process_time() - cpu, time.perf_counter() - wall, int((com.probability > 0).any(axis=(0, 1)).sum())


def peak_gb() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def environment(name: str, folder: Path) -> Path:
    """The python of an environment that has one other program, made where it is not there yet."""
    python = folder / name / "bin" / "python"
    if not python.exists():
        uv = shutil.which("uv") or str(HERE.parent / ".bootstrap" / "bin" / "uv")
        print(f"installing {PACKAGES[name]} into {python.parent.parent.relative_to(folder.parent)}", flush=True)
        subprocess.run([uv, "venv", "-q", "--python", "3.11", str(python.parent.parent)], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), PACKAGES[name]], check=True)
    return python


def beside(name: str, data: ad.AnnData, permutations: int, envs: Path) -> float | None:
    """CPU seconds of another program on the same cells; None where it cannot be run here."""
    with tempfile.TemporaryDirectory() as folder:
        if name == "CellChat (R)":
            found = subprocess.run(
                ["Rscript", "-e", "library(CellChat)"], capture_output=True, check=False
            ) if shutil.which("Rscript") else None  # fmt: skip
            if found is None or found.returncode:
                return None
            mmwrite(Path(folder) / "matrix.mtx", sparse.csc_matrix(data.X.T))
            (Path(folder) / "genes.txt").write_text("\n".join(data.var_names))
            (Path(folder) / "groups.txt").write_text("\n".join(data.obs["group"].astype(str)))
            command = ["Rscript", str(HERE / "beside_cellchat.R"), folder, str(permutations)]
        else:
            data.write_h5ad(Path(folder) / "cells.h5ad")
            script = HERE / f"beside_{name}.py"
            command = [str(environment(name, envs)), str(script), f"{folder}/cells.h5ad", str(permutations)]
        made = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | ALONE)
    if made.returncode:
        raise SystemExit(f"{name} failed: {made.stderr[-800:]}")
    return float(json.loads(made.stdout.splitlines()[-1])["cpu"])


def settings(cells: ad.AnnData, envs: Path | None) -> None:
    """The two settings of SPEED.md, best of three; the others once."""
    print("100 permutations, trimean, the whole of infer (over-expressed genes included); CPU seconds, best of three")
    for (n, g), quoted in QUOTED.items():
        data = resample(cells, n, g)
        cpu, _, pairs = min(seconds(data, 100) for _ in range(3))
        print(
            f"  {n:>7,} cells x {g} groups   scresist {cpu:6.2f} s   {pairs} pairs with a signal   {peak_gb():.2f} GB"
        )
        for name, value in quoted.items():
            run = beside(name, data, 100, envs) if envs is not None else None
            told, where = (value, "quoted") if run is None else (run, "run beside")
            print(
                f"      {name:<13} {told:7.1f} s, {where:<10} {told / cpu:6.0f} x (target {TARGETS[name]})", flush=True
            )


def growth(cells: ad.AnnData) -> None:
    """Seconds against cells and against permutations."""
    print("\ngrowth with cells (15 groups, 100 permutations)")
    for n in (10_000, 20_000, 40_000, 80_000):
        cpu = min(seconds(resample(cells, n, 15), 100)[0] for _ in range(2))
        print(f"  {n:>7,} cells   {cpu:6.2f} s   {1e6 * cpu / n:6.1f} s per million cells")
    print("\ngrowth with permutations (20,000 cells, 15 groups); less what 0 permutations take")
    data = resample(cells, 20_000, 15)
    base = min(seconds(data, 0)[0] for _ in range(3))
    for b in (250, 500, 1000, 2000):
        cpu = seconds(data, b)[0] - base
        print(f"  {b:>7,}   {cpu:6.2f} s   {1000 * cpu / b:6.2f} ms per permutation")


def shapes() -> None:
    """Structural similarity of 56 pathways."""
    with np.load(ORACLE / "oligo" / "tri" / "arrays.npz", allow_pickle=True) as file:
        sums = file["netP_prob"]
    structural_distances(sums)
    cpu = time.process_time()
    structural_distances(sums)
    cpu = time.process_time() - cpu
    print(f"\nstructural similarity of {sums.shape[2]} pathways: {cpu:.3f} s (CellChat: 48 s quoted from SPEED.md)")


def million(cells: ad.AnnData) -> None:
    """A million cells, 30 groups, 1,000 permutations, on the signalling genes alone (others are never read)."""
    wanted = read_resource("cellchatdb").signalling_genes()
    few = cells[:, cells.var_names.isin(wanted)].copy()
    few.X = few.X.astype(np.float32)
    data = resample(few, 1_000_000, 30)
    print(f"\n1,000,000 cells x 30 groups x 1,000 permutations: {data.X.nnz / 1e6:.0f} million values above zero")
    held = peak_gb()
    cpu, wall, pairs = seconds(data, 1000)
    print(
        f"  {cpu:.0f} CPU s, {wall:.0f} s by the clock, {pairs} pairs, peak {peak_gb():.1f} GB (data alone {held:.1f})"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", action="store_true", help="run the other programs too")
    parser.add_argument("--envs", type=Path, default=HERE / "out", help="where their environments are or will be")
    parser.add_argument("--million", action="store_true", help="also a million cells (minutes)")
    parser.add_argument("--only-million", action="store_true", help="only a million cells")
    chosen = parser.parse_args()
    cells = real_cells()
    cellchatdb("human")
    seconds(resample(cells, 600, 10), 20)  # compile
    if not chosen.only_million:
        settings(cells, chosen.envs.resolve() if chosen.beside else None)
        growth(cells)
        shapes()
    if chosen.million or chosen.only_million:
        million(cells)


if __name__ == "__main__":
    main()
