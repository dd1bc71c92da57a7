"""What a file is by its content, whatever its name: HDF5, gzip, text, an archive, a web page saved by mistake."""

import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

HEAD = 4096  # bytes that are looked at
LARGEST_LINE = 2**28
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile)
BEGINNINGS = {
    b"\x89HDF\r\n\x1a\n": "hdf5",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\xd0\xcf\x11\xe0": "old office",
    b"%PDF": "pdf",
    b"X\n": "rds",
    b"A\n": "rds",
    b"RDX2": "rdata",
    b"RDX3": "rdata",
    b"BAM\x01": "bam",
    b"\x93NUMPY": "numpy",
}
# What a file is in the words of a message, and what to give instead.
NAMED = {
    "empty": ("the file is empty (0 bytes)", "copy or export it again"),
    "zip": ("this is a zip archive", "unpack it and give the path of the matrix inside"),
    "tar": ("this is a tar archive", "unpack it (tar -xf) and give the path of the folder inside"),
    "bzip2": ("the file is packed with bzip2", "unpack it (bunzip2)"),
    "xz": ("the file is packed with xz", "unpack it (unxz)"),
    "old office": ("this is an old Excel file (.xls)", "save it as CSV UTF-8"),
    "excel": ("this is an Excel workbook", "save the counts as CSV: a workbook turns genes such as SEPT1 into dates"),
    "pdf": ("this is a PDF", "give a matrix of counts"),
    "rdata": ("this is an R workspace (.RData)", "in R: load it, then saveRDS(object, 'name.rds')"),
    "bam": ("these are aligned reads (BAM), not counts", "give the matrix that cellranger count or STARsolo made"),
    "fastq": ("these are sequencing reads (FASTQ), not counts",
              "give the matrix that cellranger count or STARsolo made of them"),
    "numpy": ("this is a NumPy array, without names of genes and cells", "give an h5ad or a 10x folder"),
    "html": ("this is a web page, not a matrix: the download stopped at a page", "download the file again"),
    "lfs": ("this is a Git LFS pointer, not the file itself", "run: git lfs pull"),
    "xml": ("this is XML (an error message of a download?), not a matrix", "download the file again"),
    "binary": ("the format is not known", "give a 10x folder, .h5, .h5ad, .loom, .zarr, .h5mu, .rds, or a table"),
}  # fmt: skip


def kind_of(path: Path) -> str:
    """What the file is: hdf5, market (Matrix Market), text, rds, parquet, or a key of NAMED.

    Parameters
    ----------
    path
        A file; unpacked where gzip packed it.

    Raises
    ------
    EOFError, zlib.error, gzip.BadGzipFile
        If its gzip is cut or damaged at the beginning.
    """
    with open_bytes(path) as handle:
        head = handle.read(HEAD)
    if not head:
        return "empty"
    for beginning, kind in BEGINNINGS.items():
        if head.startswith(beginning):
            return _zip_kind(path) if kind == "zip" else kind
    if head[257:262] == b"ustar":
        return "tar"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lowered = text[:200].lower()
    for beginning, kind in ((b"%%matrixmarket", "market"), (b"version https://git-lfs", "lfs"), (b"<!doctype", "html"),
                            (b"<html", "html"), (b"<?xml", "xml")):  # fmt: skip
        if lowered.startswith(beginning):
            return kind
    if text.startswith(b"@") and b"\n+" in text:
        return "fastq"
    utf16 = head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    return "text" if utf16 or b"\x00" not in head else "binary"


def _zip_kind(path: Path) -> str:
    with open_bytes(path) as handle:
        beginning = handle.read(2**16)
    return "excel" if b"xl/" in beginning or b"[Content_Types].xml" in beginning else "zip"


def is_gzip(path: Path) -> bool:
    """Whether the first bytes are those of gzip."""
    with path.open("rb") as handle:
        return handle.read(2) == b"\x1f\x8b"


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked where gzip packed it, whatever its name."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if not packed:
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as handle:
            yield handle  # type: ignore[misc]


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The text of a file: UTF-8, or UTF-16 with a byte-order mark; unpacked where gzip packed it."""
    with open_bytes(path) as handle:
        start = handle.read(2)
    encoding = "utf-16" if start in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    with open_bytes(path) as handle, io.TextIOWrapper(handle, encoding=encoding, errors="replace", newline="") as text:
        yield text


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """A path at which the file is not packed by gzip: itself, or a copy that is removed at the end."""
    if not is_gzip(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name.removesuffix(".gz")
        with open_bytes(path) as packed, copy.open("wb") as out:
            shutil.copyfileobj(packed, out, 2**22)
        yield copy


def first_lines(path: Path, n: int) -> list[str]:
    """The first lines of a text, without line ends; blank ones left out."""
    lines: list[str] = []
    with open_text(path) as handle:
        for _ in range(50 * n):
            line = handle.readline(LARGEST_LINE)
            if not line or len(lines) == n:
                break
            if line.strip():
                lines.append(line.rstrip("\r\n"))
    return lines
