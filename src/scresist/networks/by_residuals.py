"""A network by residuals within samples: the cells' own space, settings that reproduce, modules that are proved."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.counts import raw_counts, total_counts
from scresist.cells.network_cells import neighbour_space
from scresist.checks import RefusedError
from scresist.kernels.normalise import log1p_per_10k
from scresist.networks.cell_values import (
    CellValues,
    cell_values,
    depth_of,
    evenly_chosen,
    pooled_values,
    residual_variance,
    samples_of,
)
from scresist.networks.covariates import CARRIED
from scresist.networks.detect import cut_modules
from scresist.networks.held_out import (
    DEEP_SPLITS,
    LEVEL,
    MINIMUM_PATIENTS,
    POWERS,
    Units,
    chosen_settings,
    numbered,
    parts_of_cells,
    proof,
)
from scresist.networks.latent import Counted
from scresist.networks.matrix import (
    N_NEIGHBOURS,
    Found,
    Made,
    Matrix,
    centred_within,
    check_kept,
    group_codes,
    metacell_values,
    with_scale,
)
from scresist.networks.naming import content_id
from scresist.networks.pooling import Metacells, pool_cells
from scresist.networks.power import power_table
from scresist.networks.recipe import Recipe, correlations, dissimilarity
from scresist.networks.request import DEEP_SPLIT, Request
from scresist.networks.selection import REASON_CONSTANT, select_genes
from scresist.networks.starts import varying

PART = "part"  # column of the metacells: the part of a sample's cells, where there are too few patients
UNCERTAIN_POWER = 6.0  # where no power makes modules that two halves share


def from_residuals(adata: Any, request: Request) -> Made:
    """Metacells, expression and modules by residuals within samples; see `build`.

    Raises
    ------
    RefusedError
        If cells, metacells or genes are too few.
    """
    rules, measure = request.rules, request.measure
    within = rules.column_within(adata.obs, measure.within)
    chosen, note = _bounded(adata, request.inside, within, rules.max_cells)
    cells = adata[chosen]
    # By name, so that the order of the rows does not change a sum.
    order = np.argsort(cells.obs_names.astype(str), kind="stable")
    counts, obs = raw_counts(cells)[order], cells.obs.iloc[order].copy()
    columns = request.pooled_within(obs)
    codes, depth = samples_of(obs, within), depth_of(counts)
    own_patients = "patient" in obs and obs["patient"].dropna().nunique() >= MINIMUM_PATIENTS
    pooled_in = columns
    if not own_patients:
        obs[PART] = parts_of_cells(codes, depth, obs.index.astype(str).to_numpy()).astype(str)
        pooled_in = [*columns, PART]
    variability = _variability(counts, depth, codes)
    detected_in = group_codes(obs, columns, per_group=rules.detection_by_group)
    report = select_genes(
        counts,
        cells.var_names,
        detected_in,
        request.genes,
        variability=variability,
        minimum_cells=rules.minimum_cells,
    )
    kept = report["kept"].to_numpy()[: cells.n_vars].copy()
    check_kept(kept)
    points, space = None, "own"
    if measure.reduction not in (None, "own"):
        points, space = neighbour_space(cells, counts, measure.reduction)
        points = points[order]
    values = cell_values(counts[:, kept], depth, codes, variability[kept], measure.n_components, points)
    metacells = pool_cells(obs, counts, values.points, pooled_in, request.pooling, request.source)
    if len(metacells.members) < rules.minimum_metacells:
        raise RefusedError(
            f"{len(metacells.members)} metacells are too few for correlations (at least {rules.minimum_metacells} are "
            "needed); lower k or min_cells of the pooling, or choose a wider compartment"
        )
    groups = metacell_values(metacells, obs, within)
    groups = np.zeros(len(metacells.members), dtype=str) if groups is None else groups
    M = centred_within(pooled_values(values.Z, metacells.members), groups)
    moving = varying(M.var(axis=0))
    if not moving.all():  # a rare gene that is kept by request may be in no cell of a metacell
        still = np.flatnonzero(kept)[~moving]
        report.loc[still, ["kept", "reason"]] = (False, REASON_CONSTANT)
        kept[still] = False
        M, values = M[:, moving], replace(values, Z=values.Z[:, moving])
    names = cells.var_names[kept].astype(str)
    expression = centred_within(log1p_per_10k(metacells.counts[:, kept], metacells.counts.sum(axis=1)), groups)
    report = with_scale(report, np.flatnonzero(kept), expression)
    units = _units(M, values, metacells, obs, by="patient" if own_patients else PART)
    if request.recipe.correlation == "latent":
        units = replace(units, counts=Counted(counts[:, kept], depth, codes))
    found = _modules(units, names, request, log_mean=np.log1p(depth.mean() * _share(counts, depth, kept)))
    if not own_patients:
        note = (
            *note,
            f"with fewer than {MINIMUM_PATIENTS} patients modules are proved in other cells of the same ones",
        )
    found = replace(found, notes=(*note, *_space_note(values, space), *found.notes))
    metacells = replace(metacells, members=tuple(order[pool] for pool in metacells.members))
    return Made(metacells, Matrix(M, names, report, within, cells, list(pooled_in), space), found)


def _bounded(
    adata: Any, inside: np.ndarray, within: str | None, limit: int | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Positions of at most `limit` cells of the compartment, evenly many of each sample, and a note if not all."""
    cells = np.flatnonzero(inside)
    if limit is None or len(cells) <= limit:
        return cells, ()
    obs = adata.obs.iloc[cells]
    chosen = cells[evenly_chosen(obs, samples_of(obs, within), total_counts(adata)[cells], limit)]
    note = f"the network is built from {len(chosen):,} of {len(cells):,} cells, evenly many of each sample"
    return chosen, (note,)


