"""The section on the second cohort: which modules are modules there too, and whether its arms differ alike."""

import pandas as pd

from scresist.plots import validation as draw
from scresist.plots.style import new_axes
from scresist.report.blocks import Drawn, Section, bullets, figures, heading, table
from scresist.report.comparisons import TEST, strip
from scresist.report.folder import Folder

DRAWN = 6  # modules whose scores are drawn


def validation(folder: Folder) -> Section | None:
    """Preservation of the modules, their tests in the second cohort, what both agree on."""
    found = folder.table("validation_preservation")
    if not len(found):
        return None
    found = found.sort_values("z_summary", ascending=False, kind="stable")
    tested = folder.claimed("validation_modules")
    blocks = [
        bullets([*folder.sentences("preservation"), *folder.sentences("replication")]),
        figures(_overview(folder, found, tested)),
        table(found, "validation_preservation", [
            "module", "n_genes", "n_found", "preserved", "z_summary", "z_summary_chance", "z_density",
            "z_connectivity", "median_rank", "coherence", "coherence_chance", "p_value", "q_value", "n_patients",
            "carried_by", "genes_missing",
        ]),
    ]  # fmt: skip
    if len(tested):
        blocks += [heading("Between the arms of the second cohort"), figures(_strips(folder, tested)),
                   table(tested, "validation_modules", [
                       "contrast", "module", "verdict", "arm_test", "arm_reference", "effect", *TEST, "first_effect",
                       "first_q", "same_direction", "why",
                   ])]  # fmt: skip
    agreed = folder.table("validation_consensus")
    if len(agreed):
        blocks += [heading("Modules of both cohorts"), table(_hubs(agreed), "validation_consensus", [
            "module", "gene", "first_module", "jaccard",
        ])]  # fmt: skip
    notes = [*folder.notes("validation_preservation"), *folder.notes("validation_scores")]
    blocks += [heading("Notes on the second cohort"), bullets(list(dict.fromkeys(notes)))] if notes else []
    lead = (
        f"The modules of this study in other patients: {found['cohort'].iloc[0]}. A module that is not preserved there "
        "may still differ between arms, but then something else differs: such a test is suggestive at most."
    )
    return Section("validation", "The second cohort", lead, blocks)


def _overview(folder: Folder, found: pd.DataFrame, tested: pd.DataFrame) -> list[Drawn]:
    """Preservation of all modules, and their effects in both cohorts."""
    over = f"{found['n_patients'].max():.0f} patients of the second cohort"
    figure, axes = new_axes(5.2, 0.8 + 0.22 * len(found))
    draw.preserved_modules(found, axes)
    drawn = [(figure, "Zsummary, filled where a module is preserved; the bars are the 95 % quantile of "
              f"permuted genes of like expression, the lines some (2) and strong (10) evidence. {over}.",
              "preservation")]  # fmt: skip
    if len(tested) and tested["first_effect"].notna().any():
        figure, axes = new_axes(4.4, 3.4)
        order = {name: k for k, name in enumerate(folder.contrasts)}
        draw.effects_of_both(tested.sort_values("contrast", key=lambda c: c.map(order), kind="stable"), axes)
        drawn.append((figure, "Effects in both cohorts, with 95 % intervals in the second; named where the "
                      f"interval excludes 0. {over}.", "effects_of_both"))  # fmt: skip
    return drawn


def _strips(folder: Folder, tested: pd.DataFrame) -> list[Drawn]:
    """One point per patient and arm of the second cohort."""
    scores = folder.table("validation_scores").rename(columns={"score": "value"})
    used = list(dict.fromkeys([*tested["arm_reference"], *tested["arm_test"]]))
    arms = [*(a for a in folder.arms if a in used), *(a for a in used if a not in folder.arms)]  # order gives colours
    drawn = []
    for name in list(dict.fromkeys(tested["module"]))[:DRAWN]:
        own = scores[(scores["module"] == name) & scores["arm"].isin(arms)]
        means = own.groupby(["patient", "arm"], as_index=False)["value"].mean()
        drawn.append((strip(means, arms, "module score"), f"{name}, second cohort", f"{name}_scores"))
    return drawn


def _hubs(agreed: pd.DataFrame) -> pd.DataFrame:
    """One row a module of both: its first genes and the modules they are in."""
    own = agreed[agreed["rank"].notna()].sort_values(["module", "rank"], kind="stable")
    rows = [
        (name, ", ".join(part["gene"].head(8)), part["first_module"].mode().iloc[0], part["jaccard"].iloc[0])
        for name, part in own.groupby("module", sort=False)
    ]
    return pd.DataFrame(rows, columns=["module", "gene", "first_module", "jaccard"])
