"""A run from the sheets to the page: complete, resumable at any moment, and the same whatever the interruptions."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from browser import at_width, axe, needs_browser, opened, parts, reported
from scresist.checks import InputError
from scresist.keys import KEYS, NAMES
from scresist.report import sections
from scresist.report import write as write_page
from scresist.report.blocks import written
from scresist.report.folder import Folder
from scresist.results import read_table, write_table
from scresist.run import pipeline
from scresist.run import run_study as run
from scresist.run.pipeline import NAMES as STEP_NAMES
from scresist.simulate import Plan, simulate, write_bench, write_cohort
from scresist.simulate.recovery import compare
from scresist.study import read_study
from scresist.tables import TABLES, check, row_keys

PLAN = Plan(patients={"baseline": 4, "primary": 4, "acquired": 4}, pairs=2, cells=150, n_genes=3000, seed=5)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    laid = simulate(PLAN)
    path = write_cohort(laid, folder / "study")
    write_bench(laid, path.parent)
    text = path.read_text().replace("bootstraps = 8", "bootstraps = 4")
    text = text.replace('event = "pfs_event"', 'event = "pfs_event"\npermutations = 19')
    path.write_text(text.replace("[validation]", "[validation]\nmif_shuffles = 19"))
    return path


@pytest.fixture(scope="module")
def results(cohort, tmp_path_factory):
    return run(read_study(cohort), tmp_path_factory.mktemp("whole") / "results")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a results folder but the kept state; of run.json what does not tell the time."""
    out = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith((".state", "run.log")):
            out[name] = path.read_bytes()
    facts = json.loads(out["run.json"])
    for step in facts["steps"]:
        del step["seconds"], step["peak_gb"]
    out["run.json"] = json.dumps(facts).encode()
    return out


def assert_same(left: Path, right: Path) -> None:
    a, b = contents(left), contents(right)
    assert sorted(a) == sorted(b)
    assert [name for name in a if a[name] != b[name]] == []


