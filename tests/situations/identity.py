"""Do the samples have cells of their own? Files twice, copies, parts of a file, raw matrices, patients."""

import gzip
import shutil

import numpy as np

from situations import make
from situations.make import adata, barcodes, folder, four, h5ad, joined, study, table, tenx_h5, truth
from situations.register import situation

KIND = "identity"
SAME = "same path|same part|share one file|share cells"


def shared(at, first, second):
    """A study whose second sample is the first again, under another path."""
    paths = four(at)
    return study(at, [first, second, *paths[2:]])


for _form in ("folder", "h5", "h5ad"):

    @situation(KIND, _form, "the same path in two samples", refused="have the same path: S1, S2", study=True)
    def same_path(at, form=_form):
        paths = four(at, form=form)
        return study(at, [paths[0], paths[0], *paths[2:]])

    @situation(KIND, _form, "different samples", study=True)
    def honest(at, form=_form):
        return study(at, four(at, form=form))


@situation(KIND, "folder", "the same path, once as ./m1", refused=SAME, study=True)
def dotted(at):
    return shared(at, "m1", "./m1/")


@situation(KIND, "folder", "the same path, relative and absolute", refused=SAME, study=True)
def absolute(at):
    return shared(at, "m1", str(at / "m1"))


@situation(KIND, "folder", "the same folder through a link", refused=SAME, study=True)
def linked(at):
    four(at)
    (at / "link").symlink_to(at / "m1")
    return study(at, ["m1", "link", "m3", "m4"])


@situation(KIND, "folder", "a copy on disk under another name", refused="share cells: all", study=True)
def copied(at):
    four(at)
    shutil.copytree(at / "m1", at / "copy")
    return study(at, ["m1", "m2", "copy", "m4"])


@situation(KIND, "folder", "a copy without gzip", refused="share cells: all", study=True)
def plain_copy(at):
    four(at)
    folder(at / "plain", truth(1), end="")
    return study(at, ["m1", "m2", "plain", "m4"])


@situation(KIND, "h5", "the same cells as folder and as h5", refused="share cells: all", study=True)
def other_format(at):
    four(at)
    tenx_h5(at / "again.h5", truth(1))
    return study(at, ["m1", "m2", "again.h5", "m4"])


@situation(
    KIND, "h5ad", "the same cells as folder and as h5ad without genes of no counts", refused="share cells", study=True
)
def fewer_genes(at):
    four(at)
    t = truth(1)
    seen = np.flatnonzero(t.counts.sum(axis=0) > 0)
    adata(t)[:, seen].write_h5ad(at / "again.h5ad")
    return study(at, ["m1", "m2", "again.h5ad", "m4"])


@situation(
    KIND, "csv", "the same cells as folder and as table with another order", refused="share cells: all", study=True
)
def as_table(at):
    four(at)
    t = truth(1)
    table(at / "again.csv", t.some(list(range(len(t.barcodes)))[::-1]))
    return study(at, ["m1", "m2", "again.csv", "m4"])


@situation(KIND, "folder", "the same cells with barcodes of another merging (-1 and -2, GC01_)", refused="share cells",
           study=True)  # fmt: skip
def other_suffix(at):
    four(at)
    t = truth(1)
    folder(at / "merged", make.replace(t, barcodes=["GC01_" + b.replace("-1", "-2") for b in t.barcodes]))
    return study(at, ["m1", "m2", "merged", "m4"])


@situation(KIND, "folder", "the same cells with new names", refused="under other barcodes", study=True)
def renamed(at):
    four(at)
    folder(at / "renamed", make.replace(truth(1), barcodes=[f"cell_{i}" for i in range(make.N_CELLS)]))
    return study(at, ["m1", "m2", "renamed", "m4"])


@situation(KIND, "folder", "one sample inside another", refused="share cells: all", study=True)
def inside(at):
    four(at)
    both = joined([truth(1), truth(9)])
    folder(at / "both", both)
    return study(at, ["m1", "m2", "both", "m4"])


@situation(KIND, "folder", "half of the cells of a sample in another", refused="share cells: 15 of 30", study=True)
def half(at):
    four(at)
    folder(at / "half", joined([truth(1).some(range(15)), truth(9, 15)]))
    return study(at, ["m1", "m2", "half", "m4"])


@situation(KIND, "h5ad", "an atlas in six rows without a selector", refused="atlas.h5ad#patient=A", study=True)
def atlas(at):
    parts = [truth(i) for i in range(1, 7)]
    h5ad(at / "atlas.h5ad", joined(parts), {"patient": np.repeat(list("ABCDEF"), make.N_CELLS)})
    return study(at, ["atlas.h5ad"] * 6)


