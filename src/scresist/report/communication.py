"""The section on communication: who signals to whom in each arm, what changes, and whether receivers respond."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.contrasts.verdict import ALPHA
from scresist.plots import communication as draw
from scresist.plots.axis_ends import clip_note
from scresist.plots.effects import forest
from scresist.plots.style import new_axes, short
from scresist.report.blocks import Drawn, Section, bullets, figures, heading, table, text
from scresist.report.comparisons import TEST
from scresist.report.folder import Folder

LEVELS = (
    ("pathway", "Pathways between populations"), ("outgoing", "Outgoing, by population"),
    ("incoming", "Incoming, by population"), ("pair", "Ligand-receptor pairs"),
)  # fmt: skip
ENDS = ("source", "target", "ligand", "receptor", "pathway")
STRIPS = 6
STRONGEST = 25
CHANGES = 12  # pathways in a forest


def communication(folder: Folder) -> Section | None:
    """Links of each arm, their differences, the chain from signal to response, and the strongest links."""
    main, each = _arms(folder)
    blocks: list[dict[str, Any]] = [
        *([figures(main)] if main else []),
        *_changes(folder),
        *([heading("Every arm by itself"), figures(each)] if each else []),
        *_doubted(folder.table("communication_contrasts")),
        *_differences(folder),
        *_responses(folder),
        *_strongest(folder),
    ]
    if not blocks:
        return None
    blocks += [bullets(folder.notes("communication"))] if folder.notes("communication") else []
    lead = (
        "Inferred from expression in every sample by itself, on one scale; a population that a biopsy does "
        "not contain has no value there, rather than a value of 0."
    )
    return Section("communication", "Communication", lead, blocks)


def _arms(folder: Folder) -> tuple[list[Drawn], list[Drawn]]:
    """Means over the patients of each arm: first the differences on one scale, then every arm by itself."""
    values = folder.table("communication_samples")
    if not len(values):
        return [], []
    values = values.join(folder.sheet, on="sample")
    links = _per_arm(values[values["level"] == "pathway"], ["source", "target"])
    present = sorted({str(g) for pair in links.index for g in pair})
    by_arm = {arm: links[arm].unstack("target").reindex(index=present, columns=present)  # noqa: PD010
              for arm in folder.arms if arm in links}  # fmt: skip
    patients = values.groupby("arm")["patient"].nunique()
    asked = {name: c for name, c in folder.facts["settings"]["design"]["contrasts"].items()
             if {c["test"], c["reference"]} <= set(by_arm)}  # fmt: skip
    changes = {name: by_arm[c["test"]] - by_arm[c["reference"]] for name, c in asked.items()}
    changes = {
        name: change.rename_axis(columns=None) for name, change in changes.items() if change.notna().any(axis=None)
    }
    limit = max((float(np.nanmax(np.abs(change.to_numpy(float)))) for change in changes.values()), default=0.0)
    main: list[Drawn] = []
    for name, change in changes.items():
        test, reference = asked[name]["test"], asked[name]["reference"]
        figure, axes = new_axes(4.8, 4.4)
        draw.matrix(change, axes, label="difference of total probability", limit=limit or None)
        main.append((figure, f"{name}: {test} ({patients.get(test, 0)} patients) less {reference} "
                     f"({patients.get(reference, 0)}); total over pathways, mean over patients, one scale and order in "
                     "every figure; white where a population is missing.", f"difference_{name}"))  # fmt: skip
    ends = {"outgoing": "source", "incoming": "target"}
    totals = {
        level: _per_arm(values[values["level"] == level].rename(columns={end: "group"}), ["group"])
        for level, end in ends.items()
    }
    for name, contrast in asked.items():
        own = pd.DataFrame({f"{level}_{side}": t[contrast[side]] for level, t in totals.items()
                            for side in ("reference", "test") if contrast[side] in t}).dropna()  # fmt: skip
        if len(own) > 1 and own.shape[1] == len(ends) * 2:
            figure, axes = new_axes(4.8, 3.8)
            draw.role_changes(own.rename_axis("group").reset_index(), axes, unit="probability, mean over partners",
                              palette=folder.palette)  # fmt: skip
            main.append((figure, f"{name}: what each population sends and receives, from {contrast['reference']} "
                                 "(open) "
                         f"to {contrast['test']} (arrow); mean over {patients.get(contrast['reference'], 0)} and "
                         f"{patients.get(contrast['test'], 0)} patients.", f"roles_{name}"))  # fmt: skip
    each: list[Drawn] = []
    total = max((float(np.nansum(m.to_numpy(float))) for m in by_arm.values()), default=0.0)
    for arm, amounts in by_arm.items():
        whole = amounts.fillna(0.0).clip(lower=0)
        if not total or not whole.to_numpy().sum():
            continue
        figure, axes = new_axes(4.6, 4.6)
        draw.chord(whole.rename_axis(columns=None), axes, palette=folder.palette, total=total)
        each.append((figure, f"{arm}, mean over {patients.get(arm, 0)} patients: arcs are what a population sends and "
                     "receives, ribbons have the colour of the sender; one scale in every arm.", f"chord_{arm}"
                     ))  # fmt: skip
    return main, each


def _changes(folder: Folder) -> list[dict[str, Any]]:
    """The pathways that change most, with their intervals."""
    tested = folder.claimed("communication_contrasts")
    own = tested[(tested["level"] == "pathway") & tested["p_value"].notna()] if len(tested) else tested
    drawn = []
    for contrast, rows in own.groupby("contrast", sort=False) if len(own) else ():
        best = rows.sort_values("p_value", kind="stable").head(CHANGES)
        best = best.assign(shown=best["pathway"].astype(str) + ", " + best["source"].map(short) + " → "
                           + best["target"].map(short))  # fmt: skip
        figure, axes = new_axes(6.4, 1.0 + 0.24 * len(best))
        forest(best, axes, label="shown", unit="difference of probability")
        drawn.append((figure, f"{contrast}: the {len(best)} pathways with the smallest p-values, "
                              f"{rows['n_test'].max():.0f} "
                      f"patients against {rows['n_reference'].max():.0f}; filled where q < {ALPHA:g}.{clip_note(best)}",
                      f"changes_{contrast}"))  # fmt: skip
    return [figures(drawn)] if drawn else []


def _per_arm(values: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The total over pathways per sample, then the mean over samples and over patients: keys x arms."""
    per_sample = values.groupby([*keys, "arm", "patient", "sample"])["value"].sum(min_count=1)
    per_patient = per_sample.groupby([*keys, "arm", "patient"]).mean()
    return per_patient.groupby([*keys, "arm"]).mean().unstack("arm")  # noqa: PD010


