"""Objects of R, and what `scresist export` writes, read again."""

from pathlib import Path

import numpy as np
import pandas as pd

from situations import make
from situations.make import adata, truth
from situations.register import situation

KIND = "R and export"
R = Path(__file__).resolve().parent.parent / "golden" / "rds"


def of_r(selected=None):
    frame = pd.read_csv(R / "counts.csv", index_col=0)
    frame = frame if selected is None else frame.iloc[:, selected]
    return make.Truth(frame.to_numpy().T, list(frame.columns), list(frame.index), list(frame.index))


OBJECTS = {
    "seurat_4": "Seurat 4", "seurat_5_five": "Seurat 5 (its slots)", "seurat_5_split": "Seurat 5, layers split",
    "sce": "SingleCellExperiment", "sce_antibodies": "SingleCellExperiment with antibodies (altExp)",
    "sce_xz": "SingleCellExperiment, packed by xz",
    "sce_plain": "SingleCellExperiment, not packed", "dgCMatrix": "dgCMatrix", "matrix": "matrix",
    "data_frame": "data.frame",
}  # fmt: skip
for _file, _form in OBJECTS.items():

    @situation(KIND, "rds", _form)
    def rds(at, file=_file):
        return str(R / f"{file}.rds"), of_r()


for _file in ("seurat_4", "sce"):

    @situation(KIND, "rds", f"the cells of one value of the metadata ({_file})")
    def rds_selected(at, file=_file):
        return f"{R}/{file}.rds#sample=b", of_r(slice(1, None, 2))


@situation(KIND, "rds", "without counts", refused="assays logcounts, none named counts.*Matrix::writeMM")
def rds_without(at):
    return str(R / "sce_no_counts.rds"), None


@situation(KIND, "rds", "of something else", refused="no counts that can be read.*Matrix::writeMM")
def rds_other(at):
    return str(R / "lm.rds"), None


@situation(KIND, "rds", "cut short", refused="truncated|cannot be read")
def rds_cut(at):
    at.mkdir(exist_ok=True)
    (at / "m.rds").write_bytes((R / "sce.rds").read_bytes()[:500])
    return str(at / "m.rds"), None


def exported(at, to):
    from scresist.exchange import export

    t = truth()
    cells = adata(t, {"sample": ["S1"] * 15 + ["S2"] * 15, "patient": ["P1"] * 30, "cell_type": ["B"] * 29 + ["T"]})
    cells.layers["counts"] = cells.X.astype(np.int32)
    cells.obsm["X_umap"] = np.random.default_rng(1).normal(size=(30, 2))
    cells.var["gene_id"] = t.ids
    at.mkdir(exist_ok=True)
    cells.write_h5ad(at / "cohort.h5ad")
    path, _ = export(at, to)
    return str(path), t


for _to in ("seurat", "cellxgene", "loom"):

    @situation(KIND, _to, f"export --to {_to}, read again")
    def again(at, to=_to):
        return exported(at, to)
