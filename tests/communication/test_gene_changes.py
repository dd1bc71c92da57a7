"""Changes of genes beside links against CellChat's netMappingDEG on real data."""

import numpy as np
import pandas as pd
import pytest
from cellchat_oracle import stored, table

from oracle import needs_shared
from scresist.checks import MissingColumnError
from scresist.communication import link_gene_changes

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
