"""The axes of the microenvironment: what is followed over the arms, one line each.

A new axis is one more line of `AXES`; it is drawn where the tables have it, and left out where they do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from scresist.report.folder import Folder

WHOLE = "all cells"
FOCUS = "(focus)"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: where its values come from, and in which population.

    `features` are starts of names of cell types (kind types: their share of all cells), or the name of a signature.
    `where` are starts of names of populations, the first that has values is taken.
    """

    name: str
    kind: Literal["types", "signature"]
    features: tuple[str, ...]
    where: tuple[str, ...] = (WHOLE,)


AXES = (
    Axis("Cytotoxic lymphocytes", "types", ("T CD8", "NK cell", "NK ")),
    Axis("Regulatory T cells", "types", ("T regulatory",)),
    Axis("Macrophages and monocytes", "types", ("macrophage", "monocyte")),
    Axis("Fibroblasts", "types", ("fibroblast",)),
    Axis("Antigen presentation, class I", "signature", ("antigen presentation MHC I",), (FOCUS, WHOLE)),
    Axis("Antigen presentation, class II", "signature", ("antigen presentation MHC II",), ("macrophage", "B ", WHOLE)),
    Axis("Interferon gamma response", "signature", ("interferon gamma response",), (FOCUS, WHOLE)),
    Axis("Cytotoxicity", "signature", ("cytotoxicity",), ("T CD8", "NK", WHOLE)),
    Axis("PD-1", "signature", ("PD-1 (PDCD1)",), ("T CD8 exhausted", "T CD8", "T ", WHOLE)),
    Axis("Exhaustion", "signature", ("exhaustion",), ("T CD8 exhausted", "T CD8", "T ", WHOLE)),
    Axis("TGF-beta response", "signature", ("TGF-beta response",), ("fibroblast", FOCUS, WHOLE)),
    Axis("Hypoxia", "signature", ("hypoxia",), (FOCUS, WHOLE)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Course:
    """An axis with its values: patient, arm and value, the unit, and what the register has on it."""

    title: str
    unit: str
    values: pd.DataFrame
    claims: pd.DataFrame


def courses(folder: Folder, axes: Sequence[Axis] = AXES) -> list[Course]:
    """The axes that the tables of a run have, each with one value per patient and arm.

    Parameters
    ----------
    folder
        The results folder.
    axes
        What is followed.
    """
    made = (_types(folder, axis) if axis.kind == "types" else _signature(folder, axis) for axis in axes)
    return [course for course in made if course is not None and course.values["arm"].nunique() > 0]


def _types(folder: Folder, axis: Axis) -> Course | None:
    counts = folder.table("composition")
    if not len(counts):
        return None
    counts = counts.set_index("sample")
    own = [c for c in counts.columns if str(c).startswith(axis.features) and counts[c].sum() > 0]
    if not own:
        return None
    share = (100 * counts[own].sum(axis=1) / counts.sum(axis=1)).rename("value")
    claims = folder.claims
    if len(claims):
        claims = claims[(claims["kind"] == "composition") & claims["feature"].isin(own)]
    return Course(axis.name, "% of cells", _per_patient(folder, share), claims)


def _signature(folder: Folder, axis: Axis) -> Course | None:
    scores = folder.table("signature_scores")
    if not len(scores):
        return None
    scores = scores[(scores["signature"] == axis.features[0]) & scores["value"].notna()]
    focus = str(folder.facts["settings"]["focus"]["compartment"])
    for start in axis.where:
        begins = focus if start == FOCUS else start
        found = scores[scores["cell_type"].astype(str).str.startswith(begins)]
        if len(found):
            # Of several populations the one in most samples, whatever their arms.
            place = found.groupby("cell_type")["sample"].nunique().sort_values(ascending=False, kind="stable").index[0]
            own = found[found["cell_type"] == place]
            claims = folder.claims
            if len(claims):
                claims = claims[(claims["kind"] == "signatures") & (claims["feature"] == axis.features[0])
                                & (claims["cell_type"] == place)]  # fmt: skip
            return Course(f"{axis.name}, {place}", "score, SD between cells",
                          _per_patient(folder, own.set_index("sample")["value"]), claims)  # fmt: skip
    return None


def _per_patient(folder: Folder, values: pd.Series) -> pd.DataFrame:
    """The mean over the samples of a patient in an arm."""
    own = values.rename("value").to_frame().join(folder.sheet, how="inner")
    return own.groupby(["patient", "arm"], as_index=False)["value"].mean()
