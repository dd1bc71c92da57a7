"""From correlation to adjacency, and the table from which a power is chosen."""

from collections.abc import Iterable

import numpy as np
from numba import njit

from scresist.checks import InputError, require_choice
from scresist.kernels._blocks import over_rows

NETWORKS = ("signed", "unsigned", "signed hybrid")
COLUMNS = ("power", "sft_r2", "slope", "truncated_r2", "mean_k", "median_k", "max_k")
_CHUNK = 512  # numbers that are raised to every power at a time: a few KiB, which stay in the first-level cache


def adjacency(R: np.ndarray, power: float, network: str = "signed") -> np.ndarray:
    """Connection strength of every pair of genes: a power of their similarity, in the precision of R.

    Parameters
    ----------
    R
        Correlations in [-1, 1], shape (genes, genes).
    power
        Soft-threshold power, 1 to 30.
    network
        "signed" ((1 + r) / 2)^power; "unsigned" |r|^power; "signed hybrid" r^power where r > 0, else 0; or
        "unsigned keep sign" sign(r) |r|^power, from which WGCNA computes a signed overlap.

    Returns
    -------
    Adjacency, shape (genes, genes); NaN where R is NaN.

    Raises
    ------
    InputError
        If R is not square or `power` is outside 1 to 30.

    References
    ----------
    Zhang & Horvath (2005) Stat Appl Genet Mol Biol 4:17.
    """
    R = square(R, "R")
    return adjacency_into(R, np.empty_like(R), power, network)


