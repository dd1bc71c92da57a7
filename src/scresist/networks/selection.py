"""Which genes enter a network, and why the others do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError, require_choice, suggestion
from scresist.kernels.metacells import count_detected

REASON_FEW_CELLS = "detected in too few cells"
REASON_NOT_VARIABLE = "not among the most variable"
REASON_CONSTANT = "constant over metacells"
REASON_NOT_LISTED = "not in the given list"


@dataclass(frozen=True, slots=True)
class GeneChoice:
    """Which genes enter a network.

    Attributes
    ----------
    select
        "fraction": genes detected in that share of the cells (rounded half to even, as R does) of some group;
        "variable": of those the `n_genes` that vary most, by their residuals within samples, or by how far their
        variance over log-normalised metacells exceeds that of genes of similar mean;
        "all": every gene.
    fraction, n_genes
        The share and the number.
    genes
        A list to use instead.
    keep_genes
        Genes that are kept whatever their detection, if they vary at all.
    """

    select: str = "fraction"
    fraction: float = 0.05
    n_genes: int = 5000
    genes: Sequence[str] | None = None
    keep_genes: Sequence[str] = ()

    def __post_init__(self) -> None:
        require_choice(self.select, ("fraction", "variable", "all"), "select")
        if not 0 <= self.fraction <= 1:
            raise InputError(f"fraction must be from 0 to 1; got {self.fraction!r}")
        if isinstance(self.keep_genes, str):
            object.__setattr__(self, "keep_genes", (self.keep_genes,))


def select_genes(
    counts: sparse.csr_array,
    names: pd.Index,
    groups: np.ndarray,
    choice: GeneChoice,
    *,
    metacells: np.ndarray | None = None,
    variability: np.ndarray | None = None,
    minimum_cells: int = 0,
) -> pd.DataFrame:
    """Which genes are used: a table of `gene`, `kept`, `reason` (for exclusion, or kept by request), `detected`.

    Parameters
    ----------
    counts
        Raw counts of the cells, (cells, genes).
    names
        Gene names.
    groups
        Code of each cell's group, (cells,): a gene detected in enough cells of one group is enough.
    choice
        Which genes are wanted.
    metacells
        Log-normalised expression of the metacells, (metacells, genes), sparse or dense, by which genes are constant or
        variable; where it is None, `variability` decides.
    variability
        How variable each gene is, 0 where it is constant. Shape (genes,).
    minimum_cells
        Fewest cells of a group in which a gene is detected, whatever the share.

    Raises
    ------
    InputError
        If a listed gene is not in the data.
    """
    detected, found = detection(counts, groups, choice.fraction, minimum_cells)
    reason = np.full(len(names), "", dtype=object)
    if choice.genes is not None:
        listed = _places(names, choice.genes, "genes")
        found = np.zeros(len(names), dtype=bool)
        found[listed] = True
        reason[~found] = REASON_NOT_LISTED
    elif choice.select == "all":
        found = np.ones(len(names), dtype=bool)
    else:
        reason[~found] = REASON_FEW_CELLS
    if choice.genes is None and choice.select == "variable":
        chosen = (
            most_variable(metacells, found, choice.n_genes)
            if metacells is not None
            else _largest(variability, found, choice.n_genes)
        )
        reason[found & ~chosen] = REASON_NOT_VARIABLE
        found = chosen
    must = _places(names, [gene for gene in choice.keep_genes if gene in names], "keep_genes")
    forced = [i for i in must if not found[i]]
    reason[forced] = [f"kept by request although {reason[i]}" for i in forced]
    found[forced] = True
    constant = _constant(metacells) if metacells is not None else np.asarray(variability) <= 0
    reason[found & constant] = REASON_CONSTANT
    kept = found & ~constant
    table = pd.DataFrame({"gene": names.astype(str), "kept": kept, "reason": reason, "detected": detected})
    absent = [gene for gene in choice.keep_genes if gene not in names]
    lost = pd.DataFrame({"gene": absent, "kept": False, "reason": "not in the data", "detected": 0.0})
    return pd.concat([table, lost], ignore_index=True) if absent else table


def detection(
    counts: sparse.csr_array, groups: np.ndarray, fraction: float, minimum_cells: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Share of cells in which each gene has a count, and whether it reaches `fraction` of the cells of some group."""
    n_groups = int(groups.max()) + 1
    rows = sparse.csr_array(counts)
    seen = count_detected(rows.data, rows.indices, rows.indptr, np.asarray(groups), (n_groups, rows.shape[1]))
    needed = np.maximum(np.round(fraction * np.bincount(groups, minlength=n_groups)), minimum_cells)
    return seen.sum(axis=0) / max(len(groups), 1), np.asarray((seen >= needed[:, None]).any(axis=0))


def most_variable(metacells: np.ndarray, among: np.ndarray, count: int) -> np.ndarray:
    """The `count` genes of `among` with the largest excess of log variance over a quadratic in their log mean."""
    mean = metacells.mean(axis=0)
    variance = metacells.var(axis=0, ddof=1)
    usable = np.flatnonzero(among & (variance > 0) & (mean > 0))
    chosen = np.zeros(len(among), dtype=bool)
    if len(usable) > 3:
        x, y = np.log10(mean[usable]), np.log10(variance[usable])
        excess = y - np.polyval(np.polyfit(x, y, 2), x)
        usable = usable[np.argsort(-excess, kind="stable")[:count]]
    chosen[usable] = True
    return chosen


def _largest(values: np.ndarray | None, among: np.ndarray, count: int) -> np.ndarray:
    """The `count` genes of `among` with the largest values above 0."""
    values = np.where(among, np.asarray(values, dtype=float), 0.0)
    chosen = np.zeros(len(among), dtype=bool)
    chosen[np.argsort(-values, kind="stable")[:count]] = True
    return np.asarray(chosen & (values > 0))


def _constant(metacells: np.ndarray) -> np.ndarray:
    """Genes that goodGenes of WGCNA drops: variance no larger than 1e-10 of the largest value, squared."""
    tolerance = 1e-10 * max(float(np.abs(metacells).max(initial=0.0)), 1e-300)
    return np.asarray(metacells.var(axis=0, ddof=1) <= tolerance**2)


def _places(names: pd.Index, genes: Sequence[str], what: str) -> list[int]:
    places = names.get_indexer(pd.Index(list(genes)))
    if (places < 0).any():
        first = list(genes)[int(np.argmax(places < 0))]
        raise InputError(f"{what}: {int((places < 0).sum())} genes are not in the data, the first is {first!r}; "
                         f"{suggestion(first, names)}")  # fmt: skip
    return [int(place) for place in places]
