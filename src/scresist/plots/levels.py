"""The level of every antibody in every population, as a grid of colours."""

from typing import Any

import numpy as np
import pandas as pd


def levels(scores: pd.DataFrame, axes: Any, *, column: str = "value", label: str = "log counts, panel = 0") -> Any:
    """Draw the mean level over samples, populations x antibodies, controls last.

    Parameters
    ----------
    scores
        Table with protein, cell_type, value, rna, control.
    axes
        Matplotlib axes; changed in place.
    column, label
        What is drawn, and its name on the scale. Values that are all of one sign get a scale from zero.
    """
    mean = scores.pivot_table(index="cell_type", columns="protein", values=column, aggfunc="mean", dropna=False)
    control = scores.drop_duplicates("protein").set_index("protein")["control"].astype(bool)
    order = [*[p for p in mean.columns if not control[p]], *[p for p in mean.columns if control[p]]]
    mean = mean[order].dropna(how="all")
    drawn = np.ma.masked_invalid(mean.to_numpy(float))
    if drawn.count() and drawn.min() >= 0:
        shown = axes.imshow(drawn, cmap="Reds", vmin=0, vmax=max(float(drawn.max()), 1e-9), aspect="auto")
    else:
        limit = float(np.abs(drawn).max()) if drawn.count() else 1.0
        shown = axes.imshow(drawn, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(len(order)), order, rotation=90, fontsize=7)
    axes.set_yticks(range(len(mean)), list(mean.index), fontsize=7)
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.set_label(label, fontsize=7)
    bar.ax.tick_params(labelsize=7)
    return axes
