"""Inference: from cells and groups to the probability of every ligand-receptor link."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats

from scresist.checks import InputError, RefusedError, require_choice, require_columns, require_positive, suggestion
from scresist.communication.over_expression import fast_selection, over_expressed_genes
from scresist.communication.resource import LigandReceptorTable, read_resource
from scresist.communication.result import Communication
from scresist.kernels.averages import BLOCK, Sorted, averages_of_sorted, sort_values
from scresist.kernels.signalling import PairGenes, count_exceeding, probability, ragged

AVERAGES = ("trimean", "truncated", "thresholded", "median")
FEW = 10  # relabellings that exceed a link: below it, more are drawn where permutations_max allows
LARGEST_LOG = 25.0  # no log1p of normalised counts is above it


def infer(
    adata: Any,
    *,
    groupby: str,
    mode: str = "sound",
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb",
    average: str = "trimean",
    trim: float = 0.1,
    kh: float = 0.5,
    hill: float = 1.0,
    population_size: bool = False,
    permutations: int | np.ndarray = 100,
    permutations_max: int | None = None,
    pairs: Sequence[str] | None = None,
    min_cells: int = 10,
    select: str = "fast",
    both: bool = True,
    rng: int | np.random.Generator = 1,
    organism: str = "human",
    sample: str = "sample",
) -> Communication:
    """The probability that each group signals to each other through each ligand-receptor pair.

    Parameters
    ----------
    adata
        Cells x genes, X log-normalised.
    groupby
        Column of obs that names the groups; the order of a categorical is kept, unused categories are dropped.
    mode
        "parity": all cells as one object, as CellChat does; p is the share of relabellings that exceed the observed
        value, groups with at most `min_cells` cells have probability 0. "sound": each sample by itself (column
        `sample`), one scale for all; a group below `min_cells` in a sample is missing there, not 0; p is
        (b + 1) / (B + 1).
    resource
        cellchatdb (CellChatDB v2 without non-protein signals), cellchatdb:all, a path, or a table. The signalling
        genes, hence the scale, are those of the resource.
    average, trim
        As in `kernels.group_average`: trimean | truncated | thresholded | median.
    kh, hill
        Half-saturation and exponent of the Hill functions.
    population_size
        Weigh a link by the shares of cells of both groups.
    permutations
        A number, or an integer array (cells, permutations): cell c takes the label of cell array[c, b] (parity).
    permutations_max
        In sound mode, links that fewer than 10 of the `permutations` exceed go on to this many: random draws are spent
        where they matter. None stops at `permutations`.
    pairs
        Names in the resource; None takes, in parity, the over-expressed interactions, in sound mode all measured.
    min_cells
        See `mode`.
    select, both
        How parity selects genes (see `over_expressed_genes`), and whether ligand and receptor must both have one.
    rng
        Seed or generator of the relabellings.
    organism, sample
        Of the shipped resource; the column of samples.

    Returns
    -------
    A frozen `Communication`.

    Raises
    ------
    InputError
        For fewer than two groups, groups with missing names, counts in X, unknown pairs or settings.
    RefusedError
        Where no interaction is covered by the genes measured.

    References
    ----------
    Jin S et al. (2021) Nat Commun 12:1088; Phipson & Smyth (2010) Stat Appl Genet Mol Biol 9:39.
    """
    require_choice(mode, ("sound", "parity"), "mode")
    require_choice(average, AVERAGES, "average")
    require_choice(select, ("fast", "slow", "expressed"), "select")
    if not 0 <= trim <= 1:
        raise InputError(f"trim must lie in [0, 1]; got {trim!r}")
    require_positive(kh, "kh")
    require_positive(hill, "hill")
    require_positive(min_cells, "min_cells", allow_zero=True)
    require_columns(adata.obs, [groupby], "the cells' table (adata.obs)")
    table = read_resource(resource, organism).ordered()
    groups, codes = _groups(adata.obs[groupby], mode)
    data = _signalling(adata, table, organism)
    settings = {
        "mode": mode, "groupby": groupby, "resource": table.name, "average": average, "trim": trim, "kh": kh,
        "hill": hill, "population_size": population_size, "min_cells": min_cells, "select": select,
        "permutations": _n_permutations(permutations), "permutations_max": permutations_max,
    }  # fmt: skip
    call = _Call(average, trim, kh, hill, population_size, min_cells, permutations_max)
    available, coverage = _covered(table, data.genes)
    if not len(available):
        raise RefusedError(
            f"no interaction of {table.name} is covered by the {adata.n_vars} genes given; check organism and symbols"
        )
    if pairs is not None:
        chosen = _named(table, list(pairs), available, coverage)
    elif mode == "parity":
        if select == "fast":
            genes = data.genes[fast_selection(data.order, codes, len(groups))]
        else:
            genes = over_expressed_genes(
                adata, groupby=groupby, method=select, resource=table, min_cells=min_cells, organism=organism
            )["gene"]
        chosen = _over_expressed(available, set(genes), table, both=both)
    else:
        chosen = available
    if not len(chosen):
        raise RefusedError("no interaction has an over-expressed ligand and receptor; name pairs, or widen the groups")
    chosen = chosen.reset_index(drop=True)
    plan = _plan(table, chosen, data.genes)
    work = _parity if mode == "parity" else _sound
    inputs = _Inputs(data, plan, groups, codes, chosen, coverage, MappingProxyType(settings))
    return work(adata, inputs, call, permutations, np.random.default_rng(rng), sample)


@dataclass(frozen=True, slots=True)
class _Call:
    average: str
    trim: float
    kh: float
    hill: float
    population_size: bool
    min_cells: int
    permutations_max: int | None = None


@dataclass(frozen=True, slots=True)
class _Data:
    genes: pd.Index
    values: sparse.csc_array
    order: Sorted
    scale: float


@dataclass(frozen=True, slots=True)
class _Inputs:
    data: _Data
    plan: PairGenes
    groups: pd.Index
    codes: np.ndarray
    chosen: pd.DataFrame
    coverage: pd.DataFrame
    settings: MappingProxyType[str, Any]


def _groups(labels: pd.Series, mode: str) -> tuple[pd.Index, np.ndarray]:
    """Names in order and the code of each cell."""
    if labels.isna().any():
        raise InputError(
            f"{int(labels.isna().sum())} cells have no group in {labels.name!r}; name them or leave them out"
        )
    kept = labels.cat.remove_unused_categories() if isinstance(labels.dtype, pd.CategoricalDtype) else (
        labels.astype(str).astype("category"))  # fmt: skip
    names = pd.Index([str(c) for c in kept.cat.categories], name="group")
    if len(names) < 2:
        raise InputError(f"communication takes two groups at least; {labels.name!r} has {len(names)}")
    if mode == "parity" and "0" in names:
        raise InputError(f"a group of {labels.name!r} is named '0', which CellChat refuses; rename it")
    return names, kept.cat.codes.to_numpy().astype(np.int64)


def _signalling(adata: Any, table: LigandReceptorTable, organism: str) -> _Data:
    """The values of the signalling genes, sorted once, and the largest of them: the scale."""
    if adata.X is None:
        raise InputError("the cells have no X; communication takes log-normalised values there")
    genes = pd.Index(adata.var_names).astype(str)
    if genes.has_duplicates:
        raise InputError(f"gene names must be unique; {genes[genes.duplicated()][0]!r} stands more than once")
    inside = np.flatnonzero(genes.isin(table.signalling_genes()))
    if len(inside) == 0:
        raise RefusedError(
            f"none of the genes of {table.name} is among the {len(genes)} given (such as {genes[0]!r}): "
            f"another organism (organism={organism!r} was asked for), or ids in place of symbols"
        )
    values = sparse.csc_array(adata.X[:, inside], dtype=np.float64)
    order = sort_values(values)
    largest = float(values.data.max(initial=0))
    some = values.data[: min(len(values.data), 100_000)]
    if largest >= 3 and (some == np.floor(some)).all():
        raise InputError(
            f"X holds whole numbers up to {largest:g}: counts; communication takes log-normalised values (log1p of "
            "counts per 10,000)"
        )
    if largest > LARGEST_LOG:
        raise InputError(f"X has values up to {largest:g}: not log-transformed; take log1p of normalised counts")
    if largest == 0:
        raise RefusedError("no signalling gene is expressed")
    return _Data(genes[inside], values, order, largest)


def _covered(table: LigandReceptorTable, genes: pd.Index) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Interactions whose ligand and receptor are measured whole, and those that are not with what is missing."""
    known = set(genes)
    rows = table.interactions
    missing = [
        [g for name in sides for g in table.genes_of(name) if g not in known]
        for sides in zip(rows["ligand"], rows["receptor"], strict=True)
    ]
    whole = np.array([not m for m in missing])
    lost = rows.loc[~whole, ["interaction_name", "pathway_name"]].assign(missing=[", ".join(m) for m in missing if m])
    return rows[whole], lost.reset_index(drop=True)


