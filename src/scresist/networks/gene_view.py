"""One gene in a network: its module, the nearest ones, and why it may be unassigned."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, suggestion
from scresist.kernels.linkage import average_linkage
from scresist.networks.detect import cut_modules
from scresist.networks.intervals import with_kme_intervals
from scresist.networks.naming import UNASSIGNED
from scresist.networks.network import Network
from scresist.networks.recipe import correlations, dissimilarity
from scresist.networks.robustness import match_modules, recipe_of
from scresist.results import Brief, Result

DEFAULT_GRID: tuple[Mapping[str, Any], ...] = (
    *({"deep_split": split} for split in range(5)),
    *({"min_module_size": size} for size in (20, 30, 50, 100)),
    *({"merge_height": height} for height in (0.1, 0.2, 0.3)),
    {"pam": True},
)


@dataclass(frozen=True, slots=True, repr=False)
class GeneView(Brief):
    """Where a gene is in a network.

    `gene`, `module` (its own, or "unassigned"), `nearest` (the module with the highest kME), `verdict` in words.
    `kme`: `module`, `kme`, `kme_low`, `kme_high` (patients drawn again), `rank_there` (how many members of the module
    have a higher kME, plus one), highest first. `neighbours`: `gene`, `overlap`, `correlation`, `module`, nearest
    first.
    """

    gene: str
    module: str
    nearest: str
    verdict: str
    kme: pd.DataFrame
    neighbours: pd.DataFrame


def gene_view(net: Network, gene: str, *, n_neighbours: int = 20) -> GeneView:
    """A gene's own and nearest module, its kME with every module with an interval, and its neighbours.

    Parameters
    ----------
    net
        The network; where it has no intervals, those of `with_kme_intervals` are computed.
    gene
        One of its genes.
    n_neighbours
        How many of the genes of highest topological overlap.

    Raises
    ------
    InputError
        If the gene is not in the network; the message gives the reason.
    """
    _place(net, gene)
    return _view(net if net.kme_low is not None else with_kme_intervals(net), gene, n_neighbours)


def gene_views(net: Network, genes: Iterable[str]) -> Result:
    """The views of several genes, one row each, with how far their place depends on the settings of the cut.

    Parameters
    ----------
    net
        The network; where it has no intervals, those of `with_kme_intervals` are computed.
    genes
        Names; those that are not in the network keep a row with the reason.

    Returns
    -------
    Result whose table has `gene`, `module` (its own, or "unassigned"; empty where the gene is not in the network),
    `nearest`, `kme`, `kme_low`, `kme_high` (with the nearest), `rank_there`, `module_size`, `settings_share` (share of
    the settings of `DEFAULT_GRID` under which it is in the nearest module), `neighbours` (five, nearest first),
    `verdict` in words.
    """
    genes = list(dict.fromkeys(map(str, genes)))
    inside = [gene for gene in genes if gene in net.genes]
    known = net if net.kme_low is not None or not inside else with_kme_intervals(net)
    moved = settings_view(net, inside) if inside else pd.DataFrame(columns=["gene", "module"])
    rows: list[dict[str, object]] = []
    for gene in genes:
        if gene not in net.genes:
            rows.append({"gene": gene, "module": "", "verdict": _why_absent(net, gene)})
            continue
        view = _view(known, gene, 20)
        best = view.kme.iloc[0]
        own = moved.loc[moved["gene"] == gene, "module"]
        rows.append({
            "gene": gene, "module": view.module, "nearest": view.nearest,
            **{c: best[c] for c in ("kme", "kme_low", "kme_high", "rank_there", "module_size")},
            "settings_share": float((own == view.nearest).mean()), "neighbours": " ".join(view.neighbours["gene"][:5]),
            "verdict": view.verdict,
        })  # fmt: skip
    columns = ["gene", "module", "nearest", "kme", "kme_low", "kme_high", "rank_there", "module_size",
               "settings_share", "neighbours", "verdict"]  # fmt: skip
    method = "kME with 95 % intervals over patients; the tree cut again under other settings"
    return Result(pd.DataFrame(rows, columns=columns), method)


def _view(net: Network, gene: str, n_neighbours: int) -> GeneView:
    place = _place(net, gene)
    module = str(net.modules["module"].iloc[place])
    kme = net.kme.iloc[place].to_numpy()
    low, high = (np.full(len(kme), np.nan) if limit is None else limit.iloc[place].to_numpy()
                 for limit in (net.kme_low, net.kme_high))  # fmt: skip
    members = [net.kme.to_numpy()[net.labels == i + 1, i] for i in range(len(net.names))]
    table = pd.DataFrame(
        {
            "module": net.names,
            "kme": kme,
            "kme_low": low,
            "kme_high": high,
            "rank_there": [1 + int((own > value).sum()) for own, value in zip(members, kme, strict=True)],
            "module_size": [len(own) for own in members],
        }
    ).sort_values("kme", ascending=False, ignore_index=True)
    near = net.neighbours[place][:n_neighbours]
    X = net.expression.to_numpy(dtype=np.float64)
    neighbours = pd.DataFrame(
        {
            "gene": net.genes[near],
            "overlap": net.overlaps[place][:n_neighbours],
            "correlation": [np.corrcoef(X[:, place], X[:, other])[0, 1] for other in near],
            "module": net.modules["module"].to_numpy()[near],
        }
    )
    nearest = str(table["module"].iloc[0])
    return GeneView(gene, module, nearest, _verdict(gene, module, table, neighbours), table, neighbours)


def _place(net: Network, gene: str) -> int:
    if gene not in net.genes:
        raise InputError(_why_absent(net, gene))
    return int(net.genes.get_indexer(pd.Index([gene]))[0])


def _why_absent(net: Network, gene: str) -> str:
    report = net.gene_report.set_index("gene")
    if gene not in report.index:
        return f"{gene!r} is not among the genes; {suggestion(gene, net.gene_report['gene'])}"
    row = report.loc[gene]
    return (f"{gene} is not in the network: {row['reason']} (detected in {row['detected']:.1%} of cells); "
            "name it in keep_genes to keep it")  # fmt: skip


def _verdict(gene: str, module: str, kme: pd.DataFrame, neighbours: pd.DataFrame) -> str:
    best = kme.iloc[0]
    sure = f"{best['kme']:.2f} ({best['kme_low']:.2f} to {best['kme_high']:.2f})"
    if module != UNASSIGNED:
        own = kme.set_index("module").loc[module]
        rank = f"rank {int(own['rank_there'])} of {int(own['module_size'])}"
        place = f"{gene} is in {module} with kME {own['kme']:.2f}, {rank}"
        return place if module == best["module"] else f"{place}, but its kME with {best['module']} is higher ({sure})"
    around = neighbours["module"].value_counts()
    shared = f"{int(around.iloc[0])} of its {len(neighbours)} nearest genes are in {around.index[0]}"
    close = "as high as a member's" if best["kme"] >= 0.5 else (
        "a weak association" if best["kme"] >= 0.2 else "no association with any module")  # fmt: skip
    return f"{gene} is unassigned; its nearest module is {best['module']} with kME {sure}, {close}; {shared}"


def settings_view(
    net: Network, genes: Iterable[str], *, grid: Iterable[Mapping[str, Any]] = DEFAULT_GRID
) -> pd.DataFrame:
    """How genes' modules depend on the settings of the cut: the tree is cut again under each setting.

    Parameters
    ----------
    net
        The network.
    genes
        Genes of the network.
    grid
        Settings of `build` that are changed, one mapping per row.

    Returns
    -------
    One row per setting and gene: `setting`, `gene`, `module` (the module of the network with the largest Jaccard index
    with the gene's new one, "another" where that is below 0.5, or "unassigned"), `jaccard`, `n_modules`.

    Raises
    ------
    InputError
        If a gene is not in the network.
    """
    genes = [genes] if isinstance(genes, str) else list(genes)
    places = [_place(net, gene) for gene in genes]
    X = net.expression.to_numpy()
    recipe = recipe_of(net)
    D = dissimilarity(correlations(X, recipe), recipe)
    rows, tree = [], average_linkage(D)
    for changes in grid:
        made = cut_modules(X, D, recipe_of(net, **changes), tree=tree)
        jaccard, best = match_modules(made.labels, net.labels)
        setting = ", ".join(f"{name} {value}" for name, value in changes.items())
        for gene, place in zip(genes, places, strict=True):
            label = int(made.labels[place])
            name, value = UNASSIGNED, np.nan
            if label:
                value = float(jaccard[label - 1])
                name = net.names[best[label - 1] - 1] if value >= 0.5 else "another"
            rows.append((setting, gene, name, value, int(made.labels.max())))
    return pd.DataFrame(rows, columns=["setting", "gene", "module", "jaccard", "n_modules"])
