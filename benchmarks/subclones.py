"""Subclones: how many of the planted arms are found, and how many others are called.

Usage: python benchmarks/subclones.py RESULTS=TRUTH ... (folders of `scresist run --until malignancy` on simulated
cohorts, with the truth.json of each; RESULTS alone prints what is called on real cells).
"""

import json
import sys
from pathlib import Path

import anndata

from scresist.annotate import subclones
from scresist.annotate.subclones import MIN_CELLS


def main() -> None:
    """Print one row a cohort."""
    print("| cohort | patients sought | arms tested | planted found | other arms called | patients with subclones |")
    print("|---|---|---|---|---|---|")
    for argument in sys.argv[1:]:
        results, _, truth = argument.partition("=")
        cohort = anndata.read_h5ad(Path(results) / "cohort.h5ad")
        found = subclones(cohort).table
        sizes = cohort.obs.loc[cohort.obs["malignancy"] == "malignant", "patient"].astype(str).value_counts()
        sought = sizes[sizes >= MIN_CELLS].index
        planted = json.loads(Path(truth).read_text())["subclones"] if truth else {}
        pairs = {(who, arm) for who, one in planted.items() if who in sought for arm in one["arms"]}
        called = set(zip(found["patient"].astype(str), found["arm"], strict=True))
        arms = len(sought) * cohort.obsm["copy_number"].shape[1]
        several = found.loc[found["n_subclones"] > 1, "patient"].nunique()
        hits = f"{len(called & pairs)} of {len(pairs)}"
        print(f"| {results} | {len(sought)} | {arms} | {hits} | {len(called - pairs)} | {several} |")


if __name__ == "__main__":
    main()
