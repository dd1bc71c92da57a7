"""Pictures of assays draw what their tables have, bounds and refusals included."""

import numpy as np
import pandas as pd

from scresist import validation
from scresist.plots import bench
from scresist.plots.style import new_axes


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
