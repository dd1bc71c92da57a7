"""Image files and masks of labels that can be sliced: TIFF and whole slides by their tiles, PNG and JPEG whole."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scresist.checks import InputError
from scresist.validation.tiff_segments import LIGHT, TiffSegments

TIFFS, SLIDES = frozenset({".tif", ".tiff"}), frozenset({".svs", ".ndpi", ".mrxs", ".scn"})
REGION = 2048  # pixels of a side of a slide that are read at a time where it is sampled


def image_size(image: str | Path) -> tuple[int, int]:
    """Rows and columns of an image file, of which nothing else is read.

    Parameters
    ----------
    image
        PNG, JPEG, TIFF, or a whole slide.

    Raises
    ------
    InputError
        If it does not exist or cannot be read.
    """
    path = Path(image)
    if path.suffix.lower() in TIFFS | SLIDES:
        with opened(path) as pixels:
            return int(pixels.shape[0]), int(pixels.shape[1])
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            return int(file.height), int(file.width)
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path}: the image cannot be read ({error}); save it as PNG, or a large one as tiled TIFF"
        ) from error


def boxes(size: tuple[int, ...], tile: int) -> Iterator[tuple[int, int, int, int]]:
    """Top, bottom, left and right of the tiles of an image, row by row.

    Parameters
    ----------
    size
        Rows and columns of the image.
    tile
        Pixels of a side.
    """
    for top in range(0, size[0], tile):
        for left in range(0, size[1], tile):
            yield top, min(top + tile, size[0]), left, min(left + tile, size[1])


def require_colours(image: str | Path) -> None:
    """Raise where an image file is not of red, green and blue of 8 bits; of PNG and JPEG only the header is read.

    Parameters
    ----------
    image
        As in `image_size`.

    Raises
    ------
    InputError
        Where it is not.
    """
    path = Path(image)
    if path.suffix.lower() in TIFFS | SLIDES:
        with opened(path) as pixels:
            right, seen = pixels.ndim == 3 and pixels.shape[2] >= 3 and pixels.dtype == np.uint8, str(pixels.dtype)
    else:
        from PIL import Image

        with Image.open(path) as file:
            right, seen = file.mode in ("RGB", "RGBA"), file.mode
    if not right:
        raise InputError(f"{path.name}: the image must be in colour, red, green and blue of 8 bits; it is {seen}")


@contextmanager
def opened_labels(mask: np.ndarray | str | Path | None) -> Iterator[Any]:
    """Labels that can be sliced; None without a mask."""
    if mask is None:
        yield None
        return
    with opened(mask) as labels:
        if labels.ndim != 2 or np.dtype(labels.dtype).kind not in "iub":
            raise InputError(f"the mask must be rows x columns of whole numbers; got {labels.shape} of {labels.dtype}")
        yield labels


@contextmanager
def opened(image: np.ndarray | str | Path) -> Iterator[Any]:
    """Pixels that can be sliced: an array, or a TIFF of which only the tiles in use are read."""
    if isinstance(image, np.ndarray):
        yield image
        return
    path = Path(image)
    if not path.exists():
        raise InputError(f"{path}: the image does not exist")
    if path.suffix.lower() in TIFFS:
        with _tiff(path) as pixels:
            yield pixels
    elif path.suffix.lower() in SLIDES:
        with _slide(path) as pixels:
            yield pixels
    else:
        from skimage.io import imread

        yield imread(path)


@contextmanager
def _tiff(path: Path) -> Iterator[Any]:
    with opened_pages(path) as pages:
        planes = [p for p, _ in pages if p.ndim == 2 and p.dtype == np.uint8]
        yield _Colours(planes) if len(planes) == len(pages) == 3 else pages[0][0]


@contextmanager
def opened_pages(path: Path) -> Iterator[list[tuple[Any, str]]]:
    """The pages of a TIFF that have its largest size, each with its description; thumbnails and coarser levels are not.

    Pages can be sliced by rows and columns, and only the tiles or strips in use are read.

    Parameters
    ----------
    path
        TIFF of any compression, tiled or in strips.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    import tifffile

    if not path.exists():
        raise InputError(f"{path}: the image does not exist")
    try:
        file = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError) as error:
        raise InputError(f"{path}: the image cannot be read ({error}); export it again") from error
    with file:
        found: list[Any] = list(file.pages)
        size = max(((p.imagelength, p.imagewidth) for p in found), key=math.prod)
        yield [(_page(path, p), _text(p)) for p in found if (p.imagelength, p.imagewidth) == size]


def _page(path: Path, page: Any) -> Any:
    if page.is_memmappable and page.axes in {"YX", "YXS"}:
        return page.asarray(out="memmap")
    return TiffSegments(path, page)


def _text(page: Any) -> str:
    return str(page.tags["ImageDescription"].value) if "ImageDescription" in page.tags else ""


class _Colours:
    """Red, green and blue that are pages of their own, sliced like one image."""

    ndim, dtype = 3, np.dtype(np.uint8)

    def __init__(self, planes: list[Any]) -> None:
        self.planes = planes
        self.shape = (*planes[0].shape, 3)

    def __getitem__(self, at: tuple[Any, ...]) -> np.ndarray:
        return np.stack([np.asarray(p[at[:2]]) for p in self.planes[at[2]]], axis=-1)


class _Slide:
    """A whole slide that is sliced like an array of its finest level, and read region by region."""

    ndim, dtype = 3, np.dtype(np.uint8)

    def __init__(self, slide: Any) -> None:
        self.slide = slide
        self.shape = (slide.dimensions[1], slide.dimensions[0], 3)

    def __getitem__(self, at: tuple[Any, ...]) -> np.ndarray:
        (y0, y1, sy), (x0, x1, sx) = (s.indices(n) for s, n in zip(at[:2], self.shape[:2], strict=True))
        if (y1 - y0) * (x1 - x0) <= REGION**2:
            return self._region(y0, y1, x0, x1)[::sy, ::sx]
        # The finest level is sampled, never a coarser one, whose pixels are averages: colours and thresholds are then
        # those that the same image gives as TIFF.
        side = [max(1, REGION // s) * s for s in (sy, sx)]
        return np.concatenate([
            np.concatenate([self._region(y, min(y + side[0], y1), x, min(x + side[1], x1))[::sy, ::sx]
                            for x in range(x0, x1, side[1])], axis=1)
            for y in range(y0, y1, side[0])])  # fmt: skip

    def _region(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        found = np.asarray(self.slide.read_region((x0, y0), 0, (x1 - x0, y1 - y0)))
        return np.where(found[..., 3:] == 0, np.uint8(LIGHT), found[..., :3])  # what was not scanned is transparent


@contextmanager
def _slide(path: Path) -> Iterator[Any]:
    try:
        import openslide
    except ImportError:
        if path.suffix.lower() == ".svs":  # a tiled TIFF
            with _tiff(path) as pixels:
                yield pixels
            return
        raise InputError(f"{path}: reading this slide needs the package openslide-python and the library OpenSlide; "
                         "install them, or export the region as TIFF") from None  # fmt: skip
    try:
        slide = openslide.OpenSlide(path)
    except openslide.OpenSlideError as error:
        raise InputError(f"{path}: the slide cannot be read ({error}); export the region as TIFF") from error
    with slide:
        yield _Slide(slide)
