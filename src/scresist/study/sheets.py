"""Sheets as people save them: commas, semicolons or tabs, a byte-order mark or none, any line ends, or a workbook."""

import csv
import gzip
import io
import re
import zlib
from pathlib import Path

import pandas as pd

from scresist.checks import nearest
from scresist.study.problems import Problems
from scresist.study.workbooks import is_workbook, rows_of_workbook

LARGEST = 64 * 2**20  # bytes of a sheet or a table of genes
LINE = "line"  # the row of the file, kept beside the values so that every problem can name it


def read_bytes(path: Path, shown: str, problems: Problems) -> bytes | None:
    """The bytes of a file, unpacked when gzipped; None (and a problem) where it cannot be read."""
    if not path.exists():
        problems.error(
            shown, "the file does not exist", f"put it at {shown} or correct the path (relative to study.toml)"
        )
        return None
    if path.is_dir():
        problems.error(shown, "this is a folder, not a file", "give the path of a file")
        return None
    try:
        with path.open("rb") as start:
            packed = start.read(2) == b"\x1f\x8b"
        # A file of a few kilobytes can unpack to many gigabytes: no more is read than a sheet can have.
        with gzip.open(path, "rb") if packed else path.open("rb") as handle:
            raw = handle.read(LARGEST + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        problems.error(shown, f"the gzip file is truncated or damaged ({error})", "copy or download it again")
    except OSError as error:
        problems.error(shown, f"the file cannot be read ({error.strerror or error})", "check its permissions")
    else:
        if len(raw) <= LARGEST:
            return bytes(raw)
        problems.error(
            shown, f"the file has more than {LARGEST // 2**20} MB{' when unpacked' if packed else ''}: it is no sheet",
            "give the table of samples, patients or genes, not a matrix",
        )  # fmt: skip
    return None


def read_text(path: Path, shown: str, problems: Problems) -> str | None:
    """The text of a file as UTF-8 without a byte-order mark; None (and a problem) where it is not text."""
    raw = read_bytes(path, shown, problems)
    return None if raw is None else _decode(raw, shown, problems)


def _decode(raw: bytes, shown: str, problems: Problems) -> str | None:
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:  # "Unicode text" of Excel
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError:
            problems.error(shown, "the file begins as UTF-16 text and is damaged", "save it as UTF-8")
            return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        seen = raw[max(0, error.start - 5) : error.start + 5]
        problems.error(shown, "the file is not UTF-8 text", "save it as UTF-8", row=line, value=seen)
    return None


def read_sheet(path: Path, shown: str, problems: Problems, required: tuple[str, ...]) -> pd.DataFrame | None:
    """A sheet as strings ("" where empty) with the row of the file in column `line`; None where it is no sheet."""
    raw = read_bytes(path, shown, problems)
    if raw is None:
        return None
    if is_workbook(raw):
        rows = rows_of_workbook(raw, shown, problems, required)
    elif raw[:4] == b"\xd0\xcf\x11\xe0":
        problems.error(shown, "this is an old Excel file (.xls)", "save it as .xlsx or as CSV UTF-8")
        return None
    else:
        text = _decode(raw, shown, problems)
        rows = None if text is None else _split(text, shown, problems)
        if text is not None and "\x00" in text:
            rows = []
    if rows is None:
        return None
    if not rows:
        problems.error(shown, "the file is empty or not a table", f"give a CSV with columns {', '.join(required)}")
        return None
    rows = _without_blank_columns(rows)
    header = [name.strip() for name in rows[0][1]]
    if len(header) < 2 and len(required) > 1:
        problems.error(
            shown,
            "the file is not CSV: its first line has no separator",
            "separate columns by commas",
            row=1,
            value=rows[0][1][0][:60] if rows[0][1] else "",
        )
        return None
    if "" in header:
        at = header.index("")
        line, filled = next((n, row[at]) for n, row in rows[1:] if len(row) > at and row[at].strip())
        problems.error(shown, f"column {at + 1} has values but no name", "name it in the first row, or empty it",
                       row=line, value=filled.strip())  # fmt: skip
        return None
    for name in sorted({n for n in header if header.count(n) > 1}):
        problems.error(shown, f"the column {name!r} is there twice", "remove or rename one", row=1, column=name)
    missing = [name for name in required if name not in header]
    for name in missing:
        problems.error(shown, f"there is no column {name!r}", _near(name, header), row=1, column=name)
    kept = []
    for line, cells in rows[1:]:
        row = cells
        while len(row) > len(header) and not row[-1].strip():
            row = row[:-1]
        if len(row) != len(header):
            problems.error(
                shown,
                f"the row has {len(row)} fields, the header {len(header)}",
                "quote values that contain a separator, or add the missing field",
                row=line,
            )
        else:
            kept.append([cell.strip() for cell in row] + [line])
    if missing or len(set(header)) < len(header):
        return None
    return pd.DataFrame(kept, columns=[*header, LINE]).astype({LINE: int}) if kept else _empty(shown, header, problems)


def _empty(shown: str, header: list[str], problems: Problems) -> pd.DataFrame:
    problems.error(shown, "the sheet has a header but no rows", "add one row per sample or patient")
    return pd.DataFrame(columns=[*header, LINE])


def _split(text: str, shown: str, problems: Problems) -> list[tuple[int, list[str]]] | None:
    """Rows with the number of the line each starts on; None (and a problem) where the text is no CSV.

    The separator is the commonest of , ; and tab in the header.
    """
    first, _, rest = text.partition("\n")
    named = re.fullmatch(r"\"?sep=(.)\"?[,;\t]*", first.strip("\r\ufeff "), re.IGNORECASE)  # Excel's own first line
    begin = 1 if named is None else 2
    while not first.strip(' \r,;\t"') and rest:  # empty rows above the header
        first, _, rest = rest.partition("\n")
    if named:
        text = text.partition("\n")[2]
        first = text.lstrip("\r\n ,;\t").split("\n", 1)[0]
    separator = max((",", ";", "\t"), key=first.count) if named is None or named[1] not in first else named[1]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, line = [], begin
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line, row))
            line = reader.line_num + begin
    except csv.Error as error:
        problems.error(
            shown, f"the file is not CSV from this row on ({error})",
            "look for a quotation mark that is opened and not closed", row=line,
        )  # fmt: skip
        return None
    return rows


def _without_blank_columns(rows: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Rows without the columns that have neither a name nor a value (a spreadsheet leaves them between and behind)."""
    width = len(rows[0][1])
    blank = {i for i in range(width) if not any(row[i].strip() for _, row in rows if len(row) > i)}
    if not blank:
        return rows
    return [(line, [cell for i, cell in enumerate(row) if i not in blank]) for line, row in rows]


def _near(name: str, header: list[str]) -> str:
    near = nearest(name, header)
    return f"rename {near!r} to {name!r}" if near else f"add it; the sheet has: {', '.join(header)}"


def numeric(sheet: pd.DataFrame, column: str) -> pd.Series:
    """A column of strings as numbers; "" and what is not a number (a decimal comma too: nothing is guessed) is NaN."""
    return pd.to_numeric(sheet[column].replace("", None), errors="coerce").astype(float)
