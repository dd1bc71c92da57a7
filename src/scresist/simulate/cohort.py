"""A simulated cohort: patients, samples, cells, counts, and the truth that was planted."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.results import Brief
from scresist.simulate.decoys import (
    ARMS,
    CYCLE_LIFT,
    MACROPHAGE,
    SOUP,
    Decoys,
    choose_decoys,
    cycling_shares,
    soup_profile,
)
from scresist.simulate.plan import Plan, check_plan
from scresist.simulate.planted import (
    HUBS,
    changed_genes,
    changed_types,
    copies_by_arm,
    draw_activity,
    draw_copy_number,
    draw_programmes,
    draw_shares,
    draw_subclone,
    expected_log_odds,
)
from scresist.simulate.profiles import SIGNALS, Profiles, make_profiles
from scresist.simulate.sheets import lay_out_sheets, progression


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts of one simulated sample, with the truth of each cell."""

    name: str
    counts: sparse.csr_array
    cells: pd.DataFrame


@dataclass(frozen=True, slots=True, repr=False)
class Simulation(Brief):
    """The sheets, the genes, the truth, and the samples one by one (`samples()` draws them)."""

    plan: Plan
    profiles: Profiles
    samples_sheet: pd.DataFrame
    patients_sheet: pd.DataFrame
    truth: Mapping[str, Any]
    programmes: Mapping[str, pd.Series]
    activity: pd.DataFrame
    copy_number: Mapping[str, np.ndarray]
    subclones: Mapping[str, tuple[float, np.ndarray]]
    decoys: Decoys

    def samples(self) -> Iterator[Sample]:
        """Draw the samples in the order of the sheet; each has its own stream, so order and number do not matter."""
        for k, name in enumerate(self.samples_sheet["sample"]):
            yield _draw_sample(self, str(name), np.random.default_rng([self.plan.seed, 7, k]))


def simulate(plan: Plan | None = None, *, like: Plan | None = None) -> Simulation:
    """Lay out a cohort: who is in which arm, which genes make the planted programmes, who progresses when.

    Parameters
    ----------
    plan
        Arms, sizes and effects; None uses the defaults of `Plan`.
    like
        Plan of another cohort of which this is a second one: the genes, their profiles, the programmes and the genes
        of the decoys are those of that cohort, patients, samples and cells are new. `n_genes`, `module_size` and
        `decoys` are then those of `like`.

    Raises
    ------
    InputError
        For a plan that cannot be: no arm, fewer genes than the markers need, more pairs than acquired patients, larger
        programmes than there are genes for; or one with the seed of `like`, whose patients would be the same.
    """
    plan = plan or Plan()
    if like is not None:
        if like.seed == plan.seed:
            raise InputError(f"both cohorts have seed {plan.seed}, hence the same patients; give the second another")
        plan = replace(plan, n_genes=like.n_genes, module_size=like.module_size, decoys=like.decoys)
    check_plan(plan)
    first = None if like is None else simulate(like)
    rng = np.random.default_rng([plan.seed, 1])
    of_decoys = np.random.default_rng([plan.seed, 8])
    if first is None:
        profiles = make_profiles(plan.n_genes, (*HUBS.values(), *SOUP, *SIGNALS), rng)
        sheet, people = lay_out_sheets(plan, rng)
        profiles, decoys = choose_decoys(plan, profiles, sheet, of_decoys)
        programmes = draw_programmes(plan, profiles, {g for own in decoys.genes.values() for g in own}, rng)
    else:
        profiles, programmes = first.profiles, dict(first.programmes)
        sheet, people = lay_out_sheets(plan, rng)
        decoys = Decoys(first.decoys.genes, cycling_shares(plan, sheet, of_decoys))
    activity = draw_activity(plan, sheet, programmes, rng)
    people = progression(plan, people, sheet, activity, rng)
    copy_number = {p: draw_copy_number(profiles.genes, np.random.default_rng([plan.seed, 3, i])) for i, p in
                   enumerate(people["patient"])}  # fmt: skip
    subclones = {p: draw_subclone(profiles.genes, np.random.default_rng([plan.seed, 4, i])) for i, p in
                 enumerate(people["patient"])}  # fmt: skip
    truth = {
        "plan": asdict(plan),
        **({} if like is None else {"like": asdict(like)}),
        "modules": {
            arm: {"hub": HUBS[arm], "genes": list(programmes[arm].index), "effect": plan.module_effect}
            for arm in HUBS if arm in programmes
        },
        "decoys": {n: list(p.index) for n, p in programmes.items() if n.startswith("decoy")}
        | {n: list(genes) for n, genes in decoys.genes.items()},
        "decoy_arms": dict(ARMS) if plan.decoys else {},
        "other_programmes": {n: list(p.index) for n, p in programmes.items() if n.startswith("background")},
        "composition": changed_types(plan),
        "log_odds": {arm: expected_log_odds(plan, arm) for arm in plan.patients if arm != "baseline"},
        "signals": changed_genes(plan, profiles),
        "baseline_sd": _spread_before_treatment(sheet, activity),
        "cycling": dict(decoys.cycling),
        "copy_number": {
            p: {arm: float(v) for arm, v in zip(*copies_by_arm(profiles.genes, c), strict=True) if v != 1.0}
            for p, c in copy_number.items()
        },
        "subclones": {p: {"share": share, "arms": [a for a, v in zip(*copies_by_arm(profiles.genes, c), strict=True)
                                                   if v != 1.0]} for p, (share, c) in subclones.items()},
    }  # fmt: skip
    return Simulation(plan, profiles, sheet, people, truth, programmes, activity, copy_number, subclones, decoys)


