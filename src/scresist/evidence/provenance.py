"""Whose transcripts they are: the share that the focus compartment makes, and the share that may be ambient."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.cells import count_detected, sum_counts

if TYPE_CHECKING:
    from anndata import AnnData


def provenance(cohort: "AnnData", inside: np.ndarray, *, per_patient: np.ndarray | None = None) -> pd.DataFrame:
    """Per gene, how much of it the cells `inside` make and how much of their counts may be ambient.

    `compartment_share`: counts of the gene in the compartment over its counts in all cells, per patient, averaged over
    patients (each patient one vote). `ambient_risk`: counts expected from contamination (upper estimate of the share of
    ambient counts x counts of the compartment x the gene's share of the sample's ambient profile) over the counts
    observed in the compartment, at most 1; NaN where contamination could not be estimated. `cells_share`: share of the
    compartment's cells, in the average patient, in which the gene is detected. `preference`: its share of counts in the
    compartment over that plus its share in all other cells, averaged over patients: 0.5 where both have it alike,
    whatever the purity of the biopsy; NaN without other cells.

    Parameters
    ----------
    cohort
        After quality control.
    inside
        Whether each cell belongs to the compartment. Shape (cells,).
    per_patient
        From `counts_per_patient`, for calls on several populations of one cohort; None computes it.

    Returns
    -------
    Indexed by gene: compartment_share, ambient_risk, cells_share, preference.
    """
    patients = cohort.obs["patient"].cat
    codes, n = patients.codes.to_numpy().astype(int), len(patients.categories)
    within = sum_counts(cohort, np.where(inside, codes, -1), n)
    whole = counts_per_patient(cohort) if per_patient is None else per_patient
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(whole > 0, within / whole, np.nan)
    has = np.bincount(codes[inside], minlength=n) > 0
    size = np.maximum(np.bincount(codes[inside], minlength=n), 1)
    detected = count_detected(cohort, np.where(inside, codes, -1), n) / size[:, None]
    return pd.DataFrame(
        {
            "compartment_share": _mean(share[has]),
            "ambient_risk": _ambient_risk(cohort, inside),
            "cells_share": _mean(detected[has]),
            "preference": _mean(_preference(within[has], whole[has] - within[has])),
        },
        index=pd.Index(cohort.var_names, name="gene"),
    )


def counts_per_patient(cohort: "AnnData") -> np.ndarray:
    """Counts of every gene over all cells of each patient, in the order of the patients' categories.

    Parameters
    ----------
    cohort
        After quality control.

    Returns
    -------
    Shape (patients, genes).
    """
    patients = cohort.obs["patient"].cat
    return sum_counts(cohort, patients.codes.to_numpy().astype(int), len(patients.categories))


def _preference(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = inside / inside.sum(axis=1, keepdims=True), outside / outside.sum(axis=1, keepdims=True)
        return np.where(a + b > 0, a / (a + b), np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    n = known.sum(axis=0)
    return np.where(n > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(n, 1), np.nan)


def _ambient_risk(cohort: "AnnData", inside: np.ndarray) -> np.ndarray:
    samples = cohort.obs["sample"].cat
    names = [str(s) for s in cohort.uns["samples"]]
    codes = np.array([names.index(str(c)) for c in samples.categories])[samples.codes.to_numpy()]
    sums = sum_counts(cohort, np.where(inside, codes, -1), len(names))
    rate = np.full(len(names), np.nan)
    rate[codes] = cohort.obs["contamination_high"].to_numpy(dtype=float)
    known = np.isfinite(rate) & (sums.sum(axis=1) > 0)
    if not known.any():
        return np.full(cohort.n_vars, np.nan)
    profile = np.asarray(cohort.varm["ambient"], dtype=float).T
    expected = (rate[known, None] * sums[known].sum(axis=1, keepdims=True) * profile[known]).sum(axis=0)
    observed = sums[known].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(observed > 0, np.minimum(expected / observed, 1.0), np.nan)
