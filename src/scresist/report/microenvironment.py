"""The section on the microenvironment: its axes over the arms, composition per patient, and every comparison."""

from textwrap import wrap
from typing import Any

import pandas as pd

from scresist.checks import counted
from scresist.contrasts.verdict import ALPHA
from scresist.plots.axis_ends import clip_note
from scresist.plots.composition import SLOTS, shares
from scresist.plots.effects import by_arm, forest
from scresist.plots.levels import levels
from scresist.plots.style import new_axes, new_grid
from scresist.report.axes import Course, courses
from scresist.report.blocks import Drawn, Section, figures, heading, table, text, written
from scresist.report.comparisons import TEST
from scresist.report.folder import Folder

LETTERS = 32  # of a line above a panel
FEWEST = 3  # patients of an axis that is drawn
STRENGTH = {"supported": 0, "suggestive": 1, "not supported": 2}


def microenvironment(folder: Folder) -> Section | None:
    """The course of every axis, the composition of every sample, then all comparisons."""
    drawn = [*_course(folder), *_composition(folder)]
    blocks: list[dict[str, Any]] = [figures(drawn)] if drawn else []
    for name, label, unit, title in (
        ("composition_contrasts", "cell_type", "difference of log numbers, relative to the median type", "Composition"),
        ("signature_contrasts", "shown", "difference, SD between cells", "Signatures"),
        ("protein_contrasts", "shown", "difference of log counts, relative to the panel", "Antibodies"),
    ):
        tested = folder.claimed(name)
        if not len(tested):
            continue
        own_name = {"signature_contrasts": "signature", "protein_contrasts": "protein"}.get(name)
        if own_name is not None:
            tested = tested.assign(shown=tested[own_name] + " in " + tested["cell_type"])
        blocks.append(heading(title))
        drawn = []
        for contrast, own in tested[tested["p_value"].notna()].groupby("contrast", sort=False):
            best = own.sort_values("p_value", kind="stable").head(14)
            figure, axes = new_axes(6.2, 0.5 + 0.24 * len(best) + 0.5)
            forest(best, axes, label=label, unit=unit)
            drawn.append(
                (
                    figure,
                    f"{contrast}: the {len(best)} smallest p-values; at most {best['n_test'].max():.0f} patients "
                    f"against {best['n_reference'].max():.0f}; filled where q < {ALPHA:g}.{clip_note(best)}",
                    f"{title}_{contrast}",
                )
            )
        blocks.append(figures(drawn))
        first = [own_name] if own_name is not None else []
        beside = ["reference", "share_effect", "share_p_value"] if name == "composition_contrasts" else []
        blocks.append(table(tested.sort_values("p_value", kind="stable"), name, [
            "contrast", *first, "cell_type", "verdict",
            "effect", *TEST, *beside, "why",
        ]))  # fmt: skip
    blocks += _antibodies(folder)
    lead = (
        "One point is one patient. A cell type absent from a biopsy is a count of zero; its signatures there are "
        "missing, not zero. A share can fall because other cells grow: the test of composition is relative to the "
        "median type."
    )
    return Section("microenvironment", "Microenvironment", lead, blocks) if blocks else None


def _course(folder: Folder) -> list[Drawn]:
    """One panel per axis: a point per patient in each arm, with the strongest claim on it."""
    found = [course for course in courses(folder) if course.values["patient"].nunique() >= FEWEST]
    if not found:
        return []
    figure, panels = new_grid(len(found), 4, 2.45, 2.45)
    for axes, course in zip(panels, found, strict=True):
        by_arm(course.values, axes, arms=[a for a in folder.arms if a in set(course.values["arm"])],
               unit=course.unit, palette=folder.arms)  # fmt: skip
        title = [*wrap(course.title, LETTERS)[:2], *wrap(_strongest(course), LETTERS)[:2]]
        axes.set_title("\n".join(title), fontsize=7, loc="left")
    caption = (
        "The course of each axis over the arms; the line of a panel names the strongest of the comparisons that were "
        "tested on it, with q over all tests of its kind. An axis without a line was not tested as such."
    )
    return [(figure, caption, "course")]


def _strongest(course: Course) -> str:
    """The contrast with the best verdict on an axis, its effect and q."""
    claims = course.claims
    claims = claims[claims["p_value"].notna()] if len(claims) else claims
    if not len(claims):
        return "not tested"
    best = claims.assign(order=claims["verdict"].map(STRENGTH)).sort_values(["order", "p_value"], kind="stable").iloc[0]
    named = "" if course.title.endswith(f", {best['cell_type']}") else f"{best['feature']}, "
    shown = "" if best["verdict"] == "not supported" else f", {best['verdict']}"
    return f"{named}{best['contrast']}: {best['effect']:+.2f}, q {written(best['q_value'], 'p')}{shown}"


def _composition(folder: Folder) -> list[Drawn]:
    found = folder.table("composition")
    if not len(found):
        return []
    counts = found.set_index("sample")
    counts.index = counts.index.astype(str)
    counts = counts.loc[:, counts.sum() > 0]
    if counts.shape[1] < 2:
        return []
    sheet = folder.sheet["arm"]
    arm = pd.Series(pd.Categorical(sheet, categories=folder.arms), index=sheet.index.astype(str))
    figure, axes = new_axes(0.34 * max(len(counts), SLOTS) + 3.6, 4.4)
    shares(counts, axes, arm=arm, colours=folder.palette)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7, frameon=False)
    words = f"{int(counts.to_numpy().sum()):,} cells of {len(counts)} samples: the share of each population, by arm."
    return [(figure, words, "composition")]


def _antibodies(folder: Folder) -> list[dict[str, Any]]:
    """The level of every antibody in every population, as one picture, and its agreement with RNA."""
    scores = folder.table("protein_scores")
    if not len(scores):
        return []
    width, height = 2.0 + 0.32 * scores["protein"].nunique(), 1.4 + 0.24 * scores["cell_type"].nunique()
    drawn, over = [], counted(scores["sample"].nunique(), "sample")
    for what, column, label in (
        (f"Antibodies: mean over {over} of the log counts relative to the panel; isotype controls right",
         "value", "log counts, panel = 0"),
        (f"RNA of the gene of each antibody in the same cells of {over}", "rna", "log1p per 10,000"),
    ):  # fmt: skip
        figure, axes = new_axes(width, height)
        levels(scores, axes, column=column, label=label)
        drawn.append(
            (figure, f"{what}. Empty: not measured, or fewer than 10 cells in every sample.", f"antibodies_{column}")
        )
    blocks = [heading("Antibodies beside the RNA of their gene"), figures(drawn)]
    agreement = folder.table("protein_against_rna")
    known = agreement[agreement["correlation"].notna()].sort_values("correlation", ascending=False)
    if len(known):
        columns = ["protein", "gene", "cell_type", "n", "correlation", "ci_low", "ci_high"]
        return [*blocks, table(known, "protein_against_rna", columns)]
    return [*blocks, text("Whether they agree over samples is not shown: that needs at least five samples.")]
