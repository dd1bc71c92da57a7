"""How one file divides into samples: the columns of its obs, or the numbers behind its barcodes."""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from scresist.reading.content import kind_of, unpacked
from scresist.reading.identity import libraries
from scresist.reading.layouts import find_place
from scresist.reading.market import Triplet, name_table
from scresist.reading.tenx_h5 import groups_of, text
from scresist.study.paths import Located, companions, locate
from scresist.study.problems import Problems

USUAL = (
    "sample",
    "patient",
    "dono",
    "orig.ident",
    "library",
    "batch",
    "gsm",
    "case",
    "subj",
    "individual",
    "biopsy",
)


def check_paths(paths: pd.Series, file: str, folder: Path, problems: Problems) -> bool:
    """Whether every sample has cells of its own as far as paths show it: no file twice, and none whole beside a part.

    Parameters
    ----------
    paths
        Path of every sample, as in the sheet.
    file
        Name of the sheet, for messages.
    folder
        What relative paths are relative to.
    problems
        Receives an error per file that samples share, with the ways to divide it.
    """
    by_file: dict[str, list[tuple[str, Located]]] = {}
    for sample, given in paths.items():
        located = locate(folder, str(given))
        by_file.setdefault(located.identity[0], []).append((str(sample), located))
    fine = True
    for rows in by_file.values():
        selectors = [located.selector for _, located in rows]
        if len(rows) < 2 or (len(set(selectors)) == len(rows) and "" not in selectors):
            continue
        fine = False
        named = ", ".join(sample for sample, _ in rows)
        if set(selectors) == {""}:
            what = f"{len(rows)} samples have the same path: {named}; each cell would count {len(rows)} times"
        elif "" in selectors:
            what = f"samples share one file and not all of them name their part of it: {named}"
        else:
            what = f"samples name the same part of one file: {named}"
        problems.error(
            file, what,
            f"give every sample its own file, or its own cells of this one: {ways_to_divide(rows[0][1].path)}",
            row=f"sample {rows[1][0]}", column="path", value=str(paths[rows[1][0]]),
        )  # fmt: skip
    return fine


def ways_to_divide(path: Path) -> str:
    """Selectors by which samples could share a file, in the words of a remedy.

    Parameters
    ----------
    path
        As `locate` gives it.
    """
    general = "path#column=value of an h5ad's obs, or path#suffix=1 for barcodes that end in -1"
    try:
        barcodes, obs = _cells_of(path)
    except (OSError, ValueError, KeyError, EOFError, TypeError):  # what is wrong with the file is reported elsewhere
        return general
    ends = libraries(barcodes)
    ways = []
    if ends:
        ways.append(f"{path.name}#suffix=1 to #suffix={list(ends)[-1]} (the barcodes end in {len(ends)} numbers)")
    levels = {str(c): int(obs[c].nunique()) for c in obs.columns} if obs is not None else {}
    usual = [
        c for c, n in levels.items() if 2 <= n <= max(2, len(barcodes) // 2) and any(u in c.lower() for u in USUAL)
    ]
    for column in usual[:3]:
        value = str(obs[column].iloc[0]) if obs is not None else ""
        ways.append(f"{path.name}#{column}={value} ({levels[column]} values)")
    return "; or ".join(ways) or general


def _cells_of(path: Path) -> tuple[np.ndarray, pd.DataFrame | None]:
    if path.is_dir() or companions(path) or kind_of(path) == "market":
        place = find_place(path, path.name, Problems())
        if place is not None and isinstance(place.source, Triplet):
            return np.array([r[0] for r in name_table(place.source.barcodes)], dtype=object), None
        if place is None or not isinstance(place.source, Path):
            return np.array([], dtype=object), None
        path = place.source
    if path.is_file() and kind_of(path) == "hdf5":
        with unpacked(path) as file, h5py.File(file, "r") as opened:
            if groups_of(opened):
                return text(opened[groups_of(opened)[0]]["barcodes"]), None
            if "obs" in opened:
                from anndata.io import read_elem

                obs = read_elem(opened["obs"])
                return np.array(obs.index.astype(str), dtype=object), obs
    return np.array([], dtype=object), None
