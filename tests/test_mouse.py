"""Mouse studies: the shipped facts, and that markers, copy number and signatures work on mouse names."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scresist import annotate, microenvironment, resources
from scresist.annotate import shipped_markers
from scresist.communication.response import responses


@pytest.mark.parametrize(
    ("human", "mouse"),
    [("ERBB2", "Erbb2"), ("CD8A", "Cd8a"), ("PDCD1", "Pdcd1"), ("EPCAM", "Epcam"), ("TP53", "Trp53"), ("CST3", "Cst3")],
)
def test_orthologues_that_everybody_knows(human, mouse):
    assert resources.orthologues("mouse")[human] == mouse


def test_positions_of_genes_that_everybody_knows():
    table = resources.mouse_genes()
    assert table.loc["Trp53", "chromosome"] == "11"
    assert table.loc["Myc", "chromosome"] == "15"
    assert table.loc["Erbb2", "chromosome"] == "11"
    assert abs(int(table.loc["Myc", "start"]) - 61_857_000) < 100_000  # GRCm39: 15:61,857,190-61,862,223
    assert table.index.is_unique
    assert table.loc[table["human"] != "", "human"].is_unique


def test_sets_are_translated_and_nothing_is_invented():
    sets = resources.gene_sets("hallmark")
    for genes in sets.values():
        own = resources.translated(genes, "mouse")
        assert set(own) <= set(resources.mouse_genes().index)
        assert len(own) > 0.7 * len(genes)
        assert resources.translated(genes, "human") == tuple(genes)
    assert set(responses("mouse")["TGFb"]) <= set(resources.mouse_genes().index)
    assert len(responses("mouse")["TGFb"]) > 0.7 * len(responses()["TGFb"])


def test_markers_of_every_lineage_exist_for_mouse():
    human, mouse = shipped_markers().table, shipped_markers("mouse").table
    assert set(mouse["lineage"]) == set(human["lineage"])


def test_copy_number_finds_a_gained_chromosome_of_the_mouse():
    """Malignant cells with chromosome 11 at 2.5 times; epithelium and immune cells are otherwise alike."""
    rng = np.random.default_rng(0)
    table = resources.mouse_genes()
    table = table[(table["type"] == "protein_coding") & table["chromosome"].isin([str(i) for i in range(1, 20)])]
    genes = table.sample(5000, random_state=1).index
    rate = rng.gamma(1.0, 1.0, len(genes))
    kind = np.repeat(["epithelial", "T/NK", "myeloid", "fibroblast"], [120, 60, 60, 60])
    rates = np.tile(rate, (len(kind), 1))
    gained = (table.loc[genes, "chromosome"].isin(["11", "2"])).to_numpy()
    rates[:80, gained] *= 2.5
    for name in ("T/NK", "myeloid", "fibroblast"):  # identity: a few genes of each
        rates[np.ix_(kind == name, rng.choice(len(genes), 100, replace=False))] *= 4
    cells = anndata.AnnData(
        obs=pd.DataFrame({"patient": "P1", "lineage": kind}, index=[f"c{i}" for i in range(len(kind))]),
        var=pd.DataFrame(index=genes), layers={"counts": sparse.csr_matrix(rng.poisson(rates))}, shape=rates.shape,
    )  # fmt: skip
    cells.uns["organism"] = "mouse"
    annotate.malignancy(cells)
    called = cells.obs["malignancy"].astype(str).to_numpy()
    assert (called[:80] == "malignant").mean() > 0.9
    assert (called[80:120] == "malignant").mean() < 0.1
    assert (called[120:] == "malignant").mean() < 0.02
    assert set(cells.obsm["copy_number"].columns) >= {"11q", "2q"}


def test_signatures_of_mouse_cells():
    rng = np.random.default_rng(0)
    genes = sorted({g for s in resources.gene_sets("signatures").values() for g in resources.translated(s, "mouse")})
    cells = anndata.AnnData(
        obs=pd.DataFrame({"sample": "S"}, index=[f"c{i}" for i in range(30)]), var=pd.DataFrame(index=genes),
        layers={"counts": sparse.csr_matrix(rng.poisson(1.0, (30, len(genes))))}, shape=(30, len(genes)),
    )  # fmt: skip
    cells.uns["organism"] = "mouse"
    microenvironment.score(cells)
    assert cells.obsm["signatures"].shape[1] > 0.8 * len(resources.gene_sets("signatures"))


@pytest.mark.parametrize("lineage", ["melanocytic", "B", "glial/neural"])
def test_another_lineage_may_be_malignant(lineage):
    rng = np.random.default_rng(3)
    table = resources.genes()
    table = table[(table["type"] == "protein-coding") & table["chromosome"].isin([str(i) for i in range(1, 23)])]
    genes = table.sample(5000, random_state=2).index
    rate = rng.gamma(1.0, 1.0, len(genes))
    kind = np.repeat([lineage, "T/NK", "myeloid", "fibroblast", "epithelial"], [100, 60, 60, 60, 30])
    rates = np.tile(rate, (len(kind), 1))
    rates[:70, table.loc[genes, "chromosome"].isin(["7", "1"]).to_numpy()] *= 2.5
    cells = anndata.AnnData(
        obs=pd.DataFrame({"patient": "P1", "lineage": kind}, index=[f"c{i}" for i in range(len(kind))]),
        var=pd.DataFrame(index=genes), layers={"counts": sparse.csr_matrix(rng.poisson(rates))}, shape=rates.shape,
    )  # fmt: skip
    annotate.malignancy(cells, lineages=(lineage,))
    called = cells.obs["malignancy"].astype(str).to_numpy()
    assert (called[:70] == "malignant").mean() > 0.9
    assert (called[70:100] == "malignant").mean() < 0.15
    assert (called[100:] == "malignant").sum() == 0, "epithelium is not malignant in such a tumour"


def test_the_gene_of_an_antibody_is_the_mouse_gene_in_a_mouse_study():
    rng = np.random.default_rng(0)
    cells = anndata.AnnData(
        obs=pd.DataFrame({"sample": "S", "kind": "T"}, index=[f"c{i}" for i in range(30)]),
        var=pd.DataFrame(index=["Pdcd1", "Cd8a", "Cd3e", "Ptprc"]),
        layers={"counts": sparse.csr_matrix(rng.poisson(5.0, (30, 4)))}, shape=(30, 4),
    )  # fmt: skip
    cells.obsm["protein"] = pd.DataFrame(rng.poisson(9.0, (30, 3)), cells.obs_names, ["PD-1", "CD8a", "CD3"])
    cells.uns["organism"] = "mouse"
    table = microenvironment.protein_by_sample(cells, groupby="kind").table.set_index("protein")
    assert dict(table["gene"]) == {"PD-1": "Pdcd1", "CD8a": "Cd8a", "CD3": "Cd3e"}
    assert table["rna"].notna().all()
