"""Patients as the unit: what is missing stays missing, one scale for all, and arms compared through contrasts."""

import numpy as np
import pandas as pd
import pytest
from planted_signals import PANEL, cohort, design

from scresist.checks import InputError
from scresist.communication import contrast_communication, infer, interaction_table

TGFB = "TGFB1_TGFBR1_TGFBR2"


def test_a_group_missing_from_a_sample_is_missing_and_not_zero():
    adata = cohort(absent={("B0", "fibroblast")})
    com = infer(adata, groupby="cell_type", permutations=20)
    s, g = com.samples.get_loc("SB0"), com.groups.get_loc("fibroblast")
    assert np.isnan(com.by_sample[s, g]).all()
    assert np.isnan(com.by_sample[s, :, g]).all()
    others = np.delete(com.by_sample, s, axis=0)
    assert np.isfinite(others).all()
    assert any("1 of 40 groups" in note for note in com.notes)
    tidy = interaction_table(com)
    gone = tidy[(tidy["sample"] == "SB0") & (tidy["source"] == "fibroblast")]
    assert len(gone)
    assert gone["value"].isna().all()
    np.testing.assert_allclose(com.probability[g, g], others[:, g, g].mean(axis=0))


def test_a_group_below_the_minimum_is_missing():
    adata = cohort(n_cells=12)
    few = (adata.obs["sample"] == "SA1") & (adata.obs["cell_type"] == "B")
    adata = adata[~(few & (few.cumsum() > 9))].copy()
    com = infer(adata, groupby="cell_type", permutations=0)
    assert np.isnan(com.by_sample[com.samples.get_loc("SA1"), com.groups.get_loc("B")]).all()
    com = infer(adata, groupby="cell_type", permutations=0, min_cells=9)
    assert np.isfinite(com.by_sample).all()


def test_p_values_count_the_relabelling_observed():
    com = infer(cohort(per_arm=2), groupby="cell_type", permutations=24)
    p = com.p_by_sample[np.isfinite(com.p_by_sample)]
    np.testing.assert_allclose(p * 25, np.round(p * 25), atol=1e-9)
    assert p.min() >= 1 / 25
    assert (com.p_by_sample[com.by_sample == 0] == 1).all()


def test_more_relabellings_go_where_few_exceed():
    adata = cohort(per_arm=2)
    once = infer(adata, groupby="cell_type", permutations=40)
    more = infer(adata, groupby="cell_type", permutations=40, permutations_max=400)
    b = np.round(once.p_by_sample * 41) - 1
    on = (b < 10) & (once.by_sample > 0)
    counted = more.p_by_sample[on] * 401
    np.testing.assert_allclose(counted, np.round(counted), atol=1e-9)
    np.testing.assert_array_equal(more.p_by_sample[~on], once.p_by_sample[~on])
    assert more.p_by_sample.min() < once.p_by_sample.min()


def test_one_scale_for_all_samples():
    adata = cohort(per_arm=3)
    whole = infer(adata, groupby="cell_type", permutations=0)
    dim = adata.copy()
    inside = (dim.obs["sample"] == "SB0").to_numpy()
    dim.X = dim.X.multiply(np.where(inside, 0.5, 1.0)[:, None]).tocsr()
    com = infer(dim, groupby="cell_type", permutations=0)
    s = com.samples.get_loc("SB0")
    keep = [list(whole.pairs).index(p) for p in com.pairs]
    np.testing.assert_allclose(np.delete(com.by_sample, s, 0), np.delete(whole.by_sample, s, 0)[..., keep])
    # Were a sample divided by its own maximum, halving it would change nothing.
    assert (com.by_sample[s] <= whole.by_sample[s][..., keep]).all()
    assert com.by_sample[s].sum() < 0.6 * whole.by_sample[s].sum()


def test_the_order_of_cells_and_the_number_of_threads_do_not_matter():
    import numba

    adata = cohort(per_arm=2)
    com = infer(adata, groupby="cell_type", permutations=0)
    order = np.random.default_rng(0).permutation(adata.n_obs)
    np.testing.assert_allclose(infer(adata[order].copy(), groupby="cell_type", permutations=0).by_sample, com.by_sample)
    p = infer(adata, groupby="cell_type", permutations=30).p_by_sample
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(infer(adata, groupby="cell_type", permutations=30).p_by_sample, p)
    finally:
        numba.set_num_threads(before)


