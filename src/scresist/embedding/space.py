"""From counts to clusters and a layout: for naming cells and looking at them; every test goes back to the counts."""

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import harmonypy
import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scresist import keys
from scresist.cells import count_detected, log_normalised, log_normalised_by_gene
from scresist.checks import InputError, RefusedError, ScresistError, require_columns, suggestion
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.results import Result
from scresist.usual_tools.rank_sum import rank_sum_over_cells

RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)
EXACT_NEIGHBOURS_BELOW = 50_000  # cells; above, approximate neighbours are faster than they are wrong
STABLE = 0.85  # adjusted Rand index between a clustering and those of 80 % of the cells
MIN_CELLS, MIN_GENES = 20, 50
BATCH_MIN_CELLS = 50  # a smaller sample cannot rank genes by itself
TECHNICAL = r"^(MT-|RP[LS]\d|IG[HKL][VDJ]|TR[ABDG][VDJ]|HB[ABDEGMQZ]\d?$|MALAT1$|NEAT1$)"


def embed(
    cohort: AnnData,
    *,
    n_genes: int = 2000,
    n_components: int = 30,
    n_neighbors: int = 15,
    resolution: float | None = None,
    integrate: bool = True,
    use: str | None = None,
    layout: str | None = None,
    rng: int | np.random.Generator = 1,
) -> None:
    """Clusters of like cells and a layout in two dimensions, from log-normalised counts integrated over samples.

    Writes `var["highly_variable"]`, `obsm` X_pca, X_integrated and X_umap, `obs["cluster"]`, and `uns` resolution and
    resolution_stability. For naming and looking at cells only: every test goes back to the counts.

    Parameters
    ----------
    cohort
        After quality control, with `obs["sample"]`.
    n_genes
        Genes that vary most within samples.
    n_components
        Principal components.
    n_neighbors
        Neighbours of each cell in the graph that is clustered.
    resolution
        Of the Leiden clustering. None is the finest of RESOLUTIONS whose clusters return in 80 % of the cells
        (adjusted Rand index at least 0.85, mean of five draws).
    integrate
        Whether Harmony aligns the samples.
    use
        Slot of `obsm` with an embedding that the cells bring, such as X_scVI, which is taken in place of Harmony's.
    layout
        Slot of `obsm` whose first two columns are taken as the layout.
    rng
        Seed or generator.

    Raises
    ------
    MissingColumnError
        If `obs` has no column sample.
    RefusedError
        With fewer than 20 cells or 50 genes.
    InputError
        If `obsm` has no slot `use` or `layout`, or it has missing values.

    References
    ----------
    Traag et al. (2019) Sci Rep 9:5233 (Leiden); Korsunsky et al. (2019) Nat Methods 16:1289 (Harmony).
    """
    require_columns(cohort.obs, ["sample"], "the cohort")
    if cohort.n_obs < MIN_CELLS or cohort.n_vars < MIN_GENES:
        raise RefusedError(
            f"{cohort.n_obs} cells x {cohort.n_vars} genes are too few for an embedding; at least {MIN_CELLS} x "
            f"{MIN_GENES} are needed"
        )
    own, drawn = _given(cohort, use, "use"), _given(cohort, layout, "layout")
    seed = int(rng if isinstance(rng, (int, np.integer)) else rng.integers(2**31))
    _select_genes(cohort, n_genes)
    _reduce(cohort, n_components, seed)
    if own is None:
        _integrate(cohort, seed, wanted=integrate)
    else:
        keys.put(cohort, "X_integrated", own)
    neighbours = _neighbours(cohort, n_neighbors, seed)
    graph = sparse.csr_matrix(neighbours.obsp["connectivities"])
    if resolution is None:
        table, resolution = _stable_resolution(graph, seed)
        keys.put(cohort, "resolution_stability", {c: table[c].to_numpy() for c in table})
    keys.put(cohort, "resolution", float(resolution))
    labels = leiden(graph, resolution, seed)
    keys.put(
        cohort, "cluster", pd.Categorical(labels.astype(str), categories=[str(i) for i in range(labels.max() + 1)])
    )
    keys.put(cohort, "X_umap", _layout(neighbours, seed) if drawn is None else drawn[:, :2])


