"""What is wrong with the inputs: one record per problem, collected in one pass and shown together."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from scresist.checks import InputError

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong (error), weak (warning) or worth knowing (note), where it is and what to do.

    `row` is the line of the file, counted from 1 with the header; for a matrix it is the barcode or the gene.
    """

    severity: Severity
    file: str
    message: str
    remedy: str = ""
    row: int | str | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        """One line: where, what, value, remedy."""
        row = f"row {self.row}" if isinstance(self.row, int) else self.row
        place = ", ".join(part for part in (self.file, row, self.column and f"column {self.column!r}") if part)
        seen = f" (seen: {self.value})" if self.value is not None else ""
        remedy = f" -> {self.remedy}" if self.remedy else ""
        return f"{self.severity}: {place}: {self.message}{seen}{remedy}"

    def as_dict(self) -> dict[str, Any]:
        """The record as plain values, for --json."""
        return asdict(self)


@dataclass(slots=True)
class Problems:
    """The list that one pass over the inputs fills."""

    found: list[Problem] = field(default_factory=list)

    def error(self, file: str, message: str, remedy: str = "", **where: Any) -> None:
        """Add something that must be corrected before a run."""
        self._add("error", file, message, remedy, where)

    def warning(self, file: str, message: str, remedy: str = "", **where: Any) -> None:
        """Add something that does not stop a run but matters to the reader."""
        self._add("warning", file, message, remedy, where)

    def note(self, file: str, message: str, remedy: str = "", **where: Any) -> None:
        """Add something worth knowing, such as a rule that was applied."""
        self._add("note", file, message, remedy, where)

    def _add(self, severity: Severity, file: str, message: str, remedy: str, where: dict[str, Any]) -> None:
        if "value" in where and where["value"] is not None:
            where["value"] = repr(where["value"])
        self.found.append(Problem(severity, file, message, remedy, **where))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add problems that were found in another place."""
        self.found.extend(problems)

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.found)

    @property
    def errors(self) -> list[Problem]:
        """Those that must be corrected."""
        return [p for p in self.found if p.severity == "error"]


def merged(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The same warning or note about several files as one, with how many; errors stay one by one."""
    groups: dict[object, list[Problem]] = {}
    for i, problem in enumerate(problems):
        same = i if problem.severity == "error" else replace(problem, file="")
        groups.setdefault(same, []).append(problem)
    out = []
    for group in groups.values():
        first = group[0]
        more = f"{first.file} (and {len(group) - 1} more)"
        out.append(first if len(group) == 1 else replace(first, file=more))
    return tuple(out)


class StudyError(InputError):
    """The inputs have errors; all of them are in `problems` and in the message."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [p for p in self.problems if p.severity == "error"]
        lines = "\n".join(f"  {p}" for p in errors)
        super().__init__(f"{len(errors)} problem{'s' if len(errors) != 1 else ''} in the inputs:\n{lines}")
