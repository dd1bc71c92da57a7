"""Pictures of tissue: the intensities of a marker with its gate, stained images with the outlines of their cells."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scresist.checks import require_columns
from scresist.plots.style import ARMS, FAINT, tidy


def gate(histogram: pd.DataFrame, gates: pd.DataFrame, axes: Axes, *, marker: str) -> Axes:
    """Number of cells by intensity (log scale), the gate with its interval, positive cells in colour.

    Parameters
    ----------
    histogram
        The table `validation_mif_intensities`: marker, left, right, n_cells.
    gates
        The table `validation_mif_gates`.
    axes
        Where to draw.
    marker
        Which one.
    """
    require_columns(histogram, ["marker", "left", "right", "n_cells"], "the table of intensities")
    require_columns(gates, ["marker", "gate", "gate_low", "gate_high"], "the table of gates")
    own = histogram[histogram["marker"] == marker]
    row = gates[gates["marker"] == marker].iloc[0]
    left, right, n = (own[c].to_numpy(float) for c in ("left", "right", "n_cells"))
    positive = left >= float(row["gate"])
    axes.bar(left, n, width=right - left, align="edge", color=np.where(positive, ARMS[1], FAINT), linewidth=0)
    if np.isfinite(row["gate"]):
        if np.isfinite(row["gate_low"]):
            axes.axvspan(float(row["gate_low"]), float(row["gate_high"]), color=ARMS[0], alpha=0.15, linewidth=0)
        axes.axvline(float(row["gate"]), color=ARMS[0], linewidth=1.2)
    smallest = float(right[0])
    axes.set_xscale("symlog", linthresh=max(smallest, 1e-9))
    axes.set_xlim(left[0], right[-1])
    axes.set_xlabel(f"intensity of {marker}", fontsize=8)
    axes.set_ylabel(f"cells (n {int(n.sum()):,})", fontsize=8)
    tidy(axes)
    return axes


def overlay(picture: Path | np.ndarray, axes: Axes, *, at_most: int = 700) -> Axes:
    """A stained image with the outlines of its cells: blue negative, yellow weak, orange moderate, red strong.

    Parameters
    ----------
    picture
        A file of the folder `overlays` of a run, or the overlay of `sr.validation.ihc_image`.
    axes
        Where to draw.
    at_most
        Pixels of the longer side; a larger picture is shown smaller.
    """
    from PIL import Image

    with Image.fromarray(picture) if isinstance(picture, np.ndarray) else Image.open(picture) as file:
        file.thumbnail((at_most, at_most))
        axes.imshow(np.asarray(file.convert("RGB")), interpolation="none")
    axes.set_axis_off()
    return axes
