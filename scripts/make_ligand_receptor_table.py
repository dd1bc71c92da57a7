"""Make the shipped CellChatDB v2 tables from the data files of the PyPI package pycellchat 1.5.0.post1.

Usage: python make_ligand_receptor_table.py WHEEL FOLDER. Reads the package's csv files only, none of its code.
"""

import csv
import gzip
import io
import sys
import zipfile
from pathlib import Path

COLUMNS = [
    "interaction_name", "pathway_name", "ligand", "receptor", "agonist", "antagonist", "co_A_receptor",
    "co_I_receptor", "annotation", "interaction_name_2", "evidence", "version",
]  # fmt: skip
# Rows that CellChatDB v2 removed as duplicates, and the cofactor row that the package lacks (its genes are those of
# CellChatDB v2, commit 75253cd).
EXTRA = {"human": {"ITGB2_ICAM1", "ITGB2_ICAM2", "ITGB2_CD226", "NAMPT_INSR"}}
MISSING_COFACTORS = {"human": [["IL36 antagonist", "IL36RN"]]}


def write(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as handle:
        handle.write(text.getvalue().encode())


def main(wheel: Path, folder: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:

        def rows(name: str) -> list[dict[str, str]]:
            text = archive.read(f"pycellchat/data/{name}.csv").decode("utf-8-sig")
            return list(csv.DictReader(io.StringIO(text)))

        for organism in ("human", "mouse"):
            kept = [r for r in rows(f"interaction_{organism}") if r["interaction_name"] not in EXTRA.get(organism, ())]
            write(folder / f"interaction_{organism}.csv.gz", [COLUMNS, *[[r[c] for c in COLUMNS] for r in kept]])
            for kind in ("complex", "cofactor"):
                table = [[r[""], *[v for k, v in r.items() if k and v]] for r in rows(f"{kind}_{organism}")]
                if kind == "cofactor":
                    table = sorted(table + MISSING_COFACTORS.get(organism, []))
                width = max(len(r) for r in table)
                header = ["name", *[f"gene_{i}" for i in range(1, width)]]
                write(folder / f"{kind}_{organism}.csv.gz", [header, *[r + [""] * (width - len(r)) for r in table]])
            print(organism, len(kept), "interactions")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
