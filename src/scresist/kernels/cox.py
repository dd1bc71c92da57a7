"""Cox's proportional hazards: Efron and Breslow ties, strata, start-stop times, robust variance, tests of the model."""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from scresist.kernels.cox_likelihood import _maximise as likelihood_maximum
from scresist.kernels.cox_likelihood import cox_data, derivatives

_ITERATIONS = 200


@dataclass(frozen=True, slots=True)
class CoxFit:
    """A fitted model; arrays are per covariate. Everything is NaN where `reason` is not empty."""

    coef: np.ndarray
    se: np.ndarray
    robust_se: np.ndarray
    p_wald: np.ndarray
    p_lrt: float
    p_score: float
    loglik_null: float
    loglik: float
    concordance: float
    zph_chisq: np.ndarray
    zph_p: np.ndarray
    n: int
    n_events: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Data:
    """Times, covariates about their means and, per slot (one per death), its risk set.

    Under Efron's ties the k-th of d deaths at one time counts each of the d with a share (d - k) / d.
    """

    x: np.ndarray
    time: np.ndarray
    entry: np.ndarray
    event: np.ndarray
    stratum: np.ndarray
    ends: np.ndarray
    starts: np.ndarray
    death_order: np.ndarray
    slot_time: np.ndarray
    slot_share: np.ndarray
    slot_stratum: np.ndarray
    from_end: np.ndarray
    stop_end: np.ndarray
    from_start: np.ndarray
    stop_start: np.ndarray
    first_death: np.ndarray
    last_death: np.ndarray


