"""Modules of a network in other data: other cells, another cohort, bulk."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice
from scresist.kernels.preservation import RANDOM, module_preservation
from scresist.networks.held_out import bins_by_rank
from scresist.networks.network import Network
from scresist.networks.scores import module_weights
from scresist.results import Result


def preservation(
    net: Network,
    query: "Network | pd.DataFrame",
    *,
    n_permutations: int = 200,
    network: str | None = None,
    mean: pd.Series | None = None,
    rng: int | np.random.Generator = 1,
) -> Result:
    """How far each module is preserved in other data: WGCNA's Z and median rank, and a permutation p per statistic.

    Parameters
    ----------
    net
        The network whose modules are tested.
    query
        Another network (its metacells are used) or a table of samples x genes, log-normalised.
    n_permutations, rng
        As in `kernels.module_preservation`.
    network
        Adjacency; None uses that of the network. hdWGCNA always uses "unsigned".
    mean
        Mean expression of each gene in the query. Permutations then exchange genes of like expression only (20 bins):
        genes of many counts show any correlation better. None exchanges all genes, as WGCNA does.

    Returns
    -------
    Result whose table has a row per module (and one for unassigned genes and for a random group): `module`, `size`,
    `n_found` (genes in both data sets), the statistics, `z_*`, `p_*`, `z_summary` with its `p_summary` and the 95 %
    quantile of permutations `z_summary_chance`, `median_rank`, and `verdict` by
    WGCNA's thresholds of Z: strong above 10, some from 2, none below. Modules with fewer than three genes in both are
    left out and named.

    Raises
    ------
    InputError
        If fewer than 20 genes vary in both.

    References
    ----------
    Langfelder et al. (2011) PLoS Comput Biol 7:e1001057.
    """
    other = query.expression if isinstance(query, Network) else query
    mine = net.expression
    shared = mine.columns.intersection(other.columns)
    X, Y = mine[shared].to_numpy(dtype=np.float64), other[shared].to_numpy(dtype=np.float64)
    moving = (X.max(axis=0) > X.min(axis=0)) & (Y.max(axis=0) > Y.min(axis=0)) & ~np.isnan(Y).any(axis=0)
    if moving.sum() < 20:
        raise InputError(
            f"{int(moving.sum())} genes vary in both data sets, and at least 20 are needed; check that both "
            "have gene symbols, or both Ensembl ids"
        )
    labels = pd.Series(net.labels, net.genes)[shared].to_numpy()[moving]
    sizes = np.bincount(labels, minlength=len(net.names) + 1)
    small = [name for i, name in enumerate(net.names, start=1) if sizes[i] < 3]
    labels = np.where(sizes[labels] < 3, 0, labels)
    strata = None if mean is None else bins_by_rank(mean[shared].to_numpy(dtype=np.float64)[moving])
    found = module_preservation(
        X[:, moving], Y[:, moving], labels, n_permutations, rng,
        network=network or str(net.settings["network"]), strata=strata,
    )  # fmt: skip
    table = pd.DataFrame(found)
    title = {i: name for i, name in enumerate(net.names, start=1)} | {0: "unassigned", RANDOM: "random genes"}
    codes = table["module"]
    table["module"] = codes.map(title)
    table.insert(2, "n_found", table["size"])
    table["size"] = [int((net.labels == code).sum()) if code >= 0 else size
                     for code, size in zip(codes, table["size"], strict=True)]  # fmt: skip
    table["verdict"] = np.select([table["z_summary"] > 10, table["z_summary"] >= 2], ["strong", "some"], "none")
    table.loc[table["z_summary"].isna(), "verdict"] = ""
    notes = [f"{int((~moving).sum())} shared genes are constant or missing in one data set"] if (~moving).any() else []
    notes += [f"{len(small)} modules have fewer than three genes in both: {', '.join(small)}"] if small else []
    settings = {"n_permutations": n_permutations, "genes": int(moving.sum())}
    return Result(table, "module preservation", MappingProxyType(settings), tuple(notes))


def project(net: Network, expression: pd.DataFrame, *, scale: str = "own") -> Result:
    """Scores of the network's modules in log-scale expression of other samples, such as a bulk cohort.

    Parameters
    ----------
    net
        The network.
    expression
        Samples x genes, or genes x samples (transposed where only the rows are the network's genes).
    scale
        "own" standardises each gene over these samples, as data of another platform need; "network" over the metacells
        of the network, for log-normalised single-cell profiles. For cells use `module_scores`, which sums counts first.

    Returns
    -------
    Result whose table has `sample`, `module`, `score`, and `weight_found`: the share of the module's weight on genes
    that the table has and that vary in it. Below half the score is NaN.

    Raises
    ------
    InputError
        If the table has no gene of the network, or a gene more than once.
    """
    require_choice(scale, ("own", "network"), "scale")
    if not expression.columns.isin(net.genes).any() and expression.index.isin(net.genes).any():
        expression = expression.T
    shared = net.genes[net.genes.isin(expression.columns)]
    if len(shared) == 0:
        raise InputError(f"none of the network's genes is in the table (it has {expression.columns[0]!r}, ...); "
                         "map the names first")  # fmt: skip
    if not expression.columns.is_unique:
        raise InputError("the table has a gene more than once; keep one row or column of each")
    values = expression[shared].to_numpy(dtype=np.float64)
    base = values if scale == "own" else net.expression[shared].to_numpy(dtype=np.float64)
    deviation = base.std(axis=0, ddof=1) if len(base) > 1 else np.zeros(len(shared))
    moving = (deviation > 0) & np.isfinite(values).all(axis=0)
    Z = (values[:, moving] - base[:, moving].mean(axis=0)) / deviation[moving]
    weights = module_weights(net)
    places = net.genes.get_indexer(shared)[moving]
    total = np.abs(weights).sum(axis=0)
    found = np.abs(weights[places]).sum(axis=0) / total
    scores = np.divide(Z @ weights[places], found * total, out=np.full((len(values), len(total)), np.nan),
                       where=found > 0)  # fmt: skip
    scores[:, found < 0.5] = np.nan
    table = pd.DataFrame(
        {
            "sample": np.repeat(expression.index.astype(str), len(net.names)),
            "module": np.tile(net.names, len(values)),
            "score": scores.ravel(),
            "weight_found": np.tile(found, len(values)),
        }
    )
    lost = [name for name, share in zip(net.names, found, strict=True) if share < 0.5]
    note = f"{len(lost)} modules have less than half of their weight on genes of the table and no score"
    notes = (f"{note}: {', '.join(lost)}",) if lost else ()
    return Result(table, f"kME-weighted mean of expression standardised by {scale}", {"scale": scale}, notes)
