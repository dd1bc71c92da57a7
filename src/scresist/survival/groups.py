"""High against low values: log-rank by permutation, the best of several weights, the difference of restricted means."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scresist.kernels.cox_added import added_term
from scresist.kernels.log_rank import max_combo, permutation_log_rank, survival_scores
from scresist.kernels.restricted_mean import (
    MeanDifference,
    adjusted_mean_difference,
    follow_up,
    median_limits,
    permuted_mean_difference,
)
from scresist.kernels.searched_cut import searched_cut
from scresist.kernels.survival_curves import kaplan_meier as curve_of
from scresist.kernels.survival_curves import log_rank
from scresist.results import Result
from scresist.survival.endpoint import Endpoint
from scresist.survival.models import strata_columns

DRAWS, ADJUSTED_DRAWS = 1999, 499
NO_MEANS = MeanDifference(np.nan, np.nan, np.nan, np.nan, (np.nan, np.nan), (np.nan, np.nan))
MEDIAN_EVENTS = 8  # below, an interval of the median seldom has an upper end, and covers more than it states
ASYMPTOTIC = 20  # events from which the chi-square of the log-rank test is given beside the permuted p
_COLUMNS = (
    "feature", "endpoint", "cut", "cut_how", "n_low", "n_high", "events", "hr", "p_value", "p_permutation", "p_combo",
    "cut_low", "cut_high", "median_low", "median_high", "horizon", "mean_difference", "ci_low", "ci_high", "mean_p",
    "adjusted", "reason",
)  # fmt: skip


def compare_groups(
    found: Endpoint, features: Sequence[object], *, endpoint: str, cut: str | float = "median",
    horizon: float | None = None, adjust: np.ndarray | None = None, strata: np.ndarray | None = None,
    rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """High against low values of some features: which group has the event earlier, and by how much time.

    Parameters
    ----------
    found
        Patients with their times and values.
    features
        Columns of the values.
    endpoint
        Its name.
    cut
        median | best | a number that was set beforehand. Low is at or below it. For the best cut `p_value` is that of
        the search and `hr` is cross-validated.
    horizon
        Of the restricted means; None is the shorter follow-up of the two groups.
    adjust
        Covariates, shape (patients, covariates). With them the log-rank test is the score test of the group in a Cox
        model beside them (`kernels.cox_added`), and the restricted means are compared at equal covariates.
    strata
        Groups are compared within these. Shape (patients,).
    rng
        Source of chance, or its seed.

    Returns
    -------
    Result whose table has one row per feature. The log-rank test is by permutation (`p_permutation`), and from 20
    events asymptotic too (`p_value`); the difference of restricted means has its p-value and limits by permutation.
    `adjusted` names in words which figures allow for covariates and strata, and which do not.

    References
    ----------
    See `kernels.log_rank`, `kernels.restricted_mean` and `kernels.searched_cut`.
    """
    chance = np.random.default_rng(rng)
    rows = []
    for feature in features:
        values = found.values[feature].to_numpy(float)
        here = ~np.isnan(values)
        x, time, event = values[here], found.time[here], found.event[here]
        beside = _Beside(
            np.zeros((x.size, 0)) if adjust is None else adjust[here], None if strata is None else strata[here],
            None if found.entry is None else found.entry[here],
        )  # fmt: skip
        rows.append({"feature": feature, "endpoint": endpoint, **_one(x, time, event, cut, horizon, beside, chance)})
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    return Result(table, "groups: log-rank by permutation, MaxCombo, restricted means", {"cut": cut})


class _Beside(NamedTuple):
    """Covariates, strata and entry of the patients of one feature."""

    adjust: np.ndarray
    strata: np.ndarray | None
    entry: np.ndarray | None

    @property
    def columns(self) -> np.ndarray:
        """Covariates, and the strata as columns of 0 and 1."""
        both = np.column_stack([self.adjust, strata_columns(self.strata, len(self.adjust))])
        return both[:, both.std(axis=0) > 0]

    @property
    def _named(self) -> list[str]:
        """What there is besides the group."""
        return ["covariates"] * (self.adjust.shape[1] > 0) + ["strata"] * (self.strata is not None)

    @property
    def words(self) -> str:
        """Which figures of a comparison allow for them."""
        if self.entry is not None:
            by = f", adjusted for {' and '.join(self._named)}" if self._named else ""
            return f"log-rank from each patient's entry on{by}; no MaxCombo, no restricted means; medians not adjusted"
        if not self.columns.shape[1]:
            return ""
        layers = "by strata" if self.strata is not None else ""
        if not self.adjust.shape[1]:
            return "log-rank, MaxCombo and restricted means by strata; medians not"
        return (
            f"log-rank and restricted means adjusted for covariates{' and ' + layers if layers else ''}; MaxCombo "
            f"{layers or 'not'}{', not for covariates' if layers else ''}; medians not"
        )


def _one(
    x: np.ndarray, time: np.ndarray, event: np.ndarray, cut: str | float, horizon: float | None, beside: _Beside,
    rng: np.random.Generator,
) -> dict[str, object]:  # fmt: skip
    how = cut if isinstance(cut, str) else "set beforehand"
    if x.size < 4 or event.sum() < 2:
        return {"cut_how": how, "reason": f"{x.size} patients, {int(event.sum())} events"}
    out: dict[str, object] = {"cut_how": how, "reason": "", "events": int(event.sum()), "adjusted": beside.words}
    if cut == "best":
        best = searched_cut(x, time, event, rng, draws=DRAWS)
        place = best.cut
        out |= {"p_value": best.p_value, "hr": np.exp(best.coef), "cut_low": best.cut_low, "cut_high": best.cut_high}
        if beside.words:
            out["adjusted"] = "restricted means; the searched cut, its p-value and hazard ratio are not adjusted"
    else:
        place = float(np.median(x)) if cut == "median" else float(cut)
    high = x > place
    if not np.isfinite(place) or high.all() or not high.any():
        return {"cut_how": how, "cut": place, "reason": "all patients are on one side of the cut"}
    if cut != "best":
        out |= _log_rank(time, event, high, beside, rng)
        out["p_combo"] = np.nan if beside.entry is not None else max_combo(
            time, event, high, draws=DRAWS, rng=rng, asymptotic=False, strata=beside.strata
        ).p_permutation  # fmt: skip
    shared = float(min(time[high].max(), time[~high].max()))
    until = shared if horizon is None else horizon
    columns, entry = beside.columns, beside.entry
    mean = NO_MEANS if entry is not None else (
        adjusted_mean_difference(time, event, high, columns, until, rng, draws=DRAWS) if columns.shape[1] else
        permuted_mean_difference(time, event, high, until, rng, draws=DRAWS)
    )  # fmt: skip
    out |= {
        "cut": place, "n_low": int((~high).sum()), "n_high": int(high.sum()), "horizon": until,
        "median_low": median_limits(time[~high], event[~high], entry=None if entry is None else entry[~high])[0],
        "median_high": median_limits(time[high], event[high], entry=None if entry is None else entry[high])[0],
        "mean_difference": mean.difference,
        "ci_low": mean.low, "ci_high": mean.high, "mean_p": mean.p_value,
    }  # fmt: skip
    return out


def _log_rank(
    time: np.ndarray, event: np.ndarray, high: np.ndarray, beside: _Beside, rng: np.random.Generator
) -> dict[str, object]:
    """The log-rank test within strata; with covariates or late entry the score test of the group beside them."""
    enough = event.sum() >= ASYMPTOTIC
    fixed = beside.adjust[:, beside.adjust.std(axis=0) > 0]
    if fixed.shape[1] or beside.entry is not None:
        found = added_term(
            time, event, fixed, high.astype(float), rng, draws=ADJUSTED_DRAWS, strata=beside.strata, entry=beside.entry
        )  # fmt: skip
        return {"p_value": float(2 * stats.norm.sf(abs(found.z))) if enough else np.nan, "p_permutation": found.p_value}
    test = log_rank(time, event, high.astype(int), strata=beside.strata)
    scores = survival_scores(time, event, strata=beside.strata)
    drawn = permutation_log_rank(scores, high, draws=DRAWS, rng=rng, strata=beside.strata)
    return {"p_value": test.p_value if enough else np.nan, "p_permutation": drawn.p_exact}


def overview(found: Endpoint, *, endpoint: str, unit: str = "months", competing: np.ndarray | None = None) -> Result:
    """How many patients and events an endpoint has, its median, and how long patients were followed.

    Parameters
    ----------
    found
        Patients with their times.
    endpoint, unit
        Its name, and the unit of the times.
    competing
        Whether each patient had another event that makes this one impossible, shape (patients,).

    Returns
    -------
    Result whose table has one row: medians with 95 % intervals; follow-up by the reverse Kaplan-Meier. Medians from
    fewer than `MEDIAN_EVENTS` events (or, of the follow-up, fewer patients without one) have no interval, and `reason`.
    """
    events = int(found.event.sum())
    low = median_limits(found.time, found.event, entry=found.entry)
    seen = follow_up(found.time, found.event, entry=found.entry)
    few = []
    if events < MEDIAN_EVENTS:
        low = (low[0], np.nan, np.nan)
        few.append(f"no interval of the median from {events} events")
    if found.time.size - events < MEDIAN_EVENTS:
        seen = (seen[0], np.nan, np.nan)
        few.append(f"none of the follow-up from {found.time.size - events} patients without one")
    reason = "; ".join(few) + (f": at least {MEDIAN_EVENTS} are needed" if few else "")
    row = {
        "endpoint": endpoint, "unit": unit, "n": found.time.size, "events": events, "median": low[0],
        "ci_low": low[1], "ci_high": low[2], "follow_up": seen[0], "follow_up_low": seen[1],
        "follow_up_high": seen[2], "competing_events": np.nan if competing is None else int(competing.sum()),
        "tied": float(1 - np.unique(found.time).size / max(found.time.size, 1)), "interval_hr": np.nan,
        "reason": reason,
    }  # fmt: skip
    return Result(pd.DataFrame([row]), "Kaplan-Meier, log-log intervals; reverse Kaplan-Meier")


def curves(found: Endpoint, table: pd.DataFrame) -> Result:
    """The curves of the groups of `compare_groups`, one row per feature, group and time.

    Parameters
    ----------
    found
        Patients with their times and values.
    table
        That of `compare_groups`.
    """
    parts = []
    for row in table[table["reason"] == ""].to_dict("records"):
        values = found.values[row["feature"]].to_numpy(float)
        here = ~np.isnan(values)
        high = values[here] > row["cut"]
        for label, side in (("low", ~high), ("high", high)):
            time, event = found.time[here][side], found.event[here][side]
            curve = curve_of(time, event, entry=None if found.entry is None else found.entry[here][side])
            parts.append(pd.DataFrame({
                "feature": row["feature"], "endpoint": row["endpoint"], "group": label, "time": curve.time,
                "n_risk": curve.n_risk, "n_event": curve.n_event, "survival": curve.survival, "ci_low": curve.ci_low,
                "ci_high": curve.ci_high, "p_value": row["p_permutation"] if row["cut_how"] != "best" else
                row["p_value"], "n": time.size, "events": int(event.sum()),
            }))  # fmt: skip
    names = ["feature", "endpoint", "group", "time", "n_risk", "n_event", "survival", "ci_low", "ci_high", "p_value",
             "n", "events"]  # fmt: skip
    joined = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)
    return Result(joined, "Kaplan-Meier, log-log intervals")
