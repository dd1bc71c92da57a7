"""What a column of a table is: the type that `columns.py` and `bench_columns.py` list."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading on the page, what it means, and how its numbers are written (a format, `p` or `%`)."""

    label: str
    meaning: str
    form: str = ""
