"""What people bring is used: own labels, lineages, embeddings, antibodies, gene sets, and cells that are filtered."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scresist import annotate, microenvironment
from scresist.checks import InputError, RefusedError
from scresist.microenvironment import gene_of
from scresist.run import Run
from scresist.run import run_study as run
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study import StudyError, examine_study, read_study

PLAN = Plan(patients={"baseline": 3, "primary": 3}, pairs=0, cells=80, n_genes=2600, seed=3)
PANEL = ("CD3", "CD8a", "PD-1", "HER2", "CD19", "IgG1-isotype")
TOML = """[study]
name = "own"
samples = "samples.csv"
[design]
arms = ["baseline", "primary"]
[design.contrasts.primary]
test = "primary"
reference = "baseline"
[focus]
compartment = "tumour"
[quality]
filter = false
min_cells = 5
[embed]
use = "X_scVI"
layout = "X_mine"
[annotate]
labels = "my_type"
malignant = "is_tumour"
[annotate.lineages]
"tumour" = "epithelial"
"my T cells" = "T/NK"
"odd cells" = "unassigned"
[signatures]
gmt = "own.gmt"
[candidates]
panel = "panel.csv"
[networks]
n_genes = 300
bootstraps = 0
"""


@pytest.fixture(scope="module")
def atlas(tmp_path_factory):
    """A simulated cohort as one h5ad with columns of its own, an embedding, and counts of antibodies."""
    folder = tmp_path_factory.mktemp("own")
    simulation = simulate(PLAN)
    path = write_cohort(simulation, folder / "made")
    from scresist.reading import ingest

    cells = ingest(read_study(path))
    truth = (
        pd.read_csv(folder / "made" / "truth" / "cells.csv", dtype=str)
        if (folder / "made" / "truth").exists()
        else None
    )
    del truth
    rng = np.random.default_rng(0)
    n = cells.n_obs
    kind = rng.choice(["tumour", "my T cells", "fibroblast", "odd cells"], n, p=[0.5, 0.25, 0.2, 0.05])
    obs = pd.DataFrame(
        {
            "biopsy": cells.obs["sample"].astype(str).to_numpy(),
            "my_type": pd.Series(kind).where(rng.random(n) > 0.02).to_numpy(),
            "is_tumour": np.where(kind == "tumour", "Tumor", "normal"),
            "n_counts": rng.integers(1, 9, n),
            "score": rng.normal(size=n),
        },
        index=[f"c{i}" for i in range(n)],
    )
    shift = np.where(cells.obs["arm"].astype(str) == "primary", 3.0, 1.0)
    rates = np.column_stack([
        np.where(kind == "my T cells", 60, 3), np.where(kind == "my T cells", 20, 2),
        np.where(kind == "my T cells", 8, 1) * shift, np.where(kind == "tumour", 40, 2), np.full(n, 2), np.full(n, 1),
    ])  # fmt: skip
    data = anndata.AnnData(sparse.csr_matrix(cells.layers["counts"]), obs=obs, var=pd.DataFrame(index=cells.var_names))
    data.obsm["X_scVI"] = rng.normal(size=(n, 4)) + 6.0 * pd.Categorical(kind).codes[:, None]
    data.obsm["X_mine"] = rng.normal(size=(n, 2))
    data.obsm["protein"] = pd.DataFrame(rng.poisson(rates), index=data.obs_names, columns=list(PANEL))
    data.write_h5ad(folder / "atlas.h5ad")
    rows = ["sample,patient,arm,path"]
    for name, row in simulation.samples_sheet.set_index("sample").iterrows():
        rows.append(f"{name},{row['patient']},{row['arm']},atlas.h5ad#biopsy={name}")
    (folder / "samples.csv").write_text("\n".join(rows) + "\n")
    some = list(cells.var_names[:12])
    (folder / "own.gmt").write_text("mine\tsource\t" + "\t".join(some) + "\n")
    (folder / "panel.csv").write_text(f"gene,mechanism,direction\n{some[0]},efflux of the drug,up\n")
    (folder / "study.toml").write_text(TOML)
    return folder, data, rates


@pytest.fixture(scope="module")
def results(atlas):
    folder, _, _ = atlas
    return run(read_study(folder / "study.toml"), folder / "results")


def test_labels_lineages_and_malignancy_are_those_of_the_study(atlas, results):
    _, data, _ = atlas
    cells = Run(results).cells
    by = data.obs.loc[cells.obs["barcode"].astype(str)]
    missing = by["my_type"].isna().to_numpy()
    given = by["my_type"].astype(str).to_numpy()
    assert (cells.obs["cell_type"].astype(str)[~missing] == given[~missing]).all()
    assert (cells.obs["cell_type"].astype(str)[missing] == "unassigned").all()
    lineage = cells.obs["lineage"].astype(str).to_numpy()
    expected = {"tumour": "epithelial", "my T cells": "T/NK", "fibroblast": "fibroblast", "odd cells": "unassigned"}
    assert (lineage[~missing] == np.array([expected[k] for k in given[~missing]])).all()
    assert ((cells.obs["malignancy"].astype(str) == "malignant") == (by["is_tumour"] == "Tumor").to_numpy()).all()
    assert len(cells) == len(data), "quality.filter = false removes no cell"


def test_columns_and_embeddings_of_the_input_are_kept(atlas, results):
    _, data, _ = atlas
    cells = Run(results).cells
    by = data.obs.loc[cells.obs["barcode"].astype(str)]
    assert np.allclose(cells.obs["score"], by["score"])
    assert np.allclose(cells.obs["input_n_counts"], by["n_counts"]), "a name of ours is kept beside"
    assert (cells.obs["biopsy"].astype(str).to_numpy() == by["biopsy"].to_numpy()).all()
    at = data.obs_names.get_indexer(cells.obs["barcode"].astype(str))
    assert np.allclose(cells.obsm["X_integrated"], data.obsm["X_scVI"][at], atol=1e-5)
    assert np.allclose(cells.obsm["X_umap"], data.obsm["X_mine"][at], atol=1e-5)


def test_antibodies_are_kept_tested_and_shown(atlas, results):
    _, data, _ = atlas
    opened = Run(results)
    cells = opened.cells
    at = data.obs_names.get_indexer(cells.obs["barcode"].astype(str))
    assert np.array_equal(cells.obsm["protein"][list(PANEL)].to_numpy(), data.obsm["protein"].to_numpy()[at])
    tested = opened.table("protein_contrasts").set_index(["protein", "cell_type"])
    assert "IgG1-isotype" not in tested.index.get_level_values(0)
    row = tested.loc[("PD-1", "my T cells")]
    assert row["ci_low"] < np.log(3) < row["ci_high"] + 0.3  # planted x 3, relative to a panel that it moves a little
    assert row["effect"] > 0.5
    scores = opened.table("protein_scores")
    own = scores[(scores["protein"] == "PD-1") & (scores["cell_type"] == "my T cells")].iloc[0]
    inside = (data.obs["biopsy"] == own["sample"]) & (data.obs["my_type"] == "my T cells")
    sums = data.obsm["protein"].loc[inside].sum()
    logs = np.log(sums + 0.5)
    assert own["value"] == pytest.approx(logs["PD-1"] - logs.drop("IgG1-isotype").mean())
    assert "Antibodies beside the RNA" in opened.page.read_text()
    assert (opened.claims["kind"] == "proteins").any()


def test_own_sets_and_panel(results):
    opened = Run(results)
    assert "mine" in set(opened.table("signature_scores")["signature"])
    if "candidates" in opened.tables:
        shown = opened.table("candidates")
        assert set(shown["mechanism"].dropna()) <= {"efflux of the drug", ""}


def test_an_open_run_shows_itself(results):
    opened = Run(results)
    assert "own" in repr(opened)
    assert "6 patients" in repr(opened)
    assert repr(opened).count("\n") == 0
    assert "<table>" in opened._repr_html_()
    with pytest.raises(InputError, match="did you mean 'claims'"):
        opened.table("claim")
    with pytest.raises(InputError, match="made no table 'survival'"):
        opened.table("survival")
    with pytest.raises(InputError, match="no results folder"):
        Run(results / "tables")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('labels = "my_type"', 'labels = "my_typ"', "did you mean 'my_type'"),
        ('malignant = "is_tumour"', 'malignant = "nothing"', "no column 'nothing' of cells"),
        ('use = "X_scVI"', 'use = "X_scvi"', "no slot obsm"),
        ('"my T cells" = "T/NK"', '"my T cells" = "T"', "is no lineage"),
        ('compartment = "tumour"', 'compartment = "tumor"', "no label or lineage"),
        ('gmt = "own.gmt"', 'gmt = "none.gmt"', "does not exist"),
        ('panel = "panel.csv"', 'panel = "samples.csv"', "no column 'gene'"),
    ],
)
def test_check_finds_what_is_wrong_with_them(atlas, old, new, words, capsys):
    from scresist import cli

    folder, _, _ = atlas
    assert old in TOML
    path = folder / "wrong.toml"
    path.write_text(TOML.replace(old, new))
    with pytest.raises(SystemExit) as stopped:
        cli.check(path)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().out


def test_labels_without_a_lineage_need_one_where_copy_number_is_called(atlas, capsys):
    from scresist import cli

    folder, _, _ = atlas
    path = folder / "wrong.toml"
    path.write_text(TOML.replace('malignant = "is_tumour"\n', "").replace('"odd cells" = "unassigned"\n', ""))
    with pytest.raises(SystemExit):
        cli.check(path)
    assert '"odd cells" = "..."' in capsys.readouterr().out


def test_a_table_of_labels(atlas):
    folder, _, _ = atlas
    (folder / "labels.csv").write_text(
        "label,lineage,malignant\ntumour,epithelial,yes\nmy T cells,T/NK,no\nfibroblast,fibroblast,no\n"
        "odd cells,unassigned,\n"
    )
    text = TOML.replace('malignant = "is_tumour"', 'lineages = "labels.csv"')
    head, _, rest = text.partition("[annotate.lineages]")
    path = folder / "by_table.toml"
    path.write_text(head + "[signatures]" + rest.partition("[signatures]")[2])
    run(read_study(path), folder / "by_table", until="malignancy")
    cells = Run(folder / "by_table").cells
    assert set(cells.obs.loc[cells.obs["cell_type"] == "tumour", "malignancy"].astype(str)) == {"malignant"}
    assert set(cells.obs.loc[cells.obs["cell_type"] == "odd cells", "malignancy"].astype(str)) == {"uncertain"}
    (folder / "labels.csv").write_text("label,lineage,malignant\ntumour,epithelial,perhaps\n")
    with pytest.raises(StudyError, match="malignant is neither yes nor no"):
        read_study(path)


def test_a_word_that_means_neither_malignant_nor_normal_costs_the_step(atlas):
    folder, data, _ = atlas
    changed = data.copy()
    changed.obs["is_tumour"] = np.where(np.arange(data.n_obs) % 2, "Tumor", "maybe")
    changed.write_h5ad(folder / "changed.h5ad")
    sheet = (folder / "samples.csv").read_text().replace("atlas.h5ad", "changed.h5ad")
    (folder / "changed.csv").write_text(sheet)
    path = folder / "changed.toml"
    path.write_text(TOML.replace('samples = "samples.csv"', 'samples = "changed.csv"'))
    out = run(read_study(path), folder / "changed", until="malignancy")
    failed = json.loads((out / "run.json").read_text())["failed"]
    assert [f["step"] for f in failed] == ["malignancy"]
    assert "maybe" in failed[0]["reason"]
    assert failed[0]["input"] is True


def test_the_same_in_python_on_a_plain_anndata():
    rng = np.random.default_rng(1)
    cells = anndata.AnnData(
        obs=pd.DataFrame(
            {"kind": ["a", "B", None, "plasma"], "sample": ["S"] * 4, "patient": ["P1"] * 4,
             "call": ["1", "0", None, "cancer cells"]}, index=list("wxyz"),
        ),
        layers={"counts": sparse.csr_matrix(rng.poisson(1.0, (4, 5)))}, shape=(4, 5),
    )  # fmt: skip
    annotate.labels(cells, "kind", lineages={"a": "epithelial"})
    assert list(cells.obs["lineage"]) == ["epithelial", "B", "unassigned", "plasma"]
    annotate.declared_malignancy(cells, column="call")
    assert list(cells.obs["malignancy"]) == ["malignant", "normal", "uncertain", "malignant"]
    with pytest.raises(InputError, match="did you mean 'kind'"):
        annotate.labels(cells, "kinds")
    with pytest.raises(RefusedError, match="no counts of antibodies"):
        microenvironment.protein_by_sample(cells, groupby="patient")


@pytest.mark.parametrize(
    ("antibody", "gene"),
    [("PD-1", "PDCD1"), ("CD279", "PDCD1"), ("anti-human CD279 (PD-1)", "PDCD1"), ("HER2", "ERBB2"), ("CD8a", "CD8A"),
     ("CD3_TotalSeqB", "CD3E"), ("CD45RA", "PTPRC"), ("TIGIT", "TIGIT"), ("EPCAM", "EPCAM"), ("HLA-DR", "HLA-DRA"),
     ("Hu.CD274", "CD274"), ("zebra", ""), ("cystatin C", "CST3"), ("Ki-67", "MKI67"), ("E-cadherin", "CDH1"),
     ("\u03b1-SMA", "ACTA2"), ("SMA", "ACTA2"), ("TGF-\u03b2", "TGFB1"), ("Granzyme B", "GZMB"), ("CLDN18.2", "CLDN18"),
     ("MUC-3A", "MUC3A"), ("panCK", ""), ("CK7", "KRT7")],
)  # fmt: skip
def test_the_gene_of_an_antibody(antibody, gene):
    assert gene_of(antibody) == gene


def test_a_table_of_antibodies_of_its_own(atlas):
    folder, data, _ = atlas
    own = data[data.obs["biopsy"] == data.obs["biopsy"].iloc[0]]
    name = str(data.obs["biopsy"].iloc[0])
    half = own.obsm["protein"].iloc[: own.n_obs // 2]
    half.T.to_csv(folder / "adt.csv")
    plain = own.copy()
    del plain.obsm["protein"]
    plain.write_h5ad(folder / "plain.h5ad")
    lines = (folder / "samples.csv").read_text().splitlines()
    rows = [lines[0] + ",protein_path"]
    rows += [line + (",adt.csv" if line.startswith(f"{name},") else ",") for line in lines[1:]]
    rows = [r.replace("atlas.h5ad", "plain.h5ad") if r.startswith(f"{name},") else r for r in rows]
    (folder / "adt_samples.csv").write_text("\n".join(rows) + "\n")
    path = folder / "adt.toml"
    path.write_text(TOML.replace('samples = "samples.csv"', 'samples = "adt_samples.csv"'))
    from scresist.reading import ingest

    cells = ingest(read_study(path))
    mine = cells[cells.obs["sample"] == name]
    found = mine.obsm["protein"].loc[[f"{name}:{b}" for b in half.index], list(PANEL)]
    assert np.array_equal(found.to_numpy(), half.to_numpy())
    assert mine.obsm["protein"]["CD3"].isna().sum() == own.n_obs - len(half)
    (folder / "adt.csv").write_text(half.T.to_csv().replace(half.index[0], "zzz", 1).replace(",", ",1.5,", 1))
    _, problems = examine_study(path)
    assert not [p for p in problems if p.severity == "error"]
