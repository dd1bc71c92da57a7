"""The checks of the sheets: values, references between them, the arms, and what the design can estimate at all."""

from pathlib import Path

import numpy as np
import pandas as pd

from scresist.checks import suggestion
from scresist.study.problems import Problems
from scresist.study.settings import Settings
from scresist.study.sheets import LINE, numeric

RESPONSES = ("CR", "PR", "SD", "PD", "NE")
BEFORE = ("baseline", "pre", "pretreatment", "pre-treatment", "naive", "treatment-naive", "screening")
AT_PROGRESSION = ("progression", "post", "posttreatment", "post-treatment", "relapse", "resistant", "eot")


def check_patients(patients: pd.DataFrame, file: str, settings: Settings, problems: Problems) -> None:
    """Duplicates, responses and the endpoint's columns."""
    _check_names(patients, "patient", file, problems)
    if "best_response" in patients:
        for _, row in patients.iterrows():
            if row["best_response"] not in (*RESPONSES, ""):
                problems.error(
                    file,
                    "best_response is not a RECIST category",
                    f"use one of {', '.join(RESPONSES)}",
                    row=row[LINE],
                    column="best_response",
                    value=row["best_response"],
                )
    endpoints = [(settings.survival.time, settings.survival.event)] if settings.survival else []
    if settings.survival:
        for key in ("time", "event"):
            column = getattr(settings.survival, key)
            if column not in patients:
                problems.error(
                    file,
                    f"there is no column {column!r}, named as survival.{key}",
                    suggestion(column, [c for c in patients.columns if c != LINE]),
                    row=1,
                    column=column,
                )
    for time, event in {*endpoints, ("pfs_months", "pfs_event"), ("os_months", "os_event")}:
        if time in patients:
            _check_times(patients, time, file, problems)
        if event in patients:
            _check_events(patients, event, file, problems)
        if time in patients and event in patients:
            _check_half_given(patients, time, event, file, problems)


def _check_times(patients: pd.DataFrame, column: str, file: str, problems: Problems) -> None:
    values = numeric(patients, column)
    for i, raw in enumerate(patients[column]):
        if raw == "":
            continue
        line = int(patients[LINE].iloc[i])
        if not np.isfinite(values.iloc[i]):
            problems.error(
                file,
                "the time is not a number",
                "give months with a decimal point, or leave it empty",
                row=line,
                column=column,
                value=raw,
            )
        elif values.iloc[i] < 0:
            problems.error(
                file,
                "the time is negative",
                "give the months from the start of treatment",
                row=line,
                column=column,
                value=raw,
            )


def _check_events(patients: pd.DataFrame, column: str, file: str, problems: Problems) -> None:
    for raw, line in zip(patients[column], patients[LINE], strict=True):
        if raw not in {"0", "1", "", "0.0", "1.0"}:
            problems.error(
                file,
                "the event is neither 0 nor 1",
                "1: the event happened, 0: censored, empty: unknown",
                row=int(line),
                column=column,
                value=raw,
            )


def _check_half_given(patients: pd.DataFrame, time: str, event: str, file: str, problems: Problems) -> None:
    for t, e, line in zip(patients[time], patients[event], patients[LINE], strict=True):
        if (t == "") != (e == ""):
            problems.error(
                file,
                f"{time} and {event} must be given together",
                "fill in the other or empty both",
                row=int(line),
                column=time if t == "" else event,
                value="",
            )


def _check_names(sheet: pd.DataFrame, column: str, file: str, problems: Problems) -> None:
    seen: dict[str, int] = {}
    for name, line in zip(sheet[column], sheet[LINE], strict=True):
        if name == "":
            problems.error(file, f"the {column} has no name", "name it", row=int(line), column=column, value="")
        elif name in seen:
            problems.error(
                file,
                f"the {column} stands already in row {seen[name]}",
                "remove or rename one",
                row=int(line),
                column=column,
                value=name,
            )
        seen.setdefault(name, int(line))


