"""Shapes of other programs: what goes out, and what comes in."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_signals import cohort

from scresist.checks import InputError
from scresist.communication import (
    cellchatdb,
    coverage,
    infer,
    read_cellchatdb_rda,
    read_cellphonedb,
    read_liana,
    read_resource,
    to_cellphonedb,
    to_liana,
    to_tensor,
)


@pytest.fixture
def com():
    return infer(cohort(per_arm=2, absent={("B0", "B")}), groupby="cell_type", permutations=9)


def test_liana_shape(com):
    table = to_liana(com)
    columns = ["sample", "source", "target", "ligand_complex", "receptor_complex", "lr_probs", "cellchat_pvals"]
    assert list(table.columns) == columns
    np.testing.assert_array_equal(table["lr_probs"], com.table["probability"])


def test_cellphonedb_shape(com):
    means, p_values = to_cellphonedb(com, cellchatdb())
    assert list(means.columns) == list(p_values.columns)
    n = len(com.groups)
    assert means.shape[1] == 11 + n * n
    row = means.set_index("id_cp_interaction").loc["MIF_CD74_CD44"]
    k = com.pairs.get_loc("MIF_CD74_CD44")
    assert (
        row["malignant|fibroblast"]
        == com.probability[com.groups.get_loc("malignant"), com.groups.get_loc("fibroblast"), k]
    )
    assert row["partner_a"] == "simple:MIF"
    assert row["partner_b"].startswith("complex:")


def test_tensor_shape(com):
    tensor = to_tensor(com)
    assert tensor.values.shape == tuple(len(n) for n in tensor.names)
    s, b = tensor.names[0].index("SB0"), tensor.names[2].index("B")
    assert not tensor.mask[s, :, b].any()
    assert (tensor.values[s, :, b] == 0).all()
    i, j, k = 1, 2, 3
    assert tensor.values[0, k, i, j] == np.nan_to_num(com.by_sample[0, i, j, k])
    assert to_tensor(com, level="pathway").values.shape[1] == com.interactions["pathway_name"].nunique()
    with pytest.raises(InputError, match="level must be one of pair, pathway"):
        to_tensor(com, level="group")


def test_cellphonedb_tables_are_read(tmp_path):
    pd.DataFrame(
        {"uniprot": ["P1", "P2", "P3"], "hgnc_symbol": ["TGFB1", "TGFBR1", "TGFBR2"], "gene_name": "x"}
    ).to_csv(tmp_path / "gene_input.csv", index=False)
    pd.DataFrame({"complex_name": ["TGFR"], "uniprot_1": ["P2"], "uniprot_2": ["P3"], "uniprot_3": [""]}).to_csv(
        tmp_path / "complex_input.csv", index=False
    )
    pairs = pd.DataFrame({"partner_a": ["P1"], "partner_b": ["TGFR"], "classification": ["Signaling by TGF"]})
    pairs.to_csv(tmp_path / "interaction_input.csv", index=False)
    table = read_cellphonedb(tmp_path)
    assert table.genes_of("TGFR") == ("TGFBR1", "TGFBR2")
    assert table.interactions.loc[0, "ligand"] == "TGFB1"
    adata = cohort(per_arm=1)
    made = infer(adata, groupby="cell_type", mode="parity", resource=table, pairs=["TGFB1_TGFR"], permutations=0)
    default = infer(adata, groupby="cell_type", mode="parity", pairs=["TGFB1_TGFBR1_TGFBR2"], permutations=0)
    assert (made.probability > 0).sum() == (default.probability > 0).sum()
    pairs.assign(partner_a="P9").to_csv(tmp_path / "interaction_input.csv", index=False)
    with pytest.raises(InputError, match="no gene for 'P9'"):
        read_cellphonedb(tmp_path)
    (tmp_path / "gene_input.csv").unlink()
    with pytest.raises(InputError, match=r"has no gene_input\.csv"):
        read_cellphonedb(tmp_path)


def test_liana_tables_are_read():
    table = read_liana(pd.DataFrame({"ligand": ["TGFB1", "TGFB1"], "receptor": ["TGFBR1_TGFBR2", "TGFBR1_TGFBR2"]}))
    assert len(table.interactions) == 1
    assert table.genes_of("TGFBR1_TGFBR2") == ("TGFBR1", "TGFBR2")
    with pytest.raises(InputError, match="receptor"):
        read_liana(pd.DataFrame({"ligand": ["A"]}))


def test_an_rda_of_cellchatdb_is_read(tmp_path):
    rdata = pytest.importorskip("rdata")
    shipped = cellchatdb()
    some = shipped.interactions.head(50)
    names = sorted(shipped.complexes)[:20]
    units = pd.DataFrame(
        [[*shipped.complexes[n], *[""] * 5][:5] for n in names],
        index=names,
        columns=[f"subunit_{i}" for i in range(1, 6)],
    )
    path = tmp_path / "CellChatDB.rda"
    rdata.write_rda(path, {"CellChatDB.human": {"interaction": some, "complex": units, "cofactor": units}})
    table = read_resource(path)
    assert list(table.interactions["interaction_name"]) == list(some["interaction_name"])
    assert table.complexes == {n: shipped.complexes[n] for n in names}
    rdata.write_rda(path, {"CellChatDB.human": {"interaction": some, "complex": units}})
    with pytest.raises(InputError, match="no table 'cofactor'"):
        read_cellchatdb_rda(path)
    rdata.write_rda(path, {"other": {"table": some}})
    with pytest.raises(InputError, match="none of which"):
        read_cellchatdb_rda(path)


def test_an_rda_written_by_r_is_read():
    pytest.importorskip("rdata")
    table = read_resource(Path(__file__).parent / "golden" / "cellchatdb_by_r.rda")
    assert table.genes_of("TGFbR1_R2") == ("TGFBR1", "TGFBR2")
    assert table.genes_of("CD74_CD44") == ("CD74", "CD44")
    assert table.cofactors["TGFb antagonist"] == ("CHRD", "NOG")
    assert table.cofactors["TGFb inhibition receptor"] == ("BAMBI",)
    rows = table.interactions.set_index("interaction_name")
    assert rows.loc["MIF_CD74_CD44", "antagonist"] == ""
    assert rows.loc["TGFB1_TGFBR1_TGFBR2", "pathway_name"] == "TGFb"
    made = infer(cohort(per_arm=1), groupby="cell_type", mode="parity", resource=table, permutations=0,
                 pairs=["TGFB1_TGFBR1_TGFBR2", "MIF_CD74_CD44"])  # fmt: skip
    assert (made.probability > 0).any(axis=(0, 1)).all()


def test_coverage_names_what_is_missing_and_what_it_may_be_called():
    adata = cohort(per_arm=1)
    adata = adata[:, adata.var_names != "TGFBR2"].copy()
    table = coverage(adata).set_index("interaction")
    assert not table.loc["TGFB1_TGFBR1_TGFBR2", "covered"]
    assert table.loc["TGFB1_TGFBR1_TGFBR2", "missing"] == "TGFBR2"
    assert table.loc["MIF_CD74_CD44", "covered"]
    adata.var_names = ["GLVR1" if g == "KDR" else g for g in adata.var_names]
    assert coverage(adata).set_index("interaction").loc["VEGFA_VEGFR2", "missing"] == "KDR"
