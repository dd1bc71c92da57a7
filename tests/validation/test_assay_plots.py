"""Pictures of assays draw what their tables have, bounds and refusals included."""

import numpy as np
import pandas as pd
from matplotlib.collections import PathCollection

from scresist import validation
from scresist.plots import bench
from scresist.plots.style import new_axes
from scresist.validation.assays import readout_points


def wells(ic50, condition, replicates=3):
    rng = np.random.default_rng(1)
    doses = np.r_[0, 10.0 ** np.linspace(-3, 1, 7)]
    rows = [
        ("N87", condition, "T-DXd", d, r, 100 / (1 + d / ic50) + rng.normal()) for r in range(replicates) for d in doses
    ]
    return pd.DataFrame(rows, columns=["line", "condition", "compound", "dose_um", "replicate", "response"])


def words(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_curve_has_its_points_its_ic50_and_its_bound():
    table = pd.concat(
        [wells(0.1, "parental"), wells(900.0, "resistant"), wells(0.1, "once", 1).query("dose_um < 0.01")]
    )
    fits, points = validation.dose_response(table).table, validation.dose_points(table).table
    _, axes = new_axes(4, 3)
    bench.dose_curves(fits, points, axes)
    shown = words(axes)
    assert f"IC50 {fits['ic50_um'].iloc[0]:.3g} µM" in shown[0]
    assert "not reached, above 10 µM" in shown[1]
    assert "no curve (1 replicate)" in shown[2]
    assert sum(len(c.get_offsets()) for c in axes.collections if len(c.get_offsets()) > 1) == len(
        points.query("dose_um > 0")
    )
    _, axes = new_axes(4, 2)
    bench.condition_ratios(validation.dose_ratios(table, pairs=[("resistant", "parental")]).table, axes)
    assert len(axes.texts) == 1  # the arrow of the bound


def test_release_and_rates_are_drawn_with_their_model():
    time = np.array([0, 1, 2, 4, 8.0])
    rows = [(c, r, t, 90 * (1 - np.exp(-k * t)) + r) for c, k in (("control", 0.4), ("CST3", 0.01)) for r in range(2)
            for t in time]  # fmt: skip
    table = pd.DataFrame(rows, columns=["condition", "replicate", "time", "released"])
    _, axes = new_axes(4, 3)
    bench.release_curves(validation.kinetics(table).table, table, axes)
    assert words(axes)[0].startswith("control: first order")
    assert axes.get_xlabel() == "time, h"
    rates = pd.DataFrame([("c", r, s, i, 90 * s / (4 * (1 + i / 2) + s) + r) for r in range(2) for s in (1, 5, 20.0)
                          for i in (0, 1, 5.0)],
                         columns=["condition", "replicate", "substrate_um", "inhibitor_um", "rate"])  # fmt: skip
    _, axes = new_axes(4, 3)
    bench.release_curves(validation.kinetics(rates).table, rates, axes)
    assert sum(len(line.get_xdata()) == 200 for line in axes.lines) == 3  # one line per concentration of substrate


def test_a_surface_marks_pairs_that_are_sure_and_those_without_a_prediction():
    rows = [("a", "b", "bliss", np.nan, np.nan, 8.0, 3.0, 13.0)]
    rows += [("a", "b", "bliss", x, y, 20.0 if x * y > 1 else 1.0, 5.0 if x * y > 1 else -4.0, 30.0)
             for x in (0.1, 1, 10) for y in (1.0, 3)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["drug_a", "drug_b", "model", "dose_a_um", "dose_b_um", "synergy", "ci_low",
                                        "ci_high"])  # fmt: skip
    table.loc[1, ["synergy", "ci_low", "ci_high"]] = np.nan
    _, axes = new_axes(3.6, 2.9)
    bench.synergy_surface(table, axes)
    values = axes.images[0].get_array()
    assert values.shape == (2, 3)
    assert values[1, 2] == 20.0
    marks = [line.get_marker() for line in axes.lines]
    assert marks.count("o") == int((table["ci_low"] > 0).sum()) - 1
    assert marks.count("x") == 1
    assert "mean +8.0 (+3.0 to +13.0)" in axes.get_title()


def test_replicates_are_dots_pairs_are_joined_and_effects_are_written():
    rows = [("N87", c, r, "apoptosis", v) for c, values in (("KD", (20, 26, 31.0)), ("control", (10, 11, 15.0)))
            for r, v in enumerate(values)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["line", "condition", "replicate", "readout", "value"]).assign(unit="percent")
    points = readout_points(table).table
    for pairing, joined in (("unpaired", 0), ("paired", 3)):
        tests = validation.readouts(table, pairing=pairing).table
        _, axes = new_axes(3, 3)
        bench.replicate_values(points, tests, axes, value="value", label="percent")
        assert len(axes.lines) == joined
        assert sum(len(c.get_offsets()) for c in axes.collections if isinstance(c, PathCollection)) == 6
        assert [t.get_text() for t in axes.get_xticklabels()] == ["control\nn 3", "KD\nn 3"]
        assert axes.texts[0].get_text().startswith(f"{tests['effect'].iloc[0]:+.3g} (")
    _, axes = new_axes(3, 3)
    fold = pd.DataFrame({"test": ["KD"], "reference": ["control"], "fold": [0.25], "ci_low": [0.1], "ci_high": [0.6],
                         "p_value": [0.0002], "pairing": ["paired"]})  # fmt: skip
    level = points.rename(columns={"value": "level"})
    bench.replicate_values(level, fold, axes, value="level", label="log2")
    assert axes.texts[0].get_text() == "× 0.25 (0.1 to 0.6), p < .001"


def test_an_overlay_is_shown_smaller(tmp_path):
    from PIL import Image

    from scresist.plots.tissue import overlay

    Image.fromarray(np.zeros((900, 300, 3), np.uint8)).save(tmp_path / "a.png")
    _, axes = new_axes(3, 3)
    overlay(tmp_path / "a.png", axes, at_most=450)
    assert axes.images[0].get_array().shape == (450, 150, 3)