def _spread_before_treatment(sheet: pd.DataFrame, activity: pd.DataFrame) -> dict[str, float]:
    """SD over patients of the planted programmes in samples taken before treatment: what a ratio per SD refers to."""
    early = activity[(sheet["timepoint"] == "baseline").to_numpy()]
    return {name: float(early[name].std()) for name in HUBS if name in early and len(early) > 1}


def _draw_sample(simulation: Simulation, name: str, rng: np.random.Generator) -> Sample:
    plan, profiles = simulation.plan, simulation.profiles
    row = simulation.samples_sheet.set_index("sample").loc[name]
    kinds = _cell_types(plan, profiles, str(row["arm"]), rng)
    n = len(kinds)
    library = profiles.library[kinds] * plan.depth * np.exp(rng.normal(0, 0.45, n))
    if plan.decoys and row["arm"] == ARMS["depth"]:
        library *= np.exp(plan.depth_effect)
    low = rng.random(n) < plan.low_quality
    library[low] *= rng.uniform(0.08, 0.3, int(low.sum()))
    rate = _rates(simulation, name, row, kinds, low, rng)
    share = float(np.clip(rng.normal(plan.ambient, plan.ambient / 3), 0, 0.5)) if plan.ambient else 0.0
    soup = soup_profile(plan, simulation.decoys, pd.Index(profiles.genes.index), str(row["arm"]), rate.mean(axis=0))
    rate *= 1 - share
    rate += (share * soup).astype(np.float32)
    rate *= library[:, None].astype(np.float32)
    counts = draw_counts(rate, profiles.dispersion, rng)
    twin = np.full(n, -1)
    made = np.flatnonzero(rng.random(n) < plan.doublets)
    if len(made):
        twin[made] = rng.permutation(n)[: len(made)]
        counts[made] += counts[twin[made]]
    cells = pd.DataFrame(
        {
            "sample": name,
            "barcode": draw_barcodes(n, rng),
            "cell_type": np.array(profiles.types, dtype=object)[kinds],
            "doublet": twin >= 0,
            "low_quality": low,
            "contamination": share,
        }
    )
    return Sample(name, sparse.csr_array(counts), cells)


