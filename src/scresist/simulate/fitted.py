"""A cohort drawn from estimated profiles: the arms, planted programmes and sheets of a plan over real parameters."""

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError, require_choice, suggestion
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.simulate.cohort import Sample, Simulation, draw_barcodes, simulate
from scresist.simulate.estimate import FittedProfiles
from scresist.simulate.plan import Plan
from scresist.simulate.planted import HUBS, copies_by_arm, draw_copy_number

_BLOCK = 1000
ADDED = ("copy number", "ambient", "doublets")


@dataclass(frozen=True, slots=True)
class FittedSimulation(Simulation):
    """A cohort over `fitted` profiles; `malignant` is the type that carries the planted programmes."""

    fitted: FittedProfiles
    malignant: str

    def samples(self) -> Iterator[Sample]:
        """Draw the samples in the order of the sheet; each has its own stream, so order and number do not matter."""
        for k, name in enumerate(self.samples_sheet["sample"]):
            yield _draw(self, str(name), np.random.default_rng([self.plan.seed, 7, k]))


def simulate_from(
    profiles: FittedProfiles, plan: Plan | None = None, *, malignant: str | None = None, add: Collection[str] = ()
) -> FittedSimulation:
    """Lay out a cohort with the arms and effects of a plan, over profiles estimated from real cells.

    Parameters
    ----------
    profiles
        From `estimate_profiles`.
    plan
        Arms, pairs, cells, effects, seed. Batches, low quality and the decoys of the soup, macrophages, cycle and depth
        are off; genes and depth are those of the profiles.
    malignant
        Type that carries the planted programmes; None takes `malignant`, or the commonest type where there is none.
    add
        What real cells may have already and is not added unless named: `copy number` (chromosome arms of the malignant
        type), `ambient` and `doublets` (the shares of the plan).

    Raises
    ------
    InputError
        If there is no such type, it has too few genes with counts for the programmes, or `add` names anything else.
    """
    for name in add:
        require_choice(name, ADDED, "add")
    given = plan or Plan()
    plan = replace(
        given, low_quality=0.0, batch_sd=0.0, ambient=given.ambient if "ambient" in add else 0.0,
        doublets=given.doublets if "doublets" in add else 0.0,
    )  # fmt: skip
    if malignant is None:
        common = profiles.types[int(np.argmax(profiles.shares))]
        malignant = "malignant" if "malignant" in profiles.types else common
    if malignant not in profiles.types:
        raise InputError(f"the profiles have no cell type {malignant!r}; {suggestion(malignant, profiles.types)}")
    base = simulate(replace(plan, n_genes=2500, module_size=5))  # for its sheets and activities; its genes are not used
    rng = np.random.default_rng([plan.seed, 11])
    programmes = _programmes(profiles, list(base.programmes), plan.module_size, malignant, rng)
    truth = {**base.truth, "plan": asdict(plan)}
    truth["modules"] = {
        arm: {"hub": str(programmes[arm].index[0]), "genes": list(programmes[arm].index), "effect": plan.module_effect}
        for arm in HUBS if arm in programmes
    }  # fmt: skip
    truth["decoys"] = {n: list(p.index) for n, p in programmes.items() if n.startswith("decoy")}
    truth["other_programmes"] = {n: list(p.index) for n, p in programmes.items() if n.startswith("background")}
    others = [t for t in np.array(profiles.types)[np.argsort(profiles.shares)[::-1]] if t != malignant]
    changed = zip(others[:2], (plan.composition_effect, -plan.composition_effect), strict=False)
    truth["composition"] = {"acquired": {str(t): float(size) for t, size in changed}}
    truth["log_odds"], truth["cycling"], truth["subclones"], truth["decoy_arms"] = {}, {}, {}, {}
    truth["signals"] = {
        arm: [r for r in rows if r["gene"] in profiles.genes.index and r["cell_type"] in profiles.types]
        for arm, rows in base.truth["signals"].items()
    }  # fmt: skip
    copies = _copy_number(profiles, base, plan) if "copy number" in add else {}
    truth["copy_number"] = {
        p: {arm: float(v) for arm, v in zip(*copies_by_arm(profiles.genes, c), strict=True) if v != 1.0}
        for p, c in copies.items()
    }
    truth["malignant"], truth["notes"] = malignant, list(profiles.notes)
    return FittedSimulation(
        plan, profiles, base.samples_sheet, base.patients_sheet, truth, programmes, base.activity, copies, {},
        base.decoys, profiles, malignant,
    )  # fmt: skip


