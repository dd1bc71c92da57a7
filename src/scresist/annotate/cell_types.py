"""Lineage, then type, of every cell, from the pooled expression of small groups of like cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist import keys
from scresist.annotate.marker_table import MarkerTable, shipped_markers
from scresist.cells import sum_counts
from scresist.checks import InputError, RefusedError, suggestion
from scresist.kernels.marker_scores import resampled_winners, saturated, signed_mean
from scresist.kernels.normalise import log1p_per_10k
from scresist.results import Result
from scresist.study.cell_names import UNASSIGNED, lineages_of

if TYPE_CHECKING:
    from anndata import AnnData

CELLS_PER_GROUP, MAX_GROUPS = 8, 600
FLOOR, SHARE, PENALTY = 0.5, 0.5, 0.5  # half-saturation and the weight of contradiction, see kernels.marker_scores
MIN_SCORE, MIN_TYPE_SCORE, MIN_CONFIDENCE = 0.15, 0.2, 0.5
DRAWS, GROUPINGS = 50, 6
SEEN = 0.2  # log1p counts per 10,000 of a group: above it an essential gene is seen


def cell_types(
    cohort: "AnnData",
    *,
    markers: MarkerTable | None = None,
    overrides: Mapping[str, str] | None = None,
    lineages: Mapping[str, str] | None = None,
    rng: int | np.random.Generator = 1,
) -> None:
    """Write `obs` lineage, cell_type and confidence.

    Cells are grouped by likeness within their cluster (k-means in the integrated space, about 8 a group), their
    counts pooled, and each group given the lineage, then the type within it, whose markers it shows best (see
    `kernels.marker_scores`). That is done for six groupings, with the markers resampled 50 times in each; the
    confidence is the share of these that give the same answer (lineage x type). Below one half the type becomes the
    broader one it belongs to, or `<lineage> unresolved`; a lineage below one half, or with a weak mean score, is
    `unassigned`.

    Parameters
    ----------
    cohort
        After `embed`.
    markers
        A marker table; None is the shipped one.
    overrides
        Cell type by cluster, for example {"3": "mast cell"}; its confidence is 1.
    lineages
        Lineage of each name in `overrides` that the marker table does not have, for example {"tumour": "epithelial"}:
        malignancy is called in the epithelial lineage, against the others.
    rng
        Seed or generator of the grouping and the resampling.

    Raises
    ------
    RefusedError
        Where fewer than two lineages have three markers in the data.
    InputError
        For an override of a cluster that is not there, or with a name whose lineage is not known.
    """
    table = markers or shipped_markers(keys.organism_of(cohort))
    given = _overridden(cohort, overrides or {}, lineages or {}, table)
    genes = pd.Index(cohort.var_names)
    names, weights = table.weights(genes, None)
    if len(names) < 2:
        raise RefusedError(
            f"cell types are not called: of the lineages in {table.source}, {len(names)} have three markers among the "
            f"{len(genes)} genes measured; two are needed"
        )
    generator = np.random.default_rng(rng)
    wins, scores = np.zeros((cohort.n_obs, len(names))), np.zeros((cohort.n_obs, len(names)))
    votes = {name: _Votes.none(table, name, genes, cohort.n_obs) for name in names}
    used = np.flatnonzero((weights != 0).any(axis=0))
    for _ in range(GROUPINGS):
        groups, expression = _pool(cohort, generator)
        levels = saturated(expression[:, used], FLOOR, SHARE)
        score = np.nan_to_num(signed_mean(levels, weights[:, used], PENALTY), nan=-1.0)
        won = resampled_winners(levels, weights[:, used], PENALTY, DRAWS, generator)
        wins += won[groups] / GROUPINGS
        scores += score[groups] / GROUPINGS
        winner = score.argmax(axis=1)
        for k, name in enumerate(names):
            votes[name].add(table, genes, expression, groups, winner == k, generator)
    rows, winner = np.arange(cohort.n_obs), wins.argmax(axis=1)
    sure = (scores[rows, winner] >= MIN_SCORE) & (wins[rows, winner] >= MIN_CONFIDENCE)
    obs_lineage = np.where(sure, np.array(names, dtype=object)[winner], UNASSIGNED)
    obs_label = np.full(cohort.n_obs, UNASSIGNED, dtype=object)
    obs_confidence = wins[rows, winner].copy()
    for k, name in enumerate(names):
        at = np.flatnonzero(sure & (winner == k))
        obs_label[at], share = votes[name].resolve(at)
        obs_confidence[at] *= share
    cluster = cohort.obs["cluster"].astype(str).to_numpy()
    for name, (label, lineage) in given.items():
        own = cluster == name
        obs_label[own], obs_lineage[own], obs_confidence[own] = label, lineage, 1.0
    keys.put(cohort, "lineage", pd.Categorical(obs_lineage))
    keys.put(cohort, "cell_type", pd.Categorical(obs_label))
    keys.put(cohort, "confidence", obs_confidence)


def _pool(cohort: "AnnData", rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Group of each cell, and the log-normalised pooled expression of each group; no group spans two clusters."""
    from sklearn.cluster import KMeans

    space = np.asarray(cohort.obsm["X_integrated"], dtype=float)
    per_group = max(CELLS_PER_GROUP, cohort.n_obs / MAX_GROUPS)
    groups, n_groups = np.empty(cohort.n_obs, dtype=int), 0
    for at in cohort.obs.groupby("cluster", observed=True).indices.values():
        k = max(1, round(len(at) / per_group))
        seed = int(rng.integers(2**31))
        own = (
            KMeans(n_clusters=k, n_init=3, random_state=seed).fit_predict(space[at])
            if k > 1
            else np.zeros(len(at), int)
        )
        groups[at] = n_groups + own
        n_groups += k
    sums = sum_counts(cohort, groups, n_groups)
    return groups, log1p_per_10k(sums)


