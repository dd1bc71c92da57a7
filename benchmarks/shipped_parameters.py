"""The shipped parameters of the simulator, estimated from real cells: writes resources/simulation/genes.csv.gz.

    python benchmarks/shipped_parameters.py

`immune` is the mean (counts per 10,000) over the cells of a MALT lymphoma with its microenvironment, `epithelial` that
over 31 breast cancer lines; `dispersion` what is left between the cells of one patient and type once shared factors are
taken off, the mean of the two sets; `i1`.. and `e1`.. the loadings of genes on the shared factors (log rate per SD).
"""

import gzip
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd

from scresist import resources
from scresist.simulate.estimate import FittedProfiles, estimate_profiles

REAL = Path(__file__).parents[1] / "../shared/data/scrna"
SETS = {
    "immune": ("malt_lymphoma_10x_2100.h5ad", "cell_type_scout"),
    "epithelial": ("breast_lines31_gambardella2022.h5ad", "cell_type"),
}
OUT = Path(__file__).parents[1] / "src/scresist/resources/simulation/genes.csv.gz"


def fitted(file: str, groupby: str) -> FittedProfiles:
    """Parameters of one real set."""
    adata = ad.read_h5ad(REAL / file)
    adata.var_names_make_unique()
    return estimate_profiles(adata, groupby=groupby, patient="sample", min_cells=20)


def main() -> None:
    """Estimate and write."""
    parts = {}
    for name, source in SETS.items():
        own = fitted(*source)
        mean = pd.Series(own.shares @ own.means, own.genes.index)
        seen = mean > 0.003  # below that a gene is a handful of counts
        table = pd.DataFrame({name: mean, f"dispersion_{name}": own.dispersion}, index=own.genes.index)[seen]
        letter = name[0]
        for k, loading in enumerate(own.loadings, start=1):
            table[f"{letter}{k}"] = pd.Series(loading, own.genes.index)[seen]
        parts[name] = table
    both = parts["immune"].join(parts["epithelial"], how="outer")
    coding = resources.genes()
    names = coding.index[(coding["type"] == "protein-coding") & (coding["chromosome"] != "Y")]
    both = both[both.index.isin(names)]
    dispersions = both[["dispersion_immune", "dispersion_epithelial"]]
    both.insert(2, "dispersion", np.exp(np.log(dispersions).mean(axis=1)))
    both = both.drop(columns=dispersions.columns)
    loadings = [c for c in both if c[1:].isdigit()]
    both[loadings] = both[loadings].where(both[loadings].abs() >= 0.02)
    first = ["immune", "epithelial", "dispersion"]
    both = both[[*first, *loadings]].round(3).rename_axis("gene").sort_index()
    OUT.parent.mkdir(exist_ok=True)
    with OUT.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as handle:
        handle.write(both.to_csv(float_format="%.4g").encode())
    print(f"{len(both):,} genes, {len(loadings)} factors, {OUT.stat().st_size / 1e3:.0f} kB")
    print(both[first].describe().round(3).to_string())
    for name in loadings:
        print(name, ", ".join(both[name].abs().nlargest(8).index))


if __name__ == "__main__":
    main()
