"""Simulated counts beside the real counts they stand for: mean-variance, zeros, correlations, library sizes, genes.

    python benchmarks/simulator.py [NAME ...]

For each real set the parameters are estimated from its cells, as many cells of the same types and new patients are
drawn, and the two are compared. The last table compares the shipped profiles (nothing estimated) with the lymphoma.
A set that is not in ../shared is skipped.
"""

import sys
import time
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scresist.simulate import Plan, simulate
from scresist.simulate.compare import compare_counts
from scresist.simulate.estimate import estimate_profiles, raw_counts
from scresist.simulate.fitted import draw_like

FOLDER = Path(__file__).parents[1] / "../shared/data/scrna"
SETS = {
    "malt_lymphoma": ("malt_lymphoma_10x_2100.h5ad", "cell_type_scout"),
    "breast_lines31": ("breast_lines31_gambardella2022.h5ad", "cell_type"),
    "kang2018": ("kang2018_ifnb_muscat.h5ad", "cell_type"),
}


def table(name: str) -> pd.DataFrame:
    """Estimate, draw, compare."""
    file, groupby = SETS[name]
    adata = ad.read_h5ad(FOLDER / file)
    adata.obs["cell_type"] = adata.obs[groupby].astype(str)
    started = time.perf_counter()
    # Patients of a set with conditions are told apart by sample: what a condition changes is no patient's variance.
    fitted = estimate_profiles(adata, groupby="cell_type", patient="sample", min_cells=1)
    fit = time.perf_counter() - started
    cells = pd.DataFrame({"patient": adata.obs["sample"].astype(str), "cell_type": adata.obs["cell_type"]})
    drawn = draw_like(fitted, cells, rng=np.random.default_rng(1))
    print(f"\n{name}: {adata.n_obs:,} cells, {adata.n_vars:,} genes; estimated in {fit:.1f} s, drawn in "
          f"{time.perf_counter() - started - fit:.1f} s; {len(fitted.loadings)} shared factors")  # fmt: skip
    for note in fitted.notes:
        print(f"  {note}")
    return compare_counts(raw_counts(adata), drawn)


def shipped() -> pd.DataFrame:
    """The shipped profiles beside the lymphoma."""
    real = raw_counts(ad.read_h5ad(FOLDER / SETS["malt_lymphoma"][0]))
    plan = Plan(cells=1000, n_genes=15000, patients={"baseline": 1, "primary": 1}, pairs=0)
    drawn = sparse.vstack([s.counts for s in simulate(plan).samples()])
    print("\nshipped profiles (15,000 genes, 2 samples) beside malt_lymphoma")
    return compare_counts(real, drawn)


def main() -> None:
    """Print the tables."""
    wanted = sys.argv[1:] or [*SETS, "shipped"]
    for name in wanted:
        file = SETS.get(name, SETS["malt_lymphoma"])[0]
        if not (FOLDER / file).exists():
            print(f"\n{name}: skipped, {file} is not in ../shared/data/scrna")
            continue
        found = shipped() if name == "shipped" else table(name)
        print(found.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