@dataclass(slots=True)
class _Votes:
    """Resamplings won by each narrowest type of a lineage, and scores, per cell, over the groupings it took part in."""

    lineage: str
    names: list[str]
    lines: list[tuple[str, ...]]
    weights: np.ndarray
    wins: np.ndarray
    scores: np.ndarray
    times: np.ndarray

    @classmethod
    def none(cls, table: MarkerTable, lineage: str, genes: pd.Index, n_cells: int) -> "_Votes":
        """No votes yet; a type that others descend from does not compete with them."""
        names, weights = table.weights(genes, lineage)
        lines = [table.line(name) for name in names]
        leaves = [k for k, name in enumerate(names) if not any(name in line[1:] for line in lines)]
        shape = (n_cells, len(leaves))
        return cls(lineage, [names[k] for k in leaves], [lines[k] for k in leaves], weights[leaves],
                   np.zeros(shape), np.zeros(shape), np.zeros(n_cells))  # fmt: skip

    def add(
        self, table: MarkerTable, genes: pd.Index, expression: np.ndarray, groups: np.ndarray, own: np.ndarray,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        """The votes of the groups of one grouping that are of this lineage (`own`)."""
        if len(self.names) < 2 or not own.any():
            return
        own_expression = expression[own]
        used = np.flatnonzero((self.weights != 0).any(axis=0))
        levels = saturated(own_expression[:, used], FLOOR, SHARE)
        score = np.nan_to_num(signed_mean(levels, self.weights[:, used], PENALTY), nan=-1.0)
        needed = table.essential(genes, self.names)
        unseen = [(own_expression[:, at] < SEEN).all(axis=1) if len(at) else np.zeros(own.sum(), bool) for at in needed]
        barred = np.column_stack(unseen)
        score[barred] = -1.0
        won = resampled_winners(levels, self.weights[:, used], PENALTY, DRAWS, rng, barred)
        place = np.cumsum(own) - 1
        cells = np.flatnonzero(own[groups])
        at = place[groups[cells]]
        self.wins[cells] += won[at]
        self.scores[cells] += score[at]
        self.times[cells] += 1

    def resolve(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Type and confidence of some cells."""
        if len(self.names) < 2:
            return np.full(len(cells), (self.names or [self.lineage])[0], dtype=object), np.ones(len(cells))
        labels, shares = np.empty(len(cells), dtype=object), np.empty(len(cells))
        times = np.maximum(self.times[cells], 1)[:, None]
        wins, scores = self.wins[cells] / times, self.scores[cells] / times
        for i, winner in enumerate(wins.argmax(axis=1)):
            weak = int(scores[i, winner] < MIN_TYPE_SCORE)
            labels[i], shares[i] = _resolve(
                self.lines[winner][weak:], self.lines, wins[i], f"{self.lineage} unresolved"
            )
        return labels, shares


def _resolve(
    line: tuple[str, ...], lines: list[tuple[str, ...]], wins: np.ndarray, unresolved: str
) -> tuple[str, float]:
    """The narrowest type of a line of descent that at least half of the resamplings agree on."""
    for name in line:
        share = float(sum(w for w, other in zip(wins, lines, strict=True) if name in other))
        if share >= MIN_CONFIDENCE:
            return name, share
    return unresolved, 1.0


def _overridden(
    cohort: "AnnData", overrides: Mapping[str, str], lineages: Mapping[str, str], table: MarkerTable
) -> dict[str, tuple[str, str]]:
    """Cell type and lineage of each cluster that is named by the user."""
    clusters = [str(c) for c in cohort.obs["cluster"].cat.categories]
    known = lineages_of(table.table) | dict(lineages)
    for cluster, name in overrides.items():
        if str(cluster) not in clusters:
            raise InputError(f"annotate.overrides names cluster {cluster!r}; {suggestion(str(cluster), clusters)}")
        if name not in known:
            raise InputError(
                f"annotate.overrides: {name!r} (cluster {cluster}) is no cell type of {table.source}; give its lineage "
                f'(lineages, for example {{"{name}": "epithelial"}}), or correct the name: {suggestion(name, known)}'
            )
    return {str(cluster): (name, known[name]) for cluster, name in overrides.items()}


def evidence(cohort: "AnnData", markers: MarkerTable | None = None) -> Result:
    """The evidence for the label of each cluster: its types with their shares, and its markers with their levels.

    Columns: cluster, n_cells, n_samples, lineage, lineage_share, cell_type, cell_type_share, confidence, markers_for
    (positive markers of the lineage and type with the mean of log1p counts per 10,000), markers_against.

    Parameters
    ----------
    cohort
        Annotated by `cell_types`.
    markers
        The marker table that was used; None is the shipped one.
    """
    table = (markers or shipped_markers(keys.organism_of(cohort))).table
    genes = pd.Index(cohort.var_names)
    clusters = cohort.obs["cluster"].cat
    sums = sum_counts(cohort, clusters.codes.to_numpy(), len(clusters.categories))
    expression = log1p_per_10k(sums)
    rows = []
    for k, cluster in enumerate(clusters.categories):
        inside = cohort.obs[cohort.obs["cluster"] == cluster]
        lineage, cell_type = inside["lineage"].value_counts(), inside["cell_type"].value_counts()
        named = table[(table["lineage"] == lineage.index[0]) & table["cell_type"].isin(["", cell_type.index[0]])]
        levels = pd.Series(expression[k], index=genes)
        rows.append(
            {
                "cluster": cluster,
                "n_cells": len(inside),
                "n_samples": inside["sample"].nunique(),
                "lineage": lineage.index[0],
                "lineage_share": lineage.iloc[0] / len(inside),
                "cell_type": cell_type.index[0],
                "cell_type_share": cell_type.iloc[0] / len(inside),
                "confidence": inside["confidence"].mean(),
                "markers_for": _strongest(levels, named.loc[named["sign"] > 0, "gene"]),
                "markers_against": _strongest(levels, named.loc[named["sign"] < 0, "gene"]),
            }
        )
    return Result(pd.DataFrame(rows), "shipped or given markers on pooled counts of each cluster")


def _strongest(levels: pd.Series, genes: pd.Series, number: int = 6) -> str:
    found = levels.reindex(genes.unique()).dropna().sort_values(ascending=False, kind="stable")
    return ", ".join(f"{gene} {value:.2f}" for gene, value in found[found >= 0.1].head(number).items())
