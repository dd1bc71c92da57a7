"""Adjacency and the fit table against their formulas and against WGCNA 1.72-1."""

import numpy as np
import pytest

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError
from scresist.kernels.similarity import connectivity

POWERS = [*range(1, 11), *range(12, 31, 2)]


def correlations(p=40, dtype=float):
    return kernels.correlation(np.random.default_rng(0).normal(size=(25, p)).astype(dtype))


@pytest.mark.parametrize("power", [1, 6, 7, 2.5, 30])
def test_adjacency_is_the_power_of_the_similarity(power):
    R = correlations()
    expected = {
        "signed": ((1 + R) / 2) ** power,
        "unsigned": np.abs(R) ** power,
        "signed hybrid": np.where(R > 0, np.abs(R) ** power, 0),
        "unsigned keep sign": np.sign(R) * np.abs(R) ** power,
    }
    for network, adjacency in expected.items():
        np.testing.assert_allclose(kernels.adjacency(R, power, network), adjacency, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("network", ["signed", "unsigned", "signed hybrid"])
@pytest.mark.parametrize("powers", [POWERS, [6, 1, 6, 3], [1.5, 2]])
def test_connectivity_is_the_sum_over_the_other_genes(network, powers):
    R = correlations(600)
    R[5], R[:, 5] = np.nan, np.nan
    found = connectivity(R, np.array(powers, dtype=float), network)
    for row, power in zip(found, powers, strict=True):
        A = np.power({"signed": (1 + R) / 2, "unsigned": np.abs(R), "signed hybrid": np.maximum(R, 0)}[network], power)
        np.fill_diagonal(A, 0)
        np.testing.assert_allclose(row, np.nansum(A, axis=1), rtol=1e-12)


def test_single_precision_is_near_double():
    R = correlations(700)
    single, double = kernels.soft_threshold(R.astype(np.float32), POWERS), kernels.soft_threshold(R, POWERS)
    np.testing.assert_allclose(single["mean_k"], double["mean_k"], rtol=1e-4)
    assert kernels.adjacency(R.astype(np.float32), 6).dtype == np.float32


@pytest.mark.parametrize("power", [0, -1, 31, np.inf, np.nan, True, "6"])
def test_powers_outside_one_to_thirty_are_refused(power):
    with pytest.raises(InputError, match="power must be a number from 1 to 30"):
        kernels.adjacency(np.eye(3), power)


def test_too_few_genes_or_no_power_are_refused():
    with pytest.raises(InputError, match="2 genes"):
        kernels.soft_threshold(np.eye(2), [1, 2])
    with pytest.raises(InputError, match="empty"):
        kernels.soft_threshold(np.eye(4), [])
    with pytest.raises(InputError, match="square"):
        kernels.adjacency(np.ones((3, 4)), 2)


@needs_shared
@pytest.mark.parametrize(("dataset", "tag"), [net for net in golden.NETS if net[0] == "A_opc500"])
def test_r_adjacency(dataset, tag):
    stored = golden.arrays(f"{dataset}/net_{tag}.npz")
    if f"net_{tag}__adj_upper" not in stored:
        pytest.skip(f"no adjacency was stored for {tag}")
    method, power, network, _ = golden.RECIPES[tag]
    network = "signed hybrid" if tag == "hybrid_nowick" else network
    A = kernels.adjacency(kernels.correlation(golden.expression(dataset), method), power or 7, network)
    np.testing.assert_allclose(A[np.tril_indices(len(A), -1)], stored[f"net_{tag}__adj_upper"], atol=1e-12, rtol=0)


@needs_shared
@pytest.mark.parametrize("dataset", golden.SETS)
@pytest.mark.parametrize("network", ["signed", "unsigned", "signed hybrid"])
@pytest.mark.parametrize(("name", "method"), [("cor", "pearson"), ("bicor", "bicor")])
def test_r_fit_table(dataset, network, name, method):
    expected = golden.table(f"{dataset}/softpower_{network.replace(' ', '_')}_{name}.csv.gz").to_numpy()
    found = kernels.soft_threshold(kernels.correlation(golden.expression(dataset), method), POWERS, network)
    assert list(found) == ["power", "sft_r2", "slope", "truncated_r2", "mean_k", "median_k", "max_k"]
    np.testing.assert_allclose(np.column_stack(list(found.values())), expected, rtol=1e-10, atol=1e-10)


@needs_shared
def test_r_fit_table_with_a_constant_gene():
    expected = golden.edge_cases()["zerovar_pickSoftThreshold"]["value"]
    R = kernels.correlation(golden.edge_array("zerovar_datExpr"), "bicor")
    found = kernels.soft_threshold(R, range(1, 11))
    np.testing.assert_allclose(np.array(list(found.values())), np.array(list(expected.values())), rtol=1e-10)
