"""A score of several genes by nested cross-validation: concordance, optimism, calibration, decision curve."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scresist.kernels.cox import concordance_index
from scresist.kernels.cox_forms import net_benefit, predicted_risk
from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.restricted_mean import median_limits
from scresist.kernels.survival_curves import kaplan_meier
from scresist.results import Result
from scresist.survival.endpoint import Endpoint

SIZES = (1, 3, 5, 10, 20)
MIN_EVENTS = 15
THRESHOLDS = np.arange(10, 95, 5) / 100
GROUPS = 3
SHARED = 1.2  # of the error of resampled patients: the parts of a cross-validation share patients, and depend on them
FEWEST = 5  # patients on either side of a threshold from which net benefit has limits
DRAWS = 500


class NestedScore(NamedTuple):
    """The score in one row; net benefit by threshold of risk; predicted beside observed risk in thirds."""

    score: Result
    decision: Result
    calibration: Result


def nested_score(
    found: Endpoint, *, endpoint: str, folds: int = 5, repeats: int = 10, horizon: float | None = None,
    rng: int | np.random.Generator = 1,
) -> NestedScore:  # fmt: skip
    """Concordance of a score of the genes with the smallest p, all choices made without the patients it is judged in.

    The score is the mean of standardised genes times the sign of their log hazard ratio. In every outer training set
    the genes and (by an inner cross-validation) their number are chosen anew; the outer patients only judge.

    Parameters
    ----------
    found
        Patients with their times and values.
    endpoint
        Its name.
    folds, repeats
        Of the outer cross-validation.
    horizon
        Of the predicted risks; None is the median time of the Kaplan-Meier curve, or where it is not reached the median
        of the times.
    rng
        Source of chance, or its seed.

    Returns
    -------
    `score`: one row with `concordance` (cross-validated) with a 95 % interval from a bootstrap over patients of the
    out-of-fold scores, 1.2 times as wide for the patients that the parts of the cross-validation share (see
    docs/measured.md); `apparent` (the same patients), `optimism`, `slope` with limits (calibration: the coefficient of
    the predicted log hazard ratio in patients left out; 1 is right), and the number of genes that was chosen most
    often. `decision`: net benefit of treating patients whose predicted risk, by a model fitted without them, is at
    least a threshold, with limits by bootstrap over patients (four patients added, as wide; none where fewer than five
    patients are above or below the threshold), beside treating all (and none, which has 0). `calibration`: mean
    predicted and observed risk (Kaplan-Meier) in thirds of the predicted.

    References
    ----------
    Varma & Simon (2006) BMC Bioinformatics 7:91; Bates, Hastie & Tibshirani (2024) J Am Stat Assoc 119:1434 (parts
    share patients);
    Harrell, Lee & Mark (1996) Stat Med 15:361; Vickers & Elkin (2006) Med Decis Making 26:565.
    """
    chance = np.random.default_rng(rng)
    columns = ["endpoint", "n", "events", "concordance", "ci_low", "ci_high", "apparent", "optimism", "slope",
               "slope_low", "slope_high", "n_genes", "folds", "repeats", "reason"]  # fmt: skip
    values = found.values.loc[:, found.values.notna().all(axis=0)].to_numpy(float)
    n, events = found.time.size, int(found.event.sum())
    base = {"endpoint": endpoint, "n": n, "events": events, "folds": folds, "repeats": repeats, "reason": ""}
    late = found.entry is not None
    if events < MIN_EVENTS or values.shape[1] < 2 or late:
        reason = f"{events} events, fewer than {MIN_EVENTS}" if events < MIN_EVENTS else "fewer than two features"
        reason = "patients come under observation late: not computed" if late else reason
        alone = Result(pd.DataFrame([base | {"reason": reason}], columns=columns), "nested cross-validation")
        return NestedScore(alone, _decision([], endpoint), _calibration([], endpoint))
    until = _horizon(found) if horizon is None else horizon
    risk = np.full((repeats, n), np.nan)
    out, line, chosen = np.full((repeats, n), np.nan), np.full((repeats, n), np.nan), []
    error_of_line = np.full((repeats, folds), np.nan)  # relative, of the coefficient of each training set
    for r in range(repeats):
        fold = chance.permutation(n) % folds
        for f in range(folds):
            train, test = fold != f, fold == f
            size = _best_size(values[train], found.time[train], found.event[train], chance)
            chosen.append(size)
            of_all = _score(values[train], found.time[train], found.event[train], values, (size,))[0]
            out[r, test] = of_all[test]
            own_fit = scan_cox(
                found.time[train], found.event[train], of_all[train][:, None], firth=True, limits=False
            )  # fmt: skip
            line[r, test] = float(own_fit.coef[0]) * of_all[test]
            error_of_line[r, f] = own_fit.se[0] / own_fit.coef[0]
            risk[r, test] = predicted_risk(
                found.time[train], found.event[train], of_all[train], of_all[test], until
            )  # fmt: skip
    score = out.mean(axis=0)
    kept = int(np.bincount(chosen).argmax())
    apparent = concordance_index(
        _score(values, found.time, found.event, values, (kept,))[0], found.time, found.event
    )  # fmt: skip
    own = float(np.mean([concordance_index(row, found.time, found.event) for row in out]))
    draws = []
    for _ in range(500):
        rows = chance.integers(0, n, n)
        draws.append(concordance_index(score[rows], found.time[rows], found.event[rows]))
    low, high = _concordance_limits(own, float(np.nanstd(draws, ddof=1)), n)
    there = scan_cox(found.time, found.event, line.T, firth=True, limits=False)
    slope = float(np.mean(there.coef))
    # The errors of both coefficients: in the patients left out, and in those that the score was made from.
    reach = float(stats.norm.ppf(0.975) * np.hypot(np.mean(there.se), slope * np.mean(error_of_line)))
    row = base | {
        "concordance": own, "ci_low": low, "ci_high": high, "apparent": apparent,
        "optimism": apparent - own, "slope": slope, "slope_low": slope - reach, "slope_high": slope + reach,
        "n_genes": kept,
    }  # fmt: skip
    mean_risk = risk.mean(axis=0)
    whole_row = Result(pd.DataFrame([row], columns=columns), "nested cross-validation of a score of signs")
    if not np.isfinite(mean_risk).all():
        return NestedScore(whole_row, _decision([], endpoint), _calibration([], endpoint))
    return NestedScore(
        whole_row,
        _decision(_benefits(found, mean_risk, until, chance), endpoint),
        _calibration(_thirds(found, mean_risk, until), endpoint),
    )


def _concordance_limits(middle: float, error: float, n: int) -> tuple[float, float]:
    """Limits on the logit scale."""
    inside = min(max(middle, 0.5 / n), 1 - 0.5 / n)
    width = float(stats.norm.ppf(0.975)) * error * SHARED / (inside * (1 - inside))
    at = np.log(inside / (1 - inside))
    return float(1 / (1 + np.exp(width - at))), float(1 / (1 + np.exp(-width - at)))


def _horizon(found: Endpoint) -> float:
    middle = median_limits(found.time, found.event)[0]
    return float(np.median(found.time)) if np.isnan(middle) else float(middle)


def _benefits(found: Endpoint, risk: np.ndarray, until: float, rng: np.random.Generator) -> list[dict[str, object]]:
    """Net benefit of the score and of treating all at every threshold, with limits over resamples."""
    time, event = found.time, found.event
    own = net_benefit(time, event, risk, until, THRESHOLDS)
    everybody = net_benefit(time, event, np.ones(risk.size), until, THRESHOLDS)
    # Two patients above every threshold, one of them with the event, and two below: resamples without variation, where
    # few patients are above, tell nothing about the error (percentiles covered .55 to .88 with 40 patients).
    n = risk.size + 4
    late = 2 * max(until, float(time.max()))
    times, events = np.r_[time, 0.0, late, 0.0, late], np.r_[event, 1, 0, 1, 0]
    risks = np.r_[risk, 1.0, 1.0, 0.0, 0.0]
    middle = net_benefit(times, events, risks, until, THRESHOLDS)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)
    drawn = net_benefit(times, events, risks, until, THRESHOLDS, counts=counts)
    above = (risk[None, :] >= THRESHOLDS[:, None]).sum(axis=1)
    width = stats.norm.ppf(0.975) * SHARED * np.std(drawn, axis=0, ddof=1)
    width[np.minimum(above, risk.size - above) < FEWEST] = np.nan
    low, high = np.minimum(middle - width, own), np.maximum(middle + width, own)
    return [
        {"horizon": until, "threshold": t, "net_benefit": own[k], "ci_low": low[k], "ci_high": high[k],
         "benefit_all": everybody[k], "share_above": float((risk >= t).mean())}
        for k, t in enumerate(THRESHOLDS)
    ]  # fmt: skip


def _decision(rows: list[dict[str, object]], endpoint: str) -> Result:
    columns = ["endpoint", "horizon", "threshold", "net_benefit", "ci_low", "ci_high", "benefit_all", "share_above"]
    return Result(pd.DataFrame(rows, columns=columns).assign(endpoint=endpoint), "net benefit, cross-validated risks")


def _thirds(found: Endpoint, risk: np.ndarray, until: float) -> list[dict[str, object]]:
    """Predicted and observed risk in groups of equal size by predicted risk."""
    rows = []
    for k, place in enumerate(np.array_split(np.argsort(risk, kind="stable"), GROUPS)):
        curve = kaplan_meier(found.time[place], found.event[place])
        at = int(np.searchsorted(curve.time, until, side="right")) - 1
        seen = curve.survival[at] if at >= 0 else 1.0
        low, high = (curve.ci_high[at], curve.ci_low[at]) if at >= 0 else (np.nan, np.nan)
        rows.append({
            "horizon": until, "third": k + 1, "n": place.size, "events": int(found.event[place].sum()),
            "predicted": float(risk[place].mean()), "observed": 1 - seen, "ci_low": 1 - low, "ci_high": 1 - high,
        })  # fmt: skip
    return rows


def _calibration(rows: list[dict[str, object]], endpoint: str) -> Result:
    columns = ["endpoint", "horizon", "third", "n", "events", "predicted", "observed", "ci_low", "ci_high"]
    return Result(pd.DataFrame(rows, columns=columns).assign(endpoint=endpoint), "Kaplan-Meier in thirds of the risk")


def _score(
    train: np.ndarray, time: np.ndarray, event: np.ndarray, test: np.ndarray, sizes: tuple[int, ...]
) -> list[np.ndarray]:
    """Scores of other patients by the genes of smallest p of the training patients, one per number of genes."""
    fit = scan_cox(time, event, train, limits=False, firth=False)
    z = np.where(np.isfinite(fit.coef), fit.coef / fit.se, 0.0)
    order = np.argsort(-np.abs(z), kind="stable")
    centre, sd = train.mean(axis=0), train.std(axis=0)
    standard = (test - centre) / np.where(sd > 0, sd, 1.0)
    return [standard[:, order[:k]] @ np.sign(z[order[:k]]) / k for k in sizes]


def _best_size(values: np.ndarray, time: np.ndarray, event: np.ndarray, rng: np.random.Generator) -> int:
    sizes = tuple(k for k in SIZES if k <= values.shape[1])
    fold = rng.permutation(time.size) % 3
    held = np.full((len(sizes), time.size), np.nan)
    for f in range(3):
        held[:, fold == f] = _score(values[fold != f], time[fold != f], event[fold != f], values[fold == f], sizes)
    return sizes[int(np.nanargmax([concordance_index(row, time, event) for row in held]))]