@situation(KIND, "h5ad", "an atlas divided by a column", study=True)
def divided(at):
    parts = [truth(i) for i in range(1, 5)]
    h5ad(at / "atlas.h5ad", joined(parts), {"patient": np.repeat(list("ABCD"), make.N_CELLS)})
    return study(at, [f"atlas.h5ad#patient={p}" for p in "ABCD"])


@situation(KIND, "h5ad", "one row with a selector, one with the whole atlas", refused="not all of them name their part",
           study=True)  # fmt: skip
def partly(at):
    h5ad(at / "atlas.h5ad", joined([truth(1), truth(2)]), {"patient": np.repeat(list("AB"), make.N_CELLS)})
    paths = four(at)
    return study(at, ["atlas.h5ad#patient=A", "atlas.h5ad", *paths[2:]])


@situation(KIND, "h5ad", "the same selector twice", refused="same part of one file", study=True)
def same_selector(at):
    h5ad(at / "atlas.h5ad", joined([truth(1), truth(2)]), {"patient": np.repeat(list("AB"), make.N_CELLS)})
    paths = four(at)
    return study(at, ["atlas.h5ad#patient=A", "./atlas.h5ad#patient=A", *paths[2:]])


@situation(KIND, "h5ad", "selectors of two columns that overlap", refused="share cells", study=True)
def overlapping(at):
    obs = {"patient": np.repeat(list("AB"), make.N_CELLS), "site": np.tile(["x", "y"], make.N_CELLS)}
    h5ad(at / "atlas.h5ad", joined([truth(1), truth(2)]), obs)
    paths = four(at)
    return study(at, ["atlas.h5ad#patient=A", "atlas.h5ad#site=x", *paths[2:]])


for _form in ("folder", "h5"):

    @situation(
        KIND, _form, "an aggregated matrix (-1 to -4) in four rows", refused="#suffix=1 to #suffix=4", study=True
    )
    def aggregated(at, form=_form):
        t = joined([truth(i) for i in range(1, 5)], [f"-{i}" for i in range(1, 5)])
        path = folder(at / "aggr", t) if form == "folder" else tenx_h5(at / "aggr.h5", t)
        return study(at, [path.name] * 4)

    @situation(KIND, _form, "an aggregated matrix divided by the suffix", study=True)
    def by_suffix(at, form=_form):
        t = joined([truth(i) for i in range(1, 5)], [f"-{i}" for i in range(1, 5)])
        path = folder(at / "aggr", t) if form == "folder" else tenx_h5(at / "aggr.h5", t)
        return study(at, [f"{path.name}#suffix={i}" for i in range(1, 5)])

    @situation(KIND, _form, "the cells of one suffix", study=False)
    def one_suffix(at, form=_form):
        parts = [truth(i) for i in range(1, 13)]
        t = joined(parts, [f"-{i}" for i in range(1, 13)])
        path = folder(at / "aggr", t) if form == "folder" else tenx_h5(at / "aggr.h5", t)
        return f"{path}#suffix=2", make.replace(parts[1], barcodes=[b[:-1] + "2" for b in parts[1].barcodes])


@situation(KIND, "folder", "a suffix that no barcode has", refused="the endings are: -1 .30 cells., -2")
def no_suffix(at):
    folder(at / "aggr", joined([truth(1), truth(2)], ["-1", "-2"]))
    return f"{at}/aggr#suffix=7", None


@situation(KIND, "folder", "an aggregated matrix as one sample", also="aggregated matrix of 3 libraries", study=True)
def one_of_many(at):
    paths = four(at)
    folder(at / "aggr", joined([truth(i) for i in (11, 12, 13)], ["-1", "-2", "-3"]))
    return study(at, ["aggr", *paths[1:]])


@situation(KIND, "folder", "equal barcodes with other counts (10x uses one list)", study=True)
def one_list(at):
    names = barcodes(1)
    for i in range(1, 5):
        folder(at / f"m{i}", truth(i, names=names))
    return study(at, [f"m{i}" for i in range(1, 5)])


@situation(KIND, "h5", "hash-tag pools: one run, each sample its own barcodes", study=True)
def pools(at):
    t = truth(1, 120)
    for i in range(4):
        tenx_h5(at / f"tag{i}.h5", t.some(range(30 * i, 30 * i + 30)))
    return study(at, [f"tag{i}.h5" for i in range(4)])


def raw_of(t, seed=50, others=300):
    names = barcodes(seed, others)
    rng = np.random.default_rng(seed)
    empty = rng.poisson(0.05, (others, len(t.genes)))
    return make.replace(t, counts=np.vstack([t.counts, empty]), barcodes=[*t.barcodes, *names])


@situation(KIND, "folder", "raw_path of the same run", study=True)
def raw(at):
    paths = four(at)
    for i in range(1, 5):
        folder(at / f"raw{i}", raw_of(truth(i), 50 + i))
    return study(at, paths, raw=[f"raw{i}" for i in range(1, 5)])


