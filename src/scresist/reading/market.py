"""Matrices in the Matrix Market format with files of names beside them, as Cell Ranger, STARsolo, kb, alevin write."""

import csv
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from scipy import io as scipy_io
from scipy import sparse

from scresist.reading.content import first_lines, is_gzip, kind_of, open_bytes, open_text
from scresist.reading.features import ENSEMBL, is_kind, looks_like_barcodes, split_features
from scresist.reading.matrix import CountMatrix
from scresist.reading.recognise import known_share
from scresist.study.problems import Problems

TURNED = re.compile(r"cells?_?x_?genes|quants_mat", re.IGNORECASE)  # programs that write cells in rows
PACKED_AT_MOST = 1100  # gzip packs no text more than about a thousand times


@dataclass(frozen=True, slots=True)
class Triplet:
    """The matrix and the two files of names of one sample."""

    matrix: Path
    barcodes: Path
    features: Path
    symbols: Path | None = None  # kb writes names of genes beside their ids


def read_triplet(files: Triplet, shown: str, problems: Problems) -> CountMatrix | None:
    """Counts of one sample, turned to cells x genes by the lengths of the files of names.

    Parameters
    ----------
    files
        Of one sample.
    shown, problems
        As in `open_matrix`.
    """
    for file in (files.barcodes, files.features):
        kind = kind_of(file)
        if kind not in {"text", "empty"}:
            problems.error(shown, f"{file.name} is no text but {kind}", "export the folder again, whole")
            return None
    shape = market_shape(files.matrix, shown, problems)
    if shape is None:
        return None
    cells, genes = name_table(files.barcodes), name_table(files.features)
    placed = _place(shape, cells, genes, turned=bool(TURNED.search(files.matrix.name)))
    if placed is None:
        problems.error(
            shown,
            f"the matrix is {shape[0]} x {shape[1]} but {files.features.name} has {len(genes)} rows and "
            f"{files.barcodes.name} {len(cells)}",
            "the three files are of different exports: export the folder again",
        )
        return None
    cells, genes, turned = placed
    values = _values(files.matrix, shown, problems)
    if values is None:
        return None
    counts = sparse.csr_array(values if turned else values.T)
    notes = ("the matrix has cells in rows: it was turned",) if turned else ()
    ids, names, kinds = _columns(genes)
    if files.symbols is not None:
        symbols = name_table(files.symbols)
        if len(symbols) == len(names):
            names = np.array([s[0] or i for s, i in zip(symbols, ids, strict=True)], dtype=object)
    counts, ids, names, kinds, more = _spliced(counts, ids, names, kinds)
    return split_features(counts, _barcodes(cells), names, ids, kinds, (*notes, *more))


def name_table(path: Path) -> list[list[str]]:
    """The rows of a file of names, split at tabs, else commas or semicolons; a column of row numbers is left out.

    Parameters
    ----------
    path
        Text, gzipped or not.
    """
    head = first_lines(path, 5)
    if not head:
        return []
    separator = next((s for s in ("\t", ",", ";") if all(s in line for line in head[1:] or head)), None)
    with open_text(path) as handle:
        if separator is None:
            rows = [[line.strip().strip('"')] for line in handle.read().splitlines()]
        else:
            plain = (line.rstrip("\r\n").split("\t") for line in handle)  # no quoting between tabs
            parsed = plain if separator == "\t" else csv.reader(handle, delimiter=separator)
            rows = [[c.strip().strip('"') for c in r] for r in parsed]
    while rows and not any(rows[-1]):
        rows.pop()
    rows = [r or [""] for r in rows]
    if len(rows) > 2 and min(len(r) for r in rows) > 1:
        for start in (0, 1):  # below a header, too
            first = [r[0] for r in rows[start:]]
            if any(first == [str(i) for i in range(k, k + len(first))] for k in (0, 1)):
                return [r[1:] for r in rows]
    return rows


def _place(
    shape: tuple[int, int], cells: list[list[str]], genes: list[list[str]], *, turned: bool
) -> tuple[list[list[str]], list[list[str]], bool] | None:
    """The names without their headers, and whether the matrix has cells in rows; None where no reading fits."""
    for skip_cells, skip_genes in ((0, 0), (0, 1), (1, 0), (1, 1)):
        n_cells, n_genes = len(cells) - skip_cells, len(genes) - skip_genes
        fits = [way for way, wanted in ((False, (n_genes, n_cells)), (True, (n_cells, n_genes))) if shape == wanted]
        if fits:
            return cells[skip_cells:], genes[skip_genes:], turned if len(fits) == 2 else fits[0]
    return None


def _barcodes(rows: list[list[str]]) -> np.ndarray:
    width = min((len(r) for r in rows), default=1)
    columns = [np.array([r[i] for r in rows], dtype=object) for i in range(width)]
    return next((c for c in columns if looks_like_barcodes(c)), columns[0])


