"""Forty odd inputs as CellChat 2.2.0.9001 met them: the same result, or a named error or result that is better.

Where CellChat stops with R's words, loses a dimension, or goes on with a wrong number, ours is said beside the case.
"""

import json
from dataclasses import replace
from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from cellchat_oracle import ORACLE, arrays, vectors
from scipy import sparse

from oracle import needs_shared
from scresist.checks import InputError, MissingColumnError, RefusedError
from scresist.communication import cellchatdb, group_centralities, infer, over_expressed_genes, select_links
from scresist.kernels.centrality import centralities
from scresist.kernels.r_random import RStream

pytestmark = needs_shared
LR = "TGFB1_TGFBR1_TGFBR2"
CASES = {}


@cache
def told():
    return json.loads((ORACLE / "edge_cases" / "edge_cases.json").read_text())


def case(name):
    def keep(check):
        CASES[name] = check
        return check

    return keep


@cache
def head_and_neck():
    names = json.loads((ORACLE / "edge_cases" / "X_names.json").read_text())
    with np.load(ORACLE / "edge_cases" / "X_genes_x_cells_csc.npz") as file:
        X = sparse.csc_array((file["data"], file["indices"], file["indptr"]), shape=tuple(file["shape"]))
    labels = vectors("edge_cases")["labels"]
    obs = pd.DataFrame({"labels": [labels[c] for c in names["cols"]]}, index=names["cols"])
    return ad.AnnData(sparse.csr_matrix(X.T), obs=obs, var=pd.DataFrame(index=names["rows"]))


def cells(only=None):
    adata = head_and_neck()
    return adata.copy() if only is None else adata[vectors("edge_cases")[only]].copy()


@cache
def permutations(n_cells, n=100):
    """set.seed(1); replicate(n, sample.int(n_cells)), counted from zero."""
    stream = RStream(1)
    return np.stack([stream.permutation(n_cells) for _ in range(n)], axis=1)


def panel():
    return list(vectors("edge_cases")["panel"])


def inferred(adata, **options):
    given = {"pairs": panel(), "min_cells": 0, "permutations": permutations(adata.n_obs), **options}
    return infer(adata, groupby="labels", mode="parity", **given)


@cache
def base():
    return inferred(cells())


def same(com, key):
    expected = arrays("edge_cases")
    assert list(com.groups) == list(expected[f"{key}_prob__dim1"])
    assert list(com.pairs) == list(expected[f"{key}_prob__dim3"])
    np.testing.assert_allclose(com.probability, expected[f"{key}_prob"], rtol=1e-10, atol=1e-15)
    np.testing.assert_array_equal(com.p_value, expected[f"{key}_pval"])


def of_group(com, name):
    g = com.groups.get_loc(name)
    return com.probability[g].sum() + com.probability[:, g].sum() - com.probability[g, g].sum()


def one_pathway_significant():
    com = base()
    own = (com.interactions["pathway_name"] == "TGFb").to_numpy()
    return replace(com, p_value=np.where(own, 0.0, 1.0) * np.ones(com.probability.shape))


def none_significant():
    return replace(base(), p_value=np.ones(base().probability.shape))


def with_gene(gene, group=None):
    adata = cells()
    X = adata.X.toarray()
    inside = slice(None) if group is None else (adata.obs["labels"] == group).to_numpy()
    X[inside, adata.var_names.get_loc(gene)] = 0
    adata.X = sparse.csr_matrix(X)
    return adata


@case("base")
def _(result):
    same(base(), "base")
    assert (base().probability > 0).sum() == result["nonzero"]


@case("small_groups")
def _(result):
    adata = cells("small_cells")
    com, filtered = inferred(adata), inferred(adata, min_cells=10)
    same(com, "small")
    np.testing.assert_allclose(filtered.probability, arrays("edge_cases")["small_prob_filtered10"], rtol=1e-10)
    np.testing.assert_array_equal(filtered.p_value, com.p_value)
    nine = inferred(adata, min_cells=9)
    for name in ("Mast", "Dendritic"):
        assert of_group(filtered, name) == result["after10"][name]
        assert (of_group(nine, name) > 0) == (result["after9"][name] > 0)


@case("group_of_one")
def _(result):
    com = inferred(cells("one_cells"))
    same(com, "one")
    del result


@case("gene_zero_in_group")
def _(result):
    com = inferred(with_gene("TGFB1", "Fibroblast"))
    sent = com.probability[com.groups.get_loc("Fibroblast"), :, com.pairs.get_loc(LR)]
    assert sent.sum() == result["sum_out_fibro"]
    assert (com.p_value[com.groups.get_loc("Fibroblast"), :, com.pairs.get_loc(LR)] == 1).all()


