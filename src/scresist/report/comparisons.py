"""What every comparison of arms shows: the columns of a test, and one point per patient."""

import pandas as pd
from matplotlib.figure import Figure

from scresist.plots.effects import by_arm
from scresist.plots.style import new_axes

TEST = ("ci_low", "ci_high", "p_value", "p_floor", "q_value", "n_test", "n_reference", "n_pairs", "influence",
        "influence_patient")  # fmt: skip


def strip(points: pd.DataFrame, arms: list[str], unit: str) -> Figure:
    """One point per patient and arm, pairs joined."""
    figure, axes = new_axes(max(2.9, 0.8 * len(arms)), 2.5)
    by_arm(points, axes, arms=arms, unit=unit)
    return figure
