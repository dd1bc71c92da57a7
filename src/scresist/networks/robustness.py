"""How far modules depend on the patients: patients resampled, and every patient left out in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import DesignError, require_positive
from scresist.networks.detect import find_modules
from scresist.networks.modes import MODES
from scresist.networks.network import Network
from scresist.networks.recipe import Recipe
from scresist.parallel import map_tasks

FOUND = 0.5  # Jaccard index from which a module of a resample counts as the same module


@dataclass(frozen=True, slots=True)
class Stability:
    """How modules and genes change with the patients.

    `modules`: `module`, `recurrence` (share of resamples with a module of Jaccard index 0.5 or more), with the limits
    `recurrence_low` and `recurrence_high` of its 95 % interval, `jaccard` (mean of the best), `least_without_one`
    (smallest best Jaccard index when one patient is left out), `depends_on` (that patient; empty where the module is
    not found without most of the others either).
    `genes`: `gene`, `module`, `stability` (share of resamples in which the gene is in the module that best matches its
    own; for an unassigned gene, the share in which it is unassigned again).
    `patients`: `patient`, `module`, `jaccard` without that patient.
    """

    modules: pd.DataFrame
    genes: pd.DataFrame
    patients: pd.DataFrame
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()


def recipe_of(net: Network, **changes: Any) -> Recipe:
    """The recipe of a network, with some settings changed."""
    names = ("network", "tom", "correlation", "power", "deep_split", "min_module_size", "merge_height", "pam")
    given = {name: net.settings[name] for name in names}
    given |= {name: net.settings[name] for name in ("members", "seed_genes") if name in net.settings}
    return Recipe(**{**given, "single": MODES[net.settings["mode"]].single_precision, **changes})


def stability(
    net: Network,
    *,
    n_bootstraps: int = 20,
    leave_one_out: bool = True,
    rng: int | np.random.Generator = 1,
    workers: int = 1,
    scheduler: str | None = None,
) -> Stability:
    """Recurrence of every module and of every gene's place in it.

    A bootstrap draws patients with replacement, and metacells within each drawn patient with replacement, and finds
    modules by the same recipe with the same power. Leaving one out finds them without the metacells of a patient.

    Parameters
    ----------
    net
        The network; its metacells must name patients.
    n_bootstraps
        Resamples; with 0, recurrence and gene stability are NaN.
    leave_one_out
        Whether every patient is left out in turn too.
    rng
        Seed or generator; each resample has a stream of its own.
    workers, scheduler
        As in `parallel.map_tasks`; they do not change a number.

    Raises
    ------
    DesignError
        If metacells have no column `patient`, or fewer than three patients.
    """
    require_positive(n_bootstraps, "n_bootstraps", allow_zero=True)
    if "patient" not in net.metacells:
        raise DesignError("the metacells have no column patient: build the network with groupby=('patient', ...)")
    patient = net.metacells["patient"].astype(str).to_numpy()
    patients = np.unique(patient)
    if len(patients) < 3:
        raise DesignError(f"the network has {len(patients)} patients; at least three are needed to resample them")
    X, recipe, labels = net.expression.to_numpy(), recipe_of(net), net.labels
    streams = np.random.default_rng(rng).spawn(int(n_bootstraps))
    draws = [_resample(patient, patients, stream) for stream in streams]
    left = [np.flatnonzero(patient != name) for name in patients] if leave_one_out else []
    made = map_tasks(
        _labels_of,
        [(X, rows, recipe) for rows in [*draws, *left]],
        workers=workers,
        scheduler=scheduler,
        what="resamplings",
    )
    matched = [match_modules(labels, other) for other in made[: len(draws)]]
    without = [match_modules(labels, other)[0] for other in made[len(draws) :]]
    modules = _module_table(net, matched, without, patients)
    genes = net.modules[["gene", "module"]].assign(stability=gene_stability(labels, made[: len(draws)], matched))
    tall = pd.DataFrame(
        {
            "patient": np.repeat(patients[: len(without)], len(net.names)),
            "module": np.tile(net.names, len(without)),
            "jaccard": np.concatenate(without) if without else np.array([]),
        }
    )
    frail = modules.loc[(modules["least_without_one"] < FOUND) & (modules["depends_on"] != "")]
    lost = modules.loc[(modules["depends_on"] == "") & modules["least_without_one"].notna(), "module"]
    notes = [f"{row.module} is not found without patient {row.depends_on}" for row in frail.itertuples()]
    notes += [
        f"{name} is not found in the metacells of most of the others when one patient is left out" for name in lost
    ]
    settings = {"n_bootstraps": int(n_bootstraps), "leave_one_out": leave_one_out, "rng": str(rng)}
    return Stability(modules, genes, tall, MappingProxyType(settings), tuple(notes))


def _labels_of(expression: np.ndarray, rows: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Module labels of some rows of an expression matrix; a gene constant in them is unassigned."""
    X = expression[rows]
    return find_modules(X, recipe)