def _variability(counts: Any, depth: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Residual variance of the genes that have counts; 0 for the others."""
    here = np.flatnonzero(np.asarray(counts.sum(axis=0)).ravel())
    out = np.zeros(counts.shape[1])
    out[here] = residual_variance(counts[:, here], depth, codes)
    return out


def _share(counts: Any, depth: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.asarray(counts[:, kept].sum(axis=0)).ravel() / depth.sum()


def _units(M: np.ndarray, values: CellValues, metacells: Metacells, obs: pd.DataFrame, *, by: str) -> Units:
    """The rows with the code of the patient, or the part, that they belong to."""
    cell, names = pd.factorize(obs[by].astype(str), sort=True)
    own = pd.Index(names).get_indexer(pd.Index(metacell_values(metacells, obs, by)))
    return Units(M, values.Z, own.astype(np.int64), cell.astype(np.int64), () if by == PART else tuple(names))


def _space_note(values: CellValues, space: str) -> tuple[str, ...]:
    if space != "own":
        return (f"cells are compared in {space}",)
    above = int((values.eigenvalues > values.edge).sum())
    return (
        f"cells are compared in {values.n_components} components of their residuals within samples; {above} exceed "
        "what independent genes give once in a thousand",
    )


def _modules(units: Units, names: pd.Index, request: Request, log_mean: np.ndarray) -> Found:
    """The settings that reproduce, the modules, and which of them are proved."""
    notes: list[str] = []
    recipe = request.recipe
    powers = POWERS[recipe.network] if request.power is None else (request.power,)
    splits = DEEP_SPLITS if request.deep_split is None else (request.deep_split,)
    starts = _starts(request)
    choices, (for_settings, for_proof) = None, np.random.default_rng(request.rng).spawn(2)
    if recipe.min_module_size > units.M.shape[1] // 2:
        notes.append(f"min_module_size was lowered from {recipe.min_module_size} to half of {units.M.shape[1]} genes")
    recipe = replace(recipe, start=starts[0], power=float(request.power or UNCERTAIN_POWER),
                     deep_split=DEEP_SPLIT if request.deep_split is None else request.deep_split)  # fmt: skip
    if starts == ("components",):
        notes.append("modules start from components, as was asked")
    elif len(powers) * len(splits) * len(starts) > 1:
        choices = chosen_settings(units, recipe, powers, splits, for_settings, starts, request.sizes)
        recipe, note = _best(choices, recipe)
        notes.append(note)
    else:
        notes.append(f"power {recipe.power:g} and deep_split {recipe.deep_split} were given")
    R = correlations(units.M, recipe) if units.counts is None else units.counts.correlations(np.arange(len(names)))
    table = power_table(R, recipe.network, tuple(request.search.powers))
    D = dissimilarity(R, recipe)
    del R
    detected = cut_modules(units.M, D, recipe, n_neighbours=N_NEIGHBOURS, cells=units.Z)
    labels = detected.labels
    del D
    proved, stability = proof(units, recipe, labels, log_mean, for_proof)
    keep = ((proved["q_value"] < LEVEL) & (proved["carried_share"] <= CARRIED)).to_numpy(dtype=bool)
    candidates = _candidates(names, labels, proved, keep, units.names)
    notes += _proof_notes(candidates)
    final = numbered(labels, keep)
    stability[(final == 0) & (labels > 0)] = np.nan  # of a module that was not proved
    return Found(recipe, table, replace(detected, labels=final), tuple(notes), choices, candidates, stability)


def _starts(request: Request) -> tuple[str, ...]:
    """Where modules may start: a power or a depth of the cut is that of a tree."""
    if request.search.start is not None:
        return (request.search.start,)
    return ("tree",) if (request.power, request.deep_split) != (None, None) else ("components", "tree")


def _best(choices: pd.DataFrame, recipe: Recipe) -> tuple[Recipe, str]:
    """The recipe with the settings of rank 1, and a sentence on them and the runner-up.

    Where modules start from components, the tree that is drawn has the power of the best tree.
    """
    ranked = choices.sort_values("rank", kind="stable")
    first = ranked.iloc[0]
    trees = ranked[ranked["start"] == "tree"]
    if len(trees):
        recipe = replace(recipe, power=float(trees["power"].iloc[0]), deep_split=int(trees["deep_split"].iloc[0]))
    recipe = replace(recipe, start=str(first["start"]), min_module_size=int(first["min_module_size"]))
    if not first["information"] > first["information_chance"]:
        recipe = replace(recipe, power=UNCERTAIN_POWER, deep_split=DEEP_SPLIT,
                         min_module_size=int(choices["min_module_size"].min()))  # fmt: skip
        return recipe, (
            f"from no start do modules of two halves agree beyond chance; {recipe.start} with power {recipe.power:g}, "
            f"deep_split {recipe.deep_split} and at least {recipe.min_module_size} genes are used"
        )
    next_best = f"; next are {_named(ranked.iloc[1])}" if len(ranked) > 1 else ""
    return recipe, f"modules of two halves agree more from {_named(first)} than from the other starts{next_best}"


def _named(row: pd.Series) -> str:
    last = f"modules of at least {row['min_module_size']} genes (adjusted mutual information {row['agreement']:.2f})"
    if row["start"] == "components":
        return f"components and {last}"
    return f"a tree of power {row['power']:g}, deep_split {row['deep_split']} and {last}"


def _candidates(
    names: pd.Index, labels: np.ndarray, proved: pd.DataFrame, keep: np.ndarray, patients: tuple[str, ...]
) -> pd.DataFrame:
    """The table of all modules that were found; `patients` are the names of the units, where they are patients."""
    by = [patients[unit] if patients and share > CARRIED else "" for unit, share in
          zip(proved["carried"], proved["carried_share"], strict=True)]  # fmt: skip
    members = [names[labels == m + 1] for m in range(len(proved))]
    return pd.DataFrame({
        "id": pd.Series([content_id([str(gene) for gene in own]) for own in members], dtype=object),
        "n_genes": [len(own) for own in members], "genes": [" ".join(own[:10]) for own in members],
        "carried_by": by,
    }).assign(**{name: proved[name].to_numpy() for name in proved if name != "carried"}, kept=keep)  # fmt: skip


def _proof_notes(candidates: pd.DataFrame) -> list[str]:
    lost = candidates[~candidates["kept"]]
    if candidates.empty:
        return ["no group of genes varies together over cells"]
    if lost.empty:
        return []
    nearest = lost.sort_values("p_value", kind="stable").iloc[0]
    count = "no module is" if not candidates["kept"].any() else f"{len(lost)} of {len(candidates)} modules are not"
    who = f"patient {nearest['carried_by']}" if nearest["carried_by"] else "one part of the cells"
    by = f", and {who} has most of its variance" if nearest["carried_share"] > CARRIED else ""
    return [
        f"{count} proved in patients or cells that did not form them; the nearest has {nearest['n_genes']} genes "
        f"({nearest['genes']}), q = {nearest['q_value']:.2g}{by}"
    ]
