"""Linear models whose unit is the patient: two layers of variance, between patients and within them."""

from dataclasses import dataclass, fields

import numpy as np

_BLOCK = 4096  # features per batched step; results do not depend on it


@dataclass(frozen=True, slots=True)
class PatientFit:
    """Effects of a patient-level linear model and the parts of their variance.

    The variance of effect k of feature f is within_factor[k, f] x (within-patient variance) + between_factor[k, f] x
    (between-patient variance). Each layer comes as a sum of squares with its degrees of freedom; the between layer's
    expectation is between_df x (within variance) + between_trace x (between variance).
    """

    effect: np.ndarray  # (contrasts, features)
    within_factor: np.ndarray  # (contrasts, features)
    between_factor: np.ndarray  # (contrasts, features)
    within_ss: np.ndarray  # (features,)
    within_df: np.ndarray  # (features,)
    between_ss: np.ndarray  # (features,)
    between_df: np.ndarray  # (features,)
    between_trace: np.ndarray  # (features,)
    between_df_effective: np.ndarray  # (features,) allowing for pairs and single patients that vary unequally
    repeated: np.ndarray  # (features,) whether the two layers can be separated


def fit_patient_model(
    values: np.ndarray,
    design: np.ndarray,
    contrasts: np.ndarray,
    patient: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    correlation: float | np.ndarray = 0.0,
) -> PatientFit:
    """Generalised least squares with a patient effect, and the mean squares between and within patients.

    Model: y = X b + (patient) + e, var(e_i) = within variance / weight_i, var(patient) = between variance.

    Parameters
    ----------
    values
        Shape (units, features), a unit being one patient in one arm. NaN is missing: the unit is not used for that
        feature.
    design
        X, shape (units, parameters).
    contrasts
        Combinations of the parameters, shape (contrasts, parameters). NaN for one that the units cannot estimate.
    patient
        Codes 0 .. patients - 1, shape (units,).
    weights
        Precision of each unit, shape (units,) or (units, features); None is 1 throughout.
    correlation
        Share of the variance of a unit of weight 1 that is between patients; it decides how pairs and single units are
        combined. 1 treats patients as fixed effects: only differences within a patient count. A number, or one per
        feature.

    References
    ----------
    Henderson (1953) Biometrics 9:226, method 3, for the two layers; Searle, Casella & McCulloch (1992), Variance
    Components, section 5.5.
    """
    values = np.asarray(values, dtype=float)
    n, n_features = values.shape
    missing = np.isnan(values)
    base = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    each = np.asarray(correlation, dtype=float)
    per_feature = base.ndim == 2 or each.ndim == 1
    full = base if base.ndim == 2 else np.broadcast_to(base[:, None], values.shape)
    full = np.where(missing, 0.0, full)
    filled = np.where(missing, 0.0, values)
    groups = feature_groups(missing, per_feature=per_feature)
    parts: list[tuple[np.ndarray, tuple[np.ndarray, ...]]] = []
    one_hot = np.eye(int(patient.max()) + 1)[patient]
    for features in groups:
        if per_feature:
            w, y = full[:, features].T, filled[:, features].T[:, :, None]
        else:
            w, y = full[:, features[:1]].T, filled[None][:, :, features]
        share = each[features, None] if each.ndim == 1 else each
        parts.append((features, _fit(y, w, design, contrasts, one_hot, share)))
    k = contrasts.shape[0]
    out = [np.full((k, n_features), np.nan) for _ in range(3)] + [np.full(n_features, np.nan) for _ in range(7)]
    for features, pieces in parts:
        for target, piece in zip(out, pieces, strict=True):
            target[..., features] = piece
    names = [field.name for field in fields(PatientFit)]
    return PatientFit(**{**dict(zip(names, out, strict=True)), "repeated": out[9] > 0})


