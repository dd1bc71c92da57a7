"""What may predict an endpoint: one value per patient, from samples taken before its clock ran."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist.checks import DesignError, InputError, require_columns, suggestion
from scresist.contrasts.units import feature_table
from scresist.study.design import Design


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Patients with an endpoint: their times, events, values (patients x features) and what was left out."""

    patients: pd.DataFrame
    time: np.ndarray
    event: np.ndarray
    values: pd.DataFrame
    notes: tuple[str, ...]


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
) -> Endpoint:
    """Values and endpoint of the patients that have both.

    Without a design `values` are patients x features. With one they are by sample, and only samples of the arms in
    `measured_in` count, averaged per patient. A value measured at progression never predicts that progression: the
    test arm of a contrast named `acquired` holds samples taken at progression, so that `measured_in` leaves it out by
    default and may not name it. Patients whose endpoint came by the `landmark` leave; the clock starts there.
    """
    wanted = list(covariates)
    require_columns(patients, [time, event, *wanted], "the table of patients")
    sheet = patients.set_axis(patients.index.astype(str))
    if sheet.index.has_duplicates:
        raise InputError(f"patient {sheet.index[sheet.index.duplicated()][0]!r} has more than one row; keep one each")
    _check(sheet, time, event)
    notes: list[str] = []
    if design is None:
        wide = feature_table(values.rename_axis("sample") if "sample" not in values.columns else values)
        by_patient = wide.set_axis(wide.index.astype(str))
    else:
        by_patient, said = _baseline(feature_table(values), design, measured_in)
        notes += said
    unknown = [p for p in by_patient.index if p not in sheet.index]
    if len(unknown) == len(by_patient) and unknown:
        raise InputError(
            f"no patient with values has a row in the table of patients; the first is {unknown[0]!r}, "
            f"{suggestion(unknown[0], sheet.index)}"
        )
    sheet = sheet.loc[[p for p in sorted(by_patient.index) if p in sheet.index]]
    complete = sheet[[time, event, *wanted]].notna().all(axis=1)
    if unknown or not complete.all():
        notes.append(f"{len(unknown) + int((~complete).sum())} patients without {time}, {event} or covariates left out")
    sheet = sheet[complete]
    passed = sheet[time].to_numpy(float) > landmark
    if not passed.all():
        notes.append(f"{int((~passed).sum())} patients left out: their time ended by {landmark:g}")
    sheet = sheet[passed]
    return Endpoint(
        sheet, sheet[time].to_numpy(float) - landmark, sheet[event].to_numpy(float).astype(int),
        by_patient.loc[sheet.index], tuple(notes),
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


def allowed_arms(design: Design, measured_in: Iterable[str] | None) -> tuple[str, ...]:
    """The arms whose samples were taken before the endpoint's clock ran."""
    late = {c.test for c in design.contrasts if c.name == "acquired"}
    if measured_in is None:
        return tuple(a for a in design.arms if a not in late)
    arms = tuple(measured_in)
    for arm in arms:
        if arm not in design.arms:
            raise DesignError(f"measured_in names arm {arm!r}; {suggestion(arm, design.arms)}")
        if arm in late:
            raise DesignError(
                f"samples of arm {arm!r} were taken at progression and cannot predict it; leave it out of measured_in"
            )
    return arms


def _baseline(wide: pd.DataFrame, design: Design, measured_in: Iterable[str] | None) -> tuple[pd.DataFrame, list[str]]:
    """Mean of each patient's samples in the allowed arms."""
    require_columns(design.samples, ["patient", "arm"], "the design's sheet of samples")
    arms = allowed_arms(design, measured_in)
    unknown = [s for s in wide.index if s not in design.samples.index]
    if unknown:
        raise InputError(f"{len(unknown)} samples have values but no row in the design, the first {unknown[0]!r}")
    sheet = design.samples.loc[wide.index.sort_values()]
    usable = sheet["arm"].isin(arms)
    late = sorted(set(sheet.loc[~usable, "arm"].astype(str)))
    notes = (
        [f"{int((~usable).sum())} samples of {', '.join(late)} not used: taken when the clock had run"] if late else []
    )
    used = sheet[usable]
    return wide.loc[used.index].groupby(used["patient"].astype(str)).mean(), notes
