"""Settings chosen by what reproduces, and modules proved in patients (or cells) that did not form them."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_mutual_info_score
from threadpoolctl import threadpool_limits

from scresist.kernels._blocks import n_threads
from scresist.kernels.membership import drawn_without_replacement, mean_correlations, mean_correlations_with
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.networks.detect import find_modules
from scresist.networks.latent import Counted
from scresist.networks.members import Known, with_members
from scresist.networks.recipe import STARTS, Recipe
from scresist.networks.robustness import FOUND, gene_stability, match_modules, wilson_interval
from scresist.networks.starts import component_ends, of_start_size, prepared, seed_labels, starting_genes
from scresist.parallel import map_tasks

FOLDS = 5
MINIMUM_PATIENTS = 4  # with fewer, modules are proved in cells that did not form them, of the same patients
PERMUTED = 50  # labellings, for what agreement chance gives
RANDOM_SETS = 999
LEVEL = 0.05  # false discovery rate over the modules that are kept
HALF_CELLS = 5000  # of each half, in which the settings are compared
FOLD_CELLS = 5000  # in which modules are found again without a part
HELD_CELLS = 3000  # of all folds together, in which coherence is measured
AT_ONCE = 2  # parts in which modules are sought at the same time: each has its own values in memory
BINS = 20  # of expression, within which random genes are drawn
DEEP_SPLITS = (2, 4)
POWERS = {"signed": (4, 6, 10), "unsigned": (2, 3, 5), "signed hybrid": (2, 3, 5)}


@dataclass(frozen=True, slots=True)
class Units:
    """Values of metacells and cells, and the unit of each that is held out: its patient, or a part of the cells.

    `M` (metacells, genes) and `Z` (cells, genes) have the same genes; `metacell` and `cell` have the code of the unit
    of every row; `names` are the patients, empty where the units are parts of the cells; `counts` are those of the
    cells, where genes are correlated by them.
    """

    M: np.ndarray
    Z: np.ndarray
    metacell: np.ndarray
    cell: np.ndarray
    names: tuple[str, ...] = ()
    counts: Counted | None = None

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(max(self.metacell.max(initial=-1), self.cell.max(initial=-1))) + 1

    def rows(self, units: np.ndarray, n_cells: int | None = None) -> "tuple[np.ndarray, np.ndarray]":
        """Values of the metacells and of the cells of some units; of about `n_cells` cells, evenly many of each."""
        inside = np.flatnonzero(np.isin(self.cell, units))
        if n_cells is not None and len(inside) > n_cells:
            inside = self._evenly(units, n_cells // max(len(units), 1))
        return self.M[np.isin(self.metacell, units)], self.Z[inside]

    def _evenly(self, units: np.ndarray, each: int) -> np.ndarray:
        """Positions of at most `each` cells of every unit, in the order of the units."""
        chosen = []
        for unit in units:
            own = np.flatnonzero(self.cell == unit)
            chosen.append(own[np.linspace(0, len(own) - 1, min(len(own), each)).round().astype(int)])
        return np.concatenate(chosen)

    def held(self, part: np.ndarray) -> np.ndarray:
        """Cells of a part, evenly many of each of its units, standardised within the part."""
        Z = self.Z[self._evenly(part, max(HELD_CELLS // max(self.n_units, 1), 20))]
        Z = Z - Z.mean(axis=0)
        deviation = Z.std(axis=0)
        return np.asarray(Z / np.where(deviation > 0, deviation, 1))

    def of_genes(self, genes: np.ndarray) -> "Units":
        """The same of some genes, by their positions."""
        counts = None if self.counts is None else self.counts.of_genes(genes)
        return replace(self, M=self.M[:, genes], Z=self.Z[:, genes], counts=counts)

    def counted(self, units: np.ndarray) -> Counted | None:
        """Counts of the cells of some units."""
        return None if self.counts is None else self.counts.of(np.flatnonzero(np.isin(self.cell, units)))

    def dealt(self, n: int) -> list[np.ndarray]:
        """The units in n parts of about as many cells, largest first, forth and back."""
        order = np.argsort(-np.bincount(self.cell, minlength=self.n_units), kind="stable")
        n = min(n, self.n_units)
        turn = np.arange(len(order)) % (2 * n)
        place = np.where(turn < n, turn, 2 * n - 1 - turn)
        return [np.sort(order[place == part]) for part in range(n)]


def chosen_settings(
    units: Units,
    recipe: Recipe,
    powers: Sequence[float],
    splits: Sequence[int],
    rng: np.random.Generator,
    starts: Sequence[str] = STARTS,
    sizes: Sequence[int] = (),
) -> pd.DataFrame:
    """How well the modules of two halves of the units agree, by where they start and by the size of the smallest.

    They start from a tree, by power and depth of the cut, or from components.

    Modules are found in each half alone, among the genes in which they start. `information` is what the modules of one
    half tell about those of the other beyond what permuted modules of the same sizes do, in bits per gene: it grows
    with the number of modules that reproduce, and is 0 for one module of all genes. `agreement` is the adjusted mutual
    information, at most 1.

    Parameters
    ----------
    units
        The values.
    recipe
        The other settings.
    powers, splits
        The grid.
    rng
        Source of the permuted modules.
    starts
        "tree", which uses the grid, "components", which does not, or both.
    sizes
        Smallest modules that are compared; none keeps that of the recipe.

    Returns
    -------
    `start`, `power` and `deep_split` (missing for components), `min_module_size`, `n_modules` (mean of the halves),
    `agreement`, `information`, `information_chance` (95 % quantile over permuted modules, of the same difference),
    `rank` (1 is used).
    """
    units = units.of_genes(starting_genes(units.M, recipe))
    parts = units.dealt(2)
    halves = [units.rows(part, HALF_CELLS) for part in parts]
    made: dict[tuple[int, bytes], np.ndarray] = {}
    known = (Known(), Known())

    def modules(half: int, own: Recipe, labels: np.ndarray) -> np.ndarray:
        key = (half, f"{own.start} {own.min_module_size} ".encode() + labels.tobytes())  # cuts are often the same
        if key not in made:
            made[key] = with_members(halves[half][0], labels, own, halves[half][1], known=known[half])
        return made[key]

    def agreement(own: Recipe, starts: Sequence[np.ndarray]) -> dict[str, Any]:
        found = _at_once(modules, [(half, own, labels) for half, labels in enumerate(starts)])
        return {"min_module_size": own.min_module_size} | _agreement(found[0], found[1], rng)

    sizes = sizes or (recipe.min_module_size,)
    rows: list[dict[str, Any]] = []
    ends = _at_once(lambda M, Z: component_ends(Z, starting_genes(M, recipe)), halves if "components" in starts else [])
    for size in sizes if ends else ():
        own = replace(recipe, start="components", min_module_size=size)
        rows.append({"start": own.start, "power": np.nan, "deep_split": pd.NA}
                    | agreement(own, [of_start_size(labels, own) for labels in ends]))  # fmt: skip
    seeds = _at_once(
        lambda part, M: prepared(M, recipe, counted=units.counted(part)),
        [(part, M) for part, (M, _) in zip(parts, halves, strict=True)] if "tree" in starts else [],
    )
    for power in powers if seeds else ():
        trees = _at_once(lambda seed, power: seed.at(power), [(seed, power) for seed in seeds])
        for split, size in itertools.product(splits, sizes):
            own = replace(recipe, start="tree", power=power, deep_split=split, min_module_size=size)
            cuts = _at_once(seed_labels, [(M, own, tree) for (M, _), tree in zip(halves, trees, strict=True)])
            rows.append({"start": own.start, "power": float(power), "deep_split": split} | agreement(own, cuts))
    table = pd.DataFrame(rows)
    order = table.sort_values("information", ascending=False, kind="stable")  # of equals the first
    table.loc[order.index, "rank"] = np.arange(1, len(table) + 1)
    return table.astype({"rank": int, "deep_split": "Int64"})


def _at_once(function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], what: str | None = None) -> list[Any]:
    """`function` of each task, in threads where there are several; products of matrices in one thread each."""
    with threadpool_limits(1, user_api="blas"):
        return map_tasks(function, tasks, workers=min(AT_ONCE, n_threads()), what=what)


def _agreement(a: np.ndarray, b: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Agreement of two labellings of the same genes."""
    used = (a > 0) | (b > 0)
    modules = (a.max(initial=0) + b.max(initial=0)) / 2
    if not used.any() or not a.any() or not b.any():
        return {"n_modules": modules, "agreement": 0.0, "information": 0.0, "information_chance": 0.0}
    chance = np.array([_mutual_information(a, rng.permutation(b)) for _ in range(PERMUTED)])
    return {
        "n_modules": modules,
        "agreement": float(adjusted_mutual_info_score(a, b)),
        "information": _mutual_information(a, b) - float(chance.mean()),
        "information_chance": float(np.quantile(chance, 0.95) - chance.mean()),
    }


