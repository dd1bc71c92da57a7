"""One contrast over many features: the tests, their intervals and what they rest on. Everything else calls this."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from scresist.checks import require_choice
from scresist.contrasts.other_arms import OtherArm, joint_precision, learn_shared, with_shared
from scresist.contrasts.shared import (
    CAUTION,
    MIN_MODERATED,
    WORKING_CORRELATION,
    Priors,
    estimate,
    identical,
    learn_priors,
    shared_correlation,
    with_separate,
    within_patient_correlation,
)
from scresist.contrasts.units import Units
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.arm_variance import (
    VarianceRatio,
    arm_variances,
    arm_weights,
    degrees_left,
    variance_ratio,
    with_own_arms,
)
from scresist.kernels.mixed_model import mixed_model
from scresist.kernels.patient_model import PatientFit, fit_patient_model
from scresist.kernels.permutation import PermutationDetail, permutation_detail
from scresist.kernels.precision import cell_precision
from scresist.kernels.residual_permutation import residual_permutation
from scresist.kernels.separate_variances import ArmPriors, arm_priors
from scresist.kernels.shared_variance import SharedVariance

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
    n_units: np.ndarray
    reason: np.ndarray
    setup: "Setup"


@dataclass(frozen=True, slots=True)
class Setup:
    """What all features of a fit share; kept when a patient is left out.

    `precision` is what each unit is worth by its cells or counts, `weights` that times the precision of its arm.
    `df_limit` is the most degrees of freedom that a feature has (features,).
    """

    units: Units
    method: str
    weights: np.ndarray | None
    precision: np.ndarray | None
    correlation: float | np.ndarray
    priors: Priors | None
    arms: VarianceRatio | None
    separate: ArmPriors | None
    shared: SharedVariance | None
    n_permutations: int
    seed: int
    df_limit: np.ndarray | None = None

    def pick(self, features: np.ndarray) -> "Setup":
        """The same setup for some of the features."""
        own = self.weights is not None and self.weights.ndim == 2
        return replace(
            self,
            units=self.units.features(features),
            weights=self.weights[:, features] if own and self.weights is not None else self.weights,
            correlation=self.correlation[features] if isinstance(self.correlation, np.ndarray) else self.correlation,
            priors=None if self.priors is None else self.priors.pick(features),
            arms=None if self.arms is None else self.arms.pick(features),
            shared=None if self.shared is None else self.shared.pick(features),
            df_limit=None if self.df_limit is None else self.df_limit[features],
        )


def evaluate_contrast(
    units: Units,
    *,
    others: Sequence[OtherArm] = (),
    method: str = "auto",
    n_permutations: int = 10_000,
    alpha: float = ALPHA,
    permutation_beside: bool = True,
    weights: np.ndarray | None = None,
    covariate: np.ndarray | None = None,
    robust: bool = False,
    independent_features: bool = False,
    equal_variances: bool = False,
    seed: int = 1,
) -> Tested:
    """Test every feature of one contrast with patients as the unit.

    Parameters
    ----------
    units
        From `contrast_units`.
    others
        Arms of the design beside the two of the contrast. The moderated t learns the variance of each feature from
        them too, as one linear model of all arms does, where nobody is in both arms of the contrast.
    method
        auto (moderated t; ordinary t below 15 features) | moderated | t | mixed | permutation.
    n_permutations
        All relabellings are used up to this number, so many random ones beyond.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    permutation_beside
        Also give the permutation p-value beside another test.
    weights
        Precisions (units, features) that are known already (counts); None derives them from the cell numbers.
    covariate
        Trend of the prior variance (features,).
    robust
        Winsorised moments for the prior (not of arms whose ratio of variances differs by feature).
    independent_features
        Take features as independent in estimating the prior (genes); otherwise their correlation is allowed for.
    equal_variances
        Take the arms as equally variable. Otherwise, where nobody is in both arms, the ratio of their variances is
        learnt from all features and the arms are weighted by it. The method t always does the former.
    seed
        Of random relabellings.
    """
    require_choice(method, METHODS, "method")
    equal_variances = equal_variances or method == "t"  # the textbook's test, feature by feature
    if method not in ("auto", "moderated"):
        others = ()
    method = "moderated" if method == "auto" else method
    units = _respect_pairing(units)
    if units.patient.size == 0:
        units = _nobody(units)
    if units.paired.any():
        others = ()  # differences within patients are another variance
    setup, fit = _set_up(
        units, others, method, weights, covariate, robust=robust,
        independent=independent_features, equal_variances=equal_variances, n_permutations=n_permutations, seed=seed,
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
        detail = _permuted(units, setup, weights, None)
        return detail.effect, np.where(_enough(units), detail.p_value, np.nan)
    if units.patient.size == 0:
        return np.full((2, units.values.shape[1]), np.nan)
    if setup.method == "mixed":
        effect, se, degrees = _mixed(units, replace(setup, weights=weights))
        return effect, np.where(_enough(units), _two_sided(effect, se, degrees), np.nan)
    fit = with_shared(_fit(units, weights, setup.correlation), setup.shared)
    effect, se, df = _estimated(replace(setup, units=units, weights=weights), fit)
    return effect, np.where(_enough(units), _two_sided(effect, se, df), np.nan)


def null_p_values(setup: Setup, feature: int, values: np.ndarray) -> np.ndarray:
    """p-values of one feature by the test of the data, were its values others: (units, draws) gives (draws,)."""
    many = setup.pick(np.full(values.shape[1], feature))
    weights = setup.weights
    if weights is not None and weights.ndim == 2:
        weights = weights[:, feature]  # the same for all draws
    many = replace(many, units=many.units.with_values(values), weights=weights)
    fit = with_shared(_fit(many.units, weights, many.correlation), many.shared)
    return np.nan_to_num(_two_sided(*_estimated(many, fit)), nan=1.0)


def limit_degrees(tested: Tested, limit: np.ndarray, alpha: float) -> None:
    """Give the features at most so many degrees of freedom (features,), also where a patient is left out."""
    tested.setup = replace(tested.setup, df_limit=limit)
    tested.df = np.minimum(tested.df, limit)
    half = stats.t.ppf(1 - alpha / 2, tested.df) * tested.se
    p_value, kept = _two_sided(tested.effect, tested.se, tested.df), np.isfinite(tested.p_value)
    tested.p_value = np.where(kept, p_value, np.nan)
    tested.ci_low = np.where(kept, tested.effect - half, np.nan)
    tested.ci_high = np.where(kept, tested.effect + half, np.nan)


def _estimated(setup: Setup, fit: PatientFit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effect, standard error and degrees of freedom of every feature, at most those that its tails leave."""
    effect, se, df = _unlimited(setup, fit)
    return effect, se, df if setup.df_limit is None else np.minimum(df, setup.df_limit)