def derive_arms(
    samples: pd.DataFrame, patients: pd.DataFrame | None, settings: Settings, problems: Problems
) -> pd.DataFrame:
    """Fill in empty arms from time point and best response, by the SITC consensus; every rule used is noted.

    A sample taken before treatment is `baseline`. One taken at progression is `primary` when the best response was PD,
    or SD for less than `design.progression_months`; it is `acquired` after CR or PR, or SD for at least that long.

    References
    ----------
    Kluger HM et al. (2020) J Immunother Cancer 8:e000398; Rizvi N et al. (2020) J Immunother Cancer 8:e000790.
    """
    file, limit = settings.study.samples, settings.design.progression_months
    people = {} if patients is None else {row["patient"]: row for _, row in patients.iterrows()}
    arms = []
    for _, row in samples.iterrows():
        if row["arm"] != "":
            arms.append(row["arm"])
            continue
        arm, why = _arm_of(row, people.get(row["patient"]), limit)
        if arm is None:
            problems.error(
                file,
                f"the arm is empty and cannot be derived: {why}",
                "give the arm, or timepoint here and best_response (with pfs_months for SD) in patients",
                row=int(row[LINE]),
                column="arm",
                value="",
            )
        elif arm not in settings.design.arms:
            problems.error(
                file,
                f"the arm derived is {arm!r} ({why}), which is not in arms",
                suggestion(arm, settings.design.arms),
                row=int(row[LINE]),
                column="arm",
                value="",
            )
        else:
            problems.note(
                file,
                f"the arm of {row['sample']} was empty and is taken as {arm!r}: {why}",
                row=int(row[LINE]),
                column="arm",
            )
        arms.append(arm or "")
    return samples.assign(arm=arms)


def _arm_of(sample: pd.Series, person: pd.Series | None, limit: float) -> tuple[str | None, str]:
    timepoint = str(sample.get("timepoint", "")).lower()
    if timepoint == "":
        return None, "the sample has no timepoint"
    if timepoint in BEFORE:
        return "baseline", f"timepoint {timepoint!r} is before treatment"
    if timepoint not in AT_PROGRESSION:
        known = ", ".join((*BEFORE[:3], *AT_PROGRESSION[:3]))
        return None, f"timepoint {timepoint!r} is neither before treatment nor at progression (known: {known}, ...)"
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


def check_samples(
    samples: pd.DataFrame, patients: pd.DataFrame | None, settings: Settings, problems: Problems, *, folder: Path
) -> None:
    """Duplicates, unknown arms, patients on one sheet only, paths that are not there."""
    file, arms = settings.study.samples, settings.design.arms
    _check_names(samples, "sample", file, problems)
    known = None if patients is None else set(patients["patient"])
    for _, row in samples.iterrows():
        line = int(row[LINE])
        if row["patient"] == "":
            problems.error(file, "the sample has no patient", "name the patient", row=line, column="patient", value="")
        elif known is not None and row["patient"] not in known:
            problems.error(
                file,
                f"the patient is not in {settings.study.patients}",
                suggestion(row["patient"], sorted(known)),
                row=line,
                column="patient",
                value=row["patient"],
            )
        if row["arm"] not in {*arms, ""}:
            problems.error(
                file,
                "the arm is not in arms of study.toml",
                suggestion(row["arm"], arms),
                row=line,
                column="arm",
                value=row["arm"],
            )
        target = row["path"].partition("#")[0]
        if target == "":
            problems.error(
                file,
                "the sample has no path",
                "give the path of its matrix, relative to study.toml",
                row=line,
                column="path",
                value="",
            )
        elif not (folder / target).exists():
            problems.error(
                file,
                "the path does not exist",
                "correct it; it is relative to study.toml",
                row=line,
                column="path",
                value=row["path"],
            )
    if patients is not None:
        for name, line in zip(patients["patient"], patients[LINE], strict=True):
            if name not in set(samples["patient"]):
                problems.warning(
                    settings.study.patients or "",
                    "the patient has no sample and takes no part",
                    f"add a sample to {file}, or leave it",
                    row=int(line),
                    column="patient",
                    value=name,
                )
    for arm in arms:
        if arm not in set(samples["arm"]):
            problems.warning(file, f"the arm {arm!r} has no sample", "its contrasts will be refused", column="arm")


