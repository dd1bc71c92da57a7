"""Malignant cells with planted gene programmes, from four generators; used by programmes.py.

`simulator` draws them with scresist's own simulator (copy number, subclones, ambient counts, doublets, batches, shared
factors of real cells). `lymphoma`, `breast_lines` and `lung` draw them over the means, dispersions, depths and shared
factors that are estimated from real cells in ../shared/data. `other` shares no code with either: gamma-Poisson counts
around profiles that differ between samples by copy number in blocks of neighbouring genes, with unequal depth, ambient
counts and doublets with cells of other types. `mixture` has the copy number and ambient counts of `other` and profiles
of its own, which are mixed: most cells do not use a programme at all.

A programme is 20 to 100 expressed genes, drawn at random, with loadings of .35 to .9; its activity varies between the
cells of a sample with the SD of the setting, and the log rate of a gene is loading x activity.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scresist import resources
from scresist.simulate import FittedProfiles, Plan, estimate_profiles, simulate
from scresist.simulate.fitted import draw_cells, patient_log_means

REAL = Path(__file__).parents[1] / "../shared/data/scrna"
NULLS = ("independent", "technical")
N_PROGRAMMES, SIZES, LOADINGS = 8, (20, 100), (0.35, 0.9)
HIGHEST = 50.0  # counts per 10,000 of a gene that a programme may have
SHIFT = 1.5  # activity between arms, of two of the programmes, where the setting has a difference
BETWEEN = 0.3  # SD of a programme's mean activity between samples
SHARED = 0.2  # |loading| from which a gene belongs to a shared factor of real cells
FOLLOWS = 0.1  # change of a gene's log rate, for one SD along a direction of shared factors, that it follows


@dataclass(frozen=True)
class Setting:
    """What a cohort contains.

    `sd` is that of a programme's activity between the cells of a sample, `shifted` whether two programmes differ
    between the two arms. `null` is "" (planted), "independent" (no programme: genes are independent given the depth and
    the profile of the sample) or "technical" (no programme, but copy number, ambient counts and unequal depth).
    `expressed` is the lowest mean of a gene that a programme may have, in counts per 10,000.
    """

    generator: str
    samples: int = 20
    cells: int = 150
    sd: float = 0.7
    expressed: float = 1.0
    shifted: bool = False
    null: str = ""
    seed: int = 1


@dataclass(frozen=True)
class Planted:
    """Malignant cells with the layer `counts`, and the genes of each programme.

    `also` has sets of genes that vary together without having been planted: the ends of shared factors of real cells.
    `loadings` (factors x genes) are those of the factors: the change of a gene's log rate for one SD of a factor.
    """

    cells: ad.AnnData
    programmes: Mapping[str, list[str]]
    also: Mapping[str, list[str]]
    loadings: pd.DataFrame = field(default_factory=pd.DataFrame)

    def follows_factors(self, genes: Iterable[str]) -> bool:
        """Whether half of some genes move by FOLLOWS or more along one direction in the space of the shared factors.

        Factors are known up to a turn, so that a module need not lie along one of them. The direction is that of the
        genes' mean loading.
        """
        known = self.loadings.columns.intersection(pd.Index(list(genes)))
        part = self.loadings[known].to_numpy()
        mean = part.mean(axis=1) if part.size else np.zeros(1)
        length = np.linalg.norm(mean)
        return bool(length > 0) and float((mean @ part / length >= FOLLOWS).mean()) >= 0.5


def draw(setting: Setting) -> Planted:
    """The cohort of a setting."""
    return GENERATORS[setting.generator](setting)


def available(generator: str) -> str:
    """Why a generator cannot be used; empty where it can."""
    file = FITTED[generator][0] if generator in FITTED else ""
    return f"{file} is not in ../shared/data/scrna" if file and not (REAL / file).exists() else ""


def _programmes(setting: Setting, mean: np.ndarray, names: pd.Index, rng: np.random.Generator) -> dict[str, pd.Series]:
    """Loadings of disjoint random sets of expressed genes."""
    free = (mean > setting.expressed) & (mean < HIGHEST) & ~names.str.startswith("MT-") & ~names.duplicated()
    order = rng.permutation(np.flatnonzero(free))
    sizes = rng.integers(SIZES[0], SIZES[1] + 1, N_PROGRAMMES)
    while sizes.sum() > 0.6 * len(order):  # a shallow set may have few expressed genes
        sizes = np.maximum(sizes * 3 // 4, SIZES[0])
    ends = np.cumsum(sizes)
    return {
        f"programme {k + 1}": pd.Series(rng.uniform(*LOADINGS, size), names[order[end - size : end]])
        for k, (size, end) in enumerate(zip(sizes, ends, strict=True))
    }


def _arms(setting: Setting) -> list[str]:
    return ["baseline" if k % 2 == 0 else "primary" for k in range(setting.samples)]


def _levels(setting: Setting, arms: list[str], rng: np.random.Generator) -> np.ndarray:
    """Mean activity of each programme in each sample, in units of the SD between cells. Shape (samples, programmes)."""
    levels = rng.normal(0, BETWEEN, (len(arms), N_PROGRAMMES))
    if setting.shifted:
        levels[np.array(arms) == "primary", :2] += SHIFT
    return levels


def _assembled(counts: list[sparse.csr_array], names: pd.Index, arms: list[str]) -> ad.AnnData:
    sizes = [part.shape[0] for part in counts]
    sample = np.repeat([f"S{k + 1:02d}" for k in range(len(sizes))], sizes)
    matrix = sparse.csr_matrix(sparse.vstack(counts).astype(np.int32))
    obs = pd.DataFrame(
        {
            "sample": sample, "patient": np.char.replace(sample, "S", "P"), "arm": np.repeat(arms, sizes),
            "cell_type": "malignant", "lineage": "epithelial", "malignancy": "malignant",
        },
        index=[f"{s}:{i}" for i, s in enumerate(sample)],
    )  # fmt: skip
    kept = np.asarray(matrix.sum(axis=1)).ravel() >= 200
    cells = ad.AnnData(obs=obs[kept].astype("category"), var=pd.DataFrame(index=names.astype(str)))
    cells.layers["counts"] = matrix[kept]
    return cells[:, np.asarray((cells.layers["counts"] > 0).sum(axis=0)).ravel() >= 3].copy()


def _simulator(setting: Setting) -> Planted:
    """Our own simulator with these programmes in place of its own."""
    share = 0.8
    half = setting.samples // 2
    plan = Plan(
        patients={"baseline": setting.samples - half, "primary": half}, pairs=0, cells=round(setting.cells / share),
        n_genes=8000, malignant_share=share, decoys=False, low_quality=0.0, seed=setting.seed,
    )  # fmt: skip
    if setting.null == "independent":
        plan = replace(plan, ambient=0.0, doublets=0.0)
    if setting.null == "technical":
        plan = replace(plan, doublets=0.0)
    base = simulate(plan)
    rng = np.random.default_rng([setting.seed, 21])
    names = pd.Index(base.profiles.genes.index)
    arms = base.samples_sheet["arm"].astype(str).tolist()
    drawn = {} if setting.null else _programmes(setting, base.profiles.means[-1], names, rng)
    levels = _levels(setting, arms, rng) * setting.sd
    # The simulator gives each programme an SD of 1 between cells.
    programmes = {name: loadings * setting.sd for name, loadings in drawn.items()}
    activity = pd.DataFrame(
        levels[:, : len(drawn)] / setting.sd, index=base.samples_sheet["sample"].astype(str), columns=list(programmes)
    )
    profiles = base.profiles
    loadings = next(v for k, v in profiles.shared.items() if len(profiles.types) - 1 in k)
    also = {} if setting.null else _shared(loadings, names)
    subclones = base.subclones
    if setting.null:
        # Shared factors and subclones are structure; a null has none.
        profiles = replace(profiles, shared={})
        subclones = {p: (0.0, np.ones(len(names))) for p in subclones}
    truth = {**base.truth, "signals": {}}
    whole = replace(base, programmes=programmes, activity=activity, profiles=profiles, subclones=subclones, truth=truth)
    parts = []
    for sample in whole.samples():
        own = np.flatnonzero(sample.cells["cell_type"].to_numpy() == "malignant")
        parts.append(sparse.csr_array(sample.counts[own]))
    genes = {n: list(p.index) for n, p in drawn.items()}
    return Planted(_assembled(parts, names, arms), genes, also, _named(loadings, names, setting))


def _named(loadings: np.ndarray, names: pd.Index, setting: Setting) -> pd.DataFrame:
    """Loadings with the names of their genes, the first of each name; none in a null, which has no factors."""
    return pd.DataFrame() if setting.null else pd.DataFrame(loadings, columns=names).loc[:, ~names.duplicated()]


def _shared(loadings: np.ndarray, names: pd.Index) -> dict[str, list[str]]:
    """Genes of each shared factor by sign, those with a large loading."""
    found = {}
    for k, row in enumerate(loadings, start=1):
        for sign, word in ((1, "up"), (-1, "down")):
            genes = names[row * sign >= SHARED]
            if len(genes) >= 10:
                found[f"factor {k} {word}"] = list(genes)
    return found


FITTED = {
    "lymphoma": ("malt_lymphoma_10x_2100.h5ad", "cell_type_scout", "B/tumour B"),
    "breast_lines": ("breast_lines31_gambardella2022.h5ad", "cell_type", "breast cancer cell line"),
    "lung": ("zilionis2019_nsclc_300_counts_recovered.h5ad", "cell_type", "tMoMacDC"),
}


@cache
def _estimated(file: str, groupby: str) -> FittedProfiles:
    cells = ad.read_h5ad(REAL / file)
    cells.var_names_make_unique()
    return estimate_profiles(cells, groupby=groupby, patient="sample", min_cells=1 if "zilionis" in file else 20)


def _over_real(setting: Setting) -> Planted:
    """Programmes over parameters of real cells of one type; ambient counts are those of the whole real sample."""
    file, groupby, kind = FITTED[setting.generator]
    profiles = _estimated(file, groupby)
    code = profiles.types.index(kind)
    rng = np.random.default_rng([setting.seed, 22])
    names = pd.Index(profiles.genes.index.astype(str))
    drawn = {} if setting.null else _programmes(setting, profiles.means[code], names, rng)
    also = {} if setting.null else _shared(profiles.loadings, names)
    if setting.null:
        profiles = replace(profiles, loadings=profiles.loadings[:0])
    arms = _arms(setting)
    levels = _levels(setting, arms, rng)
    factors = _named(profiles.loadings, names, setting)
    parts = []
    for k in range(setting.samples):
        own = np.random.default_rng([setting.seed, 23, k])
        log_means = patient_log_means(profiles, own)
        if setting.null != "independent":
            log_means[code] += np.log(_copies(len(names), own))
        n = setting.cells
        added = np.zeros((n, len(names)), np.float32)
        for j, loadings in enumerate(drawn.values()):
            level = (levels[k, j] + own.normal(0, 1, n)) * setting.sd
            at = names.get_indexer(loadings.index)
            added[:, at] += np.outer(level, loadings.to_numpy()).astype(np.float32)
        counts = draw_cells(profiles, np.full(n, code), log_means, rng=own, added=added)
        if setting.null != "independent":
            soup = np.exp(log_means).T @ profiles.shares
            counts = sparse.csr_array(counts + _ambient(counts, soup, own))
        parts.append(counts)
    return Planted(_assembled(parts, names, arms), {n: list(p.index) for n, p in drawn.items()}, also, factors)


def _copies(n_genes: int, rng: np.random.Generator) -> np.ndarray:
    """Factor of each gene by copy number: ten blocks of neighbouring genes gained or lost."""
    factor = np.ones(n_genes)
    for _ in range(10):
        start, length = rng.integers(0, n_genes), rng.integers(n_genes // 100, n_genes // 15)
        factor[start : start + length] = rng.choice([0.5, 1.5, 2.0])
    return factor


def _ambient(counts: sparse.csr_array, soup: np.ndarray, rng: np.random.Generator) -> sparse.csr_array:
    """Counts of the solution: 2 to 10 % of the sample's typical depth in every droplet, whatever its cell."""
    typical = np.median(np.asarray(counts.sum(axis=1)).ravel())
    size = rng.uniform(0.02, 0.10) * typical * np.exp(rng.normal(0, 0.25, counts.shape[0]))
    rates = size[:, None] * (soup / soup.sum())[None, :]
    return sparse.csr_array(rng.poisson(rates).astype(np.int32))


