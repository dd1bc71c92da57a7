"""The section on communication: what is shown of links that are no findings."""

import pandas as pd

from scresist.report.communication import _doubted


def test_links_that_are_no_findings_are_counted_with_their_cells():
    one, two = "T: cells of late have 2 times as many counts as those of early (p = 0.01)", "B: cells of late have 3"
    _, lead, listed = _doubted(pd.DataFrame({"doubts": [one, f"{one}; {two}", "", None]}))
    assert "2 of 4 comparisons are no finding" in str(lead)
    assert str(listed).index("B: cells") < str(listed).index("T: cells")
    assert str(listed).count("T: cells") == 1
    assert _doubted(pd.DataFrame({"doubts": ["", None]})) == _doubted(pd.DataFrame({"p_value": [0.1]})) == []
