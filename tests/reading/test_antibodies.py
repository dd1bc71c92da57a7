"""Antibodies that are no counts are left out with a note, not in silence."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import tiny
from scresist.reading.formats import read_matrix


@pytest.mark.parametrize("scaled", [True, False])
def test_scaled_antibodies_are_named(tmp_path, scaled):
    cells = [f"c{i}" for i in range(12)]
    data = anndata.AnnData(
        sparse.csr_matrix(tiny.counts(1)), obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=tiny.genes())
    )
    values = np.random.default_rng(0).poisson(5.0, (12, 3))
    data.obsm["protein"] = pd.DataFrame(values / (2.0 if scaled else 1.0), cells, ["CD3", "CD4", "CD8"])
    data.obsm["protein"].iloc[0, 0] = 0.25 if scaled else 3
    data.write_h5ad(tmp_path / "a.h5ad")
    found = read_matrix(tmp_path / "a.h5ad")
    assert (found.protein is None) == scaled
    assert any("antibodies, but no counts" in note for note in found.notes) == scaled


@pytest.mark.parametrize("file", ["seurat_4", "sce_antibodies"])
def test_the_antibodies_of_objects_of_r_are_those_that_r_wrote(file):
    golden = Path(__file__).resolve().parent.parent / "golden" / "rds"
    truth = pd.read_csv(golden / "protein.csv", index_col=0)
    found = read_matrix(golden / f"{file}.rds")
    assert list(found.proteins) == list(truth.index)
    assert (found.protein.toarray() == truth[list(found.barcodes)].to_numpy().T).all()