def adjacency_into(R: np.ndarray, A: np.ndarray, power: float, network: str) -> np.ndarray:
    """`adjacency` written to A, which may be R itself, to save the memory of a second matrix."""
    require_choice(network, (*NETWORKS, "unsigned keep sign"), "network")
    check_power(power)

    def rows(start: int, stop: int) -> None:
        sign = np.sign(R[start:stop]) if network == "unsigned keep sign" else None
        A[start:stop] = _raised(similarity(R[start:stop], network), power)
        if sign is not None:
            A[start:stop] *= sign

    over_rows(rows, len(R), max(1, 2**17 // max(len(R), 1)))
    return A


def similarity(R: np.ndarray, network: str) -> np.ndarray:
    """The number that is raised to the power: (1 + r) / 2, |r|, or r where positive; a new array of R's precision."""
    if network == "signed":
        part = R + R.dtype.type(1)
        part *= R.dtype.type(0.5)
        return part
    return np.maximum(R, R.dtype.type(0)) if network == "signed hybrid" else np.abs(R)


def check_power(power: float) -> None:
    """Check a soft-threshold power.

    Raises
    ------
    InputError
        If it is not a number from 1 to 30.
    """
    number = isinstance(power, (int, float, np.integer, np.floating)) and not isinstance(power, bool)
    if not number or not 1 <= power <= 30:
        raise InputError(f"power must be a number from 1 to 30; got {power!r}")


def square(R: np.ndarray, what: str) -> np.ndarray:
    """R as a C-ordered square matrix of floats; float32 is kept.

    Raises
    ------
    InputError
        If R is not square.
    """
    R = np.asarray(R)
    if R.ndim != 2 or R.shape[0] != R.shape[1]:
        raise InputError(f"{what} must be square, genes by genes; got shape {R.shape}")
    return np.ascontiguousarray(R, dtype=np.float32 if R.dtype == np.float32 else np.float64)


def _raised(base: np.ndarray, power: float) -> np.ndarray:
    """`base` to a power, whole powers by repeated squaring; `base` is overwritten."""
    if not float(power).is_integer():
        return np.power(base, base.dtype.type(power), out=base)
    left = int(power)
    result = None
    while left:
        if left & 1:
            result = base.copy() if result is None else np.multiply(result, base, out=result)
        left >>= 1
        if left:
            np.multiply(base, base, out=base)
    assert result is not None
    return result


def soft_threshold(R: np.ndarray, powers: Iterable[float], network: str = "signed") -> dict[str, np.ndarray]:
    """How nearly scale-free the network is at each power: fit, slope and connectivity.

    The connectivity k of a gene is the sum of its adjacencies to the others (missing ones skipped). Genes are put
    in ten equal-width bins of k, and log10 of the share of genes is regressed on log10 of the mean k over the bins.

    Parameters
    ----------
    R
        Correlations, shape (genes, genes); the diagonal is not used.
    powers
        Powers to try, each from 1 to 30.
    network
        "signed", "unsigned" or "signed hybrid".

    Returns
    -------
    Arrays, one value per power: `power`; `sft_r2`, the R squared of the line; `slope`, its coefficient, which a
    scale-free network has below zero; `truncated_r2`, the adjusted R squared with an exponential term added;
    `mean_k`, `median_k` and `max_k` over genes.

    Raises
    ------
    InputError
        If there are fewer than three genes, no power, or a power outside 1 to 30.

    References
    ----------
    Zhang & Horvath (2005) Stat Appl Genet Mol Biol 4:17, sections 3 and 4.
    """
    require_choice(network, NETWORKS, "network")
    R = square(R, "R")
    if len(R) < 3:
        raise InputError(f"R has {len(R)} genes; a fit of connectivity needs at least three")
    powers = np.asarray(list(powers), dtype=float)
    if powers.size == 0:
        raise InputError("powers is empty; at least one power from 1 to 30 is needed")
    for power in powers:
        check_power(power)
    k = connectivity(R, powers, network)
    rows = [(power, *_scale_free_fit(values), values.mean(), np.median(values), values.max())
            for power, values in zip(powers, k, strict=True)]  # fmt: skip
    return {name: np.array(column) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)}


def connectivity(R: np.ndarray, powers: np.ndarray, network: str) -> np.ndarray:
    """Sum of each gene's adjacencies to the other genes at each power, shape (powers, genes); NaN adds nothing."""
    order = np.argsort(powers, kind="stable")
    ascending = powers[order]
    k = np.empty((len(powers), len(R)))
    if (ascending == np.round(ascending)).all():
        steps = np.diff(ascending.astype(np.int64), prepend=0)
        kind = NETWORKS.index(network)
        constants = R.dtype.type(1), R.dtype.type(0.5), R.dtype.type(0)
        over_rows(lambda a, b: _sum_powers(R, k, steps, kind, *constants, a, b), len(R), 64)
    else:
        for row, power in zip(k, ascending, strict=True):
            total = np.nansum(np.power(similarity(R, network), power), axis=1, dtype=float)
            row[:] = total - np.nan_to_num(similarity(np.diag(R).copy(), network)) ** power
    result = np.empty_like(k)
    result[order] = k
    return result


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _sum_powers(
    R: np.ndarray,
    k: np.ndarray,
    steps: np.ndarray,
    kind: int,
    one: float,
    half: float,
    zero: float,
    start: int,
    stop: int,
) -> None:
    """Fill `k[:, start:stop]`; the powers are reached by repeated products over chunks that stay in cache."""
    p = R.shape[1]
    base = np.empty(_CHUNK, R.dtype)
    twice = np.empty(_CHUNK, R.dtype)
    raised = np.empty(_CHUNK, R.dtype)
    for i in range(start, stop):
        k[:, i] = 0.0
        for j0 in range(0, p, _CHUNK):
            m = min(_CHUNK, p - j0)
            for j in range(m):
                r = R[i, j0 + j]
                s = (one + r) * half if kind == 0 else (abs(r) if kind == 1 else max(r, zero))
                base[j] = zero if np.isnan(s) else s
            base[m:] = zero
            if j0 <= i < j0 + m:
                base[i - j0] = zero
            for j in range(_CHUNK):
                raised[j] = one
                twice[j] = base[j] * base[j]
            for b in range(len(steps)):
                for _ in range(steps[b] // 2):
                    for j in range(_CHUNK):
                        raised[j] *= twice[j]
                if steps[b] % 2:
                    for j in range(_CHUNK):
                        raised[j] *= base[j]
                total = zero
                for j in range(_CHUNK):
                    total += raised[j]
                k[b, i] += total


def _scale_free_fit(k: np.ndarray) -> tuple[float, float, float]:
    """R squared and slope of the log-log line over ten bins, and the adjusted R squared of the truncated model."""
    low, high = k.min(), k.max()
    if not high > low:
        return np.nan, np.nan, np.nan
    edges = np.linspace(low, high, 11)
    middle = (edges[:-1] + edges[1:]) / 2
    edges[0] -= (high - low) / 1000
    edges[-1] += (high - low) / 1000
    bins = np.searchsorted(edges, k, side="left") - 1
    count = np.bincount(bins, minlength=10)[:10]
    mean = np.bincount(bins, weights=k, minlength=10)[:10] / np.maximum(count, 1)
    mean = np.where((count == 0) | (mean == 0), middle, mean)
    x, y = np.log10(mean), np.log10(count / len(k) + 1e-9)
    slope, r2 = _least_squares(np.column_stack([np.ones(10), x]), y)
    _, full = _least_squares(np.column_stack([np.ones(10), x, 10**x]), y)
    return r2, slope, 1 - (1 - full) * 9 / 7


def _least_squares(design: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Second coefficient and R squared of a regression with intercept."""
    coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
    rest = y - design @ coefficients
    return float(coefficients[1]), float(1 - (rest @ rest) / ((y - y.mean()) ** 2).sum())
