"""The genes of a network in cells that had no part in it: expression over metacells made as the network's own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.counts import raw_counts, total_counts
from scresist.cells.network_cells import check_genes, neighbour_space
from scresist.checks import RefusedError, require_columns
from scresist.kernels.normalise import log1p_per_10k
from scresist.networks.cell_values import (
    cell_values,
    depth_of,
    evenly_chosen,
    pooled_values,
    residual_variance,
    samples_of,
)
from scresist.networks.matrix import MIN_GENES, centred_within, metacell_values
from scresist.networks.modes import NetworkMode, mode_named
from scresist.networks.network import Network
from scresist.networks.pooling import Pooling, pool_cells
from scresist.results import Brief


@dataclass(frozen=True, slots=True, repr=False)
class Query(Brief):
    """Expression of a network's genes in other cells.

    `expression` is metacells x genes, of the genes that these cells have and that vary in them; `metacells` has a row
    per metacell, as `Network.metacells`; `mean` is the expression of each gene over these cells, log1p of the counts
    of a mean cell; `missing` are the genes of the network that are not measured here, or that do not vary.
    """

    expression: pd.DataFrame
    metacells: pd.DataFrame
    mean: pd.Series
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def in_other_cells(net: Network, adata: Any, *, rng: int | np.random.Generator = 1) -> Query:
    """Expression of a network's genes over metacells of other cells, by the settings of the network.

    Parameters
    ----------
    net
        The network.
    adata
        Cells of the compartment, of another cohort, with raw counts, and with gene names of the same kind; obs has the
        columns that the cells of a metacell share, at least `sample` or `patient`.
    rng
        Seed or generator of the metacells.

    Raises
    ------
    InputError
        If obs has none of these columns.
    RefusedError
        If genes, cells or metacells are too few.
    """
    rules = mode_named(str(net.settings["mode"]))
    check_genes(adata.var_names)
    places = adata.var_names.get_indexer(net.genes)
    here = places >= 0
    if here.sum() < MIN_GENES:
        raise RefusedError(
            f"{int(here.sum())} of the {len(net.genes)} genes of the network are in these cells (at least {MIN_GENES} "
            f"are needed): they have names such as {adata.var_names[0]!r}, the network such as {net.genes[0]!r}"
        )
    within = rules.column_within(adata.obs, "auto")
    cells = adata[_chosen(adata, within, rules)]
    counts = raw_counts(cells)
    depth = depth_of(counts)
    own = sparse.csr_array(counts[:, places[here]])
    names = net.genes[here]
    seen = np.asarray(own.sum(axis=0)).ravel() > 0
    own, names = own[:, np.flatnonzero(seen)], names[seen]
    require_columns(cells.obs, [_column(cells.obs, net.settings)], "adata.obs")
    columns = [c for c in net.settings["groupby"] if c in cells.obs]
    if net.settings.get("values", "log") == "residuals":
        codes = samples_of(cells.obs, within)
        values = cell_values(own, depth, codes, residual_variance(own, depth, codes), None, None)
        metacells = _pooled(cells, counts, values.points, columns, net, rules, rng)
        X = pooled_values(values.Z, metacells.members)
    else:
        points, _ = neighbour_space(cells, counts, None)
        metacells = _pooled(cells, counts, points, columns, net, rules, rng)
        at = places[here][seen]
        X = log1p_per_10k(metacells.counts[:, at], metacells.counts.sum(axis=1))
    groups = metacell_values(metacells, cells.obs, within)
    X = X if groups is None else centred_within(X, groups)
    moving = X.var(axis=0) > 1e-12 * X.var(axis=0).max(initial=0.0)
    if moving.sum() < MIN_GENES:
        raise RefusedError(
            f"{int(moving.sum())} genes of the network vary in these cells (at least {MIN_GENES} are needed)"
        )
    mean = np.log1p(depth.mean() * np.asarray(own.sum(axis=0)).ravel() / depth.sum())
    index = pd.Index(metacells.table["metacell"].astype(str), name="metacell")
    kept = names[moving]
    return Query(
        pd.DataFrame(X[:, moving].astype(np.float32), index, kept.rename("gene")), metacells.table,
        pd.Series(mean[moving], kept), tuple(net.genes.difference(kept, sort=False)), metacells.notes,
    )  # fmt: skip


def _chosen(adata: Any, within: str | None, rules: NetworkMode) -> np.ndarray:
    """Positions of at most as many cells as a network is built from, by name so that their order changes no sum."""
    cells = np.arange(adata.n_obs)
    if rules.max_cells is not None and len(cells) > rules.max_cells:
        cells = evenly_chosen(adata.obs, samples_of(adata.obs, within), total_counts(adata), rules.max_cells)
    return cells[np.argsort(adata.obs_names[cells].astype(str), kind="stable")]


def _column(obs: pd.DataFrame, settings: Mapping[str, Any]) -> str:
    """A column that the cells of a metacell share; the first of the network's where obs has none."""
    wanted = [*settings["groupby"], "sample", "patient"]
    return next((c for c in wanted if c in obs), wanted[0])


def _pooled(
    cells: Any, counts: sparse.csr_array, points: np.ndarray, columns: list[str], net: Network, rules: NetworkMode,
    rng: int | np.random.Generator,
) -> Any:  # fmt: skip
    """Metacells of the sizes of the network's; those of a constant group would correlate by what differs between."""
    names = ("k", "max_shared", "target", "min_cells")
    pooling: Pooling = replace(rules.pooling, **{name: net.settings[name] for name in names if name in net.settings})
    columns = columns or [_column(cells.obs, net.settings)]
    columns += [c for c in rules.pooled_apart if c in cells.obs and c not in columns]
    metacells = pool_cells(cells.obs, counts, points, columns, pooling, rules.random(rng))
    if len(metacells.members) < rules.minimum_metacells:
        raise RefusedError(
            f"{len(metacells.members)} metacells of these cells are too few for correlations (at least "
            f"{rules.minimum_metacells} are needed)"
        )
    return metacells
