"""Similarity of pathways and patterns of groups against CellChat's own on real data."""

import numpy as np
import pandas as pd
import pytest
from cellchat_oracle import arrays, stored, table, vectors

from oracle import needs_shared
from scresist.checks import InputError
from scresist.communication import (
    choose_patterns,
    find_patterns,
    pathway_shift,
    pathway_similarity,
    pattern_matrix,
    place_pathways,
)
from scresist.kernels.network_distance import shared_neighbours, structural_distances

pytestmark = needs_shared


@pytest.mark.parametrize("run", ["oligo/tri", "oligo/trunc", "nsclc/tri", "nsclc/trunc", "kang_CTRL/trunc"])
def test_functional_similarity_is_cellchats_up_to_ties(run):
    expected = arrays(run)
    raw = pathway_similarity(stored(run), smooth=False)
    np.testing.assert_allclose(raw, expected["jaccard_raw"], atol=1e-12)
    got = pathway_similarity(stored(run)).to_numpy()
    differ = np.abs(got - expected["similarity_functional"]) > 1e-8
    assert differ.sum() <= 28  # which of equally near neighbours is taken

    # Where the neighbours are given, every entry is the same.
    key = f"{run.replace('/', '__')}.functional"
    neighbours = arrays("knn_public")[f"{key}.knn_index_1based_excl_self"].astype(int) - 1
    assert vectors("knn_public")[f"{key}.names"] == list(raw.index)
    k = neighbours.shape[1] + 1
    itself = (neighbours == np.arange(len(neighbours))[:, None]).any(axis=1)
    own = raw.to_numpy() * shared_neighbours(raw.to_numpy(), k, neighbours)
    # A pathway equal to another can be listed as its own neighbour; such rows are left out.
    fine = ~itself
    twin = itself[neighbours].any(axis=1)
    keep = fine & ~twin if (fine & ~twin).any() else fine
    np.testing.assert_allclose(
        own[np.ix_(keep, keep)], expected["similarity_functional"][np.ix_(keep, keep)], atol=1e-8
    )


@pytest.mark.parametrize("run", ["oligo/tri", "kang_CTRL/tri"])
def test_structural_distance_is_cellchats(run):
    expected = np.nan_to_num(arrays(run)["structural_distance_raw"])
    upper = np.triu_indices(len(expected), 1)
    sums = stored(run).pathway_array()[0]
    np.testing.assert_allclose(structural_distances(sums)[upper], expected[upper], atol=1e-8)
    got = pathway_similarity(stored(run), kind="structural")
    assert (np.abs(got - arrays(run)["similarity_structural"]) > 1e-8).to_numpy().sum() <= 28


@pytest.mark.parametrize("kind", ["functional", "structural"])
def test_similarity_of_two_conditions_is_cellchats(kind):
    conditions = {"CTRL": stored("kang_CTRL/tri"), "STIM": stored("kang_STIM/tri")}
    expected = arrays("kang_cmp_tri")
    key = f"similarityPairwise_{kind}"
    got = pathway_similarity(conditions, kind=kind)
    names = [str(n) for n in expected[f"{key}__dim1"]]
    assert set(names) == set(got.index)
    assert (np.abs(got.loc[names, names] - expected[key]) > 1e-8).to_numpy().sum() <= 6
    placed = place_pathways(got)
    assert set(pathway_shift(placed)["pathway"]) == set(table("kang_cmp_tri", f"rankSimilarity_{kind}")["name"])


def test_pathways_are_placed_the_same_every_time():
    similarity = pathway_similarity(stored("oligo/tri"))
    placed = place_pathways(similarity)
    pd.testing.assert_frame_equal(placed, place_pathways(similarity))
    assert placed["cluster"].min() == 1
    blocks = pd.DataFrame(np.kron(np.eye(3), np.ones((4, 4))) + 0.01)
    assert place_pathways(blocks)["cluster"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    with pytest.raises(InputError, match="two results"):
        pathway_shift(placed)


@pytest.mark.parametrize("run", ["oligo/tri", "nsclc/trunc", "kang_CTRL/trunc"])
@pytest.mark.parametrize("side", ["outgoing", "incoming"])
@pytest.mark.parametrize("k", range(2, 7))
def test_patterns_are_cellchats(run, side, k):
    folder = f"{run.replace('/', '_')}_nndsvd_patterns"
    expected = arrays(folder)
    if f"{side}_k{k}_W_raw" not in expected:
        pytest.skip("not stored")
    got = find_patterns(stored(run), k, side=side)
    np.testing.assert_allclose(got.W, expected[f"{side}_k{k}_W_raw"], atol=1e-12)
    np.testing.assert_allclose(got.H, expected[f"{side}_k{k}_H_raw"], atol=1e-12)
    own = table(folder, f"{side}_rss").set_index("k").loc[k]
    assert got.n_iterations == own["niter"]
    assert got.residual == pytest.approx(own["rss"])
    for ours, name, key in ((got.groups, "cell", "CellGroup"), (got.pathways, "signaling", "Signaling")):
        theirs = table(folder, f"{side}_k{k}_{name}")
        label = "group" if name == "cell" else "pathway"
        assert list(ours[label]) == list(theirs[key])
        assert list(ours["pattern"]) == list(theirs["Pattern"])
        np.testing.assert_allclose(ours["contribution"], theirs["Contribution"], atol=1e-12)


def test_the_choice_of_k_has_the_shape_of_cellchats():
    com = stored("kang_CTRL/trunc")
    got = choose_patterns(com, n_runs=5)
    assert list(got["k"]) == [2, 3, 4, 5, 6]
    expected = table("kang_CTRL_trunc_selectK_nrun5_patterns", "outgoing")
    theirs = expected[expected["Measure"] == "Cophenetic"].set_index("k")["score"]
    assert np.abs(got.set_index("k")["cophenetic"] - theirs).max() < 0.1
    assert (got["residual"].diff().dropna() < 0).all()
    pd.testing.assert_frame_equal(got, choose_patterns(com, n_runs=5))
    with pytest.raises(InputError, match="k must lie in 1 to 8"):
        find_patterns(com, 9)
    assert pattern_matrix(com).to_numpy().max() == 1
