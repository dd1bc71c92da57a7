"""Expression per cell type: a precision-weighted linear model on sums of counts, patients as the unit."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.sums import as_pseudobulk
from scresist.checks import require_choice
from scresist.contrasts.arms import contrast_table, q_values, spread_note, unshared
from scresist.contrasts.engine import Tested, evaluate_contrast
from scresist.contrasts.estimability import exact_floor
from scresist.contrasts.influence import Influence, leave_one_patient_out
from scresist.contrasts.other_arms import OtherArm, other_arms
from scresist.contrasts.units import Units, check_design, contrast_units
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.counts import comparable_depth, enough_counts, tmm_factors, voom
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.normalise import log2_counts_per_million
from scresist.kernels.shrinkage import shrink_effects
from scresist.progress import track
from scresist.results import Result
from scresist.study.design import Contrast, Design

HEADLINES = 300  # genes per population and contrast whose influence is computed though they are not found


def expression(
    counts: Any,
    design: Design,
    *,
    family: str = "cell_type",
    keep_genes: Iterable[str] = (),
    robust: bool = False,
    influence: bool = True,
    equal_variances: bool = False,
    alpha: float = ALPHA,
) -> Result:
    """Log2 fold changes between arms of every gene in every cell type, with patients as the unit.

    Per cell type and contrast: sums of a patient's samples in one arm, genes with enough counts, trimmed-mean library
    factors, the precision of each log count from the trend of the variance over the mean, a linear model (patients as
    fixed effects where all are pairs, as random ones where some are), variances moderated over genes.

    Parameters
    ----------
    counts
        From `pseudobulk`; or sums as samples x genes, (sample, cell_type) x genes, or AnnData with such rows.
    design
        Arms, contrasts, sheet of samples.
        Covariates are adjusted for.
    family
        Over what q-values are taken: the genes of a cell type in a contrast (cell_type), or of all cell types in a
        contrast (contrast).
    keep_genes
        Genes that get a row even where their counts are too few to test.
    robust
        Keep hypervariable genes from spoiling the prior variance.
    influence
        Leave every patient out in turn, for every gene with q < alpha and the 300 smallest p < alpha of each cell type
        and contrast.
    equal_variances
        Take the arms as equally variable, as limma-voom does; otherwise as in `contrast_arms`.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Returns
    -------
    Result whose table has one row per cell type, contrast and gene tested: `cell_type`, `contrast`, `gene`, `log2fc`,
    `ci_low`, `ci_high`, `shrunken_log2fc` (for ranking), `mean_expression` (log2 counts per million), `p_value`,
    `p_floor`, `q_value`, `n_test`, `n_reference`, `n_pairs`, `influence`, `influence_patient`, `p_without`,
    `rests_on_one`, `df`, `n_missing`, `family`, `test`, `reason`. Cell types that too few patients have are in the
    notes, with their numbers.

    References
    ----------
    Law et al. (2014) Genome Biol 15:R29 (precision weights); Robinson & Oshlack (2010) Genome Biol 11:R25 (factors);
    Smyth (2004) Stat Appl Genet Mol Biol 3:3; Phipson et al. (2016) Ann Appl Stat 10:946; Crowell et al. (2020) Nat
    Commun 11:6077 (sums per sample keep the error rate, tests over cells do not).
    """
    require_choice(family, ("cell_type", "contrast"), "family")
    sums = as_pseudobulk(counts)
    check_design(design, sums.counts.index.get_level_values("sample").unique())
    keep = frozenset(keep_genes)
    tables, notes = [], []
    for contrast in design.contrasts:
        notes += unshared(design, contrast)
        types = sorted(sums.counts.index.get_level_values("cell_type").unique())
        for cell_type in track(types, f"populations ({contrast.name})"):
            rows = sums.counts.index.get_level_values("cell_type") == cell_type
            here = sums.counts[rows].droplevel("cell_type")
            table, reasons = _cell_type(
                here,
                design,
                contrast,
                str(cell_type),
                keep,
                robust=robust,
                influence=influence,
                equal_variances=equal_variances,
                alpha=alpha,
            )
            notes += reasons
            if table is not None:
                tables.append(table)
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(_COLUMNS))
    table["family"] = table["contrast"] + (": " + table["cell_type"] if family == "cell_type" else "")
    table["q_value"] = q_values(table)
    notes += sums.result().notes
    settings = {
        "family": f"genes of a {family}", "robust": robust, "alpha": alpha, "equal_variances": equal_variances,
        "covariates": list(design.covariates),
        "influence": f"genes with q < {alpha:g} and the {HEADLINES} smallest p of a cell type" if influence else "no",
    }  # fmt: skip
    return Result(
        table[list(_COLUMNS)],
        "precision-weighted linear model on sums of counts",
        MappingProxyType(settings),
        tuple(notes),
    )


_COLUMNS = (
    "cell_type", "contrast", "gene", "log2fc", "ci_low", "ci_high", "shrunken_log2fc", "mean_expression", "p_value",
    "p_floor", "q_value", "n_test", "n_reference", "n_pairs", "influence", "influence_patient", "p_without",
    "rests_on_one", "df", "n_missing", "family", "test", "reason",
)  # fmt: skip


def _cell_type(
    counts: pd.DataFrame, design: Design, contrast: Contrast, cell_type: str, keep: frozenset[str], *, robust: bool,
    influence: bool, equal_variances: bool, alpha: float,
) -> tuple[pd.DataFrame | None, list[str]]:  # fmt: skip
    """The rows of one cell type in one contrast, or None with the reason."""
    units = summed_units(counts, design, contrast)
    n_test, n_reference = int(units.is_test.sum()), int(units.is_reference.sum())
    if min(n_test, n_reference) == 0:
        arm = contrast.test if n_test == 0 else contrast.reference
        return None, [f"{contrast.name}, {cell_type}: not tested, no patient of arm {arm} has enough cells"]
    kept, shallow = _enough_counts(units)
    if not kept.any():
        why = "no gene has enough counts"
        return None, [f"{contrast.name}, {cell_type}: {note}" for note in (f"not tested, {why}", *shallow)]
    library = units.values[:, kept].sum(axis=1)
    units, library = units.keep(library > 0), library[library > 0]
    library = library * tmm_factors(units.values[:, kept])
    beside = [] if units.paired.any() else _precise(other_arms(counts, design, contrast, total=True), kept)
    tested, mean = _weighted_test(
        units.features(kept), beside, library, robust=robust, alpha=alpha, equal=equal_variances
    )
    influenced = None
    if influence:
        influenced = leave_one_patient_out(tested, alpha=alpha, rows=_checked(tested.p_value, alpha))
    table = _rows(tested, counts.columns[kept], contrast, design, influenced, mean)
    table["shrunken_log2fc"] = shrink_effects(tested.effect, tested.se)
    table["p_floor"] = np.where(table["p_value"].notna(), exact_floor(tested.setup.units), np.nan)
    wanted = ~kept & counts.columns.isin(keep)
    if wanted.any():
        values = log2_counts_per_million(units.values[:, wanted], library, prior=0.5)
        few = evaluate_contrast(units.with_values(values), method="t", permutation_beside=False)
        few.p_value[:], few.ci_low[:], few.ci_high[:], few.reason[:] = np.nan, np.nan, np.nan, "too few counts"
        rows = _rows(few, counts.columns[wanted], contrast, design, None, values.mean(axis=0))
        table = pd.concat([table, rows.assign(shrunken_log2fc=np.nan)], ignore_index=True)
    table["cell_type"] = cell_type
    counted = table.loc[table["reason"] != "", "reason"].value_counts()
    reasons = [f"{contrast.name}, {cell_type}: {n} genes not tested: {why}" for why, n in counted.items()]
    reasons += [f"{contrast.name}, {cell_type}: {note}" for note in shallow]
    notes = [f"{note.removesuffix(')')}; {cell_type})" for note in spread_note(tested, contrast)]
    return table, [*units.notes, *reasons, *notes]


def _checked(p_value: np.ndarray, alpha: float) -> np.ndarray:
    """Genes whose finding is checked patient by patient: all that are found, and the smallest p-values."""
    order = np.argsort(p_value, kind="stable")
    place = np.empty(order.size, int)
    place[order] = np.arange(order.size)
    return np.flatnonzero((p_value < alpha) & ((benjamini_hochberg(p_value) < alpha) | (place < HEADLINES)))


def _rows(
    tested: Tested, genes: pd.Index, contrast: Contrast, design: Design, influence: Influence | None, mean: np.ndarray
) -> pd.DataFrame:
    table = contrast_table(tested, genes.rename("gene"), contrast, design, influence)
    table["mean_expression"], table["test"] = mean, "precision-weighted moderated t"
    return table.rename(columns={"effect": "log2fc"})


def summed_units(counts: pd.DataFrame, design: Design, contrast: Contrast) -> Units:
    """Units of a contrast whose values are counts: a patient's samples in one arm are summed; pairs as required."""
    units = contrast_units(counts, design, contrast, total=True)
    return units.keep(units.paired) if contrast.pairing == "paired" else units


