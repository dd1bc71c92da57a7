"""Where counts are and in which format: runs of programs, GEO, HDF5 in its kinds, tables, and what is no matrix."""

import gzip
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from situations import make
from situations.make import (
    adata,
    folder,
    h5ad,
    joined,
    normalised,
    old_h5,
    put_mtx,
    put_text,
    replace,
    study,
    table,
    tenx_h5,
    truth,
)
from situations.register import situation

KIND = "layout"


def lines(values):
    return "".join(f"{v}\n" for v in values)


# ---- folders of Cell Ranger


for _version, _end, _packed in ((3, ".gz", None), (3, "", None), (2, "", None), (2, ".gz", None), (3, ".gz", False),
                                (3, "", True)):  # fmt: skip

    @situation(KIND, "folder", f"version {_version}, names end in {_end or 'plain text'}, "
               f"{'as named' if _packed is None else 'packed' if _packed else 'not packed'} inside")  # fmt: skip
    def plain(at, version=_version, end=_end, packed=_packed):
        return str(folder(at / "m", truth(), version=version, end=end, packed=packed)), truth()


@situation(KIND, "folder", "the folder outs of cellranger count", also="filtered_feature_bc_matrix was read")
def outs(at):
    base = at / "outs"
    folder(base / "filtered_feature_bc_matrix", truth())
    folder(base / "raw_feature_bc_matrix", truth(2))
    tenx_h5(base / "filtered_feature_bc_matrix.h5", truth())
    tenx_h5(base / "raw_feature_bc_matrix.h5", truth(2))
    (base / "molecule_info.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    put_mtx(base / "analysis/pca/10_components/x.mtx", np.ones((2, 2)))
    return str(base), truth()


@situation(KIND, "folder", "the run folder of cellranger count", also="outs/filtered_feature_bc_matrix was read")
def run(at):
    outs(at / "run")
    return str(at / "run"), truth()


@situation(KIND, "folder", "a run that has its .h5 only")
def run_h5(at):
    tenx_h5(at / "run/outs/filtered_feature_bc_matrix.h5", truth())
    tenx_h5(at / "run/outs/raw_feature_bc_matrix.h5", truth(2))
    return str(at / "run"), truth()


@situation(KIND, "folder", "the run folder of Cell Ranger 2")
def run_2(at):
    folder(at / "run/outs/filtered_gene_bc_matrices/GRCh38", truth(), version=2, end="")
    folder(at / "run/outs/raw_gene_bc_matrices/GRCh38", truth(2), version=2, end="")
    old_h5(at / "run/outs/filtered_gene_bc_matrices_h5.h5", {"GRCh38": truth()})
    return str(at / "run"), truth()


@situation(KIND, "folder", "a run that has its unfiltered matrix only", also="it is the unfiltered one")
def run_raw(at):
    folder(at / "run/outs/raw_feature_bc_matrix", truth())
    return str(at / "run"), truth()


@situation(KIND, "folder", "cellranger multi with one sample")
def multi_one(at):
    folder(at / "run/outs/per_sample_outs/A/count/sample_filtered_feature_bc_matrix", truth())
    tenx_h5(at / "run/outs/per_sample_outs/A/count/sample_filtered_feature_bc_matrix.h5", truth())
    folder(at / "run/outs/multi/count/raw_feature_bc_matrix", truth(2))
    return str(at / "run"), truth()


@situation(
    KIND, "folder", "cellranger multi with three samples", refused="there are 3 matrices.*per_sample_outs/A/count"
)
def multi_many(at):
    for i, name in enumerate("ABC"):
        folder(at / f"run/outs/per_sample_outs/{name}/count/sample_filtered_feature_bc_matrix", truth(i))
        folder(at / f"run/outs/per_sample_outs/{name}/count/sample_raw_feature_bc_matrix", truth(i + 9))
    return str(at / "run"), None


@situation(KIND, "folder", "one sample of cellranger multi")
def multi_named(at):
    multi_many(at)
    return str(at / "run/outs/per_sample_outs/B"), truth(1)


@situation(KIND, "folder", "cellranger aggr")
def aggr(at):
    t = joined([truth(1), truth(2)], ["-1", "-2"])
    folder(at / "run/outs/count/filtered_feature_bc_matrix", t)
    put_text(at / "run/outs/aggregation.csv", "sample_id,molecule_h5\nA,a\nB,b\n")
    return str(at / "run"), t


# ---- STARsolo, kb, alevin


@situation(KIND, "folder", "STARsolo: the run folder")
def star(at):
    base = at / "run/Solo.out/Gene"
    folder(base / "filtered", truth(), end="")
    folder(base / "raw", truth(2), end="")
    put_text(at / "run/Solo.out/Barcodes.stats", "x 1\n")
    put_text(at / "run/Log.final.out", "x\n")
    return str(at / "run"), truth()


@situation(KIND, "folder", "STARsolo: Solo.out/Gene/filtered")
def star_filtered(at):
    star(at)
    return str(at / "run/Solo.out/Gene/filtered"), truth()


@situation(KIND, "folder", "STARsolo: Gene and GeneFull", refused="Gene/filtered, .*GeneFull/filtered")
def star_two(at):
    star(at)
    folder(at / "run/Solo.out/GeneFull/filtered", truth(3), end="")
    return str(at / "run"), None


@situation(KIND, "folder", "STARsolo with Velocyto beside")
def star_velocyto(at):
    star(at)
    folder(at / "run/Solo.out/Velocyto/filtered", truth(3), end="")
    return str(at / "run"), truth()


def kb(base, t, *, names=True, header=False):
    put_mtx(base / "cells_x_genes.mtx", t.counts)
    put_text(base / "cells_x_genes.barcodes.txt", lines([*(["barcode"] if header else []), *t.barcodes]))
    put_text(base / "cells_x_genes.genes.txt", lines([*(["gene_id"] if header else []), *t.ids]))
    if names:
        put_text(base / "cells_x_genes.genes.names.txt", lines(t.genes))
    return base


@situation(KIND, "folder", "kb: cells_x_genes", also="cells in rows: it was turned")
def kb_plain(at):
    return str(kb(at / "counts_unfiltered", truth())), truth()


@situation(KIND, "folder", "kb: the run folder")
def kb_run(at):
    kb(at / "run/counts_unfiltered", truth(), names=False)
    adata(truth()).write_h5ad(at / "run/counts_unfiltered/adata.h5ad")
    put_text(at / "run/run_info.json", "{}")
    return str(at / "run"), truth()


@situation(KIND, "folder", "kb: as many cells as genes", also="it was turned")
def kb_square(at):
    t = truth(1, make.N_GENES - 1)
    n = len(t.genes)
    t = truth(1, n)
    return str(kb(at / "k", t)), t


@situation(KIND, "folder", "alevin-fry: quants_mat with names of rows and columns", also="it was turned")
def alevin(at):
    t = truth()
    base = at / "quant/alevin"
    put_mtx(base / "quants_mat.mtx", t.counts)
    put_text(base / "quants_mat_rows.txt", lines(t.barcodes))
    put_text(base / "quants_mat_cols.txt", lines(t.ids))
    put_text(at / "quant/quant.json", "{}")
    return str(at / "quant"), t


@situation(
    KIND,
    "folder",
    "alevin-fry: spliced, unspliced and ambiguous columns",
    also="spliced and ambiguous counts are summed",
)
def alevin_usa(at):
    t = truth()
    rng = np.random.default_rng(3)
    ambiguous = rng.binomial(t.counts, 0.3)
    base = at / "quant/alevin"
    put_mtx(base / "quants_mat.mtx", np.hstack([t.counts - ambiguous, rng.poisson(1, t.counts.shape), ambiguous]))
    put_text(base / "quants_mat_rows.txt", lines(t.barcodes))
    put_text(base / "quants_mat_cols.txt", lines([*t.ids, *(f"{i}-U" for i in t.ids), *(f"{i}-A" for i in t.ids)]))
    return str(base), t


@situation(KIND, "folder", "headers in the files of names")
def headers(at):
    t = truth()
    put_mtx(at / "m/matrix.mtx", t.counts.T)
    put_text(at / "m/barcodes.tsv", lines(["barcode", *t.barcodes]))
    put_text(
        at / "m/genes.tsv", lines(["gene_id\tgene_name", *(f"{i}\t{g}" for i, g in zip(t.ids, t.genes, strict=True))])
    )
    return str(at / "m"), t


@situation(KIND, "folder", "names written by R's write.csv (row numbers, quotes, header)")
def names_of_r(at):
    t = truth()
    put_mtx(at / "m/counts.mtx", t.counts.T)
    put_text(at / "m/barcodes.csv", lines(['"","x"', *(f'"{i + 1}","{b}"' for i, b in enumerate(t.barcodes))]))
    put_text(at / "m/genes.csv", lines(['"","x"', *(f'"{i + 1}","{g}"' for i, g in enumerate(t.genes))]))
    return str(at / "m"), t


@situation(KIND, "folder", "symbols in the first column, ids in the second")
def swapped_columns(at):
    t = truth()
    return str(folder(at / "m", t, names=t.ids, ids=t.genes)), t


@situation(KIND, "folder", "a matrix of cells x genes under the names of 10x", also="it was turned")
def turned(at):
    t = truth()
    folder(at / "m", t)
    put_mtx(at / "m/matrix.mtx.gz", t.counts)
    return str(at / "m"), t


def with_proteins(t, kind="Antibody Capture", n=4):
    counts = np.hstack([t.counts, np.random.default_rng(5).poisson(20, (len(t.barcodes), n))])
    wide = replace(
        t,
        counts=counts,
        genes=[*t.genes, *(f"CD{i}_TotalSeqB" for i in range(n))],
        ids=[*t.ids, *(f"AB{i}" for i in range(n))],
    )
    return wide, ["Gene Expression"] * len(t.genes) + [kind] * n


for _kind in ("Antibody Capture", "CRISPR Guide Capture", "Multiplexing Capture", "Custom", "Peaks", "Antigen Capture"):
    for _form in ("folder", "h5"):

        @situation(KIND, _form, f"{_kind} beside the genes", also=f"left out: 4 {_kind}")
        def kinds(at, kind=_kind, form=_form):
            wide, given = with_proteins(truth(), kind)
            if form == "h5":
                return str(tenx_h5(at / "m.h5", wide, kinds=given)), truth()
            return str(folder(at / "m", wide, kinds=given)), truth()


@situation(KIND, "folder", "antibodies only", refused="no genes", study=True)
def antibodies_only(at):
    t = truth()
    for i in range(1, 5):
        folder(at / f"m{i}", truth(i), kinds=["Antibody Capture"] * len(t.genes))
    return study(at, [f"m{i}" for i in range(1, 5)])


@situation(KIND, "folder", "a third column that is no kind (a chromosome)")
def third_column(at):
    t = truth()
    return str(folder(at / "m", t, kinds=[f"chr{i % 22 + 1}" for i in range(len(t.genes))])), t


@situation(KIND, "folder", "STARsolo with matrices of multimappers beside")
def star_multi(at):
    folder(at / "filtered", truth(), end="")
    put_mtx(at / "filtered/UniqueAndMult-EM.mtx", truth(2).counts.T)
    return str(at / "filtered"), truth()


def kb_nac(at):
    t = truth()
    base = kb(at / "counts_unfiltered", t)
    (base / "cells_x_genes.mtx").rename(base / "cells_x_genes.total.mtx")
    for name in ("mature", "nascent", "ambiguous"):
        put_mtx(base / f"cells_x_genes.{name}.mtx", truth(3).counts)
    return base


@situation(KIND, "folder", "kb: spliced and unspliced beside each other", refused="4 matrices.*cells_x_genes.total")
def kb_many(at):
    return str(kb_nac(at)), None


@situation(KIND, "folder", "kb: one of several matrices by its name")
def kb_named(at):
    return str(kb_nac(at) / "cells_x_genes.total.mtx"), truth()


@situation(KIND, "folder", "kb: one of several matrices by its beginning")
def kb_begun(at):
    return str(kb_nac(at) / "cells_x_genes.total"), truth()


@situation(KIND, "folder", "alevin's binary output", refused="binary output of alevin.*--dumpMtx")
def alevin_binary(at):
    put_text(at / "alevin/quants_mat.gz", "x", packed=True)
    put_text(at / "alevin/quants_mat_rows.txt", "A\n")
    put_text(at / "alevin/quants_mat_cols.txt", "A\n")
    return str(at / "alevin"), None


# ---- GEO


@situation(KIND, "GEO", "all samples in one folder, the path is a prefix")
def geo(at):
    for i in range(1, 4):
        folder(at / "GSE1_RAW", truth(i), prefix=f"GSM10{i}_P{i}_")
    return str(at / "GSE1_RAW/GSM102_P2"), truth(2)


@situation(KIND, "GEO", "the prefix with its last _")
def geo_dash(at):
    geo(at)
    return str(at / "GSE1_RAW/GSM102_P2_"), truth(2)


@situation(KIND, "GEO", "the path is the matrix")
def geo_matrix(at):
    geo(at)
    return str(at / "GSE1_RAW/GSM103_P3_matrix.mtx.gz"), truth(3)


@situation(KIND, "GEO", "all samples in one folder, the path is the folder", refused="3 matrices.*GSE1_RAW/GSM101_P1")
def geo_folder(at):
    geo(at)
    return str(at / "GSE1_RAW"), None


@situation(KIND, "GEO", "a folder per sample, with prefixes")
def geo_one(at):
    folder(at / "GSM101", truth(), prefix="GSM101_P1.")
    return str(at / "GSM101"), truth()


@situation(KIND, "GEO", "one file of genes for all samples")
def geo_shared(at):
    for i in range(1, 4):
        folder(at / "g", truth(i), prefix=f"GSM10{i}_")
        if i > 1:
            (at / f"g/GSM10{i}_features.tsv.gz").unlink()
    (at / "g/GSM101_features.tsv.gz").rename(at / "g/GSE1_features.tsv.gz")
    return str(at / "g/GSM102_matrix.mtx.gz"), truth(2)


@situation(KIND, "GEO", "the sample behind the word (barcodes_S1.tsv.gz)")
def geo_behind(at):
    for i in range(1, 3):
        folder(at / "m", truth(i))
        for name in ("matrix.mtx", "barcodes.tsv", "features.tsv"):
            word, _, end = name.partition(".")
            (at / f"m/{name}.gz").rename(at / f"m/{word}_S{i}.{end}.gz")
    return str(at / "m/matrix_S2.mtx.gz"), truth(2)


@situation(KIND, "path", "an address", refused="download the file", study=True)
def address(at):
    return study(at, ["https://example.org/m1.h5", *make.four(at)[1:]])


@situation(KIND, "GEO", "prefixes in a study", study=True)
def geo_study(at):
    for i in range(1, 5):
        folder(at / "raw", truth(i), prefix=f"GSM10{i}_")
    return study(at, [f"raw/GSM10{i}" for i in range(1, 5)])


@situation(KIND, "GEO", "a 10x h5 with a prefix")
def geo_h5(at):
    return str(tenx_h5(at / "GSM1_P1_filtered_feature_bc_matrix.h5", truth())), truth()


@situation(KIND, "GEO", "a packed table with a prefix")
def geo_table(at):
    return str(table(at / "GSM1_counts.txt.gz", truth(), separator="\t")), truth()


@situation(KIND, "GEO", "the tar as it was downloaded", refused="tar archive.*unpack")
def geo_tar(at):
    import tarfile

    folder(at / "m", truth())
    with tarfile.open(at / "GSE1_RAW.tar", "w") as out:
        out.add(at / "m", "m")
    return str(at / "GSE1_RAW.tar"), None


# ---- HDF5 and its relatives


@situation(KIND, "h5", "10x version 3")
def h5_3(at):
    return str(tenx_h5(at / "m.h5", truth())), truth()


@situation(KIND, "h5", "10x version 2 with a group of the genome")
def h5_2(at):
    return str(old_h5(at / "m.h5", {"GRCh38": truth()})), truth()


@situation(KIND, "h5", "CellBender")
def cellbender(at):
    extra = {"droplet_latents/cell_probability": np.ones(30), "metadata/target_false_positive_rate": 0.01}
    path = tenx_h5(at / "cellbender_filtered.h5", truth(), extra=extra)
    with h5py.File(path, "r+") as file:
        del file["matrix/features/genome"]
    return str(path), truth()


@situation(KIND, "h5", "packed by gzip (.h5.gz)")
def h5_packed(at):
    path = tenx_h5(at / "m.h5", truth())
    (at / "m.h5.gz").write_bytes(gzip.compress(path.read_bytes()))
    return str(at / "m.h5.gz"), truth()


@situation(KIND, "h5", "an h5ad under the name .h5")
def h5ad_as_h5(at):
    h5ad(at / "m.h5ad", truth())
    (at / "m.h5ad").rename(at / "m.h5")
    return str(at / "m.h5"), truth()


@situation(KIND, "h5", "molecule_info.h5", refused="list of single molecules.*filtered_feature_bc_matrix")
def molecules(at):
    with h5py.File(at / "molecule_info.h5", "w") as file:
        file["barcode_idx"], file["umi"] = np.arange(3), np.arange(3)
    return str(at / "molecule_info.h5"), None


@situation(KIND, "h5", "HDF5 of something else", refused="not a 10x h5")
def other_h5(at):
    with h5py.File(at / "m.h5", "w") as file:
        file["x"] = np.arange(3)
    return str(at / "m.h5"), None


@situation(KIND, "h5", "cut short", refused="truncated or damaged")
def cut_h5(at):
    path = tenx_h5(at / "m.h5", truth())
    path.write_bytes(path.read_bytes()[:3000])
    return str(path), None


@situation(KIND, "h5", "a web page saved as .h5", refused="web page, not a matrix")
def page(at):
    return str(put_text(at / "m.h5", "<!DOCTYPE html><html>404</html>")), None


@situation(KIND, "h5", "empty", refused="empty .0 bytes")
def empty(at):
    return str(put_text(at / "m.h5", "")), None


@situation(KIND, "h5", "a pointer of Git LFS", refused="Git LFS pointer")
def lfs(at):
    return str(put_text(at / "m.h5", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n")), None


@situation(KIND, "h5ad", "counts in X")
def in_x(at):
    return str(h5ad(at / "m.h5ad", truth())), truth()


@situation(KIND, "h5ad", "packed by gzip (.h5ad.gz)")
def h5ad_packed(at):
    h5ad(at / "m.h5ad", truth())
    (at / "m.h5ad.gz").write_bytes(gzip.compress((at / "m.h5ad").read_bytes()))
    (at / "m.h5ad").unlink()
    return str(at / "m.h5ad.gz"), truth()


def slots(at, *, x="log", layers=(), raw=None, few=60):
    """An h5ad whose slots hold counts or normalised values, of all genes or of few."""
    t = truth()
    values = {"log": normalised(t), "counts": t.counts.astype(float), "scaled": normalised(t) - 1.0}
    columns = slice(None) if raw is None or raw == "all" else slice(0, few)
    cells = adata(t)
    if raw is not None:
        whole = adata(t)
        whole.X = sparse.csr_matrix(values["counts" if raw in {"all", "counts"} else raw])
        cells.raw = whole
    cells = cells[:, columns].copy()
    cells.X = values[x][:, columns]
    for name, what in layers:
        cells.layers[name] = sparse.csr_matrix(values[what][:, columns])
    cells.write_h5ad(at / "m.h5ad")
    return str(at / "m.h5ad"), t


for _name, _given, _also in (
    (
        "counts in layers['counts'], X log-normalised",
        {"layers": [("counts", "counts")]},
        r"layers\['counts'\] was read",
    ),
    ("counts in layers['raw_counts']", {"layers": [("raw_counts", "counts")]}, r"layers\['raw_counts'\] was read"),
    ("counts in raw of all genes, X scaled of few", {"x": "scaled", "raw": "counts"}, "raw was read .240 genes"),
    ("raw log-normalised, counts in X", {"x": "counts", "raw": "log", "few": 240}, "X was read"),
    (
        "counts of few genes in a layer, of all in raw",
        {"layers": [("counts", "counts")], "raw": "counts"},
        "raw was read .240",
    ),
    (
        "layers of other values first",
        {"layers": [("a_scaled", "scaled"), ("umi", "counts")]},
        r"layers\['umi'\] was read",
    ),
):

    @situation(KIND, "h5ad", _name, also=_also)
    def slot(at, given=_given):
        return slots(at, **given)


@situation(KIND, "h5ad", "no counts anywhere", study=True,
           refused=r"log-normalised already.*X was read .*layers\['scaled'\] has negative")  # fmt: skip
def no_counts(at):
    paths = []
    for i in range(4):
        (at / f"s{i}").mkdir(parents=True)
        paths.append(slots(at / f"s{i}", layers=[("scaled", "scaled")])[0])
    return study(at, paths)


@situation(KIND, "h5ad", "velocyto layers beside counts in X", also="X was read")
def velocity(at):
    t = truth()
    cells = adata(t)
    for name in ("spliced", "unspliced", "ambiguous"):
        cells.layers[name] = sparse.csr_matrix(np.random.default_rng(1).binomial(t.counts, 0.5).astype(float))
    cells.write_h5ad(at / "m.h5ad")
    return str(at / "m.h5ad"), t


@situation(KIND, "h5ad", "a dense X")
def dense(at):
    cells = adata(truth())
    cells.X = cells.X.toarray()
    cells.write_h5ad(at / "m.h5ad")
    return str(at / "m.h5ad"), truth()


@situation(KIND, "h5ad", "stored by columns")
def by_column(at):
    cells = adata(truth())
    cells.X = sparse.csc_matrix(cells.X)
    cells.write_h5ad(at / "m.h5ad")
    return str(at / "m.h5ad"), truth()


@situation(KIND, "h5ad", "cut short", refused="truncated or damaged")
def cut_h5ad(at):
    path = h5ad(at / "m.h5ad", truth())
    path.write_bytes(path.read_bytes()[:3000])
    return str(path), None


@situation(KIND, "h5ad", "text under the name .h5ad", refused="not HDF5")
def text_h5ad(at):
    return str(put_text(at / "m.h5ad", "hello\n")), None


@situation(KIND, "h5ad", "a table under the name .h5ad")
def table_h5ad(at):
    return str(table(at / "m.h5ad", truth())), truth()


@situation(KIND, "loom", "loompy's layout")
def loom(at):
    t = truth()
    with h5py.File(at / "m.loom", "w") as file:
        file["matrix"] = t.counts.T
        file.create_group("layers")
        file["row_attrs/Gene"], file["row_attrs/Accession"] = np.array(t.genes, "S"), np.array(t.ids, "S")
        file["col_attrs/CellID"] = np.array(t.barcodes, "S")
    return str(at / "m.loom"), t


@situation(KIND, "loom", "the cells of one value of a column attribute")
def loom_selected(at):
    a, b = truth(1), truth(2)
    t = joined([a, b])
    with h5py.File(at / "m.loom", "w") as file:
        file["matrix"] = t.counts.T
        file["row_attrs/var_names"] = np.array(t.genes, "S")
        file["col_attrs/obs_names"] = np.array(t.barcodes, "S")
        file["col_attrs/sample"] = np.array(["a"] * 30 + ["b"] * 30, "S")
    return f"{at}/m.loom#sample=b", b


@situation(KIND, "loom", "normalised matrix, counts in a layer", also="layers/counts")
def loom_layer(at):
    t = truth()
    with h5py.File(at / "m.loom", "w") as file:
        file["matrix"], file["layers/counts"] = normalised(t).T, t.counts.T
        file["row_attrs/Gene"], file["col_attrs/CellID"] = np.array(t.genes, "S"), np.array(t.barcodes, "S")
    return str(at / "m.loom"), t


@situation(KIND, "zarr", "AnnData.write_zarr")
def zarr(at):
    at.mkdir(exist_ok=True)
    adata(truth()).write_zarr(at / "m.zarr")
    return str(at / "m.zarr"), truth()


@situation(KIND, "zarr", "the cells of one value of obs")
def zarr_selected(at):
    adata(joined([truth(1), truth(2)]), {"sample": ["a"] * 30 + ["b"] * 30}).write_zarr(at / "m.zarr")
    return f"{at}/m.zarr#sample=b", truth(2)


@situation(KIND, "h5mu", "RNA and antibodies")
def h5mu(at):
    from anndata.io import write_elem

    t = truth()
    protein = ad.AnnData(np.random.default_rng(1).poisson(9, (30, 3)).astype(float), obs=pd.DataFrame(index=t.barcodes),
                         var=pd.DataFrame(index=["CD3", "CD8", "PD1"]))  # fmt: skip
    with h5py.File(at / "m.h5mu", "w") as file:
        file.attrs["encoding-type"] = "MuData"
        write_elem(file, "mod/rna", adata(t))
        write_elem(file, "mod/prot", protein)
    return str(at / "m.h5mu"), t


# ---- tables


for _name, _end in ((",", "csv"), ("\t", "tsv"), (";", "csv"), (" ", "txt")):
    for _turned in (False, True):

        @situation(KIND, "table", f"separated by {_name!r}, {'cells' if _turned else 'genes'} in rows",
                   also="it was turned" if _turned else "")  # fmt: skip
        def separated(at, separator=_name, end=_end, turned=_turned):
            return str(table(at / f"m.{end}", truth(), separator=separator, turned=turned)), truth()


@situation(KIND, "table", "packed under a plain name")
def packed_plain(at):
    return str(table(at / "m.csv", truth(), packed=True)), truth()


@situation(KIND, "table", "not packed under a gzip name")
def plain_packed(at):
    return str(table(at / "m.csv.gz", truth(), packed=False)), truth()


@situation(KIND, "table", "R's write.table: a header without the corner")
def write_table(at):
    t = truth()
    rows = [g + "\t" + "\t".join(map(str, t.counts[:, i])) for i, g in enumerate(t.genes)]
    return str(put_text(at / "m.txt", "\t".join(t.barcodes) + "\n" + lines(rows))), t


@situation(KIND, "table", "two columns of names (id, symbol)")
def two_names(at):
    t = truth()
    frame = pd.DataFrame(t.counts.T, columns=t.barcodes)
    frame.insert(0, "gene_id", t.ids)
    frame.insert(1, "gene_name", t.genes)
    return str(put_text(at / "m.tsv", frame.to_csv(sep="\t", index=False))), t


@situation(KIND, "table", "a column of row numbers before the names")
def row_numbers(at):
    t = truth()
    frame = pd.DataFrame(t.counts.T, columns=t.barcodes)
    frame.insert(0, "gene", t.genes)
    return str(put_text(at / "m.csv", frame.to_csv())), t


@situation(KIND, "table", "comments above the header")
def comments(at):
    table(at / "m.csv", truth())
    put_text(at / "m.csv", "# made by a core facility\n#\n" + (at / "m.csv").read_text())
    return str(at / "m.csv"), truth()


@situation(KIND, "table", "a byte-order mark and Windows line ends")
def mark(at):
    table(at / "m.csv", truth())
    text = (at / "m.csv").read_text().replace("\n", "\r\n")
    (at / "m.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    return str(at / "m.csv"), truth()


@situation(KIND, "table", "UTF-16")
def utf16(at):
    table(at / "m.csv", truth())
    (at / "m.csv").write_bytes((at / "m.csv").read_text().encode("utf-16"))
    return str(at / "m.csv"), truth()


@situation(KIND, "table", "counts written as 3.0")
def floats(at):
    t = truth()
    return str(table(at / "m.csv", replace(t, counts=t.counts.astype(float)))), t


@situation(KIND, "table", "a word among the values", refused="a value is not a number.*seen: 'many'")
def word(at):
    table(at / "m.csv", truth())
    rows = (at / "m.csv").read_text().splitlines()
    rows[9] = rows[9].rpartition(",")[0] + ",many"
    return str(put_text(at / "m.csv", lines(rows))), None


@situation(KIND, "table", "an empty value", refused="has no value from here on")
def hole(at):
    table(at / "m.csv", truth())
    rows = (at / "m.csv").read_text().splitlines()
    rows[9] = rows[9].rpartition(",")[0] + ","
    return str(put_text(at / "m.csv", lines(rows))), None


@situation(KIND, "table", "cut in its last row", refused="if it is the last one, the table is cut")
def cut_table(at):
    table(at / "m.csv", truth())
    text = (at / "m.csv").read_text()
    return str(put_text(at / "m.csv", text[: len(text) - 20])), None


@situation(KIND, "table", "gzip cut short", refused="truncated or damaged")
def cut_gzip(at):
    table(at / "m.csv.gz", truth())
    (at / "m.csv.gz").write_bytes((at / "m.csv.gz").read_bytes()[:900])
    return str(at / "m.csv.gz"), None


@situation(
    KIND, "table", "a sheet of samples by mistake", refused="not a number|no cells|common to them|number of fields"
)
def wrong_file(at):
    return str(put_text(at / "m.csv", "sample,patient,arm\nS1,P1,a\nS2,P2,b\n")), None


# ---- what is no matrix, and parts that are lacking


for _role, _file in (
    ("matrix.mtx", "matrix.mtx.gz"),
    ("barcodes.tsv", "barcodes.tsv.gz"),
    ("features.tsv", "features.tsv.gz"),
):

    @situation(KIND, "folder", f"without {_role}", refused=f"lacks {_role}")
    def lacking(at, file=_file):
        folder(at / "m", truth())
        (at / "m" / file).unlink()
        return str(at / "m"), None


@situation(KIND, "folder", "files of different exports", refused="different exports")
def different(at):
    folder(at / "m", truth())
    put_text(at / "m/barcodes.tsv.gz", lines(truth().barcodes[:-3]))
    return str(at / "m"), None


@situation(KIND, "folder", "an mtx with fewer values than its header promises", refused="truncated or damaged")
def short_mtx(at):
    folder(at / "m", truth(), end="")
    text = (at / "m/matrix.mtx").read_text().splitlines()
    put_text(at / "m/matrix.mtx", lines(text[:-40]))
    return str(at / "m"), None


@situation(KIND, "folder", "an mtx.gz cut short", refused="truncated or damaged")
def cut_mtx(at):
    folder(at / "m", truth())
    path = at / "m/matrix.mtx.gz"
    path.write_bytes(path.read_bytes()[:400])
    return str(at / "m"), None


@situation(KIND, "folder", "an mtx with a word in it", refused="cannot be read as Matrix Market")
def word_mtx(at):
    folder(at / "m", truth(), end="")
    rows = (at / "m/matrix.mtx").read_text().splitlines()
    rows[20] = "3 x 1"
    put_text(at / "m/matrix.mtx", lines(rows))
    return str(at / "m"), None


@situation(KIND, "folder", "an mtx with a row that there is not", refused="cannot be read as Matrix Market")
def outside_mtx(at):
    folder(at / "m", truth(), end="")
    rows = (at / "m/matrix.mtx").read_text().splitlines()
    rows[20] = "9999 1 1"
    put_text(at / "m/matrix.mtx", lines(rows))
    return str(at / "m"), None


@situation(KIND, "folder", "a folder of something else", refused="no matrix that is known")
def nothing_known(at):
    put_text(at / "m/readme.txt", "hello")
    return str(at / "m"), None


@situation(KIND, "folder", "an empty folder", refused="folder is empty")
def empty_folder(at):
    (at / "m").mkdir(parents=True)
    return str(at / "m"), None


for _name, _bytes, _words in (
    ("m.zip", b"PK\x03\x04" + b"0" * 60, "zip archive"), ("m.bam", b"BAM\x01" + b"0" * 60, "aligned reads"),
    ("m.fastq", b"@r1\nACGT\n+\nIIII\n", "sequencing reads"), ("m.pdf", b"%PDF-1.5", "PDF"),
    ("m.RData", b"RDX3\nX\n", "R workspace"), ("m.npy", b"\x93NUMPY\x01\x00", "NumPy array"),
    ("m.xls", b"\xd0\xcf\x11\xe0" + b"0" * 60, "old Excel file"),
):  # fmt: skip

    @situation(KIND, "other", _name, refused=_words)
    def other(at, name=_name, raw=_bytes):
        at.mkdir(exist_ok=True)
        (at / name).write_bytes(raw)
        return str(at / name), None


@situation(KIND, "path", "# in the name of a folder")
def sharp(at):
    return str(folder(at / "run #2/m", truth())), truth()


@situation(KIND, "path", "# in the name of a folder, and a selector")
def sharp_selected(at):
    h5ad(at / "run #2/m.h5ad", joined([truth(1), truth(2)]), {"sample": ["a"] * 30 + ["b"] * 30})
    return f"{at}/run #2/m.h5ad#sample=b", truth(2)


@situation(KIND, "path", "backslashes", study=True)
def backslashes(at):
    for i in range(1, 5):
        folder(at / "data" / f"m{i}", truth(i))
    return study(at, [rf"data\m{i}" for i in range(1, 5)])


@situation(KIND, "path", "C:\\Users\\...", refused="path of a Windows computer", study=True)
def windows(at):
    make.four(at)
    return study(at, [r"C:\Users\me\m1", "m2", "m3", "m4"])


@situation(KIND, "path", "another case of a letter", refused="has 'm1'", study=True)
def case(at):
    return study(at, ["M1", *make.four(at)[1:]])


@situation(KIND, "path", "spaces in the path")
def spaces(at):
    return str(folder(at / "my data/sample 1", truth())), truth()


@situation(KIND, "path", "quotation marks around the path", study=True)
def quoted(at):
    return study(at, ["'m1'", *make.four(at)[1:]])


def remove(path: Path):
    shutil.rmtree(path)
