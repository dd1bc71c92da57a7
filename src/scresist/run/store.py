"""What a run has made so far, on disk: whole steps or nothing, so that a killed run continues where it stopped."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from filelock import FileLock, Timeout

from scresist import tables
from scresist.checks import InputError
from scresist.results import Result, write_table, write_text
from scresist.run.step import State, Step

if TYPE_CHECKING:
    from anndata import AnnData

SLOTS = ("obs", "var", "obsm", "varm", "uns")
Names = dict[str, set[str]]


def fingerprint(*parts: Any) -> str:
    """A short hash of settings, versions and other fingerprints."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_files(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of each file; a folder gives those of its files."""
    out = {}
    for path in sorted(set(paths)):
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            if file.is_file():
                with file.open("rb") as handle:
                    out[str(file)] = hashlib.file_digest(handle, "sha256").hexdigest()
    return out


def slot_names(cohort: "AnnData | None") -> Names:
    """The names in every slot of a cohort."""
    if cohort is None:
        return {slot: set() for slot in SLOTS}
    return {slot: set(getattr(cohort, slot).keys()) for slot in SLOTS}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a results folder for as long as the block runs.

    Raises
    ------
    InputError
        If another run is writing into the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            yield
    except Timeout:
        raise InputError(
            f"another run is writing into {folder.parent}; wait until it ends, or name another folder with --out"
        ) from None


@dataclass(frozen=True, slots=True)
class Store:
    """The folder `.state` of a results folder, which keeps the state of each finished step."""

    folder: Path

    def facts(self, step: Step) -> dict[str, Any]:
        """What was recorded when the step finished: fingerprint, seconds, peak memory, refusals, tables, options."""
        done = self.folder / step.name / "done.json"
        if not done.exists():
            return {}
        facts: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
        return facts

    def is_done(self, step: Step, print_: str) -> bool:
        """Whether the step finished with this fingerprint and its other files are still there."""
        facts = self.facts(step)
        complete = all((self.folder.parent / name).exists() for name in step.outputs)
        return facts.get("fingerprint") == print_ and "tables" in facts and complete

    def forget(self, step: Step) -> None:
        """Remove the state of a step and every file it may have written: they belong to other settings."""
        for name in (*(table.path for table in step.tables), *step.outputs, *step.optional_outputs):
            self._inside(name).unlink(missing_ok=True)
        shutil.rmtree(self._inside(f"{self.folder.name}/{step.name}"), ignore_errors=True)

    def _inside(self, name: str) -> Path:
        """A path below the results folder; anything that leads out of it is refused."""
        root = self.folder.parent.resolve()
        path = self.folder.parent / name
        if not path.parent.resolve().is_relative_to(root):
            raise InputError(f"{path} leads out of {self.folder.parent}; nothing was removed. Name a new folder: --out")
        return path

    def save(self, step: Step, state: State, facts: dict[str, Any], before: Names) -> None:
        """Keep what a step made: its slots of the cohort (or all of it) and its tables; visible only when complete."""
        part = self.folder / f".{step.name}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        if state.cohort is not None:
            _require_declared(step, state.cohort, before)
            _save_cohort(part, step, state.cohort)
        for name in facts["tables"]:
            result = state.results[name]
            result.table.reset_index(drop=True).to_parquet(part / f"{name}.parquet")
            about = {"method": result.method, "settings": dict(result.settings), "notes": list(result.notes)}
            write_text(json.dumps(about, sort_keys=True, default=str), part / f"{name}.json")
        write_text(json.dumps(facts, sort_keys=True, default=str), part / "done.json")
        shutil.rmtree(self.folder / step.name, ignore_errors=True)
        part.replace(self.folder / step.name)

    def reload(self, step: Step, state: State) -> None:
        """Replace the slots that a step wrote in memory by what was kept of them."""
        if state.cohort is not None and (self.folder / step.name / "slots.h5ad").exists():
            for axis, name in _present(step, state.cohort):
                del getattr(state.cohort, axis)[name]
        self.load_cohort(step, state)

    def load(self, step: Step, state: State) -> None:
        """Load the state of a finished step into the run, and write again those of its tables that were removed.

        Raises
        ------
        InputError
            If the state lists a table that is not one of the step's.
        """
        facts = self.facts(step)
        known = {table.name for table in step.tables}
        for name in facts["tables"]:
            if name not in known:
                raise InputError(
                    f"{self.folder / step.name / 'done.json'} lists a table {name!r} that the step does not make; "
                    "run with --fresh"
                )
        self.load_cohort(step, state)
        for name in facts["tables"]:
            path = self.folder / step.name / f"{name}.parquet"
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            state.results[name] = Result(
                pd.read_parquet(path), about["method"], about["settings"], tuple(about["notes"])
            )
            target = self._inside(tables.TABLES[name].path)
            if not target.exists():
                write_table(state.results[name].table, target)
        state.refusals.extend(facts["refusals"])

    def load_cohort(self, step: Step, state: State) -> None:
        """Load what a finished step kept of the cohort; its tables stay where they are."""
        import anndata

        folder = self.folder / step.name
        if (folder / "cohort.h5ad").exists():
            state.cohort = anndata.read_h5ad(folder / "cohort.h5ad")
        if (folder / "slots.h5ad").exists():
            kept = anndata.read_h5ad(folder / "slots.h5ad")
            for name in kept.obs:
                state.cells.obs[name] = kept.obs[name]
            for name in kept.var:
                state.cells.var[name] = kept.var[name]
            for slot in ("obsm", "varm", "uns"):
                for name in getattr(kept, slot):
                    getattr(state.cells, slot)[name] = getattr(kept, slot)[name]


def _present(step: Step, cohort: "AnnData") -> list[tuple[str, str]]:
    """Axis and name of the step's slots that the cohort has."""
    return [(k.axis, k.name) for k in step.slots if k.axis in SLOTS and k.name in getattr(cohort, k.axis)]


def _require_declared(step: Step, cohort: "AnnData", before: Names) -> None:
    """Raise where a step added a slot that `keys.py` does not list for it."""
    listed = {(key.axis, key.name) for key in step.slots}
    if ("uns", "input_columns") in listed:  # columns of any name that the input brought
        listed |= {("obs", str(name)) for name in cohort.uns.get("input_columns", ())}
    for axis, names in slot_names(cohort).items():
        for name in names - before[axis]:
            if (axis, name) not in listed:
                raise RuntimeError(f"the step {step.name} wrote {axis}[{name!r}], which keys.py does not list for it")


def _save_cohort(part: Path, step: Step, cohort: "AnnData") -> None:
    import anndata

    if step.whole:
        cohort.write_h5ad(part / "cohort.h5ad", compression="lzf")
        return
    written = _present(step, cohort)
    if not written:
        return
    obs, var = ([name for axis, name in written if axis == wanted] for wanted in ("obs", "var"))
    kept = anndata.AnnData(obs=cohort.obs[obs], var=cohort.var[var])
    for axis, name in written:
        if axis not in ("obs", "var"):
            getattr(kept, axis)[name] = getattr(cohort, axis)[name]
    kept.write_h5ad(part / "slots.h5ad", compression="lzf")
