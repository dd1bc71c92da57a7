"""Modules by Hotspot as its users run it, for its own environment (pip install hotspotsc "pandas<2.3"); called by
programmes.py.

PYTHON beside_hotspot.py cells.h5ad modules.csv

The components are those of the file (X_pca), with 30 neighbours and the model "danb"; local correlations of up to 1,000
genes with FDR below .05 by autocorrelation; modules from 20 genes on.
"""

import json
import sys
import time
import warnings

N_GENES, N_NEIGHBOURS, SMALLEST = 1000, 30, 20


def main() -> None:
    warnings.simplefilter("ignore")
    import anndata as ad
    import hotspot
    import numpy as np
    import pandas as pd
    from scipy import sparse

    adata = ad.read_h5ad(sys.argv[1])
    started = time.perf_counter()
    counts = sparse.csc_matrix(adata.layers["counts"])
    seen = np.diff(counts.indptr) >= max(3, 0.005 * adata.n_obs)
    total = np.asarray(counts.sum(axis=1)).ravel()
    cells = ad.AnnData(
        obs=pd.DataFrame({"total": total}, index=adata.obs_names), var=pd.DataFrame(index=adata.var_names[seen])
    )
    cells.layers["counts"] = counts[:, seen]
    cells.obsm["components"] = adata.obsm["X_pca"]
    hs = hotspot.Hotspot(
        cells, layer_key="counts", model="danb", latent_obsm_key="components", umi_counts_obs_key="total"
    )
    hs.create_knn_graph(weighted_graph=False, n_neighbors=N_NEIGHBOURS)
    found = hs.compute_autocorrelations(jobs=1)
    genes = found.loc[found["FDR"] < 0.05].sort_values("Z", ascending=False).head(N_GENES).index
    modules = pd.Series(dtype=int)
    if len(genes) >= SMALLEST:
        hs.compute_local_correlations(genes, jobs=1)
        modules = hs.create_modules(min_gene_threshold=SMALLEST, core_only=True, fdr_threshold=0.05)
    seconds = time.perf_counter() - started
    kept = modules[modules > 0]
    pd.DataFrame({"gene": kept.index, "module": kept.to_numpy()}).to_csv(sys.argv[2], index=False)
    print(json.dumps({"seconds": seconds, "modules": int(kept.nunique()), "genes": len(genes)}))


if __name__ == "__main__":
    main()