def _coding_genes(rng: np.random.Generator) -> pd.Index:
    """Names of 11,000 protein-coding genes, in their order along the genome."""
    table = resources.genes()
    coding = table[(table["type"] == "protein-coding") & ~table["chromosome"].isin(["Y", "MT", ""])]
    chosen = coding.iloc[np.sort(rng.choice(len(coding), 11_000, replace=False))]
    place = chosen.assign(at=pd.to_numeric(chosen["start"])).sort_values(["chromosome", "at"])
    return pd.Index(place.index.astype(str))


def _other(setting: Setting) -> Planted:
    """Gamma-Poisson counts over profiles of a heavy-tailed mixture, as another group would have written it."""
    rng = np.random.default_rng([setting.seed, 24])
    names = _coding_genes(rng)
    n = len(names)
    # Few genes make most of the counts, most genes make few.
    level = np.where(rng.random(n) < 0.12, rng.normal(1.6, 1.1, n), rng.normal(-1.6, 1.5, n))
    profile = np.exp(level) / np.exp(level).sum() * 1e4
    types = [np.exp(level + np.where(rng.random(n) < 0.3, rng.normal(0, 1.5, n), 0.0)) for _ in range(4)]
    dispersion = np.clip(0.1 + 0.5 * np.exp(rng.normal(-0.7, 0.6, n)), 0.1, 2.0)
    drawn = {} if setting.null else _programmes(setting, profile, names, rng)
    arms = _arms(setting)
    levels = _levels(setting, arms, rng)
    parts = [
        _other_sample(
            setting, profile, types, dispersion, {g: (names.get_indexer(p.index), p.to_numpy(), levels[k, j])
                                                  for j, (g, p) in enumerate(drawn.items())},
            np.random.default_rng([setting.seed, 25, k]),
        )
        for k in range(setting.samples)
    ]  # fmt: skip
    return Planted(_assembled(parts, names, arms), {g: list(p.index) for g, p in drawn.items()}, {})


