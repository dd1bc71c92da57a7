"""Does a candidate predict the endpoint: Cox models of continuous values, then the best cut with an honest p-value."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, require_choice, require_positive
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.cox import cox_regression
from scresist.kernels.cut_points import best_cut
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.results import Result
from scresist.study.design import Design
from scresist.survival.endpoint import Endpoint, gather

_MIN_EVENTS = 5
HEADLINES = 50  # features whose influence is computed though they are not found, those with the smallest p
_COLUMNS = (
    "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "method", "n", "events", "p_lrt", "concordance",
    "zph_p", "sd", "influence", "influence_patient", "rests_on_one", "reason",
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
    alpha: float = ALPHA,
) -> Result:
    """Hazard ratio of the endpoint per standard deviation of each feature, one feature at a time.

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
        only samples that are known to be taken before treatment.
    covariates
        Columns of `patients` to adjust for.
    strata
        Column of `patients` whose values have a baseline hazard each.
    landmark
        Start the clock here; patients whose time ended by then leave.
    ties
        efron | breslow.
    min_events
        Fewer events than this (per parameter) give no test.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Returns
    -------
    Result whose table has one row per feature: `feature`, `endpoint`, `hr` (per SD of the patients used), `ci_low`,
    `ci_high`, `p_value` (Wald, as the interval), `q_value` (over the features), `method`, `n`, `events`, `p_lrt`,
    `concordance`, `zph_p` (proportional hazards), `sd`, `influence` (largest relative change of the log hazard ratio
    when one patient is left out; for p < alpha), `influence_patient`, `rests_on_one`, `reason` (why there is no
    p-value).

    References
    ----------
    Cox (1972) J R Stat Soc B 34:187; Anderson, Cain & Gelber (1983) J Clin Oncol 1:710 on landmarks.
    """
    require_choice(ties, ("efron", "breslow"), "ties")
    require_positive(min_events, "min_events")
    extra = [*covariates, *([strata] if strata else [])]
    found = gather(
        values, patients, time=time, event=event, design=design, measured_in=measured_in, landmark=landmark,
        covariates=extra,
    )  # fmt: skip
    adjust = _columns(found.patients, covariates)
    layers = found.patients[strata].astype(str).to_numpy() if strata else None
    rows = [
        _one(found, feature, adjust, layers, ties=ties, min_events=min_events, alpha=alpha)
        for feature in range(found.values.shape[1])
    ]
    table = found.values.columns.to_frame(index=False)
    fitted = pd.DataFrame(rows, columns=["hr", "ci_low", "ci_high", "p_value", "n", "events", "p_lrt", "concordance",
                                         "zph_p", "sd", "reason"])  # fmt: skip
    words = f"Cox per SD, {ties.capitalize()} ties" + (f", adjusted for {', '.join(covariates)}" if covariates else "")
    words += f", stratified by {strata}" if strata else ""
    table["endpoint"] = time if not landmark else f"{time} from {landmark:g}"
    table = pd.concat([table, fitted], axis=1)
    table = pd.concat([table, _leave_out(found, table, adjust, layers, ties=ties, alpha=alpha)], axis=1)
    table["q_value"], table["method"] = benjamini_hochberg(table["p_value"].to_numpy(float)), words
    table = table[[*found.values.columns.names, *_COLUMNS]]
    settings = {
        "time": time, "event": event, "covariates": list(covariates), "strata": strata, "landmark": landmark,
        "measured_in": None if measured_in is None else list(measured_in), "family": "all features",
    }  # fmt: skip
    return Result(table, words, MappingProxyType(settings), (*found.notes, *_refusals(table)))


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
    alpha: float = ALPHA,
) -> Result:
    """Continuous Cox models of the candidates first, then their best cut, its p-value corrected for the search.

    Parameters
    ----------
    values, patients, time, event, design, measured_in, covariates, alpha
        As in `cox`.
    features
        Those of the values to use, the family of the q-values; None is all.

    Returns
    -------
    Result whose table is that of `cox`, followed by one row per feature for the best cut: `hr` is high against low,
    `p_value` that of the maximally selected log-rank statistic (the smaller of two approximations), `cut` where. The
    interval of a searched cut would claim too much and is NaN. q-values are over the features of one method.

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
    continuous = cox(
        values, patients, time=time, event=event, design=design, measured_in=arms, covariates=covariates, alpha=alpha
    )
    found = gather(values, patients, time=time, event=event, design=design, measured_in=arms)
    names = continuous.table.iloc[:, 0]
    if features is not None:
        absent = [f for f in features if f not in set(names)]
        if absent:
            raise InputError(f"values have no feature {absent[0]!r} (and {len(absent) - 1} more of `features`)")
    keep = names.isin(list(features)).to_numpy() if features is not None else np.ones(len(names), bool)
    first = continuous.table[keep].reset_index(drop=True)
    cuts = first.copy()
    best = [_best(found, int(k)) for k in np.flatnonzero(keep)]
    cuts[["hr", "p_value", "cut", "n", "events", "reason"]] = pd.DataFrame(best, index=cuts.index)
    cuts[["ci_low", "ci_high", "p_lrt", "concordance", "zph_p", "influence"]] = np.nan
    cuts["influence_patient"], cuts["rests_on_one"] = "", False
    cuts["method"] = "best cut, maximally selected log-rank"
    for part in (first, cuts):
        part["q_value"] = benjamini_hochberg(part["p_value"].to_numpy(float))
    first["cut"] = np.nan
    table = pd.concat([first, cuts], ignore_index=True)
    settings = {**continuous.settings, "family": f"{len(first)} candidates, per method"}
    return Result(
        table, "Cox per SD; best cut corrected", MappingProxyType(settings), (*found.notes, *_refusals(table))
    )


