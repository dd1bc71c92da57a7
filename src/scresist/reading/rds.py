"""R objects in .rds: Seurat (3, 4, 5), SingleCellExperiment, sparse and dense matrices, through the package rdata."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import RefusedError
from scresist.reading.features import ensembl_only
from scresist.reading.matrix import CountMatrix
from scresist.reading.selectors import choose_rows
from scresist.study.problems import Problems

TWO_LINES = (
    'in R: Matrix::writeMM(counts, "matrix.mtx"); writeLines(rownames(counts), "genes.tsv"); '
    'writeLines(colnames(counts), "barcodes.tsv"), '
    'where counts is GetAssayData(object, layer = "counts") or counts(object); then give the folder'
)
PROTEIN = ("ADT", "Protein", "protein", "CITE", "AB", "Antibody", "Antibody Capture")


def read_rds(path: Path, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    """Counts of an R object; None (and a problem with the export to make in R) where it holds none that can be read.

    Parameters
    ----------
    path
        The .rds.
    selector
        column=value of the object's metadata, suffix=3, or "".
    shown, problems
        As in `open_matrix`.
    """
    try:
        import rdata
    except ImportError:
        problems.error(shown, "reading .rds needs the package rdata, which is not installed",
                       f"pip install 'scresist[r]'; or {TWO_LINES}")  # fmt: skip
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that rdata has no own form for: they are read as they are
            found = rdata.conversion.convert(rdata.parser.parse_file(path))
    except (NotImplementedError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError,
            RecursionError, UnicodeDecodeError) as error:  # fmt: skip
        problems.error(shown, f"the R object cannot be read ({type(error).__name__}: {str(error)[:100]})", TWO_LINES)
        return None
    kind = _class(found)
    obs: pd.DataFrame | None = None
    protein: Any = None
    try:
        if kind == "Seurat":
            matrix, obs, protein = _seurat(found)
        elif kind in {"SingleCellExperiment", "SummarizedExperiment", "RangedSummarizedExperiment"}:
            matrix, obs, protein = _experiment(found)
        else:
            matrix = _matrix(found)
    except RefusedError as error:
        problems.error(shown, f"the R object ({kind or type(found).__name__}) has no counts that can be read: {error}",
                       TWO_LINES)  # fmt: skip
        return None
    values, genes, cells, slot = matrix
    if values.shape != (len(genes), len(cells)):
        problems.error(shown, f"the counts are {values.shape[0]} x {values.shape[1]} but there are {len(genes)} names "
                       f"of genes and {len(cells)} of cells", TWO_LINES)  # fmt: skip
        return None
    rows = choose_rows(obs, cells, selector, shown, problems)
    if rows is None:
        return None
    counts = sparse.csr_array(values.T)[rows]
    own, proteins = None, None
    if protein is not None and list(protein[2]) == list(cells):
        own, proteins = sparse.csr_array(protein[0].T)[rows], protein[1]
    return CountMatrix(counts, cells[rows], genes, ensembl_only(genes), (f"counts from {slot}",), own, proteins,
                       f"{slot} was read", None, None if obs is None else obs.iloc[rows])  # fmt: skip


Named = tuple[sparse.csc_array, np.ndarray, np.ndarray, str]


def _class(found: Any) -> str:
    value = getattr(found, "class", None)
    if value is None and hasattr(found, "__dict__"):
        value = vars(found).get("class")
    return str(np.asarray(value).ravel()[0]) if value is not None and np.asarray(value).size else ""


def _texts(values: Any) -> np.ndarray:
    return np.array([str(v) for v in np.asarray(values).ravel()], dtype=object)


def _null(value: Any) -> bool:
    return value is None or (isinstance(value, str) and "NULL" in value) or (isinstance(value, list) and not value)


def _matrix(found: Any, slot: str = "the matrix", names: tuple[Any, Any] = (None, None)) -> Named:
    """A dgCMatrix, a base matrix or a data frame as sparse, with its names."""
    kind = _class(found)
    if hasattr(found, "i") and hasattr(found, "p") and hasattr(found, "Dim"):
        shape = tuple(int(n) for n in found.Dim)
        x = found.x if hasattr(found, "x") else np.ones(len(found.i))
        values = sparse.csc_array((np.asarray(x, dtype=float), np.asarray(found.i), np.asarray(found.p)), shape=shape)
        given = list(found.Dimnames) if not _null(found.Dimnames) else [None, None]
    elif isinstance(found, pd.DataFrame):
        numbers = found.select_dtypes("number")
        if numbers.shape[1] < max(1, found.shape[1] - 2):
            raise RefusedError("the data frame has columns that are no numbers")
        values, given = sparse.csc_array(numbers.to_numpy(dtype=float)), [numbers.index, numbers.columns]
    elif hasattr(found, "dims") and hasattr(found, "to_numpy") and len(found.dims) == 2:  # a named base matrix
        values = sparse.csc_array(np.asarray(found.to_numpy(), dtype=float))
        given = [found.coords[d].to_numpy() if d in found.coords else None for d in found.dims]
    elif isinstance(found, np.ndarray) and found.ndim == 2 and found.dtype.kind in "biuf":
        values, given = sparse.csc_array(found.astype(float)), [None, None]
    else:
        raise RefusedError(f"it is {kind or type(found).__name__}")
    genes, cells = (g if not _null(g) else n for g, n in zip(given, names, strict=True))
    if genes is None or cells is None or _null(genes) or _null(cells):
        raise RefusedError("the matrix has no names of genes and cells")
    return values, _texts(genes), _texts(cells), slot


def _seurat(found: Any) -> tuple[Named, pd.DataFrame | None, Named | None]:
    assays = vars(found)["assays"]
    active = str(np.asarray(vars(found).get("active.assay", ["RNA"])).ravel()[0])
    name = next((n for n in ("RNA", "Gene Expression", active) if n in assays), next(iter(assays), None))
    if name is None:
        raise RefusedError("it has no assay")
    matrix = _assay(assays[name], str(name))
    protein = next((_assay(assays[n], n) for n in PROTEIN if n in assays and n != name), None)
    meta = vars(found).get("meta.data")
    return matrix, meta if isinstance(meta, pd.DataFrame) else None, protein


def _assay(assay: Any, name: str) -> Named:
    if hasattr(assay, "counts"):
        return _matrix(assay.counts, f"the counts of assay {name}")
    layers = getattr(assay, "layers", None)  # Seurat 5
    if not layers:
        raise RefusedError(f"assay {name} has no counts")
    chosen = [k for k in layers if str(k) == "counts"] or [k for k in layers if str(k).startswith("counts")]
    if not chosen:
        raise RefusedError(f"assay {name} has the layers {', '.join(map(str, layers))}, none of counts")
    parts = [_matrix(layers[k], str(k), (_logmap(assay.features, k), _logmap(assay.cells, k))) for k in chosen]
    if len(parts) > 1 and any(list(p[1]) != list(parts[0][1]) for p in parts):
        raise RefusedError(
            f"assay {name} has {len(parts)} layers of counts of different genes; in R: JoinLayers(object)"
        )
    values = sparse.csc_array(sparse.hstack([p[0] for p in parts], format="csc"))
    return values, parts[0][1], np.concatenate([p[2] for p in parts]), f"the layer counts of assay {name}"


def _logmap(table: Any, layer: Any) -> Any:
    """The names of the rows that a layer has, from Seurat's logical table of names by layers."""
    if hasattr(table, "dims") and len(table.dims) == 2:
        columns = [str(v) for v in table.coords[table.dims[1]].to_numpy()]
        inside = np.asarray(table.to_numpy())[:, columns.index(str(layer))].astype(bool)
        return table.coords[table.dims[0]].to_numpy()[inside]
    data = getattr(table, ".Data", None)
    if data is not None and hasattr(table, "dimnames"):
        names, layers = (_texts(d) for d in table.dimnames)
        inside = np.asarray(data).reshape(len(names), len(layers), order="F")[:, list(layers).index(str(layer))]
        return names[inside.astype(bool)]
    return None


