"""Changes of ligands and receptors between conditions, put beside the links that they belong to."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.communication.resource import LigandReceptorTable, read_resource
from scresist.communication.result import Communication

_STATISTICS = ("p_value", "log_fc", "share_in", "share_out")


def link_gene_changes(
    conditions: Mapping[str, Communication],
    changes: pd.DataFrame,
    *,
    every_subunit: bool = True,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
) -> pd.DataFrame:
    """Links of each condition with the change of the ligand in the source and of the receptor in the target.

    Parameters
    ----------
    conditions
        Results by name.
    changes
        One row per group and gene: group, gene, p_value, log_fc, share_in, share_out, from any test. Where a gene of a
        group stands more than once, the first row is taken.
    every_subunit
        A complex takes the mean over its subunits that have rows; otherwise the smallest p-value and the largest of the
        other columns.
    resource, organism
        Where the subunits of complexes stand.

    Returns
    -------
    The links of all conditions one after another: condition, the columns of `Communication.table`, and ligand_ and
    receptor_ p_value, log_fc, share_in, share_out; NaN where the gene has no row.
    """
    require_columns(changes, ["group", "gene", *_STATISTICS], "the table of changes")
    table = read_resource(resource, organism)
    first = changes.drop_duplicates(["group", "gene"])
    rows = {
        (str(g), str(n)): values
        for g, n, values in zip(first["group"], first["gene"], first[list(_STATISTICS)].to_numpy(float), strict=True)
    }
    parts = []
    for name, com in conditions.items():
        links = com.table.assign(condition=name)
        for side, group in (("ligand", "source"), ("receptor", "target")):
            known: dict[tuple[str, str], np.ndarray] = {}
            for key in zip(links[group], links[side], strict=True):
                if key not in known:
                    found = [rows[key[0], g] for g in table.genes_of(key[1]) if (key[0], g) in rows]
                    known[key] = _one(np.array(found), every_subunit=every_subunit)
            values = np.array([known[key] for key in zip(links[group], links[side], strict=True)]).reshape(-1, 4)
            links[[f"{side}_{s}" for s in _STATISTICS]] = values
        parts.append(links)
    joined = pd.concat(parts, ignore_index=True)
    return joined[["condition", *[c for c in joined.columns if c != "condition"]]]


def _one(found: np.ndarray, *, every_subunit: bool) -> np.ndarray:
    if len(found) == 0:
        return np.full(len(_STATISTICS), np.nan)
    if every_subunit:
        return np.asarray(found.mean(axis=0))
    return np.concatenate([[found[:, 0].min()], found[:, 1:].max(axis=0)])
