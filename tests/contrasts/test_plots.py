"""Pictures take the tables as they come, refusals included."""

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from scresist import contrasts, survival
from scresist.plots import contrasts as draw
from scresist.plots import effects
from scresist.plots import survival as draw_survival
from studies import noise, three_arms, two_arms

mpl.use("Agg")


@pytest.fixture
def ax():
    from matplotlib.figure import Figure

    return Figure().add_subplot()


def test_forest_and_patients(ax):
    design = two_arms(3, 3, 2)
    values = noise(design)
    values["m1"] = 0.0
    table = contrasts.modules(values, design).table
    effects.forest(table, ax, label="module")
    assert len(ax.get_yticks()) == 5
    sheet = design.samples
    points = pd.DataFrame({"patient": sheet["patient"], "arm": sheet["arm"], "value": values["m0"]})
    effects.by_arm(points, ax, arms=["naive", "resistant"], unit="score")
    assert [t.get_text().split("\n")[0] for t in ax.get_xticklabels()] == ["naive", "resistant"]


def test_volcano_and_both_effects(ax):
    design = three_arms()
    table = contrasts.contrast_arms(noise(design, 30), design).table
    draw.volcano(table, ax, effect="effect", label="feature")
    assert ax.get_ylabel().startswith("-log10")
    both = contrasts.primary_against_acquired(noise(design, 30), design).table
    draw.primary_against_acquired(both, ax)
    assert ax.get_xlabel().endswith("primary resistance")


def test_survival_pictures(ax):
    rng = np.random.default_rng(0)
    patients = pd.DataFrame(
        {"pfs_months": rng.exponential(size=30), "pfs_event": 1}, index=[f"p{i}" for i in range(30)]
    )
    values = pd.DataFrame({"g": rng.normal(size=30)}, index=patients.index)
    draw_survival.kaplan_meier(survival.kaplan_meier(values, patients).table, ax)
    assert len(ax.get_legend().get_texts()) == 2
    draw_survival.hazard_ratios(survival.cox(values, patients).table, ax)
    assert ax.get_xscale() == "log"
