"""Cox models of many features: Efron with profile limits, Firth without a maximum, permutation for few events."""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy import stats

from scresist.kernels._blocks import over_rows
from scresist.kernels.cox_likelihood import COARSE, MARGINAL, CoxData, _limit, _maximise, cox_data, derivatives, ordered

PLAIN, FIRTH, CALIBRATED = 0, 1, 2
# Of the coefficients, in SD: the statistic of a permutation is right to the square of it.
_FINE, _COARSE = 1e-10, 1e-5
FIRST_DRAWS = 199  # of every feature; the rest are for those with small p
FEWEST_DRAWS = 19  # fewer permutations have no 95 % point
_AT_A_TIME = 16  # features of one task: starting a thread costs more than a few fits
CONSTANT, NOT_CONVERGED, NO_EVENT = (
    "the same value in every patient",
    "the patients at risk at the events do not differ enough",
    "no event",
)


class CoxScan(NamedTuple):
    """One value per feature: log hazard ratio per unit with limits, p, and how it was fitted.

    `how` is 0 for the likelihood, 1 for Firth's, 2 for Firth's with the statistic calibrated by permutation;
    `scale` is the 95 % point of the permuted statistic over that of chi-square (1 without permutations).
    """

    coef: np.ndarray
    se: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p_value: np.ndarray
    p_permutation: np.ndarray
    scale: np.ndarray
    how: np.ndarray
    monotone: np.ndarray
    reason: list[str]


def scan_cox(
    time: np.ndarray,
    event: np.ndarray,
    values: np.ndarray,
    *,
    adjust: np.ndarray | None = None,
    entry: np.ndarray | None = None,
    strata: np.ndarray | None = None,
    ties: str = "efron",
    firth: bool | None = None,
    permutations: int = 0,
    permute_below: float = 1.0,
    level: float = 0.95,
    limits: bool = True,
    rng: np.random.Generator | None = None,
) -> CoxScan:
    """Hazard ratios of features, one model each, with profile-likelihood limits.

    Where the likelihood has no maximum (the feature orders the events), and where `firth` asks for it, the penalised
    likelihood of Firth is used. With `permutations` the residuals of the feature on the covariates are permuted over
    the patients (within strata); the likelihood-ratio statistic is then compared with the chi-square distribution
    times the scale at which 5 % of the permuted statistics exceed its 95 % point, and the limits are those of that
    test, so that test and interval agree.

    Parameters
    ----------
    time, event
        Shape (patients,).
    values
        Shape (patients, features), without missing values.
    adjust
        Covariates, shape (patients, covariates).
    entry, strata
        As in `cox_regression`.
    ties
        efron | breslow | marginal: the sum over all orders that tied deaths may have had, for times rounded to scans.
        It is what SAS names exact, not the discrete-time likelihood that R's coxph has under that name.
    firth
        True: Firth's likelihood throughout; False: never; None: where the likelihood has no maximum.
    permutations
        Number of permutations, 0 or at least 19; needs `rng`.
    permute_below
        After the first 199 permutations only features whose p-value is below this get the others.
    level
        Coverage of the limits.
    limits
        Whether limits are computed.
    rng
        Source of chance.

    References
    ----------
    Efron (1977) J Am Stat Assoc 72:557; Kalbfleisch & Prentice (1973) Biometrika 60:267 (marginal); Heinze & Schemper
    (2001) Biometrics 57:114; Venzon & Moolgavkar (1988) Appl Stat 37:87 (profile limits); Freedman & Lane (1983) J Bus
    Econ Stat 1:292 (permuted residuals).
    """
    data = cox_data(time, event, entry=entry, strata=strata, ties=ties)
    values = np.asarray(values, dtype=np.float64)
    n, features = values.shape
    x = values[data.order]
    centre, sd = x.mean(axis=0), x.std(axis=0)
    constant = sd <= 1e-12 * np.maximum(np.abs(x).max(axis=0, initial=0.0), 1e-300)
    z = np.zeros((n, 0)) if adjust is None else np.asarray(adjust, dtype=np.float64)[data.order]
    if z.shape[1]:
        z = (z - z.mean(axis=0)) / np.where(z.std(axis=0) > 0, z.std(axis=0), 1.0)
    usable = ~constant & bool(data.died.any())
    x = np.ascontiguousarray(((x - centre) / np.where(constant, 1.0, sd)).T)
    base = np.column_stack([np.ones(n), z])
    fitted = np.ascontiguousarray((base @ np.linalg.lstsq(base, x.T, rcond=None)[0]).T)
    collinear = usable & (np.abs(x - fitted).max(axis=1, initial=0.0) < 1e-9)
    usable &= ~collinear
    draws = _permutations(data, permutations, rng)
    mode = -1 if firth is None else int(firth)
    fall = float(stats.chi2.ppf(level, 1))
    reach = float(stats.chi2.isf(permute_below, 1)) if permute_below < 1 else -1.0
    out = np.full((features, 8), np.nan)
    # The same nodes for the observed order of the patients as for the permuted ones.
    quick = data._replace(ties=COARSE) if data.ties == MARGINAL else data

    def rows(start: int, stop: int) -> None:
        _scan(x, fitted, z, usable, draws, data, quick, mode, fall, reach, limits, out, start, stop)

    over_rows(rows, features, _AT_A_TIME)
    coef, se, low, high, ratio, scale, how, above = out.T
    failed = ~np.isfinite(ratio)
    p_value = stats.chi2.sf(np.maximum(ratio, 0.0) / scale, 1)
    p_value = np.where(failed, np.nan, np.maximum(p_value, np.finfo(float).tiny))
    sign = np.array([ordered(row, data) for row in x]) if n < 400 else np.where(how > 0, 1, 0)
    none = "" if data.died.any() else NO_EVENT
    reason = [
        none or (CONSTANT if constant[k] else "collinear with the covariates" if collinear[k] else
                 NOT_CONVERGED if failed[k] else "")
        for k in range(features)
    ]  # fmt: skip
    unit = np.where(constant, 1.0, sd)
    return CoxScan(
        coef / unit, se / unit, low / unit, high / unit, p_value, np.where(failed, np.nan, above), scale,
        np.where(failed, 0, how).astype(int), sign != 0, reason,
    )  # fmt: skip


