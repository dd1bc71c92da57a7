"""Pictures of functional assays: dose-response, ratios, release and rates, two drugs, values of replicates."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scresist.checks import require_columns
from scresist.kernels.hill_curve import curve_at
from scresist.kernels.kinetics import MODELS, model_value
from scresist.plots.axis_ends import ends_of_effects, logs, mark_beyond, reaches_beyond
from scresist.plots.style import FAINT, arm_colours, in_ratios, tidy

INK = "#374151"
CONSTANTS = ("k", "rate", "ki", "ki_app", "ic50", "km")  # what a curve is labelled with, the first that its model has
_ARGUMENT = {"time": "time", "substrate_um": "substrate, µM", "inhibitor_um": "inhibitor, µM"}


def dose_curves(table: pd.DataFrame, points: pd.DataFrame, axes: Axes, *, level: float = 50.0) -> Axes:
    """Dose-response curves: a point per replicate and dose, the IC50 with its interval, or an arrow where not reached.

    Parameters
    ----------
    table
        Rows of `validation_dose_response`, one per curve that is drawn.
    points
        Rows of `validation_dose_points` of the same curves.
    axes
        Where to draw.
    level
        The response that defines the IC50, in percent of control.
    """
    keys = ["experiment", "line", "condition", "compound"]
    require_columns(
        table, [*keys, "ic50_um", "ic50_low", "ic50_high", "ic50_reached", "ec50_um", "hill"], "the table of curves"
    )
    require_columns(points, [*keys, "dose_um", "response"], "the table of points")
    differs = [k for k in keys if len(set(table[k])) > 1] or ["condition"]
    labels = table[differs].astype(str).agg(", ".join, axis=1)
    colours = arm_colours(list(dict.fromkeys(labels)))
    axes.axhline(level, color=FAINT, linewidth=0.8, linestyle=":")
    for label, (_, row) in zip(labels, table.iterrows(), strict=True):
        own = points[(points[keys].astype(str) == row[keys].astype(str)).all(axis=1) & (points["dose_um"] > 0)]
        colour = colours[label]
        axes.scatter(own["dose_um"], own["response"], s=14, color=colour, alpha=0.6, linewidths=0)
        dose = np.geomspace(row["dose_min_um"], row["dose_max_um"], 200)
        if np.isfinite(row["hill"]):
            p = np.array([row["lower_plateau"], row["upper_plateau"], row["hill"], np.log10(row["ec50_um"])])
            axes.plot(dose, curve_at(p[None], np.log10(dose)[None])[0], color=colour, linewidth=1.6)
        text = _ic50(row, level, axes, colour)
        n = int(row["n_replicates"])
        axes.plot([], [], color=colour, marker="o", markersize=4,
                  label=f"{label}: {text} ({n} replicate{'' if n == 1 else 's'})")  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(-2, max(115.0, float(points["response"].quantile(0.99)) + 5))
    axes.set_xlabel("dose, µM", fontsize=9)
    axes.set_ylabel("response, % of control", fontsize=9)
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.17))
    tidy(axes)
    return axes


def _ic50(row: pd.Series, level: float, axes: Axes, colour: str) -> str:
    """Draw the IC50 or its bound, and put it into words."""
    name = f"IC{100 - level:g}"
    low, high = (float(row[c]) for c in ("ic50_low", "ic50_high"))
    height = level
    if bool(row["ic50_reached"]):
        value = float(row["ic50_um"])
        axes.plot([value], [height], marker="D", markersize=5, color=colour, markeredgecolor="white", zorder=5)
        if np.isfinite([low, high]).all():
            axes.hlines(
                height, max(low, row["dose_min_um"] / 2), min(high, row["dose_max_um"] * 2), color=colour, linewidth=2
            )
            return f"{name} {value:.3g} µM ({low:.3g} to {high:.3g})"
        return f"{name} {value:.3g} µM"
    if np.isfinite(low) or np.isfinite(high):
        above = bool(np.isfinite(low))
        at = low if above else high
        _arrow(axes, at, at * (2.6 if above else 1 / 2.6), height, colour)
        return f"{name} not reached, {'above' if above else 'below'} {at:.3g} µM"
    return "no curve"


def _arrow(axes: Axes, start: float, end: float, height: float, colour: str) -> None:
    """An open bound: a stop at `start` and an arrow to `end`, inside the axes."""
    axes.plot([start, end * (end / start) ** 0.15], [height, height], linewidth=0)
    axes.annotate("", (end, height), (start, height),
                  arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.8, "shrinkA": 0})  # fmt: skip
    axes.plot([start], [height], "|", color=colour, markersize=9, markeredgewidth=1.8)


def release_curves(table: pd.DataFrame, points: pd.DataFrame, axes: Axes) -> Axes:
    """Release or rates of each condition: a point per measurement and the curve of the chosen model.

    Parameters
    ----------
    table
        Rows of `validation_kinetics` of one experiment.
    points
        The kinetics file of that experiment: condition, and time and released, or rate with a concentration.
    axes
        Where to draw.
    """
    require_columns(table, ["condition", "reference", "model", "parameter", "value", "chosen"], "the table of kinetics")
    course = "time" in points and points["time"].notna().any()
    along = "time" if course else ("inhibitor_um" if _varies(points, "inhibitor_um") else "substrate_um")
    what = "released" if course else "rate"
    require_columns(points, ["condition", along, what], "the kinetics file")
    colours = arm_colours(list(dict.fromkeys(points["condition"].astype(str))))
    own = table[table["reference"].isna() | (table["reference"] == "")]
    for name, part in points.groupby(points["condition"].astype(str), sort=False):
        axes.scatter(part[along], part[what], s=14, color=colours[name], alpha=0.6, linewidths=0)
        fitted = own[(own["condition"].astype(str) == name) & own["chosen"].astype(bool)]
        label = name
        if len(fitted):
            label = f"{name}: {_parameters(fitted)}"
            _curve(fitted, part, along, axes, colours[name])
        axes.plot([], [], color=colours[name], marker="o", markersize=4, label=label)
    unit = f", {points['time_unit'].iloc[0]}" if course and "time_unit" in points else (", h" if course else "")
    axes.set_xlabel(_ARGUMENT[along] + unit, fontsize=9)
    axes.set_ylabel("released, % of payload" if course else "rate", fontsize=9)
    axes.set_ylim(bottom=min(0.0, float(points[what].min())))
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.17))
    tidy(axes)
    return axes


def _varies(points: pd.DataFrame, name: str) -> bool:
    return name in points and len(set(points[name].dropna())) > 1


def _parameters(fitted: pd.DataFrame) -> str:
    """The constant of the chosen model in words, and a half-life that is not reached; the rest is in the table."""
    rows = fitted.set_index("parameter")
    name = next((p for p in CONSTANTS if p in rows.index), str(rows.index[0]))
    row = rows.loc[name]
    unit = f" {row['unit']}" if str(row["unit"]) else ""
    words = f"{name} {row['value']:.3g}{unit}"
    if np.isfinite(row["ci_low"]) and np.isfinite(row["ci_high"]):
        words += f" ({row['ci_low']:.3g} to {row['ci_high']:.3g})"
    if "half-life" in rows.index and not np.isfinite(rows.loc["half-life", "value"]):
        words += f", half-life above {rows.loc['half-life', 'ci_low']:.3g}"
    return f"{row['model']},\n{words}"


def _curve(fitted: pd.DataFrame, part: pd.DataFrame, along: str, axes: Axes, colour: str) -> None:
    """The chosen model over what was varied; one line per concentration of substrate of an inhibition."""
    model = str(fitted["model"].iloc[0])
    values = fitted.set_index("parameter")["value"].reindex(MODELS[model].parameters).to_numpy(float)
    if not np.isfinite(values).all():
        return
    x = np.linspace(0, float(part[along].max()), 200)
    if along == "inhibitor_um" and "substrate_um" in part and _varies(part, "substrate_um"):
        for s in np.unique(part["substrate_um"]):
            axes.plot(x, model_value(model, values, np.full(x.size, s), x), color=colour, linewidth=1)
    elif model == "morrison":
        axes.plot(x, model_value(model, values, x, np.full(x.size, float(part["enzyme_um"].mean()))), color=colour)
    else:
        axes.plot(x, model_value(model, values, x), color=colour, linewidth=1.6)


def condition_ratios(table: pd.DataFrame, axes: Axes) -> Axes:
    """Ratios of IC50 with their intervals on a log scale; an arrow from the bound where a condition does not reach it.

    The axis has 1 and every row that reaches at most 3 times as far from it, in logarithms, as the median row; the rest
    is an arrow at its end, with its numbers at the right.

    Parameters
    ----------
    table
        Rows of `validation_dose_ratios`, from top to bottom.
    axes
        Where to draw.
    """
    require_columns(table, ["compound", "test", "reference", "ratio", "ci_low", "ci_high"], "the table of ratios")
    rows = np.arange(len(table))[::-1]
    axes.axvline(1, color=FAINT, linewidth=1)
    low, ratio, high = (logs(table[c].to_numpy(float)) for c in ("ci_low", "ratio", "ci_high"))
    ends = ends_of_effects(low, ratio, high)
    axes.hlines(rows, *(np.exp(np.clip(part, *ends)) for part in (low, high)), color=INK, linewidth=1.4)
    gone = mark_beyond(axes, rows, (low, ratio, high), ends, faces=["#0072b2"] * len(rows), ratio=True)
    axes.scatter(table["ratio"][~gone], rows[~gone], color="#0072b2", s=30, zorder=3)
    for at, (_, row) in zip(rows, table.iterrows(), strict=True):
        for name, way in (("ratio_at_least", 2.2), ("ratio_at_most", 1 / 2.2)):
            if np.isfinite(row.get(name, np.nan)):
                _arrow(axes, row[name], row[name] * way, float(at), "#d55e00")
    if reaches_beyond(low, ratio, high, ends).any():
        bounds = [table[c].to_numpy(float) * way for c, way in (("ratio_at_least", 3), ("ratio_at_most", 1 / 3))
                  if c in table]  # fmt: skip
        known = np.concatenate([np.exp(ends), *bounds])
        axes.set_xlim(np.nanmin(known), np.nanmax(known))
    labels = [" ".join(row[c] for c in ("compound", "line", "condition") if isinstance(row.get(c), str)).strip() +
              f": {row['test']} / {row['reference']}" for _, row in table.iterrows()]  # fmt: skip
    axes.set_yticks(rows, labels, fontsize=8)
    axes.set_ylim(-0.7, len(table) - 0.3)
    axes.set_xscale("log")
    in_ratios(axes.xaxis)
    axes.set_xlabel("ratio of IC50, 95 % interval", fontsize=8)
    tidy(axes)
    return axes


def synergy_surface(table: pd.DataFrame, axes: Axes) -> Axes:
    """Synergy at every pair of doses: a heat map, blue where fewer cells survive than predicted, red where more.

    A dot marks a pair whose interval does not have 0; a cross a pair without a prediction.

    Parameters
    ----------
    table
        Rows of `validation_combinations` of one pair of drugs and one model; the row of their mean is its title.
    axes
        Where to draw.
    """
    require_columns(table, ["drug_a", "drug_b", "model", "dose_a_um", "dose_b_um", "synergy", "ci_low", "ci_high"],
                    "the table of combinations")  # fmt: skip
    pairs, whole = table[table["dose_a_um"].notna()], table[table["dose_a_um"].isna()]
    wide = pairs.pivot_table(index="dose_b_um", columns="dose_a_um", values="synergy", sort=True, dropna=False)
    values = wide.to_numpy(float)
    limit = max(float(np.nanmax(np.abs(values), initial=0.0)), 10.0)
    image = axes.imshow(values, cmap="RdBu", vmin=-limit, vmax=limit, origin="lower", aspect="auto")
    for row in pairs.to_dict("records"):
        at = wide.columns.get_loc(row["dose_a_um"]), wide.index.get_loc(row["dose_b_um"])
        sure = np.isfinite(row["ci_low"]) and (row["ci_low"] > 0 or row["ci_high"] < 0)
        if sure or not np.isfinite(row["synergy"]):
            axes.plot(
                *at,
                marker="o" if sure else "x",
                markersize=4.5,
                color=INK,
                markeredgecolor="white" if sure else INK,
                linewidth=0,
            )
    for axis, doses, drug in ((axes.xaxis, wide.columns, "drug_a"), (axes.yaxis, wide.index, "drug_b")):
        axis.set_ticks(range(len(doses)), [f"{d:.3g}" for d in doses], fontsize=7)
        axis.set_label_text(f"{table[drug].iloc[0]}, µM", fontsize=8)
    bar = axes.figure.colorbar(image, ax=axes, fraction=0.06, pad=0.03)
    bar.set_label("synergy, % of control", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    if len(whole) and np.isfinite(whole["synergy"].iloc[0]):
        mean = whole.iloc[0]
        interval = f"{mean['ci_low']:+.1f} to {mean['ci_high']:+.1f}"
        axes.set_title(f"{mean['model']}: mean {mean['synergy']:+.1f} ({interval})", fontsize=8)
    axes.tick_params(length=0)
    return axes


def replicate_values(points: pd.DataFrame, tests: pd.DataFrame, axes: Axes, *, value: str, label: str) -> Axes:
    """One dot per biological replicate and condition, their mean, lines between pairs, each effect with its interval.

    Parameters
    ----------
    points
        Rows of `validation_readout_points` or `validation_expression_points` of one read-out or target.
    tests
        Rows of `validation_readouts` or `validation_expression` of the same.
    axes
        Where to draw.
    value
        The column of the values.
    label
        Of the axis of values.
    """
    require_columns(points, ["condition", "replicate", value], "the table of replicates")
    require_columns(tests, ["test", "reference", "ci_low", "ci_high", "p_value", "pairing"], "the table of tests")
    names = list(dict.fromkeys(points["condition"].astype(str)))
    first = [str(n) for n in tests["reference"].unique() if str(n) in names]
    names = [*first, *(n for n in names if n not in first)]
    at = {name: k for k, name in enumerate(names)}
    colours = arm_colours(names)
    known = points[points[value].notna()].assign(condition=lambda t: t["condition"].astype(str))
    if len(tests) and (tests["pairing"] == "paired").all():
        for _, own in known.groupby(known["replicate"].astype(str)):
            ordered = own.assign(place=own["condition"].map(at)).sort_values("place")
            axes.plot(ordered["place"], ordered[value], color=FAINT, linewidth=1, zorder=1)
    for name, own in known.groupby("condition", sort=False):
        n = len(own)
        spread = 0.09 * (np.arange(n) - (n - 1) / 2) / max(n - 1, 1)
        axes.scatter(at[name] + spread, own[value], s=20, color=colours[name], linewidths=0, zorder=3)
        axes.hlines(own[value].mean(), at[name] - 0.2, at[name] + 0.2, color=colours[name], linewidth=1.6, zorder=2)
    low, high = (float(f(known[value])) for f in (np.min, np.max)) if len(known) else (0.0, 1.0)
    step = 0.16 * ((high - low) or 1.0)
    for k, row in enumerate(r for r in tests.to_dict("records") if str(r["test"]) in at):
        height = high + step * (k + 0.6)
        ends = sorted((at.get(str(row["reference"]), 0), at[str(row["test"])]))
        axes.hlines(height, *ends, color=INK, linewidth=0.8)
        axes.annotate(_effect(row), (float(np.mean(ends)), height), (0, 1.5), textcoords="offset points", fontsize=7,
                      ha="center", va="bottom", color=INK)  # fmt: skip
    axes.set_ylim(low - step, high + step * (len(tests) + 1.2))
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_xticks(range(len(names)), [f"{n}\nn {int((known['condition'] == n).sum())}" for n in names], fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    tidy(axes)
    return axes


def _effect(row: dict[Hashable, Any]) -> str:
    """An effect with its interval and p in words: a ratio, or a difference."""
    value = row["fold"] if "fold" in row else row["effect"]
    sign = "+" if row.get("scale") == "difference" else ""
    name = "" if sign else "× "
    if not np.isfinite(value):
        return "no effect can be told"
    interval = f" ({row['ci_low']:{sign}.3g} to {row['ci_high']:{sign}.3g})" if np.isfinite(row["ci_low"]) else ""
    p = row["p_value"]
    chance = "" if not np.isfinite(p) else f", p {p:.2g}" if p >= 0.001 else ", p < .001"
    return f"{name}{value:{sign}.3g}{interval}{chance}"
