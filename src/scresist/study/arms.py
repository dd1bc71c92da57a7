"""Arms that the sheet leaves empty, derived from when the sample was taken and how the patient responded."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import suggestion
from scresist.study.design import AT_PROGRESSION, BEFORE
from scresist.study.problems import Problems
from scresist.study.settings import Settings
from scresist.study.sheets import LINE
from scresist.study.timing import unknown_timepoint


def derive_arms(
    samples: pd.DataFrame, patients: pd.DataFrame | None, settings: Settings, problems: Problems
) -> pd.DataFrame:
    """Fill in empty arms from the time of the sample and the best response, by the SITC consensus.

    A sample taken before treatment is in the reference arm (`baseline`). One taken at progression shows primary
    resistance when the best response was PD, or SD for less than `design.progression_months`, and acquired resistance
    after CR or PR, or SD for at least that long: it is in the test arm of the contrast with that role. Every arm that
    is derived is noted with the rule.

    Parameters
    ----------
    samples, patients
        The sheets as strings; `samples` with the column `taken`.
    settings
        Of the study.
    problems
        Receives what was derived, and what could not be.

    References
    ----------
    Kluger HM et al. (2020) J Immunother Cancer 8:e000398; Rizvi N et al. (2020) J Immunother Cancer 8:e000790.
    """
    file = settings.study.samples
    people = {} if patients is None else {row["patient"]: row for _, row in patients.iterrows()}
    names = _arm_names(settings)
    arms = []
    for _, row in samples.iterrows():
        if row["arm"] != "":
            arms.append(row["arm"])
            continue
        where: dict[str, Any] = {"row": int(row[LINE]), "column": "arm"}
        kind, why = _derived(row, people.get(row["patient"]), settings)
        arm = None if kind is None else names[kind]
        if arm is None:
            problems.error(
                file,
                f"the arm is empty and cannot be derived: {why}",
                "give the arm, or timepoint here and best_response (with pfs_months for SD) in the patient sheet",
                value="",
                **where,
            )
        elif arm not in settings.design.arms:
            remedy = suggestion(arm, settings.design.arms)
            problems.error(file, f"the arm derived is {arm!r} ({why}), which is not in arms", remedy, value="", **where)
        else:
            problems.note(file, f"the arm of {row['sample']} was empty and is taken as {arm!r}: {why}", **where)
        arms.append(arm or "")
    return samples.assign(arm=arms)


def _arm_names(settings: Settings) -> dict[str, str]:
    """The arm of the study that stands for baseline, primary and acquired resistance: by role, else by that name."""
    names = {"baseline": "baseline", "primary": "primary", "acquired": "acquired"}
    for name, contrast in settings.design.contrasts.items():
        role = contrast.role or name
        if role in ("primary", "acquired"):
            names[role] = contrast.test
            names["baseline"] = contrast.reference
    return names


def _derived(sample: pd.Series, person: pd.Series | None, settings: Settings) -> tuple[str | None, str]:
    """baseline, primary or acquired with the rule; None with the reason where none applies."""
    limit, taken, timepoint = settings.design.progression_months, sample["taken"], str(sample.get("timepoint", ""))
    source = f"timepoint {timepoint!r}" if timepoint else "its time"
    if taken == "":
        return None, unknown_timepoint(timepoint, settings) if timepoint else "the sample has no timepoint"
    if taken == BEFORE:
        return "baseline", f"{source} is before treatment"
    if taken != AT_PROGRESSION:
        return None, f"{source} is neither before treatment nor at progression"
    response = "" if person is None else str(person.get("best_response", ""))
    if response == "PD":
        return "primary", "best response PD: primary resistance"
    if response in {"CR", "PR"}:
        return "acquired", f"best response {response}, then progression: acquired resistance"
    if response == "SD":
        months = pd.to_numeric(pd.Series([person.get("pfs_months", "") if person is not None else ""]), errors="coerce")
        if not np.isfinite(months.iloc[0]):
            return None, "best response SD needs pfs_months"
        long = months.iloc[0] >= limit
        arm = "acquired" if long else "primary"
        return arm, f"best response SD for {months.iloc[0]:g} months ({'at least' if long else 'less than'} {limit:g})"
    return None, "best_response is NE, empty or absent" if response in {"", "NE"} else f"best_response {response!r}"
