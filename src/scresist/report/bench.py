"""The section on the bench: protein in tissue, functional assays, and whether they agree with the RNA."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import counted
from scresist.plots import bench as draw
from scresist.plots.style import new_axes
from scresist.plots.tissue import gate, overlay
from scresist.report.blocks import Drawn, Section, bullets, figures, heading, table
from scresist.report.comparisons import TEST, strip
from scresist.report.folder import Folder

DRAWN = 4  # features of a kind that are drawn, those with the smallest p first
TABLES = ("validation_ihc", "validation_ihc_cores", "validation_her2", "validation_mif", "validation_dose_response",
          "validation_kinetics", "validation_readouts", "validation_expression",
          "validation_combinations")  # fmt: skip


def bench(folder: Folder) -> Section | None:
    """Agreement first, then tissue, then cells in culture; None where the study has no bench file."""
    present = [name for name in TABLES if len(folder.table(name))]
    if not present:
        return None
    blocks = [*_agreement(folder), *_ihc(folder), *_images(folder), *_mif(folder), *_doses(folder),
              *_kinetics(folder), *_replicates_of(folder), *_combinations(folder)]  # fmt: skip
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
        bullets(sentences), heading("Agreement with the RNA, in numbers"),
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


def _images(folder: Folder) -> list[dict[str, Any]]:
    cores = folder.table("validation_ihc_cores")
    if not len(cores):
        return []
    columns = ["sample", "marker", "n_cells", "h_score", "positive_percent", "weak", "moderate", "strong", "reason"]
    if folder.pseudonyms is not None:  # names of files and labels in pictures may name a patient
        return [heading("Stained images"), table(cores, "validation_ihc_cores", columns)]
    drawn: list[Drawn] = []
    for _, own in cores[cores["overlay"].fillna("") != ""].groupby("marker", sort=False):
        # The lowest and the highest score: where the outlines are worth a look first.
        for row in own.sort_values("h_score").iloc[[0, -1]].drop_duplicates("overlay").to_dict("records"):
            file = folder.path / "overlays" / str(row["overlay"])
            if len(drawn) < DRAWN and file.is_file():
                picture, axes = new_axes(3.2, 3.2)
                overlay(file, axes)
                words = f"{row['marker']} in {row['sample']}, {counted(int(row['n_cells']), 'cell')}, H-score"
                drawn.append((picture, f"{words} {row['h_score']:.0f}; outlines: blue negative, yellow weak, orange "
                              "moderate, red strong", f"overlay_{row['marker']}_{row['core']}"))  # fmt: skip
    return [heading("Stained images"), figures(drawn),
            table(cores, "validation_ihc_cores", ["core", *columns, "overlay"])]  # fmt: skip


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
        words = f"{row['n_cells']:,} cells, {share:.0%} positive" if np.isfinite(share) else "no gate: one population"
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
        "n_replicates", "gr50_um", "gr50_low", "gr50_high", "gr_max", "weak", "reason"]))  # fmt: skip
    levels = folder.table("validation_dose_components")
    if len(levels):
        blocks += [heading("How dose-response varies between replicates, plates and wells"), table(
            levels, "validation_dose_components", ["line", "condition", "compound", "quantity", "value", "ci_low",
                                                   "ci_high", "sd_replicates", "sd_plates", "sd_wells", "n_replicates",
                                                   "n_plates", "reason"])]  # fmt: skip
    return blocks


def _kinetics(folder: Folder) -> list[dict[str, Any]]:
    rates, points = folder.table("validation_kinetics"), folder.table("validation_kinetics_points")
    if not len(rates):
        return []
    drawn: list[Drawn] = []
    names = rates["experiment"].fillna("").astype(str)
    of_points = points["experiment"].fillna("").astype(str) if len(points) else pd.Series(dtype=str)
    for name in list(dict.fromkeys(names))[:DRAWN] if len(points) else []:
        figure, axes = new_axes(4.0, 3.0)
        draw.release_curves(rates[names == name], points[of_points == name], axes)
        n = int(rates.loc[names == name, "n_replicates"].max())
        drawn.append((figure, f"{name or 'Release'}; a point for each of {n} replicates, the curve of the chosen model",
                      f"kinetics_{name or 'release'}"))  # fmt: skip
    shown = rates[rates["chosen"].astype(bool) | (rates["reference"].fillna("") != "")]
    return [heading("Linker cleavage and payload release"), figures(drawn), table(shown, "validation_kinetics", [
        "experiment", "condition", "reference", "model", "parameter", "value", "ci_low", "ci_high", "unit",
        "n_replicates", "expected", "met", "weak", "reason"])]  # fmt: skip


def _replicates_of(folder: Folder) -> list[dict[str, Any]]:
    """Read-outs, qPCR and blots: dots of replicates and their tests."""
    blocks: list[dict[str, Any]] = []
    for name, of_points, title, keys, columns in (
        ("validation_readouts", "validation_readout_points", "Growth, colonies, apoptosis, internalisation",
         ["line", "readout"],
         ["line", "readout", "test", "reference", "effect", "ci_low", "ci_high", "scale", "p_value", "q_value",
          "n_test", "n_reference", "expected", "met", "weak", "reason"]),
        ("validation_expression", "validation_expression_points", "qPCR and Western blots",
         ["assay", "line", "target"],
         ["assay", "line", "target", "test", "reference", "fold", "ci_low", "ci_high", "p_value", "q_value", "n_test",
          "n_reference", "expected", "met", "weak", "reason"]),
    ):  # fmt: skip
        found, points = folder.claimed(name), folder.table(of_points)
        if not len(found):
            continue
        drawn: list[Drawn] = []
        for key, own in list(found.groupby(keys, sort=False))[:DRAWN] if len(points) else []:
            here = points[(points[keys].astype(str) == [str(k) for k in key]).all(axis=1)]
            if len(here):
                drawn.append(_dots(here, own, [str(k) for k in key]))
        blocks += [heading(title), figures(drawn), table(found, name, columns)]
    return blocks


def _dots(points: pd.DataFrame, tests: pd.DataFrame, key: list[str]) -> Drawn:
    expression = "level" in points
    value = "level" if expression else "value"
    unit = str(points["unit"].iloc[0]) if "unit" in points and points["unit"].notna().any() else ""
    label = "log2 level, normalised" if expression else unit or key[-1]
    conditions = points["condition"].nunique()
    figure, axes = new_axes(max(2.4, 0.9 * conditions + 1.0), 2.7)
    draw.replicate_values(points, tests, axes, value=value, label=label)
    what = {"qpcr": "qPCR", "blot": "Western blot"}.get(key[0], "")
    words = f"{key[-1]} in {key[-2]}{f', {what}' if what else ''}; a dot per biological replicate"
    return figure, words, "_".join(["readout" if not what else key[0], key[-1], key[-2]])


def _combinations(folder: Folder) -> list[dict[str, Any]]:
    found = folder.table("validation_combinations")
    if not len(found):
        return []
    drawn: list[Drawn] = []
    first = found[found["model"] == found["model"].iloc[0]]
    by = first.groupby(["line", "condition", "drug_a", "drug_b"], sort=False)
    for (line, condition, a, b), own in list(by)[:DRAWN]:
        figure, axes = new_axes(3.6, 2.9)
        draw.synergy_surface(own, axes)
        n = own["n_replicates"].max()
        drawn.append((figure, f"{a} with {b}, {line} {condition}, {n:.0f} replicates: blue, fewer cells survive than "
                      "predicted; a dot, the interval over replicates does not have 0",
                      f"synergy_{a}_{b}_{line}_{condition}"))  # fmt: skip
    columns = ["line", "condition", "drug_a", "drug_b", "model", "synergy", "ci_low", "ci_high", "n_replicates",
               "expected", "met", "weak", "reason"]  # fmt: skip
    whole = table(found[found["dose_a_um"].isna()], "validation_combinations", columns)
    return [heading("Combinations"), figures(drawn), whole]


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
