"""A page in headless Chromium: its console, its width at any size of the window, and what axe finds."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import axe_core_python
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE = shutil.which("node")
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
POLICY = r'<meta http-equiv="Content-Security-Policy"[^>]*>'


def opened(path, width=1440, probe="", budget=3000):
    """The page after its scripts ran, with what a probe wrote into its title; and the messages of the console."""
    if probe:  # a script of the test is not in the page's policy
        text = re.sub(POLICY, "", path.read_text(encoding="utf-8"))
        path = path.with_name(f"probe{width}.html")
        path.write_text(text.replace("</body>", f"<script>{probe}</script></body>"), encoding="utf-8")
    call = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},900", "--dump-dom",
            "--allow-file-access-from-files", "--enable-logging=stderr", f"--virtual-time-budget={budget}",
            path.as_uri()]  # fmt: skip
    found = subprocess.run(call, capture_output=True, text=True, timeout=400, check=True)
    return found.stdout, [line for line in found.stderr.splitlines() if "CONSOLE" in line]


def reported(dom):
    """What a probe wrote into the title as JSON."""
    return json.loads(html.unescape(re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]))


def at_width(path, width):
    """The page in a frame of a width, also one below the 500 pixels at which a headless window ends.

    Gives the width of its content, that of the frame, and what reaches beyond the frame without a box that scrolls.
    """
    outer = path.with_name(f"frame{width}.html")
    outer.write_text(
        f"""<!doctype html><title>x</title>
        <iframe id="f" src="{path.name}" style="border:0;width:{width}px;height:844px">
        </iframe><script>
        const frame = document.getElementById("f");
        frame.onload = () => setTimeout(() => {{
          const page = frame.contentDocument, root = page.documentElement;
          page.querySelectorAll("details").forEach((d) => {{ d.open = true; }});
          const scrolls = (e) => {{
            for (let p = e.parentElement; p; p = p.parentElement) {{
              if (["auto", "scroll", "hidden"].includes(frame.contentWindow.getComputedStyle(p).overflowX)) return true;
            }}
            return false;
          }};
          setTimeout(() => {{
            const wide = [...page.querySelectorAll("main *")].filter((e) =>
              !e.closest("svg") && e.getBoundingClientRect().right > root.clientWidth + 1 && !scrolls(e));
            document.title = JSON.stringify([root.scrollWidth, root.clientWidth,
              wide.slice(0, 5).map((e) => e.outerHTML.slice(0, 120))]);
          }}, 1500);
        }}, 1500);
        </script>""",
        encoding="utf-8",
    )
    dom, _ = opened(outer, 1440, budget=20000)
    return reported(dom)


def axe(path, *, unfolded=True):
    """Rules of axe that a page breaks, with their impact and the first places."""
    script = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    if unfolded:
        text = text.replace("<details>", "<details open>")
    copy = path.with_name("for_axe.html")
    copy.write_text(text, encoding="utf-8")
    probe = (
        script.replace("</script>", r"<\/script>")
        + """;
      axe.run(document, { resultTypes: ["violations"] }).then((r) => { document.title = JSON.stringify(
        r.violations.map((v) => [v.id, v.impact, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))])); });"""
    )
    dom, _ = opened(copy, 1440, probe, budget=200000)
    return reported(dom)


def parts(path):
    """What a page has once all is unfolded: sections without content, tables and drawings, what the gene box shows."""
    probe = """document.querySelectorAll("details").forEach((d) => { d.open = true; });
      setTimeout(() => {
        const empty = [...document.querySelectorAll("main > section")].filter((s) =>
          !s.querySelector("svg, canvas, td, li, .paste, .lead") || s.textContent.trim().length < 60).map((s) => s.id);
        const blank = [...document.querySelectorAll("figure")].filter((f) =>
          !f.querySelector("svg *") || !f.querySelector("figcaption").textContent.trim()).length;
        const card = document.getElementById("genecard");
        document.title = JSON.stringify({ empty, blank, sections: document.querySelectorAll("main > section").length,
          figures: document.querySelectorAll("figure").length, rows: document.querySelectorAll("tbody tr").length,
          sorts: document.querySelectorAll("thead th button").length,
          genes: card ? card.querySelectorAll("h3").length : 0,
          loaded: performance.getEntriesByType("resource").map((e) => e.name) });
      }, 1500);"""
    dom, _ = opened(path, 1440, probe, budget=20000)
    return reported(dom)
