"""The chance of a design to find an effect, over the size of the effect."""

import pandas as pd
from matplotlib.figure import Figure

from scresist.checks import require_columns
from scresist.plots.style import ARMS, tidy


def power_figure(table: pd.DataFrame, *, after_correction: bool = True, target: float = 0.8) -> Figure:
    """One panel per question, one curve per design: the chance to find an effect of each size.

    Parameters
    ----------
    table
        `design`, `question`, `unit`, `effect`, `power`, `power_q`, as `simulate.power_curves` gives.
    after_correction
        Full lines are the chance at q < q over the family, thin ones that at p < alpha; without, only the latter.
    target
        Where a thin line is drawn across.
    """
    require_columns(table, ["design", "question", "unit", "effect", "power", "power_q"], "the table of power")
    questions = list(dict.fromkeys(table["question"]))
    figure = Figure(figsize=(2.6 * max(len(questions), 1) + 0.4, 2.6), layout="constrained")
    colour = {name: ARMS[i % len(ARMS)] for i, name in enumerate(dict.fromkeys(table["design"]))}
    for place, question in enumerate(questions, start=1):
        axes = figure.add_subplot(1, len(questions), place)
        axes.axhline(target, color="#9aa3af", linewidth=0.8, linestyle=":")
        own = table[table["question"] == question]
        for design, curve in own.groupby("design", sort=False):
            if after_correction:
                axes.plot(curve["effect"], curve["power"], color=colour[design], linewidth=0.7, alpha=0.6)
            shown = curve["power_q" if after_correction else "power"]
            axes.plot(curve["effect"], shown, color=colour[design], linewidth=1.8, label=str(design))
        axes.set_ylim(0, 1.02)
        axes.set_title(question, fontsize=9)
        axes.set_xlabel(str(own["unit"].iloc[0]), fontsize=8)
        if place == 1:
            axes.set_ylabel("chance to find it", fontsize=8)
            axes.legend(fontsize=7, frameon=False)
        tidy(axes)
    return figure
