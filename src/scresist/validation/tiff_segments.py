"""A page of a TIFF that is sliced like an array: only the tiles or strips in use are read and decompressed."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scresist.checks import InputError

KEPT_BYTES = 64_000_000  # of decompressed tiles that are not decompressed again
ONE_SEGMENT = 1_000_000_000  # bytes of the largest strip that is decompressed as a whole
LIGHT = 255  # of a tile that a slide scanner left out, because there is no tissue


class TiffSegments:
    """Rows x columns, or rows x columns x colours, of a page whose tiles or strips are decompressed one by one.

    Parameters
    ----------
    path
        The file; messages name it.
    page
        Of tifffile, whose file stays open as long as this is sliced.

    Raises
    ------
    InputError
        If a tile cannot be decompressed, or a strip of the page is too large.
    """

    def __init__(self, path: Path, page: Any) -> None:
        self.path, self.page = path, page
        height, width, colours = page.imagelength, page.imagewidth, page.samplesperpixel
        self.shape: tuple[int, ...] = (height, width) if colours == 1 else (height, width, colours)
        self.ndim, self.dtype = len(self.shape), np.dtype(page.dtype)
        self.colours = colours
        self.separate = colours > 1 and page.planarconfig == 2  # each colour has segments of its own
        self.size = (page.tilelength, page.tilewidth) if page.is_tiled else (min(page.rowsperstrip, height), width)
        self.across = -(-width // self.size[1])
        self.down = -(-height // self.size[0])
        bytes_of_one = self.size[0] * self.size[1] * self.dtype.itemsize * (1 if self.separate else colours)
        if bytes_of_one > ONE_SEGMENT:
            raise InputError(
                f"{path}: the image is compressed in one piece of {bytes_of_one / 1e9:.1f} GB, which cannot be read in "
                "parts; save it as tiled TIFF"
            )
        self.kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def __getitem__(self, at: Sequence[Any]) -> np.ndarray:
        """Pixels of slices of rows and columns, and of colours."""
        (y0, y1, sy), (x0, x1, sx) = (s.indices(n) for s, n in zip(at[:2], self.shape[:2], strict=True))
        colours = range(*at[2].indices(self.colours)) if len(at) > 2 else range(self.colours)
        rows, columns = range(y0, y1, sy), range(x0, x1, sx)
        out = np.zeros((len(rows), len(columns), len(colours)), dtype=self.dtype)
        for band in _touched(rows, self.size[0]):
            to_rows, of_rows = _part(rows, band, self.size[0])
            for part in _touched(columns, self.size[1]):
                to_columns, of_columns = _part(columns, part, self.size[1])
                for to, colour in enumerate(colours):
                    plane = colour if self.separate else 0
                    segment = self._segment((plane * self.down + band) * self.across + part)
                    found = segment[of_rows, of_columns, 0 if self.separate else colour]
                    out[to_rows, to_columns, to] = found
        return out if self.ndim == 3 else out[..., 0]

    def _segment(self, index: int) -> np.ndarray:
        if index in self.kept:
            self.kept.move_to_end(index)
            return self.kept[index]
        while self.kept and sum(a.nbytes for a in self.kept.values()) >= KEPT_BYTES:
            self.kept.popitem(last=False)
        self.kept[index] = segment = self._read(index)
        return segment

    def _read(self, index: int) -> np.ndarray:
        page = self.page
        n_bytes = page.databytecounts[index] if index < len(page.databytecounts) else 0
        if not n_bytes:
            fill = LIGHT if self.ndim == 3 and self.dtype == np.uint8 else 0
            return np.full((*self.size, 1 if self.separate else self.colours), fill, dtype=self.dtype)
        file = page.parent.filehandle
        file.seek(page.dataoffsets[index])
        packed = file.read(n_bytes)
        try:
            found, _, _ = page.decode(packed, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader)
        except (ValueError, RuntimeError, NotImplementedError) as error:  # a codec's own errors are RuntimeErrors
            raise InputError(
                f"{self.path}: tile {index + 1} of {len(page.databytecounts)} cannot be decompressed ({error}); export "
                "the image again, with LZW, deflate, JPEG or no compression"
            ) from error
        return np.asarray(found)[0]


def _touched(at: range, size: int) -> list[int]:
    """The tiles of this size in which the pixels are, ascending."""
    return sorted({k // size for k in at})


def _part(at: range, tile: int, size: int) -> tuple[slice, slice]:
    """Where the pixels of one tile go, and where in the tile they are."""
    first = max(0, -(-(tile * size - at.start) // at.step))
    last = min(len(at), -(-((tile + 1) * size - at.start) // at.step))
    start = at.start + first * at.step - tile * size
    return slice(first, last), slice(start, start + (last - first - 1) * at.step + 1, at.step)
