"""Point patterns of two types of cells in a rectangle: nearest neighbours, cross-type K and G with edge correction."""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.spatial import cKDTree

LARGEST_WEIGHT = 100.0  # of a pair: a circle that is nearly outside tells nothing of what is beyond the edge


class Window(NamedTuple):
    """A rectangle: its limits in the unit of the positions."""

    left: float
    right: float
    lower: float
    upper: float

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.upper - self.lower)


class CrossK(NamedTuple):
    """K of one type around another at each radius, by correction: none, border, translation, isotropic."""

    none: np.ndarray
    border: np.ndarray
    translation: np.ndarray
    isotropic: np.ndarray


class CrossG(NamedTuple):
    """Share of cells with a cell of the other type within each radius: uncorrected, border, Kaplan-Meier, Hanisch."""

    none: np.ndarray
    border: np.ndarray
    kaplan_meier: np.ndarray
    hanisch: np.ndarray


def window_of(xy: np.ndarray) -> Window:
    """The smallest rectangle that has all positions.

    Parameters
    ----------
    xy
        Cells x 2.
    """
    low, high = xy.min(axis=0), xy.max(axis=0)
    return Window(float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def edge_distances(xy: np.ndarray, window: Window) -> np.ndarray:
    """Distance of each position to the edge of the window.

    Parameters
    ----------
    xy
        Cells x 2, inside the window.
    window
        Its limits.
    """
    x, y = xy[:, 0], xy[:, 1]
    return np.minimum.reduce([x - window.left, window.right - x, y - window.lower, window.upper - y])


def nearest_distances(around: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Distance of each cell to the nearest cell of the other type; infinite where there is none.

    Parameters
    ----------
    around, to
        Cells x 2 of each type.
    """
    if not len(to) or not len(around):
        return np.full(len(around), np.inf)
    found: np.ndarray = cKDTree(to).query(around)[0]
    return found


def cross_k(around: np.ndarray, to: np.ndarray, window: Window, radii: np.ndarray) -> CrossK:
    """Ripley's K of the cells of one type around those of another.

    Parameters
    ----------
    around, to
        Cells x 2 of each type; no cell is in both.
    window
        In which cells were looked for.
    radii
        Ascending, in the unit of the positions.

    Notes
    -----
    Ripley BD 1977, J R Stat Soc B 39:172 (isotropic); Ohser J 1983, Math Operationsforsch Stat 14:63 (translation).
    """
    n, m, radii = len(around), len(to), np.asarray(radii, dtype=float)
    if not n or not m:
        empty = np.full(len(radii), np.nan)
        return CrossK(empty, empty, empty, empty)
    sums, inside = _pair_sums(
        np.ascontiguousarray(around, dtype=float), np.ascontiguousarray(to, dtype=float), np.array(window), radii,
        _bins(around, to, radii[-1]), edge_distances(around, window),
    )  # fmt: skip
    area = window.area
    none, translation, isotropic = (area / (n * m) * np.cumsum(s) for s in sums[:3])
    with np.errstate(invalid="ignore", divide="ignore"):
        border = area / m * sums[3] / inside
    return CrossK(none, border, translation, isotropic)


def _bins(around: np.ndarray, to: np.ndarray, reach: float) -> np.ndarray:
    """Pairs within reach: rows of index of the one and of the other."""
    found = cKDTree(around).sparse_distance_matrix(cKDTree(to), reach * (1 + 1e-12), output_type="coo_matrix")
    return np.stack([found.row, found.col]).astype(np.int64)


@njit(cache=True)
def _pair_sums(
    around: np.ndarray, to: np.ndarray, limits: np.ndarray, radii: np.ndarray, pairs: np.ndarray, edge: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    sums = np.zeros((4, len(radii)))
    width, height = limits[1] - limits[0], limits[3] - limits[2]
    for p in range(pairs.shape[1]):
        i, j = pairs[0, p], pairs[1, p]
        dx, dy = around[i, 0] - to[j, 0], around[i, 1] - to[j, 1]
        d = np.sqrt(dx * dx + dy * dy)
        bin_ = np.searchsorted(radii, d)
        if bin_ == len(radii):
            continue
        sums[0, bin_] += 1.0
        sums[1, bin_] += min(width * height / ((width - abs(dx)) * (height - abs(dy))), LARGEST_WEIGHT)
        sums[2, bin_] += _ripley(around[i, 0], around[i, 1], d, limits)
        for k in range(bin_, len(radii)):
            if edge[i] < radii[k]:
                break
            sums[3, k] += 1.0
    inside = np.zeros(len(radii))
    for k in range(len(radii)):
        inside[k] = np.sum(edge >= radii[k])
    return sums, inside


@njit(cache=True)
def _ripley(x: float, y: float, d: float, limits: np.ndarray) -> float:
    """1 / the share of the circle through the other cell that is inside the rectangle."""
    if d == 0.0:
        return 1.0
    sides = np.array([x - limits[0], limits[3] - y, limits[1] - x, y - limits[2]])  # left, up, right, down
    outside = 0.0
    for s in range(4):
        if sides[s] >= d:
            continue
        half = np.arccos(sides[s] / d)
        for other in (sides[(s + 1) % 4], sides[(s + 3) % 4]):
            outside += min(half, np.arctan2(other, sides[s]))
    share = 1.0 - outside / (2.0 * np.pi)
    return min(1.0 / share, LARGEST_WEIGHT) if share > 0.0 else LARGEST_WEIGHT


def cross_g(distances: np.ndarray, edge: np.ndarray, window: Window, radii: np.ndarray) -> CrossG:
    """The distribution of the distance to the nearest cell of another type.

    Parameters
    ----------
    distances
        Of each cell, from `nearest_distances`.
    edge
        Distance of each cell to the edge, from `edge_distances`.
    window
        In which cells were looked for.
    radii
        Ascending and evenly spaced from 0: a distance counts at the radius that it does not exceed.

    Notes
    -----
    Baddeley AJ & Gill RD 1997, Ann Stat 25:263 (Kaplan-Meier); Hanisch KH 1984, Math Operationsforsch Stat 15:409.
    """
    if not len(distances):
        empty = np.full(len(radii), np.nan)
        return CrossG(empty, empty, empty, empty)
    seen = distances <= edge
    none = _at_most(distances, radii) / len(distances)
    with np.errstate(invalid="ignore", divide="ignore"):
        within = np.array([np.sum((distances <= r) & (edge >= r)) for r in radii], dtype=float)
        border = within / (len(edge) - _below(edge, radii))
        first = np.minimum(distances, edge)
        events = np.diff(_at_most(first[seen], radii), prepend=0.0)
        at_risk = len(first) - np.r_[0.0, _at_most(first, radii)[:-1]]
        steps = np.where(at_risk > 0, 1.0 - events / at_risk, 0.0)
        kaplan_meier = 1.0 - np.cumprod(steps)
        own = distances[seen]
        left = (window.right - window.left - 2 * own) * (window.upper - window.lower - 2 * own)
        order = np.argsort(own)
        weights = np.r_[0.0, np.cumsum(1.0 / left[order])]
        hanisch = weights[np.searchsorted(own[order], radii, side="right")] / weights[-1]
    return CrossG(none, border, kaplan_meier, hanisch)


def _at_most(values: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(values), radii, side="right").astype(float)


def _below(values: np.ndarray, radii: np.ndarray) -> np.ndarray:
    return np.searchsorted(np.sort(values), radii, side="left").astype(float)
