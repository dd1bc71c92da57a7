"""Primary against acquired: for every feature both effects, their difference with a test, and what kind it is."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scresist.cells.sums import Pseudobulk
from scresist.checks import InputError, RefusedError, suggestion
from scresist.contrasts.shared import (
    CAUTION,
    MIN_MODERATED,
    WORKING_CORRELATION,
    Priors,
    estimate,
    identical,
    learn_priors,
    shared_correlation,
    with_separate,
    within_patient_correlation,
)
from scresist.contrasts.units import Units, check_design, contrast_units, feature_table
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.arm_variance import VarianceRatio, arm_variances, arm_weights, degrees_left, variance_ratio
from scresist.kernels.counts import comparable_depth, enough_counts, tmm_factors, voom
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.patient_model import fit_patient_model
from scresist.kernels.precision import cell_precision
from scresist.kernels.separate_variances import ArmPriors, arm_priors
from scresist.results import Result
from scresist.study.design import Contrast, Design

CLASSES = ("shared", "opposite", "primary only", "acquired only", "undecided")


def primary_against_acquired(
    values: Any,
    design: Design,
    *,
    primary: str = "primary",
    acquired: str = "acquired",
    weights: pd.Series | None = None,
    alpha: float = ALPHA,
    name: str = "feature",
) -> Result:
    """Both effects of every feature from one model of all their arms, and the difference between the two.

    One linear model takes the arms of both contrasts, with a patient effect where patients are repeated, so that a
    shared reference enters the variance of the difference as often as it is used. Where no patient is repeated each arm
    has a variance of its own, learnt as in `contrast_arms`.

    Parameters
    ----------
    values
        As in `contrast_arms`; or a Pseudobulk, whose genes are then compared in every cell type.
    design
        Arms, contrasts, sheet of samples.
        It has the two contrasts.
    primary, acquired
        Names of the contrasts.
    weights
        Number of cells by sample.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
        The q-values that decide the class are compared with it too.
    name
        Name of the feature column.

    Returns
    -------
    Result whose table has one row per feature: `primary_effect`, `primary_q`, `acquired_effect`, `acquired_q`,
    `difference` (acquired minus primary), `ci_low`, `ci_high`, `p_value`, `q_value`, `n_primary`, `n_acquired`,
    `n_reference`, `class`, `influence`, `influence_patient`, `rests_on_one` (of the effects that the class rests on),
    `reason`. A feature is called for one side only if it is found there and the difference is
    found too: that one test finds it and another does not is no evidence that they differ. Everything else that is not
    found on both sides is undecided, and so is what one patient's removal takes away (`reason` gives it).

    Raises
    ------
    InputError
        If the design has no contrast of that name.
    RefusedError
        If no sample has enough cells of any population.

    References
    ----------
    Gelman & Stern (2006) Am Stat 60:328, on the difference between significant and not significant.
    """
    by_name = {c.name: c for c in design.contrasts}
    for wanted in (primary, acquired):
        if wanted not in by_name:
            raise InputError(f"the design has no contrast {wanted!r}; {suggestion(wanted, by_name)}")
    pair = (by_name[primary], by_name[acquired])
    if isinstance(values, Pseudobulk):
        table = _by_cell_type(values, design, pair, alpha)
    else:
        wide = feature_table(values, name=name)
        check_design(design, wide.index)
        table = _compare(wide, design, pair, alpha, weights=weights)
    counts = table["class"].value_counts()
    notes = tuple(f"{counts.get(c, 0)} {c}" for c in CLASSES)
    settings = {"primary": primary, "acquired": acquired, "alpha": alpha}
    return Result(table, "one model of all arms, patients as the unit", MappingProxyType(settings), notes)


def _by_cell_type(sums: Pseudobulk, design: Design, pair: tuple[Contrast, Contrast], alpha: float) -> pd.DataFrame:
    check_design(design, sums.counts.index.get_level_values("sample").unique())
    kinds = sums.counts.index.get_level_values("cell_type")
    tables = []
    for kind in sorted(kinds.unique()):
        here = sums.counts[kinds == kind].droplevel("cell_type")
        table = _compare(here, design, pair, alpha, counts=True)
        table.insert(0, "cell_type", kind)
        tables.append(table)
    if not tables:
        raise RefusedError("no sample has enough cells of any population to be summed; lower min_cells")
    return pd.concat(tables, ignore_index=True)


def _arm_units(
    wide: pd.DataFrame, design: Design, pair: tuple[Contrast, Contrast], *, weights: pd.Series | None, counts: bool
) -> tuple[Units, np.ndarray, list[str]]:
    """Units of all arms of both contrasts (one unit a patient and arm), their arm codes and the arms."""
    arms = list(dict.fromkeys([pair[0].reference, pair[0].test, pair[1].reference, pair[1].test]))
    parts = [contrast_units(wide, design, Contrast(arm, arm, "", "auto"), cells=weights, total=counts) for arm in arms]
    code = np.concatenate([np.full(len(p.patient), k) for k, p in enumerate(parts)])
    sheet = design.samples[design.samples["arm"].isin(arms)]
    everyone = Contrast("all", "here", "")
    covariates = contrast_units(wide, _relabelled(design, sheet), everyone, cells=weights, total=counts)
    joined = Units(
        pair[0], np.concatenate([p.patient for p in parts]), code > 0, np.concatenate([p.values for p in parts]),
        None if weights is None else np.concatenate([p.cells for p in parts if p.cells is not None]),
        np.ones((len(code), 1)), np.zeros(len(code), int), (), (),
    )  # fmt: skip
    if design.covariates:
        place = {p: i for i, p in enumerate(covariates.patient)}
        nuisance = covariates.nuisance[[place[_within(p, arms[k])] for p, k in zip(joined.patient, code, strict=True)]]
        joined = joined.with_nuisance(nuisance)
    return joined, code, arms


def _relabelled(design: Design, sheet: pd.DataFrame) -> Design:
    """The same samples in one arm, for covariates coded over all arms together; a patient in two arms is two units."""
    patient = [_within(p, a) for p, a in zip(sheet["patient"].astype(str), sheet["arm"].astype(str), strict=True)]
    return Design(("here",), (), sheet.assign(arm="here", patient=patient), design.covariates)


def _within(patient: str, arm: str) -> str:
    """The name of a patient's unit in an arm."""
    return f"{patient}\t{arm}"


