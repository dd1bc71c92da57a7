"""The checks of the endpoints of `[survival]`: their columns, and whether the times can be in their unit."""

from collections.abc import Sequence

import pandas as pd

from scresist.checks import suggestion
from scresist.study.problems import Problems
from scresist.study.settings import SurvivalSection
from scresist.study.sheets import LINE, numeric

LONGEST = {"days": 22_000.0, "weeks": 3_200.0, "months": 720.0, "years": 60.0}  # 60 years
SHORTEST_MEDIAN = {"days": 14.0, "weeks": 2.0, "months": 0.25, "years": 0.02}
MIN_PATIENTS = 4  # times from which a median is judged
WORDS = {"day": "days", "week": "weeks", "month": "months", "year": "years"}


def check_endpoints(
    patients: pd.DataFrame, file: str, endpoints: Sequence[SurvivalSection], problems: Problems
) -> None:
    """Columns that there are not, covariates without a value, and times that cannot be in their unit.

    Parameters
    ----------
    patients
        The sheet as strings.
    file
        Its name.
    endpoints
        The sections of the study file.
    problems
        Receives what is wrong.
    """
    known = [c for c in patients.columns if c != LINE]
    for endpoint in endpoints:
        named: dict[str, list[str | None]] = {
            "time": [endpoint.time], "event": [endpoint.event], "covariates": [*endpoint.covariates],
            "strata": [endpoint.strata], "competing": [endpoint.competing], "last_scan": [endpoint.last_scan],
        }  # fmt: skip
        for key, columns in named.items():
            for column in columns:
                if column and column not in patients:
                    problems.error(
                        file, f"there is no column {column!r}, named as survival.{key}", suggestion(column, known),
                        row=1, column=column,
                    )  # fmt: skip
        if endpoint.time in patients:
            _check_unit(patients, endpoint, file, problems)
        if endpoint.last_scan and {endpoint.last_scan, endpoint.time} <= set(patients.columns):
            _check_scans(patients, endpoint, endpoint.last_scan, file, problems)


def _check_scans(patients: pd.DataFrame, endpoint: SurvivalSection, column: str, file: str, problems: Problems) -> None:
    """A scan without the event that is later than the event."""
    scan, time = numeric(patients, column), numeric(patients, endpoint.time)
    for place in patients.index[(scan > time) | (scan < 0)]:
        problems.error(
            file, f"the last scan without the event must be between 0 and {endpoint.time}",
            "give the time of the last scan that did not see the event", row=int(patients[LINE][place]), column=column,
            value=float(scan[place]),
        )  # fmt: skip


def _check_unit(patients: pd.DataFrame, endpoint: SurvivalSection, file: str, problems: Problems) -> None:
    column, unit = endpoint.time, endpoint.unit
    named = next((u for word, u in WORDS.items() if word in column.lower()), unit)
    if named != unit:
        problems.error(
            file, f"the column {column!r} is named in {named} and survival.unit is {unit}",
            f'set unit = "{named}" in [survival], or rename the column', column=column,
        )  # fmt: skip
        return
    values = numeric(patients, column).dropna()
    if values.empty:
        return
    at_start = values.index[values == 0]
    if len(at_start):
        problems.warning(
            file, f"{len(at_start)} times are 0: the event, or the last contact, on the day the clock started",
            "keep them if that is meant; leave the time and the event empty where they are not known",
            row=int(patients[LINE][at_start[0]]), column=column, value=0,
        )  # fmt: skip
    longest, place = float(values.max()), values.idxmax()
    if longest > LONGEST[unit]:
        problems.error(
            file, f"the time would be more than 60 years: is it in {unit}?",
            "set survival.unit to the unit of the times (days, weeks, months, years)", row=int(patients[LINE][place]),
            column=column, value=longest,
        )  # fmt: skip
    elif len(values) >= MIN_PATIENTS and float(values.median()) < SHORTEST_MEDIAN[unit]:
        problems.error(
            file, f"half of the patients have a time below {SHORTEST_MEDIAN[unit]:g} {unit}: are they in {unit}?",
            "set survival.unit to the unit of the times (days, weeks, months, years)", column=column,
            value=float(values.median()),
        )  # fmt: skip