def _other_sample(
    setting: Setting, profile: np.ndarray, types: list[np.ndarray], dispersion: np.ndarray,
    programmes: Mapping[str, tuple[np.ndarray, np.ndarray, float]], rng: np.random.Generator,
) -> sparse.csr_array:  # fmt: skip
    n, n_genes = setting.cells, len(profile)
    own = profile * np.exp(rng.normal(0, 0.25, n_genes)) * _copies(n_genes, rng)
    depth = 5000 * np.exp(rng.normal(0, 0.3)) * np.exp(rng.normal(0, 0.5, n))
    share = np.tile(own.astype(np.float32), (n, 1))
    for at, loadings, mean in programmes.values():
        activity = (mean + rng.normal(0, 1, n)) * setting.sd
        share[:, at] *= np.exp(np.outer(activity, loadings) - (setting.sd * loadings) ** 2 / 2).astype(np.float32)
    share /= share.sum(axis=1, keepdims=True)
    noise = rng.gamma(1 / dispersion, dispersion, share.shape)
    counts = rng.poisson(share * noise * depth[:, None])
    if not setting.null:
        with_other = np.flatnonzero(rng.random(n) < rng.uniform(0.02, 0.05))
        for cell in with_other:
            partner = types[rng.integers(len(types))]
            counts[cell] += rng.poisson(partner / partner.sum() * 5000 * np.exp(rng.normal(0, 0.5)))
    found = sparse.csr_array(counts.astype(np.int32))
    if setting.null == "independent":
        return found
    weights = rng.dirichlet(np.full(len(types) + 1, 3.0))
    soup = sum(w * t / t.sum() for w, t in zip(weights, [own, *types], strict=True))
    return sparse.csr_array(found + _ambient(found, np.asarray(soup), rng))


