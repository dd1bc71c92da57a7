"""CellChat 2.2.0.9001 numbers on real data, from the R package (../shared/oracle/cellchat/README.md says how)."""

import json

import numpy as np
import pandas as pd
import pytest
from cellchat_oracle import ORACLE, arrays, inferred, load

from oracle import needs_shared
from scresist.communication import cellchatdb, read_resource

RUNS = [
    ("oligo", "tri"), ("oligo", "trunc"), ("oligo", "tri_pop"), ("oligo", "trunc_pop"), ("nsclc", "tri"),
    ("nsclc", "trunc"), ("kang_CTRL", "tri"), ("kang_CTRL", "trunc"), ("kang_STIM", "tri"), ("kang_STIM", "trunc"),
    ("nsclc_tumor", "tri"), ("nsclc_blood", "tri"),
]  # fmt: skip


@needs_shared
@pytest.mark.parametrize(("name", "setting"), RUNS)
def test_pairs_probabilities_and_p_values_are_cellchats(name, setting):
    com, expected = inferred(name, setting, 0), arrays(f"{name}/{setting}")
    assert list(com.pairs) == load(name)[1]["LRsig_fast"]
    np.testing.assert_allclose(com.probability, expected["prob"], rtol=1e-10, atol=1e-15)
    np.testing.assert_array_equal(com.p_value, expected["pval"])


@needs_shared
@pytest.mark.parametrize(("name", "setting"), RUNS)
def test_filtered_links_tables_and_pathways_are_cellchats(name, setting):
    com, folder = inferred(name, setting, 10), ORACLE / name / setting
    expected = arrays(f"{name}/{setting}")
    np.testing.assert_allclose(com.probability, expected["prob_filtered"], rtol=1e-10, atol=1e-15)
    np.testing.assert_array_equal(com.counts().to_numpy(), expected["count"])
    np.testing.assert_allclose(com.weights().to_numpy(), expected["weight"], rtol=1e-10)
    links = pd.read_parquet(folder / "df_net.parquet")
    table = com.table
    for theirs, ours in (("source", "source"), ("target", "target"), ("interaction_name", "interaction")):
        assert list(links[theirs]) == list(table[ours])
    np.testing.assert_allclose(table["probability"], links["prob"], rtol=1e-10)
    np.testing.assert_array_equal(table["p_value"], links["pval"])
    sums, names = com.pathway_array()
    assert list(names) == json.loads((folder / "vectors.json").read_text())["netP_pathways"]
    np.testing.assert_allclose(sums, expected["netP_prob"], rtol=1e-10, atol=1e-15)
    by_pathway, own = pd.read_parquet(folder / "df_netP.parquet"), com.pathways()
    assert list(by_pathway["source"] + by_pathway["pathway_name"]) == list(own["source"] + own["pathway"])
    np.testing.assert_allclose(own["probability"], by_pathway["prob"], rtol=1e-10)
    np.testing.assert_allclose(own["p_value"], by_pathway["pval"], rtol=1e-10, atol=1e-12)


@needs_shared
def test_the_shipped_table_is_cellchatdb():
    folder = ORACLE / "db_human"
    expected, whole = pd.read_parquet(folder / "interaction.parquet"), cellchatdb("human")
    columns = [c for c in whole.interactions.columns if c in expected]
    assert len(columns) >= 10
    assert (whole.interactions[columns].to_numpy() == expected[columns].fillna("").astype(str).to_numpy()).all()
    for name, own in (("complex", whole.complexes), ("cofactor", whole.cofactors)):
        table = pd.read_parquet(folder / f"{name}.parquet").set_index("name").drop(columns="R_rowname")
        assert {n: tuple(g for g in row if g) for n, row in zip(table.index, table.to_numpy(), strict=True)} == dict(
            own
        )
    vectors = json.loads((folder / "vectors.json").read_text())
    default = read_resource("cellchatdb")
    assert list(default.interactions["interaction_name"]) == vectors["subsets.default"]
    secreted = read_resource("cellchatdb:Secreted Signaling")
    assert list(secreted.interactions["interaction_name"]) == vectors["subsets.secreted"]


@pytest.mark.parametrize("organism", ["human", "mouse"])
def test_every_name_in_the_shipped_tables_leads_to_genes(organism):
    """No golden table of mouse is at hand: the table must at least be whole in itself, and speak of mouse genes."""
    table = cellchatdb(organism)
    rows = table.interactions
    assert rows["interaction_name"].is_unique
    assert (rows[["interaction_name", "pathway_name", "ligand", "receptor", "annotation", "evidence"]] != "").all(
        axis=None
    )
    for column in ("agonist", "antagonist", "co_A_receptor", "co_I_receptor"):
        assert set(rows[column]) - {""} <= set(table.cofactors)
    groups = {**table.complexes, **table.cofactors}
    assert all(groups.values())
    # Two human complexes name a gene twice, as CellChat's own table does, which weighs it twice.
    twice = {n for n, own in groups.items() if len(set(own)) < len(own)}
    assert twice == ({"RA-ALDH1A1", "Ach-CHAT_SLC10A4"} if organism == "human" else set())
    sides = {n for side in ("ligand", "receptor") for n in rows[side]}
    genes = {g for n in sides for g in table.genes_of(n)} | {g for own in table.cofactors.values() for g in own}
    # A complex is never a subunit, and no symbol holds what joins the parts of a name.
    assert not genes & set(table.complexes)
    assert not [g for g in genes if g != g.strip() or "_" in g or "," in g]
    if organism == "mouse":
        assert {"Tgfb1", "Cd274", "H2-K1", "Il36rn"} <= genes
        assert not genes & {"TGFB1", "CD274", "HLA-A"}


def test_mouse_interactions_are_those_of_their_human_orthologues():
    human, mouse = cellchatdb("human"), cellchatdb("mouse")

    def made_of(table):
        return {
            (
                row["pathway_name"],
                *(tuple(sorted(g.upper() for g in table.genes_of(row[s]))) for s in ("ligand", "receptor")),
            )
            for row in table.interactions.to_dict("records")
        }

    shared = made_of(human) & made_of(mouse)
    assert len(shared) / len(made_of(human)) > 0.8
