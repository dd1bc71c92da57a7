"""Pathways ranked by their flow, and values with one point per patient."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_columns
from scresist.plots.effects import by_arm
from scresist.plots.style import arm_colours, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def flows(table: pd.DataFrame, axes: "Axes", *, n_pathways: int = 40) -> "Axes":
    """Information flow of each pathway, ranked: bars, or two bars side by side for two conditions.

    Parameters
    ----------
    table
        From `rank_flow`: name, condition, flow (and order).
    axes
        Where to draw.
    n_pathways
        Pathways shown, those with the largest flow.
    """
    require_columns(table, ["name", "condition", "flow"], "the table of flows")
    keep = table.groupby("name", observed=True)["flow"].max().nlargest(n_pathways).index
    shown = table[table["name"].isin(keep)]
    order = shown.drop_duplicates("name")
    names = list(order.sort_values("order")["name"] if "order" in order else order.sort_values("flow")["name"])[::-1]
    if "order" not in order:
        names = names[::-1]
    conditions = list(dict.fromkeys(shown["condition"]))
    colour, height = arm_colours(conditions), 0.8 / len(conditions)
    for c, label in enumerate(conditions):
        own = shown[shown["condition"] == label].set_index("name")["flow"].reindex(names).fillna(0)
        y = np.arange(len(names)) + (len(conditions) - 1) * height / 2 - c * height
        axes.barh(y, own, height=height, color=colour[label], label=str(label))
    label = "information flow (sum of probabilities, root scale)"
    return _finished(axes, names, label, legend=len(conditions) if len(conditions) > 1 else 0)


def _finished(axes: "Axes", names: Sequence[object], label: str, *, legend: int) -> "Axes":
    """Axes with a pathway per row, values on a root scale, and a legend of so many columns."""
    axes.set_yticks(range(len(names)), [str(n) for n in names], fontsize=7)
    axes.set_ylim(-0.6, len(names) - 0.4)
    # Pathways differ by orders of magnitude: a root scale shows the small ones too, and zero is zero.
    axes.set_xscale("function", functions=(lambda v: np.sqrt(np.maximum(v, 0)), np.square))
    axes.set_xlim(0, None)
    axes.set_xlabel(label, fontsize=8)
    if legend:
        axes.legend(fontsize=8, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=legend)
    tidy(axes)
    axes.tick_params(axis="y", labelsize=7)
    return axes


def flows_by_patient(
    table: pd.DataFrame, samples: pd.DataFrame, axes: "Axes", *, arms: Sequence[str], n_pathways: int = 25
) -> "Axes":
    """Mean probability of each pathway in every arm: one point per patient, a bar at the mean of the arm.

    Parameters
    ----------
    table
        Columns sample, pathway, value; the value of a sample is the mean over its rows of a pathway
        (pairs of populations).
    samples
        The sheet of samples, indexed by sample: patient, arm.
    axes
        Where to draw.
    arms
        In the order of the study.
    n_pathways
        Pathways shown, those with the largest mean, from the top.
    """
    require_columns(table, ["pathway"], "the table of values")
    values = _per_patient(table, samples, ["pathway"])
    values = values[values["arm"].isin(arms)]
    names = list(values.groupby("pathway", observed=True)["value"].mean().nlargest(n_pathways).index)[::-1]
    colour, height = arm_colours(arms), 0.8 / len(arms)
    for c, arm in enumerate(arms):
        own = values[(values["arm"] == arm) & values["pathway"].isin(names)]
        y = own["pathway"].map(names.index) + (len(arms) - 1) * height / 2 - c * height
        axes.scatter(own["value"], y, s=14, color=colour[arm], edgecolors="white", linewidths=0.4, label=arm, zorder=3)
        middle = own.groupby("pathway", observed=True)["value"].mean()
        at = np.array([names.index(n) for n in middle.index]) + (len(arms) - 1) * height / 2 - c * height
        axes.vlines(middle, at - height * 0.45, at + height * 0.45, color=colour[arm], linewidth=2)
    for k in range(1, len(names)):
        axes.axhline(k - 0.5, color="#eef0f3", linewidth=0.6, zorder=0)
    return _finished(axes, names, "mean probability over pairs of populations (root scale)", legend=len(arms))


def by_patient(table: pd.DataFrame, samples: pd.DataFrame, axes: "Axes", *, arms: Sequence[str], unit: str) -> "Axes":
    """One link, pathway or role: one point per patient and arm.

    Parameters
    ----------
    table
        Rows of `interaction_table` of one feature: sample, value.
    samples
        The sheet of samples, indexed by sample: patient, arm.
    axes
        Where to draw.
    arms
        In the order of the study.
    unit
        Label of the axis.

    Raises
    ------
    InputError
        If a sample has more than one value.
    """
    require_columns(table, ["sample"], "the table of values")
    if table["sample"].duplicated().any():
        raise InputError("the table has more than one value per sample; choose one link, pathway or role")
    return by_arm(_per_patient(table, samples, []), axes, arms=arms, unit=unit)


def _per_patient(table: pd.DataFrame, samples: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The mean of a patient's samples of one arm, which are one unit of the test."""
    require_columns(table, ["sample", "value"], "the table of values")
    require_columns(samples, ["patient", "arm"], "the sheet of samples")
    joined = table.join(samples[["patient", "arm"]], on="sample")
    return joined.groupby([*names, "patient", "arm"], as_index=False, observed=True)["value"].mean()
