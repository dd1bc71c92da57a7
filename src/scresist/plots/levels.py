"""The level of every antibody in every population, as a grid of colours."""

from typing import Any

import numpy as np
import pandas as pd


def levels(scores: pd.DataFrame, axes: Any) -> None:
    """Draw the mean level over samples, populations x antibodies, controls last.

    Parameters
    ----------
    scores
        Table with protein, cell_type, value, control.
    axes
        Matplotlib axes; changed in place.
    """
    mean = scores.pivot_table(index="cell_type", columns="protein", values="value", aggfunc="mean", dropna=False)
    control = scores.drop_duplicates("protein").set_index("protein")["control"].astype(bool)
    order = [*[p for p in mean.columns if not control[p]], *[p for p in mean.columns if control[p]]]
    mean = mean[order].dropna(how="all")
    limit = float(np.nanmax(np.abs(mean.to_numpy()))) if mean.size and np.isfinite(mean.to_numpy()).any() else 1.0
    shown = axes.imshow(
        np.ma.masked_invalid(mean.to_numpy(float)), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto"
    )
    axes.set_xticks(range(len(order)), order, rotation=90)
    axes.set_yticks(range(len(mean)), list(mean.index))
    axes.figure.colorbar(shown, ax=axes, label="log counts, panel = 0", shrink=0.8)
