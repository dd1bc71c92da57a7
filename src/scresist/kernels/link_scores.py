"""Scores of ligand-receptor links from levels of ligand and receptor in groups, and joint ranks of several scores."""

import numpy as np
from scipy import stats

from scresist.checks import InputError

SCORES = ("product", "mean", "geometric_mean", "regularised", "specificity", "log_fold")


def link_scores(
    ligand: np.ndarray, receptor: np.ndarray, ligand_fold: np.ndarray, receptor_fold: np.ndarray, *, level: float
) -> dict[str, np.ndarray]:
    """Six scores of every source, target and pair.

    Parameters
    ----------
    ligand, receptor
        Mean level in each group, a complex by its lowest subunit. Shape (groups, pairs), non-negative.
    ligand_fold, receptor_fold
        Log2 of the level in a group over that in the others. Shape (groups, pairs).
    level
        Mean of all values of the expression matrix.

    Returns
    -------
    By name, shape (groups, groups, pairs): `product` L R; `mean` (L + R) / 2, 0 where either is 0; `geometric_mean`
    sqrt(L R); `regularised` sqrt(L R) / (sqrt(L R) + level); `specificity` (L / sum of L over groups) (R / sum of R);
    `log_fold` mean of both log-folds.

    Raises
    ------
    InputError
        If the shapes differ.

    References
    ----------
    Hou et al. (2020) Nat Commun 11:5011 (product, specificity); Efremova et al. (2020) Nat Protoc 15:1484 (mean);
    Cabello-Aguilar et al. (2020) Nucleic Acids Res 48:e55 (regularised); Raredon et al. (2022) Sci Rep 12:4187 and
    Wang et al. (2019) bioRxiv 507871 (log-fold).
    """
    if ligand.shape != receptor.shape or ligand.shape != ligand_fold.shape or ligand.shape != receptor_fold.shape:
        raise InputError("levels and folds must have one shape (groups, pairs)")
    L, R = ligand[:, None, :], receptor[None, :, :]
    product = L * R
    root = np.sqrt(product)
    share = [np.divide(x, x.sum(axis=0), out=np.zeros_like(x), where=x.sum(axis=0) > 0) for x in (ligand, receptor)]
    return {
        "product": product,
        "mean": np.where(product > 0, (L + R) / 2, 0.0),
        "geometric_mean": root,
        "regularised": root / (root + level),
        "specificity": share[0][:, None, :] * share[1][None, :, :],
        "log_fold": (ligand_fold[:, None, :] + receptor_fold[None, :, :]) / 2,
    }


def robust_rank_aggregate(scores: np.ndarray) -> np.ndarray:
    """How unlikely an item's high ranks in several rankings are, if the rankings were unrelated.

    Parameters
    ----------
    scores
        Larger is better; NaN is last. Shape (items, rankings).

    Returns
    -------
    The smallest tail of the order statistics of an item's ranks, times the number of rankings, at most 1. It is a
    p-value only for independent rankings, and scores of the same cells are not: use it to sort. Shape (items,).

    Raises
    ------
    InputError
        If the scores have another number of dimensions.

    References
    ----------
    Kolde et al. (2012) Bioinformatics 28:573.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise InputError(f"scores must be items x rankings; got shape {scores.shape}")
    n, m = scores.shape
    if n == 0:
        return np.empty(0)
    filled = np.where(np.isnan(scores), -np.inf, scores)
    ranks = np.sort(np.column_stack([stats.rankdata(-filled[:, k], method="max") for k in range(m)]) / n, axis=1)
    k = np.arange(1, m + 1)
    tail = stats.beta.cdf(ranks, k, m - k + 1)
    return np.asarray(np.minimum(tail.min(axis=1) * m, 1.0))
