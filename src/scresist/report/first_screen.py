"""The first screen: the question, the cohort, the answers with how sure they are, what the design cannot answer."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import counted
from scresist.contrasts.verdict import ALPHA
from scresist.plots.style import new_axes
from scresist.plots.swimmer import NAMES_UP_TO, bar_arm, biopsy_grid, swimmer
from scresist.report.about_cells import about_cells, untested
from scresist.report.answers import (
    Answer,
    about_bench,
    about_contrast,
    about_microenvironment,
    about_progression,
    asks,
    clipped,
    endpoint_words,
    resistance,
)
from scresist.report.blocks import Section, figure_entry, written
from scresist.report.design import why_nothing_compared
from scresist.report.folder import Folder

CONTRASTS = 3  # cards about contrasts, those of primary and acquired resistance first
CALLED = {"flips": "tests over cells", "module flips": "tests over cells", "flow flips": "tests over cells",
          "ranking": "ranking of genes"}  # fmt: skip
ROLES = ("primary", "acquired", "")
LIMITS = 6  # sentences on what the design cannot tell
TALLEST = 6.0  # inches of the cohort on the page
NAMED = 4  # analyses that were refused
SECONDS = 86400  # of a day
MONTH = 30.4375  # days


def first_screen(folder: Folder) -> Section:
    """The question, the cohort and the answers, on one screen."""
    chosen = _contrasts(folder)
    made = [*(about_contrast(folder, name) or untested(folder, name) for name in chosen[:CONTRASTS]),
            about_microenvironment(folder), about_progression(folder), about_bench(folder)]  # fmt: skip
    answers = [a for a in made if a is not None]
    if all(a.verdict == "refused" for a in answers) and (described := about_cells(folder)) is not None:
        answers.append(described)
    cohort, caption = _cohort(folder)
    entries = [figure_entry(cohort, caption, "cohort")]
    cards = []
    for answer in answers:
        entry = None
        if answer.figure is not None:
            entry = figure_entry(answer.figure, answer.caption, answer.name)
            entries.append(entry)
        cards.append({
            "name": answer.name, "question": answer.question, "sentences": [clipped(s) for s in answer.sentences],
            "verdict": answer.verdict, "numbers": answer.numbers, "figure": entry, "section": answer.section,
            "more": answer.more,
        })  # fmt: skip
    block = {
        "kind": "first", "entries": entries, "cohort": entries[0], "cards": cards, "question": question(folder),
        "missing": _missing(folder), "limits": limits(folder, answers),
        "others": ", ".join(chosen[CONTRASTS:]),
    }  # fmt: skip
    return Section("answers", "Answers", "", [block])


def _contrasts(folder: Folder) -> list[str]:
    """Those of primary and acquired resistance, then the others in the order of the study."""
    asked = folder.facts["settings"]["design"]["contrasts"]
    return sorted(asked, key=lambda name: ROLES.index(resistance(name, asked[name])))


def question(folder: Folder) -> str:
    """What the study asks, from its contrasts, arms and drug.

    Parameters
    ----------
    folder
        The results folder.
    """
    settings = folder.facts["settings"]
    asked, drug = settings["design"]["contrasts"], settings["study"].get("drug") or ""
    if not asked:
        return clipped(f"Which cells are in these samples? No arms are compared: {why_nothing_compared(folder)}.")
    roles = {resistance(name, entry): entry for name, entry in asked.items()}
    if len(roles) == len(asked) and "" not in roles:
        references = list(dict.fromkeys(entry["reference"] for entry in roles.values()))
        words = " and ".join(role if entry["test"] == role else f"{role} ({entry['test']})" for role, entry in
                             sorted(roles.items(), key=lambda pair: ROLES.index(pair[0])))  # fmt: skip
        to = f" to {drug}" if drug else ""
        each = ", each against" if len(roles) > 1 else ", against"
        return clipped(f"What marks {words} resistance{to}{each} {' and '.join(references)}?")
    every = [asks(name, asked[name]) for name in _contrasts(folder)]
    more = len(every) - CONTRASTS
    return clipped(" ".join([*every[:CONTRASTS], *([f"And {counted(more, 'further contrast')}."] if more > 0 else [])]))


def _missing(folder: Folder) -> str:
    failed = folder.facts.get("failed", [])
    if not failed:
        return ""
    steps = ", ".join(f["step"] for f in failed)
    return clipped(f"This page is not whole: {counted(len(failed), 'step')} failed ({steps}).")


def limits(folder: Folder, answers: list[Answer]) -> list[str]:
    """What this study cannot tell: small effects, floors of p, confounding, what was refused or not asked.

    Parameters
    ----------
    folder
        The results folder.
    answers
        The cards that could be made.
    """
    found = []
    design = folder.table("design")
    rows = design.to_dict("records") if len(design) else []
    for row in rows:
        if row["verdict"] == "refused":
            found.append(f"{row['contrast']} cannot be tested: {str(row['sentence']).rpartition('. ')[2]}")
        elif isinstance(row.get("confounded"), str) and row["confounded"]:
            found.append(f"In {row['contrast']} the effect of the arm cannot be separated from {row['confounded']}.")
    floors = [r for r in rows if np.isfinite(r.get("p_floor", np.nan)) and r["p_floor"] > ALPHA]
    found += [f"In {r['contrast']} no exact test of these patients can go below p = {written(r['p_floor'], 'p')}; a "
              "finding there rests on a model." for r in floors]  # fmt: skip
    small = {f"{r['detectable']:.1f}" for r in rows if np.isfinite(r.get("detectable", np.nan))}
    if small:
        found.append(f"A single difference below {max(small, key=float)} SD between arms is missed more often than 2 "
                     "times in 10, so absence is no proof.")  # fmt: skip
    if not rows:
        found.append(f"Nothing is compared: {why_nothing_compared(folder)}.")
    names = {a.name for a in answers}
    lacking = [words for name, words in (
        ("microenvironment", "the microenvironment"), ("progression", "progression"), ("bench", "protein and function"),
    ) if name not in names]  # fmt: skip
    if lacking:
        found.append(f"Not tested in this run: {', '.join(lacking)}.")
    refusals = list(dict.fromkeys(CALLED.get(r["what"], r["what"]) for r in folder.facts["refusals"]))
    if refusals:
        found.append(f"{'1 analysis was' if len(refusals) == 1 else f'{len(refusals)} analyses were'} refused, with a "
                     f"reason: {', '.join(refusals[:NAMED])}{', …' if len(refusals) > NAMED else '.'}")  # fmt: skip
    claims = folder.claims
    called = claims[claims["verdict"] == "supported"] if len(claims) else claims
    model = int((called["grade"] == "model").sum()) if "grade" in called else 0
    if model:
        some = (
            f"{model:,} of {len(called):,} supported claims rest"
            if model < len(called)
            else (f"All {model:,} supported claims rest" if model > 1 else "The one supported claim rests")
        )
        found.append(f"{some} on a model of the values, not on relabelling the patients alone.")  # fmt: skip
    if rows:
        found.append("Differences between arms are associations; they do not show a cause.")
    return [clipped(sentence) for sentence in found[:LIMITS]]


def _cohort(folder: Folder) -> tuple[Any, str]:
    """The swimmer plot where the sheets have an endpoint, else who was biopsied in which arm."""
    samples = folder.table("samples").astype({"patient": str, "arm": str})
    patients = samples["patient"].nunique()
    words = f"{counted(patients, 'patient')}, {len(samples)} {'biopsy' if len(samples) == 1 else 'biopsies'}"
    lines = min(patients, NAMES_UP_TO)
    end = _endpoint(folder, samples)
    if end is None:
        figure, axes = new_axes(3.7, float(np.clip(0.27 * lines + 0.8, 2.2, TALLEST)))
        biopsy_grid(samples, axes, arms=folder.arms)
        return figure, f"{words}. The sheets name no endpoint."
    time, event, unit = end
    first = samples.drop_duplicates("patient").set_index("patient")
    table = pd.DataFrame({
        "time": pd.to_numeric(first[time], errors="coerce"), "event": pd.to_numeric(first[event], errors="coerce"),
        "arm": bar_arm(samples, folder.arms).reindex(first.index),
        "response": first["best_response"].astype(object).where(first["best_response"].notna(), "")
        if "best_response" in first else "",
    }).reset_index()  # fmt: skip
    figure, axes = new_axes(3.7, float(np.clip(0.27 * lines + 1.2, 2.6, TALLEST)))
    swimmer(table, _biopsies(samples, table, unit), axes, arms=folder.arms, unit=f"{endpoint_words(time)}, {unit}")
    events = int((table["event"] == 1).sum())
    return figure, (
        f"{words}, {counted(events, 'event')}. A bar has the arm of the patient's last biopsy; "
        "dots are biopsies, open ones without a known time."
    )


def _endpoint(folder: Folder, samples: pd.DataFrame) -> tuple[str, str, str] | None:
    ends = [(e["time"], e["event"], e.get("unit") or "months") for e in folder.facts["settings"].get("survival") or []]
    ends += [("pfs_months", "pfs_event", "months"), ("os_months", "os_event", "months")]
    return next((e for e in ends if {e[0], e[1]} <= set(samples.columns) and samples[e[0]].notna().any()), None)


def _biopsies(samples: pd.DataFrame, patients: pd.DataFrame, unit: str) -> pd.DataFrame:
    """When each sample was taken: by its date, at 0 before treatment, at the event at progression, else not known."""
    end = samples["patient"].map(patients.set_index("patient")["time"])
    taken = samples["taken"].fillna("") if "taken" in samples else pd.Series("", index=samples.index)
    when = pd.Series(np.nan, index=samples.index)
    when[taken == "before"] = 0.0
    when[taken == "at progression"] = end[taken == "at progression"]
    if {"date", "treatment_start"} <= set(samples.columns):
        days = (_days(samples["date"]) - _days(samples["treatment_start"])).dt.total_seconds() / SECONDS
        scale = {"months": MONTH, "days": 1.0, "weeks": 7.0, "years": 365.25}.get(unit, MONTH)
        dated = days.notna()
        when[dated] = (days[dated] / scale).clip(lower=0)
    return pd.DataFrame({"patient": samples["patient"], "arm": samples["arm"], "time": when})


def _days(dates: pd.Series) -> pd.Series:
    return pd.to_datetime(dates, errors="coerce")
