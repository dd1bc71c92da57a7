"""Correlation of every pair of genes: Pearson and the biweight midcorrelation, with missing values pair by pair."""

import numpy as np
from numba import njit

from scresist.checks import InputError, require_choice
from scresist.kernels._blocks import copy_repeats, gram, mirror_clipped


def correlation(
    X: np.ndarray, method: str = "pearson", max_p_outliers: float = 1.0, *, fallback: str = "individual"
) -> np.ndarray:
    """Correlation of every pair of columns, in the precision of X (single or double).

    Parameters
    ----------
    X
        Expression, shape (samples, genes). NaN is missing: a pair is then computed on the samples that both have.
    method
        "pearson", or "bicor": the biweight midcorrelation, which gives samples far from a gene's median less weight.
    max_p_outliers
        For bicor, the largest share of samples on either side of the median that may count as outliers, in (0, 1].
        The weights are widened until no more than that share is beyond half of the usual limit (WGCNA's rule).
    fallback
        For bicor, what replaces a gene whose median absolute deviation is zero: "individual" standardises that gene
        by mean and deviation, "all" uses Pearson for every gene, "none" is NaN.

    Returns
    -------
    Correlations in [-1, 1], shape (genes, genes), symmetric. A constant gene has NaN in its row, column and diagonal.

    Raises
    ------
    InputError
        If X is not a matrix, has infinite values or fewer than two samples, or a choice is unknown.

    References
    ----------
    Langfelder & Horvath (2012) J Stat Softw 46(11), section 2 and equations 1 to 5.
    """
    require_choice(method, ("pearson", "bicor"), "method")
    require_choice(fallback, ("individual", "all", "none"), "fallback")
    X = as_matrix(X, "X")
    if X.shape[0] < 2:
        raise InputError(f"X has {X.shape[0]} samples; a correlation needs at least two")
    if not 0 < max_p_outliers <= 1:
        raise InputError(f"max_p_outliers must be above 0 and at most 1; got {max_p_outliers!r}")
    robust = method == "bicor" and not (fallback == "all" and _any_zero_mad(X))
    Z = standardise(X, robust=robust, max_p_outliers=max_p_outliers, fallback=fallback)
    undefined = np.isnan(Z).all(axis=0)
    missing = np.isnan(X).any(axis=0) & ~undefined
    R = gram(np.nan_to_num(Z, nan=0.0))
    mirror_clipped(R, -1.0, 1.0)
    np.fill_diagonal(R, 1.0)
    copy_repeats(R, _repeated_columns(Z, undefined), within=1.0)
    if missing.any():
        _repair_missing(X, R, np.flatnonzero(missing), robust, max_p_outliers, fallback != "none")
    R[undefined] = np.nan
    R[:, undefined] = np.nan
    return R


def as_matrix(X: np.ndarray, what: str) -> np.ndarray:
    """X as a C-ordered matrix of floats; float32 is kept.

    Raises
    ------
    InputError
        If X is not a matrix of numbers, or has infinite values.
    """
    X = np.asarray(X)
    if X.ndim != 2:
        raise InputError(f"{what} must have two dimensions; got {X.ndim} (shape {X.shape})")
    if X.dtype != np.float32:
        try:
            X = X.astype(np.float64, copy=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"{what} must be numeric; got dtype {X.dtype}") from error
    infinite = int(np.isinf(X).sum())
    if infinite:
        raise InputError(f"{what} has {infinite} infinite values; remove or impute them")
    return np.ascontiguousarray(X)


def standardise(
    X: np.ndarray, *, robust: bool = False, max_p_outliers: float = 1.0, fallback: str = "individual"
) -> np.ndarray:
    """Columns centred (and, if robust, weighted) and scaled to unit length, so that products are correlations.

    Missing entries stay NaN; a column that cannot be scaled is NaN throughout. Shape and precision of X.
    """
    Z = np.empty_like(X)
    for j0 in range(0, X.shape[1], 256):
        part = np.asarray(X[:, j0 : j0 + 256], dtype=np.float64)
        gaps = np.isnan(part).any(axis=0)
        block = _standardise_complete(part, robust, max_p_outliers, fallback != "none")
        for j in np.flatnonzero(gaps):
            block[:, j] = part[:, j]
            _standardise_one(block[:, j], robust, max_p_outliers, fallback != "none")
        Z[:, j0 : j0 + 256] = block
    return Z


def _standardise_complete(part: np.ndarray, robust: bool, max_p_outliers: float, to_pearson: bool) -> np.ndarray:  # noqa: FBT001 (as the numba one)
    """Standardise columns without missing values; see `standardise`. Columns that have any are to be overwritten."""
    constant = part.max(axis=0) == part.min(axis=0)
    Z = part - part.mean(axis=0)
    if robust:
        centred = part - np.median(part, axis=0)
        spread = np.median(np.abs(centred), axis=0)
        usable = spread > 0
        centred, u = centred[:, usable], centred[:, usable] / (9.0 * spread[usable])
        if max_p_outliers < 1:
            low, high = np.quantile(u, [max_p_outliers, 1 - max_p_outliers], axis=0)
            u *= np.where(u < 0, 0.5 / np.abs(np.minimum(low, -0.5)), 0.5 / np.maximum(high, 0.5))
        Z[:, usable] = centred * np.where(np.abs(u) < 1, (1 - u * u) ** 2, 0.0)
        if not to_pearson:
            constant |= ~usable
    with np.errstate(divide="ignore", invalid="ignore"):
        Z /= np.sqrt((Z * Z).sum(axis=0))
    Z[:, constant] = np.nan
    return Z


