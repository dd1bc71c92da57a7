"""Contacts and nearest neighbours between types of cells, and the same after types were shuffled within regions."""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.spatial import cKDTree

NEAR = 128  # neighbours that are kept in order of distance; a type that is farther is searched among its cells


class Arrangement(NamedTuple):
    """Sums over the cells of one region; each array is shuffles + 1 x types x types, the first without a shuffle.

    `contacts` counts ordered pairs within the radius, `corrected` sums their edge-correction weights, `nearest` is the
    mean distance from a cell of the first type to the nearest of the second (infinite without one), `within` is the
    share of cells at least the radius from the edge that have a cell of the second type within it (NaN without any).
    """

    contacts: np.ndarray
    corrected: np.ndarray
    nearest: np.ndarray
    within: np.ndarray


def arrangements(
    xy: np.ndarray, types: np.ndarray, strata: np.ndarray, n_types: int, *, radius: float, edge: np.ndarray,
    sides: tuple[float, float], shuffles: int, rng: np.random.Generator,
) -> Arrangement:  # fmt: skip
    """How cells of every pair of types are arranged, and how they are after types were shuffled.

    Parameters
    ----------
    xy
        Cells x 2.
    types
        Of each cell, 0 to `n_types` - 1.
    strata
        Integer of each cell: types are shuffled among the cells of one stratum.
    n_types
        Number of types.
    radius
        Within which two cells are in contact.
    edge
        Distance of each cell to the edge of the window.
    sides
        Width and height of the window.
    shuffles
        Number of times.
    rng
        Of the shuffles.
    """
    labels = np.empty((shuffles + 1, len(types)), dtype=np.int64)
    labels[0] = types
    members = [np.flatnonzero(strata == s) for s in np.unique(strata)]
    for b in range(1, shuffles + 1):
        for inside in members:
            labels[b, inside] = types[inside][rng.permutation(len(inside))]
    tree = cKDTree(xy)
    pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64)
    away = np.abs(xy[pairs[:, 0]] - xy[pairs[:, 1]])
    weights = sides[0] * sides[1] / np.maximum((sides[0] - away[:, 0]) * (sides[1] - away[:, 1]), 1e-12)
    weights = np.minimum(weights, 100.0)
    contacts, corrected = _contacts(pairs, weights, labels, n_types)
    k = min(NEAR, len(xy) - 1)
    if k < 1:
        none = np.full((shuffles + 1, n_types, n_types), np.nan)
        return Arrangement(contacts, corrected, none, none)
    order = tree.query(xy, k=k + 1)[1].reshape(len(xy), -1)
    nearest, within = _nearest(np.ascontiguousarray(xy, dtype=float), order, labels, n_types, radius, edge)
    return Arrangement(contacts, corrected, nearest, within)


@njit(cache=True, nogil=True)
def _contacts(
    pairs: np.ndarray, weights: np.ndarray, labels: np.ndarray, n_types: int
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros((labels.shape[0], n_types, n_types))
    sums = np.zeros((labels.shape[0], n_types, n_types))
    for b in range(labels.shape[0]):
        own = labels[b]
        for p in range(pairs.shape[0]):
            i, j = own[pairs[p, 0]], own[pairs[p, 1]]
            counts[b, i, j] += 1.0
            counts[b, j, i] += 1.0
            sums[b, i, j] += weights[p]
            sums[b, j, i] += weights[p]
    return counts, sums


@njit(cache=True, nogil=True)
def _nearest(
    xy: np.ndarray, order: np.ndarray, labels: np.ndarray, n_types: int, radius: float, edge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    shuffles, n = labels.shape
    means = np.zeros((shuffles, n_types, n_types))
    within = np.zeros((shuffles, n_types, n_types))
    found = np.empty(n_types)
    numbers = np.empty(n_types, dtype=np.int64)
    inner = np.empty(n_types, dtype=np.int64)
    cells = np.empty(n, dtype=np.int64)
    for b in range(shuffles):
        own = labels[b]
        numbers[:] = 0
        inner[:] = 0
        for i in range(n):
            numbers[own[i]] += 1
            inner[own[i]] += 1 if edge[i] >= radius else 0
        starts = np.zeros(n_types + 1, dtype=np.int64)
        for t in range(n_types):
            starts[t + 1] = starts[t] + numbers[t]
        at = starts[:n_types].copy()
        for i in range(n):
            cells[at[own[i]]] = i
            at[own[i]] += 1
        for i in range(n):
            found[:] = np.inf
            left = 0
            for t in range(n_types):
                left += 1 if numbers[t] - (own[i] == t) > 0 else 0
            for k in range(order.shape[1]):
                j = order[i, k]
                if j == i or found[own[j]] < np.inf:
                    continue
                found[own[j]] = np.sqrt((xy[i, 0] - xy[j, 0]) ** 2 + (xy[i, 1] - xy[j, 1]) ** 2)
                left -= 1
                if left == 0:
                    break
            if left > 0:
                for t in range(n_types):
                    if found[t] < np.inf:
                        continue
                    for c in range(starts[t], starts[t + 1]):
                        j = cells[c]
                        if j != i:
                            d = np.sqrt((xy[i, 0] - xy[j, 0]) ** 2 + (xy[i, 1] - xy[j, 1]) ** 2)
                            found[t] = min(found[t], d)
            for t in range(n_types):
                means[b, own[i], t] += found[t]
                if edge[i] >= radius and found[t] <= radius:
                    within[b, own[i], t] += 1.0
        for s in range(n_types):
            for t in range(n_types):
                means[b, s, t] = means[b, s, t] / numbers[s] if numbers[s] else np.nan
                within[b, s, t] = within[b, s, t] / inner[s] if inner[s] else np.nan
    return means, within


def two_sided(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of the shuffles, z of the first value against them, and its two-sided p-value by rank.

    Parameters
    ----------
    values
        The observed value and those of the shuffles.

    Returns
    -------
    NaN where the observed value is not finite, or the shuffles are none.
    """
    observed, null = values[0], values[1:][np.isfinite(values[1:])]
    if not np.isfinite(observed) or len(null) < 2:
        return float("nan"), float("nan"), float("nan")
    spread = float(null.std(ddof=1))
    tied = 1e-9 * max(abs(float(observed)), 1e-300)
    low, high = (1 + np.sum(null <= observed + tied)), (1 + np.sum(null >= observed - tied))
    p = min(1.0, 2.0 * min(low, high) / (len(null) + 1))
    return float(null.mean()), (float(observed) - float(null.mean())) / spread if spread > 0 else float("nan"), p
