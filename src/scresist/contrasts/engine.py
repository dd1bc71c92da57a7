"""One contrast over many features: the tests, their intervals and what they rest on. Everything else calls this."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from scresist.checks import DesignError, require_choice
from scresist.contrasts.units import Units
from scresist.kernels.mixed_model import mixed_model
from scresist.kernels.moderated import VariancePrior, mean_squared_correlation, squeeze, variance_prior
from scresist.kernels.patient_model import (
    PatientFit,
    cautious_df,
    effect_variance,
    fit_patient_model,
    patient_correlation,
)
from scresist.kernels.permutation import permutation_detail
from scresist.kernels.precision import cell_precision

# With fewer features the prior is guessed rather than learnt, and the error rate rises to 0.06.
_LEAST_MODERATED = 10
_WORKING_CORRELATION = 0.5
METHODS = ("auto", "moderated", "t", "mixed", "permutation")
_NAMES = {
    "moderated": "moderated t", "t": "t", "mixed": "linear mixed model", "permutation": "permutation",
}  # fmt: skip


@dataclass(slots=True)
class Tested:
    """One row per feature: estimates, what the design allows, and how the test was set up."""

    effect: np.ndarray
    se: np.ndarray
    df: np.ndarray
    p_value: np.ndarray
    ci_low: np.ndarray
    ci_high: np.ndarray
    p_floor: np.ndarray
    p_permutation: np.ndarray
    n_test: np.ndarray
    n_reference: np.ndarray
    n_pairs: np.ndarray
    reason: np.ndarray
    setup: "Setup"


@dataclass(frozen=True, slots=True)
class Setup:
    """What a fit takes from all features together; kept when a patient is left out."""

    units: Units
    method: str
    weights: np.ndarray | None
    correlation: float | np.ndarray
    within_prior: VariancePrior | None
    between_prior: VariancePrior | None
    df_limit: tuple[float, ...]
    n_permutations: int
    seed: int

    def pick(self, features: np.ndarray) -> "Setup":
        """The same setup for some of the features."""
        weights = self.weights[:, features] if self.weights is not None and self.weights.ndim == 2 else self.weights
        priors = [
            None if p is None else VariancePrior(p.variance[features], p.df[features])
            for p in (self.within_prior, self.between_prior)
        ]
        correlation = self.correlation[features] if isinstance(self.correlation, np.ndarray) else self.correlation
        return replace(
            self,
            units=self.units.features(features),
            weights=weights,
            correlation=correlation,
            within_prior=priors[0],
            between_prior=priors[1],
        )


def evaluate_contrast(
    units: Units,
    *,
    method: str = "auto",
    n_permutations: int = 10_000,
    alpha: float = 0.05,
    permutation_beside: bool = True,
    weights: np.ndarray | None = None,
    covariate: np.ndarray | None = None,
    robust: bool = False,
    independent_features: bool = False,
    seed: int = 1,
) -> Tested:
    """Test every feature of one contrast with patients as the unit.

    Parameters
    ----------
    units
        From `contrast_units`.
    method
        auto (moderated t; ordinary t below 10 features) | moderated | t | mixed | permutation.
    n_permutations
        All relabellings are used up to this number, so many random ones beyond.
    alpha
        1 - level of the intervals.
    permutation_beside
        Also give the permutation p-value beside another test.
    weights
        Precisions (units, features) that are known already (counts); None derives them from the cell numbers.
    covariate
        Trend of the prior variance (features,).
    robust
        Winsorised moments for the prior.
    independent_features
        Take features as independent in estimating the prior (genes); otherwise their correlation is allowed for.
    seed
        Of random relabellings.
    """
    require_choice(method, METHODS, "method")
    method = "moderated" if method == "auto" else method
    if method == "permutation" and units.numeric_covariates:
        raise DesignError(
            f"a permutation test cannot adjust for the numeric covariate {units.numeric_covariates[0]!r}: relabelling "
            "needs groups; use method='moderated', or give the covariate as categories"
        )
    units = _respect_pairing(units)
    if units.patient.size == 0:
        units = _nobody(units)
    setup, fit = _set_up(
        units, method, weights, covariate, robust=robust,
        independent=independent_features, n_permutations=n_permutations, seed=seed,
    )  # fmt: skip
    tested = _assemble(setup, fit, alpha)
    if permutation_beside or method == "permutation":
        _add_permutation(tested, alpha)
    _refuse(tested)
    return tested


def refit(setup: Setup, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
    """Effects and p-values with the units of a mask only, the priors kept: shape (features,) each."""
    units = setup.units.keep(rows)
    weights = None if setup.weights is None else setup.weights[rows]
    if setup.method == "permutation":
        detail = permutation_detail(
            units.values, units.is_test, patient=units.patient, strata=units.strata, weights=weights,
            correlation=_relabelled(setup.correlation), n_permutations=setup.n_permutations, alpha=None, rng=setup.seed,
        )  # fmt: skip
        return detail.effect, np.where(_enough(units), detail.p_value, np.nan)
    if units.patient.size == 0:
        return np.full((2, units.values.shape[1]), np.nan)
    if setup.method == "mixed":
        effect, se, degrees = _mixed(units, replace(setup, weights=weights))
        return effect, np.where(_enough(units), _two_sided(effect, se**2, degrees), np.nan)
    fit = _fit(units, weights, setup.correlation)
    variance, df = effect_variance(fit, *_layers(fit, setup))
    degrees = df[0] if setup.within_prior is not None else cautious_df(fit, df[0])
    p = _two_sided(fit.effect[0], variance[0], degrees)
    return fit.effect[0], np.where(_enough(units), p, np.nan)


def _nobody(units: Units) -> Units:
    """One unit without values, so that an empty contrast goes the way of every refused one."""
    return replace(
        units, patient=np.array(["none"]), is_test=np.array([False]), cells=None,
        values=np.full((1, units.values.shape[1]), np.nan), nuisance=np.ones((1, 1)), strata=np.zeros(1, int),
    )  # fmt: skip


def _respect_pairing(units: Units) -> Units:
    """Drop what a paired contrast does not use: units without their partner, for each feature."""
    all_pairs = bool(units.paired.all()) and units.patient.size > 0
    if units.contrast.pairing == "paired" or (units.contrast.pairing == "auto" and all_pairs):
        units = units.keep(units.paired)
        absent = np.isnan(units.values)
        one_hot = np.eye(int(units.code.max(initial=-1)) + 1)[units.code]
        broken = (one_hot @ (one_hot.T @ absent)) > 0
        units.values[broken] = np.nan
    return units


def _design(units: Units) -> np.ndarray:
    return np.column_stack([units.nuisance, units.is_test.astype(float)])


def _fit(units: Units, weights: np.ndarray | None, correlation: float | np.ndarray) -> PatientFit:
    design = _design(units)
    pick = np.zeros((1, design.shape[1]))
    pick[0, -1] = 1
    return fit_patient_model(units.values, design, pick, units.code, weights=weights, correlation=correlation)


def _set_up(
    units: Units, method: str, weights: np.ndarray | None, covariate: np.ndarray | None, *, robust: bool,
    independent: bool, n_permutations: int, seed: int,
) -> tuple[Setup, PatientFit]:  # fmt: skip
    """What all features decide together (precision, correlation within patients, priors), and the fit."""
    if weights is None and units.cells is not None and units.patient.size:
        weights = cell_precision(units.values, units.cells, units.nuisance)
    usable = _enough(units) & ~_identical(units)
    if method == "moderated" and usable.sum() < _LEAST_MODERATED:
        method = "t"
    correlation = _correlation(units, weights, learn=method in ("moderated", "permutation"))
    fit = _fit(units, weights, correlation)
    within_prior = between_prior = None
    limit: tuple[float, ...] = (np.inf, np.inf)
    if method == "moderated":
        shared = [0.0, 0.0] if independent else _shared_correlation(units, weights)
        with np.errstate(invalid="ignore", divide="ignore"):
            within = np.where(usable, fit.within_ss / fit.within_df, np.nan)
            between = np.where(usable & (fit.between_df > 0), fit.between_ss / fit.between_df, np.nan)
        within_prior, between_prior = (
            variance_prior(s, df, covariate=covariate, robust=robust, mean_squared_correlation=r)
            for s, df, r in zip((within, between), (fit.within_df, fit.between_df_effective), shared, strict=True)
        )
        n = int(usable.sum())
        limit = tuple(
            float(n / (1 + (n - 1) * r) * np.mean(df[usable]))
            for df, r in zip((fit.within_df, fit.between_df_effective), shared, strict=True)
        )
    return Setup(units, method, weights, correlation, within_prior, between_prior, limit, n_permutations, seed), fit


def _correlation(units: Units, weights: np.ndarray | None, *, learn: bool) -> float | np.ndarray:
    """How alike two samples of a patient are, pooled over features; blind to the arms, so that relabelling keeps it."""
    if units.paired.sum() < 4:
        return 0.0  # one pair says nothing about how alike pairs are; two single units err on the safe side
    if units.paired.all():
        return 1.0
    if not learn:
        # Any weight of pairs beside single units is unbiased; one learnt from a single feature raises the error rate.
        return _WORKING_CORRELATION
    base = np.zeros((1, units.nuisance.shape[1]))
    base[0, 0] = 1
    typical = 1.0
    if weights is not None and weights.ndim == 2:  # the share is of a unit of typical weight, which differs by feature
        typical = np.nanmean(np.where(np.isnan(units.values), np.nan, weights), axis=0)
    scaled = None if weights is None else weights / typical
    share = patient_correlation(fit_patient_model(units.values, units.nuisance, base, units.code, weights=scaled))
    pooled = float(np.nanmean(share)) if np.isfinite(share).any() else 0.0
    return pooled if np.ndim(typical) == 0 else pooled / (pooled + (1 - pooled) * typical)


def _layers(fit: PatientFit, setup: Setup) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean squares of the two layers and their degrees of freedom, moderated where the method is."""
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.where(fit.within_df > 0, fit.within_ss / fit.within_df, np.nan)
        between = np.where(fit.between_df > 0, fit.between_ss / fit.between_df, np.nan)
    within_df, between_df = fit.within_df, fit.between_df_effective
    if setup.within_prior is not None and setup.between_prior is not None:
        within, within_df = squeeze(within, within_df, setup.within_prior, df_limit=setup.df_limit[0])
        between, between_df = squeeze(between, between_df, setup.between_prior, df_limit=setup.df_limit[1])
    return within, within_df, between, between_df


