"""From a path to a CountMatrix: the format is decided by what a file contains, not by its name."""

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import pandas as pd

from scresist.checks import InputError
from scresist.reading.content import NAMED, first_lines, kind_of, open_bytes, unpacked
from scresist.reading.layouts import find_place
from scresist.reading.loom import is_loom, read_loom
from scresist.reading.market import Triplet, read_triplet
from scresist.reading.matrix import CountMatrix
from scresist.reading.names import tidy_names
from scresist.reading.rds import read_rds
from scresist.reading.selectors import choose_rows
from scresist.reading.slots import read_annotated_group
from scresist.reading.tables import read_table, separator_of
from scresist.reading.tenx_h5 import groups_of, read_tenx_h5, side_by_side
from scresist.study.paths import companions, locate, remedy_for_missing
from scresist.study.problems import Problems, StudyError

CUT = (EOFError, zlib.error)  # what unpacking reports of a file that ends too early
# What libraries raise for content that is not as its format requires; each becomes one problem.
WRONG = (OSError, ValueError, KeyError, TypeError, IndexError, OverflowError, AttributeError, MemoryError, RuntimeError,
         NotImplementedError, AssertionError, UnicodeError, pd.errors.ParserError)  # fmt: skip
OTHER_HDF5 = (
    ("barcode_idx", "this is molecule_info.h5, the list of single molecules", "give filtered_feature_bc_matrix.h5"),
    ("probe_info", "this is a table of probes", "give filtered_feature_bc_matrix.h5"),
    ("cell.names", "this is an h5Seurat file", 'in R: SaveH5Seurat and Convert(..., dest = "h5ad"), or saveRDS'),
    ("axis0", "this is a table of pandas in HDF5", "write it as CSV or h5ad"),
)
BINARY = {"h5", "h5ad", "hdf5", "loom", "h5mu"}
ZARR = (".zgroup", "zarr.json", ".zattrs")


def read_matrix(path: str | Path) -> CountMatrix:
    """Read one sample's counts from a file or folder of any format that is known; the list is in docs/inputs.md.

    Parameters
    ----------
    path
        File, folder or prefix of files; with `#column=value` or `#suffix=3` for some cells of a shared file.

    Raises
    ------
    StudyError
        Where the file is absent, damaged, or of no known format.
    """
    problems = Problems()
    matrix = open_matrix(Path(), str(path), problems)
    if matrix is None or problems.errors:
        raise StudyError(problems)
    return matrix


def open_matrix(folder: Path, given: str, problems: Problems, *, organism: str = "human") -> CountMatrix | None:
    """As `read_matrix`, with what is wrong noted under the path as it is given.

    Parameters
    ----------
    folder
        What a relative path is relative to.
    given
        Path and selector, as in the sheet.
    problems
        Receives what is wrong.
    organism
        human | mouse: whose cells are kept where a matrix has genes of both.
    """
    located = locate(folder, given)
    if not located.exists:
        problems.error(given, "the path does not exist", remedy_for_missing(folder, given))
        return None
    before = len(problems.errors)
    try:
        matrix = _open(located.path, located.selector, given, problems)
    except InputError:
        raise
    except CUT as error:
        problems.error(given, f"the file is truncated or damaged ({type(error).__name__}: {str(error)[:120]})",
                       "copy or export it again")  # fmt: skip
        return None
    except WRONG as error:
        _explain(located.path, given, error, problems)
        return None
    if matrix is None or len(problems.errors) > before:
        return None
    return tidy_names(matrix, organism)


def _explain(path: Path, given: str, error: BaseException, problems: Problems) -> None:
    """One problem for what a library raised: cut, not permitted, or content that its format does not allow."""
    text = f"{type(error).__name__}: {str(error)[:120]}"
    if isinstance(error, PermissionError) or (path.is_file() and not os.access(path, os.R_OK)):
        problems.error(given, "the file cannot be read", "check its permissions")
    elif isinstance(error, MemoryError):
        problems.error(
            given, f"the matrix does not fit into memory ({text})", "use a larger machine, or a sparse format"
        )
    elif isinstance(error, (OSError, EOFError)) or "truncat" in str(error).lower():
        problems.error(given, f"the file is truncated or damaged ({text})", "copy or export it again")
    elif isinstance(error, pd.errors.ParserError):
        problems.error(given, f"a row has another number of fields than the others ({text})", "export the table again")
    else:
        problems.error(given, f"the content is not as its format requires ({text})", "export it again")