def check_design(samples: pd.DataFrame, settings: Settings, file: str, problems: Problems) -> None:
    """Covariates that are absent, incomplete, constant or confounded; pairs; arms too small for inference."""
    usable = [c for c in settings.design.covariates if _check_covariate(samples, c, settings.study.samples, problems)]
    for arm in settings.design.arms:
        n = samples.loc[samples["arm"] == arm, "patient"].nunique()
        if 0 < n < 2:
            problems.warning(
                file,
                f"arm {arm!r} has one patient",
                "inference on it is refused: results will describe",
                column="arms",
                value=arm,
            )
    for name, contrast in settings.design.contrasts.items():
        where = f"design.contrasts.{name}"
        inside = samples[samples["arm"].isin([contrast.test, contrast.reference])]
        by_patient = inside.groupby("patient")["arm"].nunique()
        pairs = int((by_patient == 2).sum())
        if contrast.pairing == "paired" and pairs == 0:
            problems.error(
                file,
                f"{where} is paired but no patient has samples in both arms",
                'use pairing = "auto" or "unpaired"',
                column="pairing",
                value="paired",
            )
        if contrast.pairing == "paired" and pairs == 1:
            problems.warning(file, f"{where} has a single pair", "inference on it is refused", column="pairing")
        if contrast.pairing == "unpaired" and pairs > 0:
            both = ", ".join(by_patient.index[by_patient == 2][:5])
            problems.error(
                file,
                f"{where} is unpaired but {pairs} patients are in both arms ({both})",
                'use pairing = "auto": the pairs carry information',
                column="pairing",
                value="unpaired",
            )
        for covariate in usable:
            if _confounded(inside, covariate, contrast.test):
                problems.error(
                    file,
                    f"in {where} the covariate {covariate!r} is fully confounded with the arm",
                    "remove the covariate, or the contrast: their effects cannot be told apart",
                    column="covariates",
                    value=covariate,
                )


def _check_covariate(samples: pd.DataFrame, covariate: str, file: str, problems: Problems) -> bool:
    if covariate not in samples:
        problems.error(
            file,
            f"there is no column for the covariate {covariate!r} in the sheets",
            suggestion(covariate, samples.columns),
            column=covariate,
        )
        return False
    values = samples[covariate]
    for sample in samples.index[values.isna()]:
        problems.error(
            file,
            f"sample {sample} has no value of the covariate {covariate!r}",
            "fill it in, or drop the covariate",
            column=covariate,
            value="",
        )
    if values.nunique(dropna=True) < 2:
        problems.error(
            file,
            f"the covariate {covariate!r} is constant",
            "remove it: it explains nothing",
            column=covariate,
            value=values.iloc[0] if len(values) else None,
        )
        return False
    return bool(values.notna().all())


def _confounded(inside: pd.DataFrame, covariate: str, test: str) -> bool:
    """Whether the arm lies in the span of the covariate (with an intercept) over the samples of the contrast."""
    arm = (inside["arm"] == test).to_numpy(dtype=float)
    if arm.size == 0 or arm.min() == arm.max():
        return False
    values = inside[covariate]
    columns = values.to_frame() if values.dtype == float else pd.get_dummies(values, drop_first=True)
    base = np.column_stack([np.ones(len(inside)), columns.to_numpy(dtype=float)])
    return bool(np.linalg.matrix_rank(np.column_stack([base, arm])) == np.linalg.matrix_rank(base))
