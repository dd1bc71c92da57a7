"""From values per sample to units of a contrast: one patient in one arm, with covariates, strata and cell numbers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from scresist.checks import InputError, MissingColumnError, counted, require_columns, suggestion
from scresist.study.design import Contrast, Design

VALUE_COLUMNS = ("value", "score")


@dataclass(frozen=True, slots=True)
class Units:
    """The units of one contrast in a canonical order: sorted by patient, reference before test.

    `values` is (units, features), NaN where a patient has none; `cells` is the number of cells behind each value,
    (units,) or (units, features), or None. `nuisance` has the intercept and the covariates (units, parameters);
    `strata` the categorical covariates as one code per unit. `step` is the place of the arm in a course, from 0; None
    where two arms are compared.
    """

    contrast: Contrast
    patient: np.ndarray
    is_test: np.ndarray
    values: np.ndarray
    cells: np.ndarray | None
    nuisance: np.ndarray
    strata: np.ndarray
    numeric_covariates: tuple[str, ...]
    notes: tuple[str, ...]
    step: np.ndarray | None = None

    @property
    def arm(self) -> np.ndarray:
        """The arm as a number: 0 and 1, or the place in the course. Shape (units,)."""
        return self.is_test.astype(float) if self.step is None else self.step

    @property
    def is_reference(self) -> np.ndarray:
        """Whether the unit is of the reference arm, the first of a course."""
        return ~self.is_test if self.step is None else self.step == 0

    @property
    def code(self) -> np.ndarray:
        """Patients as codes 0 .. patients - 1."""
        return np.unique(self.patient, return_inverse=True)[1].ravel()

    @property
    def paired(self) -> np.ndarray:
        """Whether the unit's patient is in both arms, or in several of a course."""
        return (np.bincount(self.code)[self.code] >= 2) if self.patient.size else np.zeros(0, bool)

    def keep(self, rows: np.ndarray) -> "Units":
        """The units selected by a mask."""
        return replace(
            self, patient=self.patient[rows], is_test=self.is_test[rows], values=self.values[rows],
            cells=None if self.cells is None else self.cells[rows], nuisance=self.nuisance[rows],
            strata=self.strata[rows], step=None if self.step is None else self.step[rows],
        )  # fmt: skip

    def with_values(self, values: np.ndarray) -> "Units":
        """Other values of the same units."""
        return replace(self, values=values, cells=None)

    def with_nuisance(self, nuisance: np.ndarray) -> "Units":
        """Other covariates of the same units."""
        return replace(self, nuisance=nuisance)

    def features(self, columns: np.ndarray) -> "Units":
        """The features selected by a mask or an index."""
        cells = self.cells[:, columns] if self.cells is not None and self.cells.ndim == 2 else self.cells
        return replace(self, values=self.values[:, columns], cells=cells)


def feature_table(values: pd.DataFrame, *, name: str = "feature") -> pd.DataFrame:
    """Samples x features from a wide or a tidy table, checked; the names of the columns' levels name the features.

    A tidy table has a column `sample`, one of values (`value`, `score` or the only numeric column) and the rest name
    the feature. A wide table is indexed by sample.
    """
    if not isinstance(values, pd.DataFrame):
        kind = type(values).__name__
        raise InputError(f"values must be a DataFrame of samples x features or a tidy table; got {kind}")
    wide = _pivot(values) if "sample" in values.columns else values.copy(deep=False)
    if wide.columns.nlevels == 1 and wide.columns.name is None:
        wide.columns = wide.columns.rename(name)
    if wide.index.has_duplicates:
        seen = wide.index[wide.index.duplicated()][0]
        raise InputError(f"sample {seen!r} has more than one row of values; keep one row per sample")
    if wide.columns.has_duplicates:
        seen = wide.columns[wide.columns.duplicated()][0]
        raise InputError(f"feature {seen!r} appears more than once; keep one column per feature")
    other = [c for c, kind in zip(wide.columns, wide.dtypes, strict=True) if not pd.api.types.is_numeric_dtype(kind)]
    if other:
        raise InputError(f"feature {other[0]!r} has values that are not numbers; convert or drop it")
    if np.isinf(wide.to_numpy(float)).any():
        raise InputError("values have infinities; a value that could not be computed is NaN (missing)")
    return wide


