"""Null calibration on the user's own data: patients shuffled, or signs of residuals; everything claimed is false."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, require_columns, require_positive
from scresist.contrasts.units import check_design, feature_table
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.progress import track
from scresist.results import Result
from scresist.study.design import Design

_TRIES = 1_000
Claims = Callable[..., Result | pd.DataFrame]
SHUFFLED, FLIPPED = "patients shuffled", "signs of residuals"


def calibrate(
    design: Design,
    claims: Mapping[str, Claims],
    *,
    values: Mapping[str, pd.DataFrame] | None = None,
    n_shuffles: int = 100,
    alpha: float = ALPHA,
    moved: tuple[float, float] = (0.0, 1.0),
    rng: int | np.random.Generator = 1,
) -> Result:
    """How often each kind of claim is made when no arm differs, on the data at hand.

    Arms are shuffled among patients, the comparisons are run again, and what they find is counted. Patients with
    samples in several arms have these swapped among themselves; all others exchange arms within the levels of the
    categorical covariates. A true effect in the data is spread over both sides by a shuffle, which makes the rates of
    small designs wide, not small. What is tested is that the arms have equal distributions: a shuffle makes the arms
    equally variable too, so that rates that hold here do not show what unequal variances do.

    Where `values` are given, arms stay as they are: the values of each arm are centred on its mean, and each patient's
    residuals get a sign at random, the same for all features and samples of the patient. Every arm keeps its own
    variance, heavy tails and correlations, and none has a mean that differs: this shows what unequal variances do.

    Parameters
    ----------
    design
        Arms, contrasts, sheet of samples.
    claims
        For each kind of claim a function of a design that returns a table with `p_value` (and `q_value`):
        `{"modules": lambda d: contrasts.modules(scores, d)}`. Pass `influence=False` where it can be: it is not used.
        Of a claim that `values` name, the function gets the design and the values.
    values
        For some or all claims the values behind them, as in `contrast_arms`: their residuals are used, not a shuffle.
    n_shuffles
        How many.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    moved
        Smallest and largest share of samples whose arm a shuffle changes. Shuffles that move few samples (or nearly
        all) still contain the true effect; with few patients they are common, and (0.3, 0.7) leaves them out.
    rng
        Seed or generator.

    Returns
    -------
    Result whose table has one row per kind of claim and contrast: `claim`, `contrast`, `scheme` (patients shuffled |
    signs of residuals), `n_shuffles`, `tests` (with a
    p-value, mean per shuffle), `false_positive_rate` (share of p < alpha), `ci_low`, `ci_high` (95 %, over shuffles),
    `nominal`, `any_discovery_rate` (share of shuffles with some q < alpha), `discoveries` (mean number of q < alpha per
    shuffle), `observed_rate`, `observed_discoveries` (with the true arms), `p_observed` (share of shuffles with as many
    discoveries, the true one counted), `refused` (shuffles that gave no test), `verdict` (holds | too many | no test).

    Raises
    ------
    InputError
        If `claims` is empty, or `values` name no claim.
    RefusedError
        If no shuffle of the design moves as many samples as `moved` allows.

    References
    ----------
    Phipson & Smyth (2010) Stat Appl Genet Mol Biol 9:39, for `p_observed`; Wu (1986) Ann Stat 14:1261 and Davidson &
    Flachaire (2008) J Econometrics 146:162, for the signs.
    """
    require_positive(n_shuffles, "n_shuffles")
    if not claims:
        raise InputError("calibrate needs at least one kind of claim: its name and a function of a design")
    given = dict(values or {})
    unknown = sorted(set(given) - set(claims))
    if unknown:
        raise InputError(f"values are given for {unknown}, which are no claims; claims are {', '.join(claims)}")
    check_design(design, [])
    generator = np.random.default_rng(rng)
    names = [(kind, c.name) for kind in claims for c in design.contrasts]
    by_label = {kind: claim for kind, claim in claims.items() if kind not in given}
    tables = {kind: feature_table(table) for kind, table in given.items()}
    observed = _count(by_label, design, alpha) | _count_values(claims, design, tables, alpha)
    centred = {kind: residuals(table, design) for kind, table in tables.items()}
    counts = []
    for _ in track(range(int(n_shuffles)), "shuffles"):
        found = _count(by_label, _shuffled(design, moved, generator), alpha) if by_label else {}
        flipped = {kind: flip_signs(table, design, rng=generator) for kind, table in centred.items()}
        counts.append(found | _count_values(claims, design, flipped, alpha))
    rows = [
        {"scheme": FLIPPED if name[0] in given else SHUFFLED,
         **_row(name, [c[name] for c in counts], observed[name], alpha)}
        for name in names
    ]  # fmt: skip
    settings = {
        "n_shuffles": int(n_shuffles), "alpha": alpha, "moved": list(moved), "claims": list(claims),
        "residuals": list(given),
    }  # fmt: skip
    notes = tuple(
        f"{r['claim']}, {r['contrast']}: false-positive rate {float(str(r['false_positive_rate'])):.3f} at {alpha:g}"
        for r in rows if r["verdict"] == "too many"
    )  # fmt: skip
    return Result(
        pd.DataFrame(rows),
        "patients shuffled within the design, or signs of residuals",
        MappingProxyType(settings),
        notes,
    )


def residuals(values: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Values less the mean of their arm over patients, stretched to the variance that the mean takes away.

    Parameters
    ----------
    values
        Samples x features.
    design
        Arms, contrasts, sheet of samples.
    """
    sheet = design.samples.loc[values.index]
    unit = [sheet["arm"].astype(str), sheet["patient"].astype(str)]
    arm = sheet["arm"].astype(str)
    means = values.groupby(unit).mean().groupby(level=0)
    n = means.count()
    stretch = np.sqrt(n / (n - 1).where(n > 1))
    return (values - means.mean().loc[arm].to_numpy()) * stretch.loc[arm].to_numpy()


