"""Changes of genes beside links against CellChat's netMappingDEG on real data."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from cellchat_oracle import load, stored, table

from oracle import needs_shared
from scresist.checks import MissingColumnError
from scresist.communication import condition_gene_changes, link_gene_changes

pytestmark = needs_shared
CONDITIONS = {
    "kang_cmp_tri": {"CTRL": "kang_CTRL/tri", "STIM": "kang_STIM/tri"},
    "kang_cmp_trunc": {"CTRL": "kang_CTRL/trunc", "STIM": "kang_STIM/trunc"},
    "nsclc_cmp_tri": {"blood": "nsclc_blood/tri", "tumor": "nsclc_tumor/tri"},
    "nsclcP_cmp_tri": {"blood": "nsclcP_blood/tri", "tumor": "nsclcP_tumor/tri"},
}
NAMES = {"pvalues": "p_value", "logFC": "log_fc", "pct.1": "share_in", "pct.2": "share_out"}
CASES = [(n, t) for n in CONDITIONS for t in ("DE_presto", "DE_presto_combined", "DE_slow", "DE_slow_combined")
         if not (n.startswith("nsclc") and t == "DE_presto")]  # fmt: skip


@pytest.mark.parametrize(("name", "test"), CASES)
@pytest.mark.parametrize("every", [True, False])
def test_mapped_changes_are_cellchats(name, test, every):
    conditions = {label: stored(folder) for label, folder in CONDITIONS[name].items()}
    changes = table(name, test).rename(columns={"clusters": "group", "features": "gene", **NAMES})
    expected = table(name, f"netMappingDEG_{test}_variable.all_{'TRUE' if every else 'FALSE'}")
    got = link_gene_changes(conditions, changes, every_subunit=every)
    key = ["condition", "source", "target", "interaction"]
    theirs = expected.rename(columns={"datasets": "condition", "interaction_name": "interaction"}).set_index(key)
    own = got.set_index(key)
    assert set(own.index) == set(theirs.index)
    own = own.loc[theirs.index]
    assert theirs["ligand.logFC"].notna().any()
    for side in ("ligand", "receptor"):
        for column, label in NAMES.items():
            np.testing.assert_allclose(own[f"{side}_{label}"], theirs[f"{side}.{column}"], rtol=1e-10)


def test_a_table_without_groups_is_refused():
    with pytest.raises(MissingColumnError, match="group"):
        link_gene_changes({"a": stored("oligo/tri")}, pd.DataFrame({"gene": ["A"]}))


@pytest.mark.parametrize("method", ["fast", "slow"])
@pytest.mark.parametrize("pooled", [False, True])
def test_changes_between_conditions_are_cellchats(method, pooled):
    both = ad.concat({"CTRL": load("kang_CTRL")[0], "STIM": load("kang_STIM")[0]}, label="condition", index_unique="-")
    got = condition_gene_changes(both, groupby="labels", condition="condition", test="STIM", method=method,
                                 pooled=pooled, resource="cellchatdb:all")  # fmt: skip
    name = f"DE_{'presto' if method == 'fast' else 'slow'}{'_combined' if pooled else ''}"
    expected = table("kang_cmp_tri", name).rename(columns={"clusters": "group", "features": "gene", **NAMES})
    if method == "fast":  # each gene stands twice there, mirrored
        expected = expected[expected["datasets"] == "STIM"]
    own, theirs = got.set_index(["group", "gene"]), expected.set_index(["group", "gene"])
    assert set(own.index) == set(theirs.index)
    own = own.loc[theirs.index]
    scale = 100 if method == "fast" else 1
    np.testing.assert_allclose(own["log_fc"], theirs["log_fc"], rtol=1e-8)
    np.testing.assert_allclose(own["p_value"], theirs["p_value"], rtol=1e-8)
    np.testing.assert_allclose(own["share_in"] * scale, theirs["share_in"], atol=1e-9)
    np.testing.assert_allclose(own["p_adjusted"], theirs["pvalues.adj"], rtol=1e-8)
