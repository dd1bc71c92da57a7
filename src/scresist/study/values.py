"""What the cells of a sheet mean: words for missing, numbers among words, one level written in two ways."""

import re
from collections.abc import Callable

import pandas as pd

from scresist.study.problems import Problems
from scresist.study.sheets import LINE

NAMES = frozenset(
    {"sample", "patient", "arm", "path", "raw_path", "protein_path", LINE}
)  # here a word is a name, whatever it is
MISSING = frozenset({
    "na", "n/a", "n.a.", "nan", "null", "nil", "unknown", "unk", "not known", "not available", "not applicable",
    "not done", "n.d.", "n/d", "missing", "?", "-", "--", ".", "#n/a",
})  # fmt: skip
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_COMMA = re.compile(r"[-+]?\d+,\d+")
_NEAR = re.compile(r"[<>~≤≥=]*\s*[-+]?\d+([.,]\d+)?\s*[a-zA-Z%/²µ]*")  # a number with a sign or a unit


def blank_missing(sheet: pd.DataFrame, file: str, problems: Problems) -> pd.DataFrame:
    """The sheet with words for missing values emptied; which, and in what rows, is noted per column.

    Parameters
    ----------
    sheet
        Strings, with the row of the file in the column `line`.
    file
        Its name in messages.
    problems
        Receives the notes.
    """
    out = sheet.copy()
    for column in (c for c in sheet.columns if c not in NAMES):
        words = sheet[column].astype(str).str.strip()
        found = words.str.lower().isin(MISSING)
        if found.any():
            rows = ", ".join(map(str, sheet.loc[found, LINE][:8])) + (", ..." if found.sum() > 8 else "")
            problems.note(
                file, f"{', '.join(sorted(set(words[found])))} in the column {column!r} (rows {rows}) means missing",
                column=column,
            )  # fmt: skip
            out.loc[found, column] = ""
    return out


def check_values(
    sheet: pd.DataFrame, file: str, used: frozenset[str], words: frozenset[str], problems: Problems
) -> None:  # fmt: skip
    """Find columns in which numbers stand beside what is no number, and levels that differ by case or spaces alone.

    In a column that the analysis uses, either is an error: it would become a factor with a level per number, or two
    levels where there is one. Elsewhere it is a warning.

    Parameters
    ----------
    sheet
        Strings, with the row of the file in the column `line`.
    file
        Its name in messages.
    used
        Columns that the analysis uses: covariates, strata.
    words
        Columns whose values name something, also where they are numbers.
    problems
        Receives what is found.
    """
    for column in (c for c in sheet.columns if c not in NAMES):
        given = sheet[sheet[column] != ""]
        tell = problems.error if column in used else problems.warning
        if column in words:
            _check_levels(given, column, file, tell)
            continue
        number = given[column].map(lambda v: bool(_NUMBER.fullmatch(v)))
        comma = given[column].map(lambda v: bool(_COMMA.fullmatch(v)))
        near = given[column].map(lambda v: bool(_NEAR.fullmatch(v)) and any(c.isdigit() for c in v))
        alike = int((number | comma | (near & (number.any() or comma.any()))).sum())
        if number.all() or not len(given):
            continue
        if alike > len(given) / 2 and (number.any() or comma.any()):
            bad = given[~number]
            shown = ", ".join(f"row {r}: {v!r}" for r, v in zip(bad[LINE][:5], bad[column][:5], strict=True))
            shown += ", ..." if len(bad) > 5 else ""
            tell(
                file,
                f"most values of the column {column!r} are numbers, and {len(bad)} of {len(given)} are not ({shown})",
                "write numbers with a decimal point and without a unit, and leave unknown ones empty",
                row=int(bad[LINE].iloc[0]), column=column, value=bad[column].iloc[0],
            )  # fmt: skip
        else:
            _check_levels(given, column, file, tell)


def _check_levels(given: pd.DataFrame, column: str, file: str, tell: Callable[..., None]) -> None:
    same = given[column].str.casefold().str.replace(r"[\s_-]+", " ", regex=True).str.strip()
    for _, rows in given.groupby(same, sort=True):
        written = list(dict.fromkeys(rows[column]))
        if len(written) > 1:
            last = rows[rows[column] != written[0]].iloc[0]
            tell(
                file, f"the column {column!r} has one level written in {len(written)} ways: "
                f"{', '.join(map(repr, written[:4]))}", f"write it in one way, such as {written[0]!r}",
                row=int(last[LINE]), column=column, value=last[column],
            )  # fmt: skip
