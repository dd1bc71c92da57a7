"""A folder for R: the counts as Cell Ranger writes them, metadata, embeddings, and a script that reads them."""

import gzip
import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scresist.exchange.tidy import columns_of_cells, counts_of, embeddings, ensembl_of

if TYPE_CHECKING:
    from anndata import AnnData

SCRIPT = """# Reads this folder into R:  source("read.R"); seurat <- read_seurat("."); sce <- read_sce(".")
# Needs the package Matrix, and SeuratObject (or Seurat) or SingleCellExperiment.
read_parts <- function(folder) {
  at <- function(name) file.path(folder, name)
  unpacked <- function(name, read) { file <- gzfile(at(name)); on.exit(close(file)); read(file) }
  features <- read.delim(at("features.tsv.gz"), header = FALSE, quote = "", stringsAsFactors = FALSE)
  counts <- methods::as(Matrix::readMM(at("matrix.mtx.gz")), "CsparseMatrix")
  dimnames(counts) <- list(features[[2]], unpacked("barcodes.tsv.gz", readLines))
  metadata <- read.csv(at("metadata.csv"), row.names = 1, check.names = FALSE, stringsAsFactors = FALSE)
  files <- list.files(folder, pattern = "^embedding_.*[.]csv$")
  embeddings <- lapply(files, function(f) as.matrix(read.csv(at(f), row.names = 1, check.names = FALSE)))
  names(embeddings) <- sub("^embedding_(.*)[.]csv$", "\\\\1", files)
  list(counts = counts, metadata = metadata, embeddings = embeddings, ensembl = features[[1]])
}

read_seurat <- function(folder = ".") {
  parts <- read_parts(folder)
  object <- SeuratObject::CreateSeuratObject(parts$counts, project = "scresist")
  names(parts$metadata) <- make.names(names(parts$metadata), unique = TRUE)
  object <- SeuratObject::AddMetaData(object, parts$metadata)
  # Seurat writes dashes for underscores in names of genes, with a warning.
  for (name in names(parts$embeddings)) {
    values <- parts$embeddings[[name]]
    key <- paste0(gsub("[^A-Za-z0-9]", "", name), "_")
    colnames(values) <- paste0(key, seq_len(ncol(values)))
    object[[name]] <- SeuratObject::CreateDimReducObject(values, key = key, assay = "RNA")
  }
  object
}

read_sce <- function(folder = ".") {
  parts <- read_parts(folder)
  SingleCellExperiment::SingleCellExperiment(
    list(counts = parts$counts), colData = S4Vectors::DataFrame(parts$metadata, check.names = FALSE),
    rowData = S4Vectors::DataFrame(ensembl = parts$ensembl), reducedDims = parts$embeddings)
}
"""


def write_seurat(cohort: "AnnData", folder: Path) -> tuple[str, ...]:
    """Write the folder, whole or not at all.

    Parameters
    ----------
    cohort
        Cells x genes with `layers["counts"]`.
    folder
        It is replaced where it exists and has an earlier export.

    Returns
    -------
    Notes on what is not in it.

    Raises
    ------
    InputError
        If the folder has other files.
    """
    from scipy import io as scipy_io

    from scresist.checks import InputError

    if folder.exists() and any(folder.iterdir()) and not (folder / "read.R").exists():
        raise InputError(f"{folder} has other files; name a new folder with --out")
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    genes = cohort.var_names.to_numpy(dtype=object)
    ids = ensembl_of(cohort.var_names, cohort.var.get("gene_id"))
    with gzip.open(part / "matrix.mtx.gz", "wb", compresslevel=3) as handle:
        scipy_io.mmwrite(handle, counts_of(cohort).T.tocoo(), field="integer")
    _packed(part / "barcodes.tsv.gz", "\n".join(cohort.obs_names) + "\n")
    rows = [f"{i or g}\t{g}\tGene Expression" for i, g in zip(ids, genes, strict=True)]
    _packed(part / "features.tsv.gz", "\n".join(rows) + "\n")
    columns_of_cells(cohort).to_csv(part / "metadata.csv", index_label="cell")
    kept = embeddings(cohort)
    for name, values in kept.items():
        short = name.removeprefix("X_")
        table = pd.DataFrame(
            values, index=cohort.obs_names, columns=[f"{short}_{i + 1}" for i in range(values.shape[1])]
        )
        table.to_csv(part / f"embedding_{short}.csv", index_label="cell")
    (part / "read.R").write_text(SCRIPT, encoding="utf-8", newline="\n")
    if folder.exists():
        shutil.rmtree(folder)
    part.chmod(0o755)
    part.replace(folder)
    return ('in R: source("read.R"); object <- read_seurat(".")',)


def _packed(path: Path, text: str) -> None:
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as out:
        shutil.copyfileobj(io.BytesIO(text.encode("utf-8")), out)
