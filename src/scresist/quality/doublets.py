"""Two cells in one droplet: scored within each sample, never on merged samples."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from scresist.cells import raw_counts
from scresist.checks import counted
from scresist.parallel import map_tasks

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CELLS = 100
MIN_COMPONENTS = 10
RATE_PER_THOUSAND = 0.008  # doublets per thousand cells recovered, from the 10x Chromium user guide (CG000183)


@dataclass(frozen=True, slots=True)
class Doublets:
    """Score per cell (NaN where not computed), the calls, and notes for the reader."""

    score: np.ndarray
    is_doublet: np.ndarray
    notes: tuple[str, ...]


def score_doublets(
    cohort: "AnnData",
    usable: np.ndarray,
    *,
    rng: int | np.random.Generator = 1,
    workers: int = 1,
    scheduler: str | None = None,
) -> Doublets:
    """Scrublet within each sample of at least 100 usable cells.

    A cell is called when its score exceeds scrublet's own threshold, but never more than twice the share that the
    loading predicts (0.8 % per thousand cells): scrublet's threshold fails where the histogram of simulated doublets
    has no valley, and a sample would be emptied.

    References
    ----------
    Wolock SL, Lopez R, Klein AM (2019) Cell Syst 8:281.
    """
    seed = int(rng if isinstance(rng, (int, np.integer)) else rng.integers(2**31))
    score = np.full(cohort.n_obs, np.nan)
    called = np.zeros(cohort.n_obs, dtype=bool)
    groups = cohort.obs.groupby("sample", observed=True).indices
    inside = {str(name): at[usable[at]] for name, at in groups.items()}
    components = _components(cohort.n_vars)
    if components < MIN_COMPONENTS:
        few = f"doublets were not looked for: {cohort.n_vars} genes are too few to tell them from cells"
        return Doublets(score, called, (few,))
    large = [name for name, at in inside.items() if len(at) >= MIN_CELLS]
    found: list[tuple[np.ndarray, float]] = []
    # The counts of a few samples at a time: all at once would be a second cohort.
    at_once = len(large) if scheduler is not None else 2 * workers
    for start in range(0, len(large), max(at_once, 1)):
        tasks = [(raw_counts(cohort, cells=inside[name]), seed) for name in large[start : start + at_once]]
        found += map_tasks(_scrublet, tasks, workers=workers, scheduler=scheduler)
    for name, (scores, threshold) in zip(large, found, strict=True):
        at = inside[name]
        score[at] = scores
        expected = min(1.0, 2 * RATE_PER_THOUSAND * len(at) / 1000)
        bound = np.quantile(scores, 1 - expected)
        called[at] = scores > max(bound, threshold if np.isfinite(threshold) else bound)
    small = sorted(set(inside) - set(large))
    notes = []
    if small:
        shown = ", ".join(small[:6]) + (", ..." if len(small) > 6 else "")
        without = counted(len(small), "sample")
        notes.append(f"doublets were not looked for in {without} with fewer than {MIN_CELLS} cells: {shown}")
    return Doublets(score, called, tuple(notes))


def _components(n_genes: int) -> int:
    """Components of scrublet's space: it keeps the 15 % of genes that vary most."""
    return min(30, int(0.15 * n_genes) - 2)


def _scrublet(counts: sparse.spmatrix, seed: int) -> tuple[np.ndarray, float]:
    import anndata
    import scanpy as sc

    sample = anndata.AnnData(X=sparse.csr_matrix(counts, dtype=np.float32))
    rate = RATE_PER_THOUSAND * counts.shape[0] / 1000
    # One BLAS thread: a sum that is split over threads rounds differently, and a score must not depend on their number.
    with threadpool_limits(1, user_api="blas"):
        sc.pp.scrublet(
            sample,
            expected_doublet_rate=max(rate, 0.005),
            n_prin_comps=min(_components(counts.shape[1]), counts.shape[0] - 2),
            use_approx_neighbors=False,
            random_state=seed,
            verbose=False,
        )
    threshold = sample.uns["scrublet"].get("threshold", np.nan)
    return sample.obs["doublet_score"].to_numpy(dtype=float), float(np.nan if threshold is None else threshold)
