"""Similarity of pathways and patterns of groups against CellChat's own on real data."""

import numpy as np
import pandas as pd
import pytest
from cellchat_oracle import arrays, stored, table, vectors
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.metrics import silhouette_samples

from oracle import needs_shared
from scresist.checks import InputError, RefusedError
from scresist.communication import (
    choose_patterns,
    find_patterns,
    pathway_shift,
    pathway_similarity,
    pattern_matrix,
    place_pathways,
)
from scresist.communication.patterns import consensus_quality
from scresist.communication.similarity import _clusters
from scresist.kernels.network_distance import shared_neighbours, structural_distances

pytestmark = pytest.mark.filterwarnings("ignore:Tensorflow not installed")


@needs_shared
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


@needs_shared
@pytest.mark.parametrize("run", ["oligo/tri", "kang_CTRL/tri"])
def test_structural_distance_is_cellchats(run):
    expected = np.nan_to_num(arrays(run)["structural_distance_raw"])
    upper = np.triu_indices(len(expected), 1)
    sums = stored(run).pathway_array()[0]
    np.testing.assert_allclose(structural_distances(sums)[upper], expected[upper], atol=1e-8)
    got = pathway_similarity(stored(run), kind="structural")
    assert (np.abs(got - arrays(run)["similarity_structural"]) > 1e-8).to_numpy().sum() <= 28


@needs_shared
@pytest.mark.parametrize("kind", [pytest.param("functional", marks=pytest.mark.slow), "structural"])
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


@needs_shared
@pytest.mark.parametrize(
    ("run", "kind"),
    [("kang_cmp_trunc", "functional"), ("kang_cmp_trunc", "structural"), ("nsclc_cmp_tri", "functional")],
)
def test_the_plane_is_laid_out_as_cellchats(run, kind):
    """UMAP of another program and seed cannot be equal: near pathways are near, and shifts are in like order."""
    expected = arrays(run)
    names = [str(n) for n in expected[f"similarityPairwise_{kind}__dim1"]]
    similarity = pd.DataFrame(expected[f"similarityPairwise_{kind}"], names, names)
    theirs = pd.DataFrame(
        expected[f"embedding_uwot_{kind}"], [str(n) for n in expected[f"embedding_uwot_{kind}__dim1"]]
    )
    rank = table(run, f"rankSimilarity_{kind}").set_index("name")["dist"]
    near, order = [], []
    for seed in range(5):
        placed = place_pathways(similarity, rng=seed)
        # Pathways that are like no other are left out by both.
        own = placed.dropna().set_index("pathway")[["x", "y"]]
        assert set(own.index) == set(theirs.index)
        assert (placed["cluster"].eq(0) == placed["x"].isna()).all()
        near.append(stats.spearmanr(pdist(own.loc[theirs.index]), pdist(theirs))[0])
        shift = pathway_shift(placed).set_index("pathway")["distance"]
        assert set(shift.index) == set(rank.index)
        order.append(stats.spearmanr(shift[rank.index], rank)[0])
    assert np.median(near) > 0.6
    assert np.median(order) > 0.6


def blocks(sizes, seed=0):
    rng, label = np.random.default_rng(seed), np.repeat(np.arange(len(sizes)), sizes)
    values = np.where(label[:, None] == label, rng.uniform(0.5, 1, (len(label), len(label))), 0)
    values = np.maximum(values, values.T)
    np.fill_diagonal(values, 1)
    return pd.DataFrame(values), label


@pytest.mark.parametrize("seed", range(4))
def test_groups_of_like_pathways_are_clusters(seed):
    similarity, label = blocks([8, 8, 8, 8])
    placed = place_pathways(similarity, rng=seed)
    np.testing.assert_array_equal(placed["cluster"], label + 1)
    pd.testing.assert_frame_equal(placed, place_pathways(similarity, rng=seed))
    assert place_pathways(similarity, clusters=2)["cluster"].max() == 2


@pytest.mark.parametrize("n", [2, 3, 5, 7])
def test_the_number_of_clusters_is_that_of_separate_clouds(n):
    rng = np.random.default_rng(n)
    centre = 20 * np.column_stack([np.cos(np.arange(n) * 2 * np.pi / n), np.sin(np.arange(n) * 2 * np.pi / n)])
    label = np.repeat(np.arange(n), 12)
    points = centre[label] + rng.normal(size=(len(label), 2))
    np.testing.assert_array_equal(_clusters(points, None, rng), label)
    np.testing.assert_array_equal(_clusters(points, n, rng), label)


def test_the_quality_of_a_consensus():
    together = np.kron(np.eye(3), np.ones((4, 4)))
    assert consensus_quality(together, 3) == (pytest.approx(1), pytest.approx(1))
    rng = np.random.default_rng(0)
    noisy = np.clip(0.8 * together + 0.2 * rng.random(together.shape), 0, 1)
    noisy = (noisy + noisy.T) / 2
    cophenetic, silhouette = consensus_quality(noisy, 3)
    apart = 1 - noisy
    np.fill_diagonal(apart, 0)
    expected = silhouette_samples(apart, np.repeat([0, 1, 2], 4), metric="precomputed").mean()
    assert silhouette == pytest.approx(expected)
    assert 0.9 < cophenetic < 1
    assert consensus_quality(np.ones((5, 5)), 2)[1] == 0


def test_planes_that_cannot_be_made():
    similarity, _ = blocks([8, 8])
    with pytest.raises(InputError, match="two results"):
        pathway_shift(place_pathways(similarity.set_axis([f"p{i}" for i in range(16)], axis=0)))
    with pytest.raises(RefusedError, match="0 pathways are similar to another one; a plane needs at least 5"):
        place_pathways(pd.DataFrame(np.eye(9)))
    with pytest.raises(InputError, match="neighbours must be from 2 to 15"):
        place_pathways(similarity, neighbours=16)
    with pytest.raises(InputError, match="square and symmetric"):
        place_pathways(similarity.iloc[:4])
    with pytest.raises(InputError, match="clusters must be from 1 to 16"):
        place_pathways(similarity, clusters=17)
    np.testing.assert_array_equal(_clusters(np.ones((6, 2)), None, np.random.default_rng(0)), 0)


@needs_shared
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


@needs_shared
def test_the_choice_of_k_has_the_shape_of_cellchats():
    com = stored("kang_CTRL/trunc")
    got = choose_patterns(com, n_runs=5)
    assert list(got["k"]) == [2, 3, 4, 5, 6]
    expected = table("kang_CTRL_trunc_selectK_nrun5_patterns", "outgoing")
    theirs = expected[expected["Measure"] == "Cophenetic"].set_index("k")["score"]
    assert np.abs(got.set_index("k")["cophenetic"] - theirs).max() < 0.1
    assert (got["residual"].diff().dropna() < 0).all()
    pd.testing.assert_frame_equal(got, choose_patterns(com, n_runs=5))
    with pytest.raises(InputError, match="k must be from 1 to 8"):
        find_patterns(com, 9)
    assert pattern_matrix(com).to_numpy().max() == 1