def _pivot(tidy: pd.DataFrame) -> pd.DataFrame:
    named = [c for c in VALUE_COLUMNS if c in tidy.columns]
    numeric = [c for c in tidy.columns if c != "sample" and pd.api.types.is_numeric_dtype(tidy[c])]
    if not named and len(numeric) != 1:
        has = ", ".join(map(str, tidy.columns))
        raise MissingColumnError(f"a tidy table of values needs a column 'value'; it has {has}")
    value = named[0] if named else numeric[0]
    keys = [c for c in tidy.columns if c not in ("sample", value)]
    if not keys:
        raise MissingColumnError("a tidy table of values needs a column that names the feature (feature, module, ...)")
    twice = tidy.duplicated(["sample", *keys])
    if twice.any():
        row = tidy[twice].iloc[0][["sample", *keys]].tolist()
        raise InputError(f"{row} has more than one value; keep one value per sample and feature")
    # By hand: a pivot over several columns would make every combination of their values a feature.
    grouped = tidy.groupby(keys, sort=False, dropna=False, observed=True)
    code, samples = grouped.ngroup().to_numpy(), pd.Index(tidy["sample"].unique(), name="sample")
    names = tidy[keys].iloc[np.unique(code, return_index=True)[1]]
    table = np.full((len(samples), len(names)), np.nan)
    table[samples.get_indexer(tidy["sample"]), code] = tidy[value].to_numpy(float)
    columns = pd.MultiIndex.from_frame(names) if len(keys) > 1 else pd.Index(names[keys[0]], name=keys[0])
    return pd.DataFrame(table, index=samples, columns=columns)


def check_design(design: Design, samples: Iterable[object]) -> None:
    """Raise where the sheet lacks what a contrast needs, names an unknown arm, or lacks a sample."""
    require_columns(design.samples, ["patient", "arm", *design.covariates], "the design's sheet of samples")
    unknown = [s for s in samples if s not in design.samples.index]
    if unknown:
        raise InputError(
            f"{len(unknown)} samples have values but no row in the design, the first {unknown[0]!r}; "
            f"{suggestion(str(unknown[0]), design.samples.index)}"
        )
    for contrast in design.contrasts:
        for arm in (contrast.test, contrast.reference, *contrast.order):
            if arm not in design.arms:
                raise InputError(f"contrast {contrast.name!r} names arm {arm!r}; {suggestion(arm, design.arms)}")
        if contrast.test == contrast.reference:
            raise InputError(f"contrast {contrast.name!r} compares arm {contrast.test!r} with itself; name two arms")
        if contrast.pairing not in ("auto", "paired", "unpaired"):
            got = repr(contrast.pairing)
            raise InputError(f"contrast {contrast.name!r}: pairing is auto, paired or unpaired; got {got}")


def contrast_units(
    wide: pd.DataFrame,
    design: Design,
    contrast: Contrast,
    *,
    cells: pd.Series | pd.DataFrame | None = None,
    total: bool = False,
) -> Units:
    """The units of one contrast: samples of a patient in one arm averaged, weighted by their cells (or added: `total`).

    Patients whose covariate is missing are left out and named in the notes.
    """
    # Sorted, so that the order of rows in any input changes nothing.
    sheet = design.samples.loc[design.samples.index.isin(wide.index)].sort_index()
    sheet = sheet[sheet["arm"].isin(contrast.arms)]
    notes: list[str] = []
    for column in design.covariates:
        lacking = sheet[column].isna()
        if lacking.any():
            who = sorted(set(sheet.loc[lacking, "patient"].astype(str)))
            left_out = counted(len(who), "patient")
            notes.append(f"{contrast.name}: {left_out} left out, {column} is missing ({', '.join(who)})")
            sheet = sheet[~lacking]
    place = {arm: k for k, arm in enumerate(contrast.arms)} if contrast.order else {contrast.test: 1}
    step = sheet["arm"].map(lambda arm: place.get(arm, 0)).astype(float)
    key = pd.DataFrame({"patient": sheet["patient"].astype(str), "step": step})
    frame = key.drop_duplicates().sort_values(["patient", "step"]).reset_index(drop=True)
    row = key.merge(frame.reset_index(), on=["patient", "step"], how="left")["index"].to_numpy()
    values, amounts = _average(wide.loc[sheet.index].to_numpy(float), _cells(cells, sheet.index, wide), row, len(frame))
    if total:
        member = np.zeros((len(frame), len(sheet)))
        member[row, np.arange(len(sheet))] = 1
        values = member @ wide.loc[sheet.index].to_numpy(float)
    raw = wide.loc[sheet.index].to_numpy(float)
    given = None if total else _cells(cells, sheet.index, wide)
    amount = np.nansum(raw, axis=1) if total else np.ones(len(sheet)) if given is None or given.ndim > 1 else given
    nuisance, strata, numeric, mixed = _covariates(
        sheet, design.covariates, row, len(frame), np.maximum(amount, np.finfo(float).tiny)
    )
    notes += [f"{contrast.name}: {note}" for note in mixed]
    return Units(
        contrast, frame["patient"].to_numpy(str), frame["step"].to_numpy(float) == max(place.values()), values, amounts,
        nuisance, strata, numeric, tuple(notes), frame["step"].to_numpy(float) if contrast.order else None,
    )  # fmt: skip