def _columns(patients: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """Covariates as numbers, categories as dummies; constant ones left out."""
    parts = []
    for name in names:
        values = patients[name]
        numeric = pd.api.types.is_numeric_dtype(values)
        part = values.to_frame() if numeric else pd.get_dummies(values.astype(str), drop_first=True)
        parts.append(part.to_numpy(float))
    joined = np.column_stack(parts) if parts else np.zeros((len(patients), 0))
    return joined[:, joined.std(axis=0) > 0] if len(joined) else joined


def _one(
    found: Endpoint, feature: int, adjust: np.ndarray, layers: np.ndarray | None, *, ties: str, min_events: int,
    alpha: float,
) -> tuple[object, ...]:  # fmt: skip
    values = found.values.iloc[:, feature].to_numpy(float)
    here = ~np.isnan(values)
    n, events = int(here.sum()), int(found.event[here].sum())
    nothing = (np.nan,) * 4
    spread = float(values[here].std(ddof=1)) if n > 1 else 0.0
    if events < min_events * (1 + adjust.shape[1]):
        reason = f"{events} events, fewer than {min_events} per parameter"
        return (*nothing, n, events, np.nan, np.nan, np.nan, spread, reason)
    if spread <= 1e-12 * max(float(np.abs(values[here]).max()), 1e-300):
        return (*nothing, n, events, np.nan, np.nan, np.nan, spread, "the same value in every patient")
    x = np.column_stack([(values[here] - values[here].mean()) / spread, adjust[here]])
    fit = cox_regression(
        found.time[here], found.event[here], x, strata=None if layers is None else layers[here], ties=ties
    )
    if fit.reason:
        return (*nothing, n, events, np.nan, np.nan, np.nan, spread, fit.reason)
    width = stats.norm.ppf(1 - alpha / 2) * fit.se[0]
    p = max(float(fit.p_wald[0]), float(np.finfo(float).tiny))
    return (
        np.exp(fit.coef[0]), np.exp(fit.coef[0] - width), np.exp(fit.coef[0] + width), p, n, events,
        fit.p_lrt if adjust.shape[1] == 0 else np.nan, fit.concordance, fit.zph_p[0], spread, "",
    )  # fmt: skip


def _leave_out(
    found: Endpoint, table: pd.DataFrame, adjust: np.ndarray, layers: np.ndarray | None, *, ties: str, alpha: float
) -> pd.DataFrame:
    """The findings again without each patient: how far they move, whose they are, whether they stay."""
    out = pd.DataFrame({"influence": np.nan, "influence_patient": "", "rests_on_one": False}, index=table.index).astype(
        {"influence_patient": object}
    )
    p = table["p_value"].to_numpy(float)
    q = benjamini_hochberg(p)
    for place, k in enumerate(np.argsort(p, kind="stable")):
        if not (p[k] < alpha and (q[k] < alpha or place < HEADLINES)):
            break
        whole = np.log(float(table["hr"].iloc[k]))
        values = found.values.iloc[:, k].to_numpy(float)
        here = np.flatnonzero(~np.isnan(values))
        x = np.column_stack([values, adjust])
        x[:, 0] /= float(table["sd"].iloc[k])
        change, lost = np.zeros(here.size), np.zeros(here.size, bool)
        for i in range(here.size):
            rows = np.delete(here, i)
            fit = cox_regression(
                found.time[rows], found.event[rows], x[rows], strata=None if layers is None else layers[rows],
                ties=ties, diagnose=False,
            )  # fmt: skip
            change[i] = abs(fit.coef[0] - whole) / abs(whole) if not fit.reason else np.inf
            lost[i] = not (fit.p_wald[0] < alpha and np.sign(fit.coef[0]) == np.sign(whole))
        worst = int(np.argmax(np.where(lost, change + change[np.isfinite(change)].max(initial=0.0) + 1, change)))
        out.loc[k, "influence"], out.loc[k, "rests_on_one"] = change[worst], bool(lost.any())
        out.loc[k, "influence_patient"] = str(found.patients.index[here[worst]])
    return out


def _best(found: Endpoint, feature: int) -> tuple[object, ...]:
    values = found.values.iloc[:, feature].to_numpy(float)
    here = ~np.isnan(values)
    x, time, event = values[here], found.time[here], found.event[here]
    n, events = int(here.sum()), int(event.sum())
    if events < _MIN_EVENTS:
        return np.nan, np.nan, np.nan, n, events, f"{events} events, fewer than {_MIN_EVENTS}"
    cut = best_cut(x, time, event)
    if np.isnan(cut.statistic):
        return np.nan, np.nan, np.nan, n, events, "no cut leaves enough patients on both sides"
    fit = cox_regression(time, event, (x > cut.cut).astype(float), diagnose=False)
    hr = float(np.exp(fit.coef[0])) if not fit.reason else np.nan
    return hr, min(cut.p_lausen92, cut.p_lausen94), cut.cut, n, events, ""


def _refusals(table: pd.DataFrame) -> list[str]:
    counts = table.loc[table["reason"] != "", "reason"].value_counts()
    return [f"{n} features not tested: {reason}" for reason, n in counts.items()]
