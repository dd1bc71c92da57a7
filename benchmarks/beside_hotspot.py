"""Modules by Hotspot as its users run it, for its own environment (pip install hotspotsc "pandas<2.3"); called by
programmes.py.

PYTHON beside_hotspot.py cells.h5ad modules.csv

Components of log-normalised counts of 2,000 variable genes, 30 neighbours, the model "danb"; the local correlations of
up to 1,000 genes with FDR below .05 by autocorrelation; modules from 20 genes on.
"""

import json
import sys
import time
import warnings

N_GENES, N_VARIABLE, N_COMPONENTS, N_NEIGHBOURS, SMALLEST = 1000, 2000, 20, 30, 20


def main() -> None:
    warnings.simplefilter("ignore")
    import anndata as ad
    import hotspot
    import numpy as np
    import pandas as pd
    from scipy import sparse
    from scipy.sparse.linalg import svds

    adata = ad.read_h5ad(sys.argv[1])
    started = time.perf_counter()
    counts = sparse.csc_matrix(adata.layers["counts"])
    seen = np.diff(counts.indptr) >= max(3, 0.005 * adata.n_obs)
    total = np.asarray(counts.sum(axis=1)).ravel()
    values = sparse.csr_matrix(counts)
    values = sparse.diags(1e4 / total) @ values
    values.data = np.log1p(values.data)
    mean = np.asarray(values.mean(axis=0)).ravel()
    spread = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    dispersion = np.divide(spread, mean, out=np.zeros_like(mean), where=mean > 0) * seen
    chosen = np.sort(np.argsort(-dispersion)[:N_VARIABLE])
    part = values[:, chosen].toarray() - mean[chosen]
    left, sizes, _ = svds(part, k=N_COMPONENTS, random_state=1)
    cells = ad.AnnData(
        obs=pd.DataFrame({"total": total}, index=adata.obs_names), var=pd.DataFrame(index=adata.var_names[seen])
    )
    cells.layers["counts"] = counts[:, seen]
    cells.obsm["components"] = left * sizes
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
