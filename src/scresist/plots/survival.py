"""Pictures of survival: Kaplan-Meier curves with numbers at risk in words, hazard ratios with intervals."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.plots.axis_ends import ends_of_effects, logs, mark_beyond, note, numbers_beyond, reaches_beyond
from scresist.plots.style import in_ratios

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#2166ac", "#b2182b", "#1b7837", "#762a83", "#bf812d", "#01665e")
_FIXED = {"high": "#b2182b", "low": "#2166ac"}  # red is more, as in every figure


def _by_group(table: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Colour, name and rows of every group."""
    groups = [(str(name), rows) for name, rows in table.groupby("group", sort=True)]
    return [(_FIXED.get(name, _COLOURS[k % len(_COLOURS)]), name, rows) for k, (name, rows) in enumerate(groups)]


def kaplan_meier(table: pd.DataFrame, ax: "Axes", *, time_label: str = "months", at_risk: bool = True) -> "Axes":
    """The curves of one feature (rows of `survival.kaplan_meier`), with their intervals, n and events.

    Without `at_risk` the numbers at risk are left out, for a small panel.
    """
    require_columns(table, ["group", "time", "survival", "ci_low", "ci_high", "p_value"], "the table of curves")
    for colour, group, rows in _by_group(table):
        time = np.r_[0, rows["time"]]
        label = f"{group} ({rows['n'].iloc[0]} patients, {rows['events'].iloc[0]} events)"
        if not at_risk:
            label = f"{group} (n = {rows['n'].iloc[0]})"
        ax.step(time, np.r_[1, rows["survival"]], where="post", color=colour, label=label)
        low, high = (np.r_[1, rows[c]] for c in ("ci_low", "ci_high"))
        ax.fill_between(time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        censored = rows["n_event"] == 0
        ax.plot(rows["time"][censored], rows["survival"][censored], "|", color=colour, markersize=5)
    ax.set_ylim(0, 1.02)
    ax.set_xlim(left=0)
    ax.set_xlabel(time_label, fontsize=8)
    if not at_risk:
        ax.set_ylabel("share free", fontsize=8)
        ax.legend(fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.45, 0.96), ncols=2,
                  handlelength=1.2, columnspacing=0.8)  # fmt: skip
        return ax
    ax.set_ylabel("share free of the event", fontsize=8)
    ax.set_title(f"p = {table['p_value'].iloc[0]:.2g}", fontsize=8)
    ax.legend(fontsize=7, frameon=False)
    _numbers_at_risk(table, ax)
    return ax


def _numbers_at_risk(table: pd.DataFrame, ax: "Axes") -> None:
    """How many patients of each group are under observation at the ticks, below the axis."""
    ticks = [t for t in ax.get_xticks() if 0 <= t <= float(table["time"].max())]
    ax.set_xticks(ticks)
    for k, (colour, group, rows) in enumerate(_by_group(table)):
        # Steps are at the distinct times of the group: the next one gives who is still there.
        place = np.searchsorted(rows["time"].to_numpy(float), ticks, side="left")
        risk = np.r_[rows["n_risk"].to_numpy(float), 0.0][place]
        height = -0.26 - 0.08 * k
        for tick, n in zip(ticks, risk, strict=True):
            ax.text(tick, height, f"{n:.0f}", transform=ax.get_xaxis_transform(), ha="center", fontsize=7, color=colour)
        ax.text(-0.1, height, str(group), transform=ax.transAxes, ha="right", fontsize=7, color=colour)
    ax.text(-0.1, -0.19, "at risk", transform=ax.transAxes, ha="right", fontsize=7)


