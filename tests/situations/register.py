"""What a situation is, the list of them, and the two ways to try one: the reader, and `scresist check` on a study."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from scresist.cli import app
from scresist.reading import read_matrix
from scresist.reading.symbols import map_symbols
from scresist.study.problems import StudyError

SITUATIONS: list["Situation"] = []


@dataclass(frozen=True)
class Situation:
    """One state of people's data.

    `expected` is read (the reader gives the true counts) or refused (with `words` in the message); of a study, `check`
    ends without an error, or with one that has `words`. `also` are words of a warning or note that has to be there.
    """

    name: str
    kind: str
    form: str
    expected: str
    make: Callable[[Path], object]
    words: str = ""
    also: str = ""
    study: bool = False
    needs: str = ""


def situation(kind, form, name, *, refused="", also="", study=False, needs=""):
    def add(make):
        SITUATIONS.append(
            Situation(name, kind, form, "refused" if refused else "read", make, refused, also, study, needs)
        )
        return make

    return add


@dataclass(frozen=True)
class Outcome:
    """What happened: read or refused, whether that is right, and the words."""

    happened: str
    right: bool
    words: str


def try_out(case: Situation, folder: Path) -> Outcome:
    made = case.make(folder)
    return _try_study(case, made) if case.study else _try_matrix(case, *made)


def _try_matrix(case, path, truth) -> Outcome:
    try:
        matrix = read_matrix(path)
    except StudyError as error:
        words = " | ".join(str(p) for p in error.problems if p.severity == "error")
        right = case.expected == "refused" and bool(re.search(case.words, words)) and len(error.problems) > 0
        return Outcome("refused", right, words.replace(str(Path(path).parent), "..."))
    notes = "; ".join(matrix.notes)
    same = truth is None or agrees(matrix, truth)
    noted = not case.also or bool(re.search(case.also, notes + " " + matrix.slot))
    return Outcome("read", case.expected == "read" and same and noted, notes if same else f"other counts! {notes}")


def agrees(matrix, truth) -> bool:
    """Whether the cells and counts are the true ones, in whatever order, under official symbols."""
    symbols = map_symbols(matrix.genes, matrix.gene_ids, organism="human").symbols
    place = {str(s): i for i, s in enumerate(symbols)}
    cells = {str(b): i for i, b in enumerate(matrix.barcodes)}
    if len(cells) != len(truth.barcodes) or any(b not in cells for b in truth.barcodes):
        return False
    if any(g not in place for g in truth.genes):
        return False
    found = matrix.counts.toarray()[[cells[b] for b in truth.barcodes]][:, [place[g] for g in truth.genes]]
    return bool(np.array_equal(found, truth.counts)) and matrix.counts.sum() == truth.counts.sum()


def _try_study(case, path) -> Outcome:
    result = CliRunner().invoke(app, ["check", str(path), "--json"])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        return Outcome("failed", right=False, words=repr(result.exception))
    found = json.loads(result.stdout)["problems"]

    def text(severity):
        return " | ".join(
            f"{p['message']} -> {p['remedy']}" + (f" (seen: {p['value']})" if p["value"] else "") for p in found
            if p["severity"] in severity
        )  # fmt: skip

    errors, others = text({"error"}), text({"warning", "note"})
    noted = not case.also or bool(re.search(case.also, others))
    if errors:
        right = case.expected == "refused" and bool(re.search(case.words, errors)) and result.exit_code == 2
        return Outcome("refused", right and noted, errors.replace(str(Path(path).parent), "..."))
    right = case.expected == "read" and result.exit_code == 0
    return Outcome("read", right and noted, re.search(case.also, others)[0] if case.also and noted else "")
