"""A step that fails costs that step and those that need it: the rest is done, the page is made, the reason is kept."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from scresist import cli, progress
from scresist.checks import InputError, RefusedError, ScresistError
from scresist.run import pipeline
from scresist.run import run_study as run
from scresist.run.log import LOG, Log
from scresist.run.steps import STEPS
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study import read_study

PLAN = Plan(patients={"baseline": 3, "primary": 3}, pairs=0, cells=60, n_genes=2500, seed=2)
SETTINGS = """
[networks]
n_genes = 600
bootstraps = 0
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    path = write_cohort(simulate(PLAN), tmp_path_factory.mktemp("cohort") / "study")
    text = "\n".join(x for x in path.read_text().splitlines() if not x.startswith(("bootstraps", "[networks]")))
    path.write_text(text.replace('event = "pfs_event"', 'event = "pfs_event"\npermutations = 19') + SETTINGS)
    return read_study(path)


@pytest.fixture(scope="module")
def results(study, tmp_path_factory):
    return run(study, tmp_path_factory.mktemp("whole") / "results")


def failing(monkeypatch, name, error):
    """The steps, of which one raises an error after it has changed the cohort and written a table."""

    def body(state, study, context):
        state.cells.obs["left_behind"] = 1
        raise error

    steps = tuple(replace(s, body=body) if s.name == name else s for s in STEPS)
    monkeypatch.setattr(pipeline, "STEPS", steps)


def run_without(name, error, study, results, folder, monkeypatch):
    """A copy of a whole run in which one step is done again and raises."""
    shutil.copytree(results, folder)
    failing(monkeypatch, name, error)
    said: list[str] = []
    run(study, folder, start=name, say=said.append)
    return json.loads((folder / "run.json").read_text()), said


QUICK = ("networks", "report")
LATER = [n for n in pipeline.NAMES if n not in (*QUICK, "ingest")]


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in LATER)])
def test_a_librarys_exception_costs_its_step_and_no_more(name, study, results, tmp_path, monkeypatch):
    facts, said = run_without(
        name, ArithmeticError("ARPACK: no convergence"), study, results, tmp_path / "r", monkeypatch
    )
    missing = {f["step"]: f["reason"] for f in facts["failed"]}
    assert missing[name] == "ArithmeticError: ARPACK: no convergence"
    needs = {s.name: s.needed for s in STEPS}
    for step, reason in missing.items():
        assert step == name or any(f"the result of {n}" in reason for n in needs[step] if n in missing)
    own = [s for s in STEPS if s.name not in missing]
    assert {s.name for s in own} == {entry["step"] for entry in facts["steps"]}
    written = {t.path for s in STEPS if s.name in missing for t in s.tables}
    if "report" not in missing:
        page = (tmp_path / "r" / "report.html").read_text()
        assert "Steps that are missing" in page
        assert "ARPACK" in page
        assert "left_behind" not in page
    assert not [path for path in written if (tmp_path / "r" / path).exists()]
    log = (tmp_path / "r" / LOG).read_text()
    assert "Traceback" in log
    assert "in body" in log
    assert any(line.startswith(f"{name}: FAILED") for line in said)


def test_the_next_run_does_what_failed_and_what_was_made_without_it(study, results, tmp_path, monkeypatch):
    folder = tmp_path / "r"
    run_without("networks", ValueError("x"), study, results, folder, monkeypatch)
    assert not (folder / "tables" / "modules.csv").exists()
    monkeypatch.undo()
    said: list[str] = []
    run(study, folder, say=said.append)
    again = {line.split(":")[0] for line in said if "done before" not in line}
    assert {"networks", "contrasts", "candidates", "report"} <= again
    assert not {"ingest", "quality", "embed", "annotate", "malignancy", "microenvironment", "communication"} & again
    assert json.loads((folder / "run.json").read_text())["failed"] == []
    for path in (*(results / "tables").iterdir(), results / "claims.csv"):
        name = path.relative_to(results)
        assert (folder / name).read_bytes() == (results / name).read_bytes()


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("library"), 1), (RefusedError("too few"), 1), (InputError("wrong name"), 2)]
)
def test_the_status_tells_whose_fault_it_is(error, status, study, results, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "r"
    run_without("report", error, study, results, folder, monkeypatch)
    with pytest.raises(SystemExit) as stopped:
        cli._conclude(folder, cli.Screen(quiet=True, verbose=False), as_json=False)
    assert stopped.value.code == status
    err = capsys.readouterr().err
    assert "1 step missing: report" in err
    assert str(error) in err
    assert "run.log" in err


def test_a_cohort_that_cannot_be_read_ends_the_run(study, tmp_path, monkeypatch):
    failing(monkeypatch, "ingest", MemoryError("32 GB"))
    monkeypatch.setattr("scresist.run.step.State.cells", property(lambda self: type("C", (), {"obs": {}})()))
    with pytest.raises(ScresistError, match=r"ingest failed \(MemoryError: 32 GB\).*run.log"):
        run(study, tmp_path / "r")


def test_one_step_alone_or_from_one_on(study, results, tmp_path):
    folder, said = tmp_path / "r", []
    shutil.copytree(results, folder)
    run(study, folder, only="power", say=said.append)
    assert [line.split(":")[0] for line in said if "done before" not in line] == ["power"]
    said.clear()
    run(study, folder, start="usual_tools", say=said.append)
    again = [line.split(":")[0] for line in said if "done before" not in line]
    assert again == ["usual_tools", "calibration", "report"]
    with pytest.raises(InputError, match=r"networks needs the steps before it.*scresist run STUDY --until networks"):
        run(study, tmp_path / "new", only="networks")
    with pytest.raises(InputError, match="leave out until"):
        run(study, folder, only="power", until="report")
    with pytest.raises(InputError, match="start must be one of"):
        run(study, folder, start="network")


def test_progress_tells_the_step_and_how_far_it_is(tmp_path, monkeypatch):
    shown: list[str] = []
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("scresist.run.log.time.monotonic", lambda: float(next(clock)))
    log = Log(tmp_path / LOG, shown.append, shown.append)
    with log.step("quality", "removes barcodes"):
        assert list(progress.track("abc", "samples")) == ["a", "b", "c"]
    assert shown[0] == "quality: removes barcodes"
    assert "quality: 1 of 3 samples, about 4 s left" in shown
    assert "quality: 3 of 3 samples" in shown
    assert shown[-1] == ""
    progress.tell("samples", 1, 2)  # nobody listens any more
    assert shown[-1] == ""


def test_the_command_line_names_the_steps_of_the_run():
    assert cli.STEP_NAMES == pipeline.NAMES


def test_the_command_line_imports_without_slow_or_unix_modules():
    code = """
import sys
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
import scresist.cli
print({"scanpy", "anndata", "numba"} & set(sys.modules))
import scresist.run
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stdout.strip() == "set()"
    assert found.returncode == 0, found.stderr
