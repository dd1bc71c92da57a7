"""The checks of the sheets: values, references between them, the arms, and what the design can estimate at all."""

import re
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd

from scresist.checks import suggestion
from scresist.study.design import RESISTANCES, TAKEN
from scresist.study.endpoints import check_endpoints
from scresist.study.paths import locate, remedy_for_missing
from scresist.study.problems import Problems
from scresist.study.settings import Settings
from scresist.study.sheets import LINE, numeric

RESPONSES = ("CR", "PR", "SD", "PD", "NE")


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
    endpoints = [(e.time, e.event) for e in settings.survival]
    check_endpoints(patients, file, settings.survival, problems)
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
                f"the {column} is already in row {seen[name]}",
                "remove or rename one",
                row=int(line),
                column=column,
                value=name,
            )
        seen.setdefault(name, int(line))


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
        located = locate(folder, row["path"])
        if row["path"].partition("#")[0].strip() == "":
            problems.error(
                file,
                "the sample has no path",
                "give the path of its matrix, relative to study.toml",
                row=line,
                column="path",
                value="",
            )
        elif not located.exists:
            problems.error(
                file,
                "the path does not exist",
                remedy_for_missing(folder, row["path"]),
                row=line,
                column="path",
                value=row["path"],
            )
    _check_raw_paths(samples, file, folder, problems)
    check_patient_names(samples, patients, settings, problems)
    if patients is not None:
        for name, line in zip(patients["patient"], patients[LINE], strict=True):
            if name not in set(samples["patient"]):
                problems.warning(
                    settings.study.patients or "",
                    "the patient has no sample and is not used",
                    f"add a sample to {file}, or leave it",
                    row=int(line),
                    column="patient",
                    value=name,
                )
    for arm in arms:
        if arm not in set(samples["arm"]):
            problems.warning(file, f"the arm {arm!r} has no sample", "its contrasts will be refused", column="arm")


def _check_raw_paths(samples: pd.DataFrame, file: str, folder: Path, problems: Problems) -> None:
    if "raw_path" not in samples:
        return
    for raw, line in zip(samples["raw_path"], samples[LINE], strict=True):
        if raw and not locate(folder, raw).exists:
            problems.error(file, "the raw_path does not exist", remedy_for_missing(folder, raw), row=int(line),
                           column="raw_path", value=raw)  # fmt: skip


def name_key(name: str) -> str:
    """What is the same in two spellings of a name: `P2`, `p 2`, `P-02` and `P_2` have one key, `P2` and `P20` not.

    Parameters
    ----------
    name
        As in the sheet.
    """
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    text = re.sub(r"^(\d+)\.0+$", r"\1", text)  # a number that a spreadsheet wrote with a decimal
    text = re.sub(r"(?<=\d)[^\w]+(?=\d)|(?<=\d)_+(?=\d)", "-", text)  # 1-2 is not 12
    text = re.sub(r"(?<!\d)-|-(?!\d)|[^\w-]|_", "", text)
    return re.sub(r"\d+", lambda found: str(int(found[0])), text)


def check_patient_names(
    samples: pd.DataFrame, patients: pd.DataFrame | None, settings: Settings, problems: Problems
) -> None:
    """Patients whose names differ by nothing but case, leading zeros, spaces, dashes or underscores."""
    sheets = [(settings.study.samples, samples)]
    if patients is not None:
        sheets.append((settings.study.patients or "", patients))
    spellings: dict[str, dict[str, tuple[str, int]]] = {}
    for file, sheet in sheets:
        for name, line in zip(sheet["patient"], sheet[LINE], strict=True):
            if name:
                spellings.setdefault(name_key(name), {}).setdefault(name, (file, int(line)))
    for found in spellings.values():
        if len(found) > 1:
            (first, _), *others = found.items()
            for name, (file, line) in others:
                problems.error(
                    file, f"the patients {first!r} and {name!r} differ by case, leading zeros, spaces or dashes only; "
                    "as two patients their samples are no pair",
                    "write one patient's name in one way in both sheets; name two people more differently",
                    row=line, column="patient", value=name,
                )  # fmt: skip