def _assemble(setup: Setup, fit: PatientFit, alpha: float) -> Tested:
    units = setup.units
    if setup.method == "mixed":
        effect, se, df = _mixed(units, setup)
    else:
        variance, degrees = effect_variance(fit, *_layers(fit, setup))
        effect, df = fit.effect[0], degrees[0]
        if setup.within_prior is None:
            df = cautious_df(fit, df)
        with np.errstate(invalid="ignore"):
            se = np.sqrt(np.where(variance[0] > 0, variance[0], np.nan))
    half = stats.t.ppf(1 - alpha / 2, df) * se
    present = ~np.isnan(units.values)
    one_hot = np.eye(int(units.code.max(initial=-1)) + 1)[units.code]
    n_features = units.values.shape[1]
    return Tested(
        effect=effect, se=se, df=df, p_value=_two_sided(effect, se**2, df),
        ci_low=effect - half, ci_high=effect + half,
        p_floor=np.full(n_features, np.nan), p_permutation=np.full(n_features, np.nan),
        n_test=present[units.is_test].sum(axis=0), n_reference=present[~units.is_test].sum(axis=0),
        n_pairs=((one_hot.T @ present) == 2).sum(axis=0),
        reason=np.full(n_features, "", dtype=object), setup=setup,
    )  # fmt: skip