@case("gene_all_zero")
def _(result):
    com = inferred(with_gene("TGFB1"))
    assert com.probability[..., com.pairs.get_loc(LR)].sum() == result["prob_sum"]
    assert set(com.p_value[..., com.pairs.get_loc(LR)].ravel()) == {result["pval_unique"]}


@case("gene_all_zero_DE")
def _(result):
    table = over_expressed_genes(with_gene("TGFB1"), groupby="labels")
    assert ("TGFB1" in set(table["gene"])) == result["in_table"]


@case("gene_all_zero_DE_slow")
def _(result):
    table = over_expressed_genes(with_gene("TGFB1"), groupby="labels", method="slow")
    assert ("TGFB1" in set(table["gene"])) == result["in_table"]


@case("gene_row_missing")
def _(_result):  # R: "subscript out of bounds"
    adata = cells()
    with pytest.raises(InputError, match=rf"{LR}.*TGFB1 is not measured; leave the pair out"):
        inferred(adata[:, adata.var_names != "TGFB1"].copy())


@case("complex_subunit_missing")
def _(_result):  # R: "subscript out of bounds"
    adata = cells()
    with pytest.raises(InputError, match=rf"{LR}.*TGFBR2 is not measured"):
        inferred(adata[:, adata.var_names != "TGFBR2"].copy())


@case("no_overexpressed_features")
def _(result):  # R goes on with no interactions and fails in the next call
    adata = cells()
    adata.X = sparse.csr_matrix(np.tile(adata.X.toarray().max(axis=0), (adata.n_obs, 1)))
    assert len(over_expressed_genes(adata, groupby="labels")) == result["nLR"]
    with pytest.raises(RefusedError, match="no interaction has an over-expressed ligand and receptor"):
        inferred(adata, pairs=None)


@case("empty_LRsig")
def _(_result):  # R: "subscript out of bounds"
    with pytest.raises(InputError, match="pairs is empty"):
        inferred(cells(), pairs=[])


@case("single_LR")
def _(result):
    assert list(inferred(cells(), pairs=[LR]).probability.shape) == result["dim"]


@case("single_LR_pathway")
def _(_result):  # R: "'perm' is of wrong length"; one pair is a pathway like any other here
    com = inferred(cells(), pairs=[LR])
    sums, names = com.pathway_array()
    np.testing.assert_allclose(sums[..., 0], np.where(com.p_value <= 0.05, com.probability, 0)[..., 0])
    assert list(names) == ["TGFb"]


def _one_group(**options):  # R goes on: p = 0 for every link, since no relabelling changes anything
    adata = cells()
    adata.obs["labels"] = "all"
    with pytest.raises(RefusedError, match="needs at least two groups; 'labels' has 1"):
        inferred(adata, **options)


for _name in ("single_group_prob", "single_group_pathway", "single_group_aggregate"):
    case(_name)(lambda _result: _one_group())


@case("single_group_DE_fast")
def _(_result):
    adata = cells()
    adata.obs["labels"] = "all"
    with pytest.raises(RefusedError, match="needs at least two groups"):
        over_expressed_genes(adata, groupby="labels")


@case("single_group_DE_slow")
def _(_result):  # R goes on without a result
    adata = cells()
    adata.obs["labels"] = "all"
    with pytest.raises(RefusedError, match="needs at least two groups"):
        over_expressed_genes(adata, groupby="labels", method="slow")


@case("label_zero")
def _(_result):
    adata = cells()
    adata.obs["labels"] = adata.obs["labels"].replace({"Mast": "0"})
    with pytest.raises(InputError, match="named '0', which CellChat does not accept"):
        inferred(adata)


@case("label_contains_zero")
def _(_result):
    adata = cells()
    adata.obs["labels"] = adata.obs["labels"].replace({"Mast": "0_x"})
    com = inferred(adata)
    np.testing.assert_allclose(of_group(com, "0_x"), of_group(base(), "Mast"))


def _unnamed(call):
    adata = cells()
    adata.obs["labels"] = adata.obs["labels"].where(np.arange(adata.n_obs) > 2)
    with pytest.raises(InputError, match=r"3 cells have no group|a group for every cell"):
        call(adata)


# R makes the object and tests genes (the three cells count as others, or not), then stops and speaks of levels.
case("label_NA_create")(lambda _result: _unnamed(inferred))
case("label_NA_prob")(lambda _result: _unnamed(inferred))
case("label_NA_DE_fast")(lambda _result: _unnamed(lambda a: over_expressed_genes(a, groupby="labels")))
case("label_NA_DE_slow")(lambda _result: _unnamed(lambda a: over_expressed_genes(a, groupby="labels", method="slow")))