def _permutations(data: CoxData, n: int, rng: np.random.Generator | None) -> np.ndarray:
    """Orders of the patients, permuted within strata."""
    size = data.time.size
    if n == 0:
        return np.zeros((0, size), np.int64)
    if rng is None or n < FEWEST_DRAWS:
        raise ValueError(f"permutations need rng, and at least {FEWEST_DRAWS}; got {n}")
    out = np.empty((n, size), np.int64)
    for b in range(n):
        for layer in np.unique(data.stratum):
            here = np.flatnonzero(data.stratum == layer)
            out[b, here] = rng.permutation(here)
    return out


@njit(cache=True, nogil=True)
def _ratio(  # pragma: no cover
    x: np.ndarray, data: CoxData, penalised: bool, null: np.ndarray, beta: np.ndarray, tolerance: float,  # noqa: FBT001
) -> tuple[float, float, float, bool]:  # fmt: skip
    """Twice the rise of the (penalised) likelihood over its value without the first covariate; fills null and beta.

    Both searches start at `null`, whose first value is 0.
    """
    # Constants are given with their type: numba compiles the whole likelihood anew for each literal.
    bottom, _s, _i, fine = _maximise(x, null, np.int64(1), data, penalised, tolerance, np.int64(200))
    beta[:] = null
    top, _s2, info, converged = _maximise(x, beta, np.int64(0), data, penalised, tolerance, np.int64(300))
    return 2 * (top - bottom), top, info, converged and fine


@njit(cache=True, nogil=True)
def _scan(  # pragma: no cover
    x: np.ndarray, fitted: np.ndarray, z: np.ndarray, usable: np.ndarray, draws: np.ndarray, data: CoxData,
    quick: CoxData, mode: int, fall: float, reach: float, limits: bool, out: np.ndarray,  # noqa: FBT001
    first: int, last: int,
) -> None:  # fmt: skip
    """Fills a row of `out` for each feature from `first` up to `last`; `quick` are for the permuted fits."""
    for k in range(first, last):
        if not usable[k]:
            continue
        n, extra = z.shape
        both = np.empty((n, 1 + extra))
        both[:, 0] = x[k]
        both[:, 1:] = z
        beta, null = np.zeros(1 + extra), np.zeros(1 + extra)
        penalised = mode == 1 or (mode == -1 and ordered(x[k], data) != 0)
        ratio, top, info, fine = _ratio(both, data, penalised, null, beta, _FINE)
        if not penalised and mode == -1 and (not fine or np.abs(beta).max() > 40):
            penalised = np.bool_(1)
            null[:] = 0.0
            ratio, top, info, fine = _ratio(both, data, penalised, null, beta, _FINE)
        if not fine:
            continue
        scale, above, how = 1.0, np.nan, 1.0 if penalised else 0.0
        if draws.shape[0] > 0:
            drawn, made = np.empty(draws.shape[0]), 0
            moved, spare, start = both.copy(), np.zeros(1 + extra), null.copy()
            seen, more = ratio, 1
            if quick.ties != data.ties:
                seen, _t, _i, _f = _ratio(both, quick, penalised, start, spare, _COARSE)
            for b in range(draws.shape[0]):
                for i in range(n):
                    j = draws[b, i]
                    moved[i, 0] = fitted[k, i] + x[k, j] - fitted[k, j]
                start[:] = null
                drawn[b], _t, _i, _f = _ratio(moved, quick, penalised, start, spare, _COARSE)
                if not np.isfinite(drawn[b]):
                    drawn[b] = np.inf
                if drawn[b] >= seen - 1e-7 * (1 + seen):
                    more += 1
                made += 1
                if made == FIRST_DRAWS or made == draws.shape[0]:
                    # The statistic that a share of 5 % of the permutations (the observed one among them) exceed.
                    scale = np.sort(drawn[:made])[int(np.ceil(0.95 * (made + 1))) - 1] / 3.841458820694124
                    if ratio < reach * scale:
                        break
            above = more / (made + 1)
            how = 2.0
        out[k, 0] = beta[0]
        inverse = 1 / info if extra == 0 else info
        if extra > 0:
            p = 1 + extra
            third, score, matrix = np.zeros((p, p, p)), np.zeros(p), np.zeros((p, p))
            derivatives(both, beta, data, third, score, matrix, np.bool_(0))
            inverse = np.linalg.inv(matrix)[0, 0]
        out[k, 1] = np.sqrt(inverse)
        if limits:
            for side in (-1, 1):
                end = _limit(both, beta, top, 0.5 * fall * scale, side, out[k, 1], data, penalised)
                out[k, 2 if side < 0 else 3] = end
        out[k, 4] = ratio
        out[k, 5] = scale
        out[k, 6] = how
        out[k, 7] = above
