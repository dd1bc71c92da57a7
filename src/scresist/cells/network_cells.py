"""Which cells a network is made of, their counts, and their place in a space of neighbours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, svds

from scresist.checks import InputError, require_columns, suggestion

COMPARTMENT_COLUMNS = ("cell_type", "lineage")


def compartment_mask(obs: pd.DataFrame, compartment: str | None) -> np.ndarray:
    """Cells of a compartment: "malignant" by `malignancy`, else a cell type or lineage; None or "all" is every cell.

    Raises
    ------
    InputError
        If no cell is in it, or no column could tell.
    """
    if compartment is None or compartment == "all":
        return np.ones(len(obs), dtype=bool)
    if compartment == "malignant" and "malignancy" in obs:
        mask = (obs["malignancy"].astype(str) == "malignant").to_numpy()
        if not mask.any():
            seen = obs["malignancy"].astype(str).value_counts().to_dict()
            raise InputError(f"no cell is malignant: obs['malignancy'] has {seen}; give another compartment or 'all'")
        return mask
    known: list[str] = []
    for column in COMPARTMENT_COLUMNS:
        if column in obs:
            values = obs[column].astype(str)
            mask = (values == compartment).to_numpy()
            if mask.any():
                return mask
            known += [value for value in values.unique().tolist() if value not in known]
    if not known:
        wanted = "malignancy, cell_type or lineage" if compartment == "malignant" else "cell_type or lineage"
        raise InputError(f"compartment {compartment!r} needs a column {wanted} in obs; there is none of them")
    raise InputError(f"no cell is in compartment {compartment!r}; {suggestion(compartment, known)}")


def check_genes(names: pd.Index) -> None:
    """Raise InputError where gene names repeat."""
    if not names.is_unique:
        repeated = names[names.duplicated()].unique()
        raise InputError(
            f"{len(repeated)} gene names occur more than once, the first is {repeated[0]!r}; "
            "sum or rename them (adata.var_names_make_unique())"
        )


def raw_counts(adata: Any) -> sparse.csr_array:
    """Counts, cells x genes: `layers["counts"]`, else X where it holds whole numbers.

    Raises
    ------
    InputError
        If there are neither, or values are negative, NaN or infinite.
    """
    layer = adata.layers.get("counts", adata.X)
    where = 'layers["counts"]' if "counts" in adata.layers else "X"
    if layer is None:
        raise InputError('adata has neither X nor layers["counts"]; networks need raw counts')
    # A matrix on disk (backed, or Dask over zarr) is read here, when only the compartment is left of it.
    for reader in ("to_memory", "compute"):
        layer = getattr(layer, reader)() if hasattr(layer, reader) else layer
    counts = sparse.csr_array(layer)
    values = counts.data
    if values.size and not np.isfinite(values).all():
        raise InputError(f"{where} has {int((~np.isfinite(values)).sum())} values that are NaN or infinite; "
                         "give raw counts")  # fmt: skip
    if values.size and values.min() < 0:
        raise InputError(
            f'{where} has negative values (the least is {values.min():g}); put raw counts in layers["counts"]'
        )
    if where == "X" and (values != np.round(values)).any():
        raise InputError('X holds no whole numbers and there is no layers["counts"]; put the raw counts there')
    return counts


def log_normalised(counts: Any) -> Any:
    """log1p of counts per 10,000 of each row; sparse stays sparse, rows without counts stay zero."""
    total = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    factor = np.divide(1e4, total, out=np.zeros_like(total), where=total > 0)
    if sparse.issparse(counts):
        result = sparse.csr_array(counts, dtype=np.float64, copy=True)
        result.data *= np.repeat(factor, np.diff(result.indptr))
        np.log1p(result.data, out=result.data)
        return result
    return np.log1p(np.asarray(counts, dtype=np.float64) * factor[:, None])


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
    return principal_components(log_normalised(counts), 2000, 30), "components of log-normalised counts"


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
