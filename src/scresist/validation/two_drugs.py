"""Two drugs together against what Bliss, the highest single agent, Loewe and ZIP expect, over biological replicates."""

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import counted, require_choice
from scresist.kernels import four_parameter as fp
from scresist.kernels import hill_curve as hc
from scresist.kernels import synergy as kernel
from scresist.results import Result
from scresist.validation.assay_table import dose_scale, expected_column, read_assay, refuse_repeats
from scresist.validation.two_conditions import FEW, mean_interval, met, q_values, sign_of, word_of

MODELS = ("bliss", "hsa", "loewe", "zip")
SINGLES = ("measured", "curve")
KEYS = ["experiment", "line", "condition", "drug_a", "drug_b"]
WHERE = "combinations.csv"
COLUMNS = (
    *KEYS,
    "model",
    "dose_a_um",
    "dose_b_um",
    "observed",
    "predicted",
    "synergy",
    "ci_low",
    "ci_high",
    "p_value",
    "q_value",
    "n_replicates",
    "n_pairs",
    "expected",
    "met",
    "weak",
    "reason",
)
FEWEST_DOSES = 3  # of a drug alone, for a curve
UNBOUNDED = ("loewe",)  # models with responses as measured, and curves whose plateau may lie below 0
NO_BOUND = -100.0  # percent of control; a lower one changes no fit


def combinations(
    table: pd.DataFrame,
    *,
    models: Iterable[str] = MODELS,
    singles: str = "curve",
    cap: bool = True,
    max_hill: float = 4.0,
    expected: str | None = None,
) -> Result:
    """Synergy of two drugs: predicted less observed response, in percent of control, with intervals over replicates.

    Every biological replicate gives a surface of its own, with its own drugs alone; the interval is that of the t of
    the replicates. Rows without doses are the mean over all pairs of doses: the one test of a combination. Rows with
    doses are the surface.

    Parameters
    ----------
    table
        line, condition, drug_a, drug_b, dose_a_um, dose_b_um, replicate, response (percent of control), one row per
        well; the drugs alone are the rows in which the other dose is 0. Optional: experiment, plate, dose_unit, well.
    models
        Some of bliss, hsa (highest single agent), loewe, zip.
    singles
        For bliss and hsa, the response to a drug alone: of its `curve`, or as `measured`. Loewe and ZIP use the curve.
    cap
        Takes means below 0 or above 100 as those; not for Loewe, whose curves of the drugs alone have no bound at 0
        either: where both drugs kill all cells, bounds raise its prediction above what is measured.
    max_hill
        Steepest slope of the curves.
    expected
        `higher` (synergy) or `lower` (antagonism) where it was predicted; None uses the column `expected` of the table,
        where there is one.

    Returns
    -------
    Result with one row per model and pair of doses, and one per model for their mean. `synergy` above 0: less
    survives than predicted. Where Loewe has no prediction (a response that the weaker drug never reaches) the row is
    NaN with its reason.

    Raises
    ------
    InputError
        If the table has a fault; the message has the row of the file.

    References
    ----------
    Bliss (1939); Berenbaum (1989) Pharmacol Rev 41:93; Yadav et al. (2015) Comput Struct Biotechnol J 13:504.
    """
    wanted = list(dict.fromkeys(models))
    for name in wanted:
        require_choice(name, MODELS, "a model of synergy")
    require_choice(singles, SINGLES, "singles")
    way = sign_of(expected)
    means, notes, predicted = _read(table)
    rows: list[dict[str, object]] = []
    for key, block in means.groupby(KEYS, sort=False):
        place = dict(zip(KEYS, key, strict=True))
        surfaces = {r: _surface(part) for r, part in block.groupby("replicate", sort=False)}
        for model in wanted:
            bounded = cap and model not in UNBOUNDED
            given = [s.clip(0, 100) if bounded else s for s in surfaces.values()]
            found = [_synergy(s, model, singles, max_hill) for s in given]
            rows += [place | row for row in _rows(pd.concat(found, keys=list(surfaces)), model, len(surfaces))]
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    whole = out["dose_a_um"].isna().to_numpy()
    for part in (whole, ~whole):
        out.loc[part, "q_value"] = q_values(out.loc[part, "p_value"].to_numpy(float))
    signs = [way or predicted.get(tuple(map(str, key)), 0) for key in out[KEYS].itertuples(index=False, name=None)]
    signs = [sign if all_pairs else 0 for sign, all_pairs in zip(signs, whole, strict=True)]
    out["expected"] = [word_of(sign) for sign in signs]
    out["met"] = [met(*row) for row in zip(out["synergy"], out["p_value"], signs, strict=True)]
    settings = {"models": wanted, "singles": singles, "cap": cap, "max_hill": max_hill}
    return Result(
        out, "predicted less observed, t over biological replicates", MappingProxyType(settings), tuple(notes)
    )


