"""Agreement between readers: intraclass correlations, weighted kappa, Krippendorff's alpha, limits of agreement."""

from typing import NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A coefficient with its interval; NaN where it is not defined."""

    value: float
    low: float
    high: float


class Correlations(NamedTuple):
    """Intraclass correlations: one random reader, agreement and consistency; of one reader and of the mean of all."""

    oneway: Estimate
    oneway_average: Estimate
    agreement: Estimate
    agreement_average: Estimate
    consistency: Estimate
    consistency_average: Estimate


class Limits(NamedTuple):
    """Mean difference of two readers and the limits that 95 % of the differences lie within, each with its interval."""

    bias: Estimate
    lower: Estimate
    upper: Estimate
    sd: float


def intraclass(scores: np.ndarray, alpha: float) -> Correlations:
    """Intraclass correlations of McGraw & Wong, with their F intervals.

    Parameters
    ----------
    scores
        Cores x readers, no missing value; at least 2 x 2.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Notes
    -----
    McGraw KO & Wong SP 1996, Psychological Methods 1:30.
    """
    n, k = scores.shape
    total = scores.mean()
    rows, columns = scores.mean(axis=1), scores.mean(axis=0)
    between = k * np.sum((rows - total) ** 2) / (n - 1)
    readers = n * np.sum((columns - total) ** 2) / (k - 1)
    within = np.sum((scores - rows[:, None]) ** 2) / (n * (k - 1))
    rest = scores - rows[:, None] - columns[None, :] + total
    error = np.sum(rest**2) / ((n - 1) * (k - 1))
    one = _ratio(between, within, n - 1, n * (k - 1), k, alpha)
    consistent = _ratio(between, error, n - 1, (n - 1) * (k - 1), k, alpha)
    return Correlations(*one, *_absolute(between, readers, error, n, k, alpha), *consistent)


def _ratio(signal: float, noise: float, df1: int, df2: int, k: int, alpha: float) -> tuple[Estimate, Estimate]:
    if not signal + noise > 0:
        none = Estimate(np.nan, np.nan, np.nan)
        return none, none
    f = signal / noise if noise > 0 else np.inf
    low = f / stats.f.ppf(1 - alpha / 2, df1, df2)
    high = f * stats.f.ppf(1 - alpha / 2, df2, df1)
    single = [(v - 1) / (v + k - 1) if np.isfinite(v) else 1.0 for v in (f, low, high)]
    average = [1 - 1 / v if v > 0 else -np.inf for v in (f, low, high)]
    return Estimate(*single), Estimate(*average)


def _absolute(between: float, readers: float, error: float, n: int, k: int, alpha: float) -> tuple[Estimate, Estimate]:
    below = between + (k - 1) * error + k * (readers - error) / n
    if not below > 0:
        none = Estimate(np.nan, np.nan, np.nan)
        return none, none
    single = (between - error) / below
    average = (between - error) / (between + (readers - error) / n)
    found = []
    for r, j in ((single, k), (average, 1)):
        if r >= 1:
            found.append(Estimate(1.0, 1.0, 1.0))
            continue
        a, b = j * r / (n * (1 - r)), 1 + j * r * (n - 1) / (n * (1 - r))
        # Satterthwaite's degrees of freedom of the readers' and the error's mean squares together.
        df = (a * readers + b * error) ** 2 / ((a * readers) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1)))
        lower, upper = stats.f.ppf(1 - alpha / 2, n - 1, df), stats.f.ppf(1 - alpha / 2, df, n - 1)
        other = j * readers + (j * n - j - n) * error if j > 1 else readers - error
        low = n * (between - lower * error) / (lower * other + n * between)
        high = n * (upper * between - error) / (other + n * upper * between)
        found.append(Estimate(r, low, high))
    return found[0], found[1]


def weighted_kappa(a: np.ndarray, b: np.ndarray, n_levels: int, power: float, alpha: float) -> Estimate:
    """Cohen's kappa of two readers with weights by the distance of the levels.

    Parameters
    ----------
    a, b
        Level of every core, 0 to `n_levels` - 1.
    n_levels
        Levels of the scale.
    power
        0: every disagreement counts the same; 1: by the distance; 2: by its square.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Notes
    -----
    Fleiss JL, Cohen J & Everitt BS 1969, Psychological Bulletin 72:323.
    """
    n = len(a)
    table = np.zeros((n_levels, n_levels))
    np.add.at(table, (a, b), 1.0 / n)
    away = np.abs(np.subtract.outer(np.arange(n_levels), np.arange(n_levels))).astype(float)
    weights = 1.0 - (away > 0 if power == 0 else (away / (n_levels - 1)) ** power)
    first, second = table.sum(axis=1), table.sum(axis=0)
    observed, expected = float((weights * table).sum()), float(first @ weights @ second)
    if expected >= 1.0:
        return Estimate(np.nan, np.nan, np.nan)
    kappa = (observed - expected) / (1 - expected)
    means = (weights @ second)[:, None] + (first @ weights)[None, :]
    spread = float((table * (weights - means * (1 - kappa)) ** 2).sum()) - (kappa - expected * (1 - kappa)) ** 2
    half = stats.norm.ppf(1 - alpha / 2) * np.sqrt(max(spread, 0.0) / n) / (1 - expected)
    return Estimate(kappa, kappa - half, kappa + half)


def krippendorff(scores: np.ndarray, level: str) -> float:
    """Krippendorff's alpha of any number of readers; missing scores are allowed.

    Parameters
    ----------
    scores
        Cores x readers, NaN where a reader gave none.
    level
        nominal, ordinal or interval.

    Notes
    -----
    Krippendorff K 2004, Human Communication Research 30:411.
    """
    rated = scores[np.isfinite(scores).sum(axis=1) > 1]
    values, coded = np.unique(rated[np.isfinite(rated)], return_inverse=True)
    if len(values) < 2:
        return float("nan")
    codes = np.full(rated.shape, -1)
    codes[np.isfinite(rated)] = coded
    pairs = np.zeros((len(values), len(values)))
    for row in codes:
        own = np.bincount(row[row >= 0], minlength=len(values)).astype(float)
        pairs += (np.outer(own, own) - np.diag(own)) / (own.sum() - 1)
    margin = pairs.sum(axis=1)
    if level == "nominal":
        distance = 1.0 - np.eye(len(values))
    elif level == "interval":
        distance = np.subtract.outer(values, values) ** 2
    else:
        middle = np.cumsum(margin) - margin / 2
        distance = np.subtract.outer(middle, middle) ** 2
    n = margin.sum()
    expected = float(margin @ distance @ margin) / (n - 1)
    return 1.0 - float((pairs * distance).sum()) / expected if expected > 0 else float("nan")


def limits_of_agreement(difference: np.ndarray, alpha: float) -> Limits:
    """Mean difference and 95 % limits of agreement, with exact intervals under normality.

    Parameters
    ----------
    difference
        One reader minus the other, per core; at least 3.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Notes
    -----
    Bland JM & Altman DG 1986, Lancet 327:307; exact intervals of the limits: Carkeet A 2015, Optom Vis Sci 92:e71.
    """
    n = len(difference)
    mean, sd = float(difference.mean()), float(difference.std(ddof=1))
    z, error = stats.norm.ppf(0.975), sd / np.sqrt(n)
    half = stats.t.ppf(1 - alpha / 2, n - 1) * error
    inner, outer = (error * float(stats.nct.ppf(p, n - 1, z * np.sqrt(n))) for p in (alpha / 2, 1 - alpha / 2))
    return Limits(
        Estimate(mean, mean - half, mean + half), Estimate(mean - z * sd, mean - outer, mean - inner),
        Estimate(mean + z * sd, mean + inner, mean + outer), sd,
    )  # fmt: skip
