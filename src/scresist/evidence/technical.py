"""What else a gene goes with: batches, depth, the cell cycle; and how much of its change goes with it."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from scresist import resources
from scresist.cells import sum_counts
from scresist.kernels.normalise import log2_counts_per_million
from scresist.study.design import Contrast, Design

if TYPE_CHECKING:
    from anndata import AnnData

LABELS = ("batch", "site", "chemistry")  # columns of samples.csv that name how a sample was made
MIN_CELLS = 10
_COLUMNS = ("technical", "technical_source", "technical_p", "change_kept")


def technical(cohort: "AnnData", inside: np.ndarray, design: Design) -> pd.DataFrame:
    """Association of each gene with technical variables between patients of one arm, and what is left of its change.

    Per contrast the counts of the compartment are summed per patient and arm; on their log2 counts per million two
    linear models are compared, with the arm alone and with the arm and one variable: depth (log mean counts per
    cell), cycle (log share of the counts in genes of S, G2 and M phase), and batch, site or chemistry where the sheet
    has them, they vary, and residual degrees of freedom are left. Pairs are not used here: this asks what
    a change may come from, not whether it is there.

    Parameters
    ----------
    cohort
        After quality control, counts in layers["counts"].
    inside
        Whether each cell belongs to the compartment. Shape (cells,).
    design
        Arms, contrasts, sheet of samples.

    Returns
    -------
    Indexed by gene and contrast, of the variable that explains most within arms: `technical` (adjusted share of the
    variance within arms that it explains, at least 0), `technical_source` (its name), `technical_p` (F test of it
    beside the arm, times the number of variables tested) and `change_kept` (difference between arms with it in the
    model over that without; below 0 where it turns round). NaN where no variable can be tested.
    """
    parts = [_of_contrast(cohort, inside, design, contrast) for contrast in design.contrasts]
    index = pd.MultiIndex.from_arrays([[], []], names=["gene", "contrast"])
    return pd.concat(parts) if parts else pd.DataFrame(columns=list(_COLUMNS), index=index)


def _of_contrast(cohort: "AnnData", inside: np.ndarray, design: Design, contrast: Contrast) -> pd.DataFrame:
    index = pd.MultiIndex.from_product([cohort.var_names, [contrast.name]], names=["gene", "contrast"])
    blank = pd.DataFrame({c: "" if c == "technical_source" else np.nan for c in _COLUMNS}, index=index)
    sheet = design.samples.loc[design.samples["arm"].isin([contrast.test, contrast.reference])]
    unit = sheet["patient"].astype(str) + "\t" + sheet["arm"].astype(str)
    units = pd.Categorical(cohort.obs["sample"].astype(str).map(unit.rename(index=str)).where(inside))
    n_cells = np.bincount(units.codes[units.codes >= 0], minlength=len(units.categories))
    kept = np.flatnonzero(n_cells >= MIN_CELLS)
    names = np.asarray(units.categories)[kept]
    arm = np.array([name.split("\t")[1] == contrast.test for name in names], dtype=float)
    if len(names) < 5 or min(arm.sum(), (1 - arm).sum()) < 2:
        return blank
    sums = sum_counts(cohort, units.codes, len(units.categories))[kept]
    total = sums.sum(axis=1)
    values = log2_counts_per_million(sums, total, prior=0.5)
    variables = _measured(cohort, sums, total / n_cells[kept]) | _labels(sheet, unit, names)
    base = np.column_stack([np.ones(len(names)), arm])
    best = blank.assign(technical_source=blank["technical_source"].astype(object))
    rest, n_tested = len(names) - 2, 0
    alone, residual = _fit(base, values)
    for name, columns in variables.items():
        design_matrix = np.column_stack([base, columns])
        df = len(names) - np.linalg.matrix_rank(design_matrix)
        extra = rest - df
        if extra < 1 or df < 3:
            continue
        beside, left = _fit(design_matrix, values)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.maximum(1 - (left / df) / (residual / rest), 0.0)
            p = stats.f.sf(np.maximum(residual - left, 0.0) / extra / (left / df), extra, df)
            kept_change = beside / alone
        better = np.isfinite(p) & ~(best["technical_p"].to_numpy() <= p)
        for column, found in (("technical", share), ("technical_p", p), ("change_kept", kept_change)):
            best.loc[better, column] = found[better]
        best.loc[better, "technical_source"], n_tested = name, n_tested + 1
    best["technical_p"] = np.minimum(best["technical_p"] * n_tested, 1.0)
    return best


def _fit(design: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficient of the second column, and the residual sum of squares, per gene."""
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    return coefficients[1], ((values - design @ coefficients) ** 2).sum(axis=0)


def _measured(cohort: "AnnData", sums: np.ndarray, depth: np.ndarray) -> dict[str, np.ndarray]:
    lists = resources.gene_lists()
    names = pd.Index([str(g).upper() for g in cohort.var_names])
    cycle = np.flatnonzero(names.isin([*lists["S phase"], *lists["G2/M phase"]]))
    found = {"depth": np.log(depth)[:, None]}
    if len(cycle) >= 10:
        found["cycle"] = np.log((sums[:, cycle].sum(axis=1) + 0.5) / sums.sum(axis=1))[:, None]
    return found


def _labels(sheet: pd.DataFrame, unit: pd.Series, names: np.ndarray) -> dict[str, np.ndarray]:
    """Indicators of the labels of the units; samples of two labels in one unit are a label of their own."""
    found = {}
    for column in (c for c in LABELS if c in sheet):
        of_unit = sheet[column].astype(str).groupby(unit.to_numpy()).agg(lambda v: "+".join(sorted(set(v))))
        label = of_unit.reindex(names).to_numpy().tolist()
        levels = sorted(set(label))
        if len(levels) > 1:
            found[column] = np.array([[own == level for level in levels[1:]] for own in label], dtype=float)
    return found
