"""Modules of a first cohort in a second: whether they are modules there too, and what both cohorts agree on."""

from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import DesignError, RefusedError
from scresist.kernels.membership import mean_correlations
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.networks.agreement import consensus, module_agreement
from scresist.networks.covariates import CARRIED
from scresist.networks.held_out import Units, bins_by_rank, carried_shares, random_sets
from scresist.networks.network import Network
from scresist.networks.query import Query
from scresist.networks.transfer import preservation
from scresist.results import Result

LEVEL = 0.05  # false discovery rate over the modules that are called preserved
SOME = 2.0  # Zsummary below which there is no evidence of preservation (Langfelder et al. 2011)
SHOWN = 20  # missing genes of a module that are named


def preserved_modules(
    net: Network, query: Query, *, n_permutations: int = 500, rng: int | np.random.Generator = 1
) -> Result:
    """How far each module is a module in a second cohort, beside what genes of like expression give.

    Parameters
    ----------
    net
        The network of the first cohort.
    query
        Its genes in the cells of the second, by `in_other_cells`.
    n_permutations, rng
        As in `preservation`; permutations exchange genes of like expression.

    Returns
    -------
    Result whose table has a row per module: `module`, `n_genes`, `n_found` (measured and varying in the second),
    `genes_missing` (the first of the others), `z_summary`, `z_density`, `z_connectivity`, `z_summary_chance` (95 %
    quantile of permutations), `median_rank` (1 is the best preserved), `p_summary` (permutation p of Zsummary),
    `coherence` and `coherence_chance` (mean correlation of its genes over metacells, and that of 999 random sets of
    like expression), `p_value` (the larger of `p_summary` and the p of coherence), `q_value` (over modules),
    `carried_by` and `carried_share` (the patient of the second cohort with most of the variance over metacells),
    `n_patients`, and `preserved`: q below 0.05, Zsummary of 2 or more, and no patient with
    more than half of the variance. A module of fewer than three genes there has NaN.

    Raises
    ------
    InputError
        If fewer than 20 genes vary in both cohorts.

    References
    ----------
    Langfelder et al. (2011) PLoS Comput Biol 7:e1001057.
    """
    columns = ["z_summary", "z_density", "z_connectivity", "z_summary_chance", "median_rank", "p_summary"]
    found = _found(net, query)
    table = found.copy()
    notes: tuple[str, ...] = ()
    if (found["n_found"] >= 3).any():
        made = preservation(net, query.expression, n_permutations=n_permutations, mean=query.mean, rng=rng)
        notes = made.notes
        table = table.join(made.table.set_index("module")[columns], on="module")
        table["median_rank"] = table["median_rank"].where(table["z_summary"].notna())
    else:
        table[columns] = np.nan
    table["coherence"], table["coherence_chance"], coherent = _coherence(net, query, np.random.default_rng(rng))
    # Random genes are related alike in two cohorts that share any modules: a module must be coherent too.
    table["p_value"] = np.maximum(table["p_summary"], coherent)
    table["q_value"] = benjamini_hochberg(table["p_value"].to_numpy(dtype=float))
    table["carried_by"], table["carried_share"], table["n_patients"] = _carried(net, query)
    good = (table["q_value"] < LEVEL) & (table["z_summary"] >= SOME) & ~(table["carried_share"] > CARRIED)
    table["preserved"] = good.to_numpy(dtype=bool)
    lost = len(query.missing)
    if lost:
        notes += (f"{lost} of {len(net.genes)} genes of the network are not measured, or do not vary, in the second "
                  "cohort",)  # fmt: skip
    settings = MappingProxyType({"n_permutations": n_permutations, "level": LEVEL, "z_summary": SOME})
    return Result(
        table, "Zsummary with permuted genes, and coherence beside random sets, of like expression", settings, notes
    )


def _found(net: Network, query: Query) -> pd.DataFrame:
    """Size of each module, how many of its genes the second cohort has, and names of the others."""
    here, rows = set(query.expression.columns), []
    for name in net.names:
        genes = net.members(name)["gene"].tolist()
        lost = [g for g in genes if g not in here]
        more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        rows.append((name, len(genes), len(genes) - len(lost), " ".join(lost[:SHOWN]) + more))
    return pd.DataFrame(rows, columns=["module", "n_genes", "n_found", "genes_missing"])


