"""Kaplan-Meier curves of groups of patients, with the log-rank test and restricted means."""

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.searched_cut import maximal_p
from scresist.kernels.survival_curves import kaplan_meier as curve_of
from scresist.kernels.survival_curves import log_rank, median_survival, restricted_mean
from scresist.results import Result
from scresist.study.design import Design
from scresist.survival.endpoint import Endpoint, gather


def kaplan_meier(
    values: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    time: str = "pfs_months",
    event: str = "pfs_event",
    design: Design | None = None,
    measured_in: Iterable[str] | None = None,
    cut: str | float = "median",
    alpha: float = ALPHA,
) -> Result:
    """Share of patients free of the event over time, high against low values of each feature.

    Parameters
    ----------
    values, patients, time, event, design, measured_in
        As in `cox`.
    cut
        median | mean | best (the cut that separates most, with a p-value corrected for the search) | groups (values
        are codes of groups already) | a number. Low is at or below the cut.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Returns
    -------
    Result whose table has one row per feature, group and time: `feature`, `endpoint`, `group`, `time`, `n_risk`,
    `n_event`, `survival`, `ci_low`, `ci_high`, and, the same in all rows of a feature or group: `cut`, `p_value`
    (log-rank, or corrected for the search), `n`, `events`, `median`, `mean_to_horizon`, `mean_se`, `horizon` (the
    shortest follow-up of the groups). Notes say the test in a sentence per feature.

    References
    ----------
    Kaplan & Meier (1958) J Am Stat Assoc 53:457; Royston & Parmar (2013) BMC Med Res Methodol 13:152.
    """
    if isinstance(cut, str):
        require_choice(cut, ("median", "mean", "best", "groups"), "cut")
    found = gather(values, patients, time=time, event=event, design=design, measured_in=measured_in)
    tables, notes = [], list(found.notes)
    for k in range(found.values.shape[1]):
        table, note = _feature(found, k, cut, alpha)
        notes.append(note)
        if table is not None:
            keys = found.values.columns[[k]].to_frame(index=False)
            tables.append(keys.merge(table.assign(endpoint=time), how="cross"))
    columns = [*found.values.columns.names, "endpoint", *_COLUMNS]
    joined = pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
    settings = {"time": time, "event": event, "cut": cut}
    return Result(joined, "Kaplan-Meier, log-log intervals", MappingProxyType(settings), tuple(notes))


_COLUMNS = (
    "group", "time", "n_risk", "n_event", "survival", "ci_low", "ci_high", "cut", "p_value", "n", "events", "median",
    "mean_to_horizon", "mean_se", "horizon",
)  # fmt: skip


def _feature(found: Endpoint, k: int, cut: str | float, alpha: float) -> tuple[pd.DataFrame | None, str]:
    values = found.values.iloc[:, k].to_numpy(float)
    here = ~np.isnan(values)
    x, time, event = values[here], found.time[here], found.event[here]
    name = found.values.columns[k]
    if x.size < 2:
        return None, f"{name}: no curve, {x.size} patients"
    place, corrected = _place(x, time, event, cut)
    group = np.unique(x, return_inverse=True)[1].ravel() if cut == "groups" else (x > place).astype(int)
    if np.unique(group).size < 2:
        return None, f"{name}: no curve, all patients are on one side of the cut"
    labels = [f"{v:g}" for v in np.unique(x)] if cut == "groups" else ["low", "high"]
    test = log_rank(time, event, group)
    p = test.p_value if np.isnan(corrected) else corrected
    horizon = float(min(time[group == g].max() for g in np.unique(group)))
    parts = []
    for g, label in enumerate(labels):
        t, e = time[group == g], event[group == g]
        curve = curve_of(t, e, level=1 - alpha)
        mean, se = restricted_mean(curve, horizon)
        part = pd.DataFrame({
            "group": label, "time": curve.time, "n_risk": curve.n_risk, "n_event": curve.n_event,
            "survival": curve.survival, "ci_low": curve.ci_low, "ci_high": curve.ci_high,
        })  # fmt: skip
        parts.append(
            part.assign(
                cut=place, p_value=p, n=t.size, events=int(e.sum()), median=median_survival(curve),
                mean_to_horizon=mean, mean_se=se, horizon=horizon,
            )
        )  # fmt: skip
    how = "log-rank" if np.isnan(corrected) else "maximally selected log-rank, corrected"
    sizes = " against ".join(f"{int((group == g).sum())} {label}" for g, label in enumerate(labels))
    return pd.concat(parts, ignore_index=True), f"{name}: {sizes}, {int(event.sum())} events, {how} p = {p:.3g}"


def _place(x: np.ndarray, time: np.ndarray, event: np.ndarray, cut: str | float) -> tuple[float, float]:
    """Where to cut, and the p-value where the cut was searched for."""
    if cut == "groups":
        return float("nan"), float("nan")
    if cut == "best":
        _, cut_found, p = maximal_p(x, time, event, np.random.default_rng(1))
        return cut_found, p
    if isinstance(cut, str):
        return float(np.median(x) if cut == "median" else x.mean()), float("nan")
    if not np.isfinite(cut):
        raise InputError(f"cut must be a finite number; got {cut!r}")
    return float(cut), float("nan")
