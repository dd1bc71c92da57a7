"""The section on communication: who signals to whom in each arm, what changes, and whether receivers respond."""

from typing import Any

import pandas as pd

from scresist.plots import communication as draw
from scresist.plots.style import new_axes
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


def communication(folder: Folder) -> Section | None:
    """Links of each arm, their differences, the chain from signal to response, and the strongest links."""
    blocks = [
        *_arms(folder),
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


def _arms(folder: Folder) -> list[dict[str, Any]]:
    """Means over the patients of each arm: what populations send and receive, and the difference of every contrast."""
    values = folder.table("communication_samples")
    if not len(values):
        return []
    sheet = folder.sheet
    values = values.join(sheet, on="sample")
    drawn = []
    ends = {"outgoing": "source", "incoming": "target"}
    totals = {
        level: _per_arm(values[values["level"] == level].rename(columns={end: "group"}), ["group"])
        for level, end in ends.items()
    }
    for arm in folder.arms:
        own = pd.DataFrame({level: t[arm] for level, t in totals.items() if arm in t}).dropna()
        if len(own) > 1 and own.shape[1] == len(ends):
            figure, axes = new_axes(4.6, 3.6)
            draw.roles(own.rename_axis("group").reset_index(), axes, unit="probability, mean over partners")
            drawn.append(
                (figure, f"{arm}: what each population sends and receives, mean over patients.", f"roles_{arm}")
            )
    links = _per_arm(values[values["level"] == "pathway"], ["source", "target"])
    for name, contrast in folder.facts["settings"]["design"]["contrasts"].items():
        if {contrast["test"], contrast["reference"]} <= set(links.columns):
            change = (links[contrast["test"]] - links[contrast["reference"]]).unstack("target")  # noqa: PD010
            change = change.rename_axis(columns=None)
            if change.notna().any(axis=None):
                figure, axes = new_axes(5.4, 4.6)
                draw.matrix(change, axes, label="difference of total probability")
                drawn.append((figure, f"{name}: {contrast['test']} less {contrast['reference']}; total over "
                              "pathways, mean over patients; white where a population is missing.",
                              f"difference_{name}"))  # fmt: skip
    return [heading("Means over patients, by arm"), figures(drawn)] if drawn else []


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
    return [text(lead), bullets(named)]


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
