"""The hybrid dynamic cut of a tree into modules."""

import numpy as np
from numba import njit

from scresist.checks import InputError
from scresist.kernels.similarity import square

MAX_CORE_SCATTER = (0.64, 0.73, 0.82, 0.91, 0.95)  # by deep_split


def cut_tree_hybrid(
    Z: np.ndarray,
    D: np.ndarray,
    cut_height: float | None = 0.995,
    deep_split: int = 4,
    min_size: int = 50,
    pam: bool = False,  # noqa: FBT001, FBT002 (the public order of arguments)
    respect_dendrogram: bool = True,  # noqa: FBT001, FBT002
    *,
    max_pam_distance: float | None = None,
) -> np.ndarray:
    """Modules of a tree: branches that are large, have a tight core, and are separated from the branch they join.

    Parameters
    ----------
    Z
        Merges in scipy's convention with heights ascending, shape (genes - 1, 4).
    D
        The dissimilarities of the tree, shape (genes, genes), single or double precision.
    cut_height
        Merges above it are ignored; it is lowered to the highest merge. None: 99 % of the way from the 5 % quantile of
        the merge heights to the highest.
    deep_split
        0 (few, large modules) to 4 (many, small ones).
    min_size
        Fewest genes of a module.
    pam
        Whether unassigned genes and small branches join the nearest module, if it is near enough.
    respect_dendrogram
        Whether they join modules of their own branch only.
    max_pam_distance
        Distance that is near enough for a module of any width. None is the (lowered) cut height, as in cutreeHybrid;
        WGCNA's blockwise functions use the cut height before it is lowered.

    Returns
    -------
    Labels, shape (genes,): 0 unassigned, 1 the largest module, 2 the next; equal sizes in the order of the tree.

    Raises
    ------
    InputError
        If shapes disagree, deep_split is outside 0 to 4, min_size is below 1, heights descend or are not numbers.

    References
    ----------
    Langfelder, Zhang & Horvath (2008) Bioinformatics 24:719.
    """
    return cut_details(Z, D, cut_height, deep_split, min_size, pam, respect_dendrogram, max_pam_distance)[0]