def _mutual_information(a: np.ndarray, b: np.ndarray) -> float:
    """In bits."""
    joint = np.zeros((int(a.max()) + 1, int(b.max()) + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = joint / np.outer(joint.sum(axis=1), joint.sum(axis=0))
        return float(np.where(joint > 0, joint * np.log2(ratio), 0.0).sum())


def proof(
    units: Units, recipe: Recipe, labels: np.ndarray, mean: np.ndarray, rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """Whether the genes of each module vary together in cells of units that had no part in choosing them.

    The units are dealt into five parts. Modules are found again without a part; the one that shares most genes with a
    module of the whole takes its place, if it is that module (`taken_place`), and its genes' mean correlation is
    measured in the cells of that part, less the median over the other genes of their mean correlation with it: an axis
    that most genes follow is no module. The same is done for random sets of as many genes of like mean expression.

    Parameters
    ----------
    units
        The values.
    recipe
        The settings of the network.
    labels
        Modules of the whole, 1, 2, ... Shape (genes,).
    mean
        Mean expression of the genes, within bins of which random genes are drawn.
    rng
        Source of the random sets.

    Returns
    -------
    A row per module: `carried` and `carried_share` (the unit with most of its variance over cells, and its share),
    `cells_of_half` (of that name), `found_without` (mean Jaccard index with the module that takes its place),
    `recurrence` (share of the five in which that index is 0.5 or more) with the limits `recurrence_low` and
    `recurrence_high` of its 95 % interval, `coherence` (mean correlation where it was held out), `coherence_chance`
    (that of random sets), `p_value` (one-sided),
    `q_value`. And of every gene the share of the five in which it is in the module that takes the place of its own, or
    in none again. Shape (genes,).
    """
    n = int(labels.max(initial=0))
    streams = rng.spawn(max(n, 1))
    total, weight, overlap = np.zeros((n, RANDOM_SETS + 1)), np.zeros(n), np.zeros(n)
    bins = bins_by_rank(mean)
    parts = units.dealt(FOLDS)
    others = [(units, recipe, np.setdiff1d(np.arange(units.n_units), part)) for part in parts]
    made = _at_once(_modules_of, others, "networks without a part of the patients")
    matched = [match_modules(labels, found) for found in made]
    for part, found, (jaccard, best) in zip(parts, made, matched, strict=True):
        overlap += jaccard / len(parts)
        held = np.asfortranarray(units.held(part))  # a gene's values side by side, as sums of genes read them
        usual = float(np.median(mean_correlations_with(held, np.arange(len(labels)))))
        place = taken_place(labels, found, best)
        genes = [np.flatnonzero(found == m) if there else np.zeros(0, dtype=np.int64) for m, there in
                 zip(best, place, strict=True)]  # fmt: skip
        there = [m for m in range(n) if len(genes[m]) >= 2]
        drawn = [(held, *random_sets(genes[m], bins, streams[m])) for m in there]
        for m, values in zip(there, map_tasks(mean_correlations, drawn, workers=n_threads(), what=None), strict=True):
            values[0] -= float(np.median(np.delete(mean_correlations_with(held, genes[m]), genes[m])))
            values[1:] -= usual
            total[m] += len(held) * values
        weight += len(held)
    means = total / np.maximum(weight, 1)[:, None]
    p = np.array([_p_value(row) for row in means])
    share = carried_shares(units, labels)
    again = np.array([jaccard >= FOUND for jaccard, _ in matched]).mean(axis=0)
    low, high = wilson_interval(again, len(parts))
    table = pd.DataFrame({
        "carried": share.argmax(axis=0), "carried_share": share.max(axis=0),
        "cells_of_half": cells_of_half(units, labels), "found_without": overlap,
        "recurrence": again, "recurrence_low": low, "recurrence_high": high,
        "coherence": means[:, 0], "coherence_chance": means[:, 1:].mean(axis=1), "p_value": p,
        "q_value": benjamini_hochberg(p) if n else p,
    })  # fmt: skip
    return table, gene_stability(labels, made, matched)


def taken_place(labels: np.ndarray, found: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Whether the nearest of other modules is the same: it has half of the genes of the smaller of both, or more.

    A module that is not found again shares a gene or two with some other, whose genes vary together: no proof of it.
    One that is found with fewer genes, with more, or in two parts, is the same.

    Parameters
    ----------
    labels
        Modules, 1, 2, ... Shape (genes,).
    found
        Other modules of the same genes. Shape (genes,).
    best
        Nearest of the others to each module, 0 for none. Shape (modules,).
    """
    both = np.array([((labels == m) & (found == other)).sum() for m, other in enumerate(best.tolist(), start=1)])
    sizes, others = np.bincount(labels, minlength=len(best) + 1)[1:], np.bincount(found, minlength=1)
    return np.asarray((best > 0) & (2 * both >= np.minimum(sizes, others[best])))


def _modules_of(units: Units, recipe: Recipe, part: np.ndarray) -> np.ndarray:
    """Modules of some of the units alone. Shape (genes,)."""
    M, Z = units.rows(part, FOLD_CELLS)
    return find_modules(M, recipe, cells=Z, counted=units.counted(part))


def carried_shares(units: Units, labels: np.ndarray) -> np.ndarray:
    """Share of each unit in the variance of the sum of each module's genes over cells. Shape (units, modules).

    Parameters
    ----------
    units
        The values.
    labels
        Modules, 1, 2, ... Shape (genes,).
    """
    squares = _squared_sums(units, labels)
    square = np.zeros((max(units.n_units, 1), squares.shape[1]))
    np.add.at(square, units.cell, squares)
    total = square.sum(axis=0)
    return square / np.where(total > 0, total, 1.0)


def cells_of_half(units: Units, labels: np.ndarray) -> np.ndarray:
    """Smallest share of the cells that holds half of the variance of the sum of each module's genes. Shape (modules,).

    It is 0.12 where the sums are normal. Where doublets or a few cells of another kind make a module, it is nearly 0.

    Parameters
    ----------
    units
        The values.
    labels
        Modules, 1, 2, ... Shape (genes,).
    """
    grown = np.cumsum(-np.sort(-_squared_sums(units, labels), axis=0), axis=0)
    return np.asarray(1 + (2 * grown < grown[-1:]).sum(axis=0)) / max(len(grown), 1)


def _squared_sums(units: Units, labels: np.ndarray) -> np.ndarray:
    """Square of the sum of each module's genes in every cell. Shape (cells, modules)."""
    n = int(labels.max(initial=0))
    sums = units.Z @ (labels[:, None] == np.arange(1, n + 1)).astype(units.Z.dtype)
    return np.square(sums, dtype=np.float64)


def bins_by_rank(mean: np.ndarray) -> np.ndarray:
    """Bin of each gene, by the rank of its mean."""
    order = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
    return np.asarray(order * min(BINS, max(len(mean) // 10, 1)) // max(len(mean), 1))


def random_sets(genes: np.ndarray, bins: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A set of genes and random sets of the same numbers from the same bins, one after the other, and their ends."""
    numbers = np.bincount(bins[genes], minlength=int(bins.max()) + 1)
    columns = []
    for b, count in enumerate(numbers.tolist()):
        if count:
            among = np.flatnonzero(bins == b)
            columns.append(drawn_without_replacement(among, rng.random((RANDOM_SETS, count))))
    drawn = np.concatenate(columns, axis=1)
    members = np.concatenate([genes, drawn.ravel()]).astype(np.int64)
    return members, np.arange(RANDOM_SETS + 2, dtype=np.int64) * len(genes)


def _p_value(values: np.ndarray) -> float:
    """One-sided p-value of the first value by its rank among the others.

    A module that is not found without a part has no value there, which counts as no coherence.
    """
    return float((1 + (values[1:] >= values[0]).sum()) / len(values))


def parts_of_cells(codes: np.ndarray, depth: np.ndarray, names: np.ndarray) -> np.ndarray:
    """The part, 0 to 3, of each cell of every sample: every fourth cell by depth. Shape (cells,)."""
    part = np.zeros(len(codes), dtype=np.int64)
    for group in np.unique(codes):
        own = np.flatnonzero(codes == group)
        own = own[np.lexsort((names[own], depth[own]))]
        part[own] = np.arange(len(own)) % MINIMUM_PATIENTS
    return part


def numbered(labels: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Labels with some modules dissolved, the others numbered in the same order from 1."""
    number = np.zeros(len(keep) + 1, dtype=np.int64)
    number[1:][keep] = np.arange(1, int(keep.sum()) + 1)
    return number[labels]
