"""The bench through the commands: planted effects come out of a run, later files join a run, wrong files are named."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from painted import painted
from scresist.cli import app
from scresist.results import read_table
from scresist.run import run_study
from scresist.run.bodies import bench
from scresist.run.later import with_files
from scresist.run.preflight import check_files
from scresist.simulate import Plan, simulate, write_bench, write_cohort
from scresist.study import read_study
from scresist.validation.files import compute_bench

pytestmark = pytest.mark.filterwarnings("default")  # warnings of libraries on so few cells
PLAN = Plan(patients={"baseline": 5, "acquired": 5}, pairs=0, cells=150, n_genes=4000, seed=3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Bench files beside the sheets of a cohort of few cells."""
    laid = simulate(replace(PLAN, cells=30, n_genes=2500))
    path = write_cohort(laid, tmp_path_factory.mktemp("files") / "study")
    write_bench(laid, path.parent)
    return path


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    laid = simulate(PLAN)
    path = write_cohort(laid, tmp_path_factory.mktemp("bench") / "study")
    text = path.read_text().replace("[networks]\nbootstraps = 8", "[networks]\nn_genes = 300\nbootstraps = 2")
    path.write_text(text + "\n[communication]\npermutations = 5\npermutations_max = 5\n")
    without = path.read_text()
    write_bench(laid, path.parent)
    (path.parent / "without.toml").write_text(without)
    return path


@pytest.fixture(scope="module")
def results(cohort):
    """A run without bench files, to which they are added by the command."""
    out = run_study(read_study(cohort.parent / "without.toml"), cohort.parent / "results")
    assert not list((out / "tables").glob("validation_*"))
    files = [("ihc", "ihc.csv"), ("mif", "mif_cells.csv"), ("dose", "dose_response.csv"), ("kinetics", "kinetics.csv")]
    call = ["validate", str(out), "--quiet"]
    for option, file in files:
        call += [f"--{option}", str(cohort.parent / file)]
    found = CliRunner().invoke(app, call)
    assert found.exit_code == 0, found.output
    return out


def table(results, name):
    return read_table(results / "tables" / f"{name}.csv")


@pytest.mark.slow
def test_planted_effects_are_found_and_what_follows_nothing_is_not(results):
    protein = table(results, "validation_ihc_contrasts").set_index("marker")
    assert protein.loc["CST3", "p_value"] < 0.01
    assert protein.loc["CST3", "effect"] > 50
    assert protein.loc["HER2", "q_value"] > 0.05
    dense = table(results, "validation_mif_contrasts").set_index(["compartment", "phenotype"])
    assert dense.loc[("tumour", "CD8 PD-1"), "q_value"] < 0.05
    ratio = table(results, "validation_dose_ratios").set_index("test")
    assert ratio.loc["CST3 OE", "ci_low"] < 4 < ratio.loc["CST3 OE", "ci_high"]


@pytest.mark.slow
def test_tables_claims_candidates_and_the_page_have_the_bench(results):
    agreed = table(results, "validation_agreement")
    assert (agreed.loc[agreed["gene"] == "CST3", "met"] == "yes").any()
    stained = agreed[agreed["evidence"] == "protein by mIF, tumour"].set_index("gene")
    assert stained.loc["MUC3A", "met"] == "yes"
    assert "correlation with RNA of" in stained.loc["MUC3A", "statistic"]
    claims = read_table(results / "claims.csv")
    assert {"ihc", "mif", "mif spatial", "dose ratios"} <= set(claims["kind"])
    assert (claims.loc[claims["kind"] == "dose ratios", "unit"] == "biological replicate").all()
    ranked = table(results, "candidates")
    assert ranked.loc[ranked["gene"] == "CST3", "bench_result"].str.contains("protein by IHC").all()
    assert set(table(results, "survival")["what"]) >= {"IHC", "mIF"}
    page = (results / "report.html").read_text()
    assert 'id="bench"' in page
    assert "What does the bench show?" in page
    assert json.loads((results / "run.json").read_text())["failed"] == []


@pytest.mark.slow
def test_images_come_later_by_the_command(cohort, results, tmp_path):
    sheet = pd.read_csv(cohort.parent / "samples.csv")
    write_images(tmp_path, sheet, n=len(sheet))
    out = tmp_path / "results"
    shutil.copytree(results, out)
    call = ["validate", str(out), "--quiet", "--study", str(cohort.parent / "without.toml"), "--ihc-images",
            str(tmp_path / "ihc_images.csv")]  # fmt: skip
    found = CliRunner().invoke(app, call)
    assert found.exit_code == 0, found.output
    assert table(out, "validation_ihc_cores")["n_cells"].min() > 5
    assert len(list((out / "overlays").glob("*.png"))) == len(sheet)
    assert "CST3" in set(table(out, "validation_ihc_contrasts")["marker"])
    assert table(out, "validation_agreement")["evidence"].str.contains("IHC").any()
    assert "Stained images" in (out / "report.html").read_text()