def _columns(rows: list[list[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Ids, names and kinds of features, whichever order their columns have."""
    width = min((len(r) for r in rows), default=1)
    columns = [np.array([r[i] for r in rows], dtype=object) for i in range(width)]
    kinds = next((c for c in columns[1:] if is_kind(c) and len(set(c)) <= max(20, len(c) // 20)), None)
    texts = [c for c in columns if c is not kinds]
    if len(texts) == 1:
        return texts[0], texts[0], kinds
    first, second = texts[0], texts[1]
    if _ensembl_share(second) > 0.5 >= _ensembl_share(first):  # ids behind the symbols, or instead of them
        first, second = second, first if known_share(first) > 0.5 else second
    names = np.array([s or f for f, s in zip(first, second, strict=True)], dtype=object)
    return first, names, kinds


def _ensembl_share(values: np.ndarray) -> float:
    return float(np.mean([bool(ENSEMBL.match(v)) for v in values])) if len(values) else 0.0


def _spliced(
    counts: sparse.csr_array, ids: np.ndarray, names: np.ndarray, kinds: np.ndarray | None
) -> tuple[sparse.csr_array, np.ndarray, np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Three columns per gene (spliced, -U, -A), as alevin-fry writes: spliced and ambiguous are summed, -U left out."""
    n = len(ids) // 3
    base = ids[:n]
    if n == 0 or len(ids) != 3 * n or list(ids) != [*base, *(f"{i}-U" for i in base), *(f"{i}-A" for i in base)]:
        return counts, ids, names, kinds, ()
    summed = sparse.csr_array(counts[:, :n] + counts[:, 2 * n :])
    note = "alevin-fry's spliced and ambiguous counts are summed; unspliced (-U) left out"
    return summed, base, names[:n], None if kinds is None else kinds[:n], (note,)


def market_shape(path: Path, shown: str, problems: Problems) -> tuple[int, int] | None:
    """Rows and columns that the header promises; None (and a problem) where it is no Matrix Market file, or cut.

    Parameters
    ----------
    path, shown, problems
        As in `read_triplet`.
    """
    kind = kind_of(path)
    if kind != "market":
        what = "is empty" if kind == "empty" else f"does not begin with %%MatrixMarket (it is {kind})"
        problems.error(shown, f"{path.name} {what}", "export the matrix again as Matrix Market (.mtx)")
        return None
    with open_text(path) as handle:
        banner = handle.readline(10_000).split()
        line = handle.readline(100_000)
        while line and (line.startswith("%") or not line.strip()):
            line = handle.readline(100_000)
    words = [w.lower() for w in banner]
    numbers = line.split()
    wanted = 2 if "array" in words else 3
    if len(words) < 4 or len(numbers) != wanted or not all(re.fullmatch(r"\d{1,18}", n) for n in numbers):
        problems.error(shown, f"{path.name} has no line of sizes after its header", "export the matrix again",
                       value=line.strip()[:60])  # fmt: skip
        return None
    if "pattern" in words:
        problems.error(shown, f"{path.name} has places without values (pattern)", "export the counts")
        return None
    rows, columns = int(numbers[0]), int(numbers[1])
    stored = int(numbers[2]) if wanted == 3 else rows * columns
    room = path.stat().st_size * (PACKED_AT_MOST if is_gzip(path) else 1)
    if stored * (4 if wanted == 3 else 2) > room or max(rows, columns) > 2**40:
        problems.error(
            shown, f"{path.name} is truncated: its header promises {stored} values, more than the file can hold",
            "copy or export it again",
        )  # fmt: skip
        return None
    return rows, columns


class _Stream:
    """Bytes for SciPy's reader, which ends the process where a stream raises: the error is kept for afterwards."""

    def __init__(self, handle: BinaryIO) -> None:
        self.handle = handle
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none after an error."""
        if self.error is not None:
            return b""
        try:
            return self.handle.read(size)
        except (OSError, EOFError, zlib.error) as error:
            self.error = error
            return b""


def _values(path: Path, shown: str, problems: Problems) -> sparse.coo_array | None:
    try:
        with open_bytes(path) as handle:
            stream = _Stream(handle)
            found = scipy_io.mmread(stream, spmatrix=False)
        if stream.error is not None:
            raise stream.error
    except (ValueError, OverflowError) as error:
        if stream.error is not None:
            raise stream.error from None
        text = str(error)
        if "truncat" in text.lower():
            problems.error(shown, f"{path.name} is truncated or damaged: it ends before the values that its header "
                           f"promises ({text[:100]})", "copy or export it again")  # fmt: skip
        else:
            problems.error(shown, f"{path.name} cannot be read as Matrix Market ({text[:100]})",
                           "correct the line, or export the matrix again")  # fmt: skip
        return None
    if np.iscomplexobj(found.data if sparse.issparse(found) else found):
        problems.error(shown, f"{path.name} has complex numbers", "give the raw counts")
        return None
    return sparse.coo_array(found)
