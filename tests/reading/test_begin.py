"""A folder of matrices becomes a study to fill in."""

import gzip
import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import tiny
from scresist import cli
from scresist.checks import InputError
from scresist.reading.begin import begin
from scresist.study import examine_study, read_study


def matrix(folder, seed=1):
    tiny.write_tenx(folder, tiny.counts(seed), tiny.genes(), tiny.barcodes())


def rows(folder):
    return pd.read_csv(folder / "samples.csv", dtype=str, keep_default_na=False)


def test_run_folders_of_cell_ranger(tmp_path):
    for i, name in enumerate(("GC01", "GC02")):
        matrix(tmp_path / name / "outs" / "filtered_feature_bc_matrix", i)
        matrix(tmp_path / name / "outs" / "raw_feature_bc_matrix", i + 10)
    begin(tmp_path)
    found = rows(tmp_path)
    assert list(found["sample"]) == ["GC01", "GC02"]
    assert all("filtered" in p or p.endswith("outs") or p.startswith("GC0") for p in found["path"])
    assert not any("raw" in p for p in found["path"])


def test_prefixed_files_of_geo(tmp_path):
    for i, name in enumerate(("GSM1_A", "GSM2_B")):
        matrix(tmp_path / "x", i)
        for file in (tmp_path / "x").iterdir():
            shutil.move(file, tmp_path / f"{name}_{file.name}")
    (tmp_path / "x").rmdir()
    begin(tmp_path)
    assert list(rows(tmp_path)["sample"]) == ["GSM1_A", "GSM2_B"]


def test_an_atlas_with_a_column_of_samples(tmp_path):
    n = 40
    obs = pd.DataFrame({"orig.ident": np.repeat(["s1", "s2", "s3", "s4"], 10)}, index=[f"c{i}" for i in range(n)])
    genes = pd.DataFrame(index=tiny.genes())
    anndata.AnnData(sparse.csr_matrix(tiny.counts(1, n)), obs=obs, var=genes).write_h5ad(tmp_path / "atlas.h5ad")
    begin(tmp_path)
    assert list(rows(tmp_path)["path"]) == [f"atlas.h5ad#orig.ident=s{i}" for i in range(1, 5)]


def test_filled_in_it_is_a_study(tmp_path, capsys):
    for i in range(4):
        matrix(tmp_path / "data" / f"S{i + 1}", i)
    with pytest.raises(SystemExit) as done:
        cli.app(["init", str(tmp_path / "data"), "--out", str(tmp_path / "mine"), "--arms", "naive,resistant"])
    assert done.value.code in (0, None)
    assert "study.toml" in capsys.readouterr().out
    _, problems = examine_study(tmp_path / "mine" / "study.toml")
    assert any("no patient" in p.message for p in problems), "what is empty is named"
    table = rows(tmp_path / "mine")
    table["patient"], table["arm"] = ["P1", "P2", "P3", "P4"], ["naive", "naive", "resistant", "resistant"]
    table["timepoint"] = ["baseline", "baseline", "EOT", "EOT"]
    table.to_csv(tmp_path / "mine" / "samples.csv", index=False)
    (tmp_path / "mine" / "patients.csv").write_text(
        "patient,best_response,pfs_months,pfs_event\nP1,PR,9,1\nP2,SD,7,1\nP3,PD,1,1\nP4,PD,2,1\n"
    )
    study = read_study(tmp_path / "mine" / "study.toml")
    assert [c.name for c in study.design.contrasts] == ["resistant"]
    assert (study.folder / study.samples["path"].iloc[0]).exists()


def test_what_cannot_be_begun(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        begin(tmp_path / "none")
    with pytest.raises(InputError, match="no matrix was found"):
        begin(tmp_path)
    matrix(tmp_path / "S1")
    begin(tmp_path)
    with pytest.raises(InputError, match="already"):
        begin(tmp_path)
    with gzip.open(tmp_path / "S1" / "barcodes.tsv.gz", "rt") as handle:
        assert len(handle.read().split()) == tiny.N_CELLS