def test_the_folder_holds_what_the_contract_names(results):
    for name in ("report.html", "cohort.h5ad", "claims.csv", "run.json", "figures"):
        assert (results / name).exists(), name
    cells = read_table(results / "tables" / "cells.parquet")
    named = ["cell", "sample", "patient", "arm", "cluster", "lineage", "cell_type", "confidence",
             "malignant_probability", "malignancy", "doublet_score"]  # fmt: skip
    assert list(cells.columns)[: len(named)] == named
    columns = {
        "quality": ["sample", "cells_in", "cells_kept", "low_counts", "low_genes", "high_mito", "doublet"],
        "markers": ["cluster", "gene"],
        "modules": ["compartment", "module", "gene", "kme", "rank"],
        "module_scores": ["sample", "module", "score"],
        "module_contrasts": ["module", "contrast", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value",
                             "n_test", "n_reference", "n_pairs", "influence"],
        "expression_contrasts": ["cell_type", "contrast", "gene", "log2fc", "p_value", "q_value", "n_test",
                                 "n_reference"],
        "composition_contrasts": ["cell_type", "contrast", "effect", "q_value"],
        "signature_contrasts": ["signature", "cell_type", "contrast", "effect", "q_value"],
        "survival": ["feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "method", "n", "events"],
        "candidates": ["contrast", "rank", "gene", "score", "module", "kme", "log2fc", "q_value", "malignant_share",
                       "ambient_risk", "influence", "stability", "hr", "survival_q", "mechanism", "bench", "verdict"],
    }  # fmt: skip
    for name, expected in columns.items():
        found = read_table(results / "tables" / f"{name}.csv")
        assert set(expected) <= set(found.columns), (name, set(expected) - set(found.columns))
    links = read_table(results / "tables" / "communication.parquet")
    assert {"sample", "source", "target", "ligand", "receptor", "pathway", "probability", "p_value",
            "q_value"} <= set(links.columns)  # fmt: skip
    compared = read_table(results / "tables" / "communication_contrasts.csv")
    assert {"level", "source", "target", "ligand", "receptor", "pathway", "contrast", "effect",
            "q_value"} <= set(compared.columns)  # fmt: skip
    assert {"pair", "pathway"} <= set(compared["level"])
    for name in ("flips", "flow_flips"):
        verdicts = set(read_table(results / "tables" / f"{name}.csv")["verdict"])
        assert verdicts <= {"stands", "suggestive", "falls", "reversed", "no test"}
    claims = read_table(results / "claims.csv")
    assert {"statement", "unit", "n", "test", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value",
            "verdict"} <= set(claims.columns)  # fmt: skip


def test_every_slot_written_is_a_named_key(results):
    cells = anndata.read_h5ad(results / "cohort.h5ad")
    listed = {(key.axis, key.name) for key in KEYS}
    for axis in ("obs", "var", "obsm", "varm", "layers", "uns"):
        for name in getattr(cells, axis).keys():  # noqa: SIM118 - AnnData's mappings do not iterate alike
            assert (axis, name) in listed, (axis, name)
    assert {"X_umap", "counts", "cluster"} <= NAMES


def test_run_json_says_what_was_done(results, cohort):
    facts = json.loads((results / "run.json").read_text())
    assert [s["step"] for s in facts["steps"]] == list(STEP_NAMES)
    assert all(s["peak_gb"] > 0 for s in facts["steps"])
    assert all(len(digest) == 64 for digest in facts["inputs"].values())
    assert facts["seed"] == PLAN.seed
    assert "scanpy" in facts["versions"]


def test_the_planted_hubs_are_found(results, cohort):
    found = compare(results, cohort.parent).set_index(["what", "where"])["found"]
    for arm in ("primary", "acquired"):
        assert int(found["hub gene", arm].removeprefix("rank ").partition(",")[0]) <= 10


def test_what_the_soup_brings_is_no_claim(results, cohort):
    truth = json.loads((cohort.parent / "truth.json").read_text())
    claims = read_table(results / "claims.csv")
    called = claims[claims["verdict"].isin(["supported", "suggestive"]) & (claims["kind"] == "candidates")]
    assert len(called)
    assert not set(called["feature"]) & set(truth["decoys"]["decoy ambient"])


def test_a_second_run_does_nothing_again_and_changes_nothing(results, cohort):
    before = contents(results)
    said = []
    run(read_study(cohort), results, say=said.append)
    assert all(line.endswith("done before") for line in said)
    assert contents(results) == before


@pytest.mark.parametrize("stopped_in", [pytest.param("quality", marks=pytest.mark.slow), "contrasts"])
def test_a_run_that_dies_in_a_step_goes_on_there_and_ends_the_same(results, cohort, tmp_path, monkeypatch, stopped_in):
    out = tmp_path / "results"
    shutil.copytree(results, out)  # what is before that step is done and stays
    whole = {step.name: step.body for step in pipeline.STEPS}

    def die(*_):
        whole[stopped_in](*_)  # the work is done, but not yet kept
        raise KeyboardInterrupt

    broken = tuple(replace(s, body=die) if s.name == stopped_in else s for s in pipeline.STEPS)
    monkeypatch.setattr(pipeline, "STEPS", broken)
    with pytest.raises(KeyboardInterrupt):
        run(read_study(cohort), out, start=stopped_in)
    monkeypatch.undo()
    said = []
    run(read_study(cohort), out, say=said.append)
    at = STEP_NAMES.index(stopped_in)
    assert [line.endswith("done before") for line in said] == [i < at for i in range(len(STEP_NAMES))]
    assert_same(results, out)


@pytest.mark.slow
def test_a_killed_process_goes_on(results, cohort, tmp_path):
    out = tmp_path / "results"
    command = [sys.executable, "-m", "scresist", "run", str(cohort), "--out", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("quality"):
            break
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    subprocess.run(command, check=True, capture_output=True)
    assert_same(results, out)


def redone(cohort, out, change=lambda text: text, sheets=()):
    path = cohort.parent / "study.toml"
    original = path.read_text()
    kept = {name: (cohort.parent / name).read_text() for name, _ in sheets}
    try:
        path.write_text(change(original))
        for name, edit in sheets:
            (cohort.parent / name).write_text(edit(kept[name]))
        said = []
        run(read_study(path), out, say=said.append)
        return [line.split(":")[0] for line in said if not line.endswith("done before")]
    finally:
        path.write_text(original)
        for name, text in kept.items():
            (cohort.parent / name).write_text(text)


@pytest.mark.slow
def test_a_changed_setting_redoes_what_depends_on_it_and_no_more(results, cohort, tmp_path):
    import shutil

    out = tmp_path / "results"
    shutil.copytree(results, out)
    after_calls = [name for name in STEP_NAMES[4:] if name != "power"]  # which depends on the sheets alone
    assert redone(cohort, out, lambda t: t + "\n[annotate]\nmalignancy = 'none'\n") == after_calls
    assert not (out / "tables" / "malignancy.csv").exists(), "a table of other settings must not stay"
    assert redone(cohort, out) == after_calls
    assert_same(results, out)
    edit = ("patients.csv", lambda t: t.replace("age", "years"))
    assert "contrasts" not in redone(cohort, out, sheets=[("patients.csv", lambda t: t)])
    assert "ingest" not in redone(cohort, out, sheets=[edit])


@pytest.mark.slow
def test_one_patients_progression_redoes_what_reads_it_and_no_more(results, cohort, tmp_path):
    """Not communication, not the contrasts, not the networks: they do not read the endpoint."""
    import shutil

    out = tmp_path / "results"
    shutil.copytree(results, out)
    people = pd.read_csv(cohort.parent / "patients.csv", dtype=str)
    months = people.loc[people["patient"] == people["patient"].iloc[0], "pfs_months"].iloc[0]

    def longer(text):
        return text.replace(f",{months},", f",{float(months) + 1:g},", 1)

    done = redone(cohort, out, sheets=[("patients.csv", longer)])
    assert done == ["power", "survival", "candidates", "usual_tools", "report"]


@pytest.mark.slow
def test_calibration_is_a_step_of_its_own_and_is_kept(results, cohort, tmp_path):
    import shutil

    out = tmp_path / "results"
    shutil.copytree(results, out)
    said = []
    run(read_study(cohort), out, calibrate=2, say=said.append)
    assert [s.split(":")[0] for s in said if "done before" not in s] == ["calibration", "report"]
    table = read_table(out / "tables" / "calibration.csv")
    assert set(table["claim"]) == {"expression", "composition", "communication", "signatures", "modules"}
    assert (table.groupby("claim")["contrast"].nunique() == 2).all()
    assert table["false_positive_rate"].between(0, 1).all()
    said.clear()
    run(read_study(cohort), out, say=said.append)  # not asked for again: the result stays
    assert all("done before" in s for s in said)
    assert (out / "tables" / "calibration.csv").exists()


def test_a_table_sorted_by_hand_moves_no_verdict(results, tmp_path):
    """The page finds the rows of a claim by their key: with every table reversed it shows the same verdicts."""
    import shutil

    out = tmp_path / "results"
    shutil.copytree(results, out)
    for name in sorted({t.name for t in TABLES.values() if t.kind}):
        path = out / TABLES[name].path
        if path.exists():  # this study names no second cohort
            write_table(read_table(path).iloc[::-1], path)
    before, after = Folder(results), Folder(out)
    for name in ("candidates", "module_contrasts", "communication_contrasts", "expression_contrasts"):
        pd.testing.assert_frame_equal(before.claimed(name), after.claimed(name))


def test_the_page_is_made_from_tables_alone(results, tmp_path):
    import shutil

    out = tmp_path / "results"
    shutil.copytree(results, out)
    for path in ("cohort.h5ad", "report.html"):
        (out / path).unlink()
    shutil.rmtree(out / ".state")
    write_page(out)
    assert (out / "report.html").read_bytes() == (results / "report.html").read_bytes()


def test_every_table_of_a_run_is_what_the_register_lists(results):
    for path in sorted((results / "tables").iterdir()):
        check(path.stem, read_table(path))
        assert (results / TABLES[path.stem].path).exists()


@pytest.mark.slow
def test_renamed_contrasts_and_arms_give_the_same_study(results, cohort, tmp_path):
    """Roles, not names: the resistance comparison and the guard of survival do not hang on a word."""
    import shutil

    folder = tmp_path / "renamed"
    shutil.copytree(cohort.parent, folder)
    text = (folder / "study.toml").read_text()
    text = text.replace("contrasts.primary]", "contrasts.never]\nrole = 'primary'")
    text = text.replace("contrasts.acquired]", "contrasts.later]\nrole = 'acquired'")
    (folder / "study.toml").write_text(text)
    out = tmp_path / "results"
    shutil.copytree(results, out)
    run(read_study(folder / "study.toml"), out)
    for name, key in (("module_resistance", "module"), ("expression_resistance", "gene"), ("survival", "feature")):
        one, two = (read_table(f / "tables" / f"{name}.csv").set_index(key) for f in (results, out))
        assert len(one)
        if "weak" in two:  # it names the contrast
            two["weak"] = two["weak"].str.replace("contrast never", "contrast primary")
        pd.testing.assert_frame_equal(one, two)


@pytest.mark.slow
def test_a_lost_table_is_written_again(results, cohort, tmp_path):
    import shutil

    out = tmp_path / "results"
    shutil.copytree(results, out)
    (out / "tables" / "quality.csv").unlink()
    (out / "report.html").unlink()
    run(read_study(cohort), out)
    assert_same(results, out)


def test_until_stops_and_workers_change_nothing(results, cohort, tmp_path):
    out = tmp_path / "results"
    run(read_study(cohort), out, until="quality", workers=2)
    assert "Who the cells are" in (out / "report.html").read_text()
    assert anndata.read_h5ad(out / "cohort.h5ad").n_obs == len(read_table(out / "tables" / "cells.parquet"))
    assert (out / "tables" / "quality.csv").read_bytes() == (results / "tables" / "quality.csv").read_bytes()
    with pytest.raises(InputError, match="until must be one of ingest"):
        run(read_study(cohort), out, until="qualty")


def test_a_folder_with_other_files_is_refused(cohort, tmp_path):
    (tmp_path / "thesis.docx").write_text("precious")
    with pytest.raises(InputError, match=r"contains other files \(thesis.docx\)"):
        run(read_study(cohort), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        run(read_study(cohort), tmp_path / "file")


def test_the_page_is_one_file_that_needs_no_network(results):
    page = (results / "report.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    assert "<script src" not in page
    assert "<link" not in page
    claims = read_table(results / "claims.csv")
    best = claims[(claims["verdict"] == "supported") & (claims["kind"] != "design")]
    if len(best):
        from markupsafe import escape

        assert str(escape(best["statement"].iloc[0])) in page


def test_no_two_parts_of_the_page_share_an_id(results):
    import re

    named = re.findall(
        r' id="([^"]+)"', re.sub(r"<svg.*?</svg>", "", (results / "report.html").read_text(), flags=re.S)
    )
    assert len(named) == len(set(named)), "the script would take one for the other, and the map stays empty"
    assert {"cellmap", "legend", "mapdata"} <= set(named)


def test_steps_depend_on_earlier_steps_only():
    seen = set()
    for step in pipeline.STEPS:
        assert set(step.after) <= seen, step.name
        seen.add(step.name)


def test_progress_is_timed(results):
    facts = json.loads((results / "run.json").read_text())
    assert sum(s["seconds"] for s in facts["steps"]) < time.time()
    assert isinstance(pd.DataFrame(facts["steps"])["seconds"].sum(), float)


@pytest.mark.slow
@needs_browser
def test_the_page_works_in_a_browser(results, tmp_path):
    page = tmp_path / "report.html"
    page.write_bytes((results / "report.html").read_bytes())
    dom, console = opened(page)
    assert console == []
    assert "http" not in {part.split(":")[0] for part in re.findall(r'(?:src|href)="([^"#]+)', dom)}
    found = parts(page)
    assert (found["empty"], found["blank"], found["loaded"]) == ([], 0, [])
    for width in (390, 900, 1440):
        content, frame, wide = at_width(page, width)
        assert (wide, content <= frame) == ([], True)
    assert [v for v in axe(page) if v[1] in ("serious", "critical")] == []
    probe = """document.querySelectorAll("details").forEach((d) => { d.open = true; });
      const typed = document.getElementById("mapgene");
      typed.value = "CST3";
      typed.dispatchEvent(new Event("input"));
      setTimeout(() => { document.title = JSON.stringify([
        [...document.querySelectorAll("main > section")].map((s) => [s.id, s.innerText.length]),
        [...document.querySelectorAll("#answers p, #answers li")].map((e) => e.innerText),
        document.getElementById("legend").innerText]); }, 1500);"""
    sections_found, words, legend = reported(opened(page, 1440, probe, budget=20000)[0])
    assert {name for name, _ in sections_found} >= {"answers", "genes", "quality", "cells", "malignancy", "modules",
                                                    "microenvironment", "candidates", "survival", "bench", "methods"
                                                    }  # fmt: skip
    assert [name for name, length in sections_found if length < 60] == []
    long = [s for text in words for s in re.split(r"(?<=[.!?]) ", text) if len(s.split()) > 30]
    assert long == [], "plain English: at most 30 words in a sentence of the first screen"
    assert "CST3" in legend


def test_every_test_that_the_page_shows_is_a_claim_with_the_same_numbers(results):
    claims = read_table(results / "claims.csv")
    traced = claims[claims["row"].notna() & (claims["kind"] != "design")]
    assert set(traced["table"]) >= {"candidates", "module_contrasts", "composition_contrasts", "survival"}
    for name, own in traced.groupby("table"):
        table = read_table(results / "tables" / f"{name}.csv")
        table = table.iloc[pd.Index(row_keys(name, table)).get_indexer(own["row"])]
        for column in ("p_value", "q_value", "ci_low", "ci_high"):
            np.testing.assert_allclose(table[column].to_numpy(float), own[column].to_numpy(float), rtol=1e-8)
    folder = Folder(results)
    stated = set(claims["statement"])
    tests = claims["p_value"].map(lambda p: written(p, "p"))
    for section in sections.built(folder):
        for block in section.blocks:
            if block["kind"] == "table" and "p" in [c.name for c in block["columns"]]:
                at = [c.name for c in block["columns"]].index("p")
                shown = [row[at]["text"] for row in block["rows"]]
                assert set(shown) <= {*tests, "–"}, section.id
            if block["kind"] == "list":
                said = [e["text"].split(" (p ")[0] for e in block["entries"] if e["verdict"] == "supported"]
                assert set(said) <= stated
    ranked = read_table(results / "tables" / "candidates.csv").set_index(["contrast", "gene"])["verdict"]
    own = claims[claims["kind"] == "candidates"].set_index(["contrast", "feature"])["verdict"]
    assert own.equals(ranked.loc[own.index].rename_axis(own.index.names))
