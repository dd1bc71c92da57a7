"""Build a network from cells: metacells, genes, power, modules, and what a reader must know about each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.counts import raw_counts
from scresist.cells.focus import resolve_focus
from scresist.cells.network_cells import check_genes, group_names, neighbour_space
from scresist.checks import InputError, RefusedError, require_choice, require_columns, require_positive
from scresist.kernels.modules import eigengenes, signed_kme
from scresist.kernels.normalise import log1p_per_10k
from scresist.kernels.r_random import RStream
from scresist.kernels.similarity import NETWORKS
from scresist.networks.covariates import with_covariates, with_flags
from scresist.networks.detect import Detected, Recipe, correlations, cut_modules, dissimilarity
from scresist.networks.naming import GREY, UNASSIGNED, colours_of, module_catalogue
from scresist.networks.network import Network
from scresist.networks.pooling import Metacells, Pooling, pool_cells
from scresist.networks.power import POWERS, check_given, choose_power, power_table
from scresist.networks.scores import module_scores
from scresist.networks.selection import select_genes

MIN_METACELLS = 15
MIN_GENES = 20
SMALLEST_MODULE = 20  # genes; below, eigengenes of chance modules are as tight as those of real ones
N_NEIGHBOURS = 50
MIN_DETECTED = 5  # cells: a share of a small group would be no cell at all


def build(
    adata: Any,
    *,
    groupby: Sequence[str] = ("patient", "cell_type"),
    compartment: str | None = None,
    mode: str = "sound",
    network: str = "signed",
    tom: str = "signed",
    correlation: str = "pearson",
    power: float | None = None,
    deep_split: int = 4,
    min_module_size: int = 50,
    merge_height: float = 0.2,
    rng: int | np.random.Generator = 1,
    pooling: Pooling | None = None,
    reduction: str | None = None,
    genes: Sequence[str] | None = None,
    select: str = "fraction",
    fraction: float = 0.05,
    n_genes: int = 5000,
    keep_genes: Sequence[str] = (),
    within: str | None = "auto",
    powers: Sequence[float] = POWERS,
    threshold_correlation: str | None = None,
    pam: bool = False,
    draws: Mapping[str, np.ndarray] | None = None,
    min_patients: int | None = None,
) -> Network:
    """Modules of genes that move together in the cells of a compartment.

    Cells are pooled into metacells within a group only; genes are correlated over metacells; correlation becomes
    adjacency, topological overlap, a tree, modules.

    Parameters
    ----------
    adata
        Cells x genes with raw counts (`layers["counts"]`, else a whole-numbered X). It is not changed.
    groupby
        Columns of obs: no metacell mixes cells of two of their combinations. In sound mode cells of two samples are
        not mixed either, where obs has a column `sample`.
    compartment
        Which cells: "malignant" (by obs["malignancy"]), a cell type or a lineage; None or "all" takes every cell.
    mode
        "sound": small groups give smaller metacells, no group gives more than 150, one correlation serves threshold
        and network, the power must come with a falling line and a network that is still there, single precision.
        "parity": what hdWGCNA 0.4 does, with its random stream, its bicor for the threshold, double precision, and
        groups below 100 cells dropped.
    network, tom, correlation
        "signed", "unsigned" or "signed hybrid"; "signed", "unsigned" or "signed Nowick"; "pearson" or "bicor".
    power
        Soft-threshold power, 1 to 30; None chooses it from the fit table. Where no power fits, the one recommended by
        WGCNA's authors for the number of metacells is used, with a warning and a note.
    deep_split, min_module_size, merge_height, pam
        Of the tree cut and the merging. `min_module_size` is lowered to half the genes where it exceeds that; and in
        sound mode, where no module is that large, it is halved down to no less than 20; notes and settings say so.
    rng
        Seed or generator of the metacells. In parity a seed is R's.
    pooling
        Sizes and limits of metacells; None takes those of the mode.
    reduction
        Slot of obsm in which neighbours are sought; None takes X_pca, else computes components.
    genes, select, fraction, n_genes, keep_genes
        Which genes; see `select_genes`.
    within
        Column whose group means are taken out of the metacells first: modules then hold genes that move together
        inside its groups, and what merely differs between tumours (their copy numbers, their handling) makes none;
        whether a module differs between patients is asked afterwards, of its scores. "auto" is `sample`, else
        `patient`, in sound mode and None in parity; None pools everything.
    powers, threshold_correlation
        Powers of the fit table, and the correlation it uses (None: that of the mode).
    draws
        Per group, the positions of a metacell run to replay.
    min_patients
        Fewest patients; None is 2 in sound mode (one patient's modules cannot be told from the patient), else 1.

    Returns
    -------
    A frozen `Network`.

    Raises
    ------
    InputError
        If columns, counts, genes or settings are wrong; the message says which and what to do.
    RefusedError
        If there are too few patients or metacells, or no module of the size asked for.

    References
    ----------
    Morabito et al. (2023) Cell Rep Methods 3:100498; Langfelder & Horvath (2008) BMC Bioinformatics 9:559.
    """
    parity = mode == "parity"
    _check_settings(mode, network, tom, correlation, min_module_size, merge_height, deep_split)
    check_genes(adata.var_names)
    groupby = [groupby] if isinstance(groupby, str) else list(groupby)
    keep_genes = [keep_genes] if isinstance(keep_genes, str) else list(keep_genes)
    require_columns(adata.obs, groupby, "adata.obs")
    pooling = pooling or (Pooling(target=1000, small_groups=False) if parity else Pooling())
    inside = resolve_focus(adata.obs, compartment).mask
    # hdWGCNA makes the metacells of every group from one stream and then keeps those of one group.
    pooled_first = parity and "cell_type" in groupby and _is_cell_type(adata.obs, compartment, inside)
    cells = adata if pooled_first or inside.all() else adata[inside]
    _check_patients(adata.obs[inside], groupby, min_patients if min_patients is not None else (1 if parity else 2))
    counts = raw_counts(cells)
    within_columns = groupby + (["sample"] if not parity and "sample" in cells.obs and "sample" not in groupby else [])
    points, space = neighbour_space(cells, counts, reduction)
    source = draws if draws is not None else (RStream(rng) if parity and isinstance(rng, int) else
                                              np.random.default_rng(rng))  # fmt: skip
    metacells = pool_cells(cells.obs, counts, points, within_columns, pooling, source)
    if pooled_first:
        metacells = _of_cell_type(metacells, str(compartment))
    least = 4 if parity else MIN_METACELLS
    if metacells.counts.shape[0] < least:
        raise RefusedError(
            f"{metacells.counts.shape[0]} metacells are too few for correlations (at least {least}); "
            "lower k or min_cells of the pooling, or take a wider compartment"
        )
    expression = log1p_per_10k(metacells.counts)
    selected = np.flatnonzero(inside) if pooled_first else np.arange(cells.n_obs)
    codes = _group_codes(cells.obs.iloc[selected], within_columns, per_group=not parity)
    gene_report = select_genes(
        counts[selected], cells.var_names, codes, expression,
        select=select, fraction=fraction, n_genes=n_genes, genes=genes, keep_genes=keep_genes,
        least=0 if parity else MIN_DETECTED,
    )  # fmt: skip
    kept = gene_report["kept"].to_numpy()[: adata.n_vars].copy()
    if kept.sum() < MIN_GENES:
        raise InputError(f"{int(kept.sum())} genes are left of {adata.n_vars} (at least {MIN_GENES}); "
                         "lower fraction, or see the reasons in gene_report")  # fmt: skip
    X, names = expression[:, kept], adata.var_names[kept].astype(str)
    if within == "auto":
        within = None if parity else next((c for c in ("sample", "patient") if c in adata.obs), None)
    values = metacell_values(metacells, cells.obs, within)
    if values is not None:
        X = centre_within(X, values)
        moving = ~(X.var(axis=0) <= (1e-10 * np.abs(X).max()) ** 2)
        kept[np.flatnonzero(kept)[~moving]] = False
        gene_report.loc[np.flatnonzero(~kept & gene_report["kept"].to_numpy()[: len(kept)]), ["kept", "reason"]] = (
            False, f"constant within every {within}")  # fmt: skip
        X, names = X[:, moving], names[moving]
    recipe = Recipe(
        network=network, tom=tom, correlation=correlation, deep_split=deep_split, min_module_size=min_module_size,
        merge_height=merge_height, pam=pam, single=not parity,
    )  # fmt: skip
    recipe, table, detected, notes = _modules(
        X, recipe, power, powers, threshold_correlation or ("bicor" if parity else correlation), strict=not parity
    )
    settings = {
        "mode": mode, "groupby": within_columns, "compartment": compartment, "network": network, "tom": tom,
        "correlation": correlation, "power": recipe.power, "deep_split": deep_split, "merge_height": merge_height,
        "min_module_size": recipe.min_module_size, "pam": pam, "within": within, "fraction": fraction, "space": space,
        "select": "given" if genes is not None else select, "rng": rng if isinstance(rng, int) else "generator",
        "k": pooling.k, "max_shared": pooling.max_shared, "target": pooling.target, "min_cells": pooling.min_cells,
    }  # fmt: skip
    metacells = with_covariates(metacells, cells)
    net = assemble(X, names, detected, metacells.table, metacells.report, table, gene_report, settings,
                   (*metacells.notes, *notes))  # fmt: skip
    return with_network_scores(net, adata)


def _check_settings(mode: str, network: str, tom: str, correlation: str, size: int, merge: float, split: int) -> None:
    require_choice(mode, ("sound", "parity"), "mode")
    require_choice(network, NETWORKS, "network")
    require_choice(tom, ("signed", "unsigned", "signed Nowick"), "tom")
    require_choice(correlation, ("pearson", "bicor"), "correlation")
    require_positive(size, "min_module_size")
    require_positive(merge, "merge_height", allow_zero=True)
    if split not in range(5):
        raise InputError(f"deep_split must be a whole number from 0 to 4; got {split!r}")


def _check_patients(obs: pd.DataFrame, groupby: Sequence[str], least: int) -> None:
    if "patient" not in obs or least < 2:
        return
    found = obs["patient"].dropna().nunique()
    if found < least:
        raise RefusedError(
            f"the cells come from {found} patients and {least} are needed: what one patient's genes do together cannot "
            "be told from that patient; set min_patients=1 to go on all the same"
        )


def _is_cell_type(obs: pd.DataFrame, compartment: str | None, inside: np.ndarray) -> bool:
    """Whether the compartment is one group of cell_type."""
    return bool(inside.any()) and np.array_equal(obs["cell_type"].astype(str) == compartment, inside)


def _of_cell_type(metacells: Metacells, cell_type: str) -> Metacells:
    keep = np.flatnonzero(metacells.table["cell_type"].astype(str) == cell_type)
    members = tuple(metacells.members[i] for i in keep)
    table = metacells.table.iloc[keep].reset_index(drop=True)
    return Metacells(metacells.counts[keep], members, table, metacells.report, metacells.notes)


def _group_codes(obs: pd.DataFrame, columns: Sequence[str], *, per_group: bool) -> np.ndarray:
    """Groups in which detection is asked for: those of the metacells, or one of all cells."""
    if not per_group:
        return np.zeros(len(obs), dtype=np.int64)
    return np.asarray(pd.factorize(group_names(obs, columns)[0], use_na_sentinel=False)[0])


def metacell_values(metacells: Metacells, obs: pd.DataFrame, column: str | None) -> np.ndarray | None:
    """The value of a column for every metacell: its own column, else that of the cell it was drawn around."""
    if column is None:
        return None
    require_columns(obs, [column], "adata.obs")
    if column in metacells.table:
        return metacells.table[column].astype(str).to_numpy()
    return obs[column].astype(str).to_numpy()[[pool[-1] for pool in metacells.members]]


def centre_within(X: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Expression with the mean of each group of rows replaced by the overall mean.

    Raises
    ------
    RefusedError
        If fewer than 15 rows are left once each group has given its mean.
    """
    groups = np.unique(values)
    if len(X) - len(groups) < MIN_METACELLS:
        raise RefusedError(
            f"{len(X)} metacells of {len(groups)} samples leave {len(X) - len(groups)} to correlate within samples "
            f"(at least {MIN_METACELLS}); lower k or min_cells of the pooling, or pool everything with within=None"
        )
    X = X.copy()
    overall = X.mean(axis=0)
    for name in groups:
        rows = values == name
        X[rows] += overall - X[rows].mean(axis=0)
    return X


def _modules(
    X: np.ndarray, recipe: Recipe, power: float | None, powers: Sequence[float], threshold: str, *, strict: bool
) -> tuple[Recipe, pd.DataFrame, Detected, list[str]]:
    """The fit table, the power, and the modules; what must be said of them."""
    R = correlations(X, recipe)
    fitted = R if threshold == recipe.correlation else correlations(X, replace(recipe, correlation=threshold))
    table = power_table(fitted, recipe.network, tuple(powers))
    del fitted
    if power is None:
        value, said = choose_power(table, len(X), recipe.network, strict=strict)
    else:
        value, said = check_given(power), f"power {power:g} was given"
    recipe = replace(recipe, power=value)
    notes = [said]
    if recipe.min_module_size > X.shape[1] // 2:
        notes.append(f"min_module_size was lowered from {recipe.min_module_size} to half of {X.shape[1]} genes")
    D = dissimilarity(R, recipe)
    del R
    detected = cut_modules(X, D, recipe, n_neighbours=N_NEIGHBOURS)
    asked = recipe.min_module_size
    while strict and not detected.labels.any() and recipe.min_module_size // 2 >= SMALLEST_MODULE:
        recipe = replace(recipe, min_module_size=recipe.min_module_size // 2)
        detected = cut_modules(X, D, recipe, n_neighbours=N_NEIGHBOURS)
    if recipe.min_module_size < asked and detected.labels.any():
        notes.append(f"there is no module of {asked} genes; min_module_size was lowered to {recipe.min_module_size}")
    if not detected.labels.any():
        raise RefusedError(
            f"no module of {recipe.min_module_size} genes or more was found among {X.shape[1]} genes over {len(X)} "
            "metacells; lower min_module_size, raise deep_split, or look at the fit table with another power"
        )
    return recipe, table, detected, notes


def assemble(
    X: np.ndarray,
    names: pd.Index,
    detected: Detected,
    metacells: pd.DataFrame,
    metacell_report: pd.DataFrame,
    table: pd.DataFrame,
    gene_report: pd.DataFrame,
    settings: Mapping[str, Any],
    notes: tuple[str, ...],
) -> Network:
    """A network from detected modules: eigengenes, kME, names."""
    labels = detected.labels
    E, explained = eigengenes(X, labels)
    kme = signed_kme(X, E)
    catalogue = module_catalogue(names, labels, kme, explained)
    index = pd.Index(metacells["metacell"].astype(str), name="metacell")
    columns = pd.Index(catalogue["module"], name="module")
    return Network(
        modules=module_table(names, labels, kme, catalogue["module"].tolist()),
        catalogue=catalogue,
        eigengenes=pd.DataFrame(E, index, columns),
        kme=pd.DataFrame(kme, names.rename("gene"), columns),
        power_table=table,
        scores=pd.DataFrame({"sample": [], "module": [], "score": [], "n_cells": []}),
        metacells=metacells,
        metacell_report=metacell_report,
        gene_report=gene_report,
        expression=pd.DataFrame(X.astype(np.float32), index, names.rename("gene")),
        linkage=detected.Z,
        neighbours=detected.neighbours,
        overlaps=detected.overlaps.astype(np.float32),
        settings=MappingProxyType(dict(settings)),
        notes=notes,
    )


def module_table(genes: pd.Index, labels: np.ndarray, kme: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """`gene`, `module`, `kme`, `rank`, `colour` of every gene; kme is genes x modules by ascending label."""
    present = np.unique(labels[labels > 0])
    column = np.searchsorted(present, labels)
    inside = labels > 0
    own = np.full(len(labels), np.nan)
    own[inside] = kme[np.flatnonzero(inside), column[inside]]
    table = pd.DataFrame({"gene": genes.astype(str), "module": UNASSIGNED, "kme": own})
    table.loc[inside, "module"] = np.array(names, dtype=object)[column[inside]]
    ranks = table[inside].groupby("module")["kme"].rank(ascending=False, method="first")
    table["rank"] = ranks.reindex(table.index)
    table["colour"] = np.where(inside, colours_of(labels), GREY)
    return table


def with_network_scores(net: Network, adata: Any) -> Network:
    """The network with its score in every sample (in every patient, where obs has no samples), and its flags."""
    by = next((column for column in ("sample", "patient") if column in adata.obs), None)
    if by is not None:
        scored = module_scores(net, adata, by=by)
        said = () if by == "sample" else (f"obs has no column sample: scores are per {by}",)
        net = net.replace(scores=scored.table, notes=(*net.notes, *scored.notes, *said))
    return with_flags(net, adata.obs)
