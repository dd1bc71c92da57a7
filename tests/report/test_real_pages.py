"""Pages of real studies, run as a user types it, in a real browser."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from browser import at_width, axe, needs_browser, opened, parts
from oracle import needs_shared

STUDIES = Path(__file__).resolve().parents[2] / "benchmarks" / "studies"
pytestmark = [pytest.mark.slow, needs_shared, needs_browser]


@pytest.fixture(scope="module", params=["copykat_breast", "zilionis_labels"])
def results(request, tmp_path_factory):
    """One biopsy of 302 cells without a comparison; 300 cells of 13 samples and two arms, with the authors' labels."""
    out = tmp_path_factory.mktemp("real") / request.param
    call = [sys.executable, "-m", "scresist", "run", str(STUDIES / request.param / "study.toml"), "--out", str(out)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_a_real_page_works(results):
    page = results / "report.html"
    dom, console = opened(page)
    assert console == []
    assert "The commonest populations of" in dom
    found = parts(page)
    assert found["loaded"] == []
    assert found["empty"] == []
    assert found["blank"] == 0
    assert found["sections"] >= 8
    assert found["figures"] >= 5
    assert found["rows"] > 0
    assert found["sorts"] > 0
    assert found["genes"] >= 3
    captions = pd.read_csv(results / "figures" / "captions.csv")["caption"].fillna("")
    assert captions.str.contains(r"\d").sum() >= len(captions) - 2, "n stands in the figure or its caption"


@pytest.mark.parametrize("width", [390, 900, 1440])
def test_a_real_page_fits_every_screen(results, width):
    content, frame, wide = at_width(results / "report.html", width)
    assert (wide, content <= frame) == ([], True)


def test_a_real_page_has_no_serious_finding_of_axe(results):
    assert [v for v in axe(results / "report.html") if v[1] in ("serious", "critical")] == []