def _unlimited(setup: Setup, fit: PatientFit) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    effect, se, df = (e[0] for e in estimate(fit, setup.priors))
    if setup.arms is None:
        return effect, se, df
    found = arm_variances(setup.units.values, _design(setup.units), setup.units.arm, setup.weights)
    # The weights have taken the ratio out of the residuals: it is 1 there, and as certain as before.
    level = VarianceRatio(np.ones((len(found.df) - 1, df.size)), setup.arms.certainty)
    df, factor = degrees_left(df, found, level), fit.within_factor[0]
    if setup.arms.apart:
        with np.errstate(invalid="ignore", divide="ignore"):
            variance, df = with_own_arms(se**2 / factor, df, found, setup.arms.apart)
            return effect, np.sqrt(factor * variance), df
    return effect, *with_separate(se, df, factor, found, setup.separate)


def _nobody(units: Units) -> Units:
    """One unit without values, so that an empty contrast goes the way of every refused one."""
    return replace(
        units, patient=np.array(["none"]), is_test=np.array([False]), cells=None,
        values=np.full((1, units.values.shape[1]), np.nan), nuisance=np.ones((1, 1)), strata=np.zeros(1, int),
        step=None,
    )  # fmt: skip


def _respect_pairing(units: Units) -> Units:
    """Drop what a paired contrast does not use: units without their partner, for each feature."""
    all_pairs = bool(units.paired.all()) and units.patient.size > 0
    if units.contrast.pairing == "paired" or (units.contrast.pairing == "auto" and all_pairs):
        units = units.keep(units.paired)
        absent = np.isnan(units.values)
        one_hot = np.eye(int(units.code.max(initial=-1)) + 1)[units.code]
        broken = (one_hot @ (one_hot.T @ ~absent)) < 2
        units.values[broken] = np.nan
    return units


def _design(units: Units) -> np.ndarray:
    return np.column_stack([units.nuisance, units.arm])


