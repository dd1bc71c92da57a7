"""How sure a gene's kME and rank are: one interval of each, computed once and used by every table."""

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_positive
from scresist.networks.network import Network

MINIMUM_PATIENTS = 3


def with_kme_intervals(
    net: Network, *, n_bootstraps: int = 200, level: float = 0.95, rng: int | np.random.Generator = 1
) -> Network:
    """The network with intervals of every gene's kME with every module and of its rank in its own.

    Patients are drawn with replacement. Each draw weights their metacells, and kME with the module's eigengene is
    computed again; the limits are quantiles over draws.

    Parameters
    ----------
    net
        The network.
    n_bootstraps
        Draws of patients.
    level
        Coverage of the intervals.
    rng
        Seed or generator of the draws.

    Returns
    -------
    The network with `kme_low` and `kme_high` (genes x modules), and in `modules` the columns `kme_low`, `kme_high`,
    `rank_low`, `rank_high` of each gene in its own module. All are NaN where metacells have no column `patient` or
    fewer than three of them.

    Raises
    ------
    InputError
        If `n_bootstraps` is not above zero or `level` not between 0 and 1.
    """
    require_positive(n_bootstraps, "n_bootstraps")
    if not 0 < level < 1:
        raise InputError(f"level must be above 0 and below 1; got {level!r}")
    kme, ranks = _limits(net, int(n_bootstraps), [(1 - level) / 2, (1 + level) / 2], np.random.default_rng(rng))
    low, high = (pd.DataFrame(limit, net.kme.index, net.kme.columns) for limit in kme)
    inside, own = net.labels > 0, np.full((2, len(net.genes)), np.nan)
    own[:, inside] = kme[:, np.flatnonzero(inside), net.labels[inside] - 1]
    modules = net.modules.assign(kme_low=own[0], kme_high=own[1], rank_low=ranks[0], rank_high=ranks[1])
    return net.replace(modules=modules, kme_low=low, kme_high=high)


def _limits(
    net: Network, n_bootstraps: int, tails: list[float], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of kME (tails, genes, modules) and of the rank in the own module (tails, genes).

    From sums per patient, so that a draw of patients costs one weighted sum.
    """
    X, E = net.expression.to_numpy(dtype=np.float64), net.eigengenes.to_numpy()
    shape = net.kme.shape
    patient = pd.factorize(net.metacells["patient"])[0] if "patient" in net.metacells else np.zeros(len(X), dtype=int)
    groups = int(patient.max()) + 1
    if groups < MINIMUM_PATIENTS:
        return np.full((2, *shape), np.nan), np.full((2, shape[0]), np.nan)
    X = X - X.mean(axis=0)
    member = (patient[None] == np.arange(groups)[:, None]).astype(float)
    sums = [member @ X, member @ X**2, member @ E, member @ E**2, member.sum(axis=1)]
    products = np.array([X[patient == g].T @ E[patient == g] for g in range(groups)])
    drawn, ranks = [], []
    for _ in range(n_bootstraps):
        weight = np.bincount(rng.integers(groups, size=groups), minlength=groups).astype(float)
        sx, sxx, se, see, total = (weight @ part for part in sums)
        cross = np.tensordot(weight, products, axes=1) - np.outer(sx, se) / total
        scale = np.sqrt(np.outer(np.maximum(sxx - sx**2 / total, 0), np.maximum(see - se**2 / total, 0)))
        kme = np.divide(cross, scale, out=np.full(shape, np.nan), where=scale > 0)
        drawn.append(kme.astype(np.float32))
        ranks.append(_own_ranks(kme, net.labels))
    limits = np.nanquantile(np.array(drawn), tails, axis=0)
    inside, rank_limits = net.labels > 0, np.full((2, shape[0]), np.nan)
    rank_limits[:, inside] = np.nanquantile(np.array(ranks)[:, inside], tails, axis=0)
    return limits, rank_limits


def _own_ranks(kme: np.ndarray, labels: np.ndarray) -> np.ndarray:
    ranks = np.full(len(labels), np.nan)
    for column in range(kme.shape[1]):
        inside = np.flatnonzero(labels == column + 1)
        order = np.argsort(-kme[inside, column], kind="stable")
        ranks[inside[order]] = np.arange(1, len(inside) + 1)
    return ranks


def hub_genes(net: Network, n: int = 10) -> pd.DataFrame:
    """The n genes of highest kME of every module, with intervals of their kME and rank.

    Parameters
    ----------
    net
        The network; where it has no intervals, those of `with_kme_intervals` are computed.
    n
        Genes per module.

    Returns
    -------
    `module`, `gene`, `kme`, `kme_low`, `kme_high`, `rank`, `rank_low`, `rank_high`, hub first.

    Raises
    ------
    InputError
        If n is not above zero.
    """
    require_positive(n, "n")
    known = net if net.kme_low is not None else with_kme_intervals(net)
    table = pd.concat([known.members(name).head(int(n)) for name in known.names], ignore_index=True)
    columns = ["module", "gene", "kme", "kme_low", "kme_high", "rank", "rank_low", "rank_high"]
    return table[columns].astype({"rank": int})
