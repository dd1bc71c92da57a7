"""The generator: small counts that are known, and writers of every format that a situation is made of."""

import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import io as scipy_io
from scipy import sparse

from scresist import resources

N_CELLS, N_GENES = 30, 240


@dataclass(frozen=True)
class Truth:
    """Dense counts, cells x genes, with names; `ids` are Ensembl ids."""

    counts: np.ndarray
    barcodes: list[str]
    genes: list[str]
    ids: list[str]

    def some(self, rows):
        return replace(self, counts=self.counts[rows], barcodes=[self.barcodes[i] for i in rows])


def genes(n=N_GENES):
    table = resources.genes()
    coding = table[(table["type"] == "protein-coding") & table["ensembl"].str.startswith("ENSG")]
    mito = {s: e for e, s in resources.ensembl_supplement().items() if s.startswith("MT-")}
    chosen = [*["EPCAM", "KRT8", "CD3D", "CD8A", "HLA-A", "HLA-B", "NKX2-1", "C1orf112"],
              *sorted(coding.index)[50 : 50 + n - 21]]  # fmt: skip
    chosen = list(dict.fromkeys(chosen))[: n - 13]
    return [*chosen, *mito], [*table.loc[chosen, "ensembl"], *mito.values()]


def barcodes(seed, n=N_CELLS, suffix="-1"):
    rng = np.random.default_rng([seed, 77])
    return ["".join(rng.choice(list("ACGT"), 16)) + suffix for _ in range(n)]


def truth(seed=1, n=N_CELLS, suffix="-1", names=None):
    symbols, ids = genes()
    rng = np.random.default_rng(seed)
    means = rng.gamma(0.6, 2.5, len(symbols))
    return Truth(rng.poisson(means * rng.gamma(4, 0.4, (n, 1))), names or barcodes(seed, n, suffix), symbols, ids)


def joined(parts, suffixes=None):
    """Several samples as one matrix; barcodes get the suffixes as `cellranger aggr` gives them."""
    names = [
        b if suffixes is None else b.rpartition("-")[0] + s
        for part, s in zip(parts, suffixes or [""] * len(parts), strict=True) for b in part.barcodes
    ]  # fmt: skip
    return replace(parts[0], counts=np.vstack([p.counts for p in parts]), barcodes=names)


def put_text(path: Path, text: str, *, packed=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = path.name.endswith(".gz") if packed is None else packed
    raw = text.encode("utf-8")
    path.write_bytes(gzip.compress(raw, 1) if packed else raw)
    return path


def put_mtx(path: Path, matrix, *, packed=None):
    import io

    out = io.BytesIO()
    scipy_io.mmwrite(out, sparse.coo_array(matrix), field="integer")
    return put_text(path, out.getvalue().decode(), packed=packed)


def folder(path: Path, t: Truth, *, prefix="", end=".gz", kinds=None, version=3, names=None, ids=None, packed=None):
    put_mtx(path / f"{prefix}matrix.mtx{end}", t.counts.T, packed=packed)
    put_text(path / f"{prefix}barcodes.tsv{end}", "".join(f"{b}\n" for b in t.barcodes), packed=packed)
    kinds = kinds or ["Gene Expression"] * len(t.genes)
    rows = [
        f"{i}\t{n}" + (f"\t{k}" if version == 3 else "")
        for i, n, k in zip(ids or t.ids, names or t.genes, kinds, strict=True)
    ]
    put_text(
        path / f"{prefix}{'features' if version == 3 else 'genes'}.tsv{end}", "\n".join(rows) + "\n", packed=packed
    )
    return path


def tenx_h5(path: Path, t: Truth, *, kinds=None, genome=None, names=None, ids=None, extra=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        _columns(group, t)
        features = group.create_group("features")
        features["id"], features["name"] = np.array(ids or t.ids, "S"), np.array(names or t.genes, "S")
        features["feature_type"] = np.array(kinds or ["Gene Expression"] * len(t.genes), "S")
        features["genome"] = np.array(genome or ["GRCh38"] * len(t.genes), "S")
        for name, value in (extra or {}).items():
            file[name] = value
    return path


def old_h5(path: Path, groups):
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, t in groups.items():
            group = file.create_group(name)
            _columns(group, t)
            group["genes"], group["gene_names"] = np.array(t.ids, "S"), np.array(t.genes, "S")
    return path


def _columns(group, t):
    columns = sparse.csc_array(t.counts.T)
    group["data"], group["indices"], group["indptr"] = columns.data, columns.indices, columns.indptr
    group["shape"] = np.array(columns.shape)
    group["barcodes"] = np.array(t.barcodes, "S")


def adata(t: Truth, obs=None, *, var=None):
    return ad.AnnData(
        sparse.csr_matrix(t.counts.astype(np.float32)), obs=pd.DataFrame(obs or {}, index=t.barcodes),
        var=pd.DataFrame(var or {"gene_ids": t.ids}, index=t.genes),
    )  # fmt: skip


def h5ad(path: Path, t: Truth, obs=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    adata(t, obs).write_h5ad(path)
    return path


def normalised(t: Truth):
    return np.log1p(t.counts / np.maximum(1, t.counts.sum(axis=1, keepdims=True)) * 1e4)


def table(
    path: Path, t: Truth, *, separator=",", turned=False, index=True, header=None, packed=None, float_format=None
):
    frame = pd.DataFrame(t.counts.T, index=pd.Index(t.genes, name=header), columns=t.barcodes)
    frame = frame.T.rename_axis(header) if turned else frame
    return put_text(path, frame.to_csv(sep=separator, index=index, float_format=float_format), packed=packed)


TOML = """[study]
name = "messy"
samples = "samples.csv"
patients = "patients.csv"
[design]
arms = ["baseline", "primary"]
[design.contrasts.primary]
test = "primary"
reference = "baseline"
[quality]
min_cells = 5
"""


def study(
    at: Path, paths, *, patients=None, raw=None, sheet=None, people=None, toml=TOML, organism=None, extra_rows=""
) -> Path:
    """Sheets over matrices that are there: half of the samples baseline, half primary."""
    at.mkdir(parents=True, exist_ok=True)
    patients = patients or [f"P{i + 1}" for i in range(len(paths))]
    if sheet is None:
        rows = ["sample,patient,arm,path" + (",raw_path" if raw else "")]
        for i, path in enumerate(paths):
            arm = "baseline" if i < len(paths) / 2 else "primary"
            rows.append(f"S{i + 1},{patients[i]},{arm},{path}" + (f",{raw[i]}" if raw else ""))
        sheet = "\n".join(rows) + "\n" + extra_rows
    (at / "samples.csv").write_text(sheet, encoding="utf-8")
    if people is None:
        people = "patient,best_response\n" + "".join(f"{p},PR\n" for p in dict.fromkeys(patients))
    (at / "patients.csv").write_text(people, encoding="utf-8")
    text = toml if organism is None else toml.replace("[study]\n", f'[study]\norganism = "{organism}"\n')
    (at / "study.toml").write_text(text, encoding="utf-8")
    return at / "study.toml"


def four(at: Path, *, form="folder"):
    """Four samples on disk; their paths."""
    paths = []
    for i in range(1, 5):
        t = truth(i)
        if form == "folder":
            folder(at / f"m{i}", t)
            paths.append(f"m{i}")
        elif form == "h5":
            tenx_h5(at / f"m{i}.h5", t)
            paths.append(f"m{i}.h5")
        else:
            h5ad(at / f"m{i}.h5ad", t)
            paths.append(f"m{i}.h5ad")
    return paths
