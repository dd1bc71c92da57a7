"""Does a candidate predict the endpoint: Cox models of continuous values, one feature at a time."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import require_choice, require_positive
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.cox_scan import CALIBRATED, FIRTH, CoxScan, scan_cox
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.results import Result
from scresist.study.design import Design
from scresist.survival.doubts import same_evidence
from scresist.survival.endpoint import Endpoint, gather
from scresist.survival.influence import checked
from scresist.survival.ties import AUTO, BRESLOW, EFRON, MARGINAL, NAMES, choose_ties, coarse_times, tied_share

FEWEST_EVENTS = 5
PER_PARAMETER = 40  # events per parameter below which the statistic is calibrated by permutation
PER_SKEWED = 100  # the same for features with heavy tails: 0.065 of p < 0.05 with 54 events of a log-normal one
HEAVY = 3.0  # excess kurtosis from which tails are heavy
PERMUTED_BELOW = 0.2  # p-value above which 199 of the permutations are enough
_FIT = ("hr", "ci_low", "ci_high", "p_value", "p_permutation", "n", "events", "sd", "method", "penalised", "reason")
_COLUMNS = (
    "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "method", "n", "events", "p_permutation",
    "covariates", "stratified_by", "penalised", "concordance", "zph_p", "form_p", "sd", "influence",
    "influence_patient", "rests_on_one", "family", "weak", "reason",
)  # fmt: skip


def cox(
    values: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    time: str = "pfs_months",
    event: str = "pfs_event",
    design: Design | None = None,
    measured_in: Iterable[str] | None = None,
    covariates: Sequence[str] = (),
    strata: str | None = None,
    landmark: float = 0.0,
    ties: str = AUTO,
    min_events: int = FEWEST_EVENTS,
    permutations: int = 999,
    name: str = "",
    unit: str = "months",
    rng: int | np.random.Generator = 1,
    alpha: float = ALPHA,
) -> Result:
    """Hazard ratio of the endpoint per standard deviation of each feature, one feature at a time.

    With at least 40 events per parameter (100 for a feature with heavy tails, an excess kurtosis above 3) the p-value
    is that of the likelihood ratio and the interval its profile. With fewer, both are of Firth's penalised likelihood,
    its statistic calibrated by permutation of the patients; and where a feature orders the events perfectly, of Firth's
    likelihood too, which has a finite estimate there.

    Parameters
    ----------
    values
        Samples x features (or tidy) where a design is given, patients x features otherwise. NaN is missing.
    patients
        Indexed by patient, with the endpoint, covariates and strata.
    time, event
        Columns of `patients`: time to event or last contact, and 1 for the event, 0 for censored.
    design
        Arms, contrasts, sheet of samples.
        It gives the patient and the arm of each sample.
    measured_in
        Arms whose samples were taken before the clock of the endpoint ran, where the sheet does not tell. None uses
        only samples that are known to be taken before treatment. Samples taken on treatment, in an arm that is named
        here, enter from their date on (left truncation), or with a landmark that is not before it.
    covariates
        Columns of `patients` to adjust for.
    strata
        Column of `patients` whose values have a baseline hazard each.
    landmark
        Start the clock here; patients whose time ended by then leave.
    ties
        auto | efron | breslow | marginal. Marginal sums over the orders that events at one time may have had. Auto
        is marginal where at least half of the events are tied (times rounded to scans), else Efron's.
    min_events
        Fewer events than this give no test.
    permutations
        Of the patients, where there are fewer than 40 (100) events per parameter; 0 makes none. Features with p above
        0.2 after the first 199 have those alone.
    name
        Of the endpoint; empty is the column of the time.
    unit
        days | weeks | months | years: unit of the times, for entry by date.
    rng
        Source of chance, or its seed.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Returns
    -------
    Result whose table has one row per feature: `feature`, `endpoint`, `hr` (per SD of the patients used), `ci_low`,
    `ci_high`, `p_value` (of the same likelihood), `q_value` (over the features), `method`, `n`, `events`,
    `p_permutation`, `covariates`, `stratified_by`, `penalised`, and for p < alpha `concordance`, `zph_p` (proportional
    hazards), `form_p` (a curved effect, by the test of `assumptions.forms`), `influence` (largest relative change of
    the log hazard ratio when one patient is left out), `influence_patient`, `rests_on_one`; then `weak` (the same
    evidence as a contrast whose arms are a function of this endpoint) and `reason` (why there is no p-value).

    References
    ----------
    Cox (1972) J R Stat Soc B 34:187; Heinze & Schemper (2001) Biometrics 57:114; Peduzzi et al. (1995) J Clin
    Epidemiol 48:1503 (events per variable); Anderson, Cain & Gelber (1983) J Clin Oncol 1:710 on landmarks.
    """
    require_choice(ties, (AUTO, EFRON, BRESLOW, MARGINAL), "ties")
    require_positive(min_events, "min_events")
    extra = [*covariates, *([strata] if strata else [])]
    found = gather(
        values, patients, time=time, event=event, design=design, measured_in=measured_in, landmark=landmark,
        covariates=extra, unit=unit,
    )  # fmt: skip
    adjust = covariate_columns(found.patients, covariates)
    layers = found.patients[strata].astype(str).to_numpy() if strata else None
    ties = choose_ties(found.time, found.event, layers) if ties == AUTO else ties
    fitted = _fit_all(
        found, adjust, layers, ties=ties, min_events=min_events, permutations=permutations,
        rng=np.random.default_rng(rng), alpha=alpha,
    )  # fmt: skip
    table = found.values.columns.to_frame(index=False)
    table["endpoint"] = (name or time) if not landmark else f"{name or time} from {landmark:g}"
    table = pd.concat([table, fitted], axis=1)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(float))
    table["covariates"], table["stratified_by"] = ", ".join(covariates), strata or ""
    more = (f", adjusted for {', '.join(covariates)}" if covariates else "") + (f", by {strata}" if strata else "")
    table["method"] = table["method"] + more
    table["family"], table["weak"] = table["endpoint"], ""
    table = pd.concat([table, checked(found, table, adjust, layers, ties=ties, alpha=alpha)], axis=1)
    notes = [*found.notes, *refusals(table)]
    if ties == MARGINAL:
        notes.append(
            f"{tied_share(found.time, found.event, layers):.0%} of the events share their time with another: the "
            "likelihood is summed over the orders they may have had"
        )
    else:
        notes += coarse_times(found, table, layers)
    if design is not None:
        words = same_evidence(found, design)
        table["weak"] = words
        notes += [words] if words else []
    n_few = int((table["penalised"] & (table["p_permutation"].notna())).sum())
    if n_few:
        notes.append(
            f"{n_few} features with fewer than {PER_PARAMETER} events per parameter ({PER_SKEWED} with heavy tails): "
            "Firth's likelihood, calibrated by permutation of the patients"
        )
    table = table[[*found.values.columns.names, *_COLUMNS]]
    settings = {
        "time": time, "event": event, "covariates": list(covariates), "strata": strata, "landmark": landmark,
        "measured_in": None if measured_in is None else list(measured_in), "family": "all features",
        "permutations": permutations, "ties": ties,
    }  # fmt: skip
    return Result(table, f"Cox per SD, {NAMES[ties]}{more}", MappingProxyType(settings), tuple(notes))


def _fit_all(
    found: Endpoint, adjust: np.ndarray, layers: np.ndarray | None, *, ties: str, min_events: int, permutations: int,
    rng: np.random.Generator, alpha: float,
) -> pd.DataFrame:  # fmt: skip
    """One row per feature; features with the same missing patients are fitted together."""
    values = found.values.to_numpy(float)
    missing = np.isnan(values)
    patterns, code = np.unique(missing.T, axis=0, return_inverse=True)
    seed = int(rng.integers(2**31))
    out = pd.DataFrame(index=range(values.shape[1]), columns=list(_FIT), dtype=object)
    for k, pattern in enumerate(patterns):
        rows, columns = np.flatnonzero(~pattern), np.flatnonzero(code.ravel() == k)
        events, n = int(found.event[rows].sum()), rows.size
        spread = values[np.ix_(rows, columns)].std(axis=0, ddof=1) if n > 1 else np.zeros(columns.size)
        base = {"n": n, "events": events, "method": "Cox per SD", "penalised": False}
        if events < min_events or n < adjust.shape[1] + 4:
            few_words = f"{events} events, fewer than {min_events}" if events < min_events else f"{n} patients"
            block = pd.DataFrame(
                [{**base, "sd": s, "reason": few_words} for s in spread], index=columns, columns=list(_FIT)
            )
        else:
            block = _fit_pattern(
                found, rows, values[np.ix_(rows, columns)], adjust, layers, base=base, ties=ties,
                permutations=permutations, seed=seed, alpha=alpha,
            ).set_axis(columns)  # fmt: skip
        out.loc[columns] = block.reindex(columns=list(_FIT)).to_numpy(dtype=object)
    numbers = ["hr", "ci_low", "ci_high", "p_value", "p_permutation", "sd"]
    out[numbers] = out[numbers].astype(float)
    return out.astype({"n": int, "events": int, "penalised": bool})


def _fit_pattern(
    found: Endpoint, rows: np.ndarray, own: np.ndarray, adjust: np.ndarray, layers: np.ndarray | None, *,
    base: dict[str, object], ties: str, permutations: int, seed: int, alpha: float,
) -> pd.DataFrame:  # fmt: skip
    """One row per feature (columns of `own`), all of the same patients (`rows`)."""
    part, spread = adjust[rows], own.std(axis=0, ddof=1)
    part = part[:, part.std(axis=0) > 0]

    def fit(which: np.ndarray, *, firth: bool, draws: int) -> pd.DataFrame:
        done = scan_cox(
            found.time[rows], found.event[rows], own[:, which], adjust=part,
            entry=None if found.entry is None else found.entry[rows],
            strata=None if layers is None else layers[rows], ties=ties, firth=firth or None,
            permutations=draws, permute_below=PERMUTED_BELOW, level=1 - alpha, rng=np.random.default_rng(seed),
        )  # fmt: skip
        return _block(done, spread[which], base).set_axis(which).assign(how=done.how)

    few = calibrated_features(own, int(found.event[rows].sum()), 1 + part.shape[1]) & (permutations > 0)
    parts, plain = [], np.flatnonzero(~few)
    if plain.size:
        done = fit(plain, firth=False, draws=0)
        if permutations:  # those that order the events: their statistic is far from any chi-square
            few[plain] = done["how"] == FIRTH
        if not few.all():
            parts.append(done[~few[plain]])
    if few.any():
        parts.append(fit(np.flatnonzero(few), firth=True, draws=permutations))
    return pd.concat(parts).sort_index()


def calibrated_features(values: np.ndarray, events: int, parameters: int) -> np.ndarray:
    """Which features have too few events for the chi-square distribution: fewer with heavy tails are enough.

    Parameters
    ----------
    values
        Shape (patients, features), without missing values.
    events
        Their number.
    parameters
        Of the model, the feature among them.
    """
    away = values - values.mean(axis=0)
    square = np.mean(away**2, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        excess = np.nan_to_num(np.mean(away**4, axis=0) / square**2 - 3.0, nan=0.0, posinf=0.0)
    return np.asarray(events < np.where(excess > HEAVY, PER_SKEWED, PER_PARAMETER) * parameters)


def _block(fit: CoxScan, spread: np.ndarray, base: dict[str, object]) -> pd.DataFrame:
    words = {
        0: "Cox per SD", FIRTH: "Cox per SD, Firth's likelihood",
        CALIBRATED: "Cox per SD, Firth's likelihood, permutation",
    }  # fmt: skip
    with np.errstate(over="ignore"):
        return pd.DataFrame({
            **base, "hr": np.exp(fit.coef * spread), "ci_low": np.exp(fit.low * spread),
            "ci_high": np.exp(fit.high * spread), "p_value": fit.p_value, "p_permutation": fit.p_permutation,
            "sd": spread, "method": [words[int(h)] for h in fit.how], "penalised": fit.how > 0, "reason": fit.reason,
        })  # fmt: skip


def covariate_columns(patients: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Covariates as numbers, categories as dummies; constant ones left out. Shape (patients, columns).

    Parameters
    ----------
    patients
        With the covariates.
    names
        Of the covariates.
    """
    parts = []
    for name in names:
        values = patients[name]
        numeric = pd.api.types.is_numeric_dtype(values)
        part = values.to_frame() if numeric else pd.get_dummies(values.astype(str), drop_first=True)
        parts.append(part.to_numpy(float))
    joined = np.column_stack(parts) if parts else np.zeros((len(patients), 0))
    return joined[:, joined.std(axis=0) > 0] if len(joined) else joined


def strata_columns(strata: np.ndarray | None, n: int) -> np.ndarray:
    """Strata as columns of 0 and 1, for models that have no baseline of their own for each; shape (n, strata - 1).

    Parameters
    ----------
    strata
        Stratum of each patient; None is one for all.
    n
        Number of patients.
    """
    if strata is None:
        return np.zeros((n, 0))
    return np.asarray(strata[:, None] == np.unique(strata)[None, 1:]).astype(float)


def refusals(table: pd.DataFrame) -> list[str]:
    """A note per reason for which features were not tested.

    Parameters
    ----------
    table
        Results with a `reason`.
    """
    counts = table.loc[table["reason"] != "", "reason"].value_counts()
    return [f"{n} features not tested: {reason}" for reason, n in counts.items()]
