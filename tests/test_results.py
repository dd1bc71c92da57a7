"""How results show themselves: one line in a console, escaped and short in a notebook."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist.results import Brief, Result


@dataclass(frozen=True, slots=True, repr=False)
class Parts(Brief):
    table: pd.DataFrame
    values: np.ndarray
    name: str
    notes: tuple[str, ...]
    none: None = None


def test_a_result_is_one_line():
    table = pd.DataFrame({f"c{i}": range(1200) for i in range(9)})
    assert repr(Result(table, "a test")) == "Result(1,200 rows: c0, c1, c2, c3, c4, c5 and 3 more; a test)"


def test_a_notebook_gets_the_first_rows_escaped():
    shown = Result(pd.DataFrame({"gene": ["<b>"] * 99}), "a < b")._repr_html_()
    assert shown.count("<tr") < 12
    assert "99 rows. a &lt; b" in shown
    assert "<b>" not in shown


def test_a_result_of_many_parts_is_one_line_with_their_sizes():
    parts = Parts(pd.DataFrame({"a": range(2000)}), np.zeros((0, 3)), "x", ("one", "two"))
    assert repr(parts) == "Parts(table 2,000 x 1; name x; notes 2)"
    assert "<td>2,000 x 1</td>" in parts._repr_html_()