def check_design(samples: pd.DataFrame, settings: Settings, file: str, problems: Problems) -> None:
    """Covariates that are absent, incomplete, constant or confounded; pairs; arms too small for inference."""
    usable = [c for c in settings.design.covariates if _check_covariate(samples, c, settings.study.samples, problems)]
    for arm in settings.design.arms:
        n = samples.loc[samples["arm"] == arm, "patient"].nunique()
        if 0 < n < 2:
            problems.warning(
                file,
                f"arm {arm!r} has one patient",
                "no test can be made with this arm; its results only describe",
                column="arms",
                value=arm,
            )
    for name, contrast in settings.design.contrasts.items():
        where = f"design.contrasts.{name}"
        inside = samples[samples["arm"].isin([contrast.test, contrast.reference, *contrast.order])]
        by_patient = inside.groupby("patient")["arm"].nunique()
        pairs = int((by_patient >= 2).sum())
        if contrast.pairing == "paired" and pairs == 0:
            problems.error(
                file,
                f"{where} is paired but no patient has samples in both arms",
                'use pairing = "auto" or "unpaired"',
                column="pairing",
                value="paired",
            )
        if contrast.pairing == "paired" and pairs == 1:
            problems.warning(file, f"{where} has a single pair", "no test can be made with it", column="pairing")
        if contrast.pairing == "unpaired" and pairs > 0:
            both = ", ".join(by_patient.index[by_patient >= 2][:5])
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
                    "remove the covariate, or the contrast: their effects cannot be separated",
                    column="covariates",
                    value=covariate,
                )


def check_roles(samples: pd.DataFrame, settings: Settings, file: str, problems: Problems) -> None:
    """Roles that occur twice, and times of samples that survival needs and nothing gives."""
    roles: dict[str, str] = {}
    for name, contrast in settings.design.contrasts.items():
        role = contrast.role or (name if name in RESISTANCES else "none")
        if role != "none" and role in roles:
            problems.error(
                file, f"the contrasts {roles[role]!r} and {name!r} both have the role {role!r}",
                'give one of them role = "none"', column="role", value=role,
            )  # fmt: skip
        roles.setdefault(role, name)
    named = [role for role in RESISTANCES if role in roles]
    if len(settings.design.contrasts) > 1 and len(named) < len(RESISTANCES):
        problems.note(
            file, "primary and acquired resistance are not compared: that needs a contrast with each role",
            'add role = "primary" and role = "acquired" to the contrasts', column="role",
        )  # fmt: skip
    if any(endpoint.measured_in is None for endpoint in settings.survival):
        unknown = samples.index[~samples["taken"].isin(TAKEN)]
        late = {c.test for n, c in settings.design.contrasts.items() if (c.role or n) == "acquired"}
        unknown = [s for s in unknown if samples.loc[s, "arm"] not in late]
        if unknown:
            shown = ", ".join(map(str, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
            problems.warning(
                settings.study.samples,
                f"it is not known when {len(unknown)} samples were taken ({shown}); survival leaves them out",
                f"add a column taken ({', '.join(TAKEN)}) or timepoint, or set survival.measured_in", column="taken",
            )  # fmt: skip


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
    if values.dtype != float:
        _check_one_level(samples, covariate, file, problems)
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


def _check_one_level(samples: pd.DataFrame, covariate: str, file: str, problems: Problems) -> None:
    """A patient's samples of one arm are one unit, which has one level of a categorical covariate."""
    for (patient, arm), values in samples.groupby(["patient", "arm"], sort=False)[covariate]:
        levels = sorted(set(values.dropna().astype(str)))
        if len(levels) > 1:
            problems.warning(
                file,
                f"the samples of patient {patient} in arm {arm!r} have {len(levels)} values of the covariate "
                f"{covariate!r}; they are one unit of every comparison, and each value counts by its part of the cells",
                "nothing, or drop the covariate, or keep the samples of one value",
                column=covariate, value=", ".join(levels),
            )  # fmt: skip


def _confounded(inside: pd.DataFrame, covariate: str, test: str) -> bool:
    """Whether the arm lies in the span of the covariate (with an intercept) over the samples of the contrast."""
    arm = (inside["arm"] == test).to_numpy(dtype=float)
    if arm.size == 0 or arm.min() == arm.max():
        return False
    values = inside[covariate]
    columns = values.to_frame() if values.dtype == float else pd.get_dummies(values, drop_first=True)
    base = np.column_stack([np.ones(len(inside)), columns.to_numpy(dtype=float)])
    return bool(np.linalg.matrix_rank(np.column_stack([base, arm])) == np.linalg.matrix_rank(base))
