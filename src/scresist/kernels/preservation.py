"""Whether modules of one data set are modules in another: density and connectivity against permuted genes."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from scresist.checks import InputError, require_choice, require_positive
from scresist.kernels._blocks import gram, mirror_clipped, n_threads
from scresist.kernels.modules import as_labels
from scresist.kernels.pairwise import as_matrix, standardise
from scresist.kernels.r_random import RStream
from scresist.kernels.similarity import NETWORKS, check_power

DENSITY = ("variance_explained", "mean_kme", "mean_cor", "mean_adjacency", "mean_mar")
CONNECTIVITY = ("cor_kim", "cor_kme", "cor_kme_all", "cor_cor", "cor_mar")
QUALITY = tuple(f"quality_{name}" for name in DENSITY)
STATISTICS = (*DENSITY, *CONNECTIVITY, *QUALITY, "separability", "quality_separability")
SUMMARY_DENSITY, SUMMARY_CONNECTIVITY = DENSITY[:4], ("cor_kim", "cor_kme", "cor_cor")
RANDOM = -1  # the label of the random sample of genes


@dataclass(frozen=True, slots=True)
class _Data:
    """One data set: standardised genes (a row each) and their correlations."""

    Z: np.ndarray
    R: np.ndarray

    def among(self, group: np.ndarray) -> np.ndarray:
        """Correlations within a group of genes."""
        return _gathered(self.R, group)


def module_preservation(
    reference: np.ndarray,
    query: np.ndarray,
    labels: np.ndarray,
    n_permutations: int = 100,
    rng: np.random.Generator | int = 1,
    *,
    network: str = "signed",
    power: float | None = None,
    max_size: int = 1000,
    strata: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """How far modules of a reference are modules in a query: observed statistics, their Z and their permutation p.

    Density is how far the module's genes are still correlated: variance explained by the eigengene, mean kME and mean
    correlation with the signs of the reference, mean adjacency, mean maximum adjacency ratio (MAR). Connectivity is how
    far the same genes are central: correlations, between the two data sets, of intramodular connectivity, kME (in the
    module, and over all genes, those of the random group counted twice as in WGCNA), pairwise correlations and MAR.
    Quality is density in the reference itself. A permutation assigns the genes of the query (and, for quality, of the
    reference) to the labels at random.

    Parameters
    ----------
    reference, query
        Expression, shapes (samples, genes) and (other samples, genes), the same genes in the same order.
    labels
        Module of each gene in the reference; 0 is unassigned, and treated as one group for comparison.
    n_permutations
        Permutations; 0 gives the observed statistics alone, with NaN for Z and p.
    rng
        Generator or seed of the permutations and of the random group of genes. With a seed that group is the one of R's
        `sample` after `set.seed`, so that the default `randomSeed` of WGCNA, 12345, has WGCNA's group.
    network
        "signed", "unsigned" or "signed hybrid": the adjacency. (hdWGCNA always uses "unsigned".)
    power
        Power of the adjacency; None uses WGCNA's default, 12 for signed and 6 otherwise.
    max_size
        A larger module is represented by a random sample of this many of its genes.
    strata
        A number per gene: permutations exchange genes of one number only, such as those of like expression. None
        exchanges all genes, as WGCNA does.

    Returns
    -------
    Arrays with one value per row: `module`, ascending labels, then 0 (unassigned genes) where there are any, then -1
    (a random sample of min(1000, genes / 2)); `size`; every statistic under its name; `z_` + name; `p_` + name, the
    share of permutations (the observed one counted) that reach the observed value; `z_density`, `z_connectivity`,
    `z_summary`, `z_quality`; `p_summary`, the share of permutations whose own Zsummary reaches the observed one, and
    `z_summary_chance`, the 95 % quantile of theirs; `median_rank`, `median_rank_density`, `median_rank_connectivity`,
    `median_rank_quality`.

    Raises
    ------
    InputError
        If the data sets have different genes, a constant gene or missing values, or a module has fewer than three
        genes.

    References
    ----------
    Langfelder et al. (2011) PLoS Comput Biol 7:e1001057; Ritchie et al. (2016) Cell Syst 3:71 for the p-values.
    """
    require_choice(network, NETWORKS, "network")
    require_positive(n_permutations, "n_permutations", allow_zero=True)
    power = (12 if network == "signed" else 6) if power is None else power
    check_power(power)
    data = _prepared(reference, "reference"), _prepared(query, "query")
    p = data[0].R.shape[0]
    if data[1].R.shape[0] != p:
        raise InputError(f"reference has {p} genes and query has {data[1].R.shape[0]}; both need the same genes")
    labels = as_labels(labels, p)
    chance = _random_group(p, rng if isinstance(rng, np.random.Generator) else RStream(rng))
    rng = np.random.default_rng(rng)
    rows, groups = _groups(labels, rng, max_size, chance)
    comparison = _Comparison(data, NETWORKS.index(network), float(power), len(rows) - 1 - int((rows == 0).any()))
    observed = comparison.statistics(groups, np.arange(p))
    draws = [(_dealt(p, strata, rng), _random_group(p, rng)) for _ in range(int(n_permutations))]
    originals = [comparison.original(group) for group in groups[:-1]]

    def permuted(draw: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        return comparison.statistics([*groups[:-1], draw[1]], draw[0], originals)

    # Products of one permutation are too small for several threads of the BLAS.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(n_threads()) as pool:
        null = np.array(list(pool.map(permuted, draws))).reshape(len(draws), *observed.shape)
    sizes = np.append([(labels == row).sum() for row in rows[:-1]], len(groups[-1]))
    return {"module": rows, "size": sizes, **_summarised(observed, null)}


def _prepared(X: np.ndarray, what: str) -> _Data:
    X = as_matrix(X, what)
    if np.isnan(X).any():
        raise InputError(f"{what} has {int(np.isnan(X).sum())} missing values; impute them or drop their genes")
    Z = standardise(X.astype(np.float64))
    constant = np.flatnonzero(np.isnan(Z).any(axis=0))
    if len(constant):
        raise InputError(f"{what} has {len(constant)} constant genes, the first is gene {constant[0]}; drop them")
    R = gram(Z)
    mirror_clipped(R, -1.0, 1.0)
    np.fill_diagonal(R, 1.0)
    return _Data(np.ascontiguousarray(Z.T), R)


def _dealt(p: int, strata: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """The gene in the place of each gene: any, or one of its stratum."""
    if strata is None:
        return rng.permutation(p)
    out = np.arange(p)
    for stratum in np.unique(strata):
        own = np.flatnonzero(strata == stratum)
        out[own] = rng.permutation(own)
    return out


def _random_group(p: int, rng: "np.random.Generator | RStream") -> np.ndarray:
    return rng.choice(p, min(1000, p // 2), replace=False)


def _groups(
    labels: np.ndarray, rng: np.random.Generator, max_size: int, chance: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    modules, counts = np.unique(labels[labels > 0], return_counts=True)
    if len(modules) == 0 or counts.min() < 3:
        small = modules[counts < 3].tolist()
        raise InputError(f"every module needs at least three genes; {f'too small: {small}' if small else 'none given'}")
    rows = [*modules.tolist(), *([0] if (labels == 0).sum() >= 3 else [])]
    groups = [np.flatnonzero(labels == row) for row in rows]
    groups = [rng.choice(g, max_size, replace=False) if len(g) > max_size else g for g in groups]
    return np.array([*rows, RANDOM]), [*groups, chance]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Statistics of groups of genes between a reference and a query whose genes may be permuted."""

    data: tuple[_Data, _Data]
    kind: int
    power: float
    n_modules: int

    def original(self, group: np.ndarray) -> tuple[np.ndarray, ...]:
        """The values of a group in the reference: correlations, kME, connectivity, MAR, eigengene."""
        C = self.data[0].among(group)
        kme, E = _eigen(C, self.data[0].Z, group)
        k, mar, mean = _adjacency_statistics(C, self.kind, self.power)
        return C, kme, k, mar, np.array(mean), E

    def statistics(
        self, groups: Sequence[np.ndarray], dealt: np.ndarray, originals: Sequence[tuple[np.ndarray, ...]] = ()
    ) -> np.ndarray:
        """All statistics, shape (groups, statistics), in the order of `STATISTICS`."""
        reference, query = self.data
        result = np.full((len(groups), len(STATISTICS)), np.nan)
        known = [*originals, *(self.original(group) for group in groups[len(originals) :])]
        E1, E2, E3 = (np.empty((d.Z.shape[1], len(groups))) for d in (reference, reference, query))
        unchanged = bool((dealt == np.arange(len(dealt))).all())
        for row, (group, (C1, kme1, k1, mar1, mean1, eigen1)) in enumerate(zip(groups, known, strict=True)):
            moved = dealt[group]
            E1[:, row] = eigen1
            C3 = query.among(moved)
            kme3, E3[:, row] = _eigen(C3, query.Z, moved)
            k3, mar3, mean3 = _adjacency_statistics(C3, self.kind, self.power)
            signed, cor_cor = _pair_statistics(C1, C3)
            result[row, :5] = (kme3**2).mean(), abs((np.sign(kme1) * kme3).mean()), signed, mean3, mar3.mean()
            result[row, 5:10] = _cor(k1, k3), abs(_cor(kme1, kme3)), np.nan, cor_cor, _cor(mar1, mar3)
            C2, kme2, mar2, mean2, E2[:, row] = C1, kme1, mar1, float(mean1), eigen1
            if not unchanged:
                C2 = reference.among(moved)
                kme2, E2[:, row] = _eigen(C2, reference.Z, moved)
                _, mar2, mean2 = _adjacency_statistics(C2, self.kind, self.power)
            own = _pair_mean(C2, self.kind == 1)
            result[row, 10:15] = (kme2**2).mean(), abs(np.abs(kme2).mean()), own, mean2, mar2.mean()
        everywhere = reference.Z @ E1, (query.Z @ E3)[dealt]
        twice = np.concatenate([np.arange(len(dealt)), groups[-1]])
        result[:, 7] = [abs(_cor(a[twice], b[twice])) for a, b in zip(everywhere[0].T, everywhere[1].T, strict=True)]
        result[:, 15] = _separability(E3, self.n_modules)
        result[:, 16] = _separability(E2, self.n_modules)
        return result