def _open(path: Path, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    if path.is_dir() and any((path / name).exists() for name in ZARR):
        return _read_zarr(path, selector, shown, problems)
    if path.is_dir() or companions(path):
        return _read_place(path, selector, shown, problems)
    kind = kind_of(path)
    if kind == "hdf5":
        with unpacked(path) as file:
            return _read_hdf5(file, selector, shown, problems)
    if kind == "market":
        return _read_place(path, selector, shown, problems)
    if kind == "rds":
        return read_rds(path, selector, shown, problems)
    if kind in {"bzip2", "xz"} and path.suffix.lower() == ".rds":
        return read_rds(path, selector, shown, problems)
    if kind == "text" and _suffix(path) in BINARY and not _has_rows(path):
        kind = "binary"
    if kind == "text":
        return _selected(read_table(path, shown, problems), selector, shown, problems)
    if kind == "parquet":
        problems.error(shown, "this is a parquet file", "write the counts as CSV, h5ad or a 10x folder")
        return None
    what, remedy = NAMED[kind]
    if kind == "binary" and _suffix(path) in BINARY:
        what = f"the format is not known: this is not HDF5, whatever its name ends in ({_beginning(path)})"
        remedy = "copy or export it again"
    if kind == "empty":
        what = "the file is truncated or damaged: it is empty (0 bytes)"
    problems.error(shown, what, remedy)
    return None


def _suffix(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[2].lower()


def _has_rows(path: Path) -> bool:
    lines = first_lines(path, 3)
    return len(lines) > 1 and separator_of(lines) is not None


def _beginning(path: Path) -> str:
    with open_bytes(path) as handle:
        return f"it begins with {handle.read(12)!r}"


def _read_place(path: Path, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    place = find_place(path, shown, problems)
    if place is None:
        return None
    source = place.source
    if isinstance(source, Triplet):
        matrix = read_triplet(source, shown, problems)
    elif isinstance(source, Path):
        matrix = _open(source, selector, shown, problems)
        selector = ""
    else:
        matrix = _genomes(source, shown, problems)
    matrix = _selected(matrix, selector, shown, problems)
    if matrix is None or not place.below:
        return matrix
    note = f"{place.below} was read, the one matrix of the folder that is meant"
    if "raw" in place.below or "unfiltered" in place.below:
        note += "; it is the unfiltered one"
    return replace(matrix, notes=(note, *matrix.notes))


def _genomes(parts: dict[str, Triplet], shown: str, problems: Problems) -> CountMatrix | None:
    """A folder per genome, as Cell Ranger 2 writes for a mixture of species."""
    blocks = []
    for genome, triplet in parts.items():
        one = read_triplet(triplet, shown, problems)
        if one is None:
            return None
        ids = one.genes if one.gene_ids is None else one.gene_ids
        blocks.append((genome, one.counts, one.barcodes, one.genes, ids))
    return side_by_side(blocks)


def _selected(matrix: CountMatrix | None, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    if matrix is None or not selector:
        return matrix
    rows = choose_rows(None, matrix.barcodes, selector, shown, problems)
    return None if rows is None else matrix.cells(rows)


def _read_hdf5(path: Path, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    with h5py.File(path, "r") as file:
        if is_loom(file):
            return read_loom(file, selector, shown, problems)
        if groups_of(file):
            return _selected(read_tenx_h5(file, shown, problems), selector, shown, problems)
        if "mod" in file:
            return _read_modalities(file, selector, shown, problems)
        if "obs" in file and ("var" in file or "raw" in file):
            with _old_encodings(file):
                return read_annotated_group(file, selector, shown, problems)
        for key, what, remedy in OTHER_HDF5:
            if key in file or any(isinstance(file[k], h5py.Group) and key in file[k] for k in file):
                problems.error(shown, what, remedy)
                return None
        problems.error(shown, "this is not a 10x h5, an h5ad, a loom or an h5mu: no group has a matrix",
                       "give the .h5 of cellranger count, or an h5ad",
                       value=", ".join(list(file)[:8]) or "nothing")  # fmt: skip
        return None


@contextmanager
def _old_encodings(file: h5py.File) -> Iterator[None]:
    """Warnings of AnnData about files of its older versions are no concern of who reads one."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _read_modalities(file: h5py.File, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    """The RNA of an h5mu, with its antibodies where cells are the same."""
    parts = list(file["mod"])
    rna = next((m for m in parts if m.lower() in {"rna", "gex", "gene expression", "gene_expression"}), None)
    if rna is None:
        problems.error(shown, f"the h5mu has the modalities {', '.join(parts)}, none named rna", "give the RNA as h5ad")
        return None
    matrix = read_annotated_group(file[f"mod/{rna}"], selector, shown, problems)
    other = next((m for m in parts if m.lower() in {"prot", "protein", "adt", "antibody", "cite"}), None)
    if matrix is None or other is None:
        return matrix
    unread = Problems()
    protein = read_annotated_group(file[f"mod/{other}"], "", shown, unread)
    if protein is None:
        why = unread.errors[0].message if unread.errors else "it has no counts"
        return replace(matrix, notes=(*matrix.notes, f"modality {other} cannot be read ({why}): it is left out"))
    place = pd.Index(protein.barcodes).get_indexer(pd.Index(matrix.barcodes))
    if (place < 0).any():
        return replace(
            matrix, notes=(*matrix.notes, f"modality {other} lacks {int((place < 0).sum())} cells: left out")
        )
    return replace(matrix, protein=protein.counts[place], proteins=protein.genes)


def _read_zarr(path: Path, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    import zarr

    root = zarr.open_group(path, mode="r")
    if "mod" in root:
        problems.error(shown, "this is a MuData zarr", "write its RNA as h5ad or zarr")
        return None
    if "obs" not in root:
        problems.error(shown, "the zarr is no AnnData: it has no obs", "write it with AnnData.write_zarr",
                       value=", ".join(list(root)[:8]))  # fmt: skip
        return None
    return read_annotated_group(root, selector, shown, problems)
