"""A tiny valid study on disk, and ways to spoil it."""

import gzip
from pathlib import Path

import numpy as np
from scipy import io as scipy_io
from scipy import sparse

from scresist import resources

TOML = """[study]
name = "tiny"
seed = 1
samples = "samples.csv"
patients = "patients.csv"

[design]
arms = ["baseline", "primary"]
[design.contrasts.primary]
test = "primary"
reference = "baseline"

[focus]
compartment = "malignant"

[quality]
min_cells = 5
"""
SAMPLES = """sample,patient,arm,path,timepoint,batch
S1,P1,baseline,S1,baseline,a
S2,P2,baseline,S2,baseline,b
S3,P3,primary,S3,progression,a
S4,P4,primary,S4,progression,b
"""
PATIENTS = """patient,best_response,pfs_months,pfs_event
P1,PR,8.5,1
P2,SD,7,0
P3,PD,2,1
P4,PD,1.5,1
"""
N_CELLS, N_GENES = 12, 60


def genes() -> list[str]:
    return sorted(resources.genes().index[resources.genes()["type"] == "protein-coding"])[100 : 100 + N_GENES]


def counts(seed: int, n_cells: int = N_CELLS, n_genes: int = N_GENES) -> sparse.csr_array:
    return sparse.csr_array(np.random.default_rng(seed).poisson(2.0, (n_cells, n_genes)))


def write_tenx(
    folder: Path, matrix: sparse.sparray, names: list[str], barcodes: list[str], *, version: int = 3
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    end = ".gz" if version == 3 else ""
    opener = gzip.open if version == 3 else open
    with opener(folder / f"matrix.mtx{end}", "wb") as handle:
        scipy_io.mmwrite(handle, matrix.T.tocoo())
    kind = "\tGene Expression" if version == 3 else ""
    feature = "features.tsv.gz" if version == 3 else "genes.tsv"
    with opener(folder / feature, "wt") as handle:
        handle.write("".join(f"ID{i}\t{n}{kind}\n" for i, n in enumerate(names)))
    with opener(folder / f"barcodes.tsv{end}", "wt") as handle:
        handle.write("".join(f"{b}\n" for b in barcodes))


def barcodes(n: int = N_CELLS) -> list[str]:
    return [f"AAAC{i:04d}-1" for i in range(n)]


def write_study(
    folder: Path, *, toml: str = TOML, samples: str = SAMPLES, patients: str = PATIENTS, matrices: bool = True
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.toml").write_text(toml, encoding="utf-8")
    (folder / "samples.csv").write_text(samples, encoding="utf-8")
    (folder / "patients.csv").write_text(patients, encoding="utf-8")
    if matrices:
        for i in range(1, 5):
            write_tenx(folder / f"S{i}", counts(i), genes(), barcodes())
    return folder / "study.toml"
