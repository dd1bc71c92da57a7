"""Inference: from cells and groups to the probability of every ligand-receptor link."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, require_choice, require_columns, require_positive
from scresist.communication.inputs import Inputs, Settings, groups_of, signalling_values
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.over_expression import fast_selection, over_expressed_genes
from scresist.communication.pairs import covered, genes_of_pairs, named_pairs, over_expressed_pairs
from scresist.communication.per_sample import infer_by_sample
from scresist.communication.relabelling import number_of
from scresist.communication.resource import read_resource
from scresist.communication.result import Communication
from scresist.communication.whole import infer_whole

AVERAGES = ("trimean", "truncated", "thresholded", "median")


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
    """The probability of communication from each group to each other one through each ligand-receptor pair.

    Parameters
    ----------
    adata
        Cells x genes, X log-normalised.
    groupby
        Column of obs with the groups; the order of a categorical is kept, unused categories are dropped.
    mode
        "parity": all cells as one object, as in CellChat; p is the share of relabellings that exceed the observed
        value, and groups with at most `min_cells` cells have probability 0. "sound": each sample by itself (column
        `sample`), all on one scale; a group with fewer than `min_cells` cells in a sample is missing there, not 0; p is
        (b + 1) / (B + 1).
    resource
        cellchatdb (CellChatDB v2 without non-protein signals), cellchatdb:all, a path, or a table. The signalling
        genes, and so the scale, are those of the resource.
    average, trim
        As in `kernels.group_average`: trimean | truncated | thresholded | median.
    kh, hill
        Half-saturation and exponent of the Hill functions.
    population_size
        Whether a link is weighted by the shares of cells of both groups.
    permutations
        A number, or an integer array (cells, permutations): cell c takes the label of cell array[c, b] (parity).
    permutations_max
        In sound mode, the number of relabellings of a link that fewer than 10 of the first `permutations` exceed. None
        is `permutations`.
    pairs
        Names in the resource; None is the over-expressed interactions in parity mode, and all measured ones in sound
        mode.
    min_cells
        See `mode`.
    select, both
        How parity mode selects genes (see `over_expressed_genes`), and whether ligand and receptor must both have one.
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
        For cells without a group, counts in X, unknown pairs or settings.
    RefusedError
        For fewer than two groups, or where no interaction is covered by the measured genes.

    References
    ----------
    Jin S et al. (2021) Nat Commun 12:1088; Phipson & Smyth (2010) Stat Appl Genet Mol Biol 9:39.
    """
    require_choice(mode, ("sound", "parity"), "mode")
    require_choice(select, ("fast", "slow", "expressed"), "select")
    require_columns(adata.obs, [groupby], "the cells' table (adata.obs)")
    call = _checked(Settings(average, trim, kh, hill, population_size, min_cells, permutations_max), mode, permutations)
    table = read_resource(resource, organism).ordered()
    groups, codes = groups_of(adata.obs[groupby], mode)
    data = signalling_values(adata, table, organism)
    available, coverage = covered(table, data.genes)
    if not len(available):
        raise RefusedError(
            f"no interaction of {table.name} has all its genes among the {adata.n_vars} of the cells; check organism "
            "and symbols"
        )
    if pairs is not None:
        chosen = named_pairs(table, list(pairs), available, coverage)
    elif mode == "sound":
        chosen = available
    else:
        if select == "fast":
            genes = data.genes[fast_selection(data.order, codes, len(groups))]
        else:
            genes = over_expressed_genes(
                adata, groupby=groupby, method=select, resource=table, min_cells=min_cells, organism=organism
            )["gene"]
        chosen = over_expressed_pairs(available, set(genes), table, both=both)
    if not len(chosen):
        raise RefusedError("no interaction has an over-expressed ligand and receptor; name pairs, or use larger groups")
    chosen = chosen.reset_index(drop=True)
    settings = asdict(call) | {
        "mode": mode, "groupby": groupby, "resource": table.name, "select": select,
        "permutations": number_of(permutations),
    }  # fmt: skip
    plan = genes_of_pairs(table, chosen, data.genes)
    inputs = Inputs(data, plan, groups, codes, chosen, coverage, call, MappingProxyType(settings))
    generator = np.random.default_rng(rng)
    if mode == "parity":
        return infer_whole(inputs, permutations, generator)
    return infer_by_sample(adata, inputs, permutations, generator, sample)


def _checked(call: Settings, mode: str, permutations: int | np.ndarray) -> Settings:
    require_choice(call.average, AVERAGES, "average")
    if not 0 <= call.trim <= 1:
        raise InputError(f"trim must be from 0 to 1; got {call.trim!r}")
    require_positive(call.kh, "kh")
    require_positive(call.hill, "hill")
    require_positive(call.min_cells, "min_cells", allow_zero=True)
    drawn, maximum = number_of(permutations), call.permutations_max
    if maximum is not None and mode == "parity":
        raise InputError('permutations_max needs mode="sound"; in parity every link has the same permutations')
    if maximum is not None and number_of(maximum) < drawn:
        raise InputError(f"permutations_max ({maximum}) must not be below permutations ({drawn})")
    return call
