"""Arms beside those that are compared: what their residuals tell about the same features' variances."""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

_MIN_DF = 0.5  # an arm with fewer degrees of freedom than this for a feature adds nothing to it


class SharedVariance(NamedTuple):
    """Mean squares of other arms (arms, features), divided by the ratio to those that are compared, with what they add.

    `df` are the degrees of freedom of each (arms, features), 0 where it adds nothing; `independent` the number of
    independent features that each ratio was learnt from (arms,).
    """

    mean_square: np.ndarray
    df: np.ndarray
    independent: np.ndarray

    def pick(self, features: np.ndarray) -> "SharedVariance":
        """The same for some of the features."""
        return SharedVariance(self.mean_square[:, features], self.df[:, features], self.independent)


def share_variance(
    mean_square: np.ndarray,
    df: np.ndarray,
    others: np.ndarray,
    others_df: np.ndarray,
    usable: np.ndarray,
    *,
    mean_squared_correlation: float = 0.0,
    equal: bool = False,
) -> SharedVariance:
    """What the residuals of other arms tell about the variances of features in the arms that are compared.

    Another arm may vary more or less: its ratio to the compared arms is the mean over features, and how much features
    differ in it is estimated. The less they share one ratio, the less the arm adds; from a single feature nothing is
    learnt.

    Parameters
    ----------
    mean_square, df
        Of the residuals of the compared arms. Shape (features,).
    others, others_df
        The same of each other arm, shape (arms, features). NaN or 0 degrees of freedom where an arm has no residual.
    usable
        Features that can be tested. Shape (features,).
    mean_squared_correlation
        Between features: correlated ones are worth fewer.
    equal
        Whether all arms are taken to vary equally: each ratio is 1 and known.

    References
    ----------
    One linear model of all arms, as in Smyth (2004) Stat Appl Genet Mol Biol 3:3, where they vary equally. Moments of
    log chi-square variables for the ratio and its spread; a spread of t adds t to the variance of a log mean square,
    2 / df.
    """
    scaled, added = np.full(others.shape, np.nan), np.zeros(others.shape)
    independent = np.full(len(others), np.inf)
    current, current_df = np.asarray(mean_square, dtype=float), np.asarray(df, dtype=float)
    for k, (own, own_df) in enumerate(zip(others, others_df, strict=True)):
        here = usable & (current_df > _MIN_DF) & (own_df > _MIN_DF) & (current > 0) & (own > 0)
        if not here.any():
            continue
        ratio, spread = (1.0, 0.0) if equal else _ratio(
            own[here], own_df[here], current[here], current_df[here], mean_squared_correlation
        )  # fmt: skip
        n = int(here.sum())
        if not equal:
            independent[k] = n / (1 + (n - 1) * float(np.clip(mean_squared_correlation, 0.0, 1.0)))
        scaled[k, here] = own[here] / ratio
        added[k, here] = 2 / (2 / own_df[here] + spread)
        one = SharedVariance(scaled[k : k + 1], added[k : k + 1], independent[k : k + 1])
        current, current_df = pooled(current, current_df, one)
    return SharedVariance(scaled, added, independent)


def _ratio(
    own: np.ndarray, own_df: np.ndarray, current: np.ndarray, current_df: np.ndarray, correlation: float
) -> tuple[float, float]:
    """The ratio of variances that features share, and how much its logarithm differs between them beyond chance."""
    half = np.stack([own_df / 2, current_df / 2])
    expected = digamma(half) - np.log(half) if own.size > 1 else np.zeros(half.shape)
    logs = np.log(np.stack([own, current])) - expected
    difference, noise = logs[0] - logs[1], polygamma(1, half).sum(axis=0)
    mean = float(np.average(difference, weights=1 / noise))
    if own.size < 2:
        return float(np.exp(mean)), 0.0
    excess = float(difference.var(ddof=1)) - float(noise.mean()) * (1 - correlation)
    return float(np.exp(mean)), max(excess, 0.0)


def pooled(mean_square: np.ndarray, df: np.ndarray, shared: SharedVariance) -> tuple[np.ndarray, np.ndarray]:
    """The mean square of each feature over its own and the other arms, and its degrees of freedom; (features,) each.

    Parameters
    ----------
    mean_square, df
        Of the residuals of the compared arms. Shape (features,).
    shared
        From `share_variance`.

    References
    ----------
    The inverse of the information on a log variance whose arms share an unknown ratio over m features:
    2 (1 + b / (m a)) / (a + b) for a own degrees of freedom and b of the other arm. One feature keeps its own.
    """
    for own, own_df, m in zip(*shared, strict=True):
        adds = (own_df > 0) & (df > 0)
        both = np.where(adds, df + own_df, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_square = np.where(adds, (df * mean_square + own_df * own) / both, mean_square)
            df = np.where(adds, both / (1 + own_df / (m * df)), df)
    return mean_square, df
