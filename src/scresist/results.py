"""A result: one tidy table, the method that made it and its settings; to and from csv (or parquet) with json beside."""

import html
import json
from collections.abc import Mapping, Sized
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

FLOAT_FORMAT = "%.10g"


SHOWN = 8  # rows of a table in a notebook


class Brief:
    """For a frozen result of many parts: one line in a console, a small table in a notebook."""

    __slots__ = ()

    def _parts(self) -> list[tuple[str, str]]:
        """Name and size of each part that is not empty."""
        own = [(f.name, getattr(self, f.name)) for f in fields(self) if not f.name.startswith("_")]  # type: ignore[arg-type]
        return [(name, brief(value)) for name, value in own if brief(value)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'; '.join(f'{name} {text}' for name, text in self._parts())})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(n)}</th><td>{html.escape(t)}</td></tr>" for n, t in self._parts())
        return f"<table>{rows}</table>"


def brief(value: object) -> str:
    """A few words on a value: the shape of tables and arrays, the number of sentences or settings, else the value.

    Parameters
    ----------
    value
        Anything.

    Returns
    -------
    Empty for None and what has no rows.
    """
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return " x ".join(f"{n:,}" for n in shape) if all(shape) else ""
    if value is None or isinstance(value, (str, int, float, bool, np.number)):
        return "" if value is None else str(value)[:80]
    size = len(value) if isinstance(value, Sized) else None
    return f"{size:,}" if size else ("" if size == 0 else type(value).__name__)


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

    def __repr__(self) -> str:
        columns = [str(c) for c in self.table.columns]
        more = f" and {len(columns) - 6} more" if len(columns) > 6 else ""
        method = f"; {self.method}" if self.method else ""
        return f"Result({len(self.table):,} rows: {', '.join(columns[:6])}{more}{method})"

    def _repr_html_(self) -> str:
        about = "; ".join(html.escape(t) for t in (self.method, *self.notes[:3]) if t)
        return f"{self.table.head(SHOWN).to_html(index=False)}<p>{len(self.table):,} rows. {about}</p>"


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
    write_bytes(text.encode(), path)


def write_bytes(content: bytes, path: Path) -> None:
    """Write a file whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
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
