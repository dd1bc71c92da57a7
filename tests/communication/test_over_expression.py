"""Over-expressed genes against CellChat's three variants on real data."""

import numpy as np
import pytest
from cellchat_oracle import load, table
from planted_signals import cohort

from oracle import needs_shared
from scresist.checks import InputError, RefusedError
from scresist.communication import infer, over_expressed_genes

SETS = ["oligo", "nsclc", "kang_CTRL", "kang_STIM"]


def selected(name, method):
    resource = "cellchatdb:all" if name.startswith("kang") else "cellchatdb"
    return over_expressed_genes(load(name)[0], groupby="labels", method=method, resource=resource)


@needs_shared
@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("method", ["fast", "slow"])
def test_genes_and_their_statistics_are_cellchats(name, method):
    got, expected = selected(name, method), table(f"{name}/base", f"oeg_{method}_info")
    key, theirs = ["group", "gene"], expected.rename(columns={"clusters": "group", "features": "gene"})
    assert set(map(tuple, got[key].to_numpy())) == set(map(tuple, theirs[key].to_numpy()))
    if method == "slow":
        assert list(got["gene"]) == list(theirs["gene"])
    own, theirs = got.set_index(key), theirs.set_index(key)
    own = own.loc[theirs.index]
    scale = 100 if method == "fast" else 1
    np.testing.assert_allclose(own["log_fc"], theirs["logFC"], rtol=1e-8)
    np.testing.assert_allclose(own["p_value"], theirs["pvalues"], rtol=1e-8)
    np.testing.assert_allclose(own["p_adjusted"], theirs["pvalues.adj"], rtol=1e-8)
    np.testing.assert_allclose(own["share_in"] * scale, theirs["pct.1"], atol=1e-9)
    np.testing.assert_allclose(own["share_out"] * scale, theirs["pct.2"], atol=1e-9)


@needs_shared
@pytest.mark.parametrize("name", SETS)
def test_expressed_genes_are_cellchats(name):
    got, expected = selected(name, "expressed"), table(f"{name}/base", "oeg_noDE_info")
    assert list(got["gene"]) == list(expected["features"])
    np.testing.assert_array_equal(got["n_cells"], expected["nCells"])


@needs_shared
@pytest.mark.parametrize("method", ["fast", "slow", "expressed"])
def test_interactions_of_a_selection(method):
    adata, vectors, _ = load("oligo")
    com = infer(adata, groupby="labels", mode="parity", select=method, permutations=0)
    if method == "expressed":
        assert len(com.pairs) >= len(vectors["LRsig_fast"])
    else:
        assert list(com.pairs) == vectors[f"LRsig_{method}"]
    loose = infer(adata, groupby="labels", mode="parity", select="fast", both=False, permutations=0)
    assert list(loose.pairs) == vectors["LRsig_fast_variable_both_FALSE"]


def test_bad_calls():
    adata = cohort(per_arm=1)
    with pytest.raises(InputError, match="method"):
        over_expressed_genes(adata, groupby="cell_type", method="quick")
    adata.obs["cell_type"] = "one"
    with pytest.raises(RefusedError, match="two groups"):
        over_expressed_genes(adata, groupby="cell_type")
