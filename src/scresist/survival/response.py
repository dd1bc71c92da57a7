"""Best response: do responders differ in a feature; Firth's logistic regression, exact test, area under the curve."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from scresist.kernels.logistic import bootstrap_roc, exact_two_by_two, firth_logistic, roc_area
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.results import Result

ORDER = {"PD": 0, "SD": 1, "PR": 2, "CR": 3}
DRAWS = 1999
_COLUMNS = (
    "feature", "endpoint", "odds_ratio", "ci_low", "ci_high", "p_value", "p_permutation", "q_value", "n", "events",
    "exact_odds_ratio", "exact_p", "ordinal_p", "auc", "auc_low", "auc_high", "reason",
)  # fmt: skip


def best_response(
    values: pd.DataFrame, response: pd.Series, *, outcome: Iterable[str] = ("CR", "PR"), features: Iterable[object],
    rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """Odds of a response per standard deviation of each feature.

    Parameters
    ----------
    values
        Patients x features.
    response
        Best response (CR, PR, SD, PD; others are missing), by patient.
    outcome
        What counts as response.
    features
        Those whose curve and permutations are computed; the family of the q-values is all of the values.
    rng
        Source of chance, or its seed.

    Returns
    -------
    Result whose table has per feature the odds ratio per SD with profile limits and p of Firth's likelihood, the same
    by permutation of the patients, the exact test at the median (Fisher), a test of the order PD < SD < PR < CR by
    permutation of ranks, and the area under the curve with limits by bootstrap.

    References
    ----------
    Heinze & Schemper (2002) Stat Med 21:2409; Agresti (2010) Analysis of Ordinal Categorical Data, section 7.
    """
    chance = np.random.default_rng(rng)
    wanted, known = set(outcome), response.reindex(values.index)
    rank = known.map(ORDER).astype(float)
    more = set(features)
    rows = []
    for name in values.columns:
        x = values[name].to_numpy(float)
        here = np.isfinite(x) & rank.notna().to_numpy()
        y = known.isin(wanted).to_numpy()[here]
        rows.append({"feature": name, "endpoint": "response", "n": int(here.sum()), "events": int(y.sum()),
                     **_one(x[here], y, rank.to_numpy()[here], chance, more=name in more)})  # fmt: skip
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(float))
    return Result(table, "Firth's logistic regression per SD", {"outcome": sorted(wanted)})


def _one(x: np.ndarray, y: np.ndarray, rank: np.ndarray, rng: np.random.Generator, *, more: bool) -> dict[str, object]:
    if min(int(y.sum()), int((~y).sum())) < 2:
        return {"reason": f"{int(y.sum())} with and {int((~y).sum())} without response"}
    sd = float(x.std(ddof=1))
    if not sd > 0:
        return {"reason": "the same value in every patient"}
    fit = firth_logistic(y, (x - x.mean()) / sd, which=(1,))
    if fit.reason:
        return {"reason": fit.reason}
    out: dict[str, object] = {
        "odds_ratio": np.exp(fit.coef[1]), "ci_low": np.exp(fit.low[1]), "ci_high": np.exp(fit.high[1]),
        "p_value": float(fit.p_value[1]), "reason": "",
    }  # fmt: skip
    if not more:
        return out
    high = x > np.median(x)
    counts = [[(y & high).sum(), (~y & high).sum()], [(y & ~high).sum(), (~y & ~high).sum()]]
    out["exact_odds_ratio"], out["exact_p"] = exact_two_by_two(np.array(counts))
    gap = x - x.mean()
    drawn = np.array([abs(gap[rng.permutation(x.size)[: int(y.sum())]].sum()) for _ in range(DRAWS)])
    out["p_permutation"] = (1 + (drawn >= abs(gap[y].sum()) - 1e-9).sum()) / (DRAWS + 1)
    r = stats.rankdata(rank) - (rank.size + 1) / 2
    own = abs(float(r @ stats.rankdata(x)))
    ranks = stats.rankdata(x)
    drawn = np.array([abs(float(r @ rng.permutation(ranks))) for _ in range(DRAWS)])
    out["ordinal_p"] = (1 + (drawn >= own - 1e-9).sum()) / (DRAWS + 1)
    out["auc"] = roc_area(x, y)
    out["auc_low"], out["auc_high"] = bootstrap_roc(x, y, rng)
    return out
