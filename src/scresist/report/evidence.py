"""The lines of evidence on a gene, one function each: for, against, open, or not measured.

A new line is one more entry of `LINES`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scresist.contrasts.verdict import ALPHA
from scresist.report.blocks import interval, written
from scresist.report.folder import Folder

CLEAR = 4.0  # -log10 p of a line at full strength
PROTEIN = ("protein",)  # starts of the evidence of the bench that is about protein; the rest is about function


@dataclass(frozen=True, slots=True)
class Found:
    """What one line has on a gene: its state, its strength from 0 to 1, and the words for a card."""

    state: str = "not measured"
    strength: float = 0.0
    words: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the lines need beside the row of the gene: results of the bench, and the direction of each contrast."""

    bench: pd.DataFrame
    survival: pd.DataFrame
    second: pd.DataFrame


Row = Mapping[str, Any]


def context(folder: Folder) -> Context:
    """The tables that the lines look up.

    Parameters
    ----------
    folder
        The results folder.
    """
    survival = folder.table("survival")
    if len(survival):
        survival = survival[survival["what"] == "gene"].sort_values("p_value", kind="stable").drop_duplicates("feature")
        survival = survival.set_index("feature")
    return Context(folder.table("validation_agreement"), survival, folder.claimed("validation_modules"))


def _number(row: Row, column: str) -> float:
    try:
        return float(row.get(column, np.nan))
    except (TypeError, ValueError):
        return np.nan


def _level(p: float) -> float:
    return float(np.clip(-np.log10(max(p, 1e-300)) / CLEAR, 0, 1)) if np.isfinite(p) else 0.0


def _change(row: Row, _: Context) -> Found:
    p, q = _number(row, "p_value"), _number(row, "q_value")
    if not np.isfinite(p):
        return Found()
    words = f"log2 fold change {interval(row, 'log2fc')}, q {written(q, 'p')}"
    return Found("for" if q < ALPHA else "open", _level(p), words)


def _module(row: Row, _: Context) -> Found:
    if not isinstance(row.get("module"), str) or not row["module"]:
        return Found()
    q = _number(row, "module_q_value")
    words = f"{row['module']}, kME {written(_number(row, 'kme'), '.2f')}, module q {written(q, 'p')}"
    if not np.isfinite(q):
        return Found("open", 0.0, words)
    alike = np.sign(_number(row, "module_effect")) == np.sign(_number(row, "log2fc"))
    if q >= ALPHA:
        return Found("open", _level(_number(row, "module_p_value")), words)
    return Found("for" if alike else "against", _level(_number(row, "module_p_value")), words)


def _own(row: Row, _: Context) -> Found:
    share, doubt = _number(row, "malignant_share"), _number(row, "doubt_ambient")
    if not np.isfinite(share):
        return Found()
    words = f"{written(share, '%')} of its counts are in the compartment; {written(doubt, '%')} of these may be soup"
    return Found(
        "for" if share >= 0.5 and not doubt >= 0.5 else "against", max(share, doubt if doubt >= 0.5 else 0), words
    )


def _patients(row: Row, _: Context) -> Found:
    if not np.isfinite(_number(row, "influence")):
        return Found()
    alone = row.get("rests_on_one") in (True, "True")
    who = row.get("influence_patient")
    words = f"largest influence of one patient {written(_number(row, 'influence'), '.2f')} standard errors ({who})"
    strength = 1.0 if alone else float(np.clip(1 - _number(row, "influence") / 3, 0.1, 1))
    return Found("against" if alone else "for", strength, words)  # fmt: skip


def _technical(row: Row, _: Context) -> Found:
    doubt, source = _number(row, "doubt_technical"), row.get("technical_source")
    if not np.isfinite(_number(row, "technical")):
        return Found()
    words = f"{written(max(_number(row, 'technical'), 0), '%')} of the change goes with {source} in the model"
    return Found(
        "against" if doubt >= 0.5 else "for", doubt if doubt >= 0.5 else 1 - max(_number(row, "technical"), 0), words
    )


