"""A small cohort with planted modules, for the tests of the networks."""

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

SIZES = {"a": 40, "b": 30, "c": 25}
N_GENES = 300


def planted_labels() -> np.ndarray:
    return np.repeat([1, 2, 3, 0], [*SIZES.values(), N_GENES - sum(SIZES.values())])


def cohort(
    n_patients: int = 6, n_cells: int = 150, seed: int = 0, private: str | None = None,
    sparse_cells: int | None = None, programmes: bool = True,
) -> ad.AnnData:  # fmt: skip
    """Counts of malignant and other cells; three programmes vary between cells within every patient.

    `private` names a programme that only patient P0 has; `sparse_cells` is the number of malignant cells of the last
    patient. Without `programmes` genes vary independently.
    """
    rng = np.random.default_rng(seed)
    base = rng.gamma(2.0, 1.5, N_GENES)
    blocks, rows = [], []
    for patient in range(n_patients):
        for cell_type, count in (("epithelial", n_cells), ("T cell", 40)):
            if sparse_cells is not None and patient == n_patients - 1 and cell_type == "epithelial":
                count = sparse_cells
            rate = np.tile(base * rng.lognormal(0, 0.1, N_GENES), (count, 1))
            if cell_type == "epithelial":
                start = 0
                for name, size in SIZES.items():
                    use = rng.normal(0, 1, (count, 1)) + 0.3 * rng.normal()
                    if (private == name and patient > 0) or not programmes:
                        use[:] = 0
                    rate[:, start : start + size] *= np.exp(0.9 * use * rng.uniform(0.6, 1.2, size))
                    start += size
            depth = rng.lognormal(0, 0.3, (count, 1))
            blocks.append(rng.poisson(rate * depth))
            rows += [(f"P{patient}", f"P{patient}_s1", "baseline" if patient % 2 else "primary", cell_type)] * count
    counts = np.vstack(blocks)
    obs = pd.DataFrame(rows, columns=["patient", "sample", "arm", "cell_type"])
    obs.index = [f"cell{i}" for i in range(len(obs))]
    obs = obs.astype("category")
    obs["malignancy"] = pd.Categorical(np.where(obs["cell_type"] == "epithelial", "malignant", "normal"))
    var = pd.DataFrame(index=[f"G{i}" for i in range(N_GENES)])
    adata = ad.AnnData(sparse.csr_matrix(counts.astype(np.float32)), obs=obs, var=var)
    adata.layers["counts"] = sparse.csr_matrix(counts.astype(np.int32))
    total = counts.sum(axis=1, keepdims=True)
    adata.X = sparse.csr_matrix(np.log1p(counts / total * 1e4).astype(np.float32))
    return adata