def _separability(E: np.ndarray, n_modules: int) -> np.ndarray:
    """1 - the largest correlation of each eigengene with those of other modules; NaN where there is no other."""
    if n_modules < 2:
        return np.full(E.shape[1], np.nan)
    R = np.corrcoef(E, rowvar=False)
    np.fill_diagonal(R, 0)
    return np.asarray(1 - np.maximum(R[:, :n_modules].max(axis=1), 0))


def _cor(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / length) if length > 0 else np.nan


def _eigen(C: np.ndarray, Z: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """KME of a group's genes in their own eigengene, and that eigengene at unit length."""
    part = Z[group]
    if len(group) <= Z.shape[1]:
        vector = _leading(C)
        kme = C @ vector
        if kme.sum() < 0:
            vector, kme = -vector, -kme
        kme /= np.sqrt(vector @ kme)
        E = vector @ part
        return kme, E / np.linalg.norm(E)
    E = _leading(part.T @ part)
    kme = part @ E
    return (-kme, -E) if kme.sum() < 0 else (kme, E)


@njit(cache=True, nogil=True)
def _gathered(R: np.ndarray, group: np.ndarray) -> np.ndarray:
    n = len(group)
    C = np.empty((n, n))
    for i in range(n):
        row = R[group[i]]
        for j in range(n):
            C[i, j] = row[group[j]]
    return C


@njit(cache=True, nogil=True)
def _leading(C: np.ndarray) -> np.ndarray:
    """Leading eigenvector of a symmetric positive matrix by the Lanczos process with full reorthogonalisation."""
    n = len(C)
    if n <= 24:
        return np.ascontiguousarray(np.linalg.eigh(C)[1][:, -1])
    steps = n
    basis = np.zeros((steps, n))
    alpha = np.zeros(steps)
    beta = np.zeros(steps)
    vector = C.sum(axis=1) + 0.01 * np.sqrt(n) * np.cos(np.arange(n))
    basis[0] = vector / np.sqrt(vector @ vector)
    ritz = np.ones((1, 1))
    k = 0
    for k in range(steps):
        vector = C @ basis[k]
        alpha[k] = basis[k] @ vector
        # Twice is enough; after once, rounding errors of the size of the removed part remain.
        for _ in range(2):
            vector -= basis[: k + 1].T @ (basis[: k + 1] @ vector)
        beta[k] = np.sqrt(vector @ vector)
        last = k == steps - 1 or beta[k] < 1e-14
        if k % 8 == 7 or last:
            T = np.diag(alpha[: k + 1])
            for i in range(k):
                T[i, i + 1] = T[i + 1, i] = beta[i]
            values, ritz = np.linalg.eigh(T)
            gap = max(values[-1] - values[-2], 1e-14) if k > 0 else 1.0
            if last or beta[k] * abs(ritz[-1, -1]) < 1e-12 * gap + 1e-15 * values[-1]:
                break
        basis[k + 1] = vector / beta[k]
    weights = np.ascontiguousarray(ritz[:, -1])
    result = weights @ basis[: k + 1]
    return result / np.sqrt(result @ result)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _adjacency_statistics(C: np.ndarray, kind: int, power: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Per gene the sum of adjacencies (its own included) and the maximum adjacency ratio; the mean over pairs."""
    n = len(C)
    whole = int(power)
    is_whole = whole == power
    k = np.zeros(n)
    mar = np.zeros(n)
    total = 0.0
    a = np.empty(n)
    square = np.empty(n)
    for i in range(n):
        for j in range(n):
            r = C[i, j]
            a[j] = (1 + r) * 0.5 if kind == 0 else (abs(r) if kind == 1 else max(r, 0.0))
        if is_whole:
            left = whole
            for j in range(n):
                square[j] = a[j]
                a[j] = 1.0
            while left:
                if left % 2:
                    for j in range(n):
                        a[j] *= square[j]
                left //= 2
                if left:
                    for j in range(n):
                        square[j] *= square[j]
        else:
            for j in range(n):
                a[j] = a[j] ** power
        once, twice = 0.0, 0.0
        for j in range(n):
            once += a[j]
            twice += a[j] * a[j]
        k[i] = once
        mar[i] = (twice - 1) / (once - 1) if once > 1 else 0.0
        total += once - 1
    return k, mar, total / (n * (n - 1))


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _pair_statistics(C1: np.ndarray, C3: np.ndarray) -> tuple[float, float]:
    """Over pairs of genes: mean of C3 with the signs of C1, and correlation of C1 and C3."""
    n = len(C1)
    signed = s1 = s3 = s11 = s33 = s13 = 0.0
    for i in range(n):
        for j in range(i):
            x, y = C1[i, j], C3[i, j]
            signed += y if x > 0 else (-y if x < 0 else 0.0)
            s1 += x
            s3 += y
            s11 += x * x
            s33 += y * y
            s13 += x * y
    m = n * (n - 1) / 2
    v1, v3 = s11 - s1 * s1 / m, s33 - s3 * s3 / m
    cor = (s13 - s1 * s3 / m) / np.sqrt(v1 * v3) if v1 > 0 and v3 > 0 else np.nan
    return signed / m, cor


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _pair_mean(C: np.ndarray, absolute: bool) -> float:  # noqa: FBT001 (numba)
    """Mean of C, or of |C|, over pairs of genes."""
    n = len(C)
    total = 0.0
    for i in range(n):
        for j in range(i):
            total += abs(C[i, j]) if absolute else C[i, j]
    return total / (n * (n - 1) / 2)


def _summarised(observed: np.ndarray, null: np.ndarray) -> dict[str, np.ndarray]:
    """Observed statistics by name, with Z, permutation p, their summaries and the median ranks."""
    place = {name: i for i, name in enumerate(STATISTICS)}
    z, p = np.full_like(observed, np.nan), np.full_like(observed, np.nan)
    if len(null):
        p = (1 + (null >= observed).sum(axis=0)) / (1 + len(null))
        p[np.isnan(observed)] = np.nan
    if len(null) > 1:
        spread = null.std(axis=0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (observed - null.mean(axis=0)) / spread
        largest = np.abs(z[np.isfinite(z)]).max(initial=0.0)
        z = np.where(spread == 0, np.sign(observed - null.mean(axis=0)) * largest, z)
    result = {name: observed[:, i] for name, i in place.items()}
    result |= {f"z_{name}": z[:, i] for name, i in place.items()} | {f"p_{name}": p[:, i] for name, i in place.items()}

    def median(values: np.ndarray, names: Sequence[str]) -> np.ndarray:
        return np.asarray(np.median(values[:, [place[name] for name in names]], axis=1))

    result["z_density"] = median(z, SUMMARY_DENSITY)
    result["z_connectivity"] = median(z, SUMMARY_CONNECTIVITY)
    result["z_summary"] = (result["z_density"] + result["z_connectivity"]) / 2
    result["z_quality"] = median(z, QUALITY[:4])
    result["p_summary"], result["z_summary_chance"] = _chance_of_summary(null, result["z_summary"], place)
    ranks = rankdata(-observed, axis=0, nan_policy="omit")
    result["median_rank"] = median(ranks, (*SUMMARY_DENSITY, *SUMMARY_CONNECTIVITY))
    result["median_rank_density"] = median(ranks, SUMMARY_DENSITY)
    result["median_rank_connectivity"] = median(ranks, SUMMARY_CONNECTIVITY)
    result["median_rank_quality"] = median(ranks, QUALITY[:4])
    return result


def _chance_of_summary(
    null: np.ndarray, observed: np.ndarray, place: dict[str, int]
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Permutation p of Zsummary, and the 95 % quantile of the Zsummary of permutations; NaN without permutations."""
    if len(null) < 2:
        return np.full(len(observed), np.nan), np.full(len(observed), np.nan)
    spread = null.std(axis=0, ddof=1)
    z = (null - null.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    parts = [np.median(z[..., [place[name] for name in names]], axis=-1)
             for names in (SUMMARY_DENSITY, SUMMARY_CONNECTIVITY)]  # fmt: skip
    drawn = (parts[0] + parts[1]) / 2
    p = (1 + (drawn >= observed).sum(axis=0)) / (1 + len(null))
    return np.where(np.isnan(observed), np.nan, p), np.quantile(drawn, 0.95, axis=0)