def _compare(
    wide: pd.DataFrame, design: Design, pair: tuple[Contrast, Contrast], alpha: float, *,
    weights: pd.Series | None = None, counts: bool = False,
) -> pd.DataFrame:  # fmt: skip
    units, code, arms = _arm_units(wide, design, pair, weights=weights, counts=counts)
    features = wide.columns if wide.columns.nlevels > 1 or not counts else wide.columns.rename("gene")
    model = np.column_stack([np.eye(len(arms))[code], units.nuisance[:, 1:]])
    pick = np.zeros((3, model.shape[1]))
    for row, contrast in enumerate(pair):
        pick[row, arms.index(contrast.test)] += 1
        pick[row, arms.index(contrast.reference)] -= 1
    pick[2] = pick[1] - pick[0]
    precision: np.ndarray | None = None
    if counts:
        kept = enough_counts(units.values, max(float(np.bincount(code, minlength=len(arms)).min()), 1))
        kept &= comparable_depth(units.values, [code == k for k in range(len(arms))]).all(axis=0)
        units, features = units.features(kept), features[kept]
        library = units.values.sum(axis=1)
        if len(model) > np.linalg.matrix_rank(model) == model.shape[1] and (library > 0).all() and kept.any():
            precise = voom(units.values, model, library * tmm_factors(units.values))
            units, precision = units.with_values(precise.values), precise.weights
        else:
            units = units.with_values(np.full(units.values.shape, np.nan))
    elif units.cells is not None:
        precision = cell_precision(units.values, units.cells, model)
    joint = _learn(units, model, code, pick, precision)
    return _classify(joint, code, arms, pair, features, alpha)