def _named(
    table: LigandReceptorTable, pairs: list[str], available: pd.DataFrame, coverage: pd.DataFrame
) -> pd.DataFrame:
    names, whole = set(table.interactions["interaction_name"]), set(available["interaction_name"])
    for name in pairs:
        if name not in names:
            raise InputError(f"no interaction {name!r} in {table.name}; {suggestion(name, names)}")
        if name not in whole:
            lost = coverage.loc[coverage["interaction_name"] == name, "missing"].iloc[0]
            raise InputError(f"interaction {name!r} cannot be inferred: {lost} is not measured; leave the pair out")
    if len(set(pairs)) < len(pairs):
        raise InputError("pairs names an interaction more than once")
    return available.set_index("interaction_name", drop=False).loc[pairs]


def _over_expressed(
    available: pd.DataFrame, significant: set[str], table: LigandReceptorTable, *, both: bool
) -> pd.DataFrame:
    """Interactions whose ligand and receptor (or one of them) have a gene over-expressed in some group (any group)."""
    wanted = all if both else any
    keep = [
        wanted(any(g in significant for g in table.genes_of(name)) for name in sides)
        for sides in zip(available["ligand"], available["receptor"], strict=True)
    ]
    return available[np.array(keep, dtype=bool)]


def _plan(table: LigandReceptorTable, chosen: pd.DataFrame, genes: pd.Index) -> PairGenes:
    """Positions of the genes that each pair is made of; a name that is a gene is used as the gene."""
    at = {g: i for i, g in enumerate(genes)}

    def units(column: str) -> list[list[int]]:
        return [[at[n]] if n in at else [at[g] for g in table.genes_of(n)] for n in chosen[column].astype(str)]

    def helpers(column: str) -> list[list[int]]:
        return [[at[g] for g in table.cofactors.get(n, ()) if g in at] for n in chosen[column].astype(str)]

    return PairGenes(
        ragged(units("ligand")), ragged(units("receptor")), ragged(helpers("co_A_receptor")),
        ragged(helpers("co_I_receptor")), ragged(helpers("agonist")), ragged(helpers("antagonist")),
    )  # fmt: skip


