"""What a power calculation assumes, estimated from the cells of a pilot."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError, require_columns, suggestion
from scresist.power.assumptions import Assumptions, change
from scresist.simulate.estimate import FACTOR_GENES, estimate_profiles, raw_counts


def pilot_assumptions(
    adata: Any, plan: Assumptions | None = None, *, groupby: str = "cell_type", malignant: str = "malignant",
    patient: str = "patient", layer: str | None = None,
) -> Assumptions:  # fmt: skip
    """What a power calculation takes to be true, from the cells of a pilot.

    Cells per sample, malignant share, the median gene of the malignant cells (its count, dispersion, spread between
    patients), library sizes, the median cell type's share with its spread, and the spread of module activity between
    patients: that of the leading directions in which the cells of one patient vary.

    Parameters
    ----------
    adata
        As in `estimate_profiles`.
    plan
        What the pilot does not tell: effects, families, levels.
    groupby, malignant, patient, layer
        Column of the cell types, the name of the malignant ones in it, column of the patients, layer of the counts.

    Raises
    ------
    InputError
        As in `estimate_profiles`; if there is no such type, or fewer than two patients have it.
    """
    plan = plan or Assumptions()
    require_columns(adata.obs, [groupby, patient], "the cells' table (adata.obs)")
    kind = adata.obs[groupby].astype(str).to_numpy()
    if malignant not in kind:
        raise InputError(f"obs[{groupby!r}] has no cell type {malignant!r}; {suggestion(malignant, sorted(set(kind)))}")
    people = adata.obs[patient].astype(str).to_numpy()
    tumour = adata[kind == malignant]
    if len(set(people[kind == malignant])) < 2:
        raise InputError(f"a pilot needs {malignant!r} cells of at least two patients, to estimate how patients differ")
    fitted = estimate_profiles(tumour, groupby=groupby, patient=patient, layer=layer, min_cells=1)
    counts = raw_counts(tumour, layer)
    size = np.asarray(counts.sum(axis=1)).ravel()
    mean = np.asarray(counts.mean(axis=0)).ravel()
    expressed = mean > 0.1
    if not expressed.any():
        raise InputError(
            f"no gene has 0.1 counts per {malignant!r} cell on average; the pilot is too shallow to plan by"
        )
    per_sample = pd.Series(people).value_counts()
    share, spread = _share_spread(kind, people, malignant)
    given = {
        "cells": float(per_sample.median()), "malignant_share": float(np.mean(kind == malignant)),
        "count": float(np.median(mean[expressed])), "dispersion": float(np.median(fitted.dispersion[expressed])),
        "depth_sd": float(np.std(np.log(size[size > 0]))), "share": share,
        "patient_sd": {
            "gene": float(np.median(fitted.patient_sd[expressed]) / np.log(2)),
            "module": _module_spread(counts, size, people[kind == malignant]),
            **({"composition": spread} if np.isfinite(spread) else {}),
        },
    }  # fmt: skip
    return replace(change(plan, **given))


def _share_spread(kind: np.ndarray, people: np.ndarray, malignant: str) -> tuple[float, float]:
    """Share of the median other type, and the SD between patients of log odds, sampling taken off."""
    table = pd.crosstab(people, kind)
    n = table.sum(axis=1).to_numpy(float)[:, None]
    others = table.drop(columns=malignant).to_numpy(float)
    if not others.shape[1] or len(table) < 2:
        return 0.08, float("nan")
    odds = np.log((others + 0.5) / (n - others + 0.5))
    noise = (1 / (others + 0.5) + 1 / (n - others + 0.5)).mean(axis=0)
    spread = np.sqrt(np.maximum(odds.var(axis=0, ddof=1) - noise, 0.0))
    return float(np.clip(np.median(others.sum(axis=0) / n.sum()), 1e-3, 0.999)), float(np.median(spread))


def _module_spread(counts: sparse.csr_array, size: np.ndarray, people: np.ndarray) -> float:
    """SD between patients over SD between cells, median over the leading directions within patients."""
    mean = np.asarray(counts.mean(axis=0)).ravel()
    genes = np.argsort(mean)[::-1][:FACTOR_GENES]
    values = np.log1p(counts[:, genes].toarray() / np.maximum(size, 1)[:, None] * np.median(size))
    code = pd.factorize(people)[0]
    n = np.bincount(code)
    centre = np.stack([np.bincount(code, v) for v in values.T], axis=1) / n[:, None]
    within = values - centre[code]
    _, vectors = np.linalg.eigh(within.T @ within / len(within))
    scores, middle = within @ vectors[:, -10:], centre @ vectors[:, -10:]
    inside = scores.var(axis=0)
    between = np.maximum(middle.var(axis=0, ddof=1) - inside * np.mean(1 / n), 0.0)
    return float(np.median(np.sqrt(between / inside)))
