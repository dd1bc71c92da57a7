"""The commands as a user types them: exit status, what goes where, and help that says it."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import scresist
from scresist import cli
from tiny import SAMPLES, write_study


@pytest.fixture
def call(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["scresist", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def test_version(call):
    assert call("--version") == (0, f"scresist {scresist.__version__}\n", "")


def test_check_of_a_valid_study_is_0_and_says_what_the_design_can(call, tmp_path):
    status, out, _ = call("check", write_study(tmp_path))
    assert status == 0
    assert "0 errors" in out
    assert "design: primary: 2 patients in primary against 2 in baseline" in out


def test_check_finds_everything_in_one_pass_and_is_2(call, tmp_path):
    path = write_study(tmp_path, samples=SAMPLES.replace("P3,primary", "P3,primry").replace("S2,P2", "S2,P9"))
    status, out, _ = call("check", path)
    assert status == 2
    assert "samples.csv, row 3, column 'patient'" in out
    assert "samples.csv, row 4, column 'arm'" in out
    assert "did you mean 'primary'?" in out


def test_check_finds_wrong_matrices(call, tmp_path):
    path = write_study(tmp_path)
    (tmp_path / "S2" / "features.tsv.gz").unlink()
    status, out, _ = call("check", path)
    assert status == 2
    assert "lacks features.tsv" in out


def test_check_as_json(call, tmp_path):
    status, out, _ = call("check", write_study(tmp_path), "--json")
    facts = json.loads(out)
    assert status == 0
    assert facts["ok"]
    assert len(facts["samples"]) == 4
    assert facts["design"][0]["n_test"] == 2
    status, out, _ = call("check", write_study(tmp_path, samples=SAMPLES.replace("P3,primary", "P3,x")), "--json")
    assert status == 2
    assert json.loads(out)["problems"][0]["row"] == 4


def test_run_of_wrong_inputs_is_2_and_leaves_nothing(call, tmp_path):
    path = write_study(tmp_path / "study", samples=SAMPLES.replace("S2,P2", "S2,P9"))
    status, out, err = call("run", path, "--out", tmp_path / "results")
    assert status == 2
    assert out == ""
    assert "1 problem in the inputs" in err
    assert not (tmp_path / "results").exists()
    path = write_study(tmp_path / "other")
    (tmp_path / "other" / "S2" / "features.tsv.gz").unlink()
    status, _, err = call("run", path, "--out", tmp_path / "results")
    assert status == 2
    assert "lacks features.tsv" in err


def test_a_wrong_call_is_2(call, tmp_path):
    assert call("rnu")[0] == 2
    assert call("run")[0] == 2
    status, _, err = call("run", write_study(tmp_path), "--until", "qualty", "--out", tmp_path / "r")
    assert status == 2
    assert "until must be one of ingest" in err
    status, _, err = call("report", tmp_path / "r")
    assert status == 2
    assert "is no results folder" in err
    status, _, err = call("simulate", "--out", tmp_path / "s", "--patients", "baseline")
    assert status == 2
    assert "--patients needs arm=number" in err


def test_a_table_that_cannot_be_used_is_found_before_anything_runs(call, tmp_path):
    """A mistyped resource, a table with a wrong column: status 2 in check and in run, and no results folder."""
    path = write_study(tmp_path / "study")
    (path.parent / "pairs.csv").write_text("ligand,recepter,pathway\nTGFB1,TGFBR1,TGFb\n")
    toml = path.read_text()
    for resource, message in (("cellchatbd", "did you mean 'cellchatdb'"), ("pairs.csv", "no column 'receptor'")):
        path.write_text(toml + f'\n[communication]\nresource = "{resource}"\n')
        status, out, _ = call("check", path)
        assert status == 2
        assert "communication.resource cannot be used" in out
        assert message in out
        status, _, err = call("run", path, "--out", tmp_path / "results")
        assert status == 2
        assert message in err
        assert not (tmp_path / "results").exists()


def test_simulate_writes_a_study_that_passes_check(call, tmp_path):
    arguments = ["--patients", "baseline=2,primary=2", "--pairs", 0, "--cells", 40, "--genes", 2500]
    status, out, _ = call("simulate", "--out", tmp_path / "s", *arguments)
    assert status == 0
    assert call("check", out.strip())[0] == 0
    status, _, err = call("simulate", "--out", tmp_path / "s", *arguments)
    assert status == 2
    assert "is not empty" in err


def test_the_demo_does_not_take_the_cohort_of_another_seed(call, tmp_path):
    arguments = ["--patients", "baseline=2,primary=2", "--pairs", 0, "--cells", 40, "--genes", 2500, "--seed", 1]
    assert call("simulate", "--out", tmp_path / "demo" / "cohort", *arguments)[0] == 0
    status, _, err = call("demo", "--out", tmp_path / "demo", "--seed", 2)
    assert status == 2
    assert "has the cohort of seed 1, not 2" in err
    assert not (tmp_path / "demo" / "results").exists()


def test_resources_are_listed_and_shown(call):
    status, out, _ = call("resources")
    assert status == 0
    assert "CC BY 4.0" in out
    assert json.loads(call("resources", "--json")[1])
    assert call("resources", "escape_routes")[1].startswith("gene,mechanism")
    assert call("resources", "nothing")[0] == 2


def test_help_names_every_command():
    out = CliRunner().invoke(cli.app, ["--help"]).output
    for command in ("check", "run", "report", "demo", "simulate", "resources"):
        assert command in out


def test_the_command_line_starts_without_the_heavy_libraries():
    code = (
        "import sys, scresist.cli; heavy = {'scanpy', 'umap', 'numba', 'anndata', 'sklearn', 'matplotlib', 'dask'} & "
        "set(sys.modules); sys.exit(len(heavy))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
