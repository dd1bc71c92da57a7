"""Best response and clinical benefit: Firth's logistic regression, exact test, order of the categories, area under the curve."""  # noqa: E501

from collections.abc import Callable, Iterable, Mapping
from math import comb

import numpy as np
import pandas as pd
from scipy import stats

from scresist.contrasts.verdict import ALPHA
from scresist.kernels.logistic import bootstrap_roc, exact_two_by_two, firth_logistic, roc_area
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.ordinal import ordinal_logistic, ordinal_permutation
from scresist.results import Result
from scresist.study.design import BEFORE, Design

ORDER = {"PD": 0, "SD": 1, "PR": 2, "CR": 3}
OUTCOMES: Mapping[str, tuple[str, ...]] = {"response": ("CR", "PR"), "clinical benefit": ("CR", "PR", "SD")}
ORDERED = "best response"
DRAWS, MORE_DRAWS = 1999, 19_999
MODELLED_BELOW = 0.2  # p of the order below which the proportional-odds model is fitted
MIN_SIDE = 2
FUNCTION = 0.9  # area under the curve from which arms are taken as a function of the response
_COLUMNS = (
    "feature", "endpoint", "odds_ratio", "ci_low", "ci_high", "p_value", "p_permutation", "p_floor", "q_value", "n",
    "events", "method", "exact_odds_ratio", "exact_p", "auc", "auc_low", "auc_high", "influence", "influence_patient",
    "rests_on_one", "family", "weak", "reason",
)  # fmt: skip


def best_response(
    values: pd.DataFrame, response: pd.Series, *, features: Iterable[object] = (), weak: str = "",
    adjust: pd.DataFrame | None = None, rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """Odds of a response, of clinical benefit and of a better category per standard deviation of each feature.

    Parameters
    ----------
    values
        Patients x features.
    response
        Best response (CR, PR, SD, PD; others are missing), by patient.
    features
        Those whose curve, exact test and ordinal model are computed whatever their p; the family of the q-values is all
        of the values.
    weak
        The same evidence as a contrast, in words; empty where it is not.
    adjust
        Covariates as numbers, patients x columns; patients without a row have no part. They enter the odds ratios and
        their p, not the exact test and the area under the curve.
    rng
        Source of chance, or its seed.

    Returns
    -------
    Result whose table has per feature three rows. `response` (CR, PR) and `clinical benefit` (CR, PR, SD): odds ratio
    with profile limits and p of Firth's likelihood, `p_permutation` of the patients, the exact test at the median
    (Fisher), area under the curve with limits by bootstrap. `best response`: proportional odds over the order
    PD < SD < PR < CR, its p-value by permutation of the score test, its odds ratio by a penalised likelihood where p is
    below 0.2. `p_floor` is the smallest p that permuting so few patients can reach. q-values are per endpoint.

    References
    ----------
    Heinze & Schemper (2002) Stat Med 21:2409; McCullagh (1980) J R Stat Soc B 42:109.
    """
    chance = np.random.default_rng(rng)
    known = response.reindex(values.index)
    rank = known.map(ORDER).astype(float)
    more = set(features)
    beside = pd.DataFrame(index=values.index) if adjust is None else adjust.reindex(values.index)
    fixed, complete = beside.to_numpy(float), beside.notna().all(axis=1).to_numpy()
    rows: list[dict[str, object]] = []
    for name in values.columns:
        x = values[name].to_numpy(float)
        here = np.isfinite(x) & rank.notna().to_numpy() & complete
        z = fixed[here]
        z = z[:, z.std(axis=0) > 0] if here.any() else z
        for endpoint, wanted in OUTCOMES.items():
            y = known.isin(wanted).to_numpy()[here]
            found = _binary(x[here], y, z, chance, more=name in more)
            found |= _leave_out(x[here], y.astype(int), z, values.index[here], found, _firth)
            rows.append({"feature": name, "endpoint": endpoint, "n": int(here.sum()), "events": int(y.sum()), **found})
        found = _ordered(x[here], rank.to_numpy()[here], z, chance, more=name in more)
        found |= _leave_out(x[here], rank.to_numpy()[here], z, values.index[here], found, _score)
        rows.append({"feature": name, "endpoint": ORDERED, "n": int(here.sum()), **found})
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).assign(weak=weak)
    table["family"] = table["endpoint"]
    if adjust is not None:
        words = f", adjusted for {', '.join(dict.fromkeys(adjust.columns))}"
        table["method"] = table["method"].where(table["method"].isna(), table["method"].astype(str) + words)
    for _, own in table.groupby("endpoint", sort=False):
        table.loc[own.index, "q_value"] = benjamini_hochberg(own["p_value"].to_numpy(float))
    notes = (weak,) if weak else ()
    return Result(table, "Firth's logistic regression and proportional odds, per SD", {"order": dict(ORDER)}, notes)


