"""Write the parts of docs/results.md that follow from the registers: the steps, the tables and their columns.

Usage: python scripts/make_docs.py [--check]. With --check nothing is written, and the status is 1 where a page is old.
"""

import sys
from pathlib import Path

from scresist import tables
from scresist.run.steps import STEPS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results.md"


def steps_table() -> str:
    """One row per step: what it does, what it follows, which settings it reads."""
    rows = ["| step | what it does | follows | reads of study.toml |", "|---|---|---|---|"]
    for step in STEPS:
        own = (*step.settings, *(["design"] if step.design and "design" not in step.settings else []))
        read = [f"`{s}`" for s in own]
        rows.append(f"| `{step.name}` | {step.meaning} | {', '.join(step.after) or '-'} | {', '.join(read) or '-'} |")
    return "\n".join(rows)


def tables_list() -> str:
    """One row per table."""
    rows = ["| file | made by | what it has | a row is |", "|---|---|---|---|"]
    for table in tables.TABLES.values():
        key = ", ".join(tables.column(table.name, c).label for c in table.key) or "a statement"
        rows.append(f"| `{table.path}` | {table.step} | {table.meaning} | {key} |")
    return "\n".join(rows)


def columns_list() -> str:
    """The columns of every table with their meaning."""
    parts = []
    for table in tables.TABLES.values():
        rows = [
            f"### `{table.path}`",
            "",
            f"{table.meaning[0].upper()}{table.meaning[1:]}.",
            "",
            "| column | meaning |",
            "|---|---|",
        ]
        for name in (*table.columns, *table.optional):
            note = " (some studies)" if name in table.optional else ""
            rows.append(f"| `{name}` | {tables.column(table.name, name).meaning}{note} |")
        if table.one_per:
            rows.append(f"| one per {table.one_per} | its value |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


MADE = {"steps": steps_table, "tables": tables_list, "columns": columns_list}


def render(text: str) -> str:
    """The page with each made part replaced."""
    for name, make in MADE.items():
        start, end = f"<!-- {name}: made by scripts/make_docs.py -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}{make()}\n{end}{after}"
    return text


def main() -> int:
    """Write the page, or check it."""
    old = PAGE.read_text(encoding="utf-8")
    new = render(old)
    if "--check" in sys.argv:
        return int(old != new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
