"""What tests over cells would have claimed, and which of those claims patients support."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells import log_normalised
from scresist.checks import InputError, require_columns, suggestion
from scresist.contrasts.units import check_design
from scresist.contrasts.verdict import ALPHA, REFUSED, SUGGESTIVE, SUPPORTED
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.rank_tests import two_sample_rank_test
from scresist.results import Result
from scresist.study.design import Contrast, Design
from scresist.usual_tools.rank_sum import ALL_EQUAL, rank_sum_over_cells

OVER_CELLS = "Wilcoxon over cells: cells as replicates, not a test over patients"


def cell_level_expression(
    adata: Any,
    design: Design,
    *,
    groupby: str = "cell_type",
    genes: Sequence[str] | None = None,
) -> Result:
    """The Wilcoxon test over cells of every gene and cell type, as the usual tools make it, kept for comparison.

    Parameters
    ----------
    adata
        Cells x genes, log-normalised in X, or without X and with counts; obs has `sample` and `groupby`.
    design
        Arms, contrasts, sheet of samples.
    groupby
        Column of obs that names the cell type.
    genes
        Only these.

    Returns
    -------
    Result whose table has `cell_type`, `contrast`, `gene`, `effect` (log2 fold change of means), `p_value` (0 where it
    is below the smallest double, as in the tools compared with), `q_value` (over the genes of a cell type and
    contrast), `n_cells_test`, `n_cells_reference`, `reason` (why there is no p-value).

    Raises
    ------
    InputError
        For a gene that is not in the data.

    References
    ----------
    Squair et al. (2021) Nat Commun 12:5692, on what these p-values do.
    """
    require_columns(adata.obs, ["sample", groupby], "the cells' table (adata.obs)")
    check_design(design, sorted(adata.obs["sample"].astype(str).unique()))
    if genes is not None:
        absent = [g for g in genes if g not in adata.var_names]
        if absent:
            raise InputError(f"gene {absent[0]!r} is not in the data; {suggestion(absent[0], adata.var_names)}")
        adata = adata[:, list(genes)]
    kinds = adata.obs[groupby].astype(str).to_numpy()
    tables = []
    for contrast in design.contrasts:
        arm = _side(adata.obs["sample"], design, contrast)
        for kind in sorted(set(kinds[adata.obs[groupby].notna().to_numpy()])):
            here = (kinds == kind) & (arm != "")
            sizes = [int((arm[here] == side).sum()) for side in ("test", "reference")]
            if min(sizes) < 2:
                continue
            values = log_normalised(adata, cells=here)
            found = rank_sum_over_cells(values, arm[here], adata.var_names, groups=["test"])
            p = found["p_value"].to_numpy()
            with np.errstate(divide="ignore"):
                effect = np.log2(found["fold_change"].to_numpy())
            tables.append(pd.DataFrame({
                "cell_type": kind, "contrast": contrast.name, "gene": adata.var_names.to_numpy(), "effect": effect,
                "p_value": p, "q_value": benjamini_hochberg(p), "n_cells_test": sizes[0],
                "n_cells_reference": sizes[1], "reason": found["reason"].to_numpy(),
            }))  # fmt: skip
    columns = [
        "cell_type", "contrast", "gene", "effect", "p_value", "q_value", "n_cells_test", "n_cells_reference", "reason",
    ]  # fmt: skip
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=columns)
    return Result(table, OVER_CELLS, MappingProxyType({"groupby": groupby}))


def cell_level_values(values: pd.DataFrame, samples: pd.Series, design: Design, *, name: str = "feature") -> Result:
    """The Wilcoxon test over cells of any value per cell: module eigengenes, signature scores.

    Parameters
    ----------
    values
        Cells x features.
    samples
        The sample of each cell, same index.
    design
        Arms, contrasts, sheet of samples.
    name
        What to call the features' column.

    Returns
    -------
    Result whose table has the feature, `contrast`, `effect` (difference of means), `p_value`, `q_value` (over the
    features of a contrast), `n_cells_test`, `n_cells_reference`, `reason` (why there is no p-value).

    Raises
    ------
    InputError
        If values and samples have different numbers of cells.
    """
    if len(values) != len(samples):
        raise InputError(f"values have {len(values)} cells and samples {len(samples)}; give the same cells")
    check_design(design, sorted(samples.astype(str).unique()))
    tables = []
    for contrast in design.contrasts:
        arm = _side(samples, design, contrast)
        test, reference = values[arm == "test"].to_numpy(float), values[arm == "reference"].to_numpy(float)
        tested = [_of_column(a, b) for a, b in zip(test.T, reference.T, strict=True)]
        effect, p, reason = (list(column) for column in zip(*tested, strict=True)) if tested else ([], [], [])
        tables.append(pd.DataFrame({
            name: values.columns, "contrast": contrast.name, "effect": effect, "p_value": p,
            "q_value": benjamini_hochberg(np.array(p)), "n_cells_test": len(test), "n_cells_reference": len(reference),
            "reason": reason,
        }))  # fmt: skip
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return Result(table, OVER_CELLS)


def _of_column(test: np.ndarray, reference: np.ndarray) -> tuple[float, float, str]:
    """Difference of means and p-value of one feature over the cells that have a value, or why there is none."""
    test, reference = test[~np.isnan(test)], reference[~np.isnan(reference)]
    if min(len(test), len(reference)) < 2:
        return np.nan, np.nan, "fewer than two cells of an arm have a value"
    p = two_sample_rank_test(test, reference, exact_below=0)
    return float(test.mean() - reference.mean()), p, ALL_EQUAL if np.isnan(p) else ""


def compare_claims(
    over_cells: Result | pd.DataFrame, over_patients: Result | pd.DataFrame, *, on: Sequence[str], alpha: float = ALPHA
) -> Result:
    """Every claim that a test over cells (or cell-type pairs) makes, and what patients say to it.

    Parameters
    ----------
    over_cells
        Table of the tests over cells: the columns of `on`, `p_value` or `q_value`, and `effect`.
    over_patients
        Table of the tests over patients: the same keys, `effect` (or `log2fc`), `p_value`, `q_value`, and `verdict`
        (supported, suggestive, not supported, refused), as the register of claims has it.
    on
        Columns that name a claim, such as cell_type, contrast, gene.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
        Of q, or of p where the table has no q.

    Returns
    -------
    Result whose table has one row per claim over cells: the keys, `cell_effect`, `cell_q`, `patient_effect`,
    `patient_p`, `patient_q`, `n_test`, `n_reference`, `verdict`: stands (supported over patients, same direction) |
    suggestive (suggestive over patients, same direction) | reversed (supported with the other direction) | falls (the
    rest) | no test (refused over patients). Notes count them.
    """
    left, right = (r.table if isinstance(r, Result) else r for r in (over_cells, over_patients))
    require_columns(left, [*on, "effect"], "the table over cells")
    require_columns(right, [*on, "p_value", "q_value", "verdict"], "the table over patients")
    level = "q_value" if "q_value" in left else "p_value"
    claimed = left.loc[left[level] < alpha, [*on, "effect", level]]
    claimed = claimed.rename(columns={"effect": "cell_effect", level: "cell_q"})
    effect = "effect" if "effect" in right else "log2fc"
    sizes = [c for c in ("n_test", "n_reference") if c in right]
    own = right[[*on, effect, "p_value", "q_value", *sizes, "verdict"]].rename(
        columns={effect: "patient_effect", "p_value": "patient_p", "q_value": "patient_q", "verdict": "over_patients"}
    )
    table = claimed.merge(own, on=list(on), how="left", validate="one_to_one")
    same = np.sign(table["cell_effect"]) == np.sign(table["patient_effect"])
    supported, refused = (
        table["over_patients"] == SUPPORTED,
        table["over_patients"].isna() | (table["over_patients"] == REFUSED),
    )
    table["verdict"] = np.select(
        [refused, supported & same, supported & ~same, (table["over_patients"] == SUGGESTIVE) & same],
        ["no test", "stands", "reversed", "suggestive"],
        "falls",
    )
    table = table.drop(columns="over_patients")
    order = table.sort_values(["verdict", "cell_q", *on], kind="stable").reset_index(drop=True)
    counts = table["verdict"].value_counts()
    stands = (
        f"{len(table)} of {len(left)} claimed over cells; with patients as the unit {counts.get('stands', 0)} stand"
    )
    others = [f"{counts[v]} {v}" for v in ("suggestive", "falls", "reversed", "no test") if v in counts]
    return Result(order, "cells against patients", MappingProxyType({"alpha": alpha}), (", ".join([stands, *others]),))


def _side(sample: pd.Series, design: Design, contrast: Contrast) -> np.ndarray:
    """test, reference or nothing, per cell."""
    arm = sample.astype(str).map(design.samples["arm"]).to_numpy()
    return np.where(arm == contrast.test, "test", np.where(arm == contrast.reference, "reference", ""))