def _binary(x: np.ndarray, y: np.ndarray, z: np.ndarray, rng: np.random.Generator, *, more: bool) -> dict[str, object]:
    """One feature and a yes or no."""
    if min(int(y.sum()), int((~y).sum())) < MIN_SIDE:
        return {"reason": f"{int(y.sum())} with and {int((~y).sum())} without"}
    sd = float(x.std(ddof=1))
    if not sd > 1e-12 * float(np.abs(x).max()):
        return {"reason": "the same value in every patient"}
    fit = firth_logistic(y, np.column_stack([(x - x.mean()) / sd, z]), which=(1,))
    if fit.reason:
        return {"reason": fit.reason}
    k = int(y.sum())
    out: dict[str, object] = {
        "odds_ratio": np.exp(fit.coef[1]), "ci_low": np.exp(fit.low[1]), "ci_high": np.exp(fit.high[1]),
        "p_value": float(fit.p_value[1]), "p_floor": (1 if 2 * k != y.size else 2) / comb(y.size, k),
        "p_permutation": _permuted(x, y.astype(int), z, rng), "method": "Firth's logistic regression", "reason": "",
        "auc": roc_area(x, y),
    }  # fmt: skip
    if more:
        high = x > np.median(x)
        counts = [[(y & high).sum(), (~y & high).sum()], [(y & ~high).sum(), (~y & ~high).sum()]]
        out["exact_odds_ratio"], out["exact_p"] = exact_two_by_two(np.array(counts))
        out["auc_low"], out["auc_high"] = bootstrap_roc(x, y, rng)
    return out


def _ordered(
    x: np.ndarray, rank: np.ndarray, z: np.ndarray, rng: np.random.Generator, *, more: bool
) -> dict[str, object]:
    """One feature and the ordered categories."""
    counts = np.unique(rank, return_counts=True)[1]
    if counts.size < 2 or counts.sum() - counts.max() < MIN_SIDE:
        return {"reason": f"{counts.max(initial=0)} of {counts.sum()} patients have the same best response"}
    sd = float(x.std(ddof=1))
    if not sd > 1e-12 * float(np.abs(x).max()):
        return {"reason": "the same value in every patient"}
    p = _permuted(x, rank, z, rng)
    ways = 1.0
    left = int(counts.sum())
    for c in counts:
        ways *= comb(left, int(c))
        left -= int(c)
    out: dict[str, object] = {
        "p_value": p, "p_permutation": p, "p_floor": max(1 / ways, 1 / (MORE_DRAWS + 1)), "reason": "",
        "method": "proportional odds, score test by permutation",
    }  # fmt: skip
    if more or p < MODELLED_BELOW:
        fit = ordinal_logistic(rank, (x - x.mean()) / sd, adjust=z)
        out |= {"odds_ratio": np.exp(fit.coef), "ci_low": np.exp(fit.low), "ci_high": np.exp(fit.high)}
    return out


