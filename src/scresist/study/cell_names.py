"""The names of lineages and cell types that a study may use: those of its marker table, and its own."""

from pathlib import Path

import pandas as pd

from scresist import resources
from scresist.checks import suggestion
from scresist.study.problems import Problems
from scresist.study.settings import Settings
from scresist.study.sheets import read_sheet

UNASSIGNED = "unassigned"
GROUPS = ("all", "malignant", "normal")  # compartments that are no lineage or cell type


def lineages_of(markers: pd.DataFrame) -> dict[str, str]:
    """The lineage of every name that cells may be given by a marker table.

    Parameters
    ----------
    markers
        Marker table with the columns lineage and cell_type ("" for the lineage itself).

    Returns
    -------
    Lineage by name, for cell types, lineages, `<lineage> unresolved`, and unassigned.
    """
    lineages = [str(name) for name in markers["lineage"].unique()]
    types = markers[markers["cell_type"] != ""]
    return {
        UNASSIGNED: UNASSIGNED,
        **{f"{name} unresolved": name for name in lineages},
        **{name: name for name in lineages},
        **dict(zip(types["cell_type"], types["lineage"], strict=True)),
    }


def cell_names(settings: Settings, folder: Path) -> frozenset[str]:
    """Lineages and cell types that cells of the study may be given; without a marker table, the focus is one too.

    Parameters
    ----------
    settings
        Of the study.
    folder
        Where its files are.
    """
    own = settings.annotate
    known = lineages_of(_markers(settings, folder, Problems()))
    given = {*own.overrides.values(), *own.lineages.values()}
    return frozenset({*known, *given} if len(known) > 1 else {*known, *given, settings.focus.compartment})


def check_cell_names(settings: Settings, folder: Path, file: str, problems: Problems) -> None:
    """Note names that no cell can have: an override without a lineage, a focus that is no lineage or cell type.

    Parameters
    ----------
    settings, folder
        As in `cell_names`.
    file
        Name of the study file in messages.
    problems
        Receives what is wrong.
    """
    own, before = settings.annotate, len(problems.errors)
    known = lineages_of(_markers(settings, folder, problems))
    if len(known) == 1 or len(problems.errors) > before:  # without a marker table no name can be checked
        return
    lineages = list(dict.fromkeys(lineage for lineage in known.values() if lineage != UNASSIGNED))
    for name, lineage in own.lineages.items():
        if lineage not in lineages:
            problems.error(
                file, f"annotate.lineages: {lineage!r}, given for {name!r}, is no lineage of the marker table",
                suggestion(lineage, lineages), column="annotate.lineages", value=lineage,
            )  # fmt: skip
    for cluster, name in own.overrides.items():
        if name not in known and name not in own.lineages:
            problems.error(
                file, f"annotate.overrides: {name!r} (cluster {cluster}) is no cell type of the marker table",
                f'give its lineage under [annotate.lineages] (for example "{name}" = "epithelial"), or correct the '
                f"name: {suggestion(name, known)}", column="annotate.overrides", value=name,
            )  # fmt: skip
    compartment, named = settings.focus.compartment, [*GROUPS, *known, *own.overrides.values()]
    if compartment not in named:
        problems.error(
            file, f"focus.compartment: {compartment!r} is no lineage or cell type of this study",
            suggestion(compartment, named), column="focus.compartment", value=compartment,
        )  # fmt: skip


def _markers(settings: Settings, folder: Path, problems: Problems) -> pd.DataFrame:
    """The names in the study's marker table; no rows where there is none."""
    own = settings.annotate.markers
    none = pd.DataFrame({"lineage": [], "cell_type": []}, dtype=str)
    if own is None:
        return resources.markers() if settings.study.organism == "human" else none
    # A file that does not exist is noted with the other files of the study.
    sheet = read_sheet(folder / own, own, problems, ("cell_type", "gene")) if (folder / own).exists() else None
    if sheet is None:
        return none
    return sheet if "lineage" in sheet else sheet.assign(lineage=sheet["cell_type"])
