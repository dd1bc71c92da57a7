"""The meaning of a module: over-represented gene sets, and overlap with other lists of genes."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.stats.contingency import odds_ratio

from scresist.checks import InputError, RefusedError, require_positive
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.networks.network import Network
from scresist.resources import gene_sets as shipped_sets
from scresist.resources import read_gmt
from scresist.results import Result


def over_representation(
    net: Network,
    gene_sets: "str | Path | Mapping[str, Iterable[str]]" = "go_bp",
    *,
    background: Iterable[str] | None = None,
    min_size: int = 5,
    max_size: int = 500,
) -> Result:
    """Gene sets with more genes in a module than expected by chance.

    The expectation is hypergeometric among the genes of the network, the only ones that could have been in the module.

    Parameters
    ----------
    net
        The network.
    gene_sets
        A shipped collection ("go_bp", "hallmark", "signatures"), the path of a GMT file, or sets by name.
    background
        Genes that could be drawn, instead of those of the network; genes outside the network are in no module.
    min_size, max_size
        Sets with fewer or more genes in the background are left out.

    Returns
    -------
    Result whose table has `module`, `gene_set`, `n_overlap`, `module_size`, `set_size`, `background`, `odds_ratio` (of
    the table, 0.5 added to each cell), `p_value` (one-sided), `q_value` (Benjamini-Hochberg over all modules and
    sets), `genes` (the overlap, hub first); sets with no overlap are left out of the table but not of the family.

    Raises
    ------
    InputError
        If there is no such collection or file, or the file is not a GMT.
    RefusedError
        If no set has a size from `min_size` to `max_size` in the background.
    """
    require_positive(min_size, "min_size")
    universe = pd.Index(pd.unique(pd.Series(list(net.genes if background is None else background), dtype=object)))
    sets, sizes, member = _membership(_sets(gene_sets), universe, min_size, max_size)
    place = universe.get_indexer(net.genes)
    inside = place >= 0
    labels = net.labels
    of_module = np.zeros((len(net.names), len(universe)))
    of_module[labels[inside & (labels > 0)] - 1, place[inside & (labels > 0)]] = 1
    overlap = np.asarray(of_module @ member.T)
    module_sizes = of_module.sum(axis=1)
    N = len(universe)
    p = np.ones_like(overlap)
    some = np.nonzero(overlap)
    p[some] = stats.hypergeom.sf(overlap[some] - 1, N, sizes[some[1]], module_sizes[some[0]])
    q = benjamini_hochberg(p)
    m, k = some
    n, size, total = overlap[some], sizes[k], module_sizes[m]
    ranked = [net.members(name)["gene"] for name in net.names]  # hub first
    at = [universe.get_indexer(pd.Index(genes)) for genes in ranked]
    in_set = [member[:, np.where(places < 0, 0, places)].toarray().astype(bool) & (places >= 0) for places in at]
    table = pd.DataFrame({
        "module": np.array(net.names, dtype=object)[m], "gene_set": np.array(sets, dtype=object)[k],
        "n_overlap": n.astype(int), "module_size": total.astype(int), "set_size": size, "background": N,
        "odds_ratio": (n + 0.5) * (N - size - total + n + 0.5) / ((size - n + 0.5) * (total - n + 0.5)),
        "p_value": p[some], "q_value": q[some],
        "genes": [" ".join(ranked[i].to_numpy()[in_set[i][j]]) for i, j in zip(m, k, strict=True)],
    })  # fmt: skip
    order = table["module"].map({name: i for i, name in enumerate(net.names)})
    table = table.assign(order=order).sort_values(["order", "p_value", "gene_set"]).drop(columns="order")
    settings = {"sets": len(sets), "background": N, "min_size": min_size, "max_size": max_size}
    return Result(
        table.reset_index(drop=True), "hypergeometric over-representation among the network's genes", settings
    )


def _sets(given: "str | Path | Mapping[str, Iterable[str]]") -> dict[str, list[str]]:
    if isinstance(given, Mapping):
        return {str(name): [str(gene) for gene in genes] for name, genes in given.items()}
    path = Path(given)
    if isinstance(given, Path) or path.suffix == ".gmt":
        if not path.is_file():
            raise InputError(
                f"there is no file {path}; give a GMT file, a mapping, or a shipped collection such as 'go_bp'"
            )
        return {name: list(genes) for name, genes in read_gmt(path.read_text(encoding="utf-8")).items()}
    return {name: list(genes) for name, genes in shipped_sets(str(given)).items()}


def _membership(
    sets: Mapping[str, list[str]], universe: pd.Index, minimum: int, maximum: int
) -> tuple[list[str], np.ndarray, sparse.csr_array]:
    """Sets of a size from minimum to maximum, as a matrix of sets x genes of the universe."""
    names, sizes, rows = [], [], []
    for name, genes in sets.items():
        places = universe.get_indexer(pd.Index(pd.unique(pd.Series(genes, dtype=object))))
        places = np.sort(places[places >= 0])
        if minimum <= len(places) <= maximum:
            names.append(name)
            sizes.append(len(places))
            rows.append(places)
    if not names:
        raise RefusedError(
            f"none of {len(sets)} gene sets has {minimum} to {maximum} genes among the {len(universe)} of the "
            "background; check that all names are symbols, or change min_size and max_size"
        )
    ends = np.concatenate([[0], np.cumsum(sizes)])
    member = sparse.csr_array((np.ones(ends[-1]), np.concatenate(rows), ends), shape=(len(names), len(universe)))
    return names, np.array(sizes), member


def list_overlap(
    modules: Mapping[str, Iterable[str]], lists: Mapping[str, Iterable[str]], background: "Iterable[str] | int"
) -> Result:
    """Overlap of modules with lists of genes (such as differential ones): Fisher's exact test, one-sided.

    Parameters
    ----------
    modules, lists
        Genes by name.
    background
        Genes that could be in either, or their number; other genes are removed from both. hdWGCNA uses the number of
        genes of its object; the genes of the network are the better choice, since no other can be in a module.

    Returns
    -------
    Result whose table has `module`, `list`, `n_overlap`, `module_size`, `list_size`, `odds_ratio` (conditional maximum
    likelihood, as in R's fisher.test), `jaccard`, `p_value` (greater), `q_value` (Benjamini-Hochberg over all).

    Raises
    ------
    InputError
        If a module and a list have more genes together than the background.
    """
    rows = []
    universe = None if isinstance(background, int) else set(background)
    n_background = background if isinstance(background, int) else len(universe or ())
    named = {name: set(genes) if universe is None else set(genes) & universe for name, genes in lists.items()}
    for module, given in modules.items():
        genes = set(given) if universe is None else set(given) & universe
        for name, other in named.items():
            both, either = len(genes & other), len(genes | other)
            if either > n_background:
                raise InputError(
                    f"the background has {n_background} genes, but {module} and {name} have {either} together"
                )
            table = np.array([[both, len(genes) - both], [len(other) - both, n_background - either]])
            p = float(stats.hypergeom.sf(both - 1, n_background, len(other), len(genes)))
            ratio = float(odds_ratio(table, kind="conditional").statistic) if both else 0.0
            rows.append((module, name, both, len(genes), len(other), ratio, both / either if either else np.nan, p))
    columns = ["module", "list", "n_overlap", "module_size", "list_size", "odds_ratio", "jaccard", "p_value"]
    result = pd.DataFrame(rows, columns=columns)
    result["q_value"] = benjamini_hochberg(result["p_value"].to_numpy(dtype=float))
    return Result(result, "Fisher's exact test, greater", {"n_background": n_background})


def label_overlap(first: Iterable[str], second: Iterable[str]) -> Result:
    """Overlap of every group of one labelling of genes with every group of another: counts and hypergeometric p.

    Parameters
    ----------
    first, second
        Group of each gene in either labelling, for the same genes in the same order.

    Returns
    -------
    Result whose table has `first`, `second`, `n_overlap`, `p_value` (of an overlap at least as large: 1 where nothing
    is shared).

    Raises
    ------
    InputError
        If the labellings have different numbers of genes.
    """
    one, two = pd.Series(list(first)), pd.Series(list(second))
    if len(one) != len(two):
        raise InputError(f"the labellings have {len(one)} and {len(two)} genes; give the same genes")
    counts = pd.crosstab(one, two)
    total = stats.hypergeom.sf(
        counts.to_numpy() - 1, len(one), counts.to_numpy().sum(axis=1)[:, None], counts.to_numpy().sum(axis=0)[None]
    )
    table = pd.DataFrame(
        {
            "first": np.repeat(counts.index, counts.shape[1]),
            "second": np.tile(counts.columns, counts.shape[0]),
            "n_overlap": counts.to_numpy().ravel(),
            "p_value": np.where(counts.to_numpy() > 0, total, 1.0).ravel(),
        }
    )
    return Result(table, "hypergeometric")
