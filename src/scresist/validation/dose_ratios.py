"""How many times more drug one condition needs than another: ratios of IC50 with biological replicates as the unit."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, require_choice
from scresist.kernels import hill_curve as hc
from scresist.results import Result, number
from scresist.validation.curves import Fitted, Shape, bounds, fit_conditions, joint_midpoints
from scresist.validation.dose_components import OF_TESTS, Leveled, fit_units, level_conditions, paired_difference
from scresist.validation.dose_input import CURVE, read_doses
from scresist.validation.two_conditions import (
    PAIRINGS,
    Difference,
    bootstrap_difference,
    difference,
    met,
    q_values,
    reference_of,
    sign_of,
    weighted_difference,
    word_of,
)

COLUMNS = (
    "experiment", "compound", "line", "condition", "test", "reference", "ratio", "ci_low", "ci_high", "p_value",
    "q_value", "n_test", "n_reference", "boot_low", "boot_high", "ratio_at_least", "ratio_at_most", "aac_difference",
    "aac_low", "aac_high", "aac_p_value", "f_p_value", "statistic", "weights", "pairing", "expected", "met", "weak",
    "reason",
)  # fmt: skip
WEIGHTS = ("errors", "equal")


class _Side(NamedTuple):
    """The replicates of one condition: values of each, and of random effects the mean over them."""

    names: np.ndarray
    log_ic50: np.ndarray
    inside: np.ndarray
    above: np.ndarray
    aac: np.ndarray
    rows: np.ndarray
    group: int
    of_ic50: Leveled | None
    of_aac: Leveled | None


def dose_ratios(
    table: pd.DataFrame,
    *,
    compare: str = "condition",
    reference: str | None = None,
    pairs: Iterable[tuple[str, str]] | None = None,
    pairing: str = "unpaired",
    expected: str | None = None,
    unit: str = "percent",
    level: float = 50.0,
    top: float | None = 100.0,
    cap: bool = True,
    replicates: str = "own",
    weights: str | None = None,
    rng: np.random.Generator | int = 1,
) -> Result:
    """Ratio of the IC50 of two conditions (or lines), with interval and test over biological replicates.

    Every replicate gives one log IC50 with an error from its wells; the means of the conditions are those of random
    effects of replicates (and of plates within them), and the test is Welch's t of them (the t of the differences where
    replicates are paired), whose degrees of freedom are of biological replicates. Where a replicate does not reach the
    IC50 within the tested doses there is no ratio: the test is then of the area above the curve (`statistic` is aac),
    and `ratio_at_least` or `ratio_at_most` is the bound.

    Parameters
    ----------
    table
        As for `dose_response`.
    compare
        `condition` (within a line) or `line` (within a condition: resistant against parental cells).
    reference
        The condition or line that others are compared with; None takes one that is named as a control, else the first.
    pairs
        Comparisons as (test, reference), instead of all against one.
    pairing
        `unpaired`, or `paired`: replicates of one name were done together in both conditions.
    expected
        `higher` or `lower`: the direction of the ratio that was predicted; None uses the table's column `expected`,
        where there is one.
    unit, level, top, cap, replicates
        As for `dose_response`.
    weights
        `errors`: a replicate whose curve is less certain counts less (random effects); `equal`: every replicate counts
        the same. None is errors, and equal for pairs, of which the weighted test finds too many, and with
        `replicates="shared"`, whose curves have no errors of their own.
    rng
        Of the bootstrap over replicates (`boot_low`, `boot_high`), which is too narrow for few replicates.

    Returns
    -------
    Result with one row per compound and comparison. `f_p_value` is the extra-sum-of-squares test of one
    midpoint per condition against one for both, at one slope and plateau, with the replicates' own midpoints as error.
    `q_value` is over the rows.

    Raises
    ------
    InputError
        If the table has a fault, or the reference is not there; if errors are wanted of a shared shape.

    References
    ----------
    Welch (1947) Biometrika 34:28; Hartung & Knapp (2001) Stat Med 20:3875 (weights by errors); Bates & Watts (1988)
    Nonlinear Regression Analysis, section 3.10.
    """
    require_choice(compare, ("condition", "line"), "compare")
    require_choice(pairing, PAIRINGS, "pairing")
    chosen = weights or ("errors" if replicates == "own" and pairing == "unpaired" else "equal")
    require_choice(chosen, WEIGHTS, "weights")
    if chosen == "errors" and replicates == "shared":
        raise InputError('weights="errors" needs a curve of each replicate; set replicates="own", or weights="equal"')
    generator = np.random.default_rng(rng)
    way = sign_of(expected)
    shape = Shape(top, cap, replicates=replicates)
    doses = read_doses(table, unit=unit)
    fitted = fit_conditions(doses.means, shape)
    units = fit_units(doses, shape) if chosen == "errors" else None
    leveled = {name: level_conditions(units, name, level) if units is not None else {} for name in OF_TESTS}
    keep = "line" if compare == "condition" else "condition"
    names = list(dict.fromkeys(fitted.groups[compare]))
    notes = list(doses.notes)
    if pairs is None:
        first, words = reference_of(names, reference, compare)
        notes += [words] if words else []
        wanted = [(n, first) for n in names if n != first]
    else:
        wanted = [(str(a), str(b)) for a, b in pairs]
        for name in {n for pair in wanted for n in pair}:
            reference_of(names, name, compare)
    rows = []
    for key, block in fitted.groups.groupby(["experiment", "compound", keep], sort=False):
        place = dict(zip(block[compare], block.index, strict=True))
        for test, ref in wanted:
            if test in place and ref in place:
                sides = (_side(fitted, place[test], level, leveled), _side(fitted, place[ref], level, leveled))
                found = _compare(fitted, sides, shape, paired=pairing == "paired", rng=generator)
                sign = way or doses.expected.get(tuple(map(str, fitted.groups.loc[place[test], CURVE])), 0)
                found["expected"] = word_of(sign)
                found["met"] = met(number(found["effect"]), number(found["p_value"]), sign)
                rows.append(
                    {
                        "experiment": key[0],
                        "compound": key[1],
                        "line": "",
                        "condition": "",
                        keep: key[2],
                        "test": test,
                        "reference": ref,
                        **found,
                    }
                )
    out = pd.DataFrame(rows, columns=[c for c in COLUMNS if c not in ("q_value", "pairing", "weights")])
    out["q_value"], out["pairing"], out["weights"] = q_values(out["p_value"].to_numpy(float)), pairing, chosen
    if out.empty:
        notes.append(f"no compound has two of the compared {compare}s in one experiment: there is no ratio")
    settings = {
        "compare": compare,
        "pairing": pairing,
        "level": level,
        "top": top,
        "cap": cap,
        "replicates": replicates,
        "weights": chosen,
    }
    method = "Welch's t of log IC50 over biological replicates"
    method += ", weighted by random effects" if chosen == "errors" else ""
    return Result(out[list(COLUMNS)], method, MappingProxyType(settings), tuple(notes))


def _side(fitted: Fitted, group: int, level: float, leveled: Mapping[str, Mapping[int, Leveled]]) -> _Side:
    rows = np.flatnonzero(fitted.members["group"].to_numpy() == group)
    own, first, last = fitted.own[rows], fitted.first[group], fitted.last[group]
    crossed = hc.crossing(own, level)
    have = np.isfinite(own[:, 0])
    inside = have & (crossed >= first - 1e-9) & (crossed <= last + 1e-9)
    starts_above = hc.curve_at(own, np.full(rows.size, first)) > level
    aac = 1 - hc.mean_response(own, np.full(rows.size, first), np.full(rows.size, last)) / 100
    return _Side(
        fitted.members["replicate"].to_numpy()[rows], crossed, inside, have & ~inside & starts_above, aac, rows, group,
        *(leveled[name].get(group) for name in OF_TESTS),
    )  # fmt: skip


def _aligned(a: _Side, b: _Side, of_a: np.ndarray, of_b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values of the replicates of both sides, by name."""
    first, second = (dict(zip(s.names, v, strict=True)) for s, v in ((a, of_a), (b, of_b)))
    names = [n for n in a.names if n in second]
    return np.array([first[n] for n in names], float), np.array([second[n] for n in names], float)


