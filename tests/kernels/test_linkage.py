"""Average linkage against scipy and against R's fastcluster 1.2.3, ties included."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import is_valid_linkage, linkage
from scipy.spatial.distance import pdist, squareform

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError
from scresist.kernels.linkage import leaf_order


@pytest.mark.parametrize("n", [2, 3, 17, 200])
def test_scipy_agrees_where_nothing_is_tied(n):
    distances = pdist(np.random.default_rng(n).random((n, 5)))
    Z = kernels.average_linkage(squareform(distances))
    np.testing.assert_allclose(Z, linkage(distances, "average"), rtol=1e-12)
    assert is_valid_linkage(Z)
    assert sorted(leaf_order(Z)) == list(range(n))


def test_single_precision_gives_the_same_tree_and_the_input_is_left_alone():
    D = squareform(pdist(np.random.default_rng(0).random((150, 5)))).astype(np.float32)
    before = D.copy()
    single, double = kernels.average_linkage(D), kernels.average_linkage(D.astype(float))
    np.testing.assert_array_equal(D, before)
    np.testing.assert_array_equal(single[:, [0, 1, 3]], double[:, [0, 1, 3]])
    np.testing.assert_allclose(single[:, 2], double[:, 2], rtol=1e-5)


def test_bad_distances_are_refused():
    with pytest.raises(InputError, match="NaN"):
        kernels.average_linkage(np.array([[0, np.nan], [np.nan, 0]]))
    with pytest.raises(InputError, match="1 genes"):
        kernels.average_linkage(np.zeros((1, 1)))


@needs_shared
@pytest.mark.parametrize(("dataset", "tag"), golden.NETS)
def test_r_tree_from_r_overlap(dataset, tag):
    stored = golden.arrays(f"{dataset}/net_{tag}.npz")[f"net_{tag}__tom_upper"]
    if stored.dtype != np.float64:
        pytest.skip("the overlap was stored in single precision")
    expected, Z = golden.tree(dataset, tag), kernels.average_linkage(1 - golden.from_upper(stored))
    np.testing.assert_array_equal(Z[:, :2], expected[:, :2])
    np.testing.assert_allclose(Z[:, 2], expected[:, 2], atol=1e-13, rtol=0)
    order = golden.table(f"{dataset}/net_{tag}__hclust_order.csv.gz")["order"]
    np.testing.assert_array_equal(leaf_order(Z) + 1, order)


@needs_shared
@pytest.mark.parametrize(("dataset", "tag"), golden.NETS)
def test_r_tree_from_expression(dataset, tag):
    method, power, network, tom = golden.RECIPES[tag]
    A = kernels.adjacency(
        kernels.correlation(golden.expression(dataset), method), power or golden.POWER[dataset], network
    )
    Z, expected = kernels.average_linkage(1 - kernels.topological_overlap(A, tom)), golden.tree(dataset, tag)
    np.testing.assert_array_equal(Z[:, :2], expected[:, :2])
    np.testing.assert_allclose(Z[:, 2], expected[:, 2], atol=1e-10, rtol=0)


@needs_shared
def test_r_order_of_ties():
    cases = golden.edge_cases()
    repeated = cases["ties_duplicates"]["value"]
    Z = kernels.average_linkage(1 - golden.edge_array("ties_dup_TOM"))
    np.testing.assert_array_equal(Z[:, :2], golden.scipy_merges(repeated["merge"]))
    np.testing.assert_array_equal(leaf_order(Z) + 1, repeated["order"])
    whole = cases["ties_integer_distances"]["value"]["average"]
    Z = kernels.average_linkage(golden.edge_array("ties_int_dist"))
    np.testing.assert_array_equal(Z[:, :2], golden.scipy_merges(whole["merge"]))
    np.testing.assert_allclose(Z[:, 2], whole["height"], atol=1e-14)