def _cells(cells: pd.Series | pd.DataFrame | None, samples: pd.Index, wide: pd.DataFrame) -> np.ndarray | None:
    """Cell numbers behind each value, (samples,) or (samples, features)."""
    if cells is None:
        return None
    lacking = [s for s in samples if s not in cells.index]
    if lacking:
        raise InputError(f"weights lack {len(lacking)} samples, the first {lacking[0]!r}; give the cells of each")
    if isinstance(cells, pd.DataFrame):
        absent = [c for c in wide.columns if c not in cells.columns]
        if absent:
            raise InputError(f"weights lack {len(absent)} features, the first {absent[0]!r}")
        amounts: np.ndarray = cells.loc[samples, wide.columns].to_numpy(float)
    else:
        amounts = cells.loc[samples].to_numpy(float)
    if np.isnan(amounts).any() or (amounts < 0).any():
        raise InputError("weights must be numbers of cells, zero or more; a missing value is NaN in the values instead")
    return amounts


def _average(
    values: np.ndarray, cells: np.ndarray | None, row: np.ndarray, n_units: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Average the samples of each unit, weighted by cells; a value without cells behind it is missing."""
    given = None if cells is None or not values.size else cells.reshape(len(values), -1)
    amount = np.ones(values.shape) if given is None else np.broadcast_to(given, values.shape)
    present = ~np.isnan(values) & (amount > 0)
    member = np.zeros((n_units, len(values)))
    member[row, np.arange(len(values))] = 1
    if cells is None and n_units == len(values):
        return values[np.argsort(row)], None  # one sample each: the values themselves, not a sum over them
    total = member @ np.where(present, amount, 0)
    with np.errstate(invalid="ignore"):
        mean = (member @ np.where(present, amount * np.where(present, values, 0), 0)) / total
    if cells is None:
        return mean, None
    behind = total if cells.ndim == 2 else member @ cells
    return mean, behind


def _covariates(
    sheet: pd.DataFrame, names: Sequence[str], row: np.ndarray, n_units: int, amount: np.ndarray
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], list[str]]:
    """Intercept and covariates of the units, their strata, which covariates are numeric, and units of several levels.

    A unit of several samples has the mean of their covariates, weighted as its value is (`amount`, per sample): two
    thirds of its cells from one site are two thirds of that site's effect.
    """
    columns, numeric, mixed = [np.ones(n_units)], [], []
    strata = np.zeros(n_units, int)
    member = np.zeros((n_units, len(sheet)))
    member[row, np.arange(len(sheet))] = amount
    member[:, :] /= np.maximum(member.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    for name in names:
        if pd.api.types.is_numeric_dtype(sheet[name]) and not pd.api.types.is_bool_dtype(sheet[name]):
            numeric.append(name)
            mean = member @ sheet[name].to_numpy(float)
            spread = mean.std()
            columns.append((mean - mean.mean()) / (spread if spread > 0 else 1.0))
        else:
            code, levels = pd.factorize(sheet[name].astype(str).to_numpy(), sort=True)
            part = member @ np.eye(max(len(levels), 1))[code] if len(code) else np.zeros((n_units, 1))
            columns.extend(part[:, 1:].T)
            present = part > 0
            for u in np.flatnonzero(present.sum(axis=1) > 1):
                first = sheet.iloc[np.flatnonzero(row == u)[0]]
                mixed.append(
                    f"the samples of patient {first['patient']} in arm {first['arm']} have several values of {name} "
                    f"({', '.join(map(str, levels[present[u]]))}): each counts by its part of the cells"
                )
            level = np.unique(present, axis=0, return_inverse=True)[1].ravel()
            strata = np.unique(np.column_stack([strata, level]), axis=0, return_inverse=True)[1].ravel()
    return np.column_stack(columns), strata, tuple(numeric), mixed
