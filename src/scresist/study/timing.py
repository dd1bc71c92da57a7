"""When each sample was taken: before treatment, on it, or at progression; from the sheet, a time point, or a date."""

import re
from collections.abc import Mapping
from datetime import date, datetime

import pandas as pd

from scresist.checks import suggestion
from scresist.study.design import AT_PROGRESSION, BEFORE, ON, TAKEN
from scresist.study.problems import Problems
from scresist.study.settings import Settings
from scresist.study.sheets import LINE

TIMEPOINTS = {
    **dict.fromkeys(
        ("baseline", "bl", "pre", "pretreatment", "pre treatment", "pretherapy", "pre therapy", "pre tx", "pretx",
         "predose", "pre dose", "naive", "treatment naive", "untreated", "screening", "diagnosis", "before",
         "before treatment"), BEFORE
    ),
    **dict.fromkeys(
        ("on", "ontreatment", "on treatment", "on therapy", "on tx", "ontx", "during", "during treatment"), ON
    ),
    **dict.fromkeys(
        ("progression", "at progression", "progressive disease", "pd", "at pd", "post", "posttreatment",
         "post treatment", "post therapy", "post tx", "post progression", "relapse", "recurrence", "resistant",
         "eot", "end of treatment"), AT_PROGRESSION
    ),
}  # fmt: skip
_CYCLE = re.compile(r"(?:c|cycle ?)(\d+)(?: ?(?:d|day ?)(\d+))?")
_SPAN = re.compile(r"(?:(d|day|w|wk|week|m|mo|month) ?(\d+)|(\d+) ?(d|day|w|wk|week|m|mo|month)s?)")
DATE, START, PROGRESSED = "date", "treatment_start", "progression_date"


def when_taken(
    samples: pd.DataFrame, patients: pd.DataFrame | None, settings: Settings, problems: Problems
) -> list[str]:
    """When each sample of the sheet was taken; "" where it is not known.

    The column `taken` decides, else `timepoint` (words known here or mapped in `[design.timepoints]`), else `date`
    against the patient's `treatment_start` and `progression_date`. Two that differ are an error.

    Parameters
    ----------
    samples, patients
        The sheets as strings.
    settings
        Of the study.
    problems
        Receives words and dates that cannot be read, and contradictions.
    """
    people = {} if patients is None else {row["patient"]: row for _, row in patients.iterrows()}
    words = {_plain(k): v for k, v in settings.design.timepoints.items()}
    return [_of_sample(row, people.get(row["patient"]), words, settings, problems) for _, row in samples.iterrows()]


def meaning(timepoint: str, own: Mapping[str, str] | None = None) -> str:
    """When a sample with this time point was taken; "" where the word is not known.

    Known are the words of TIMEPOINTS, cycle and day (`C1D1` is the day of the first dose, before it; `C2D15` is on
    treatment) and the time since the first dose (`week 6`, `D15`, `3 months`; 0, and day 1, are before it).

    Parameters
    ----------
    timepoint
        As in the sheet; case, `_` and `-` do not matter.
    own
        What the study's own words mean, before all others.
    """
    word = _plain(timepoint)
    if own and word in own:
        return own[word]
    if word in TIMEPOINTS:
        return TIMEPOINTS[word]
    cycle = _CYCLE.fullmatch(word)
    if cycle:
        number, day = int(cycle[1]), cycle[2]
        if number == 1 and day is None:  # the day of the first dose, or later in that cycle
            return ""
        return BEFORE if number == 0 or (number == 1 and int(day or 1) <= 1) else ON
    span = _SPAN.fullmatch(word)
    if span:
        unit, number = (span[1] or span[4])[0], int(span[2] or span[3])
        return BEFORE if number == 0 or (unit == "d" and number == 1) else ON
    return ""


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word.strip().lower())


def fill_by_arm(samples: pd.DataFrame, settings: Settings, problems: Problems) -> list[str]:
    """The same, completed by `[design.taken]` where the sheet does not tell; a contradiction is an error."""
    out = []
    for _, row in samples.iterrows():
        by_arm, own = settings.design.taken.get(row["arm"], ""), row["taken"]
        if own and by_arm and own != by_arm:
            problems.error(
                settings.study.samples,
                f"the sheet means that the sample was taken {own!r}, [design.taken] gives {by_arm!r} for its arm",
                "correct one of them", row=int(row[LINE]), column="arm", value=row["arm"],
            )  # fmt: skip
        out.append(own or by_arm)
    return out


def _of_sample(
    row: pd.Series, person: pd.Series | None, words: Mapping[str, str], settings: Settings, problems: Problems
) -> str:
    file, line = settings.study.samples, int(row[LINE])
    found: dict[str, str] = {}
    given = str(row.get("taken", "")).strip().lower().replace("_", " ")
    if given in TAKEN:
        found["taken"] = given
    elif given:
        problems.error(file, "taken is not a time that is known", f"use one of {', '.join(TAKEN)}", row=line,
                       column="taken", value=row["taken"])  # fmt: skip
    meant = meaning(str(row.get("timepoint", "")), words)
    if meant:
        found["timepoint"] = meant
    dated = _by_date(row, person, settings, problems)
    if dated:
        found[DATE] = dated
    if len(set(found.values())) > 1:
        meanings = ", ".join(f"{column} means {when!r}" for column, when in found.items())
        problems.error(file, f"the columns disagree on when the sample was taken: {meanings}", "correct one of them",
                       row=line, column=next(iter(found)), value=row.get(next(iter(found))))  # fmt: skip
    return next(iter(found.values()), "")


def _by_date(row: pd.Series, person: pd.Series | None, settings: Settings, problems: Problems) -> str:
    """From dates: up to the start of treatment is before, from progression on is at progression, between is on."""
    if person is None or not str(row.get(DATE, "")).strip() or START not in person:
        return ""
    file, patients = settings.study.samples, settings.study.patients or ""
    taken = _date(row[DATE], file, int(row[LINE]), DATE, problems)
    start = _date(person[START], patients, int(person[LINE]), START, problems)
    progressed = _date(person.get(PROGRESSED, ""), patients, int(person[LINE]), PROGRESSED, problems)
    if taken is None or start is None:
        return ""
    if taken <= start:
        return BEFORE
    return AT_PROGRESSION if progressed is not None and taken >= progressed else ON


def _date(text: object, file: str, line: int, column: str, problems: Problems) -> date | None:
    words = str(text).strip()
    if not words:
        return None
    try:
        return datetime.strptime(words, "%Y-%m-%d").date()  # one format only, as where dates are subtracted
    except ValueError:
        remedy = "write year-month-day, such as 2024-03-31"
        problems.error(file, "this is not a date", remedy, row=line, column=column, value=words)
        return None


def unknown_timepoint(word: str, settings: Settings) -> str:
    """What is wrong with a time point that is not known, and how to map it."""
    words = [*TIMEPOINTS, *settings.design.timepoints]
    return f"the timepoint {word!r} is not known ({suggestion(word, words)}); map it in [design.timepoints]"
