"""pycellchat on one file of cells, for its own environment (pip install pycellchat); called by communication.py.

PYTHON beside_pycellchat.py cells.h5ad PERMUTATIONS
"""

import contextlib
import io
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

    with contextlib.redirect_stdout(io.StringIO()):
        import pycellchat

    def run(cells: ad.AnnData, n: int) -> "pycellchat.CellChat":
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            made = pycellchat.CellChat(
                cells, group_by="group", min_cells=1, n_jobs=1, prefer_gpu=False, population_size=False, _silent=True
            )
            made.compute_communication_prob(n_permutations=n, random_state=1)
        return made

    cells, n = ad.read_h5ad(sys.argv[1]), int(sys.argv[2])
    run(cells[:300].copy(), 2)  # load what is loaded late
    cpu, wall = spent(), time.perf_counter()
    run(cells, n)
    print(json.dumps({"cpu": spent() - cpu, "wall": time.perf_counter() - wall}))


if __name__ == "__main__":
    main()
