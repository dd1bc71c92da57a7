"""Decoys: what looks like a factor of resistance and is none."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist import resources
from scresist.simulate.plan import Plan
from scresist.simulate.planted import AMPLIFIED, HUBS, signal_genes
from scresist.simulate.profiles import TYPES, Profiles, marker_genes

# Red cells and glands that burst before the cells were caught: no cell that is sequenced makes these.
SOUP = ("HBA1", "HBA2", "HBB", "PGA3", "PGA4", "PGC", "LIPF", "GKN1", "GKN2", "PRSS1", "CPB1", "CTRB1")
SOUP_SHARE = 0.03  # of the ambient counts, all genes of the soup together
MACROPHAGE = "macrophage SPP1"
N_MACROPHAGE, N_SHALLOW = 8, 60
ONE_PATIENT, OF_BATCH = 3.0, 1.5  # shifts of activity, in SD between cells
CYCLE_LIFT = 1.3  # log fold change of the genes of the cycle in a cycling cell
ARMS = {"soup": "acquired", "macrophage": "primary", "depth": "primary"}


@dataclass(frozen=True, slots=True)
class Decoys:
    """Genes of each decoy by name, and the share of cycling malignant cells of each sample."""

    genes: Mapping[str, tuple[str, ...]]
    cycling: Mapping[str, float]


def choose_decoys(
    plan: Plan, profiles: Profiles, sheet: pd.DataFrame, rng: np.random.Generator
) -> tuple[Profiles, Decoys]:
    """Choose the genes, and turn them off in the types that do not make them; without decoys nothing is changed."""
    if not plan.decoys:
        return profiles, Decoys({}, cycling_shares(plan, sheet, rng))
    names = pd.Index(profiles.genes.index)
    kept = {*marker_genes()["gene"], *SOUP, *HUBS.values(), AMPLIFIED, *signal_genes()}
    soup = [g for g in SOUP if g in names and g not in _made(profiles.types)]
    cycle = sorted({g for genes in resources.gene_lists().values() for g in genes} & _cycle() & set(names) - kept)
    mean = profiles.means[-1]
    plain = sorted(set(names[mean > 0.3]) - kept - set(cycle) - set(soup) - set(names[names.str.startswith("MT-")]))
    own = [str(g) for g in rng.choice(plain, N_MACROPHAGE, replace=False)]
    means = profiles.means.copy()
    means[:, names.get_indexer([*soup, *own])] = 1e-4
    means[profiles.types.index(MACROPHAGE), names.get_indexer(own)] = np.exp(rng.normal(2.0, 0.4, len(own)))
    low = sorted(set(names[(mean > 0.05) & (mean < 0.3)]) - kept - set(cycle) - set(own) - set(soup))
    shallow = [str(g) for g in rng.choice(low, min(N_SHALLOW, len(low)), replace=False)]
    genes = {
        "decoy macrophage": tuple(own), "decoy ambient": tuple(soup), "decoy cell cycle": tuple(cycle),
        "decoy depth": tuple(shallow),
    }  # fmt: skip
    changed = Profiles(profiles.genes, profiles.types, means, profiles.dispersion, profiles.library, profiles.shared)
    return changed, Decoys(genes, cycling_shares(plan, sheet, rng))


def _made(types: tuple[str, ...]) -> set[str]:
    """Markers of the simulated types."""
    table = marker_genes()
    lineages = {lineage for lineage, _, _ in TYPES.values()}
    own = table["lineage"].isin(lineages) & table["cell_type"].isin(["", *types]) & (table["sign"] == 1)
    return set(table.loc[own, "gene"])


def _cycle() -> set[str]:
    lists = resources.gene_lists()
    return {*lists["S phase"], *lists["G2/M phase"]}


def cycling_shares(plan: Plan, sheet: pd.DataFrame, rng: np.random.Generator) -> dict[str, float]:
    """Share of cycling malignant cells of each sample; 0 without decoys."""
    if not plan.decoys:
        return dict.fromkeys(sheet["sample"].astype(str), 0.0)
    patients = sorted(set(sheet["patient"]))
    of_patient = dict(zip(patients, rng.normal(0, plan.cycle_sd, len(patients)), strict=True))
    odds = [-1.5 + of_patient[p] + 0.8 * (b == "B1") for p, b in zip(sheet["patient"], sheet["batch"], strict=True)]
    return dict(zip(sheet["sample"].astype(str), (1 / (1 + np.exp(-np.array(odds)))).tolist(), strict=True))


def soup_profile(plan: Plan, decoys: Decoys, genes: pd.Index, arm: str, clean: np.ndarray) -> np.ndarray:
    """Shares of the genes in the ambient counts of one sample: of what its cells make, and of the soup's own genes."""
    profile = clean / clean.sum()
    own = genes.get_indexer(list(decoys.genes.get("decoy ambient", ())))
    if not own.size:
        return np.asarray(profile)
    share = SOUP_SHARE * (np.exp(plan.soup_effect) if arm == ARMS["soup"] else 1.0)
    profile = profile * (1 - share)
    profile[own] += share / len(own)
    return np.asarray(profile)
