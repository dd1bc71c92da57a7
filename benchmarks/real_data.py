"""Run the studies under benchmarks/studies on the real data beside the repository, and print what came of it.

    python benchmarks/real_data.py [--out DIR] [--only NAME ...]

Cells, seconds and peak memory of each run (a process of its own, as a user starts it), then the agreement with what is
known of the data: authors' labels (Zilionis), antibody counts (MALT lymphoma), CopyKAT's calls (breast tumour).
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent
DATA = ROOT.parent.parent / "shared" / "data" / "scrna"
STUDIES = ("breast_lines31", "gbm_panobinostat", "malt_lymphoma", "zilionis2019", "pc9_raw", "copykat_breast",
           "zilionis_labels", "malt_labels")  # fmt: skip
# The authors' types (tumour t..., blood b...) and what of ours says the same.
ZILIONIS = {
    "T cells": ("T ", "MAIT"),
    "NK cells": ("NK",),
    "B cells": ("B ",),
    "Plasma cells": ("plasma cell",),
    "pDC": ("dendritic plasmacytoid",),
    "MoMacDC": ("macrophage", "monocyte", "dendritic"),
    "Monocytes": ("monocyte",),
    "Neutrophils": ("neutrophil",),
    "Mast cells": ("mast",),
    "Basophils": ("mast",),
    "Fibroblasts": ("fibroblast",),
    "Endothelial cells": ("endothelial",),
    "Smooth muscle cells": ("smooth muscle", "pericyte"),
    "specific": ("epithelial",),
    "Ciliated cells": ("ciliated",),
}


def run(name: str, out: Path) -> dict[str, object]:
    """One study in a process of its own."""
    study = ROOT / "studies" / name / "study.toml"
    command = [sys.executable, "-m", "scresist", "run", str(study), "--out", str(out / name), "--fresh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    facts = json.loads((out / name / "run.json").read_text())
    quality = pd.read_csv(out / name / "tables" / "quality.csv")
    row = {
        "data set": name,
        "samples": len(quality),
        "barcodes": quality["cells_in"].sum(),
        "cells kept": quality["cells_kept"].sum(),
        "seconds": round(sum(s["seconds"] for s in facts["steps"]), 1),
        "peak GB": max(s["peak_gb"] for s in facts["steps"]),
        "refused": ", ".join(dict.fromkeys(r["step"] for r in facts["refusals"])),
    }
    claims = out / name / "claims.csv"
    if claims.exists():
        table = pd.read_csv(claims)
        row["claims supported"] = int(((table["verdict"] == "supported") & (table["kind"] != "design")).sum())
    return row


def cells_of(name: str, out: Path) -> pd.DataFrame:
    """The table of cells, by barcode as in the data set."""
    table = pd.read_parquet(out / name / "tables" / "cells.parquet")
    table.index = table["cell"].str.partition(":")[2]
    return table


def zilionis(out: Path) -> pd.DataFrame:
    """Share of each of the authors' types that we name the same."""
    import anndata

    known = anndata.read_h5ad(DATA / "zilionis2019_nsclc_300_counts_recovered.h5ad", backed="r").obs["cell_type"]
    cells = cells_of("zilionis2019", out)
    truth = known.astype(str).reindex(cells.index)
    rows = []
    for label, group in cells.groupby(truth):
        key = next((k for k in sorted(ZILIONIS, key=len, reverse=True) if k in str(label)), None)
        if key is None:
            continue
        ours, lineage = group["cell_type"].astype(str), group["lineage"].astype(str)
        same = ours.str.startswith(ZILIONIS[key]) | (lineage == "epithelial") & (key in {"specific"})
        first = ours.value_counts()
        rows.append({"authors' type": label, "cells": len(group), "same": same.mean(),
                     "most often": f"{first.index[0]} ({first.iloc[0]})"})  # fmt: skip
    table = pd.DataFrame(rows)
    overall = (table["same"] * table["cells"]).sum() / table["cells"].sum()
    total = pd.DataFrame([{"authors' type": "ALL", "cells": table["cells"].sum(), "same": overall, "most often": ""}])
    return pd.concat([table.sort_values("cells", ascending=False), total], ignore_index=True)


def malt(out: Path) -> pd.DataFrame:
    """Antibody counts against the call: area under the curve, and the share on the right side of a cut by Otsu."""
    from skimage.filters import threshold_otsu
    from sklearn.metrics import roc_auc_score

    antibody = np.log1p(pd.read_csv(DATA / "malt_train_adt.csv", index_col=0))
    cells = cells_of("malt_lymphoma", out)
    both = cells.index.intersection(antibody.index)
    cells, antibody = cells.loc[both], antibody.loc[both]
    kind, lineage = cells["cell_type"].astype(str), cells["lineage"].astype(str)
    t_cell = lineage == "T/NK"
    calls = {
        "CD3": (lineage == "T/NK", slice(None)),
        "CD19": (lineage == "B", slice(None)),
        "CD8a": (kind.str.startswith("T CD8"), t_cell),
        "CD4": (kind.str.startswith(("T CD4", "T reg", "T foll")), t_cell),
        "CD14": (kind.str.startswith(("monocyte", "macrophage")), slice(None)),
        "CD25": (kind == "T regulatory", t_cell),
        "PD-1": (kind.isin(["T follicular helper", "T CD8 exhausted"]), t_cell),
    }
    rows = []
    for name, (called, inside) in calls.items():
        value, said = antibody[name][inside], called[inside]
        if said.nunique() < 2:
            continue
        right = (value > threshold_otsu(value.to_numpy())) == said
        rows.append({"antibody": name, "cells": len(value), "called": int(said.sum()),
                     "AUC": roc_auc_score(said, value), "right side of Otsu's cut": right.mean()})  # fmt: skip
    return pd.DataFrame(rows)


def copykat(out: Path) -> pd.DataFrame:
    """Our calls against CopyKAT's."""
    import anndata

    known = anndata.read_h5ad(DATA / "copykat_breast_302.h5ad", backed="r").obs["cell_type"].astype(str)
    cells = cells_of("copykat_breast", out)
    called = cells["malignancy"].astype(str)
    truth = known.reindex(cells.index)
    table = pd.crosstab(truth, called).reindex(columns=["malignant", "normal", "uncertain"], fill_value=0)
    sure = called != "uncertain"
    right = ((called == "malignant") == (truth == "aneuploid"))[sure].mean()
    return table.assign(accuracy_of_called=right, share_called=sure.mean()).reset_index()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "real_data")
    parser.add_argument("--only", nargs="*", choices=STUDIES, default=STUDIES)
    options = parser.parse_args()
    if not DATA.exists():
        raise SystemExit(f"the data are not here: {DATA}")
    options.out.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame([run(name, options.out) for name in options.only])
    print(table.to_string(index=False, max_colwidth=60))
    for name, agree in (("zilionis2019", zilionis), ("malt_lymphoma", malt), ("copykat_breast", copykat)):
        if name in options.only:
            print(f"\n{name}")
            print(agree(options.out).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