def hazard_ratios(table: pd.DataFrame, ax: "Axes", *, label: str = "feature", sizes: str = "") -> "Axes":
    """Hazard ratios with their intervals on a log scale, one line a row.

    Rows whose `cohort` begins with "all cohorts" are diamonds. `sizes` names a column of text to the right of each row.
    The axis has 1 and every row that reaches at most 3 times as far from it, in logarithms, as the median row; the rest
    is an arrow at its end, with its numbers at the right.
    """
    require_columns(table, [label, "hr", "ci_low", "ci_high"], "the table of hazard ratios")
    place = np.arange(len(table))[::-1]
    bounded = np.isfinite(table[["ci_low", "ci_high"]].to_numpy(float)).all(axis=1)
    pooled = np.zeros(len(table), bool)
    if "cohort" in table:
        pooled = table["cohort"].astype(str).str.startswith("all cohorts").to_numpy()
    low, hr, high = (logs(table[c].to_numpy(float)) for c in ("ci_low", "hr", "ci_high"))
    ends = _hazard_ends(low, hr, high, decide=bounded & ~pooled)
    ax.axvline(1, color="#888888", linewidth=0.8)
    within = [np.exp(np.clip(part, *ends)) for part in (low, high)]
    ax.hlines(place[bounded], within[0][bounded], within[1][bounded], color="#444444", linewidth=1.2)
    faces = np.where(pooled, "#2166ac", "#b2182b")
    gone = mark_beyond(ax, place, (low, hr, high), ends, faces=faces.tolist(), ratio=True, words=not sizes)
    for kind, mark in ((~pooled, "o"), (pooled, "D")):
        shown = kind & ~gone
        ax.scatter(table["hr"][shown], place[shown], c=faces[shown].tolist(), marker=mark, s=28, zorder=3)
    ax.set_xscale("log")
    ax.set_xlim(float(np.exp(ends[0])), float(np.exp(ends[1])))
    ax.set_ylim(-0.7, len(table) - 0.3)
    ticks = [t for t in (0.01, 0.1, 0.2, 0.5, 0.67, 1, 1.5, 2, 5, 10, 100) if np.exp(ends[0]) <= t <= np.exp(ends[1])]
    if ends[1] > 1:
        ticks = [t for t in ticks if t not in (0.67, 1.5)]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set_yticks(place, table[label].astype(str))
    ax.set_xlabel("hazard ratio per SD, 95 % interval", fontsize=8)
    for y, words, k in zip(place, table[sizes], range(len(table)), strict=True) if sizes else ():
        numbers = numbers_beyond(low[k], hr[k], high[k], ends, ratio=True)
        shown = "; ".join(part for part in (str(words), numbers) if part)
        ax.text(1.02, y, shown, transform=ax.get_yaxis_transform(), va="center", fontsize=7)
    return ax


def hazard_note(table: pd.DataFrame) -> str:
    """The sentence for the caption of `hazard_ratios`, empty where its axis has every row.

    Parameters
    ----------
    table
        The same, of single cohorts.
    """
    low, hr, high = (logs(table[c].to_numpy(float)) for c in ("ci_low", "hr", "ci_high"))
    return note(reaches_beyond(low, hr, high, _hazard_ends(low, hr, high)))


def _hazard_ends(
    low: np.ndarray, hr: np.ndarray, high: np.ndarray, *, decide: np.ndarray | None = None
) -> tuple[float, float]:
    """As far on both sides, and at least 0.2; pooled rows, whose interval may be huge, do not decide."""
    widest = max(0.2, *(abs(end) for end in ends_of_effects(low, hr, high, decide=decide)))
    return -widest, widest


