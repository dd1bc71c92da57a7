"""What may predict an endpoint: one value per patient, from samples taken before treatment."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, counted, require_columns, suggestion
from scresist.contrasts.units import feature_table
from scresist.study.design import AT_PROGRESSION, BEFORE, ON, TAKEN, Design


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Patients with an endpoint: their times, events, values (patients x features) and what was left out."""

    patients: pd.DataFrame
    time: np.ndarray
    event: np.ndarray
    values: pd.DataFrame
    notes: tuple[str, ...]
    entry: np.ndarray | None = None  # from when each patient is under observation, where not from the start


DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}


def gather(
    values: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    time: str,
    event: str,
    design: Design | None = None,
    measured_in: Iterable[str] | None = None,
    landmark: float = 0.0,
    covariates: Iterable[str] = (),
    unit: str = "months",
) -> Endpoint:
    """Values and endpoint of the patients that have both.

    Without a design `values` are patients x features. With one they are by sample, and only those samples count that
    were taken before the clock ran (see `early_samples`), averaged per patient: a value measured at progression cannot
    predict that progression. Patients whose endpoint came by the `landmark` are left out; the clock starts there.
    A sample taken on treatment counts only where `measured_in` names its arm and its date is known: with a landmark on
    or after its date, or from its date on (left truncation).
    """
    wanted = list(covariates)
    require_columns(patients, [time, event, *wanted], "the table of patients")
    sheet = patients.set_axis(patients.index.astype(str))
    if sheet.index.has_duplicates:
        raise InputError(f"patient {sheet.index[sheet.index.duplicated()][0]!r} has more than one row; keep one each")
    _check(sheet, time, event)
    notes: list[str] = []
    entered: pd.Series | None = None
    if design is None:
        wide = feature_table(values.rename_axis("sample") if "sample" not in values.columns else values)
        by_patient = wide.set_axis(wide.index.astype(str))
    else:
        by_patient, entered, left_out = _baseline(feature_table(values), design, measured_in, landmark, unit)
        notes += left_out
    unknown = [p for p in by_patient.index if p not in sheet.index]
    if len(unknown) == len(by_patient) and unknown:
        raise InputError(
            f"no patient with values has a row in the table of patients; the first is {unknown[0]!r}, "
            f"{suggestion(unknown[0], sheet.index)}"
        )
    sheet = sheet.loc[[p for p in sorted(by_patient.index) if p in sheet.index]]
    complete = sheet[[time, event, *wanted]].notna().all(axis=1)
    if unknown or not complete.all():
        incomplete = counted(len(unknown) + int((~complete).sum()), "patient")
        notes.append(f"{incomplete} without {time}, {event} or covariates left out")
    sheet = sheet[complete]
    since = np.zeros(len(sheet)) if entered is None else entered.reindex(sheet.index).fillna(0.0).to_numpy(float)
    start = np.maximum(since, landmark)
    passed = sheet[time].to_numpy(float) > np.where(start > 0, start, -np.inf)
    if not passed.all():
        when = f"by {landmark:g}" if landmark else "before their sample was taken"
        notes.append(f"{counted(int((~passed).sum()), 'patient')} left out: their time ended {when}")
    sheet, since = sheet[passed], since[passed]
    late = bool((since > landmark).any())
    if late:
        notes.append(f"{counted(int((since > landmark).sum()), 'patient')} under observation from their sample on")
    return Endpoint(
        sheet, sheet[time].to_numpy(float) - landmark, sheet[event].to_numpy(float).astype(int),
        by_patient.loc[sheet.index], tuple(notes), np.maximum(since - landmark, -1e-9) if late else None,
    )  # fmt: skip


def _check(sheet: pd.DataFrame, time: str, event: str) -> None:
    for name in (time, event):
        if not pd.api.types.is_numeric_dtype(sheet[name]) and not pd.api.types.is_bool_dtype(sheet[name]):
            raise InputError(f"column {name!r} of the table of patients must be numbers; got {sheet[name].dtype}")
    if (sheet[time] < 0).any():
        raise InputError(f"{time} of patient {sheet.index[sheet[time] < 0][0]!r} is negative; times start at 0")
    odd = sheet[event].dropna()
    odd = odd[~odd.isin([0, 1])]
    if len(odd):
        raise InputError(
            f"{event} of patient {odd.index[0]!r} is {odd.iloc[0]!r}; it must be 0 (censored) or 1 (event)"
        )


