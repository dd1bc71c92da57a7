"""Tests over cells against scipy, and what they give where there is nothing to rank."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse, stats

from scresist.study.design import Contrast, Design
from scresist.usual_tools import cell_level_expression, cell_level_values, module_differences
from scresist.usual_tools.rank_sum import rank_sum_over_cells

GENES = [f"g{i}" for i in range(8)]


def log_counts(seed=0, n=90):
    rng = np.random.default_rng(seed)
    X = np.log1p(rng.poisson(0.5 + rng.gamma(1.0, 1.0, len(GENES)), (n, len(GENES)))).astype(np.float32)
    X[:, 0] = 0
    return X, np.array(["a", "b", "c"], dtype=object)[np.arange(n) % 3]


@pytest.mark.parametrize("stored_as", [np.asarray, sparse.csr_matrix, sparse.csc_array])
def test_groups_against_all_other_cells_match_scipy(stored_as):
    X, labels = log_counts()
    given = stored_as(X)
    found = rank_sum_over_cells(given, labels, GENES, groups=["c", "a"])
    assert found["group"].tolist() == ["c"] * len(GENES) + ["a"] * len(GENES)
    for group, rows in found.groupby("group"):
        inside, outside = X[labels == group].astype(float), X[labels != group].astype(float)
        expected = stats.mannwhitneyu(inside, outside, method="asymptotic").pvalue
        np.testing.assert_allclose(rows["p_value"][1:], expected[1:], rtol=1e-9)
        fold = (np.expm1(inside).mean(axis=0) + 1e-9) / (np.expm1(outside).mean(axis=0) + 1e-9)
        np.testing.assert_allclose(rows["fold_change"], fold, rtol=1e-5)
        np.testing.assert_allclose(rows["share_in"], (inside > 0).mean(axis=0))
        np.testing.assert_allclose(rows["share_out"], (outside > 0).mean(axis=0))
        assert np.isnan(rows["p_value"].iloc[0])
        assert rows["reason"].tolist() == ["all cells have the same value"] + [""] * (len(GENES) - 1)
    np.testing.assert_array_equal(given.toarray() if sparse.issparse(given) else given, X)


def a_design():
    sheet = pd.DataFrame({"patient": list("pqrs"), "arm": ["x", "x", "y", "y"]}, index=["s0", "s1", "s2", "s3"])
    return Design(("x", "y"), (Contrast("primary", "y", "x"),), sheet)


def test_no_test_over_cells_gives_a_p_value_where_all_cells_are_equal():
    """scipy gives 1 there: a gene that could not be tested would count among the tests."""
    X, _ = log_counts()
    sample = np.resize(["s0", "s1", "s2", "s3"], len(X))
    adata = ad.AnnData(X, obs=pd.DataFrame({"sample": sample, "cell_type": "T"}, index=[f"c{i}" for i in range(90)]))
    adata.var_names = GENES
    genes = cell_level_expression(adata, a_design()).table
    values = pd.DataFrame(X.astype(float), adata.obs_names, GENES).assign(g1=np.nan)
    features = cell_level_values(values, adata.obs["sample"], a_design()).table
    first = np.isin(sample, ["s2", "s3"])
    modules = module_differences(values.drop(columns="g1"), first, ~first).table.set_index("module")
    for p, q, reason in (
        (genes["p_value"], genes["q_value"], genes["reason"]),
        (features["p_value"], features["q_value"], features["reason"]),
        (modules["p_value"], modules["p_adjusted"], modules["reason"]),
    ):
        equal = (reason == "all cells have the same value").to_numpy()
        assert equal.sum() == 1
        assert np.isnan(p[equal]).all()
        assert np.isnan(q[equal]).all()
        assert p[(reason == "").to_numpy()].notna().all()
    assert modules.index[-1] == "g0"
    assert features.set_index("feature").loc["g1", "reason"] == "fewer than two cells of an arm have a value"
    expected = stats.mannwhitneyu(X[first].astype(float), X[~first].astype(float), method="asymptotic").pvalue[1:]
    np.testing.assert_allclose(genes["p_value"][1:], expected, rtol=1e-9)
    np.testing.assert_allclose(features["p_value"][2:], expected[1:], rtol=1e-9)
