"""An AnnData on disk (h5ad, zarr, a part of an h5mu): which of its slots holds counts, and the cells that are named."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.reading.features import ENSEMBL, ensembl_only, split_features
from scresist.reading.matrix import CountMatrix
from scresist.reading.recognise import known_share
from scresist.reading.selectors import choose_rows
from scresist.study.problems import Problems

LOOKED_AT = 20_000  # values of a slot at its beginning, middle and end
ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl", "ensembl_ids", "gene_ids-0", "feature_id", "ensemblid")
NAME_COLUMNS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "gene_names", "symbol", "hgnc_symbol",
                "genesymbol", "genenames")  # fmt: skip
KIND_COLUMNS = ("feature_types", "feature_type", "modality", "feature_types-0")
PROTEIN_SLOTS = ("protein", "protein_expression", "protein_counts", "adt", "antibody", "antibody_capture", "prot")
NOT_TOTALS = re.compile(r"spliced|ambiguous|matrix$|binary|scaled", re.IGNORECASE)  # integers, but parts of the counts


@dataclass(frozen=True, slots=True)
class Slot:
    """One matrix of the file: its path, its name as AnnData spells it, its shape, and what its values look like."""

    path: str
    name: str
    shape: tuple[int, int]
    looks: str


def find_slots(root: Any) -> list[Slot]:
    """Every matrix of cells x genes in the file, with what a part of its values looks like.

    Parameters
    ----------
    root
        An open group of h5py or zarr.
    """
    names = {"X": "X", "raw/X": "raw"}
    if "layers" in root:
        names.update({f"layers/{key}": f"layers[{key!r}]" for key in root["layers"]})
    found = []
    for path, name in names.items():
        if path in root:
            shape = _shape(root[path])
            if shape is not None:
                found.append(Slot(path, name, shape, _looks(root[path])))
    return found


def choose_slot(slots: list[Slot]) -> Slot | None:
    """The slot with counts of most genes; among equals layers['counts'], another layer of counts, raw, then X.

    Parameters
    ----------
    slots
        Of one file.
    """

    def rank(slot: Slot) -> tuple[int, int, int]:
        key = slot.path.rpartition("/")[2].lower()
        named = slot.path.startswith("layers/") and bool(re.search(r"counts?$|^counts?|umis?$|^raw", key))
        order = 0 if slot.path == "layers/counts" else 1 if named else 2 if slot.path == "raw/X" else (
            3 if slot.path == "X" else 4)  # fmt: skip
        partial = slot.path.startswith("layers/") and bool(NOT_TOTALS.search(key)) and key != "matrix"
        counts = 0 if slot.looks == "counts" and not partial else 1 if slot.looks == "counts" else 2
        return counts, -slot.shape[1] if counts < 2 else 0, order

    return min(slots, key=rank) if slots else None


def _shape(node: Any) -> tuple[int, int] | None:
    shape = node.attrs["shape"] if hasattr(node, "keys") and "shape" in node.attrs else (
        node.attrs["h5sparse_shape"] if hasattr(node, "keys") and "h5sparse_shape" in node.attrs else
        getattr(node, "shape", None))  # fmt: skip
    return None if shape is None or len(shape) != 2 else (int(shape[0]), int(shape[1]))


def _looks(node: Any) -> str:
    """counts, or in words what else a part of the values is."""
    values = node["data"] if hasattr(node, "keys") and "data" in node else node
    if hasattr(values, "keys"):
        return "of an unknown encoding"
    n = int(values.shape[0])
    if n == 0:
        return "empty"
    step = LOOKED_AT if len(values.shape) == 1 else max(1, LOOKED_AT // max(1, int(values.shape[1])))
    some = np.concatenate([
        np.asarray(values[s : s + step]).ravel() for s in dict.fromkeys((0, max(0, n // 2), max(0, n - step)))
    ])  # fmt: skip
    if some.dtype.kind not in "biuf":
        return "no numbers"
    some = some.astype(float)
    if not np.isfinite(some).all():
        return "NaN or infinite"
    if (some < 0).any():
        return "negative values (scaled)"
    if (some != np.floor(some)).any():
        return "fractions (log-normalised)" if some.max() < 20 else "fractions (normalised or corrected)"
    return "counts" if some.max(initial=0) > 1 or (len(values.shape) == 1 and n < 100) else (
        "0 and 1" if some.size and some.max() > 0 else "zeros")  # fmt: skip


def read_annotated_group(root: Any, selector: str, shown: str, problems: Problems) -> CountMatrix | None:
    """Counts of an AnnData on disk, from the slot with counts of most genes; of the cells that the selector names.

    Parameters
    ----------
    root
        An open group of h5py or zarr.
    selector
        column=value, suffix=3, or "".
    shown, problems
        As in `open_matrix`.
    """
    from anndata.io import read_elem

    slots = find_slots(root)
    chosen = choose_slot(slots)
    if chosen is None:
        problems.error(shown, "the h5ad has no matrix", "export it with raw counts in layers['counts']")
        return None
    obs = read_elem(root["obs"])
    if len(obs) != chosen.shape[0]:
        problems.error(shown, f"{chosen.name} has {chosen.shape[0]} rows but obs has {len(obs)}", "export it again")
        return None
    rows = choose_rows(obs, np.array(obs.index.astype(str), dtype=object), selector, shown, problems)
    if rows is None:
        return None
    counts = _rows_of(root[chosen.path], rows)
    var = read_elem(root["raw/var"] if chosen.path == "raw/X" else root["var"])
    if len(var) != counts.shape[1]:
        problems.error(shown, f"{chosen.name} has {counts.shape[1]} columns but there are {len(var)} genes",
                       "export it again")  # fmt: skip
        return None
    barcodes = np.array(obs.index.astype(str), dtype=object)[rows]
    names, ids, notes = gene_columns(var)
    kinds = next((var[c].astype(str).to_numpy(dtype=object) for c in KIND_COLUMNS if c in var), None)
    matrix = split_features(counts, barcodes, names, ids, kinds, (f"counts from {chosen.name}", *notes))
    others = [f"{s.name} has {s.looks} of {s.shape[1]} genes" for s in slots if s is not chosen]
    slot = f"{chosen.name} was read ({chosen.shape[1]} genes)" + (f"; {'; '.join(others)}" if others else "")
    protein, proteins, notes = matrix.protein, matrix.proteins, matrix.notes
    if protein is None:
        protein, proteins, left_out = _protein_slot(root, rows)
        notes = (*notes, left_out) if left_out else notes
    return CountMatrix(matrix.counts, matrix.barcodes, matrix.genes, matrix.gene_ids, notes, protein, proteins,
                       slot, None, obs.iloc[rows], _spaces(root, rows))  # fmt: skip


def _spaces(root: Any, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The embeddings and layouts of the cells: dense numbers in obsm."""
    from anndata.io import read_elem

    found = {}
    for key in list(root["obsm"]) if "obsm" in root else []:
        node = root["obsm"][key]
        if not hasattr(node, "keys") and len(node.shape) == 2 and node.dtype.kind in "iuf":
            found[str(key)] = np.asarray(read_elem(node))[rows]
    return found


