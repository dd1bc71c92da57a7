"""From a results folder to files that another program reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scresist.checks import InputError, require_choice
from scresist.exchange.cellxgene import write_cellxgene
from scresist.exchange.loom import write_loom
from scresist.exchange.seurat import write_seurat

if TYPE_CHECKING:
    from anndata import AnnData

TARGETS = ("seurat", "cellxgene", "loom")


def export(
    results: str | Path, to: str, *, out: Path | None = None, terms: Mapping[str, str] | None = None
) -> tuple[Path, tuple[str, ...]]:
    """Write the cells of a run with counts, labels and embeddings for another program.

    Parameters
    ----------
    results
        Results folder of a run, or an h5ad with `layers["counts"]`.
    to
        seurat: a folder with matrix.mtx, metadata, embeddings and a script of R that makes a Seurat object or a
        SingleCellExperiment of them. cellxgene: an h5ad that follows the schema of CELLxGENE. loom: one .loom.
    out
        Where to; `exports/` in the results folder by default.
    terms
        Only for cellxgene: ontology terms that hold for all cells, such as `{"tissue": "UBERON:0000945"}`.

    Returns
    -------
    The file or folder, and notes on what was left out or filled in.

    Raises
    ------
    InputError
        If the folder has no cohort, or `to` is no target.
    """
    require_choice(to, TARGETS, "--to")
    if terms and to != "cellxgene":
        raise InputError("terms are of the schema of CELLxGENE; leave them out, or export to cellxgene")
    source = Path(results)
    cohort = _cohort(source)
    if "counts" not in cohort.layers:
        raise InputError(f"{source} has no layers['counts']; run the study as far as ingest")
    base = source if source.is_dir() else source.parent
    names = {"seurat": "seurat", "cellxgene": "cellxgene.h5ad", "loom": "cohort.loom"}
    target = out if out is not None else base / "exports" / names[to]
    target.parent.mkdir(parents=True, exist_ok=True)
    if to == "seurat":
        return target, write_seurat(cohort, target)
    if to == "loom":
        return target, write_loom(cohort, target)
    return target, write_cellxgene(cohort, target, terms=terms or {})


def _cohort(source: Path) -> "AnnData":
    import anndata

    path = source / "cohort.h5ad" if source.is_dir() else source
    if not path.exists():
        raise InputError(
            f"{path} does not exist; give the results folder of a finished run (scresist run STUDY --out {source})"
        )
    try:
        return anndata.read_h5ad(path)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read as h5ad ({type(error).__name__}: {str(error)[:100]}); run again"
        ) from None
