"""Every plot draws what it is given with 20 cell types, and refuses what it cannot draw."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from planted_signals import cohort, design

from scresist.checks import InputError
from scresist.communication import infer, interaction_table, signalling_roles
from scresist.plots import communication as plots
from scresist.plots.style import new_axes, to_svg

mpl.use("Agg")
NAMES = [f"cell type {i}" for i in range(20)]


def network(seed=0, *, signed=False):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(20, 20)) if signed else rng.gamma(0.5, 1.0, (20, 20))
    return pd.DataFrame(values, NAMES, NAMES)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("draw", [plots.circle, lambda m, axes: plots.matrix(m, axes, label="links")])
def test_networks_name_every_group(draw, signed):
    figure, axes = new_axes(7, 7)
    draw(network(signed=signed), axes)
    text = to_svg(figure)
    assert all(name in text for name in NAMES)


def test_chords_show_amounts():
    figure, axes = new_axes(7, 7)
    plots.chord(network(), axes)
    assert all(name in to_svg(figure) for name in NAMES)
    with pytest.raises(InputError, match="amounts"):
        plots.chord(network(signed=True), axes)
    with pytest.raises(InputError, match="same groups"):
        plots.circle(network().iloc[:, :3], axes)


def test_an_empty_network_is_drawn_empty():
    figure, axes = new_axes(5, 5)
    plots.circle(network() * 0, axes)
    plots.chord(network() * 0, axes)
    assert NAMES[0] in to_svg(figure)


def test_links_roles_and_patients():
    adata = cohort(per_arm=3)
    com = infer(adata, groupby="cell_type", permutations=9)
    figure, axes = new_axes(7, 7)
    plots.bubbles(com.table, axes, rows=5, columns=8)
    assert len(axes.get_yticks()) == 5
    assert len(axes.get_xticks()) == 8
    figure, axes = new_axes(5, 5)
    plots.roles(signalling_roles(com, threshold=1.0), axes)
    assert all(g in to_svg(figure) for g in com.groups)
    tidy = interaction_table(com, level="pathway")
    one = tidy[(tidy["source"] == "malignant") & (tidy["target"] == "B") & (tidy["pathway"] == "TGFb")]
    figure, axes = new_axes(4, 4)
    chosen = design(adata)
    plots.by_patient(one, chosen.samples, axes, arms=chosen.arms, unit="TGFb")
    points = np.vstack(
        [c.get_offsets() for c in axes.collections if hasattr(c, "get_offsets") and len(c.get_offsets())]
    )
    assert len(points) >= 6
    with pytest.raises(InputError, match="more than one value per sample"):
        plots.by_patient(tidy, chosen.samples, axes, arms=chosen.arms, unit="TGFb")


def test_flows_of_arms_show_one_point_per_patient():
    adata = cohort(arms=("baseline", "primary", "acquired"), per_arm=3)
    # Two samples of one patient in one arm are one point.
    adata.obs["sample"] = adata.obs["sample"].astype(str) + np.where(np.arange(adata.n_obs) % 2, "a", "b")
    tidy = interaction_table(infer(adata, groupby="cell_type", permutations=0), level="pathway")
    chosen = design(adata, ("baseline", "primary", "acquired"))
    figure, axes = new_axes(6, 8)
    plots.flows_by_patient(tidy, chosen.samples, axes, arms=chosen.arms, n_pathways=2)
    shown = [t.get_text() for t in axes.get_yticklabels()]
    assert len(shown) == 2
    points = [c for c in axes.collections if c.get_label() in chosen.arms]
    assert [len(c.get_offsets()) for c in points] == [6, 6, 6]
    flow = tidy.join(chosen.samples, on="sample")
    own = flow[(flow["pathway"] == shown[1]) & (flow["patient"] == "B0")]
    expected = own["value"].mean()
    assert np.isclose([x for x, y in points[0].get_offsets() if y > 0.5], expected).any()
    assert all(a in to_svg(figure) for a in chosen.arms)


def test_names_beside_points_cover_each_other_nowhere():
    rng = np.random.default_rng(0)
    at = np.vstack([rng.normal(0, 0.02, (14, 2)), rng.uniform(0, 3, (6, 2))]) + 0.2
    table = pd.DataFrame({"group": NAMES, "outgoing": at[:, 0], "incoming": at[:, 1]})
    figure, axes = new_axes(7, 6)
    plots.roles(table, axes)
    figure.savefig(io.BytesIO(), format="png")
    boxes = [Text.get_window_extent(t) for t in axes.texts]  # without the line to the point
    assert len(boxes) == 20
    covered = sum(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert covered <= 2


def test_flows_and_rivers():
    figure, axes = new_axes(5, 8)
    table = pd.DataFrame({"name": ["A", "B"] * 2, "condition": ["x", "x", "y", "y"], "flow": [1.0, 0, 2, 3],
                          "order": [2, 1, 2, 1]})  # fmt: skip
    plots.flows(table, axes)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["A", "B"]
    plots.flows(table[table["condition"] == "y"].drop(columns="order"), new_axes(5, 8)[1])
    figure, axes = new_axes(7, 7)
    of = {"pattern": ["Pattern 1", "Pattern 2"] * 2, "contribution": [0.9, 0.1, 0.3, 0.7]}
    groups = pd.DataFrame({"group": ["B", "B", "T", "T"], **of})
    plots.river(groups, pd.DataFrame({"pathway": ["TGFb", "TGFb", "MIF", "MIF"], **of}), axes)
    assert all(name in to_svg(figure) for name in ("B", "T", "TGFb", "MIF", "Pattern 2"))
