"""Which genes belong to a module: the association of each with the sum of the module's other genes."""

import numpy as np
from numba import njit
from scipy.linalg import eigh

MAX_SHARE = 1 / 3  # of the genes; the genes outside a larger module are no majority to compare with


def membership_z(
    Z: np.ndarray,
    labels: np.ndarray,
    modules: np.ndarray,
    square: np.ndarray | None = None,
    *,
    largest_unit: float = np.inf,
) -> np.ndarray:
    """How far the correlation of every gene with the sum of a module's other genes is from that of genes outside.

    A gene's own values are taken out of the sum first. The unit is 1 / sqrt(rows), the deviation of a correlation of
    independent genes, or the deviation over the genes outside the module where that is larger: where all genes share
    an axis, a gene belongs to a module only if it follows it more than other genes do. `largest_unit` bounds that: in
    a mixture of cell types nearly all genes follow each module to some degree, up or down. A module of more than a
    third of the genes is compared with all genes.

    Parameters
    ----------
    Z
        Values of mean 0 and variance 1 over rows. Shape (rows, genes).
    labels
        Module of each gene, 1, 2, ..., or 0. Shape (genes,).
    modules
        The numbers of the modules that are wanted.
    square
        Mean square of every gene, where it is known. Shape (genes,).
    largest_unit
        Largest deviation over the genes outside; that of independent genes is kept where it is larger.

    Returns
    -------
    Shape (genes, modules wanted); minus infinity for a module without genes.
    """
    n = len(Z)
    square = np.einsum("ij,ij->j", Z, Z) / n if square is None else square
    sums = Z @ (labels[:, None] == modules).astype(Z.dtype)
    own = np.asarray(sums.T @ Z, dtype=np.float64).T / n
    total = np.square(sums, dtype=np.float64).sum(axis=0) / n
    out = np.full(own.shape, -np.inf)
    for m, module in enumerate(modules):
        inside = labels == module
        if not inside.any():
            continue
        covariance, variance = own[:, m].copy(), np.full(len(labels), total[m])
        covariance[inside] -= square[inside]
        variance[inside] += square[inside] - 2 * own[inside, m]
        scale = np.sqrt(np.maximum(variance * square, 1e-12))
        r = np.where(variance > 1e-9, covariance / scale, 0.0)
        # A module of many genes is an axis that all share: it is compared with itself.
        others = r[~inside] if inside.mean() <= MAX_SHARE else r
        centre = float(np.median(others))
        spread = min(1.4826 * float(np.median(np.abs(others - centre))), largest_unit)
        out[:, m] = (r - centre) / max(spread, 1 / np.sqrt(n))
    return out


def refine_members(
    Z: np.ndarray,
    labels: np.ndarray,
    *,
    threshold: float,
    min_size: int,
    sufficient: float = np.inf,
    rounds: int = 6,
) -> np.ndarray:
    """Labels after each gene was moved to the module that it follows most, until nothing moves.

    Parameters
    ----------
    Z, labels
        As in `membership_z`.
    threshold
        Smallest value of `membership_z` of a member.
    min_size
        Modules with fewer genes are dissolved at the end.
    sufficient
        Correlation above the median of the genes outside with which a gene follows a module, however much those differ.
    rounds
        Largest number of rounds.

    Returns
    -------
    Labels of the same modules, 0 where a gene follows none. Shape (genes,).
    """
    labels = np.asarray(labels).copy()
    n_modules = int(labels.max(initial=0))
    if n_modules == 0:
        return labels
    square = np.einsum("ij,ij->j", Z, Z) / len(Z)
    z, changed = np.empty((len(labels), n_modules)), np.arange(1, n_modules + 1)
    for _ in range(rounds):
        z[:, changed - 1] = membership_z(Z, labels, changed, square, largest_unit=sufficient / threshold)
        best = z.argmax(axis=1)
        moved = np.where(z[np.arange(len(best)), best] >= threshold, best + 1, 0)
        sizes = np.bincount(moved, minlength=n_modules + 1)
        moved[(sizes < 3)[moved]] = 0
        gone = moved != labels
        if not gone.any():
            break
        changed = np.unique(np.concatenate([moved[gone], labels[gone]]))
        changed = changed[changed > 0]  # the other modules have the genes that they had
        labels = moved
    sizes = np.bincount(labels, minlength=n_modules + 1)
    labels[(sizes < min_size)[labels]] = 0
    return labels


