"""Nulls in which nothing but the depth differs between arms: cells with fewer counts, or fewer cells.

Called by `benchmarks/calibration.py`; beside each of ours the same test on values whose mean depends on the depth.
"""

from itertools import product

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from nulls import rates, two_arms
from scresist import communication, contrasts
from scresist.kernels.normalise import log1p_per_10k, log1p_per_10k_of_sums
from scresist.microenvironment import by_sample, score

N_GENES = 1500
LAYOUTS = ((6, 6), (8, 4))


def genes_of_few_counts(rng: np.random.Generator, cohorts: int, genes: int) -> pd.DataFrame:
    """`expression` where the samples of one arm have a fiftieth or a twentieth of the counts of the other."""
    rows = []
    for (n_test, n_reference), (deep, shallow) in product(((8, 4), (4, 8), (6, 6), (3, 3)), ((50, 1), (20, 1), (1, 1))):
        design = two_arms(n_test, n_reference)
        test = (design.samples["arm"] == "test").to_numpy()
        p, covered, called = [], [], []
        for _ in range(cohorts):
            spread = 0.3 * np.sqrt(10 / rng.chisquare(10, genes)) * rng.normal(size=(test.size, genes))
            size = np.where(test, deep, shallow)[:, None] * rng.uniform(0.5, 2, (test.size, 1))
            counts = rng.poisson(rng.lognormal(0.5, 1.5, genes) * np.exp(spread) * size)
            frame = pd.DataFrame(counts, index=design.samples.index).add_prefix("g")
            table = contrasts.expression(frame, design, influence=False).table
            p.append(table["p_value"].to_numpy())
            covered.append(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).to_numpy(float))
            called.append(bool((table["q_value"] < 0.05).any()))
        rows.append({"test v reference": f"{n_test} v {n_reference}", "counts": f"{deep} v {shallow}",
                     **rates(np.concatenate(p), np.concatenate(covered), called)})  # fmt: skip
    return pd.DataFrame(rows)


