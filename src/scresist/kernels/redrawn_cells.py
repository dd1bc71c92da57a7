"""Numbers of cells drawn anew where no arm differs: how far a test of a few cells is from its t distribution."""

from typing import NamedTuple

import numpy as np
from scipy.special import betaln, expit, gammaln, logit, stdtr, stdtrit

from scresist.kernels.cell_numbers import LogNumbers, expected_log_odds, expected_log_rates, stretched

_DISPERSIONS = np.geomspace(1e-4, 50, 40)  # squared coefficients of variation of rates
_CORRELATIONS = np.geomspace(1e-6, 0.9, 40)  # of the cells of a patient
_FARTHEST = 1e-100  # a p-value; scipy's inverse of t fails below 1e-200
_ROUNDS = 12


class _Likely(NamedTuple):
    """Dispersions with their probability, the mean at each and the information on its logarithm (logit)."""

    dispersion: np.ndarray
    probability: np.ndarray
    mean: np.ndarray
    information: np.ndarray


def redrawn_rates(counts: np.ndarray, found: LogNumbers, column: int, draws: int, seed: int) -> np.ndarray:
    """Log rates of one type in draws in which all units have one distribution; shape (units, draws).

    The dispersion and the mean are not known but drawn too: a dispersion as likely as the counts make it (its profile
    likelihood, adjusted for the mean, over its logarithm), and the mean of the type given that. Values are computed
    from the drawn counts as those of the data were.

    Parameters
    ----------
    counts
        Cells of the type in each unit. Shape (units,).
    found
        From `log_rates`, and which of its types this is (`column`).
    draws, seed
        How many, and of random numbers; the same for every type, so that their order does not matter.

    References
    ----------
    Rubin (1984) Ann Stat 12:1151 (predictive p-values); Cox & Reid (1987) J R Stat Soc B 49:1 (adjusted profile
    likelihood).
    """
    rng, exposure = np.random.default_rng(seed), found.exposure[:, column]
    likely = _likely_rates(counts, exposure)
    pick = _picked(likely.probability, draws)
    dispersion = likely.dispersion[pick]
    mean = likely.mean[pick] * np.exp(rng.normal(size=draws) / np.sqrt(likely.information[pick]))
    rate = mean * dispersion * rng.gamma(1 / dispersion, size=(exposure.size, draws))
    drawn = rng.poisson(exposure[:, None] * rate)
    given, prior = expected_log_rates(drawn, exposure[:, None], found.mean[column], found.dispersion[column])
    return stretched(given, prior, found.reliability[:, column, None])


def redrawn_odds(counts: np.ndarray, found: LogNumbers, column: int, draws: int, seed: int) -> np.ndarray:
    """Log odds of one type in draws in which all units have one distribution; shape (units, draws).

    As `redrawn_rates`, with shares of patients from a beta distribution.

    Parameters
    ----------
    counts
        Cells of the type in each unit. Shape (units,).
    found
        From `log_odds`, and which of its types this is (`column`).
    draws, seed
        How many, and of random numbers.
    """
    rng, n = np.random.default_rng(seed), found.exposure[:, column]
    likely = _likely_shares(counts, n)
    pick = _picked(likely.probability, draws)
    size = 1 / likely.dispersion[pick] - 1
    mean = expit(logit(likely.mean[pick]) + rng.normal(size=draws) / np.sqrt(likely.information[pick]))
    share = rng.beta(np.maximum(mean * size, 1e-9), np.maximum((1 - mean) * size, 1e-9), size=(n.size, draws))
    drawn = rng.binomial(np.round(n).astype(int)[:, None], share)
    given, prior = expected_log_odds(drawn, n[:, None], found.mean[column], found.dispersion[column])
    return stretched(given, prior, found.reliability[:, column, None])


def degrees_of_tail(p_values: np.ndarray, df: float, level: float) -> float:
    """Degrees of freedom at which a t distribution has `level` beyond where the draws have it; at most `df`.

    Parameters
    ----------
    p_values
        Of draws of the null, two-sided, by a t distribution of `df` degrees of freedom. Shape (draws,).
    df
        Degrees of freedom of the test.
    level
        Share of the draws whose smallest p-values are looked at.

    Returns
    -------
    1 at the least: heavier tails are not allowed for.
    """
    reached = np.quantile(p_values, level)
    if reached >= level or df <= 1:
        return float(df)
    far = -stdtrit(df, max(reached, _FARTHEST) / 2)
    low, high = 0.0, float(np.log(min(df, 1e6)))
    for _ in range(40):
        middle = (low + high) / 2
        if 2 * stdtr(np.exp(middle), -far) > level:
            low = middle
        else:
            high = middle
    return float(np.exp(low))


def _likely_rates(counts: np.ndarray, exposure: np.ndarray) -> _Likely:
    dispersion = _DISPERSIONS[:, None]
    mean = np.full(dispersion.shape, max(counts.sum() / exposure.sum(), 1e-9))
    for _ in range(_ROUNDS):
        precision = 1 / (1 + dispersion * exposure * mean)
        mean = (precision * counts).sum(axis=1, keepdims=True) / (precision * exposure).sum(axis=1, keepdims=True)
        mean = np.maximum(mean, 1e-9)
    expected, shape = exposure * mean, 1 / dispersion
    information = np.sum(expected / (1 + dispersion * expected), axis=1)
    logs = gammaln(counts + shape) - gammaln(shape) - shape * np.log1p(dispersion * expected)
    logs = logs + counts * np.log(dispersion * expected / (1 + dispersion * expected))
    return _with_probability(_DISPERSIONS, logs.sum(axis=1), mean[:, 0], information)


def _likely_shares(counts: np.ndarray, n: np.ndarray) -> _Likely:
    correlation = _CORRELATIONS[:, None]
    precision = n / (1 + (n - 1) * correlation)
    mean = np.sum(precision * counts / n, axis=1, keepdims=True) / precision.sum(axis=1, keepdims=True)
    mean = np.clip(mean, 1e-9, 1 - 1e-9)
    size = 1 / correlation - 1
    one, other = mean * size, (1 - mean) * size
    logs = betaln(one + counts, other + n - counts) - betaln(one, other)
    information = np.sum(mean * (1 - mean) * precision, axis=1)
    return _with_probability(_CORRELATIONS, logs.sum(axis=1), mean[:, 0], information)


def _with_probability(dispersion: np.ndarray, logs: np.ndarray, mean: np.ndarray, information: np.ndarray) -> _Likely:
    adjusted = logs - np.log(information) / 2
    weight = np.exp(adjusted - adjusted.max())
    return _Likely(dispersion, weight / weight.sum(), mean, information)


def _picked(probability: np.ndarray, draws: int) -> np.ndarray:
    """Places of the draws, each as often as it is probable."""
    places = (np.arange(draws) + 0.5) / draws
    return np.minimum(np.searchsorted(np.cumsum(probability), places), probability.size - 1)
