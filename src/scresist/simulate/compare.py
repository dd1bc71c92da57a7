"""Real and simulated counts side by side: what a simulator must share with the data that it imitates."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats

from scresist.checks import InputError

_SHOWN = (0.1, 0.5, 0.9)


def compare_counts(values: Any, simulated: Any, *, n_genes: int = 200) -> pd.DataFrame:
    """How two sets of counts differ in what tests and networks depend on.

    Parameters
    ----------
    values
        Real counts, cells x genes (dense or sparse).
    simulated
        Simulated counts; cells and genes need not be as many. Where the genes are as many they are taken as the same.
    n_genes
        Best seen genes among which correlations are taken.

    Returns
    -------
    One row per quantity: `quantity`; `real_10`, `real_50`, `real_90` and `simulated_10`, ... (quantiles); `distance`
    and its `kind`: KS (largest difference of the distributions) for library sizes (log10), genes detected per cell,
    gene means (log10 of the counts per cell) and gene-gene correlations (Pearson, log-normalised); mean absolute
    difference at equal means for the variance (log10 variance over mean) and the zeros (share of cells). With the same
    genes also `correlation of correlations`, whose distance is 1 - r.

    Raises
    ------
    InputError
        With fewer than 10 cells or genes.
    """
    real, made = sparse.csr_array(values), sparse.csr_array(simulated)
    if min(*real.shape, *made.shape) < 10:
        raise InputError(f"a comparison needs 10 cells and genes; got {real.shape} and {made.shape}")
    a, b = _facts(real), _facts(made)
    rows = [_row(n, a[n], b[n]) for n in ("library size", "genes detected", "gene mean")]
    for name in ("variance over mean", "zeros"):
        quantiles = _row(name, a[name], b[name])
        gap = _gap(a["gene mean"], a[name], b["gene mean"], b[name])
        rows.append(quantiles | {"quantity": f"{name}, given the mean", "distance": gap, "kind": "difference"})
    same = real.shape[1] == made.shape[1]
    top = np.argsort(np.asarray(real.mean(axis=0)).ravel())[::-1][:n_genes]
    own = top if same else np.argsort(np.asarray(made.mean(axis=0)).ravel())[::-1][:n_genes]
    first, second = _correlations(real, top), _correlations(made, own)
    rows.append(_row("gene-gene correlation", first, second))
    if same:
        both = np.isfinite(first) & np.isfinite(second)
        r = float(np.corrcoef(first[both], second[both])[0, 1])
        rows.append(rows[-1] | {"quantity": "correlation of correlations", "distance": 1 - r, "kind": "1 - r"})
    return pd.DataFrame(rows)


def _facts(counts: sparse.csr_array) -> dict[str, np.ndarray]:
    n = counts.shape[0]
    mean = np.asarray(counts.mean(axis=0)).ravel()
    square = np.asarray(counts.power(2).mean(axis=0)).ravel()
    seen = mean > 3 / n
    mean, variance = mean[seen], (square - mean**2)[seen] * n / (n - 1)
    zeros = 1 - np.asarray((counts > 0).sum(axis=0)).ravel()[seen] / n
    return {
        "library size": np.log10(np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)),
        "genes detected": np.asarray((counts > 0).sum(axis=1)).ravel().astype(float),
        "gene mean": np.log10(mean), "variance over mean": np.log10(np.maximum(variance / mean, 1e-3)), "zeros": zeros,
    }  # fmt: skip


def _row(name: str, real: np.ndarray, made: np.ndarray) -> dict[str, Any]:
    real, made = real[np.isfinite(real)], made[np.isfinite(made)]
    row: dict[str, Any] = {"quantity": name}
    for label, data in (("real", real), ("simulated", made)):
        row |= {f"{label}_{round(100 * q)}": float(np.quantile(data, q)) for q in _SHOWN}
    return row | {"distance": float(stats.ks_2samp(real, made, method="asymp").statistic), "kind": "KS"}


def _gap(x_real: np.ndarray, y_real: np.ndarray, x_made: np.ndarray, y_made: np.ndarray) -> float:
    """Mean absolute difference of medians over 20 bins of the mean that both have."""
    edges = np.unique(np.quantile(x_real, np.linspace(0, 1, 21)))
    gaps = []
    for low, high in pairwise(edges):
        own, other = (x_real >= low) & (x_real <= high), (x_made >= low) & (x_made <= high)
        if own.sum() >= 5 and other.sum() >= 5:
            gaps.append(abs(np.median(y_real[own]) - np.median(y_made[other])))
    return float(np.mean(gaps)) if gaps else float("nan")


def _correlations(counts: sparse.csr_array, genes: np.ndarray) -> np.ndarray:
    """Off-diagonal correlations of log-normalised counts."""
    size = np.asarray(counts.sum(axis=1)).ravel()
    some = size > 0
    values = np.log1p(counts[some][:, genes].toarray() / size[some, None] * 1e4)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.corrcoef(values, rowvar=False)
    return r[np.triu_indices(len(genes), 1)]
