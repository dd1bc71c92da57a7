"""What is exported is read again with the same counts, labels and embeddings; R and CELLxGENE accept it."""

import gzip
import shutil
import subprocess

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse
from typer.testing import CliRunner

from scresist.checks import InputError
from scresist.cli import app
from scresist.exchange import export
from situations import make


@pytest.fixture
def results(tmp_path):
    t = make.truth(1)
    n = len(t.barcodes)
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(["S1"] * 15 + ["S2"] * (n - 15)),
            "patient": pd.Categorical(["P1"] * n),
            "cell_type": pd.Categorical(["B", *[None] * 4, *["T"] * (n - 5)]),
            "n_counts": t.counts.sum(axis=1),
        },
        index=[f"S:{b}" for b in t.barcodes],
    )
    var = pd.DataFrame({"gene_name": t.genes, "gene_id": ["", *t.ids[1:]]}, index=t.genes)
    cells = ad.AnnData(X=None, obs=obs, var=var, layers={"counts": sparse.csr_matrix(t.counts.astype(np.int32))})
    cells.obsm["X_umap"] = np.random.default_rng(1).normal(size=(n, 2)).astype(np.float32)
    cells.obsm["signatures"] = pd.DataFrame({"a score": np.arange(float(n))}, index=cells.obs_names)
    cells.write_h5ad(tmp_path / "cohort.h5ad")
    return tmp_path, t, cells


def test_the_folder_for_r_has_the_counts_labels_and_embeddings(results):
    folder, t, cells = results
    path, _ = export(folder, "seurat")
    with gzip.open(path / "matrix.mtx.gz") as handle:
        np.testing.assert_array_equal(scipy_io.mmread(handle).toarray(), t.counts.T)
    metadata = pd.read_csv(path / "metadata.csv", index_col=0, keep_default_na=False)
    assert list(metadata.index) == list(cells.obs_names)
    assert metadata["cell_type"].tolist()[:6] == ["B", "", "", "", "", "T"]
    assert metadata["signatures.a score"].tolist() == list(range(len(t.barcodes)))
    umap = pd.read_csv(path / "embedding_umap.csv", index_col=0)
    np.testing.assert_allclose(umap.to_numpy(), cells.obsm["X_umap"], rtol=1e-6)
    assert export(folder, "seurat")[0] == path  # again, over the first


def test_a_folder_with_other_files_is_not_replaced(results, tmp_path):
    other = tmp_path / "mine"
    other.mkdir()
    (other / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="has other files"):
        export(results[0], "seurat", out=other)
    assert (other / "notes.txt").read_text() == "keep"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="needs R")
def test_r_reads_the_folder(results):
    folder, t, _ = results
    path, _ = export(folder, "seurat")
    known = subprocess.run(
        ["Rscript", "-e", 'cat(requireNamespace("SeuratObject") && requireNamespace("SingleCellExperiment"))'],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "TRUE" not in known.stdout:
        pytest.skip("needs SeuratObject and SingleCellExperiment")
    script = (
        'suppressMessages({source("read.R"); s <- read_seurat("."); e <- read_sce(".")});'
        'cat(sum(SingleCellExperiment::counts(e)), sum(SeuratObject::GetAssayData(s, slot = "counts")),'
        ' ncol(s), s$sample[[16]], dim(SeuratObject::Embeddings(s, "umap")), sep = " ")'
    )
    done = subprocess.run(["Rscript", "-e", script], cwd=path, capture_output=True, text=True, check=True)
    total = str(t.counts.sum())
    assert done.stdout.split() == [total, total, "30", "S2", "30", "2"]
    assert "arning" not in done.stderr


def test_the_loom_has_counts_attributes_and_its_version(results):
    folder, t, cells = results
    path, _ = export(folder, "loom")
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["matrix"][:], t.counts.T)
        assert file["attrs/LOOM_SPEC_VERSION"][()].decode() == "3.0.0"
        assert [g.decode() for g in file["row_attrs/Gene"][:]] == t.genes
        assert [s.decode() for s in file["col_attrs/sample"][:]] == cells.obs["sample"].tolist()
        assert {"layers", "row_graphs", "col_graphs"} <= set(file)


def test_the_h5ad_for_cellxgene_has_what_its_schema_needs(results):
    """The rules of schema 7.1.0 that concern a run; `cellxgene-schema validate` (not a dependency) tests them all."""
    folder, t, _ = results
    path, notes = export(folder, "cellxgene", terms={"tissue": "UBERON:0000945"})
    found = ad.read_h5ad(path)
    assert found.var_names.str.startswith("ENSG").all()
    assert found.var_names.is_unique
    np.testing.assert_array_equal(found.raw.X.toarray(), t.counts[:, [t.ids.index(i) for i in found.var_names]])
    assert found.raw.X.dtype == np.float32
    assert "feature_is_filtered" in found.var
    assert not found.var["feature_is_filtered"].any()
    needed = {f"{n}_ontology_term_id" for n in ("assay", "disease", "tissue", "cell_type", "sex", "development_stage",
                                                "self_reported_ethnicity")}  # fmt: skip
    assert needed | {"suspension_type", "tissue_type", "is_primary_data"} <= set(found.obs)
    assert "cell_type" not in found.obs  # the portal writes it from the term
    assert "scresist_cell_type" in found.obs
    assert set(found.obs["tissue_ontology_term_id"]) == {"UBERON:0000945"}
    assert found.uns["organism_ontology_term_id"] == "NCBITaxon:9606"
    assert found.uns["default_embedding"] == "X_umap"
    assert any("disease=MONDO:0004992" in n and "tissue=" not in n.split(";")[0] for n in notes)


def test_the_command_writes_and_refuses_in_words(results):
    folder = results[0]
    done = CliRunner().invoke(app, ["export", str(folder), "--to", "loom"])
    assert done.exit_code == 0
    assert done.stdout.strip().endswith("cohort.loom")
    for arguments, words in (
        ([str(folder), "--to", "excel"], "--to must be one of seurat, cellxgene, loom"),
        ([str(folder / "none"), "--to", "loom"], "does not exist; give the results folder"),
        ([str(folder), "--to", "cellxgene", "--term", "tissue"], "--term needs name=TERM"),
        ([str(folder), "--to", "cellxgene", "--term", "tisue=UBERON:0000945"], "did you mean 'tissue'"),
        ([str(folder), "--to", "loom", "--term", "tissue=UBERON:0000945"], "terms are of the schema of CELLxGENE"),
    ):
        failed = CliRunner().invoke(app, ["export", *arguments])
        assert isinstance(failed.exception, InputError)
        assert words in str(failed.exception)
