"""A simulated cohort on disk: 10x folders, sheets, study.toml, and the truth in files of its own."""

import gzip
import json
from pathlib import Path

import pandas as pd
from scipy import io as scipy_io

from scresist.checks import InputError
from scresist.results import write_table, write_text
from scresist.simulate.cohort import Simulation
from scresist.simulate.plan import Plan

STUDY = """# A simulated cohort with planted truth (truth.json, truth_cells.parquet); seed {seed}.
[study]
name = "simulated gastric cohort"
organism = "human"
drug = "trastuzumab deruxtecan"
seed = {seed}
samples = "samples.csv"
patients = "patients.csv"

[design]
arms = [{arms}]
{contrasts}
[focus]
compartment = "malignant"
keep_genes = ["ERBB2", "MUC3A", "CST3"]

[networks]
bootstraps = 8                 # of networks in parity or with values = "log"; the default is 20

[survival]
time = "pfs_months"
event = "pfs_event"
"""


def write_cohort(simulation: Simulation, folder: Path) -> Path:
    """Write a cohort into a new or empty folder; returns the path of its study.toml.

    Parameters
    ----------
    simulation
        From `simulate` or `simulate_from`.
    folder
        A new or empty folder.

    Raises
    ------
    InputError
        If the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    truth = []
    features = _features(simulation)
    for sample in simulation.samples():
        place = folder / "matrices" / sample.name
        place.mkdir(parents=True)
        with gzip.open(place / "matrix.mtx.gz", "wb", compresslevel=1) as handle:
            scipy_io.mmwrite(handle, sample.counts.T.tocoo(), field="integer")
        _write_gz(place / "barcodes.tsv.gz", "\n".join(sample.cells["barcode"]) + "\n")
        _write_gz(place / "features.tsv.gz", features)
        truth.append(sample.cells)
    sheet = simulation.samples_sheet.assign(path=[f"matrices/{s}" for s in simulation.samples_sheet["sample"]])
    write_table(sheet, folder / "samples.csv")
    write_table(simulation.patients_sheet, folder / "patients.csv")
    write_table(pd.concat(truth, ignore_index=True), folder / "truth_cells.parquet")
    write_text(json.dumps(simulation.truth, indent=1, default=dict) + "\n", folder / "truth.json")
    write_text(_study(simulation), folder / "study.toml")
    return folder / "study.toml"


def read_plan(path: Path) -> Plan:
    """The plan of a simulated cohort on disk, for a second cohort with the same programmes.

    Parameters
    ----------
    path
        The folder that `write_cohort` wrote.

    Raises
    ------
    InputError
        If it is no simulated cohort, or one over parameters of real cells.
    """
    file = path / "truth.json"
    if not file.exists():
        raise InputError(f"{path} has no truth.json; give the folder of a cohort that `scresist simulate` wrote")
    truth = json.loads(file.read_text(encoding="utf-8"))
    if "malignant" in truth:
        raise InputError(f"{path} was simulated over parameters of real cells (--from), which its folder does not have")
    return Plan(**truth.get("like", truth["plan"]))


def _write_gz(path: Path, text: str) -> None:
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1, mtime=0, filename="") as handle:
        handle.write(text.encode())


def _features(simulation: Simulation) -> str:
    genes = simulation.profiles.genes
    rows = [f"{e}\t{s}\tGene Expression" for s, e in zip(genes.index, genes["ensembl"], strict=True)]
    return "\n".join(rows) + "\n"


def _study(simulation: Simulation) -> str:
    arms = list(simulation.plan.patients)
    blocks = [
        f'[design.contrasts.{arm}]\ntest = "{arm}"\nreference = "baseline"\n'
        for arm in arms
        if arm != "baseline" and "baseline" in arms
    ]
    shown = ", ".join(f'"{a}"' for a in arms)
    return STUDY.format(seed=simulation.plan.seed, arms=shown, contrasts="\n".join(blocks))