def _other_populations(row: Row, _: Context) -> Found:
    if not np.isfinite(_number(row, "change_elsewhere")):
        return Found()
    doubt = _number(row, "doubt_elsewhere")
    words = (f"median change in {_number(row, 'n_elsewhere'):.0f} other populations "
             f"{written(_number(row, 'change_elsewhere'), '+.2f')}")  # fmt: skip
    return Found("against" if doubt >= 0.5 else "for", doubt if doubt >= 0.5 else 1 - max(doubt, 0), words)


def _survival(row: Row, known: Context) -> Found:
    if row["gene"] not in known.survival.index:
        return Found()
    own = known.survival.loc[row["gene"]]
    q = float(own["q_value"])
    words = (f"hazard ratio per SD {own['hr']:.2f} [{own['ci_low']:.2f}, {own['ci_high']:.2f}] for {own['endpoint']}, "
             f"q {written(q, 'p')}")  # fmt: skip
    return Found("for" if q < ALPHA else "open", _level(float(own["p_value"])), words)


def _bench(row: Row, known: Context, *, protein: bool) -> Found:
    if not len(known.bench):
        return Found()
    own = known.bench[known.bench["gene"].astype(str) == str(row["gene"])]
    own = own[own["evidence"].astype(str).str.startswith(PROTEIN) == protein]
    if not len(own):
        return Found()
    words = "; ".join(str(s).removeprefix(f"{row['gene']}, ") for s in own["sentence"])
    met = set(own["met"].astype(str))
    state = "against" if "no" in met else "for" if "yes" in met else "open"
    return Found(state, _level(float(own["p_value"].min())) if state != "open" else 0.0, words)


def _protein(row: Row, known: Context) -> Found:
    return _bench(row, known, protein=True)


def _function(row: Row, known: Context) -> Found:
    return _bench(row, known, protein=False)


def _second(row: Row, known: Context) -> Found:
    if not len(known.second) or not isinstance(row.get("module"), str):
        return Found()
    own = known.second[(known.second["module"] == row["module"]) & (known.second["contrast"] == row["contrast"])]
    if not len(own):
        return Found()
    best = own.iloc[0]
    words = f"its module there: effect {written(best['effect'], '+.2f')}, q {written(best['q_value'], 'p')}"
    if not best["q_value"] < ALPHA:
        return Found("open", _level(float(best["p_value"])), words)
    return Found("for" if bool(best["same_direction"]) else "against", _level(float(best["p_value"])), words)


def _route(row: Row, _: Context) -> Found:
    route = row.get("mechanism")
    if not isinstance(route, str) or not route:
        return Found()
    expected = str(row.get("direction_expected") or "")
    change = _number(row, "log2fc")
    words = route + (f", expected {expected}" if expected in ("up", "down") else "")
    if not _number(row, "q_value") < ALPHA:
        return Found("open", 0.0, words)
    alike = expected not in ("up", "down") or (change > 0) == (expected == "up")
    return Found("for" if alike else "against", 0.8, words)


LINES: Mapping[str, Callable[[Row, Context], Found]] = {
    "RNA differs": _change, "module differs": _module, "the cells' own": _own, "not one patient": _patients,
    "not technical": _technical, "not in all cells": _other_populations, "survival": _survival,
    "second cohort": _second, "protein agrees": _protein, "function agrees": _function,
    "known route": _route,
}  # fmt: skip


def lines_of(row: Row, known: Context) -> dict[str, Found]:
    """Every line of evidence on one row of the candidates.

    Parameters
    ----------
    row
        Of the table of candidates.
    known
        From `context`.
    """
    return {name: line(row, known) for name, line in LINES.items()}


def matrix(rows: pd.DataFrame, known: Context) -> pd.DataFrame:
    """The lines of several genes of one contrast: gene, line, state, strength, words, verdict.

    Parameters
    ----------
    rows
        Of the table of candidates, with verdicts.
    known
        From `context`.
    """
    out = [
        {"gene": row["gene"], "line": name, "state": f.state, "strength": f.strength, "words": f.words,
         "verdict": row["verdict"]}
        for row in rows.to_dict("records") for name, f in lines_of(row, known).items()
    ]  # fmt: skip
    return pd.DataFrame(out, columns=["gene", "line", "state", "strength", "words", "verdict"])
