"""One step of a run: what it follows, what it reads and writes, how it is restored; and what its body is given."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scresist import keys, tables
from scresist.results import Result, write_table
from scresist.study import Study

if TYPE_CHECKING:
    from anndata import AnnData

    from scresist.cells import Focus, Pseudobulk

SHEET, PATIENTS = "sample sheet", "patient sheet"


@dataclass(slots=True)
class State:
    """The cohort and the results so far, passed from step to step.

    `out` is the results folder; `step` the step at work; `refusals` what could not be computed, each with its reason;
    `focus` and `sums` the cells in focus and the summed counts, once a step has resolved them.
    """

    out: Path
    cohort: "AnnData | None" = None
    step: str = ""
    results: dict[str, Result] = field(default_factory=dict)
    refusals: list[dict[str, str]] = field(default_factory=list)
    focus: "Focus | None" = None
    sums: "Pseudobulk | None" = None

    @property
    def cells(self) -> "AnnData":
        """The cohort that the first step made."""
        if self.cohort is None:
            raise RuntimeError("no step has made the cohort yet")  # a fault of the order of the steps, not of a user
        return self.cohort

    def table(self, name: str) -> pd.DataFrame:
        """The table of a result; an empty one if its step made none."""
        return self.results[name].table if name in self.results else pd.DataFrame()

    def publish(self, name: str, result: Result) -> None:
        """Keep a result for later steps and write its table into the results folder at once.

        The table is checked against its entry in the register of tables.
        """
        tables.check(name, result.table)
        self.results[name] = result
        write_table(result.table, self.out / tables.TABLES[name].path)

    def undo(self, before: Mapping[str, set[str]], results: Mapping[str, Result], refused: int) -> None:
        """Take back what a step that failed has left: slots of the cohort, results, refusals.

        Parameters
        ----------
        before
            The names in every slot of the cohort before the step.
        results
            The results before it.
        refused
            How many refusals there were.
        """
        for slot, names in before.items():
            held = getattr(self.cells, slot)
            for name in set(held.keys()) - names:
                del held[name]
        self.results, self.focus, self.sums = dict(results), None, None
        del self.refusals[refused:]

    def refuse(self, what: str, reason: object) -> None:
        """Record that part of the step was not computed, and why."""
        self.refusals.append({"step": self.step, "what": what, "reason": str(reason)})


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may use beside the study and the state: its seed, the workers, the mode, the options of the run."""

    seed: int
    workers: int = 1
    scheduler: str | None = None
    mode: str = "sound"
    options: Mapping[str, int] = field(default_factory=dict)
    before_page: Callable[[Path], None] | None = None  # is given the folder when all its tables are there

    @property
    def rng(self) -> np.random.Generator:
        """A new generator of the step's own stream."""
        return np.random.default_rng(self.seed)


Body = Callable[[State, Study, Context], None]
Columns = Callable[[Study], Iterable[str]]


def _none(_: Study) -> tuple[()]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Everything that the run needs to know of one step.

    Its slots and tables are those that `keys.py` and `tables.py` list for its name. Its fingerprint covers all that is
    named here and the fingerprints of the steps it follows: when it changes, the step is done again.
    """

    name: str
    meaning: str  # for the documentation: what the step does, one line
    body: Body
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] | None = None  # those of `after` without whose result it cannot be done; None: all of them
    settings: tuple[str, ...] = ()  # keys of study.toml, such as "networks" or "focus.compartment"
    design: bool = False  # reads arms, contrasts, covariates and batches, with their columns of the sheet
    sheet: Columns = _none  # other columns of the sample sheet (patient columns are joined to it)
    patients: Columns = _none  # columns of the patient sheet
    files: Callable[[Study], Iterable[Path]] = _none  # files and folders that are read; they count by their content
    mode: bool = False  # sound and parity give other results
    option: str = ""  # an option of the run that changes the result; without it the step keeps an earlier result
    whole: bool = False  # the step keeps the whole cohort, not only the slots it wrote
    outputs: tuple[str, ...] = ()  # files beside the tables that are always written
    optional_outputs: tuple[str, ...] = ()  # files beside the tables that some studies get
    tells: "Callable[[State, Study], list[str]] | None" = None  # what the reader should know as soon as it is done
    restore: Callable[[State], None] | None = None  # makes again what is not kept on disk, after a restart

    @property
    def needed(self) -> tuple[str, ...]:
        """The steps without whose result this one cannot be done."""
        return self.after if self.needs is None else self.needs

    @property
    def slots(self) -> tuple[keys.Key, ...]:
        """The slots of the cohort that the step writes."""
        return keys.written_by(self.name)

    @property
    def tables(self) -> tuple[tables.Table, ...]:
        """The tables that the step writes."""
        return tables.written_by(self.name)

    def reads(self, study: Study) -> dict[str, Any]:
        """The settings and the values of the sheets that the step reads."""
        design = study.design
        columns = tuple(self.sheet(study))
        found: dict[str, Any] = {key: _setting(study, key) for key in self.settings}
        if self.design:
            found["design"] = [design.arms, design.contrasts, design.covariates, design.batches]
            columns = ("patient", "arm", *design.covariates, *design.batches, *columns)
        found[SHEET] = _values(study.samples, columns)
        found[PATIENTS] = _values(study.patients, tuple(self.patients(study)))
        return found


def _setting(study: Study, key: str) -> Any:
    """One section or value of study.toml."""
    value: Any = study.settings
    for part in key.split("."):
        value = getattr(value, part)
    if isinstance(value, list):
        return [part.model_dump() if hasattr(part, "model_dump") else part for part in value]
    return value.model_dump() if hasattr(value, "model_dump") else value


def _values(sheet: pd.DataFrame, columns: tuple[str, ...]) -> list[list[str]]:
    if not columns:
        return []
    wanted = list(dict.fromkeys(columns))
    return sheet.reindex(columns=wanted).reset_index().astype(str).to_numpy().tolist()
