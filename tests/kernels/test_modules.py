"""Eigengenes, membership and merging against linear algebra and against WGCNA 1.72-1."""

import numpy as np
import pytest
from scipy import sparse

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError
from scresist.kernels.modules import eigengene_order, trim_modules


def planted(n=50, sizes=(20, 15, 12), seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, len(sizes)))
    X = np.column_stack([factors[:, [i]] + rng.normal(size=(n, s)) for i, s in enumerate(sizes)])
    return X + 5, np.repeat(np.arange(1, len(sizes) + 1), sizes)


@pytest.mark.parametrize("shape", [(50, 20), (20, 50), (400, 350)])
def test_an_eigengene_is_the_first_singular_vector(shape):
    X = np.random.default_rng(0).normal(size=shape) + np.random.default_rng(1).normal(size=(shape[0], 1))
    E, explained = kernels.eigengenes(X, np.ones(shape[1], dtype=int))
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    U, d, _ = np.linalg.svd(Z, full_matrices=False)
    assert abs(U[:, 0] @ E[:, 0]) > 1 - 1e-12
    assert Z.mean(axis=1) @ E[:, 0] > 0
    np.testing.assert_allclose(explained, d[0] ** 2 / (d**2).sum(), rtol=1e-10)


def test_unassigned_genes_have_no_eigengene_and_constant_ones_no_weight():
    X, labels = planted()
    X = np.column_stack([X, np.full(50, 3.0)])
    with_constant = kernels.eigengenes(X, np.append(labels, 2))[0]
    without = kernels.eigengenes(X, np.append(labels, 0))[0]
    assert with_constant.shape == (50, 3)
    np.testing.assert_allclose(with_constant, without, atol=1e-12)


@pytest.mark.parametrize("stored_as", [np.asarray, sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
def test_membership_is_pearsons_correlation_on_every_storage(stored_as):
    rng = np.random.default_rng(3)
    X = rng.poisson(0.3, size=(200, 30)).astype(float)
    X[:, 4] = 0
    E = rng.normal(size=(200, 3))
    kme = kernels.signed_kme(stored_as(X), E)
    assert np.isnan(kme[4]).all()
    for gene in np.delete(np.arange(30), 4):
        expected = [np.corrcoef(X[:, gene], E[:, m])[0, 1] for m in range(3)]
        np.testing.assert_allclose(kme[gene], expected, atol=1e-13)


def test_membership_with_missing_values_uses_the_samples_known():
    X, labels = planted()
    E, _ = kernels.eigengenes(X, labels)
    X[:7, 0] = np.nan
    expected = np.corrcoef(X[7:, 0], E[7:, 1])[0, 1]
    np.testing.assert_allclose(kernels.signed_kme(X, E)[0, 1], expected, atol=1e-13)


def test_modules_that_are_one_are_joined():
    X, labels = planted(sizes=(30, 15, 12))
    split = labels.copy()
    split[:15] = 4
    merged = kernels.merge_modules(X, split)
    assert len(np.unique(merged[:30])) == 1
    assert len(np.unique(merged)) == 3
    np.testing.assert_array_equal(kernels.merge_modules(X, labels), labels)


def test_trimming_lets_go_of_strangers_and_dissolves_modules_without_a_core():
    X, labels = planted()
    noise = np.random.default_rng(9).normal(size=(50, 40))
    X, labels = np.column_stack([X, noise]), np.concatenate([labels, [1, 1], np.full(38, 9)])
    trimmed = trim_modules(X, labels, min_size=10)
    assert 9 not in trimmed
    assert (trimmed[:20] == 1).all()


def test_bad_labels_are_named():
    X, labels = planted()
    with pytest.raises(InputError, match="no module"):
        kernels.eigengenes(X, np.zeros_like(labels))
    with pytest.raises(InputError, match="no module"):
        kernels.merge_modules(X, np.zeros_like(labels))
    with pytest.raises(InputError, match="missing"):
        kernels.eigengenes(X, np.where(labels == 1, np.nan, labels))
    with pytest.raises(InputError, match="one label for each"):
        kernels.merge_modules(X, labels[:-1])
    with pytest.raises(InputError, match="same samples"):
        kernels.signed_kme(X, X[:-1, :2])
    np.testing.assert_array_equal(kernels.merge_modules(X, np.ones_like(labels)), 1)


@needs_shared
@pytest.mark.parametrize("dataset", golden.SETS)
def test_r_eigengenes_and_membership(dataset):
    X, stored = golden.expression(dataset), golden.arrays(f"{dataset}/wgcna.npz")
    colours = golden.table(f"{dataset}/construct_network_modules.csv.gz")["color"].to_numpy()
    names = sorted(set(colours))
    E, explained = kernels.eigengenes(X, np.array([names.index(c) + 1 for c in colours]))
    np.testing.assert_allclose(E, stored["wgcna_MEs"], atol=1e-12)
    np.testing.assert_allclose(explained, golden.table(f"{dataset}/wgcna_ME_info.csv.gz")["varExplained"], atol=1e-12)
    np.testing.assert_allclose(kernels.signed_kme(X, E), stored["wgcna_signedKME_pearson"], atol=1e-12)
    np.testing.assert_allclose(kernels.signed_kme(X, E, method="bicor"), stored["wgcna_signedKME_bicor"], atol=1e-12)
    proper = [i for i, name in enumerate(names) if name != "grey"]
    ordered = [f"ME{names[proper[i]]}" for i in eigengene_order(E[:, proper])]
    assert [*ordered, "MEgrey"] == golden.table(f"{dataset}/wgcna_ME_order.csv.gz")["ordered"].tolist()


@needs_shared
@pytest.mark.parametrize(("dataset", "tag"), golden.NETS)
def test_r_merges(dataset, tag):
    X = golden.expression(dataset)
    labels = golden.table(f"{dataset}/net_{tag}__cutree_labels.csv.gz")
    expected = golden.table(f"{dataset}/net_{tag}__mergeCloseModules.csv.gz").set_index("gene")
    colour_of = np.array(["grey", *golden.standard_colours()], dtype=object)
    for name, colours in expected.items():
        setting, height = name.split("_merge")
        numbers, names = golden.alphabetical(colour_of[labels[setting].to_numpy()])
        merged = names[kernels.merge_modules(X, numbers, float(height))]
        np.testing.assert_array_equal(merged, colours, err_msg=name)


@needs_shared
def test_r_eigengenes_with_missing_values():
    X = golden.edge_array("na_datExpr")
    labels = np.where(np.arange(60) < 31, 1, 2)
    labels[8] = 0  # goodGenes drops it: more than half is missing
    E, explained = kernels.eigengenes(X, labels)
    np.testing.assert_allclose(E, golden.edge_array("na_ME"), atol=1e-12)
    expected = golden.edge_cases()["na_moduleEigengenes"]["value"]["varExplained"]
    np.testing.assert_allclose(explained, expected, atol=1e-12)
