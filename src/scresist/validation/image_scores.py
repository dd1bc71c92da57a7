"""A sheet of stained images of the samples becomes cells, H-scores of cores, and overlays to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, counted, require_positive, suggestion
from scresist.results import Result
from scresist.validation.assay_table import Rows, number_column, read_assay
from scresist.validation.image_files import image_size, require_colours
from scresist.validation.images import CUTS, WHERE, ihc_image
from scresist.validation.readers import one_patient

SHEET = "ihc_images"
READER = "image"
BESIDE = " (image)"  # after the name of a marker that readers scored too
OVERLAY_PIXELS = 4_000_000
CELLS = ("patient", "sample", "marker", "core", "cell", "x_um", "y_um", "area_um2", "dab", "haematoxylin", "class")
CORES = ("patient", "sample", "marker", "core", "image", "where", "n_cells", "weak", "moderate", "strong",
         "positive_percent", "h_score", "overlay", "reason")  # fmt: skip


@dataclass(frozen=True, slots=True)
class ImageScores:
    """Tables `validation_ihc_cores` and `validation_ihc_cells`, and the rows that `ihc` reads like a reader's."""

    cores: Result
    cells: Result
    scores: pd.DataFrame


def read_sheet(table: pd.DataFrame, folder: Path, *, um_per_pixel: float | None = None) -> pd.DataFrame:
    """The sheet of images with the paths of images and masks, checked one by one; no image is read but for its size.

    Parameters
    ----------
    table
        One row per image: patient, sample, marker, image (path), and any of core, mask (path), um_per_pixel, where
        (nucleus, cytoplasm, cell), white_red, white_green, white_blue.
    folder
        That paths are relative to: the one of the sheet.
    um_per_pixel
        Scale of images whose row has none.

    Raises
    ------
    InputError
        If a file does not exist or cannot be read, a mask does not have the size of its image, an image has no scale,
        an image or core is there twice, or a word is unknown; with the row of the file.
    """
    given, rows = read_assay(table, SHEET, names=("patient", "sample", "marker", "image"), numbers=(),
                             filled={"core": "", "mask": "", "where": "cell"})  # fmt: skip
    rows.refuse(given["image"] == "", "no image is named", list(given["image"]))
    rows.refuse(~given["where"].isin(WHERE), f"where must be one of {', '.join(WHERE)}", list(given["where"]))
    given["core"] = given["core"].where(given["core"] != "", given["image"].map(lambda v: Path(v).stem))
    scale = number_column(given["um_per_pixel"], "um_per_pixel", rows, may_miss=True) if "um_per_pixel" in given else (
        pd.Series(np.nan, index=given.index))  # fmt: skip
    given["um_per_pixel"] = scale.fillna(np.nan if um_per_pixel is None else um_per_pixel)
    rows.refuse(given["um_per_pixel"].isna(), "the image has no scale; give um_per_pixel, the micrometres of a pixel",
                list(given["image"]))  # fmt: skip
    rows.refuse(given["um_per_pixel"] <= 0, "um_per_pixel must be above 0", list(given["um_per_pixel"]))
    rows.refuse(given["um_per_pixel"] > 2, "a pixel of more than 2 um is too coarse for nuclei; give the finest level",
                list(given["um_per_pixel"]))  # fmt: skip
    rows.refuse(given.duplicated("image"), "this image is there already", list(given["image"]))
    rows.refuse(given.duplicated(["sample", "marker", "core"]), "this sample, marker and core are there already; give "
                "each image a core of its own", list(given["core"]))  # fmt: skip
    one_patient(given, rows)
    _whites(given, rows)
    for name in ("image", "mask"):
        given[name] = [str(folder / v) if v else "" for v in given[name]]
        lacks = np.array([bool(v) and not Path(v).is_file() for v in given[name]])
        rows.refuse(lacks, f"the {name} does not exist; paths are relative to the sheet", list(given[name]))
    rows.stop()
    _sizes(given, rows)
    rows.stop()
    return given


def _whites(given: pd.DataFrame, rows: Rows) -> None:
    names = ["white_red", "white_green", "white_blue"]
    there = [n for n in names if n in given]
    if not there:
        return
    if len(there) < 3:
        lacks = next(n for n in names if n not in given)
        raise InputError(f"{SHEET} has {', '.join(there)} and no column {lacks}; {suggestion(lacks, given.columns)}")
    for name in names:
        given[name] = number_column(given[name], name, rows, may_miss=True)
        rows.refuse((given[name] <= 0) | (given[name] > 255), f"{name} must be above 0, up to 255", list(given[name]))
    n = given[names].notna().sum(axis=1)
    rows.refuse((n > 0) & (n < 3), "white needs its three colours", list(n))


