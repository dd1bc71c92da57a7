"""Does a candidate predict the endpoint: Cox models of continuous values, then the best cut with an honest p-value."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, require_choice, require_positive
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.cox import cox_regression
from scresist.kernels.cox_scan import CALIBRATED, FIRTH, CoxScan, scan_cox
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.searched_cut import searched_cut
from scresist.results import Result
from scresist.study.design import Design
from scresist.survival.assumptions import bend_p
from scresist.survival.doubts import coarse_times, same_evidence
from scresist.survival.endpoint import Endpoint, gather

_MIN_EVENTS = 5
PER_PARAMETER = 40  # events per parameter below which the statistic is calibrated by permutation
PERMUTED_BELOW = 0.2  # uncorrected p-value above which calibration cannot make a finding
HEADLINES = 50  # features whose influence is computed though they are not found, those with the smallest p
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
    ties: str = "efron",
    min_events: int = _MIN_EVENTS,
    permutations: int = 999,
    name: str = "",
    unit: str = "months",
    rng: int | np.random.Generator = 1,
    alpha: float = ALPHA,
) -> Result:
    """Hazard ratio of the endpoint per standard deviation of each feature, one feature at a time.

    With at least 40 events per parameter the p-value is that of the likelihood ratio and the interval its profile. With
    fewer, both are of Firth's penalised likelihood, its statistic calibrated by permutation of the patients; and where
    a feature orders the events perfectly, of Firth's likelihood too, which has a finite estimate there.

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
        efron | breslow.
    min_events
        Fewer events than this give no test.
    permutations
        Of the patients, where there are fewer than 40 events per parameter; 0 makes none.
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
    require_choice(ties, ("efron", "breslow"), "ties")
    require_positive(min_events, "min_events")
    extra = [*covariates, *([strata] if strata else [])]
    found = gather(
        values, patients, time=time, event=event, design=design, measured_in=measured_in, landmark=landmark,
        covariates=extra, unit=unit,
    )  # fmt: skip
    adjust = covariate_columns(found.patients, covariates)
    layers = found.patients[strata].astype(str).to_numpy() if strata else None
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
    table = pd.concat([table, _checks(found, table, adjust, layers, ties=ties, alpha=alpha)], axis=1)
    notes = [*found.notes, *_refusals(table), *coarse_times(found, table, layers)]
    if design is not None:
        words = same_evidence(found, design)
        table["weak"] = words
        notes += [words] if words else []
    n_few = int((table["penalised"] & (table["p_permutation"].notna())).sum())
    if n_few:
        notes.append(
            f"{n_few} features with fewer than {PER_PARAMETER} events per parameter: Firth's likelihood, calibrated by "
            "permutation of the patients"
        )
    table = table[[*found.values.columns.names, *_COLUMNS]]
    settings = {
        "time": time, "event": event, "covariates": list(covariates), "strata": strata, "landmark": landmark,
        "measured_in": None if measured_in is None else list(measured_in), "family": "all features",
        "permutations": permutations,
    }  # fmt: skip
    return Result(table, f"Cox per SD, {ties.capitalize()} ties{more}", MappingProxyType(settings), tuple(notes))


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
            few = f"{events} events, fewer than {min_events}" if events < min_events else f"{n} patients"
            block = pd.DataFrame([{**base, "sd": s, "reason": few} for s in spread], index=columns, columns=list(_FIT))
        else:
            part = adjust[rows]
            part = part[:, part.std(axis=0) > 0]
            calibrate = permutations > 0 and events < PER_PARAMETER * (1 + part.shape[1])
            fit = scan_cox(
                found.time[rows], found.event[rows], values[np.ix_(rows, columns)], adjust=part,
                entry=None if found.entry is None else found.entry[rows],
                strata=None if layers is None else layers[rows], ties=ties, firth=True if calibrate else None,
                permutations=permutations if calibrate else 0, permute_below=PERMUTED_BELOW, level=1 - alpha,
                rng=np.random.default_rng(seed),
            )  # fmt: skip
            block = _block(fit, spread, base).set_axis(columns)
            apart = np.flatnonzero(fit.how == FIRTH) if permutations else np.zeros(0, int)
            if apart.size:  # they order the events: the statistic is far from any chi-square
                again = scan_cox(
                    found.time[rows], found.event[rows], values[np.ix_(rows, columns[apart])], adjust=part,
                    entry=None if found.entry is None else found.entry[rows],
                    strata=None if layers is None else layers[rows], ties=ties, firth=True,
                    permutations=permutations, level=1 - alpha, rng=np.random.default_rng(seed),
                )  # fmt: skip
                block.loc[columns[apart]] = _block(again, spread[apart], base).set_axis(columns[apart])
        out.loc[columns] = block.reindex(columns=list(_FIT)).to_numpy(dtype=object)
    numbers = ["hr", "ci_low", "ci_high", "p_value", "p_permutation", "sd"]
    out[numbers] = out[numbers].astype(float)
    return out.astype({"n": int, "events": int, "penalised": bool})


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


