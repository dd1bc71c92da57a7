"""The cohort at a glance: one bar per patient over time with its biopsies, or the biopsies alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D

from scresist.checks import require_columns
from scresist.plots.style import arm_colours, short, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK = "#1f2937"
NAMES_UP_TO = 45  # patients whose names are legible beside their bars


def bar_arm(samples: pd.DataFrame, arms: Sequence[str]) -> pd.Series:
    """The arm of each patient: that of its samples which is last in the order of the study.

    Parameters
    ----------
    samples
        Columns patient, arm.
    arms
        In the order of the study.
    """
    place = samples["arm"].astype(str).map({arm: i for i, arm in enumerate(arms)})
    last = place.groupby(samples["patient"].astype(str)).max().dropna().astype(int)
    return last.map(dict(enumerate(arms)))


def swimmer(
    patients: pd.DataFrame, biopsies: pd.DataFrame, axes: "Axes", *, arms: Sequence[str], unit: str = "months"
) -> "Axes":
    """One bar per patient up to its event or the end of its follow-up, biopsies as marks at their times.

    Parameters
    ----------
    patients
        Columns patient, time, event (1 or 0), arm, response (may be empty); longest bars first within each arm.
    biopsies
        Columns patient, arm, time; a missing time is drawn open at the left of the bars.
    axes
        Where to draw.
    arms
        In the order of the study.
    unit
        Of the times.
    """
    require_columns(patients, ["patient", "time", "event", "arm", "response"], "the table of patients")
    require_columns(biopsies, ["patient", "arm", "time"], "the table of biopsies")
    colour = arm_colours(arms)
    rank = {arm: i for i, arm in enumerate(arms)}
    shown = patients.assign(
        patient=patients["patient"].astype(str), place=patients["arm"].map(rank).fillna(len(arms))
    ).sort_values(["place", "time", "patient"], ascending=[True, False, True], kind="stable", na_position="last")
    row = {patient: len(shown) - 1 - i for i, patient in enumerate(shown["patient"])}
    scale = _scale(axes, len(row))
    longest = float(np.nanmax(np.r_[shown["time"].to_numpy(float), 1e-9]))
    y = shown["patient"].map(row).to_numpy(float)
    fills = [colour.get(str(a), "#c8ccd2") for a in shown["arm"]]
    axes.barh(y, shown["time"].fillna(0), height=0.62, color=fills, alpha=0.4, linewidth=0)
    ended = (shown["event"].fillna(0) == 1).to_numpy() & shown["time"].notna().to_numpy()
    going = (shown["event"] == 0).to_numpy() & shown["time"].notna().to_numpy()
    times = shown["time"].to_numpy(float)
    axes.plot(
        times[ended] + 0.018 * longest, y[ended], "|", color=INK, markersize=9 * scale, markeredgewidth=1.8 * scale
    )
    axes.plot(times[going] + 0.025 * longest, y[going], ">", color=INK, markersize=5 * scale)
    for at, height, words in zip(shown["time"].fillna(0), y, shown["response"].fillna("").astype(str), strict=True):
        axes.text(at + 0.055 * longest, height, short(words, at_most=6), va="center", fontsize=8 * scale, color=INK)
    for arm in arms:
        own = biopsies[(biopsies["arm"] == arm) & biopsies["patient"].astype(str).isin(row)]
        where = own["patient"].astype(str).map(row).to_numpy(float)
        when = own["time"].to_numpy(float)
        timed = np.isfinite(when)
        axes.scatter(
            when[timed], where[timed], s=42 * scale**2, color=colour[arm], edgecolors="white", linewidths=0.8, zorder=4
        )
        left = np.full((~timed).sum(), -0.035 * longest)
        axes.scatter(
            left, where[~timed], s=36 * scale**2, facecolors="white", edgecolors=colour[arm], linewidths=1.4, zorder=4
        )
    _names(axes, row, scale)
    axes.set_xlim(-0.06 * longest, 1.17 * longest)
    axes.set_xlabel(unit, fontsize=8)
    handles = [Line2D([], [], color=colour[a], marker="o", markersize=6, linewidth=6, alpha=0.75, label=f"{short(a)}, "
                      f"n = {biopsies.loc[biopsies['arm'] == a, 'patient'].nunique()}") for a in arms]  # fmt: skip
    handles += [
        Line2D([], [], color=INK, marker="|", markersize=8, markeredgewidth=2, linestyle="", label="event"),
        Line2D([], [], color=INK, marker=">", markersize=5, linestyle="", label="no event so far"),
    ]
    axes.legend(handles=handles, fontsize=7, frameon=False, loc="lower center", bbox_to_anchor=(0.42, 1.0), ncols=1
                if sum(len(a) for a in arms) > 60 else 2, handlelength=1.4, columnspacing=1.2)  # fmt: skip
    tidy(axes)
    return axes


def biopsy_grid(samples: pd.DataFrame, axes: "Axes", *, arms: Sequence[str]) -> "Axes":
    """Which patients were biopsied in which arm: a mark per patient and arm, with the number where it is not one.

    Parameters
    ----------
    samples
        Columns patient, arm; one row a sample.
    axes
        Where to draw.
    arms
        In the order of the study.
    """
    require_columns(samples, ["patient", "arm"], "the sheet of samples")
    colour = arm_colours(arms)
    own = samples.assign(patient=samples["patient"].astype(str), arm=samples["arm"].astype(str))
    names = sorted(own["patient"].unique())
    row = {patient: len(names) - 1 - i for i, patient in enumerate(names)}
    counts = own.groupby(["patient", "arm"]).size()
    scale = _scale(axes, len(row))
    for column, arm in enumerate(arms):
        here = counts[counts.index.get_level_values("arm") == arm]
        y = [row[patient] for patient, _ in here.index]
        axes.scatter(np.full(len(y), column), y, s=80 * scale**2, color=colour[arm], zorder=3)
        for height, n in zip(y, here, strict=True):
            if n > 1:
                axes.text(column, height, str(n), color="white", ha="center", va="center", fontsize=7 * scale, zorder=4)
    totals = own.groupby("arm")["patient"].nunique()
    axes.set_xticks(range(len(arms)), [f"{short(arm)}\nn = {totals.get(arm, 0)}" for arm in arms], fontsize=8)
    axes.xaxis.tick_top()
    axes.set_xlim(-0.6, len(arms) - 0.4)
    _names(axes, row, scale)
    tidy(axes)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.hlines(list(row.values()), -0.6, len(arms) - 0.4, color="#e2e8f0", linewidth=0.6, zorder=1)
    return axes


def _scale(axes: "Axes", rows: int) -> float:
    """How far marks and letters shrink so that as many rows fit; 1 where each has a quarter of an inch."""
    height = float(axes.figure.get_figure(root=True).get_size_inches()[1]) - 1.0
    return float(np.clip(height / max(rows, 1) / 0.25, 0.3, 1))


def _names(axes: "Axes", row: dict[str, int], scale: float) -> None:
    """The patients beside their rows; only how many, where there are too many to read."""
    if len(row) <= NAMES_UP_TO:
        axes.set_yticks(list(row.values()), [short(name, at_most=12) for name in row], fontsize=8 * scale)
    else:
        axes.set_yticks([])
        axes.set_ylabel(f"{len(row)} patients, one a row", fontsize=8)
    axes.set_ylim(-0.7, len(row) - 0.3)
