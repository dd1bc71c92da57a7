"""The section on primary against acquired resistance: both effects of every feature, and their difference."""

from typing import Any

from scresist.plots.axis_ends import points_note
from scresist.plots.contrasts import primary_against_acquired
from scresist.plots.style import new_axes
from scresist.report.blocks import Drawn, Section, figures, heading, table
from scresist.report.folder import Folder


def resistance(folder: Folder) -> Section | None:
    """Primary against acquired: both effects of every feature, and the test of their difference."""
    blocks: list[dict[str, Any]] = []
    for name, label, title in (("module_resistance", "module", "Modules"), ("expression_resistance", "gene", "Genes")):
        tested = folder.claimed(name)
        if not len(tested):
            continue
        counted = folder.table(name)["class"].value_counts()
        listed_text = ", ".join(f"{n} {kind}" for kind, n in counted.items())
        blocks += [
            heading(f"{title}: {listed_text}"),
            table(
                tested.sort_values("p_value", kind="stable"),
                name,
                [
                    label,
                    "verdict",
                    "class",
                    "primary_effect",
                    "primary_q",
                    "acquired_effect",
                    "acquired_q",
                    "difference",
                    "ci_low",
                    "ci_high",
                    "p_value",
                    "q_value",
                    "n_primary",
                    "n_acquired",
                    "n_reference",
                    "why",
                ],
            ),
        ]
    drawn = _effects(folder)
    blocks = [figures(drawn), *blocks] if drawn else blocks
    lead = (
        "That one contrast finds a feature and the other does not is no evidence that they differ: a class is given "
        "only where the difference itself is found."
    )
    return Section("resistance", "Primary against acquired", lead, blocks) if blocks else None


def _effects(folder: Folder) -> list[Drawn]:
    """Effect in acquired against effect in primary resistance, coloured by class."""
    drawn = []
    for name, label, words in (("expression_resistance", "gene", "genes"), ("module_resistance", "module", "modules")):
        found = folder.table(name)
        if not len(found):
            continue
        own = found[found["primary_effect"].notna() & found["acquired_effect"].notna()]
        if "cell_type" in own:
            own = own[own["cell_type"] == own["cell_type"].iloc[0]] if len(own) else own
        if not len(own):
            continue
        figure, axes = new_axes(5.2, 4.2)
        primary_against_acquired(own, axes, label=label)
        first = own.iloc[0]
        far = points_note([own["primary_effect"], own["acquired_effect"]], own["class"] != "undecided")
        caption = (f"{len(own):,} {words}: {first['n_primary']:.0f} patients with primary, "
                   f"{first['n_acquired']:.0f} with acquired resistance, {first['n_reference']:.0f} in the reference. "
                   f"Coloured where the difference of the effects is found.{far}")  # fmt: skip
        drawn.append((figure, caption, f"primary_against_acquired_{words}"))
    return drawn
