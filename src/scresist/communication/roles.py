"""The part of groups and pairs: centralities, signalling roles, contributions of pairs, and subsets of links."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, require_choice, suggestion
from scresist.communication.centrality import centralities
from scresist.communication.result import LINK_P, Communication


def group_centralities(com: Communication, *, level: str = "pathway", threshold: float = LINK_P) -> pd.DataFrame:
    """How central each group is in the network of each pathway, or in the network of all links together.

    Parameters
    ----------
    com
        Any mode.
    level
        pathway | aggregate (the weights of all links; pathway is "" then).
    threshold
        p-value of the links that count.

    Returns
    -------
    One row per pathway and group: pathway, group, and the measures of `communication.centrality`.

    Raises
    ------
    RefusedError
        If no pathway has a link.
    """
    require_choice(level, ("pathway", "aggregate"), "level")
    if level == "aggregate":
        arrays, names = com.weights(threshold=threshold).to_numpy()[:, :, None], pd.Index([""])
    else:
        arrays, names = com.pathway_array(threshold=threshold)
        if len(names) == 0:
            raise RefusedError(f"no link has a p-value up to {threshold:g}: there is no pathway to rank groups in")
    measured = centralities(arrays)
    n = len(com.groups)
    keys = {"pathway": np.repeat(names.to_numpy(), n), "group": np.tile(com.groups.to_numpy(), len(names))}
    return pd.DataFrame(keys | {m: v.T.ravel() for m, v in measured.items()})


def signalling_roles(com: Communication, *, threshold: float = LINK_P) -> pd.DataFrame:
    """How much each group sends and receives over all pathways: group, outgoing, incoming, n_links.

    Parameters
    ----------
    com
        Any mode.
    threshold
        p-value of the links that count (up to it for the sums, below it for `n_links`).
    """
    sums, _ = com.pathway_array(threshold=threshold)
    counts = com.counts(threshold=threshold).to_numpy()
    links = counts.sum(axis=0) + counts.sum(axis=1) - np.diag(counts)
    return pd.DataFrame(
        {
            "group": com.groups.to_numpy(),
            "outgoing": sums.sum(axis=(1, 2)),
            "incoming": sums.sum(axis=(0, 2)),
            "n_links": links,
        }
    )


def contribution(com: Communication, *, pathway: str | None = None, threshold: float = LINK_P) -> pd.DataFrame:
    """The share of each pair in the signal of its pathway: pathway, interaction, ligand, receptor, contribution.

    Parameters
    ----------
    com
        Any mode.
    pathway
        One pathway; None is all, largest total first.
    threshold
        p-value up to which links count.

    Raises
    ------
    InputError
        If the pathway has no link.
    """
    _, names = com.pathway_array(threshold=threshold)
    if pathway is not None:
        _require_names([pathway], names, "pathway with a link")
        names = pd.Index([pathway])
    kept = np.where(com.p_value <= threshold, np.nan_to_num(com.probability), 0.0)
    which, parts = com.interactions["pathway_name"].to_numpy(), []
    for name in names:
        own = np.flatnonzero((which == name) & (kept.sum(axis=(0, 1)) > 0))
        array = kept[:, :, own]
        low, high = array.min(), array.max()
        total = ((array - low) / (high - low) if high > low else array).sum(axis=(0, 1))
        share = total / total.sum()
        order = np.argsort(-share, kind="stable")
        order = order[share[order] > 0]
        rows = com.interactions.iloc[own[order]]
        parts.append(
            pd.DataFrame(
                {
                    "pathway": name,
                    "interaction": rows["interaction_name"].to_numpy(),
                    "ligand": rows["ligand"].to_numpy(),
                    "receptor": rows["receptor"].to_numpy(),
                    "contribution": share[order],
                }
            )
        )
    columns = ["pathway", "interaction", "ligand", "receptor", "contribution"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def select_links(
    com: Communication,
    *,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    pathways: Sequence[str] | None = None,
    pairs: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Rows of `com.table` between the named groups and through the named pathways or pairs.

    Parameters
    ----------
    com
        Any mode.
    sources, targets
        Names of groups; None is all.
    pathways, pairs
        Names of pathways and interactions; None is all.

    Raises
    ------
    InputError
        For a name that is not in the result.
    RefusedError
        Where no link is left.
    """
    table = com.table
    filters = (
        ("source", sources, com.groups), ("target", targets, com.groups),
        ("pathway", pathways, pd.Index(com.interactions["pathway_name"].unique())), ("interaction", pairs, com.pairs),
    )  # fmt: skip
    for column, names, present in filters:
        if names is not None:
            wanted = [names] if isinstance(names, str) else list(names)
            _require_names(wanted, present, column)
            table = table[table[column].isin(wanted)]
    if table.empty:
        raise RefusedError("there is no link between these groups through these pathways; name more of them")
    return table.reset_index(drop=True)


def _require_names(names: Sequence[str], present: pd.Index, what: str) -> None:
    for name in names:
        if name not in present:
            raise InputError(f"no {what} is named {name!r}; {suggestion(name, present)}")
