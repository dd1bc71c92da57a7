"""Each sample by itself on one scale, so that patients can be the unit of later tests."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats

from scresist.checks import InputError, RefusedError, require_columns
from scresist.communication.inputs import Inputs
from scresist.communication.levels import over_samples
from scresist.communication.relabelling import drawn_labels
from scresist.communication.result import Communication
from scresist.kernels.averages import sort_values
from scresist.kernels.signalling import count_exceeding, observe
from scresist.progress import track

FEW = 10  # relabellings: a link that fewer exceed gets more of them, where permutations_max allows


def infer_by_sample(
    adata: Any, inputs: Inputs, permutations: int | np.ndarray, rng: np.random.Generator, sample: str
) -> Communication:
    """Probabilities of every sample between the groups it has, their mean, and p-values combined over samples.

    Parameters
    ----------
    adata
        The cells.
    inputs
        Values, pairs, groups, and the numbers of the call.
    permutations
        Relabellings of each sample.
    rng
        Generator of the relabellings.
    sample
        Column of the samples.

    Raises
    ------
    InputError
        If permutations are an array, or the column of samples is missing.
    RefusedError
        If no group of any sample has enough cells.
    """
    if not isinstance(permutations, (int, np.integer)):
        raise InputError('permutations as an array need mode="parity"; give a number')
    require_columns(adata.obs, [sample], "the cells' table (adata.obs)")
    call, names = inputs.call, sorted(set(adata.obs[sample].astype(str)))
    of = adata.obs[sample].astype(str).to_numpy()
    n = len(inputs.groups)
    shape = (len(names), n, n, len(inputs.chosen))
    values, p_values = np.full(shape, np.nan), np.full(shape, np.nan)
    rows = sparse.csr_array(inputs.data.values)
    streams = rng.spawn(len(names))
    absent = 0
    for s, name in enumerate(track(names, "samples")):
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
        observed, p = _one_sample(rows[cells], codes, inputs, int(permutations), streams[s])
        values[s][np.ix_(present, present)] = observed
        p_values[s][np.ix_(present, present)] = p
    if absent == len(names) * n:
        raise RefusedError(f"no group of any sample has {call.min_cells} cells: nothing can be inferred (min_cells)")
    kept = np.nansum(values, axis=(0, 1, 2)) > 0
    chosen = inputs.chosen[kept].reset_index(drop=True)
    values, p_values = values[..., kept], p_values[..., kept]
    notes = (
        f"{len(inputs.coverage)} interactions are not covered: genes of their ligand or receptor are not measured",
        f"{absent} of {len(names) * n} groups of a sample have fewer than {call.min_cells} cells: missing, not 0",
    )
    pairs = pd.Index(chosen["interaction_name"], name="pair")
    return Communication(inputs.groups, pairs, over_samples(values), _fisher(p_values),
                         chosen, "sound", pd.Index(names, name="sample"), values, p_values, inputs.coverage,
                         inputs.settings, notes)  # fmt: skip


def _one_sample(
    values: sparse.csr_array, codes: np.ndarray, inputs: Inputs, permutations: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    order, n_groups = sort_values(values).scaled(inputs.data.scale), int(codes.max()) + 1
    formula = inputs.call.formula(np.bincount(codes, minlength=n_groups))
    seen = observe(order, codes, n_groups, inputs.plan, formula)
    observed = seen.probability
    if permutations == 0 or n_groups < 2:
        return observed, np.full(observed.shape, np.nan)

    def count(of: np.ndarray, n: int) -> np.ndarray:
        return count_exceeding(seen, drawn_labels(codes, n, rng), of)

    exceeded = count(observed, permutations)
    p = (exceeded + 1) / (permutations + 1)
    more = (inputs.call.permutations_max or 0) - permutations
    if more > 0:
        # A link gets more relabellings only if its p-value is already below that of every link that does not, so that
        # the p-values of both stages together are valid.
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
