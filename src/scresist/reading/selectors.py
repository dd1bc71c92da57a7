"""Some cells of a file that several samples share: `#column=value` of its obs, or `#suffix=3` of its barcodes."""

import re

import numpy as np
import pandas as pd

from scresist.checks import suggestion
from scresist.study.problems import Problems

SUFFIX = re.compile(r"[-_](\d{1,4})$")


def suffixes(barcodes: np.ndarray) -> dict[str, int]:
    """The numbers at the end of barcodes with how many have each; empty where not all have one.

    Parameters
    ----------
    barcodes
        As in the file.
    """
    found = [SUFFIX.search(str(b)) for b in barcodes]
    if not found or any(f is None for f in found):
        return {}
    numbers, counts = np.unique([f[1] for f in found if f is not None], return_counts=True)
    order = sorted(zip(numbers.tolist(), counts.tolist(), strict=True), key=lambda pair: int(pair[0]))
    return {str(n): int(c) for n, c in order}


def choose_rows(
    obs: pd.DataFrame | None, barcodes: np.ndarray, selector: str, shown: str, problems: Problems
) -> np.ndarray | None:  # fmt: skip
    """Positions of the cells that a selector names; None (and a problem) where it names none.

    Parameters
    ----------
    obs
        Columns of the cells; None where the format has none.
    barcodes
        Of all cells of the file.
    selector
        column=value, suffix=3, or "" for all.
    shown, problems
        As in `open_matrix`.
    """
    if not selector:
        return np.arange(len(barcodes))
    column, equals, value = (part.strip() for part in selector.partition("="))
    value = value.strip("\"'")
    if column == "suffix" and (obs is None or column not in obs):
        return _by_suffix(barcodes, value, shown, problems)
    if obs is None:
        problems.error(shown, "only an .h5ad (or .zarr, .loom, .h5mu, .rds) can be shared by samples with "
                       "'#column=value'", "remove what follows '#', or give '#suffix=1' for barcodes -1")  # fmt: skip
        return None
    if not equals or column not in obs:
        problems.error(shown, f"the h5ad has no obs column {column!r}", suggestion(column, obs.columns))
        return None
    words = _words(obs[column])
    rows = np.flatnonzero(words == value)
    if len(rows) == 0:
        levels = [str(v) for v in pd.unique(words)]
        problems.error(shown, f"no cell has {column} = {value!r}", suggestion(value, levels))
        return None
    return rows


def _words(values: pd.Series) -> np.ndarray:
    """A column as words; whole numbers without `.0`."""
    if values.dtype.kind == "f":
        given = values.to_numpy()
        whole = np.isfinite(given) & (given == np.floor(given))
        return np.array([str(int(v)) if w else str(v) for v, w in zip(given, whole, strict=True)], dtype=object)
    return values.astype(str).to_numpy(dtype=object)


def _by_suffix(barcodes: np.ndarray, value: str, shown: str, problems: Problems) -> np.ndarray | None:
    ends = re.compile(rf"[-_]{re.escape(value)}$")
    rows = np.flatnonzero(np.array([bool(value and ends.search(str(b))) for b in barcodes], dtype=bool))
    if len(rows) == 0:
        there = ", ".join(f"-{n} ({c} cells)" for n, c in list(suffixes(barcodes).items())[:12]) or "none"
        problems.error(shown, f"no barcode ends in -{value}", f"the endings are: {there}", value=value)
        return None
    return rows
