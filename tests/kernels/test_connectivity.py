"""Intramodular connectivity and hdWGCNA's degrees against WGCNA 1.72-1 and hdWGCNA 0.4."""

import numpy as np
import pytest

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError
from scresist.kernels.connectivity import intramodular_connectivity, one_sided_degrees


def test_sums_match_a_plain_loop():
    A = np.random.default_rng(0).random((12, 12))
    A = (A + A.T) / 2
    labels = np.array([1, 1, 1, 1, 2, 2, 0, 0, 0, 3, 3, 3])
    found = intramodular_connectivity(A, labels)
    for i in range(12):
        others = [j for j in range(12) if j != i]
        same = [j for j in others if labels[j] == labels[i]]
        np.testing.assert_allclose(found["total"][i], A[i, others].sum())
        np.testing.assert_allclose(found["within"][i], A[i, same].sum() if len(same) >= 2 else 0)
    degrees = one_sided_degrees(A, labels)
    assert degrees[3] == 0
    np.testing.assert_allclose(degrees[0], A[0, 1:4].sum())
    with pytest.raises(InputError, match="missing"):
        intramodular_connectivity(np.where(A > 0.9, np.nan, A), labels)


@needs_shared
@pytest.mark.parametrize("dataset", golden.SETS)
def test_r_connectivity_and_degrees(dataset):
    colours = golden.table(f"{dataset}/construct_network_modules.csv.gz")["color"].to_numpy()
    names = sorted(set(colours))
    labels = np.array([names.index(c) + 1 for c in colours])
    A = kernels.adjacency(kernels.correlation(golden.expression(dataset)), golden.POWER[dataset])
    found = intramodular_connectivity(A, labels)
    expected = golden.table(f"{dataset}/wgcna_intramodularConnectivity.csv.gz")
    for ours, theirs in (("total", "kTotal"), ("within", "kWithin"), ("outside", "kOut"), ("difference", "kDiff")):
        np.testing.assert_allclose(found[ours], expected[theirs], atol=1e-10)
    scaled = golden.table(f"{dataset}/wgcna_intramodularConnectivity_scaled.csv.gz")["kWithin"]
    np.testing.assert_allclose(found["scaled"], scaled, atol=1e-12)
    T = kernels.topological_overlap(A)
    genes = golden.table(f"{dataset}/construct_network_modules.csv.gz")["gene_name"]
    stored = golden.table(f"{dataset}/sc_degrees_hdwgcna.csv.gz").set_index("gene_name")["degree"]
    np.testing.assert_allclose(one_sided_degrees(T, labels), stored[genes], atol=1e-10)
