"""False discovery rates over a family of tests."""

import numpy as np


def benjamini_hochberg(p_value: np.ndarray) -> np.ndarray:
    """The smallest false discovery rate at which each test of a family would be called.

    Parameters
    ----------
    p_value
        Two-sided p-values of one family, any shape. NaN (not tested) is not part of the family and stays NaN.

    Returns
    -------
    q-values, same shape, at most 1.

    Raises
    ------
    ValueError
        If a p-value is not from 0 to 1.

    References
    ----------
    Benjamini & Hochberg (1995) J R Stat Soc B 57:289, the step-up procedure.
    """
    p = np.asarray(p_value, dtype=float)
    tested = ~np.isnan(p)
    found = p[tested]
    if found.size and (found.min() < 0 or found.max() > 1):
        raise ValueError("p-values must be from 0 to 1")
    q = np.full(p.shape, np.nan)
    order = np.argsort(found, kind="stable")
    scaled = found[order] * found.size / np.arange(1, found.size + 1)
    stepped = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    ranked = np.empty(found.size)
    ranked[order] = stepped
    q[tested] = ranked
    return q


def focused_q_values(p_value: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """False discovery rates of what is left when some findings are taken away after the tests.

    Benjamini-Hochberg keeps the rate of all that it calls. When findings are then left out (because something else may
    explain them, say), false ones can be most of what remains. Here the rate at a threshold is the number of false
    findings that is expected below it over the number that is called and kept.

    Parameters
    ----------
    p_value
        Two-sided p-values of one family. Shape (tests,). NaN is not tested.
    kept
        Whether a finding would be kept. Shape (tests,).

    Returns
    -------
    q-values, shape (tests,), at most 1, for tests that are kept and those that are not; NaN where not tested. With
    everything kept they are those of `benjamini_hochberg`.

    References
    ----------
    Katsevich, Sabatti & Bogomolov (2023) J Am Stat Assoc 118:165, focused Benjamini-Hochberg.
    """
    p, kept = np.asarray(p_value, dtype=float), np.asarray(kept, dtype=bool)
    tested = ~np.isnan(p)
    q = np.full(p.shape, np.nan)
    found = p[tested]
    order = np.argsort(found, kind="stable")
    left = np.cumsum(kept[tested][order])
    # Tests with the same p-value are called together.
    last = np.searchsorted(found[order], found[order], side="right") - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.where(left[last] > 0, found[order] * found.size / left[last], 1.0)
    ranked = np.empty(found.size)
    ranked[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    q[tested] = ranked
    return q


PRIMARY_SHARE = 0.8  # of alpha that a question declared beforehand has to itself


def levels_with_primary(
    smallest_q: np.ndarray, kind: np.ndarray, primary: np.ndarray, alpha: float, *, share: float = PRIMARY_SHARE
) -> np.ndarray:
    """`family_levels` where some families answer a question that was declared before the data were seen.

    They are held to levels at `share` of alpha whatever else is asked; the others share the rest, or all of alpha where
    every family of the primary question was selected. Where nothing is true, the chance of any call is alpha at most.

    Parameters
    ----------
    smallest_q, kind, alpha
        As in `family_levels`.
    primary
        Whether a family belongs to the primary question. Shape (families,).
    share
        Of alpha, from 0 to 1.

    References
    ----------
    Wiens (2003) Pharm Stat 2:211 and Bretz, Maurer, Brannath & Posch (2009) Stat Med 28:586: alpha divided between
    questions, and what a question that is answered passes on.
    """
    q, primary = np.asarray(smallest_q, dtype=float), np.asarray(primary, dtype=bool)
    kind = np.asarray(kind)
    if not (primary & ~np.isnan(q)).any():
        return family_levels(q, kind, alpha)
    level = np.full(q.shape, np.nan)
    level[primary] = family_levels(q[primary], kind[primary], alpha * share)
    answered = bool((level[primary & ~np.isnan(q)] > 0).all())
    level[~primary] = family_levels(q[~primary], kind[~primary], alpha if answered else alpha * (1 - share))
    return level


def family_levels(smallest_q: np.ndarray, kind: np.ndarray, alpha: float) -> np.ndarray:
    """The level that q-values of each family are held to, so that what is called over all families keeps its rate.

    Two steps from the top: kinds of claim are selected by Benjamini-Hochberg at `alpha` on their Simes p-values, then
    the families of a selected kind at what is left of `alpha`; a family is held to that times the share of its kind's
    families that were selected. Where nothing is true, the chance of any call at all is `alpha`.

    Parameters
    ----------
    smallest_q
        Smallest Benjamini-Hochberg q-value of each family, which is its Simes p-value; NaN where nothing was tested.
        Shape (families,).
    kind
        The kind of claim each family belongs to, integers from 0. Shape (families,).
    alpha
        Rate to keep.

    Returns
    -------
    Level of each family, 0 where it was not selected, NaN where nothing was tested. Shape (families,).

    References
    ----------
    Benjamini & Bogomolov (2014) J R Stat Soc B 76:297; Bogomolov, Peterson, Benjamini & Sabatti (2021) Biometrika
    108:575, the same over a tree; Simes (1986) Biometrika 73:751.
    """
    q, kind = np.asarray(smallest_q, dtype=float), np.asarray(kind)
    kinds = np.unique(kind[~np.isnan(q)])
    over_kinds = benjamini_hochberg(np.array([np.nanmin(benjamini_hochberg(q[kind == k])) for k in kinds]))
    selected = over_kinds <= alpha
    left = alpha * selected.sum() / max(len(kinds), 1)
    level = np.where(np.isnan(q), np.nan, 0.0)
    for k in kinds[selected]:
        here = (kind == k) & ~np.isnan(q)
        found = benjamini_hochberg(q[here]) <= left
        level[here] = np.where(found, left * found.mean(), 0.0)
    return level