def _surface(part: pd.DataFrame) -> pd.DataFrame:
    """Responses of one replicate: doses of a in rows, of b in columns."""
    return part.pivot_table(index="dose_a_um", columns="dose_b_um", values="response", sort=True)


def _alone(surface: pd.DataFrame, max_hill: float, floor: float) -> list[np.ndarray]:
    """Curve of each drug alone, whose plateau is not below `floor`; NaN with fewer than three doses."""
    out = []
    for series in (surface.get(0.0), surface.T.get(0.0)):
        one = pd.Series(dtype=float) if series is None else series[series.index > 0].dropna()
        if len(one) < FEWEST_DOSES:
            out.append(np.full(4, np.nan))
            continue
        x = np.log10(one.index.to_numpy(float))
        low, high = np.array([floor, 100, 0, x.min() - 4]), np.array([100, 100, max_hill, x.max() + 4])
        out.append(fp.fit_curves(x, one.to_numpy(float), low=low, high=high).parameters[0])
    return out


def _synergy(surface: pd.DataFrame, model: str, singles: str, max_hill: float) -> pd.DataFrame:
    """Observed and predicted response of each pair of doses of one replicate."""
    a, b = (np.array([d for d in axis if d > 0], float) for axis in (surface.index, surface.columns))
    both = surface.reindex(index=a, columns=b).to_numpy(float)
    curves = _alone(surface, max_hill, NO_BOUND if model in UNBOUNDED else 0.0)
    observed = both
    if model in ("bliss", "hsa"):
        if singles == "measured":
            alone = [
                s.reindex(d).to_numpy(float) if s is not None else np.full(d.size, np.nan)
                for s, d in ((surface.get(0.0), a), (surface.T.get(0.0), b))
            ]
        else:
            alone = [hc.curve_at(c[None], np.log10(d)[None])[0] for c, d in zip(curves, (a, b), strict=True)]
        predict = kernel.bliss_expected if model == "bliss" else kernel.highest_single_expected
        predicted = predict(*np.meshgrid(*alone, indexing="ij"))
    elif model == "loewe":
        lacking = any(np.isnan(c[0]) for c in curves)
        predicted = (
            np.full(both.shape, np.nan) if lacking else kernel.loewe_expected(curves[0], curves[1], a[:, None], b[None])
        )
    elif any(np.isnan(c[0]) for c in curves):
        predicted = np.full(both.shape, np.nan)
    else:
        predicted, observed = kernel.zip_surfaces(both, a, b, *curves, max_hill=max_hill)
        observed = np.where(np.isnan(both), np.nan, observed)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    out = pd.DataFrame(grid, columns=["dose_a_um", "dose_b_um"])
    out["observed"], out["predicted"] = observed.ravel(), predicted.ravel()
    out["synergy"] = out["predicted"] - out["observed"]
    out["measured"] = ~np.isnan(both).ravel()
    return out[out["measured"]]


def _tested(values: np.ndarray) -> dict[str, object]:
    """Mean over replicates, its interval and its test against zero."""
    v = values[np.isfinite(values)]
    mean, low, high = mean_interval(v)
    error = v.std(ddof=1) / np.sqrt(v.size) if v.size > 1 else 0.0
    p = float(2 * stats.t.sf(abs(mean) / error, v.size - 1)) if error > 0 else np.nan
    few = "" if v.size >= FEW else f"{counted(v.size, 'biological replicate')}; {FEW} are needed"
    return {"synergy": mean, "ci_low": low, "ci_high": high, "p_value": p, "n_replicates": v.size, "weak": few}


