"""Bench files of a simulated cohort: IHC, mIF, dose-response and payload release with planted effects."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scresist.results import write_table, write_text
from scresist.simulate.cohort import Simulation
from scresist.simulate.planted import HUBS

READERS = {"reader A": 1.5, "reader B": -1.5}  # percent that each sees more or less than there is
CORES, REGIONS, SIDE_UM = 3, 2, 600.0
STAINED = "MUC3A"  # the one marker of the mIF panel whose intensities are in the file
DOSES_UM = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
IC50_UM, RATE = 0.05, 0.12  # of the parental line; per hour
REPLICATES = 4
TIMES_H = (0.0, 2.0, 4.0, 8.0, 16.0, 24.0, 48.0)
SHIFT = {"CST3 OE": 4.0, "siMUC3A": 0.5}  # of the IC50, where programmes have an effect
SLOWER = 0.35  # of the rate of release under CST3 OE
SETTINGS = """
[validation]
ihc = "ihc.csv"
mif_cells = "mif_cells.csv"
dose_response = "dose_response.csv"
kinetics = "kinetics.csv"
reference = "control"
[validation.perturbations]
"CST3 OE" = "CST3+"
"siMUC3A" = "MUC3A-"
"""


def write_bench(simulation: Simulation, folder: Path) -> None:
    """Write the bench files of a cohort beside its sheets, name them in study.toml, and keep their truth.

    Planted: the H-scores of MUC3A and CST3 follow the activity of their programmes, that of HER2 follows nothing; in
    acquired resistance PD-1 positive cells are denser and lie nearer to the tumour; overexpression of CST3 raises the
    IC50 four times and slows release to 0.35, and silencing of MUC3A halves the IC50. Without programmes that differ
    between arms (`--null`) nothing is planted.

    Parameters
    ----------
    simulation
        From `simulate`.
    folder
        Where `write_cohort` wrote it.
    """
    rng = np.random.default_rng([simulation.plan.seed, 9])
    there = simulation.plan.module_effect != 0
    write_table(_ihc(simulation, rng), folder / "ihc.csv")
    write_table(_mif(simulation, rng, there=there), folder / "mif_cells.csv")
    write_table(_doses(rng, there=there), folder / "dose_response.csv")
    write_table(_release(rng, there=there), folder / "kinetics.csv")
    study = folder / "study.toml"
    write_text(study.read_text(encoding="utf-8") + SETTINGS, study)
    truth: dict[str, Any] = {
        "protein_follows_rna": {gene: arm for arm, gene in HUBS.items() if arm in simulation.plan.patients},
        "pd1_near_tumour": "acquired" if there and "acquired" in simulation.plan.patients else "",
        "ic50_ratio": SHIFT if there else dict.fromkeys(SHIFT, 1.0), "release_ratio": SLOWER if there else 1.0,
    }  # fmt: skip
    write_text(json.dumps(truth, indent=1) + "\n", folder / "truth_bench.json")


def _ihc(simulation: Simulation, rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    owner = simulation.samples_sheet.set_index("sample")["patient"]
    follows = {gene: arm for arm, gene in HUBS.items() if arm in simulation.activity} | {"HER2": ""}
    for marker, programme in follows.items():
        for sample in simulation.samples_sheet["sample"]:
            level = float(simulation.activity.loc[sample, programme]) if programme else 0.3
            share = 100.0 / (1.0 + np.exp(-(1.6 * level - 1.4 + rng.normal(0, 0.25))))
            for core in range(1, CORES + 1):
                seen = np.clip(share + rng.normal(0, 6), 0, 100)
                for reader, bias in READERS.items():
                    positive = float(np.clip(seen + bias + rng.normal(0, 3), 0, 100))
                    parts = positive * rng.dirichlet([4, 3 + 2 * max(level, 0), 2 + 3 * max(level, 0)])
                    weak, moderate, strong = np.floor(parts)
                    rows.append((owner[sample], sample, marker, reader, f"core {core}", weak, moderate, strong))
    return pd.DataFrame(rows, columns=["patient", "sample", "marker", "reader", "core", "weak", "moderate", "strong"])


def _mif(simulation: Simulation, rng: np.random.Generator, *, there: bool) -> pd.DataFrame:
    """Regions of a tumour below a wavy border, with stroma above; one stain follows the programme of tumour cells."""
    parts = []
    chance = rng.spawn(1)[0]  # of the stain: the places of cells do not change with it
    none = pd.Series(0.0, simulation.samples_sheet["sample"])
    programme = next(arm for arm, gene in HUBS.items() if gene == STAINED)
    level = simulation.activity.get(programme, none)
    for row in simulation.samples_sheet.to_dict("records"):
        late = there and row["arm"] == "acquired"
        for region in range(1, REGIONS + 1):
            border = _border(rng)
            n = rng.poisson([220, 60, 45, 60, 100] * np.exp(rng.normal(0, 0.15, 5)))
            n[2] = rng.poisson(n[2] * (2.2 if late else 1.0))
            names = np.repeat(["CK", "CD8", "CD8 PD-1", "CD68", "other"], n)
            xy = rng.uniform(0, SIDE_UM, (len(names), 2))
            tumour = names == "CK"
            xy[tumour, 1] = rng.uniform(0, 1, tumour.sum()) * border(xy[tumour, 0])
            immune = ~tumour
            edge = border(xy[immune, 0])
            xy[immune, 1] = edge + (SIDE_UM - edge) * rng.beta(1.0, 1.2, immune.sum())
            inside = np.isin(names, ["CD8", "CD8 PD-1", "CD68"]) & (rng.random(len(names)) < 0.3)
            xy[inside, 1] = rng.uniform(0, 1, inside.sum()) * border(xy[inside, 0])
            near = (names == "CD8 PD-1") & (rng.random(len(names)) < (0.7 if late else 0.15))
            at = xy[rng.choice(np.flatnonzero(tumour), near.sum())]
            xy[near] = np.clip(at + rng.normal(0, 9, (near.sum(), 2)), 0, SIDE_UM)
            compartment = np.where(xy[:, 1] <= border(xy[:, 0]), "tumour", "stroma")
            stained = np.where(tumour, 8.0 * np.exp(0.6 * level[row["sample"]]), 1.0) * chance.lognormal(
                0, 0.5, len(names)
            )
            parts.append(pd.DataFrame({
                "patient": row["patient"], "sample": row["sample"], "roi": f"{row['sample']}-{region}",
                "cell": np.arange(1, len(names) + 1), "x_um": xy[:, 0].round(1), "y_um": xy[:, 1].round(1),
                "compartment": compartment, "phenotype": names, STAINED: stained.round(2),
            }))  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _border(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    height, phase = SIDE_UM * rng.uniform(0.4, 0.6), rng.uniform(0, 2 * np.pi)
    return lambda x: height + 40.0 * np.sin(x / 90.0 + phase)


def _doses(rng: np.random.Generator, *, there: bool) -> pd.DataFrame:
    rows = []
    for condition in ("control", *SHIFT):
        for replicate in range(1, REPLICATES + 1):
            middle = np.log10(IC50_UM * (SHIFT.get(condition, 1.0) if there else 1.0)) + rng.normal(0, 0.08)
            slope, floor = 1.1 + rng.normal(0, 0.05), 12 + rng.normal(0, 2)
            for dose in DOSES_UM:
                fall = 0.0 if dose == 0 else 1.0 / (1.0 + 10 ** (-slope * (np.log10(dose) - middle)))
                for _ in range(3):
                    response = 100 - (100 - floor) * fall + rng.normal(0, 4)
                    rows.append(("N87 viability", "NCI-N87", condition, "T-DXd", dose, f"r{replicate}", "p1", response))
    columns = ["experiment", "line", "condition", "compound", "dose_um", "replicate", "plate", "response"]
    return pd.DataFrame(rows, columns=columns).round({"response": 2})


def _release(rng: np.random.Generator, *, there: bool) -> pd.DataFrame:
    rows = []
    for condition in ("control", "CST3 OE"):
        for replicate in range(1, REPLICATES + 1):
            rate = RATE * (SLOWER if there and condition != "control" else 1.0) * np.exp(rng.normal(0, 0.08))
            for time in TIMES_H:
                rows.append(("lysosomal extract", condition, f"r{replicate}", time, "h",
                             85 * (1 - np.exp(-rate * time)) + rng.normal(0, 1.5)))  # fmt: skip
    columns = ["experiment", "condition", "replicate", "time", "time_unit", "released"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(released=table["released"].clip(lower=0.0).round(2))
