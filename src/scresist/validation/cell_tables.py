"""Cell tables of imaging programs: inForm, QuPath, MCMICRO, HALO, CosMx and Xenium, brought to one set of columns."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, MissingColumnError, counted, require_columns
from scresist.validation.assay_table import Rows, number_column

if TYPE_CHECKING:
    from anndata import AnnData

OWN = ("patient", "sample", "roi", "cell", "x_um", "y_um", "compartment", "phenotype")
NO_MARKERS = re.compile(
    r"(area|compactness|autofluorescence|^dapi|^hoechst|perimeter|circularity|axis|eccentricity|solidity|extent|orientation|distance|density|category|confidence|"
    r"^path$|lab id|inform|total cells|region|num_detected|detection probability|^survival|^age$|_id$|^id$|"
    r"[xy]min$|[xy]max$|^unnamed)",
    re.IGNORECASE,
)

# inForm, QuPath and HALO: the mean of a marker in the cell, or its call.
MARKER_COLUMNS = (
    r"Entire Cell (.+?)(?: \(.*?\))? Mean(?: \(.*\))?", r"Cell: (.+?):? mean", r"(.+) Positive Classification",
    r"(.+) Cell Intensity",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """How a program names its columns: `has` recognises it, `names` gives ours for each of its own.

    `scale` is micrometres per unit of the coordinates; NaN where they are pixels, so that a scale must be given.
    """

    program: str
    has: tuple[str, ...]
    names: Mapping[str, str]
    scale: float = 1.0


LAYOUTS = (
    Layout("inForm", ("Cell X Position", "Cell Y Position"),
           {"Cell X Position": "x_um", "Cell Y Position": "y_um", "Cell ID": "cell", "Sample Name": "roi",
            "Phenotype": "phenotype", "Tissue Category": "compartment"}),
    Layout("QuPath", ("Centroid X µm", "Centroid Y µm"),
           {"Centroid X µm": "x_um", "Centroid Y µm": "y_um", "Image": "roi", "Object ID": "cell", "Name": "phenotype",
            "Class": "phenotype", "Classification": "phenotype", "Parent": "compartment"}),
    Layout("QuPath in pixels", ("Centroid X px", "Centroid Y px"),
           {"Centroid X px": "x_um", "Centroid Y px": "y_um", "Image": "roi", "Object ID": "cell",
            "Class": "phenotype", "Classification": "phenotype", "Parent": "compartment"}, np.nan),
    Layout("HALO", ("XMin", "XMax", "YMin", "YMax"),
           {"Image Location": "roi", "Image File Name": "roi", "Object Id": "cell", "Classifier Label": "compartment"},
           np.nan),
    Layout("MCMICRO", ("X_centroid", "Y_centroid"),
           {"X_centroid": "x_um", "Y_centroid": "y_um", "CellID": "cell", "imageid": "roi", "phenotype": "phenotype"},
           np.nan),
    Layout("CosMx", ("CenterX_global_px", "CenterY_global_px"),
           {"CenterX_global_px": "x_um", "CenterY_global_px": "y_um", "cell_ID": "cell", "fov": "roi"}, np.nan),
    Layout("Xenium", ("x_centroid", "y_centroid"),
           {"x_centroid": "x_um", "y_centroid": "y_um", "cell_id": "cell"}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CellTable:
    """Cells in our columns, names of the columns of intensities and of calls, and notes on what was read."""

    cells: pd.DataFrame
    intensities: tuple[str, ...]
    calls: tuple[str, ...]
    notes: tuple[str, ...]


def read_cells(
    table: "pd.DataFrame | AnnData", *, images: pd.DataFrame | None = None, um_per_pixel: float | None = None
) -> CellTable:
    """A cell table with patient, sample, roi, cell, x_um, y_um, compartment, phenotype and the markers.

    Parameters
    ----------
    table
        With our columns, or as inForm, QuPath, MCMICRO, HALO, CosMx or Xenium export it, or an AnnData, or a
        SpatialData of one table, with positions in `obsm["spatial"]`.
    images
        One row per image (column roi, or image): patient, sample, and any of um_per_pixel, area_mm2. Needed where the
        cells have no column of patients.
    um_per_pixel
        Scale of coordinates in pixels, where `images` has none.

    Raises
    ------
    InputError
        If the columns are of no known program, a coordinate is no number, coordinates are pixels without a scale, or an
        image has no row in `images`; with the row of the file.
    """
    frame = table.reset_index(drop=True) if isinstance(table, pd.DataFrame) else _of_anndata(_table_of(table))
    frame = frame.rename(columns={c: str(c).strip() for c in frame.columns})
    layout = next((lay for lay in LAYOUTS if set(lay.has) <= set(frame.columns)), None)
    if layout is None and not {"x_um", "y_um"} <= set(frame.columns):
        raise MissingColumnError(
            "mif_cells has no columns x_um and y_um, and is no export of inForm, QuPath, MCMICRO, HALO, CosMx or "
            f"Xenium; it has: {', '.join(map(str, frame.columns[:10]))}. Coordinates in pixels are multiplied by the "
            "micrometres of a pixel"
        )
    pixels = layout is not None and (np.isnan(layout.scale) or _in_pixels(frame))
    frame, taken = _renamed(frame, layout)
    notes = [] if layout is None else [f"columns of {layout.program} were read"]
    rows = Rows("mif_cells")
    for name in ("x_um", "y_um"):
        frame[name] = number_column(frame[name], name, rows)
    rows.stop()
    frame = _placed(frame, images)
    if pixels:
        frame = _scaled(frame, images, um_per_pixel, rows)
        notes.append("coordinates were in pixels and were scaled to micrometres")
    _check_names(frame, rows)
    rows.stop()
    for name in ("compartment", "phenotype"):
        frame[name] = frame[name].fillna("").astype(str).str.strip() if name in frame else ""
    markers = [c for c in frame.columns if c not in OWN and c not in taken and not NO_MARKERS.search(str(c))]
    calls = tuple(c for c in markers if _is_call(frame[c]))
    intensities = tuple(c for c in markers if c not in calls and _is_intensity(frame[c]))
    return CellTable(frame, intensities, calls, tuple(notes))


def _table_of(given: Any) -> "AnnData":
    """An AnnData as it is; of a SpatialData its one table."""
    tables = getattr(given, "tables", None)
    if tables is None:
        return given
    if len(tables) != 1:
        raise InputError(f"the SpatialData has {len(tables)} tables ({', '.join(map(str, tables))}); give one of them")
    return next(iter(tables.values()))


def _of_anndata(cells: "AnnData") -> pd.DataFrame:
    if "spatial" not in cells.obsm:
        raise InputError('the cells have no positions: obsm["spatial"] with x and y in micrometres is needed')
    xy = np.asarray(cells.obsm["spatial"], dtype=float)
    frame = cells.to_df().reset_index(drop=True).assign(x_um=xy[:, 0], y_um=xy[:, 1])
    own = cells.obs.reset_index(drop=True)
    return pd.concat([frame.drop(columns=[c for c in own.columns if c in frame]), own], axis=1).assign(
        cell=np.asarray(cells.obs_names)
    )


def _in_pixels(frame: pd.DataFrame) -> bool:
    """Whether areas, whose unit is that of the positions in inForm, are in pixels."""
    return any("(pixels)" in str(c) for c in frame.columns)


def _renamed(frame: pd.DataFrame, layout: Layout | None) -> tuple[pd.DataFrame, set[str]]:
    """Our names, and the columns of the program that are positions and no markers."""
    if layout is None:
        return frame.rename(columns={"image": "roi"}) if "roi" not in frame else frame.copy(), set()
    frame = frame.copy()
    if layout.program == "HALO":
        for axis, low, high in (("x_um", "XMin", "XMax"), ("y_um", "YMin", "YMax")):
            edges = [pd.to_numeric(frame[c], errors="coerce") for c in (low, high)]
            frame[axis] = (edges[0] + edges[1]) / 2
    new: dict[str, str] = {}
    for theirs, ours in layout.names.items():
        if theirs in frame and ours not in new.values() and (ours == theirs or ours not in frame):
            new[theirs] = ours
    frame = frame.rename(columns=new)
    return _named_by_marker(frame), set(layout.has) | {"CenterX_local_px", "CenterY_local_px", "z_centroid"}


def _named_by_marker(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of whole cells under the name of their marker; those of nuclei, cytoplasm and membrane leave."""
    new: dict[str, str] = {}
    part = re.compile(r"(Nucleus|Cytoplasm|Membrane)\b.*(mean|max|min|std|dev|total)", re.IGNORECASE)
    parts = [c for c in frame.columns if part.match(str(c))]
    for pattern in MARKER_COLUMNS:
        for column in frame.columns:
            found = re.fullmatch(pattern, str(column), re.IGNORECASE)
            if found and found[1] not in new.values() and found[1] not in frame:
                new[column] = found[1]
    other = [c for c in frame.columns if c not in new and re.match(r"(Entire Cell|Cell:)", str(c))]
    return frame.drop(columns=[*parts, *other]).rename(columns=new)


