"""A simulated cohort: patients, samples, cells, counts, and the truth that was planted."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError, require_positive
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.simulate.profiles import MALIGNANT, TYPES, Profiles, make_profiles

HUBS = {"primary": "MUC3A", "acquired": "CST3"}
AMPLIFIED = "ERBB2"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate; every effect has a size, and 0 everywhere is a null cohort.

    `patients` is the number per arm; `pairs` of the acquired patients have a baseline sample too. `module_effect` is
    the shift of a planted programme's activity in its arm, in standard deviations between cells; `patient_sd` that
    between patients of one arm. `composition_effect` is the log fold change of the types that change; `signal_effect`
    that of single genes (PD-1, antigen presentation, TGF-beta) in acquired resistance; `log_hazard` that of progression
    per unit of the primary programme at baseline.
    """

    patients: Mapping[str, int] = field(default_factory=lambda: {"baseline": 6, "primary": 6, "acquired": 6})
    pairs: int = 3
    cells: int = 250
    n_genes: int = 5000
    malignant_share: float = 0.4
    module_size: int = 60
    module_effect: float = 1.5
    patient_sd: float = 0.4
    composition_effect: float = 1.0
    signal_effect: float = 1.2
    log_hazard: float = 1.0
    ambient: float = 0.05
    doublets: float = 0.03
    low_quality: float = 0.04
    depth: float = 4000.0
    batches: int = 2
    batch_sd: float = 0.15
    decoys: bool = True
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """Counts of one simulated sample, with the truth of each cell."""

    name: str
    counts: sparse.csr_array
    cells: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Simulation:
    """The sheets, the genes, the truth, and the samples one by one (`samples()` draws them)."""

    plan: Plan
    profiles: Profiles
    samples_sheet: pd.DataFrame
    patients_sheet: pd.DataFrame
    truth: Mapping[str, Any]
    programmes: Mapping[str, pd.Series]
    activity: pd.DataFrame
    copy_number: Mapping[str, np.ndarray]

    def samples(self) -> Iterator[Sample]:
        """Draw the samples in the order of the sheet; each has its own stream, so order and number do not matter."""
        for k, name in enumerate(self.samples_sheet["sample"]):
            yield _draw_sample(self, str(name), np.random.default_rng([self.plan.seed, 7, k]))


def simulate(plan: Plan | None = None) -> Simulation:
    """Lay out a cohort: who is in which arm, which genes make the planted programmes, who progresses when.

    Raises
    ------
    InputError
        For a plan that cannot be: no arm, fewer genes than the markers need, more pairs than acquired patients.
    """
    plan = plan or Plan()
    _check(plan)
    rng = np.random.default_rng([plan.seed, 1])
    profiles = make_profiles(plan.n_genes, tuple(HUBS.values()), rng)
    sheet, people = _sheets(plan, rng)
    programmes = _programmes(plan, profiles, rng)
    activity = _activity(plan, sheet, programmes, rng)
    people = _progression(plan, people, sheet, activity, rng)
    copy_number = {p: _copy_number(profiles.genes, np.random.default_rng([plan.seed, 3, i])) for i, p in
                   enumerate(people["patient"])}  # fmt: skip
    truth = {
        "plan": asdict(plan),
        "modules": {
            arm: {"hub": HUBS[arm], "genes": list(programmes[arm].index), "effect": plan.module_effect}
            for arm in HUBS if arm in programmes
        },
        "decoys": {n: list(p.index) for n, p in programmes.items() if n.startswith("decoy")},
        "other_programmes": {n: list(p.index) for n, p in programmes.items() if n.startswith("background")},
        "composition": _changed_types(plan),
        "signals": _changed_genes(plan, profiles),
        "copy_number": {
            p: {arm: float(v) for arm, v in zip(*_by_arm(profiles.genes, c), strict=True) if v != 1.0}
            for p, c in copy_number.items()
        },
    }  # fmt: skip
    return Simulation(plan, profiles, sheet, people, truth, programmes, activity, copy_number)


