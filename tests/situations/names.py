"""What genes are called: prefixes, suffixes, other ids, spreadsheets, two species."""

import numpy as np
import pandas as pd

from scresist import resources
from situations import make
from situations.make import adata, folder, four, old_h5, replace, study, table, tenx_h5, truth
from situations.register import situation

KIND = "gene names"


def named(at, names, *, ids=None, form="folder", t=None):
    """One sample whose genes have other names; the path and the truth under official symbols."""
    t = t or truth(1)
    names = [names(s, i) for s, i in zip(t.genes, t.ids, strict=True)] if callable(names) else names
    if form == "folder":
        return str(folder(at / "m", t, names=names, ids=ids or names)), t
    if form == "h5":
        return str(tenx_h5(at / "m.h5", t, names=names, ids=ids or names)), t
    if form == "h5ad":
        cells = adata(t, var={"x": np.arange(len(names))})
        cells.var_names = names
        cells.write_h5ad(at / "m.h5ad")
        return str(at / "m.h5ad"), t
    return str(table(at / "m.csv", replace(t, genes=names))), t


def in_study(at, names, *, form="folder"):
    """Four samples whose genes have other names."""
    paths = []
    for i in range(1, 5):
        path, _ = named(at / f"s{i}", names, form=form, t=truth(i)) if form != "h5ad" and form != "csv" else named(
            make_dir(at / f"s{i}"), names, form=form, t=truth(i))  # fmt: skip
        paths.append(path)
    return study(at, paths)


def make_dir(path):
    path.mkdir(parents=True, exist_ok=True)
    return path


READ = {
    "GRCh38_ before the name": (lambda s, i: f"GRCh38_{s}", "genome before every gene .GRCh38. was taken off"),
    "hg19- before the name": (lambda s, i: f"hg19-{s}", "taken off"),
    "hg19_ before Ensembl ids": (lambda s, i: f"hg19_{i}", "taken off"),
    "GRCh38_premrna_ before the name": (lambda s, i: f"GRCh38_premrna_{s}", "taken off"),
    "GRCh38______ before the name": (lambda s, i: f"GRCh38______{s}", "taken off"),
    "SYMBOL_ENSG...": (lambda s, i: f"{s}_{i}", "symbol and Ensembl id in one"),
    "ENSG..._SYMBOL": (lambda s, i: f"{i}_{s}", "symbol and Ensembl id in one"),
    "ENSG...|SYMBOL": (lambda s, i: f"{i}|{s}", "symbol and Ensembl id in one"),
    "SYMBOL|ENSG... with version": (lambda s, i: f"{s}|{i}.7", "symbol and Ensembl id in one"),
    "Ensembl ids": (lambda s, i: i, ""),
    "Ensembl ids with version": (lambda s, i: f"{i}.12", ""),
    "dots for dashes (HLA.A)": (lambda s, i: s.replace("-", "."), "'.' for '-'"),
    "underscores for dashes (HLA_A)": (lambda s, i: s.replace("-", "_"), "'_' for '-'"),
    "spaces for dashes (HLA A)": (lambda s, i: s.replace("-", " "), "' ' for '-'"),
    "spaces around the names": (lambda s, i: f" {s} ", ""),
    "quotation marks around the names": (lambda s, i: f"'{s}'", ""),
    "SYMBOL|Entrez": (lambda s, i: f"{s}|{1234}", "Entrez number behind"),
    "upper case (C1ORF112)": (lambda s, i: s.upper(), "another case"),
    "lower case": (lambda s, i: s.lower(), "another case"),
    "mitochondrial genes as RefSeq names them": (
        lambda s, i: {"MT-CO1": "COX1", "MT-CO2": "COX2", "MT-CO3": "COX3", "MT-CYB": "CYTB"}.get(
            s, s.removeprefix("MT-")
        ),
        "RefSeq's names",
    ),
}
for _form in ("folder", "h5", "h5ad", "csv"):
    for _name, (_make, _also) in READ.items():

        @situation(KIND, _form, _name, also=_also)
        def readable(at, form=_form, how=_make):
            return named(at, how, form=form)


for _affix in ("GRCh38-2020-A_{}", "GRCh38_gencode_v27_{}", "hg38.{}", "GRCh38:{}", "gene:{}", "gene-{}", "{}_hg19",
               "{}-GRCh38",
               "{}.1", "{}_1", "{}|protein_coding", "{} (Homo sapiens)"):  # fmt: skip

    @situation(KIND, "folder", f"{_affix.format('CD8A')} for every gene", also="taken off")
    def affixed(at, affix=_affix):
        return named(at, lambda s, i: affix.format(s))


def entrez(s, i):
    table = resources.genes()
    return str(table.loc[s, "entrez"]) if s in table.index else "4535"


