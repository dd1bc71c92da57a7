"""The section on what the design can answer: missing steps, power, what was supported, what was refused."""

from typing import Any

import numpy as np

from scresist.plots.power import power_figure
from scresist.report.blocks import Section, bullets, figures, fold, heading, text, written
from scresist.report.folder import Folder

FIRST = 3  # claims of each kind and contrast that are listed


def design(folder: Folder) -> Section:
    """What the study can show, with its power, and what it cannot."""
    blocks: list[dict[str, Any]] = []
    failed = folder.facts.get("failed", [])
    if failed:
        blocks += [heading("Steps that are missing"),
                   text("This page is not whole: these steps failed, or need the result of one that did."),
                   bullets([f"{f['step']}: {f['reason']}" for f in failed])]  # fmt: skip
    asked = folder.table("design")
    if len(asked):
        blocks.append(bullets([(str(r["verdict"]), str(r["sentence"])) for r in asked.to_dict("records")]))
    else:
        blocks.append(text(f"No comparison of arms was made: {why_nothing_compared(folder)}. The page only describes "
                           "the cells."))  # fmt: skip
    curves = folder.table("power")
    if len(curves):
        words = (
            "Chance to find an effect of each size with this design: full lines after correction for all tests, thin "
            f"ones before. {_patients(asked)}"
        )
        blocks += fold("Power", [figures([(power_figure(curves), words, "power")])])
    claims = folder.claims
    if len(claims):
        claims = claims[claims["p_value"].notna()]
        called = claims[claims["verdict"] == "supported"]
        title = f"Claims supported: {len(called)} of {len(claims)} tested"
        if len(called):
            shown = called.groupby(["kind", "contrast"], sort=False, dropna=False).head(FIRST)
            listed = [bullets([("supported", _claim(r)) for r in shown.to_dict("records")])]
            if len(shown) < len(called):
                listed.append(text(f"The first {FIRST} of each kind and contrast; all are in the register below."))
            blocks += fold(title, listed)
        else:
            blocks += [heading(title), text("No claim passes: nothing on this page is more than a lead.")]
    refusals = folder.facts["refusals"]
    if refusals:
        reasons = list(dict.fromkeys(f"{r['step']}, {r['what']}: {r['reason']}" for r in refusals))
        blocks += fold(f"What was refused, and why ({len(reasons)})", [bullets(reasons)])
    return Section("design", "What this design can answer", "", blocks)


def _patients(asked: Any) -> str:
    """The patients of every contrast."""
    rows = asked[asked["n_test"].notna() & asked["n_reference"].notna()] if len(asked) else asked
    return "; ".join(f"{r['contrast']}: {r['n_test']:.0f} patients against {r['n_reference']:.0f}"
                     for r in rows.to_dict("records")) + ("." if len(rows) else "")  # fmt: skip


def why_nothing_compared(folder: Folder) -> str:
    """The reason why no arms were compared."""
    steps = [entry["step"] for entry in folder.facts["steps"]]
    if "contrasts" in steps:
        return "the study names no contrast"
    return f"the last step of this run is {steps[-1] if steps else 'none'}"


def _claim(row: dict[str, Any]) -> str:
    floor = f"p floor {written(row['p_floor'], 'p')}, " if np.isfinite(row["p_floor"]) else ""
    numbers = f"p {written(row['p_value'], 'p')}, {floor}q {written(row['q_value'], 'p')}, n = {row['n']}"
    rests_on = str(row["why"]).partition("; ")[2]  # after q: relabelled patients, or the model and what it assumes
    return f"{row['statement']} ({numbers}; {rests_on})" if rests_on else f"{row['statement']} ({numbers})"