@dataclass(frozen=True, slots=True)
class _Joint:
    """One model of all arms; its third contrast is the second minus the first.

    `code` is the arm of each unit, `arms` how differently the arms vary (None: taken as equal, where patients are
    repeated), `separate` the priors of their variances where that differs by feature, `precision` what each unit is
    worth, the variance of its arm included.
    """

    units: Units
    model: np.ndarray
    code: np.ndarray
    pick: np.ndarray
    precision: np.ndarray | None
    correlation: float | np.ndarray
    priors: Priors | None
    arms: VarianceRatio | None
    separate: ArmPriors | None

    def estimate(self, rows: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Effects, standard errors, degrees of freedom (3, features), of some units and features."""
        values, w = self.units.values[np.ix_(rows, features)], self.precision
        if values.size == 0:
            empty = np.full((3, features.size), np.nan)
            return empty, empty, empty
        weights = w if w is None else w[np.ix_(rows, features)] if w.ndim == 2 else w[rows]
        fit = fit_patient_model(
            values, self.model[rows], self.pick, self.units.code[rows], weights=weights,
            correlation=self.correlation[features] if isinstance(self.correlation, np.ndarray) else self.correlation,
        )  # fmt: skip
        effect, se, df = estimate(fit, None if self.priors is None else self.priors.pick(features))
        if self.arms is None:
            return effect, se, df
        left = []
        for row, (own, pick) in enumerate(zip(df, self.pick, strict=True)):
            found = arm_variances(values, self.model[rows], self.code[rows], weights, pick=pick)
            level = VarianceRatio(np.ones((len(found.df) - 1, features.size)), self.arms.certainty[features])
            se[row], own_df = with_separate(
                se[row], degrees_left(own, found, level), fit.within_factor[row], found, self.separate
            )
            left.append(own_df)
        return effect, se, np.stack(left)


def _learn(units: Units, model: np.ndarray, code: np.ndarray, pick: np.ndarray, precision: np.ndarray | None) -> _Joint:
    """What all features decide together."""
    usable = (np.isfinite(units.values).sum(axis=0) > model.shape[1]) & ~identical(units.values)
    few = usable.sum() < MIN_MODERATED
    correlation: float | np.ndarray = 0.0
    if units.patient.size and (np.bincount(units.code) > 1).sum() > 1:
        correlation = (
            WORKING_CORRELATION if few else within_patient_correlation(units.values, model, units.code, precision)
        )
    genes = precision is not None and precision.ndim == 2  # their precisions are their own, they count as independent
    shared = 0.0 if genes else shared_correlation(units.values[:, usable], model, units.code, precision)
    arms, separate = None, None
    caution = 0.0 if genes else CAUTION
    if units.patient.size and (np.bincount(units.code) == 1).all():
        arms = variance_ratio(arm_variances(units.values, model, code, precision, pick=pick[2]), usable, shared)
        weights = arm_weights(code, arms.ratio)
        precision = weights if precision is None else weights * precision.reshape(len(code), -1)
        if arms.differ:
            found = arm_variances(units.values, model, code, precision, pick=pick[2])
            separate = arm_priors(found, usable, mean_squared_correlation=shared, caution=caution)
    if few:
        return _Joint(units, model, code, pick, precision, correlation, None, arms, separate)
    fit = fit_patient_model(units.values, model, pick, units.code, weights=precision, correlation=correlation)
    priors = learn_priors(fit, usable, shared, caution=caution)
    return _Joint(units, model, code, pick, precision, correlation, priors, arms, separate)


def _p_values(effect: np.ndarray, se: np.ndarray, df: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        p = np.maximum(2 * stats.t.sf(np.abs(effect) / se, df), np.finfo(float).tiny)
    return np.where(np.isfinite(se), p, np.nan)


def _classify(
    joint: _Joint, code: np.ndarray, arms: list[str], pair: tuple[Contrast, Contrast], features: pd.Index, alpha: float
) -> pd.DataFrame:
    units = joint.units
    effect, se, df = joint.estimate(np.arange(len(code)), np.arange(units.values.shape[1]))
    present = ~np.isnan(units.values)
    count = np.stack([present[code == k].sum(axis=0) for k in range(len(arms))])
    sides = [count[arms.index(a)] for a in (pair[0].test, pair[1].test, pair[0].reference, pair[1].reference)]
    enough = np.min(np.stack(sides), axis=0) >= 2
    p = np.where(enough, _p_values(effect, se, df), np.nan)
    q = np.stack([benjamini_hochberg(row) for row in p])
    half = np.where(np.isfinite(p[2]), stats.t.ppf(1 - alpha / 2, df[2]) * se[2], np.nan)
    found, same = q < alpha, np.sign(effect[0]) == np.sign(effect[1])
    kind = np.select(
        [found[0] & found[1] & same, found[0] & found[1], found[0] & found[2], found[1] & found[2]],
        CLASSES[:4], CLASSES[4],
    ).astype(object)  # fmt: skip
    influence, who, rests = _influence(joint, effect, kind, alpha)
    table = features.to_frame(index=False)
    table["primary_effect"], table["primary_q"] = effect[0], q[0]
    table["acquired_effect"], table["acquired_q"] = effect[1], q[1]
    table["difference"], table["ci_low"], table["ci_high"] = effect[2], effect[2] - half, effect[2] + half
    table["p_value"], table["q_value"] = p[2], q[2]
    table["n_primary"], table["n_acquired"], table["n_reference"] = sides[0], sides[1], sides[2]
    table["class"] = np.where(rests, CLASSES[4], kind)
    table["influence"], table["influence_patient"], table["rests_on_one"] = influence, who, rests
    no_test = np.where(enough, "no variation left to judge by", "fewer than 2 patients in an arm")
    resting = [f"{k}, but it rests on patient {w}" if r else "" for k, w, r in zip(kind, who, rests, strict=True)]
    table["reason"] = np.where(np.isfinite(p[2]), resting, no_test)
    return table


_RESTS_ON = {"shared": [0, 1], "opposite": [0, 1], "primary only": [0, 2], "acquired only": [1, 2]}


def _influence(
    joint: _Joint, effect: np.ndarray, kind: np.ndarray, alpha: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each called feature the largest relative change of the effects it rests on when one patient is left out."""
    n = kind.size
    influence, who, rests = np.full(n, np.nan), np.full(n, "", dtype=object), np.zeros(n, bool)
    called = np.flatnonzero(kind != CLASSES[4])
    if called.size == 0:
        return influence, who, rests
    needed = np.zeros((3, called.size), bool)
    for column, name in enumerate(kind[called]):
        needed[_RESTS_ON[str(name)], column] = True
    largest = np.full(called.size, -1.0)
    for patient in np.unique(joint.units.patient):
        left, se, df = joint.estimate(np.flatnonzero(joint.units.patient != patient), called)
        change = np.where(needed, np.abs(left - effect[:, called]) / np.abs(effect[:, called]), 0.0)
        worst = np.max(np.where(np.isnan(change), np.inf, change), axis=0)
        lost = needed & ~((_p_values(left, se, df) < alpha) & (np.sign(left) == np.sign(effect[:, called])))
        # A patient who takes the finding away is named before one who merely moves it more.
        first = lost.any(axis=0) & ~rests[called]
        more = (worst > largest) & (lost.any(axis=0) | ~rests[called])
        who[called[first | more]] = patient
        largest = np.where(first | more, worst, largest)
        rests[called] |= lost.any(axis=0)
    influence[called] = largest
    return influence, who, rests
