"""Time and memory of communication on real cells resampled: python benchmarks/communication.py [--million].

The cells are those of the NSCLC oracle (../shared/oracle/cellchat/nsclc), drawn with replacement; groups are halved
until there are as many as asked for. CPU seconds of this process, all threads together. Figures of CellChat, pycellchat
and liana are quoted from ../shared/oracle/cellchat/SPEED.md, measured on another day on a machine of this size: they
are not run here.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scresist.communication import cellchatdb, infer
from scresist.communication.resource import read_resource
from scresist.kernels.network_distance import structural_distances

ORACLE = Path(__file__).resolve().parents[2] / "shared" / "oracle" / "cellchat"
QUOTED = {
    (5_000, 10): {"CellChat (R)": 86.7, "pycellchat": 22.4, "liana cellchat": 6.2},
    (20_000, 15): {"CellChat (R)": 212.0, "pycellchat": 152.0, "liana cellchat": 26.3},
}


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


def settings(cells: ad.AnnData) -> None:
    """The two settings of SPEED.md, best of three."""
    print("100 permutations, trimean, the whole of infer (over-expressed genes included); CPU seconds, best of three")
    for (n, g), quoted in QUOTED.items():
        data = resample(cells, n, g)
        cpu, _, pairs = min(seconds(data, 100) for _ in range(3))
        print(
            f"  {n:>7,} cells x {g} groups   scresist {cpu:6.2f} s   {pairs} pairs with a signal   {peak_gb():.2f} GB"
        )
        for name, value in quoted.items():
            print(f"      {name:<15} {value:6.1f} s quoted from SPEED.md: {value / cpu:5.0f} x")


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--million", action="store_true", help="also a million cells (minutes)")
    parser.add_argument("--only-million", action="store_true", help="only a million cells")
    chosen = parser.parse_args()
    cells = real_cells()
    cellchatdb("human")
    seconds(resample(cells, 600, 10), 20)  # compile
    if not chosen.only_million:
        settings(cells)
        growth(cells)
        shapes()
    if chosen.million or chosen.only_million:
        million(cells)


if __name__ == "__main__":
    main()
