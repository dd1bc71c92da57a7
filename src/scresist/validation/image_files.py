"""Image files that can be sliced without being read whole: PNG, JPEG, TIFF, whole slides; masks of labels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from scresist.checks import InputError

TIFFS, SLIDES = frozenset({".tif", ".tiff"}), frozenset({".svs", ".ndpi", ".mrxs", ".scn"})


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
    import tifffile
    import zarr

    try:
        opened = tifffile.TiffFile(path)
    except (tifffile.TiffFileError, OSError) as error:
        raise InputError(f"{path}: the image cannot be read ({error}); export it again") from error
    with opened as file:
        page: Any = file.pages[0]
        mapped, compression = page.is_memmappable, page.compression.name
        tiled = compression in {"NONE", "ADOBE_DEFLATE", "DEFLATE"}
        if mapped:
            yield page.asarray(out="memmap")
        elif tiled:
            with page.aszarr() as store:
                yield zarr.open(store, mode="r")
    if not mapped and not tiled:
        yield read_pages(path)[0]


class _Slide:
    """A whole slide that is sliced like an array of its finest level, and read region by region."""

    ndim, dtype = 3, np.dtype(np.uint8)

    def __init__(self, slide: Any) -> None:
        self.slide = slide
        self.shape = (slide.dimensions[1], slide.dimensions[0], 3)

    def __getitem__(self, at: tuple[Any, ...]) -> np.ndarray:
        (y0, y1, step), (x0, x1, _) = (s.indices(n) for s, n in zip(at[:2], self.shape[:2], strict=True))
        level = self.slide.get_best_level_for_downsample(step) if step > 1 else 0
        down = self.slide.level_downsamples[level]
        size = (max(1, int((x1 - x0) / down)), max(1, int((y1 - y0) / down)))
        found = np.asarray(self.slide.read_region((x0, y0), level, size).convert("RGB"))
        left = max(1, round(step / down))
        return found[::left, ::left]


@contextmanager
def _slide(path: Path) -> Iterator[_Slide]:
    try:
        import openslide
    except ImportError:
        raise InputError(f"{path}: reading this slide needs the package openslide-python and the library OpenSlide; "
                         "install them, or export the region as TIFF") from None  # fmt: skip
    with openslide.OpenSlide(path) as slide:
        yield _Slide(slide)


def read_pages(path: Path) -> list[np.ndarray]:
    """Every page of an image file, as arrays.

    Parameters
    ----------
    path
        TIFF of any compression that Pillow reads (LZW, deflate, JPEG, none).

    Raises
    ------
    InputError
        If it cannot be read.
    """
    from PIL import Image, ImageSequence, UnidentifiedImageError

    try:
        with Image.open(path) as file:
            return [np.array(frame) for frame in ImageSequence.Iterator(file)]
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(
            f"{path}: the image cannot be read ({error}); save it as TIFF with LZW or no compression"
        ) from error
