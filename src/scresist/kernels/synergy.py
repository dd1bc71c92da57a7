"""Two drugs together: what is expected without synergy by Bliss, the highest single agent, Loewe and ZIP."""

import numpy as np

from scresist.kernels.four_parameter import fit_curves
from scresist.kernels.hill_curve import HILL, LOWER, MIDPOINT, UPPER, curve_at

_BISECTIONS = 80


def bliss_expected(a: np.ndarray, b: np.ndarray, *, top: float = 100.0) -> np.ndarray:
    """Response of two drugs that act independently: the product of the shares that survive each.

    Parameters
    ----------
    a, b
        Responses to each drug alone, in the unit of `top`. One shape.
    top
        Response without drug.

    References
    ----------
    Bliss (1939) Ann Appl Biol 26:585.
    """
    return np.asarray(a, float) * np.asarray(b, float) / top


def highest_single_expected(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Response of the more effective of the two drugs.

    Parameters
    ----------
    a, b
        Responses to each drug alone. One shape.

    References
    ----------
    Gaddum (1940) Pharmacology; Berenbaum (1989) Pharmacol Rev 41:93.
    """
    return np.minimum(a, b)


def loewe_expected(curve_a: np.ndarray, curve_b: np.ndarray, dose_a: np.ndarray, dose_b: np.ndarray) -> np.ndarray:
    """Response at which the doses are `a / A + b / B = 1` of the doses A and B that reach it alone.

    NaN where that response is beyond what the weaker drug reaches alone at any dose: the sum has no meaning there.

    Parameters
    ----------
    curve_a, curve_b
        lower, upper, hill and midpoint (log10 dose) of each drug alone, with one `upper`. Shape (4,).
    dose_a, dose_b
        Doses. One shape.

    References
    ----------
    Loewe (1928) Ergebn Physiol 27:47; Berenbaum (1989) Pharmacol Rev 41:93.
    """
    dose_a, dose_b = np.broadcast_arrays(np.asarray(dose_a, float), np.asarray(dose_b, float))
    if not (curve_a[HILL] > 0 and curve_b[HILL] > 0):
        return np.full(dose_a.shape, np.nan)
    top = float(curve_a[UPPER])
    bottom = max(float(curve_a[LOWER]), float(curve_b[LOWER]))
    span = top - bottom
    if not span > 0:
        return np.where((dose_a == 0) & (dose_b == 0), top, np.nan)

    def excess(level: np.ndarray) -> np.ndarray:
        total = np.zeros(dose_a.shape)
        for curve, dose in ((curve_a, dose_a), (curve_b, dose_b)):
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                odds = (top - level) / np.maximum(level - curve[LOWER], 1e-300)
                alone = 10.0 ** curve[MIDPOINT] * odds ** (1 / curve[HILL])
                total += np.where(dose > 0, dose / alone, 0.0)
        return total - 1.0

    low, high = np.full(dose_a.shape, bottom + 1e-12 * span), np.full(dose_a.shape, top - 1e-12 * span)
    # A drug that reaches `bottom` only at an infinite dose adds nothing there; the other may still exceed 1.
    unreachable = excess(low) > 0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        too_high = excess(middle) > 0  # the sum rises with the response
        high, low = np.where(too_high, middle, high), np.where(too_high, low, middle)
    out = 0.5 * (low + high)
    nothing = (dose_a == 0) & (dose_b == 0)
    alone_a, alone_b = (
        curve_at(np.broadcast_to(c, (*dose_a.shape, 4)), _log(d)) for c, d in ((curve_a, dose_a), (curve_b, dose_b))
    )
    out = np.where(unreachable, np.nan, out)
    out = np.where(dose_b == 0, alone_a, np.where(dose_a == 0, alone_b, out))
    return np.where(nothing, top, out)


def _log(dose: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log10(dose)


def combination_index(
    curve_a: np.ndarray, curve_b: np.ndarray, dose_a: np.ndarray, dose_b: np.ndarray, response: np.ndarray
) -> np.ndarray:
    """`a / A + b / B`, where A and B are the doses that reach the response alone: below 1 is synergy; NaN if
    unreachable.

    Parameters
    ----------
    curve_a, curve_b
        lower, upper, hill and midpoint (log10 dose) of each drug alone. Shape (4,).
    dose_a, dose_b, response
        Doses and the response to them together. One shape.

    References
    ----------
    Chou & Talalay (1984) Adv Enzyme Regul 22:27.
    """
    total = np.zeros(np.shape(response))
    for curve, dose in ((curve_a, dose_a), (curve_b, dose_b)):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            odds = (curve[UPPER] - response) / (response - curve[LOWER])
            alone = 10.0 ** curve[MIDPOINT] * np.where(odds > 0, odds, np.nan) ** (1 / curve[HILL])
            total = total + np.asarray(dose, float) / alone
    return total


def zip_surfaces(
    response: np.ndarray,
    dose_a: np.ndarray,
    dose_b: np.ndarray,
    curve_a: np.ndarray,
    curve_b: np.ndarray,
    *,
    max_hill: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Expected response of two drugs that do not change each other's curve, and the response of curves fitted to both.

    The expected one is the product of the curves alone. The fitted one is the mean of two curves: along the doses of
    one drug, starting where the curve of the other is at its dose.

    Parameters
    ----------
    response
        Of each pair of doses, NaN where not measured. Shape (doses of a, doses of b).
    dose_a, dose_b
        Doses above zero, ascending. Shapes (doses of a,), (doses of b,).
    curve_a, curve_b
        lower, upper, hill and midpoint (log10 dose) of each drug alone, with one `upper`. Shape (4,).
    max_hill
        Steepest slope.

    Returns
    -------
    Expected and fitted responses. Shapes (doses of a, doses of b).

    References
    ----------
    Yadav et al. (2015) Comput Struct Biotechnol J 13:504.
    """
    log_a, log_b = np.log10(dose_a), np.log10(dose_b)
    top = float(curve_a[UPPER])
    alone_a, alone_b = curve_at(curve_a[None], log_a[None])[0], curve_at(curve_b[None], log_b[None])[0]
    along_a = _from_base(response.T, log_a, alone_b, max_hill).T
    along_b = _from_base(response, log_b, alone_a, max_hill)
    return np.outer(alone_a, alone_b) / top, 0.5 * (along_a + along_b)


def _from_base(response: np.ndarray, log_dose: np.ndarray, base: np.ndarray, max_hill: float) -> np.ndarray:
    """Curves along `log_dose`, one per row, that start at `base`."""
    n = base.size
    low, high = np.zeros((n, 4)), np.zeros((n, 4))
    low[:, UPPER] = high[:, UPPER] = high[:, LOWER] = np.maximum(base, 1e-9)
    high[:, HILL] = max_hill
    low[:, MIDPOINT], high[:, MIDPOINT] = log_dose.min() - 4, log_dose.max() + 4
    fitted = fit_curves(np.broadcast_to(log_dose, response.shape), response, low=low, high=high)
    return curve_at(fitted.parameters, np.broadcast_to(log_dose, response.shape))
