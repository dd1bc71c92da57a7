"""How many times more drug one condition needs than another: ratios of IC50 with biological replicates as the unit."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import require_choice
from scresist.kernels import four_parameter as fp
from scresist.results import Result, number
from scresist.validation.curves import Fitted, Shape, bounds, fit_conditions, joint_midpoints
from scresist.validation.dose_input import read_doses
from scresist.validation.two_conditions import (
    PAIRINGS,
    bootstrap_difference,
    difference,
    met,
    q_values,
    reference_of,
    sign_of,
)

COLUMNS = (
    "experiment",
    "compound",
    "line",
    "condition",
    "test",
    "reference",
    "ratio",
    "ci_low",
    "ci_high",
    "p_value",
    "q_value",
    "n_test",
    "n_reference",
    "boot_low",
    "boot_high",
    "ratio_at_least",
    "ratio_at_most",
    "aac_difference",
    "aac_low",
    "aac_high",
    "aac_p_value",
    "f_p_value",
    "statistic",
    "pairing",
    "expected",
    "met",
    "weak",
    "reason",
)


class _Side(NamedTuple):
    """The replicates of one condition."""

    names: np.ndarray
    log_ic50: np.ndarray
    inside: np.ndarray
    above: np.ndarray
    aac: np.ndarray
    rows: np.ndarray
    group: int


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
    rng: np.random.Generator | int = 1,
) -> Result:
    """Ratio of the IC50 of two conditions (or lines), with interval and test over biological replicates.

    Every replicate gives one log IC50; the ratio, its interval and p-value are Welch's t of those (the t of the
    differences where replicates are paired). Where a replicate does not reach the IC50 within the tested doses there is
    no ratio: the test is then of the area above the curve (`statistic` is aac), and `ratio_at_least` or `ratio_at_most`
    is the bound.

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
        `higher` or `lower`: the direction of the ratio that was predicted; None for none.
    unit, level, top, cap, replicates
        As for `dose_response`.
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
        If the table has a fault, or the reference is not there.

    References
    ----------
    Welch (1947) Biometrika 34:28; Bates & Watts (1988) Nonlinear Regression Analysis, section 3.10.
    """
    require_choice(compare, ("condition", "line"), "compare")
    require_choice(pairing, PAIRINGS, "pairing")
    generator = np.random.default_rng(rng)
    way = sign_of(expected)
    shape = Shape(top, cap, replicates=replicates)
    doses = read_doses(table, unit=unit)
    fitted = fit_conditions(doses.means, shape)
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
                sides = [_side(fitted, place[name], level) for name in (test, ref)]
                found = _compare(fitted, sides, shape, paired=pairing == "paired", rng=generator)
                found["met"] = met(number(found["effect"]), number(found["p_value"]), way)
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
    out = pd.DataFrame(rows, columns=[c for c in COLUMNS if c not in ("q_value", "pairing", "expected")])
    out["q_value"], out["pairing"], out["expected"] = q_values(out["p_value"].to_numpy(float)), pairing, expected or ""
    if out.empty:
        notes.append(f"no compound has two of the compared {compare}s in one experiment: there is no ratio")
    settings = {
        "compare": compare,
        "pairing": pairing,
        "level": level,
        "top": top,
        "cap": cap,
        "replicates": replicates,
    }
    return Result(
        out[list(COLUMNS)], "Welch's t of log IC50 over biological replicates", MappingProxyType(settings), tuple(notes)
    )


def _side(fitted: Fitted, group: int, level: float) -> _Side:
    rows = np.flatnonzero(fitted.members["group"].to_numpy() == group)
    own, first, last = fitted.own[rows], fitted.first[group], fitted.last[group]
    crossed = fp.crossing(own, level)
    have = np.isfinite(own[:, 0])
    inside = have & (crossed >= first - 1e-9) & (crossed <= last + 1e-9)
    starts_above = fp.curve_at(own, np.full(rows.size, first)) > level
    aac = 1 - fp.mean_response(own, np.full(rows.size, first), np.full(rows.size, last)) / 100
    return _Side(
        fitted.members["replicate"].to_numpy()[rows], crossed, inside, have & ~inside & starts_above, aac, rows, group
    )


def _aligned(a: _Side, b: _Side, values: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of the replicates of both sides, by name."""
    names = [n for n in a.names if n in set(b.names)]
    of = [dict(zip(s.names, getattr(s, values), strict=True)) for s in (a, b)]
    return tuple(np.array([o[n] for n in names], float) for o in of)  # type: ignore[return-value]


def _compare(fitted, sides, shape, *, paired, rng) -> dict[str, object]:  # type: ignore[no-untyped-def]
    a, b = sides
    area = difference(*(_aligned(a, b, "aac") if paired else (a.aac, b.aac)), paired=paired)
    ic50 = _aligned(a, b, "log_ic50") if paired else (a.log_ic50, b.log_ic50)
    usable = all((s.inside | ~np.isfinite(s.aac)).all() and s.inside.any() for s in sides)
    of_ic50 = difference(*ic50, paired=paired) if usable else None
    row: dict[str, object] = {
        "ratio": np.nan,
        "ci_low": np.nan,
        "ci_high": np.nan,
        "boot_low": np.nan,
        "boot_high": np.nan,
        "ratio_at_least": np.nan,
        "ratio_at_most": np.nan,
        "aac_difference": area.effect,
        "aac_low": area.ci_low,
        "aac_high": area.ci_high,
        "aac_p_value": area.p_value,
        "f_p_value": np.nan,
    }
    if of_ic50 is not None:
        low, high = bootstrap_difference(*ic50, paired=paired, rng=rng)
        if not paired:
            row["f_p_value"] = _extra_sum_of_squares(fitted, a, b, shape)
        return row | {
            "ratio": 10**of_ic50.effect,
            "ci_low": 10**of_ic50.ci_low,
            "ci_high": 10**of_ic50.ci_high,
            "boot_low": 10**low,
            "boot_high": 10**high,
            "p_value": of_ic50.p_value,
            "n_test": of_ic50.n_test,
            "n_reference": of_ic50.n_reference,
            "statistic": "ic50",
            "weak": of_ic50.weak,
            "reason": of_ic50.reason,
            "effect": of_ic50.effect,
        }
    row |= _bound(fitted, a, b)
    missed = [f"{int((np.isfinite(s.aac) & ~s.inside).sum())} of {s.names.size}" for s in sides]
    reason = f"IC50 not reached in {missed[0]} test and {missed[1]} reference replicates; the areas are tested"
    return row | {
        "p_value": area.p_value,
        "n_test": area.n_test,
        "n_reference": area.n_reference,
        "statistic": "aac",
        "weak": area.weak,
        "reason": "; ".join(r for r in (reason, area.reason) if r),
        "effect": -area.effect,
    }


def _bound(fitted: Fitted, a: _Side, b: _Side) -> dict[str, float]:
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
