"""Tables of counts as text: genes x cells or cells x genes, any usual separator, names in one or two columns."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.reading.content import first_lines, open_text
from scresist.reading.features import ENSEMBL, ensembl_only, looks_like_barcodes
from scresist.reading.matrix import CountMatrix
from scresist.reading.recognise import is_known
from scresist.study.problems import Problems

LOOKED_AT = 200  # names by which the orientation is decided
BLOCK = 20_000_000  # values that are dense at a time


def read_table(path: Path, shown: str, problems: Problems) -> CountMatrix | None:
    """Counts of a table; which way it lies is decided by where the names of genes are.

    Parameters
    ----------
    path
        Text, gzipped or not.
    shown, problems
        As in `open_matrix`.
    """
    head = [line for line in first_lines(path, 40) if not line.startswith(("#", "%"))]
    skipped = [line for line in first_lines(path, 40) if line.startswith(("#", "%"))]
    if len(head) < 2:
        problems.error(
            shown, "the table has no cells", "give genes in rows, cells in columns", value=str(head[:1])[:60]
        )
        return None
    separator = separator_of(head)
    if separator is None:
        problems.error(shown, "this is no table of counts: its lines have no separator that is common to them",
                       "give genes in rows, cells in columns, separated by commas", value=head[0][:60])  # fmt: skip
        return None
    rows = [_split(line, separator) for line in head]
    width = max(len(r) for r in rows[1:])
    shape = f"{width} fields in the rows, {len(rows[0])} in the header"
    if len(rows[0]) not in {width, width - 1}:
        problems.error(
            shown, "the header has another number of fields than the rows", "export the table again", value=shape
        )
        return None
    header = rows[0] if len(rows[0]) == width else ["", *rows[0]]
    n_names = _name_columns(rows[1:], width)
    if n_names == 1 and _is_number(rows[1][0]) and header[0] and is_known(header[0]):
        n_names = 0  # cells without names, and a gene in every column
    if n_names == width:
        problems.error(shown, "a value is not a number", "give genes in rows, cells in columns, counts as values",
                       row=f"gene {rows[1][0]}", column=header[-1], value=rows[1][-1])  # fmt: skip
        return None
    blocks: list[sparse.csr_array] = []
    names: list[list[str]] = []
    columns = header[n_names:]
    line = 1 + len(skipped)
    for block in _blocks(path, separator, width, n_names):
        numbers = block.iloc[:, n_names:].apply(pd.to_numeric, errors="coerce")
        given = block.iloc[:, n_names:]
        broken = (numbers.isna() & given.notna() & (given != "")).to_numpy()
        if broken.any():
            row, column = (int(i) for i in np.argwhere(broken)[0])
            problems.error(
                shown, "a value is not a number", "give genes in rows, cells in columns, counts as values",
                row=f"gene {block.iloc[row, max(0, n_names - 1)]}" if n_names else f"line {line + row}",
                column=str(columns[column]), value=str(given.iloc[row, column]),
            )  # fmt: skip
            return None
        lost = given.isna().to_numpy() & numbers.isna().to_numpy()
        if lost.any():
            at = int(np.argwhere(lost.any(axis=1))[0][0])
            first = str(columns[int(np.argmax(lost[at]))])
            problems.error(shown, f"a row has no value from here on, or fewer than {width} fields: if it is the last "
                           "one, the table is cut", "fill in 0, or copy or export the table again",
                           row=f"line {line + at + 1}, {block.iloc[at, 0]}", column=first)  # fmt: skip
            return None
        blocks.append(sparse.csr_array(numbers.to_numpy(dtype=float)))
        names.extend(block.iloc[:, :n_names].fillna("").astype(str).to_numpy().tolist())
        line += len(block)
    counts = sparse.csr_array(sparse.vstack(blocks))
    return _oriented(counts, names, columns, shown, problems)


def separator_of(lines: list[str]) -> str | None:
    """The separator that every line has equally often: tab, comma, semicolon, else spaces.

    Parameters
    ----------
    lines
        The first ones, without comments.
    """
    best, widest = None, 0
    for separator in ("\t", ",", ";"):
        widths = [len(_split(line, separator)) for line in lines]
        body = set(widths[1:]) or {widths[0]}
        if min(widths) > 1 and max(body) - min(body) <= 1 and max(body) > widest:
            best, widest = separator, max(body)
    if best is None and min(len(line.split()) for line in lines) > 1:
        return " "
    return best


def _split(line: str, separator: str) -> list[str]:
    if separator == " ":
        return [w.strip("\"'") for w in line.split()]
    try:
        return [c.strip().strip('"') for c in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error:
        return [c.strip().strip('"') for c in line.split(separator)]


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text)) or text.lower() in {
        "nan",
        "na",
        "inf",
        "-inf",
        "",
    }


def _name_columns(rows: list[list[str]], width: int) -> int:
    """How many of the first columns are of names: a column of running numbers before a column of names is one, too."""

    def names(column: int) -> bool:
        values = [r[column] for r in rows if len(r) > column]
        return bool(values) and sum(not _is_number(v) for v in values) > len(values) / 2

    n = 0
    while n < min(3, width) and names(n):
        n += 1
    if n:
        return n
    return 2 if width > 2 and names(1) else 1


def _blocks(path: Path, separator: str, width: int, n_names: int) -> "Iterator[pd.DataFrame]":
    """Rows of the table in blocks, all as they stand (names as text, empty values as missing)."""
    size = max(1, BLOCK // max(1, width))
    with open_text(path) as handle:
        reader = pd.read_csv(
            handle, sep=r"\s+" if separator == " " else separator, header=None, skiprows=_first_row(path),
            names=range(width),
            dtype=dict.fromkeys(range(n_names), str), chunksize=size, keep_default_na=False,
            na_values={key: [""] for key in range(n_names, width)}, low_memory=False, index_col=False,
            skip_blank_lines=True, encoding_errors="replace", engine="c", quoting=csv.QUOTE_MINIMAL,
        )  # fmt: skip
        with reader:
            yield from reader


def _first_row(path: Path) -> int:
    """Lines up to the header, with it."""
    n = 0
    with open_text(path) as handle:
        for line in handle:
            n += 1
            if line.strip() and not line.startswith(("#", "%")):
                return n
    return n


def _oriented(
    counts: sparse.csr_array, names: list[list[str]], columns: list[str], shown: str, problems: Problems
) -> CountMatrix | None:  # fmt: skip
    """Cells x genes, whichever way the table lies."""
    of_rows = (
        [np.array([n[i] for n in names], dtype=object) for i in range(len(names[0]))] if names and names[0] else []
    )
    across = np.array(columns, dtype=object)
    best = max(of_rows, key=_gene_share, default=np.array([], dtype=object))
    if _gene_share(across) > max(_gene_share(best), 0.3):
        cells = next((c for c in of_rows if looks_like_barcodes(c)), of_rows[0] if of_rows else None)
        if cells is None:
            cells = np.array([f"cell_{i + 1}" for i in range(counts.shape[0])], dtype=object)
        note = ("the table has cells in rows, as the names of genes are in its header: it was turned",)
        return CountMatrix(counts, cells, across, ensembl_only(across), note)
    ids = next(
        (c for c in of_rows if sum(bool(ENSEMBL.match(str(v))) for v in c[:LOOKED_AT]) > len(c[:LOOKED_AT]) / 2), best
    )
    named = next((c for c in of_rows if c is not ids and _gene_share(c) > 0.3), best)
    return CountMatrix(sparse.csr_array(counts.T), across, named, ensembl_only(ids))


def _gene_share(values: np.ndarray) -> float:
    some = values[:: max(1, len(values) // LOOKED_AT)]
    return sum(is_known(str(v)) for v in some) / max(1, len(some))
