"""Sheets in an Excel workbook (.xlsx), read with openpyxl."""

import datetime
import io
import zipfile

from scresist.study.problems import Problems

ROWS = 100_000  # more are no sheet of samples or patients


def is_workbook(raw: bytes) -> bool:
    """Whether the bytes are a zip archive with a workbook in it.

    Parameters
    ----------
    raw
        Of the whole file.
    """
    return raw[:4] == b"PK\x03\x04" and (b"xl/" in raw or b"[Content_Types].xml" in raw)


def rows_of_workbook(
    raw: bytes, shown: str, problems: Problems, required: tuple[str, ...]
) -> list[tuple[int, list[str]]] | None:  # fmt: skip
    """The rows of the worksheet that has the columns that are needed, as text, each with its number.

    Parameters
    ----------
    raw
        Of the whole file.
    shown, problems
        As in `read_sheet`.
    required
        Columns by which the worksheet is chosen where there are several.
    """
    try:
        import openpyxl
    except ImportError:
        problems.error(shown, "this is an Excel workbook, and the package openpyxl is not installed",
                       "pip install 'scresist[excel]', or save the sheet as CSV UTF-8")  # fmt: skip
        return None
    try:
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True)
        sheets = {sheet.title: _rows(sheet) for sheet in book.worksheets}
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        EOFError,
        OSError,
        AttributeError,
        IndexError,
    ) as error:
        problems.error(shown, f"the workbook cannot be read ({type(error).__name__}: {str(error)[:100]})",
                       "save it again, or as CSV UTF-8")  # fmt: skip
        return None
    filled = {title: rows for title, rows in sheets.items() if rows}
    fitting = [t for t, rows in filled.items() if set(required) <= {c.strip() for c in rows[0][1]}]
    if len(fitting) > 1:
        problems.error(shown, f"{len(fitting)} worksheets have the columns {', '.join(required)}",
                       "leave one of them", value=", ".join(fitting))  # fmt: skip
        return None
    if not fitting and len(filled) > 1:
        problems.error(shown, f"no worksheet has the columns {', '.join(required)} in its first row",
                       "name the columns so", value=", ".join(filled))  # fmt: skip
        return None
    return filled[fitting[0]] if fitting else next(iter(filled.values()), [])


def _rows(sheet: object) -> list[tuple[int, list[str]]]:
    found = []
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):  # type: ignore[attr-defined]
        cells = [_text(value) for value in row]
        if any(cell.strip() for cell in cells):
            found.append((number, cells))
        if len(found) > ROWS:
            break
    return found


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, datetime.date) else str(value)
