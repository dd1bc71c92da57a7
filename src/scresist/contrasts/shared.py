"""What all features of a comparison decide together: how alike a patient's samples are, and the variances' priors."""

from dataclasses import dataclass, replace

import numpy as np

from scresist.kernels.arm_variance import ArmVariances
from scresist.kernels.moderated import (
    VariancePrior,
    mean_squared_correlation,
    squeeze,
    variance_prior,
)
from scresist.kernels.patient_model import (
    PatientFit,
    cautious_df,
    effect_variance,
    fit_patient_model,
    patient_correlation,
)
from scresist.kernels.separate_variances import ArmPriors, effect_variances

# With fewer features the prior is guessed rather than learnt, and the error rate rises to 0.06.
MIN_MODERATED = 15
WORKING_CORRELATION = 0.5
CAUTION = 1.0  # standard errors added to how much the variances of features differ


@dataclass(frozen=True, slots=True)
class Priors:
    """Priors of the variances within and between patients, and the degrees of freedom of all features together."""

    within: VariancePrior
    between: VariancePrior
    df_limit: tuple[float, float]

    def pick(self, features: np.ndarray) -> "Priors":
        """The priors of some of the features."""
        return replace(self, within=_picked(self.within, features), between=_picked(self.between, features))


def _picked(prior: VariancePrior, features: np.ndarray) -> VariancePrior:
    return VariancePrior(prior.variance[features], prior.df[features])


def within_patient_correlation(
    values: np.ndarray, model: np.ndarray, patient: np.ndarray, weights: np.ndarray | None
) -> float | np.ndarray:
    """How alike two units of a patient are, pooled over features; one per feature where each has weights of its own.

    Pass a model without the arms where relabelling them must leave the answer as it is.
    """
    base = np.zeros((1, model.shape[1]))
    typical: float | np.ndarray = 1.0
    if weights is not None and weights.ndim == 2:  # the share is of a unit of typical weight, which differs by feature
        present = ~np.isnan(values)
        total, count = np.where(present, weights, 0.0).sum(axis=0), present.sum(axis=0)
        typical = np.divide(total, count, out=np.ones(len(count)), where=count > 0)
    scaled = None if weights is None else weights / typical
    share = patient_correlation(fit_patient_model(values, model, base, patient, weights=scaled))
    pooled = float(np.nanmean(share)) if np.isfinite(share).any() else 0.0
    return pooled / (pooled + (1 - pooled) * typical) if isinstance(typical, np.ndarray) else pooled


def learn_priors(
    fit: PatientFit,
    usable: np.ndarray,
    shared: float,
    *,
    covariate: np.ndarray | None = None,
    robust: bool = False,
    caution: float = CAUTION,
) -> Priors:
    """Priors from the features that can be tested, given the mean squared correlation of features (`shared`).

    `caution` is that of `variance_prior`; genes, of which there are thousands, need none.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.where(usable, fit.within_ss / fit.within_df, np.nan)
        between = np.where(usable & (fit.between_df > 0), fit.between_ss / fit.between_df, np.nan)
    n = int(usable.sum())
    priors, limits = [], []
    for variance, df in ((within, fit.within_df), (between, fit.between_df_effective)):
        priors.append(
            variance_prior(
                variance, df, covariate=covariate, robust=robust, mean_squared_correlation=shared, caution=caution
            )
        )
        limits.append(float(n / (1 + (n - 1) * shared) * np.mean(df[usable])))
    return Priors(priors[0], priors[1], (limits[0], limits[1]))


def with_separate(
    se: np.ndarray, df: np.ndarray, factor: np.ndarray, found: ArmVariances, priors: ArmPriors | None
) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and degrees of freedom, those of separate arms where ratios differ and every arm varies.

    A feature that does not vary in one arm (a gene that is off) keeps the variance of the arms together.
    """
    if priors is None:
        return se, df
    variance, own = effect_variances(found, priors)
    here = np.isfinite(variance)
    return np.where(here, np.sqrt(factor * np.where(here, variance, 0.0)), se), np.where(here, own, df)


def estimate(fit: PatientFit, priors: Priors | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effects, standard errors and degrees of freedom, (contrasts, features); NaN errors where nothing varies."""
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.where(fit.within_df > 0, fit.within_ss / fit.within_df, np.nan)
        between = np.where(fit.between_df > 0, fit.between_ss / fit.between_df, np.nan)
    within_df, between_df = fit.within_df, fit.between_df_effective
    prior_df = np.zeros(within_df.shape)
    if priors is not None:
        prior_df = np.sqrt(_finite(priors.within.df) * _finite(priors.between.df))
        within, within_df = squeeze(within, within_df, priors.within, df_limit=priors.df_limit[0])
        between, between_df = squeeze(between, between_df, priors.between, df_limit=priors.df_limit[1])
    variance, df = effect_variance(fit, within, within_df, between, between_df, prior_df=prior_df)
    if priors is None:
        df = cautious_df(fit, df)
    with np.errstate(invalid="ignore"):
        return fit.effect, np.sqrt(np.where(variance > 0, variance, np.nan)), df


def _finite(df: np.ndarray) -> np.ndarray:
    """Degrees of freedom of a prior that leaves something unknown; 0 where it leaves nothing."""
    return np.where(np.isfinite(df), df, 0.0)


def shared_correlation(values: np.ndarray, model: np.ndarray, patient: np.ndarray, weights: np.ndarray | None) -> float:
    """Mean squared correlation of features, over both layers: a layer of two or three residuals shows little alone."""
    layers = _layer_residuals(values, model, patient, weights)
    found = [(mean_squared_correlation(r), len(r) - 1) for r in layers if len(r) > 1]
    known = [(r, df) for r, df in found if np.isfinite(r)]
    return sum(r * df for r, df in known) / sum(df for _, df in known) if known else 1.0


def _layer_residuals(
    values: np.ndarray, model: np.ndarray, patient: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the complete features within and between patients, in rows of equal variance.

    Where no patient is repeated there is one layer, and it comes first.
    """
    scale = np.sqrt(weights)[:, None] if weights is not None and weights.ndim == 1 else 1.0
    y, x = scale * values[:, ~np.isnan(values).any(axis=0)], scale * model
    patients = scale * np.eye(int(patient.max(initial=-1)) + 1)[patient]
    whole, within = _complement(x), _complement(np.column_stack([x, patients]))
    if within.shape[1] == 0:
        return whole.T @ y, np.zeros((0, y.shape[1]))
    between = whole @ _complement(whole.T @ within)
    return within.T @ y, between.T @ y


def _complement(x: np.ndarray) -> np.ndarray:
    """Orthonormal basis of what the columns of x do not span."""
    left, size, _ = np.linalg.svd(x, full_matrices=True)
    rank = int((size > 1e-9 * max(float(size.max(initial=0.0)), 1e-300)).sum())
    return left[:, rank:]


def identical(values: np.ndarray) -> np.ndarray:
    """Whether all values of a feature are the same, up to rounding."""
    if values.shape[0] == 0:
        return np.zeros(values.shape[1], bool)
    low = np.min(np.where(np.isnan(values), np.inf, values), axis=0)
    high = np.max(np.where(np.isnan(values), -np.inf, values), axis=0)
    with np.errstate(invalid="ignore"):
        return (high - low) <= 1e-12 * np.maximum(np.abs(high), np.abs(low))
