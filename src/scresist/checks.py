"""What can be wrong: the exceptions, and the guards that raise them on the first lines of a step."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


class ScresistError(Exception):
    """Anything scresist refuses, in words a user can act on."""


class InputError(ScresistError, ValueError):
    """An input (a file, a table, an argument) is wrong; the message gives the place, the value and the remedy."""


class MissingColumnError(InputError):
    """A table lacks a column that the call needs."""


class RefusedError(ScresistError):
    """There are not enough data for a result that would not mislead; the message gives the reason."""


class DesignError(RefusedError, InputError):
    """The design cannot answer a comparison."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest in spelling, or None where none is close."""
    found = difflib.get_close_matches(str(name), [str(k) for k in known], n=1, cutoff=0.6)
    return found[0] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?` or the list of what is known, for the end of an error message."""
    known = [str(k) for k in known]
    near = nearest(name, known)
    if near is not None:
        return f"did you mean {near!r}?"
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return f"there is: {shown}" if known else "there is none"


def counted(n: int, noun: str) -> str:
    """A number with its noun: `1 patient`, `3 patients`, `1,200 cells`."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def require_columns(table: "pd.DataFrame", names: Iterable[str], where: str) -> None:
    """Raise MissingColumnError for the first of `names` that `table` lacks."""
    for name in names:
        if name not in table.columns:
            raise MissingColumnError(f"{where} has no column {name!r}; {suggestion(name, table.columns)}")


def require_choice(value: Any, choices: Iterable[str], what: str) -> None:
    """Raise InputError unless `value` is one of `choices`."""
    choices = list(choices)
    if value not in choices:
        raise InputError(f"{what} must be one of {', '.join(choices)}; got {value!r}")


def require_positive(value: float, what: str, *, allow_zero: bool = False) -> None:
    """Raise InputError unless `value` is a finite number above zero (or zero, where allowed)."""
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not np.isfinite(value) or value < 0 or (value == 0 and not allow_zero):
        bound = "zero or more" if allow_zero else "above zero"
        raise InputError(f"{what} must be a finite number {bound}; got {value!r}")


def require_finite(values: np.ndarray, what: str) -> None:
    """Raise InputError naming the count and the first place of values that are NaN or infinite."""
    bad = ~np.isfinite(values)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{what} has {int(bad.sum())} values that are NaN or infinite, the first at {place}; remove or impute them"
        )


def require_keys(given: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise InputError for the first key of `given` that is not known."""
    known = list(known)
    for key in given:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}; {suggestion(key, known)}")
