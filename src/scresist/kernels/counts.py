"""Comparable counts: genes with enough counts to be tested, library factors, and the precision of a count."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.stats import rankdata

from scresist.kernels.normalise import log2_counts_per_million

TYPICAL_DISPERSION = 0.2  # squared coefficient of variation of a gene between patients, for weights alone


def enough_counts(
    counts: np.ndarray,
    smallest_group: float,
    *,
    min_count: float = 10,
    min_total: float = 15,
    large_group: float = 10,
    min_share: float = 0.7,
) -> np.ndarray:
    """Genes with enough counts in enough samples for a fold change to be worth testing.

    A gene is kept if its counts per million reach those of `min_count` counts in a library of median size, in at least
    as many samples as the smallest group has (of a group beyond `large_group`, only `min_share` of the excess), and its
    total reaches `min_total`.

    Parameters
    ----------
    counts
        Shape (samples, genes).

    Returns
    -------
    Mask, shape (genes,).

    References
    ----------
    Chen, Lun & Smyth (2016) F1000Research 5:1438, section on filtering.
    """
    library = counts.sum(axis=1)
    if smallest_group > large_group:
        smallest_group = large_group + (smallest_group - large_group) * min_share
    with np.errstate(invalid="ignore", divide="ignore"):
        cutoff = min_count / np.median(library) * 1e6
        enough = (counts / library[:, None] * 1e6 >= cutoff).sum(axis=0) >= smallest_group - 1e-14
    return enough & (counts.sum(axis=0) >= min_total - 1e-14)


def comparable_depth(
    counts: np.ndarray, groups: Sequence[np.ndarray], *, min_expected: float = 2, min_seen: float = 10
) -> np.ndarray:
    """Genes that each group of samples is deep enough for, so that a group's depth does not move its log values.

    The mean of log counts per million does not depend on the depth only where some two counts are expected; with
    fewer, a shallow group differs from a deep one though the rates are the same. What is expected follows from the mean
    rate of all samples, each weighted by its precision, which tells hardly anything of how the groups differ: genes
    that are chosen by it are not chosen by what is tested. A gene that a group has `min_seen` counts of is kept in any
    case.

    Parameters
    ----------
    counts
        Shape (samples, genes).
    groups
        Masks of the samples of each group, shape (samples,).
    min_expected, min_seen
        Mean counts of a gene per sample of a group.

    Returns
    -------
    Mask, shape (groups, genes); all of it where a group has no sample.
    """
    library = counts.sum(axis=1)
    pooled = counts.sum(axis=0) / max(library.sum(), 1)
    precision = library[:, None] / (1 + TYPICAL_DISPERSION * library[:, None] * pooled)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.nansum(precision * (counts / library[:, None]), axis=0) / precision.sum(axis=0)
    deep = np.ones((len(groups), counts.shape[1]), dtype=bool)
    for group, own in zip(deep, groups, strict=True):
        if own.any():
            group[:] = (rate * library[own].mean() >= min_expected) | (counts[own].mean(axis=0) >= min_seen)
    return deep


def tmm_factors(counts: np.ndarray, *, trim_ratio: float = 0.3, trim_abundance: float = 0.05) -> np.ndarray:
    """Library-size factors from the trimmed mean of log ratios to a reference sample; their product is 1.

    Parameters
    ----------
    counts
        Shape (samples, genes). A sample without counts gets NaN.

    References
    ----------
    Robinson & Oshlack (2010) Genome Biol 11:R25. The reference is the sample whose upper quartile of scaled counts is
    nearest to the mean.
    """
    counts = np.asarray(counts, dtype=float)
    library = counts.sum(axis=1)
    counted = library > 0
    factors = np.full(len(counts), np.nan)
    if not counted.any():
        return factors
    kept = counts[counted][:, (counts[counted] > 0).any(axis=0)]
    sizes = library[counted]
    quartile = np.quantile(kept / sizes[:, None], 0.75, axis=1)
    if np.median(quartile) < 1e-20:
        reference = int(np.argmax(np.sqrt(kept).sum(axis=1)))
    else:
        reference = int(np.argmin(np.abs(quartile - quartile.mean())))
    log_factor = np.array([
        _trimmed_mean(k, kept[reference], s, sizes[reference], trim_ratio, trim_abundance)
        for k, s in zip(kept, sizes, strict=True)
    ])  # fmt: skip
    factors[counted] = np.exp2(log_factor - log_factor.mean())
    return factors


def _trimmed_mean(
    counts: np.ndarray,
    reference: np.ndarray,
    size: float,
    reference_size: float,
    trim_ratio: float,
    trim_abundance: float,
) -> float:
    """Log2 factor of one sample to the reference."""
    both = (counts > 0) & (reference > 0)
    a, b = counts[both] / size, reference[both] / reference_size
    ratio, abundance = np.log2(a / b), (np.log2(a) + np.log2(b)) / 2
    if ratio.size == 0 or np.max(np.abs(ratio)) < 1e-6:
        return 0.0
    variance = (size - counts[both]) / size / counts[both] + (
        reference_size - reference[both]
    ) / reference_size / reference[both]
    n = ratio.size
    low_ratio, low_abundance = np.floor(n * trim_ratio) + 1, np.floor(n * trim_abundance) + 1
    rank_ratio, rank_abundance = rankdata(ratio), rankdata(abundance)
    keep = (
        (rank_ratio >= low_ratio) & (rank_ratio <= n + 1 - low_ratio)
        & (rank_abundance >= low_abundance) & (rank_abundance <= n + 1 - low_abundance)
    )  # fmt: skip
    if not keep.any():
        return 0.0
    return float(np.sum(ratio[keep] / variance[keep]) / np.sum(1 / variance[keep]))


@dataclass(frozen=True, slots=True)
class Voom:
    """Log2 counts per million, the precision of each and the trend they come from (log2 count against sqrt sd)."""

    values: np.ndarray  # (samples, genes)
    weights: np.ndarray  # (samples, genes)
    trend_x: np.ndarray
    trend_y: np.ndarray


def voom(counts: np.ndarray, design: np.ndarray, library: np.ndarray, *, span: float = 0.5) -> Voom:
    """Precision of log counts from the trend of residual standard deviations over mean counts.

    Parameters
    ----------
    counts
        Shape (samples, genes).
    design
        Full column rank, shape (samples, parameters), with residual degrees of freedom left.
    library
        Library sizes times their factors, shape (samples,).
    span
        Share of genes in each local fit of the trend.

    References
    ----------
    Law et al. (2014) Genome Biol 15:R29, sections "Log-counts per million" and "Voom variance modeling".
    """
    values = log2_counts_per_million(counts, library, prior=0.5)
    basis, _ = np.linalg.qr(design)
    fitted = basis @ (basis.T @ values)
    sigma = np.sqrt(np.sum((values - fitted) ** 2, axis=0) / (len(design) - design.shape[1]))
    mean_count = values.mean(axis=0) + np.log2(library + 1).mean() - np.log2(1e6)
    counted = (counts > 0).any(axis=0)
    x, y = mean_count[counted], np.sqrt(sigma[counted])
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    smooth = lowess(x, y, span)
    knots, first = np.unique(x, return_index=True)
    level = np.add.reduceat(smooth, first) / np.diff(np.r_[first, x.size])
    fitted_count = fitted + np.log2(library + 1)[:, None] - np.log2(1e6)
    return Voom(values, 1 / np.interp(fitted_count, knots, level) ** 4, knots, level)


def lowess(x: np.ndarray, y: np.ndarray, span: float, *, n_robust: int = 3) -> np.ndarray:
    """Locally weighted, robust linear regression of y on ascending x, at each x.

    Fits are made at points at least 1 % of the range of x apart and joined by straight lines.

    References
    ----------
    Cleveland (1979) J Am Stat Assoc 74:829; Cleveland (1981) Am Stat 35:54, for the steps of the published program.
    """
    x, y = np.ascontiguousarray(x, dtype=float), np.ascontiguousarray(y, dtype=float)
    if x.size < 2:
        return y.copy()
    window = max(min(x.size, int(span * x.size + 1e-7)), 2)
    return _lowess(x, y, window, 0.01 * (x[-1] - x[0]), n_robust)


@njit(cache=True)
def _lowess(x: np.ndarray, y: np.ndarray, window: int, delta: float, n_robust: int) -> np.ndarray:  # pragma: no cover
    n = x.size
    fitted, robust = np.zeros(n), np.ones(n)
    for step in range(n_robust + 1):
        left, right, last, i = 0, window - 1, -1, 0
        while True:
            while right < n - 1 and x[i] - x[left] > x[right + 1] - x[i]:
                left += 1
                right += 1
            fitted[i] = _local_line(x, y, i, left, right, robust)
            if last < i - 1:
                width = x[i] - x[last]
                for j in range(last + 1, i):
                    share = (x[j] - x[last]) / width
                    fitted[j] = share * fitted[i] + (1 - share) * fitted[last]
            last = i
            cut = x[last] + delta
            i = last + 1
            while i < n and x[i] <= cut:
                if x[i] == x[last]:
                    fitted[i] = fitted[last]
                    last = i
                i += 1
            i = max(last + 1, i - 1)
            if last >= n - 1:
                break
        residual = np.abs(y - fitted)
        spread = 6 * np.median(residual)
        if step == n_robust or spread < 1e-7 * residual.mean():
            break
        for j in range(n):
            if residual[j] <= 0.001 * spread:
                robust[j] = 1.0
            elif residual[j] <= 0.999 * spread:
                robust[j] = (1 - (residual[j] / spread) ** 2) ** 2
            else:
                robust[j] = 0.0
    return fitted


@njit(cache=True)
def _local_line(
    x: np.ndarray, y: np.ndarray, at: int, left: int, right: int, robust: np.ndarray
) -> float:  # pragma: no cover
    n, here = x.size, x[at]
    reach = max(here - x[left], x[right] - here)
    total, end = 0.0, left
    weight = np.zeros(n - left)
    for j in range(left, n):
        distance = abs(x[j] - here)
        if distance <= 0.999 * reach:
            w = 1.0 if distance <= 0.001 * reach else (1 - (distance / reach) ** 3) ** 3
            weight[j - left] = w * robust[j]
            total += weight[j - left]
        elif x[j] > here:
            break
        end = j + 1
    if total <= 0:
        return y[at]
    centre = 0.0
    for j in range(left, end):
        weight[j - left] /= total
        centre += weight[j - left] * x[j]
    if reach > 0:
        spread = 0.0
        for j in range(left, end):
            spread += weight[j - left] * (x[j] - centre) ** 2
        if np.sqrt(spread) > 0.001 * (x[n - 1] - x[0]):
            slope = (here - centre) / spread
            for j in range(left, end):
                weight[j - left] *= slope * (x[j] - centre) + 1
    value = 0.0
    for j in range(left, end):
        value += weight[j - left] * y[j]
    return value