def _given(cohort: AnnData, slot: str | None, what: str) -> np.ndarray | None:
    """An embedding that the cells bring."""
    if slot is None:
        return None
    if slot not in cohort.obsm:
        raise InputError(f"obsm has no slot {slot!r} ({what}); {suggestion(slot, cohort.obsm.keys())}")
    values = np.asarray(cohort.obsm[slot], dtype=np.float32)
    if values.shape[1] < 2 or not np.isfinite(values).all():
        raise InputError(f"obsm[{slot!r}] ({what}) needs at least two columns without missing values")
    return values


def _select_genes(cohort: AnnData, n_genes: int) -> None:
    """Genes variable within samples, by how many samples agree; antigen receptors and technical genes are left out."""
    detected = count_detected(cohort, np.zeros(cohort.n_obs, dtype=int), 1)[0]
    technical = cohort.var_names.str.match(TECHNICAL, case=keys.organism_of(cohort) != "mouse")
    eligible = np.flatnonzero(~technical & (detected >= 3))
    wanted = min(n_genes, len(eligible))
    samples = cohort.obs["sample"].astype("category").cat
    size = np.bincount(samples.codes[samples.codes >= 0], minlength=len(samples.categories))
    large = np.flatnonzero(size >= BATCH_MIN_CELLS)
    if len(large) >= 2:
        parts = [_variable_genes(cohort, eligible, wanted, (samples.codes == code).to_numpy()) for code in large]
        chosen = _agreed(pd.concat(parts), wanted)
    else:
        table = _variable_genes(cohort, eligible, wanted, None)
        chosen = pd.Index(table.index[table["highly_variable"].to_numpy(dtype=bool)])
    keys.put(cohort, "highly_variable", cohort.var_names.isin(chosen))


def _variable_genes(cohort: AnnData, genes: np.ndarray, wanted: int, cells: np.ndarray | None) -> pd.DataFrame:
    """Dispersion of each gene given its mean, and the `wanted` of highest, within some cells (None: all).

    Within a sample, genes that none of its cells express are not in its bins, and have dispersion 0.
    """
    import scanpy as sc

    names = cohort.var_names[genes]
    values = log_normalised(cohort, cells=cells, genes=genes)
    seen = np.ones(len(names), dtype=bool) if cells is None else values.count_nonzero(axis=0) >= 1
    part = AnnData(X=sparse.csr_matrix(values[:, np.flatnonzero(seen)]), var=pd.DataFrame(index=names[seen]))
    table = sc.pp.highly_variable_genes(part, n_top_genes=wanted, flavor="seurat", inplace=False)
    table = table.set_axis(names[seen], axis=0)[["dispersions_norm", "highly_variable"]]
    return table.astype({"highly_variable": int}).reindex(names, fill_value=0)


def _agreed(tables: pd.DataFrame, wanted: int) -> pd.Index:
    """The genes that most samples select; of as many, those of higher mean normalised dispersion."""
    over = tables.groupby(tables.index).agg({"dispersions_norm": "mean", "highly_variable": "sum"})
    ordered = over.sort_values(["highly_variable", "dispersions_norm"], ascending=False, na_position="last")
    return ordered.index[:wanted]


def _reduce(cohort: AnnData, n_components: int, seed: int) -> None:
    import scanpy as sc

    genes = np.flatnonzero(cohort.var["highly_variable"])
    n = min(n_components, len(genes) - 1, cohort.n_obs - 1)
    part = AnnData(X=sparse.csr_matrix(log_normalised(cohort, genes=genes)))
    sc.pp.pca(part, n_comps=n, svd_solver="arpack", random_state=seed)
    keys.put(cohort, "X_pca", np.asarray(part.obsm["X_pca"], dtype=np.float32))


def _integrate(cohort: AnnData, seed: int, *, wanted: bool) -> None:
    """Harmony over samples; with one sample (or where not wanted) the components as they are."""
    components = np.asarray(cohort.obsm["X_pca"], dtype=float)
    if not wanted or cohort.obs["sample"].nunique() < 2:
        keys.put(cohort, "X_integrated", components.astype(np.float32))
        return
    meta = pd.DataFrame({"sample": cohort.obs["sample"].astype(str).to_numpy()})
    corrected = np.asarray(
        harmonypy.run_harmony(components, meta, ["sample"], verbose=False, random_state=seed, ncores=1).Z_corr
    )
    if corrected.shape != components.shape:  # versions of harmonypy differ in orientation
        corrected = corrected.T
    if corrected.shape != components.shape:
        raise ScresistError(f"harmonypy returned {corrected.shape} for {components.shape}; use harmonypy 2.1")
    keys.put(cohort, "X_integrated", corrected.astype(np.float32))


