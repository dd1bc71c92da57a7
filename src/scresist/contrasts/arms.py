"""Values per sample in, contrast table out: the one door that every comparison of arms goes through."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice, require_positive
from scresist.contrasts.engine import METHODS, Tested, describe, evaluate_contrast
from scresist.contrasts.estimability import confounding
from scresist.contrasts.influence import Influence, leave_one_patient_out
from scresist.contrasts.other_arms import other_arms
from scresist.contrasts.units import check_design, contrast_units, feature_table
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.results import Result
from scresist.study.design import Contrast, Design

COLUMNS = (
    "contrast", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value", "n_test", "n_reference", "n_pairs",
    "influence", "influence_patient", "p_without", "rests_on_one", "p_permutation", "df", "n_missing", "family", "test",
    "reason",
)  # fmt: skip


def contrast_arms(
    values: pd.DataFrame,
    design: Design,
    *,
    weights: pd.Series | pd.DataFrame | None = None,
    family: str | Mapping[object, str] | None = None,
    method: str = "auto",
    n_permutations: int = 10_000,
    alpha: float = ALPHA,
    influence: bool = True,
    equal_variances: bool = False,
    name: str = "feature",
    rng: int | np.random.Generator = 1,
) -> Result:
    """The difference between arms of every feature, with patients as the unit.

    Samples of one patient in one arm are averaged first (weighted by their cells), so that a unit is a patient in an
    arm. Complete pairs are compared within patients; where some patients are in both arms and others in one, both are
    used together (contrast.pairing = "auto").

    Parameters
    ----------
    values
        Samples x features (NaN is missing), or a tidy table of sample, the columns that name the feature, and value.
    design
        Arms, contrasts, sheet of samples.
        Covariates are adjusted for; categorical ones also confine the relabelling.
    weights
        Number of cells behind each value, by sample, or samples x features. They weigh the average of a patient's
        samples, and the patients as far as the data show that small numbers of cells make values noisier.
    family
        Over what q-values are taken: None is all features of a contrast; a column of the tidy table, or a mapping from
        feature to family, divides them.
    method
        auto (moderated t; the ordinary t test below 15 features) | moderated | t | mixed (linear mixed model) |
        permutation.
    n_permutations
        All relabellings are used up to this number; so many random ones beyond it.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
        Influence is about findings at this level.
    influence
        Leave every patient out in turn.
    equal_variances
        Take the arms as equally variable. Otherwise, where nobody is in both arms, the ratio of their variances is
        learnt from all features, each feature's own shrunken to the common one, and the arms are weighted by it.
    name
        Name of the feature column where a wide table does not name its columns.
    rng
        Seed or generator.
        Exact tests do not use it.

    Returns
    -------
    Result whose table has one row per feature and contrast: the feature's columns, then `contrast`, `effect` (test
    minus reference, in the units of the values), `ci_low`, `ci_high` (they agree with the test), `p_value`, `p_floor`
    (smallest p-value an exact test of this design can reach), `q_value` (Benjamini-Hochberg over `family`, untested
    features left out), `n_test`, `n_reference` (patients), `n_pairs`, `influence` and what goes with it,
    `p_permutation` (beside another test), `df`, `n_missing` (patients of the two arms without a value), `test`,
    `reason` (why there is no p-value; empty where there is one). Notes count refusals and exclusions.

    Raises
    ------
    InputError, DesignError
        If the table or the design cannot be read as above. What a single feature or contrast lacks is no error: its
        row has NaN and a reason.

    References
    ----------
    Smyth (2004) Stat Appl Genet Mol Biol 3:3 (moderated t); Phipson & Smyth (2010) ibid. 9:39 (permutation p-values);
    Benjamini & Hochberg (1995) J R Stat Soc B 57:289.
    """
    require_choice(method, METHODS, "method")
    require_positive(n_permutations, "n_permutations")
    if not 0 < alpha < 1:
        raise InputError(f"alpha must lie between 0 and 1; got {alpha!r}")
    wide = feature_table(values, name=name)
    check_design(design, wide.index)
    seed = int(np.random.default_rng(rng).integers(2**63))
    tables, notes = [], []
    for contrast in design.contrasts:
        units = contrast_units(wide, design, contrast, cells=weights)
        tested = evaluate_contrast(
            units, others=other_arms(wide, design, contrast, cells=weights), method=method,
            n_permutations=int(n_permutations), alpha=alpha, seed=seed, equal_variances=equal_variances,
        )  # fmt: skip
        influenced = leave_one_patient_out(tested, alpha=alpha) if influence else None
        table = contrast_table(tested, wide.columns, contrast, design, influenced)
        table["family"] = families(wide.columns, contrast, family)
        table["q_value"] = q_values(table)
        tables.append(table)
        notes += [*units.notes, *refusals(table, contrast), *unshared(design, contrast), *spread_note(tested, contrast)]
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*wide.columns.names, *COLUMNS])
    settings = {
        "method": method, "n_permutations": int(n_permutations), "alpha": alpha, "weights": weights is not None,
        "family": "all features of a contrast" if family is None else str(family), "equal_variances": equal_variances,
        "covariates": list(design.covariates),
    }  # fmt: skip
    words = describe("moderated" if method == "auto" else method)
    return Result(table, f"{words}, patients as the unit", MappingProxyType(settings), tuple(notes))


def contrast_table(
    tested: Tested, features: pd.Index, contrast: Contrast, design: Design, influence: Influence | None
) -> pd.DataFrame:
    """The rows of one contrast, without q-values."""
    table = features.to_frame(index=False)
    taking_part = design.samples[design.samples["arm"].isin(contrast.arms)]
    expected = len(taking_part[["patient", "arm"]].astype(str).drop_duplicates())
    permuted = tested.setup.method == "permutation"
    nobody = np.full(len(table), np.nan)
    table["contrast"] = contrast.name
    table["effect"], table["ci_low"], table["ci_high"] = tested.effect, tested.ci_low, tested.ci_high
    table["p_value"], table["p_floor"], table["q_value"] = tested.p_value, tested.p_floor, np.nan
    table["n_test"], table["n_reference"], table["n_pairs"] = tested.n_test, tested.n_reference, tested.n_pairs
    table["influence"] = nobody if influence is None else influence.influence
    table["influence_patient"] = "" if influence is None else influence.patient
    table["p_without"] = nobody if influence is None else influence.p_without
    table["rests_on_one"] = False if influence is None else influence.rests_on_one
    table["p_permutation"] = tested.p_value if permuted else tested.p_permutation
    table["df"] = tested.df
    table["n_missing"] = expected - tested.n_units
    table["family"], table["test"], table["reason"] = contrast.name, describe(tested.setup.method), tested.reason
    return table


def families(features: pd.Index, contrast: Contrast, family: str | Mapping[object, str] | None) -> np.ndarray | str:
    """The family of each feature within a contrast."""
    if family is None:
        return contrast.name
    if isinstance(family, str):
        require_choice(family, [str(n) for n in features.names], "family")
        return (contrast.name + ": " + features.get_level_values(family).astype(str)).to_numpy()
    unknown = [f for f in features if f not in family]
    if unknown:
        raise InputError(f"family has no entry for feature {unknown[0]!r} (and {len(unknown) - 1} more)")
    return np.array([f"{contrast.name}: {family[f]}" for f in features], dtype=object)


def q_values(table: pd.DataFrame) -> np.ndarray:
    """Benjamini-Hochberg within each family."""
    q = np.full(len(table), np.nan)
    for rows in table.groupby("family", sort=False).indices.values():
        q[rows] = benjamini_hochberg(table["p_value"].to_numpy(float)[rows])
    return q


def spread_note(tested: Tested, contrast: Contrast) -> list[str]:
    """One sentence on how differently the arms vary, where that was estimated."""
    arms = tested.setup.arms
    known = tested.reason == ""
    if arms is None or not known.any():
        return []
    ratio = float(np.sqrt(np.median(arms.ratio[-1, known])))  # of the last arm: the test arm, the end of a course
    differ = "; it differs by feature, so that each arm has its own variance" if tested.setup.separate else ""
    return [f"{contrast.name}: patients of {contrast.test} vary {ratio:.2f} times as much as those of "
            f"{contrast.reference} (SD, median over features{differ})"]  # fmt: skip


def unshared(design: Design, contrast: Contrast) -> list[str]:
    """One sentence per batch that the arms of a contrast do not share at all."""
    full, _ = confounding(design, contrast)
    return [f"{contrast.name}: the arms share no {c}; a difference may be that, not the arm" for c in full]


def refusals(table: pd.DataFrame, contrast: Contrast) -> list[str]:
    """One sentence per reason, with its count."""
    counts = table.loc[table["reason"] != "", "reason"].value_counts()
    return [f"{contrast.name}: {n} of {len(table)} features not tested: {reason}" for reason, n in counts.items()]
