"""Multiplex immunofluorescence: cells of regions become densities per compartment, with patients as the unit later."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, QhullError, cKDTree

from scresist.results import Result
from scresist.validation.cell_tables import read_cells
from scresist.validation.marker_levels import marker_levels
from scresist.validation.phenotypes import gate_markers, intensity_histogram, phenotype_cells

if TYPE_CHECKING:
    from anndata import AnnData

STEP_UM = 10.0  # of the grid on which areas are counted
FEW_CELLS = 20  # of a region: fewer give no area
COLUMNS = ("patient", "sample", "roi", "compartment", "phenotype", "n_cells", "area_mm2", "density_per_mm2", "reason")


@dataclass(frozen=True, slots=True)
class Imaged:
    """Cells with their place, compartment and phenotype; gates, intensities, levels of markers; areas by region."""

    cells: pd.DataFrame
    gates: Result
    intensities: pd.DataFrame
    levels: pd.DataFrame
    areas: pd.DataFrame
    notes: tuple[str, ...]


def prepare(
    cells: "pd.DataFrame | AnnData", *, images: pd.DataFrame | None = None, um_per_pixel: float | None = None,
    phenotypes: Mapping[str, str] | None = None, gates: Mapping[str, float] | None = None,
    controls: Mapping[str, str] | None = None, rng: int | np.random.Generator = 1,
) -> Imaged:  # fmt: skip
    """Cells of any supported export with their phenotypes, and the area of every compartment.

    Parameters
    ----------
    cells, images, um_per_pixel
        As in `read_cells`.
    phenotypes
        Definitions, as in `phenotype_cells`.
    gates
        Thresholds by marker that replace the automatic ones.
    controls
        For markers of rare cells: a marker or phenotype whose cells never have it, as in `gate_markers`.
    rng
        Of the resamples that give the intervals of the gates.

    Raises
    ------
    InputError
        As in `read_cells`, `gate_markers` and `phenotype_cells`.
    """
    found = read_cells(cells, images=images, um_per_pixel=um_per_pixel)
    gated, calls = gate_markers(
        found, given=gates, controls=controls, definitions=phenotypes, rng=np.random.default_rng(rng)
    )
    names, notes = phenotype_cells(found, calls, definitions=phenotypes)
    own = found.cells[["patient", "sample", "roi", "cell", "x_um", "y_um", "compartment"]].assign(phenotype=names)
    areas = region_areas(own, images)
    shown = intensity_histogram(found, list(gated.table["marker"]))
    return Imaged(own, gated, shown, marker_levels(found, calls), areas, (*found.notes, *gated.notes, *notes))


def mif(
    cells: "pd.DataFrame | AnnData | Imaged", *, images: pd.DataFrame | None = None, um_per_pixel: float | None = None,
    phenotypes: Mapping[str, str] | None = None, gates: Mapping[str, float] | None = None,
    controls: Mapping[str, str] | None = None, rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """Density of every phenotype in every compartment of every region.

    Parameters
    ----------
    cells
        Our columns (patient, sample, roi, cell, x_um, y_um, compartment and markers), an export of inForm, QuPath,
        MCMICRO, HALO, CosMx or Xenium, an AnnData, or the result of `prepare`.
    images, um_per_pixel, phenotypes, gates, controls, rng
        As in `prepare`.

    Returns
    -------
    Result whose table is `validation_mif`: one row per region, compartment ("all" too) and phenotype; a phenotype that
    a region lacks has 0 cells there. `area_mm2` is that of the table of images where it has one, else the area of the
    convex hull of the cells; a compartment has the part of it that is nearest to its cells.

    Raises
    ------
    InputError
        As in `prepare`.
    """
    ready = cells if isinstance(cells, Imaged) else prepare(
        cells, images=images, um_per_pixel=um_per_pixel, phenotypes=phenotypes, gates=gates, controls=controls,
        rng=rng)  # fmt: skip
    own, keys = ready.cells, ["patient", "sample", "roi"]
    parts = [own.assign(compartment="all")]
    if (own["compartment"] != "").any():
        parts.append(own[own["compartment"] != ""])
    counts = pd.concat(parts).groupby([*keys, "compartment", "phenotype"], sort=True).size().rename("n_cells")
    levels = sorted(own["phenotype"].unique())
    table = ready.areas.merge(pd.DataFrame({"phenotype": levels}), how="cross")
    table = table.merge(counts.reset_index(), how="left", on=[*keys, "compartment", "phenotype"])
    table["n_cells"] = table["n_cells"].fillna(0).astype(int)
    table["density_per_mm2"] = table["n_cells"] / table["area_mm2"].where(table["area_mm2"] > 0)
    table = table[list(COLUMNS)].sort_values([*keys, "compartment", "phenotype"], ignore_index=True)
    return Result(table, "cells per area of the compartment", {"step_um": STEP_UM}, ready.notes)


def region_areas(cells: pd.DataFrame, images: pd.DataFrame | None) -> pd.DataFrame:
    """Area of every region and of its compartments, in square millimetres.

    Parameters
    ----------
    cells
        With patient, sample, roi, x_um, y_um, compartment.
    images
        With roi (or image) and area_mm2, where the areas were measured.
    """
    measured: dict[str, float] = {}
    if images is not None and "area_mm2" in images:
        sheet = images.rename(columns={"image": "roi"}) if "roi" not in images else images
        measured = dict(zip(sheet["roi"].astype(str).str.strip(), pd.to_numeric(sheet["area_mm2"]), strict=True))
    records = []
    for (patient, sample, roi), own in cells.groupby(["patient", "sample", "roi"], sort=True):
        base = {"patient": patient, "sample": sample, "roi": roi}
        xy = own[["x_um", "y_um"]].to_numpy(float)
        names = own["compartment"].to_numpy(dtype=object)
        whole, shares = _covered(xy, names)
        reason = "" if np.isfinite(whole) else f"fewer than {FEW_CELLS} cells: the area is not known"
        if roi in measured:
            whole, reason = measured[roi], ""
        records.append(base | {"compartment": "all", "area_mm2": whole, "reason": reason})
        records += [base | {"compartment": name, "area_mm2": whole * share, "reason": reason}
                    for name, share in sorted(shares.items()) if name]  # fmt: skip
    return pd.DataFrame(records)


def _covered(xy: np.ndarray, names: np.ndarray) -> tuple[float, dict[str, float]]:
    """Area of the convex hull of the cells, and the share of it that is nearest to the cells of each compartment."""
    present = sorted(set(names))
    nothing = {str(n): float(np.mean(names == n)) for n in present}
    if len(xy) < FEW_CELLS:
        return float("nan"), nothing
    try:
        hull = ConvexHull(xy)
    except QhullError:  # every cell on one line
        return float("nan"), nothing
    area = float(hull.volume) / 1e6
    if len(present) == 1:
        return area, {str(present[0]): 1.0}
    low, high = xy.min(axis=0), xy.max(axis=0)
    step = max(STEP_UM, float((high - low).max()) / 400.0)
    axes = [np.arange(low[k] + step / 2, high[k], step) for k in (0, 1)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    inside = np.ones(len(grid), dtype=bool)
    for a, b, c in hull.equations:
        inside &= a * grid[:, 0] + b * grid[:, 1] + c <= 0
    if not inside.any():
        return area, nothing
    nearest = names[cKDTree(xy).query(grid[inside])[1]]
    return area, {str(n): float(np.mean(nearest == n)) for n in present}
