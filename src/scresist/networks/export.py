"""A network's edges, as a table or a GraphML file, with a stated rule for what is kept."""

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

    Kept: a pair in which either gene is among the `top` (at most 50) of highest topological overlap with the other,
    if their overlap reaches `min_overlap`, and, where `modules` are given, both genes are in one of them.

    Returns
    -------
    `source`, `target` (in the order of genes), `overlap`, `correlation`, `source_module`, `target_module`, strongest
    first.
    """
    require_positive(top, "top")
    held = net.neighbours.shape[1]
    if top > held:
        raise InputError(f"top is {top}, but a network keeps {held} neighbours of each gene; take at most {held}")
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
    """Write `edges` as .tsv, .csv, .parquet or .graphml, by the suffix of the path; GraphML has the genes' modules too.

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
        raise InputError(f"{path}: write edges as .tsv, .csv, .parquet or .graphml; got {path.suffix!r}")


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
