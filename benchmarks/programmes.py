"""How well gene programmes are found: planted ones by strength, nulls, and real cells; beside other programs.

    python benchmarks/programmes.py --quick                       one small cohort of each generator; two minutes
    python benchmarks/programmes.py --cohorts 3                   the grid, three cohorts in each cell of it
    python benchmarks/programmes.py --nulls 20                    cohorts without programmes: modules that are called
    python benchmarks/programmes.py --real                        agreement between halves of real cells
    python benchmarks/programmes.py --only other lymphoma --methods sound hotspot --hotspot PYTHON
    python benchmarks/programmes.py ... --hotspot PYTHON --cnmf PYTHON --py-hdwgcna PYTHON --out rows.csv --markdown

The generators are in programme_cohorts.py. Each method gets malignant cells with raw counts and returns modules. A
planted programme is scored by the module of highest F1; a module whose F1 is below .2 for every programme is `other`,
unless half of its genes follow one direction of the shared factors of the real cells that the parameters were
estimated from (`background`). Modules of nothing that the method itself flags are counted apart.
Seconds are those of a method's call in this run, without files and, for other programs, without the components.
Hotspot, cNMF and py-hdwgcna run in the interpreters that are named (`pip install hotspotsc "pandas<2.3"`, `pip install
cnmf`, `pip install py-hdwgcna dynamicTreeCut`).
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import NMF, PCA
from sklearn.metrics import adjusted_mutual_info_score

from programme_cohorts import GENERATORS, NULLS, REAL, Planted, Setting, available, draw
from scresist import networks, resources
from scresist.checks import RefusedError
from scresist.kernels.normalise import log1p_per_10k
from scresist.study.settings import NetworksSection

STRENGTHS = (0.3, 0.5, 0.7, 1.0)
SHAPES = ((20, 150), (6, 500), (20, 500))  # samples, malignant cells of each
NMF_COMPONENTS, TOP = 25, 50
N_VARIABLE, N_COMPONENTS = 2000, 30
NOTHING = 0.2  # F1 below which a module is not the programme
KANG = {"monocytes": "Monocytes", "CD4 T cells": "CD4", "B cells": "B cells"}  # and what the names of the types have
TRIES = {"full": ("8,14,20", "5"), "quick": ("8,12,16", "3")}  # of cNMF: numbers of programmes, factorizations


@dataclass(frozen=True)
class Found:
    """Genes of each module, the names of those that the method flagged, and the seconds of the call."""

    modules: dict[str, list[str]]
    flagged: frozenset[str] = frozenset()
    seconds: float = float("nan")
    note: str = ""


@dataclass(frozen=True)
class Programs:
    """Interpreters of the other programs, by method, and how much cNMF tries."""

    pythons: dict[str, str] = field(default_factory=dict)
    effort: str = "full"


Method = Callable[[ad.AnnData, Programs], Found]


def _network(cells: ad.AnnData, **options: Any) -> Found:
    """The network of scresist with the defaults of its mode; modules that its catalogue flags are named."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", networks.PowerWarning)
        try:
            net = networks.build(cells, groupby=("patient", "cell_type"), min_patients=1, rng=1, **options)
        except RefusedError as refusal:
            return Found({}, seconds=time.perf_counter() - started, note=str(refusal))
    seconds = time.perf_counter() - started
    catalogue = net.catalogue.set_index("module")
    marks = catalogue["flags"] if "flags" in catalogue else catalogue["technical"]
    flagged = frozenset(marks.index[marks.fillna("").astype(str) != ""])
    return Found({name: net.members(name)["gene"].tolist() for name in net.names}, flagged, seconds)


def sound(cells: ad.AnnData, _: Programs) -> Found:
    """scresist, with the genes that a run takes by default."""
    return _network(cells, select="variable", n_genes=NetworksSection().n_genes)


def latent(cells: ad.AnnData, _: Programs) -> Found:
    """The default with correlations of what is expressed beneath the counts (as CS-CORE) where modules start."""
    return _network(cells, correlation="latent")


