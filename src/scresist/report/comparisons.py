"""What every comparison of arms shows: the columns of a test, and one point per patient."""

import pandas as pd

from scresist.plots.effects import by_arm
from scresist.plots.style import new_axes, to_svg
from scresist.report.blocks import Column

TEST = (
    Column("ci_low", "95 % low", "+.2f"),
    Column("ci_high", "high", "+.2f"),
    Column("p_value", "p", "p", "patients as the unit"),
    Column("p_floor", "p floor", "p", "the smallest p an exact test of this design can reach"),
    Column("q_value", "q", "p", "Benjamini-Hochberg over the family"),
    Column("n_test", "n test"),
    Column("n_reference", "n ref"),
    Column("n_pairs", "pairs"),
    Column("influence", "influence", ".2f", "largest relative change of the effect when one patient is left out"),
    Column("influence_patient", "of"),
)
VERDICT, WHY = Column("verdict", "verdict", pill=True), Column("why", "why this verdict")


def strip(points: pd.DataFrame, arms: list[str], unit: str) -> str:
    """One point per patient and arm, pairs joined, as SVG."""
    figure, axes = new_axes(max(2.9, 0.8 * len(arms)), 2.5)
    by_arm(points, axes, arms=arms, unit=unit)
    return to_svg(figure)
