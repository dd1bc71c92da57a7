"""A second cohort beside the first: how far modules are preserved, and the effects of both."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scresist.checks import require_columns
from scresist.plots.labels import label_points
from scresist.plots.style import FAINT, arm_colours, tidy

INK = "#374151"


def preserved_modules(table: pd.DataFrame, axes: Axes) -> Axes:
    """Zsummary of each module, filled where it is preserved, and the 95 % quantile of permuted genes as a bar.

    Parameters
    ----------
    table
        module, z_summary, z_summary_chance, preserved; rows from top to bottom.
    axes
        Where to draw.
    """
    require_columns(table, ["module", "z_summary", "z_summary_chance", "preserved"], "the table of preservation")
    rows = np.arange(len(table))[::-1]
    for at in (2, 10):
        axes.axvline(at, color=FAINT, linewidth=1)
    axes.hlines(rows, 0, table["z_summary"], color=FAINT, linewidth=1)
    axes.scatter(table["z_summary_chance"], rows, marker="|", s=60, color=INK, zorder=3)
    axes.scatter(table["z_summary"], rows, s=36, zorder=4, edgecolors=INK,
                 c=np.where(table["preserved"].astype(bool), "#0072b2", "white").tolist())  # fmt: skip
    axes.set_yticks(rows, table["module"].astype(str).tolist(), fontsize=8)
    axes.set_xlabel("preservation in the second cohort, Zsummary", fontsize=8)
    axes.set_ylim(-0.7, len(table) - 0.3)
    tidy(axes)
    return axes


def effects_of_both(table: pd.DataFrame, axes: Axes) -> Axes:
    """Effect of each module in the second cohort, with its 95 % interval, against that in the first.

    Parameters
    ----------
    table
        module, contrast, effect, ci_low, ci_high, first_effect; a colour per contrast.
    axes
        Where to draw.
    """
    columns = ["module", "contrast", "effect", "ci_low", "ci_high", "first_effect"]
    require_columns(table, columns, "the table of both cohorts")
    known = table[table["effect"].notna() & table["first_effect"].notna()]
    axes.axhline(0, color=FAINT, linewidth=1)
    axes.axvline(0, color=FAINT, linewidth=1)
    contrasts = list(dict.fromkeys(known["contrast"].astype(str)))
    colour = arm_colours(["", *contrasts])
    for contrast in contrasts:
        own = known[known["contrast"] == contrast]
        axes.vlines(
            own["first_effect"], own["ci_low"], own["ci_high"], color=colour[contrast], linewidth=0.8, alpha=0.5
        )
        axes.scatter(own["first_effect"], own["effect"], s=30, color=colour[contrast], zorder=3, label=contrast)
    sure = known[~((known["ci_low"] <= 0) & (known["ci_high"] >= 0))]
    label_points([str(m) for m in sure["module"]], sure["first_effect"].to_numpy(float), sure["effect"].to_numpy(float),
                 axes)  # fmt: skip
    axes.set_xlabel("effect in the first cohort", fontsize=8)
    axes.set_ylabel("effect in the second cohort", fontsize=8)
    if contrasts:
        axes.legend(fontsize=7, frameon=False)
    tidy(axes)
    return axes