def adjusted(table: pd.DataFrame, ax: "Axes", *, time_label: str = "months") -> "Axes":
    """Curves of both groups of one feature, had both the covariates of all patients (rows of `survival_adjusted`)."""
    require_columns(table, ["group", "time", "survival", "ci_low", "ci_high"], "the table of adjusted curves")
    for colour, group, rows in _by_group(table):
        time = np.r_[0, rows["time"]]
        label = f"{group} ({rows['n'].iloc[0]} patients, {rows['events'].iloc[0]} events)"
        ax.step(time, np.r_[1, rows["survival"]], where="post", color=colour, label=label)
        low, high = (np.r_[1, rows[c]] for c in ("ci_low", "ci_high"))
        ax.fill_between(time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
    ax.set_ylim(0, 1.02)
    ax.set_xlim(left=0)
    ax.set_xlabel(time_label, fontsize=8)
    ax.set_ylabel("share free, adjusted", fontsize=8)
    ax.legend(fontsize=7, frameon=False)
    return ax


def incidence(table: pd.DataFrame, ax: "Axes", *, time_label: str = "months") -> "Axes":
    """Cumulative incidence of both causes in the groups of one feature (rows of `survival_incidence`)."""
    require_columns(table, ["group", "cause", "time", "incidence", "p_value"], "the table of incidences")
    for colour, group, own in _by_group(table):
        for cause, rows in own.groupby("cause", sort=True):
            style = "-" if cause == "event" else ":"
            label = f"{group}, {cause} ({rows['events'].iloc[0]} of {rows['n'].iloc[0]})"
            ax.step(np.r_[0, rows["time"]], np.r_[0, rows["incidence"]], style, where="post", color=colour, label=label)
    ax.set_ylim(0, 1.02)
    ax.set_xlim(left=0)
    ax.set_xlabel(time_label, fontsize=8)
    ax.set_ylabel("cumulative incidence", fontsize=8)
    p = table.loc[table["cause"] == "event", "p_value"].iloc[0]
    ax.set_title(f"p = {p:.2g} (Gray, event, by permutation)", fontsize=8)
    ax.legend(fontsize=7, frameon=False)
    return ax


def form_curve(table: pd.DataFrame, ax: "Axes") -> "Axes":
    """The hazard ratio against the median of one feature along its values (rows of `survival_form_curves`)."""
    require_columns(table, ["value", "hr", "ci_low", "ci_high", "feature"], "the table of spline curves")
    ax.axhline(1, color="#888888", linewidth=0.8)
    ax.plot(table["value"], table["hr"], color=_COLOURS[0])
    ax.fill_between(table["value"], table["ci_low"], table["ci_high"], color=_COLOURS[0], alpha=0.15, linewidth=0)
    ax.set_yscale("log")
    in_ratios(ax.yaxis)
    ax.set_xlabel(str(table["feature"].iloc[0]), fontsize=8)
    ax.set_ylabel("hazard ratio against the median", fontsize=8)
    return ax


def decision_curve(table: pd.DataFrame, ax: "Axes") -> "Axes":
    """Net benefit of the score by threshold of risk, beside treating all and none (rows of `survival_decision`)."""
    require_columns(table, ["threshold", "net_benefit", "ci_low", "ci_high", "benefit_all"], "the table of net benefit")
    ax.plot(table["threshold"], table["net_benefit"], color=_COLOURS[0], label="score")
    ax.fill_between(table["threshold"], table["ci_low"], table["ci_high"], color=_COLOURS[0], alpha=0.15, linewidth=0)
    ax.plot(table["threshold"], table["benefit_all"], color=_COLOURS[1], linestyle="--", label="treat all")
    ax.axhline(0, color="#888888", linewidth=0.8, label="treat none")
    top = max(float(table["ci_high"].max()), float(table["benefit_all"].max()), 1 / 20)
    ax.set_ylim(-0.25 * top, 1.05 * top)
    ax.set_xlabel("risk from which a patient would be treated", fontsize=8)
    ax.set_ylabel("net benefit per patient", fontsize=8)
    ax.legend(fontsize=7, frameon=False)
    return ax


def calibration(table: pd.DataFrame, ax: "Axes") -> "Axes":
    """Predicted beside observed risk in thirds of the patients (rows of `survival_calibration`)."""
    require_columns(table, ["predicted", "observed", "ci_low", "ci_high"], "the table of calibration")
    ax.plot([0, 1], [0, 1], color="#888888", linewidth=0.8)
    ax.vlines(table["predicted"], table["ci_low"], table["ci_high"], color="#444444", linewidth=1.2)
    ax.scatter(table["predicted"], table["observed"], color="#b2182b", s=28, zorder=3)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_xlabel("predicted risk", fontsize=8)
    ax.set_ylabel("observed risk", fontsize=8)
    return ax
