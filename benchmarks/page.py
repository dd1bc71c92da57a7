"""The page in a real browser: size, first paint, and how smoothly the map moves with 200,000 points.

Usage: python benchmarks/page.py [RESULTS]. Without a results folder only the map is measured. Needs Chromium.
"""

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
from tornado.websocket import websocket_connect

from scresist.report.blocks import Section, cell_map
from scresist.report.page import render, write

POINTS = 200_000
PORT = 9377
FRAMES = """new Promise((done) => {
  const canvas = document.getElementById("cellmap"), times = [];
  let last = 0, k = 0;
  const step = (now) => {
    if (last) times.push(now - last);
    last = now;
    if (k++ === 60) { times.sort((a, b) => a - b); done(JSON.stringify([times[30], times[57]])); return; }
    const at = { deltaY: k % 20 < 10 ? -40 : 40, clientX: 300 + k, clientY: 300, cancelable: true };
    canvas.dispatchEvent(new WheelEvent("wheel", at));
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""
PAINT = 'JSON.stringify(performance.getEntriesByType("paint").map((e) => [e.name, e.startTime]))'


def many_points(path: Path) -> None:
    """A page with nothing but a map of as many cells as it draws."""
    rng = np.random.default_rng(1)
    kind = rng.integers(0, 16, POINTS)
    cells = pd.DataFrame({
        "umap_1": rng.normal(size=POINTS) + 4 * np.cos(kind), "umap_2": rng.normal(size=POINTS) + 4 * np.sin(kind),
        "cell_type": [f"type {k}" for k in kind], "arm": rng.choice(["a", "b", "c"], POINTS),
    })  # fmt: skip
    path.write_text(render([Section("map", "Map", "", [cell_map(cells, ["a", "b", "c"])])], title="map"), "utf-8")


async def asked(url: str, *questions: str) -> list[list[object]]:
    """Open a page in a headless window and ask it questions in its own time."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [shutil.which("chromium") or "chromium", "--headless", "--no-sandbox", "--disable-gpu",
             "--remote-allow-origins=*", f"--remote-debugging-port={PORT}", f"--user-data-dir={profile}",
             "--window-size=1440,900", url], stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            page = await _page(url)
            socket = await websocket_connect(page, max_message_size=10**9)
            await asyncio.sleep(4)
            out = []
            for number, question in enumerate(questions):
                call = {"expression": question, "awaitPromise": True, "returnByValue": True}
                await socket.write_message(json.dumps({"id": number, "method": "Runtime.evaluate", "params": call}))
                answer = json.loads(str(await socket.read_message()))
                out.append(json.loads(answer["result"]["result"]["value"]))
            return out
        finally:
            browser.kill()
            browser.wait()


async def _page(url: str) -> str:
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"http://localhost:{PORT}/json") as reply:
                found = [p for p in json.load(reply) if p["url"] == url]
            if found:
                return str(found[0]["webSocketDebuggerUrl"])
        except OSError:
            pass
        await asyncio.sleep(0.1)
    sys.exit("Chromium did not open the page")


def measured(name: str, path: Path, *questions: str) -> None:
    """Print the size of a page and what it answers."""
    answers = asyncio.run(asked(path.absolute().as_uri(), PAINT, *questions))
    paint = max((float(str(t)) for _, t in answers[0]), default=float("nan"))  # type: ignore[misc]
    frames = f"{float(str(answers[1][0])):.0f} ms, {float(str(answers[1][1])):.0f} ms" if len(answers) > 1 else "-"
    print(f"| {name} | {path.stat().st_size / 1e6:.1f} MB | {paint / 1000:.2f} s | {frames} |")


def main() -> None:
    """Print the table."""
    print("| page | size (aim 25 MB) | first paint (aim 2 s) | a frame while zooming: median, 95 % |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "map.html"
        many_points(path)
        measured(f"map of {POINTS:,} cells", path, FRAMES)
    for results in map(Path, sys.argv[1:]):
        start = time.perf_counter()
        path = write(results)
        seconds = time.perf_counter() - start
        measured(f"{results}, built in {seconds:.1f} s (aim 20 s)", path, FRAMES)


if __name__ == "__main__":
    main()