def _tested(
    values: tuple[np.ndarray, np.ndarray], leveled: tuple[Leveled | None, Leveled | None], *, paired: bool
) -> Difference:
    """Difference of the means over replicates; weighted by random effects where both sides have them."""
    plain = difference(*values, paired=paired)
    a, b = leveled
    if a is None or b is None or not np.isfinite(plain.p_value):
        return plain
    found = paired_difference(a, b) if paired else weighted_difference(a.mean, b.mean)
    effect, low, high, p = found
    return plain._replace(effect=effect, ci_low=low, ci_high=high, p_value=p) if np.isfinite(p) else plain


def _compare(
    fitted: Fitted, sides: tuple[_Side, _Side], shape: Shape, *, paired: bool, rng: np.random.Generator
) -> dict[str, object]:
    a, b = sides
    areas = _aligned(a, b, a.aac, b.aac) if paired else (a.aac, b.aac)
    area = _tested(areas, (a.of_aac, b.of_aac), paired=paired)
    row: dict[str, object] = {
        "aac_difference": area.effect, "aac_low": area.ci_low, "aac_high": area.ci_high, "aac_p_value": area.p_value,
        **dict.fromkeys(("ratio", "ci_low", "ci_high", "boot_low", "boot_high", "ratio_at_least", "ratio_at_most",
                         "f_p_value"), np.nan),
    }  # fmt: skip
    if all((s.inside | ~np.isfinite(s.aac)).all() and s.inside.any() for s in sides):
        ic50 = _aligned(a, b, a.log_ic50, b.log_ic50) if paired else (a.log_ic50, b.log_ic50)
        found = _tested(ic50, (a.of_ic50, b.of_ic50), paired=paired)
        low, high = bootstrap_difference(*ic50, paired=paired, rng=rng)
        if not paired:
            row["f_p_value"] = _extra_sum_of_squares(fitted, a, b, shape)
        return row | {
            "ratio": 10**found.effect, "ci_low": 10**found.ci_low, "ci_high": 10**found.ci_high, "boot_low": 10**low,
            "boot_high": 10**high, "statistic": "ic50", **_common(found, found.effect, found.reason),
        }  # fmt: skip
    row |= _bound(fitted, a, b)
    missed = [f"{int((np.isfinite(s.aac) & ~s.inside).sum())} of {s.names.size}" for s in sides]
    reason = f"IC50 not reached in {missed[0]} test and {missed[1]} reference replicates; the areas are tested"
    reason = "; ".join(r for r in (reason, area.reason) if r)
    return row | {"statistic": "aac", **_common(area, -area.effect, reason)}


