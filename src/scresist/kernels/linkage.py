"""Average linkage by the nearest-neighbour chain."""

import numpy as np
from numba import njit

from scresist.checks import InputError, require_finite
from scresist.kernels.similarity import square


def average_linkage(D: np.ndarray) -> np.ndarray:
    """The tree of average linkage over a matrix of dissimilarities.

    Parameters
    ----------
    D
        Dissimilarities, shape (genes, genes), symmetric, single or double precision; the diagonal is not used. The
        upper triangle is used; one working copy of D is made.

    Returns
    -------
    Merges in scipy's convention, shape (genes - 1, 4): the two parts (genes first, then clusters by their number),
    the height, and the number of genes; rows by increasing height, ties in the order in which they were found, as in
    R's fastcluster.

    Raises
    ------
    InputError
        If D is not square, has fewer than two genes, or values that are NaN or infinite.

    References
    ----------
    Muellner (2011) arXiv:1109.2378, sections 2.3 and 3.1 (the chain algorithm and its ties).
    """
    D = square(D, "D")
    if len(D) < 2:
        raise InputError(f"D has {len(D)} genes; a tree needs at least two")
    require_finite(D, "D")
    merges = _chain(D.copy())
    order = np.argsort(merges[:, 2], kind="stable")
    return _numbered(merges[order], len(D))


def leaf_order(Z: np.ndarray) -> np.ndarray:
    """Leaves of a tree from left to right, the first part of every merge on the left; shape (genes,)."""
    n = len(Z) + 1
    order, stack = [], [2 * n - 2]
    while stack:
        node = stack.pop()
        if node < n:
            order.append(node)
        else:
            stack += [int(Z[node - n, 1]), int(Z[node - n, 0])]
    return np.array(order, dtype=np.int64)


@njit(cache=True, nogil=True)
def _chain(D: np.ndarray) -> np.ndarray:
    """Merges (a member of each part, height) in the order in which the chain finds them; D is overwritten."""
    n = len(D)
    merges = np.empty((n - 1, 3))
    size = np.ones(n)
    # The columns in use, ascending, so that later rows are scanned over the remaining ones only.
    active = np.arange(n)
    left = n
    chain = np.empty(n, np.int64)
    length = 0
    for step in range(n - 1):
        if length == 0:
            chain[0] = active[0]
            length = 1
        while True:
            x = chain[length - 1]
            row = D[x]
            # On a tie the previous link is kept: otherwise the chain might not end.
            y = chain[length - 2] if length > 1 else -1
            nearest = row[y] if length > 1 else np.inf
            for place in range(left):
                j = active[place]
                if row[j] < nearest and j != x:
                    nearest = row[j]
                    y = j
            if length > 1 and y == chain[length - 2]:
                break
            chain[length] = y
            length += 1
        length -= 2
        if x > y:
            x, y = y, x
        merges[step, 0], merges[step, 1], merges[step, 2] = x, y, nearest
        # Weights first, then products: on exact ties the rounding decides the order of merges, and R rounds so.
        share_x, share_y = size[x] / (size[x] + size[y]), size[y] / (size[x] + size[y])
        place_x = 0
        for place in range(left):
            j = active[place]
            if j == x:
                place_x = place
            elif j != y:
                value = share_x * D[x, j] + share_y * D[y, j]
                D[y, j] = value
                D[j, y] = value
        size[y] += size[x]
        left -= 1
        for place in range(place_x, left):
            active[place] = active[place + 1]
    return merges


@njit(cache=True, nogil=True)
def _find(parent: np.ndarray, x: int) -> int:
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = parent[x]
    return x


@njit(cache=True, nogil=True)
def _numbered(merges: np.ndarray, n: int) -> np.ndarray:
    """Sorted merges with the clusters numbered n, n + 1, ... as they appear."""
    Z = np.empty((n - 1, 4))
    parent = np.arange(2 * n - 1)
    size = np.ones(2 * n - 1)
    for step in range(n - 1):
        a = _find(parent, int(merges[step, 0]))
        b = _find(parent, int(merges[step, 1]))
        parent[a] = n + step
        parent[b] = n + step
        size[n + step] = size[a] + size[b]
        Z[step, 0], Z[step, 1] = min(a, b), max(a, b)
        Z[step, 2], Z[step, 3] = merges[step, 2], size[n + step]
    return Z