def _placed(frame: pd.DataFrame, images: pd.DataFrame | None) -> pd.DataFrame:
    """Cells with their roi, sample and patient."""
    if "roi" not in frame:
        frame["roi"] = frame.get("sample", "roi 1")
    frame["roi"] = frame["roi"].astype(str).str.strip()
    if images is not None:
        sheet = images.rename(columns={"image": "roi"}) if "roi" not in images else images
        require_columns(sheet, ["roi", "patient"], "the table of images")
        sheet = sheet.assign(roi=sheet["roi"].astype(str).str.strip())
        twice = sheet.loc[sheet["roi"].duplicated(), "roi"]
        if len(twice):
            raise InputError(f"the table of images has {twice.iloc[0]!r} twice; keep one row per image")
        missing = sorted(set(frame["roi"]) - set(sheet["roi"]))
        if missing:
            raise InputError(
                f"{counted(len(missing), 'image')} of the cells, such as {missing[0]!r}, not in the table of images; "
                "add a row for each"
            )
        sheet = sheet.set_index("roi")
        for name in ("patient", "sample"):
            if name in sheet:
                frame[name] = frame["roi"].map(sheet[name])
    if "patient" not in frame:
        raise MissingColumnError(
            "the cells have no column 'patient'; add it, or give a table of images with roi, patient and sample"
        )
    if "sample" not in frame:
        frame["sample"] = frame["patient"]
    if "cell" not in frame:
        frame["cell"] = np.arange(1, len(frame) + 1)
    return frame