def _fit(units: Units, weights: np.ndarray | None, correlation: float | np.ndarray) -> PatientFit:
    design = _design(units)
    pick = np.zeros((1, design.shape[1]))
    pick[0, -1] = 1
    return fit_patient_model(units.values, design, pick, units.code, weights=weights, correlation=correlation)


def _set_up(
    units: Units, others: Sequence[OtherArm], method: str, weights: np.ndarray | None, covariate: np.ndarray | None, *,
    robust: bool, independent: bool, equal_variances: bool, n_permutations: int, seed: int,
) -> tuple[Setup, PatientFit]:  # fmt: skip
    """What all features decide together (precision, correlation within patients, priors), and the fit."""
    counted = weights is not None
    if weights is None and units.cells is not None and units.patient.size:
        if others:
            weights, others = joint_precision(units, others)
        else:
            weights = cell_precision(units.values, units.cells, units.nuisance)
    usable = _enough(units) & ~identical(units.values)
    if method == "moderated" and usable.sum() < MIN_MODERATED:
        method = "t"
    if units.paired.any() and not units.paired.all():
        independent = False  # each layer has few degrees of freedom, and correlated genes then share their errors
    correlation = _correlation(units, weights, learn=method in ("moderated", "permutation"))
    shared = 0.0
    if not independent and method in ("moderated", "t"):
        shared = shared_correlation(units.values[:, usable], _design(units), units.code, weights)
    arms, separate, precision = None, None, weights
    if not equal_variances and method in ("moderated", "t") and not units.paired.any():
        arms = variance_ratio(arm_variances(units.values, _design(units), units.arm, weights), usable, shared)
        if counted:  # what counts leave of a ratio, given their precision, is taken as common
            arms = arms._replace(apart=0.0)
        weights = _weighted_arms(units, weights, arms.ratio)
        if arms.differ:
            found = arm_variances(units.values, _design(units), units.arm, weights)
            separate = arm_priors(
                found, usable, mean_squared_correlation=shared, caution=0.0 if independent else CAUTION
            )
    fit = _fit(units, weights, correlation)
    learnt = learn_shared(fit, others, usable, shared, equal=equal_variances)
    fit = with_shared(fit, learnt)
    priors = None
    if method == "moderated":
        priors = learn_priors(
            fit, usable, shared, covariate=covariate, robust=robust, caution=0.0 if independent else CAUTION
        )
    return Setup(
        units, method, weights, precision, correlation, priors, arms, separate, learnt, n_permutations, seed
    ), fit  # fmt: skip


def _weighted_arms(units: Units, weights: np.ndarray | None, ratio: np.ndarray) -> np.ndarray:
    """Precisions times the arms' own: a test arm that varies twice as much weighs half as much."""
    arm = arm_weights(units.arm.astype(int), ratio)
    alike = ratio.shape[1] > 0 and np.max(np.ptp(ratio, axis=1)) <= 1e-12 * float(np.max(ratio))
    if alike and (weights is None or weights.ndim == 1):
        return arm[:, 0] if weights is None else arm[:, 0] * weights
    base = np.ones((len(arm), 1)) if weights is None else weights.reshape(len(arm), -1)
    return arm * base


def _correlation(units: Units, weights: np.ndarray | None, *, learn: bool) -> float | np.ndarray:
    """How alike two samples of a patient are taken to be."""
    if units.paired.sum() < 4:
        return 0.0  # one pair says nothing about how alike pairs are; two single units err on the safe side
    if units.paired.all():
        return 1.0
    if not learn:
        # Any weight of pairs beside single units is unbiased; one learnt from a single feature raises the error rate.
        return WORKING_CORRELATION
    return within_patient_correlation(units.values, units.nuisance, units.code, weights)


def _assemble(setup: Setup, fit: PatientFit, alpha: float) -> Tested:
    units = setup.units
    if setup.method == "mixed":
        effect, se, df = _mixed(units, setup)
    else:
        effect, se, df = _estimated(setup, fit)
    half = stats.t.ppf(1 - alpha / 2, df) * se
    present = ~np.isnan(units.values)
    one_hot = np.eye(int(units.code.max(initial=-1)) + 1)[units.code]
    n_features = units.values.shape[1]
    return Tested(
        effect=effect, se=se, df=df, p_value=_two_sided(effect, se, df),
        ci_low=effect - half, ci_high=effect + half,
        p_floor=np.full(n_features, np.nan), p_permutation=np.full(n_features, np.nan),
        n_test=present[units.is_test].sum(axis=0), n_reference=present[units.is_reference].sum(axis=0),
        n_pairs=((one_hot.T @ present) >= 2).sum(axis=0), n_units=present.sum(axis=0),
        reason=np.full(n_features, "", dtype=object), setup=setup,
    )  # fmt: skip


