"""A network's edges as a table or a GraphML file, and the rule by which edges are kept."""

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_positive
from scresist.networks.network import Network
from scresist.results import write_table, write_text

RULE = "an edge is kept if either gene is among the {top} genes of highest topological overlap with the other"


def edges(
    net: Network, *, top: int = 10, min_overlap: float = 0.0, modules: Iterable[str] | None = None
) -> pd.DataFrame:
    """The strongest edges of a network.

    An edge is kept if either gene is among the `top` genes of highest topological overlap with the other, and their
    overlap is at least `min_overlap`.

    Parameters
    ----------
    net
        The network.
    top
        Genes of highest overlap per gene, at most 50.
    min_overlap
        Smallest overlap.
    modules
        Only edges between genes of these modules; None is all.

    Returns
    -------
    `source`, `target` (in the order of genes), `overlap`, `correlation`, `source_module`, `target_module`, strongest
    first.

    Raises
    ------
    InputError
        If `top` is not above zero or above the number of neighbours that the network has.
    """
    require_positive(top, "top")
    stored = net.neighbours.shape[1]
    if top > stored:
        raise InputError(f"top is {top}, but the network has {stored} neighbours of each gene; use at most {stored}")
    near, overlap = net.neighbours[:, :top], net.overlaps[:, :top]
    first = np.repeat(np.arange(len(near)), top)
    second = near.ravel().astype(np.int64)
    a, b = np.minimum(first, second), np.maximum(first, second)
    _, keep = np.unique(a * len(near) + b, return_index=True)
    keep = keep[overlap.ravel()[keep] >= min_overlap]
    names = net.modules["module"].to_numpy()
    if modules is not None:
        wanted = np.isin(names, [net.name_of(module) for module in modules])
        keep = keep[wanted[a[keep]] & wanted[b[keep]]]
    a, b, weight = a[keep], b[keep], overlap.ravel()[keep]
    table = pd.DataFrame(
        {
            "source": net.genes[a],
            "target": net.genes[b],
            "overlap": weight.astype(float),
            "correlation": _pair_correlations(net, a, b),
            "source_module": names[a],
            "target_module": names[b],
        }
    )
    return table.iloc[np.lexsort([b, a, -weight])].reset_index(drop=True)


def _pair_correlations(net: Network, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    X = net.expression.to_numpy(dtype=np.float64)
    Z = X - X.mean(axis=0)
    Z /= np.linalg.norm(Z, axis=0)
    result = np.empty(len(a))
    for start in range(0, len(a), 4096):
        part = slice(start, start + 4096)
        result[part] = np.einsum("ij,ij->j", Z[:, a[part]], Z[:, b[part]])
    return result


def write_edges(
    net: Network, path: str | Path, *, top: int = 10, min_overlap: float = 0.0, modules: Iterable[str] | None = None
) -> None:
    """Write the edges of a network to a file; GraphML has the genes' modules and kME too.

    Parameters
    ----------
    net
        The network.
    path
        The suffix decides the format: .tsv, .csv, .parquet or .graphml.
    top, min_overlap, modules
        As in `edges`.

    Raises
    ------
    InputError
        If the suffix is none of these.
    """
    path = Path(path)
    table = edges(net, top=top, min_overlap=min_overlap, modules=modules)
    if path.suffix == ".graphml":
        write_text(_graphml(net, table, top), path)
    elif path.suffix == ".tsv":
        write_text(table.to_csv(sep="\t", index=False, float_format="%.10g", lineterminator="\n"), path)
    elif path.suffix in (".csv", ".parquet"):
        write_table(table, path)
    else:
        raise InputError(f"{path}: edges are written as .tsv, .csv, .parquet or .graphml, not {path.suffix!r}")


def _graphml(net: Network, table: pd.DataFrame, top: int) -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<!-- {RULE.format(top=top)} -->",
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        '<key id="module" for="node" attr.name="module" attr.type="string"/>',
        '<key id="colour" for="node" attr.name="colour" attr.type="string"/>',
        '<key id="kme" for="node" attr.name="kme" attr.type="double"/>',
        '<key id="overlap" for="edge" attr.name="overlap" attr.type="double"/>',
        '<key id="correlation" for="edge" attr.name="correlation" attr.type="double"/>',
        '<graph edgedefault="undirected">',
    ]
    used = set(table["source"]) | set(table["target"])
    for row in net.modules[net.modules["gene"].isin(used)].itertuples():
        kme = f'<data key="kme">{row.kme:.10g}</data>' if row.kme == row.kme else ""
        lines.append(
            f'<node id={quoteattr(str(row.gene))}><data key="module">{row.module}</data>'
            f'<data key="colour">{row.colour}</data>{kme}</node>'
        )
    lines += [
        f"<edge source={quoteattr(str(row.source))} target={quoteattr(str(row.target))}>"
        f'<data key="overlap">{row.overlap:.10g}</data><data key="correlation">{row.correlation:.10g}</data></edge>'
        for row in table.itertuples()
    ]
    return "\n".join([*lines, "</graph>", "</graphml>", ""])
