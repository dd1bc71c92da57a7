"""From counts to clusters and a layout: for naming cells and looking at them; every test goes back to the counts."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError, require_columns
from scresist.results import Result
from scresist.usual_tools.rank_sum import rank_sum_over_cells

if TYPE_CHECKING:
    from anndata import AnnData

RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)
EXACT_NEIGHBOURS_BELOW = 50_000  # cells; above, approximate neighbours are faster than they are wrong
STABLE = 0.85  # adjusted Rand index between a clustering and those of 80 % of the cells
BATCH_MIN_CELLS = 50  # a smaller sample cannot rank genes by itself
TECHNICAL = r"^(MT-|RP[LS]\d|IG[HKL][VDJ]|TR[ABDG][VDJ]|HB[ABDEGMQZ]\d?$|MALAT1$|NEAT1$)"


def embed(
    cohort: "AnnData",
    *,
    n_genes: int = 2000,
    n_components: int = 30,
    n_neighbors: int = 15,
    resolution: float | None = None,
    integrate: bool = True,
    rng: int | np.random.Generator = 1,
) -> None:
    """Normalise, select genes, reduce, integrate over samples, and write clusters and a layout (slots in `keys.py`).

    `resolution` None takes the finest of RESOLUTIONS whose clusters return in 80 % of the cells (adjusted Rand index at
    least 0.85, mean of five draws); the choice and its curve are in `uns["resolution_stability"]`.

    Raises
    ------
    InputError
        With fewer than 20 cells or 50 genes.
    """
    require_columns(cohort.obs, ["sample"], "the cohort")
    if cohort.n_obs < 20 or cohort.n_vars < 50:
        raise InputError(f"{cohort.n_obs} cells x {cohort.n_vars} genes are too few to embed; it takes 20 x 50")
    seed = int(rng if isinstance(rng, (int, np.integer)) else rng.integers(2**31))
    normalise(cohort)
    _select_genes(cohort, n_genes)
    _reduce(cohort, n_components, seed)
    _integrate(cohort, seed, wanted=integrate)
    graph = _neighbours(cohort, n_neighbors, seed)
    if resolution is None:
        table, resolution = _stable_resolution(graph, seed)
        cohort.uns["resolution_stability"] = {c: table[c].to_numpy() for c in table}
    cohort.uns["resolution"] = float(resolution)
    labels = leiden(graph, resolution, seed)
    cohort.obs["cluster"] = pd.Categorical(labels.astype(str), categories=[str(i) for i in range(labels.max() + 1)])
    _layout(cohort, seed)


def normalise(cohort: "AnnData") -> None:
    """Write X: log1p of counts per 10,000 (float32, sparse). A cell without counts stays zero."""
    counts = sparse.csr_matrix(cohort.layers["counts"])
    totals = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    values = np.log1p(counts.data * np.repeat(1e4 / totals, np.diff(counts.indptr)))
    cohort.X = sparse.csr_matrix((values.astype(np.float32), counts.indices, counts.indptr), shape=counts.shape)


def _select_genes(cohort: "AnnData", n_genes: int) -> None:
    """Genes variable within samples, by how many samples agree; antigen receptors and technical genes take no part."""
    import scanpy as sc

    eligible = ~cohort.var_names.str.match(TECHNICAL) & (cohort.X.getnnz(axis=0) >= 3)
    sub = cohort[:, eligible].copy()
    wanted = min(n_genes, sub.n_vars)
    sizes = cohort.obs["sample"].value_counts()
    large = sizes.index[sizes >= BATCH_MIN_CELLS]
    if len(large) >= 2:
        sub = sub[sub.obs["sample"].isin(large)].copy()
        sub.obs["sample"] = sub.obs["sample"].cat.remove_unused_categories()
    sc.pp.highly_variable_genes(
        sub, n_top_genes=wanted, flavor="seurat", batch_key="sample" if len(large) >= 2 else None
    )
    chosen = np.zeros(cohort.n_vars, dtype=bool)
    chosen[np.flatnonzero(eligible)] = sub.var["highly_variable"].to_numpy()
    cohort.var["highly_variable"] = chosen


def _reduce(cohort: "AnnData", n_components: int, seed: int) -> None:
    import scanpy as sc

    genes = int(cohort.var["highly_variable"].sum())
    n = min(n_components, genes - 1, cohort.n_obs - 1)
    sub = cohort[:, cohort.var["highly_variable"].to_numpy()].copy()
    sc.pp.pca(sub, n_comps=n, svd_solver="arpack", random_state=seed)
    cohort.obsm["X_pca"] = np.asarray(sub.obsm["X_pca"], dtype=np.float32)


def _integrate(cohort: "AnnData", seed: int, *, wanted: bool) -> None:
    """Harmony over samples; with one sample (or where not wanted) the components as they are."""
    components = np.asarray(cohort.obsm["X_pca"], dtype=float)
    if not wanted or cohort.obs["sample"].nunique() < 2:
        cohort.obsm["X_integrated"] = components.astype(np.float32)
        return
    import harmonypy

    meta = pd.DataFrame({"sample": cohort.obs["sample"].astype(str).to_numpy()})
    corrected = np.asarray(
        harmonypy.run_harmony(components, meta, ["sample"], verbose=False, random_state=seed, ncores=1).Z_corr
    )
    if corrected.shape != components.shape:  # versions of harmonypy differ in orientation
        corrected = corrected.T
    if corrected.shape != components.shape:
        raise InputError(f"harmonypy returned {corrected.shape} for {components.shape}; use harmonypy 2.1")
    cohort.obsm["X_integrated"] = corrected.astype(np.float32)


def _neighbours(cohort: "AnnData", n_neighbors: int, seed: int) -> sparse.csr_matrix:
    import scanpy as sc

    exact = cohort.n_obs < EXACT_NEIGHBOURS_BELOW
    k = min(n_neighbors, cohort.n_obs - 1)
    options = {"transformer": "sklearn"} if exact else {}
    sc.pp.neighbors(cohort, n_neighbors=k, use_rep="X_integrated", random_state=seed, **options)
    return sparse.csr_matrix(cohort.obsp["connectivities"])


def leiden(graph: sparse.csr_matrix, resolution: float, seed: int) -> np.ndarray:
    """Leiden communities of a weighted graph, numbered by decreasing size (ties by first member).

    References
    ----------
    Traag VA, Waltman L, van Eck NJ (2019) Sci Rep 9:5233.
    """
    import igraph

    upper = sparse.triu(graph, k=1).tocoo()
    g = igraph.Graph(n=graph.shape[0], edges=np.column_stack([upper.row, upper.col]), directed=False)
    igraph.set_random_number_generator(random.Random(seed))
    try:
        parts = g.community_leiden(
            objective_function="modularity", weights=upper.data.tolist(), resolution=resolution, n_iterations=4
        )
    finally:
        igraph.set_random_number_generator(random)
    raw = np.asarray(parts.membership)
    _, first, inverse, sizes = np.unique(raw, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=int)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[inverse]


def _stable_resolution(
    graph: sparse.csr_matrix, seed: int, resolutions: Sequence[float] = RESOLUTIONS, draws: int = 5
) -> tuple[pd.DataFrame, float]:
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(seed)
    n = graph.shape[0]
    most = 20_000  # cells; the curve is a property of the graph, not of its size
    base = np.sort(rng.choice(n, most, replace=False)) if n > most else np.arange(n)
    inner = graph[base][:, base]
    samples = [np.sort(rng.choice(len(base), int(0.8 * len(base)), replace=False)) for _ in range(draws)]
    rows = []
    for resolution in resolutions:
        whole = leiden(inner, resolution, seed)
        scores = [
            adjusted_rand_score(whole[at], leiden(inner[at][:, at], resolution, seed + i + 1))
            for i, at in enumerate(samples)
        ]
        rows.append({"resolution": resolution, "clusters": int(whole.max()) + 1, "stability": float(np.mean(scores))})
    table = pd.DataFrame(rows)
    several = table[table["clusters"] > 1]
    candidates = several[several["stability"] >= STABLE]
    if len(candidates):
        return table, float(candidates["resolution"].max())
    best = several if len(several) else table
    return table, float(best.loc[best["stability"].idxmax(), "resolution"])


def _layout(cohort: "AnnData", seed: int) -> None:
    import warnings

    import scanpy as sc

    with warnings.catch_warnings():
        # umap says at every call that a fixed seed makes it single-threaded, which is what is wanted.
        warnings.filterwarnings("ignore", message="n_jobs value", category=UserWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        sc.tl.umap(cohort, random_state=seed)
    cohort.obsm["X_umap"] = np.asarray(cohort.obsm["X_umap"], dtype=np.float32)


def markers(cohort: "AnnData", groupby: str = "cluster", *, top: int = 50) -> Result:
    """Genes higher in a cluster than in the rest: Wilcoxon over cells, with tie correction.

    Descriptive: the clusters were made from the same values, so the p-values are far too small and no claim rests on
    them. Columns: cluster, gene, rank, log2_fold_change, share_in, share_out, p_value, q_value, use.
    """
    require_columns(cohort.obs, [groupby], "the cohort")
    sizes = cohort.obs[groupby].value_counts()
    groups = [str(g) for g in cohort.obs[groupby].cat.categories if sizes.get(g, 0) >= 3]
    if len(groups) < 2:
        return Result(pd.DataFrame(columns=MARKER_COLUMNS), "not computed", notes=("fewer than two clusters",))
    import anndata

    sub = anndata.AnnData(
        X=sparse.csc_matrix(cohort.X),
        obs=pd.DataFrame({"group": cohort.obs[groupby].astype(str).to_numpy()}, index=cohort.obs_names),
        var=pd.DataFrame(index=cohort.var_names),
    )
    tested = rank_sum_over_cells(sub, group_keys="group", groups=groups)
    tables = []
    detected = (sub.X > 0).astype(np.float64)
    for group in groups:
        inside = (sub.obs["group"] == group).to_numpy()
        rows = tested.xs(group, level=0)
        share_in = np.asarray(detected[inside].mean(axis=0)).ravel()
        share_out = np.asarray(detected[~inside].mean(axis=0)).ravel()
        table = pd.DataFrame({"cluster": group, "gene": rows.index, "p_value": rows["p_value"].to_numpy()})
        position = pd.Index(cohort.var_names).get_indexer(pd.Index(table["gene"]))
        table["log2_fold_change"] = np.log2(np.maximum(rows["fold_change"].to_numpy(dtype=float), 1e-12))
        table["share_in"], table["share_out"] = share_in[position], share_out[position]
        table["q_value"] = _bh(table["p_value"].to_numpy(dtype=float))
        keep = table[(table["log2_fold_change"] > 0) & (table["share_in"] >= 0.1)]
        keep = keep.sort_values(["p_value", "log2_fold_change", "gene"], ascending=[True, False, True]).head(top)
        tables.append(keep.assign(rank=np.arange(1, len(keep) + 1), use="descriptive"))
    return Result(
        pd.concat(tables)[MARKER_COLUMNS].reset_index(drop=True),
        "Wilcoxon rank sum over cells, one cluster against the rest",
        notes=("descriptive: the clusters were made from the values that are tested",),
    )


MARKER_COLUMNS = [
    "cluster", "gene", "rank", "log2_fold_change", "share_in", "share_out", "p_value", "q_value", "use",
]  # fmt: skip


def _bh(p_values: np.ndarray) -> np.ndarray:
    from scipy.stats import false_discovery_control

    return np.asarray(false_discovery_control(np.nan_to_num(p_values, nan=1.0)))