@situation(KIND, "folder", "raw_path of another sample", refused="has 0% of the barcodes of sample S1", study=True)
def raw_swapped(at):
    paths = four(at)
    for i in range(1, 5):
        folder(at / f"raw{i}", raw_of(truth(i), 50 + i))
    return study(at, paths, raw=["raw2", "raw1", "raw3", "raw4"])


@situation(KIND, "folder", "raw_path of another sample that has all barcodes of the list",
           refused="other counts at the barcodes", study=True)  # fmt: skip
def raw_swapped_list(at):
    paths = four(at)
    everyone = [b for i in range(1, 5) for b in barcodes(i)]
    for i in range(1, 5):
        t = truth(i)
        counts = np.zeros((len(everyone), len(t.genes)), dtype=int)
        counts[(i - 1) * make.N_CELLS : i * make.N_CELLS] = t.counts
        counts[:, 0] += 1
        folder(at / f"raw{i}", make.replace(t, counts=counts, barcodes=everyone))
    return study(at, paths, raw=["raw2", "raw1", "raw3", "raw4"])


@situation(KIND, "folder", "raw_path is path", refused="has its cells only and no empty droplets", study=True)
def raw_is_path(at):
    names = [truth(i, 30) for i in range(1, 5)]
    for i, t in enumerate(names, 1):
        folder(at / f"m{i}", t)
    paths = [f"m{i}" for i in range(1, 5)]
    return study(at, paths, raw=paths)


@situation(KIND, "folder", "raw_path does not exist", refused="raw_path does not exist", study=True)
def raw_missing(at):
    return study(at, four(at), raw=["nowhere", "", "", ""])


for _a, _b in (("P2", "p2"), ("P3", "P03"), ("P2", "P 2"), ("P2", "P-2"), ("P2", "P_2"), ("GC-01", "gc_1"),
               ("2", "002"), ("Pat 01", "PAT1"), ("P2", "P\u00a02")):  # fmt: skip

    @situation(
        "patients",
        "csv",
        f"{_a!r} and {_b!r}",
        refused="differ by case, leading zeros, spaces or dashes only",
        study=True,
    )
    def strangers(at, a=_a, b=_b):
        return study(at, four(at), patients=[a, "other", b, "another"])


for _a, _b in (("P1", "P10"), ("P1-1", "P11"), ("P20", "P2"), ("A1", "B1"), ("P2", "PP2")):

    @situation("patients", "csv", f"{_a!r} and {_b!r} are two people", study=True)
    def two_people(at, a=_a, b=_b):
        return study(at, four(at), patients=[a, "other", b, "another"])


@situation(
    "patients",
    "csv",
    "spelled otherwise in the sheet of patients",
    refused="not in patients.csv|differ by case",
    study=True,
)
def other_sheet(at):
    return study(at, four(at), people="patient,best_response\nP1,PR\np2,PR\nP3,PD\nP4,PD\n")


@situation(KIND, "csv.gz", "the same table, packed and not", refused="share cells: all", study=True)
def packed_table(at):
    four(at)
    table(at / "a.csv", truth(1))
    (at / "b.csv.gz").write_bytes(gzip.compress((at / "a.csv").read_bytes()))
    return study(at, ["a.csv", "b.csv.gz", "m3", "m4"])


@situation(
    KIND, "folder", "a copy corrected for ambient RNA", refused="equal barcodes and nearly equal counts", study=True
)
def corrected(at):
    four(at)
    t = truth(1)
    fewer = np.random.default_rng(3).binomial(t.counts, 0.8)
    folder(at / "clean", make.replace(t, counts=fewer))
    return study(at, ["m1", "m2", "clean", "m4"])


@situation(
    KIND, "h5ad", "a copy with the variable genes only", refused="equal barcodes and nearly equal counts", study=True
)
def variable(at):
    four(at)
    t = truth(1)
    adata(t)[:, ::2].write_h5ad(at / "hvg.h5ad")
    return study(at, ["m1", "m2", "hvg.h5ad", "m4"])


@situation(KIND, "folder", "a copy of cells with few counts (a small panel)", refused="share cells: all", study=True)
def shallow_copy(at):
    panel(at)
    shutil.copytree(at / "m1", at / "copy")
    return study(at, ["m1", "m2", "copy", "m4"])


@situation(KIND, "folder", "different samples of few counts and equal barcodes", study=True)
def shallow(at):
    panel(at)
    return study(at, [f"m{i}" for i in range(1, 5)])


def panel(at):
    names = barcodes(1)
    for i in range(1, 5):
        t = truth(i, names=names)
        few = np.random.default_rng(i).binomial(t.counts, 0.01)
        few[:, 0] += 1
        folder(at / f"m{i}", make.replace(t, counts=few))