def feature_groups(missing: np.ndarray, *, per_feature: bool) -> list[np.ndarray]:
    """Features that share weights, in blocks."""
    n_features = missing.shape[1]
    if per_feature:
        return [np.arange(s, min(s + _BLOCK, n_features)) for s in range(0, n_features, _BLOCK)]
    if not missing.any():
        return [np.arange(n_features)]
    _, code = np.unique(missing, axis=1, return_inverse=True)
    order = np.argsort(code.ravel(), kind="stable")
    return np.split(order, np.flatnonzero(np.diff(code.ravel()[order])) + 1)


def _fit(
    y: np.ndarray, w: np.ndarray, design: np.ndarray, contrasts: np.ndarray, one_hot: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, ...]:
    """All pieces for g weightings of the units (w: g, n) and f features under each (y: g, n, f)."""
    v = np.sqrt(w)
    x, ys = v[:, :, None] * design, v[:, :, None] * y
    per_patient = w @ one_hot  # (g, q)
    safe = np.where(per_patient > 0, per_patient, 1.0)
    px = one_hot.T @ (w[:, :, None] * design)  # (g, q, p)
    kappa = np.where(per_patient > 0, share / (1 - share + share * safe), 0.0)

    x_t = np.swapaxes(x, 1, 2)
    gram = x_t @ x
    a = gram - np.swapaxes(px, 1, 2) @ (kappa[:, :, None] * px)
    a_inv, _ = pseudo_inverse(a, gram)
    spread = v[:, :, None] * (one_hot @ (kappa[:, :, None] * px))
    c = contrasts @ a_inv @ np.swapaxes(x - spread, 1, 2)  # (g, k, n)
    estimable = np.all(np.isclose(contrasts @ a_inv @ a, contrasts, atol=1e-6), axis=2)
    c = np.where(estimable[:, :, None], c, np.nan)
    effect = c @ ys  # (g, k, f)
    within_factor = np.sum(c**2, axis=2)
    between_factor = np.sum(((c * v[:, None, :]) @ one_hot) ** 2, axis=2)

    g_inv, rank = pseudo_inverse(gram, gram)
    # The rounding errors of a perfect fit are no variance.
    rounding = 1e-24 * np.sum(ys**2, axis=1)
    total = np.sum((ys - x @ (g_inv @ (x_t @ ys))) ** 2, axis=1)  # (g, f)
    total = np.where(total > rounding, total, 0.0)
    trace = per_patient.sum(axis=1) - np.einsum("gij,gqi,gqj->g", g_inv, px, px)

    # Trace of P' M P and of its square, with P the patients and M the residual projection of the design: its nonzero
    # eigenvalues are the shares of the variance between patients in each independent direction.
    left = per_patient[:, :, None] * np.eye(per_patient.shape[1]) - px @ (g_inv @ np.swapaxes(px, 1, 2))
    squared = np.sum(left**2, axis=(1, 2))

    def centre(m: np.ndarray) -> np.ndarray:
        return m - v[:, :, None] * (one_hot @ ((one_hot.T @ (v[:, :, None] * m)) / safe[:, :, None]))

    xc, yc = centre(x), centre(ys)
    xc_t = np.swapaxes(xc, 1, 2)
    c_inv, rank_c = pseudo_inverse(xc_t @ xc, gram)
    within = np.sum((yc - xc @ (c_inv @ (xc_t @ yc))) ** 2, axis=1)
    within = np.where(within > rounding, within, 0.0)
    n_units, n_patients = (w > 0).sum(axis=1), (per_patient > 0).sum(axis=1)
    within_df = (n_units - n_patients - rank_c).astype(float)
    total_df = (n_units - rank).astype(float)
    between, between_df = np.maximum(total - within, 0.0), total_df - within_df

    # One layer only: every patient once, or one pair, whose difference is the effect itself. The variance of single
    # units is then that between patients, and treating a pair as two single units is conservative.
    repeated = within_df > 0
    within = np.where(repeated[:, None], within, total)
    within_df = np.where(repeated, within_df, total_df)
    between = np.where(repeated[:, None], between, 0.0)
    between_df = np.where(repeated, between_df, 0.0)
    between_factor = np.where(repeated[:, None], between_factor, 0.0)
    effective = np.where(repeated & (squared > 0), trace**2 / np.where(squared > 0, squared, 1.0), between_df)
    g, f = within.shape

    def by_feature(m: np.ndarray) -> np.ndarray:
        """(g,) or (g, k) -> (features,) or (k, features)."""
        return np.repeat(m.T, f, axis=-1)

    return (
        np.swapaxes(effect, 0, 1).reshape(contrasts.shape[0], g * f),
        by_feature(within_factor),
        by_feature(between_factor),
        within.ravel(),
        by_feature(within_df),
        between.ravel(),
        by_feature(between_df),
        by_feature(trace),
        by_feature(np.minimum(effective, between_df)),
        by_feature(repeated.astype(float)),
    )