def _mixed(units: Units, setup: Setup) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    design = _design(units)
    pick = np.zeros(design.shape[1])
    pick[-1] = 1
    if np.all(np.asarray(setup.correlation) >= 1):  # complete pairs: the patient effect cancels in every difference
        effect, se, df = (e[0] for e in estimate(_fit(units, setup.weights, 1.0), None))
        return effect, se, df
    return mixed_model(units.values, design, pick, units.code, weights=setup.weights)[:3]


def _two_sided(effect: np.ndarray, se: np.ndarray, df: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        # Far tails round to zero; a p-value is never zero.
        return np.maximum(2 * stats.t.sf(np.abs(effect) / se, df), np.finfo(float).tiny)


def _add_permutation(tested: Tested, alpha: float) -> None:
    """The permutation p-value and floor; the whole test, interval included, where it is the method."""
    setup = tested.setup
    own = setup.method == "permutation"
    detail = _permuted(setup.units, setup, setup.precision, alpha if own else None)
    tested.p_floor, tested.p_permutation = detail.p_floor, detail.p_value
    if own:
        tested.effect, tested.p_value = detail.effect, detail.p_value
        tested.ci_low, tested.ci_high = detail.ci_low, detail.ci_high
        tested.df = np.full_like(detail.p_value, np.nan)


def _permuted(units: Units, setup: Setup, weights: np.ndarray | None, alpha: float | None) -> PermutationDetail:
    """Relabelled patients; permuted residuals where labels alone do not do: numbers, unequal precision, a course."""
    correlation, even = _relabelled(setup.correlation), weights is None or _alike(weights)
    if even and not units.numeric_covariates and units.step is None:
        return permutation_detail(
            units.values, units.is_test, patient=units.patient, strata=units.strata,
            weights=None if weights is None else (np.max(weights, axis=tuple(range(1, weights.ndim))) > 0) * 1.0,
            correlation=correlation, studentised=True, n_permutations=setup.n_permutations, alpha=alpha, rng=setup.seed,
        )  # fmt: skip
    return residual_permutation(
        units.values, units.arm, units.nuisance, patient=units.code, strata=units.strata, weights=weights,
        correlation=correlation, n_permutations=setup.n_permutations, alpha=alpha, rng=setup.seed,
    )  # fmt: skip


def _alike(weights: np.ndarray) -> bool:
    """Whether all units that count have one precision, for every feature."""
    used = np.where(weights > 0, weights, np.nan)
    return bool(np.nanmax(used, initial=0.0) - np.nanmin(used, initial=np.inf) <= 1e-9 * np.nanmax(used, initial=0.0))


def _relabelled(correlation: float | np.ndarray) -> float:
    """One correlation for all features, below 1: relabelled directions need an inverse."""
    return min(float(np.mean(correlation)), 0.99)


def _enough(units: Units) -> np.ndarray:
    """Whether both arms have at least two patients, per feature."""
    present = ~np.isnan(units.values)
    return (present[units.is_test].sum(axis=0) >= 2) & (present[units.is_reference].sum(axis=0) >= 2)


def _refuse(tested: Tested) -> None:
    """Take away p-values and intervals that the data cannot carry, and give the reason."""
    units, contrast = tested.setup.units, tested.setup.units.contrast
    doubled = contrast.pairing == "unpaired" and bool(units.paired.any())
    checks: Sequence[tuple[np.ndarray, str]] = (
        (np.full(tested.effect.shape, doubled), "a patient is in both arms of an unpaired contrast"),
        (tested.n_test + tested.n_reference == 0, "no value in any patient"),
        (tested.n_test < 2, f"fewer than 2 patients in arm {contrast.test}"),
        (tested.n_reference < 2, f"fewer than 2 patients in arm {contrast.reference}"),
        (identical(units.values), "the same value in every patient"),
        (np.isnan(tested.effect), "the arms cannot be separated from the covariates"),
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
