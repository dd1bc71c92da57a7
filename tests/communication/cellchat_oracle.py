"""Readers of the golden results of CellChat 2.2.0.9001 (../shared/oracle/cellchat/README.md says how they are made)."""

import json
from functools import cache
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from oracle import SHARED
from scresist.communication import cellchatdb, infer
from scresist.communication.result import Communication

ORACLE = SHARED / "oracle" / "cellchat"


@cache
def arrays(folder):
    with np.load(ORACLE / folder / "arrays.npz", allow_pickle=True) as file:
        return dict(file)


def vectors(folder):
    return json.loads((ORACLE / folder / "vectors.json").read_text())


def table(folder, name):
    return pd.read_parquet(ORACLE / folder / f"{name}.parquet")


@cache
def load(name):
    folder = ORACLE / name / "base"
    names = json.loads((folder / "X_names.json").read_text())
    with np.load(folder / "X_genes_x_cells_csc.npz") as file:
        matrix = sparse.csc_array((file["data"], file["indices"], file["indptr"]), shape=tuple(file["shape"]))
    own = vectors(f"{name}/base")
    labels = pd.read_parquet(folder / "meta.parquet")["labels"]
    obs = pd.DataFrame({"labels": pd.Categorical(labels, categories=own["group_levels"])}, index=names["cols"])
    adata = ad.AnnData(sparse.csr_matrix(matrix.T), obs=obs, var=pd.DataFrame(index=names["rows"]))
    return adata, own, arrays(f"{name}/base")


@cache
def inferred(name, setting, min_cells):
    adata, _, base = load(name)
    return infer(
        adata,
        groupby="labels",
        mode="parity",
        resource="cellchatdb:all" if name.startswith("kang") else "cellchatdb",
        average="trimean" if setting.startswith("tri") else "truncated",
        population_size=setting.endswith("pop"),
        permutations=base["permutation_0based"],
        min_cells=min_cells,
    )


@cache
def stored(folder):
    """A result made of the stored arrays of a run of which only the results are given."""
    assert Path(ORACLE / folder).exists()
    own = arrays(folder)
    interactions = cellchatdb("human").interactions.set_index("interaction_name", drop=False)
    pairs = [str(p) for p in own["prob__dim3"]]
    return Communication(
        pd.Index([str(g) for g in own["prob__dim1"]], name="group"), pd.Index(pairs, name="pair"),
        own["prob_filtered"], own["pval"], interactions.loc[pairs].reset_index(drop=True), "parity",
    )  # fmt: skip