def axis_correlations(Z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Correlations of what the genes of modules share, without the noise of single genes.

    The sum of a module's genes is their common axis and the noise of each. The variance of the axis is estimated from
    the covariances of different genes alone, so that the correlation of two axes does not fall with the noise
    (correction for attenuation; Spearman 1904), nor rise with the pooling of rows.

    Parameters
    ----------
    Z
        Values of mean 0 over rows. Shape (rows, genes).
    labels
        Module of each gene, 1 to the number of modules, or 0. Shape (genes,).

    Returns
    -------
    Shape (modules, modules), diagonal 1; 0 for a module whose genes do not vary together.
    """
    n_modules = int(labels.max(initial=0))
    member = (labels[:, None] == np.arange(1, n_modules + 1)).astype(Z.dtype)
    sums = np.asarray(Z @ member, dtype=np.float64)
    covariance = sums.T @ sums / len(Z)
    noise = np.einsum("ij,ij->j", Z, Z, dtype=np.float64) @ member / len(Z)
    sizes = np.maximum(member.sum(axis=0, dtype=np.float64), 2)
    variance = np.maximum(np.diag(covariance) - noise, 0) * sizes / (sizes - 1)
    scale = np.sqrt(np.outer(variance, variance))
    R = np.clip(np.where(scale > 0, covariance / np.where(scale > 0, scale, 1), 0), -1, 1)
    np.fill_diagonal(R, 1)
    return np.asarray((R + R.T) / 2)


def two_sides(Z: np.ndarray) -> np.ndarray:
    """Genes in two sides by the two axes that most of their correlation follows.

    The first two principal components are turned so that each gene follows one of them and not the other, as far as
    that can be (varimax; Kaiser 1958, in closed form for two), and each gene is given to the one that it follows more.

    Parameters
    ----------
    Z
        Values of mean 0 and variance 1 over rows. Shape (rows, genes), at least two genes.

    Returns
    -------
    1 or 2 for every gene; 1 is the side of the first gene. Shape (genes,).
    """
    last = [Z.shape[1] - 2, Z.shape[1] - 1]
    values, vectors = eigh(np.asarray(Z.T @ Z, dtype=np.float64) / len(Z), subset_by_index=last)
    x, y = (vectors[:, -2:] * np.sqrt(np.maximum(values[-2:], 0))).T
    u, v = x**2 - y**2, 2 * x * y
    above = 2 * (u * v).sum() - 2 * u.sum() * v.sum() / len(u)
    below = (u**2 - v**2).sum() - (u.sum() ** 2 - v.sum() ** 2) / len(u)
    angle = np.arctan2(above, below) / 4
    axes = np.stack([x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)])
    axes *= np.where(axes.sum(axis=1) < 0, -1, 1)[:, None]
    second = axes[1] > axes[0]
    return np.where(second == second[0], 1, 2)


def mean_correlations(Z: np.ndarray, members: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Mean correlation between different members of each of many sets of genes. Shape (sets,).

    It follows from the square of the sum of a set's genes, so that no matrix of genes by genes is needed.

    Parameters
    ----------
    Z
        Values of mean 0 and variance 1 over rows; in Fortran's order they are not copied. Shape (rows, genes).
    members, ends
        Positions of the genes of all sets, one set after the other, and where each ends (with a leading 0).
    """
    by_gene = np.ascontiguousarray(Z.T)
    square = np.einsum("ij,ij->i", by_gene, by_gene, dtype=np.float64)
    return _mean_correlations(by_gene, square, np.asarray(members, dtype=np.int64), np.asarray(ends, dtype=np.int64))


@njit(cache=True, nogil=True)
def _mean_correlations(by_gene: np.ndarray, square: np.ndarray, members: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """As `mean_correlations`, of genes in rows and their sums of squares."""
    rows = by_gene.shape[1]
    total, out = np.empty(rows, by_gene.dtype), np.zeros(len(ends) - 1)
    for s in range(len(out)):
        total[:] = 0
        own = 0.0
        for at in range(ends[s], ends[s + 1]):
            gene = members[at]
            own += square[gene]
            for i in range(rows):
                total[i] += by_gene[gene, i]
        whole = 0.0
        for i in range(rows):
            whole += np.float64(total[i]) * np.float64(total[i])
        k = ends[s + 1] - ends[s]
        if k > 1:
            out[s] = (whole - own) / (rows * k * (k - 1))
    return out


def mean_correlations_with(Z: np.ndarray, genes: np.ndarray) -> np.ndarray:
    """Mean correlation of every gene with some genes, itself among them where it is one of them. Shape (genes,).

    Parameters
    ----------
    Z
        Values of mean 0 and variance 1 over rows. Shape (rows, genes).
    genes
        Positions of some genes, at least one.
    """
    return np.asarray(Z[:, genes].mean(axis=1, dtype=np.float64).astype(Z.dtype) @ Z, dtype=np.float64) / len(Z)


@njit(cache=True, nogil=True)
def drawn_without_replacement(among: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """For every row of `uniform` as many different members of `among` as it has numbers, all choices alike.

    Parameters
    ----------
    among
        What is drawn from. Shape (members,).
    uniform
        Numbers from 0 up to 1. Shape (draws, members of each), at most as many as `among` has.

    References
    ----------
    The first steps of the shuffle of Fisher and Yates (Durstenfeld 1964).
    """
    order, out = among.copy(), np.empty(uniform.shape, among.dtype)
    for row in range(uniform.shape[0]):
        for place in range(uniform.shape[1]):
            other = place + int(uniform[row, place] * (len(order) - place))
            order[place], order[other] = order[other], order[place]
            out[row, place] = order[place]
    return out
