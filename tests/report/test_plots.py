"""Figures of candidates, cells and communication: what is drawn is what the table has."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle, Wedge

from scresist.plots.candidates import AGAINST, FOR, evidence_matrix, mechanism_map
from scresist.plots.cells import dots, genome, layout
from scresist.plots.communication import chord, role_changes
from scresist.plots.style import new_axes


def test_every_line_of_a_gene_is_one_mark_of_its_state():
    table = pd.DataFrame({
        "gene": ["A", "A", "A", "B", "B", "B"], "line": ["x", "y", "z"] * 2,
        "verdict": ["supported"] * 3 + ["refused"] * 3,
        "state": ["for", "for", "against", "open", "not measured", "for"], "strength": [1.0, 0.2, 0.5, 0.0, 0.0, 1.0],
    })  # fmt: skip
    axes = evidence_matrix(table, new_axes(4, 3)[1], genes=["A", "B"], lines=["x", "y", "z"])
    drawn = {}
    for part in axes.collections[:4]:
        colour = tuple(part.get_facecolor()[0]) if len(part.get_facecolor()) else None
        drawn[colour] = part
    assert len(drawn[to_rgba(FOR)].get_offsets()) == 3
    assert len(drawn[to_rgba(AGAINST)].get_offsets()) == 1
    sizes = drawn[to_rgba(FOR)].get_sizes()
    assert sizes[0] == sizes[2] > sizes[1]
    assert {"supported", "refused"} <= {t.get_text() for t in axes.texts}


def test_a_supported_route_has_a_frame_in_its_contrast():
    table = pd.DataFrame({
        "gene": ["CST3", "CST3", "CTSB"], "contrast": ["primary", "acquired", "acquired"], "log2fc": [0.1, 1.5, -0.2],
        "verdict": ["not supported", "supported", "not supported"], "direction_expected": ["up", "up", "down"],
    })  # fmt: skip
    axes = mechanism_map(
        table, new_axes(4, 2)[1], stations={"Linker": ["CST3", "CTSB"]}, contrasts=["primary", "acquired"]
    )
    squares = [p for p in axes.patches if isinstance(p, Rectangle) and abs(p.get_width() - 0.1) < 1e-9]
    assert len(squares) == 4, "a gene that was not tested in a contrast has an empty square"
    framed = [p for p in squares if p.get_linewidth() > 1]
    assert len(framed) == 1
    assert framed[0].get_x() == max(p.get_x() for p in squares)
    assert {"CST3 ↑", "CTSB ↓"} <= {t.get_text() for t in axes.texts}


def test_dots_have_the_share_as_size_and_the_cells_in_the_name():
    table = pd.DataFrame({"group": ["T", "T", "B", "B"], "gene": ["CD3D", "MS4A1"] * 2, "level": [2.0, 0.1, 0.2, 1.0],
                          "share": [1.0, 0.0, 0.5, 1.0], "n_cells": [10, 10, 2500, 2500]})  # fmt: skip
    axes = dots(table, new_axes(4, 2)[1], genes=["CD3D", "MS4A1"], groups=["T", "B"])
    np.testing.assert_allclose(axes.collections[0].get_sizes(), 70 * table["share"] + 0.5)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["T (10)", "B (2,500)"]


def test_the_genome_names_its_blocks_in_order_and_missing_cells_are_counted_in_no_name():
    signal = pd.DataFrame(np.zeros((5, 4)), columns=["1p", "1q", "2q", "Xp"])
    axes = genome(signal, new_axes(4, 2)[1], groups=["normal", "normal", "P1 A", "P1 B", "P1 B"])
    assert [t.get_text() for t in axes.get_yticklabels()] == ["normal", "P1 A", "P1 B"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "X"]
    cells = pd.DataFrame({"umap_1": [0.0, 1, 2], "umap_2": [0.0, 1, 2], "cell_type": ["T", "T", "B"]})
    shown = layout(cells, new_axes(4, 2)[1], by="cell_type")
    assert [t.get_text() for t in shown.get_legend().get_texts()] == ["B (1)", "T (2)"]


def test_chords_of_several_arms_have_one_scale():
    amounts = pd.DataFrame([[1.0, 2], [3, 4]], index=["a", "b"], columns=["a", "b"])

    def arcs(matrix, total):
        axes = chord(matrix, new_axes(3, 3)[1], total=total)
        return np.array([p.theta2 - p.theta1 for p in axes.patches if isinstance(p, Wedge)]) % 360

    np.testing.assert_allclose(arcs(amounts / 2, 10.0), arcs(amounts, 10.0) / 2)
    np.testing.assert_allclose(arcs(amounts, None), arcs(amounts, 10.0))


def test_an_arrow_ends_where_the_test_arm_is():
    table = pd.DataFrame({"group": ["a", "b"], "outgoing_reference": [0.0, 1], "incoming_reference": [0.0, 1],
                          "outgoing_test": [2.0, np.nan], "incoming_test": [3.0, 1]})  # fmt: skip
    axes = role_changes(table, new_axes(3, 3)[1])
    ends = [t.xy for t in axes.texts if t.arrow_patch is not None and t.get_text() == ""]
    assert ends == [(2.0, 3.0)], "a population without a value in both arms has no arrow"
