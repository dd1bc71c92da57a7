"""How values are written for reading, and that nothing in the page's data can end its script element."""

import json

import numpy as np
import pandas as pd
import pytest

from scresist.report.blocks import cell_map, embedded_json, table, written


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        (0.0123, "p", "0.012"), (1.23e-5, "p", "1.2e-05"), (np.finfo(float).tiny, "p", "< 1e-300"),
        (0.123, "%", "12.3 %"), (np.nan, "p", "–"), (None, "", "–"), (np.inf, "", "∞"), (True, "", "yes"),
        (2.5, "+.2f", "+2.50"), (1234.5678, "", "1.23e+03"), ("text", "", "text"),
    ],
)  # fmt: skip
def test_values_for_reading(value, form, expected):
    assert written(value, form) == expected


def test_no_name_of_a_cell_type_can_leave_the_script_element():
    names = ["</script><script>alert(1)</script>", "<!--", "a & b"]
    cells = pd.DataFrame({"umap_1": [0.0, 1, 2], "umap_2": [0.0, 1, 0], "cell_type": names, "arm": ["x", "x", "y"]})
    data = str(cell_map(cells, ["x", "y"])["data"])
    assert "<" not in data
    assert set(json.loads(data)["by"]["cell type"]["names"]) == set(names)
    assert json.loads(embedded_json({"a": "<b>"})) == {"a": "<b>"}


def test_headings_come_from_the_register():
    frame = pd.DataFrame(
        {"module": ["M1"], "contrast": ["c"], "p_value": [0.01], "q_value": [np.nan], "verdict": ["x"]}
    )
    shown = table(frame, "module_contrasts", ["module", "p_value", "q_value", "verdict", "absent"])
    assert [c.name for c in shown["columns"]] == ["module", "p", "verdict"], "empty columns are left out"
    assert shown["columns"][1].hint == "p-value with patients as the unit"
    assert shown["columns"][2].pill
    assert shown["more"] == "1 row; all in tables/module_contrasts.csv"