def _given_labels(codes: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Labels under permutations that are given, (cells, permutations)."""
    if given.ndim != 2 or given.shape[0] != len(codes) or not np.issubdtype(given.dtype, np.integer):
        raise InputError(f"permutations must be an integer array of {len(codes)} rows; got {given.dtype} {given.shape}")
    if given.size and (given.min() < 0 or given.max() >= len(codes)):
        raise InputError(f"permutations must lie in 0 to {len(codes) - 1}; got {given.min()} to {given.max()}")
    for b, column in enumerate(given.T):
        if np.bincount(column, minlength=len(codes)).max(initial=0) > 1:
            raise InputError(f"column {b} of permutations is no permutation: it takes a cell more than once")
    return np.asarray(codes.astype(np.int32)[given])


def _drawn_labels(codes: np.ndarray, permutations: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Random relabellings in blocks, so that a million cells by a thousand relabellings are never held at once."""
    compact = codes.astype(np.uint8 if codes.max(initial=0) < 256 else np.int32)
    for start in range(0, permutations, BLOCK):
        drawn = np.empty((min(BLOCK, permutations - start), len(codes)), dtype=compact.dtype)
        for row in drawn:
            row[:] = rng.permutation(compact)
        yield np.ascontiguousarray(drawn.T)


def _n_permutations(permutations: Any) -> int:
    if isinstance(permutations, np.ndarray):
        return int(permutations.shape[-1]) if permutations.ndim else 0
    if isinstance(permutations, bool) or not isinstance(permutations, (int, np.integer)):
        raise InputError(f"permutations must be a whole number or an integer array; got {permutations!r}")
    require_positive(int(permutations), "permutations", allow_zero=True)
    return int(permutations)


def _parity(
    adata: Any, inputs: _Inputs, call: _Call, permutations: int | np.ndarray, rng: np.random.Generator, sample: str
) -> Communication:
    """All cells as one object."""
    data, n_groups = inputs.data, len(inputs.groups)
    order = data.order.scaled(data.scale)
    size = np.bincount(inputs.codes, minlength=n_groups)
    averages = averages_of_sorted(order, inputs.codes, n_groups, call.average, call.trim)
    share = size / size.sum() if call.population_size else None
    observed = probability(averages, inputs.plan, call.kh, call.hill, share)
    n_drawn = _n_permutations(permutations)
    p_value = np.ones(observed.shape)
    if n_drawn:
        labels = (
            _given_labels(inputs.codes, permutations)
            if isinstance(permutations, np.ndarray)
            else _drawn_labels(inputs.codes, n_drawn, rng)
        )
        exceeded = count_exceeding(
            order, labels, size, inputs.plan, observed, average=call.average, trim=call.trim,
            kh=call.kh, hill=call.hill, population=share,
        )  # fmt: skip
        p_value = np.where(observed > 0, exceeded / n_drawn, 1.0)
    small = size <= call.min_cells if call.min_cells else np.zeros(n_groups, dtype=bool)
    kept = observed.copy()
    kept[small], kept[:, small] = 0.0, 0.0
    notes = _notes(inputs, small)
    return Communication(inputs.groups, pd.Index(inputs.chosen["interaction_name"], name="pair"), kept, p_value,
                         inputs.chosen, "parity", coverage=inputs.coverage, settings=inputs.settings,
                         notes=notes)  # fmt: skip


def _notes(inputs: _Inputs, small: np.ndarray) -> tuple[str, ...]:
    said = [f"{len(inputs.coverage)} interactions are not covered: genes of their ligand or receptor are not measured"]
    if small.any():
        said.append(f"groups with too few cells, set to 0: {', '.join(inputs.groups[small])}")
    return tuple(said)


def _sound(
    adata: Any, inputs: _Inputs, call: _Call, permutations: int | np.ndarray, rng: np.random.Generator, sample: str
) -> Communication:
    """Each sample by itself, on one scale."""
    if not isinstance(permutations, (int, np.integer)):
        raise InputError('permutations as an array belong to mode="parity"; give a number')
    require_columns(adata.obs, [sample], "the cells' table (adata.obs)")
    names = sorted(set(adata.obs[sample].astype(str)))
    of = adata.obs[sample].astype(str).to_numpy()
    n = len(inputs.groups)
    shape = (len(names), n, n, len(inputs.chosen))
    values, p_values = np.full(shape, np.nan), np.full(shape, np.nan)
    rows = sparse.csr_array(inputs.data.values)
    streams = rng.spawn(len(names))
    absent = 0
    for s, name in enumerate(names):
        inside = np.flatnonzero(of == name)
        size = np.bincount(inputs.codes[inside], minlength=n)
        present = np.flatnonzero(size >= max(call.min_cells, 1))
        absent += n - len(present)
        if len(present) == 0:
            continue
        position = np.full(n, -1)
        position[present] = np.arange(len(present))
        cells = inside[position[inputs.codes[inside]] >= 0]
        codes = position[inputs.codes[cells]].astype(np.int64)
        observed, p = _one_sample(rows[cells], codes, len(present), inputs, call, int(permutations), streams[s])
        values[s][np.ix_(present, present)] = observed
        p_values[s][np.ix_(present, present)] = p
    kept = np.nansum(values, axis=(0, 1, 2)) > 0
    chosen = inputs.chosen[kept].reset_index(drop=True)
    values, p_values = values[..., kept], p_values[..., kept]
    measured = np.isfinite(values).sum(axis=0)
    mean = np.where(measured > 0, np.nansum(values, axis=0) / np.maximum(measured, 1), np.nan)
    notes = (
        f"{len(inputs.coverage)} interactions are not covered: genes of their ligand or receptor are not measured",
        f"{absent} of {len(names) * n} groups of a sample have fewer than {call.min_cells} cells: missing, not 0",
    )
    return Communication(inputs.groups, pd.Index(chosen["interaction_name"], name="pair"), mean, _fisher(p_values),
                         chosen, "sound", pd.Index(names, name="sample"), values, p_values, inputs.coverage,
                         inputs.settings, notes)  # fmt: skip


def _one_sample(
    values: sparse.csr_array, codes: np.ndarray, n_groups: int, inputs: _Inputs, call: _Call, permutations: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    order = sort_values(values).scaled(inputs.data.scale)
    size = np.bincount(codes, minlength=n_groups)
    share = size / size.sum() if call.population_size else None
    averages = averages_of_sorted(order, codes, n_groups, call.average, call.trim)
    observed = probability(averages, inputs.plan, call.kh, call.hill, share)
    if permutations == 0 or n_groups < 2:
        return observed, np.full(observed.shape, np.nan)

    def count(of: np.ndarray, n: int) -> np.ndarray:
        return count_exceeding(
            order, _drawn_labels(codes, n, rng), size, inputs.plan, of, average=call.average, trim=call.trim,
            kh=call.kh, hill=call.hill, population=share,
        )  # fmt: skip

    exceeded = count(observed, permutations)
    p = (exceeded + 1) / (permutations + 1)
    more = (call.permutations_max or 0) - permutations
    if more > 0:
        # A link that goes on is one whose p-value was already below that of every link that stops, so that the
        # p-values of both stages together are still valid.
        on = (observed > 0) & (exceeded < FEW)
        exceeded += count(np.where(on, observed, 0.0), more)
        p = np.where(on, (exceeded + 1) / (permutations + more + 1), p)
    return observed, np.where(observed > 0, p, 1.0)


def _fisher(p_values: np.ndarray) -> np.ndarray:
    """Fisher's combination over samples; NaN where no sample has a p-value."""
    known = np.isfinite(p_values)
    statistic = -2 * np.log(np.where(known, p_values, 1.0)).sum(axis=0)
    n = known.sum(axis=0)
    return np.where(n > 0, stats.chi2.sf(statistic, 2 * np.maximum(n, 1)), np.nan)
