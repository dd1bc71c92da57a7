"""Parameters of a simulation from real counts: profiles, dispersions, library sizes, spread between patients."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import resources
from scresist.checks import InputError, require_columns, require_positive, suggestion
from scresist.kernels.negative_binomial_moments import (
    between_patient_variance,
    dispersion_by_moments,
    group_sums,
    shared_factors,
)
from scresist.simulate.profiles import Profiles

_LIKELY_SD = 0.3  # between patients, where one patient cannot tell
_QUANTILES = np.linspace(0, 1, 101)
FACTOR_GENES, _FACTORS = 1500, 15
_MIN_TOGETHER = 4  # patients, below which how genes move together over them is chance


@dataclass(frozen=True, slots=True)
class FittedProfiles(Profiles):
    """Profiles estimated from real cells.

    Beyond those of `Profiles` (the means are counts per 10,000 of the mean patient): `patient_sd` is the SD between
    patients of each gene's log rate (genes,); `library_quantiles` the quantiles of library size of each type (types,
    101); `shares` the share of each type (types,); `loadings` what genes share of the variation between the cells of
    one patient and type, in log rate per SD (factors, genes), which is not part of `dispersion`; `together` how
    the patients deviate, in SDs of each gene that counting does not explain (patients, genes; no rows below four
    patients); `cells` the median number per sample; `notes` are for the reader.
    """

    patient_sd: np.ndarray
    library_quantiles: np.ndarray
    shares: np.ndarray
    loadings: np.ndarray
    together: np.ndarray
    cells: float
    notes: tuple[str, ...]


def estimate_profiles(
    adata: Any, *, groupby: str = "cell_type", patient: str = "patient", layer: str | None = None, min_cells: int = 20
) -> FittedProfiles:
    """Mean profile of each cell type with what counts scatter by: cells, library sizes, patients, shared factors.

    Parameters
    ----------
    adata
        Cells x genes with raw counts in `layer`, or in X (where there is a layer `counts`, that is taken).
    groupby, patient
        Columns of `adata.obs` that name the cell type and the patient; cells without either are not used.
    layer
        Where the counts are.
    min_cells
        Types with fewer cells are left out and named in the notes.

    Raises
    ------
    InputError
        If a column or the layer is missing, the numbers are no counts, or no type has enough cells.
    """
    require_columns(adata.obs, [groupby, patient], "the cells' table (adata.obs)")
    require_positive(min_cells, "min_cells")
    counts = raw_counts(adata, layer)
    size = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    kind = adata.obs[groupby].astype("string")
    number = kind.value_counts()
    small = sorted(number.index[number < min_cells])
    known = (kind.notna() & ~kind.isin(small) & adata.obs[patient].notna()).to_numpy(bool) & (size > 0)
    if not known.any():
        raise InputError(f"no cell type in {groupby!r} has {min_cells} cells; lower min_cells or name another column")
    notes = [f"left out, fewer than {min_cells} cells: {', '.join(small)}"] if small else []
    counts, size = counts[known], size[known]
    types, type_code = np.unique(kind[known].to_numpy(str), return_inverse=True)
    people = adata.obs.loc[known, patient].astype(str).to_numpy()
    key = pd.DataFrame({"patient": people, "type": type_code})
    code = key.groupby(["patient", "type"]).ngroup().to_numpy()
    groups = key.assign(code=code).drop_duplicates("code").sort_values("code")
    of_type = groups["type"].to_numpy()
    dispersion = dispersion_by_moments(counts, size, code, len(groups))
    sums = group_sums(counts, code, len(groups))
    depth, squared = np.bincount(code, size), np.bincount(code, size**2)
    variance = between_patient_variance(sums, depth, squared, of_type, dispersion)
    patient_sd, more_notes = _patient_sd(variance, len(set(people)))
    means = np.array([_typical(sums[of_type == k], depth[of_type == k]) for k in range(len(types))])
    rates = sums / np.maximum(depth, 1.0)[:, None]
    loadings = _loadings(counts, size, code, rates, dispersion)
    dispersion = np.maximum((1 + dispersion) / np.exp((loadings**2).sum(axis=0)) - 1, 0.01)
    quantiles = np.array([np.quantile(size[type_code == k], _QUANTILES) for k in range(len(types))])
    relative = quantiles.mean(axis=1) / size.mean()
    together = _together(sums, depth, groups, patient_sd)
    return FittedProfiles(
        _genes(adata.var_names), tuple(types), means, dispersion, relative, {}, patient_sd, quantiles,
        np.bincount(type_code) / len(type_code), loadings, together, float(key["patient"].value_counts().median()),
        (*notes, *more_notes),
    )  # fmt: skip


def raw_counts(adata: Any, layer: str | None = None) -> sparse.csr_array:
    """The counts of an AnnData, checked: whole numbers, zero or more."""
    name = "counts" if layer is None and "counts" in adata.layers else layer
    if name is not None and name not in adata.layers:
        raise InputError(f"adata.layers has no {name!r}; {suggestion(name, adata.layers.keys())}")
    counts = sparse.csr_array(adata.X if name is None else adata.layers[name])
    if counts.nnz and (counts.data.min() < 0 or np.any(counts.data[:100_000] % 1)):
        where = "X" if name is None else f"layer {name!r}"
        raise InputError(
            f"{where} has numbers that are no counts (negative or fractions); name the layer of raw counts"
        )
    return counts.astype(float)


def _typical(sums: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Counts per 10,000; genes that a type never shows get a tenth of a count."""
    total = sums.sum(axis=0)
    raised = np.where(total > 0, total, 0.1)
    return raised / raised.sum() * 1e4 if depth.sum() else raised


