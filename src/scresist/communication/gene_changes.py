"""Changes of ligands and receptors between conditions, joined to the links that they are part of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.normalise import log_normalised
from scresist.checks import InputError, require_choice, require_columns, suggestion
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.over_expression import GENE_P, gene_statistics
from scresist.communication.resource import read_resource
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
        One row per group and gene: group, gene, p_value, log_fc, share_in, share_out, from any test. Of several rows of
        a gene in a group the first is used.
    every_subunit
        Whether a complex has the mean over its subunits that have rows; otherwise it has the smallest p-value and the
        largest values of the other columns.
    resource, organism
        The table with the subunits of complexes.

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


def condition_gene_changes(
    adata: Any,
    *,
    groupby: str,
    condition: str,
    test: str,
    method: str = "fast",
    pooled: bool = False,
    min_share: float = 0.1,
    min_fold: float = 0.05,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb",
    organism: str = "human",
) -> pd.DataFrame:
    """Signalling genes that differ between one condition and the rest within each group, with cells as the unit.

    These are the changes that CellChat maps onto links. Cells are not replicates: to compare arms use tests over
    patients.

    Parameters
    ----------
    adata
        Cells x genes, X log-normalised, all conditions together.
    groupby, condition
        Columns of the groups and of the conditions.
    test
        The condition that is compared with all others.
    method
        fast | slow, as in `over_expressed_genes`.
    pooled
        Whether there is one test over all cells, whose rows are repeated for each group.
    min_share, min_fold
        Smallest share of cells above zero on either side, and smallest absolute log-fold.
    resource, organism
        Whose genes are signalling genes.

    Returns
    -------
    group, gene, log_fc (test less the rest), p_value, p_adjusted, share_in, share_out, with p < 0.05. A group whose
    cells are all in one condition has no rows.

    Raises
    ------
    InputError
        If no cell or every cell is of the condition.
    """
    require_choice(method, ("fast", "slow"), "method")
    require_columns(adata.obs, [groupby, condition], "the cells' table (adata.obs)")
    of_condition = adata.obs[condition].astype(str).to_numpy()
    if test not in set(of_condition):
        raise InputError(f"no cell has {condition} = {test!r}; {suggestion(test, sorted(set(of_condition)))}")
    if len(set(of_condition)) < 2:
        raise InputError(f"all cells have {condition} = {test!r}; there is no other condition to compare it with")
    labels = adata.obs[groupby].astype("category").cat.remove_unused_categories()
    names = pd.Index(adata.var_names).astype(str)
    inside = np.flatnonzero(names.isin(read_resource(resource, organism).signalling_genes()))
    X = sparse.csr_array(log_normalised(adata, genes=inside), dtype=np.float64)
    codes = (of_condition != test).astype(np.int64)
    parts = []
    for group in [None] if pooled else list(labels.cat.categories):
        cells = np.arange(adata.n_obs) if group is None else np.flatnonzero((labels == group).to_numpy())
        if len(set(codes[cells])) < 2:
            continue
        s = {k: v[0] for k, v in gene_statistics(sparse.csc_array(X[cells]), codes[cells], 2, method).items()}
        enough = np.maximum(s["share_in"], s["share_out"]) > min_share
        large = np.abs(s["log_fc"]) >= min_fold if method == "fast" else np.abs(s["log_fc"]) > min_fold
        kept = enough & large & (s["p_value"] < GENE_P)
        table = pd.DataFrame({"gene": names[inside][kept]} | {k: v[kept] for k, v in s.items()})
        table = table.assign(down=-table["log_fc"]).sort_values(["p_value", "down"], kind="stable").drop(columns="down")
        parts += [table.assign(group=str(g)) for g in (labels.cat.categories if group is None else [group])]
    columns = ["group", "gene", "log_fc", "p_value", "p_adjusted", "share_in", "share_out"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