def _enough_counts(units: Units) -> tuple[np.ndarray, list[str]]:
    """Genes with enough counts to test, and notes on the arms that are too shallow for others."""
    model = model_matrix(units)
    leverage = np.sum(np.linalg.qr(model)[0] ** 2, axis=1) if np.linalg.matrix_rank(model) == model.shape[1] else 0.5
    enough = enough_counts(units.values, float(1 / np.max(leverage)))
    names = units.contrast.arms if units.contrast.order else (units.contrast.reference, units.contrast.test)
    deep = comparable_depth(units.values, [units.arm == step for step in range(len(names))])
    lost = [(name, int((enough & ~own).sum())) for name, own in zip(names, deep, strict=True)]
    notes = [f"{n} genes not tested: the patients of arm {name} have too few counts to be compared with the other arm"
             for name, n in lost if n]  # fmt: skip
    return enough & deep.all(axis=0), notes


def model_matrix(units: Units) -> np.ndarray:
    """Columns of the linear model: patients where all are pairs, else intercept; covariates; the arm."""
    if units.paired.all():
        patients = np.eye(int(units.code.max()) + 1)[units.code]
        varying = [c for c in units.nuisance[:, 1:].T if _differs_within(c, units.code)]
        return np.column_stack([patients, *varying, units.arm])
    return np.column_stack([units.nuisance, units.arm])


