"""The section on malignancy: copy number of the cells along the genome, and the calls of every patient."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.kernels.linkage import average_linkage, leaf_order
from scresist.plots.cells import genome
from scresist.plots.style import NAMED, new_axes
from scresist.report.blocks import Drawn, Section, bullets, figures, heading, table
from scresist.report.folder import Folder

PER_PATIENT = 60  # malignant cells of a patient that are drawn
NORMAL = 120  # other cells that are drawn


def malignancy(folder: Folder) -> Section | None:
    """Copy number of malignant cells, patient by patient, over normal ones; then the calls."""
    calls = folder.table("malignancy")
    if not len(calls):
        return None
    drawn = _genome(folder)
    blocks: list[dict[str, Any]] = [figures(drawn)] if drawn else []
    divided = folder.table("subclones")
    if len(divided):
        blocks += [heading("Arms that divide a tumour"), table(divided, "subclones", [
            "patient", "arm", "share", "shift", "apart", "gain", "n_cells", "n_subclones"])]  # fmt: skip
    blocks += [heading("Malignant cells by patient"), table(calls, "malignancy", [
        "patient", "epithelial", "reference",
        "signal",
        "reference_signal", "malignant",
        "normal", "uncertain", "refused",
    ])]  # fmt: skip
    notes = folder.notes("malignancy")
    if notes:
        blocks += [heading("Patients without a call"), bullets(notes)]
    lead = (
        "Copy number is inferred from expression over neighbouring genes: gains and losses of whole arms are seen, "
        "focal ones are not, and a pattern that all patients share may be the identity of the cells. Subclones (A the "
        "largest) are groups of cells that differ by whole arms, beyond what normal cells of the patient differ; "
        "within them cells are ordered by likeness."
    )
    return Section("malignancy", "Malignant cells", lead, blocks)


def called(folder: Folder) -> list[tuple[str, str]]:
    """How many cells are malignant, in how many patients, and where it could not be decided."""
    calls = folder.table("malignancy")
    if not len(calls) or "malignant" not in calls:
        return []
    refused = (
        calls["refused"].fillna("").astype(str) != ""
        if "refused" in calls
        else pd.Series(data=False, index=calls.index)
    )
    n, with_cells = int(calls["malignant"].sum()), int((calls["malignant"] > 0).sum())
    out = [("", f"{n:,} malignant cells in {with_cells} of {len(calls)} patients; "
                f"{int(calls['uncertain'].sum()):,} cells "
            "are uncertain and belong to neither side.")]  # fmt: skip
    if refused.any():
        names = ", ".join(calls.loc[refused, "patient"].astype(str))
        out.append(("refused", f"No call from copy number in {names}; the table gives the reason."))
    return [*out, *_divided(folder)]


def _divided(folder: Folder) -> list[tuple[str, str]]:
    """In how many patients subclones are seen."""
    if "subclone" not in folder.cells:
        return []
    who = folder.cells[["patient", "subclone"]].astype(str)
    counts = who[who["subclone"] != ""].groupby("patient")["subclone"].nunique()
    if not len(counts):
        return []
    several = counts[counts > 1]
    listed = ", ".join(f"{patient} ({n})" for patient, n in several.items())
    return [("", f"Subclones by whole chromosome arms in {len(several)} of {len(counts)} patients with enough cells"
             f"{f': {listed}' if listed else ''}.")]  # fmt: skip


def _genome(folder: Folder) -> list[Drawn]:
    signal, cells = folder.table("cell_copy_number"), folder.cells
    if "malignancy" not in cells or not len(signal):
        return []
    signal = signal.drop(columns="cell")
    kind = cells["malignancy"].astype(str).to_numpy()
    patient = cells["patient"].astype(str).to_numpy()
    clone = cells["subclone"].astype(str).to_numpy() if "subclone" in cells else None
    rows, names = [], []
    normal = np.flatnonzero((kind == "normal") & signal.notna().all(axis=1).to_numpy())
    normal = normal[:: max(1, len(normal) // NORMAL)][:NORMAL]
    rows += list(normal)
    names += ["normal cells"] * len(normal)
    for who in sorted(set(patient)):
        own = np.flatnonzero((kind == "malignant") & (patient == who) & signal.notna().all(axis=1).to_numpy())
        if len(own) < 2:
            continue
        own = own[:: max(1, len(own) // PER_PATIENT)][:PER_PATIENT]
        own = own[_alike(signal.to_numpy(float)[own])]
        if clone is not None:
            own = own[np.argsort(clone[own], kind="stable")]
        rows += list(own)
        several = clone is not None and len(set(clone[own])) > 1
        names += [f"{who} {clone[i]}" if several and clone is not None else who for i in own]
    if len(set(names)) < 2:
        return []
    figure, axes = new_axes(8.6, float(np.clip(0.9 + 0.22 * len(set(names)), 3.0, 8.0)))
    genome(signal.iloc[rows], axes, groups=names, palette={"normal": NAMED["normal"]})
    n = len(rows) - len(normal)
    caption = (f"{n:,} malignant cells, at most {PER_PATIENT} a patient, below {len(normal)} normal ones: red is more, "
               "blue is less than in the reference cells.")  # fmt: skip
    return [(figure, caption, "copy_number")]


def _alike(values: np.ndarray) -> np.ndarray:
    """An order of the rows in which like ones are neighbours."""
    squared = (values**2).sum(axis=1)
    distance = np.sqrt(np.maximum(squared[:, None] + squared[None, :] - 2 * values @ values.T, 0))
    np.fill_diagonal(distance, 0)
    return np.asarray(leaf_order(average_linkage(distance)))
