"""Multiplex immunofluorescence: how strongly each marker is stained in each compartment of a region."""

import numpy as np
import pandas as pd

from scresist.validation.cell_tables import CellTable
from scresist.validation.phenotypes import marker_name

COLUMNS = ("patient", "sample", "roi", "compartment", "marker", "n_cells", "mean_intensity", "positive_share")
TUMOUR = "tumo"  # how names of the tumour's compartment begin


def marker_levels(found: CellTable, calls: pd.DataFrame) -> pd.DataFrame:
    """Mean intensity of every marker and share of positive cells, by region and compartment.

    Parameters
    ----------
    found
        From `read_cells`.
    calls
        From `gate_markers`: cells x markers, 1, 0 or NaN.

    Returns
    -------
    One row per region, compartment ("all" too) and marker with intensities or calls; NaN for what a marker has not.
    """
    keys = ["patient", "sample", "roi", "compartment"]
    parts = []
    for marker in dict.fromkeys([*found.intensities, *calls.columns]):
        own = found.cells[keys].copy()
        own["mean_intensity"] = found.cells[marker].astype(float) if marker in found.intensities else np.nan
        own["positive_share"] = calls[marker].to_numpy(float) if marker in calls else np.nan
        own = own[own[["mean_intensity", "positive_share"]].notna().any(axis=1)]
        for place in (own.assign(compartment="all"), own[own["compartment"] != ""]):
            by = place.groupby(keys, sort=True)
            level = by[["mean_intensity", "positive_share"]].mean()
            parts.append(level.assign(n_cells=by.size(), marker=marker_name(marker)).reset_index())
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def marker_values(levels: pd.DataFrame, *, tumour: bool) -> pd.DataFrame:
    """One value of each sample and marker: its mean intensity, or without intensities the share of positive cells.

    Parameters
    ----------
    levels
        From `marker_levels`.
    tumour
        Whether only cells of the tumour's compartment count; else all. Regions count by their cells.
    """
    inside = levels["compartment"].astype(str).str.casefold().str.startswith(TUMOUR)
    own = levels[inside if tumour else levels["compartment"] == "all"]
    measured = own.groupby("marker")["mean_intensity"].transform(lambda v: v.notna().any())
    value = own["mean_intensity"].where(measured, own["positive_share"])
    own = own.assign(value=value * own["n_cells"], n_cells=own["n_cells"].where(value.notna(), 0))
    sums = own.groupby(["sample", "marker"], sort=True)[["value", "n_cells"]].sum()
    return (sums["value"] / sums["n_cells"].where(sums["n_cells"] > 0)).rename("value").dropna().reset_index()
