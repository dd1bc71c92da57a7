"""Two conditions with biological replicates as the unit: difference, interval, p-value, and what makes it weak."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from scresist.checks import InputError, counted
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.random_effects import Combined
from scresist.validation.assay_table import DIRECTIONS

FEW = 3  # biological replicates per condition below which a comparison is called weak
PAIRINGS = ("unpaired", "paired")
_REFERENCES = (
    "control",
    "ctrl",
    "parental",
    "vehicle",
    "dmso",
    "untreated",
    "wt",
    "wild type",
    "scramble",
    "sictrl",
    "sicontrol",
    "shctrl",
    "empty vector",
    "ev",
    "mock",
    "none",
)


class Difference(NamedTuple):
    """Test less reference, its interval, p-value, replicates, and words: why there is none, why it is weak."""

    effect: float
    ci_low: float
    ci_high: float
    p_value: float
    n_test: int
    n_reference: int
    reason: str
    weak: str


def difference(test: np.ndarray, reference: np.ndarray, *, paired: bool = False, level: float = 0.95) -> Difference:
    """Difference of two means over biological replicates: Welch's t, or the t of the differences where they are paired.

    With unequal numbers of replicates the degrees of freedom are somewhat below Welch's, so that three against eight
    keep the level.

    Parameters
    ----------
    test, reference
        One value per replicate, NaN where it has none; in the same order where paired.
    paired
        Whether the values at one place belong together.
    level
        Coverage of the interval.

    References
    ----------
    Welch (1947) Biometrika 34:28; Student (1908) Biometrika 6:1.
    """
    a, b = np.asarray(test, float), np.asarray(reference, float)
    if paired:
        both = np.isfinite(a) & np.isfinite(b)
        a, b = a[both], b[both]
        n = a.size
        few = "" if n >= FEW else f"{counted(n, 'pair')} of biological replicates; {FEW} are needed"
        effect = float((a - b).mean()) if n else np.nan
        if n < 2:
            return Difference(effect, np.nan, np.nan, np.nan, n, n, few, few)
        error, df = float((a - b).std(ddof=1) / np.sqrt(n)), float(n - 1)
    else:
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        smaller = min(a.size, b.size)
        few = (
            ""
            if smaller >= FEW
            else (f"{counted(smaller, 'biological replicate')} in one of the conditions; {FEW} are needed")
        )
        effect = float(a.mean() - b.mean()) if smaller else np.nan
        if smaller < 2:
            return Difference(effect, np.nan, np.nan, np.nan, a.size, b.size, few, few)
        va, vb = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
        error = float(np.sqrt(va + vb))
        df = degrees_of_two(va, a.size, vb, b.size) if va + vb > 0 else np.nan
    scale = max(float(np.abs(np.r_[a, b]).max()), 1e-300)
    if not error > 1e-12 * scale:
        same = "replicates do not vary: were they copied from each other?"
        return Difference(effect, np.nan, np.nan, np.nan, a.size, b.size, same, few)
    half = float(stats.t.ppf(0.5 + level / 2, df)) * error
    p = float(2 * stats.t.sf(abs(effect) / error, df))
    return Difference(effect, effect - half, effect + half, p, a.size, b.size, "", few)


def weighted_difference(test: Combined, reference: Combined) -> tuple[float, float, float, float]:
    """Difference of two means over replicates that are weighted by their errors: effect, interval and p-value.

    Parameters
    ----------
    test, reference
        From `scresist.kernels.random_effects.combine`.

    Returns
    -------
    With equal errors it is the t test of `difference`. NaN where a side has one replicate or no spread.
    """
    effect = test.mean - reference.mean
    va, vb = test.error**2, reference.error**2
    if not va + vb > 0:
        return effect, np.nan, np.nan, np.nan
    df, error = degrees_of_two(va, int(test.df) + 1, vb, int(reference.df) + 1), float(np.sqrt(va + vb))
    half = float(stats.t.ppf(0.975, df)) * error
    return effect, effect - half, effect + half, float(2 * stats.t.sf(abs(effect) / error, df))


def degrees_of_two(variance_a: float, n_a: int, variance_b: float, n_b: int) -> float:
    """Welch's degrees of freedom; with unequal numbers, the smaller of those and of a variance leaning to the fewer.

    Welch's estimate is too high by chance where the condition of fewer replicates shows a small variance: at 3 v 8
    up to 7 of 100 tests are below .05. With its share s of the variance raised by s (1 - s) / 2, at most 6 are, for 3
    to 8 replicates and ratios of the SD from 1/4 to 5 (docs/measured.md, Functional assays).

    Parameters
    ----------
    variance_a, variance_b
        Squared errors of the two means.
    n_a, n_b
        Replicates.
    """
    share, fewer, more = (variance_a, n_a, n_b) if n_a < n_b else (variance_b, n_b, n_a)
    share /= variance_a + variance_b

    def degrees(s: float) -> float:
        return 1 / (s * s / (fewer - 1) + (1 - s) ** 2 / (more - 1))

    return degrees(share) if n_a == n_b else min(degrees(share), degrees(share + share * (1 - share) / 2))


def mean_interval(values: np.ndarray, *, level: float = 0.95) -> tuple[float, float, float]:
    """Mean over replicates with its t interval; no interval of fewer than two.

    Parameters
    ----------
    values
        One value per replicate; NaN is left out.
    level
        Coverage of the interval.
    """
    v = np.asarray(values, float)
    v = v[np.isfinite(v)]
    if v.size < 2:
        return (float(v[0]) if v.size else np.nan), np.nan, np.nan
    half = stats.t.ppf(0.5 + level / 2, v.size - 1) * v.std(ddof=1) / np.sqrt(v.size)
    return float(v.mean()), float(v.mean() - half), float(v.mean() + half)


def bootstrap_difference(
    test: np.ndarray, reference: np.ndarray, *, paired: bool, rng: np.random.Generator, draws: int = 2000
) -> tuple[float, float]:
    """Percentile interval of the difference over resampled biological replicates; too narrow for few of them.

    Parameters
    ----------
    test, reference
        One value per replicate.
    paired
        Whether the values at one place belong together.
    rng
        Source of the resampling.
    draws
        Number of resamplings.

    References
    ----------
    Efron & Tibshirani (1993) An Introduction to the Bootstrap, chapter 13.
    """
    a, b = np.asarray(test, float), np.asarray(reference, float)
    if paired:
        both = np.isfinite(a) & np.isfinite(b)
        a, b = (a - b)[both], np.zeros(1)
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if a.size < 2 or (b.size < 2 and not paired):
        return np.nan, np.nan
    of_a = a[rng.integers(0, a.size, (draws, a.size))].mean(axis=1)
    of_b = b[rng.integers(0, b.size, (draws, b.size))].mean(axis=1)
    low, high = np.quantile(of_a - of_b, [0.025, 0.975])
    return float(low), float(high)


def q_values(p_value: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg over the comparisons that have a p-value; NaN elsewhere.

    Parameters
    ----------
    p_value
        Shape (comparisons,).
    """
    p = np.asarray(p_value, float)
    out = np.full(p.size, np.nan)
    here = np.isfinite(p)
    if here.any():
        out[here] = benjamini_hochberg(p[here])
    return out