@pytest.mark.slow
def test_steps_that_do_not_depend_on_the_bench_are_not_done_again(cohort, results):
    done = {s["step"]: s["fingerprint"] for s in json.loads((results / "run.json").read_text())["steps"]}
    other = json.loads((results / "run.json").read_text())
    assert other["settings"]["validation"]["ihc"] == "ihc.csv"
    changed, mode, lines = with_files(results, {"ihc": cohort.parent / "ihc.csv"})
    assert mode == "sound"
    assert lines.splitlines()[0] == 'ihc = "ihc.csv"'
    assert "mif_cells" in lines  # of the earlier call
    assert changed.settings.validation.ihc == "ihc.csv"
    assert set(done) >= {"networks", "bench"}


@pytest.mark.slow
def test_a_later_file_joins_those_of_earlier_calls_and_replaces_its_own_assay(cohort, results, tmp_path):
    out = tmp_path / "results"
    shutil.copytree(results, out)
    before = {name: table(out, name) for name in ("validation_mif", "validation_dose_ratios", "validation_kinetics")}
    sheet = pd.read_csv(cohort.parent / "ihc.csv")
    sheet[sheet["marker"] == "CST3"].to_csv(tmp_path / "second.csv", index=False)
    call = ["validate", str(out), "--quiet", "--study", str(cohort.parent / "without.toml"), "--ihc"]
    sheet.assign(strong=150).to_csv(tmp_path / "wrong.csv", index=False)
    refused = CliRunner().invoke(app, [*call, str(tmp_path / "wrong.csv")])
    words = str(refused.exception)
    assert f"{tmp_path / 'wrong.csv'} (--ihc): ihc row 2: strong must be a percentage" in words
    assert "study.toml" not in words
    found = CliRunner().invoke(app, [*call, str(tmp_path / "second.csv")])
    assert found.exit_code == 0, found.output
    for name, earlier in before.items():
        pd.testing.assert_frame_equal(table(out, name), earlier)
    assert set(table(out, "validation_ihc")["marker"]) == {"CST3"}
    assert {"ihc", "mif", "dose ratios"} <= set(read_table(out / "claims.csv")["kind"])
    assert "IC50" in (out / "report.html").read_text()
    log = (out / "run.log").read_text()
    assert "second.csv replaces ihc.csv, which was added earlier" in log
    assert "mif_cells.csv, which was added earlier, is kept" in log


def test_calls_one_after_the_other_keep_and_replace(files, tmp_path, monkeypatch):
    """The command, with a run that only writes what it was given."""
    import scresist.run
    from scresist.run import pipeline
    from scresist.run.step import State

    here = tmp_path / "c"
    shutil.copytree(files.parent, here, ignore=shutil.ignore_patterns("results"))
    study = here / "study.toml"
    text = study.read_text()
    study.write_text("\n".join(line for line in text.splitlines() if not line.startswith(("ihc =", "mif_cells ="))))
    out = here / "results"
    out.mkdir()
    told = []

    def run(read, folder, **_):
        told.append(read.later)
        pipeline._write_run(folder, read, {}, [], State(folder), "sound", {})
        return folder

    run(read_study(study), out)
    monkeypatch.setattr(scresist.run, "run_study", run)
    shutil.copy(here / "ihc.csv", here / "ihc2.csv")
    shutil.copy(here / "dose_response.csv", here / "dose2.csv")

    def validate(*call):
        found = CliRunner().invoke(app, ["validate", str(out), *call])
        assert found.exit_code == 0, found.output
        return read_study(study).settings.validation, json.loads((out / "run.json").read_text()), found.output

    validate("--ihc", str(here / "ihc.csv"))
    own, facts, shown = validate("--mif", str(here / "mif_cells.csv"))
    assert facts["settings"]["validation"]["ihc"] == "ihc.csv"
    assert facts["settings"]["validation"]["mif_cells"] == "mif_cells.csv"
    assert facts["settings"]["validation"]["dose_response"] == own.dose_response == "dose_response.csv"
    assert 'ihc = "ihc.csv"\nmif_cells = "mif_cells.csv"' in shown
    _, facts, _ = validate("--ihc", str(here / "ihc2.csv"), "--dose", str(here / "dose2.csv"))
    assert facts["later"] == {"ihc": "../ihc2.csv", "mif_cells": "../mif_cells.csv", "dose_response": "../dose2.csv"}
    assert list(told[-1].values()) == [
        "ihc: ihc2.csv replaces ihc.csv, which was added earlier",
        "mif_cells: mif_cells.csv, which was added earlier, is kept",
        "dose_response: dose2.csv replaces dose_response.csv of study.toml",
    ]
    (here / "ihc2.csv").unlink()
    found = CliRunner().invoke(app, ["validate", str(out), "--mif", str(here / "mif_cells.csv")])
    assert "ihc2.csv (--ihc) of an earlier scresist validate, and it is no longer at" in str(found.exception)