def _firth(x: np.ndarray, rank: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """Log odds ratio and p."""
    if np.unique(rank).size < 2 or not x.std() > 0:
        return np.nan, 1.0
    fit = firth_logistic(rank, np.column_stack([x, z[:, z.std(axis=0) > 0]]), which=(1,), limits=False)
    return float(fit.coef[1]), float(fit.p_value[1])


def _score(x: np.ndarray, rank: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """Partial correlation of the value with the ranks of the categories, and p of its normal approximation."""
    base, ridit = np.column_stack([np.ones(x.size), z]), stats.rankdata(rank)
    x, ridit = (v - base @ np.linalg.lstsq(base, v, rcond=None)[0] for v in (x, ridit))
    if not (x.std() > 1e-12 and ridit.std() > 1e-12):
        return np.nan, 1.0
    r = float(np.corrcoef(x, ridit)[0, 1])
    return r, float(2 * stats.norm.sf(abs(r) * np.sqrt(x.size - 1)))


def _leave_out(
    x: np.ndarray, rank: np.ndarray, z: np.ndarray, patients: pd.Index, found: dict[str, object],
    fit: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[float, float]],
) -> dict[str, object]:  # fmt: skip
    """For p below 0.05: how far the effect moves without one patient, whose that is, and whether it then is none."""
    out: dict[str, object] = {"influence": np.nan, "influence_patient": "", "rests_on_one": False}
    p = found.get("p_value")
    if not (isinstance(p, float) and p < ALPHA):
        return out
    whole, own = fit(x, rank, z)
    # Where p is by permutation, that of the approximation is brought to it.
    scale = stats.norm.isf(max(p, 1e-300) / 2) / stats.norm.isf(min(max(own, 1e-300), 1 - 1e-12) / 2)
    parts = [fit(np.delete(x, i), np.delete(rank, i), np.delete(z, i, axis=0)) for i in range(x.size)]
    change = np.array([abs(b - whole) / abs(whole) if np.isfinite(b) else np.inf for b, _ in parts])
    lost = np.array([
        not (2 * stats.norm.sf(scale * stats.norm.isf(max(q, 1e-300) / 2)) < ALPHA and b * whole > 0) for b, q in parts
    ])  # fmt: skip
    worst = int(np.argmax(np.where(lost, change + change[np.isfinite(change)].max(initial=0.0) + 1, change)))
    return {"influence": change[worst], "influence_patient": str(patients[worst]), "rests_on_one": bool(lost.any())}


def _permuted(x: np.ndarray, rank: np.ndarray, z: np.ndarray, rng: np.random.Generator) -> float:
    """By permutation, with more draws where a few give a small p."""
    p = ordinal_permutation(rank, x, rng, draws=DRAWS, adjust=z)
    return ordinal_permutation(rank, x, rng, draws=MORE_DRAWS, adjust=z) if p < 10 / DRAWS else p


def same_response(design: Design, response: pd.Series) -> str:
    """Words where the arms of a contrast follow from the best response of the patients; empty where none does.

    So it is for a contrast of primary resistance, which the best response defines, and wherever the order of the
    categories tells the arms of samples from before treatment apart (area under the curve of at least 0.9).

    Parameters
    ----------
    design
        Arms, contrasts, sheet of samples.
    response
        Best response by patient.
    """
    early = design.samples[(design.taken() == BEFORE) | design.taken().isna()]
    rank = response.set_axis(response.index.astype(str)).map(ORDER)
    names = []
    for contrast in design.contrasts:
        inside = early[early["arm"].isin(contrast.arms)]
        of = rank.reindex(inside["patient"].astype(str)).to_numpy(float)
        test = (inside["arm"] == contrast.test).to_numpy()[np.isfinite(of)]
        of = of[np.isfinite(of)]
        if min(test.sum(), (~test).sum()) < MIN_SIDE:
            continue
        apart = roc_area(of, test)
        if contrast.resistance == "primary" or max(apart, 1 - apart) >= FUNCTION:
            names.append(contrast.name)
    if not names:
        return ""
    listed = ", ".join(names)
    return f"the same evidence as contrast {listed}: its arms follow from the best response; it counts once, there"
