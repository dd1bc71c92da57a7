"""Seconds and peak memory of every step of a study of 103,000 barcodes x 15,000 genes.

    python benchmarks/memory.py [--barcodes 103000] [--genes 15000] [--folder DIR] [--source SRC] [--out RESULTS]

The cohort is simulated as 10x files in a temporary folder (or in DIR, where a second call finds it again), and the
study is run in a process of its own, as a user starts it. SRC is the `src` folder of another version of scresist to
measure instead of this one. Peaks are those of the process, from run.json; CPU seconds are those of the whole process.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from scresist.simulate import Plan, simulate, write_cohort

ROOT = Path(__file__).resolve().parent.parent
PATIENTS = {"baseline": 14, "primary": 13, "acquired": 13}


def cohort(folder: Path, barcodes: int, genes: int) -> Path:
    """The study file of a cohort of that size; simulated where it is not there yet."""
    path = folder / "study.toml"
    if not path.exists():
        per_sample = round(barcodes / sum(PATIENTS.values()))
        write_cohort(simulate(Plan(patients=PATIENTS, pairs=7, cells=per_sample, n_genes=genes)), folder)
    return path


def measure(study: Path, out: Path, source: Path) -> tuple[pd.DataFrame, dict[str, float]]:
    """One run of the study: seconds and peak GB per step, and the seconds of the whole process."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "scresist", "run", str(study), "--out", str(out), "--fresh"],
        check=True, env={**os.environ, "PYTHONPATH": str(source)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    steps = pd.DataFrame(json.loads((out / "run.json").read_text())["steps"])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return steps[["step", "seconds", "peak_gb"]], {"wall": time.perf_counter() - started, "cpu": cpu}


def main() -> None:
    """Simulate, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--barcodes", type=int, default=103_000)
    parser.add_argument("--genes", type=int, default=15_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--source", type=Path, default=ROOT / "src")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made) / "cohort"
        study = cohort(folder, args.barcodes, args.genes)
        steps, whole = measure(study, args.out or Path(made) / "results", args.source.resolve())
    print(steps.to_string(index=False))
    print(f"wall {whole['wall']:.0f} s, CPU {whole['cpu']:.0f} s, highest peak {steps['peak_gb'].max():.2f} GB")


if __name__ == "__main__":
    main()