def flip_signs(centred: pd.DataFrame, design: Design, *, rng: int | np.random.Generator) -> pd.DataFrame:
    """Residuals with a sign at random for every patient, the same for all features and samples.

    Parameters
    ----------
    centred
        From `residuals`.
    design
        Arms, contrasts, sheet of samples.
    rng
        Seed or generator.
    """
    patient = design.samples.loc[centred.index, "patient"].astype(str)
    names, code = np.unique(patient, return_inverse=True)
    return centred * np.random.default_rng(rng).choice([-1.0, 1.0], names.size)[code.ravel()][:, None]


def _count_values(
    claims: Mapping[str, Claims], design: Design, values: Mapping[str, pd.DataFrame], alpha: float
) -> dict[tuple[str, str], tuple[int, int, int]]:
    """As `_count`, for claims that get their values."""
    bound = {kind: partial(_with_values, claims[kind], table) for kind, table in values.items()}
    return _count(bound, design, alpha)


def _with_values(claim: Claims, values: pd.DataFrame, design: Design) -> Result | pd.DataFrame:
    return claim(design, values)


def _shuffled(design: Design, moved: tuple[float, float], rng: np.random.Generator) -> Design:
    """A shuffle that moves as many samples as `moved` allows."""
    for _ in range(_TRIES):
        new = shuffle_arms(design, rng=rng)
        share = float((new.samples["arm"].astype(str) != design.samples["arm"].astype(str)).mean())
        if moved[0] - 1e-9 <= share <= moved[1] + 1e-9:
            return new
    raise RefusedError(
        f"no shuffle of this design moves between {moved[0]:g} and {moved[1]:g} of the samples; widen it"
    )


