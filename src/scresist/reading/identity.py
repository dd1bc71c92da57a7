"""Whether samples share cells: the same barcodes with the same counts, whatever file, format or name they came by."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.stats import rankdata

from scresist.reading.selectors import suffixes
from scresist.study.problems import Problems

if TYPE_CHECKING:
    from anndata import AnnData

ENOUGH = 10  # counts from which on the counts of a cell tell it from others
DEEP = 200  # counts from which on barcode, total, number of genes and sum of squares tell it, too
CELLS = 3  # cells that must be equal: fewer can be chance
SAME_NAMES_NO_MATTER = 0.2  # share of cells with equal counts under other barcodes
FEW, HALVES, TOGETHER = (
    10,
    0.5,
    0.9,
)  # equal barcodes, their share, rank correlation of totals: cells corrected
HELD, KEPT = 0.9, 0.5  # share of the filtered barcodes a raw matrix has, and of their counts


@dataclass(frozen=True, slots=True)
class Cells:
    """What tells the cells of a sample from others: a number of each barcode, of its counts, and the totals."""

    sample: str
    barcodes: np.ndarray
    prints: np.ndarray
    totals: np.ndarray
    shapes: np.ndarray
    shallow: bool = False


def print_cells(sample: str, counts: sparse.csr_array, barcodes: np.ndarray, symbols: np.ndarray) -> Cells:
    """Prints of every cell with enough counts, which do not depend on the order of genes or on the format.

    Parameters
    ----------
    sample
        Name.
    counts
        Cells x genes, integers.
    barcodes
        Of the cells.
    symbols
        Official symbols of the genes.
    """
    weights = _weights(tuple(str(s) for s in symbols))
    totals = np.asarray(counts.sum(axis=1)).ravel().astype(np.int64)
    rows = np.flatnonzero(totals >= ENOUGH)
    # Cells of a small panel have few counts each; half of them together tell a sample from others all the same.
    shallow = bool(len(rows) < HALVES * np.count_nonzero(totals))
    if shallow:
        rows = np.flatnonzero(totals > 0)
    wide = sparse.csr_array((counts.data.astype(np.int64), counts.indices, counts.indptr), shape=counts.shape)
    # A gene without counts adds nothing, so that a file without it gives the same sums.
    sums = np.asarray(wide @ weights).ravel()
    wide.data *= wide.data
    squares = np.asarray(wide @ np.ones(counts.shape[1], dtype=np.int64)).ravel()
    detected = np.diff(counts.indptr).astype(np.uint64)
    with np.errstate(over="ignore"):
        shapes = squares.astype(np.uint64) * np.uint64(1_000_003) + detected
        prints = sums.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) ^ (totals.astype(np.uint64) + shapes)
    names = np.array([_number(core(str(barcodes[i]))) for i in rows], dtype=np.uint64)
    return Cells(sample, names, prints[rows], totals[rows], shapes[rows], shallow)


@lru_cache(maxsize=4)
def _weights(symbols: tuple[str, ...]) -> np.ndarray:
    # 40 bits: a sum over a cell of up to 4 million counts stays within 63.
    return np.array([_number(s) >> 24 for s in symbols], dtype=np.int64)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")


def core(barcode: str) -> str:
    """The barcode without what merging adds before and behind it: GC01_AAACCC...-1_2 becomes AAACCC...

    Parameters
    ----------
    barcode
        As in a file.
    """
    found = re.findall(r"[ACGTN]{12,}", barcode)
    return max(found, key=len) if found else re.sub(r"([-_]\d{1,3})+$", "", barcode)


def check_identity(samples: Sequence[Cells], paths: dict[str, str], file: str, problems: Problems) -> None:
    """Note every pair of samples that shares cells.

    Parameters
    ----------
    samples
        Prints of the cells of every sample.
    paths
        Path of every sample, for the message.
    file
        Name of the sheet.
    problems
        Receives an error per pair.
    """
    suspects = _sharing(samples)
    for a, b in suspects:
        n, how = _shared(a, b)
        smaller = min(len(a.prints), len(b.prints))
        if n == 0:
            continue
        whole = "all" if n >= smaller else f"{n} of {smaller}"
        problems.error(
            file, f"the samples {a.sample} and {b.sample} share cells: {whole} cells of the smaller one are in the "
            f"other with {how}; they would count twice",
            "give each sample its own cells: other files, or a selector (path#column=value, path#suffix=1) that "
            "divides one file", column="path", value=f"{paths.get(a.sample, '')} and {paths.get(b.sample, '')}",
        )  # fmt: skip


def prints_by_sample(adata: "AnnData") -> list[Cells]:
    """Prints of the cells of every sample of a cohort.

    Parameters
    ----------
    adata
        Cells x genes, `layers["counts"]`, obs with sample and, where it has them, barcode.
    """
    names = adata.obs.get("barcode", adata.obs_names)
    barcodes, samples = np.asarray(names, dtype=object), np.asarray(adata.obs["sample"].astype(str))
    counts, symbols = sparse.csr_array(adata.layers["counts"]), np.asarray(adata.var_names, dtype=object)
    found = []
    for sample in sorted(set(samples)):
        rows = np.flatnonzero(samples == sample)
        found.append(print_cells(sample, counts[rows], barcodes[rows], symbols))
    return found


def shared_between(ours: Sequence[Cells], theirs: Sequence[Cells]) -> list[str]:
    """A sentence for every pair of samples of two cohorts that shares cells.

    Parameters
    ----------
    ours, theirs
        Prints of the samples of the first and of the second cohort.
    """
    found = []
    first = {id(c) for c in ours}
    for a, b in _sharing([*ours, *theirs]):
        if (id(a) in first) == (id(b) in first):
            continue
        n, how = _shared(a, b)
        if n:
            found.append(f"{n} cells of sample {a.sample} are in sample {b.sample} of the second cohort with {how}")
    return found


def _sharing(samples: Sequence[Cells]) -> list[tuple[Cells, Cells]]:
    """Pairs of samples that have a print or a barcode with totals in common; found by one sort of all cells."""
    found: set[tuple[int, int]] = set()
    by_print = [s.prints for s in samples]
    by_name = [_joint(s)[s.totals >= DEEP] for s in samples]
    for parts in (by_print, by_name, [s.barcodes for s in samples]):
        of = np.repeat(np.arange(len(samples)), [len(p) for p in parts])
        if not len(of):
            continue
        values = np.concatenate(parts)
        order = np.argsort(values, kind="stable")
        ordered, owners = values[order], of[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        ends = np.r_[starts[1:], len(ordered)]
        for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
            inside = sorted(set(owners[start:end].tolist()))
            found |= {(i, j) for k, i in enumerate(inside) for j in inside[k + 1 :]}
    return [(samples[i], samples[j]) for i, j in sorted(found)]


def _joint(cells: Cells) -> np.ndarray:
    """One number of a barcode with its total, number of genes and sum of squares."""
    with np.errstate(over="ignore"):
        return cells.barcodes * np.uint64(0x9E3779B97F4A7C15) ^ (
            cells.totals.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F) + cells.shapes
        )


def _shared(a: Cells, b: Cells) -> tuple[int, str]:
    """Cells of the smaller sample that the other has too, and in what they agree."""
    smaller = min(len(a.prints), len(b.prints))
    enough = min(max(CELLS, HALVES * smaller) if a.shallow and b.shallow else CELLS, smaller)
    with np.errstate(over="ignore"):
        exact = [c.prints * np.uint64(0x9E3779B97F4A7C15) ^ c.barcodes for c in (a, b)]
    deep = [c.totals >= DEEP for c in (a, b)]
    same = max(len(np.intersect1d(exact[0], exact[1])),
               len(np.intersect1d(_joint(a)[deep[0]], _joint(b)[deep[1]])))  # fmt: skip
    if same >= enough:
        return same, "equal counts"
    many = [c.totals >= 5 * ENOUGH for c in (a, b)]
    equal = len(np.intersect1d(a.prints[many[0]], b.prints[many[1]]))
    deepest = min(int(many[0].sum()), int(many[1].sum()))
    if equal >= max(CELLS, SAME_NAMES_NO_MATTER * deepest):
        return equal, "equal counts, under other barcodes"
    return _corrected(a, b, smaller)


def _corrected(a: Cells, b: Cells, smaller: int) -> tuple[int, str]:
    """Cells with equal barcodes whose totals go together: a corrected copy, or a part of the genes."""
    _, at_a, at_b = np.intersect1d(a.barcodes, b.barcodes, return_indices=True)
    if len(at_a) < max(FEW, HALVES * smaller):
        return 0, ""
    together = float(np.corrcoef(rankdata(a.totals[at_a]), rankdata(b.totals[at_b]))[0, 1])
    return (len(at_a), "equal barcodes and nearly equal counts") if together > TOGETHER else (0, "")


def note_aggregated(barcodes: np.ndarray, shown: str, problems: Problems) -> None:
    """Warn of a matrix of one sample whose barcodes end in several numbers, as `cellranger aggr` joins libraries.

    Parameters
    ----------
    barcodes
        Of the sample.
    shown
        Its path.
    problems
        Receives the warning.
    """
    found = libraries(barcodes)
    if found:
        ends = f"-{next(iter(found))} to -{list(found)[-1]}"
        problems.warning(
            shown, f"the barcodes end in {ends}: this is an aggregated matrix of {len(found)} libraries, read as "
            "one sample",
            "if they are different samples, give each its row with path#suffix=1, path#suffix=2, ...",
        )  # fmt: skip


def libraries(barcodes: np.ndarray) -> dict[str, int]:
    """Numbers behind barcodes by which an aggregated matrix divides into libraries; empty where it is none.

    Parameters
    ----------
    barcodes
        As in the file.
    """
    found = suffixes(barcodes)
    if len(found) < 2 or len(found) > max(2, len(barcodes) // 3):
        return {}
    numbers = [int(n) for n in found]
    if len(numbers) < (max(numbers) - min(numbers) + 1) / 2:  # -1 and -11: made unique, not joined
        return {}
    bare = sum(bool(re.search(r"[ACGTN]{8,}[-_]\d{1,4}$", str(b))) for b in barcodes[:200])
    return found if bare > min(200, len(barcodes)) / 2 else {}


def check_raw(
    sample: str, counts: np.ndarray, barcodes: np.ndarray, raw: tuple[np.ndarray, np.ndarray], shown: str,
    problems: Problems,
) -> bool:  # fmt: skip
    """Whether a raw matrix is the one of a sample: it holds the filtered barcodes, with at least their counts.

    Parameters
    ----------
    sample
        Name.
    counts
        Total of every filtered barcode.
    barcodes
        The filtered barcodes.
    raw
        Totals and barcodes of the raw matrix.
    shown
        The raw path, for the message.
    problems
        Receives an error where it is not.
    """
    totals, names = raw
    exact, bare = {str(n): i for i, n in enumerate(names)}, {core(str(n)): i for i, n in enumerate(names)}
    at = np.array([exact.get(str(b), bare.get(core(str(b)), -1)) for b in barcodes])
    held = float(np.mean(at >= 0)) if len(at) else 0.0
    if held < HELD:
        problems.error(
            shown, f"the raw matrix has {held:.0%} of the barcodes of sample {sample}: it is of another sample",
            "give the raw_path of the same run as path", column="raw_path",
        )  # fmt: skip
        return False
    given, inside = np.asarray(counts)[at >= 0], totals[at[at >= 0]]
    agree = float(np.mean(inside >= KEPT * given)) if len(given) else 1.0
    if agree < HELD:
        problems.error(
            shown, f"the raw matrix has other counts at the barcodes of sample {sample} ({1 - agree:.0%} of them have "
            "less than half of their counts there): it is of another sample",
            "give the raw_path of the same run as path; are two rows swapped?", column="raw_path",
        )  # fmt: skip
        return False
    return True
