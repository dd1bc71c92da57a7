"""Arms that vary unequally: the ratio of their variances per feature, learnt from all features together."""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma

from scresist.kernels.patient_model import feature_groups, pseudo_inverse

MIN_FEATURES = 15  # with fewer, features are taken to share one ratio: how much it differs cannot be estimated
MIN_DF = 0.5  # an arm with fewer degrees of freedom for a feature shows nothing of its variance
SMALLEST = 1e-5  # of the median over features: a smaller variance is that of rounding, or of a feature that is off
DOUBT = 0.15  # of what sampling adds: how much ratios of so few features are taken to differ beyond what they show
DIFFERENT = 0.1  # of what sampling adds; where ratios differ less, shrinking them to their mean errs by 0.003


class ArmVariances(NamedTuple):
    """Mean squares of the residuals of each arm (rows, by code: the reference first) with their degrees of freedom.

    `share` is the part of the variance of the effect that comes from each arm, were all equally variable. All of shape
    (arms, features).
    """

    mean_square: np.ndarray
    df: np.ndarray
    share: np.ndarray


class VarianceRatio(NamedTuple):
    """Variance of each further arm over that of the first (arms - 1, features), and how certain it is (0 to 1).

    `differ` is whether the ratios of features differ much, so that none is right for all. `apart` is the weight that
    each feature's own arm variances have (0 to 1) where too few features show whether they do.
    """

    ratio: np.ndarray
    certainty: np.ndarray
    differ: bool = False
    apart: float = 0.0

    def pick(self, features: np.ndarray) -> "VarianceRatio":
        """The same for some of the features."""
        return VarianceRatio(self.ratio[:, features], self.certainty[features], self.differ, self.apart)


def arm_variances(
    values: np.ndarray,
    design: np.ndarray,
    arm: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    pick: np.ndarray | None = None,
) -> ArmVariances:
    """How much the residuals of each arm vary.

    Parameters
    ----------
    values
        Shape (units, features), one unit per patient. NaN is missing.
    design
        Columns of the linear model. Shape (units, parameters).
    arm
        Codes 0 .. arms - 1, or whether a unit is of the test arm. Shape (units,).
    weights
        Precisions of the units, shape (units,) or (units, features); None is 1 throughout.
    pick
        The combination of parameters that is the effect, shape (parameters,); None is the last parameter.

    Returns
    -------
    NaN and 0 degrees of freedom where an arm leaves no residual.

    References
    ----------
    The mean square of an arm divides by what the fit leaves of it; its degrees of freedom follow Satterthwaite (1946)
    Biometrics Bull 2:110. Without covariates they are the variance of the arm and its size less one.
    """
    values = np.asarray(values, dtype=float)
    missing = np.isnan(values)
    base = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=float)
    full = np.where(missing, 0.0, base if base.ndim == 2 else np.broadcast_to(base[:, None], values.shape))
    filled = np.where(missing, 0.0, values)
    code = np.asarray(arm).astype(int)
    effect = np.eye(design.shape[1])[-1] if pick is None else np.asarray(pick, dtype=float)
    out = np.full((3, int(code.max(initial=1)) + 1, values.shape[1]), np.nan)
    per_feature = base.ndim == 2
    for features in feature_groups(missing, per_feature=per_feature):
        if per_feature:
            w, y = full[:, features].T, filled[:, features].T[:, :, None]
        else:
            w, y = full[:, features[:1]].T, filled[None][:, :, features]
        out[:, :, features] = _variances(y, w, design, code, effect)
    return ArmVariances(*out)