def test_wrong_bench_files_are_named_by_check(files, tmp_path):
    shutil.copytree(files.parent, tmp_path / "c", ignore=shutil.ignore_patterns("results"))
    here = tmp_path / "c"
    ihc = pd.read_csv(here / "ihc.csv")
    ihc.loc[3, "strong"] = 180
    ihc.to_csv(here / "ihc.csv", index=False)
    doses = pd.read_csv(here / "dose_response.csv")
    doses.loc[2, "dose_um"] = -1
    doses.to_csv(here / "dose_response.csv", index=False)
    cells = pd.read_csv(here / "mif_cells.csv")
    cells.loc[cells["sample"] == cells["sample"].iloc[0], "sample"] = "S99"
    cells.to_csv(here / "mif_cells.csv", index=False)
    found = "\n".join(str(p) for p in check_files(read_study(here / "study.toml")))
    assert "ihc row 5: strong must be a percentage" in found
    assert "row 4" in found
    assert "mif_cells.csv row 2: sample 'S99'" in found
    assert found.count("error") == 3


def write_images(folder, sheet, *, n=4):
    """Painted images of CST3 for the first samples, more positive in each next one, and their sheet."""
    rows = []
    for k, (sample, patient) in enumerate(list(zip(sheet["sample"], sheet["patient"], strict=True))[:n]):
        image, _, _ = painted(k, size=200, n=15, positive=(k + 1) / (n + 1))
        Image.fromarray(image).save(folder / f"{sample}.png")
        rows.append((patient, sample, "CST3", f"{sample}.png", 0.5, "cytoplasm"))
    table = pd.DataFrame(rows, columns=["patient", "sample", "marker", "image", "um_per_pixel", "where"])
    table.to_csv(folder / "ihc_images.csv", index=False)
    return table


def test_images_join_the_scores_of_readers(files, tmp_path):
    shutil.copytree(files.parent, tmp_path / "c", ignore=shutil.ignore_patterns("results"))
    here = tmp_path / "c"
    study = here / "study.toml"
    images = write_images(here, pd.read_csv(here / "samples.csv"))
    study.write_text(study.read_text().replace('ihc = "ihc.csv"', 'ihc = "ihc.csv"\nihc_images = "ihc_images.csv"')
                     .replace('mif_cells = "mif_cells.csv"\n', ""))  # fmt: skip
    read = read_study(study)
    assert not check_files(read)
    assert here / images["image"].iloc[0] in bench.STEP.files(read)  # a changed image is done again
    found = compute_bench(read, seed=1, overlays=tmp_path / "overlays")
    tables = {o.name: o.result.table for o in found if o.result is not None}
    assert len(list((tmp_path / "overlays").glob("*.png"))) == 4
    assert set(tables["validation_ihc"]["marker"]) >= {"CST3", "CST3 (image)"}
    beside = tables["validation_ihc"].query("marker == 'CST3 (image)'")
    assert len(beside) == 4
    assert beside["h_score"].iloc[0] < beside["h_score"].iloc[-1]
    images.assign(sample=["S99", *images["sample"].iloc[1:]]).to_csv(here / "ihc_images.csv", index=False)
    problems = "\n".join(str(p) for p in check_files(read))
    assert "ihc_images.csv row 2: sample 'S99'" in problems
    images.assign(image=["none.png", *images["image"].iloc[1:]]).to_csv(here / "ihc_images.csv", index=False)
    assert "ihc_images row 2: the image does not exist" in "\n".join(str(p) for p in check_files(read))


@pytest.mark.parametrize(
    ("call", "words"),
    [(["validate", "{out}"], "no file is given"), (["validate", "{out}", "--ihc", "none.csv"], "none.csv"),
     (["validate", "{out}", "--ihc", "{out}/run.json"], "give it: scresist validate"),
     (["validate", "nowhere", "--ihc", "none.csv"], "no run.json")],
)  # fmt: skip
def test_calls_that_are_wrong_name_what_to_type(tmp_path, call, words):
    (tmp_path / "run.json").write_text("{}")
    found = CliRunner().invoke(app, [part.format(out=tmp_path) for part in call])
    assert found.exit_code in (1, 2)
    assert words in found.output + str(found.exception)