@case("unused_level")
def _(_result):  # R stops; an unused category is dropped here
    adata = cells()
    names = sorted(adata.obs["labels"].unique(), key=str.casefold)
    adata.obs["labels"] = pd.Categorical(adata.obs["labels"], categories=[*names, "nobody"])
    same(inferred(adata), "base")


@case("level_order")
def _(result):
    adata = cells()
    adata.obs["labels"] = pd.Categorical(adata.obs["labels"], categories=result["dimnames1"])
    com = inferred(adata)
    assert list(com.groups) == result["dimnames1"]
    np.testing.assert_allclose(com.probability[::-1, ::-1], base().probability, atol=1e-15)
    np.testing.assert_array_equal(com.p_value[::-1, ::-1], base().p_value)


@case("all_zero_matrix")
def _(_result):  # R: "missing value where TRUE/FALSE needed"
    adata = cells()
    adata.X = sparse.csr_matrix(adata.shape)
    with pytest.raises(RefusedError, match="no signalling gene is expressed"):
        inferred(adata)


@case("nboot_1")
def _(result):
    com = inferred(cells(), permutations=permutations(180, 1))
    assert sorted(set(com.p_value.ravel())) == result["p"]


@case("negative_values")
def _(_result):  # R goes on and gives numbers
    adata = cells()
    adata.X.data[:50] *= -1
    with pytest.raises(InputError, match="negative values"):
        inferred(adata)


@case("NA_value")
def _(_result):  # R's case hit a gene that does not signal; one that does is an error here
    adata = cells()
    k = adata.var_names.get_loc("MMP2" if "MMP2" in cellchatdb().signalling_genes() else "TGFB1")
    dense = adata.X.toarray()
    dense[0, k] = np.nan
    adata.X = sparse.csr_matrix(dense)
    with pytest.raises(InputError, match="NaN or infinite"):
        inferred(adata)


@case("pval_equals_thresh")
def _(result):
    com, p = base(), np.ones(base().probability.shape)
    at = np.argwhere(com.probability.T > 0)[:5, ::-1]  # the first five as R counts
    values = [0.05, 0.05, 0.04, 0.06, 0.05]
    for place, value in zip(at, values, strict=True):
        p[tuple(place)] = value
    com = replace(com, p_value=p)
    assert com.pathway_array()[0].sum() == pytest.approx(result["pathway_sum"], rel=1e-12)
    assert com.counts().to_numpy().sum() == result["aggregate_count"]
    assert len(com.table) == result["subset_rows"]


@case("one_sig_pathway")
def _(result):  # R loses the third dimension
    sums, names = one_pathway_significant().pathway_array()
    assert list(sums.shape) == [*result["dim_netP"], 1]
    assert list(names) == [result["pathways"]]


@case("one_sig_pathway_centr")
def _(_result):  # R: "subscript out of bounds"
    table = group_centralities(one_pathway_significant())
    assert set(table["pathway"]) == {"TGFb"}
    assert len(table) == len(base().groups)


@case("none_significant")
def _(result):
    assert list(none_significant().pathway_array()[0].shape) == result["dim"]


@case("none_significant_aggregate")
def _(result):
    assert none_significant().counts().to_numpy().sum() == result["count"]


@case("none_significant_subset")
def _(_result):
    with pytest.raises(RefusedError, match="there is no link"):
        select_links(none_significant())


@case("centrality_2d_net")
def _(_result):  # R: "subscript out of bounds"; a matrix is one network here
    weights = base().weights()
    one = centralities(weights.to_numpy())
    many = centralities(weights.to_numpy()[:, :, None])
    for measure, values in one.items():
        np.testing.assert_array_equal(values, many[measure][:, 0])
    np.testing.assert_allclose(one["outdeg"], weights.sum(axis=1))


@case("meta_order_mismatch")
def _(result):
    """R takes labels by position and only warns; AnnData holds them by the name of the cell, in whatever order."""
    assert result["labels_taken_positionally"]
    adata = cells()
    order = np.random.default_rng(0).permutation(adata.n_obs)
    adata.obs["labels"] = adata.obs["labels"].iloc[order]
    np.testing.assert_allclose(inferred(adata, permutations=0).probability, base().probability)


@case("missing_group_by")
def _(_result):
    with pytest.raises(MissingColumnError, match="no column 'group'"):
        infer(cells(), groupby="group", mode="parity")


@case("population_size_pvals")
def _(result):
    com = inferred(cells(), population_size=True)
    assert result["pvals_identical"]
    np.testing.assert_array_equal(com.p_value, base().p_value)
    np.testing.assert_allclose(com.probability, base().probability / 81, rtol=1e-10)


@pytest.mark.parametrize("name", sorted(CASES))
def test_case(name):
    CASES[name](told()[name]["result"])


def test_every_case_is_replayed():
    assert set(CASES) == set(told())
