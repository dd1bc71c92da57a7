"""The sections of the page, from the tables of a run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from scresist.plots.composition import shares
from scresist.plots.effects import forest
from scresist.plots.levels import levels
from scresist.plots.style import colours, new_axes
from scresist.report.bench import bench
from scresist.report.blocks import (
    Column,
    Section,
    bullets,
    cell_map,
    figures,
    heading,
    interval,
    plain_table,
    table,
    text,
    written,
)
from scresist.report.communication import communication
from scresist.report.comparisons import TEST, strip
from scresist.report.design import design
from scresist.report.first_screen import first_screen
from scresist.report.folder import Folder
from scresist.report.genes import genes
from scresist.report.modules import modules
from scresist.report.survival import survival
from scresist.report.validation import validation
from scresist.tables import TABLES


def planted(folder: Folder) -> Section | None:
    """What was planted in a simulated cohort, beside what was found."""
    known = folder.table("planted")
    if not len(known):
        return None
    lead = "This cohort was simulated. The run did not see the truth; here both are compared."
    return Section("planted", "What was planted, and what was found", lead, [table(known, "planted", [
        "what", "where", "planted", "found",
    ])])  # fmt: skip


def who(folder: Folder) -> Section:
    """Map, composition, annotation."""
    cells = folder.cells
    blocks: list[dict[str, Any]] = [cell_map(cells, folder.arms)] if "umap_1" in cells else []
    counted = folder.table("composition")
    if len(counted):
        counts = counted.set_index("sample")
        counts = counts.loc[:, counts.sum() > 0]
        sheet = folder.sheet["arm"]
        arm = pd.Series(pd.Categorical(sheet, categories=folder.arms), index=sheet.index.astype(str))
        figure, axes = new_axes(max(7.0, 0.34 * len(counts) + 3.6), 4.4)
        shares(counts, axes, arm=arm, colours=colours(counts.columns))
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7, frameon=False)
        blocks.append(figures([(figure, "Cells of each population in each sample, by arm.", "composition")]))
    evidence = folder.table("annotation")
    if len(evidence):
        blocks += [heading("Evidence per cluster"), table(evidence, "annotation", [
            "cluster", "n_cells", "n_samples",
            "cell_type", "cell_type_share",
            "confidence",
            "markers_for", "markers_against",
        ])]  # fmt: skip
    calls = folder.table("malignancy")
    if len(calls):
        blocks += [heading("Malignant cells by patient"), table(calls, "malignancy", [
            "patient", "epithelial", "reference",
            "signal",
            "reference_signal", "malignant",
            "normal", "uncertain", "refused",
        ])]  # fmt: skip
    lead = ("Cells were integrated over samples for naming and looking only; every test goes back to raw counts. The "
            "distances on the map have no unit.")  # fmt: skip
    return Section("cells", "Who the cells are", lead, blocks)


def candidates(folder: Folder) -> Section | None:
    """The ranked genes, with one point per patient for the first of each contrast."""
    ranked = folder.claimed("candidates")
    if not len(ranked):
        return None
    ranked = ranked.sort_values("rank", kind="stable")
    values = folder.table("candidate_values")
    columns = [
        "rank", "gene", "verdict", "score", "log2fc", *TEST, "module", "kme", "malignant_share", "ambient_risk", "hr",
        "survival_q", "mechanism", "bench", "why",
    ]  # fmt: skip
    blocks: list[dict[str, Any]] = []
    for contrast, own in ranked.groupby("contrast", sort=False):
        blocks.append(heading(str(contrast)))
        drawn = []
        for gene in own.head(6)["gene"]:
            points = values[values["gene"] == gene] if len(values) else values
            if len(points):
                drawn.append((strip(points, folder.arms, "log2 CPM"), _caption(own, str(gene)), f"{contrast}_{gene}"))
        if drawn:
            blocks.append(figures(drawn))
        blocks.append(table(own[own["rank"] <= 40], "candidates", columns))
        known = own[own["mechanism"].fillna("") != ""]
        if len(known):
            blocks += [
                heading(f"{contrast}: known routes of escape, whatever their rank"),
                table(known, "candidates", columns),
            ]
    compartment = folder.facts["settings"]["focus"]["compartment"]
    focus = "all cells" if compartment == "all" else f"the {compartment} compartment"
    lead = (
        f"Genes of {focus} by patient-level evidence. Supported: found over patients at the level that keeps the rate "
        "of the whole study, not resting on one patient, and not explained by soup, by what all cells show alike, or "
        "by batch, depth or cycle; the last column gives the reason."
    )
    return Section("candidates", "Candidates", lead, blocks)


def _caption(own: pd.DataFrame, gene: str) -> str:
    row = own[own["gene"] == gene].iloc[0]
    return f"{gene}: log2 fold change {interval(row, 'log2fc')}, q {written(row['q_value'], 'p')}"


def microenvironment(folder: Folder) -> Section | None:
    """Composition and signatures between arms."""
    blocks: list[dict[str, Any]] = []
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
                    f"{contrast}: the {len(best)} smallest p-values; filled where q < 0.05.",
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
    lead = "A cell type absent from a biopsy is a count of zero; its signatures there are missing, not zero."
    return Section("microenvironment", "Microenvironment", lead, blocks) if blocks else None


def _antibodies(folder: Folder) -> list[dict[str, Any]]:
    """The level of every antibody in every population, as one picture, and its agreement with RNA."""
    scores = folder.table("protein_scores")
    if not len(scores):
        return []
    width, height = 2.0 + 0.32 * scores["protein"].nunique(), 1.4 + 0.24 * scores["cell_type"].nunique()
    drawn = []
    for what, column, label in (
        ("Antibodies: mean over samples of the log counts relative to the panel; isotype controls at the right",
         "value", "log counts, panel = 0"),
        ("RNA of the gene of each antibody in the same cells", "rna", "log1p per 10,000"),
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
    lead = (
        "That one contrast finds a feature and the other does not is no evidence that they differ: a class is given "
        "only where the difference itself is found."
    )
    return Section("resistance", "Primary against acquired", lead, blocks) if blocks else None


def over_cells(folder: Folder) -> Section | None:
    """What tests over cells would have claimed, and what patients say to it; error rates on shuffled patients."""
    calibrated = folder.table("calibration")
    blocks: list[dict[str, Any]] = []
    if folder.sentences("over cells"):
        blocks.append(bullets(folder.sentences("over cells")))
    for name, title in (("flips", "Genes"), ("module_flips", "Modules"), ("flow_flips", "Pathways")):
        made = folder.table(name)
        if len(made):
            counted = pd.crosstab(made["contrast"], made["verdict"]).reset_index()
            columns = [Column(str(c), str(c)) for c in counted.columns]
            blocks += [
                heading(f"{title} claimed, and what patients say"),
                plain_table(counted, columns, file=f"tables/{name}.csv"),
            ]
    if len(calibrated):
        blocks += [
            heading("Error rates with the patients of this study shuffled"),
            table(
                calibrated,
                "calibration",
                [
                    "claim",
                    "contrast",
                    "n_shuffles",
                    "false_positive_rate",
                    "ci_low",
                    "ci_high",
                    "any_discovery_rate",
                    "observed_discoveries",
                    "p_observed",
                    "verdict",
                ],
            ),
        ]
    lead = "Cells of one patient are not independent; a test that takes them for replicates finds what is not there."
    return Section("over_cells", "What tests over cells would have claimed", lead, blocks) if blocks else None


def quality(folder: Folder) -> Section:
    """What was removed, for which reason, and the contamination of every sample."""
    blocks = [table(folder.table("quality"), "quality", [
        "sample", "cells_in", "cells_kept",
        "low_counts", "low_genes",
        "high_mito", "doublet",
        "median_counts", "median_genes",
        "median_mito_percent", "contamination",
        "contamination_low", "contamination_high",
    ])]  # fmt: skip
    notes = [*folder.notes("quality"), *folder.notes("ingest")]
    if notes:
        blocks += [heading("Notes of reading and quality control"), bullets(notes)]
    lead = "Thresholds adapt to each sample; a barcode that was removed counts under its first reason only."
    return Section("quality", "Quality", lead, blocks)


def methods(folder: Folder) -> Section:
    """How it was made: methods of every result, settings, versions, inputs."""
    methods = {name: m for name, m in folder.facts["methods"].items() if m and TABLES[name].step != "report"}
    made = [f"{name}: {method}" for name, method in sorted(methods.items())]
    versions = ", ".join(f"{k} {v}" for k, v in folder.facts["versions"].items())
    inputs = pd.DataFrame({"file": list(folder.facts["inputs"]), "sha256": list(folder.facts["inputs"].values())})
    settings = pd.json_normalize(folder.facts["settings"]).iloc[0]
    listed = pd.DataFrame({"setting": settings.index, "value": [str(v) for v in settings]})
    listed_text = [f"{p['severity']}: {p['file']}: {p['message']}" for p in folder.facts["problems"]]
    blocks = [bullets(made), heading("Settings"),
              plain_table(listed, [Column("setting", "setting"), Column("value", "value")]),
              heading("Inputs"), plain_table(inputs, [Column("file", "file"), Column("sha256", "SHA-256")]),
              text(f"Versions: {versions}.")]  # fmt: skip
    blocks += [heading("Notes on the sheets"), bullets(listed_text)] if listed_text else []
    return Section("methods", "Methods and settings", "", blocks)


def claims(folder: Folder) -> Section | None:
    """The register: every statement with its numbers."""
    register = folder.claims
    if not len(register):
        return None
    register = register.assign(order=np.where(register["verdict"] == "supported", 0, 1))
    register = register.sort_values(["order", "p_value"], kind="stable")
    counts = register["verdict"].value_counts()
    listed_text = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    levels = folder.table("families")
    lead = (
        f"Every statement of this page with its numbers: {listed_text}. A q-value keeps the rate of its family. A "
        "claim is supported only at or below the level that keeps the rate over all families of the study."
    )
    asked = register.loc[(register["kind"] == "design") & (register["verdict"] == "stated"), "statement"]
    lead = " ".join([lead, *asked])
    return Section("claims", "Claims register", lead, [
        *([table(levels, "families", [
            "kind", "family", "tests",
            "smallest_q", *(["primary"] if len(asked) else []), "level",
        ], at_most=60)] if len(levels) else []),
        table(register, "claims", [
            "statement", "verdict", "unit",
            "n", "test", "effect", *TEST[:5],
            "influence", "influence_patient", "why",
        ], at_most=len(register))])  # fmt: skip


ORDER: tuple[Callable[[Folder], Section | None], ...] = (
    first_screen, planted, genes, candidates, modules, validation, resistance, microenvironment, communication,
    survival, bench, over_cells, who, quality, design, claims, methods,
)  # fmt: skip