def draw_barcodes(n: int, rng: np.random.Generator) -> list[str]:
    """Barcodes of n cells, no two the same."""
    alphabet, drawn = np.array(list("ACGT")), dict[str, None]()
    while len(drawn) < n:
        drawn["".join(alphabet[rng.integers(0, 4, 16)]) + "-1"] = None
    return list(drawn)


def _cell_types(plan: Plan, profiles: Profiles, arm: str, rng: np.random.Generator) -> np.ndarray:
    shares = draw_shares(plan, changed_types(plan).get(arm, {}), rng)
    n = max(30, int(rng.normal(plan.cells, plan.cells * 0.15)))
    return rng.choice(len(profiles.types), n, p=shares)


def _rates(
    simulation: Simulation, name: str, row: pd.Series, kinds: np.ndarray, low: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Expected share of each gene in each cell's counts. Shape (cells, genes), rows sum to 1."""
    plan, profiles, decoys = simulation.plan, simulation.profiles, simulation.decoys
    genes = pd.Index(profiles.genes.index)
    patient_rng = np.random.default_rng([plan.seed, 5, int(str(row["patient"])[1:])])
    log_means = _sample_log_means(simulation, row, patient_rng)
    log_rate = log_means[kinds].astype(np.float32)
    tumour = np.flatnonzero(kinds == len(profiles.types) - 1)
    for of_type, loadings in profiles.shared.items():
        rows = np.flatnonzero(np.isin(kinds, of_type))
        level = rng.normal(size=(len(rows), len(loadings))) + patient_rng.normal(0, plan.patient_sd, len(loadings))
        log_rate[rows] += level.astype(np.float32) @ loadings - (loadings**2).sum(axis=0) / 2
    for programme, own in simulation.programmes.items():
        level = simulation.activity.loc[name, programme] + rng.normal(0, 1, len(tumour))
        at = genes.get_indexer(own.index)
        log_rate[np.ix_(tumour, at)] += np.outer(level, own.to_numpy()).astype(np.float32)
    fraction, copies = simulation.subclones[str(row["patient"])]
    log_rate[tumour[rng.random(len(tumour)) < fraction]] += np.log(copies).astype(np.float32)
    cycling = tumour[rng.random(len(tumour)) < decoys.cycling[name]]
    log_rate[np.ix_(cycling, genes.get_indexer(list(decoys.genes.get("decoy cell cycle", ()))))] += CYCLE_LIFT
    rate = np.exp(log_rate, out=log_rate)
    mito = np.flatnonzero(genes.str.startswith("MT-"))
    rate[:, mito] *= np.exp(rng.normal(0, 0.35, (len(kinds), 1)))
    rate[np.ix_(tumour, mito)] *= 1.6
    rate[np.ix_(np.flatnonzero(low), mito)] *= 8
    rate /= rate.sum(axis=1, keepdims=True)
    return rate


def _sample_log_means(simulation: Simulation, row: pd.Series, patient_rng: np.random.Generator) -> np.ndarray:
    """Log mean of each gene in each type of one sample: batch, patient, copy number, and what the arm changes."""
    plan, profiles, arm = simulation.plan, simulation.profiles, str(row["arm"])
    genes = pd.Index(profiles.genes.index)
    batch_rng = np.random.default_rng([plan.seed, 6, int(str(row["batch"])[1:])])
    log_means = np.log(profiles.means) + batch_rng.normal(0, plan.batch_sd, len(genes))
    log_means += patient_rng.normal(0, 0.2, log_means.shape)
    private = np.where(patient_rng.random(len(genes)) < 0.1, patient_rng.normal(0, 0.5, len(genes)), 0.0)
    log_means[-1] += np.log(simulation.copy_number[str(row["patient"])]) + private
    for change in simulation.truth["signals"].get(arm, []):
        log_means[profiles.types.index(change["cell_type"]), genes.get_loc(change["gene"])] += change["log_fold_change"]
    if arm == ARMS["macrophage"]:
        at = genes.get_indexer(list(simulation.decoys.genes.get("decoy macrophage", ())))
        log_means[profiles.types.index(MACROPHAGE), at] += plan.macrophage_effect
    return log_means
