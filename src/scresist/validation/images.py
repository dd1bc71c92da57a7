"""Stained images: nuclei, DAB of every cell, share of positive cells and H-score; intensities under a given mask."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skimage.filters import threshold_otsu
from skimage.segmentation import find_boundaries

from scresist.checks import InputError, require_choice, require_positive
from scresist.kernels.nuclei import nuclei
from scresist.kernels.stains import cell_means, rings, unmix, white_point
from scresist.results import Result
from scresist.validation.image_files import boxes, opened, opened_labels

CUTS = (0.2, 0.4, 0.6)  # optical density of DAB from which on a cell is weak, moderate, strong
WHERE = ("nucleus", "cytoplasm", "cell")
OVERLAY_PIXELS = 16_000_000  # of the largest overlay
CUT_OFF, SHARE_CUT_OFF = 255, 0.01  # largest value of a channel, and the share of pixels at it that is pointed out
WHITE = 99.0  # percentile of a channel that is light without tissue
NUCLEUS_UM, RING_UM, SMOOTH_UM, SMALLEST_UM2 = 3.0, 3.0, 0.75, 12.0
MARGIN_UM = 36.0  # around a tile, so that a nucleus on its edge is whole
SAMPLED = 1_000_000  # pixels that the light and the threshold are learnt from
COLOURS = np.array([[70, 110, 220], [250, 210, 60], [245, 140, 40], [200, 30, 30]], dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class StainedCells:
    """Cells with y, x (pixels), area, dab and class (0 to 3); the H-score and what it rests on; an overlay to check."""

    cells: pd.DataFrame
    summary: Result
    overlay: np.ndarray = field(repr=False)


def ihc_image(
    image: np.ndarray | str | Path, *, um_per_pixel: float, mask: np.ndarray | str | Path | None = None,
    where: str = "cell",
    cuts: tuple[float, float, float] = CUTS, white: tuple[float, float, float] | None = None, tile: int = 2048,
    overlay: bool = True, overlay_pixels: int = OVERLAY_PIXELS,
) -> StainedCells:  # fmt: skip
    """Nuclei, DAB of each cell, percent of positive cells and H-score of a haematoxylin and DAB image.

    Light without tissue and the threshold of nuclei are learnt from a regular sample of the whole image, so that tiles
    do not differ; a nucleus counts in the tile where its centre lies.

    Parameters
    ----------
    image
        Rows x columns x 3 of 8 bits, or a file: PNG, JPEG, TIFF (also tiled, of any size), or, where openslide is
        installed, a whole slide.
    um_per_pixel
        Micrometres of a pixel.
    mask
        Labels of nuclei or cells, rows x columns, instead of those found here; an array or a file (PNG, TIFF).
    where
        DAB is measured in the nucleus | the cytoplasm (up to 3 um around it) | the cell (both).
    cuts
        Optical densities of DAB from which on a cell is weakly, moderately and strongly positive.
    white
        Red, green and blue of light without tissue, 1 to 255; None learns it from the image, which is too low where
        the image is so bright that light is cut off at 255 (a note tells).
    tile
        Pixels of a side; memory grows with its square.
    overlay
        Draw outlines (blue negative, yellow weak, orange moderate, red strong) over the image.
    overlay_pixels
        The overlay of a larger image is drawn smaller, so that memory stays bounded.

    Raises
    ------
    InputError
        If the image is no colour image of 8 bits, the mask has another size, or a number is not positive.
    """
    require_choice(where, WHERE, "where")
    require_positive(um_per_pixel, "um_per_pixel")
    if not 0 < cuts[0] < cuts[1] < cuts[2]:
        raise InputError(f"cuts must be three densities that rise from above 0; got {cuts}")
    if white is not None and not (len(white) == 3 and all(0 < w <= CUT_OFF for w in white)):
        raise InputError(f"white must be red, green and blue of light without tissue, each up to 255; got {white}")
    if tile < 64:
        raise InputError(f"tile must be at least 64 pixels; got {tile}")
    with opened(image) as pixels, opened_labels(mask) as labels:
        if pixels.ndim != 3 or pixels.shape[2] < 3 or pixels.dtype != np.uint8:
            raise InputError(f"the image must be rows x columns x 3 of 8 bits; got {pixels.shape} of {pixels.dtype}")
        size = int(pixels.shape[0]), int(pixels.shape[1])
        if labels is not None and tuple(labels.shape) != size:
            raise InputError(f"the mask has {labels.shape} pixels and the image {size}; they must be of one size")
        sampled = np.asarray(pixels[:: (step := _step(size, SAMPLED)), ::step, :3])
        light = white_point(sampled, WHITE) if white is None else np.asarray(white, float)
        haematoxylin, _ = unmix(sampled, light)
        threshold = float(threshold_otsu(haematoxylin)) if np.ptp(haematoxylin) > 0 else np.inf
        canvas = _Canvas.of(size, overlay_pixels) if overlay else None
        parts = [_one_tile(pixels, labels, box, light, threshold, um_per_pixel, where, cuts, canvas)
                 for box in boxes(size, tile)]  # fmt: skip
    cells = pd.concat(parts, ignore_index=True)
    cells.insert(0, "cell", np.arange(1, len(cells) + 1))
    cut = float((sampled == CUT_OFF).all(axis=2).mean()) if white is None else 0.0
    shown = canvas.pixels if canvas is not None else np.zeros((0, 0, 3), dtype=np.uint8)
    return StainedCells(cells, _summary(cells, cuts, light, threshold, where, cut), shown)


def _summary(cells: pd.DataFrame, cuts: tuple[float, float, float], white: np.ndarray, threshold: float,
             where: str, cut_off: float) -> Result:  # fmt: skip
    n = len(cells)
    share = [100.0 * float((cells["class"] == k).mean()) if n else np.nan for k in range(4)]
    row = {"n_cells": n, "weak": share[1], "moderate": share[2], "strong": share[3],
           "positive_percent": 100.0 - share[0], "h_score": share[1] + 2 * share[2] + 3 * share[3],
           "reason": "" if n else "no nucleus was found"}  # fmt: skip
    settings = {"cuts": cuts, "white": [round(float(w), 1) for w in white], "threshold": threshold, "where": where}
    notes = (f"{cut_off:.0%} of the pixels are white (255): light is cut off, and optical densities are too low; give "
             "white, or an image that is less bright",) if cut_off > SHARE_CUT_OFF else ()  # fmt: skip
    return Result(pd.DataFrame([row]), "nuclei by haematoxylin, classes by the optical density of DAB", settings, notes)


def _one_tile(
    pixels: Any, mask: Any, box: tuple[int, int, int, int], white: np.ndarray, threshold: float, um: float, where: str,
    cuts: tuple[float, float, float], canvas: "_Canvas | None",
) -> pd.DataFrame:  # fmt: skip
    top, bottom, left, right = box
    margin = int(np.ceil(MARGIN_UM / um))
    y0, y1 = max(0, top - margin), min(pixels.shape[0], bottom + margin)
    x0, x1 = max(0, left - margin), min(pixels.shape[1], right + margin)
    colours = np.asarray(pixels[y0:y1, x0:x1, :3])
    haematoxylin, dab = unmix(colours, white)
    if mask is None:
        labels = nuclei(haematoxylin, threshold=threshold, radius=NUCLEUS_UM / um, smooth=SMOOTH_UM / um,
                        least_area=int(SMALLEST_UM2 / um**2))  # fmt: skip
    else:
        labels = np.asarray(mask[y0:y1, x0:x1]).astype(np.int64)
    numbers = np.unique(labels[labels > 0])
    rows, columns = np.indices(labels.shape)
    centres = cell_means(np.stack([rows, columns], axis=-1), labels, numbers)
    around = rings(labels, max(1, round(RING_UM / um)))
    own = {"nucleus": labels, "cytoplasm": around, "cell": np.where(labels > 0, labels, around)}[where]
    found = pd.DataFrame({
        "y": centres[:, 0] + y0, "x": centres[:, 1] + x0,
        "area_um2": np.bincount(labels.ravel(), minlength=int(labels.max(initial=0)) + 1)[numbers] * um**2,
        "dab": cell_means(dab, own, numbers), "haematoxylin": cell_means(haematoxylin, labels, numbers),
    })  # fmt: skip
    found["class"] = np.digitize(found["dab"].fillna(0.0), cuts)
    here = ((found["y"] >= top) & (found["y"] < bottom) & (found["x"] >= left) & (found["x"] < right)).to_numpy()
    if canvas is not None:
        kinds = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int64)
        kinds[numbers] = found["class"]
        canvas.draw(colours, labels, kinds, box, (y0, x0))
    return found[here]


def _step(size: tuple[int, int], limit: int) -> int:
    """Of how many pixels a side one is kept, so that at most so many are."""
    return max(1, int(np.ceil(np.sqrt(size[0] * size[1] / limit))))


@dataclass(frozen=True, slots=True)
class _Canvas:
    """The overlay, of one pixel in `step` a side; tiles draw their part of it."""

    pixels: np.ndarray
    step: int

    @classmethod
    def of(cls, size: tuple[int, int], limit: int) -> "_Canvas":
        step = _step(size, limit)
        return cls(np.zeros((-(-size[0] // step), -(-size[1] // step), 3), dtype=np.uint8), step)

    def draw(
        self, colours: np.ndarray, labels: np.ndarray, kinds: np.ndarray, box: tuple[int, int, int, int],
        corner: tuple[int, int],
    ) -> None:  # fmt: skip
        """A tile's colours and the outlines of its labels, in the colour of their kind."""
        first = [-(-at // self.step) for at in corner]  # the first rows and columns of the canvas that the tile has
        rows = slice(first[0] * self.step - corner[0], None, self.step)
        columns = slice(first[1] * self.step - corner[1], None, self.step)
        shown, seen = colours[rows, columns].copy(), labels[rows, columns]
        edge = find_boundaries(seen, mode="inner")
        shown[edge] = COLOURS[kinds[seen[edge]]]
        top, bottom, left, right = (-(-at // self.step) for at in box)
        self.pixels[top:bottom, left:right] = shown[
            top - first[0] : bottom - first[0], left - first[1] : right - first[1]
        ]
