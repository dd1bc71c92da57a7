"""What is planted: programmes of malignant cells and their activity, changed genes, types, and copy number."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.simulate.plan import Plan
from scresist.simulate.profiles import MALIGNANT, TYPES, Profiles

HUBS = {"primary": "MUC3A", "acquired": "CST3"}
AMPLIFIED = "ERBB2"


def draw_programmes(plan: Plan, profiles: Profiles, taken: set[str], rng: np.random.Generator) -> dict[str, pd.Series]:
    """Genes and loadings of every programme of malignant cells; programmes share no gene, and none of those taken.

    Raises
    ------
    InputError
        If the malignant cells have too few genes of moderate mean for programmes of that size.
    """
    names = profiles.genes.index
    mean = profiles.means[-1]
    free = set(names[(mean > 0.3) & (mean < 20)]) - set(names[names.str.startswith("MT-")])
    free -= {*HUBS.values(), AMPLIFIED, *signal_genes(), *taken}
    kinds = {arm: HUBS[arm] for arm in HUBS if arm in plan.patients}
    wanted = [*kinds, "background 1", "background 2", "background 3"]
    if plan.decoys:
        wanted += ["decoy one patient", "decoy batch"]
    if len(free) < plan.module_size * len(wanted):
        raise InputError(
            f"module_size must be at most {len(free) // len(wanted)}: malignant cells have {len(free)} "
            f"genes of moderate mean for {len(wanted)} programmes that share none; got {plan.module_size}"
        )
    programmes = {}
    for name in wanted:
        genes = [str(g) for g in rng.choice(sorted(free), plan.module_size - (name in kinds), replace=False)]
        free -= set(genes)
        loadings = rng.uniform(0.35, 0.75, len(genes))
        series = pd.Series(loadings, index=genes)
        programmes[name] = pd.concat([pd.Series({kinds[name]: 1.0}), series]) if name in kinds else series
    return programmes


def draw_activity(
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


def signal_genes() -> dict[str, tuple[str, ...]]:
    """Single genes that change in acquired resistance, and the types that change them."""
    return {
        "PDCD1": ("T CD8 exhausted", "T CD8 cytotoxic"),
        "TGFB1": ("macrophage SPP1", "fibroblast myofibroblastic (myCAF)"),
        "HLA-A": (MALIGNANT,),
        "HLA-B": (MALIGNANT,),
        "B2M": (MALIGNANT,),
        "TAP1": (MALIGNANT,),
    }


def changed_types(plan: Plan) -> dict[str, dict[str, float]]:
    """Log fold change of the share of a type among the cells that are not malignant, per arm."""
    size = plan.composition_effect
    return {"acquired": {"T regulatory": size, "fibroblast myofibroblastic (myCAF)": size, "T CD8 cytotoxic": -size}}


def changed_genes(plan: Plan, profiles: Profiles) -> dict[str, list[dict[str, Any]]]:
    """Single genes that change, per arm: gene, cell_type, log_fold_change."""
    down = ("HLA-A", "HLA-B", "B2M", "TAP1")
    rows = [
        {"gene": gene, "cell_type": t, "log_fold_change": -plan.signal_effect if gene in down else plan.signal_effect}
        for gene, types in signal_genes().items() if gene in profiles.genes.index for t in types
    ]  # fmt: skip
    return {"acquired": rows}


def draw_copy_number(genes: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """Factor of each gene's expression: five to nine chromosome arms gained or lost, and the ERBB2 amplicon."""
    arm = genes["chromosome"] + genes["cytoband"].str.extract(r"^[0-9X]+([pq])", expand=False).fillna("")
    arms = sorted(a for a in set(arm) if a[-1:] in {"p", "q"})
    chosen = rng.choice(arms, min(int(rng.integers(5, 10)), len(arms)), replace=False)
    factor = np.ones(len(genes))
    for name in chosen:
        factor[(arm == name).to_numpy()] = 1.6 if rng.random() < 0.55 else 0.5
    factor[genes["cytoband"].str.startswith("17q12").to_numpy()] = 4.0
    return factor


def draw_subclone(genes: pd.DataFrame, rng: np.random.Generator) -> tuple[float, np.ndarray]:
    """Share of the malignant cells that form a subclone, and the factor of each gene there: one more arm changed."""
    arm = genes["chromosome"] + genes["cytoband"].str.extract(r"^[0-9X]+([pq])", expand=False).fillna("")
    name = rng.choice(sorted(a for a in set(arm) if a[-1:] in {"p", "q"}))
    factor = np.where(arm == name, 1.6 if rng.random() < 0.5 else 0.5, 1.0)
    return float(rng.uniform(0.2, 0.5)), factor


def copies_by_arm(genes: pd.DataFrame, factor: np.ndarray) -> tuple[list[str], np.ndarray]:
    """The chromosome arms and the median factor of their genes."""
    arm = genes["chromosome"] + genes["cytoband"].str.extract(r"^[0-9X]+([pq])", expand=False).fillna("")
    names = sorted(a for a in set(arm) if a[-1:] in {"p", "q"})
    return names, np.array([np.median(factor[(arm == a).to_numpy()]) for a in names])


def draw_shares(plan: Plan, changes: Mapping[str, float], rng: np.random.Generator) -> np.ndarray:
    """Expected share of each type in one sample, the malignant cells last."""
    shares = np.array([share * np.exp(changes.get(t, 0.0)) for t, (_, share, _) in TYPES.items()])
    shares = rng.dirichlet(30 * shares / shares.sum())
    malignant = float(np.clip(rng.normal(plan.malignant_share, 0.08), 0.1, 0.8))
    return np.append(shares * (1 - malignant), malignant)


def expected_log_odds(plan: Plan, arm: str) -> dict[str, float]:
    """Difference of the mean log odds of every type between an arm and the others, from 4,000 samples of each."""
    mean = []
    for changes in (changed_types(plan).get(arm, {}), {}):
        rng = np.random.default_rng(0)
        drawn = np.maximum(np.array([draw_shares(plan, changes, rng) for _ in range(4000)]), 1e-6)
        mean.append(np.log(drawn / (1 - drawn)).mean(axis=0))
    return dict(zip((*TYPES, MALIGNANT), (mean[0] - mean[1]).tolist(), strict=True))
