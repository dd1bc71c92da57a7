"""Which links are present in enough samples, where all cells were inferred as one object."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.normalise import log_normalised
from scresist.checks import InputError, RefusedError, require_columns, require_positive
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.levels import group_codes
from scresist.communication.pairs import genes_of_pairs
from scresist.communication.resource import read_resource
from scresist.communication.result import Communication
from scresist.kernels.averages import group_average
from scresist.kernels.signalling import factors


def keep_shared_links(
    adata: Any,
    com: Communication,
    *,
    min_samples: int,
    min_cells: int | None = None,
    keep_rare: bool = False,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
    sample: str = "sample",
) -> Communication:
    """A result of mode "parity" in which links of fewer than `min_samples` samples are set to 0.

    A sample has a link where the average of the ligand in its cells of the source and that of the receptor in its cells
    of the target are above zero, and it has more than `min_cells` cells of either group. P-values do not change. In
    sound mode every sample is inferred by itself, and `link_evidence` counts them.

    Parameters
    ----------
    adata, com
        The cells, and what was inferred from them.
    min_samples
        Samples that must have a link; at least 2.
    min_cells
        None uses that of the inference.
    keep_rare
        Whether links of a group with too few cells in some sample are kept in any case.
    resource, organism
        The table with the subunits of complexes.
    sample
        Column of the samples.

    Raises
    ------
    InputError
        If the result is not of mode "parity", or `min_samples` is not a whole number from 2 to the number of samples.
    RefusedError
        If the cells lack genes of the result's interactions.
    """
    if com.mode != "parity":
        raise InputError('min_samples belongs to mode="parity"; in sound mode use link_evidence(cells, com)')
    require_columns(adata.obs, [sample], "the cells' table (adata.obs)")
    of_sample, names = pd.factorize(adata.obs[sample].astype(str), sort=True)
    whole = isinstance(min_samples, (int, np.integer)) and not isinstance(min_samples, bool)
    if not whole or not 2 <= min_samples <= len(names):
        raise InputError(f"min_samples must be from 2 to {len(names)}, the number of samples; got {min_samples!r}")
    minimum = com.settings["min_cells"] if min_cells is None else min_cells
    require_positive(minimum, "min_cells", allow_zero=True)
    shown, rare = _shown(adata, com, of_sample, minimum, read_resource(resource, organism))
    keep = shown >= min_samples
    if keep_rare:
        keep |= (rare[:, None] | rare[None, :])[:, :, None]
    lost = int(((com.probability > 0) & ~keep).sum())
    note = f"{lost} links are in fewer than {min_samples} samples and were set to 0"
    return replace(com, probability=np.where(keep, com.probability, 0.0), notes=(*com.notes, note))


def _shown(
    adata: Any, com: Communication, of_sample: np.ndarray, minimum: int, table: LigandReceptorTable
) -> tuple[np.ndarray, np.ndarray]:
    """Number of samples that have each link, (source, target, pair), and the groups with few cells in some sample."""
    names = pd.Index(adata.var_names).astype(str)
    needed = {g for side in ("ligand", "receptor") for n in com.interactions[side] for g in table.genes_of(str(n))}
    inside = np.flatnonzero(names.isin(needed))
    if len(inside) < len(needed):
        raise RefusedError("genes of the result's interactions are not among the cells' genes")
    plan = genes_of_pairs(table, com.interactions, names[inside])
    X = sparse.csr_array(log_normalised(adata, genes=inside), dtype=np.float64)
    of_group = group_codes(adata, com)
    n, average, trim = len(com.groups), com.settings["average"], com.settings["trim"]
    shown, rare = np.zeros(com.probability.shape, dtype=np.int64), np.zeros(n, dtype=bool)
    for s in range(int(of_sample.max()) + 1):
        own = of_sample == s
        few = np.bincount(of_group[own], minlength=n) <= minimum
        averages = np.nan_to_num(group_average(X[own], of_group[own], n, average, trim))
        ligand, receptor, _, _ = factors(averages, plan, 1.0, 1.0)
        ligand[few], receptor[few] = 0, 0
        shown += (ligand[:, None, :] * receptor[None, :, :]) > 0
        rare |= few
    return shown, rare
