"""Arms whose ratio of variances differs by feature: a variance for each arm, learnt from all features and arms."""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from scresist.kernels.arm_variance import ArmVariances, shown, smallest
from scresist.kernels.moderated import inverse_trigamma

_SMALLEST = 1e-6  # of the spread of log variances over features: none is known exactly


class ArmPriors(NamedTuple):
    """How the logarithms of the arms' variances are distributed over features.

    `mean` (arms, 1), `covariance` (arms, arms), the covariance with which the mean is known, `of_mean` (arms,
    arms), and the variance up to which an arm shows nothing, `smallest` (arms, 1).
    """

    mean: np.ndarray
    covariance: np.ndarray
    of_mean: np.ndarray
    smallest: np.ndarray


def arm_priors(
    found: ArmVariances,
    usable: np.ndarray,
    *,
    mean_squared_correlation: float = 0.0,
    caution: float = 0.0,
) -> ArmPriors:
    """The distribution over features of the variances of all arms together.

    Parameters
    ----------
    found
        From `arm_variances`.
    usable
        Features that can be tested. Shape (features,).
    mean_squared_correlation
        Between features: correlated ones are worth fewer.
    caution
        Standard errors that are added to the spread over features.

    Returns
    -------
    The moments of the log variances less what sampling adds, over the features in which every arm has residuals.

    References
    ----------
    Moments of log chi-square as in Smyth (2004) Stat Appl Genet Mol Biol 3:3, for several variances of a feature.
    """
    floor = smallest(found, usable)
    here = usable & shown(found, floor).all(axis=0)
    logs, noise = _logs(found, floor)
    mean = logs[:, here].mean(axis=1, keepdims=True)
    rest, free = logs[:, here] - mean, max(int(here.sum()) - 1, 1)
    sampling = np.diag(noise[:, here].mean(axis=1))
    rho = float(np.clip(mean_squared_correlation, 0.0, 1.0))
    effective = free / (1 + (free - 1) * rho)
    observed = rest @ rest.T / free
    spread = observed - sampling * (1 - rho)
    spread += np.diag(caution * (np.maximum(np.diag(spread), 0) + np.diag(sampling)) * np.sqrt(2 / max(effective, 1.0)))
    values, vectors = np.linalg.eigh((spread + spread.T) / 2)
    covariance = (vectors * np.maximum(values, _SMALLEST)) @ vectors.T
    return ArmPriors(mean, covariance, (covariance + sampling) / effective, floor)


def effect_variances(found: ArmVariances, priors: ArmPriors) -> tuple[np.ndarray, np.ndarray]:
    """Variance of an effect over its factor, with degrees of freedom, each (features,); NaN where an arm shows nothing.

    The log variances of the arms are estimated together: what they show themselves, weighed with what all features
    show (normal on the log scale). Their sum, by the part that each arm has in the effect, is taken as a scaled inverse
    chi-square variable with the same mean and variance of its logarithm.

    Parameters
    ----------
    found
        From `arm_variances`, under the weights of the fit.
    priors
        From `arm_priors`, under the same weights.

    References
    ----------
    Smyth (2004) for one variance; sums of log-normal variables by moments: Fenton (1960) IRE Trans Commun Syst 8:57.
    """
    logs, noise = _logs(found, priors.smallest)
    part = np.nan_to_num(found.share).T  # (features, arms)
    information = np.where(np.isfinite(logs), 1 / noise, 0.0).T
    prior = np.linalg.inv(priors.covariance)
    posterior = np.linalg.inv(prior + information[:, :, None] * np.eye(len(prior)))
    off = np.where(np.isfinite(logs), logs - priors.mean, 0.0).T
    mean = priors.mean.T + np.einsum("fab,fb->fa", posterior, information * off)
    kept = posterior @ prior  # how far an error of the mean stays
    covariance = posterior + kept @ priors.of_mean @ np.swapaxes(kept, 1, 2)
    single = np.einsum("faa->fa", covariance)
    values = part * np.exp(mean + single / 2)
    first = values.sum(axis=1)
    second = np.einsum("fa,fb,fab->f", values, values, np.exp(covariance))
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.log(second / first**2)
        df = 2 * inverse_trigamma(variance)
        log_variance = np.log(first) - variance / 2 + digamma(df / 2) - np.log(df / 2)
    known = ((information > 0) | (part == 0)).all(axis=1) & (first > 0)
    return np.where(known, np.exp(log_variance), np.nan), np.where(known, df, np.nan)


def _logs(found: ArmVariances, floor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unbiased log variances, NaN where an arm shows nothing, and the variance of each; (arms, features)."""
    known = shown(found, floor)
    half = np.where(known, found.df, 2.0) / 2
    logs = np.log(np.where(known, found.mean_square, 1.0)) - digamma(half) + np.log(half)
    return np.where(known, logs, np.nan), polygamma(1, half)