def _check(plan: Plan) -> None:
    require_positive(plan.cells, "cells")
    if not plan.patients or any(n < 1 for n in plan.patients.values()):
        raise InputError(f"patients must name at least one arm with at least one patient; got {dict(plan.patients)}")
    if plan.n_genes < 2500:
        raise InputError(f"n_genes must be at least 2500, to hold the markers and their background; got {plan.n_genes}")
    most = min(plan.patients.get("acquired", 0), plan.patients.get("baseline", 0))
    if plan.pairs > most:
        raise InputError(f"pairs must be at most {most}, the smaller of acquired and baseline; got {plan.pairs}")


def _sheets(plan: Plan, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    rows, people, number = [], [], 0
    paired: list[str] = []
    for arm in ("acquired", *[a for a in plan.patients if a != "acquired"]):
        for _ in range(plan.patients.get(arm, 0)):
            if arm == "baseline" and paired:
                patient = paired.pop(0)
            else:
                number += 1
                patient = f"P{number:02d}"
                people.append({"patient": patient, "arm": arm})
                if arm == "acquired" and len(paired) < plan.pairs:
                    paired.append(patient)
            rows.append({"sample": f"{patient}_{arm}", "patient": patient, "arm": arm})
    sheet = pd.DataFrame(rows)
    order = {arm: i for i, arm in enumerate(plan.patients)}
    sheet = sheet.sort_values(["arm", "patient"], key=lambda c: c.map(order) if c.name == "arm" else c)
    sheet = sheet.reset_index(drop=True)
    within = sheet.groupby("arm").cumcount()
    sheet["batch"] = [f"B{1 + i % plan.batches}" for i in within]
    sheet["timepoint"] = np.where(sheet["arm"] == "baseline", "baseline", "progression")
    table = pd.DataFrame(people)
    table["age"] = rng.integers(45, 80, len(table))
    table["sex"] = rng.choice(["F", "M"], len(table))
    return sheet, table


def _programmes(plan: Plan, profiles: Profiles, rng: np.random.Generator) -> dict[str, pd.Series]:
    """Genes and loadings of every programme of malignant cells; programmes share no gene."""
    names = profiles.genes.index
    mean = profiles.means[-1]
    free = set(names[(mean > 0.3) & (mean < 20)]) - set(names[names.str.startswith("MT-")])
    free -= {*HUBS.values(), AMPLIFIED, *_signal_genes()}
    kinds = {arm: HUBS[arm] for arm in HUBS if arm in plan.patients}
    wanted = [*kinds, "background 1", "background 2", "background 3"]
    if plan.decoys:
        wanted += ["decoy one patient", "decoy batch"]
    programmes = {}
    for name in wanted:
        genes = [str(g) for g in rng.choice(sorted(free), plan.module_size - (name in kinds), replace=False)]
        free -= set(genes)
        loadings = rng.uniform(0.35, 0.75, len(genes))
        series = pd.Series(loadings, index=genes)
        programmes[name] = pd.concat([pd.Series({kinds[name]: 1.0}), series]) if name in kinds else series
    return programmes


def _activity(
    plan: Plan, sheet: pd.DataFrame, programmes: Mapping[str, pd.Series], rng: np.random.Generator
) -> pd.DataFrame:
    """Mean activity of each programme in the malignant cells of each sample."""
    values = pd.DataFrame(0.0, index=sheet["sample"], columns=list(programmes))
    patients = sorted(set(sheet["patient"]))
    shown = max(plan.patients, key=lambda arm: arm == "primary")
    lone = sheet.loc[sheet["arm"] == shown, "patient"].iloc[0]
    for name in programmes:
        of_patient = dict(zip(patients, rng.normal(0, plan.patient_sd, len(patients)), strict=True))
        values[name] = [of_patient[p] for p in sheet["patient"]]
        if name in HUBS:
            values.loc[(sheet["arm"] == name).to_numpy(), name] += plan.module_effect
        if name == "decoy one patient":
            values.loc[(sheet["patient"] == lone).to_numpy(), name] += 3.0
        if name == "decoy batch":
            values.loc[(sheet["batch"] == "B1").to_numpy(), name] += 1.5
    return values


def _progression(
    plan: Plan, people: pd.DataFrame, sheet: pd.DataFrame, activity: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Best response by arm, and progression-free months: exponential, hazard by the primary programme at baseline."""
    first = sheet.drop_duplicates("patient").set_index("patient")["sample"]
    base = {row["patient"]: row["sample"] for _, row in sheet.iterrows() if row["arm"] == "baseline"}
    out = people.copy()
    level = activity["primary"] if "primary" in activity else pd.Series(0.0, index=activity.index)
    centre = level.mean()
    rate = [np.log(2) / 8 * np.exp(plan.log_hazard * (level[base.get(p, first[p])] - centre)) for p in out["patient"]]
    months = rng.exponential(1 / np.array(rate))
    out["pfs_months"] = np.round(np.clip(months, 0.5, 30), 1)
    out["pfs_event"] = (months < 30).astype(int)
    responses = {"primary": ["PD"], "acquired": ["PR", "CR", "PR"]}
    out["best_response"] = [str(rng.choice(responses.get(a, ["PR", "SD", "PD"]))) for a in out["arm"]]
    long = out["arm"] == "acquired"
    out.loc[long, "pfs_months"] = np.maximum(out.loc[long, "pfs_months"], 6.0)
    return out.drop(columns="arm")


def _signal_genes() -> dict[str, tuple[str, ...]]:
    return {
        "PDCD1": ("T CD8 exhausted", "T CD8 cytotoxic"),
        "TGFB1": ("macrophage SPP1", "fibroblast myofibroblastic (myCAF)"),
        "HLA-A": (MALIGNANT,),
        "HLA-B": (MALIGNANT,),
        "B2M": (MALIGNANT,),
        "TAP1": (MALIGNANT,),
    }


def _changed_types(plan: Plan) -> dict[str, dict[str, float]]:
    size = plan.composition_effect
    return {"acquired": {"T regulatory": size, "fibroblast myofibroblastic (myCAF)": size, "T CD8 cytotoxic": -size}}


def _changed_genes(plan: Plan, profiles: Profiles) -> dict[str, list[dict[str, Any]]]:
    down = ("HLA-A", "HLA-B", "B2M", "TAP1")
    rows = [
        {"gene": gene, "cell_type": t, "log_fold_change": -plan.signal_effect if gene in down else plan.signal_effect}
        for gene, types in _signal_genes().items() if gene in profiles.genes.index for t in types
    ]  # fmt: skip
    return {"acquired": rows}


def _copy_number(genes: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Factor of each gene's expression: five to nine chromosome arms gained or lost, and the ERBB2 amplicon."""
    arm = genes["chromosome"] + genes["cytoband"].str.extract(r"^[0-9X]+([pq])", expand=False).fillna("")
    arms = sorted(a for a in set(arm) if a[-1:] in {"p", "q"})
    chosen = rng.choice(arms, int(rng.integers(5, 10)), replace=False)
    factor = np.ones(len(genes))
    for name in chosen:
        factor[(arm == name).to_numpy()] = 1.6 if rng.random() < 0.55 else 0.5
    factor[genes["cytoband"].str.startswith("17q12").to_numpy()] = 4.0
    return factor


def _by_arm(genes: pd.DataFrame, factor: np.ndarray) -> tuple[list[str], np.ndarray]:
    arm = genes["chromosome"] + genes["cytoband"].str.extract(r"^[0-9X]+([pq])", expand=False).fillna("")
    names = sorted(a for a in set(arm) if a[-1:] in {"p", "q"})
    return names, np.array([np.median(factor[(arm == a).to_numpy()]) for a in names])


def _draw_sample(simulation: Simulation, name: str, rng: np.random.Generator) -> Sample:
    plan, profiles = simulation.plan, simulation.profiles
    row = simulation.samples_sheet.set_index("sample").loc[name]
    kinds = _cell_types(plan, profiles, str(row["arm"]), rng)
    n = len(kinds)
    library = profiles.library[kinds] * plan.depth * np.exp(rng.normal(0, 0.45, n))
    low = rng.random(n) < plan.low_quality
    library[low] *= rng.uniform(0.08, 0.3, int(low.sum()))
    rate = _rates(simulation, name, row, kinds, low, rng)
    clean = rate.mean(axis=0)
    share = float(np.clip(rng.normal(plan.ambient, plan.ambient / 3), 0, 0.5)) if plan.ambient else 0.0
    rate *= 1 - share
    rate += share * (clean / clean.sum())
    rate *= library[:, None]
    counts = draw_counts(rate, profiles.dispersion, rng)
    twin = np.full(n, -1)
    made = np.flatnonzero(rng.random(n) < plan.doublets)
    if len(made):
        twin[made] = rng.permutation(n)[: len(made)]
        counts[made] += counts[twin[made]]
    alphabet = np.array(list("ACGT"))
    barcodes = ["".join(alphabet[rng.integers(0, 4, 16)]) + "-1" for _ in range(n)]
    cells = pd.DataFrame(
        {
            "sample": name,
            "barcode": barcodes,
            "cell_type": np.array(profiles.types, dtype=object)[kinds],
            "doublet": twin >= 0,
            "low_quality": low,
            "contamination": share,
        }
    )
    return Sample(name, sparse.csr_array(counts), cells)


def _cell_types(plan: Plan, profiles: Profiles, arm: str, rng: np.random.Generator) -> np.ndarray:
    changes = _changed_types(plan).get(arm, {})
    shares = np.array([share * np.exp(changes.get(t, 0.0)) for t, (_, share, _) in TYPES.items()])
    shares = rng.dirichlet(30 * shares / shares.sum())
    malignant = float(np.clip(rng.normal(plan.malignant_share, 0.08), 0.1, 0.8))
    n = max(30, int(rng.normal(plan.cells, plan.cells * 0.15)))
    return rng.choice(len(profiles.types), n, p=[*(shares * (1 - malignant)), malignant])


def _rates(
    simulation: Simulation, name: str, row: pd.Series, kinds: np.ndarray, low: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Expected share of each gene in each cell's counts. Shape (cells, genes), rows sum to 1."""
    plan, profiles = simulation.plan, simulation.profiles
    genes = pd.Index(profiles.genes.index)
    n_patient = int(str(row["patient"])[1:])
    patient_rng = np.random.default_rng([plan.seed, 5, n_patient])
    batch_rng = np.random.default_rng([plan.seed, 6, int(str(row["batch"])[1:])])
    log_means = np.log(profiles.means) + batch_rng.normal(0, plan.batch_sd, len(genes))
    log_means = log_means + patient_rng.normal(0, 0.2, log_means.shape)
    private = np.where(patient_rng.random(len(genes)) < 0.1, patient_rng.normal(0, 0.5, len(genes)), 0.0)
    log_means[-1] += np.log(simulation.copy_number[str(row["patient"])]) + private
    for change in simulation.truth["signals"].get(row["arm"], []):
        log_means[profiles.types.index(change["cell_type"]), genes.get_loc(change["gene"])] += change["log_fold_change"]
    log_rate = log_means[kinds].astype(np.float32)
    tumour = np.flatnonzero(kinds == len(profiles.types) - 1)
    for programme, loadings in simulation.programmes.items():
        level = simulation.activity.loc[name, programme] + rng.normal(0, 1, len(tumour))
        at = genes.get_indexer(loadings.index)
        log_rate[np.ix_(tumour, at)] += np.outer(level, loadings.to_numpy()).astype(np.float32)
    rate = np.exp(log_rate)
    mito = np.flatnonzero(genes.str.startswith("MT-"))
    rate[:, mito] *= np.exp(rng.normal(0, 0.35, (len(kinds), 1)))
    rate[np.ix_(np.flatnonzero(kinds == len(profiles.types) - 1), mito)] *= 1.6
    rate[np.ix_(np.flatnonzero(low), mito)] *= 8
    rate /= rate.sum(axis=1, keepdims=True)
    return rate
