"""Tables of assays: columns, numbers, units, and every error with its row of the file."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from scresist.checks import InputError, counted, require_columns

SHOWN = 6  # errors of one message
_WITHIN = {"dose_um", "dose_a_um", "dose_b_um", "time", "gene", "protein", "substrate_um", "inhibitor_um", "enzyme_um"}
DIRECTIONS = {
    1: ("higher", "up", "+", "1", "+1", "1.0"), -1: ("lower", "down", "-", "-1", "-1.0"), 0: ("", "nan", "none"),
}  # fmt: skip
DOSE_UNITS = {"m": 1e6, "mm": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0, "nm": 1e-3, "pm": 1e-6}  # in micromolar


class Rows:
    """The errors of one table, collected and raised together; rows are lines of the file, the header being line 1."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.found: list[str] = []

    def refuse(self, bad: np.ndarray | pd.Series, message: str, values: Sequence[object] | None = None) -> None:
        """Note the first row where `bad` is true, and how many more there are."""
        at = np.flatnonzero(np.asarray(bad, bool))
        if at.size:
            seen = f" (seen: {_shown(values[int(at[0])])})" if values is not None else ""
            more = f"; {counted(at.size - 1, 'more row')} like it" if at.size > 1 else ""
            self.found.append(f"{self.where} row {int(at[0]) + 2}: {message}{seen}{more}")

    def stop(self) -> None:
        """Raise InputError where anything was noted.

        Raises
        ------
        InputError
            With every note, up to six.
        """
        if self.found:
            rest = len(self.found) - SHOWN
            more = [f"and {counted(rest, 'more problem')}"] if rest > 0 else []
            raise InputError("\n".join([*self.found[:SHOWN], *more]))


def _shown(value: object) -> str:
    """A value as it stood in the file."""
    return f"{value:g}" if isinstance(value, (float, np.floating)) else repr(value)


def read_assay(
    table: pd.DataFrame,
    where: str,
    *,
    names: Iterable[str],
    numbers: Iterable[str],
    filled: Mapping[str, str] | None = None,
    may_miss: Iterable[str] = (),
) -> tuple[pd.DataFrame, Rows]:
    """A table with its names as text and its numbers as floats, beside the errors found so far.

    Parameters
    ----------
    table
        As it was read from the file, one row per line.
    where
        What messages call it.
    names, numbers
        Columns that must be there.
    filled
        Columns of names that may be absent, and what they are then.
    may_miss
        Numbers that may be empty; the rows keep NaN.
    """
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"{where} must be a DataFrame with the columns of the file; got {type(table).__name__}")
    names, numbers, filled = list(names), list(numbers), dict(filled or {})
    out = table.reset_index(drop=True).copy()
    out.columns = [str(c).strip() for c in out.columns]
    require_columns(out, [*names, *numbers], where)
    if out.empty:
        raise InputError(f"{where} has no rows; give one row per measurement")
    rows = Rows(where)
    for name, value in filled.items():
        if name not in out:
            out[name] = value
    for name in [*names, *filled]:
        given = out[name]
        missing = given.isna() | (given.astype(str).str.strip() == "")
        if name in names:
            rows.refuse(missing, f"column {name!r} is empty; give a name")
        out[name] = _text(given).where(~missing, filled.get(name, ""))
    for name in numbers:
        out[name] = number_column(out[name], name, rows, may_miss=name in set(may_miss))
    return out, rows


def _text(values: pd.Series) -> pd.Series:
    """Names as text; numbers that are whole lose the `.0` that a file with gaps gives them."""
    if pd.api.types.is_float_dtype(values):
        return values.map(lambda v: f"{v:g}")
    return values.astype(str).str.strip()


