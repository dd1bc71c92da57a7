"""An annotated cohort in one h5ad: what it must contain, and its counts under official gene symbols."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import suggestion
from scresist.reading.formats import WRONG, open_matrix
from scresist.reading.matrix import check_values, unique_barcodes
from scresist.reading.names import check_names
from scresist.reading.symbols import looks_like_human, looks_like_mouse, map_symbols
from scresist.study.problems import Problems, StudyError

if TYPE_CHECKING:
    from anndata import AnnData

NEEDED = ("sample", "patient")
LABELS = ("arm", "lineage", "cell_type", "malignancy")  # taken along where obs has them


def examine_annotated(
    path: Path, shown: str, *, compartment: str, organism: str, problems: Problems
) -> frozenset[str]:  # fmt: skip
    """The gene symbols of an annotated h5ad; what it lacks is added to the problems. The counts are not read.

    Parameters
    ----------
    path
        The file, which exists.
    shown
        Its name in messages.
    compartment
        The cells that will be chosen, as in `cells.resolve_focus`: they decide which labels obs must have.
    organism
        human | mouse.
    problems
        Receives what is wrong.
    """
    import anndata

    try:
        backed = anndata.read_h5ad(path, backed="r")
    except WRONG as error:
        problems.error(shown, f"the file cannot be read as h5ad ({type(error).__name__}: {str(error)[:120]})",
                       "copy or export it again")  # fmt: skip
        return frozenset()
    try:
        obs, var = backed.obs, backed.raw.var if _from_raw(backed) else backed.var
        has_counts = backed.X is not None or backed.raw is not None or "counts" in backed.layers
    finally:
        backed.file.close()
    if not has_counts:
        problems.error(shown, "the h5ad has no matrix", "export it with raw counts in layers['counts']")
    _check_labels(obs, shown, compartment, problems)
    names = var.index.to_numpy(dtype=object)
    if organism == "human" and looks_like_mouse(names):
        problems.error(shown, "the genes are mouse genes and the study is human", "give a cohort of the same species",
                       value=", ".join(map(str, names[:3])))  # fmt: skip
    if organism == "mouse" and looks_like_human(names):
        problems.error(shown, "the genes are human genes and the study is mouse", "give a cohort of the same species",
                       value=", ".join(map(str, names[:3])))  # fmt: skip
    return frozenset(str(s) for s in map_symbols(names, None, organism=organism).symbols) if len(names) else frozenset()


def _from_raw(backed: "AnnData") -> bool:
    return "counts" not in backed.layers and backed.raw is not None


def _check_labels(obs: pd.DataFrame, shown: str, compartment: str, problems: Problems) -> None:
    """Samples, patients and the labels by which the compartment is chosen."""
    missing = [c for c in NEEDED if c not in obs]
    for column in missing:
        problems.error(
            shown, f"obs has no column {column!r}", f"add it: the {column} of every cell; "
            f"{suggestion(column, obs.columns)}", column=column,
        )  # fmt: skip
    known = [c for c in LABELS[1:] if c in obs]
    if compartment in ("malignant", "normal"):
        found = any((obs[c].astype(str) == compartment).any() for c in known)
        wanted = f"a column 'malignancy' with cells that are {compartment!r}"
    else:
        found = compartment == "all" or any((obs[c].astype(str) == compartment).any() for c in known)
        wanted = f"a column 'lineage' or 'cell_type' with cells that are {compartment!r}"
    if not found:
        seen = sorted({str(v) for c in known for v in obs[c].unique()})[:8]
        problems.error(
            shown, f"no cell is in the compartment {compartment!r} of the study", f"obs needs {wanted}",
            column="focus.compartment", value=", ".join(seen) or f"columns {', '.join(map(str, obs.columns[:8]))}",
        )  # fmt: skip
    if missing:
        return
    for column in ("patient", *(["arm"] if "arm" in obs else [])):
        several = obs.groupby(obs["sample"].astype(str), observed=True)[column].nunique()
        for sample in several.index[several > 1][:3]:
            problems.error(shown, f"sample {sample} has {int(several[sample])} values of {column!r}",
                           "a sample is of one patient and one arm", row=str(sample), column=column)  # fmt: skip


def read_annotated(path: Path, shown: str, *, organism: str) -> "AnnData":
    """The cells of an annotated h5ad with raw counts, samples, patients and labels.

    Parameters
    ----------
    path
        The file.
    shown
        Its name in messages.
    organism
        human | mouse; human names become official symbols.

    Returns
    -------
    Cells x genes, `layers["counts"]` int32; obs has sample, patient and, where the file has them, arm, lineage,
    cell_type and malignancy. Cells without a sample or a patient are left out.

    Raises
    ------
    StudyError
        Where the file is damaged or its values are no counts.
    """
    import anndata

    problems = Problems()
    matrix = open_matrix(Path(), str(path.absolute()), unnamed := Problems(), organism=organism)
    problems.extend(replace(p, file=shown) for p in unnamed)
    if matrix is None or not (
        check_values(matrix.counts, shown, problems, slot=matrix.slot) & unique_barcodes(matrix, shown, problems)
        & check_names(matrix, shown, problems)
    ):  # fmt: skip
        raise StudyError(problems)
    backed = anndata.read_h5ad(path, backed="r")
    try:
        obs = backed.obs[[c for c in (*NEEDED, *LABELS) if c in backed.obs]].copy()
        obs = obs.loc[matrix.barcodes]  # of a matrix of two species, the cells of one
    finally:
        backed.file.close()
    symbols = map_symbols(matrix.genes, matrix.gene_ids, organism=organism).symbols
    counts = sparse.csr_matrix(matrix.counts.astype(np.int32))
    counts.eliminate_zeros()
    known = obs[list(NEEDED)].notna().all(axis=1).to_numpy()
    var = pd.DataFrame(index=pd.Index(symbols.astype(str), name="gene"))
    cells = anndata.AnnData(X=None, obs=obs, var=var, layers={"counts": counts})
    return cells if known.all() else cells[known].copy()