def module_scores(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """Scores of 15 modules of 40 genes, from sums over 12 to 500 cells of 2,000 counts."""
    rows = []
    for (n_test, n_reference), (more, fewer) in product(LAYOUTS, ((500, 12), (500, 30), (60, 12), (100, 100))):
        design = two_arms(n_test, n_reference)
        test = (design.samples["arm"] == "test").to_numpy()
        for name, scale in (("ours", log1p_per_10k_of_sums), ("log1p of the sums", log1p_per_10k)):
            p, called = [], []
            for _ in range(studies):
                base = rng.lognormal(-1.2, 1.6, 4000)
                base *= 1e4 / base.sum()
                moderate = np.flatnonzero((base > 0.3) & (base < 5))
                members = [rng.choice(moderate, 40, replace=False) for _ in range(15)]
                logs = 0.3 * rng.normal(size=(test.size, 4000))
                for own in members:
                    logs[:, own] += 0.15 * rng.normal(size=(test.size, 1))
                rate = base * np.exp(logs)
                cells = np.where(test, more, fewer) * rng.uniform(0.7, 1.4, test.size)
                values = scale(rng.poisson(rate / rate.sum(axis=1, keepdims=True) * 2000 * cells[:, None]))
                scores = pd.DataFrame({f"M{m}": values[:, own].mean(axis=1) for m, own in enumerate(members)},
                                      index=design.samples.index)  # fmt: skip
                table = contrasts.modules(scores, design, n_permutations=1).table
                p.append(table["p_value"].to_numpy())
                called.append(bool((table["q_value"] < 0.05).any()))
            rows.append({"test v reference": f"{n_test} v {n_reference}", "cells per sample": f"{more} v {fewer}",
                         "scores": name, **rates(np.concatenate(p), np.array([np.nan]), called)})  # fmt: skip
    return pd.DataFrame(rows).drop(columns="coverage")


def cells_of_unequal_depth(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """Signatures and links, six against six patients of 40 cells of three types, whose cells have fewer counts."""
    names = _genes()
    rows = []
    for depths in ((2000, 2000), (2000, 3000), (1500, 4500)):
        found: dict[str, list[tuple[np.ndarray, bool]]] = {}
        design = two_arms(6, 6)
        for _ in range(studies):
            cells = _cells(rng, names, np.where(design.samples["arm"] == "test", *depths), design.samples.index)
            sets = {f"set {k}": list(rng.choice(names[700:], 12, replace=False)) for k in range(20)}
            score(cells, sets=sets)
            tidy = by_sample(cells, groupby="cell_type").table
            ours = tidy[tidy["cell_type"] == "A"].pivot_table(index="sample", columns="signature", values="value")
            type_a = (cells.obs["cell_type"] == "A").to_numpy()
            plain = cells.obsm["signatures"][type_a].groupby(cells.obs["sample"].to_numpy()[type_a]).mean()
            for name, values in (("signatures", ours), ("signatures, mean of the cells", plain)):
                table = contrasts.contrast_arms(values.rename_axis(columns="signature"), design, n_permutations=1).table
                found.setdefault(name, []).append(_of(table))
            com = communication.infer(cells, groupby="cell_type", permutations=0)
            compared = communication.contrast_communication(com, design)
            doubted = communication.with_depth_doubts(compared, communication.depths(cells, com), design).table
            found.setdefault("links, depth not looked at", []).append(_of(doubted))
            links = doubted.copy()
            links.loc[links["doubts"] != "", ["p_value", "q_value"]] = 1.0  # no finding
            found.setdefault("links", []).append(_of(links))
        rows += [
            {"counts per cell": f"{depths[0]} v {depths[1]}", "values": name,
             **rates(np.concatenate([p for p, _ in own]), np.array([np.nan]), [called for _, called in own])}
            for name, own in found.items()
        ]  # fmt: skip
    return pd.DataFrame(rows).drop(columns="coverage")


def _of(table: pd.DataFrame) -> tuple[np.ndarray, bool]:
    return table["p_value"].to_numpy(copy=True), bool((table["q_value"] < 0.05).any())


def _genes() -> list[str]:
    """700 ligands and receptors of one gene each, and other genes."""
    table = communication.read_resource("cellchatdb", "human").interactions
    simple = table[~table["ligand"].str.contains("_") & ~table["receptor"].str.contains("_")]
    both = pd.unique(
        simple.drop_duplicates(["ligand", "receptor"]).iloc[::4][["ligand", "receptor"]].to_numpy().ravel()
    )
    own = [gene for gene in both if gene.upper() == gene][:700]
    return [*own, *(f"G{k}" for k in range(N_GENES - len(own)))]


def _cells(rng: np.random.Generator, names: list[str], depth: np.ndarray, samples: pd.Index) -> ad.AnnData:
    """Cells of three types whose genes vary between patients and cells, but not between arms."""
    base = rng.lognormal(0.3, 1.5, (3, N_GENES))
    counts, obs = [], []
    for name, own in zip(samples, depth, strict=True):
        for kind in range(3):
            rate = base[kind] * np.exp(0.3 * rng.normal(size=N_GENES))
            size = own * rng.lognormal(0, 0.2) * rng.lognormal(0, 0.4, (40, 1))
            counts.append(rng.poisson(rate / rate.sum() * np.exp(0.5 * rng.normal(size=(40, N_GENES))) * size))
            obs += [(name, "ABC"[kind])] * 40
    cells = ad.AnnData(
        None, pd.DataFrame(obs, columns=["sample", "cell_type"], index=[f"c{i}" for i in range(len(obs))]),
        pd.DataFrame(index=names), layers={"counts": sparse.csr_matrix(np.vstack(counts))},
    )  # fmt: skip
    cells.uns["samples"] = np.array(samples, dtype=object)
    return cells