def _scaled(frame: pd.DataFrame, images: pd.DataFrame | None, um_per_pixel: float | None, rows: Rows) -> pd.DataFrame:
    scale = pd.Series(np.nan if um_per_pixel is None else float(um_per_pixel), index=frame.index)
    if images is not None and "um_per_pixel" in images:
        sheet = images.rename(columns={"image": "roi"}) if "roi" not in images else images
        own = pd.to_numeric(sheet["um_per_pixel"], errors="coerce")
        scale = frame["roi"].map(pd.Series(own.to_numpy(), sheet["roi"].astype(str).str.strip())).fillna(scale)
    rows.refuse(scale.isna(), "coordinates are in pixels and no scale is given; give um_per_pixel (inForm at 20x: 0.5) "
                "or a column um_per_pixel in the table of images", list(frame["roi"]))  # fmt: skip
    rows.refuse(scale <= 0, "um_per_pixel must be above 0", list(scale))
    rows.stop()
    return frame.assign(x_um=frame["x_um"] * scale, y_um=frame["y_um"] * scale)


def _check_names(frame: pd.DataFrame, rows: Rows) -> None:
    for name in ("patient", "sample"):
        empty = frame[name].isna() | (frame[name].astype(str).str.strip() == "")
        rows.refuse(empty, f"column {name!r} is empty; give a name")
        frame[name] = frame[name].astype(str).str.strip()
    owner = frame.groupby(["sample"], sort=False)["patient"].transform("first")
    rows.refuse(frame["patient"] != owner, "the sample belongs to another patient in an earlier row",
                list(frame["sample"]))  # fmt: skip
    again = frame.duplicated(["sample", "roi", "cell"])
    rows.refuse(again, "this cell of the region is there already; number cells within their region",
                list(frame["cell"]))  # fmt: skip


def _is_call(values: pd.Series) -> bool:
    """Whether a column has positive and negative calls: 0 and 1, true and false, or words that end in + and -."""
    if pd.api.types.is_bool_dtype(values):
        return True
    known = values.dropna()
    if pd.api.types.is_numeric_dtype(values):
        return bool(len(known) and known.isin([0, 1]).all())
    words = known.astype(str).str.strip()
    return bool(len(words)) and bool(words.str.fullmatch(r".*[+-]|true|false|positive|negative", case=False).all())


def _is_intensity(values: pd.Series) -> bool:
    return bool(pd.api.types.is_numeric_dtype(values)) and bool(values.notna().any()) and values.nunique() > 2
