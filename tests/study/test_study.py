"""Every wrong input is found in one pass, with file, row, column, value and remedy."""

import gzip

import pytest

from scresist.checks import InputError
from scresist.study import examine_study, read_study
from tiny import PATIENTS, SAMPLES, TOML, write_study


def problems(path):
    return examine_study(path)[1]


def only(path, severity="error"):
    found = [p for p in problems(path) if p.severity == severity]
    assert len(found) == 1, [str(p) for p in found]
    return found[0]


def test_a_valid_study_is_read_and_frozen(tmp_path):
    study = read_study(write_study(tmp_path))
    assert study.design.arms == ("baseline", "primary")
    assert list(study.samples.index) == ["S1", "S2", "S3", "S4"]
    assert study.samples.loc["S3", "pfs_months"] == 2.0
    assert study.design.contrasts[0].test == "primary"
    with pytest.raises(AttributeError):
        study.path = None  # type: ignore[misc, assignment]


@pytest.mark.parametrize(
    ("spoil", "restore"),
    [
        (lambda t: "\ufeff" + t, "byte-order mark"),
        (lambda t: t.replace(",", ";"), "semicolons"),
        (lambda t: t.replace(",", "\t"), "tabs"),
        (lambda t: t.replace("\n", "\r\n"), "Windows line ends"),
        (lambda t: t + "\n\n", "blank lines"),
    ],
)
def test_sheets_as_people_save_them_are_accepted(tmp_path, spoil, restore):
    plain = read_study(write_study(tmp_path / "plain"))
    path = write_study(tmp_path / "other")
    for name, text in (("samples.csv", SAMPLES), ("patients.csv", PATIENTS)):
        (path.parent / name).write_bytes(spoil(text).encode())
    other = read_study(path)
    assert other.samples.equals(plain.samples), restore
    assert other.patients.equals(plain.patients), restore


def test_a_gzipped_sheet_is_read(tmp_path):
    path = write_study(tmp_path)
    (tmp_path / "samples.csv").write_bytes(gzip.compress(SAMPLES.encode()))
    assert len(read_study(path).samples) == 4


TOML_CASES = {
    "not TOML": (TOML.replace("[design]", "[design"), "this is not TOML", 7),
    "unknown key": (TOML.replace("seed = 1", "sede = 1"), "unknown key 'sede'", 3),
    "unknown section": (TOML + "\n[focsu]\na = 1\n", "unknown key 'focsu'", None),
    "missing key": (TOML.replace('name = "tiny"\n', ""), "lacks 'name'", 1),
    "wrong type": (TOML.replace("seed = 1", 'seed = "one"'), "seed", 3),
    "organism": (TOML.replace("seed = 1", 'organism = "rat"'), "organism", 3),
    "contrast names an unknown arm": (TOML.replace('test = "primary"', 'test = "primry"'), "not in arms", None),
    "contrast names itself": (TOML.replace('reference = "baseline"', 'reference = "primary"'), "with itself", None),
    "pairing": (TOML.replace('reference = "baseline"', 'reference = "baseline"\npairing = "both"'), "pairing", 12),
    "arm twice": (
        TOML.replace('"baseline", "primary"]', '"baseline", "primary", "primary"]'),
        "is twice in arms",
        None,
    ),
    "covariate missing": (TOML.replace("[design.contrasts", 'covariates = ["age"]\n[design.contrasts'), "age", None),
    "marker table missing": (TOML + '\n[annotate]\nmarkers = "none.csv"\n', "does not exist", None),
    "assay missing": (TOML + '\n[validation]\nihc = "none.csv"\n', "does not exist", None),
    "settings that exclude each other": (
        TOML + '\n[networks]\nstart = "components"\npower = 6\n',
        "power and deep_split are settings of a tree",
        None,
    ),
    "values without components": (
        TOML + '\n[networks]\nstart = "components"\nvalues = "log"\n',
        'needs values = "residuals"',
        None,
    ),
    "order names an unknown arm": (
        TOML.replace('test = "primary"\nreference = "baseline"', 'order = ["baseline", "primry", "primary"]'),
        "not in arms",
        None,
    ),
    "order of two arms": (
        TOML.replace('test = "primary"\nreference = "baseline"', 'order = ["baseline", "primary"]'),
        "needs at least three arms",
        None,
    ),
    "order with other ends": (
        TOML.replace('"baseline", "primary"]', '"baseline", "on", "primary"]').replace(
            'reference = "baseline"', 'reference = "on"\norder = ["baseline", "on", "primary"]'
        ),
        "not the last and first arm",
        None,
    ),
    "primary question unknown": (
        TOML.replace("[design.contrasts", 'primary = "module"\n[design.contrasts'),
        "neither a kind of claim",
        None,
    ),
    "primary question twice": (
        TOML.replace("[design.contrasts", 'primary = "modules: survival"\n[design.contrasts'),
        "more than a kind",
        None,
    ),
    "primary question without endpoint": (
        TOML.replace("[design.contrasts", 'primary = "survival"\n[design.contrasts'),
        "no [survival]",
        None,
    ),
    "survival column missing": (TOML + '\n[survival]\ntime = "pfs"\nevent = "pfs_event"\n', "no column 'pfs'", None),
}


