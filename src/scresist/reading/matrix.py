"""A matrix of counts with the names of its cells and genes, and what is wrong with one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.study.problems import Problems


@dataclass(frozen=True, slots=True)
class CountMatrix:
    """Cells by genes, sparse, as read.

    `genes` are the names as in the file, `gene_ids` the Ensembl ids where the file has them (else None). `protein` has
    the counts of antibodies, cells x `proteins`, where the file has any; `stained` is False for cells that have none.
    `slot` names the part of an h5ad that was read, and what its other parts hold. `obs` has the columns of the cells
    and `spaces` their embeddings and layouts (cells x dimensions), where the file has any.
    """

    counts: sparse.csr_array
    barcodes: np.ndarray
    genes: np.ndarray
    gene_ids: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())
    protein: sparse.csr_array | None = None
    proteins: np.ndarray | None = None
    slot: str = ""
    stained: np.ndarray | None = None
    obs: pd.DataFrame | None = None
    spaces: Mapping[str, np.ndarray] = field(default_factory=dict)

    def cells(self, rows: np.ndarray) -> "CountMatrix":
        """The same matrix with some of its cells.

        Parameters
        ----------
        rows
            Their positions.
        """
        return replace(self, counts=self.counts[rows], barcodes=self.barcodes[rows],
                       protein=None if self.protein is None else self.protein[rows],
                       stained=None if self.stained is None else self.stained[rows],
                       obs=None if self.obs is None else self.obs.iloc[rows],
                       spaces={name: values[rows] for name, values in self.spaces.items()})  # fmt: skip


def check_values(counts: sparse.csr_array, shown: str, problems: Problems, *, slot: str = "") -> bool:
    """Whether the values are counts; otherwise one problem with what they look like and the remedy.

    NaN, infinite, negative and fractional values get messages of their own; fractional values whose exponential sums to
    the same total in every cell are named log-normalised.

    Parameters
    ----------
    counts
        Cells x genes.
    shown, problems
        As in `open_matrix`.
    slot
        The slot that was read and what the others hold, for the message.
    """
    slot = f" [{slot}]" if slot else ""
    values = counts.data
    bad = ~np.isfinite(values)
    if bad.any():
        problems.error(
            shown,
            f"the matrix has {int(bad.sum())} NaN or infinite values{slot}",
            "export the raw counts again",
            row=_cell(counts, int(np.flatnonzero(bad)[0])),
            value=float(values[bad][0]),
        )
        return False
    if (values < 0).any():
        at = int(np.flatnonzero(values < 0)[0])
        problems.error(
            shown,
            f"the matrix has {int((values < 0).sum())} negative values: it looks scaled or corrected{slot}",
            "give the raw counts",
            row=_cell(counts, at),
            value=float(values[at]),
        )
        return False
    fractional = values != np.floor(values)
    if fractional.any():
        at = int(np.flatnonzero(fractional)[0])
        looks, remedy = _describe_fractions(counts)
        problems.error(
            shown, f"the matrix is not integer: {looks}{slot}", remedy, row=_cell(counts, at), value=float(values[at])
        )
        return False
    return True


def _cell(counts: sparse.csr_array, position: int) -> str:
    return f"cell {int(np.searchsorted(counts.indptr, position, side='right'))}"


def _describe_fractions(counts: sparse.csr_array) -> tuple[str, str]:
    some = counts[: min(200, counts.shape[0])]
    if float(some.data.max(initial=0)) < 20:
        totals = sparse.csr_array((np.expm1(some.data), some.indices, some.indptr), shape=some.shape).sum(axis=1)
        totals = totals[totals > 0]
        if totals.size and np.std(totals) < 0.01 * np.mean(totals):
            scale = f"{np.mean(totals):.0f}"
            return f"it is log-normalised already (exp(x)-1 sums to {scale} in every cell)", (
                "give the raw counts; in an h5ad put them in layers['counts'] or raw"
            )
        return "it looks log-transformed", "give the raw counts; in an h5ad put them in layers['counts'] or raw"
    totals = some.sum(axis=1)
    if totals.size and np.std(totals) < 0.01 * np.mean(totals):
        return f"it is normalised (every cell sums to {np.mean(totals):.0f})", "give the raw counts"
    return "it may be corrected for ambient RNA or estimated by a pseudo-aligner", "give the raw, integer counts"


def unique_barcodes(matrix: CountMatrix, shown: str, problems: Problems) -> bool:
    """Whether every barcode occurs once; otherwise a problem naming the first that does not."""
    names, counts = np.unique(matrix.barcodes, return_counts=True)
    if (counts == 1).all():
        return True
    first = str(names[counts > 1][0])
    problems.error(
        shown,
        f"{int((counts > 1).sum())} barcodes occur more than once",
        "a barcode is one cell: split merged samples, or add the library's suffix",
        row=f"barcode {first}",
        value=first,
    )
    return False