def _variances(y: np.ndarray, w: np.ndarray, design: np.ndarray, code: np.ndarray, pick: np.ndarray) -> np.ndarray:
    """For g weightings of the units (w: g, n) and f features under each (y: g, n, f); shape (3, arms, g * f)."""
    v = np.sqrt(w)
    x, ys = v[:, :, None] * design, v[:, :, None] * y
    x_t = np.swapaxes(x, 1, 2)
    inverse, _ = pseudo_inverse(x_t @ x, x_t @ x)
    spread = x @ inverse  # (g, n, parameters)
    residual = ys - x @ (np.swapaxes(spread, 1, 2) @ ys)
    leverage = np.sum(spread * x, axis=2)
    weight_of = spread @ pick  # of each unit in the effect (g, n)
    g, f = y.shape[0], y.shape[2]
    n_arms = int(code.max(initial=1)) + 1
    out = np.empty((3, n_arms, g * f))
    present = w > 0
    total = np.sum(weight_of**2, axis=1)
    for row, arm in enumerate(code == k for k in range(n_arms)):
        n, h = present[:, arm].sum(axis=1), leverage[:, arm].sum(axis=1)
        block = inverse @ (x_t[:, :, arm] @ x[:, arm])  # the hat matrix of the arm has the same trace of its square
        trace, squares = n - h, n - 2 * h + np.einsum("gij,gji->g", block, block)
        usable = trace > 1e-8
        df = np.where(usable, trace**2 / np.where(usable, squares, 1.0), 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_square = np.sum(residual[:, arm] ** 2, axis=1) / np.where(usable, trace, np.nan)[:, None]
        share = np.sum(weight_of[:, arm] ** 2, axis=1) / np.where(total > 0, total, np.nan)
        out[0, row], out[1, row], out[2, row] = mean_square.ravel(), np.repeat(df, f), np.repeat(share, f)
    return out


def variance_ratio(found: ArmVariances, usable: np.ndarray, mean_squared_correlation: float = 0.0) -> VarianceRatio:
    """The variance of each further arm over that of the first, each feature's own shrunken to the mean of all.

    Two arms of a few patients tell little about the ratio of one feature; over all features its mean is known well,
    and so is how much features differ beyond what chance gives. Where they differ much, no ratio is right for all, and
    the mean is given for every feature: use `separate_variances` then.

    Parameters
    ----------
    found
        From `arm_variances`.
    usable
        Features that can be tested. Shape (features,).
    mean_squared_correlation
        Between features: correlated ones are worth fewer.

    Returns
    -------
    Ratio 1 with certainty 1 where an arm has no residual. Certainty is 1 - (variance of the ratio that is left) /
    (that of the feature's own ratio), on the log scale: 1 is as good as known, 0 is known from the feature alone.
    `differ` is whether the ratios of features differ much; it needs features in which every arm has residuals. `apart`
    is above 0 with 2 to 14 features: their variance in the ratio beyond chance, and a part of what chance adds, over
    the same and all that chance adds.

    References
    ----------
    Moments of log chi-square as in Smyth (2004) Stat Appl Genet Mol Biol 3:3; one ratio for all features is the model
    of Ritchie et al. (2006) BMC Bioinformatics 7:261 with the arm as the only term.
    """
    each = [_OneRatio.of(found, k, usable, mean_squared_correlation) for k in range(1, len(found.df))]
    everywhere = np.logical_and.reduce([one.here for one in each])
    differ = everywhere.sum() >= MIN_FEATURES and any(one.differ > DIFFERENT * one.noise.mean() for one in each)
    filled = [one.filled(common=differ) for one in each]
    apart = max(one.apart(mean_squared_correlation) for one in each)
    return VarianceRatio(np.stack([r for r, _ in filled]), np.min([c for _, c in filled], axis=0), bool(differ), apart)


def smallest(found: ArmVariances, usable: np.ndarray) -> np.ndarray:
    """Mean square of each arm up to which a feature shows nothing of how arms vary. Shape (arms, 1).

    Parameters
    ----------
    found
        From `arm_variances`.
    usable
        Features that can be tested. Shape (features,).
    """
    squares = np.where(usable & shown(found, 0.0), found.mean_square, np.nan)
    known = np.isfinite(squares).any(axis=1)
    out = np.zeros((len(squares), 1))
    out[known, 0] = SMALLEST * np.nanmedian(squares[known], axis=1)
    return out


def shown(found: ArmVariances, floor: np.ndarray | float) -> np.ndarray:
    """Whether an arm shows anything of the variance of a feature: more than `floor`. Shape (arms, features)."""
    return np.asarray((found.df > MIN_DF) & (found.mean_square > floor))


class _OneRatio(NamedTuple):
    """Of one arm to the first: features that show it, their log ratios, what sampling adds, its mean and spread."""

    here: np.ndarray
    own: np.ndarray
    noise: np.ndarray
    mean: float
    differ: float
    effective: float

    @classmethod
    def of(cls, found: ArmVariances, row: int, usable: np.ndarray, mean_squared_correlation: float) -> "_OneRatio":
        found = ArmVariances(*(part[[0, row]] for part in found))
        here = usable & shown(found, smallest(found, usable)).all(axis=0)
        if not here.any():
            return cls(here, np.zeros(0), np.zeros(0), 0.0, 0.0, 1.0)
        half = found.df[:, here] / 2
        n = int(here.sum())
        # A mean over features needs the expectation of a log variance; a single feature has its own ratio, as Welch's.
        expected = digamma(half) - np.log(half) if n > 1 else np.zeros(half.shape)
        logs = np.log(found.mean_square[:, here]) - expected
        own, noise = logs[1] - logs[0], polygamma(1, half).sum(axis=0)
        rho = float(np.clip(mean_squared_correlation, 0.0, 1.0)) if n > 1 else 1.0
        effective, differ = n / (1 + (n - 1) * rho), 0.0
        if n >= MIN_FEATURES:
            # Less one standard error: half of all families would otherwise keep own ratios where features share one.
            chance = float(noise.mean()) * (1 - rho + np.sqrt(2 / max(effective - 1, 1.0)))
            differ = max(0.0, float(own.var(ddof=1)) - chance)
        return cls(here, own, noise, float(np.average(own, weights=1 / noise)), differ, effective)

    def apart(self, mean_squared_correlation: float) -> float:
        """Weight of each feature's own ratio where there are too few features to see whether ratios differ."""
        if not 1 < self.own.size < MIN_FEATURES:
            return 0.0
        chance = float(self.noise.mean())
        beyond = float(self.own.var(ddof=1)) - chance * (1 - float(np.clip(mean_squared_correlation, 0.0, 1.0)))
        differ = max(beyond, 0.0) + DOUBT * chance
        return differ / (differ + chance)

    def filled(self, *, common: bool) -> tuple[np.ndarray, np.ndarray]:
        """Ratio and certainty of every feature; the mean of all where it is common."""
        ratio, certainty = np.ones(self.here.size), np.ones(self.here.size)
        kept = 0.0 if common else self.differ / (self.differ + self.noise)
        left = kept + (1 - kept) / self.effective
        ratio[self.here] = np.exp(self.mean + kept * (self.own - self.mean))
        certainty[self.here] = 1 - np.clip(left, 0.0, 1.0)
        return ratio, certainty


def arm_weights(code: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    """The precision of each unit by the variance of its arm, relative to the geometric mean; (units, features).

    Parameters
    ----------
    code
        Arm of each unit, 0 the first. Shape (units,).
    ratio
        Of `variance_ratio`. Shape (arms - 1, features).
    """
    logs = np.vstack([np.zeros(ratio.shape[1]), np.log(ratio)])[code]
    # Relative to the geometric mean over patients, so that variances of features stay on one scale.
    return np.asarray(np.exp((logs.mean(axis=0) if len(logs) else 0.0) - logs))


def degrees_left(df: np.ndarray, found: ArmVariances, ratio: VarianceRatio) -> np.ndarray:
    """Degrees of freedom after allowing for the ratio: all where it is known, Welch's where the feature alone shows it.

    Parameters
    ----------
    df
        Degrees of freedom of the variance of the difference, were the ratio known. Shape (features,).
    found, ratio
        From `arm_variances` and `variance_ratio`.

    References
    ----------
    Welch (1947) Biometrika 34:28; Satterthwaite (1946) Biometrics Bull 2:110: the relative variance of a variance is
    2 / df, and not knowing the ratio adds to it in proportion to the variance of its logarithm.
    """
    parts = found.share * np.vstack([np.ones(ratio.ratio.shape[1]), ratio.ratio])
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = np.sum(parts**2 / found.df, axis=0) / parts.sum(axis=0) ** 2
        added = np.maximum(welch - 1 / found.df.sum(axis=0), 0.0) * (1 - ratio.certainty)
        left = 1 / (1 / df + np.where(np.isfinite(added), added, 0.0))
    return np.asarray(np.maximum(left, 1.0))


def with_own_arms(
    variance: np.ndarray, df: np.ndarray, found: ArmVariances, weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of an effect over its factor, and degrees of freedom, with a part of each feature's own arm variances.

    With a weight of 1 they are Welch's, with 0 those of the arms together.

    Parameters
    ----------
    variance, df
        Of the arms together, under weights that take their common ratio out. Shape (features,).
    found
        From `arm_variances`, under the same weights.
    weight
        `apart` of `variance_ratio`.

    Returns
    -------
    Features of which an arm does not vary keep those of the arms together.

    References
    ----------
    Welch (1947) Biometrika 34:28; Satterthwaite (1946) Biometrics Bull 2:110.
    """
    squares = np.nan_to_num(found.mean_square)
    known = shown(found, SMALLEST * squares.max(axis=0)).all(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        own = found.share * squares
        mixed = (1 - weight) * found.df / found.df.sum(axis=0) * squares + weight * own
        satterthwaite = mixed.sum(axis=0) ** 2 / np.sum(mixed**2 / found.df, axis=0)
        left = 1 / ((1 - weight) / df + weight / satterthwaite)
        total = (1 - weight) * variance + weight * own.sum(axis=0)
    return np.where(known, total, variance), np.where(known, left, df)
