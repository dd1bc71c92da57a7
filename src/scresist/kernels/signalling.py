"""The probability of ligand-receptor communication between groups, and in how many relabellings it is exceeded."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from scresist.kernels.averages import BLOCK, Sorted, averages_of_sorted, relabelled_averages


class Ragged(NamedTuple):
    """Genes of each pair: positions `indices[pointers[k] : pointers[k + 1]]`."""

    pointers: np.ndarray
    indices: np.ndarray


class PairGenes(NamedTuple):
    """The genes of each ligand-receptor pair, as positions among the averaged genes.

    Subunits of ligand and receptor (one for a single gene), co-stimulating and co-inhibiting receptors, agonists and
    antagonists.
    """

    ligand: Ragged
    receptor: Ragged
    stimulating: Ragged
    inhibiting: Ragged
    agonist: Ragged
    antagonist: Ragged


class Factors(NamedTuple):
    """Ligand and receptor level, agonist and antagonist factor of each group and pair."""

    ligand: np.ndarray
    receptor: np.ndarray
    agonist: np.ndarray
    antagonist: np.ndarray


class Formula(NamedTuple):
    """How a probability is computed from the values of cells.

    `average` and `trim` as in `averages.group_average`; `kh` and `hill`, half-saturation and exponent of the Hill
    functions; `population`, the share of cells of each group as weights, or None for no weights.
    """

    average: str
    trim: float
    kh: float
    hill: float
    population: np.ndarray | None


def ragged(rows: list[list[int]]) -> Ragged:
    """Lists of positions as one array with pointers."""
    pointers = np.concatenate([[0], np.cumsum([len(r) for r in rows])]).astype(np.int64)
    return Ragged(pointers, np.array([i for r in rows for i in r], dtype=np.int64))


def factors(averages: np.ndarray, genes: PairGenes, kh: float, hill: float) -> Factors:
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
    Arrays of shape (groups, pairs). A complex is the geometric mean of its subunits' averages.

    References
    ----------
    Jin S et al. (2021) Nat Commun 12:1088; Jin S, Plikus MV, Nie Q (2025) Nat Protoc 20:180.
    """
    n_pairs = len(genes.ligand.pointers) - 1
    out = Factors(*(np.ones((averages.shape[0], n_pairs)) for _ in range(4)))
    _factors(np.ascontiguousarray(averages, dtype=np.float64), genes, float(kh), float(hill), out)
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
def _factors(average, genes, kh, hill, out):  # type: ignore[no-untyped-def]
    # Arrays by themselves: a record cannot enter a parallel loop.
    (lp, li), (rp, ri), (sp, si), (ip, ii), (ap, ai), (bp, bi) = genes
    ligand, receptor, agonist, antagonist = out
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
            for i in range(bp[k], bp[k + 1]):
                block *= kh**hill / (kh**hill + row[bi[i]] ** hill)
            antagonist[g, k] = block


@njit(cache=True, inline="always")
def _link(signal, up, down, weight, kh, hill):  # type: ignore[no-untyped-def]
    """Probability of one link from L R, the products of the agonist and antagonist factors, and the weight."""
    power = signal if hill == 1.0 else signal**hill
    half = kh if hill == 1.0 else kh**hill
    return power / (half + power) * up * down * weight


def probability(averages: np.ndarray, genes: PairGenes, formula: Formula) -> np.ndarray:
    """Communication probability of each source, target and pair.

    P = (L R)^n / (Kh^n + (L R)^n) x agonists of both x antagonists of both x shares of both, with L of the source
    and R of the target.

    Parameters
    ----------
    averages
        Shape (groups, genes), scaled.
    genes
        The genes of the pairs.
    formula
        Its numbers.

    Returns
    -------
    Shape (groups, groups, pairs).
    """
    of = factors(averages, genes, formula.kh, formula.hill)
    n, n_pairs = of.ligand.shape
    out = np.zeros((n, n, n_pairs))
    _probability(of, _weights(formula, n), float(formula.kh), float(formula.hill), out)
    return out


def _weights(formula: Formula, n_groups: int) -> np.ndarray:
    return np.ones(n_groups) if formula.population is None else formula.population


