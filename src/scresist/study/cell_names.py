"""The names of lineages and cell types that a study may use: those of its marker table, and its own."""

from pathlib import Path
from typing import Any

import pandas as pd

from scresist import resources
from scresist.checks import suggestion
from scresist.study.marker_sheets import read_marker_sheet
from scresist.study.problems import Problems
from scresist.study.settings import Settings
from scresist.study.sheets import LINE, read_sheet

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
    table = own_lineages(settings, folder, "", Problems())
    if own.labels is not None:  # any label that a cell has
        return frozenset({*known, *table["lineage"], *table["label"], settings.focus.compartment})
    given = {*own.overrides.values(), *table["lineage"]}
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
    table = own_lineages(settings, folder, file, problems)
    _check_malignant_lineage(settings, file, problems)
    known = lineages_of(_markers(settings, folder, problems))
    if len(known) == 1 or len(problems.errors) > before:  # without a marker table no name can be checked
        return
    lineages = list(dict.fromkeys(lineage for lineage in known.values() if lineage != UNASSIGNED))
    for name, lineage in zip(table["label"], table["lineage"], strict=True):
        if lineage not in (*lineages, UNASSIGNED):
            problems.error(
                file, f"annotate.lineages: {lineage!r}, given for {name!r}, is no lineage of the marker table",
                suggestion(lineage, lineages), column="annotate.lineages", value=lineage,
            )  # fmt: skip
    for cluster, name in own.overrides.items():
        if name not in known and name not in set(table["label"]):
            problems.error(
                file, f"annotate.overrides: {name!r} (cluster {cluster}) is no cell type of the marker table",
                f'give its lineage under [annotate.lineages] (for example "{name}" = "epithelial"), or correct the '
                f"name: {suggestion(name, known)}", column="annotate.overrides", value=name,
            )  # fmt: skip
    compartment, named = settings.focus.compartment, [*GROUPS, *known, *own.overrides.values(), *table["label"]]
    if compartment not in named and own.labels is None:  # own labels are known when the matrices are read
        problems.error(
            file, f"focus.compartment: {compartment!r} is no lineage or cell type of this study",
            suggestion(compartment, named), column="focus.compartment", value=compartment,
        )  # fmt: skip


def _markers(settings: Settings, folder: Path, problems: Problems) -> pd.DataFrame:
    """The names in the study's marker table; no rows where there is none."""
    own = settings.annotate.markers
    none = pd.DataFrame({"lineage": [], "cell_type": []}, dtype=str)
    if own is None:
        return resources.markers()
    # A file that does not exist is noted with the other files of the study.
    organism = settings.study.organism
    sheet = read_marker_sheet(folder / own, own, problems, organism) if (folder / own).exists() else None
    if sheet is None:
        return none
    return sheet if "lineage" in sheet else sheet.assign(lineage=sheet["cell_type"])


def own_lineages(settings: Settings, folder: Path, file: str, problems: Problems) -> pd.DataFrame:
    """The study's own names with their lineage and, where the table has it, whether they are malignant.

    Parameters
    ----------
    settings, folder
        As in `cell_names`.
    file
        Name of the study file in messages.
    problems
        Receives what is wrong with the table.

    Returns
    -------
    Columns label, lineage, malignant (malignant | normal | "" where it is not given).
    """
    own = settings.annotate.lineages
    if not isinstance(own, str):
        return pd.DataFrame({"label": list(own), "lineage": list(own.values()), "malignant": ""}, dtype=object)
    none = pd.DataFrame({"label": [], "lineage": [], "malignant": []}, dtype=object)
    sheet = read_sheet(folder / own, own, problems, ("label", "lineage"))
    if sheet is None:
        return none
    words = sheet["malignant"].map(malignancy_of) if "malignant" in sheet else pd.Series("", index=sheet.index)
    for line, value in zip(sheet.loc[words.isna(), LINE], sheet.loc[words.isna(), "malignant"], strict=True):
        problems.error(own, "malignant is neither yes nor no", f"use one of {', '.join(MALIGNANT_WORDS)}, or leave it "
                       "empty", row=int(line), column="malignant", value=value)  # fmt: skip
    return sheet.assign(malignant=words)[["label", "lineage", "malignant"]]


MALIGNANT_WORDS = {
    **dict.fromkeys(("malignant", "tumour", "tumor", "cancer", "neoplastic", "aneuploid", "yes", "true", "1"),
                    "malignant"),
    **dict.fromkeys(("normal", "non-malignant", "nonmalignant", "healthy", "benign", "diploid", "no", "false", "0"),
                    "normal"),
    **dict.fromkeys(("uncertain", "undetermined", "unresolved"), "uncertain"),
}  # fmt: skip


