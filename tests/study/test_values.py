"""Words in a sheet: missing values, numbers among words, levels written twice, time points as people write them."""

import pytest

import tiny
from scresist.study import StudyError, examine_study, read_study
from scresist.study.timing import meaning


def study_with(tmp_path, ages, *, covariate=True, column="age"):
    """The tiny study with a column of the patient sheet."""
    tiny.write_study(tmp_path)
    lines = tiny.PATIENTS.splitlines()
    rows = [f"{line},{quoted(v)}" for line, v in zip(lines, [column, *ages], strict=True)]
    (tmp_path / "patients.csv").write_text("\n".join(rows) + "\n")
    if covariate:
        toml = tmp_path / "study.toml"
        toml.write_text(toml.read_text().replace("[design]\n", f'[design]\ncovariates = ["{column}"]\n', 1))
    return tmp_path / "study.toml"


def quoted(value):
    return f'"{value}"' if "," in value else value


@pytest.mark.parametrize("word", ["NA", "unknown", "n/a", "N.D.", "-", "?", "Missing"])
def test_a_missing_word_is_missing_and_named(tmp_path, word):
    _, problems = examine_study(study_with(tmp_path, ["61", "58", word, "70"]))
    errors = [p for p in problems if p.severity == "error"]
    assert len(errors) == 1
    assert "sample S3 has no value of the covariate 'age'" in str(errors[0])
    note = next(p for p in problems if "means missing" in str(p))
    assert "rows 4" in str(note)
    assert word in str(note)


@pytest.mark.parametrize("value", ["61,5", "61 years", ">65", "sixty"])
def test_a_value_that_is_no_number_among_numbers_is_an_error_that_names_the_row(tmp_path, value):
    with pytest.raises(StudyError, match=r"row 3.*most values of the column 'age' are numbers"):
        read_study(study_with(tmp_path, ["61", value, "55", "70"]))


def test_decimal_commas_throughout_are_no_factor(tmp_path):
    with pytest.raises(StudyError, match=r"most values of the column 'age' are numbers.*decimal point"):
        read_study(study_with(tmp_path, ["61,5", "58,1", "55,0", "70"]))


def test_a_column_that_is_not_used_is_a_warning(tmp_path):
    study, problems = examine_study(study_with(tmp_path, ["61", "61,5", "55", "70"], covariate=False))
    assert study is not None
    assert [p.column for p in problems if p.severity == "warning" and "most values" in p.message] == ["age"]


def test_words_and_numbers_as_they_should_be_are_left_alone(tmp_path):
    study = read_study(study_with(tmp_path, ["61.5", "58", "1e2", "-3"]))
    assert study.patients["age"].tolist() == [61.5, 58, 100, -3]
    study = read_study(study_with(tmp_path / "b", ["2+", "1+", "3+", "1+"], column="her2_ihc"))
    assert study.patients["her2_ihc"].tolist() == ["2+", "1+", "3+", "1+"]


def test_one_level_in_two_ways_is_an_error(tmp_path):
    with pytest.raises(StudyError, match="one level written in 2 ways: 'male', 'Male'"):
        read_study(study_with(tmp_path, ["male", "Male", "female", "female"], column="sex"))
    with pytest.raises(StudyError, match="one level written in 2 ways"):
        read_study(study_with(tmp_path / "b", ["site A", "site_a", "site B", "site B"], column="site"))


def test_missing_words_in_responses_and_times(tmp_path):
    tiny.write_study(tmp_path)
    path = tmp_path / "patients.csv"
    path.write_text(tiny.PATIENTS.replace("P2,SD,7,0", "P2,NA,unknown,NA"))
    study = read_study(tmp_path / "study.toml")
    assert study.patients.loc["P2"].isna().all()


@pytest.mark.parametrize(
    ("word", "meant"),
    [("C1D1", "before"), ("C2D15", "on"), ("C1 D8", "on"), ("Cycle 3 Day 1", "on"), ("C1", ""), ("week 6", "on"),
     ("W12", "on"), ("D0", "before"), ("day 1", "before"), ("D15", "on"), ("3 months", "on"), ("EOT", "at progression"),
     ("End_of_Treatment", "at progression"), ("On-Treatment", "on"), ("pre-dose", "before"),
     ("Post Tx", "at progression"), ("T2", ""), ("biopsy 2", ""), ("", "")],
)  # fmt: skip
def test_the_words_that_people_use_for_time_points(word, meant):
    assert meaning(word) == meant


def test_own_words_come_first():
    assert meaning("T2", {"t2": "on"}) == "on"
    assert meaning("EOT", {"eot": "on"}) == "on"