def reference_of(names: list[str], given: str | None, what: str) -> tuple[str, str]:
    """Which condition is the reference, and a note where it was not given.

    Parameters
    ----------
    names
        Conditions in the order of the table.
    given
        The user's choice; None takes a condition that is named as a control, else the first one.
    what
        The column, for messages.

    Raises
    ------
    InputError
        If the reference is not there.
    """
    if given is not None:
        if given not in names:
            raise InputError(f"no {what} is named {given!r}; there is: {', '.join(names)}")
        return given, ""
    named = [n for n in names if n.strip().lower() in _REFERENCES]
    if named:
        return named[0], f"reference: {named[0]!r}, by its name; give `reference` to choose another {what}"
    return names[0], f"reference: {names[0]!r}, the first {what} of the table; give `reference` to choose another"


def sign_of(expected: object) -> int:
    """+1 or -1 of an expected direction (higher, lower, +, -, 1, -1), 0 where none is given.

    Parameters
    ----------
    expected
        As the user wrote it.

    Raises
    ------
    InputError
        If it is none of those.
    """
    text = "" if expected is None else str(expected).strip().lower()
    for sign, words in DIRECTIONS.items():
        if text in words:
            return sign
    raise InputError(f"an expected direction must be higher or lower; got {expected!r}")


def met(effect: float, p_value: float, expected: int, *, alpha: float = 0.05) -> str:
    """Whether an expected direction was found: yes, no (the opposite), open (the interval has both); empty without one.

    Parameters
    ----------
    effect, p_value
        Of the comparison.
    expected
        +1, -1, or 0 where none was given.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    """
    if expected == 0:
        return ""
    if not p_value < alpha:
        return "open"
    return "yes" if effect * expected > 0 else "no"


def word_of(sign: int) -> str:
    """`higher`, `lower`, or nothing for 0: as tables name an expected direction."""
    return {1: "higher", -1: "lower"}.get(sign, "")
