"""The hybrid cut against dynamicTreeCut 1.63-1: every label the same."""

import re

import numpy as np
import pytest

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError
from scresist.kernels.tree_cut import cut_details


def blocks(sizes=(30, 20, 15), noise=10, seed=0):
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(60, len(sizes)))
    parts = [factors[:, [i]] + 0.4 * rng.normal(size=(60, size)) for i, size in enumerate(sizes)]
    X = np.column_stack([*parts, rng.normal(size=(60, noise))])
    D = 1 - kernels.topological_overlap(kernels.adjacency(kernels.correlation(X), 6))
    return kernels.average_linkage(D), D


def test_planted_blocks_are_found_largest_first():
    Z, D = blocks()
    labels = kernels.cut_tree_hybrid(Z, D, min_size=10)
    for label, start, stop in ((1, 0, 30), (2, 30, 50), (3, 50, 65)):
        assert (labels[start:stop] == label).mean() > 0.9
    assert (np.diff(np.bincount(labels)[1:]) <= 0).all()


def test_single_precision_gives_the_same_labels():
    Z, D = blocks()
    np.testing.assert_array_equal(
        kernels.cut_tree_hybrid(Z, D.astype(np.float32), min_size=10, pam=True),
        kernels.cut_tree_hybrid(Z, D, min_size=10, pam=True),
    )


def test_few_genes_or_a_low_cut_leave_everything_unassigned():
    Z, D = blocks((3,), noise=0)
    assert not kernels.cut_tree_hybrid(Z, D, min_size=20).any()
    Z, D = blocks()
    assert not kernels.cut_tree_hybrid(Z, D, cut_height=0.01, min_size=10).any()


def test_bad_arguments_are_named():
    Z, D = blocks()
    with pytest.raises(InputError, match="deep_split"):
        kernels.cut_tree_hybrid(Z, D, deep_split=5)
    with pytest.raises(InputError, match="min_size"):
        kernels.cut_tree_hybrid(Z, D, min_size=0)
    with pytest.raises(InputError, match="shape"):
        kernels.cut_tree_hybrid(Z[:-1], D)
    with pytest.raises(InputError, match="ascending"):
        kernels.cut_tree_hybrid(Z[::-1], D)
    with pytest.raises(InputError, match="cut_height"):
        kernels.cut_tree_hybrid(Z, D, cut_height=np.nan)


@needs_shared
@pytest.mark.parametrize(("dataset", "tag"), golden.NETS)
def test_r_labels(dataset, tag):
    D = 1 - golden.from_upper(golden.arrays(f"{dataset}/net_{tag}.npz")[f"net_{tag}__tom_upper"])
    Z = golden.tree(dataset, tag)
    expected = golden.table(f"{dataset}/net_{tag}__cutree_labels.csv.gz").set_index("gene")
    for name, labels in expected.items():
        cut, split, size, pam = re.match(r"ch(.*)_ds(\d)_min(\d+)_pam(\w+)", name).groups()
        height = 0.995 if cut == "0.995" else None
        found = kernels.cut_tree_hybrid(Z, D, height, int(split), int(size), pam != "F", pam != "Tfree")
        np.testing.assert_array_equal(found, labels, err_msg=name)
    detail = golden.table(f"{dataset}/net_{tag}__cutree_detail_ds4_min20_pamT.csv.gz")
    _, small, branch = cut_details(Z, D, 0.995, 4, 20, pam=True, respect_dendrogram=True, max_pam_distance=None)
    np.testing.assert_array_equal(small, detail["smallLabel"])
    np.testing.assert_array_equal(branch, detail["onBranch"])


@needs_shared
def test_r_labels_on_ties():
    cases = golden.edge_cases()
    D = golden.edge_array("ties_int_dist")
    Z = kernels.average_linkage(D)
    sizes = {}
    for name, labels in cases["ties_integer_distances"]["value"].items():
        if name.startswith("labels"):
            _, split, pam = name.split("_")
            for size in (2, 3, 4, 5):
                found = kernels.cut_tree_hybrid(Z, D, None, int(split[2]), size, pam == "pamTRUE")
                sizes.setdefault(name, []).append(bool((found == labels).all()))
    assert all(any(matches) for matches in sizes.values())
