"""Component images of multiplex immunofluorescence and their masks: intensities of every cell, tile by tile."""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.kernels.stains import grown_labels, label_sums
from scresist.validation.image_files import boxes, opened_pages

MEMBRANE = 2  # pixels between a cell and its membrane, at most
TILE = 1024


def component_intensities(image: np.ndarray | str | Path, mask: np.ndarray | str | Path, *,
                          names: list[str] | None = None, tile: int = TILE) -> pd.DataFrame:  # fmt: skip
    """Mean intensity of every channel in every cell of a mask, and the cells' centres.

    Parameters
    ----------
    image
        Rows x columns x channels, or a component TIFF of inForm or QuPath: one page per channel, which it may name.
    mask
        Labels of cells, rows x columns; or the segmentation maps of inForm, whose nuclei, cytoplasms and membranes are
        joined by their label.
    names
        Of the channels, where the file has none.
    tile
        Pixels of a side; memory grows with its square, and with the number of cells.

    Returns
    -------
    One row per label: cell, y, x, area (pixels), one column per channel.

    Raises
    ------
    InputError
        If the mask does not have the size of the image, has no cell, or the number of names is not that of channels.
    """
    with ExitStack() as files:
        channels, found = _channels(image, files)
        named = names or found
        if len(named) != len(channels):
            raise InputError(f"{len(named)} names are given for {len(channels)} channels")
        labels = _Labels.of(mask, files)
        size = channels[0].shape
        if labels.shape != size:
            raise InputError(f"the mask has {labels.shape} pixels and the image {size}; they must be of one size")
        parts = pd.concat([_sums(channels, labels, box) for box in boxes(size, tile)], ignore_index=True)
    totals = parts.groupby("cell").sum()
    if not len(totals):
        raise InputError("the mask has no cell: every label is 0")
    means = totals.drop(columns="area").div(totals["area"], axis=0)
    means.columns = pd.Index(["y", "x", *named])
    means.insert(2, "area", totals["area"].astype(np.int64))
    return means.reset_index()


def _sums(channels: list[Any], labels: "_Labels", box: tuple[int, int, int, int]) -> pd.DataFrame:
    """Per label of one tile: pixels, and sums of rows, columns and channels."""
    top, bottom, left, right = box
    rows, columns = np.mgrid[top:bottom, left:right]
    numbers, sums = label_sums([np.ones(rows.shape), rows, columns, *(c[top:bottom, left:right] for c in channels)],
                               labels.tile(box))  # fmt: skip
    table = pd.DataFrame(sums, columns=["area", *range(sums.shape[1] - 1)])
    table.insert(0, "cell", numbers)
    return table[numbers > 0]


def _channels(image: np.ndarray | str | Path, files: ExitStack) -> tuple[list[Any], list[str]]:
    """Channels that can be sliced, and the names that the descriptions of a component TIFF give."""
    if isinstance(image, np.ndarray):
        return [image[..., k] for k in range(image.shape[2])], [f"channel {k + 1}" for k in range(image.shape[2])]
    pages = files.enter_context(opened_pages(Path(image)))
    flat = [(page, text) for page, text in pages if page.ndim == 2]
    if not flat:
        raise InputError(f"{image}: the image has no page of one channel; got {pages[0][0].shape}. Export the "
                         "component image, one page per channel")  # fmt: skip
    names = [(re.findall(r"<Name>(.*?)</Name>", text) or [f"channel {k}"])[0] for k, (_, text) in enumerate(flat, 1)]
    return [page for page, _ in flat], names


@dataclass(frozen=True, slots=True)
class _Labels:
    """One mask of cells: a page of labels, or nuclei, cytoplasms and (by the nearest cell) membranes of inForm."""

    shape: tuple[int, ...]
    cells: list[Any]
    membranes: list[Any]

    @classmethod
    def of(cls, mask: np.ndarray | str | Path, files: ExitStack) -> "_Labels":
        if isinstance(mask, np.ndarray):
            return cls(mask.shape, [mask], [])
        pages = files.enter_context(opened_pages(Path(mask)))
        by_kind: dict[str, list[Any]] = {}
        for page, text in pages:
            by_kind.setdefault((re.findall(r"<CompartmentType>(.*?)</", text) or [""])[0], []).append(page)
        cells = [*by_kind.get("Nucleus", ()), *by_kind.get("Cytoplasm", ())] or [pages[0][0]]
        return cls(cells[0].shape, cells, by_kind.get("Membrane", []))

    def tile(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """Labels of one tile: those of a nucleus first, then of a cytoplasm, then of a membrane beside one."""
        top, bottom, left, right = box
        y0, x0 = max(0, top - MEMBRANE), max(0, left - MEMBRANE)
        wide = slice(y0, bottom + MEMBRANE), slice(x0, right + MEMBRANE)
        joined = np.zeros((), dtype=np.int64)
        for page in self.cells:
            joined = np.where(joined == 0, page[wide].astype(np.int64), joined)
        if self.membranes:
            near = grown_labels(joined, MEMBRANE)  # the map of membranes has no labels
            for page in self.membranes:
                joined = np.where((joined == 0) & (page[wide] > 0), near, joined)
        return joined[top - y0 : bottom - y0, left - x0 : right - x0]
