"""The known routes of escape from a drug, as a study brings them: a table with a row per gene."""

from pathlib import Path

import pandas as pd

from scresist.study.problems import Problems, StudyError
from scresist.study.sheets import LINE, read_sheet

DIRECTIONS = ("up", "down", "")


def read_panel(path: Path, shown: str) -> pd.DataFrame:
    """Columns gene and mechanism, and any of direction (up | down), bench (the assay that would show it) and source.

    Parameters
    ----------
    path
        The table.
    shown
        Its name in messages.

    Raises
    ------
    StudyError
        Where a row has no gene or mechanism, a gene is there twice, or a direction is neither up nor down.
    """
    problems = Problems()
    sheet = read_sheet(path, shown, problems, ("gene", "mechanism"))
    if sheet is None or problems.errors:
        raise StudyError(problems)
    sheet = sheet.assign(**{c: "" for c in ("direction", "bench", "source") if c not in sheet})
    sheet["direction"] = sheet["direction"].str.lower()
    for row in sheet.to_dict("records"):
        for column in ("gene", "mechanism"):
            if row[column] == "":
                problems.error(shown, f"the row has no {column}", f"give the {column}", row=row[LINE], column=column,
                               value="")  # fmt: skip
        if row["direction"] not in DIRECTIONS:
            problems.error(shown, "the direction is neither up nor down", "write up, down or nothing", row=row[LINE],
                           column="direction", value=row["direction"])  # fmt: skip
    for row in sheet[sheet["gene"].duplicated() & (sheet["gene"] != "")].to_dict("records"):
        problems.error(shown, "the gene is there twice", "join the rows: one mechanism per gene", row=row[LINE],
                       column="gene", value=row["gene"])  # fmt: skip
    if problems.errors:
        raise StudyError(problems)
    return sheet[["gene", "mechanism", "direction", "bench", "source"]]
