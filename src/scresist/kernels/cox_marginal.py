"""What deaths tied at one time add to Cox's likelihood, summed over all the orders they may have had, compiled."""

import numpy as np
from numba import njit

# How far the logarithm falls below its maximum where the integrand counts as 0; the step between nodes in units of
# the width of the integrand at its maximum; the longest step of the logarithm of time, for few deaths.
_FINE, _COARSE = (28.0, 0.55, 0.25), (13.0, 0.9, 0.5)


@njit(cache=True, nogil=True)
def _slopes(late: float, theta: np.ndarray) -> tuple[float, float]:  # pragma: no cover
    """First and second derivative in u of the logarithm of the integrand, which is concave; `late` is exp(u) R."""
    slope, bend = 1.0 - late, -late
    for t in theta:
        y = t * late
        if y < 40.0:
            q = y / np.expm1(y) if y > 1e-12 else 1.0
            slope += q
            bend += q * (1.0 - y - q)
    return slope, bend


@njit(cache=True, nogil=True)
def tied_deaths(  # pragma: no cover
    x: np.ndarray,
    eta: np.ndarray,
    first: int,
    stop: int,
    died: np.ndarray,
    log_rest: float,
    r1: np.ndarray,
    r2: np.ndarray,
    r3: np.ndarray,
    score: np.ndarray,
    information: np.ndarray,
    third: np.ndarray,
    penalised: bool,  # noqa: FBT001
    coarse: bool,  # noqa: FBT001
) -> float:
    """The log of the sum over all orders of the deaths; adds its derivatives to `score`, `information` and `third`.

    The sum is the integral over s of prod(1 - exp(-s theta_j)) over the deaths times R exp(-R s), where R is the sum of
    theta over those who stay at risk. It is taken over u = log s by the trapezoidal rule, whose error falls with
    exp(-1 / step) for such a function.

    Parameters
    ----------
    x
        Covariates, shape (patients, covariates).
    eta
        Logarithms of theta, shape (patients,).
    first, stop, died
        The deaths are the rows from `first` to before `stop` with `died`.
    log_rest
        The logarithm of R.
    r1, r2, r3
        Means of the covariates and of their products over those who stay, weighted by theta: shapes (covariates,),
        (covariates, covariates), (covariates, covariates, covariates); those with a >= b >= c are used.
    score, information, third
        The first derivatives of the log-likelihood, minus the second and minus the third; a >= b >= c are filled.
    penalised
        Whether the third are needed.
    coarse
        Fewer nodes: right to about 1e-5 and not to 1e-12.

    References
    ----------
    Kalbfleisch & Prentice (1973) Biometrika 60:267; DeLong, Guirguis & So (1994) Biometrika 81:607 (the integral).
    """
    p = x.shape[1]
    deaths = 0
    for j in range(first, stop):
        deaths += died[j]
    theta, who = np.empty(deaths), np.empty(deaths, np.int64)
    k = 0
    for j in range(first, stop):
        if died[j]:
            theta[k], who[k] = np.exp(min(eta[j] - log_rest, 700.0)), j
            k += 1
    # The maximum lies between exp(u) R = 1 and deaths + 1; Newton's steps, halved into that bracket.
    low, high = 0.0, np.log(deaths + 1.0)
    at = 0.5 * high
    slope, bend = _slopes(np.exp(at), theta)
    for _ in range(60):
        if slope > 0:
            low = at
        else:
            high = at
        new = at - slope / bend
        if not (low < new < high):
            new = 0.5 * (low + high)
        moved = abs(new - at)
        at = new
        slope, bend = _slopes(np.exp(at), theta)
        if moved * moved * -bend < 0.01:
            break
    reach, wide, longest = _COARSE if coarse else _FINE
    step = min(wide / np.sqrt(-bend), longest)
    top = -np.inf
    total = 0.0
    m1, m2, m3 = np.zeros(p), np.zeros((p, p)), np.zeros((p, p, p))
    a1, a2, a3 = np.zeros(p), np.zeros((p, p)), np.zeros((p, p, p))
    for side in (-1, 1):
        u = at if side < 0 else at + step
        while True:
            late = np.exp(u)
            for a in range(p):
                a1[a] = -late * r1[a]
                for b in range(a + 1):
                    a2[a, b] = -late * r2[a, b]
                    if penalised:
                        for c in range(b + 1):
                            a3[a, b, c] = -late * r3[a, b, c]
            value, product = u - late, 1.0
            for k in range(deaths):
                y = theta[k] * late
                if y >= 40.0:
                    continue
                gone = -np.expm1(-y)
                product *= gone
                if product < 1e-150:
                    value += np.log(product)
                    product = 1.0
                q = y / gone - y if y > 1e-12 else 1.0
                q2 = q * (1.0 - y - q)
                j = who[k]
                for a in range(p):
                    a1[a] += q * x[j, a]
                    for b in range(a + 1):
                        a2[a, b] += q2 * x[j, a] * x[j, b]
                        if penalised:
                            q3 = q2 * (1.0 - y - q) - q * (y + q2)
                            for c in range(b + 1):
                                a3[a, b, c] += q3 * x[j, a] * x[j, b] * x[j, c]
            value += np.log(product)
            if top == -np.inf:
                top = value
            if not value > top - reach:
                break
            w = np.exp(value - top)
            total += w
            for a in range(p):
                m1[a] += w * a1[a]
                for b in range(a + 1):
                    m2[a, b] += w * (a2[a, b] + a1[a] * a1[b])
                    if penalised:
                        for c in range(b + 1):
                            m3[a, b, c] += w * (
                                a3[a, b, c] + a1[a] * a2[b, c] + a1[b] * a2[a, c] + a1[c] * a2[a, b]
                                + a1[a] * a1[b] * a1[c]
                            )  # fmt: skip
            u += side * step
    m1 /= total
    m2 /= total
    m3 /= total
    # Cumulants of the integral, and those of log R.
    for a in range(p):
        score[a] += m1[a] + r1[a]
        for b in range(a + 1):
            information[a, b] -= m2[a, b] - m1[a] * m1[b] + r2[a, b] - r1[a] * r1[b]
            if penalised:
                for c in range(b + 1):
                    third[a, b, c] -= (
                        m3[a, b, c] - m1[a] * m2[b, c] - m1[b] * m2[a, c] - m1[c] * m2[a, b]
                        + 2 * m1[a] * m1[b] * m1[c]
                        + r3[a, b, c] - r1[a] * r2[b, c] - r1[b] * r2[a, c] - r1[c] * r2[a, b]
                        + 2 * r1[a] * r1[b] * r1[c]
                    )  # fmt: skip
    return top + np.log(total * step)