def _copy_number(profiles: FittedProfiles, base: Simulation, plan: Plan) -> dict[str, np.ndarray]:
    """Factor of each gene per patient; the profiles' genes must have positions."""
    if not profiles.genes["cytoband"].astype(bool).any():
        raise InputError("copy number needs genes with positions; none of the profiles' names is a known human symbol")
    patients = base.patients_sheet["patient"].astype(str)
    return {
        p: draw_copy_number(profiles.genes, np.random.default_rng([plan.seed, 3, i])) for i, p in enumerate(patients)
    }


def _programmes(
    profiles: FittedProfiles, names: list[str], size: int, malignant: str, rng: np.random.Generator
) -> dict[str, pd.Series]:
    """Genes of moderate mean in the malignant type; the first of a planted programme is its hub."""
    mean = profiles.means[profiles.types.index(malignant)]
    genes = profiles.genes.index
    free = np.flatnonzero((mean > 0.3) & (mean < 50) & ~genes.str.startswith("MT-") & ~genes.duplicated())
    need = size * len(names)
    if len(free) < need:
        raise InputError(
            f"{malignant!r} has {len(free)} genes of moderate mean, fewer than the {need} that {len(names)} programmes "
            f"of {size} genes need; make module_size {len(free) // len(names)} or less"
        )
    chosen = rng.permutation(free)[:need].reshape(len(names), size)
    programmes = {}
    for name, row in zip(names, chosen, strict=True):
        loadings = rng.uniform(0.35, 0.75, size)
        if name in HUBS:
            loadings[0] = 1.0
        programmes[name] = pd.Series(loadings, index=[str(g) for g in genes[row]])
    return programmes


def draw_cells(
    profiles: FittedProfiles, kinds: np.ndarray, log_means: np.ndarray, *, rng: np.random.Generator,
    added: np.ndarray | None = None,
) -> sparse.csr_array:  # fmt: skip
    """Counts of cells of given types (codes) around log means (types, genes), `added` to their log rates."""
    blocks = []
    for start in range(0, len(kinds), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(kinds)))
        kind = kinds[rows]
        rate = log_means[kind].astype(np.float32)
        if len(profiles.loadings):
            level = rng.normal(size=(len(kind), len(profiles.loadings))).astype(np.float32)
            rate += level @ profiles.loadings.astype(np.float32)
            rate -= ((profiles.loadings**2).sum(axis=0) / 2).astype(np.float32)
        if added is not None:
            rate += added[rows]
        np.exp(rate, out=rate)
        at = rng.random(len(kind)) * (profiles.library_quantiles.shape[1] - 1)
        low = at.astype(int)
        table = profiles.library_quantiles
        library = table[kind, low] + (at - low) * (table[kind, low + 1] - table[kind, low])
        rate *= (library / rate.sum(axis=1))[:, None].astype(np.float32)
        blocks.append(sparse.csr_array(draw_counts(rate, profiles.dispersion, rng)))
    return (
        sparse.csr_array(sparse.vstack(blocks))
        if blocks
        else sparse.csr_array((0, len(profiles.dispersion)), dtype=np.int32)
    )


def patient_log_means(profiles: FittedProfiles, rng: np.random.Generator) -> np.ndarray:
    """Log mean of each gene in each type of one patient: half of the variance is shared by the types.

    A patient is a random mixture of those the profiles come from, so that genes vary together over patients as they did
    there, and of independent noise for what counting leaves unknown.
    """
    log_means = np.log(profiles.means)
    shared, own = rng.normal(size=log_means.shape[1]), rng.normal(size=log_means.shape)
    if len(profiles.together):
        n = len(profiles.together)
        known = (profiles.together**2).mean(axis=0)
        mixed = rng.normal(size=(len(log_means) + 1, n)) / np.sqrt(n) @ profiles.together
        rest = np.sqrt(np.maximum(1 - known, 0.0))
        shared, own = mixed[0] + rest * shared, mixed[1:] + rest * own
    return log_means + profiles.patient_sd * (np.sqrt(0.5) * (shared + own)) - profiles.patient_sd**2 / 2


