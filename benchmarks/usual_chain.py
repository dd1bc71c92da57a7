"""The chain as people run it in Python today, on the cohorts of `recovery.py`: cells and pairs of types as units.

scanpy's tutorial: filter, normalise, variable genes, PCA, neighbours, Leiden; the clusters with the highest epithelial
score are taken as malignant; genes by Wilcoxon over those cells between arms; modules by the correlation of a cell's
score with its arm; cell types by a chi-square of pooled cells; communication by pooling the cells of an arm and ranking
its information flow. Benjamini-Hochberg at 0.05 everywhere.
"""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from scipy import stats

import scresist as sr
from scresist.results import read_table
from scresist.study import read_study

EPITHELIAL = ["EPCAM", "KRT8", "KRT18", "KRT19", "CLDN4", "KRT7"]


def read_cells(study_path: Path) -> sc.AnnData:
    """All cells of a cohort, as the tutorial filters, normalises and clusters them, with `malignant` per cell."""
    cells = sr.ingest(read_study(study_path))
    cells.X = cells.layers["counts"].copy()
    sc.pp.filter_cells(cells, min_genes=200)
    mito = np.asarray(cells[:, cells.var_names.str.startswith("MT-")].X.sum(axis=1)).ravel()
    cells = cells[mito < 0.2 * np.asarray(cells.X.sum(axis=1)).ravel()].copy()
    sc.pp.filter_genes(cells, min_cells=3)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.highly_variable_genes(cells, n_top_genes=2000)
    sc.pp.pca(cells, n_comps=30, random_state=0)
    sc.pp.neighbors(cells, random_state=0)
    sc.tl.leiden(cells, flavor="igraph", n_iterations=2, directed=False, random_state=0)
    level = cells[:, [g for g in EPITHELIAL if g in cells.var_names]].X.mean(axis=1)
    of_cluster = pd.Series(np.asarray(level).ravel()).groupby(cells.obs["leiden"].to_numpy()).mean()
    middle = (of_cluster.max() + of_cluster.median()) / 2
    cells.obs["malignant"] = cells.obs["leiden"].isin(of_cluster.index[of_cluster > middle]).to_numpy()
    return cells


def genes_over_cells(cells: sc.AnnData, arm: str) -> pd.DataFrame:
    """Wilcoxon over malignant cells, arm against baseline: gene, q, rank by p and effect."""
    own = cells[cells.obs["malignant"].to_numpy() & cells.obs["arm"].isin([arm, "baseline"]).to_numpy()].copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(own, "arm", groups=[arm], reference="baseline", method="wilcoxon")
    table = sc.get.rank_genes_groups_df(own, group=arm)
    table["size"] = table["scores"].abs()
    table = table.sort_values("size", ascending=False, kind="stable").reset_index(drop=True)
    return pd.DataFrame({"gene": table["names"], "q": table["pvals_adj"], "rank": np.arange(1, len(table) + 1)})


def modules_over_cells(cells: sc.AnnData, modules: pd.DataFrame, arm: str) -> pd.Series:
    """Q-values of the correlation over cells of each module's score with the arm, modules as the index."""
    own = cells[cells.obs["malignant"].to_numpy() & cells.obs["arm"].isin([arm, "baseline"]).to_numpy()]
    is_arm = (own.obs["arm"] == arm).to_numpy(float)
    p = {}
    for name, genes in modules.groupby("module")["gene"]:
        known = own.var_names.isin(genes)
        score = np.asarray(own.X[:, np.flatnonzero(known)].mean(axis=1)).ravel()
        p[name] = stats.pearsonr(score, is_arm).pvalue if known.any() and score.std() > 0 else 1.0
    found = pd.Series(p, dtype=float)
    return pd.Series(stats.false_discovery_control(found), found.index) if len(found) else found


def shares_over_cells(tables: Path, arms: pd.Series, arm: str) -> int:
    """How many populations a chi-square of pooled cells calls changed."""
    counted = read_table(tables / "composition.csv").set_index("sample")
    pooled = counted.groupby(arms.reindex(counted.index).to_numpy()).sum()
    total = pooled.sum(axis=1)
    p = []
    for name in pooled:
        of_type = pooled.loc[[arm, "baseline"], name]
        square = np.array([of_type, total[[arm, "baseline"]] - of_type])
        p.append(stats.chi2_contingency(square).pvalue if (square.sum(axis=1) > 0).all() else 1.0)
    return int((stats.false_discovery_control(p) < 0.05).sum())