def _neighbours(cohort: AnnData, n_neighbors: int, seed: int) -> AnnData:
    """The graph of nearest neighbours in the integrated space, in an object of its own: it is not kept."""
    import scanpy as sc

    exact = cohort.n_obs < EXACT_NEIGHBOURS_BELOW
    k = min(n_neighbors, cohort.n_obs - 1)
    options = {"transformer": "sklearn"} if exact else {}
    found = AnnData(obs=pd.DataFrame(index=cohort.obs_names), obsm={"X_integrated": cohort.obsm["X_integrated"]})
    sc.pp.neighbors(found, n_neighbors=k, use_rep="X_integrated", random_state=seed, **options)
    return found


def leiden(graph: sparse.csr_matrix, resolution: float, seed: int) -> np.ndarray:
    """Leiden communities of a weighted graph, numbered by decreasing size (ties by first member).

    Parameters
    ----------
    graph
        Weights of the edges, symmetric. Shape (cells, cells).
    resolution
        Larger values give more clusters.
    seed
        Of the random moves.

    References
    ----------
    Traag VA, Waltman L, van Eck NJ (2019) Sci Rep 9:5233.
    """
    import igraph

    upper = sparse.triu(graph, k=1).tocoo()
    g = igraph.Graph(n=graph.shape[0], edges=np.column_stack([upper.row, upper.col]), directed=False)
    with _seeded(seed, draws=graph.shape[0] > 1):
        parts = g.community_leiden(
            objective_function="modularity", weights=upper.data.tolist(), resolution=resolution, n_iterations=4
        )
    raw = np.asarray(parts.membership)
    _, first, inverse, sizes = np.unique(raw, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(sizes), dtype=int)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[inverse]


@contextmanager
def _seeded(seed: int, *, draws: bool) -> Iterator[None]:
    """Python's `random`, which igraph draws from, seeded and then put back where it was.

    igraph has no seed of its own and does not report which generator it was given: giving it another one could not be
    undone. `draws` is whether it draws at all.
    """
    before = random.getstate()
    random.seed(seed)
    start = random.getstate()
    try:
        yield
        if draws and random.getstate() == start:
            warnings.warn(
                "igraph drew no number from Python's random: it was given another generator, and the clusters do not "
                "depend on the seed; call igraph.set_random_number_generator(random)",
                stacklevel=4,
            )
    finally:
        random.setstate(before)


def _stable_resolution(
    graph: sparse.csr_matrix, seed: int, resolutions: Sequence[float] = RESOLUTIONS, draws: int = 5
) -> tuple[pd.DataFrame, float]:
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(seed)
    n = graph.shape[0]
    limit = 20_000  # cells; the curve is a property of the graph, not of its size
    base = np.sort(rng.choice(n, limit, replace=False)) if n > limit else np.arange(n)
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


def _layout(neighbours: AnnData, seed: int) -> np.ndarray:
    import scanpy as sc

    sc.tl.umap(neighbours, random_state=seed)
    return np.asarray(neighbours.obsm["X_umap"], dtype=np.float32)


def markers(cohort: AnnData, groupby: str = "cluster", *, top: int = 50) -> Result:
    """Genes higher in a cluster than in the rest: Wilcoxon over cells, with tie correction.

    Descriptive: the clusters were made from the same values, so the p-values are far too small and no claim rests on
    them. Columns: cluster, gene, rank, log2_fold_change, share_in, share_out, p_value, q_value, use.

    Parameters
    ----------
    cohort
        After `embed`.
    groupby
        Column of obs that names the clusters.
    top
        Genes per cluster.
    """
    require_columns(cohort.obs, [groupby], "the cohort")
    sizes = cohort.obs[groupby].value_counts()
    groups = [str(g) for g in cohort.obs[groupby].cat.categories if sizes.get(g, 0) >= 3]
    if len(groups) < 2:
        return Result(pd.DataFrame(columns=MARKER_COLUMNS), "not computed", notes=("fewer than two clusters",))
    labels = cohort.obs[groupby].astype(str).to_numpy()
    parts = [
        rank_sum_over_cells(values, labels, cohort.var_names[genes], groups=groups)
        for genes, values in log_normalised_by_gene(cohort)
    ]
    tables = []
    for group, rows in pd.concat(parts, ignore_index=True).groupby("group", sort=False):
        table = rows[["gene", "p_value", "share_in", "share_out"]].assign(cluster=group)
        table["log2_fold_change"] = np.log2(np.maximum(rows["fold_change"].to_numpy(), 1e-12))
        table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy())
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