@pytest.mark.parametrize("case", TOML_CASES)
def test_what_is_wrong_in_the_settings_is_said(tmp_path, case):
    text, expected, row = TOML_CASES[case]
    found = [p for p in problems(write_study(tmp_path, toml=text)) if p.severity == "error"]
    assert any(expected in str(p) for p in found), [str(p) for p in found]
    hit = next(p for p in found if expected in str(p))
    assert hit.remedy
    if row is not None:
        assert hit.row == row


def test_a_course_gives_its_ends(tmp_path):
    toml = TOML.replace('"baseline", "primary"]', '"baseline", "on", "primary"]').replace(
        'test = "primary"\nreference = "baseline"', 'order = ["baseline", "on", "primary"]'
    )
    (contrast,) = read_study(write_study(tmp_path, toml=toml)).design.contrasts
    assert (contrast.reference, contrast.test, contrast.order) == ("baseline", "primary", ("baseline", "on", "primary"))


@pytest.mark.parametrize("asked", ["modules", "primary", "modules: primary", ""])
def test_a_primary_question_is_part_of_the_design(tmp_path, asked):
    toml = TOML.replace("[design.contrasts", f'primary = "{asked}"\n[design.contrasts')
    assert read_study(write_study(tmp_path, toml=toml)).design.primary == asked


def test_an_unknown_key_names_the_nearest_known_one(tmp_path):
    found = only(write_study(tmp_path, toml=TOML.replace("seed = 1", "sede = 1")))
    assert "did you mean 'seed'?" in found.remedy


SAMPLE_CASES = {
    "missing column": (SAMPLES.replace("patient,", "pat,"), "no column 'patient'", 1, "patient"),
    "duplicate sample": (SAMPLES.replace("S2,P2", "S1,P2"), "is already in row 2", 3, "sample"),
    "patient unknown": (SAMPLES.replace("S2,P2", "S2,P9"), "not in patients.csv", 3, "patient"),
    "arm unknown": (SAMPLES.replace("P3,primary", "P3,primry"), "not in arms", 4, "arm"),
    "path missing": (SAMPLES.replace("primary,S3", "primary,S33"), "path does not exist", 4, "path"),
    "no path": (SAMPLES.replace("primary,S3", "primary,"), "no path", 4, "path"),
    "too few fields": (SAMPLES.replace("S3,P3,primary,S3,progression,a", "S3,P3"), "2 fields", 4, None),
    "column twice": (SAMPLES.replace("timepoint", "arm"), "is there twice", 1, "arm"),
    "no patient": (SAMPLES.replace("S3,P3", "S3,"), "no patient", 4, "patient"),
    "not CSV": ("this is a letter\nnot a table\n", "not CSV", 1, None),
    "empty": ("", "empty", None, None),
    "header only": (SAMPLES.splitlines()[0] + "\n", "no rows", None, None),
}


