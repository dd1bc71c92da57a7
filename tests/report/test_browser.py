"""The page in a real browser: its scripts work under its own policy, nothing is wider than the screen or escapes."""

import json
import re
import subprocess
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from markupsafe import Markup

from browser import NODE, at_width, axe, needs_browser, opened, reported
from scresist.report import blocks
from scresist.report.page import SCRIPTS, render

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title="caught"</script>'


def page():
    rng = np.random.default_rng(1)
    n = 60
    frame = pd.DataFrame({
        "contrast": "primary", "gene": [HOSTILE, *(f"GENE{i}" for i in range(1, n))],
        "verdict": np.where(np.arange(n) < 5, "supported", "not supported"),
        **{f"number_{k}": rng.normal(size=n) for k in range(20)}, "why": "a long sentence of many words " * 3,
    })  # fmt: skip
    columns = [blocks.Column(c, c, "", "what it is", pill=c == "verdict") for c in frame.columns]
    packed = Markup(blocks.embedded_json({
        "genes": ["CST3", "MUC3A"], "arms": ["a", "b"], "colours": ["#111111", "#cc5500"], "focus": HOSTILE,
        "step": 0.0625, "samples": ["S1", "S2"], "sampleArm": [0, 1], "patients": ["P1", "P2"], "levels": "ECAwQA==",
        "types": ["t"],
        "byType": "ECAwQA==", "modules": {}, "survival": {}, "bench": {0: [HOSTILE]}, "others": {},
        "contrasts": [{"name": "primary", "n": [3, 3], "effect": [1.0, None], "low": [0.2, None], "high": [1.8, None],
                       "p": [0.01, None], "q": [0.04, None], "verdict": ["supported", ""]}],
    }))  # fmt: skip
    cells = pd.DataFrame({"umap_1": rng.normal(size=90), "umap_2": rng.normal(size=90), "cell_type": HOSTILE,
                          "arm": np.resize(["a", "b"], 90)})  # fmt: skip
    shown = [
        blocks.Section("one", HOSTILE, HOSTILE, [blocks.plain_table(frame, columns), blocks.bullets([HOSTILE])]),
        blocks.Section("genes", "Look up", "", [{"kind": "genes", "data": packed, "first": "CST3"}]),
        blocks.Section("map", "Map", "", [blocks.cell_map(cells, ["a", "b"])]),
    ]
    return render(shown, title=HOSTILE, facts=[("3", HOSTILE)])


def test_what_comes_from_sheets_is_escaped_and_nothing_is_loaded():
    text = page()
    assert HOSTILE not in text
    assert "<img" not in text
    assert not re.search(r'(src|href)="(https?:)?//', text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src &#39;none&#39;") or policy.startswith("default-src 'none'")
    assert policy.count("sha256-") == len(SCRIPTS)


@needs_browser
def test_tables_gene_box_and_map_work_under_the_policy(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page(), encoding="utf-8")
    dom, console = opened(path)
    assert console == []
    title = re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]
    assert "caught" not in title.replace("document.title=&quot;caught&quot;", "").replace('document.title="caught"', "")
    assert "Show 55 not supported" in dom
    assert "5 of 60 rows" in dom
    assert "Between arms" in dom
    assert "0.2" in dom


@needs_browser
@pytest.mark.parametrize("width", [500, 900, 1440])
def test_no_column_is_cut_and_nothing_is_wider_than_the_screen(tmp_path, width):
    path = tmp_path / "page.html"
    path.write_text(page(), encoding="utf-8")
    probe = """setTimeout(() => {
      const root = document.documentElement, box = document.querySelector(".tablebox .scroll");
      const first = document.querySelector("tbody tr:not(.folded) .open");
      if (first) first.click();
      const rows = document.querySelectorAll("tr.more dd").length;
      const gone = document.querySelectorAll("thead th.gone").length;
      document.querySelector("thead th button").click();
      document.title = JSON.stringify({
        page: [root.scrollWidth, root.clientWidth], box: [box.scrollWidth, box.clientWidth], rows, gone,
        sorted: document.querySelector("thead th").getAttribute("aria-sort"),
      });
    }, 500);"""
    dom, _ = opened(path, width, probe)
    found = reported(dom)
    assert found["page"][0] <= found["page"][1]
    assert found["box"][0] <= found["box"][1] + 1
    assert found["rows"] == found["gone"] > 0
    assert found["sorted"] == "ascending"


@pytest.mark.skipif(NODE is None, reason="there is no node")
def test_numbers_are_read_and_sorted_as_they_are_written():
    folder = files("scresist.report").joinpath("assets")
    script = f"""
      const t = require({json.dumps(str(folder.joinpath("tables.js")))});
      const g = require({json.dumps(str(folder.joinpath("genes.js")))});
      console.log(JSON.stringify([
        ["10", "9", "< 1e-16", "1.2e-5", "–", "1,200", "12.5 %"].sort(t.compare), t.quoted('a "b", c'),
        g.matches(["AB", "BA", "CAB", "B"], "b", 9), g.written(0.01234), g.written(0.00001), g.written(null)]));"""
    found = json.loads(subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True).stdout)
    assert found == [["< 1e-16", "1.2e-5", "9", "10", "12.5 %", "1,200", "–"], '"a ""b"", c"', ["BA", "B", "AB", "CAB"],
                     "0.012", "1.0e-5", "–"]  # fmt: skip


@needs_browser
def test_a_phone_shows_the_whole_width(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page(), encoding="utf-8")
    content, frame, wide = at_width(path, 390)
    assert wide == []
    assert content <= frame


@needs_browser
def test_axe_has_no_serious_finding(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(page(), encoding="utf-8")
    assert [v for v in axe(path) if v[1] in ("serious", "critical")] == []