def pseudo_inverse(a: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inverse on the span of a symmetric matrix (batched) and its rank; columns are scaled by those of `reference`."""
    diagonal = np.sqrt(np.maximum(np.einsum("gii->gi", reference), 0))
    scale = np.where(diagonal > 0, 1 / np.where(diagonal > 0, diagonal, 1.0), 0.0)
    values, vectors = np.linalg.eigh(a * scale[:, :, None] * scale[:, None, :])
    keep = values > 1e-9
    inverse = np.where(keep, 1 / np.where(keep, values, 1.0), 0.0)
    back = scale[:, :, None] * vectors
    return (back * inverse[:, None, :]) @ np.swapaxes(back, 1, 2), keep.sum(axis=1)


def patient_correlation(fit: PatientFit) -> np.ndarray:
    """Share of the variance that is between patients, per feature, in [0, 0.99]; NaN where no patient is repeated."""
    with np.errstate(invalid="ignore", divide="ignore"):
        within = fit.within_ss / fit.within_df
        between = (fit.between_ss - fit.between_df * within) / fit.between_trace
        share = between / (between + within)
    share = np.where((between + within) > 0, share, np.nan)
    return np.where(fit.repeated & (fit.between_df > 0), np.clip(share, 0.0, 0.99), np.nan)


def effect_variance(
    fit: PatientFit,
    within: np.ndarray,
    within_df: np.ndarray,
    between: np.ndarray,
    between_df: np.ndarray,
    *,
    prior_df: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of each effect and its degrees of freedom, from (moderated) mean squares of the two layers.

    `between` is the mean square of the between layer (features,), NaN where the layer is absent; the `_df` are the
    degrees of freedom that go with the mean squares. Degrees of freedom of the sum are Satterthwaite's. `prior_df` of
    them come from a prior in either layer (geometric mean of both): a feature that varies more than the prior says
    does so in both layers, so that these are counted once.

    References
    ----------
    Satterthwaite (1946) Biometrics Bull 2:110.
    """
    layered = fit.repeated & (fit.between_df > 0) & np.isfinite(between)
    ratio = np.where(layered, fit.between_df / np.where(layered, fit.between_trace, 1.0), 0.0)
    on_between = fit.between_factor * ratio
    on_within = fit.within_factor - on_between
    from_between = np.where(layered, on_between * np.where(layered, between, 0.0), 0.0)
    from_within = on_within * within
    variance = from_within + from_between
    with np.errstate(invalid="ignore", divide="ignore"):
        both = 2 * from_within * from_between * prior_df / (within_df * between_df)
        inverse = from_within**2 / within_df + np.where(layered, from_between**2 / between_df + both, 0.0)
        df = (from_within + from_between) ** 2 / inverse
    return variance, np.where(np.isfinite(df), df, np.broadcast_to(within_df, variance.shape))


def cautious_df(fit: PatientFit, df: np.ndarray) -> np.ndarray:
    """Degrees of freedom of a variance of two layers, at most those of the layer with more, rounded down; (features,).

    Satterthwaite's approximation is too large when each layer has few of its own.
    """
    layered = fit.repeated & (fit.between_df > 0)
    bounded = np.minimum(df, np.maximum(fit.within_df, fit.between_df_effective))
    return np.where(layered, np.maximum(np.floor(bounded), 1.0), df)
