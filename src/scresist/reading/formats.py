"""Readers by format: 10x folders and h5, h5ad, tables. Each gives a CountMatrix, or a problem with the reason."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import io as scipy_io
from scipy import sparse

from scresist.checks import InputError, suggestion
from scresist.reading.matrix import CountMatrix
from scresist.reading.symbols import ENSEMBL
from scresist.study.problems import Problems, StudyError

DAMAGED = (OSError, EOFError, zlib.error, ValueError, KeyError, pd.errors.ParserError)


def read_matrix(path: str | Path) -> CountMatrix:
    """Read one sample's counts: 10x folder, 10x .h5, .h5ad (or `file.h5ad#column=value`), genes-by-cells table.

    Parameters
    ----------
    path
        File or folder; `file.h5ad#column=value` for some cells of a shared h5ad.

    Raises
    ------
    StudyError
        Where the file is absent, damaged, or of no known format.
    """
    problems = Problems()
    matrix = open_matrix(Path(str(path).partition("#")[0]), str(path), problems)
    if matrix is None or problems.errors:
        raise StudyError(problems)
    return matrix


def open_matrix(path: Path, shown: str, problems: Problems) -> CountMatrix | None:
    """As `read_matrix`, with problems noted under the name `shown` (which may end in `#column=value`)."""
    selector = shown.partition("#")[2]
    if selector and path.suffix != ".h5ad":
        problems.error(shown, "only an .h5ad can be shared by samples with '#column=value'", "remove what follows '#'")
        return None
    if not path.exists():
        problems.error(shown, "the path does not exist", "correct it; it is relative to study.toml")
        return None
    try:
        if path.is_dir():
            return _read_folder(path, shown, problems)
        if path.suffix == ".h5ad":
            return _read_h5ad(path, selector, shown, problems)
        if path.suffix in {".h5", ".hdf5"}:
            return _read_tenx_h5(path, shown, problems)
        if path.name.removesuffix(".gz").endswith((".csv", ".tsv", ".txt")):
            return _read_table(path, shown, problems)
    except InputError:
        raise
    except DAMAGED as error:
        problems.error(
            shown,
            f"the file is truncated or damaged ({type(error).__name__}: {str(error)[:120]})",
            "copy or export it again",
        )
        return None
    problems.error(shown, "the format is not known", "give a 10x folder, .h5, .h5ad, or a .csv/.tsv(.gz) table")
    return None


def _first_existing(folder: Path, names: tuple[str, ...]) -> Path | None:
    for name in names:
        for candidate in (folder / f"{name}.gz", folder / name):
            if candidate.exists():
                return candidate
    return None


def _read_folder(folder: Path, shown: str, problems: Problems) -> CountMatrix | None:
    """A 10x folder: v3 (features) or v2 (genes), gzipped or not."""
    parts = {
        "matrix.mtx": _first_existing(folder, ("matrix.mtx",)),
        "barcodes.tsv": _first_existing(folder, ("barcodes.tsv",)),
        "features.tsv (or genes.tsv)": _first_existing(folder, ("features.tsv", "genes.tsv")),
    }
    missing = [name for name, found in parts.items() if found is None]
    if missing:
        has = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "nothing"
        problems.error(
            shown,
            f"the 10x folder lacks {' and '.join(missing)} (gzipped or not)",
            "export the folder again, whole",
            value=has,
        )
        return None
    matrix_file, barcode_file, feature_file = (p for p in parts.values() if p is not None)
    barcodes = pd.read_csv(barcode_file, sep="\t", header=None, dtype=str, keep_default_na=False)[0].to_numpy(
        dtype=object
    )
    features = pd.read_csv(feature_file, sep="\t", header=None, dtype=str, keep_default_na=False)
    opener = gzip.open if matrix_file.suffix == ".gz" else open
    with opener(matrix_file, "rb") as handle:
        counts = sparse.csc_array(scipy_io.mmread(handle, spmatrix=False))
    if counts.shape != (len(features), len(barcodes)):
        problems.error(
            shown,
            f"the matrix is {counts.shape[0]} x {counts.shape[1]} but {feature_file.name} has {len(features)} rows and "
            f"{barcode_file.name} {len(barcodes)}",
            "the three files are of different exports: export the folder again",
        )
        return None
    names = features[1] if features.shape[1] > 1 else features[0]
    kinds = features[2].to_numpy() if features.shape[1] > 2 else np.full(len(features), "Gene Expression")
    keep, notes = _gene_expression(kinds)
    counts = counts.T.tocsr()[:, keep]
    ids = features[0].to_numpy(dtype=object)[keep]
    return CountMatrix(counts, barcodes, names.to_numpy(dtype=object)[keep], _ensembl_only(ids), notes)


def _gene_expression(kinds: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Positions of the gene-expression features, and a note that names what is left out."""
    keep = np.flatnonzero(kinds == "Gene Expression")
    if len(keep) == len(kinds):
        return keep, ()
    others = pd.Series(kinds[kinds != "Gene Expression"]).value_counts().sort_index()
    named = ", ".join(f"{n} {kind}" for kind, n in others.items())
    return keep, (f"gene expression is used; left out: {named}",)