def _differs_within(covariate: np.ndarray, patient: np.ndarray) -> bool:
    mean = np.bincount(patient, weights=covariate) / np.bincount(patient)
    return bool(np.max(np.abs(covariate - mean[patient])) > 1e-9)


def _precise(others: Iterable[OtherArm], kept: np.ndarray) -> list[OtherArm]:
    """Other arms as log counts with the precision of each, from the trend of the arm's own variance over its mean."""
    found = []
    for other in others:
        library = other.units.values[:, kept].sum(axis=1)
        units = other.units.keep(library > 0).features(kept)
        if len(units.patient) <= np.linalg.matrix_rank(units.nuisance) or not len(units.patient):
            continue
        if np.linalg.matrix_rank(units.nuisance) < units.nuisance.shape[1]:
            continue  # a covariate that is constant in this arm: its residuals are not those of the model
        precise = voom(units.values, units.nuisance, library[library > 0] * tmm_factors(units.values))
        found.append(OtherArm(units.with_values(precise.values), precise.weights))
    return found


def _weighted_test(
    units: Units, others: Sequence[OtherArm], library: np.ndarray, *, robust: bool, equal: bool, alpha: float
) -> tuple[Tested, np.ndarray]:
    """The precision-weighted test of counts, and the mean log2 counts per million."""
    model = model_matrix(units)
    if len(model) > np.linalg.matrix_rank(model) == model.shape[1]:
        precise = voom(units.values, model, library)
        values, weights = precise.values, precise.weights
    else:  # nothing left to learn the precision from: effects only
        values = log2_counts_per_million(units.values, library, prior=0.5)
        weights = np.ones(values.shape)
    tested = evaluate_contrast(
        units.with_values(values), others=others, weights=weights, robust=robust, independent_features=True,
        alpha=alpha, equal_variances=equal, permutation_beside=False,
    )  # fmt: skip
    return tested, values.mean(axis=0)