def shuffle_arms(design: Design, *, rng: int | np.random.Generator) -> Design:
    """The design with arms shuffled: within patients that have several, among the patients of a stratum otherwise.

    Parameters
    ----------
    design
        Arms, contrasts, sheet of samples.
    rng
        Seed or generator.
    """
    rng = np.random.default_rng(rng)
    sheet = design.samples.sort_index()
    arms = sheet["arm"].astype(str).to_numpy(dtype=object)
    patient = sheet["patient"].astype(str).to_numpy()
    stratum = _strata(sheet, design)
    single: dict[str, list[tuple[str, np.ndarray]]] = {}
    new = arms.copy()
    for who in np.unique(patient):
        rows = np.flatnonzero(patient == who)
        own = np.unique(arms[rows])
        if own.size == 1:
            single.setdefault(stratum[rows[0]], []).append((str(own[0]), rows))
        else:
            swapped = dict(zip(own, rng.permutation(own), strict=True))
            new[rows] = [swapped[a] for a in arms[rows]]
    for key in sorted(single):
        labels = rng.permutation(np.array([arm for arm, _ in single[key]], dtype=object))
        for label, (_, rows) in zip(labels, single[key], strict=True):
            new[rows] = label
    return replace(design, samples=sheet.assign(arm=new).loc[design.samples.index])


def _strata(sheet: pd.DataFrame, design: Design) -> np.ndarray:
    """Levels of the categorical covariates of each sample's patient, as one text."""
    names = [c for c in design.covariates if not pd.api.types.is_numeric_dtype(sheet[c])]
    if not names:
        return np.full(len(sheet), "", dtype=object)
    return sheet[names].astype(str).agg("\t".join, axis=1).to_numpy(dtype=object)


def _count(claims: Mapping[str, Claims], design: Design, alpha: float) -> dict[tuple[str, str], tuple[int, int, int]]:
    """Per kind and contrast: tests, p below alpha, q below alpha."""
    counted = {}
    for kind, claim in claims.items():
        try:
            result = claim(design)
        except RefusedError:
            table = pd.DataFrame(columns=["contrast", "p_value"])
        else:
            table = result.table if isinstance(result, Result) else result
        require_columns(table, ["contrast", "p_value"], f"the table of {kind!r}")
        for contrast in design.contrasts:
            here = table[table["contrast"] == contrast.name]
            p = here["p_value"].to_numpy(float)
            q = here["q_value"].to_numpy(float) if "q_value" in here else benjamini_hochberg(p)
            counted[kind, contrast.name] = (int(np.isfinite(p).sum()), int((p < alpha).sum()), int((q < alpha).sum()))
    return counted


def _row(
    name: tuple[str, str], counts: list[tuple[int, int, int]], observed: tuple[int, int, int], alpha: float
) -> dict[str, object]:
    tests, low, found = np.array(counts, dtype=float).T
    ran = tests > 0
    rates = low[ran] / tests[ran]
    rate = float(low.sum() / tests.sum()) if ran.any() else np.nan
    error = float(rates.std(ddof=1) / np.sqrt(ran.sum())) if ran.sum() > 1 else np.nan
    # Features of one data set rise and fall together, so that the shuffle, not the test, is the unit of this interval.
    ci_low, ci_high = max(rate - 1.96 * error, 0.0), min(rate + 1.96 * error, 1.0)
    verdict = "no test" if not ran.any() else "too many" if ci_low > alpha else "holds"
    return {
        "claim": name[0], "contrast": name[1], "n_shuffles": len(counts), "tests": tests.mean(),
        "false_positive_rate": rate, "ci_low": ci_low, "ci_high": ci_high, "nominal": alpha,
        "any_discovery_rate": float((found[ran] > 0).mean()) if ran.any() else np.nan,
        "discoveries": float(found[ran].mean()) if ran.any() else np.nan,
        "observed_rate": observed[1] / observed[0] if observed[0] else np.nan, "observed_discoveries": observed[2],
        "p_observed": (1 + int((found[ran] >= observed[2]).sum())) / (1 + int(ran.sum())) if ran.any() else np.nan,
        "refused": int((~ran).sum()), "verdict": verdict,
    }  # fmt: skip
