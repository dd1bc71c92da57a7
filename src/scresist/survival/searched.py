"""The best cut of each candidate beside its Cox model, with a p-value corrected for the search."""

from collections.abc import Iterable, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.searched_cut import searched_cut
from scresist.results import Result
from scresist.study.design import Design
from scresist.survival.endpoint import Endpoint, gather
from scresist.survival.models import FEWEST_EVENTS, cox, refusals


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
    return Result(table, "Cox per SD; best cut corrected", MappingProxyType(settings), (*found.notes, *refusals(table)))


def _best(found: Endpoint, feature: int, rng: np.random.Generator) -> tuple[object, ...]:
    values = found.values.iloc[:, feature].to_numpy(float)
    here = ~np.isnan(values)
    x, time, event = values[here], found.time[here], found.event[here]
    n, events, gap = int(here.sum()), int(event.sum()), float("nan")
    if events < FEWEST_EVENTS:
        return gap, gap, gap, gap, gap, n, events, f"{events} events, fewer than {FEWEST_EVENTS}"
    cut = searched_cut(x, time, event, rng)
    if np.isnan(cut.statistic):
        return gap, gap, gap, gap, gap, n, events, "no cut leaves enough patients on both sides"
    return float(np.exp(cut.coef)), cut.p_value, cut.cut, cut.cut_low, cut.cut_high, n, events, ""
