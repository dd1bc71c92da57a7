"""A result: one tidy table, the method that made it and its settings; to and from csv (or parquet) with json beside."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

FLOAT_FORMAT = "%.10g"


@dataclass(frozen=True, slots=True)
class Result:
    """One tidy table with what made it.

    `table` has one row per fact; `method` names the estimator in words; `settings` are what it ran with; `notes`
    are for the reader (refusals, exclusions with their counts), one sentence each.
    """

    table: pd.DataFrame
    method: str = ""
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


def number(value: object) -> float:
    """The value as a float; NaN where it is none."""
    return float(value) if isinstance(value, (int, float, np.number)) and not isinstance(value, bool) else float("nan")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as csv or parquet (by the suffix of `path`): whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        table.to_parquet(part, index=False)
    else:
        table.to_csv(part, index=False, float_format=FLOAT_FORMAT, lineterminator="\n")
    part.replace(path)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table written by `write_table`."""
    # "NA" may be a gene or sample name: only an empty field is missing.
    return (
        pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, keep_default_na=False, na_values=[""])
    )


def write_text(text: str, path: Path) -> None:
    """Write a text file whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def save(result: Result, path: Path) -> None:
    """Write the table at `path` and its method, settings and notes as json beside it."""
    write_table(result.table, path)
    facts = {"method": result.method, "settings": dict(result.settings), "notes": list(result.notes)}
    write_text(json.dumps(facts, indent=1, sort_keys=True, default=str) + "\n", path.with_suffix(".json"))


def load(path: Path) -> Result:
    """Read back what `save` wrote."""
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Result(read_table(path), facts["method"], MappingProxyType(facts["settings"]), tuple(facts["notes"]))
