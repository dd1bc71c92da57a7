"""The facts that are shipped: each with its source and licence in SOURCES.csv beside it. Nothing is downloaded."""

import csv
import gzip
from collections.abc import Callable, Iterable
from functools import cache, wraps
from importlib.resources import files
from types import MappingProxyType

import pandas as pd

from scresist.checks import InputError, suggestion

_HERE = files(__package__)


def _read_once(read: Callable[[], pd.DataFrame]) -> Callable[[], pd.DataFrame]:
    """A reader that reads its file once and gives every caller a copy: what one changes does not reach the others."""
    kept = cache(read)

    @wraps(read)
    def copied() -> pd.DataFrame:
        return kept().copy()

    return copied


@_read_once
def sources() -> pd.DataFrame:
    """One row per shipped file: name, file, what, source, licence."""
    with _HERE.joinpath("SOURCES.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, keep_default_na=False)


@_read_once
def genes() -> pd.DataFrame:
    """Human genes (hg38), indexed by symbol: ensembl, entrez, chromosome, start, end, strand, cytoband, type."""
    with _HERE.joinpath("genes/human_hg38.tsv.gz").open("rb") as handle:
        table = pd.read_csv(handle, sep="\t", compression="gzip", keep_default_na=False, dtype={"chromosome": str})
    return table.set_index("symbol")


@_read_once
def mouse_genes() -> pd.DataFrame:
    """Mouse genes (GRCm39), indexed by symbol: ensembl, chromosome, start, end, strand, type, human (orthologue).

    `human` is its orthologue in Ensembl, one to one or, of several, the one of the same name; "" where there is none.
    All mouse chromosomes have their centromere at one end: `cytoband` has the chromosome and its one arm, q.
    """
    with _HERE.joinpath("genes/mouse_grcm39.tsv.gz").open("rb") as handle:
        table = pd.read_csv(handle, sep="\t", compression="gzip", keep_default_na=False, dtype={"chromosome": str})
    return table.assign(cytoband=table["chromosome"] + "q").set_index("symbol")


def genes_of(organism: str) -> pd.DataFrame:
    """The genes of an organism with their positions, indexed by symbol; human | mouse."""
    return mouse_genes() if organism == "mouse" else genes()


@cache
def orthologues(organism: str) -> MappingProxyType[str, str]:
    """Human symbol to that of an organism, where there is one to one; the symbols themselves for human."""
    if organism != "mouse":
        return MappingProxyType({name: name for name in genes().index})
    table = mouse_genes()
    known = table[table["human"] != ""]
    return MappingProxyType(dict(zip(known["human"], known.index, strict=True)))


def translated(names: Iterable[str], organism: str) -> tuple[str, ...]:
    """Human symbols as those of an organism; those without one are left out (for human, none is)."""
    if organism != "mouse":
        return tuple(names)
    table = orthologues(organism)
    return tuple(dict.fromkeys(table[n] for n in names if n in table))


def translated_table(table: pd.DataFrame, organism: str) -> pd.DataFrame:
    """A table with a column `gene` of human symbols, for an organism; genes without an orthologue are left out."""
    if organism != "mouse":
        return table
    return table.assign(gene=table["gene"].map(orthologues(organism))).dropna(subset=["gene"]).reset_index(drop=True)


@cache
def aliases() -> MappingProxyType[str, str]:
    """Old or alternative human symbols to the official one; only those of one gene, and no other gene's symbol."""
    with (
        _HERE.joinpath("genes/aliases_human.tsv.gz").open("rb") as handle,
        gzip.open(handle, "rt", encoding="utf-8") as text,
    ):
        rows = csv.reader(text, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return MappingProxyType({alias: symbol for alias, symbol in rows})


@cache
def other_symbols() -> frozenset[str]:
    """Approved human symbols that `genes` has no positions of: antigen receptor segments, pseudogenes, loci."""
    raw = _HERE.joinpath("genes/other_symbols_human.txt.gz").read_bytes()
    return frozenset(gzip.decompress(raw).decode("utf-8").split("\n")) - {""}


@cache
def withdrawn_ensembl() -> frozenset[str]:
    """Ensembl ids of `genes` that GENCODE no longer has."""
    return frozenset(_HERE.joinpath("genes/withdrawn_ensembl.txt").read_text(encoding="utf-8").split())


@cache
def mouse_symbols() -> frozenset[str]:
    """Mouse symbols, without those that are a clone and a number (Gm1234, 1700049E17Rik)."""
    raw = _HERE.joinpath("genes/symbols_mouse.txt.gz").read_bytes()
    return frozenset(gzip.decompress(raw).decode("utf-8").split("\n")) - {""}


@cache
def gene_sets(name: str) -> MappingProxyType[str, tuple[str, ...]]:
    """A shipped collection of gene sets by name: `hallmark`, `go_bp` or `signatures`."""
    collections = {"hallmark": "hallmark_human.gmt.gz", "go_bp": "go_bp_human.gmt.gz", "signatures": "signatures.gmt"}
    if name not in collections:
        raise InputError(f"no shipped gene sets named {name!r}; {suggestion(name, collections)}")
    raw = _HERE.joinpath("gene_sets", collections[name]).read_bytes()
    text = (gzip.decompress(raw) if collections[name].endswith(".gz") else raw).decode("utf-8")
    return read_gmt(text)


def read_gmt(text: str) -> MappingProxyType[str, tuple[str, ...]]:
    """Gene sets from the text of a GMT file: one per line, name, description, genes, separated by tabs."""
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    for number, row in enumerate(rows, start=1):
        if len(row) < 3:
            raise InputError(f"GMT line {number} has {len(row)} fields; it needs name, description and genes, by tabs")
    return MappingProxyType({row[0]: tuple(dict.fromkeys(g for g in row[2:] if g)) for row in rows})


@_read_once
def progeny() -> pd.DataFrame:
    """PROGENy human weights of the 500 most responsive genes per pathway: gene, pathway, weight, p.value."""
    with _HERE.joinpath("gene_sets/progeny_human.csv.gz").open("rb") as handle:
        return pd.read_csv(handle, compression="gzip")


@_read_once
def markers() -> pd.DataFrame:
    """The shipped marker table: lineage, cell_type, parent, gene, sign, source."""
    with _HERE.joinpath("markers/human_tumour.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, keep_default_na=False)


@cache
def gene_lists() -> MappingProxyType[str, tuple[str, ...]]:
    """Short lists used by quality and candidates (cell cycle, haemoglobin, dissociation): name to genes."""
    return read_gmt(_HERE.joinpath("gene_sets/technical.gmt").read_text(encoding="utf-8"))


@_read_once
def known_escape() -> pd.DataFrame:
    """Known escape routes from antibody-drug conjugates and HER2 therapy: gene, mechanism, direction, bench, source."""
    with _HERE.joinpath("escape_routes.csv").open(encoding="utf-8") as handle:
        return pd.read_csv(handle, keep_default_na=False)


@_read_once
def simulation_parameters() -> pd.DataFrame:
    """What simulated genes are drawn around, indexed by gene: estimated from real cells, NaN where not seen there.

    `immune`, `epithelial` (mean counts per 10,000), `dispersion` (negative binomial, between cells of one patient and
    type), and loadings on shared factors of immune (i1, ...) and epithelial (e1, ...) cells, in log rate per SD.
    """
    with _HERE.joinpath("simulation/genes.csv.gz").open("rb") as handle:
        return pd.read_csv(handle, compression="gzip", index_col="gene")


@cache
def ensembl_supplement() -> MappingProxyType[str, str]:
    """Ensembl id to symbol of mitochondrial genes and of antigen receptor constant genes."""
    with _HERE.joinpath("genes/supplement_human.tsv").open(encoding="utf-8") as handle:
        table = pd.read_csv(handle, sep="\t")
    return MappingProxyType(dict(zip(table["ensembl"], table["symbol"], strict=True)))


def text(name: str) -> str:
    """A shipped file by its name in SOURCES.csv, unpacked."""
    table = sources().set_index("name")
    if name not in table.index:
        raise InputError(f"nothing shipped is named {name!r}; {suggestion(name, table.index)}")
    file = _HERE.joinpath(str(table.loc[name, "file"]))
    if file.is_dir():
        listed = ", ".join(sorted(f.name for f in file.iterdir()))
        raise InputError(f"{name} is a folder of tables ({listed}); read them with scresist.communication.cellchatdb")
    raw = file.read_bytes()
    return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8")