def _rows_of(node: Any, rows: np.ndarray) -> sparse.csr_array:
    from anndata.io import read_elem, sparse_dataset

    whole = len(rows) == _shape(node)[0]  # type: ignore[index]
    if hasattr(node, "keys"):
        if node.attrs.get("encoding-type") == "csr_matrix" and not whole:
            return sparse.csr_array(sparse_dataset(node)[rows])
        if "encoding-type" not in node.attrs:  # as AnnData wrote before 0.7
            parts = (node["data"][:], node["indices"][:], node["indptr"][:])
            kind = node.attrs.get("h5sparse_format", "csr")
            kind = kind.decode() if isinstance(kind, bytes) else str(kind)
            made = sparse.csc_array if kind == "csc" else sparse.csr_array
            return sparse.csr_array(made(parts, shape=_shape(node)))[rows]
        return sparse.csr_array(read_elem(node))[rows]
    if whole:
        return _sparse_blocks(node)
    return sparse.csr_array(np.asarray(node[rows.tolist()] if isinstance(rows, np.ndarray) else node[rows]))


def _sparse_blocks(node: Any) -> sparse.csr_array:
    """A dense dataset as sparse, read in blocks: never dense as a whole."""
    n, width = (int(k) for k in node.shape)
    step = max(1, 20_000_000 // max(1, width))
    blocks = [sparse.csr_array(np.asarray(node[s : s + step])) for s in range(0, n, step)]
    return sparse.csr_array(sparse.vstack(blocks)) if blocks else sparse.csr_array((n, width))


def gene_columns(var: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Names and ids of genes: the index of var, or the column of it that names genes where the index does not.

    Parameters
    ----------
    var
        One row per gene.
    """
    index = np.array(var.index.astype(str), dtype=object)
    lowered = {str(c).lower(): c for c in var.columns}

    def column(name: str) -> np.ndarray:
        return np.array(["" if pd.isna(v) else str(v).strip() for v in var[lowered[name]]], dtype=object)

    ids = next((column(c) for c in ID_COLUMNS if c in lowered), None)
    named = next((column(c) for c in NAME_COLUMNS if c in lowered), None)
    is_id = np.array([bool(ENSEMBL.match(i)) for i in index], dtype=bool)
    if len(index) and is_id.mean() > 0.5:
        if named is None:
            return index, index if ids is None else ids, ()
        return np.array([n or i for n, i in zip(named, index, strict=True)], dtype=object), index, ()
    if named is not None and known_share(index) < 0.5 < known_share(named):
        return named, index if ids is None else ids, ("names of genes are from a column of var: its index has others",)
    if ids is not None and ensembl_only(ids) is not None and known_share(index) < 0.5:
        return ids, ids, ("genes are named by the Ensembl ids of var: its index has other names",)
    return index, index if ids is None else ids, ()


def _protein_slot(root: Any, rows: np.ndarray) -> tuple[sparse.csr_array | None, np.ndarray | None, str]:
    """Counts of antibodies in obsm, where scvi-tools and muon put them; or why they are left out."""
    from anndata.io import read_elem

    if "obsm" not in root:
        return None, None, ""
    key = next((k for k in root["obsm"] if str(k).lower() in PROTEIN_SLOTS), None)
    if key is None:
        return None, None, ""
    found = read_elem(root["obsm"][key])
    if isinstance(found, pd.DataFrame):
        names, values = np.array(found.columns.astype(str), dtype=object), found.to_numpy()
    else:
        values = found
        names = np.array([f"{key}_{i + 1}" for i in range(values.shape[1])], dtype=object)
        for place in (f"uns/{key}_names", f"uns/{key}_features", "uns/protein_names"):
            if place in root:
                given = np.asarray(read_elem(root[place])).ravel()
                names = given.astype(str).astype(object) if len(given) == values.shape[1] else names
    numbers = values.data if sparse.issparse(values) else np.asarray(values)
    if numbers.dtype.kind not in "biuf" or (numbers < 0).any() or (numbers != np.floor(numbers)).any():
        return None, None, f"obsm[{key!r}] has antibodies, but no counts: they are left out; give raw counts"
    return sparse.csr_array(values)[rows], names, ""
