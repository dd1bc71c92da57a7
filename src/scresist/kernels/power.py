"""The power of tests: t tests over patients, moderated variances, hazards, many tests at once."""

from collections.abc import Callable

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from scresist.kernels.patient_model import effect_variance, fit_patient_model

# Quantiles of the variance, dense near 0: at strict levels findings depend on small estimated variances.
_GAUSS = np.polynomial.legendre.leggauss(200)
_NODES, _WEIGHTS = ((_GAUSS[0] + 1) / 2) ** 4, 2 * _GAUSS[1] * ((_GAUSS[0] + 1) / 2) ** 3


def effect_scale(
    nuisance: np.ndarray, is_test: np.ndarray, patient: np.ndarray, correlation: float
) -> tuple[float, float]:
    """Variance of the difference between arms in units of the variance of one value, and its degrees of freedom.

    Parameters
    ----------
    nuisance
        Intercept and covariates. Shape (units, parameters).
    is_test
        Whether a unit (a patient in an arm) is of the test arm. Shape (units,).
    patient
        Codes 0 .. patients - 1. Shape (units,).
    correlation
        Of two units of one patient, in [0, 1).

    Returns
    -------
    Two numbers; NaN and 0 where the arm is confounded with the covariates or no degrees of freedom are left. Patients
    in both arms and patients in one are combined, with Satterthwaite's degrees of freedom.
    """
    design = np.column_stack([nuisance, is_test.astype(float)])
    pick = np.zeros((1, design.shape[1]))
    pick[0, -1] = 1
    paired = bool((np.bincount(patient)[patient] == 2).all())
    dummy = np.random.default_rng(0).normal(size=(len(is_test), 1))
    fit = fit_patient_model(dummy, design, pick, patient, correlation=1.0 if paired else correlation)
    df = float(fit.within_df[0])
    if not fit.repeated[0]:
        return float(fit.within_factor[0, 0]), df
    within = np.array([1 - correlation])
    with np.errstate(invalid="ignore", divide="ignore"):
        between = within + fit.between_trace / fit.between_df * correlation
    variance, total = effect_variance(fit, within, fit.within_df, between, fit.between_df_effective)
    if not paired:  # at most those of the layer with more, as in the test itself
        df = max(np.floor(min(float(total[0, 0]), max(df, float(fit.between_df_effective[0])))), 1.0)
    return float(variance[0, 0]), df


def t_power(shift: float, df: float, alpha: float, prior_df: float = 0.0) -> float:
    """Chance that a two-sided t test over patients finds an effect.

    Parameters
    ----------
    shift
        Effect over its standard error.
    df
        Residual degrees of freedom of the feature.
    alpha
        Level of the test.
    prior_df
        Prior degrees of freedom from other features (moderated t); the feature has the typical variance.

    Returns
    -------
    In [alpha, 1]; NaN where df is 0.

    References
    ----------
    Noncentral t without a prior; with one, the normal distribution averaged over the variance that is estimated:
    s2 = (prior_df + chi2(df)) / (prior_df + df). Smyth (2004) Stat Appl Genet Mol Biol 3:3.
    """
    if not (df > 0 and np.isfinite(shift)):
        return float("nan")
    critical = stats.t.isf(alpha / 2, df + prior_df)
    scale = np.sqrt((prior_df + stats.chi2.ppf(_NODES, df)) / (prior_df + df)) * critical
    return float(_WEIGHTS @ (stats.norm.sf(scale - shift) + stats.norm.cdf(-scale - shift)))


def hazard_power(log_hazard: float, events: float, alpha: float, variance: float = 1.0) -> float:
    """Chance to find a hazard ratio in a proportional hazards model.

    Parameters
    ----------
    log_hazard
        Log hazard ratio per unit of the covariate.
    events
        Number of observed events.
    alpha
        Level of the two-sided test.
    variance
        Of the covariate over patients: 1 per standard deviation; share x (1 - share) of two groups.

    References
    ----------
    Schoenfeld (1983) Biometrics 39:499; Hsieh & Lavori (2000) Control Clin Trials 21:552 (continuous covariates).
    """
    if events < 1:
        return float("nan")
    shift, critical = log_hazard * np.sqrt(events * variance), stats.norm.isf(alpha / 2)
    return float(stats.norm.sf(critical - shift) + stats.norm.cdf(-critical - shift))


def marker_information(log_hazard: float, events: float, patients: int) -> float:
    """Information that events carry on the log hazard ratio per SD of a normal marker, at that ratio.

    Parameters
    ----------
    log_hazard
        Log hazard ratio per SD.
    events
        Number of observed events, the first ones of all patients (no one drops out before).
    patients
        Number of patients that are followed up.

    Returns
    -------
    Sum over events of the variance of the marker among those at risk. Schoenfeld's number of events is its limit for a
    ratio near 1 and many patients. Patients at high risk have their events first, so that few of them remain to compare
    with.
    """
    number = int(np.floor(events))
    if number < 1 or patients < 2:
        return 0.0
    z = np.linspace(-6, 6, 241)
    density = stats.norm.pdf(z)
    density /= density.sum()
    hazard = np.exp(np.clip(log_hazard * z, -30, 30))
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 1e4, 800)])  # cumulated baseline hazard
    alive = np.exp(-np.outer(grid, hazard)) * density
    weight = alive * hazard
    total = np.maximum(weight.sum(axis=1), 1e-300)
    mean = weight @ z / total
    variance = np.maximum(weight @ z**2 / total - mean**2, 0.0)
    k = np.arange(number)
    at = np.interp((k + 0.5) / patients, 1 - alive.sum(axis=1), variance)
    return float(np.sum(at * (1 - 1 / (patients - k))) * events / number)