def _patient_sd(variance: np.ndarray, n_patients: int) -> tuple[np.ndarray, list[str]]:
    if n_patients < 2 or not np.isfinite(variance).any():
        note = f"one patient does not show how patients differ: SD of {_LIKELY_SD} (log) is assumed for every gene"
        return np.full(len(variance), _LIKELY_SD), [note]
    typical = float(np.nanmean(variance))
    unknown = np.isnan(variance)
    # A handful of patients shows little of one gene: the estimate is half that of all genes.
    variance = np.where(unknown, typical, (variance * (n_patients - 1) + typical * 4) / (n_patients + 3))
    note = f"{int(unknown.sum())} genes have too few counts to estimate how patients differ; they get the others' mean"
    return np.sqrt(np.minimum(variance, 4.0)), [note] if unknown.any() else []


def _together(sums: np.ndarray, depth: np.ndarray, groups: pd.DataFrame, patient_sd: np.ndarray) -> np.ndarray:
    """Deviations of patients from their type's mean log rate, as far as a gene's spread exceeds the noise of counting.

    Genes that move together over patients keep doing so where these rows are mixed at random.
    """
    patients = groups["patient"].to_numpy()
    names = np.unique(patients)
    if len(names) < _MIN_TOGETHER:
        return np.zeros((0, sums.shape[1]))
    rate = np.log((sums + 0.5) / np.maximum(depth, 1.0)[:, None])
    for kind in np.unique(groups["type"]):
        rows = (groups["type"] == kind).to_numpy()
        rate[rows] -= rate[rows].mean(axis=0)
    of_patient = np.array([np.average(rate[patients == p], axis=0, weights=depth[patients == p]) for p in names])
    spread = of_patient.std(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        real = np.minimum(patient_sd / spread, 1.0)
        return np.nan_to_num(of_patient / spread * real)


def _loadings(
    counts: sparse.csr_array, size: np.ndarray, code: np.ndarray, rates: np.ndarray, dispersion: np.ndarray
) -> np.ndarray:
    """Shared factors of the better seen genes, as log rate per SD."""
    overall = np.asarray(counts.mean(axis=0)).ravel()
    seen = np.flatnonzero(overall > 0.1)
    seen = seen[np.argsort(overall[seen])[::-1][:FACTOR_GENES]]
    loadings = np.zeros((_FACTORS, counts.shape[1]))
    if len(seen) < 10 or len(size) < 50:
        return loadings[:0]
    expected = rates[code][:, seen] * size[:, None]
    spread = np.sqrt(expected + dispersion[seen] * expected**2) + 1e-12
    residuals = (counts[:, seen].toarray() - expected) / spread
    np.clip(residuals, -10, 10, out=residuals)
    found = shared_factors(residuals, _FACTORS)
    mean = expected.mean(axis=0)
    to_log = np.sqrt(mean + dispersion[seen] * mean**2) / mean
    loadings = loadings[: len(found)]
    loadings[:, seen] = found * to_log
    length = np.sqrt((loadings**2).sum(axis=0))
    # What genes share cannot exceed what they scatter by.
    limit = np.sqrt(np.log1p(dispersion))
    return loadings * np.minimum(1.0, limit / np.maximum(length, 1e-12))


def _genes(names: pd.Index) -> pd.DataFrame:
    table = resources.genes()[["ensembl", "chromosome", "start", "cytoband"]].astype(str)
    genes = table[~table.index.duplicated()].reindex(names.astype(str))
    genes["ensembl"] = genes["ensembl"].where(genes["ensembl"].notna() & (genes["ensembl"] != ""), genes.index)
    return genes.fillna({"chromosome": "", "start": "0", "cytoband": ""})
