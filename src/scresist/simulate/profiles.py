"""The genes of a simulated cohort and the mean expression of its cell types: real parameters, and markers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist import resources

# cell type: lineage of the marker table, share of the non-malignant cells, relative library size
TYPES: dict[str, tuple[str, float, float]] = {
    "gastric pit mucous cell": ("epithelial", 0.08, 1.3),
    "T CD4 naive or central memory": ("T/NK", 0.12, 0.6),
    "T regulatory": ("T/NK", 0.06, 0.7),
    "T CD8 cytotoxic": ("T/NK", 0.13, 0.7),
    "T CD8 exhausted": ("T/NK", 0.06, 0.8),
    "NK cell": ("T/NK", 0.05, 0.6),
    "B memory": ("B", 0.07, 0.6),
    "plasma cell": ("plasma", 0.06, 1.2),
    "monocyte classical": ("myeloid", 0.07, 0.8),
    "macrophage SPP1": ("myeloid", 0.10, 1.2),
    "dendritic cDC2": ("myeloid", 0.03, 1.0),
    "mast cell": ("mast", 0.03, 0.9),
    "fibroblast myofibroblastic (myCAF)": ("fibroblast", 0.07, 1.2),
    "fibroblast inflammatory (iCAF)": ("fibroblast", 0.04, 1.1),
    "endothelial venous or high": ("endothelial", 0.05, 1.0),
    "pericyte": ("mural", 0.02, 1.0),
}
_BASE = {"epithelial": "epithelial", "fibroblast": "stroma", "endothelial": "stroma", "mural": "stroma"}
MALIGNANT = "malignant"
MITO = (
    "MT-ND1", "MT-ND2", "MT-CO1", "MT-CO2", "MT-ATP8", "MT-ATP6", "MT-CO3", "MT-ND3", "MT-ND4L", "MT-ND4", "MT-ND5",
    "MT-ND6", "MT-CYB",
)  # fmt: skip


# Signals whose change is planted, and their partners: mean counts per 10,000 at least, in these types (none: in all).
SIGNALS: dict[str, tuple[float, tuple[str, ...]]] = {
    "TGFB1": (2.5, ("macrophage SPP1", "fibroblast myofibroblastic (myCAF)")),
    "TGFBR1": (3.0, ()),
    "TGFBR2": (3.0, ()),
    "PDCD1": (2.0, ("T CD8 exhausted", "T CD8 cytotoxic")),
    "CD274": (2.5, (MALIGNANT, "macrophage SPP1", "dendritic cDC2")),
}


@dataclass(frozen=True, slots=True)
class Profiles:
    """Genes with positions and mean counts per 10,000 of each cell type (the last is `malignant`), and dispersions.

    `shared` is what genes share of the variation between the cells of one patient and type, in log rate per SD
    (factors, genes), by the codes of the types that share it.
    """

    genes: pd.DataFrame
    types: tuple[str, ...]
    means: np.ndarray
    dispersion: np.ndarray
    library: np.ndarray
    shared: Mapping[tuple[int, ...], np.ndarray]


def marker_genes() -> pd.DataFrame:
    """The shipped markers of the lineages that a simulated tumour has."""
    table = resources.markers()
    return table[table["lineage"] != "melanocytic"].reset_index(drop=True)


def make_profiles(n_genes: int, required: tuple[str, ...], rng: np.random.Generator) -> Profiles:
    """Mean expression of every type over `n_genes`, around the shipped parameters of real cells.

    The base is the mean of each gene in real immune or real epithelial cells (stroma: their geometric mean), then
    deviations of lineages and types, then markers on and off. Dispersions and shared factors are those of real cells.
    Genes that the real cells lack are rare (log mean -6, SD 1).
    """
    genes = _choose_genes(n_genes, required, rng)
    names = pd.Index(genes.index)
    table = marker_genes()
    real = resources.simulation_parameters().reindex(names)
    rare = np.exp(rng.normal(-6.0, 1.0, len(names)))
    base = {k: np.log(real[k].fillna(pd.Series(rare, names)).to_numpy()) for k in ("immune", "epithelial")}
    base["stroma"] = (base["immune"] + base["epithelial"]) / 2
    means = np.empty((len(TYPES) + 1, len(names)))
    lineages = dict.fromkeys(lineage for lineage, _, _ in TYPES.values())
    shift = {name: np.where(rng.random(len(names)) < 0.25, rng.normal(0, 0.7, len(names)), 0.0) for name in lineages}
    everywhere = table.loc[table["sign"] == 1, "gene"].unique()
    marker = names.isin(everywhere)
    for k, (cell_type, (lineage, _, _)) in enumerate(TYPES.items()):
        own = np.where(rng.random(len(names)) < 0.15, rng.normal(0, 0.5, len(names)), 0.0)
        log_mean = base[_BASE.get(lineage, "immune")] + shift[lineage] + own
        log_mean[marker] = rng.normal(-4.5, 0.6, int(marker.sum()))
        _set(log_mean, names, table, lineage, "", rng, 0.9)
        _set(log_mean, names, table, lineage, cell_type, rng, 1.4)
        means[k] = np.exp(log_mean)
    pit = list(TYPES).index("gastric pit mucous cell")
    tumour = np.log(means[pit]) + np.where(rng.random(len(names)) < 0.3, rng.normal(0, 0.6, len(names)), 0.0)
    means[-1] = np.exp(tumour)
    mito = names.isin(MITO)
    means /= means[:, ~mito].sum(axis=1, keepdims=True) / 9400
    for gene, value in {"ERBB2": 6.0, "MUC3A": 1.5, "CST3": 4.0}.items():
        if gene in names:
            means[-1, names.get_loc(gene)] = value
    for gene, (value, where) in SIGNALS.items():
        if gene in names:
            rows = [k for k, t in enumerate((*TYPES, MALIGNANT)) if not where or t in where]
            means[rows, names.get_loc(gene)] = np.maximum(means[rows, names.get_loc(gene)], value)
    means[:, mito] = rng.dirichlet(np.full(int(mito.sum()), 5.0)) * 600
    typical = (0.15 + 0.6 / np.sqrt(np.maximum(means.mean(axis=0), 0.05))) * np.exp(rng.normal(0, 0.3, len(names)))
    dispersion = real["dispersion"].fillna(pd.Series(typical, names)).to_numpy()
    dispersion[names.isin(required)] = 0.5
    library = np.array([size for _, _, size in TYPES.values()] + [1.8])
    shared = _shipped_loadings(real, names, (marker | mito | names.isin(required)))
    return Profiles(genes, (*TYPES, MALIGNANT), means, np.clip(dispersion, 0.05, 4.0), library, shared)


def _shipped_loadings(real: pd.DataFrame, names: pd.Index, without: np.ndarray) -> dict[tuple[int, ...], np.ndarray]:
    """Shared factors of immune cells for the others and of epithelial cells for the malignant; markers are left out."""
    epithelial = (list(TYPES).index("gastric pit mucous cell"), len(TYPES))
    others = tuple(k for k in range(len(TYPES)) if k not in epithelial)
    loadings = {}
    for codes, letter in ((others, "i"), (epithelial, "e")):
        columns = [c for c in real if c[0] == letter and c[1:].isdigit()]
        values = real[columns].fillna(0.0).to_numpy(np.float32).T.copy()
        values[:, without] = 0.0
        loadings[codes] = values
    return loadings


def _set(
    log_mean: np.ndarray,
    names: pd.Index,
    table: pd.DataFrame,
    lineage: str,
    cell_type: str,
    rng: np.random.Generator,
    level: float,
) -> None:
    rows = table[(table["lineage"] == lineage) & (table["cell_type"] == cell_type)]
    on = names.isin(rows.loc[rows["sign"] == 1, "gene"])
    log_mean[on] = np.maximum(log_mean[on], rng.normal(level, 0.7, int(on.sum())))


def _choose_genes(n_genes: int, required: tuple[str, ...], rng: np.random.Generator) -> pd.DataFrame:
    table = resources.genes()
    coding = table[(table["type"] == "protein-coding") & (table["chromosome"] != "Y")]
    known = set(resources.simulation_parameters().index)
    markers = marker_genes()
    wanted = set(markers["gene"]) | set(required)
    for sets in (resources.gene_sets("signatures"), resources.gene_lists()):
        wanted |= {gene for genes in sets.values() for gene in genes}
    wanted |= set(resources.known_escape()["gene"])
    kept = sorted(wanted & set(table.index))
    constant = sorted(wanted & set(resources.ensembl_supplement().values()))
    others, rest = sorted((set(coding.index) & known) - set(kept)), sorted(set(coding.index) - known - set(kept))
    fill = n_genes - len(kept) - len(constant) - len(MITO)
    chosen = [str(g) for g in rng.choice(others, size=min(max(fill, 0), len(others)), replace=False)]
    chosen += [str(g) for g in rng.choice(rest, size=min(max(fill - len(others), 0), len(rest)), replace=False)]
    found = table.loc[sorted({*kept, *chosen}), ["ensembl", "chromosome", "start", "cytoband"]]
    ids = {symbol: ensembl for ensembl, symbol in resources.ensembl_supplement().items()}
    extra = [g for g in (*constant, *MITO) if g not in found.index]
    rest = pd.DataFrame(
        {"ensembl": [ids.get(g, g) for g in extra], "chromosome": "", "start": "0", "cytoband": ""}, index=extra
    )
    return pd.concat([found, rest])
