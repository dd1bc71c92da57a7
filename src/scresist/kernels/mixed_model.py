"""Restricted maximum likelihood for a linear model with a random patient effect, feature by feature."""

import numpy as np

from scresist.kernels.patient_model import cautious_df, effect_variance, fit_patient_model

_GOLDEN = (np.sqrt(5) - 1) / 2
_GRID = np.linspace(0.0, 0.99, 12)
_STEPS = 40


def mixed_model(
    values: np.ndarray,
    design: np.ndarray,
    contrast: np.ndarray,
    patient: np.ndarray,
    *,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Effect of one contrast in a linear mixed model with a patient effect, fitted by restricted maximum likelihood.

    Parameters
    ----------
    values
        Shape (units, features), NaN where missing.
    design
        Shape (units, parameters).
    contrast
        Combination of the parameters, shape (parameters,).
    patient
        Codes, shape (units,).
    weights
        Precision of each unit, shape (units,) or (units, features).

    Returns
    -------
    Effect, standard error, Satterthwaite degrees of freedom and the patients' share of the variance, each (features,).
    Where no patient is repeated the share is NaN and the model is the ordinary linear one.

    References
    ----------
    Patterson & Thompson (1971) Biometrika 58:545; Giesbrecht & Burns (1985) Biometrics 41:477 for the degrees of
    freedom, here from the two mean squares.
    """
    values = np.asarray(values, dtype=float)
    w = np.ones(values.shape) if weights is None else np.broadcast_to(weights.reshape(len(values), -1), values.shape)
    w = np.where(np.isnan(values), 0.0, w)
    share = _search(np.where(np.isnan(values), 0.0, values), w, design, patient)
    fit = fit_patient_model(values, design, contrast[None], patient, weights=w, correlation=share)
    rss, df_total, _ = _whitened(np.where(np.isnan(values), 0.0, values), w, design, patient, share)
    with np.errstate(invalid="ignore", divide="ignore"):
        sigma2 = np.where(fit.within_ss + fit.between_ss > 0, rss, 0.0) / df_total
        layered = sigma2 * ((1 - share) * fit.within_factor[0] + share * fit.between_factor[0])
        within = np.where(fit.within_df > 0, fit.within_ss / fit.within_df, np.nan)
        between = np.where(fit.between_df > 0, fit.between_ss / fit.between_df, np.nan)
    single, df = effect_variance(fit, within, fit.within_df, between, fit.between_df_effective)
    # The likelihood underestimates the variance of an effect whose weights it has estimated: never below the mean
    # squares' own answer.
    variance = np.where(fit.repeated, np.fmax(layered, single[0]), single[0])
    with np.errstate(invalid="ignore"):
        se = np.sqrt(np.where(variance > 0, variance, np.nan))
    return fit.effect[0], se, cautious_df(fit, df[0]), np.where(fit.repeated, share, np.nan)


def _search(y: np.ndarray, w: np.ndarray, design: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """The share that maximises the restricted likelihood: a grid, then golden section around its best point."""
    n_features = y.shape[1]
    if np.bincount(patient).max(initial=0) < 2:
        return np.zeros(n_features)
    on_grid = np.stack([_deviance(y, w, design, patient, np.full(n_features, g)) for g in _GRID])
    best = np.argmin(on_grid, axis=0)
    low, high = _GRID[np.maximum(best - 1, 0)], _GRID[np.minimum(best + 1, len(_GRID) - 1)]
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_a, at_b = _deviance(y, w, design, patient, a), _deviance(y, w, design, patient, b)
    for _ in range(_STEPS):
        left = at_a < at_b
        low, high = np.where(left, low, a), np.where(left, b, high)
        new = np.where(left, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        value = _deviance(y, w, design, patient, new)
        a, b, at_a, at_b = (
            np.where(left, new, b), np.where(left, a, new), np.where(left, value, at_b), np.where(left, at_a, value),
        )  # fmt: skip
    middle = (low + high) / 2
    at_zero = on_grid[0] <= _deviance(y, w, design, patient, middle)
    return np.where(at_zero, 0.0, middle)


def _deviance(y: np.ndarray, w: np.ndarray, design: np.ndarray, patient: np.ndarray, share: np.ndarray) -> np.ndarray:
    rss, df, log_det = _whitened(y, w, design, patient, share)
    return df * np.log(np.where(rss > 0, rss, np.finfo(float).tiny)) + log_det


def _whitened(
    y: np.ndarray, w: np.ndarray, design: np.ndarray, patient: np.ndarray, share: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Residual sum of squares, its degrees of freedom and log |V| + log |X' V^-1 X|, per feature."""
    one_hot = np.eye(int(patient.max()) + 1)[patient]
    v = np.sqrt(w).T  # (features, units)
    per_patient = w.T @ one_hot
    rho = share[:, None]
    shrink = np.where(
        per_patient > 0,
        (np.sqrt((1 - rho) / (1 - rho + rho * per_patient)) - 1) / np.where(per_patient > 0, per_patient, 1.0),
        0.0,
    )

    def whiten(m: np.ndarray) -> np.ndarray:
        m = v[:, :, None] * m
        inner = one_hot.T @ (v[:, :, None] * m)
        return (m + v[:, :, None] * (one_hot @ (shrink[:, :, None] * inner))) / np.sqrt(1 - rho)[:, :, None]

    x, ys = whiten(np.broadcast_to(design, (len(v), *design.shape))), whiten(y.T[:, :, None])
    eigen, vectors = np.linalg.eigh(np.swapaxes(x, 1, 2) @ x)
    keep = eigen > 1e-10 * eigen[:, -1:]
    inverse = (vectors * np.where(keep, 1 / np.where(keep, eigen, 1.0), 0.0)[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    rss = np.sum((ys - x @ (inverse @ (np.swapaxes(x, 1, 2) @ ys))) ** 2, axis=(1, 2))
    df = (w > 0).sum(axis=0) - keep.sum(axis=1)
    log_v = np.sum(
        np.where(per_patient > 0, np.log(1 - rho + rho * np.where(per_patient > 0, per_patient, 1.0)), 0.0), axis=1
    ) + np.log(1 - share) * ((w > 0).sum(axis=0) - (per_patient > 0).sum(axis=1))
    log_x = np.sum(np.log(np.where(keep, eigen, 1.0)), axis=1)
    return rss, df.astype(float), log_v + log_x
