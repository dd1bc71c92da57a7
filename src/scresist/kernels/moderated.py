"""Variances moderated over features: the empirical Bayes of moderated t tests."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from scipy.stats import chi2
from scipy.stats import f as f_distribution


@dataclass(frozen=True, slots=True)
class VariancePrior:
    """A scaled inverse chi-square prior: its location (one value, or one per feature) and degrees of freedom."""

    variance: np.ndarray
    df: np.ndarray


def inverse_trigamma(x: np.ndarray) -> np.ndarray:
    """The y with trigamma(y) = x, for x > 0; x = 0 gives infinity.

    References
    ----------
    Smyth (2004) Stat Appl Genet Mol Biol 3:3, appendix: Newton's method on 1 / trigamma, which is convex.
    """
    x = np.asarray(x, dtype=float)
    y = np.full(x.shape, np.inf)
    y[np.isnan(x)] = np.nan
    large, small = x > 1e7, (x > 0) & (x < 1e-6)
    y[large] = 1 / np.sqrt(x[large])
    y[small] = 1 / x[small]
    middle = (x >= 1e-6) & (x <= 1e7)
    target = x[middle]
    guess = 0.5 + 1 / target
    for _ in range(50):
        value = polygamma(1, guess)
        step = value * (1 - value / target) / polygamma(2, guess)
        guess = guess + step
        if guess.size == 0 or np.max(-step / guess) < 1e-10:
            break
    y[middle] = guess
    return y


def natural_spline(x: np.ndarray, df: int) -> np.ndarray:
    """A basis of natural cubic splines with knots at the quantiles of x, the constant included.

    Parameters
    ----------
    x
        Shape (n,).
    df
        Columns of the basis, at least 2: two boundary knots at the range of x and df - 2 inner knots.

    Returns
    -------
    Basis, shape (n, df). Only its span matters.

    References
    ----------
    Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, equations 5.4 and 5.5.
    """
    knots = np.quantile(x, np.linspace(0, 1, df))
    low, scale = knots[0], max(knots[-1] - knots[0], np.finfo(float).tiny)
    u, knots = (x - low) / scale, (knots - low) / scale

    def hinge(k: int) -> np.ndarray:
        gap = knots[-1] - knots[k]
        above = np.maximum(u - knots[k], 0) ** 3 - np.maximum(u - knots[-1], 0) ** 3
        return above / gap if gap > 0 else np.zeros_like(u)

    last = hinge(df - 2)
    return np.column_stack([np.ones_like(u), u, *(hinge(k) - last for k in range(df - 2))])


def variance_prior(
    variance: np.ndarray,
    df: np.ndarray,
    *,
    covariate: np.ndarray | None = None,
    robust: bool = False,
    mean_squared_correlation: float = 0.0,
    caution: float = 0.0,
) -> VariancePrior:
    """The prior distribution of the true variances of the features.

    Parameters
    ----------
    variance
        Sample variances, shape (features,). NaN and zero are left out.
    df
        Their degrees of freedom, shape (features,) or a number.
    covariate
        Where given, the prior variance is a smooth function of it (mean expression, say). Shape (features,).
    robust
        Whether the log variances are winsorised (5 % below, 10 % above) before the moments, so that a few hypervariable
        features do not change the prior of the others.
    mean_squared_correlation
        Mean squared correlation between the residuals of two features. Correlated features have similar variances by
        chance, which would look like a strong prior; 0 treats them as independent, as the reference does.
    caution
        How many standard errors are added to the spread of the variances. A few features tell little about it, and a
        prior taken as too strong costs more than one taken as too weak; 0 is the plain estimate. Not used if `robust`.

    Returns
    -------
    Prior variance (features,) and degrees of freedom (features,); fewer than two usable features give zero degrees of
    freedom: no moderation.

    References
    ----------
    Smyth (2004) Stat Appl Genet Mol Biol 3:3, section 6.2 (moments of log variances); Law et al. (2014) Genome Biol
    15:R29 (the trend); Phipson et al. (2016) Ann Appl Stat 10:946 (winsorised moments).
    """
    variance = np.asarray(variance, dtype=float)
    df = np.broadcast_to(np.asarray(df, dtype=float), variance.shape)
    usable = np.isfinite(variance) & (variance > 0) & (df > 0)
    if covariate is not None:
        usable &= np.isfinite(covariate)
    n = int(usable.sum())
    if n < 2:
        return VariancePrior(np.full(variance.shape, np.nan), np.zeros(variance.shape))
    half = df[usable] / 2
    # A variance that is almost zero for reasons of rounding would dominate the moments of the logs.
    floor = 1e-5 * np.median(variance[usable])
    e = np.log(np.maximum(variance[usable], floor)) - digamma(half) + np.log(half)
    trend = _trend(e, None if covariate is None else np.asarray(covariate, dtype=float)[usable])
    location = np.full(variance.shape, np.nan)
    if robust:
        offset, prior_df = _winsorised_moments(e - trend[0], half, mean_squared_correlation)
        location[usable] = np.exp(trend[0] + offset)
    else:
        noise = float(np.mean(polygamma(1, half)))
        spread = float(np.sum((e - trend[0]) ** 2) / (n - trend[1]))
        excess = spread - noise * (1 - mean_squared_correlation)
        effective = n / (1 + (n - 1) * mean_squared_correlation)
        excess += caution * (max(excess, 0.0) + noise) * np.sqrt(2 / max(effective - 1, 1.0))
        prior_df = 2 * float(inverse_trigamma(np.array([excess]))[0]) if excess > 0 else np.inf
        shift = digamma(prior_df / 2) - np.log(prior_df / 2) if np.isfinite(prior_df) else 0.0
        location[usable] = np.exp(trend[0] + shift)
        if np.isinf(prior_df) and covariate is None:
            location[usable] = np.mean(variance[usable])
    if covariate is None:
        location[:] = location[usable][0]
    return VariancePrior(location, np.full(variance.shape, prior_df))


def _trend(e: np.ndarray, covariate: np.ndarray | None) -> tuple[np.ndarray, int]:
    """The fitted mean of e and the parameters it took."""
    n_splines = 1 + int(e.size >= 3) + int(e.size >= 6) + int(e.size >= 30)
    if covariate is None or n_splines < 2 or np.unique(covariate).size < n_splines:
        return np.full(e.shape, e.mean()), 1
    basis = natural_spline(covariate, n_splines)
    coefficients, _, rank, _ = np.linalg.lstsq(basis, e, rcond=None)
    return basis @ coefficients, int(rank)


def _winsorised_moments(
    e: np.ndarray, half_df: np.ndarray, mean_squared_correlation: float, low: float = 0.05, high: float = 0.1
) -> tuple[float, float]:
    """Log location (relative to the trend) and degrees of freedom whose winsorised log F has the moments of e."""
    half = float(np.median(half_df))
    level = np.clip(e, *np.quantile(e, [low, 1 - high]))
    observed = float(level.var(ddof=1))
    u = (np.arange(1000) + 0.5) / 1000

    def moments(prior_df: float) -> tuple[float, float]:
        quantiles = (
            chi2.ppf(u, 2 * half) / (2 * half) if np.isinf(prior_df) else f_distribution.ppf(u, 2 * half, prior_df)
        )
        logs = np.log(quantiles) - digamma(half) + np.log(half)
        kept = np.clip(logs, *np.quantile(logs, [low, 1 - high]))
        return float(kept.mean()), float(kept.var())

    # Correlated features share part of the sampling noise, which is then not part of the spread between them.
    missing = moments(np.inf)[1] * mean_squared_correlation
    if observed + missing <= moments(np.inf)[1]:
        return float(level.mean()) - moments(np.inf)[0], np.inf
    prior_df = (
        2 ** float(brentq(lambda x: moments(2.0**x)[1] - observed - missing, -4, 20, xtol=1e-6))
        if (moments(2.0**-4)[1] > observed + missing > moments(2.0**20)[1])
        else (2.0**-4 if observed + missing >= moments(2.0**-4)[1] else np.inf)
    )
    return float(level.mean()) - moments(prior_df)[0], prior_df


def squeeze(
    variance: np.ndarray, df: np.ndarray, prior: VariancePrior, *, df_limit: float = np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior variances and their degrees of freedom, at most `df_limit` (those of all features together).

    Without prior degrees of freedom the variances do not change.
    """
    variance = np.asarray(variance, dtype=float)
    df = np.broadcast_to(np.asarray(df, dtype=float), variance.shape)
    with np.errstate(invalid="ignore"):
        mixed = (df * variance + prior.df * prior.variance) / (df + prior.df)
    posterior = np.where(np.isinf(prior.df), prior.variance, np.where(prior.df > 0, mixed, variance))
    posterior = np.where(np.isfinite(variance) & (df > 0), posterior, np.nan)
    return posterior, np.maximum(df, np.minimum(df + prior.df, df_limit))


def mean_squared_correlation(residuals: np.ndarray) -> float:
    """Mean squared correlation between two different features beyond that of chance, in [0, 1].

    Parameters
    ----------
    residuals
        Independent residuals (degrees of freedom, features): already rotated so that rows are exchangeable. At most
        500 evenly spaced features are used.

    Returns
    -------
    0 for a single feature; NaN for fewer than two degrees of freedom.
    """
    df, n_features = residuals.shape
    if n_features < 2:
        return 0.0
    if df < 2:
        return float("nan")
    part = residuals[:, np.unique(np.linspace(0, n_features - 1, 500).astype(int))]
    length = np.sqrt(np.sum(part**2, axis=0))
    part = part[:, length > 0] / length[length > 0]
    k = part.shape[1]
    if k < 2:
        return 0.0
    gram = part.T @ part
    mean = (float(np.sum(gram**2)) - k) / (k * (k - 1))
    return float(np.clip((mean - 1 / df) / (1 - 1 / df), 0.0, 1.0))
