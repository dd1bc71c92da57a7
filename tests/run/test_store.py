"""What a results folder of others can do, two runs at once, and the record of a step."""

import json
from pathlib import Path

import pytest

import tiny
from scresist import keys, tables
from scresist.checks import InputError
from scresist.results import Result
from scresist.run import run_study
from scresist.run.step import Context, State, Step
from scresist.run.steps import STEPS
from scresist.run.store import Store, locked, slot_names
from scresist.study import read_study


def step(name="quality", **changes):
    return Step(name=name, meaning="", body=lambda *_: None, **changes)


def test_a_state_from_somebody_else_deletes_nothing_outside(tmp_path):
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    out = tmp_path / "results"
    folder = out / ".state" / "quality"
    folder.mkdir(parents=True)
    facts = {"fingerprint": "x", "published": {"quality": "../victim.txt"}, "tables": ["../../victim.txt"]}
    (folder / "done.json").write_text(json.dumps(facts))
    Store(out / ".state").forget(step())
    assert victim.read_text() == "precious"
    assert not folder.exists()


def test_a_folder_that_leads_elsewhere_is_refused(tmp_path):
    other, out = tmp_path / "other", tmp_path / "results"
    other.mkdir()
    (other / "quality.csv").write_text("precious")
    (out / ".state").mkdir(parents=True)
    (out / "tables").symlink_to(other)
    with pytest.raises(InputError, match="leads out of"):
        Store(out / ".state").forget(step())
    assert (other / "quality.csv").read_text() == "precious"


def test_a_state_that_lists_a_table_of_another_step_is_refused(tmp_path):
    out = tmp_path / "results"
    folder = out / ".state" / "quality"
    folder.mkdir(parents=True)
    (folder / "done.json").write_text(json.dumps({"fingerprint": "x", "tables": ["claims"], "refusals": []}))
    with pytest.raises(InputError, match="lists a table 'claims' that the step does not make"):
        Store(out / ".state").load(step(), State(out))


def test_two_runs_into_one_folder_do_not_interleave(tmp_path):
    study = read_study(tiny.write_study(tmp_path / "study"))
    out = tmp_path / "results"
    with locked(out / ".state"), pytest.raises(InputError, match="another run is writing into"):
        run_study(study, out, until="ingest")
    run_study(study, out, until="ingest")  # the lock is gone with the run that held it
    assert (out / "run.json").exists()


def test_an_undeclared_slot_is_a_fault_of_the_step(tmp_path):
    anndata = pytest.importorskip("anndata")
    cohort = anndata.AnnData(obs={"sample": ["a", "b"]})
    before = slot_names(cohort)
    cohort.obs["odd"] = 1
    with pytest.raises(RuntimeError, match=r"wrote obs\['odd'\]"):
        Store(tmp_path / ".state").save(step(), State(tmp_path, cohort=cohort), {"tables": []}, before)


def test_an_overwritten_slot_is_kept(tmp_path):
    """A slot that was there before the step (in the file that was read, say) and that the step writes anew."""
    anndata = pytest.importorskip("anndata")
    cohort = anndata.AnnData(obs={"lineage": ["old", "old"], "sample": ["a", "b"]})
    before = slot_names(cohort)
    cohort.obs["lineage"] = ["T cell", "B cell"]
    store, state = Store(tmp_path / ".state"), State(tmp_path, cohort=cohort)
    annotate = next(s for s in STEPS if s.name == "annotate")
    store.save(annotate, state, {"tables": [], "refusals": []}, before)
    other = State(tmp_path, cohort=anndata.AnnData(obs={"lineage": ["old", "old"], "sample": ["a", "b"]}))
    store.load(annotate, other)
    assert list(other.cells.obs["lineage"]) == ["T cell", "B cell"]
    assert list(other.cells.obs["sample"]) == ["a", "b"]


def test_publish_checks_the_table(tmp_path):
    import pandas as pd

    state = State(tmp_path)
    good = pd.DataFrame({"sample": ["a"], "module": ["M1"], "score": [0.1], "n_cells": [3]})
    state.publish("module_scores", Result(good))
    assert (tmp_path / "tables" / "module_scores.csv").exists()
    for bad, message in (
        (good.drop(columns="score"), r"lacks columns \['score'\]"),
        (good.assign(other=1), r"unlisted columns \['other'\]"),
        (pd.concat([good, good]), "have the key 'a|M1'"),
    ):
        with pytest.raises(RuntimeError, match=message):
            state.publish("module_scores", Result(bad))
    with pytest.raises(RuntimeError, match="not in the register"):
        state.publish("unheard_of", Result(good))


def test_steps_and_registers_name_each_other():
    names = {s.name for s in STEPS}
    assert {t.step for t in tables.TABLES.values()} <= {*names, "demo"}
    assert {k.step for k in keys.KEYS} <= names
    used = {c for t in tables.TABLES.values() for c in (*t.columns, *t.optional)}
    assert used <= set(tables.COLUMNS), "every column has a meaning"
    assert set(tables.COLUMNS) <= used | {"reference_cells", "taken"}, "no meaning without a column"
    for table in tables.TABLES.values():
        assert set(table.key) <= {*table.columns, *table.optional}, table.name


def test_any_file_a_study_names_counts_by_its_content(tmp_path):
    """Markers and ligand-receptor tables: an edited file changes what the step is known by."""
    path = tiny.write_study(tmp_path / "study")
    markers, pairs = path.parent / "markers.csv", path.parent / "pairs.csv"
    path.write_text(
        path.read_text() + "\n[annotate]\nmarkers = 'markers.csv'\n[communication]\nresource = 'pairs.csv'\n"
    )
    markers.write_text("cell_type,gene\nT cell,CD3D\n")
    pairs.write_text("ligand,receptor,pathway\nTGFB1,TGFBR1,TGFb\n")
    study = read_study(path)
    named = {s.name: [Path(f).name for f in s.files(study)] for s in STEPS}
    assert named["annotate"] == ["markers.csv"]
    assert named["communication"] == named["usual_tools"] == ["pairs.csv"]


def test_a_context_without_options_is_complete():
    context = Context(3)
    assert context.rng.integers(10) == Context(3).rng.integers(10)