def _sizes(given: pd.DataFrame, rows: Rows) -> None:
    """Note images that cannot be read or have no colours, and masks of another size."""
    for at, row in enumerate(given.to_dict("records")):
        bad = np.arange(len(given)) == at
        try:
            size = image_size(row["image"])
            require_colours(row["image"])
            mask = image_size(row["mask"]) if row["mask"] else size
        except InputError as error:
            rows.refuse(bad, str(error))
            continue
        if mask != size:
            rows.refuse(bad, f"the mask has {mask[0]} x {mask[1]} pixels and the image {size[0]} x {size[1]}; they "
                        "must be of one size", list(given["mask"]))  # fmt: skip


def score_images(
    table: pd.DataFrame, *, folder: Path, um_per_pixel: float | None = None,
    cuts: tuple[float, float, float] = CUTS, overlays: Path | None = None, tile: int = 2048,
) -> ImageScores:  # fmt: skip
    """Cells, percent of weak, moderate and strong ones and H-score of every image of a sheet.

    Images are read one after the other, tile by tile, so that memory does not grow with their number or their size.

    Parameters
    ----------
    table, folder, um_per_pixel
        As in `read_sheet`.
    cuts
        Optical densities of DAB from which on a cell is weakly, moderately and strongly positive.
    overlays
        Folder for one picture of each image with the outlines of its cells; None draws none.
    tile
        Pixels of a side.

    Returns
    -------
    `scores` has a row per image with `reader` image, as `ihc` and `reader_agreement` read them.

    Raises
    ------
    InputError
        As in `read_sheet` and `ihc_image`, with the row of the sheet.
    """
    for value in cuts:
        require_positive(value, "a cut")
    sheet = read_sheet(table, folder, um_per_pixel=um_per_pixel)
    cores: list[dict[str, Any]] = []
    cells: list[pd.DataFrame] = []
    notes: list[str] = []
    for row, found in _each(sheet, cuts, tile, draw=overlays is not None):
        score = found.summary.table.iloc[0].to_dict()
        place = {name: row[name] for name in ("patient", "sample", "marker", "core")}
        drawn = ""
        if overlays is not None:
            drawn = _save(found.overlay, overlays, f"{row['sample']}_{row['marker']}_{row['core']}")
        cores.append(place | {"image": Path(row["image"]).name, "where": row["where"], "overlay": drawn} | score)
        own = found.cells.assign(**place, x_um=found.cells["x"] * row["um_per_pixel"],
                                 y_um=found.cells["y"] * row["um_per_pixel"])  # fmt: skip
        cells.append(own[list(CELLS)])
        notes += [f"{Path(row['image']).name}: {note}" for note in found.summary.notes]
    out = pd.DataFrame(cores)[list(CORES)]
    empty = int((out["n_cells"] == 0).sum())
    notes += [f"{counted(empty, 'image')} without a nucleus left out of the scores"] if empty else []
    settings = {"cuts": list(cuts)}
    method = "nuclei by haematoxylin, classes by the optical density of DAB"
    names = ["patient", "sample", "marker", "core", "weak", "moderate", "strong"]
    return ImageScores(Result(out, method, settings, tuple(notes)),
                       Result(pd.concat(cells, ignore_index=True), method, settings),
                       out.loc[out["n_cells"] > 0, names].assign(reader=READER))  # fmt: skip


def _each(sheet: pd.DataFrame, cuts: tuple[float, float, float], tile: int, *, draw: bool) -> Iterator[tuple[Any, Any]]:
    for at, row in enumerate(sheet.to_dict("records")):
        light = [row.get(f"white_{c}", np.nan) for c in ("red", "green", "blue")]
        try:
            found = ihc_image(
                row["image"], um_per_pixel=row["um_per_pixel"], mask=row["mask"] or None, where=row["where"],
                cuts=cuts, white=tuple(light) if np.isfinite(light).all() else None, tile=tile,
                overlay=draw, overlay_pixels=OVERLAY_PIXELS,
            )  # fmt: skip
        except InputError as error:
            raise InputError(f"{SHEET} row {at + 2}: {error}") from error
        yield row, found


def _save(overlay: np.ndarray, folder: Path, name: str) -> str:
    """Write a picture; its name in the folder, without marks that a file cannot have."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    plain = "".join(c if c.isalnum() or c in "+-." else "_" for c in name)[:100]
    file, number = folder / f"{plain}.png", 1
    while file.exists():
        number += 1
        file = folder / f"{plain}_{number}.png"
    Image.fromarray(overlay).save(file)
    return file.name


def with_readers(scores: pd.DataFrame | None, images: pd.DataFrame) -> pd.DataFrame:
    """Rows of readers and of images for `ihc`: a marker that readers scored too has the scores of images beside it.

    An image does not count as one more reader, because its cut-offs are not theirs.

    Parameters
    ----------
    scores
        The table of readers, or None.
    images
        `ImageScores.scores`.
    """
    if scores is None:
        return images
    known = set(scores["marker"].astype(str).str.strip())
    beside = images["marker"].where(~images["marker"].isin(known), images["marker"] + BESIDE)
    return pd.concat([scores, images.assign(marker=beside)], ignore_index=True)