def early_samples(design: Design, measured_in: Iterable[str] | None) -> pd.Series:
    """Whether each sample of a design may predict the endpoint: it was taken before the clock of the endpoint ran.

    A sample that is known to be taken before treatment may; one taken on treatment or at progression may not. Where it
    is not known, `measured_in` decides by arm; the test arm of a contrast with the role `acquired` is at progression.

    Parameters
    ----------
    design
        Arms, contrasts, sheet of samples with `taken`.
    measured_in
        Arms whose samples were taken before treatment; None: only those of which it is known.

    Raises
    ------
    InputError
        For an arm that the design does not have, or whose samples were all taken later.
    """
    when, arm = design.taken(), design.samples["arm"].astype(str)
    progressed = {c.test for c in design.contrasts if c.resistance == "acquired"}
    late = when.isin([ON, AT_PROGRESSION]) | (when.isna() & arm.isin(progressed))
    if measured_in is None:
        return when == BEFORE
    arms = tuple(measured_in)
    for name in arms:
        if name not in design.arms:
            raise InputError(f"measured_in names arm {name!r}; {suggestion(name, design.arms)}")
        own = arm == name
        if own.any() and late[own].all():
            raise InputError(
                f"the samples of arm {name!r} were taken at progression or on treatment and cannot predict it; "
                "leave it out of measured_in"
            )
    return arm.isin(arms) & ~late


def sample_times(design: Design, unit: str) -> pd.Series:
    """Time of each sample after the start of treatment, by the dates of the sheets; NaN where they are not given."""
    sheet = design.samples
    if "date" not in sheet or "treatment_start" not in sheet:
        return pd.Series(np.nan, index=sheet.index)
    dates = [pd.to_datetime(sheet[c], format="%Y-%m-%d", errors="coerce") for c in ("date", "treatment_start")]
    return (dates[0] - dates[1]).dt.days / DAYS[unit]


def _baseline(
    wide: pd.DataFrame, design: Design, measured_in: Iterable[str] | None, landmark: float, unit: str
) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """Mean of each patient's samples that may predict, and from when on they may."""
    require_columns(design.samples, ["patient", "arm"], "the design's sheet of samples")
    unknown = [s for s in wide.index if s not in design.samples.index]
    if unknown:
        raise InputError(f"{len(unknown)} samples have values but no row in the design, the first {unknown[0]!r}")
    order = wide.index.sort_values()
    sheet, when = design.samples.loc[order], design.taken().loc[order]
    after = sample_times(design, unit).loc[order]
    named = None if measured_in is None else tuple(measured_in)
    on = (when == ON) & sheet["arm"].astype(str).isin(named or ()) & after.notna()
    on &= (after <= landmark) | (landmark == 0)
    dated = set(sheet.loc[on, "arm"].astype(str))
    early = None if named is None else [a for a in named if a not in dated or not _all_late(design, a)]
    usable = on | (early_samples(design, early).loc[order] if early or named is None else False)
    if not usable.any():
        raise RefusedError(_no_early_sample(sheet, when))
    notes = []
    for reason, left in (
        ("taken after the time of the endpoint began", when.notna() & ~usable),
        ("it is not known when they were taken", when.isna() & ~usable),
    ):
        if left.any():
            arms = ", ".join(sorted(set(sheet.loc[left, "arm"].astype(str))))
            notes.append(f"{counted(int(left.sum()), 'sample')} of {arms} not used: {reason}")
    used = sheet[usable]
    person = used["patient"].astype(str)
    since = after.loc[used.index].where(on.loc[used.index], 0.0)
    return wide.loc[used.index].groupby(person).mean(), since.groupby(person).max(), notes


def _all_late(design: Design, arm: str) -> bool:
    own = design.samples["arm"].astype(str) == arm
    return bool(design.taken()[own].isin([ON, AT_PROGRESSION]).all())


def _no_early_sample(sheet: pd.DataFrame, when: pd.Series) -> str:
    if when.isna().any():
        arms = ", ".join(sorted(set(sheet.loc[when.isna(), "arm"].astype(str))))
        return (
            f"it is not known when the samples of {arms} were taken, and a value measured at progression cannot "
            f"predict that progression; add a column taken ({', '.join(TAKEN)}) to the sample sheet, or set "
            "survival.measured_in"
        )
    return "no sample was taken before treatment, and a value measured at progression cannot predict that progression"
