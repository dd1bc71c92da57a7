"""The arms of a design beside the two of a contrast: one fit of all arms learns each feature's variance from all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from scresist.contrasts.units import Units, contrast_units
from scresist.kernels.patient_model import PatientFit, fit_patient_model
from scresist.kernels.precision import cell_precision
from scresist.kernels.shared_variance import SharedVariance, pooled, share_variance
from scresist.study.design import Contrast, Design

MIN_PATIENTS = 2  # of an arm that tells anything about variance


@dataclass(frozen=True, slots=True)
class OtherArm:
    """The units of another arm, one per patient, with the precision of each where it is known."""

    units: Units
    weights: np.ndarray | None = None


def other_arms(
    wide: pd.DataFrame,
    design: Design,
    contrast: Contrast,
    *,
    cells: pd.Series | pd.DataFrame | None = None,
    total: bool = False,
) -> tuple[OtherArm, ...]:
    """The arms that a contrast does not compare, in the order of the design, without patients that it compares.

    A patient in several other arms counts in the first of them only, so that all residuals are of different patients.
    """
    samples = design.samples[design.samples.index.isin(wide.index)]
    compared = samples["arm"].isin(contrast.arms)
    seen = set(samples.loc[compared, "patient"].astype(str))
    found = []
    for arm in design.arms:
        if arm in contrast.arms or not (samples["arm"] == arm).any():
            continue
        units = contrast_units(wide, design, Contrast(arm, arm, ""), cells=cells, total=total)
        units = units.keep(~np.isin(units.patient, sorted(seen)))
        seen |= set(units.patient)
        if units.patient.size >= MIN_PATIENTS:
            found.append(OtherArm(units))
    return tuple(found)


def joint_precision(units: Units, others: Sequence[OtherArm]) -> tuple[np.ndarray, tuple[OtherArm, ...]]:
    """Precisions by cell numbers, with one relation to the number of cells in all arms."""
    parts = [units, *(o.units for o in others)]
    cells = [part.cells for part in parts if part.cells is not None]
    nuisance = block_diag(*(part.nuisance for part in parts))
    found = cell_precision(np.concatenate([part.values for part in parts]), np.concatenate(cells), nuisance)
    pieces = np.split(found, np.cumsum([len(part.patient) for part in parts])[:-1])
    return pieces[0], tuple(replace(o, weights=w) for o, w in zip(others, pieces[1:], strict=True))


def learn_shared(
    fit: PatientFit, others: Sequence[OtherArm], usable: np.ndarray, correlation: float, *, equal: bool
) -> SharedVariance | None:
    """What other arms tell about the variances of a fit; None without other arms."""
    if not others:
        return None
    squares, degrees = zip(*(_residuals(o) for o in others), strict=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = fit.within_ss / fit.within_df
    return share_variance(
        own, fit.within_df, np.stack(squares), np.stack(degrees), usable,
        mean_squared_correlation=correlation, equal=equal,
    )  # fmt: skip


def with_shared(fit: PatientFit, shared: SharedVariance | None) -> PatientFit:
    """The fit with the variances of all arms; only where it has one layer of variance."""
    if shared is None:
        return fit
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_square, df = pooled(fit.within_ss / fit.within_df, fit.within_df, shared)
    here = np.isfinite(mean_square)
    return replace(
        fit, within_ss=np.where(here, mean_square * df, fit.within_ss), within_df=np.where(here, df, fit.within_df)
    )


def _residuals(other: OtherArm) -> tuple[np.ndarray, np.ndarray]:
    """Mean square of an arm around its own mean and covariates, and its degrees of freedom; (features,) each."""
    units = other.units
    none = np.zeros((1, units.nuisance.shape[1]))
    fit = fit_patient_model(units.values, units.nuisance, none, np.arange(len(units.patient)), weights=other.weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return fit.within_ss / fit.within_df, fit.within_df
