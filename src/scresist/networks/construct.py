"""Build a network from cells: metacells, genes, power, modules, and what they may rest on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.focus import resolve_focus
from scresist.cells.network_cells import check_genes
from scresist.checks import RefusedError, counted, require_columns
from scresist.kernels.modules import eigengenes, signed_kme
from scresist.networks.by_log import from_log
from scresist.networks.by_residuals import from_residuals
from scresist.networks.covariates import with_covariates, with_flags
from scresist.networks.detect import Detected
from scresist.networks.matrix import Found
from scresist.networks.modes import mode_named
from scresist.networks.naming import GREY, UNASSIGNED, colours_of, module_catalogue
from scresist.networks.network import Network
from scresist.networks.origin import with_origin
from scresist.networks.pooling import Pooling
from scresist.networks.recipe import Recipe
from scresist.networks.request import DEEP_SPLIT, Measure, Request, Search, with_settings
from scresist.networks.scores import module_scores
from scresist.networks.selection import GeneChoice


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
    deep_split: int | None = None,
    min_module_size: int | None = None,
    merge_height: float = 0.2,
    rng: int | np.random.Generator = 1,
    genes: GeneChoice | Sequence[str] | None = None,
    pooling: Pooling | None = None,
    measure: Measure | None = None,
    search: Search | None = None,
    draws: Mapping[str, np.ndarray] | None = None,
    min_patients: int | None = None,
    samples: pd.DataFrame | None = None,
    **by_name: Any,
) -> Network:
    """Modules of genes whose expression rises and falls together in the cells of a compartment.

    Cells are pooled into metacells, each within one group of cells; genes are correlated over metacells; correlations
    become adjacencies, then topological overlaps, then a tree; branches of the tree are the modules. In sound mode
    cells are compared in the compartment's own space, by residuals of counts within samples; the branches are only
    where modules start, and each gene belongs to the module that it follows most over cells; the power and the depth
    of the cut are those whose modules agree most between halves of the patients; and a module is kept only if its
    genes vary together in patients that did not form it.

    Parameters
    ----------
    adata
        Cells x genes with raw counts (`layers["counts"]`, else a whole-numbered X). It is not changed.
    groupby
        Columns of obs: the cells of a metacell share their values. In sound mode they share the sample too, where obs
        has a column `sample`.
    compartment
        Which cells: "malignant" (by obs["malignancy"]), a cell type or a lineage; None or "all" is every cell.
    mode
        "sound": as above; small groups give smaller metacells; no group gives more than 150; gene x gene matrices are
        in single precision. "parity": what hdWGCNA 0.4 does, with R's random stream, bicor for the fit table, double
        precision, and no metacells from groups below 100 cells. `networks.modes` lists every difference.
    network, tom, correlation
        "signed", "unsigned" or "signed hybrid"; "signed", "unsigned" or "signed Nowick"; "pearson" or "bicor" over
        metacells, or, with values="residuals", "latent": of what the cells express beneath their counts, by moments
        with depths as offsets (Su et al. 2023); resamples of a finished network use Pearson's.
    power
        Soft-threshold power, 1 to 30. None chooses it: in sound mode by what reproduces (`choices` has the curve); by
        the fit table in parity mode and for values="log", where WGCNA's recommended power for the number of metacells
        is used, with a warning and a note, if no power fits.
    deep_split, min_module_size, merge_height
        Settings of the tree cut and of the merging. None is hdWGCNA's 4 and 50 in parity mode; in sound mode
        `deep_split` and the smallest module, of 15 or 30 genes, are chosen with the power (15 where all else is given).
        `min_module_size` is lowered to half the genes where it exceeds that; for values="log" in sound mode, where no
        module is that large, it is halved to no less than 20. Notes and settings report the size that was used.
    rng
        Seed or generator of the metacells. In parity mode a seed is R's.
    genes
        Which genes: a list of names, or a `GeneChoice`. None: those detected in 5 % of the cells of a group.
    pooling
        Sizes and limits of metacells, as a `Pooling`; None uses those of the mode.
    measure
        What genes are correlated by and where cells are neighbours, as a `Measure`.
    search
        Where modules start, the fit table and the flag of large modules, as a `Search`.
    draws
        Positions of a stored metacell run, by group, to be replayed.
    min_patients
        Fewest patients; None is 2 in sound mode (modules of one patient may be specific to that patient) and 1 in
        parity mode.
    samples
        Table with one row per sample, indexed by its name. Its columns batch, site and chemistry are compared with the
        module scores; None uses these columns of obs.
    by_name
        Settings of these four records by their own names: `fraction=0.1` is `genes=GeneChoice(fraction=0.1)`,
        `values="log"` is `measure=Measure(values="log")`, `k=30` changes the pooling of the mode.

    Returns
    -------
    A frozen `Network`. In sound mode it has no module where none was proved: `candidates` and `notes` list what came
    nearest.

    Raises
    ------
    InputError
        If columns, counts, genes or settings are wrong.
    RefusedError
        If there are too few patients or metacells, or in parity mode no module of the wanted size.
    TypeError
        For a setting by a name that does not exist.

    References
    ----------
    Morabito et al. (2023) Cell Rep Methods 3:100498; Langfelder & Horvath (2008) BMC Bioinformatics 9:559; DeTomaso &
    Yosef (2021) Cell Syst 12:446 (correlation over neighbours in the space of the cells themselves); Su et al. (2023)
    Nat Commun 14:4846 (latent correlation).
    """
    rules = mode_named(mode)
    choice = genes if isinstance(genes, GeneChoice) else GeneChoice(genes=genes)
    choice, pooling, measure, search = with_settings(
        (choice, pooling or rules.pooling, measure or Measure(), search or Search()), by_name
    )
    measure = replace(measure, values=measure.values or rules.values)
    by_residuals = measure.values == "residuals"
    recipe = Recipe(
        network=network, tom=tom, correlation=correlation, merge_height=merge_height, pam=search.pam,
        start=search.start or "tree",
        deep_split=(rules.deep_split or DEEP_SPLIT) if deep_split is None else deep_split,
        min_module_size=rules.min_module_sizes[0] if min_module_size is None else min_module_size,
        single=rules.single_precision, members=rules.members if by_residuals else 0.0,
        seed_genes=rules.seed_genes if by_residuals else 0,
    )  # fmt: skip
    check_genes(adata.var_names)
    columns = [groupby] if isinstance(groupby, str) else list(groupby)
    require_columns(adata.obs, columns, "adata.obs")
    request = Request(
        rules=rules, compartment=compartment, inside=resolve_focus(adata.obs, compartment).mask, columns=columns,
        genes=choice, pooling=pooling, measure=measure, search=search, recipe=recipe, power=power,
        deep_split=deep_split, sizes=rules.min_module_sizes if min_module_size is None else (min_module_size,),
        rng=rng, source=draws if draws is not None else rules.random(rng),
    )  # fmt: skip
    _check_patients(adata.obs[request.inside], rules.minimum_patients if min_patients is None else min_patients)
    made = from_residuals(adata, request) if by_residuals else from_log(adata, request)
    metacells, matrix, found = made.metacells, made.matrix, made.found
    settings = {
        "mode": mode, "values": measure.values, "groupby": matrix.columns, "compartment": compartment,
        "network": network, "tom": tom, "correlation": correlation, "start": found.recipe.start,
        "power": found.recipe.power, "deep_split": found.recipe.deep_split,
        "merge_height": merge_height, "min_module_size": found.recipe.min_module_size,
        "max_module_share": search.max_module_share, "pam": search.pam,
        "members": recipe.members, "seed_genes": recipe.seed_genes, "within": matrix.within,
        "fraction": choice.fraction,
        "space": matrix.space, "select": "given" if choice.genes is not None else choice.select,
        "rng": rng if isinstance(rng, int) else "generator", "k": pooling.k, "max_shared": pooling.max_shared,
        "target": pooling.target, "min_cells": pooling.min_cells,
    }  # fmt: skip
    metacells = with_covariates(metacells, matrix.cells)
    net = Network(
        **described(matrix.X, matrix.genes, metacells.table, found.detected), power_table=found.table,
        metacells=metacells.table, metacell_report=metacells.report, gene_report=matrix.report,
        settings=MappingProxyType(settings), notes=(*metacells.notes, *found.notes),
    )  # fmt: skip
    net = net.replace(choices=found.choices, candidates=found.candidates, catalogue=_proved(net.catalogue, found))
    if found.stability is not None:
        net = net.replace(modules=net.modules.assign(stability=found.stability))
    return with_network_scores(net, adata, samples)


def _proved(catalogue: pd.DataFrame, found: Found) -> pd.DataFrame:
    """The catalogue with how coherent each module is where it did not form, and how often it is found again."""
    if found.candidates is None:
        return catalogue
    columns = {"cells_of_half": "cells_of_half", "coherence": "coherence", "coherence_chance": "coherence_chance",
               "q_value": "q_coherence", "found_without": "found_without", "recurrence": "recurrence",
               "recurrence_low": "recurrence_low", "recurrence_high": "recurrence_high"}  # fmt: skip
    proofs = found.candidates.set_index("id")[list(columns)].rename(columns=columns)
    return catalogue.join(proofs, on="id")


def _check_patients(obs: pd.DataFrame, minimum: int) -> None:
    if "patient" not in obs or minimum < 2:
        return
    found = obs["patient"].dropna().nunique()
    if found < minimum:
        raise RefusedError(
            f"the cells come from {counted(found, 'patient')} and {minimum} are needed: modules of so few may be "
            f"specific to them; set min_patients = {found} (a keyword, or in [networks] of study.toml) to build it"
        )


def described(X: np.ndarray, genes: pd.Index, metacells: pd.DataFrame, detected: Detected) -> dict[str, Any]:
    """The attributes of a `Network` that follow from its expression and modules; scores and intervals are empty."""
    labels = detected.labels
    if labels.any():
        E, explained = eigengenes(X, labels)
        kme = signed_kme(X, E)
    else:
        E, explained, kme = np.zeros((len(X), 0)), np.zeros(0), np.zeros((X.shape[1], 0))
    catalogue = module_catalogue(genes, labels, kme, explained)
    index = pd.Index(metacells["metacell"].astype(str), name="metacell")
    columns = pd.Index(catalogue["module"], name="module")
    return {
        "modules": module_table(genes, labels, kme, catalogue["module"].tolist()),
        "catalogue": catalogue,
        "eigengenes": pd.DataFrame(E, index, columns),
        "kme": pd.DataFrame(kme, genes.rename("gene"), columns),
        "scores": pd.DataFrame({"sample": [], "module": [], "score": [], "n_cells": []}),
        "expression": pd.DataFrame(X.astype(np.float32), index, genes.rename("gene")),
        "linkage": detected.Z,
        "neighbours": detected.neighbours,
        "overlaps": detected.overlaps.astype(np.float32),
        "kme_low": None,
        "kme_high": None,
    }


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


def with_network_scores(net: Network, adata: Any, samples: pd.DataFrame | None = None) -> Network:
    """The network with its score in every sample (in every patient, where obs has no samples), and its flags."""
    by = next((column for column in ("sample", "patient") if column in adata.obs), None)
    if by is not None:
        scored = module_scores(net, adata, by=by)
        note = () if by == "sample" else (f"obs has no column sample: scores are per {by}",)
        net = net.replace(scores=scored.table, notes=(*net.notes, *scored.notes, *note))
    return with_origin(with_flags(net, adata.obs, samples), adata)