def _experiment(found: Any, cells: Any = None) -> tuple[Named, pd.DataFrame | None, Named | None]:
    """Counts, metadata and antibodies; `cells` are the names where the object has none (an altExp)."""
    columns = vars(found)["colData"]
    cells = cells if _null(columns.rownames) else _texts(columns.rownames)
    obs = pd.DataFrame({str(k): np.asarray(v) for k, v in columns.listData.items() if np.ndim(v) == 1})
    genes = vars(found).get("NAMES")
    if _null(genes):
        genes = getattr(getattr(vars(found).get("rowRanges"), "partitioning", None), "NAMES", None)
    assays = {str(k): v for k, v in vars(vars(found)["assays"].data)["listData"].items()}
    name = next((n for n in ("counts", "raw_counts", "umi") if n in assays), None)
    if name is None:
        raise RefusedError(f"it has the assays {', '.join(assays) or 'none'}, none named counts")
    matrix = _matrix(assays[name], f"the assay {name}", (genes, cells))
    return matrix, obs if len(obs) == len(matrix[2]) else None, _alternative(found, matrix[2])


def _alternative(found: Any, cells: np.ndarray) -> Named | None:
    """Antibody counts among the alternative experiments (altExp) of a SingleCellExperiment."""
    inner = getattr(vars(found).get("int_colData"), "listData", None)
    others = getattr(inner.get("altExps"), "listData", None) if isinstance(inner, dict) else None
    if not isinstance(others, dict):
        return None
    known = {p.casefold() for p in PROTEIN}
    for name, held in others.items():
        experiment = getattr(held, "se", None)
        if str(name).casefold() not in known or experiment is None:
            continue
        (values, genes, _, slot), _, _ = _experiment(experiment, cells)
        return values, genes, cells, f"{slot} of altExp {name}"
    return None
