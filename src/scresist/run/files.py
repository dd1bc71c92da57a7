"""Which files a step reads and leaves beside its kept state, and what is made again rather than kept."""

from pathlib import Path
from typing import Any

from scresist.run.store import hash_files
from scresist.study import Study

OUTPUTS = {"report": ("report.html", "cohort.h5ad", "tables/cells.parquet")}
MAYBE = {"report": ("claims.csv",), "networks": ("network.zip",)}


def input_files(study: Study) -> list[Path]:
    """The matrices a study reads."""
    given = list(study.samples["path"])
    if "raw_path" in study.samples:
        given += [p for p in study.samples["raw_path"] if isinstance(p, str)]
    return [study.folder / str(p).partition("#")[0] for p in given]


def marker_hash(study: Study) -> Any:
    """What identifies the marker table: nothing for the shipped one, the content of a user's own."""
    own = study.settings.annotate.markers
    return None if own is None else hash_files([study.folder / own])


def outputs_exist(step: str, out: Path) -> bool:
    """Whether the files a step leaves outside its kept state are still there."""
    return all((out / name).exists() for name in OUTPUTS.get(step, ()))


def remove_outputs(step: str, out: Path) -> None:
    """Remove the files a step left outside its kept state: they are of other settings."""
    for name in (*OUTPUTS.get(step, ()), *MAYBE.get(step, ())):
        (out / name).unlink(missing_ok=True)
