"""Modules of genes: their eigengenes, membership, trimming and merging."""

import numpy as np
from numba import njit
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from scresist.checks import InputError, require_choice
from scresist.kernels.imputation import impute_from_nearest
from scresist.kernels.linkage import average_linkage, leaf_order
from scresist.kernels.pairwise import as_matrix, standardise

_DENSE_UP_TO = 300  # side of the smaller product up to which a full eigensolver is the faster


def as_labels(labels: np.ndarray, n_genes: int) -> np.ndarray:
    """Labels as integers, one per gene.

    Raises
    ------
    InputError
        If labels are missing, negative or not whole, or their number is wrong.
    """
    given = np.asarray(labels)
    if given.shape != (n_genes,):
        raise InputError(f"labels must have one label for each of {n_genes} genes; got shape {given.shape}")
    if given.dtype.kind not in "iuf":
        raise InputError(f"labels must be whole numbers, 0 for unassigned; got dtype {given.dtype}")
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise InputError(f"labels has {int((~np.isfinite(given)).sum())} missing values; use 0 for unassigned genes")
    whole = given.astype(np.int64)
    if (whole != given).any() or (whole < 0).any():
        raise InputError("labels must be whole numbers of 0 (unassigned) or more")
    return whole


def eigengenes(X: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First principal component of each module's standardised expression, and the share of variance it explains.

    Parameters
    ----------
    X
        Expression, shape (samples, genes). Missing values are imputed from the nearest genes of the module first.
    labels
        Module of each gene, shape (genes,); 0 is unassigned and has no eigengene.

    Returns
    -------
    Eigengenes, shape (samples, modules), columns by ascending label, each of unit length and mean zero, with the sign
    that makes the correlation with the module's mean standardised expression positive; and the mean squared correlation
    of the module's genes with it, shape (modules,). Genes that are constant in X have no weight.

    Raises
    ------
    InputError
        If no gene has a label above 0, or every gene of a module is constant.

    References
    ----------
    Langfelder & Horvath (2007) BMC Syst Biol 1:54, equations 1 and 2.
    """
    X = as_matrix(X, "X")
    labels = as_labels(labels, X.shape[1])
    present = np.unique(labels[labels > 0])
    if len(present) == 0:
        raise InputError("labels have no module: every gene is 0 (unassigned)")
    E = np.empty((X.shape[0], len(present)))
    explained = np.empty(len(present))
    for column, label in enumerate(present):
        block = np.asarray(X[:, labels == label], dtype=np.float64)
        if np.isnan(block).any():
            block = impute_from_nearest(block, min(10, block.shape[1] - 1))
        Z = standardise(block)
        Z = Z[:, ~np.isnan(Z).all(axis=0)]
        if Z.shape[1] == 0:
            raise InputError(f"every gene of module {label} is constant; drop constant genes first")
        E[:, column] = leading_component(Z)
        explained[column] = ((Z.T @ E[:, column]) ** 2).mean()
    return E, explained


def leading_component(Z: np.ndarray) -> np.ndarray:
    """First left singular vector of Z (samples, genes), with the sign of the mean of the columns; unit length."""
    n, p = Z.shape
    average = Z.mean(axis=1)
    if min(n, p) <= _DENSE_UP_TO:
        vector = _leading_dense(Z)
    else:
        operator = LinearOperator((n, n), matvec=lambda v: Z @ (Z.T @ v), dtype=np.float64)
        # Not the average, which can be orthogonal to the result where signs are balanced.
        start = average / max(float(np.linalg.norm(average)), 1e-300) + np.cos(np.arange(n)) / n
        try:
            vector = eigsh(operator, k=1, which="LA", v0=start, tol=0, maxiter=50)[1][:, 0]
        except ArpackNoConvergence:
            vector = _leading_dense(Z)
    vector = vector - vector.mean()
    vector /= np.linalg.norm(vector)
    centred = average - average.mean()
    return -vector if centred @ vector < 0 else vector


def _leading_dense(Z: np.ndarray) -> np.ndarray:
    n, p = Z.shape
    if n <= p:
        return np.asarray(eigh(Z @ Z.T, subset_by_index=[n - 1, n - 1])[1][:, 0])
    right = eigh(Z.T @ Z, subset_by_index=[p - 1, p - 1])[1][:, 0]
    left = Z @ right
    return np.asarray(left / np.linalg.norm(left))


def signed_kme(
    X: "np.ndarray | sparse.sparray | sparse.spmatrix", E: np.ndarray, *, method: str = "pearson"
) -> np.ndarray:
    """Correlation of every gene with every module's eigengene: how much the gene belongs to the module.

    Parameters
    ----------
    X
        Expression, shape (samples, genes), dense or sparse (then it is never made dense). NaN is missing.
    E
        Eigengenes on the same samples, shape (samples, modules).
    method
        "pearson" or, for dense X, "bicor".

    Returns
    -------
    Correlations in [-1, 1], shape (genes, modules); NaN for a constant gene or a constant eigengene.

    Raises
    ------
    InputError
        If X and E have different numbers of samples, or `method` is "bicor" for sparse X.

    References
    ----------
    Langfelder & Horvath (2008) BMC Bioinformatics 9:559, "module membership".
    """
    require_choice(method, ("pearson", "bicor"), "method")
    E = as_matrix(np.asarray(E, dtype=np.float64), "E")
    if X.shape[0] != E.shape[0]:
        raise InputError(f"X has {X.shape[0]} samples and E has {E.shape[0]}; they must be the same samples")
    if sparse.issparse(X):
        if method != "pearson":
            raise InputError("bicor needs dense X: the median of a sparse gene is mostly its zeros")
        return _kme_sparse(X, E)
    X = as_matrix(X, "X")
    robust = method == "bicor"
    Z = standardise(X, robust=robust)
    Y = standardise(E, robust=robust)
    undefined = np.isnan(Z).all(axis=0)
    missing = np.flatnonzero(np.isnan(X).any(axis=0) & ~undefined)
    kme = np.clip(np.nan_to_num(Z).T.astype(np.float64, copy=False) @ Y, -1, 1)
    kme[undefined] = np.nan
    for gene in missing:
        known = ~np.isnan(X[:, gene])
        own = standardise(np.asarray(X[known, gene : gene + 1], dtype=np.float64), robust=robust)
        kme[gene] = np.clip(own.T @ standardise(E[known], robust=robust), -1, 1)
    return kme


def _kme_sparse(X: "sparse.sparray | sparse.spmatrix", E: np.ndarray) -> np.ndarray:
    """Pearson from sums over the stored entries; E is centred first, to avoid rounding errors in the products."""
    n, n_genes = X.shape
    rows = X if X.format == "csr" else X.tocsr()
    centred = E - E.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    product, spread, mean = _sparse_sums(rows.data, rows.indices, rows.indptr, n_genes, centred)
    with np.errstate(divide="ignore", invalid="ignore"):
        kme = product / (np.sqrt(spread)[:, None] * length)
    constant = spread <= n * (1e-14 * np.abs(mean)) ** 2
    kme[constant] = np.nan
    kme[:, length == 0] = np.nan
    return np.clip(kme, -1, 1)


@njit(cache=True, nogil=True)
def _sparse_sums(
    data: np.ndarray, indices: np.ndarray, indptr: np.ndarray, n_genes: int, E: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X'E, the squares of X about its column means, and those means, for X in rows; two passes over the stored entries.

    The second pass sums squares about the mean, of stored entries and of zeros, because differences of raw sums of
    squares lose digits.
    """
    n, m = E.shape
    product = np.zeros((n_genes, m))
    mean = np.zeros(n_genes)
    stored = np.zeros(n_genes, np.int64)
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            gene = indices[k]
            value = np.float64(data[k])
            mean[gene] += value
            stored[gene] += 1
            for c in range(m):
                product[gene, c] += value * E[i, c]
    mean /= n
    spread = (n - stored) * mean**2
    for k in range(len(data)):
        spread[indices[k]] += (np.float64(data[k]) - mean[indices[k]]) ** 2
    return product, spread, mean


def trim_modules(
    X: np.ndarray,
    labels: np.ndarray,
    *,
    min_size: int,
    min_core_kme: float = 0.5,
    min_core_size: float | None = None,
    min_kme_to_stay: float = 0.2,
    absolute: bool = False,
) -> np.ndarray:
    """Labels after modules without a core are dissolved and genes with a low kME are unassigned.

    A module is kept if at least `min_core_size` genes (None: a third of `min_size`) have a kME above `min_core_kme` and
    at least `min_size` genes a kME of `min_kme_to_stay` or more; the other genes of a kept module are set to 0.
    `absolute` uses |kME|, as unsigned networks do. Eigengenes are not computed again in between.
    """
    X = as_matrix(X, "X")
    labels = as_labels(labels, X.shape[1]).copy()
    if not labels.any():
        return labels
    core = min_size / 3 if min_core_size is None else min_core_size
    E, _ = eigengenes(X, labels)
    for column, label in enumerate(np.unique(labels[labels > 0])):
        members = np.flatnonzero(labels == label)
        kme = signed_kme(X[:, members], E[:, [column]])[:, 0]
        kme = np.abs(kme) if absolute else kme
        stay = kme >= min_kme_to_stay
        if (kme > min_core_kme).sum() < core or stay.sum() < min_size:
            labels[members] = 0
        else:
            labels[members[~stay]] = 0
    return labels


def merge_modules(X: np.ndarray, labels: np.ndarray, cut_height: float = 0.2) -> np.ndarray:
    """Labels after modules with similar eigengenes are joined, repeatedly until none is.

    Modules are joined by average linkage of 1 - r of their eigengenes, cut at `cut_height`.

    Parameters
    ----------
    X
        Expression, shape (samples, genes).
    labels
        Module of each gene, shape (genes,); 0 is unassigned.
    cut_height
        Largest height at which modules are joined, 0 to 2.

    Returns
    -------
    Labels, shape (genes,): a joined group has the label of its first module in the order of the leaves of the tree of
    eigengenes; other labels are not renumbered. A single module does not change.

    Raises
    ------
    InputError
        If no gene has a label above 0, or `cut_height` is negative.

    References
    ----------
    Langfelder & Horvath (2008) BMC Bioinformatics 9:559.
    """
    X = as_matrix(X, "X")
    labels = as_labels(labels, X.shape[1]).copy()
    if not cut_height >= 0:
        raise InputError(f"cut_height must be zero or more; got {cut_height!r}")
    if not labels.any():
        raise InputError("labels have no module to merge: every gene is 0 (unassigned)")
    while True:
        present = np.unique(labels[labels > 0])
        if len(present) < 2:
            return labels
        E, _ = eigengenes(X, labels)
        order = eigengene_order(E)
        named = present[order]
        group = _joined(1 - np.corrcoef(E[:, order], rowvar=False), cut_height)
        if len(np.unique(group)) == len(present):
            return labels
        # A group has the label of its first module in the order of the leaves.
        new = np.zeros(labels.max() + 1, dtype=np.int64)
        new[named] = named[group]
        labels = new[labels]


def eigengene_order(E: np.ndarray) -> np.ndarray:
    """Order of the leaves of the average-linkage tree of 1 - r of eigengenes, shape (modules,)."""
    if E.shape[1] < 2:
        return np.arange(E.shape[1])
    return leaf_order(average_linkage(1 - np.corrcoef(E, rowvar=False)))


def _joined(D: np.ndarray, cut_height: float) -> np.ndarray:
    """For each row, the first row that merges of height up to `cut_height` join it with."""
    n = len(D)
    Z = average_linkage(D)
    group = np.arange(n)
    members = {i: [i] for i in range(n)}
    for step, (a, b, height, _) in enumerate(Z):
        members[n + step] = members.pop(int(a)) + members.pop(int(b))
        if height <= cut_height:
            group[members[n + step]] = min(members[n + step])
    return group