def _common(found: Difference, effect: float, reason: str) -> dict[str, object]:
    return {"p_value": found.p_value, "n_test": found.n_test, "n_reference": found.n_reference, "weak": found.weak,
            "reason": reason, "effect": effect}  # fmt: skip


def _bound(fitted: Fitted, a: _Side, b: _Side) -> dict[str, object]:
    """A bound of the ratio where one side is above the highest dose and the other inside the doses."""
    if a.above.all() and b.inside.all():
        return {"ratio_at_least": float(10 ** (fitted.last[a.group] - b.log_ic50.mean()))}
    if b.above.all() and a.inside.all():
        return {"ratio_at_most": float(10 ** (a.log_ic50.mean() - fitted.last[b.group]))}
    return {}


def _extra_sum_of_squares(fitted: Fitted, a: _Side, b: _Side, shape: Shape) -> float:
    """F test of one midpoint for both conditions; the error is the spread of the replicates' midpoints."""
    rows = [np.flatnonzero(np.isfinite(s.aac)) for s in (a, b)]
    members = np.r_[a.rows[rows[0]], b.rows[rows[1]]]
    n_a, n = rows[0].size, rows[0].size + rows[1].size
    if min(n_a, n - n_a) < 2:
        return float("nan")
    x, y = (np.full((n, v.shape[1]), np.nan) for v in (fitted.log_dose, fitted.response))
    for k, member in enumerate(members):
        group = int(fitted.members["group"].iloc[member])
        own = fitted.replicate_of[group] == member
        x[k, : own.sum()], y[k, : own.sum()] = fitted.log_dose[group][own], fitted.response[group][own]
    groups = [a.group, b.group]
    low, high = bounds(shape, fitted.first[groups], fitted.last[groups])
    # One slope and plateau for both: with own ones, a difference of the midpoints hides in them and the test is timid.
    none, side = np.zeros(n, int), np.repeat([0, 1], [n_a, n - n_a])
    start, low, high = fitted.pooled[groups].mean(axis=0)[None], low.min(axis=0)[None], high.max(axis=0)[None]
    one, two, own_fit = (
        joint_midpoints(x, y, none, m, start, low, high, shape).loss for m in (none, side, np.arange(n))
    )
    error = (two - own_fit) / (n - 2)
    return float(stats.f.sf((one - two) / error, 1, n - 2)) if error > 0 else float("nan")
