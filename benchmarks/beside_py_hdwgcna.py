"""The standard run by py-hdwgcna, for its own environment (pip install py-hdwgcna); called by networks.py and
programmes.py.

PYTHON beside_py_hdwgcna.py cells.h5ad METACELLS_PER_GROUP [modules.csv]
"""

import contextlib
import io
import json
import sys
import time
import warnings


def main() -> None:
    warnings.simplefilter("ignore")
    import anndata as ad
    from py_hdWGCNA import HDWGCNA

    adata = ad.read_h5ad(sys.argv[1])
    started = time.perf_counter()
    adata.layers["data"] = adata.X.copy()
    adata.obsm["pca"] = adata.obsm["X_pca"]
    adata.obs["everything"] = "malignant"
    steps = {}

    def step(name, call):
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            call()
        steps[name] = time.process_time() - start

    run = HDWGCNA(adata)
    step("genes", lambda: run.setup_for_wgcna(gene_select="fraction", fraction=0.0))
    step(
        "metacells",
        lambda: run.metacells_by_groups(
            group_by=["cell_type", "patient"],
            k=25,
            target_metacells=int(sys.argv[2]),
            ident_group="cell_type",
        ),
    )
    step("normalise", run.normalize_metacells)
    step("expression", lambda: run.set_dat_expr(group_name="malignant", group_by="cell_type"))
    step("power", lambda: run.test_soft_powers(network_type="signed"))
    step("network", run.construct_network)
    step("eigengenes", lambda: run.module_eigengenes(harmonize=False))
    step("kME", lambda: run.module_connectivity(group_by="cell_type", group_name="malignant", cor_method="pearson"))
    modules = run.adata.uns["hdWGCNA"]
    name = next((key for key, value in modules.items() if isinstance(value, dict) and "modules_df" in value), None)
    found = modules[name]["modules_df"]["module"].nunique() if name else -1
    seconds = time.perf_counter() - started
    if len(sys.argv) > 3:
        table = modules[name]["modules_df"]
        kept = table[table["module"].astype(str) != "grey"]
        kept.rename(columns={"gene_name": "gene"})[["gene", "module"]].to_csv(sys.argv[3], index=False)
    print(json.dumps({"steps": steps, "cpu": sum(steps.values()), "modules": int(found), "seconds": seconds}))


if __name__ == "__main__":
    main()