def _checks(
    found: Endpoint, table: pd.DataFrame, adjust: np.ndarray, layers: np.ndarray | None, *, ties: str, alpha: float
) -> pd.DataFrame:
    """Concordance, proportional hazards and form for p < alpha; for findings also every patient left out once."""
    out = pd.DataFrame(
        {"concordance": np.nan, "zph_p": np.nan, "form_p": np.nan, "influence": np.nan, "influence_patient": "",
         "rests_on_one": False}, index=table.index,
    ).astype({"influence_patient": object})  # fmt: skip
    p, q = table["p_value"].to_numpy(float), table["q_value"].to_numpy(float)
    for place, k in enumerate(np.argsort(p, kind="stable")):
        if not (p[k] < alpha and (q[k] < alpha or place < 4 * HEADLINES)):
            break
        values = found.values.iloc[:, k].to_numpy(float)
        here = np.flatnonzero(~np.isnan(values))
        x = values[here] / float(table["sd"].iloc[k])
        strata = None if layers is None else layers[here]
        entry = None if found.entry is None else found.entry[here]
        fit = cox_regression(
            found.time[here], found.event[here], np.column_stack([x, adjust[here]]), strata=strata, entry=entry,
            ties=ties,
        )  # fmt: skip
        if not fit.reason:
            out.loc[k, "concordance"], out.loc[k, "zph_p"] = fit.concordance, fit.zph_p[0]
        fixed = adjust[here]
        fixed = fixed[:, fixed.std(axis=0) > 0]
        standard, how = (x - x.mean()) / x.std(ddof=1), {"strata": strata, "entry": entry, "ties": ties}
        out.loc[k, "form_p"] = bend_p(standard, found.time[here], found.event[here], fixed, how)
        if q[k] < alpha or place < HEADLINES:
            own = _leave_out(found, table.iloc[k], here, x, adjust, layers, ties=ties, alpha=alpha)
            out.loc[k, ["influence", "influence_patient", "rests_on_one"]] = own
    return out


def _leave_out(
    found: Endpoint, row: pd.Series, here: np.ndarray, x: np.ndarray, adjust: np.ndarray, layers: np.ndarray | None,
    *, ties: str, alpha: float,
) -> list[object]:  # fmt: skip
    """How far the finding moves without one patient, whose that is, and whether it then is one no more."""
    whole = np.log(float(row["hr"]))
    firth = bool(row["penalised"])
    change, lost = np.zeros(here.size), np.zeros(here.size, bool)

    def fit(rows: np.ndarray) -> CoxScan:
        kept = here[rows]
        return scan_cox(
            found.time[kept], found.event[kept], x[rows][:, None], adjust=adjust[kept], ties=ties,
            entry=None if found.entry is None else found.entry[kept],
            strata=None if layers is None else layers[kept], firth=True if firth else None, limits=False,
        )  # fmt: skip

    # The calibration of the whole is used for its parts: its statistic over the uncalibrated one.
    raw = stats.chi2.isf(max(float(fit(np.arange(here.size)).p_value[0]), 1e-300), 1)
    scale = raw / stats.chi2.isf(max(float(row["p_value"]), 1e-300), 1) if firth else 1.0
    for i in range(here.size):
        part = fit(np.delete(np.arange(here.size), i))
        coef = float(part.coef[0])
        change[i] = abs(coef - whole) / abs(whole) if np.isfinite(coef) else np.inf
        left = stats.chi2.sf(stats.chi2.isf(max(float(part.p_value[0]), 1e-300), 1) / scale, 1)
        lost[i] = not (left < alpha and np.sign(coef) == np.sign(whole))
    worst = int(np.argmax(np.where(lost, change + change[np.isfinite(change)].max(initial=0.0) + 1, change)))
    return [change[worst], str(found.patients.index[here[worst]]), bool(lost.any())]