def draw_like(profiles: FittedProfiles, cells: pd.DataFrame, *, rng: np.random.Generator) -> sparse.csr_array:
    """Counts for a table of cells (`patient`, `cell_type`): new patients, each with as many cells of each type.

    Parameters
    ----------
    profiles
        From `estimate_profiles`.
    cells
        One row per cell, with `patient` and `cell_type`.
    rng
        Generator of the counts.

    Raises
    ------
    InputError
        For a cell type that the profiles do not have.
    """
    kinds = pd.Index(profiles.types).get_indexer(cells["cell_type"].astype(str))
    if (kinds < 0).any():
        name = str(cells["cell_type"].iloc[int(np.argmin(kinds))])
        raise InputError(f"the profiles have no cell type {name!r}; {suggestion(name, profiles.types)}")
    people = pd.factorize(cells["patient"].astype(str))[0]
    order, parts = [], []
    for person in range(int(people.max(initial=-1)) + 1):
        rows = np.flatnonzero(people == person)
        parts.append(draw_cells(profiles, kinds[rows], patient_log_means(profiles, rng), rng=rng))
        order.append(rows)
    return sparse.csr_array(sparse.vstack(parts))[np.argsort(np.concatenate(order))]


def _draw(simulation: FittedSimulation, name: str, rng: np.random.Generator) -> Sample:
    plan, profiles = simulation.plan, simulation.fitted
    row = simulation.samples_sheet.set_index("sample").loc[name]
    changes = simulation.truth["composition"].get(row["arm"], {})
    shares = profiles.shares * np.exp([changes.get(t, 0.0) for t in profiles.types])
    n = max(30, int(rng.normal(plan.cells, plan.cells * 0.15)))
    kinds = rng.choice(len(shares), n, p=rng.dirichlet(30 * shares / shares.sum()))
    log_means = patient_log_means(profiles, np.random.default_rng([plan.seed, 5, int(str(row["patient"])[1:])]))
    if simulation.copy_number:
        log_means[profiles.types.index(simulation.malignant)] += np.log(simulation.copy_number[str(row["patient"])])
    for change in simulation.truth["signals"].get(row["arm"], []):
        at = int(np.flatnonzero(profiles.genes.index == change["gene"])[0])
        log_means[profiles.types.index(change["cell_type"]), at] += change["log_fold_change"]
    added = np.zeros((n, len(profiles.genes)), np.float32)
    tumour = np.flatnonzero(kinds == profiles.types.index(simulation.malignant))
    for programme, loadings in simulation.programmes.items():
        level = simulation.activity.loc[name, programme] + rng.normal(0, 1, len(tumour))
        at_genes = profiles.genes.index.get_indexer(loadings.index)
        added[np.ix_(tumour, at_genes)] += np.outer(level, loadings.to_numpy()).astype(np.float32)
    counts = draw_cells(profiles, kinds, log_means, rng=rng, added=added)
    share = float(np.clip(rng.normal(plan.ambient, plan.ambient / 3), 0, 0.5)) if plan.ambient else 0.0
    if share:
        counts = _contaminate(counts, share, rng)
    twin = rng.random(n) < plan.doublets
    if twin.any():
        counts = sparse.csr_array(counts + counts[rng.permutation(n)].multiply(twin[:, None]))
    cells = pd.DataFrame({
        "sample": name, "barcode": draw_barcodes(n, rng),
        "cell_type": np.array(profiles.types, dtype=object)[kinds], "doublet": twin, "low_quality": False,
        "contamination": share,
    })  # fmt: skip
    return Sample(name, counts, cells)


def _contaminate(counts: sparse.csr_array, share: float, rng: np.random.Generator) -> sparse.csr_array:
    """A share of every cell's counts taken out at random, and as many drawn from the sample's profile put in."""
    profile = np.asarray(counts.sum(axis=0), dtype=float).ravel()
    kept = counts.copy()
    kept.data = rng.binomial(kept.data, 1 - share).astype(counts.dtype)
    number = rng.poisson(share * np.asarray(counts.sum(axis=1)).ravel())
    genes = rng.choice(len(profile), int(number.sum()), p=profile / profile.sum())
    soup = sparse.coo_array((np.ones(len(genes), counts.dtype), (np.repeat(np.arange(len(number)), number), genes)),
                            shape=counts.shape)  # fmt: skip
    return sparse.csr_array(kept + sparse.csr_array(soup))