def _mixed(units: Units, setup: Setup) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    design = _design(units)
    pick = np.zeros(design.shape[1])
    pick[-1] = 1
    if np.all(np.asarray(setup.correlation) >= 1):  # complete pairs: the patient effect cancels in every difference
        fit = _fit(units, setup.weights, 1.0)
        variance, df = effect_variance(fit, *_layers(fit, setup))
        with np.errstate(invalid="ignore"):
            return fit.effect[0], np.sqrt(np.where(variance[0] > 0, variance[0], np.nan)), df[0]
    return mixed_model(units.values, design, pick, units.code, weights=setup.weights)[:3]


def _two_sided(effect: np.ndarray, variance: np.ndarray, df: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(effect) / np.sqrt(np.where(variance > 0, variance, np.nan))
        # Far tails round to zero; a p-value is never zero.
        return np.maximum(2 * stats.t.sf(t, df), np.finfo(float).tiny)


def _add_permutation(tested: Tested, alpha: float) -> None:
    """The permutation p-value and floor; the whole test, interval included, where it is the method."""
    setup = tested.setup
    units = setup.units
    weights = setup.weights if setup.weights is None or setup.weights.ndim == 1 else None
    own = setup.method == "permutation"
    detail = permutation_detail(
        units.values, units.is_test, patient=units.patient, strata=units.strata, weights=weights,
        correlation=_relabelled(setup.correlation), n_permutations=setup.n_permutations, alpha=alpha if own else None,
        rng=setup.seed,
    )  # fmt: skip
    tested.p_floor = detail.p_floor
    tested.p_permutation = np.full_like(detail.p_value, np.nan) if units.numeric_covariates else detail.p_value
    if own:
        tested.effect, tested.p_value = detail.effect, detail.p_value
        tested.ci_low, tested.ci_high = detail.ci_low, detail.ci_high
        tested.df = np.full_like(detail.p_value, np.nan)


def _relabelled(correlation: float | np.ndarray) -> float:
    """One correlation for all features, below 1: relabelled directions need an inverse."""
    return min(float(np.mean(correlation)), 0.99)


def _enough(units: Units) -> np.ndarray:
    """Whether both arms have at least two patients, per feature."""
    present = ~np.isnan(units.values)
    return (present[units.is_test].sum(axis=0) >= 2) & (present[~units.is_test].sum(axis=0) >= 2)


def _identical(units: Units) -> np.ndarray:
    """Whether all values of a feature are the same, up to rounding."""
    if units.patient.size == 0:
        return np.zeros(units.values.shape[1], bool)
    low = np.min(np.where(np.isnan(units.values), np.inf, units.values), axis=0)
    high = np.max(np.where(np.isnan(units.values), -np.inf, units.values), axis=0)
    with np.errstate(invalid="ignore"):
        return (high - low) <= 1e-12 * np.maximum(np.abs(high), np.abs(low))


def _shared_correlation(units: Units, weights: np.ndarray | None) -> list[float]:
    """Mean squared correlation of features in each layer; a layer too thin to tell takes the other's, 1 if both are."""
    found = [mean_squared_correlation(r) for r in _layer_residuals(units, weights)]
    known = [r for r in found if np.isfinite(r)]
    return [r if np.isfinite(r) else max(known, default=1.0) for r in found]


def _layer_residuals(units: Units, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of the complete features within and between patients, rows of equal variance, for their correlation.

    Where no patient is repeated there is one layer, and it comes first.
    """
    complete = ~np.isnan(units.values).any(axis=0) & ~_identical(units)
    scale = np.sqrt(weights)[:, None] if weights is not None and weights.ndim == 1 else 1.0
    y, x = scale * units.values[:, complete], scale * _design(units)
    patients = scale * np.eye(int(units.code.max(initial=-1)) + 1)[units.code]
    whole = _complement(x)
    within = _complement(np.column_stack([x, patients]))
    if within.shape[1] == 0:
        return whole.T @ y, np.zeros((0, y.shape[1]))
    between = whole @ _complement(whole.T @ within)
    return within.T @ y, between.T @ y


def _complement(x: np.ndarray) -> np.ndarray:
    """Orthonormal basis of what the columns of x do not span."""
    left, size, _ = np.linalg.svd(x, full_matrices=True)
    rank = int((size > 1e-9 * max(float(size.max(initial=0.0)), 1e-300)).sum())
    return left[:, rank:]


def _refuse(tested: Tested) -> None:
    """Take away p-values and intervals that the data cannot carry, and say why."""
    units, contrast = tested.setup.units, tested.setup.units.contrast
    doubled = contrast.pairing == "unpaired" and bool(units.paired.any())
    checks: Sequence[tuple[np.ndarray, str]] = (
        (np.full(tested.effect.shape, doubled), "a patient is in both arms of an unpaired contrast"),
        (tested.n_test + tested.n_reference == 0, "no value in any patient"),
        (tested.n_test < 2, f"fewer than 2 patients in arm {contrast.test}"),
        (tested.n_reference < 2, f"fewer than 2 patients in arm {contrast.reference}"),
        (_identical(units), "the same value in every patient"),
        (np.isnan(tested.effect), "the arms cannot be told apart from the covariates"),
        (np.isnan(tested.p_value), "no variation left to judge the effect by"),
    )
    for applies, reason in checks:
        tested.reason[applies & (tested.reason == "")] = reason
    refused = tested.reason != ""
    for name in ("p_value", "p_permutation", "ci_low", "ci_high", "p_floor"):
        getattr(tested, name)[refused] = np.nan


def describe(method: str) -> str:
    """The name of a test in words."""
    return _NAMES.get(method, method)
