"""Pictures of survival: Kaplan-Meier curves with numbers at risk in words, hazard ratios with intervals."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#2166ac", "#b2182b", "#1b7837", "#762a83", "#bf812d", "#01665e")


def kaplan_meier(table: pd.DataFrame, ax: "Axes", *, time_label: str = "months") -> None:
    """The curves of one feature (rows of `survival.kaplan_meier`), with their intervals, n and events."""
    require_columns(table, ["group", "time", "survival", "ci_low", "ci_high", "p_value"], "the table of curves")
    for colour, (group, rows) in zip(_COLOURS, table.groupby("group", sort=True), strict=False):
        time = np.r_[0, rows["time"]]
        label = f"{group} ({rows['n'].iloc[0]} patients, {rows['events'].iloc[0]} events)"
        ax.step(time, np.r_[1, rows["survival"]], where="post", color=colour, label=label)
        low, high = (np.r_[1, rows[c]] for c in ("ci_low", "ci_high"))
        ax.fill_between(time, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        censored = rows["n_event"] == 0
        ax.plot(rows["time"][censored], rows["survival"][censored], "|", color=colour, markersize=5)
    ax.set_ylim(0, 1.02)
    ax.set_xlim(left=0)
    ax.set_xlabel(time_label)
    ax.set_ylabel("share free of the event")
    ax.set_title(f"p = {table['p_value'].iloc[0]:.2g}", fontsize=9)
    ax.legend(fontsize=7, frameon=False)
    _numbers_at_risk(table, ax)


def _numbers_at_risk(table: pd.DataFrame, ax: "Axes") -> None:
    """How many patients of each group are under observation at the ticks, below the axis."""
    ticks = [t for t in ax.get_xticks() if 0 <= t <= float(table["time"].max())]
    ax.set_xticks(ticks)
    for k, (colour, (group, rows)) in enumerate(zip(_COLOURS, table.groupby("group", sort=True), strict=False)):
        # Steps are at the distinct times of the group: the next one gives who is still there.
        place = np.searchsorted(rows["time"].to_numpy(float), ticks, side="left")
        risk = np.r_[rows["n_risk"].to_numpy(float), 0.0][place]
        height = -0.26 - 0.08 * k
        for tick, n in zip(ticks, risk, strict=True):
            ax.text(tick, height, f"{n:.0f}", transform=ax.get_xaxis_transform(), ha="center", fontsize=7, color=colour)
        ax.text(-0.1, height, str(group), transform=ax.transAxes, ha="right", fontsize=7, color=colour)
    ax.text(-0.1, -0.19, "at risk", transform=ax.transAxes, ha="right", fontsize=7)


def hazard_ratios(table: pd.DataFrame, ax: "Axes", *, label: str = "feature") -> None:
    """Hazard ratios with their intervals on a log scale, one line a row."""
    require_columns(table, [label, "hr", "ci_low", "ci_high"], "the table of hazard ratios")
    place = np.arange(len(table))[::-1]
    bounded = table["ci_low"].notna().to_numpy()
    ax.axvline(1, color="#888888", linewidth=0.8)
    ax.hlines(place[bounded], table["ci_low"][bounded], table["ci_high"][bounded], color="#444444", linewidth=1.2)
    ax.scatter(table["hr"], place, color="#b2182b", s=28, zorder=3)
    ax.set_xscale("log")
    ax.set_yticks(place, table[label].astype(str))
    ax.set_xlabel("hazard ratio per SD, 95 % interval")
