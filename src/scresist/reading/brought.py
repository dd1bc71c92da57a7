"""What a file brings beside its counts: columns of its cells, an embedding, a layout, and counts of antibodies."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist import keys
from scresist.checks import suggestion
from scresist.reading.matrix import CountMatrix
from scresist.study import Study
from scresist.study.cell_names import check_labels
from scresist.study.problems import Problems

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
        place = pd.Index(matrix.proteins.astype(str))
        place = place[~place.duplicated()]
        at = [names.index(p) for p in place]
        first = pd.Index(matrix.proteins.astype(str)).get_indexer(place) if place.size == matrix.proteins.size else (
            np.array([int(np.flatnonzero(matrix.proteins.astype(str) == p)[0]) for p in place]))  # fmt: skip
        out[:, at] = np.asarray(matrix.protein[:, first].todense(), dtype=np.float32)
    return out


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
        cohort.obs[own] = column.to_numpy() if isinstance(column, pd.Series) else column
        taken.append(own)
    keys.put(cohort, "input_columns", np.array(taken, dtype=object))
