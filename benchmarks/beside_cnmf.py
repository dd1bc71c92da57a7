"""Gene programmes by cNMF, for its own environment (pip install cnmf); called by programmes.py.

PYTHON beside_cnmf.py cells.h5ad modules.csv [KS] [RUNS]

Its pipeline: prepare, factorize, combine, consensus. KS are the numbers of programmes that are tried, such as 7,9,11,
each in RUNS factorizations of 2,000 variable genes; the one used is the largest whose stability is within .05 of the
best, as its authors advise to choose the largest that is still stable. A programme's genes are the 50 of highest score.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
import warnings

TOP, N_VARIABLE, CLOSE, DISTANCE = 50, 2000, 0.05, 0.5


def main() -> None:
    warnings.simplefilter("ignore")
    import anndata as ad
    import numpy as np
    import pandas as pd
    from cnmf import cNMF
    from scipy import sparse

    ks = [int(k) for k in (sys.argv[3] if len(sys.argv) > 3 else "6,8,10,12,14").split(",")]
    runs = int(sys.argv[4]) if len(sys.argv) > 4 else 10
    adata = ad.read_h5ad(sys.argv[1])
    started = time.perf_counter()
    counts = sparse.csr_matrix(adata.layers["counts"]).astype(np.float64)
    seen = np.asarray((counts > 0).sum(axis=0)).ravel() >= max(3, 0.005 * adata.n_obs)
    cells = ad.AnnData(counts[:, seen], obs=pd.DataFrame(index=adata.obs_names),
                       var=pd.DataFrame(index=adata.var_names[seen]))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = f"{folder}/cells.h5ad"
        cells.write_h5ad(path)
        run = cNMF(output_dir=folder, name="run")
        run.prepare(counts_fn=path, components=ks, n_iter=runs, seed=1, num_highvar_genes=N_VARIABLE)
        run.factorize(worker_i=0, total_workers=1)
        run.combine()
        run.k_selection_plot(close_fig=True)
        stats = pd.DataFrame(**{k: v for k, v in np.load(run.paths["k_selection_stats"], allow_pickle=True).items()
                                if k in ("data", "index", "columns")})  # fmt: skip
        stability = stats.set_index("k")["silhouette"].astype(float)
        k = int(stability.index[stability >= stability.max() - CLOSE].max())
        run.consensus(k=k, density_threshold=DISTANCE, show_clustering=False, close_clustergram_fig=True)
        score = run.load_results(K=k, density_threshold=DISTANCE)[2]
    rows = [{"gene": gene, "module": f"P{name}"} for name in score.columns for gene in score[name].nlargest(TOP).index]
    seconds = time.perf_counter() - started
    pd.DataFrame(rows, columns=["gene", "module"]).to_csv(sys.argv[2], index=False)
    print(json.dumps({"seconds": seconds, "modules": score.shape[1], "stability": stability.round(3).to_dict()}))


if __name__ == "__main__":
    main()