def _differences(folder: Folder) -> list[dict[str, Any]]:
    tested = folder.claimed("communication_contrasts")
    if not len(tested):
        return []
    blocks: list[dict[str, Any]] = []
    values, sheet = folder.table("communication_samples"), folder.sheet
    for level, title in LEVELS:
        own = tested[tested["level"] == level]
        if not len(own):
            continue
        blocks.append(heading(title))
        if level == "pathway" and len(values):
            blocks.append(figures(_strips(own, values, sheet, folder.arms)))
        blocks.append(table(own, "communication_contrasts", [
            "contrast", *ENDS, "verdict",
            "effect",
            "ci_low", "ci_high", *TEST[2:], "why",
        ]))  # fmt: skip
    return blocks


def _doubted(tested: pd.DataFrame) -> list[dict[str, Any]]:
    """How many comparisons are no finding because the cells of the arms differ in depth, and which cells."""
    if "doubts" not in tested:  # of a run before depths were compared
        return []
    doubted = tested[tested["doubts"].fillna("") != ""]
    if doubted.empty:
        return []
    named = sorted({each for words in doubted["doubts"] for each in str(words).split("; ")})
    lead = (
        f"{len(doubted):,} of {len(tested):,} comparisons are no finding, because their cells differ in depth between "
        "the arms, and a link follows the depth of its cells; the figures above contain this too:"
    )
    return [heading("Comparisons that depth may explain"), text(lead), bullets(named)]


def _strips(tested: pd.DataFrame, values: pd.DataFrame, sheet: pd.DataFrame, arms: list[str]) -> list[Drawn]:
    """One point per patient for the links that differ most."""
    drawn = []
    ends = ["source", "target", "pathway"]
    for row in tested.drop_duplicates(ends).head(STRIPS).to_dict("records"):
        here = (values["level"] == "pathway") & (values[ends] == [row[e] for e in ends]).all(axis=1)
        figure, axes = new_axes(max(2.9, 0.8 * len(arms)), 2.5)
        draw.by_patient(values[here].dropna(subset="value"), sheet, axes, arms=arms, unit="probability")
        drawn.append(
            (
                figure,
                f"{row['pathway']} from {row['source']} to {row['target']}",
                f"{row['pathway']}_{row['source']}_to_{row['target']}",
            )
        )
    return drawn


def _responses(folder: Folder) -> list[dict[str, Any]]:
    tested = folder.claimed("signal_chain_contrasts")
    if not len(tested):
        return []
    return [heading("From signal to response"), table(tested, "signal_chain_contrasts", [
        "contrast", "pathway",
        "step",
        "group", "verdict", "effect", *TEST, "why",
    ])]  # fmt: skip


def _strongest(folder: Folder) -> list[dict[str, Any]]:
    """The links that several scores agree on, with what they rest on; a description, not a test of arms."""
    scores, evidence = folder.table("communication_scores"), folder.table("communication_evidence")
    if not len(scores):
        return []
    best = scores.sort_values(["aggregate", "probability"], ascending=[True, False], kind="stable").head(STRONGEST)
    if len(evidence):
        best = best.merge(evidence, on=["source", "target", "interaction"], how="left")
    return [heading("The strongest links, whatever the arm"), table(best, "communication_scores", [
        *ENDS, "probability", "n_high",
        "specificity", "log_fold",
        "n_samples", "share_significant",
        "ligand_cells", "receptor_cells",
        "ligand_ambient_share",
    ])]  # fmt: skip