def _ensembl_only(ids: np.ndarray) -> np.ndarray | None:
    """Ids with those that are not Ensembl's emptied (a spike-in, a transgene); None where there are none at all."""
    ensembl = np.array([bool(ENSEMBL.match(str(i))) for i in ids], dtype=bool)
    return np.where(ensembl, ids, "").astype(object) if ensembl.any() else None


def _read_tenx_h5(path: Path, shown: str, problems: Problems) -> CountMatrix | None:
    """A 10x .h5: v3 (group `matrix`), or v2 with a group per genome."""
    with h5py.File(path, "r") as file:
        groups = [name for name in file if isinstance(file[name], h5py.Group) and "data" in file[name]]
        if not groups:
            problems.error(shown, "this is not a 10x h5: no group has a matrix", "give the .h5 of cellranger count")
            return None
        blocks = [_read_h5_group(file[name]) for name in groups]
        v2 = groups != ["matrix"]
    if not v2:
        return _one_genome(blocks[0], shown)
    sizes = [int(block[0].sum()) for block in blocks]
    best = int(np.argmax(sizes))
    counts, barcodes, ids, names, _, _ = blocks[best]
    notes = tuple(f"genome {groups[i]} left out ({sizes[i]} counts)" for i in range(len(groups)) if i != best)
    if notes:
        notes = (f"genome {groups[best]} is used ({sizes[best]} counts)", *notes)
    return CountMatrix(counts, barcodes, names, _ensembl_only(ids), notes)


def _read_h5_group(
    group: object,
) -> tuple[sparse.csr_array, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    def text(node: Any) -> np.ndarray:
        return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in node[:]], dtype=object)

    g: dict[str, object] = group  # type: ignore[assignment]
    shape = tuple(int(n) for n in g["shape"][:])  # type: ignore[index]
    columns = sparse.csc_array((g["data"][:], g["indices"][:], g["indptr"][:]), shape=shape)  # type: ignore[index]
    barcodes = text(g["barcodes"])
    if "features" in g:
        features: dict[str, object] = g["features"]  # type: ignore[assignment]
        kinds, genome = text(features["feature_type"]), text(features["genome"])
        return columns.T.tocsr(), barcodes, text(features["id"]), text(features["name"]), kinds, genome
    ids, names = text(g["genes"]), text(g["gene_names"])
    none = np.full(len(ids), "Gene Expression", dtype=object)
    return columns.T.tocsr(), barcodes, ids, names, none, none


