"""The probability of ligand-receptor communication between groups, and in how many relabellings it is exceeded."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from scresist.kernels.averages import BLOCK, Sorted, relabelled_averages


@dataclass(frozen=True, slots=True)
class Ragged:
    """Genes of each pair: positions `indices[pointers[k] : pointers[k + 1]]`."""

    pointers: np.ndarray
    indices: np.ndarray


@dataclass(frozen=True, slots=True)
class PairGenes:
    """The genes of each ligand-receptor pair, as positions among the averaged genes.

    Subunits of ligand and receptor (one for a single gene), co-stimulating and co-inhibiting receptors, agonists and
    antagonists; a pair has an agonist row although none of its genes is measured where `has_agonist` is True.
    """

    ligand: Ragged
    receptor: Ragged
    stimulating: Ragged
    inhibiting: Ragged
    agonist: Ragged
    antagonist: Ragged


def ragged(rows: list[list[int]]) -> Ragged:
    """Lists of positions as one array with pointers."""
    pointers = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    return Ragged(pointers, np.array([i for r in rows for i in r], dtype=np.int64))


def factors(averages: np.ndarray, genes: PairGenes, kh: float, hill: float) -> tuple[np.ndarray, ...]:
    """Ligand and receptor level, agonist and antagonist factor of each group and pair.

    Parameters
    ----------
    averages
        Group averages on the common scale. Shape (groups, genes).
    genes
        The genes of the pairs.
    kh, hill
        Half-saturation and exponent of the agonist and antagonist terms.

    Returns
    -------
    Four arrays (groups, pairs). A complex is the geometric mean of its subunits' averages.

    References
    ----------
    Jin S et al. (2021) Nat Commun 12:1088; Jin S, Plikus MV, Nie Q (2025) Nat Protoc 20:180.
    """
    arguments = []
    for part in (genes.ligand, genes.receptor, genes.stimulating, genes.inhibiting, genes.agonist, genes.antagonist):
        arguments += [part.pointers, part.indices]
    n_pairs = len(genes.ligand.pointers) - 1
    out = tuple(np.ones((averages.shape[0], n_pairs)) for _ in range(4))
    _factors(np.ascontiguousarray(averages, dtype=np.float64), *arguments, kh, hill, *out)
    return out


@njit(cache=True)
def _geometric(row, pointers, indices, k):  # type: ignore[no-untyped-def]
    lo, hi = pointers[k], pointers[k + 1]
    if hi - lo == 1:
        return row[indices[lo]]
    total = 0.0
    for i in range(lo, hi):
        if row[indices[i]] == 0.0:
            return 0.0
        total += np.log(row[indices[i]])
    return np.exp(total / (hi - lo))


@njit(cache=True, parallel=True)
def _factors(average, lp, li, rp, ri, sp, si, ip, ii, ap, ai, np_, ni, kh, hill, ligand, receptor, agonist, antagonist):  # type: ignore[no-untyped-def]
    for g in prange(average.shape[0]):
        row = average[g]
        for k in range(ligand.shape[1]):
            ligand[g, k] = _geometric(row, lp, li, k)
            level = _geometric(row, rp, ri, k)
            for i in range(sp[k], sp[k + 1]):
                level *= 1.0 + row[si[i]]
            down = 1.0
            for i in range(ip[k], ip[k + 1]):
                down *= 1.0 + row[ii[i]]
            receptor[g, k] = level / down
            up = 1.0
            for i in range(ap[k], ap[k + 1]):
                power = row[ai[i]] ** hill
                up *= 1.0 + power / (kh**hill + power)
            agonist[g, k] = up
            block = 1.0
            for i in range(np_[k], np_[k + 1]):
                block *= kh**hill / (kh**hill + row[ni[i]] ** hill)
            antagonist[g, k] = block


def probability(
    averages: np.ndarray, genes: PairGenes, kh: float, hill: float, population: np.ndarray | None
) -> np.ndarray:
    """Communication probability of each source, target and pair.

    P = (L R)^n / (Kh^n + (L R)^n) x agonists of both x antagonists of both x shares of both, with L of the source
    and R of the target.

    Parameters
    ----------
    averages
        Shape (groups, genes), scaled.
    genes
        The genes of the pairs.
    kh, hill
        Half-saturation and exponent of the Hill function.
    population
        Share of cells of each group, as weights; None uses no weights. Shape (groups,).

    Returns
    -------
    Shape (groups, groups, pairs).
    """
    ligand, receptor, agonist, antagonist = factors(averages, genes, kh, hill)
    n = ligand.shape[0]
    share = np.ones(n) if population is None else population
    out = np.zeros((n, n, ligand.shape[1]))
    _probability(ligand, receptor, agonist, antagonist, share, kh, hill, out)
    return out


@njit(cache=True, inline="always")
def _one(ligand, receptor, agonist, antagonist, share, i, j, k, kh, hill):  # type: ignore[no-untyped-def]
    signal = ligand[i, k] * receptor[j, k]
    if signal == 0.0:
        return 0.0
    power = signal**hill if hill != 1.0 else signal
    half = kh**hill if hill != 1.0 else kh
    p = power / (half + power)
    return p * (agonist[i, k] * agonist[j, k]) * (antagonist[i, k] * antagonist[j, k]) * (share[i] * share[j])


@njit(cache=True, parallel=True)
def _probability(ligand, receptor, agonist, antagonist, share, kh, hill, out):  # type: ignore[no-untyped-def]
    for i in prange(out.shape[0]):
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                out[i, j, k] = _one(ligand, receptor, agonist, antagonist, share, i, j, k, kh, hill)


@njit(cache=True, parallel=True)
def _count(ligand, receptor, agonist, antagonist, share, kh, hill, observed, count):  # type: ignore[no-untyped-def]
    n_labels, n_groups, n_pairs = ligand.shape
    for i in prange(n_groups):
        for b in range(n_labels):
            for j in range(n_groups):
                weight = share[i] * share[j]
                for k in range(n_pairs):
                    seen = observed[i, j, k]
                    signal = ligand[b, i, k] * receptor[b, j, k]
                    if seen > 0.0 and signal > 0.0:
                        power = signal if hill == 1.0 else signal**hill
                        half = kh if hill == 1.0 else kh**hill
                        p = power / (half + power) * (agonist[b, i, k] * agonist[b, j, k])
                        p = p * (antagonist[b, i, k] * antagonist[b, j, k]) * weight
                        if p > seen:
                            count[i, j, k] += 1


def count_exceeding(
    order: Sorted,
    labels: np.ndarray | Iterable[np.ndarray],
    size: np.ndarray,
    genes: PairGenes,
    observed: np.ndarray,
    *,
    average: str,
    trim: float,
    kh: float,
    hill: float,
    population: np.ndarray | None,
) -> np.ndarray:
    """In how many relabellings each probability is strictly exceeded; entries whose observed value is 0 stay 0.

    Only the genes of pairs with a value above zero are averaged again.

    Parameters
    ----------
    order
        Sorted values of the genes from which `observed` was computed, so that ties are exact.
    labels
        Group of each cell under each relabelling, shape (cells, relabellings), or blocks of such columns one after
        another, so that they need not all be in memory at once.
    size
        Cells of each group.
    genes, average, trim, kh, hill, population
        As in `probability` and `averages.group_average`.
    observed
        Shape (groups, groups, pairs).

    Returns
    -------
    Shape (groups, groups, pairs), integer.
    """
    share = np.ones(len(size)) if population is None else population
    count = np.zeros(observed.shape, dtype=np.int64)
    active = np.flatnonzero((observed > 0).any(axis=(0, 1)))
    if len(active) == 0:
        return count
    own, needed = _restrict(genes, active)
    few = order.take(needed)
    seen = np.ascontiguousarray(observed[:, :, active])
    part = np.zeros(seen.shape, dtype=np.int64)
    for block in [labels] if isinstance(labels, np.ndarray) else labels:
        for start in range(0, block.shape[1], BLOCK):
            averages = relabelled_averages(few, block[:, start : start + BLOCK], size, average, trim)
            n_labels, n_groups, n_genes = averages.shape
            made = factors(averages.reshape(-1, n_genes), own, kh, hill)
            shaped = [f.reshape(n_labels, n_groups, len(active)) for f in made]
            _count(*shaped, share, kh, hill, seen, part)
    count[:, :, active] = part
    return count


def _restrict(genes: PairGenes, pairs: np.ndarray) -> tuple[PairGenes, np.ndarray]:
    """The wanted pairs on the genes they need, and which genes those are."""
    parts = [genes.ligand, genes.receptor, genes.stimulating, genes.inhibiting, genes.agonist, genes.antagonist]
    rows = [[p.indices[p.pointers[k] : p.pointers[k + 1]] for k in pairs] for p in parts]
    needed = np.unique(np.concatenate([r for part in rows for r in part]))
    return PairGenes(*(ragged([np.searchsorted(needed, r).tolist() for r in part]) for part in rows)), needed
