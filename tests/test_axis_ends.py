"""One large effect does not squeeze a figure of effects: it is an arrow with its numbers."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from scresist.plots import contrasts, effects, survival
from scresist.plots.axis_ends import clip_note
from scresist.plots.style import new_axes


def rows(effect, half=0.05):
    effect = np.asarray(effect, float)
    return pd.DataFrame({"name": [f"G{i}" for i in range(len(effect))], "effect": effect, "ci_low": effect - half,
                         "ci_high": effect + half, "q_value": 0.2})  # fmt: skip


def words(axes):
    return [t.get_text() for t in axes.findobj(Text) if t.get_text()]


def arrows(axes):
    return [(line.get_marker(), float(line.get_xdata()[0])) for line in axes.lines if line.get_marker() in "<>^v"]


def test_a_large_effect_is_an_arrow_with_its_numbers_and_the_others_keep_their_room():
    table = rows([0.1, -0.1, 0.2, -3.0, 0.15])
    _, axes = new_axes(6, 3)
    effects.forest(table, axes, label="name")
    left, right = axes.get_xlim()
    assert -0.35 < left < -0.15
    assert 0.25 < right < 0.35
    assert arrows(axes) == [("<", left)]
    assert "−3.00 (−3.05 to −2.95)" in words(axes)
    assert len(axes.collections[-1].get_offsets()) == 4
    assert "arrow" in clip_note(table)


def test_an_interval_that_goes_on_keeps_its_dot():
    table = rows([0.1, -0.1, 0.2, 0.15])
    table.loc[0, "ci_high"] = 9.0
    _, axes = new_axes(6, 3)
    effects.forest(table, axes, label="name")
    assert [mark for mark, _ in arrows(axes)] == [">"]
    assert len(axes.collections[-1].get_offsets()) == 4
    assert "+0.10 (+0.05 to +9.00)" in words(axes)


@pytest.mark.parametrize("effect", [[0.1, 0.2, -0.25], [5.0], [np.nan, 0.1], [0.0, 0.0]])
def test_alike_effects_have_the_whole_axis(effect):
    table = rows(effect)
    _, axes = new_axes(6, 3)
    effects.forest(table, axes, label="name")
    assert arrows(axes) == []
    assert clip_note(table) == ""
    left, right = axes.get_xlim()
    assert left <= min(0, table["ci_low"].min())
    assert right >= max(0, table["ci_high"].max())


def test_hazard_ratios_end_where_the_others_are():
    table = pd.DataFrame({"feature": list("abcd"), "hr": [1.2, 0.8, 1.5, 400.0], "ci_low": [0.9, 0.6, 1.1, 50.0],
                          "ci_high": [1.6, 1.1, 2.0, 3200.0]})  # fmt: skip
    _, axes = new_axes(6, 3)
    survival.hazard_ratios(table, axes)
    assert 2 <= axes.get_xlim()[1] < 4
    assert [mark for mark, _ in arrows(axes)] == [">"]
    assert "400 (50 to 3200)" in words(axes)
    assert survival.hazard_note(table)
    assert not survival.hazard_note(table.head(3))


def test_points_with_a_class_are_never_cut_and_others_are_arrows():
    rng = np.random.default_rng(1)
    n = 400
    table = pd.DataFrame({
        "feature": [f"G{i}" for i in range(n)], "primary_effect": rng.normal(size=n) * 0.2,
        "acquired_effect": rng.normal(size=n) * 0.2, "class": "undecided", "p_value": 0.5,
    })  # fmt: skip
    table.loc[0, ["acquired_effect", "class"]] = [2.0, "acquired only"]
    table.loc[1, "acquired_effect"] = -9.0
    _, axes = new_axes(5, 4)
    contrasts.primary_against_acquired(table, axes)
    low, high = axes.get_ylim()
    assert high > 2.0
    assert low > -3
    assert [line.get_marker() for line in axes.lines if line.get_marker() in "<>^v"] == ["v"]
    assert "G1 −9.00" in words(axes)


def test_a_volcano_keeps_its_findings_and_marks_a_far_gene():
    rng = np.random.default_rng(2)
    n = 500
    table = pd.DataFrame({"gene": [f"G{i}" for i in range(n)], "log2fc": rng.normal(size=n) * 0.3,
                          "p_value": rng.uniform(0.01, 1, n), "q_value": 0.9})  # fmt: skip
    table.loc[0, ["log2fc", "p_value", "q_value"]] = [4.0, 1e-6, 0.001]
    table.loc[1, "log2fc"] = 30.0
    _, axes = new_axes(5, 4)
    contrasts.volcano(table, axes)
    assert 4 < axes.get_xlim()[1] < 6
    assert [mark for mark, _ in arrows(axes)] == [">"]
    assert "G1 +30.00" in words(axes)
    assert "G0" in words(axes)