@pytest.mark.parametrize("case", SAMPLE_CASES)
def test_what_is_wrong_in_the_samples_is_said_with_row_and_column(tmp_path, case):
    text, expected, row, column = SAMPLE_CASES[case]
    found = [p for p in problems(write_study(tmp_path, samples=text)) if p.severity == "error"]
    hit = next((p for p in found if expected in p.message), None)
    assert hit is not None, [str(p) for p in found]
    assert (hit.file, hit.row, hit.column) == ("samples.csv", row, column)
    assert hit.remedy


PATIENT_CASES = {
    "negative time": (PATIENTS.replace("8.5", "-1"), "negative", 2, "pfs_months"),
    "time not a number": (PATIENTS.replace("8.5", "long"), "not a number", 2, "pfs_months"),
    "decimal comma": (PATIENTS.replace("8.5", '"8,5"'), "not a number", 2, "pfs_months"),
    "event not 0 or 1": (PATIENTS.replace("8.5,1", "8.5,yes"), "neither 0 nor 1", 2, "pfs_event"),
    "time without event": (PATIENTS.replace("8.5,1", "8.5,"), "together", 2, "pfs_event"),
    "response": (PATIENTS.replace("P1,PR", "P1,good"), "not a RECIST category", 2, "best_response"),
    "duplicate patient": (PATIENTS.replace("P2,SD", "P1,SD"), "is already", 3, "patient"),
}


@pytest.mark.parametrize("case", PATIENT_CASES)
def test_what_is_wrong_in_the_patients_is_said_with_row_and_column(tmp_path, case):
    text, expected, row, column = PATIENT_CASES[case]
    found = [p for p in problems(write_study(tmp_path, patients=text)) if p.severity == "error"]
    hit = next((p for p in found if expected in p.message), None)
    assert hit is not None, [str(p) for p in found]
    assert (hit.file, hit.row, hit.column) == ("patients.csv", row, column)
    assert hit.value is not None or case == "duplicate patient"


def test_a_patient_without_sample_is_a_warning(tmp_path):
    found = only(write_study(tmp_path, patients=PATIENTS + "P5,PR,3,1\n"), "warning")
    assert "is not used" in found.message
    assert found.row == 6


def test_files_that_are_absent_truncated_or_not_text_are_said(tmp_path):
    assert "does not exist" in only(tmp_path / "none.toml").message
    path = write_study(tmp_path / "a")
    (path.parent / "samples.csv").unlink()
    assert "does not exist" in only(path).message
    path = write_study(tmp_path / "b")
    (path.parent / "samples.csv").write_bytes(gzip.compress(SAMPLES.encode() * 50)[:60])
    assert "truncated" in only(path).message
    path = write_study(tmp_path / "c")
    (path.parent / "samples.csv").write_bytes(SAMPLES.encode("utf-16")[:-1])
    assert "UTF-16" in only(path).message
    path = write_study(tmp_path / "d")
    (path.parent / "samples.csv").write_bytes(SAMPLES.replace("S3", "Sä").encode("latin-1"))
    assert "not UTF-8" in only(path).message
    path = write_study(tmp_path / "e")
    (path.parent / "samples.csv").unlink()
    (path.parent / "samples.csv").mkdir()
    assert "folder" in only(path).message


def empty_arms(text=SAMPLES):
    return text.replace(",baseline,S", ",,S").replace(",primary,S", ",,S")


