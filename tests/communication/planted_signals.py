"""Small cohorts of log-normalised cells in which a ligand and its receptor are planted."""

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scresist.communication import cellchatdb
from scresist.study.design import Contrast, Design

TYPES = ("B", "fibroblast", "macrophage", "malignant")
PANEL = (
    "TGFB1", "TGFBR1", "TGFBR2", "CXCL12", "CXCR4", "CD74", "MIF", "CD44", "SPP1", "ITGB1", "ITGAV", "CCL5", "CCR5",
    "EGF", "EGFR", "PDCD1", "CD274", "VEGFA", "KDR", "IL6", "IL6R", "IL6ST",
)  # fmt: skip


def cohort(arms=("baseline", "acquired"), per_arm=5, n_cells=40, seed=0, planted=0.0, absent=()):
    """Cells of `per_arm` patients per arm; in the last arm malignant TGFB1 and macrophage CXCR4 rise by `planted`.

    `absent` names (patient, cell type) that are left out.
    """
    rng = np.random.default_rng(seed)
    rows, obs = [], []
    for a, arm in enumerate(arms):
        for k in range(per_arm):
            patient = f"{arm[0].upper()}{k}"
            level = rng.gamma(20, 1 / 20, len(PANEL))  # patients differ
            for t, name in enumerate(TYPES):
                if (patient, name) in absent:
                    continue
                mean = np.full(len(PANEL), 1.0) * level
                if name == "malignant":
                    mean[PANEL.index("TGFB1")] = 0.5 + planted * (a == len(arms) - 1)
                if name == "fibroblast":
                    mean[[PANEL.index("TGFBR1"), PANEL.index("TGFBR2")]] = 1.5
                rows.append(np.log1p(rng.poisson(mean, (n_cells, len(PANEL))) * 2.5))
                obs += [(f"S{patient}", patient, arm, name)] * n_cells
                del t
    table = pd.DataFrame(obs, columns=["sample", "patient", "arm", "cell_type"])
    table.index = [f"c{i}" for i in range(len(table))]
    return ad.AnnData(sparse.csr_matrix(np.vstack(rows)), obs=table, var=pd.DataFrame(index=list(PANEL)))


def design(adata, arms=("baseline", "acquired")):
    samples = adata.obs.drop_duplicates("sample").set_index("sample")[["patient", "arm"]]
    return Design(tuple(arms), tuple(Contrast(a, a, arms[0]) for a in arms[1:]), samples)


def small_table():
    """Interactions of the shipped table whose genes are all in the panel."""
    whole = cellchatdb()
    keep = [
        all(g in PANEL for side in ("ligand", "receptor") for g in whole.genes_of(row[side]))
        for row in whole.interactions.to_dict("records")
    ]
    return whole.interactions[keep]["interaction_name"].tolist()
