"""Metacells: small sets of neighbouring cells that overlap little."""

from collections.abc import Callable, Sequence

import numpy as np
from numba import njit
from scipy import sparse

from scresist.checks import InputError, require_finite
from scresist.kernels.r_random import RStream

_SPARE = 8  # neighbours beyond k kept until distances are exact, against rounding in the fast product


def nearest_cells(points: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """The k-set of each of some cells: its k - 1 nearest neighbours by increasing distance, then the cell itself.

    Parameters
    ----------
    points
        Coordinates, shape (cells, dimensions). Distances are Euclidean and exact; ties are in the order of cells.
    rows
        Positions of these cells.
    k
        Size of a set, the cell included; at most the number of cells.

    Returns
    -------
    Cells by position, shape (rows, k).

    Raises
    ------
    InputError
        If k exceeds the number of cells, or coordinates are NaN or infinite.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    require_finite(points, "the coordinates of the cells")
    n = len(points)
    if not 2 <= k <= n:
        raise InputError(f"k is {k} for a group of {n} cells; it must be from 2 to the number of cells")
    # Around the centre the rounding of squared distances is smallest; single precision only preselects.
    centred = (points - points.mean(axis=0)).astype(np.float32)
    squares = (centred**2).sum(axis=1)
    sets = np.empty((len(rows), k), dtype=np.int64)
    step = max(1, 2**24 // n)
    for start in range(0, len(rows), step):
        some = np.asarray(rows[start : start + step], dtype=np.int64)
        rough = centred[some] @ centred.T
        rough *= np.float32(-2)
        rough += squares
        _nearest_exact(points, rough, some, k, sets[start : start + step])
    return sets


@njit(cache=True, nogil=True)
def _nearest_exact(points: np.ndarray, rough: np.ndarray, rows: np.ndarray, k: int, sets: np.ndarray) -> None:
    """Preselect on rough squared distances with a heap, then order by exact ones."""
    n = len(points)
    wanted = min(n - 1, 2 * k + _SPARE)
    heap = np.empty(wanted, rough.dtype)
    cells = np.empty(wanted, np.int64)
    exact = np.empty(wanted)
    for r in range(len(rows)):
        own = rows[r]
        filled = 0
        for j in range(n):
            value = rough[r, j]
            if j == own or (filled == wanted and value >= heap[0]):
                continue
            if filled < wanted:
                place = filled
                filled += 1
                while place > 0 and heap[(place - 1) // 2] < value:
                    heap[place], cells[place] = heap[(place - 1) // 2], cells[(place - 1) // 2]
                    place = (place - 1) // 2
            else:
                place = 0
                while True:
                    child = 2 * place + 1
                    if child >= wanted:
                        break
                    if child + 1 < wanted and heap[child + 1] > heap[child]:
                        child += 1
                    if heap[child] <= value:
                        break
                    heap[place], cells[place] = heap[child], cells[child]
                    place = child
            heap[place], cells[place] = value, j
        cells.sort()  # so that equal distances come in the order of cells
        for i in range(wanted):
            exact[i] = ((points[cells[i]] - points[own]) ** 2).sum()
        order = np.argsort(exact, kind="mergesort")
        for i in range(k - 1):
            sets[r, i] = cells[order[i]]
        sets[r, k - 1] = own


def choose_metacells(
    points: np.ndarray,
    k: int,
    max_shared: int,
    target: int,
    max_iterations: int,
    draw: "np.random.Generator | RStream | np.ndarray",
) -> np.ndarray:
    """Sets of k cells, drawn one after another, each sharing at most `max_shared` cells with every earlier one.

    A first cell is drawn and its set is accepted. Then cells that were not drawn before are drawn one by one, and the
    set of each is accepted if it shares few enough cells, until `target` sets are accepted, `max_iterations` more cells
    are drawn, or no cell is left.

    Parameters
    ----------
    points
        Coordinates, shape (cells, dimensions).
    k, max_shared, target, max_iterations
        As above.
    draw
        The source of the draws: a Generator; an `RStream`, which is then at the position where R's would be; or the
        positions (from 0, in the list of cells not drawn yet) of a run to replay, shape (draws,).

    Returns
    -------
    Members of each metacell, shape (metacells, k), the cell that was drawn last.

    Raises
    ------
    InputError
        If k exceeds the number of cells, or replayed positions are outside the remaining cells.
    """
    n = len(points)
    if not target >= 1 or not max_shared >= 0 or not max_iterations >= 0:
        raise InputError(f"target must be 1 or more, max_shared and max_iterations 0 or more; got "
                         f"{target!r}, {max_shared!r} and {max_iterations!r}")  # fmt: skip
    limit = min(n, 1 + max_iterations)
    next_cells, settle = _drawer(draw, n, limit)
    chosen = np.empty((min(target, limit), k), dtype=np.int64)
    state = _Overlaps(n, k, min(target, limit))
    taken = drawn = 0
    while drawn < limit and taken < target:
        candidates = next_cells(drawn, min(limit - drawn, max(256, 2 * (target - taken) + 64)))
        sets = nearest_cells(points, candidates, k)
        taken, used = state.take(sets, chosen, taken, target, max_shared)
        drawn += used
        if len(candidates) == 0:
            break
        settle(used)
    return chosen[:taken]


def _drawer(
    draw: "np.random.Generator | RStream | np.ndarray", n: int, limit: int
) -> tuple[Callable[[int, int], np.ndarray], Callable[[int], None]]:
    """A function that returns the next drawn cells, and one that takes how many of them were used."""
    if isinstance(draw, RStream):
        left = list(range(n))
        before: list[tuple[object, list[int]]] = []

        def take(count: int) -> list[int]:
            return [left.pop(draw.index(len(left))) for _ in range(count)]

        def from_r(_: int, count: int) -> np.ndarray:
            before[:] = [(draw.state, left.copy())]
            return np.array(take(count), dtype=np.int64)

        def settle(used: int) -> None:
            draw.state, left[:] = before[0]
            take(used)

        return from_r, settle
    if isinstance(draw, np.random.Generator):
        order = draw.permutation(n)
    else:
        positions = np.asarray(draw, dtype=np.int64)[:limit]
        left = list(range(n))
        if (positions < 0).any() or (positions >= n - np.arange(len(positions))).any():
            raise InputError(f"a replayed draw is outside the remaining cells of {n}")
        order = np.array([left.pop(position) for position in positions], dtype=np.int64)
    return (lambda drawn, count: order[drawn : drawn + count]), (lambda _: None)


class _Overlaps:
    """The accepted sets of each cell, as linked lists, to count what a new set shares with all of them at once."""

    def __init__(self, n: int, k: int, limit: int) -> None:
        self.head = np.full(n, -1, dtype=np.int64)
        self.following = np.empty(limit * k, dtype=np.int64)
        self.owner = np.empty(limit * k, dtype=np.int64)
        self.distinct = np.empty(limit, dtype=np.int64)
        self.entries = np.zeros(1, dtype=np.int64)

    def take(self, sets: np.ndarray, chosen: np.ndarray, taken: int, target: int, max_shared: int) -> tuple[int, int]:
        """Accept those of `sets` that may be; the number that is accepted now, and the number that was examined."""
        return _take(sets, chosen, taken, target, max_shared, self.head, self.following, self.owner,
                     self.distinct, self.entries)  # fmt: skip


@njit(cache=True, nogil=True)
def _take(
    sets: np.ndarray,
    chosen: np.ndarray,
    taken: int,
    target: int,
    max_shared: int,
    head: np.ndarray,
    following: np.ndarray,
    owner: np.ndarray,
    distinct: np.ndarray,
    entries: np.ndarray,
) -> tuple[int, int]:
    k = sets.shape[1]
    shared = np.zeros(len(chosen), np.int64)
    used = 0
    for row in range(len(sets)):
        if taken == target:
            break
        used += 1
        members = np.unique(sets[row])
        shared[:taken] = 0
        for cell in members:
            entry = head[cell]
            while entry >= 0:
                shared[owner[entry]] += 1
                entry = following[entry]
        fits = True
        for other in range(taken):
            # 2k less the union: with a cell listed twice this exceeds the number of cells in both, as in hdWGCNA.
            if 2 * k - (len(members) + distinct[other] - shared[other]) > max_shared:
                fits = False
                break
        if fits:
            for cell in members:
                entry = entries[0]
                owner[entry], following[entry] = taken, head[cell]
                head[cell] = entry
                entries[0] += 1
            distinct[taken] = len(members)
            chosen[taken] = sets[row]
            taken += 1
    return taken, used


def aggregate_members(
    counts: "sparse.sparray | sparse.spmatrix | np.ndarray",
    members: "np.ndarray | Sequence[np.ndarray]",
    *,
    average: bool,
) -> np.ndarray:
    """Counts of each metacell: the sum over its distinct members, divided by the size of the set if `average`.

    Shapes: counts (cells, genes); members (metacells, k), or sets of different sizes; the result (metacells, genes),
    dense, in double precision.
    """
    rows = sparse.csr_array(counts)
    distinct = [np.unique(pool) for pool in members]
    ends = np.concatenate([[0], np.cumsum([len(pool) for pool in distinct])]).astype(np.int64)
    total = _sum_rows(rows.data, rows.indices, rows.indptr, np.concatenate(distinct), ends, rows.shape[1])
    if average:
        total /= np.maximum([len(pool) for pool in members], 1)[:, None]
    return total


@njit(cache=True, nogil=True)
def _sum_rows(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, cells: np.ndarray, ends: np.ndarray, n_genes: int
) -> np.ndarray:
    total = np.zeros((len(ends) - 1, n_genes))
    for pool in range(len(ends) - 1):
        row = total[pool]
        for place in range(ends[pool], ends[pool + 1]):
            for k in range(indptr[cells[place]], indptr[cells[place] + 1]):
                row[indices[k]] += data[k]
    return total


@njit(cache=True, nogil=True)
def count_detected(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, groups: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Cells of each group with a positive value of each gene, shape (groups, genes), from a matrix stored in rows."""
    seen = np.zeros(shape, np.int64)
    for i in range(len(groups)):
        row = seen[groups[i]]
        for k in range(indptr[i], indptr[i + 1]):
            if data[k] > 0:
                row[indices[k]] += 1
    return seen


def overlap_summary(members: np.ndarray) -> dict[str, float]:
    """How much metacells share: maximum, mean and median over pairs of 2k less the size of their union."""
    n_sets, k = members.shape
    if n_sets < 2:
        return {"max_shared": np.nan, "mean_shared": np.nan, "median_shared": np.nan}
    mask = sparse.csr_array(
        (np.ones(n_sets * k), members.ravel(), np.arange(0, n_sets * k + 1, k)), shape=(n_sets, members.max() + 1)
    )
    mask.sum_duplicates()
    mask.data[:] = 1.0
    distinct = np.asarray(mask.sum(axis=1)).ravel()
    shared = 2 * k - (distinct[:, None] + distinct[None, :] - (mask @ mask.T).toarray())
    pairs = shared[np.tril_indices(n_sets, -1)]
    return {"max_shared": pairs.max(), "mean_shared": pairs.mean(), "median_shared": float(np.median(pairs))}