def test_an_empty_arm_is_derived_by_the_consensus_and_the_rule_is_reported(tmp_path):
    study, found = examine_study(write_study(tmp_path, samples=empty_arms()))
    assert list(study.samples["arm"]) == ["baseline", "baseline", "primary", "primary"]
    notes = [p.message for p in found if p.severity == "note"]
    assert len(notes) == 4
    assert "best response PD: primary resistance" in notes[2]


def test_stable_disease_is_primary_or_acquired_by_its_length(tmp_path):
    toml = TOML.replace('["baseline", "primary"]', '["baseline", "primary", "acquired"]')
    patients = PATIENTS.replace("P3,PD,2", "P3,SD,5.9").replace("P4,PD,1.5", "P4,SD,6.0")
    study, _ = examine_study(write_study(tmp_path, toml=toml, samples=empty_arms(), patients=patients))
    assert list(study.samples["arm"])[2:] == ["primary", "acquired"]


@pytest.mark.parametrize(
    ("samples", "patients", "expected"),
    [
        (empty_arms().replace("progression", ""), PATIENTS, "no timepoint"),
        (empty_arms().replace("progression", "biopsy 2"), PATIENTS, "the timepoint 'biopsy 2' is not known"),
        (empty_arms(), PATIENTS.replace("P3,PD", "P3,NE"), "NE, empty or absent"),
        (empty_arms(), PATIENTS.replace("P3,PD,2,1", "P3,SD,,"), "SD needs pfs_months"),
        (empty_arms(), PATIENTS.replace("P3,PD", "P3,CR"), "not in arms"),
    ],
)
def test_an_arm_that_cannot_be_derived_is_an_error_that_says_why(tmp_path, samples, patients, expected):
    found = [p for p in problems(write_study(tmp_path, samples=samples, patients=patients)) if p.severity == "error"]
    assert any(expected in p.message for p in found), [str(p) for p in found]
    assert all(p.column == "arm" for p in found)


def with_design(extra, contrast=""):
    return TOML.replace("[design.contrasts", f"{extra}\n[design.contrasts").replace(
        'reference = "baseline"', f'reference = "baseline"\n{contrast}'
    )


@pytest.mark.parametrize(
    ("toml", "samples", "expected"),
    [
        (with_design("", 'pairing = "paired"'), SAMPLES, "no patient has samples in both arms"),
        (with_design("", 'pairing = "unpaired"'), SAMPLES.replace("S3,P3", "S3,P1"), "in both arms (P1)"),
        (with_design('covariates = ["batch"]'), SAMPLES.replace(",b\n", ",a\n"), "constant"),
        (with_design('covariates = ["timepoint"]'), SAMPLES, "fully confounded with the arm"),
        (with_design('covariates = ["batch"]'), SAMPLES.replace("progression,a", "progression,"), "no value"),
    ],
)
def test_designs_that_cannot_be_are_errors(tmp_path, toml, samples, expected):
    found = [p for p in problems(write_study(tmp_path, toml=toml, samples=samples)) if p.severity == "error"]
    assert any(expected in p.message for p in found), [str(p) for p in found]


def test_an_arm_of_one_patient_is_allowed_and_inference_refused(tmp_path):
    text = "\n".join(line for line in SAMPLES.splitlines() if not line.startswith("S4")) + "\n"
    study, found = examine_study(write_study(tmp_path, samples=text))
    assert study is not None
    assert any("no test can be made" in str(p) for p in found if p.severity == "warning")


def test_every_problem_is_in_one_message(tmp_path):
    path = write_study(
        tmp_path,
        samples=SAMPLES.replace("P3,primary", "P3,primry").replace("S2,P2", "S2,P9"),
        patients=PATIENTS.replace("8.5,1", "-1,yes"),
    )
    with pytest.raises(InputError, match="4 problems") as caught:
        read_study(path)
    text = str(caught.value)
    for part in ("samples.csv, row 3", "samples.csv, row 4", "patients.csv, row 2", "column 'pfs_event'", "'yes'"):
        assert part in text
