"""The rank-sum test of every gene over cells, as the usual tools make it: for descriptions and for parity only."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.kernels.aggregate import sum_by_group
from scresist.kernels.rank_sums import rank_sum_test

FLOOR = 1e-9  # added to both means of a fold change
ALL_EQUAL = "all cells have the same value"


def rank_sum_over_cells(
    X: "sparse.sparray | np.ndarray", labels: np.ndarray, genes: Sequence[str], *, groups: Sequence[str]
) -> pd.DataFrame:
    """Each gene in each group of cells against all other cells, with cells as replicates.

    Parameters
    ----------
    X
        Log-normalised values (log1p). Shape (cells, genes), sparse or dense.
    labels
        Group of each cell. Shape (cells,).
    genes
        Names of the columns.
    groups
        Groups to report; the cells of others count among the rest.

    Returns
    -------
    `group`, `gene`, `p_value` (NaN where all cells have the same value), `fold_change` (ratio of the means of
    normalised counts), `share_in`, `share_out` (cells above zero), `reason` (why there is no p-value); genes in the
    order given, within groups in the order given.

    References
    ----------
    Wilcoxon (1945) Biometrics Bull 1:80; Mann & Whitney (1947) Ann Math Stat 18:50, with correction for ties.
    """
    n_groups = len(groups)
    codes = pd.Index(groups).get_indexer(pd.Index(labels))
    codes[codes < 0] = n_groups
    tested = rank_sum_test(X, codes, n_groups + 1)
    size = np.bincount(codes, minlength=n_groups + 1).astype(float)[:, None]
    counts = np.expm1(X) if isinstance(X, np.ndarray) else X.expm1()
    sums = sum_by_group(counts, codes, n_groups + 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        fold = (sums / size + FLOOR) / ((sums.sum(axis=0) - sums) / (size.sum() - size) + FLOOR)
    first = slice(0, n_groups)
    return pd.DataFrame({
        "group": np.repeat(np.asarray(groups, dtype=object), len(genes)),
        "gene": np.tile(np.asarray(genes, dtype=object), n_groups),
        "p_value": tested.p_value[first].ravel(),
        "fold_change": fold[first].ravel(),
        "share_in": tested.share_in[first].ravel(),
        "share_out": tested.share_out[first].ravel(),
        "reason": np.where(np.isnan(tested.p_value[first]), ALL_EQUAL, "").ravel(),
    })  # fmt: skip