def mouse_like(s, i):
    return s.capitalize()


REFUSED = {
    "Entrez numbers": (entrez, "Entrez numbers"),
    "row numbers": (None, "row numbers"),
    "transcripts ENST": (lambda s, i: i.replace("ENSG", "ENST"), "transcripts of Ensembl"),
    "RefSeq NM_": (lambda s, i: "NM_" + i[-6:], "transcripts of RefSeq"),
    "probes of an array": (lambda s, i: f"{i[-6:]}_at", "probes of an array"),
    "ILMN probes": (lambda s, i: f"ILMN_{i[-7:]}", "probes of an array"),
    "peaks of ATAC": (lambda s, i: f"chr1:{int(i[-6:])}-{int(i[-6:]) + 500}", "regions of the genome"),
    "UniProt accessions": (lambda s, i: f"P0{i[-3:]}4", "UniProt"),
    "dates of a spreadsheet": (lambda s, i: f"{1 + int(i[-3:]) % 28}-Mar-{int(i[-6:-3]) % 90 + 10}", "dates"),
    "dates 2023-03-01": (lambda s, i: f"20{int(i[-2:]):02d}-0{1 + int(i[-3]) % 9}-{10 + int(i[-6:-4]) % 18}", "dates"),
    "zebrafish": (lambda s, i: i.replace("ENSG", "ENSDARG"), "genes of zebrafish"),
    "nonsense": (lambda s, i: f"feature{i[-5:]}", "only 0% of 240 names"),
}
for _form in ("folder", "h5ad", "csv"):
    for _name, (_make, _words) in REFUSED.items():
        if _form == "csv" and _name in {"Entrez numbers", "row numbers"}:
            continue

        @situation(KIND, _form, _name, refused=_words, study=True)
        def unreadable(at, form=_form, how=_make):
            symbols, _ = make.genes()
            names = how or [str(k) for k in range(1, len(symbols) + 1)]
            return in_study(at, names, form=form)


@situation(KIND, "csv", "a few genes turned into dates", also="names of genes are dates.*1-Mar", study=True)
def some_dates(at):
    symbols, _ = make.genes()
    names = ["1-Mar", "2-Sep", "2023-09-01 00:00:00", *symbols[3:]]
    return in_study(at, names, form="csv")


@situation(KIND, "folder", "no mitochondrial gene", also="no count is of a mitochondrial gene", study=True)
def no_mito(at):
    symbols, _ = make.genes()
    n = len(symbols) - 13
    for i in range(1, 5):
        t = truth(i)
        folder(at / f"m{i}", replace(t, counts=t.counts[:, :n], genes=t.genes[:n], ids=t.ids[:n]))
    return study(at, [f"m{i}" for i in range(1, 5)])


@situation(KIND, "folder", "mouse genes in a human study", refused="mouse genes in a human study", study=True)
def mouse(at):
    return in_study(at, mouse_like)


@situation(KIND, "folder", "old symbols (CTGF, SEPT1)", also="old symbols became official", study=True)
def old_in_study(at):
    for i in range(1, 5):
        old(at, truth(i), f"m{i}")
    return study(at, [f"m{i}" for i in range(1, 5)])


@situation(KIND, "folder", "old symbols beside the counts of their genes")
def old(at, t=None, place="m"):
    t = t or truth(1)
    back = {}
    for alias, symbol in sorted(resources.aliases().items()):
        if alias.isupper() and alias.isalnum():
            back.setdefault(symbol, alias)
    names = [back.get(s, s) if not s.startswith("MT-") else s for s in t.genes]
    return str(folder(at / place, t, names=names, ids=[f"X{i}" for i in range(len(names))])), t


@situation(KIND, "folder", "approved symbols that alias lists give to other genes (TRAC)")
def receptors(at):
    t = truth(1)
    own = ["TRAC", "TRBC1", "TRBC2", "IGKC", "IGHG1", "IGHA1", "TRDC", "TRGC1", "IGHM", "IGHD", "CFAP90", "TRAV1-2"]
    names = [*own, *t.genes[len(own) :]]
    return str(folder(at / "m", t, names=names, ids=names)), replace(t, genes=names)


