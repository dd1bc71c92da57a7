"""How phenotypes lie to each other in a region: nearest neighbours, K, G, contacts, mixing, depth, against shuffles."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from scresist.checks import InputError, counted, require_positive
from scresist.kernels.label_shuffles import arrangements, two_sided
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.spatial import edge_distances, window_of
from scresist.parallel import map_tasks
from scresist.results import Result
from scresist.validation.densities import Imaged

if TYPE_CHECKING:
    from collections.abc import Hashable

RADIUS_UM = 30.0  # two cells within it can touch, or are one cell apart
SHUFFLES = 200
MIN_CELLS = 10  # of a phenotype in a region: fewer tell little of an arrangement
UNNAMED = ("other", "negative", "unnamed")
COLUMNS = (
    "patient", "sample", "roi", "from", "to", "statistic", "radius_um", "value", "expected", "z", "p_value", "q_value",
    "n_from", "n_to", "reason",
)  # fmt: skip


def mif_spatial(
    ready: Imaged, *, pairs: Sequence[tuple[str, str]] | None = None, radius_um: float = RADIUS_UM,
    shuffles: int = SHUFFLES, min_cells: int = MIN_CELLS, workers: int = 1, seed: int = 1,
) -> Result:  # fmt: skip
    """Spatial statistics of every region and pair of phenotypes, each against shuffles of the phenotypes.

    nearest: mean distance in micrometres from a cell of `from` to the nearest of `to`. contacts: mean number of `to`
    within the radius of a cell of `from`. k: Ripley's cross-type K at the radius over that of cells at random, with
    translation correction. g: share of `from`, at least the radius from the edge, with a `to` within it. mixing:
    contacts of `from` with `to` over those among `from`, scaled to be 1 at random. depth: mean distance of `to` =
    "border", from a cell of `from` inside the tumour compartment to the nearest cell outside it.

    Phenotypes are shuffled within the compartments of a region, so that what is found is not that immune cells lie in
    the stroma. A region is not a patient: these p-values are of one picture each, and arms are compared over patients.

    Parameters
    ----------
    ready
        From `prepare`.
    pairs
        (from, to); all pairs of phenotypes with a name where None.
    radius_um
        Of contacts, K and G.
    shuffles
        Of the phenotypes.
    min_cells
        A phenotype with fewer cells in a region has no statistic there.
    workers
        Threads; they change no number.
    seed
        Of the shuffles.

    Returns
    -------
    Result whose table is `validation_mif_spatial`. `q_value` is over the regions of a pair and statistic.

    Raises
    ------
    InputError
        If a pair names a phenotype that no cell has, or the radius is not positive.
    """
    require_positive(radius_um, "radius_um")
    known = sorted(ready.cells["phenotype"].unique())
    for name in {n for pair in pairs or () for n in pair}:
        if name not in known:
            raise InputError(f"no cell has the phenotype {name!r}; there is: {', '.join(known)}")
    wanted = pairs or [(a, b) for a in known for b in known if a != b and not {a, b} & set(UNNAMED)]
    groups = list(ready.cells.groupby(["patient", "sample", "roi"], sort=True))
    seeds = np.random.SeedSequence(seed).spawn(len(groups))
    tasks = [(key, own, known, wanted, radius_um, shuffles, min_cells, s)
             for (key, own), s in zip(groups, seeds, strict=True)]  # fmt: skip
    rows = [r for found in map_tasks(_one_region, tasks, workers=workers, what="regions") for r in found]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table["q_value"] = np.nan
    for _, at in table.groupby(["from", "to", "statistic"]).groups.items():
        table.loc[at, "q_value"] = benjamini_hochberg(table.loc[at, "p_value"].to_numpy(float))
    left = int((table["reason"] != "").sum())
    notes = (f"{counted(left, 'row')} of {len(table)} without a value, for want of cells",) if left else ()
    settings = {"radius_um": radius_um, "shuffles": shuffles, "min_cells": min_cells, "seed": seed}
    return Result(table, "phenotypes shuffled within the compartments of a region", settings, notes)


def _one_region(
    key: "tuple[Hashable, ...]", own: pd.DataFrame, known: list[str], wanted: Sequence[tuple[str, str]], radius: float,
    shuffles: int, min_cells: int, seed: np.random.SeedSequence,
) -> list[dict[str, object]]:  # fmt: skip
    # The order of the rows in the file must not change a shuffle.
    own = own.sort_values(["x_um", "y_um", "cell"], kind="stable")
    xy = own[["x_um", "y_um"]].to_numpy(float)
    types = pd.Categorical(own["phenotype"], categories=known).codes.astype(np.int64)
    strata = pd.factorize(own["compartment"], sort=True)[0].astype(np.int64)
    numbers = np.bincount(types, minlength=len(known))
    window = window_of(xy)
    sides = (window.right - window.left, window.upper - window.lower)
    edge = edge_distances(xy, window)
    at = {name: i for i, name in enumerate(known)}
    base: dict[str, object] = dict(zip(("patient", "sample", "roi"), key, strict=True))
    able = {name for name in known if numbers[at[name]] >= min_cells}
    few = {
        (a, b): f"{counted(int(numbers[at[n]]), 'cell')} of {n}; at least {min_cells} are needed"
        for a, b in wanted for n in (b, a) if n not in able
    }  # fmt: skip
    found = None
    if len(few) < len(wanted) and min(sides) > 0:
        found = arrangements(xy, types, strata, len(known), radius=radius, edge=edge, sides=sides, shuffles=shuffles,
                             rng=np.random.default_rng(seed))  # fmt: skip
    rows: list[dict[str, object]] = []
    for a, b in wanted:
        i, j = at[a], at[b]
        n, m = int(numbers[i]), int(numbers[j])
        row = base | {"from": a, "to": b, "n_from": n, "n_to": m, "radius_um": radius}
        reason = few.get((a, b), "" if found is not None else "every cell of the region is on one line")
        if reason or found is None:
            rows.append(row | {"statistic": "contacts", "reason": reason})
            continue
        contacts = found.contacts[:, i, j]
        with np.errstate(invalid="ignore", divide="ignore"):
            among = found.contacts[:, i, i]
            series = {
                "nearest": found.nearest[:, i, j], "contacts": contacts / n,
                "k": window.area / (n * m) * found.corrected[:, i, j] / (np.pi * radius**2),
                "g": found.within[:, i, j], "mixing": np.where(among > 0, contacts / among * (n - 1) / m, np.nan),
            }  # fmt: skip
        for statistic, values in series.items():
            expected, z, p = two_sided(values)
            shown = values[0] if np.isfinite(values[0]) else np.nan
            rows.append(row | {
                "statistic": statistic, "radius_um": np.nan if statistic == "nearest" else radius, "value": shown,
                "expected": expected, "z": z, "p_value": p,
                "reason": "" if np.isfinite(shown) else "no cell that the statistic is of",
            })  # fmt: skip
    return rows + _depths(base, own, xy, able)


def _depths(base: dict[str, object], own: pd.DataFrame, xy: np.ndarray, able: set[str]) -> list[dict[str, object]]:
    """How deep cells of each phenotype lie in the tumour: their distance to the nearest cell outside it."""
    inside = own["compartment"].str.casefold().str.startswith("tumo").to_numpy(bool)
    outside = (own["compartment"] != "").to_numpy(bool) & ~inside
    if not inside.any() or not outside.any():
        return []
    distance = cKDTree(xy[outside]).query(xy[inside])[0]
    names = own["phenotype"].to_numpy(dtype=object)[inside]
    return [
        base | {"from": name, "to": "border", "statistic": "depth", "radius_um": np.nan,
                "value": float(distance[names == name].mean()), "expected": float(distance.mean()),
                "n_from": int((names == name).sum()), "n_to": int(outside.sum()), "reason": ""}
        for name in sorted(able) if (names == name).any()
    ]  # fmt: skip


def neighbourhoods(ready: Imaged, *, n: int = 6, nearest: int = 10, seed: int = 1) -> Result:
    """Kinds of neighbourhoods over all regions, and the share of the cells of each region that is in each.

    The neighbourhood of a cell is the composition of its nearest cells, itself included; compositions of all regions
    are clustered by k-means.

    Parameters
    ----------
    ready
        From `prepare`.
    n
        Kinds of neighbourhoods.
    nearest
        Cells of a neighbourhood.
    seed
        Of the clustering.

    Returns
    -------
    Result whose table is `validation_mif_neighbourhoods`: one row per region and neighbourhood with its share, and the
    phenotypes that are most over-represented in it.

    Raises
    ------
    InputError
        If there are fewer than two kinds, or fewer cells than `nearest`.

    Notes
    -----
    Schürch CM et al 2020, Cell 182:1341.
    """
    from sklearn.cluster import MiniBatchKMeans

    cells = ready.cells
    if n < 2 or nearest < 2 or len(cells) < max(n, nearest):
        raise InputError(f"neighbourhoods need at least 2 kinds of at least 2 cells, and {max(n, nearest)} cells")
    known = sorted(cells["phenotype"].unique())
    codes = pd.Categorical(cells["phenotype"], categories=known).codes
    shares = np.zeros((len(cells), len(known)))
    for _, rows in sorted(cells.groupby(["patient", "sample", "roi"]).indices.items()):
        xy = cells[["x_um", "y_um"]].to_numpy(float)[rows]
        k = min(nearest, len(rows))
        around = codes[rows][cKDTree(xy).query(xy, k=k)[1].reshape(len(rows), -1)]
        for t in range(len(known)):
            shares[rows, t] = (around == t).mean(axis=1)
    order = np.lexsort((cells["cell"].astype(str), cells["y_um"], cells["x_um"], cells["roi"].astype(str)))
    fitted = MiniBatchKMeans(n, random_state=seed, n_init=5, batch_size=4096).fit(shares[order])
    kind = fitted.predict(shares)
    overall = shares.mean(axis=0)
    labels = {}
    for i, centre in enumerate(fitted.cluster_centers_):
        top = np.argsort(-(centre + 1e-3) / (overall + 1e-3), kind="stable")[:2]
        labels[i] = " and ".join(f"{known[t]} ({centre[t]:.0%})" for t in top if centre[t] > 0.05) or "mixed"
    numbered = {i: f"N{rank + 1}" for rank, i in enumerate(np.argsort(-np.bincount(kind, minlength=n), kind="stable"))}
    table = cells[["patient", "sample", "roi"]].assign(neighbourhood=pd.Series(kind, cells.index).map(numbered))
    keys = ["patient", "sample", "roi"]
    wide = pd.crosstab([table[k] for k in keys], table["neighbourhood"], normalize="index")
    tidy = wide.reset_index().melt(id_vars=keys, var_name="neighbourhood", value_name="share")
    tidy = tidy.sort_values([*keys, "neighbourhood"], ignore_index=True)
    about = {numbered[i]: text for i, text in labels.items()}
    return Result(tidy.assign(about=tidy["neighbourhood"].map(about)), "k-means of the composition of nearest cells",
                  {"n": n, "nearest": nearest, "seed": seed})  # fmt: skip
