"""What a network needs of its cells: names of genes and groups, and coordinates in which neighbours are sought."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from scresist.checks import InputError, require_columns, suggestion
from scresist.kernels.normalise import log1p_per_10k


def check_genes(names: pd.Index) -> None:
    """Raise InputError where gene names repeat."""
    if not names.is_unique:
        repeated = names[names.duplicated()].unique()
        raise InputError(
            f"{len(repeated)} gene names occur more than once, the first is {repeated[0]!r}; "
            "sum or rename them (adata.var_names_make_unique())"
        )


def group_names(obs: pd.DataFrame, groupby: Sequence[str]) -> tuple[pd.Series, pd.DataFrame]:
    """For each cell the name of its group (values joined by '#', NaN where one is missing), and the groups' values.

    Groups are in the order of their names by bytes, as in hdWGCNA.
    """
    require_columns(obs, groupby, "adata.obs")
    if not groupby:
        raise InputError("groupby is empty; name the columns within which cells may be pooled")
    parts = obs[list(groupby)].astype(object)
    known = parts.notna().all(axis=1)
    names = parts[groupby[0]].astype(str)
    for column in groupby[1:]:
        names = names + "#" + parts[column].astype(str)
    names = names.where(known)
    first = parts[known].groupby(names[known].to_numpy(), sort=False).first()
    values = first.loc[sorted(first.index, key=lambda name: str(name).encode())]
    values.index.name = "group"
    if parts[known].drop_duplicates().shape[0] != len(values):
        raise InputError(f"two groups of {', '.join(groupby)} would share a name: a value contains '#'; rename it")
    return names, values


def neighbour_space(adata: Any, counts: sparse.csr_array, reduction: str | None) -> tuple[np.ndarray, str]:
    """Coordinates in which neighbours are sought, and their name: `reduction`, else X_pca, else components of counts.

    The components are those of log-normalised counts of the 2,000 most dispersed genes, 30 of them.
    """
    name = reduction if reduction is not None else "X_pca"
    if name in adata.obsm:
        points = np.asarray(adata.obsm[name], dtype=np.float64)
        if not np.isfinite(points).all():
            raise InputError(f"obsm[{name!r}] has {int((~np.isfinite(points)).sum())} values that are NaN or infinite")
        return points, name
    if reduction is not None:
        raise InputError(f"adata.obsm has no {reduction!r}; {suggestion(reduction, adata.obsm.keys())}")
    return principal_components(log1p_per_10k(counts), 2000, 30), "components of log-normalised counts"


def principal_components(X: sparse.csr_array, n_genes: int, n_components: int) -> np.ndarray:
    """Scores on the leading components of the most dispersed genes, X staying sparse; shape (cells, components)."""
    n = X.shape[0]
    mean = np.asarray(X.mean(axis=0)).ravel()
    variance = np.asarray(X.multiply(X).mean(axis=0)).ravel() - mean**2
    dispersion = np.divide(variance, mean, out=np.zeros_like(mean), where=mean > 0)
    chosen = np.sort(np.argsort(-dispersion, kind="stable")[:n_genes])
    part, centre = sparse.csr_array(X[:, chosen]), mean[chosen]
    count = min(n_components, n - 1, len(chosen) - 1)
    if count < 1:
        return np.zeros((n, 1))
    operator = LinearOperator(
        part.shape,
        matvec=lambda v: part @ v.ravel() - centre @ v.ravel(),
        rmatvec=lambda u: part.T @ u.ravel() - centre * u.sum(),
        dtype=np.float64,
    )
    left, values, _ = svds(operator, k=count, v0=np.cos(np.arange(min(part.shape))))
    order = np.argsort(-values)
    return np.asarray(left[:, order] * values[order])
