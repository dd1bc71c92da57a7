"""The section on the bench: protein in tissue, functional assays, and whether they agree with the RNA."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import counted
from scresist.plots import bench as draw
from scresist.plots.style import new_axes
from scresist.plots.tissue import gate
from scresist.report.blocks import Drawn, Section, bullets, figures, heading, table
from scresist.report.comparisons import TEST, strip
from scresist.report.folder import Folder

DRAWN = 4  # features of a kind that are drawn, those with the smallest p first
TABLES = ("validation_ihc", "validation_her2", "validation_mif", "validation_dose_response", "validation_kinetics",
          "validation_readouts", "validation_expression", "validation_combinations")  # fmt: skip


def bench(folder: Folder) -> Section | None:
    """Agreement first, then tissue, then cells in culture; None where the study has no bench file."""
    present = [name for name in TABLES if len(folder.table(name))]
    if not present:
        return None
    blocks = [*_agreement(folder), *_ihc(folder), *_mif(folder), *_doses(folder), *_others(folder)]
    notes = list(dict.fromkeys(n for name in present for n in folder.notes(name)))
    if notes:
        blocks += [heading("Notes on the bench"), bullets(notes)]
    return Section("bench", "The bench", _lead(folder), blocks)


def _lead(folder: Folder) -> str:
    found = folder.table("validation_agreement")
    decided = found[found["met"] != "open"] if len(found) else found
    share = ""
    if len(decided):
        met = int((decided["met"] == "yes").sum())
        share = f"{met} of {counted(len(decided), 'comparison')} that could be decided went as the RNA predicts. "
    return (
        f"{share}Tissue is compared over patients, as RNA is; cells in culture over biological replicates, whose wells "
        "are averaged first. An assay in one cell line shows what can happen, not how often it does in patients."
    )


def _agreement(folder: Folder) -> list[dict[str, Any]]:
    found = folder.table("validation_agreement")
    if not len(found):
        return []
    sentences = [str(r["sentence"]) for r in found.to_dict("records")]
    return [
        heading("Does protein, and function, agree with the RNA?"), bullets(sentences),
        table(found, "validation_agreement", ["gene", "evidence", "statistic", "value", "ci_low", "ci_high", "n",
                                              "expected_sign", "met", "reason"]),
    ]  # fmt: skip


def _ihc(folder: Folder) -> list[dict[str, Any]]:
    scores, tested = folder.table("validation_ihc"), folder.claimed("validation_ihc_contrasts")
    status = folder.table("validation_her2")
    blocks: list[dict[str, Any]] = []
    if len(scores):
        first = list(dict.fromkeys([*tested.get("marker", []), *scores["marker"]]))
        drawn = [(strip(_by_arm(folder, scores[scores["marker"] == m], "h_score"), folder.arms, "H-score"),
                  f"{m} protein, {_patients(scores[scores['marker'] == m])}", f"ihc_{m}")
                 for m in first[:DRAWN]]  # fmt: skip
        blocks += [heading("Immunohistochemistry"), figures(drawn)]
        if len(tested):
            blocks.append(table(tested, "validation_ihc_contrasts", [
                "contrast", "marker", "verdict", "effect", *TEST, "why"]))  # fmt: skip
        blocks.append(table(scores, "validation_ihc", ["sample", "marker", "h_score", "ci_low", "ci_high", "n_cores",
                                                       "n_readers", "positive_percent", "tps", "cps"]))  # fmt: skip
    readers = folder.table("validation_ihc_agreement")
    if len(readers):
        blocks += [heading("How far readers agree"), table(readers, "validation_ihc_agreement", [
            "marker", "readers", "statistic", "n", "value", "ci_low", "ci_high", "reason"])]  # fmt: skip
    if len(status):
        blocks += [heading("HER2 status"), table(status, "validation_her2", [
            "sample", "score", "score_lowest", "score_highest", "her2_cep17", "her2_copies", "status", "class",
            "reason"])]  # fmt: skip
    return blocks


def _mif(folder: Folder) -> list[dict[str, Any]]:
    from scresist.validation.by_sample import density_values, spatial_values

    cells = folder.table("validation_mif")
    if not len(cells):
        return []
    blocks = [heading("Multiplex immunofluorescence")]
    tested = folder.claimed("validation_mif_contrasts")
    values = density_values(cells)
    pairs = tested[["compartment", "phenotype"]] if len(tested) else values[["compartment", "phenotype"]]
    drawn = []
    for place, name in list(dict.fromkeys(pairs.itertuples(index=False, name=None)))[:DRAWN]:
        own = values[(values["compartment"] == place) & (values["phenotype"] == name)]
        where = "the whole region" if place == "all" else place
        drawn.append((strip(_by_arm(folder, own, "value"), folder.arms, "log2 cells per mm2"),
                      f"{name} cells in {where}, {_patients(_owned(folder, own))}", f"mif_{name}_{place}"))  # fmt: skip
    near = folder.claimed("validation_mif_spatial_contrasts")
    if len(near):
        spatial = spatial_values(folder.table("validation_mif_spatial"))
        keys = ["from", "to", "statistic"]
        for a, b, what in list(dict.fromkeys(near[keys].itertuples(index=False, name=None)))[:DRAWN]:
            own = spatial[(spatial["from"] == a) & (spatial["to"] == b) & (spatial["statistic"] == what)]
            drawn.append((strip(_by_arm(folder, own, "value"), folder.arms, "log2 observed / expected"),
                          f"{what}: {a} to {b}, {_patients(_owned(folder, own))}", f"mif_{what}_{a}_{b}"))  # fmt: skip
    blocks.append(figures(drawn))
    if len(tested):
        blocks.append(table(tested, "validation_mif_contrasts", [
            "contrast", "compartment", "phenotype", "verdict", "effect", *TEST, "why"]))  # fmt: skip
    if len(near):
        blocks += [heading("How phenotypes lie to each other"), table(near, "validation_mif_spatial_contrasts", [
            "contrast", "from", "to", "statistic", "verdict", "effect", *TEST, "why"])]  # fmt: skip
    gates = folder.table("validation_mif_gates")
    if len(gates):
        blocks += [
            heading("Gates"),
            figures(_gates(folder, gates)),
            table(gates, "validation_mif_gates", list(gates.columns)),
        ]
    return blocks


def _gates(folder: Folder, gates: pd.DataFrame) -> list[Drawn]:
    shown = folder.table("validation_mif_intensities")
    drawn = []
    for row in gates.to_dict("records") if len(shown) else []:
        picture, axes = new_axes(2.9, 2.1)
        gate(shown, gates, axes, marker=str(row["marker"]))
        share = row["positive_share"]
        words = f"{share:.0%} positive" if np.isfinite(share) else "no gate: one population"
        drawn.append((picture, f"{row['marker']}, {words}; the band is the 95 % interval of the gate",
                      f"gate_{row['marker']}"))  # fmt: skip
    return drawn


def _doses(folder: Folder) -> list[dict[str, Any]]:
    curves, points = folder.table("validation_dose_response"), folder.table("validation_dose_points")
    if not len(curves):
        return []
    drawn = []
    for (line, compound), own in list(curves.groupby(["line", "compound"], sort=False))[:DRAWN]:
        figure, axes = new_axes(4.0, 3.0)
        draw.dose_curves(own, points[(points["line"] == line) & (points["compound"] == compound)], axes)
        drawn.append(
            (figure, f"{compound} in {line}; {_replicates(own['n_replicates'])} a condition", f"dose_{compound}_{line}")
        )
    ratios = folder.claimed("validation_dose_ratios")
    blocks = [heading("Dose-response"), figures(drawn)]
    if len(ratios):
        blocks.append(table(ratios, "validation_dose_ratios", [
            "line", "compound", "test", "reference", "verdict", "ratio", "ci_low", "ci_high", "p_value", "q_value",
            "n_test", "n_reference", "aac_difference", "weak", "why"]))  # fmt: skip
    blocks.append(table(curves, "validation_dose_response", [
        "line", "condition", "compound", "ic50_um", "ic50_low", "ic50_high", "ic50_reached", "aac", "emax", "hill",
        "n_replicates", "weak", "reason"]))  # fmt: skip
    return blocks


def _others(folder: Folder) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    rates = folder.table("validation_kinetics")
    if len(rates):
        shown = rates[rates["chosen"].astype(bool) | (rates["reference"].fillna("") != "")]
        blocks += [heading("Linker cleavage and payload release"), table(shown, "validation_kinetics", [
            "experiment", "condition", "reference", "model", "parameter", "value", "ci_low", "ci_high", "unit",
            "n_replicates", "weak", "reason"])]  # fmt: skip
    for name, title, columns in (
        ("validation_readouts", "Growth, colonies, apoptosis, internalisation",
         ["line", "readout", "test", "reference", "effect", "ci_low", "ci_high", "scale", "p_value", "q_value",
          "n_test", "n_reference", "expected", "met", "weak", "reason"]),
        ("validation_expression", "qPCR and Western blots",
         ["assay", "line", "target", "test", "reference", "fold", "ci_low", "ci_high", "p_value", "q_value", "n_test",
          "n_reference", "weak", "reason"]),
        ("validation_combinations", "Combinations",
         ["line", "condition", "drug_a", "drug_b", "model", "synergy", "ci_low", "ci_high",
          "n_replicates", "weak", "reason"]),
    ):  # fmt: skip
        found = folder.table(name) if name == "validation_combinations" else folder.claimed(name)
        if name == "validation_combinations" and len(found):
            found = found[found["dose_a_um"].isna()]
        if len(found):
            blocks += [heading(title), table(found, name, columns)]
    return blocks


def _owned(folder: Folder, values: pd.DataFrame) -> pd.DataFrame:
    sheet = folder.table("samples").assign(sample=lambda t: t["sample"].astype(str)).set_index("sample")
    samples = values["sample"].astype(str)
    return values.assign(patient=samples.map(sheet["patient"]), arm=samples.map(sheet["arm"]))


def _by_arm(folder: Folder, values: pd.DataFrame, column: str) -> pd.DataFrame:
    """One value per patient and arm."""
    own = _owned(folder, values.drop(columns=["patient", "arm"], errors="ignore"))
    return own.groupby(["patient", "arm"], as_index=False)[column].mean().rename(columns={column: "value"})


def _patients(table: pd.DataFrame) -> str:
    return counted(int(table["patient"].nunique()), "patient")


def _replicates(numbers: pd.Series) -> str:
    low, high = int(np.min(numbers)), int(np.max(numbers))
    return f"{low} biological replicates" if low == high else f"{low} to {high} biological replicates"