def _coherence(
    net: Network, query: Query, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Mean correlation of each module's genes in the query, that of random sets of like expression, and its p."""
    Z = np.asfortranarray(_standard(query))
    labels = _labels(net, query)
    bins = bins_by_rank(query.mean[query.expression.columns].to_numpy(dtype=np.float64))
    out = np.full((3, len(net.names)), np.nan)
    for m, stream in enumerate(rng.spawn(len(net.names))):
        genes = np.flatnonzero(labels == m + 1)
        if len(genes) >= 3:
            values = mean_correlations(Z, *random_sets(genes, bins, stream))
            out[:, m] = values[0], values[1:].mean(), (1 + (values[1:] >= values[0]).sum()) / len(values)
    return out[0], out[1], out[2]


def _carried(net: Network, query: Query) -> tuple[list[str], np.ndarray, int]:
    """The patient with most of each module's variance over metacells, that share, and the number of patients."""
    if "patient" not in query.metacells:
        return [""] * len(net.names), np.full(len(net.names), np.nan), 0
    codes, names = pd.factorize(query.metacells["patient"].astype(str), sort=True)
    Z, labels = _standard(query), _labels(net, query)
    share = np.zeros((len(names), len(net.names)))
    found = carried_shares(Units(Z, Z, codes, codes, tuple(names)), labels)
    share[:, : found.shape[1]] = found
    largest = np.where(share.sum(axis=0) > 0, share.max(axis=0), np.nan)  # a module may have no gene here
    by = [str(names[k]) if s > CARRIED else "" for k, s in zip(share.argmax(axis=0), largest, strict=True)]
    return by, largest, len(names)


def _standard(query: Query) -> np.ndarray:
    """The expression with mean 0 and variance 1 of every gene."""
    X = query.expression.to_numpy(dtype=np.float64)
    return np.asarray((X - X.mean(axis=0)) / X.std(axis=0))


def _labels(net: Network, query: Query) -> np.ndarray:
    """Module, by its number in the network, of each gene of the query."""
    return np.asarray(pd.Series(net.labels, net.genes)[query.expression.columns].to_numpy())


def shared_modules(net: Network, query: Query) -> Result:
    """Modules that the networks of two cohorts agree on, over the genes of both.

    Parameters
    ----------
    net
        The network of the first cohort.
    query
        Its genes in the cells of the second.

    Returns
    -------
    Result whose table has `gene`, `module`, `kme`, `rank`, `first_module` (the module of the gene in the first cohort)
    and `jaccard` (of the consensus module and the module of the first that is nearest to it).

    Raises
    ------
    RefusedError
        If the cohorts agree on no module, or one has too few metacells.

    References
    ----------
    Langfelder & Horvath (2007) BMC Syst Biol 1:54.
    """
    genes = pd.Index(query.expression.columns)
    rows = net.modules.set_index("gene").loc[genes].reset_index()
    first = net.expression[genes]
    expression = pd.concat([first, query.expression])
    metacells = pd.concat([net.metacells.assign(cohort="first"), query.metacells.assign(cohort="second")],
                          ignore_index=True)  # fmt: skip
    names = metacells["cohort"] + "#" + metacells["metacell"].astype(str)
    both = net.replace(
        modules=rows, metacells=metacells.assign(metacell=names),
        expression=expression.set_axis(pd.Index(names, name="metacell")),
    )  # fmt: skip
    try:
        agreed = consensus(both, by="cohort", quantile=0.0)
    except DesignError as error:
        raise RefusedError(str(error)) from None
    nearest = module_agreement(agreed, {"first": net}).set_index("module")["jaccard"]
    table = agreed.modules[["gene", "module", "kme", "rank"]].merge(
        net.modules[["gene", "module"]].rename(columns={"module": "first_module"}), on="gene"
    )
    table["jaccard"] = table["module"].map(nearest)
    return Result(table, "consensus of the two cohorts", MappingProxyType({"quantile": 0.0}), agreed.notes)
