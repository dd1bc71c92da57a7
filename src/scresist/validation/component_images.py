"""Component images of multiplex immunofluorescence and their masks: intensities of every cell."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
from skimage.segmentation import expand_labels

from scresist.checks import InputError
from scresist.kernels.stains import cell_means
from scresist.validation.image_files import read_pages

MEMBRANE = 2  # pixels between a cell and its membrane, at most


def component_intensities(image: np.ndarray | str | Path, mask: np.ndarray | str | Path, *,
                          names: list[str] | None = None) -> pd.DataFrame:  # fmt: skip
    """Mean intensity of every channel in every cell of a mask, and the cells' centres.

    Parameters
    ----------
    image
        Rows x columns x channels, or a component TIFF of inForm: one page per channel, which it names.
    mask
        Labels of cells, rows x columns; or the segmentation maps of inForm, whose nuclei, cytoplasms and membranes are
        joined by their label.
    names
        Of the channels, where the file has none.

    Returns
    -------
    One row per label: cell, y, x, area (pixels), one column per channel.

    Raises
    ------
    InputError
        If the mask does not have the size of the image, has no cell, or the number of names is not that of channels.
    """
    channels, found = (image, names) if isinstance(image, np.ndarray) else component_channels(Path(image))
    names = names or found or [f"channel {k + 1}" for k in range(channels.shape[2])]
    if len(names) != channels.shape[2]:
        raise InputError(f"{len(names)} names are given for {channels.shape[2]} channels")
    labels = mask if isinstance(mask, np.ndarray) else _joined(Path(mask))
    if labels.shape != channels.shape[:2]:
        raise InputError(
            f"the mask has {labels.shape} pixels and the image {channels.shape[:2]}; they must be of one size"
        )
    numbers = np.unique(labels[labels > 0])
    if not numbers.size:
        raise InputError("the mask has no cell: every label is 0")
    rows, columns = np.indices(labels.shape)
    centres = cell_means(np.stack([rows, columns], axis=-1), labels, numbers)
    table = pd.DataFrame({"cell": numbers, "y": centres[:, 0], "x": centres[:, 1],
                          "area": np.bincount(labels.ravel().astype(np.int64))[numbers]})  # fmt: skip
    return table.join(pd.DataFrame(cell_means(channels, labels, numbers), columns=names))


def page_texts(path: Path) -> list[str]:
    """The description of every page of a TIFF; empty where it has none."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        return [
            str(page.tags["ImageDescription"].value) if "ImageDescription" in page.tags else "" for page in file.pages
        ]


def component_channels(path: Path) -> tuple[np.ndarray, list[str]]:
    """The full-resolution pages of a component TIFF and the names that its descriptions give."""
    pages, texts = read_pages(path), page_texts(path)
    kept = [k for k, p in enumerate(pages) if p.ndim == 2 and p.shape == pages[0].shape]
    names = [(re.findall(r"<Name>(.*?)</Name>", texts[k]) or [f"channel {k + 1}"])[0] for k in kept]
    return np.stack([pages[k] for k in kept], axis=-1), names


def _joined(path: Path) -> np.ndarray:
    """One mask of cells: nuclei, cytoplasms and (by the nearest cell) membranes of inForm; else the first page."""
    pages, texts = read_pages(path), page_texts(path)
    kinds = [(re.findall(r"<CompartmentType>(.*?)</", t) or [""])[0] for t in texts]
    if not any(kinds):
        return pages[0].astype(np.int64)
    joined = np.zeros(pages[0].shape, dtype=np.int64)
    for page, kind in zip(pages, kinds, strict=True):
        if kind in {"Nucleus", "Cytoplasm"}:
            joined = np.where((joined == 0) & (page > 0), page, joined)
    near = expand_labels(joined, distance=MEMBRANE)  # the map of membranes has no labels
    for page, kind in zip(pages, kinds, strict=True):
        if kind == "Membrane":
            joined = np.where((joined == 0) & (page > 0), near, joined)
    return joined