def test_a_planted_signal_is_found_in_pair_pathway_and_role():
    adata = cohort(per_arm=6, planted=2.0, seed=3)
    result = contrast_communication(infer(adata, groupby="cell_type", permutations=0), design(adata))
    table = result.table
    pair = table[(table["level"] == "pair") & (table["q_value"] < 0.05)]
    called = pair["ligand"] == "TGFB1"
    assert (~called).sum() <= 1
    pair = pair[called]
    assert {"malignant"} == set(pair["source"])
    assert (pair["effect"] > 0).all()
    assert {"fibroblast", "macrophage", "B", "malignant"} <= set(pair["target"])
    pathway = table[(table["level"] == "pathway") & (table["q_value"] < 0.05)]
    assert (pathway["pathway"] == "TGFb").sum() == 4
    role = table[(table["level"] == "outgoing") & (table["q_value"] < 0.05)]
    assert set(zip(role["source"], role["pathway"], strict=True)) == {("malignant", "TGFb")}
    assert (table["n_test"].dropna() <= 6).all()
    for column in ("effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value", "n_test", "n_reference"):
        assert column in table


def beside_the_planted(seeds):
    """False share of the pathways called, and the p-values beside the planted pathway, over cohorts."""
    false, beside = [], []
    for seed in seeds:
        adata = cohort(per_arm=6, planted=2.0, seed=seed)
        table = contrast_communication(infer(adata, groupby="cell_type", permutations=0), design(adata)).table
        table = table[table["level"] == "pathway"]
        called, planted = table["q_value"] < 0.05, table["pathway"] == "TGFb"
        assert (called & planted).sum() == 4
        false.append((called & ~planted).sum() / called.sum())
        beside.append(table.loc[~planted, "p_value"].dropna())
    return np.array(false), np.concatenate(beside)


def test_pathways_beside_the_planted_one_keep_their_rate():
    """A cohort may call one by chance: q < 0.05 allows a false share of 0.05 on average, not none in each cohort."""
    false, p = beside_the_planted(range(4))
    assert false.mean() < 0.15
    assert (p < 0.05).mean() < 0.09


@pytest.mark.slow
def test_pathways_beside_the_planted_one_keep_their_rate_over_many_cohorts():
    false, p = beside_the_planted(range(40))
    assert false.mean() < 0.05 + 2 * 0.017, "two Monte-Carlo errors of 40 cohorts"
    assert (p < 0.05).mean() < 0.065
    assert (p < 0.001).mean() < 0.003


def test_without_a_difference_there_are_few_calls():
    called = []
    for seed in range(6):
        adata = cohort(per_arm=5, seed=100 + seed)
        table = contrast_communication(infer(adata, groupby="cell_type", permutations=0), design(adata)).table
        called.append(bool((table["q_value"] < 0.05).any()))
        p = table["p_value"].dropna()
        assert (p < 0.05).mean() < 0.25
    assert sum(called) <= 2


def test_patients_not_cells_are_counted():
    adata = cohort(per_arm=4)
    doubled = adata.copy()
    doubled.obs["sample"] = doubled.obs["sample"].astype(str) + np.where(np.arange(adata.n_obs) % 2, "a", "b")
    com = infer(doubled, groupby="cell_type", permutations=0)
    table = contrast_communication(com, design(doubled)).table
    assert table["n_test"].max() == 4
    assert table["n_reference"].max() == 4


def test_the_table_names_every_link_of_every_sample():
    com = infer(cohort(per_arm=2), groupby="cell_type", permutations=9)
    expected = ["sample", "source", "target", "ligand", "receptor", "pathway", "probability", "p_value", "q_value"]
    assert set(expected) <= set(com.table.columns)
    assert com.table.groupby("sample").size().shape == (4,)
    assert isinstance(com.table, pd.DataFrame)
    assert TGFB in set(com.table["interaction"])
    assert len(PANEL) == 22


def test_arrays_of_permutations_belong_to_parity():
    adata = cohort(per_arm=1)
    with pytest.raises(InputError, match="need mode"):
        infer(adata, groupby="cell_type", permutations=np.zeros((adata.n_obs, 2), dtype=int))