def _rows(found: pd.DataFrame, model: str, n: int) -> list[dict[str, object]]:
    """One row per pair of doses, and first the mean over the pairs that every replicate has."""
    out = []
    of_pair = found.groupby(["dose_a_um", "dose_b_um"], sort=True)
    complete = of_pair["synergy"].transform(lambda v: v.notna().sum() == n)
    kept = found[complete]
    total = of_pair.ngroups
    used = kept.groupby(["dose_a_um", "dose_b_um"]).ngroups
    row: dict[str, object] = {"model": model, "dose_a_um": np.nan, "dose_b_um": np.nan, "n_pairs": used}
    if used:
        by = kept.groupby(level=0, sort=False)
        out.append(
            row
            | _tested(by["synergy"].mean().to_numpy(float))
            | {
                "observed": kept["observed"].mean(),
                "predicted": kept["predicted"].mean(),
                "reason": ""
                if used == total
                else f"{total - used} of {total} pairs of doses have no prediction in a replicate",
            }
        )
    else:
        out.append(
            row
            | {
                "synergy": np.nan,
                "n_replicates": 0,
                "weak": "",
                "reason": "no pair of doses has a prediction in every replicate",
            }
        )
    for (a, b), part in of_pair:
        values = part["synergy"].to_numpy(float)
        lacks = int(np.isnan(values).sum())
        why = "" if lacks == 0 else f"no prediction in {lacks} of {len(values)} replicates"
        if model == "loewe" and lacks:
            why += ": the weaker drug does not reach this response alone"
        out.append(
            {
                "model": model,
                "dose_a_um": a,
                "dose_b_um": b,
                "observed": part["observed"].mean(),
                "predicted": part["predicted"].mean(),
                "n_pairs": 1,
                "reason": why,
            }
            | _tested(values)
        )
    return out


def _read(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str], dict[tuple[str, ...], int]]:
    """Means of technical wells per replicate and pair of doses; notes; directions that the file predicts."""
    wells, rows = read_assay(
        table,
        WHERE,
        names=["line", "condition", "drug_a", "drug_b", "replicate"],
        numbers=["dose_a_um", "dose_b_um", "response"],
        filled={"experiment": "", "plate": ""},
        may_miss=["response"],
    )
    scale = dose_scale(wells, rows)
    for name in ("dose_a_um", "dose_b_um"):
        rows.refuse(wells[name] < 0, f"{name} is negative; a dose is a concentration, 0 for none", list(wells[name]))
        wells[name] = wells[name] * scale
    rows.refuse(wells["drug_a"] == wells["drug_b"], "drug_a and drug_b are the same", list(wells["drug_a"]))
    rows.refuse(
        wells["response"] > 1000,
        "a response is above 1000 percent of control; divide by the control",
        list(wells["response"]),
    )
    y = wells["response"].to_numpy(float)
    if np.isfinite(y).any() and np.nanmax(np.abs(y)) <= 3:
        rows.refuse(
            np.arange(len(wells)) == int(np.nanargmax(y)),
            "responses look like fractions: none of the table is above 3; give percent of control",
            list(y),
        )
    keys = [*KEYS, "replicate", "dose_a_um", "dose_b_um"]
    refuse_repeats(wells, [*keys, "plate"], "response", rows)
    pair = [wells[k] for k in KEYS]
    together = (wells["dose_a_um"] > 0) & (wells["dose_b_um"] > 0)
    for one, other in (("a", "b"), ("b", "a")):
        single = (wells[f"dose_{one}_um"] > 0) & (wells[f"dose_{other}_um"] == 0)
        there = single.groupby([*pair, wells["replicate"]]).transform("any")
        rows.refuse(
            together & ~there,
            f"this replicate has no well of drug_{one} alone (dose_{other}_um 0); synergy needs both drugs alone",
            list(wells[f"drug_{one}"]),
        )
    rows.refuse(
        ~together.groupby(pair).transform("any"), "these two drugs were never given together", list(wells["drug_a"])
    )
    predicted = expected_column(wells, KEYS, rows)
    rows.stop()
    missing = int(wells["response"].isna().sum())
    notes = [f"{counted(missing, 'well')} without a response left out"] if missing else []
    means = wells[wells["response"].notna()].groupby([*keys, "plate"], sort=False)["response"].mean()
    return means.groupby(level=keys, sort=False).mean().reset_index(), notes, predicted
