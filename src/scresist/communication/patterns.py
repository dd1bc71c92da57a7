"""Patterns: groups that send or receive through the same pathways."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from scresist.checks import InputError, RefusedError, require_choice
from scresist.communication.result import LINK_P, Communication
from scresist.kernels.patterns import consensus, factorise, start_from_svd
from scresist.results import Brief


@dataclass(frozen=True, slots=True, repr=False)
class Patterns(Brief):
    """Patterns of sending or receiving.

    Attributes
    ----------
    groups, pathways
        Tables of group (pathway), pattern ("Pattern 1" and so on) and contribution: the patterns of a group, and those
        of a pathway, sum to 1.
    W, H
        The factors themselves: groups x patterns, patterns x pathways.
    residual
        Residual sum of squares.
    n_iterations
        Iterations until the pattern of each pathway no longer changed.
    """

    groups: pd.DataFrame
    pathways: pd.DataFrame
    W: pd.DataFrame
    H: pd.DataFrame
    residual: float
    n_iterations: int


def pattern_matrix(com: Communication, *, side: str = "outgoing", threshold: float = LINK_P) -> pd.DataFrame:
    """What each group sends or receives through each pathway, relative to the group with the largest value.

    Parameters
    ----------
    com
        Any mode.
    side
        outgoing | incoming.
    threshold
        p-value up to which links count.

    Returns
    -------
    Groups x pathways; groups without any signal are left out.

    Raises
    ------
    InputError
        For an unknown side.
    RefusedError
        If no link has a p-value up to the threshold.
    """
    require_choice(side, ("outgoing", "incoming"), "side")
    sums, names = com.pathway_array(threshold=threshold)
    if len(names) == 0:
        raise RefusedError(f"no link has a p-value up to {threshold:g}: there are no patterns")
    values = sums.sum(axis=1 if side == "outgoing" else 0)
    table = pd.DataFrame(values / values.max(axis=0), index=com.groups, columns=names)
    return table[table.sum(axis=1) > 0]


def find_patterns(com: Communication, k: int, *, side: str = "outgoing", threshold: float = LINK_P) -> Patterns:
    """Groups and pathways in `k` patterns: a factorisation of `pattern_matrix` from a deterministic start.

    Parameters
    ----------
    com
        Any mode.
    k
        Number of patterns; see `choose_patterns`.
    side, threshold
        As in `pattern_matrix`.

    Raises
    ------
    InputError
        If k is below 1 or above the number of groups or pathways.

    References
    ----------
    Lee & Seung (2001) NIPS 13:556; Boutsidis & Gallopoulos (2008) Pattern Recognit 41:1350.
    """
    table = pattern_matrix(com, side=side, threshold=threshold)
    if not 1 <= k <= min(table.shape):
        raise InputError(f"k must be from 1 to {min(table.shape)} (the number of groups or pathways); got {k!r}")
    V = table.to_numpy()
    W, H, n_iterations = factorise(V, *start_from_svd(V, k))
    labels = [f"Pattern {i + 1}" for i in range(k)]
    of_group = W / W.sum(axis=1, keepdims=True)
    of_pathway = H / H.sum(axis=0)
    long_groups = pd.DataFrame(
        {
            "group": np.tile(table.index, k), "pattern": np.repeat(labels, len(table)),
            "contribution": of_group.T.ravel(),
        }
    )  # fmt: skip
    long_pathways = pd.DataFrame(
        {
            "pathway": np.repeat(table.columns, k), "pattern": np.tile(labels, table.shape[1]),
            "contribution": of_pathway.T.ravel(),
        }
    )  # fmt: skip
    return Patterns(
        long_groups, long_pathways, pd.DataFrame(W, table.index, labels), pd.DataFrame(H, labels, table.columns),
        float(((V - W @ H) ** 2).sum()), n_iterations,
    )  # fmt: skip


def choose_patterns(
    com: Communication,
    *,
    side: str = "outgoing",
    ks: Sequence[int] = range(2, 7),
    n_runs: int = 30,
    threshold: float = LINK_P,
    rng: int | np.random.Generator = 10,
) -> pd.DataFrame:
    """How stable each number of patterns is over random starts: k, cophenetic, silhouette, residual.

    Choose the largest k before the first two decrease. `residual` is that of `find_patterns`.

    Parameters
    ----------
    com
        Any mode.
    side, threshold
        As in `pattern_matrix`.
    ks
        Numbers of patterns; those above the number of groups or pathways are left out.
    n_runs
        Random starts of each k.
    rng
        Seed or generator of the starts.

    Raises
    ------
    InputError
        If no k is from 1 to the number of groups or pathways.

    References
    ----------
    Brunet et al. (2004) PNAS 101:4164.
    """
    table = pattern_matrix(com, side=side, threshold=threshold)
    V, generator, rows = table.to_numpy(), np.random.default_rng(rng), []
    for k in ks:
        if not 1 <= k <= min(V.shape):
            continue
        quality = consensus_quality(consensus(V, k, n_runs, rng=generator), k)
        rows.append((k, *quality, find_patterns(com, k, side=side, threshold=threshold).residual))
    if not rows:
        raise InputError(f"no k is from 1 to {min(V.shape)}, the number of groups or pathways")
    return pd.DataFrame(rows, columns=["k", "cophenetic", "silhouette", "residual"])


def consensus_quality(together: np.ndarray, k: int) -> tuple[float, float]:
    """How clearly a consensus falls into k patterns: cophenetic correlation and mean silhouette width.

    Parameters
    ----------
    together
        Share of starts that put two pathways into the same pattern, as from `kernels.patterns.consensus`.
    k
        Number of patterns.

    Returns
    -------
    Both up to 1; the first is 1 where every start gives the same partition.

    References
    ----------
    Brunet et al. (2004) PNAS 101:4164; Rousseeuw (1987) J Comput Appl Math 20:53.
    """
    from sklearn.metrics import silhouette_score  # seconds to import

    apart = 1 - together
    np.fill_diagonal(apart, 0)
    flat = squareform(apart, checks=False)
    tree = hierarchy.average(flat)
    tree_distance = hierarchy.cophenet(tree)
    constant = flat.std() == 0 or tree_distance.std() == 0
    cophenetic = 1.0 if constant else float(np.corrcoef(flat, tree_distance)[0, 1])
    labels = hierarchy.fcluster(tree, k, criterion="maxclust")
    several = 2 <= len(np.unique(labels)) < len(labels)
    return cophenetic, float(silhouette_score(apart, labels, metric="precomputed")) if several else 0.0