def candidates(
    values: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    time: str = "pfs_months",
    event: str = "pfs_event",
    design: Design | None = None,
    measured_in: Iterable[str] | None = None,
    features: Sequence[object] | None = None,
    covariates: Sequence[str] = (),
    rng: int | np.random.Generator = 1,
    alpha: float = ALPHA,
) -> Result:
    """Continuous Cox models of the candidates first, then their best cut, its p-value corrected for the search.

    Parameters
    ----------
    values, patients, time, event, design, measured_in, covariates, rng, alpha
        As in `cox`.
    features
        Those of the values to use, the family of the q-values; None is all.

    Returns
    -------
    Result whose table is that of `cox`, followed by one row per feature for the best cut: `hr` is high against low,
    `p_value` that of the maximally selected log-rank statistic given the scores, `hr` cross-validated (the hazard ratio
    of the searched cut itself is too large), `cut` where, with `cut_low` and `cut_high` over resamples. q-values are
    over the features of one method.

    Raises
    ------
    InputError
        For a feature that the values lack.

    References
    ----------
    Hothorn & Lausen (2003) Comput Stat Data Anal 43:121; Altman et al. (1994) J Natl Cancer Inst 86:829, on what
    uncorrected "optimal" cut-points do.
    """
    arms = None if measured_in is None else tuple(measured_in)
    chance = np.random.default_rng(rng)
    continuous = cox(
        values, patients, time=time, event=event, design=design, measured_in=arms, covariates=covariates, alpha=alpha,
        rng=chance,
    )  # fmt: skip
    found = gather(values, patients, time=time, event=event, design=design, measured_in=arms)
    names = continuous.table.iloc[:, 0]
    if features is not None:
        absent = [f for f in features if f not in set(names)]
        if absent:
            raise InputError(f"values have no feature {absent[0]!r} (and {len(absent) - 1} more of `features`)")
    keep = names.isin(list(features)).to_numpy() if features is not None else np.ones(len(names), bool)
    first = continuous.table[keep].reset_index(drop=True)
    cuts = first.copy()
    best = [_best(found, int(k), chance) for k in np.flatnonzero(keep)]
    filled = ["hr", "p_value", "cut", "cut_low", "cut_high", "n", "events", "reason"]
    cuts[filled] = pd.DataFrame(best, index=cuts.index)
    cuts[["ci_low", "ci_high", "p_permutation", "concordance", "zph_p", "form_p", "influence"]] = np.nan
    cuts["influence_patient"], cuts["rests_on_one"], cuts["penalised"] = "", False, True
    cuts["method"] = "best cut, maximally selected log-rank, hazard ratio cross-validated"
    for part in (first, cuts):
        part["q_value"] = benjamini_hochberg(part["p_value"].to_numpy(float))
    first[["cut", "cut_low", "cut_high"]] = np.nan
    table = pd.concat([first, cuts], ignore_index=True)
    settings = {**continuous.settings, "family": f"{len(first)} candidates, per method"}
    return Result(
        table, "Cox per SD; best cut corrected", MappingProxyType(settings), (*found.notes, *_refusals(table))
    )


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


def _best(found: Endpoint, feature: int, rng: np.random.Generator) -> tuple[object, ...]:
    values = found.values.iloc[:, feature].to_numpy(float)
    here = ~np.isnan(values)
    x, time, event = values[here], found.time[here], found.event[here]
    n, events, gap = int(here.sum()), int(event.sum()), float("nan")
    if events < _MIN_EVENTS:
        return gap, gap, gap, gap, gap, n, events, f"{events} events, fewer than {_MIN_EVENTS}"
    cut = searched_cut(x, time, event, rng)
    if np.isnan(cut.statistic):
        return gap, gap, gap, gap, gap, n, events, "no cut leaves enough patients on both sides"
    return float(np.exp(cut.coef)), cut.p_value, cut.cut, cut.cut_low, cut.cut_high, n, events, ""


def _refusals(table: pd.DataFrame) -> list[str]:
    counts = table.loc[table["reason"] != "", "reason"].value_counts()
    return [f"{n} features not tested: {reason}" for reason, n in counts.items()]
