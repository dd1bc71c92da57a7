"""The .h5 of 10x: version 3 (group `matrix`), version 2 (a group per genome), and what CellBender makes of them."""

from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from scresist.reading.features import split_features
from scresist.reading.matrix import CountMatrix
from scresist.study.problems import Problems

PARTS = ("data", "indices", "indptr", "shape", "barcodes")


def text(node: Any) -> np.ndarray:
    """The values of a dataset as strings."""
    return np.array([v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in node[:]], dtype=object)


def groups_of(file: h5py.File) -> list[str]:
    """The groups of a file that hold a 10x matrix.

    Parameters
    ----------
    file
        Open.
    """
    return [n for n in file if isinstance(file[n], h5py.Group) and all(p in file[n] for p in PARTS)]


def read_tenx_h5(file: h5py.File, shown: str, problems: Problems) -> CountMatrix | None:
    """Counts of a 10x .h5; several genomes are kept beside each other, with their name before every gene.

    Parameters
    ----------
    file
        Open.
    shown, problems
        As in `open_matrix`.
    """
    groups = groups_of(file)
    if groups == ["matrix"]:
        return _version_3(file["matrix"], shown, problems)
    blocks = []
    for name in groups:
        group = file[name]
        if "gene_names" not in group and "genes" not in group:
            return _version_3(group, shown, problems)
        names = text(group["gene_names" if "gene_names" in group else "genes"])
        ids = text(group["genes" if "genes" in group else "gene_names"])
        counts = _columns(group, len(names), shown, problems)
        if counts is None:
            return None
        blocks.append((name, counts, text(group["barcodes"]), names, ids))
    if len(blocks) == 1:
        _, counts, barcodes, names, ids = blocks[0]
        return split_features(counts, barcodes, names, ids, None)
    return side_by_side(blocks)


def side_by_side(
    blocks: list[tuple[str, sparse.csr_array, np.ndarray, np.ndarray, np.ndarray]],
) -> CountMatrix:
    """One matrix of several genomes: the barcodes of all, and genes with the name of their genome before them.

    Parameters
    ----------
    blocks
        Genome, counts (cells x genes), barcodes, names and ids of its genes.
    """
    everyone = pd.Index(pd.unique(np.concatenate([b[2] for b in blocks])))
    parts, names, ids = [], [], []
    for genome, counts, barcodes, own, own_ids in blocks:
        place = everyone.get_indexer(pd.Index(barcodes))
        coo = sparse.coo_array(counts)
        rows, columns = coo.coords
        parts.append(sparse.csr_array((coo.data, (place[rows], columns)), shape=(len(everyone), len(own))))
        before = [str(n).startswith(f"{genome}_") for n in own]
        names.append([n if b else f"{genome}_{n}" for n, b in zip(own, before, strict=True)])
        ids.append(own_ids)
    return split_features(
        sparse.csr_array(sparse.hstack(parts, format="csr")), everyone.to_numpy(dtype=object),
        np.concatenate([np.array(n, dtype=object) for n in names]), np.concatenate(ids), None,
    )  # fmt: skip


def _columns(group: Any, n_genes: int, shown: str, problems: Problems) -> sparse.csr_array | None:
    """Cells x genes of a group that stores genes x cells by column."""
    shape = tuple(int(n) for n in group["shape"][:])
    barcodes = group["barcodes"].shape[0]
    if shape != (n_genes, barcodes):
        problems.error(shown, f"the matrix is {' x '.join(map(str, shape))} but there are {n_genes} genes and "
                       f"{barcodes} barcodes", "export the file again")  # fmt: skip
        return None
    parts = [group[p][:] for p in ("data", "indices", "indptr")]
    if not _fits(parts, shape):
        problems.error(shown, "the file is truncated or damaged: places and values of its matrix do not fit each other",
                       "copy or export it again")  # fmt: skip
        return None
    return sparse.csc_array((parts[0], parts[1], parts[2]), shape=shape).T.tocsr()


def _fits(parts: list[np.ndarray], shape: tuple[int, ...]) -> bool:
    data, indices, indptr = parts
    return bool(
        data.ndim == indices.ndim == indptr.ndim == 1 and len(data) == len(indices) and len(indptr) == shape[1] + 1
        and indptr[0] == 0 and indptr[-1] == len(data) and (np.diff(indptr.astype(np.int64)) >= 0).all()
        and (len(indices) == 0 or (indices.min() >= 0 and indices.max() < shape[0]))
    )  # fmt: skip


def _version_3(group: Any, shown: str, problems: Problems) -> CountMatrix | None:
    features = group.get("features", group)
    name = next((n for n in ("name", "gene_names", "id", "genes") if n in features), None)
    if name is None:
        problems.error(shown, "the .h5 has no names of genes", "give the .h5 of cellranger count",
                       value=", ".join(features))  # fmt: skip
        return None
    names = text(features[name])
    ids = text(features["id"]) if "id" in features else names
    kinds = text(features["feature_type"]) if "feature_type" in features else None
    genome = text(features["genome"]) if "genome" in features else np.full(len(names), "", dtype=object)
    if not len(names) == len(ids) == len(genome) or (kinds is not None and len(kinds) != len(names)):
        problems.error(shown, "the .h5 has columns of features of different lengths", "export the file again")
        return None
    counts = _columns(group, len(names), shown, problems)
    if counts is None:
        return None
    several = len({g for g in genome if g}) > 1
    if several:
        pairs = zip(names, genome, strict=True)
        names = np.array([n if not g or n.startswith(f"{g}_") else f"{g}_{n}" for n, g in pairs], dtype=object)
        ids = np.array([i.removeprefix(f"{g}_").lstrip("_") for i, g in zip(ids, genome, strict=True)], dtype=object)
    return split_features(counts, text(group["barcodes"]), names, ids, kinds)
