"""Metacells of a cohort, each of cells of one group, with a report on every group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.cells.network_cells import group_names
from scresist.checks import InputError, RefusedError, require_positive, suggestion
from scresist.kernels.metacells import aggregate_members, choose_metacells, overlap_summary
from scresist.kernels.r_random import RStream

NOTHING_SHARED = {"max_shared": np.nan, "mean_shared": np.nan, "median_shared": np.nan}
SMALLEST_POOL = 5  # cells; an average over fewer is mostly noise, and a smaller group is left out and named


@dataclass(frozen=True, slots=True)
class Metacells:
    """Pools of cells of one group each.

    `counts` are sums over the members (metacells x genes); `table` has a row per metacell: `metacell`, the groupby
    columns, `group`, `n_cells`; `report` a row per group: `group`, its columns, `arm` (where obs has one), `n_cells`,
    `n_metacells`, `k`, `how` (metacells | small metacells | pseudobulk | left out), and how much its metacells share
    (`max_shared`, `mean_shared`, `median_shared`).
    """

    counts: np.ndarray
    members: tuple[np.ndarray, ...]
    table: pd.DataFrame
    report: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pooling:
    """How metacells are made; the defaults are hdWGCNA's, except the target.

    Attributes
    ----------
    k
        Cells of a metacell.
    max_shared
        Largest number of cells that two metacells share.
    target
        Largest number of metacells of a group: with 150 no large biopsy dominates the cohort.
    min_cells
        Smallest group that is pooled as it is.
    max_iterations
        Largest number of candidate metacells of a group.
    small_groups
        Whether smaller groups give fewer and smaller metacells, or none.
    """

    k: int = 25
    max_shared: int = 15
    target: int = 150
    min_cells: int = 100
    max_iterations: int = 5000
    small_groups: bool = True

    def __post_init__(self) -> None:
        for name in ("k", "target", "min_cells"):
            require_positive(getattr(self, name), name)
        if self.k < 2:
            raise InputError(f"k must be 2 or more cells; got {self.k}")
        require_positive(self.max_shared, "max_shared", allow_zero=True)


def pool_cells(
    obs: pd.DataFrame,
    counts: sparse.csr_array,
    points: np.ndarray,
    groupby: Sequence[str],
    pooling: Pooling,
    draw: "np.random.Generator | RStream | Mapping[str, np.ndarray]",
) -> Metacells:
    """Metacells within every group of cells.

    With `small_groups`, a group below `min_cells` is not dropped: k and max_shared decrease in proportion (to no fewer
    than five cells), a group too small for that becomes one pseudobulk, and a group below five cells is left out. The
    report and the notes list these groups.

    Parameters
    ----------
    obs, counts, points
        The cells: their table, raw counts (cells x genes) and coordinates.
    groupby
        Columns of obs; no metacell mixes two of their combinations.
    pooling
        Sizes and limits.
    draw
        A Generator or an R stream, or the positions to replay of each group.

    Raises
    ------
    InputError
        If a column is missing, `draw` has no positions for a group, or k exceeds a group that must be pooled.
    RefusedError
        If no group is large enough for a metacell.
    """
    names, groups = group_names(obs, groupby)
    members: list[np.ndarray] = []
    rows, report = [], []
    positions = names.groupby(names, sort=False).indices
    for name, values in groups.to_dict(orient="index").items():
        cells = np.asarray(positions[name])
        how, k, shared = _plan(len(cells), pooling)
        source = _source_of(draw, str(name), how)
        if isinstance(source, np.random.Generator):
            # By name, so that the order of the rows does not decide who is drawn; R's draws are by row.
            cells = cells[np.argsort(obs.index[cells].astype(str), kind="stable")]
        found = _pools(points[cells], how, k, shared, pooling, source)
        members += [cells[pool] for pool in found]
        named = {str(column): value for column, value in values.items()}
        rows += [{"metacell": f"{name}_{i + 1}", "group": name, **named, "n_cells": len(np.unique(pool))}
                 for i, pool in enumerate(found)]  # fmt: skip
        seen = overlap_summary(np.array(found)) if len(found) > 1 else NOTHING_SHARED
        report.append({
            "group": name, **named, **_arm_of(obs, cells, named), "n_cells": len(cells), "n_metacells": len(found),
            "k": k, "how": how, **seen,
        })  # fmt: skip
    table, groups_table = pd.DataFrame(rows), pd.DataFrame(report)
    if not rows:
        raise RefusedError(
            f"no group of {', '.join(groupby)} has the {pooling.min_cells} cells that metacells need "
            f"(the largest has {int(groups_table['n_cells'].max())}); lower min_cells or pool over fewer columns"
        )
    pooled = aggregate_members(counts, members, average=False)
    return Metacells(pooled, tuple(members), table, groups_table, _notes(groups_table, names, pooling))


def _source_of(draw: Any, group: str, how: str) -> Any:
    """Where the positions of a group's metacells come from: the generator, the stream, or the positions to replay."""
    if not isinstance(draw, Mapping):
        return draw
    if group not in draw and "metacells" in how:
        raise InputError(f"draws has no positions for group {group!r}; {suggestion(group, draw)}")
    return draw.get(group)


def _arm_of(obs: pd.DataFrame, cells: np.ndarray, named: Mapping[str, Any]) -> dict[str, str]:
    """The arm of a group's cells, "mixed" where there are several, so that metacells can be counted by arm."""
    if "arm" not in obs or "arm" in named:
        return {}
    arms = obs["arm"].iloc[cells].dropna().astype(str).unique()
    return {"arm": str(arms[0]) if len(arms) == 1 else "mixed" if len(arms) else ""}


def _plan(n: int, pooling: Pooling) -> tuple[str, int, int]:
    """How a group of n cells is pooled, with its k and max_shared."""
    if n >= pooling.min_cells:
        return "metacells", pooling.k, pooling.max_shared
    if not pooling.small_groups:
        return "left out", 0, 0
    k = max(SMALLEST_POOL, round(pooling.k * n / pooling.min_cells))
    if n >= 2 * k:
        return "small metacells", k, int(pooling.max_shared * k / pooling.k)
    return ("pseudobulk", n, 0) if n >= SMALLEST_POOL else ("left out", 0, 0)


def _pools(points: np.ndarray, how: str, k: int, shared: int, pooling: Pooling, source: Any) -> list[np.ndarray]:
    if how == "left out":
        return []
    if how == "pseudobulk":
        return [np.arange(len(points))]
    return list(choose_metacells(points, k, shared, pooling.target, pooling.max_iterations, source))


def _notes(report: pd.DataFrame, names: pd.Series, pooling: Pooling) -> tuple[str, ...]:
    notes = []
    missing = int(names.isna().sum())
    if missing:
        notes.append(f"{missing} cells have no value in a groupby column and are in no metacell")
    words = {
        "small metacells": f"groups below {pooling.min_cells} cells have fewer and smaller metacells",
        "pseudobulk": "groups too small for metacells are one pseudobulk each",
        "left out": f"groups below {SMALLEST_POOL if pooling.small_groups else pooling.min_cells} cells are left out",
    }
    for how, text in words.items():
        some = report.loc[report["how"] == how]
        if len(some):
            listed = ", ".join(f"{row.group} ({row.n_cells})" for row in some.itertuples())
            notes.append(f"{len(some)} {text}: {listed}")
    return tuple(notes)