def _one_genome(
    block: tuple[sparse.csr_array, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], shown: str
) -> CountMatrix:
    counts, barcodes, ids, names, kinds, genome = block
    keep, notes = _gene_expression(kinds)
    found = [g for g in dict.fromkeys(genome[keep]) if g]
    if len(found) > 1:
        totals = {g: int(counts[:, keep[genome[keep] == g]].sum()) for g in found}
        best = max(totals, key=lambda g: totals[g])
        notes = (
            *notes,
            f"genome {best} is used ({totals[best]} counts)",
            *(f"genome {g} left out ({n} counts)" for g, n in totals.items() if g != best),
        )
        keep = keep[genome[keep] == best]
        prefix = f"{best}_"
        names = np.array([n.removeprefix(prefix) for n in names], dtype=object)
        ids = np.array([i.removeprefix(prefix) for i in ids], dtype=object)
    return CountMatrix(counts[:, keep], barcodes, names[keep], _ensembl_only(ids[keep]), notes)


def _read_h5ad(path: Path, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    """Counts of an h5ad, from layers['counts'], else raw, else X; of the cells that the selector names."""
    import anndata

    backed = anndata.read_h5ad(path, backed="r")
    try:
        rows: np.ndarray | slice = slice(None)
        if selector:
            column, equals, value = selector.partition("=")
            if not equals or column not in backed.obs:
                problems.error(shown, f"the h5ad has no obs column {column!r}", suggestion(column, backed.obs.columns))
                return None
            rows = np.flatnonzero(backed.obs[column].astype(str).to_numpy() == value)
            if len(rows) == 0:
                levels = [str(v) for v in backed.obs[column].unique()]
                problems.error(shown, f"no cell has {column} = {value!r}", suggestion(value, levels))
                return None
        if "counts" in backed.layers:
            counts, var, slot = backed.layers["counts"][rows], backed.var, "layers['counts']"
        elif backed.raw is not None:
            counts, var, slot = backed.raw.X[rows], backed.raw.var, "raw"
        else:
            counts, var, slot = backed.X[rows], backed.var, "X"
        barcodes = np.array(backed.obs_names[rows], dtype=object)
    finally:
        backed.file.close()
    ids = next((var[c].to_numpy(dtype=object) for c in ("gene_ids", "gene_id", "ensembl_id") if c in var), None)
    if ids is not None:
        ids = _ensembl_only(ids)
    return CountMatrix(
        sparse.csr_array(counts), barcodes, np.array(var.index, dtype=object), ids, (f"counts from {slot}",)
    )


def _read_table(path: Path, shown: str, problems: Problems) -> CountMatrix | None:
    """A genes-by-cells table with gene names in the first column; read in blocks of genes, never dense as a whole."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig") as handle:
        header = handle.readline()
    separator = max((",", ";", "\t"), key=header.count)
    blocks: list[sparse.csr_array] = []
    genes: list[str] = []
    barcodes = None
    with pd.read_csv(
        path, sep=separator, index_col=0, chunksize=1000, encoding="utf-8-sig", low_memory=False
    ) as reader:
        for block in reader:
            numbers = block.apply(pd.to_numeric, errors="coerce")
            broken = numbers.isna() & block.notna()
            if broken.to_numpy().any():
                row, column = (int(i) for i in np.argwhere(broken.to_numpy())[0])
                problems.error(
                    shown,
                    "a value is not a number",
                    "give genes in rows, cells in columns, counts as values",
                    row=f"gene {block.index[row]}",
                    column=str(block.columns[column]),
                    value=str(block.iloc[row, column]),
                )
                return None
            blocks.append(sparse.csr_array(numbers.to_numpy(dtype=float)))
            genes.extend(str(g) for g in block.index)
            barcodes = np.array(block.columns.astype(str), dtype=object)
    if barcodes is None or len(barcodes) == 0:
        problems.error(shown, "the table has no cells", "give genes in rows, cells in columns")
        return None
    names = np.array(genes, dtype=object)
    return CountMatrix(sparse.vstack(blocks).T.tocsr(), barcodes, names, _ensembl_only(names))
