"""How much of a sample's counts is ambient RNA, from genes that a lineage cannot make."""

import numpy as np


def contamination(
    set_counts: np.ndarray, totals: np.ndarray, ambient_share: np.ndarray, foreign: np.ndarray, min_expected: float
) -> tuple[float, float, float]:
    """Share of counts that is ambient: the lower quartile of observed over expected counts of foreign gene sets.

    A lineage that cannot express a set has its transcripts only by contamination, so observed / (total counts x share
    of the set in the ambient profile) estimates the contamination. Misclassified cells and doublets only increase it,
    hence the lower quartile over pairs of lineage and set.

    Parameters
    ----------
    set_counts
        Counts of each gene set in each lineage. Shape (lineages, sets).
    totals
        All counts of each lineage. Shape (lineages,).
    ambient_share
        Share of each set in the ambient profile, in [0, 1]. Shape (sets,).
    foreign
        Whether the lineage cannot express the set. Shape (lineages, sets), bool.
    min_expected
        Pairs with fewer expected counts than this under full contamination are left out.

    Returns
    -------
    Estimate, and the lowest and the median ratio over the pairs; NaN where no pair has enough counts.

    References
    ----------
    Young & Behjati (2020) GigaScience 9:giaa151, for the estimator from genes known to be absent.
    """
    expected = totals[:, None] * ambient_share[None, :]
    usable = foreign & (expected >= min_expected)
    if not usable.any():
        return np.nan, np.nan, np.nan
    ratios = np.minimum(set_counts[usable] / expected[usable], 1.0)
    return float(np.quantile(ratios, 0.25)), float(ratios.min()), float(np.median(ratios))
