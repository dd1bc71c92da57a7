"""Mean levels of genes by sample and group, shared by the scores, the evidence and the responses."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.normalise import log_normalised
from scresist.checks import InputError, require_columns
from scresist.communication.result import Communication
from scresist.kernels.aggregate import mean_by_group


def group_codes(adata: Any, com: Communication) -> np.ndarray:
    """Group of each cell as a position in `com.groups`.

    Parameters
    ----------
    adata
        The cells.
    com
        Inferred from them.

    Raises
    ------
    InputError
        If a cell has a group that the result does not have.
    """
    return _positions(adata, str(com.settings.get("groupby", "")), com.groups, "group")


def sample_codes(adata: Any, com: Communication, sample: str) -> tuple[np.ndarray, pd.Index]:
    """Sample of each cell, and the names; one sample "all" where the result has no samples.

    Parameters
    ----------
    adata, com
        As in `group_codes`.
    sample
        Column of the samples.

    Raises
    ------
    InputError
        If a cell has a sample that the result does not have.
    """
    if com.samples is None:
        return np.zeros(adata.n_obs, dtype=int), pd.Index(["all"])
    return _positions(adata, sample, com.samples, "sample"), com.samples


def _positions(adata: Any, column: str, names: pd.Index, what: str) -> np.ndarray:
    """Position among `names` of the value that each cell has in a column of obs."""
    require_columns(adata.obs, [column], "the cells' table (adata.obs)")
    values = adata.obs[column].astype(str)
    codes = np.asarray(names.get_indexer(values))
    if (codes < 0).any():
        name = values.to_numpy()[codes < 0][0]
        raise InputError(f"{what} {name!r} is not in the result; give the cells that it was inferred from")
    return codes


def levels(
    adata: Any, com: Communication, genes: pd.Index, *, sample: str = "sample", above_zero: bool = False
) -> np.ndarray:
    """Mean of genes, or share of cells above zero: (samples, groups, genes); NaN for groups with too few cells.

    Parameters
    ----------
    adata
        The cells.
    com
        Inferred from them.
    genes
        Names.
    sample
        Column of the samples.
    above_zero
        Whether shares are wanted.

    Raises
    ------
    InputError
        If the cells lack a gene.
    """
    at = pd.Index(adata.var_names).astype(str).get_indexer(genes)
    if (at < 0).any():
        raise InputError(f"gene {genes[at < 0][0]!r} is not among the cells' genes")
    of_group = group_codes(adata, com)
    of_sample, samples = sample_codes(adata, com, sample)
    n = len(com.groups)
    X = log_normalised(adata, genes=at).astype(np.float64)
    if above_zero:
        X.data = (X.data > 0).astype(np.float64)
    codes = of_sample * n + of_group
    out = mean_by_group(X, codes, n * len(samples))
    minimum = int(com.settings.get("min_cells", 0)) if com.samples is not None else 1
    out[np.bincount(codes, minlength=n * len(samples)) < max(minimum, 1)] = np.nan
    return np.asarray(out.reshape(len(samples), n, len(genes)))


def over_samples(values: np.ndarray) -> np.ndarray:
    """The mean over the samples that have a value; NaN where none has."""
    measured = np.isfinite(values).sum(axis=0)
    return np.where(measured > 0, np.nansum(values, axis=0) / np.maximum(measured, 1), np.nan)