def _resample(patient: np.ndarray, patients: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of a bootstrap over patients, and over metacells within each."""
    rows = []
    for name in rng.choice(patients, len(patients)):
        own = np.flatnonzero(patient == name)
        rows.append(rng.choice(own, len(own)))
    return np.concatenate(rows)


def match_modules(labels: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each module of `labels` (1, 2, ...) the largest Jaccard index with a module of `others`, and that module.

    Both are 0 where no module shares a gene with it.
    """
    n, m = int(labels.max(initial=0)), int(others.max(initial=0))
    both = np.zeros((n + 1, m + 1))
    np.add.at(both, (labels, others), 1)
    shared = both[1:, 1:]
    if m == 0:
        return np.zeros(n), np.zeros(n, dtype=np.int64)
    union = both[1:].sum(axis=1)[:, None] + both[:, 1:].sum(axis=0)[None] - shared
    jaccard = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    best = jaccard.argmax(axis=1)
    value = jaccard[np.arange(n), best]
    return value, np.where(value > 0, best + 1, 0)


def _module_table(
    net: Network,
    matched: Sequence[tuple[np.ndarray, np.ndarray]],
    without: Sequence[np.ndarray],
    patients: np.ndarray,
) -> pd.DataFrame:
    table = pd.DataFrame({"module": net.names})
    jaccard = np.array([value for value, _ in matched]) if matched else np.full((1, len(table)), np.nan)
    table["recurrence"] = np.where(np.isnan(jaccard), np.nan, jaccard >= FOUND).mean(axis=0)
    table["recurrence_low"], table["recurrence_high"] = wilson_interval(table["recurrence"].to_numpy(), len(matched))
    table["jaccard"] = jaccard.mean(axis=0)
    table["least_without_one"] = np.min(without, axis=0) if without else np.nan
    usual = np.median(without, axis=0) >= FOUND if without else np.zeros(len(table), bool)
    table["depends_on"] = np.where(usual, patients[np.argmin(without, axis=0)], "") if without else ""
    return table


def wilson_interval(share: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Limits of the 95 % interval of Wilson (1927) of shares of n; NaN without any.

    Parameters
    ----------
    share
        Shares, of any shape.
    n
        Trials.
    """
    if n == 0:
        return share, share
    z = 1.959964
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def gene_stability(
    labels: np.ndarray, made: Sequence[np.ndarray], matched: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Share of other labellings in which each gene is in the module that matches its own, or in none again.

    Parameters
    ----------
    labels
        Modules, 1, 2, ... Shape (genes,).
    made
        Other labellings of the same genes.
    matched
        `match_modules` of each.
    """
    if not made:
        return np.full(len(labels), np.nan)
    kept = np.zeros(len(labels))
    for other, (_, best) in zip(made, matched, strict=True):
        wanted = np.concatenate([[0], best])[labels]
        kept += (other == wanted) & ((labels == 0) | (wanted > 0))
    return kept / len(made)


def with_stability(net: Network, result: Stability) -> Network:
    """The network with `stability` in its modules, recurrence and dependence in its catalogue, and notes on both.

    Parameters
    ----------
    net
        The network.
    result
        Of `stability` of the same network.
    """
    modules = net.modules.assign(stability=result.genes["stability"].to_numpy())
    catalogue = net.catalogue.merge(result.modules, on="module", how="left", suffixes=("", "_resampled"))
    return net.replace(modules=modules, catalogue=catalogue, notes=(*net.notes, *result.notes))