def _mixture(setting: Setting) -> Planted:
    """Profiles that are mixed, as in scsim (Kotliar et al. 2019) and Splatter: most cells do not use a programme.

    A programme is used by about 30 % of the cells of a sample, which have a tenth to seven tenths of its profile in
    place of their own. Its genes' log rates then have the SD of loading x activity that the setting asks for. One gene
    in ten belongs to two programmes, and cells are of two states that differ in 60 genes.
    """
    rng = np.random.default_rng([setting.seed, 26])
    names = _coding_genes(rng)
    n = len(names)
    profile = rng.gamma(0.4, 1.0, n) * np.where(rng.random(n) < 0.05, np.exp(rng.normal(2.5, 0.7, n)), 1.0) + 1e-4
    profile *= 1e4 / profile.sum()
    drawn = {} if setting.null else _programmes(setting, profile, names, rng)
    tables = list(drawn.values())
    for k, loadings in enumerate(tables):  # genes of the next programme, with a loading of their own
        other = tables[(k + 1) % len(tables)].index[: len(loadings) // 10]
        added = pd.Series(rng.uniform(*LOADINGS, len(other)), other.difference(loadings.index, sort=False))
        drawn[f"programme {k + 1}"] = pd.concat([loadings, added])
    use, folds = np.r_[np.zeros(700), np.linspace(0.1, 0.7, 300)], np.exp(np.linspace(0, 6, 200))
    spread = np.array([np.log1p(use * (fold - 1)).std() for fold in folds])
    changes = {name: np.interp(setting.sd * p.to_numpy(), spread, folds) for name, p in drawn.items()}
    state = rng.choice(np.flatnonzero((profile > setting.expressed) & (profile < HIGHEST)), 60, replace=False)
    state_change = np.exp(rng.normal(0, 0.7, 60))
    variation = np.sqrt(10 / rng.chisquare(10, n)) * (0.25 + 0.1 / np.sqrt(profile + 0.1))  # as Splatter's BCV
    arms, parts = _arms(setting), []
    levels = _levels(setting, arms, rng)
    for k in range(setting.samples):
        own = np.random.default_rng([setting.seed, 27, k])
        here = profile * np.exp(own.normal(0, 0.25, n)) * (1.0 if setting.null == "independent" else _copies(n, own))
        depth = 4500 * np.exp(own.normal(0, 0.3)) * np.exp(own.normal(0, 0.45, setting.cells))
        rate = np.tile(here, (setting.cells, 1))
        if not setting.null:
            rate[:, state] *= (
                np.where(own.random(setting.cells) < own.uniform(0.3, 0.7), 1, 0)[:, None] * (state_change - 1) + 1
            )
        for j, (name, loadings) in enumerate(drawn.items()):
            used = own.uniform(0.1, 0.7, setting.cells) * (own.random(setting.cells) < 0.3 * np.exp(levels[k, j]))
            rate[:, names.get_indexer(loadings.index)] *= 1 + np.outer(used, changes[name] - 1)
        rate /= rate.sum(axis=1, keepdims=True)
        shape = 1 / variation**2
        counts = own.poisson(rate * own.gamma(shape, 1 / shape, rate.shape) * depth[:, None])
        found = sparse.csr_array(counts.astype(np.int32))
        parts.append(found if setting.null == "independent" else sparse.csr_array(found + _ambient(found, here, own)))
    genes = {name: list(p.index) for name, p in drawn.items()}
    states = {"states": list(names[state])}
    factor = pd.DataFrame(np.log(state_change)[None, :] / 2, columns=names[state])  # half of the cells: an SD of 1/2
    cells = _assembled(parts, names, arms)
    return Planted(cells, genes, {}) if setting.null else Planted(cells, genes, states, factor)


GENERATORS: dict[str, Callable[[Setting], Planted]] = {
    "simulator": _simulator,
    **dict.fromkeys(FITTED, _over_real),
    "other": _other,
    "mixture": _mixture,
}