def parity(cells: ad.AnnData, _: Programs) -> Found:
    """The recipe of hdWGCNA, as scresist reproduces it."""
    cells = cells.copy()
    cells.obsm["X_pca"] = components(cells)
    found = _network(cells, mode="parity")
    return replace(found, flagged=frozenset())  # the recipe has no flags


def nmf(cells: ad.AnnData, _: Programs) -> Found:
    """Non-negative factorization of log-normalised cells; the 50 genes of highest weight of each component."""
    started = time.perf_counter()
    counts = _counts(cells)
    chosen = variable_genes(counts)
    part = log1p_per_10k(counts)[:, chosen].toarray()
    part = (part / part.std(axis=0)).astype(np.float32)
    model = NMF(min(NMF_COMPONENTS, min(part.shape) - 1), init="nndsvda", random_state=1, max_iter=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the limit of iterations is a choice
        model.fit(part)
    names = cells.var_names[chosen]
    top = np.argsort(-model.components_, axis=1)[:, :TOP]
    modules = {f"N{k + 1}": names[row].tolist() for k, row in enumerate(top)}
    return Found(modules, seconds=time.perf_counter() - started)


def variable_genes(counts: sparse.csr_array) -> np.ndarray:
    """The 2,000 genes whose counts vary most for their mean: excess of log variance over a quadratic in log mean."""
    mean = np.asarray(counts.mean(axis=0)).ravel()
    variance = np.asarray(counts.multiply(counts).mean(axis=0)).ravel() - mean**2
    seen = np.flatnonzero(np.bincount(counts.indices, minlength=counts.shape[1]) >= max(3, 0.005 * counts.shape[0]))
    x, y = np.log10(mean[seen]), np.log10(variance[seen])
    excess = y - np.polyval(np.polyfit(x, y, 2), x)
    return np.sort(seen[np.argsort(-excess, kind="stable")[:N_VARIABLE]])


def components(cells: ad.AnnData) -> np.ndarray:
    """The space in which other programs seek neighbours: 30 components of scaled log-normalised variable genes."""
    counts = _counts(cells)
    part = log1p_per_10k(counts)[:, variable_genes(counts)].toarray()
    part = np.clip((part - part.mean(axis=0)) / part.std(axis=0), -10, 10)
    return PCA(min(N_COMPONENTS, min(part.shape) - 1), svd_solver="arpack", random_state=1).fit_transform(part)


def _beside(script: str, method: str, arguments: Sequence[str] = (), *, before: bool = False) -> Method:
    """A method that runs in an interpreter of its own: a script that reads an h5ad and writes gene, module."""

    def run(cells: ad.AnnData, programs: Programs) -> Found:
        given = list(TRIES[programs.effort]) if method == "cnmf" else list(arguments)
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "cells.h5ad", Path(folder) / "modules.csv"
            _written(cells, path)
            call = [programs.pythons[method], str(Path(__file__).with_name(script)), str(path)]
            call += [*given, str(out)] if before else [str(out), *given]
            threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
            inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            done = subprocess.run(call, env=inherited | threads, capture_output=True, text=True, check=False)
            if done.returncode:
                return Found({}, note=done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "failed")
            facts = json.loads(done.stdout.splitlines()[-1])
            table = pd.read_csv(out, dtype=str)
        return Found({str(m): own["gene"].tolist() for m, own in table.groupby("module")}, seconds=facts["seconds"])

    return run


def _written(cells: ad.AnnData, path: Path) -> None:
    """The cells with log-normalised X, components, and counts, as other programs want them."""
    counts = _counts(cells)
    values = log1p_per_10k(counts)
    whole = ad.AnnData(sparse.csr_matrix(values, dtype=np.float32), obs=cells.obs.copy(), var=cells.var.copy())
    whole.obs["cell_type"] = "malignant"
    whole.layers["counts"] = sparse.csr_matrix(counts, dtype=np.float32)
    whole.obsm["X_pca"] = components(cells)
    whole.write_h5ad(path)


def _counts(cells: ad.AnnData) -> sparse.csr_array:
    return sparse.csr_array(cells.layers["counts"])


METHODS: dict[str, Method] = {
    "sound": sound,
    "latent": latent,
    "parity": parity,
    "nmf": nmf,
    "hotspot": _beside("beside_hotspot.py", "hotspot"),
    "cnmf": _beside("beside_cnmf.py", "cnmf"),
    "py-hdwgcna": _beside("beside_py_hdwgcna.py", "py-hdwgcna", ("150",), before=True),
}
OWN = ("sound", "latent", "parity", "nmf")


def score(planted: Planted, found: Found) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """A row per planted programme (best module, recall, precision, F1), and the numbers of modules by what they are."""
    names, genes = list(found.modules), [set(found.modules[n]) for n in found.modules]
    best = np.zeros(len(names))
    rows = []
    for programme, members in planted.programmes.items():
        own = set(members)
        common = np.array([len(own & other) for other in genes], dtype=float)
        f1 = 2 * common / np.array([len(own) + len(other) for other in genes]) if names else np.zeros(0)
        best = np.maximum(best, f1) if names else best
        at = int(np.argmax(f1)) if names and f1.max() > 0 else -1
        rows.append({
            "programme": programme, "size": len(own), "module": names[at] if at >= 0 else "",
            "flagged": at >= 0 and names[at] in found.flagged,
            "recall": common[at] / len(own) if at >= 0 else 0.0,
            "precision": common[at] / len(genes[at]) if at >= 0 else 0.0, "F1": f1[at] if at >= 0 else 0.0,
        })  # fmt: skip
    background = [planted.follows_factors(own) for own in genes]
    nothing = [b < NOTHING for b in best]
    flagged = [n in found.flagged for n in names]
    kinds = list(zip(nothing, background, flagged, strict=True))
    whole = {
        "modules": len(names), "largest": max((len(g) for g in genes), default=0), "seconds": found.seconds,
        "other": sum(n and not b and not f for n, b, f in kinds),
        "background": sum(n and b and not f for n, b, f in kinds),
        "other flagged": sum(n and f for n, _, f in kinds), "note": found.note,
    }  # fmt: skip
    return rows, whole


def measured(settings: Iterator[Setting], methods: Sequence[str], programs: Programs) -> pd.DataFrame:
    """One row per setting, method and planted programme (one per setting and method where none was planted)."""
    rows = []
    for setting in settings:
        planted = draw(setting)
        for method in methods:
            found = METHODS[method](planted.cells, programs)
            own, whole = score(planted, found)
            rows += [asdict(setting) | {"method": method} | whole | row for row in own or [{}]]
            f1 = np.mean([row["F1"] for row in own]) if own else np.nan
            print(f"{setting.generator:>12} {setting.samples} x {setting.cells} SD {setting.sd} "
                  f"{setting.null or ('shifted' if setting.shifted else 'level')} seed {setting.seed} {method:>10}: "
                  f"F1 {f1:.2f}, {whole['modules']} modules, {whole['other']} other, {whole['background']} background, "
                  f"largest {whole['largest']}, {whole['seconds']:.0f} s {whole['note'][:80]}", flush=True)  # fmt: skip
    return pd.DataFrame(rows)


def by_strength(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean F1, recall and precision of the programmes, and modules of nothing, by generator, size and strength."""
    cell = ["generator", "samples", "cells", "sd", "method"]
    cohorts = rows.drop_duplicates([*cell, "shifted", "seed"])
    means = rows.groupby(cell)[["F1", "recall", "precision"]].mean()
    means["found of 8"] = rows.assign(hit=rows["F1"] >= 0.5).groupby([*cell, "seed", "shifted"])["hit"].sum().groupby(
        cell).mean()  # fmt: skip
    return means.join(cohorts.groupby(cell)[["other", "background", "other flagged", "largest", "seconds"]].mean())


def wide(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean F1 with the methods side by side, and the best of them that are not ours."""
    table = rows.pivot_table(index=["generator", "samples", "cells", "sd"], columns="method", values="F1", sort=False)
    others = [m for m in table if m != "sound"]
    if "sound" in table and others:
        table["sound - best other"] = table["sound"] - table[others].max(axis=1)
    return table


def grid(given: argparse.Namespace, generators: Sequence[str]) -> Iterator[Setting]:
    """The settings asked for; every second cohort has programmes that differ between arms."""
    shapes = ((20, 150),) if given.quick else tuple(tuple(shape) for shape in given.shapes or SHAPES)
    strengths = (0.7,) if given.quick else tuple(given.sd)
    for generator, (samples, cells), sd in itertools.product(generators, shapes, strengths):
        for seed in range(given.first_seed, given.first_seed + given.cohorts):
            yield Setting(generator, samples, cells, sd, given.expressed, shifted=seed % 2 == 0, seed=seed)


def null_grid(given: argparse.Namespace, generators: Sequence[str]) -> Iterator[Setting]:
    """Cohorts without programmes, of both kinds."""
    for generator, null in itertools.product(generators, NULLS):
        for seed in range(given.first_seed, given.first_seed + given.nulls):
            yield Setting(generator, 12, 150, null=null, seed=seed)


def nulls_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Cohorts in which a method calls any module that it does not flag."""
    rows = rows.assign(called=(rows["other"] + rows["background"]) > 0)
    groups = rows.groupby(["generator", "null", "method"], sort=False)
    return groups.agg(cohorts=("seed", "size"), called=("called", "sum"), modules=("modules", "mean"))


def real_sets() -> Iterator[tuple[str, ad.AnnData, str]]:
    """Name, cells, and what is halved: cells within samples, or patients."""

    def read(file: str) -> ad.AnnData | None:
        if not (REAL / file).exists():
            print(f"{file}: skipped, it is not in ../shared/data/scrna")
            return None
        cells = ad.read_h5ad(REAL / file)
        cells.var_names_make_unique()
        cells.layers["counts"] = sparse.csr_matrix(cells.X).astype(np.int32)
        cells.X = None
        return cells

    malt = read("malt_lymphoma_10x_2100.h5ad")
    if malt is not None:
        for kind in ("B/tumour B", "T CD4", "Treg/Tfh", "T CD8/NK"):
            yield f"MALT {kind}", malt[malt.obs["cell_type_scout"] == kind].copy(), "cells"
    pc9 = read("pc9_erlotinib_day11_qc500.h5ad")
    if pc9 is not None:
        yield "PC9", pc9, "cells"
    zilionis = read("zilionis2019_nsclc_300_counts_recovered.h5ad")
    if zilionis is not None:
        kind = zilionis.obs["cell_type"].astype(str)
        yield "Zilionis T cells", zilionis[kind.isin(["tT cells", "bT cells"])].copy(), "cells"
        yield "Zilionis tumour cells", zilionis[kind.str.endswith("-specific")].copy(), "cells"
    for name, file in (("breast lines", "breast_lines31_gambardella2022.h5ad"),
                       ("glioblastoma", "gbm_panobinostat_zhao2021_5k.h5ad")):  # fmt: skip
        cells = read(file)
        if cells is not None:
            yield name, cells, "patients"


def _standard(cells: ad.AnnData) -> ad.AnnData:
    """Counts, sample and patient alone, of genes in three cells or more."""
    counts = sparse.csr_matrix(cells.layers["counts"])
    seen = np.bincount(counts.indices, minlength=counts.shape[1]) >= 3
    obs = cells.obs[["sample", "patient"]].astype(str).assign(cell_type="malignant", malignancy="malignant")
    return ad.AnnData(obs=obs, var=pd.DataFrame(index=cells.var_names[seen]), layers={"counts": counts[:, seen]})


def halves(cells: ad.AnnData, what: str, seed: int) -> tuple[ad.AnnData, ad.AnnData]:
    """Two halves: of the patients, or of the cells of every sample."""
    rng = np.random.default_rng(seed)
    if what == "patients":
        names = np.array(sorted(cells.obs["patient"].astype(str).unique()))
        first = set(rng.permutation(names)[: len(names) // 2])
        inside = cells.obs["patient"].astype(str).isin(first).to_numpy()
    else:
        inside = np.zeros(cells.n_obs, dtype=bool)
        for at in cells.obs.groupby("sample", observed=True).indices.values():
            inside[rng.permutation(at)[: len(at) // 2]] = True
    return _standard(cells[inside]), _standard(cells[~inside])


def agreement(first: Found, second: Found, genes: pd.Index) -> dict[str, float]:
    """Adjusted mutual information of the modules of two halves: 0 by chance, 1 where they are the same.

    Over all genes that both halves have, where no module is a label of its own, and over those that have a module in
    both. A gene in several modules counts in the first.
    """
    labels = []
    for found in (first, second):
        own = {gene: name for name, members in reversed(found.modules.items()) for gene in members}
        labels.append(np.array([own.get(g, "") for g in genes]))
    a, b = labels
    both = (a != "") & (b != "")
    return {"AMI": _information(a, b), "AMI both": _information(a[both], b[both]), "genes in both": int(both.sum())}


def _information(a: np.ndarray, b: np.ndarray) -> float:
    """Adjusted mutual information; 0 where a half has one label only, which cannot agree with anything."""
    several = len(np.unique(a)) > 1 and len(np.unique(b)) > 1
    return float(adjusted_mutual_info_score(a, b)) if several else 0.0


def real_rows(given: argparse.Namespace, methods: Sequence[str], programs: Programs) -> pd.DataFrame:
    """Agreement between halves, share of the genes in the largest module, and sets that must be found whole."""
    rows, names = [], []
    for name, cells, what in real_sets():
        names.append(name)
        if given.sets and not any(part.lower() in name.lower() for part in given.sets):
            continue
        for method, seed in itertools.product(methods, range(1, given.cohorts + 1)):
            parts = halves(cells, what, seed)
            genes = parts[0].var_names.intersection(parts[1].var_names)
            found = [METHODS[method](part, programs) for part in parts]
            whole = METHODS[method](_standard(cells), programs) if seed == 1 else None
            row = {"set": name, "cells": cells.n_obs, "halves": what, "method": method, "seed": seed}
            row |= agreement(found[0], found[1], genes)
            row |= {"modules": np.mean([len(f.modules) for f in found]),
                    "largest": max((len(m) for f in found for m in f.modules.values()), default=0) / len(genes),
                    "seconds": sum(f.seconds for f in found), "note": found[0].note}  # fmt: skip
            if whole is not None:
                row |= {"modules whole": len(whole.modules)} | _cycle(whole, cells.var_names)
            rows.append(row)
            print(" ".join(f"{k}={v:.2f}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items()), flush=True)
    if not rows:
        raise SystemExit(
            f"no real set has {' or '.join(given.sets or ['cells'])} in its name; the sets are {', '.join(names)}"
        )
    return pd.DataFrame(rows)


def _cycle(found: Found, genes: pd.Index) -> dict[str, str]:
    """The module that has most of the genes of S phase, and of G2/M: how many of them, of how many, in a module of."""
    return {name: _held(found, set(resources.gene_lists()[name]) & set(genes)) for name in ("S phase", "G2/M phase")}


def _held(found: Found, wanted: set[str]) -> str:
    name = max(found.modules, key=lambda m: len(wanted & set(found.modules[m])), default="")
    own = set(found.modules.get(name, ()))
    return f"{len(wanted & own)}/{len(wanted)} in {name} of {len(own)}"


def interferon(methods: Sequence[str], programs: Programs) -> pd.DataFrame:
    """Kang's cells under interferon-beta: the module with most of the measured Hallmark interferon genes.

    Of treated and control cells together, within the donor: of each type, as a study takes its cells, and of all types.
    """
    path = REAL / "kang2018_ifnb_muscat.h5ad"
    if not path.exists():
        print(f"{path.name}: skipped, it is not in ../shared/data/scrna")
        return pd.DataFrame()
    cells = ad.read_h5ad(path)
    cells.layers["counts"] = sparse.csr_matrix(cells.X).astype(np.int32)
    cells.X = None
    sets = resources.gene_sets("hallmark")
    rows = []
    kinds = cells.obs["cell_type"].astype(str)
    types = {name: kinds.str.contains(part, regex=False) for name, part in KANG.items()}
    parts = {f"{name}, both conditions": cells[inside.to_numpy()] for name, inside in types.items()}
    parts |= {"all, both conditions": cells, "all, treated": cells[(cells.obs["condition"] == "stim").to_numpy()]}
    for chosen, part in parts.items():
        own = _standard(part)
        if "both" in chosen:
            own.obs["sample"] = own.obs["patient"]  # treated and control cells are compared within the donor
        for method in methods:
            found = METHODS[method](own, programs)
            row = {"cells": chosen, "method": method, "modules": len(found.modules), "note": found.note[:60]}
            for response in ("ALPHA", "GAMMA"):
                row[response.lower()] = _held(found, set(sets[f"HALLMARK_INTERFERON_{response}_RESPONSE"]) &
                                              set(own.var_names))  # fmt: skip
            rows.append(row)
    return pd.DataFrame(rows)


def show(table: pd.DataFrame, *, markdown: bool) -> None:
    """Print a table, also as markdown where asked."""
    print("\n" + table.round(2).to_string())
    if markdown and len(table):
        flat = table.round(2).reset_index()
        print("\n| " + " | ".join(map(str, flat.columns)) + " |\n|" + "---|" * flat.shape[1])
        for row in flat.itertuples(index=False):
            print("| " + " | ".join(map(str, row)) + " |")


def main() -> None:
    """Read what is asked, run it, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=list(GENERATORS), default=list(GENERATORS))
    parser.add_argument("--methods", nargs="*", choices=list(METHODS))
    parser.add_argument("--cohorts", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--sd", type=float, nargs="*", default=list(STRENGTHS))
    parser.add_argument("--expressed", type=float, default=1.0, help="lowest mean of a planted gene, per 10,000 counts")
    parser.add_argument("--shapes", nargs="*", type=lambda text: [int(n) for n in text.split("x")], metavar="20x150")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--nulls", type=int, default=0)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--sets", nargs="*", help="real sets whose names have one of these parts")
    for name in ("hotspot", "cnmf", "py-hdwgcna"):
        parser.add_argument(f"--{name}", metavar="PYTHON")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    if given.quick:
        given.cohorts = 1
    pythons = {n: p for n in METHODS if n not in OWN and (p := getattr(given, n.replace("-", "_")))}
    programs = Programs(pythons, "quick" if given.quick else "full")
    methods = given.methods or [*OWN, *pythons]
    missing = [m for m in methods if m not in OWN and m not in pythons]
    if missing:
        sys.exit(f"name the interpreter of {', '.join(missing)}: --{missing[0]} PYTHON")
    generators = [g for g in given.only if not available(g)]
    for name in set(given.only) - set(generators):
        print(f"{name}: skipped, {available(name)}")
    if given.real:
        rows = real_rows(given, methods, programs)
        columns = ["AMI", "AMI both", "genes in both", "modules", "largest", "seconds"]
        show(rows.groupby(["set", "method"], sort=False)[columns].mean(), markdown=given.markdown)
        show(interferon(methods, programs), markdown=given.markdown)
    elif given.nulls:
        rows = measured(null_grid(given, generators), methods, programs)
        show(nulls_table(rows), markdown=given.markdown)
    else:
        rows = measured(grid(given, generators), methods, programs)
        show(by_strength(rows), markdown=given.markdown)
        show(wide(rows), markdown=given.markdown)
    if given.out:
        rows.to_csv(given.out, index=False)


if __name__ == "__main__":
    main()
