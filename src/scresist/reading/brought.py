"""What a file brings beside its counts: columns of its cells, an embedding, a layout, and counts of antibodies."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import keys
from scresist.checks import suggestion
from scresist.reading.matrix import CountMatrix
from scresist.study import Study
from scresist.study.cell_names import check_labels
from scresist.study.paths import locate
from scresist.study.problems import Problems
from scresist.study.sheets import read_text

if TYPE_CHECKING:
    from anndata import AnnData

OWN = frozenset(key.name for key in keys.KEYS if key.axis == "obs")
SPACES = {"embed.use": "input_embedding", "embed.layout": "input_layout"}


def column_name(name: str) -> str:
    """The name that a column of the input has in the cohort: its own, or `input_NAME` where scresist writes that one.

    Parameters
    ----------
    name
        As in the file.
    """
    return f"input_{name}" if name in OWN else name


def check_brought(study: Study, matrices: Mapping[str, CountMatrix], problems: Problems) -> None:
    """Find settings that name a column or a slot which a sample's file does not have, and labels without a lineage.

    Parameters
    ----------
    study
        Its settings `annotate.labels`, `annotate.malignant`, `embed.use` and `embed.layout` name what is sought.
    matrices
        By sample, as read.
    problems
        Receives what is wrong.
    """
    own = study.settings
    file = study.path.name
    for setting, name in (("annotate.labels", own.annotate.labels), ("annotate.malignant", own.annotate.malignant)):
        if name is None:
            continue
        without = [s for s, m in matrices.items() if m.obs is None or name not in m.obs]
        if without:
            columns = [str(c) for m in matrices.values() if m.obs is not None for c in m.obs]
            there = suggestion(name, list(dict.fromkeys(columns))) if columns else (
                "only formats with columns of cells have one: .h5ad, .h5mu, .zarr, .loom, .rds")  # fmt: skip
            problems.error(
                file, f"{setting}: {_some(without, len(matrices))} no column {name!r} of cells (obs)", there,
                column=setting, value=name,
            )  # fmt: skip
    for setting, name in (("embed.use", own.embed.use), ("embed.layout", own.embed.layout)):
        if name is None:
            continue
        without = [s for s, m in matrices.items() if name not in m.spaces]
        if without:
            known = list(dict.fromkeys(k for m in matrices.values() for k in m.spaces))
            problems.error(
                file, f"{setting}: {_some(without, len(matrices))} no slot obsm[{name!r}]", suggestion(name, known),
                column=setting, value=name,
            )  # fmt: skip
        elif len({m.spaces[name].shape[1] for m in matrices.values()}) > 1:
            problems.error(
                file, f"{setting}: the samples have obsm[{name!r}] of different widths", "embed all samples together",
                column=setting, value=name,
            )  # fmt: skip
    labels = own.annotate.labels
    if labels is not None and all(m.obs is not None and labels in m.obs for m in matrices.values()):
        seen = pd.concat([m.obs[labels].astype(object) for m in matrices.values() if m.obs is not None])
        check_labels(seen, own, study.folder, file, problems)


def _some(without: Sequence[str], total: int) -> str:
    if len(without) == total:
        return "the files of all samples have"
    return f"the file of sample {', '.join(without[:3])}{', ...' if len(without) > 3 else ''} has"


def put_brought(cohort: "AnnData", study: Study, matrices: Mapping[str, CountMatrix]) -> None:
    """Write the columns, the embedding, the layout and the antibodies that the files bring into the cohort.

    Parameters
    ----------
    cohort
        Cells in the order of the matrices; changed in place.
    study
        Its settings name the embedding and the layout.
    matrices
        By sample, in the order of the cohort.
    """
    parts = list(matrices.values())
    if any(m.obs is not None for m in parts):
        _put_columns(cohort, parts)
    for setting, slot in SPACES.items():
        name = getattr(study.settings.embed, setting.partition(".")[2])
        if name is not None:
            keys.put(cohort, slot, np.vstack([m.spaces[name] for m in parts]).astype(np.float32))
    names = list(dict.fromkeys(str(p) for m in parts if m.proteins is not None for p in m.proteins))
    if names:
        blocks = [_antibodies(m, names) for m in parts]
        keys.put(cohort, "protein", pd.DataFrame(np.vstack(blocks), index=cohort.obs_names, columns=names))


def _antibodies(matrix: CountMatrix, names: list[str]) -> np.ndarray:
    """Counts of the named antibodies; NaN where the sample has none or lacks one."""
    out = np.full((len(matrix.barcodes), len(names)), np.nan, dtype=np.float32)
    if matrix.protein is not None and matrix.proteins is not None:
        own, first = np.unique(matrix.proteins.astype(str), return_index=True)
        out[:, [names.index(p) for p in own]] = np.asarray(matrix.protein.todense(), dtype=np.float32)[:, first]
        if matrix.stained is not None:
            out[~matrix.stained] = np.nan
    return out


def with_antibodies(matrix: CountMatrix, folder: Path, given: str, problems: Problems) -> CountMatrix:
    """The matrix with the counts of antibodies of a table of its own: cells x antibodies, or the other way round.

    Parameters
    ----------
    matrix
        Of one sample.
    folder
        That `given` is relative to.
    given
        The path, from the column `protein_path` of the sample sheet.
    problems
        Receives what is wrong with the table.
    """
    place_of = locate(folder, given)
    if not place_of.exists:
        problems.error(given, "the file does not exist", "correct protein_path; it is relative to study.toml",
                       column="protein_path", value=given)  # fmt: skip
        return matrix
    text = read_text(place_of.path, given, problems)
    if text is None:
        return matrix
    separator = max((",", "\t", ";"), key=text.split("\n", 1)[0].count)
    try:
        table = pd.read_csv(io.StringIO(text), sep=separator, index_col=0)
    except pd.errors.ParserError as error:
        problems.error(given, f"the rows have different numbers of fields ({error})", "export the table again")
        return matrix
    table.index, table.columns = table.index.astype(str), table.columns.astype(str)
    cells = pd.Index(matrix.barcodes.astype(str))
    if table.columns.isin(cells).sum() > table.index.isin(cells).sum():
        table = table.T
    numbers = table.apply(pd.to_numeric, errors="coerce")
    bad = ~np.isfinite(numbers.to_numpy(float)) | (numbers.to_numpy(float) < 0)
    if bad.any() or (numbers.to_numpy(float) % 1 != 0).any():
        at = np.argwhere(bad | (numbers.to_numpy(float) % 1 != 0))[0]
        problems.error(given, "the table of antibodies has values that are no counts", "give raw counts of antibodies",
                       row=str(table.index[at[0]]), column=str(table.columns[at[1]]),
                       value=table.iloc[at[0], at[1]])  # fmt: skip
        return matrix
    place = numbers.index.get_indexer(cells) if numbers.index.is_unique else np.full(len(cells), -1)
    found = place >= 0
    if not found.any():
        problems.error(
            given, f"no barcode of the table is a cell of the sample (table: {', '.join(map(str, table.index[:2]))}; "
            f"sample: {', '.join(cells[:2])})", "give the same barcodes, each once", column="protein_path",
        )  # fmt: skip
        return matrix
    if not found.all():
        problems.note(given, f"{int((~found).sum())} of {len(cells)} cells have no antibodies: missing, not zero")
    values = np.zeros((len(cells), numbers.shape[1]), dtype=np.int64)
    values[found] = numbers.to_numpy(dtype=np.int64)[place[found]]
    names = np.array(numbers.columns, dtype=object)
    return replace(matrix, protein=sparse.csr_array(values), proteins=names, stained=found)


def _put_columns(cohort: "AnnData", parts: Sequence[CountMatrix]) -> None:
    """Columns of all files: numbers where all given values are, else words."""
    tables = [m.obs if m.obs is not None else pd.DataFrame(index=range(len(m.barcodes))) for m in parts]
    wanted = list(dict.fromkeys(c for t in tables for c in t.columns))
    taken = []
    for name in wanted:
        values = pd.concat([t[name].astype(object) if name in t else pd.Series([None] * len(t), dtype=object)
                            for t in tables], ignore_index=True)  # fmt: skip
        kinds = [t[name].dtype.kind for t in tables if name in t]
        missing = values.isna()
        if all(k in "iuf" for k in kinds):
            column: pd.Series | pd.Categorical = pd.to_numeric(values).astype(float)
        else:
            column = pd.Categorical(values.astype(str).where(~missing, None))
        own = column_name(str(name))
        keys.put_input(cohort, own, column.to_numpy() if isinstance(column, pd.Series) else column)
        taken.append(own)
    keys.put(cohort, "input_columns", np.array(taken, dtype=object))
