"""The card of a study that only describes: which cells its samples have, and why nothing is compared."""

import pandas as pd

from scresist.checks import counted
from scresist.plots.style import FAINT, new_axes, short
from scresist.report.answers import SIZE, Answer, asks, clipped
from scresist.report.folder import Folder

BARS = 5  # populations in the figure
NAMED = 3  # populations in the sentence
STEPS = ("candidates", "contrasts", "networks")  # whose refusal is the reason, the first that has one


def about_cells(folder: Folder) -> Answer | None:
    """Which cells there are: the commonest populations, and how many cells are malignant.

    Parameters
    ----------
    folder
        The results folder.
    """
    found = folder.cells
    if "cell_type" not in found or found["cell_type"].isna().all():
        return None
    sizes = found["cell_type"].astype(str).value_counts()
    unnamed = int(sizes.get("unassigned", 0))
    sizes = sizes.drop("unassigned", errors="ignore")
    if not len(sizes):
        return None
    first = ", ".join(f"{name} ({100 * n / len(found):.0f} %)" for name, n in sizes.head(NAMED).items())
    sentences = [f"The cells are of {counted(len(sizes), 'population')}; the commonest: {first}."]
    malignant = int((found["malignancy"].astype(str) == "malignant").sum()) if "malignancy" in found else 0
    if malignant:
        sentences.append(f"{malignant:,} of {len(found):,} cells are malignant.")
    if unnamed:
        sentences.append(f"{unnamed:,} cells have no name.")
    figure, axes = new_axes(*SIZE)
    shown = sizes.head(BARS)[::-1]
    axes.barh(range(len(shown)), shown, color=[folder.palette.get(str(n), FAINT) for n in shown.index])
    axes.set_yticks(range(len(shown)), [short(n, at_most=16) for n in shown.index], fontsize=7)
    axes.set_xlabel("cells", fontsize=8)
    numbers = (f"n: {len(found):,} cells, {counted(found['sample'].nunique(), 'sample')}, "
               f"{counted(found['patient'].nunique(), 'patient')}",)  # fmt: skip
    return Answer("cells", "Which cells are in these samples?", tuple(clipped(s) for s in sentences), "", numbers,
                  figure, f"The commonest populations of {len(found):,} cells", "cells",
                  "Who the cells are")  # fmt: skip


def untested(folder: Folder, name: str) -> Answer | None:
    """A contrast of the study without any test of a gene or module, with the reason; None without a row of the design.

    Parameters
    ----------
    folder
        The results folder.
    name
        The contrast.
    """
    design = folder.table("design")
    rows = design[design["contrast"] == name] if len(design) else design
    if not len(rows):
        return None
    asked = folder.facts["settings"]["design"]["contrasts"][name]
    row = rows.iloc[0]
    sentences = ["No gene and no module could be tested between these arms."]
    refused = pd.DataFrame(folder.facts["refusals"], columns=["step", "what", "reason"])
    reasons = [str(r).partition(":")[0].partition(";")[0] for step in STEPS for r in
               refused.loc[refused["step"] == step, "reason"]]  # fmt: skip
    if reasons:
        sentences.append(clipped(f"{reasons[0][0].upper()}{reasons[0][1:]}."))
    numbers = (f"n: {row['n_test']:.0f} against {row['n_reference']:.0f} patients",)
    return Answer(f"contrast_{name}", clipped(asks(name, asked)), tuple(sentences), "refused", numbers,
                  section="design", more="What this design can answer")  # fmt: skip