def cox_regression(
    time: np.ndarray,
    event: np.ndarray,
    covariates: np.ndarray,
    *,
    entry: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    ties: str = "efron",
    diagnose: bool = True,
) -> CoxFit:
    """Log hazard ratios per unit of each covariate.

    Parameters
    ----------
    time
        End of each row's time at risk, shape (rows,). A row is a patient, or with `entry` an interval of a patient.
    event
        1 (or True) if the interval ends in the event, shape (rows,).
    covariates
        Shape (rows,) or (rows, covariates).
    entry
        Start of each row's time at risk; a row counts after it, up to and including its end.
    strata
        Groups with a baseline hazard each. Shape (rows,).
    cluster
        Rows of one unit (a patient) for the robust variance; None computes none.
    ties
        efron | breslow.
    diagnose
        Also the concordance and the test of proportional hazards (score test, Kaplan-Meier time).

    Returns
    -------
    Estimates are NaN with a reason where there is no event, a covariate does not vary, or the likelihood has no
    maximum (a covariate that orders the events perfectly).

    References
    ----------
    Cox (1972) J R Stat Soc B 34:187; Efron (1977) J Am Stat Assoc 72:557; Lin & Wei (1989) ibid. 84:1074 (robust
    variance); Grambsch & Therneau (1994) Biometrika 81:515 (proportional hazards).
    """
    if ties not in ("efron", "breslow"):
        raise ValueError(f"ties must be efron or breslow; got {ties!r}")
    x = np.asarray(covariates, dtype=float)
    x = x[:, None] if x.ndim == 1 else x
    n, p = x.shape
    event = np.asarray(event).astype(bool)
    time = np.asarray(time, dtype=float)
    start = np.full(n, -np.inf) if entry is None else np.asarray(entry, dtype=float)
    layer = np.zeros(n, int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    if not event.any():
        return _failed(n, 0, p, "no event")
    scale = x.std(axis=0)
    if (scale <= 1e-12 * np.maximum(np.abs(x).max(axis=0), 1e-300)).any():
        return _failed(n, int(event.sum()), p, "a covariate does not vary")
    data = _prepare((x - x.mean(axis=0)) / scale, time, start, event, layer, efron=ties == "efron")
    null = _derivatives(data, np.zeros(p))
    beta, now, reason = _maximise(data, null)
    if reason:
        return _failed(n, int(event.sum()), p, reason)
    inverse = np.linalg.inv(now[2])
    se = np.sqrt(np.diag(inverse))
    robust = np.full(p, np.nan)
    if cluster is not None:
        shift = _score_residuals(data, beta) @ inverse
        groups = np.unique(cluster, return_inverse=True)[1].ravel()
        summed = np.stack([np.bincount(groups, weights=column) for column in shift.T], axis=1)
        robust = np.sqrt(np.sum(summed**2, axis=0))
    used = robust if cluster is not None else se
    chisq = np.full(p, np.nan)
    concordance = float("nan")
    if diagnose:
        chisq = _proportionality(data, beta)
        concordance = concordance_index(x @ (beta / scale), time, event, entry=start, strata=layer)
    return CoxFit(
        coef=beta / scale, se=se / scale, robust_se=robust / scale, p_wald=2 * stats.norm.sf(np.abs(beta / used)),
        p_lrt=float(stats.chi2.sf(2 * (now[0] - null[0]), p)),
        p_score=float(stats.chi2.sf(null[1] @ np.linalg.solve(null[2], null[1]), p)),
        loglik_null=float(null[0]), loglik=float(now[0]), concordance=concordance,
        zph_chisq=chisq, zph_p=stats.chi2.sf(chisq, 1), n=n, n_events=int(event.sum()), reason="",
    )  # fmt: skip


def _failed(n: int, n_events: int, p: int, reason: str) -> CoxFit:
    gap, nan = np.full(p, np.nan), float("nan")
    return CoxFit(gap, gap, gap, gap, nan, nan, nan, nan, nan, gap, gap, n, n_events, reason)


def _prepare(
    x: np.ndarray, time: np.ndarray, entry: np.ndarray, event: np.ndarray, stratum: np.ndarray, *, efron: bool
) -> _Data:
    """Sort once, so that every risk set is a difference of two cumulated sums."""
    # Rows are sorted by stratum, then by time.
    ends, starts = np.lexsort((time, stratum)), np.lexsort((entry, stratum))
    deaths = np.flatnonzero(event)
    order = deaths[np.lexsort((time[deaths], stratum[deaths]))]
    t, s = time[order], stratum[order]
    new = np.r_[True, (np.diff(t) != 0) | (np.diff(s) != 0)]
    first = np.flatnonzero(new)[np.cumsum(new) - 1]
    size = np.bincount(np.cumsum(new) - 1)[np.cumsum(new) - 1]
    share = (np.arange(order.size) - first) / size if efron else np.zeros(order.size)

    def bounds(key: np.ndarray, rank: np.ndarray, when: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low = np.searchsorted(stratum[rank], when_stratum, side="left")
        high = np.searchsorted(stratum[rank], when_stratum, side="right")
        begin = np.array(
            [a + np.searchsorted(key[rank[a:b]], w, side="left") for a, b, w in zip(low, high, when, strict=True)]
        )
        return begin.astype(int), high

    when_stratum = s
    from_end, stop_end = bounds(time, ends, t)
    from_start, stop_start = bounds(entry, starts, t)
    return _Data(
        x, time, entry, event, stratum, ends, starts, order, t, share, s, from_end, stop_end, from_start, stop_start,
        first, first + size,
    )  # fmt: skip


def _over_risk(data: _Data, amount: np.ndarray) -> np.ndarray:
    """Sum of a quantity per row over the risk set of every slot, the dead counted by their share."""
    shape = (1, *amount.shape[1:])
    by_end = np.concatenate([np.zeros(shape), np.cumsum(amount[data.ends], axis=0)])
    by_start = np.concatenate([np.zeros(shape), np.cumsum(amount[data.starts], axis=0)])
    dead = np.concatenate([np.zeros(shape), np.cumsum(amount[data.death_order], axis=0)])
    share = data.slot_share.reshape(-1, *[1] * (amount.ndim - 1))
    at_risk = by_end[data.stop_end] - by_end[data.from_end] - (by_start[data.stop_start] - by_start[data.from_start])
    return at_risk - share * (dead[data.last_death] - dead[data.first_death])


def _moments(data: _Data, beta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Per slot the sum of risks, mean and covariance of the covariates; the risks; the shift taken off the logs."""
    linear = data.x @ beta
    shift = float(linear.max())
    risk = np.exp(linear - shift)
    total = _over_risk(data, risk)
    mean = _over_risk(data, risk[:, None] * data.x) / total[:, None]
    square = _over_risk(data, risk[:, None, None] * data.x[:, :, None] * data.x[:, None, :]) / total[:, None, None]
    return total, mean, square - mean[:, :, None] * mean[:, None, :], risk, shift


def _derivatives(data: _Data, beta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Log partial likelihood, score and information."""
    total, mean, covariance, _, shift = _moments(data, beta)
    died = data.x[data.death_order]
    value = float(np.sum(died @ beta - shift - np.log(total)))
    return value, (died - mean).sum(axis=0), covariance.sum(axis=0)


def _maximise(
    data: _Data, start: tuple[float, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, tuple[float, np.ndarray, np.ndarray], str]:
    """Newton steps of at most 2 SD each, halved while the likelihood falls; a maximum is judged after them.

    Whether the likelihood has one is a question about the order of the events, not about the size of an estimate: see
    `separating`.
    """
    beta, now, stuck = np.zeros(data.x.shape[1]), start, False
    for _ in range(_ITERATIONS):
        if not np.isfinite(now[2]).all() or _flat(now[2], data):
            stuck = True
            break
        step = np.linalg.solve(now[2], now[1])
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-300))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            new = _derivatives(data, beta + step)
            halvings = 0
            while not new[0] >= now[0] - 1e-12 * abs(now[0]) and halvings < 40:
                step = step / 2
                new = _derivatives(data, beta + step)
                halvings += 1
        beta, now = beta + step, new
        if np.abs(step).max() < 1e-10 * (1 + np.abs(beta).max()):
            break
    else:
        stuck = True
    if stuck or np.abs(beta).max() > 5:
        found = separating(data.x, data.time, data.event, data.entry, data.stratum)
        if found == "collinear":
            return beta, now, "covariates are collinear"
        if found:
            return beta, now, "a covariate orders the events perfectly: the hazard ratio has no finite estimate"
        # Differences of cumulated sums lose digits for so large an estimate: the compiled likelihood has none of them.
        beta, now, stuck = _stable(data)
    return beta, now, "the likelihood did not converge" if stuck else ""


def _stable(data: _Data) -> tuple[np.ndarray, tuple[float, np.ndarray, np.ndarray], bool]:
    """The maximum by sums over risk sets that are scaled to their largest term; whether it was not reached."""
    entry = data.entry if np.isfinite(data.entry).any() else None
    ties = "efron" if (data.slot_share > 0).any() else "breslow"
    own = cox_data(data.time, data.event, entry=entry, strata=data.stratum, ties=ties)
    x, p = np.ascontiguousarray(data.x[own.order]), data.x.shape[1]
    beta, score, information = np.zeros(p), np.zeros(p), np.zeros((p, p))
    _, _, _, converged = likelihood_maximum(x, beta, 0, own, penalised=False, tolerance=1e-10, iterations=300)
    value = derivatives(x, beta, own, np.zeros((p, p, p)), score, information, penalised=False)
    return beta, (value, score, information), not converged


def separating(x: np.ndarray, time: np.ndarray, event: np.ndarray, entry: np.ndarray, stratum: np.ndarray) -> str:
    """Why the likelihood has no single finite maximum: `collinear`, `monotone`, or empty where it has one.

    It is monotone where some combination of the covariates is, at every event, largest in the patient who has it.

    References
    ----------
    Bryson & Johnson (1981) Technometrics 23:381; Jacobsen (1989) Scand J Stat 16:335 (existence of the maximum).
    """
    gaps = []
    for i in np.flatnonzero(event):
        others = (stratum == stratum[i]) & (time >= time[i]) & (entry < time[i])
        others[i] = False
        gaps.append(x[i] - x[others])
    gap = np.concatenate(gaps) if gaps else np.zeros((0, x.shape[1]))
    gap = np.unique(gap, axis=0)
    if np.linalg.matrix_rank(gap, tol=1e-9 * max(1.0, float(np.abs(gap).max(initial=0.0)))) < x.shape[1]:
        return "collinear"
    best = optimize.linprog(-gap.sum(axis=0), A_ub=-gap, b_ub=np.zeros(len(gap)), bounds=(-1, 1), method="highs")
    return "monotone" if best.status == 0 and -best.fun > 1e-7 else ""


def _flat(information: np.ndarray, data: _Data) -> bool:
    """Whether the events have no information in some direction; covariates are standardised, an event adds about 1."""
    return bool(np.linalg.eigvalsh(information).min() <= 1e-9 * data.death_order.size)


def _score_residuals(data: _Data, beta: np.ndarray) -> np.ndarray:
    """Each row's contribution to the score, shape (rows, covariates)."""
    total, mean, _, risk, _ = _moments(data, beta)
    n, p = data.x.shape
    hazard, drift = np.zeros(n), np.zeros((n, p))
    # Slots of a stratum in (entry, time] of a row.
    for layer in np.unique(data.slot_stratum):
        rows, slots = np.flatnonzero(data.stratum == layer), np.flatnonzero(data.slot_stratum == layer)
        grid = data.slot_time[slots]
        cumulated = np.concatenate([[0.0], np.cumsum(1 / total[slots])])
        drifted = np.concatenate([np.zeros((1, p)), np.cumsum(mean[slots] / total[slots, None], axis=0)])
        begin = np.searchsorted(grid, data.entry[rows], side="right")
        end = np.searchsorted(grid, data.time[rows], side="right")
        end = np.maximum(end, begin)
        hazard[rows] = cumulated[end] - cumulated[begin]
        drift[rows] = drifted[end] - drifted[begin]
    residual = -risk[:, None] * (data.x * hazard[:, None] - drift)
    lost_hazard = np.concatenate([[0.0], np.cumsum(data.slot_share / total)])
    lost_drift = np.concatenate([np.zeros((1, p)), np.cumsum((data.slot_share / total)[:, None] * mean, axis=0)])
    centre = np.concatenate([np.zeros((1, p)), np.cumsum(mean, axis=0)])
    row, a, b = data.death_order, data.first_death, data.last_death
    typical = (centre[b] - centre[a]) / (b - a)[:, None]
    spared = data.x[row] * (lost_hazard[b] - lost_hazard[a])[:, None] - (lost_drift[b] - lost_drift[a])
    residual[row] += data.x[row] - typical + risk[row, None] * spared
    return residual


def _proportionality(data: _Data, beta: np.ndarray) -> np.ndarray:
    """Score tests that each coefficient changes with Kaplan-Meier time, shape (covariates,)."""
    _, mean, covariance, _, _ = _moments(data, beta)
    # Schoenfeld residuals are shared among tied deaths: each slot is compared with the mean of the tied.
    clock = _left_continuous_km(data)[data.death_order]
    clock = clock - clock.mean()
    score = np.sum(clock[:, None] * (data.x[data.death_order] - mean), axis=0)
    base = covariance.sum(axis=0)
    cross = np.einsum("s,sij->ij", clock, covariance)
    own = np.einsum("s,sij->ij", clock**2, covariance)
    left = own - cross @ np.linalg.solve(base, cross)
    diagonal = np.diag(left)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(diagonal > 1e-12 * np.diag(own), score**2 / diagonal, np.nan)


def _left_continuous_km(data: _Data) -> np.ndarray:
    """1 - Kaplan-Meier of all rows together just before each row's end."""
    at = np.unique(data.time[data.event])
    ends, starts = np.sort(data.time), np.sort(data.entry)
    risk = (data.time.size - np.searchsorted(ends, at)) - (data.time.size - np.searchsorted(starts, at))
    dead = np.bincount(np.searchsorted(at, data.time[data.event]), minlength=at.size)
    survival = np.concatenate([[1.0], np.cumprod(1 - dead / risk)])
    return 1 - survival[np.searchsorted(at, data.time, side="left")]


def concordance_index(
    risk: np.ndarray,
    time: np.ndarray,
    event: np.ndarray,
    *,
    entry: np.ndarray | None = None,
    strata: np.ndarray | None = None,
) -> float:
    """Share of comparable pairs in which the row with the higher risk has the event first; ties of risk count half.

    References
    ----------
    Harrell et al. (1982) JAMA 247:2543.
    """
    risk, time, event = np.asarray(risk, float), np.asarray(time, float), np.asarray(event).astype(bool)
    start = np.full(time.size, -np.inf) if entry is None else np.asarray(entry, float)
    layer = np.zeros(time.size) if strata is None else np.asarray(strata)
    concordant = pairs = 0.0
    for i in np.flatnonzero(event):
        later = (time > time[i]) | ((time == time[i]) & ~event)
        others = later & (layer == layer[i]) & (start < time[i])
        pairs += float(others.sum())
        concordant += float((risk[others] < risk[i]).sum() + 0.5 * (risk[others] == risk[i]).sum())
    return concordant / pairs if pairs else float("nan")
