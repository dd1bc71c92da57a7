"""liana's CellChat score on one file of cells, for its own environment (pip install liana); called by communication.py.

PYTHON beside_liana.py cells.h5ad PERMUTATIONS
"""

import json
import os
import sys
import time
import warnings

warnings.simplefilter("ignore")


def spent() -> float:
    """CPU seconds of this process and of those it started."""
    return sum(os.times()[:4])


def main() -> None:
    import anndata as ad
    import liana

    given = {"groupby": "group", "resource_name": "cellchatdb", "expr_prop": 0.1, "use_raw": False, "n_jobs": 1}
    cells, n = ad.read_h5ad(sys.argv[1]), int(sys.argv[2])
    liana.mt.cellchat(cells[:300].copy(), n_perms=2, **given)  # compile and load what is loaded late
    cpu, wall = spent(), time.perf_counter()
    liana.mt.cellchat(cells, n_perms=n, **given)
    pairs = cells.uns["liana_res"].groupby(["ligand_complex", "receptor_complex"], observed=True).ngroups
    print(json.dumps({"cpu": spent() - cpu, "wall": time.perf_counter() - wall, "pairs": int(pairs)}))


if __name__ == "__main__":
    main()
