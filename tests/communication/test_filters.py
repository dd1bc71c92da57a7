"""Links that enough samples show, against a plain loop over samples, groups and subunits."""

import numpy as np
import pytest
from planted_signals import cohort
from scipy import stats

from scresist.checks import InputError
from scresist.communication import cellchatdb, infer, keep_shared_links

PAIRS = ["TGFB1_TGFBR1_TGFBR2", "MIF_CD74_CD44", "CXCL12_CXCR4", "EGF_EGFR"]
AVERAGES = {
    "truncated": lambda v: stats.trim_mean(v, 0.1),
    "trimean": lambda v: np.percentile(v, [25, 50, 50, 75]).mean(),
}


def sparse_cohort(n_samples=4):
    """Few values above zero, so that a link is shown by some samples only; one group is small in one sample."""
    adata = cohort(arms=("baseline",), per_arm=n_samples, n_cells=24, seed=5)
    X = adata.X.toarray()
    rng = np.random.default_rng(0)
    off = rng.random((n_samples, 4, adata.n_vars)) < 0.3
    sample, group = (adata.obs[c].astype("category").cat.codes.to_numpy() for c in ("sample", "cell_type"))
    X[off[sample, group]] = 0
    adata.X = X
    first = (sample == 0) & (group == 1)
    return adata[~(first & (first.cumsum() > 6))].copy()


def expected_samples(adata, com, average, least):
    """How many samples show each link, by loops."""
    out = np.zeros(com.probability.shape, dtype=int)
    genes, table = list(adata.var_names), cellchatdb()
    for s in adata.obs["sample"].unique():
        level, size = {}, {}
        for g in com.groups:
            inside = ((adata.obs["sample"] == s) & (adata.obs["cell_type"] == g)).to_numpy()
            size[g] = inside.sum()
            level[g] = [AVERAGES[average](adata.X[inside, k]) if inside.any() else 0 for k in range(len(genes))]
        for i, a in enumerate(com.groups):
            for j, b in enumerate(com.groups):
                for k, row in enumerate(com.interactions.to_dict("records")):
                    sent = all(level[a][genes.index(x)] > 0 for x in table.genes_of(row["ligand"]))
                    received = all(level[b][genes.index(x)] > 0 for x in table.genes_of(row["receptor"]))
                    out[i, j, k] += sent and received and size[a] > least and size[b] > least
    return out


@pytest.mark.parametrize("average", ["trimean", "truncated"])
@pytest.mark.parametrize("min_samples", [2, 3, 4])
def test_links_of_too_few_samples_are_zero_and_p_values_stay(average, min_samples):
    adata = sparse_cohort()
    com = infer(adata, groupby="cell_type", mode="parity", average=average, pairs=PAIRS, permutations=10)
    kept = keep_shared_links(adata, com, min_samples=min_samples)
    enough = expected_samples(adata, com, average, 10) >= min_samples
    assert enough.any()
    assert (com.probability[~enough] > 0).any()
    np.testing.assert_array_equal(kept.probability, np.where(enough, com.probability, 0))
    np.testing.assert_array_equal(kept.p_value, com.p_value)
    assert "fewer than" in kept.notes[-1]


def test_links_of_rare_groups_can_be_kept():
    adata = sparse_cohort()
    com = infer(adata, groupby="cell_type", mode="parity", pairs=PAIRS, permutations=0)
    kept = keep_shared_links(adata, com, min_samples=3, keep_rare=True).probability
    rare = list(com.groups).index("fibroblast")
    np.testing.assert_array_equal(kept[rare], com.probability[rare])
    np.testing.assert_array_equal(kept[:, rare], com.probability[:, rare])
    others = [i for i in range(4) if i != rare]
    strict = keep_shared_links(adata, com, min_samples=3).probability
    np.testing.assert_array_equal(kept[np.ix_(others, others)], strict[np.ix_(others, others)])


def test_bad_calls():
    adata = sparse_cohort()
    com = infer(adata, groupby="cell_type", mode="parity", pairs=PAIRS, permutations=0)
    for number in (1, 5, 2.0, True):
        with pytest.raises(InputError, match="min_samples must be from 2 to 4"):
            keep_shared_links(adata, com, min_samples=number)
    with pytest.raises(InputError, match="link_evidence"):
        keep_shared_links(adata, infer(adata, groupby="cell_type", permutations=0), min_samples=2)
    with pytest.raises(InputError, match="no column 'biopsy'"):
        keep_shared_links(adata, com, min_samples=2, sample="biopsy")