def _repeated_columns(Z: np.ndarray, skip: np.ndarray) -> dict[int, list[int]]:
    """The later columns that repeat an earlier one up to rounding, by that earlier one; columns of `skip` are ignored.

    Genes detected in one sample only, or in fixed proportion to each other, standardise to one vector.
    """
    tolerance = 64 * 2.0**-52 if Z.dtype == np.float64 else 2.0**-22
    columns = np.flatnonzero(~skip)
    # Equal columns have equal projections on any direction, so that only neighbours in the order of one projection that
    # are near in another one are compared. Rounding errors are random: their sum grows as the root of their number.
    known = np.nan_to_num(Z[:, columns])
    shadow, other = (turn(1.0 + np.arange(len(Z))) @ known for turn in (np.cos, np.sin))
    near = tolerance * 16 * max(1.0, np.sqrt(len(Z)))
    order = np.argsort(shadow, kind="stable")
    repeats: dict[int, list[int]] = {}
    owner: dict[int, int] = {}
    close = (np.diff(shadow[order]) <= near) & (np.abs(np.diff(other[order])) <= near)
    for place in np.flatnonzero(close):
        i, j = int(columns[order[place]]), int(columns[order[place + 1]])
        if np.allclose(Z[:, i], Z[:, j], rtol=0, atol=tolerance, equal_nan=True):
            owner[j] = owner.get(i, i)
    for member, first in owner.items():
        repeats.setdefault(first, [first]).append(member)
    return {min(group): sorted(group)[1:] for group in repeats.values()}


def _any_zero_mad(X: np.ndarray) -> bool:
    centre = np.nanmedian(X, axis=0)
    return bool((np.nanmedian(np.abs(X - centre), axis=0) == 0).any())


@njit(cache=True, nogil=True)
def _quantile(ordered: np.ndarray, q: float) -> float:
    """R's type 7 quantile of ascending values."""
    place = (len(ordered) - 1) * q
    low = int(np.floor(place))
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


@njit(cache=True, nogil=True)
def _median(values: np.ndarray) -> float:
    """The median by partial ordering; the values are reordered."""
    n = len(values)
    half = n // 2
    parted = np.partition(values, half)
    if n % 2:
        return parted[half]
    return 0.5 * (parted[half] + parted[:half].max())


@njit(cache=True, nogil=True)
def _standardise_one(x: np.ndarray, robust: bool, max_p_outliers: float, to_pearson: bool) -> None:  # noqa: FBT001 (numba)
    """Standardise one gene with missing values in place; see `standardise`."""
    known = x[~np.isnan(x)]
    n = len(known)
    if n < 2 or known.max() == known.min():
        x[:] = np.nan
        return
    if robust:
        centre = _median(known)
        spread = _median(np.abs(known - centre))
        if spread > 0:
            u = (known - centre) / (9.0 * spread)
            below, above = 1.0, 1.0
            if max_p_outliers < 1:
                ordered = np.sort(u)
                below = 0.5 / abs(min(_quantile(ordered, max_p_outliers), -0.5))
                above = 0.5 / max(_quantile(ordered, 1 - max_p_outliers), 0.5)
            total = 0.0
            for i in range(len(x)):
                if not np.isnan(x[i]):
                    scaled = (x[i] - centre) / (9.0 * spread)
                    scaled *= below if scaled < 0 else above
                    weight = (1 - scaled * scaled) ** 2 if abs(scaled) < 1 else 0.0
                    x[i] = (x[i] - centre) * weight
                    total += x[i] * x[i]
            x /= np.sqrt(total)
            return
        if not to_pearson:
            x[:] = np.nan
            return
    mean = known.mean()
    total = 0.0
    for i in range(len(x)):
        if not np.isnan(x[i]):
            x[i] -= mean
            total += x[i] * x[i]
    x /= np.sqrt(total)


@njit(cache=True, nogil=True)
def _repair_missing(
    X: np.ndarray,
    R: np.ndarray,
    columns: np.ndarray,
    robust: bool,  # noqa: FBT001 (numba)
    max_p_outliers: float,
    to_pearson: bool,  # noqa: FBT001 (numba)
) -> None:
    """Recompute on complete samples every pair in which a gene of `columns` has a missing value the other has not."""
    p = X.shape[1]
    for j in columns:
        for i in range(p):
            both = ~(np.isnan(X[:, j]) | np.isnan(X[:, i]))
            a = X[both, j].astype(np.float64)
            b = X[both, i].astype(np.float64)
            if len(a) < 2:
                value = np.nan
            else:
                _standardise_one(a, robust, max_p_outliers, to_pearson)
                _standardise_one(b, robust, max_p_outliers, to_pearson)
                value = min(max((a * b).sum(), -1.0), 1.0)
            R[i, j] = value
            R[j, i] = value
