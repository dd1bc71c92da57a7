"""A folder of matrices becomes a study to fill in: the sheets with a row per matrix, and a study.toml with comments."""

import csv
import io
import os
import re
from pathlib import Path

from scresist.checks import InputError, counted
from scresist.reading.content import kind_of
from scresist.reading.layouts import matrices_below
from scresist.results import write_text

SHEET, PATIENTS, STUDY = "samples.csv", "patients.csv", "study.toml"
GENERIC = re.compile(
    r"^(outs|count|counts|per_sample_outs|multi|solo\.out|gene|genefull|velocyto|filtered|raw|alevin|quant|matrix|data|"
    r"(sample_)?(filtered|raw)_(feature|gene)_bc_matrix(es|_h5)?|cellbender|counts_(un)?filtered|grch38|hg19|mm10)$",
    re.IGNORECASE,
)
ENDS = re.compile(r"(\.gz|\.h5ad|\.h5mu|\.h5|\.hdf5|\.loom|\.zarr|\.rds|\.csv|\.tsv|\.txt|\.mtx)+$", re.IGNORECASE)
TAILS = re.compile(
    r"[._-]?((sample_)?(filtered|raw)_(feature|gene)_bc_matri(x|ces)(_h5)?|filtered|counts?|matrix|cellbender)$",
    re.IGNORECASE,
)
SAMPLE_COLUMNS = ("sample", "sample_id", "sampleid", "samplename", "sample_name", "orig.ident", "library", "library_id",
                  "biopsy", "specimen")  # fmt: skip
TEMPLATE = """# {n} found under {folder}. Fill in what is empty in samples.csv and patients.csv, then type:
# scresist check study.toml
[study]
name = "{name}"
organism = "{organism}"              # human | mouse
drug = ""                       # for the title of the page
seed = 1
samples = "samples.csv"
patients = "patients.csv"

[design]
arms = [{arms}]   # the words of the column arm
{contrasts}
[focus]
compartment = "malignant"       # malignant | normal | all | a lineage | a cell type
keep_genes = []                 # genes that are shown whatever their result

# [annotate]
# labels = "cell_type"          # own labels: a column of the cells in the files; or leave out and they are called
# malignant_lineage = ["epithelial"]

# [survival]
# time = "pfs_months"           # columns of patients.csv
# event = "pfs_event"
"""


def begin(
    folder: Path, *, out: Path | None = None, arms: tuple[str, ...] = ("baseline", "primary", "acquired"),
    organism: str = "human",
) -> list[Path]:  # fmt: skip
    """Find the matrices under a folder, and write samples.csv, patients.csv and study.toml to fill in.

    Parameters
    ----------
    folder
        Searched with its subfolders.
    out
        Where the three files are written; None is the folder itself.
    arms
        The first is the reference of a contrast with each of the others.
    organism
        human | mouse.

    Returns
    -------
    The files that were written.

    Raises
    ------
    InputError
        If the folder does not exist or has no matrix, or one of the files is there already.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; give the folder that the matrices are in")
    target = folder if out is None else out
    there = [name for name in (SHEET, PATIENTS, STUDY) if (target / name).exists()]
    if there:
        raise InputError(f"{target} has {', '.join(there)} already; remove them, or name another folder with --out")
    found = [row for path in matrices_below(folder) for row in _rows(folder, path)]
    if not found:
        raise InputError(
            f"no matrix was found under {folder}: 10x folders and their like, "
            ".h5, .h5ad, .h5mu, .loom or .zarr; name other formats (.rds, tables) in samples.csv yourself"
        )
    target.mkdir(parents=True, exist_ok=True)
    names = _unique([name for name, _ in found])
    prefix = os.path.relpath(folder, target)
    paths = [p if prefix == "." else f"{Path(prefix).as_posix()}/{p}" for _, p in found]
    rows: list[tuple[str, ...]] = [(name, "", "", path, "") for name, path in zip(names, paths, strict=True)]
    contrasts = "".join(
        f'[design.contrasts.{_bare(arm)}]\ntest = "{arm}"\nreference = "{arms[0]}"\n' for arm in arms[1:]
    )
    text = TEMPLATE.format(
        n=counted(len(rows), "sample"), folder=folder.resolve().name, name=folder.resolve().name.replace('"', "'"),
        organism=organism, arms=", ".join(f'"{a}"' for a in arms), contrasts=contrasts,
    )  # fmt: skip
    write_text(_csv(("sample", "patient", "arm", "path", "timepoint"), rows), target / SHEET)
    write_text(_csv(("patient", "best_response", "pfs_months", "pfs_event"), []), target / PATIENTS)
    write_text(text, target / STUDY)
    return [target / name for name in (SHEET, PATIENTS, STUDY)]


def _rows(folder: Path, below: str) -> list[tuple[str, str]]:
    """Name and path of the samples of one matrix: several where an annotated file has a column that names them."""
    path = folder / below
    levels = _levels(path) if path.is_file() and ENDS.search(path.name) else []
    column, values = levels[0] if levels else ("", [])
    if values:
        return [(value, f"{below}#{column}={value}") for value in values]
    return [(_name(below) or folder.resolve().name, below or ".")]


def _levels(path: Path) -> list[tuple[str, list[str]]]:
    """Columns of the cells that name samples, with their values."""
    if kind_of(path) != "hdf5" or path.suffix != ".h5ad":
        return []
    import anndata

    backed = anndata.read_h5ad(path, backed="r")
    try:
        obs = backed.obs
    finally:
        backed.file.close()
    lowered = {str(c).lower(): c for c in obs.columns}
    named = [lowered[c] for c in SAMPLE_COLUMNS if c in lowered]
    return [(str(c), sorted(obs[c].dropna().astype(str).unique())) for c in named if 1 < obs[c].nunique() <= 500]


def _name(below: str) -> str:
    parts = [ENDS.sub("", part) for part in Path(below).parts]
    own = [TAILS.sub("", part) for part in parts if not GENERIC.match(part)]
    own = [part for part in own if part]
    return own[-1] if own else ""


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return out


def _bare(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _csv(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