def malignancy_of(word: Any) -> str | None:
    """A call (malignant | normal | uncertain) by the words that people use; "" for none, None for an unknown word.

    Parameters
    ----------
    word
        As in a table or a column of cells.
    """
    plain = "" if pd.isna(word) else str(word).strip().lower().replace("_", "-").removesuffix(".0")
    if plain in ("", "nan", "na", "unknown"):
        return ""
    for end in ("", " cell", " cells"):
        found = MALIGNANT_WORDS.get(plain.removesuffix(end) if end else plain)
        if found:
            return found
    return None


# What people call the lineages that tumours arise from, by those of the marker table.
TUMOUR_LINEAGES = {
    "carcinoma": "epithelial", "glial": "glial/neural", "neural": "glial/neural", "glioma": "glial/neural",
    "melanoma": "melanocytic", "mesenchymal": "fibroblast", "sarcoma": "fibroblast", "T": "T/NK", "NK": "T/NK",
    "lymphoma": "B", "myeloma": "plasma", "leukaemia": "myeloid",
}  # fmt: skip


def malignant_lineages(settings: Settings) -> tuple[str, ...]:
    """The lineages whose cells may be malignant, as the marker table names them.

    Parameters
    ----------
    settings
        Of the study.
    """
    return tuple(dict.fromkeys(TUMOUR_LINEAGES.get(name, name) for name in settings.annotate.malignant_lineage))


def _check_malignant_lineage(settings: Settings, file: str, problems: Problems) -> None:
    if settings.study.organism != "human" and settings.annotate.markers is not None:
        return  # the lineages are those of the study's own table
    shipped = [str(name) for name in resources.markers()["lineage"].unique()]
    own = {"" if isinstance(settings.annotate.lineages, str) else v for v in dict(
        settings.annotate.lineages if isinstance(settings.annotate.lineages, dict) else {}).values()}  # fmt: skip
    if not settings.annotate.malignant_lineage:
        problems.error(file, "annotate.malignant_lineage is empty", 'name a lineage, such as ["epithelial"]',
                       column="annotate.malignant_lineage")  # fmt: skip
    for given, name in zip(settings.annotate.malignant_lineage, malignant_lineages(settings), strict=False):
        if (
            settings.annotate.markers is None
            and name not in {*shipped, *own}
            and not isinstance(settings.annotate.lineages, str)
        ):
            problems.error(
                file, f"annotate.malignant_lineage: {given!r} is no lineage",
                suggestion(given, [*shipped, *TUMOUR_LINEAGES]), column="annotate.malignant_lineage", value=given,
            )  # fmt: skip


def lineage_by_label(labels: "pd.Series | list[str]", table: pd.DataFrame, known: dict[str, str]) -> dict[str, str]:
    """Lineage of each label: that of the study's own table, else that of the name in the marker table, else none.

    Parameters
    ----------
    labels
        The labels of cells.
    table
        From `own_lineages`.
    known
        From `lineages_of`; case does not matter.

    Returns
    -------
    Lineage by label, "" where there is none.
    """
    given = dict(zip(table["label"], table["lineage"], strict=True))
    folded = {name.casefold(): lineage for name, lineage in known.items()}
    return {str(label): given.get(str(label), folded.get(str(label).casefold(), "")) for label in labels}


def check_labels(cells: pd.Series, settings: Settings, folder: Path, file: str, problems: Problems) -> None:
    """Find labels of cells without a lineage, and a focus that is none of them.

    Without a lineage, copy number cannot be called against the other cells: an error, unless the study declares who is
    malignant.

    Parameters
    ----------
    cells
        The label of every cell; missing where there is none.
    settings, folder, file, problems
        As in `check_cell_names`.
    """
    table = own_lineages(settings, folder, file, Problems())
    known = lineages_of(_markers(settings, folder, Problems()))
    counts = cells.dropna().astype(str).value_counts()
    found = lineage_by_label(list(counts.index), table, known)
    without = [label for label, lineage in found.items() if lineage == ""]
    own = settings.annotate
    if without and len(known) > 1:
        declared = own.malignant is not None or own.malignancy != "copy_number" or (table["malignant"] != "").any()
        tell = problems.warning if declared else problems.error
        lines = "; ".join(f'"{label}" = "..."' for label in without[:12]) + ("; ..." if len(without) > 12 else "")
        lineages = list(dict.fromkeys(lineage for lineage in known.values() if lineage != UNASSIGNED))
        tell(
            file, f"{len(without)} labels of {own.labels!r} have no lineage ({int(counts[without].sum())} cells): "
            f"{', '.join(without[:12])}{', ...' if len(without) > 12 else ''}",
            f"give each under [annotate.lineages]: {lines}; lineages are {', '.join(lineages)}; or "
            f"{UNASSIGNED!r}", column="annotate.lineages", value=without[0],
        )  # fmt: skip
    focus = settings.focus.compartment
    names = [*GROUPS, *counts.index, *(lineage for lineage in found.values() if lineage)]
    if focus not in names:
        problems.error(
            file, f"focus.compartment: {focus!r} is no label or lineage of the cells", suggestion(focus, names),
            column="focus.compartment", value=focus,
        )  # fmt: skip
