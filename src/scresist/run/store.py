"""What a run has made so far, on disk: whole steps or nothing, so that a killed run continues where it stopped."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.results import Result, write_table, write_text

if TYPE_CHECKING:
    from anndata import AnnData

_SLOTS = ("obs", "var", "obsm", "varm", "uns")


@dataclass(slots=True)
class Run:
    """The cohort and the results as they stand, passed from step to step."""

    cohort: "AnnData | None" = None
    results: dict[str, Result] = field(default_factory=dict)
    refusals: list[dict[str, str]] = field(default_factory=list)
    published: dict[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> "AnnData":
        """The cohort, which the first step made."""
        if self.cohort is None:
            raise RuntimeError("the cohort is not made yet")  # a fault of the pipeline's order, not of a user
        return self.cohort

    def table(self, name: str) -> pd.DataFrame:
        """A result's table; an empty one where its step made none."""
        return self.results[name].table if name in self.results else pd.DataFrame()

    def refuse(self, step: str, what: str, message: object) -> None:
        """Note that part of a step was refused, and why."""
        self.refusals.append({"step": step, "what": what, "reason": str(message)})


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


def slot_names(cohort: "AnnData | None") -> dict[str, set[str]]:
    """The names in every slot, to see later what a step added."""
    if cohort is None:
        return {slot: set() for slot in _SLOTS}
    return {slot: set(getattr(cohort, slot).keys()) for slot in _SLOTS}


@dataclass(frozen=True, slots=True)
class Store:
    """The folder that keeps the state of each finished step."""

    folder: Path

    def is_done(self, step: str, print_: str) -> bool:
        """Whether the step was finished with this fingerprint."""
        done = self.folder / step / "done.json"
        return done.exists() and json.loads(done.read_text(encoding="utf-8"))["fingerprint"] == print_

    def facts(self, step: str) -> dict[str, Any]:
        """What was noted when the step finished: fingerprint, seconds, peak memory, refusals."""
        facts: dict[str, Any] = json.loads((self.folder / step / "done.json").read_text(encoding="utf-8"))
        return facts

    def forget(self, step: str) -> None:
        """Remove the state of a step, and the tables it put into the results folder: they are of other settings."""
        done = self.folder / step / "done.json"
        if done.exists():
            for file in json.loads(done.read_text(encoding="utf-8"))["published"].values():
                (self.folder.parent / file).unlink(missing_ok=True)
        shutil.rmtree(self.folder / step, ignore_errors=True)

    def save(
        self, step: str, run: Run, facts: dict[str, Any], before: dict[str, set[str]], made: set[str], *, whole: bool
    ) -> None:
        """Keep what a step added: slots of the cohort (or all of it) and results; seen by others only when complete."""
        part = self.folder / f".{step}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        if run.cohort is not None:
            self._save_cohort(part, run.cohort, before, whole=whole)
        for name in sorted(made):
            result = run.results[name]
            result.table.reset_index(drop=True).to_parquet(part / f"{name}.parquet")
            about = {"method": result.method, "settings": dict(result.settings), "notes": list(result.notes)}
            write_text(json.dumps(about, sort_keys=True, default=str), part / f"{name}.json")
        write_text(json.dumps(facts, sort_keys=True, default=str), part / "done.json")
        shutil.rmtree(self.folder / step, ignore_errors=True)
        part.replace(self.folder / step)

    def _save_cohort(self, part: Path, cohort: "AnnData", before: dict[str, set[str]], *, whole: bool) -> None:
        import anndata

        if whole:
            cohort.write_h5ad(part / "cohort.h5ad", compression="lzf")
            return
        after = slot_names(cohort)
        new = {slot: sorted(after[slot] - before[slot]) for slot in _SLOTS}
        if not any(new.values()):
            return
        delta = anndata.AnnData(obs=cohort.obs[new["obs"]], var=cohort.var[new["var"]])
        for slot in ("obsm", "varm", "uns"):
            for name in new[slot]:
                getattr(delta, slot)[name] = getattr(cohort, slot)[name]
        delta.write_h5ad(part / "slots.h5ad", compression="lzf")

    def reload(self, step: str, run: Run, before: dict[str, set[str]]) -> None:
        """Replace what a step added in memory by what was kept of it."""
        if run.cohort is not None and (self.folder / step / "slots.h5ad").exists():
            after = slot_names(run.cohort)
            for slot in _SLOTS:
                for name in after[slot] - before[slot]:
                    del getattr(run.cohort, slot)[name]
        self._load_cohort(self.folder / step, run)

    def load(self, step: str, run: Run) -> None:
        """Take the state of a finished step into the run."""
        folder = self.folder / step
        self._load_cohort(folder, run)
        for path in sorted(folder.glob("*.parquet")):
            about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            run.results[path.stem] = Result(
                pd.read_parquet(path), about["method"], about["settings"], tuple(about["notes"])
            )
        facts = self.facts(step)
        run.refusals.extend(facts["refusals"])
        for name, file in facts["published"].items():
            run.published[name] = file
            target = self.folder.parent / file
            if not target.exists():
                write_table(run.results[name].table, target)

    def _load_cohort(self, folder: Path, run: Run) -> None:
        import anndata

        if (folder / "cohort.h5ad").exists():
            run.cohort = anndata.read_h5ad(folder / "cohort.h5ad")
        if (folder / "slots.h5ad").exists():
            delta = anndata.read_h5ad(folder / "slots.h5ad")
            for name in delta.obs:
                run.cells.obs[name] = delta.obs[name]
            for name in delta.var:
                run.cells.var[name] = delta.var[name]
            for slot in ("obsm", "varm", "uns"):
                for name in getattr(delta, slot):
                    getattr(run.cells, slot)[name] = getattr(delta, slot)[name]
