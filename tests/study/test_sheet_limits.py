"""Sheets that are hostile or broken: bombs, open quotation marks, numbered batches, roles, times."""

import gzip

import pytest

from scresist.study import examine_study, read_study
from scresist.study.problems import Problems
from scresist.study.sheets import LARGEST, read_sheet
from tiny import PATIENTS, SAMPLES, TOML, write_study

REQUIRED = ("sample", "patient")


def messages(problems):
    return [str(p) for p in problems]


def test_a_gzip_that_unpacks_without_end_is_refused(tmp_path):
    path = tmp_path / "samples.csv"
    with gzip.open(path, "wb", compresslevel=9) as handle:
        handle.write(b"sample,patient\n")
        for _ in range(LARGEST // 2**20 + 1):
            handle.write(b"\n" * 2**20)
    assert path.stat().st_size < 2**20
    problems = Problems()
    assert read_sheet(path, "samples.csv", problems, REQUIRED) is None
    assert "more than 64 MB when unpacked: it is no sheet" in messages(problems)[0]


def test_a_quotation_mark_that_stays_open_names_its_row(tmp_path):
    path = tmp_path / "samples.csv"
    path.write_text('sample,patient\nS1,P1\nS2,"P2\n' + "S3,P3\n" * 40_000)
    problems = Problems()
    assert read_sheet(path, "samples.csv", problems, REQUIRED) is None
    assert "row 3" in messages(problems)[0]
    assert "quotation mark that is opened and not closed" in messages(problems)[0]


def test_numbered_batches_are_words_and_ages_are_numbers(tmp_path):
    samples = SAMPLES.replace(",a\n", ",1\n").replace(",b\n", ",2\n")
    patients = PATIENTS.replace("pfs_event", "pfs_event,age").replace(",1\nP2", ",1,61\nP2").replace(",0\n", ",0,58\n")
    patients = patients.replace("P3,PD,2,1", "P3,PD,2,1,70").replace("P4,PD,1.5,1", "P4,PD,1.5,1,49")
    study = read_study(write_study(tmp_path, samples=samples, patients=patients))
    assert study.samples["batch"].tolist() == ["1", "2", "1", "2"]
    assert study.samples["age"].dtype == float


def test_two_batches_within_one_unit_are_named(tmp_path):
    samples = SAMPLES.replace("S4,P4,", "S4,P3,")
    patients = "\n".join(line for line in PATIENTS.splitlines() if not line.startswith("P4")) + "\n"
    toml = TOML.replace("[design]\n", '[design]\ncovariates = ["batch"]\n')
    study, found = examine_study(write_study(tmp_path, toml=toml, samples=samples, patients=patients))
    assert study is not None
    assert any("patient P3 in arm 'primary' have 2 values of the covariate 'batch'" in m for m in messages(found))


@pytest.mark.parametrize(
    ("columns", "toml", "expected"),
    [
        ("taken,before|before|on|at progression", "", ["before", "before", "on", "at progression"]),
        ("taken,BEFORE|before|At_Progression|on", "", ["before", "before", "at progression", "on"]),
        ("timepoint,baseline|pre|progression|EOT", "", ["before", "before", "at progression", "at progression"]),
        ("timepoint,C1D1|C1D1|week 6|off", 'timepoints = {C1D1 = "before", "week 6" = "on", off = "at progression"}\n',
         ["before", "before", "on", "at progression"]),
        ("note,x|x|y|y", 'taken = {baseline = "before", primary = "at progression"}\n',
         ["before", "before", "at progression", "at progression"]),
        ("date,2024-01-01|2024-01-10|2024-02-01|2024-05-02", "", ["before", "before", "on", "at progression"]),
    ],
)  # fmt: skip
def test_when_a_sample_was_taken(tmp_path, columns, toml, expected):
    name, _, values = columns.partition(",")
    rows = SAMPLES.splitlines()
    kept = [",".join(r.split(",")[:4]) for r in rows]
    samples = "\n".join([f"{kept[0]},{name}", *(f"{r},{v}" for r, v in zip(kept[1:], values.split("|"), strict=True))])
    people = PATIENTS.replace("pfs_event\n", "pfs_event,treatment_start,progression_date\n")
    for patient in ("P1", "P2", "P3", "P4"):
        people = "\n".join(
            f"{line},2024-01-10,2024-05-01" if line.startswith(patient) else line for line in people.splitlines()
        )
    path = write_study(tmp_path, samples=samples + "\n", patients=people + "\n",
                       toml=TOML.replace("[design]\n", f"[design]\n{toml}"))  # fmt: skip
    assert read_study(path).samples["taken"].tolist() == expected


def test_what_contradicts_or_cannot_be_read_is_an_error_with_its_row(tmp_path):
    for change, message in (
        ("S1,P1,baseline,S1,baseline,a", "S1,P1,baseline,S1,baseline,later"),
        ("S1,P1,baseline,S1,baseline,a", "S1,P1,baseline,S1,baseline,at progression"),
    ):
        samples = SAMPLES.replace("batch", "taken").replace(change, message)
        for i, word in ((2, "before"), (3, "at progression"), (4, "at progression")):
            samples = samples.replace(f",S{i},{samples.splitlines()[i].split(',')[4]},{'ab'[(i - 1) % 2]}",
                                      f",S{i},{samples.splitlines()[i].split(',')[4]},{word}")  # fmt: skip
        _, found = examine_study(write_study(tmp_path / message[-5:].strip(), samples=samples))
        errors = [p for p in found if p.severity == "error"]
        assert [p.row for p in errors] == [2]
        assert "when the sample was taken" in errors[0].message or "not a time that is known" in errors[0].message


def test_two_contrasts_of_one_role_are_an_error_and_none_is_a_note(tmp_path):
    two = TOML.replace(
        "[focus]", '[design.contrasts.other]\ntest = "primary"\nreference = "baseline"\nrole = "primary"\n[focus]'
    )
    _, found = examine_study(write_study(tmp_path / "two", toml=two))
    assert any("both have the role 'primary'" in m for m in messages(found))
    none = two.replace('role = "primary"', 'role = "none"').replace("contrasts.primary]", "contrasts.first]")
    _, found = examine_study(write_study(tmp_path / "none", toml=none))
    assert any("primary and acquired resistance are not compared" in m for m in messages(found))


def test_check_names_samples_whose_time_survival_needs(tmp_path):
    samples = SAMPLES.replace("timepoint", "note")
    toml = TOML + '\n[survival]\ntime = "pfs_months"\nevent = "pfs_event"\n'
    _, found = examine_study(write_study(tmp_path, samples=samples, toml=toml))
    warning = next(p for p in found if p.column == "taken")
    assert "4 samples were taken (S1, S2, S3, S4); survival leaves them out" in warning.message
    assert "survival.measured_in" in warning.remedy