def drawn_power(effect: float, error: np.ndarray, se: np.ndarray, df: np.ndarray, alpha: float) -> float:
    """Chance of a two-sided t test to find an effect, over drawn estimates.

    Parameters
    ----------
    effect
        True difference, in the units of `error`.
    error, se, df
        Estimate where there is no effect, its standard error and degrees of freedom, per draw. Shape (draws,).
    alpha
        Level of the test.
    """
    kinds, of = np.unique(df, return_inverse=True)
    critical = stats.t.isf(alpha / 2, kinds)[of.ravel()]
    return float(np.mean(np.abs(error + effect) > critical * se))


def drawn_hazard_p_values(
    log_hazards: np.ndarray, events: int, *, patients: int, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """P-values of Wald's test in proportional hazards models of one standardised normal marker, on drawn times.

    Parameters
    ----------
    log_hazards
        True log hazard ratios per SD. Shape (sizes,).
    events
        Number of observed events, the first ones of all patients.
    patients
        Number of patients that are followed up.
    draws
        Number of cohorts; every size uses the same markers and uniform times.
    rng
        Generator.

    Returns
    -------
    Shape (sizes, draws); NaN where the marker orders the events perfectly, so that the ratio has no finite estimate.
    """
    marker = rng.normal(size=(draws, patients))
    marker = (marker - marker.mean(axis=1, keepdims=True)) / marker.std(axis=1, keepdims=True)
    baseline = rng.exponential(size=(draws, patients))
    found = np.full((len(log_hazards), draws), np.nan)
    for i, size in enumerate(log_hazards):
        order = np.argsort(baseline * np.exp(-size * marker), axis=1)
        x = np.take_along_axis(marker, order, axis=1)
        at_risk = np.maximum.accumulate(x[:, ::-1], axis=1)[:, ::-1][:, :events]
        lowest = np.minimum.accumulate(x[:, ::-1], axis=1)[:, ::-1][:, :events]
        perfect = (x[:, :events] == at_risk).all(axis=1) | (x[:, :events] == lowest).all(axis=1)
        found[i, ~perfect] = _wald_p_values(x[~perfect], events)
    return found


def _wald_p_values(x: np.ndarray, events: int) -> np.ndarray:
    """Newton's method for all cohorts at once; rows of x in the order of their times. Shape (cohorts,)."""
    beta = np.zeros(len(x))
    for _ in range(60):
        weight = np.exp(np.clip(beta[:, None] * x, -300, 300))
        sums = [np.cumsum((weight * x**k)[:, ::-1], axis=1)[:, ::-1][:, :events] for k in range(3)]
        mean = sums[1] / sums[0]
        information = np.maximum((sums[2] / sums[0] - mean**2).sum(axis=1), 1e-12)
        step = np.clip((x[:, :events] - mean).sum(axis=1) / information, -1.0, 1.0)
        beta += step
        if np.abs(step).max(initial=0.0) < 1e-6:
            break
    return np.asarray(2 * stats.norm.sf(np.abs(beta) * np.sqrt(information)))


def discovery_level(power_at: Callable[[float], float], q: float, n_features: int, n_affected: int) -> float:
    """The mean p-value below which Benjamini-Hochberg calls a feature, where some of the features are affected.

    Parameters
    ----------
    power_at
        Chance to find one affected feature at a level.
    q
        False discovery rate.
    n_features, n_affected
        Size of the family, and how many of its features have the effect.

    Returns
    -------
    The largest level t with t = q x (expected number of p-values below t) / n_features; never below q / n_features,
    the level of a single call.

    References
    ----------
    Jung (2005) Bioinformatics 21:3097.
    """
    level = q
    for _ in range(200):
        below = n_affected * power_at(level) + (n_features - n_affected) * level
        new = max(q * min(below, n_features) / n_features, q / n_features)
        if not new < level * (1 - 1e-6):
            break
        level = new
    return level


def detectable(power_at: Callable[[float], float], target: float, start: float = 1.0) -> float:
    """The smallest effect above 0 with power `target`; NaN where no effect below 1000 x `start` has it."""

    def gap(effect: float) -> float:
        return power_at(effect) - target

    high = start
    while not gap(high) > 0:
        high *= 2
        if high > 1000 * start:
            return float("nan")
    return float(brentq(gap, 1e-9, high, xtol=1e-6)) if gap(1e-9) < 0 else 0.0