def xenograft(seed=1):
    """Human cells, mouse cells and mixtures over both genomes, with the truth of the human cells."""
    human, rodent = truth(seed), truth(seed + 40)
    n = make.N_CELLS
    mouse_names = [f"M{s.capitalize()[1:]}" for s in human.genes]
    mouse_names = sorted(s for s in resources.mouse_symbols() if s[:1].isupper())[: len(mouse_names)]
    mouse_ids = [f"ENSMUSG{k:011d}" for k in range(len(mouse_names))]
    blank = np.zeros_like(human.counts)
    noise = np.random.default_rng(seed).poisson(0.05, blank.shape)
    counts = np.vstack([
        np.hstack([human.counts, noise]), np.hstack([noise, rodent.counts]),
        np.hstack([human.counts[:6] + 1, human.counts[:6] + 1]),
    ])  # fmt: skip
    names = [*make.barcodes(seed, n), *make.barcodes(seed + 40, n), *make.barcodes(seed + 41, 6)]
    both = make.Truth(counts, names, [*human.genes, *mouse_names], [*human.ids, *mouse_ids])
    return both, human


STROMA = "30 barcodes are human.*30 are mouse .stroma.*6 are mixed"


@situation("xenograft", "folder", "GRCh38_ and mm10___ before the names", also=STROMA)
def prefixed(at):
    both, human = xenograft()
    n = len(human.genes)
    names = [f"GRCh38_{g}" for g in both.genes[:n]] + [f"mm10___{g}" for g in both.genes[n:]]
    ids = [f"GRCh38_{g}" for g in both.ids[:n]] + [f"mm10___{g}" for g in both.ids[n:]]
    return str(folder(at / "m", both, names=names, ids=ids)), human


@situation("xenograft", "folder", "ENSG and ENSMUSG ids", also=STROMA)
def by_id(at):
    both, human = xenograft()
    return str(folder(at / "m", both)), human


@situation("xenograft", "folder", "symbols alone (CD8A and Cd8a)", also=STROMA)
def by_symbol(at):
    both, human = xenograft()
    return str(folder(at / "m", both, ids=both.genes)), human


@situation("xenograft", "h5", "two genomes in version 3", also=STROMA)
def h5_3(at):
    both, human = xenograft()
    n = len(human.genes)
    names = [f"GRCh38_{g}" for g in both.genes[:n]] + [f"mm10___{g}" for g in both.genes[n:]]
    return str(tenx_h5(at / "m.h5", both, names=names, genome=["GRCh38"] * n + ["mm10"] * n)), human


@situation("xenograft", "h5", "a group per genome (version 2)", also=STROMA)
def h5_2(at):
    both, human = xenograft()
    n = len(human.genes)
    one = replace(both, counts=both.counts[:, :n], genes=both.genes[:n], ids=both.ids[:n])
    two = replace(both, counts=both.counts[:, n:], genes=both.genes[n:], ids=both.ids[n:])
    return str(old_h5(at / "m.h5", {"hg19": one, "mm10": two})), human


@situation("xenograft", "folder", "a folder per genome (version 2)", also=STROMA)
def folders_2(at):
    both, human = xenograft()
    n = len(human.genes)
    one = replace(both, counts=both.counts[:, :n], genes=both.genes[:n], ids=both.ids[:n])
    two = replace(both, counts=both.counts[:, n:], genes=both.genes[n:], ids=both.ids[n:])
    folder(at / "run/outs/filtered_gene_bc_matrices/hg19", one, version=2, end="")
    folder(at / "run/outs/filtered_gene_bc_matrices/mm10", two, version=2, end="")
    return str(at / "run"), human


@situation("xenograft", "h5ad", "both species in one h5ad", also=STROMA)
def in_h5ad(at):
    both, human = xenograft()
    adata(both).write_h5ad(at / "m.h5ad")
    return str(at / "m.h5ad"), human


@situation("xenograft", "csv", "both species in a table", also=STROMA)
def in_table(at):
    both, human = xenograft()
    return str(table(at / "m.csv", both)), human


@situation("xenograft", "folder", "in a study", also="stroma of a xenograft", study=True)
def in_a_study(at):
    for i in range(1, 5):
        folder(at / f"m{i}", xenograft(i)[0])
    return study(at, [f"m{i}" for i in range(1, 5)])


@situation(KIND, "h5ad", "numbers as the index, symbols in a column of var", also="from a column of var")
def column_of_var(at):
    t = truth(1)
    cells = adata(t, var={"gene_symbols": t.genes})
    cells.var_names = [str(i) for i in range(len(t.genes))]
    cells.write_h5ad(at / "m.h5ad")
    return str(at / "m.h5ad"), t


@situation(KIND, "h5ad", "Ensembl ids as the index, feature_name in var (CELLxGENE)")
def cellxgene(at):
    t = truth(1)
    cells = adata(t, var={"feature_name": pd.Categorical(t.genes)})
    cells.var_names = t.ids
    cells.write_h5ad(at / "m.h5ad")
    return str(at / "m.h5ad"), t


@situation(KIND, "folder", "different samples with names of one pattern", study=True)
def all_prefixed(at):
    four(at)
    return in_study(at, lambda s, i: f"GRCh38_{s}")