@njit(cache=True, parallel=True)
def _probability(of, share, kh, hill, out):  # type: ignore[no-untyped-def]
    ligand, receptor, agonist, antagonist = of
    for i in prange(out.shape[0]):
        for j in range(out.shape[1]):
            weight = share[i] * share[j]
            for k in range(out.shape[2]):
                signal = ligand[i, k] * receptor[j, k]
                if signal > 0.0:
                    up, down = agonist[i, k] * agonist[j, k], antagonist[i, k] * antagonist[j, k]
                    out[i, j, k] = _link(signal, up, down, weight, kh, hill)


@njit(cache=True, parallel=True)
def _count(of, share, kh, hill, observed, count):  # type: ignore[no-untyped-def]
    ligand, receptor, agonist, antagonist = of
    n_labels, n_groups, n_pairs = ligand.shape
    for i in prange(n_groups):
        for b in range(n_labels):
            for j in range(n_groups):
                weight = share[i] * share[j]
                for k in range(n_pairs):
                    signal = ligand[b, i, k] * receptor[b, j, k]
                    if observed[i, j, k] > 0.0 and signal > 0.0:
                        up = agonist[b, i, k] * agonist[b, j, k]
                        down = antagonist[b, i, k] * antagonist[b, j, k]
                        if _link(signal, up, down, weight, kh, hill) > observed[i, j, k]:
                            count[i, j, k] += 1


class Observed(NamedTuple):
    """Probabilities of cells with their own labels, and what their values under other labels are computed from."""

    order: Sorted
    size: np.ndarray
    genes: PairGenes
    formula: Formula
    probability: np.ndarray


def observe(order: Sorted, codes: np.ndarray, n_groups: int, genes: PairGenes, formula: Formula) -> Observed:
    """The probabilities of groups of cells.

    Parameters
    ----------
    order
        Sorted and scaled values of the genes.
    codes
        Group of each cell, 0 to n_groups - 1. Shape (cells,).
    n_groups
        Number of groups.
    genes
        The genes of the pairs.
    formula
        Its numbers.
    """
    averages = averages_of_sorted(order, codes, n_groups, formula.average, formula.trim)
    size = np.bincount(codes, minlength=n_groups)
    return Observed(order, size, genes, formula, probability(averages, genes, formula))


def count_exceeding(
    seen: Observed, labels: np.ndarray | Iterable[np.ndarray], values: np.ndarray | None = None
) -> np.ndarray:
    """In how many relabellings each probability is strictly exceeded; entries whose observed value is 0 stay 0.

    Only the genes of pairs with a value above zero are averaged again.

    Parameters
    ----------
    seen
        The observed probabilities, from the same sorted values, so that ties are exact.
    labels
        Group of each cell under each relabelling, shape (cells, relabellings), or blocks of such columns one after
        another, so that they need not all be in memory at once.
    values
        Probabilities to compare with; None is those observed. Shape (groups, groups, pairs).

    Returns
    -------
    Shape (groups, groups, pairs), integer.
    """
    observed, formula = seen.probability if values is None else values, seen.formula
    share = _weights(formula, len(seen.size))
    count = np.zeros(observed.shape, dtype=np.int64)
    active = np.flatnonzero((observed > 0).any(axis=(0, 1)))
    if len(active) == 0:
        return count
    own, needed = _restrict(seen.genes, active)
    few = seen.order.take(needed)
    compared = np.ascontiguousarray(observed[:, :, active])
    part = np.zeros(compared.shape, dtype=np.int64)
    for block in [labels] if isinstance(labels, np.ndarray) else labels:
        for start in range(0, block.shape[1], BLOCK):
            averages = relabelled_averages(
                few, block[:, start : start + BLOCK], seen.size, formula.average, formula.trim
            )
            n_labels, n_groups, n_genes = averages.shape
            made = factors(averages.reshape(-1, n_genes), own, formula.kh, formula.hill)
            shaped = Factors(*(f.reshape(n_labels, n_groups, len(active)) for f in made))
            _count(shaped, share, float(formula.kh), float(formula.hill), compared, part)
    count[:, :, active] = part
    return count


def _restrict(genes: PairGenes, pairs: np.ndarray) -> tuple[PairGenes, np.ndarray]:
    """The wanted pairs on the genes they need, and which genes those are."""
    rows = [[p.indices[p.pointers[k] : p.pointers[k + 1]] for k in pairs] for p in genes]
    needed = np.unique(np.concatenate([r for part in rows for r in part]))
    return PairGenes(*(ragged([np.searchsorted(needed, r).tolist() for r in part]) for part in rows)), needed
