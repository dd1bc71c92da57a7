"""Networks of one patient (or arm) each, and the modules they agree on."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import DesignError, InputError, RefusedError, require_columns
from scresist.networks.construct import described, with_network_scores
from scresist.networks.detect import cut_modules
from scresist.networks.matrix import MINIMUM_METACELLS
from scresist.networks.network import Network
from scresist.networks.recipe import correlations, dissimilarity
from scresist.networks.robustness import recipe_of


def consensus(
    net: Network,
    adata: Any = None,
    *,
    by: str = "patient",
    quantile: float = 0.25,
    scale_at: float = 0.95,
    min_metacells: int = MINIMUM_METACELLS,
    min_module_size: int | None = None,
    deep_split: int | None = None,
    samples: pd.DataFrame | None = None,
) -> Network:
    """Modules that the networks of separate patients (or arms) agree on.

    A topological overlap is computed from the metacells of each patient alone. Each is raised to the power that moves
    its `scale_at` quantile to that of the first patient, so that a patient with fewer cells does not count as more
    strongly connected. The consensus overlap of two genes is the `quantile` of their overlaps over patients (0 is the
    smallest). Modules are cut from it as from any other overlap, then trimmed and merged on all metacells, centred
    within patients.

    Parameters
    ----------
    net
        A network: its metacells, genes and settings are used.
    adata
        Cells in which the modules are scored, as in `build`; None leaves the scores empty.
    by
        Column of the metacells: patient, arm (where cells were pooled by it) or sample.
    quantile, scale_at
        See above.
    min_metacells
        Fewest metacells of a patient; patients with fewer are left out and named in the notes.
    min_module_size, deep_split
        Settings of the cut; None uses those of the network.
    samples
        Batches of the samples, as in `build`.

    Returns
    -------
    A `Network` with the consensus modules; its notes name the patients used.

    Raises
    ------
    InputError
        If `quantile` or `scale_at` is out of range, or `by` is no column of the metacells.
    DesignError
        If fewer than two patients have enough metacells.
    RefusedError
        If the networks agree on no module.

    References
    ----------
    Langfelder & Horvath (2007) BMC Syst Biol 1:54.
    """
    require_columns(net.metacells, [by], "the network's metacells")
    if not 0 <= quantile <= 1 or not 0 < scale_at < 1:
        raise InputError(
            f"quantile must be from 0 to 1, and scale_at above 0 and below 1; got {quantile!r} and {scale_at!r}"
        )
    given = {"min_module_size": min_module_size, "deep_split": deep_split}
    changes = {name: value for name, value in given.items() if value is not None}
    recipe = recipe_of(net, **changes)
    values = net.metacells[by].astype(str).to_numpy()
    names, counts = np.unique(values, return_counts=True)
    used, out = names[counts >= min_metacells], names[counts < min_metacells]
    if len(used) < 2:
        raise DesignError(
            f"{len(used)} of {len(names)} values of {by!r} have {min_metacells} metacells or more; two are needed"
        )
    X = net.expression.to_numpy(dtype=np.float64)
    centred = np.vstack([X[values == name] - X[values == name].mean(axis=0) for name in names])
    moving = np.all([X[values == name].std(axis=0) > 1e-12 for name in used], axis=0)
    D = _agreed({name: X[np.ix_(values == name, moving)] for name in used.tolist()}, recipe, quantile, scale_at)
    rows = np.concatenate([np.flatnonzero(values == name) for name in names])
    restored = np.empty_like(centred)
    restored[rows] = centred + X.mean(axis=0)
    detected = cut_modules(restored[:, moving], D, recipe, n_neighbours=min(50, int(moving.sum()) - 1))
    if not detected.labels.any():
        raise RefusedError(
            f"the networks of {len(used)} values of {by!r} agree on no module of {recipe.min_module_size} genes; "
            "lower min_module_size or the quantile"
        )
    notes = [f"consensus over {len(used)} values of {by}: {', '.join(used)}"]
    if len(out):
        left_out = f"{len(out)} values of {by} have fewer than {min_metacells} metacells and are left out"
        notes.append(f"{left_out}: {', '.join(out)}")
    if not moving.all():
        notes.append(f"{int((~moving).sum())} genes are constant in some {by} and are left out")
    settings = {**net.settings, **changes, "consensus": by, "quantile": quantile, "within": by}
    made = net.replace(
        **described(restored[:, moving], net.genes[moving], net.metacells, detected),
        settings=MappingProxyType(settings), notes=tuple(notes),
    )  # fmt: skip
    return made if adata is None else with_network_scores(made, adata, samples)


def _agreed(parts: Mapping[str, np.ndarray], recipe: Any, quantile: float, scale_at: float) -> np.ndarray:
    """One less the quantile, over data sets, of their scaled overlaps; the overlaps are kept on disk meanwhile."""
    n = next(iter(parts.values())).shape[1]
    dtype = np.float32 if recipe.single else np.float64
    with tempfile.TemporaryDirectory(prefix="scresist-consensus-") as folder:
        stored: list[np.memmap[Any, Any]] = []
        target = None
        for number, X in enumerate(parts.values()):
            overlap = 1 - dissimilarity(correlations(X, recipe), recipe)
            level = _level(overlap, scale_at)
            target = level if target is None else target
            file = np.memmap(Path(folder) / f"{number}.bin", dtype=dtype, mode="w+", shape=(n, n))
            file[:] = np.maximum(overlap, 0) ** dtype(np.log(target) / np.log(level))
            stored.append(file)
            del overlap
        D = np.empty((n, n), dtype=dtype)
        for start in range(0, n, 256):
            block = np.array([file[start : start + 256] for file in stored])
            D[start : start + 256] = 1 - np.quantile(block, quantile, axis=0)
        del stored
    np.fill_diagonal(D, 0)
    return np.maximum(D, D.T)


def _level(overlap: np.ndarray, scale_at: float) -> float:
    """The quantile of off-diagonal overlaps, from at most a million of them, evenly spaced."""
    values = overlap[np.tril_indices(len(overlap), -1)] if len(overlap) < 1500 else overlap.ravel()[
        1 :: max(1, overlap.size // 10**6)]  # fmt: skip
    return float(np.clip(np.quantile(values, scale_at), 1e-6, 1 - 1e-6))


def module_agreement(net: Network, others: Sequence[Network] | Mapping[str, Network]) -> pd.DataFrame:
    """How well each module of a network is found in other networks, by the Jaccard index of their genes.

    Parameters
    ----------
    net
        The network whose modules are looked for.
    others
        Other networks, in order or by name.

    Returns
    -------
    `other`, `module`, `best` (the module of the other network with the largest Jaccard index), `jaccard`, `n_shared`.
    """
    named = others if isinstance(others, Mapping) else {str(i): other for i, other in enumerate(others)}
    rows = []
    own = {name: set(net.members(name)["gene"]) for name in net.names}
    for title, other in named.items():
        theirs = {name: set(other.members(name)["gene"]) for name in other.names}
        for name, genes in own.items():
            score = {t: len(genes & g) / len(genes | g) for t, g in theirs.items()}
            best = max(score, key=lambda t: (score[t], t))
            rows.append((title, name, best, score[best], len(genes & theirs[best])))
    return pd.DataFrame(rows, columns=["other", "module", "best", "jaccard", "n_shared"])