def cut_details(
    Z: np.ndarray,
    D: np.ndarray,
    cut_height: float | None,
    deep_split: int,
    min_size: int,
    pam: bool,  # noqa: FBT001
    respect_dendrogram: bool,  # noqa: FBT001
    max_pam_distance: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels with, per gene, its small branch (0 none) and its composite branch (0 none).

    Raises
    ------
    InputError
        As in `cut_tree_hybrid`.
    """
    D = square(D, "D")
    Z = np.ascontiguousarray(Z, dtype=np.float64)
    n = len(D)
    if Z.shape != (n - 1, 4):
        raise InputError(f"Z must have shape ({n - 1}, 4) for {n} genes; got {Z.shape}")
    if isinstance(deep_split, bool) or deep_split not in range(5):
        raise InputError(f"deep_split must be a whole number from 0 to 4; got {deep_split!r}")
    if not min_size >= 1:
        raise InputError(f"min_size must be 1 or more; got {min_size!r}")
    height = Z[:, 2]
    if not np.isfinite(height).all() or (np.diff(height) < 0).any():
        raise InputError("the heights of Z must be finite and ascending; make Z with average_linkage(D)")
    reference, top = height[max(1, round(0.05 * len(Z))) - 1], height[-1]
    if cut_height is None:
        cut_height = reference + 0.99 * (top - reference)
    elif not np.isfinite(cut_height):
        raise InputError(f"cut_height must be a finite number or None; got {cut_height!r}")
    cut = min(float(cut_height), top)
    used = int(np.searchsorted(height, cut, side="right"))
    nothing = np.zeros(n, dtype=np.int64)
    if used < min_size:
        return nothing, nothing, nothing
    scatter = MAX_CORE_SCATTER[deep_split]
    limits = np.array([reference + scatter * (cut - reference), 0.75 * (1 - scatter) * (cut - reference), reference])
    labels, small, branch, basics = _grow(Z, D, used, float(min_size), limits, cut, pam and respect_dendrogram)
    if pam and labels.any() and not labels.all():
        reach = cut if max_pam_distance is None else float(max_pam_distance)
        labels = _assign_left(D, labels, small, branch, basics, respect_dendrogram, reach)
    return _by_size(labels), small, branch


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Labels renumbered 1, 2, ... by decreasing size; ties keep their order; labels of 0 and less become 0."""
    size = np.bincount(np.maximum(labels, 0))
    size[0] = 0
    present = np.flatnonzero(size)
    new = np.zeros(len(size), dtype=np.int64)
    new[present[np.argsort(-size[present], kind="stable")]] = np.arange(1, len(present) + 1)
    return new[np.maximum(labels, 0)]


@njit(cache=True, nogil=True)
def _core_scatter(D: np.ndarray, first: int, following: np.ndarray, size: int, min_size: float) -> float:
    """Mean distance among the first genes of a branch."""
    few = min_size / 2 + 1
    count = int(np.floor(few + np.sqrt(size - few))) if few < size else size
    core = np.empty(count, np.int64)
    gene = first
    for i in range(count):
        core[i] = gene
        gene = following[gene]
    total = 0.0
    for i in range(count):
        for j in range(i):
            total += D[core[i], core[j]]
    return 2 * total / (count * (count - 1))


@njit(cache=True, nogil=True)
def _grow(
    Z: np.ndarray,
    D: np.ndarray,
    used: int,
    min_size: float,
    limits: np.ndarray,
    cut: float,
    keep_composites: bool,  # noqa: FBT001 (numba)
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Follow the merges from the bottom, growing branches, and decide which branches are modules.

    A basic branch is a chain of genes; two basic branches both good enough make a composite one, a chain of basic
    branches. Chains are linked lists: one appended to another keeps its own first element and length.
    Returns labels, the small branch and the composite branch of each gene (from 1), and for every composite branch
    (row, from 1) whether it contains each module (column, from 1).
    """
    n = len(D)
    most_scatter, least_gap, least_height = limits[0], limits[1], limits[2]
    n_branches = 2 * n + 1
    size = np.zeros(n_branches, np.int64)
    basic = np.ones(n_branches, np.bool_)
    on_top = np.ones(n_branches, np.bool_)
    too_small = np.zeros(n_branches, np.bool_)
    attach = np.full(n_branches, np.nan)
    first = np.full(n_branches, -1, np.int64)
    last = np.full(n_branches, -1, np.int64)
    following = np.full(n, -1, np.int64)
    first_basic = np.full(n_branches, -1, np.int64)
    last_basic = np.full(n_branches, -1, np.int64)
    n_basic = np.zeros(n_branches, np.int64)
    next_basic = np.full(n_branches, -1, np.int64)
    genes = np.zeros(n_branches, np.int64)  # length of a basic branch's own chain
    branch = np.zeros(n, np.int64)
    branch_of = np.zeros(len(Z), np.int64)
    n_branches = 0
    for step in range(used):
        a, b, height = int(Z[step, 0]), int(Z[step, 1]), Z[step, 2]
        if b < n:
            n_branches += 1
            new = n_branches
            first[new], last[new], following[a] = a, b, b
            size[new] = genes[new] = 2
            branch_of[step] = new
            continue
        if a < n:
            other = branch_of[b - n]
            size[other] += 1
            if basic[other]:
                following[last[other]] = a
                last[other] = a
                genes[other] += 1
            else:
                branch[a] = other
            branch_of[step] = other
            continue
        one, two = branch_of[a - n], branch_of[b - n]
        small, large = (one, two) if size[one] <= size[two] else (two, one)
        merge = False
        by_size_only = True
        for attempt in range(2):
            candidate = small if attempt == 0 else large
            if basic[candidate]:
                scatter = _core_scatter(D, first[candidate], following, genes[candidate], min_size)
                loose = scatter > most_scatter or height - scatter < least_gap
                if size[candidate] < min_size or loose or height < least_height:
                    merge = True
                    by_size_only = not loose
                    if attempt == 1:
                        small, large = large, small
                    break
        if merge:
            too_small[small] = by_size_only
            on_top[small] = False
            attach[small] = height
            if basic[large]:
                following[last[large]] = first[small]
                last[large] = last[small]
                genes[large] += genes[small]
            else:
                gene = first[small]
                for _ in range(genes[small]):
                    branch[gene] = large
                    gene = following[gene]
            size[large] += size[small]
            branch_of[step] = large
            continue
        if basic[large] and not basic[small]:
            small, large = large, small
        attach[small] = height
        for part in (small, large):
            if basic[part]:
                first_basic[part], last_basic[part], n_basic[part] = part, part, 1
        if basic[large] or keep_composites:
            attach[large] = height
            n_branches += 1
            new = n_branches
            basic[new], on_top[new] = False, False
            next_basic[last_basic[small]] = first_basic[large]
            first_basic[new], last_basic[new] = first_basic[small], last_basic[large]
            n_basic[new] = n_basic[small] + n_basic[large]
            size[new] = size[small] + size[large]
            branch_of[step] = new
        else:
            next_basic[last_basic[large]] = first_basic[small]
            last_basic[large] = last_basic[small]
            n_basic[large] += n_basic[small]
            size[large] += size[small]
            branch_of[step] = large
    labels = np.zeros(n, np.int64)
    small_branch = np.zeros(n, np.int64)
    label_of = np.zeros(n_branches + 1, np.int64)
    n_modules = 0
    for this in range(1, n_branches + 1):
        if too_small[this]:
            gene = first[this]
            for _ in range(genes[this]):
                small_branch[gene] = this
                gene = following[gene]
        if not basic[this] or not on_top[this] or size[this] < min_size:
            continue
        joined = cut if np.isnan(attach[this]) else attach[this]
        scatter = _core_scatter(D, first[this], following, genes[this], min_size)
        if scatter < most_scatter and joined - scatter > least_gap:
            n_modules += 1
            label_of[this] = n_modules
    for this in range(1, n_branches + 1):
        if label_of[this] > 0:
            gene = first[this]
            for _ in range(genes[this]):
                labels[gene] = label_of[this]
                gene = following[gene]
    small_branch[labels > 0] = 0
    holds = np.zeros((n_branches + 1, n_modules + 1), np.bool_)
    for this in range(1, n_branches + 1):
        if not basic[this]:
            part = first_basic[this]
            for _ in range(n_basic[this]):
                holds[this, label_of[part]] = True
                part = next_basic[part]
    return labels, small_branch, branch, holds


@njit(cache=True, nogil=True)
def _mean_distances(D: np.ndarray, members: np.ndarray, frozen: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Mean distance of a group of genes to each module, over all pairs."""
    total = np.zeros(len(count))
    for gene in members:
        for j in range(len(frozen)):
            if frozen[j] > 0:
                total[frozen[j]] += D[gene, j]
    for label in range(1, len(count)):
        total[label] /= count[label] * len(members)
    return total


@njit(cache=True, nogil=True)
def _assign_left(
    D: np.ndarray,
    labels: np.ndarray,
    small_branch: np.ndarray,
    branch: np.ndarray,
    holds: np.ndarray,
    respect: bool,  # noqa: FBT001 (numba)
    reach: float,
) -> np.ndarray:
    """Join small branches whole, then genes one by one, to the nearest module within its width or `reach`."""
    frozen = labels.copy()
    labels = labels.copy()
    n_modules = holds.shape[1] - 1
    count = np.bincount(frozen, minlength=n_modules + 1)
    width = np.zeros(n_modules + 1)
    for i in range(len(D)):
        if frozen[i] > 0 and count[frozen[i]] > 1:
            total = 0.0
            for j in range(len(D)):
                if frozen[j] == frozen[i] and j != i:
                    total += D[i, j]
            width[frozen[i]] = max(width[frozen[i]], total / (count[frozen[i]] - 1))
    n_branches = len(holds) - 1
    groups = [np.flatnonzero(small_branch == s) for s in range(1, n_branches + 1)]
    n_groups = len(groups)
    for turn in range(n_groups + len(D)):
        if turn < n_groups:
            members = groups[turn]
            if len(members) == 0:
                continue
        else:
            gene = turn - n_groups
            if labels[gene] != 0:
                continue
            members = np.array([gene])
        home = branch[members[0]]
        if respect and home == 0:
            continue
        distance = _mean_distances(D, members, frozen, count)
        nearest = 0
        for label in range(1, n_modules + 1):
            allowed = holds[home, label] if respect else True
            if allowed and (nearest == 0 or distance[label] < distance[nearest]):
                nearest = label
        if nearest == 0:
            continue
        if distance[nearest] < width[nearest] or distance[nearest] < reach:
            labels[members] = nearest
        elif turn < n_groups:
            labels[members] = -1
    return labels