def number_column(values: pd.Series, name: str, rows: Rows, *, may_miss: bool = False) -> pd.Series:
    """A column as floats; text, infinity and (unless they may be) empty cells are noted with their row.

    Parameters
    ----------
    values
        The column.
    name
        Its name.
    rows
        Where errors are noted.
    may_miss
        Whether cells may be empty.
    """
    empty = values.isna() | (values.astype(str).str.strip() == "")
    found = pd.to_numeric(values, errors="coerce")
    rows.refuse(
        found.isna() & ~empty,
        f"column {name!r} must be a number (a dot as decimal mark, no unit, no '<')",
        list(values),
    )
    rows.refuse(np.isinf(found.to_numpy(float)), f"column {name!r} must be finite", list(values))
    if not may_miss:
        rows.refuse(empty, f"column {name!r} is empty; give a number or leave the row out")
    return found.astype(float)


def dose_scale(table: pd.DataFrame, rows: Rows, column: str = "dose_unit") -> np.ndarray:
    """Micromolar per unit of dose in each row: 1 without a column of units; unknown units are noted with their row.

    Parameters
    ----------
    table
        From `read_assay`.
    rows
        Where errors are noted.
    column
        The column of units.
    """
    if column not in table:
        return np.ones(len(table))
    given = table[column].astype(str).str.strip()
    scale = given.where(given == "M", given.str.lower()).replace({"M": "m"}).map(DOSE_UNITS)
    rows.refuse(scale.isna(), "unknown unit of dose; one of M, mM, uM, nM, pM is needed", list(table[column]))
    return scale.to_numpy(float)


def expected_column(table: pd.DataFrame, keys: list[str], rows: Rows) -> dict[tuple[str, ...], int]:
    """Directions that were predicted, from the optional column `expected`: +1 higher, -1 lower, by the keys.

    Parameters
    ----------
    table
        From `read_assay`.
    keys
        Columns that name what the prediction is of; one with two predictions is noted with its row, as other words are.
    rows
        Where errors are noted.
    """
    if "expected" not in table:
        return {}
    signs = {word: sign for sign, words in DIRECTIONS.items() for word in words}
    words = table["expected"].where(table["expected"].notna(), "").astype(str).str.strip().str.lower()
    rows.refuse(~words.isin(signs), "expected must be higher or lower, or empty", list(table["expected"]))
    found = words.map(signs).fillna(0).astype(int)
    given = table[found != 0]
    first = found[given.index].groupby([given[k] for k in keys], sort=False).transform("first")
    two = pd.Series(data=False, index=table.index)
    two[given.index] = found[given.index] != first
    rows.refuse(two, "expected is higher in one row and lower in another of the same condition", list(words))
    names = given[keys].astype(str).itertuples(index=False, name=None)
    return dict(zip(names, found[given.index].tolist(), strict=True))


def refuse_repeats(table: pd.DataFrame, keys: list[str], value: str, rows: Rows) -> None:
    """Note rows that repeat another one in everything, where the layout has one well per place or all wells repeat.

    Two wells of one place may give the same value by chance; so a repeat is refused only where most places have a
    single row, where a column `well` shows that it is the same well, or where every row of the place has a copy.

    Parameters
    ----------
    table
        From `read_assay`.
    keys
        Columns that name a place (without the well).
    value
        The column of what was measured.
    rows
        Where errors are noted.
    """
    if "well" in table:
        again = table.duplicated([*keys, "well"])
        rows.refuse(
            again & table["well"].notna(),
            "this well is in the table already; keep one row per well",
            list(table["well"]),
        )
        return
    measured = table[value].notna()
    size = table.groupby(keys, sort=False, dropna=False)[value].transform("size")
    again = table.duplicated([*keys, value]) & measured
    block = [table[k] for k in keys if k not in _WITHIN]
    copies = table.duplicated([*keys, value], keep=False) | ~measured
    places = table.groupby(keys, sort=False, dropna=False).ngroup().groupby(block, sort=False).transform("nunique")
    whole = copies.groupby(block, sort=False).transform("all") & (places >= 3)
    alone = size.groupby([table[k] for k in keys], dropna=False).first().median() <= 1
    rows.refuse(
        again & (whole | alone),
        "this row repeats an earlier one in every column; remove it, or add a column 'well' if these are two wells",
    )
