"""A clear error, or a counted and listed exclusion; never a wrong number."""

import numpy as np
import pandas as pd
import pytest
from planted_signals import cohort

from scresist.checks import InputError, MissingColumnError, RefusedError
from scresist.communication import cellchatdb, infer, read_resource


@pytest.fixture
def adata():
    return cohort(per_arm=2, n_cells=20)


def parity(adata, **options):
    given = {"mode": "parity", "permutations": 5, "pairs": ["MIF_CD74_CD44", "CXCL12_CXCR4"], **options}
    return infer(adata, groupby="cell_type", **given)


def test_one_group_is_refused(adata):
    adata.obs["cell_type"] = "all"
    with pytest.raises(RefusedError, match="at least two groups; 'cell_type' has 1"):
        parity(adata)


def test_cells_without_a_group_are_counted(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].where(np.arange(adata.n_obs) > 2)
    with pytest.raises(InputError, match="3 cells have no group"):
        parity(adata)


def test_a_group_named_zero_is_refused_as_cellchat_does(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].replace({"B": "0"})
    with pytest.raises(InputError, match="named '0'"):
        parity(adata)
    assert "0" in infer(adata, groupby="cell_type", permutations=0).groups


def test_a_group_that_contains_a_zero_is_a_name(adata):
    adata.obs["cell_type"] = adata.obs["cell_type"].replace({"B": "0_x"})
    assert "0_x" in parity(adata).groups


def test_unused_categories_are_dropped_and_the_order_is_kept(adata):
    adata.obs["cell_type"] = pd.Categorical(
        adata.obs["cell_type"], categories=["malignant", "nobody", "macrophage", "fibroblast", "B"]
    )
    assert list(parity(adata).groups) == ["malignant", "macrophage", "fibroblast", "B"]


def test_the_order_of_levels_moves_names_with_values(adata):
    first = parity(adata, pairs=["MIF_CD74_CD44"])
    adata.obs["cell_type"] = pd.Categorical(adata.obs["cell_type"], categories=list(first.groups)[::-1])
    second = parity(adata, pairs=["MIF_CD74_CD44"])
    np.testing.assert_allclose(second.probability[::-1, ::-1], first.probability)


@pytest.mark.parametrize("mode", ["parity", "sound"])
def test_counts_are_refused(adata, mode):
    adata.X = np.expm1(adata.X.toarray()).round()
    with pytest.raises(InputError, match="counts"):
        infer(adata, groupby="cell_type", mode=mode)


@pytest.mark.parametrize("largest", [1, 2])
def test_small_counts_are_refused_too(adata, largest):
    adata.X = np.minimum(np.expm1(adata.X.toarray()).round(), largest)
    with pytest.raises(InputError, match=f"whole numbers up to {largest}: counts"):
        parity(adata)


def test_groups_under_the_minimum_are_counted_and_named(adata):
    few = adata[~((adata.obs["cell_type"] == "B") & (np.arange(adata.n_obs) % 20 > 4))].copy()
    com = parity(few, min_cells=30)
    assert com.notes[-1] == "groups with too few cells, set to 0: B"
    assert (com.probability[0] == 0).all()
    com = infer(few, groupby="cell_type", permutations=0, min_cells=15)
    assert any("4 of 16 groups of a sample have fewer than 15 cells: missing, not 0" in n for n in com.notes)
    with pytest.raises(RefusedError, match="no group of any sample has 1000 cells"):
        infer(few, groupby="cell_type", min_cells=1000)


def test_more_permutations_must_be_more_and_belong_to_samples(adata):
    with pytest.raises(InputError, match='permutations_max needs mode="sound"'):
        parity(adata, permutations_max=50)
    with pytest.raises(InputError, match=r"permutations_max \(5\) must not be below permutations \(10\)"):
        infer(adata, groupby="cell_type", permutations=10, permutations_max=5)
    with pytest.raises(InputError, match="permutations must be a whole number"):
        infer(adata, groupby="cell_type", permutations=10, permutations_max=20.5)


def test_values_without_a_logarithm_are_refused(adata):
    adata.X = adata.X.toarray() * 1000
    with pytest.raises(InputError, match="not log-transformed"):
        parity(adata)


@pytest.mark.parametrize(("value", "message"), [(-1.0, "negative"), (np.nan, "NaN or infinite"), (np.inf, "infinite")])
def test_values_that_are_no_expression_are_refused(adata, value, message):
    dense = adata.X.toarray()
    dense[4, 0] = value
    adata.X = dense
    with pytest.raises(InputError, match=message):
        parity(adata)


def test_zeros_everywhere_are_refused(adata):
    adata.X = np.zeros(adata.shape)
    with pytest.raises(RefusedError, match="no signalling gene is expressed"):
        parity(adata)


def test_another_species_is_refused(adata):
    with pytest.raises(RefusedError, match="organism"):
        parity(adata, organism="mouse")
    adata.var_names = [g.title() for g in adata.var_names]
    with pytest.raises(RefusedError, match="organism"):
        parity(adata)
    assert len(infer(adata, groupby="cell_type", organism="mouse", permutations=0).coverage) > 100


def test_missing_subunits_are_listed_and_a_pair_that_needs_them_is_an_error(adata):
    few = adata[:, adata.var_names != "TGFBR2"].copy()
    com = parity(few)
    lost = com.coverage.set_index("interaction_name")["missing"]
    assert lost["TGFB1_TGFBR1_TGFBR2"] == "TGFBR2"
    with pytest.raises(InputError, match="TGFBR2"):
        parity(few, pairs=["TGFB1_TGFBR1_TGFBR2"])


def test_no_covered_interaction_is_refused(adata):
    with pytest.raises(RefusedError, match="no interaction"):
        parity(adata[:, ["TGFB1", "CXCL12"]].copy(), pairs=None)


def test_no_over_expressed_interaction_is_refused(adata):
    with pytest.raises(RefusedError, match="over-expressed"):
        parity(adata, pairs=None)


def test_pairs_that_do_not_exist_or_stand_twice(adata):
    with pytest.raises(InputError, match=r"no interaction 'MIF_CD74_CD4'.*did you mean"):
        parity(adata, pairs=["MIF_CD74_CD4"])
    with pytest.raises(InputError, match="more than once"):
        parity(adata, pairs=["MIF_CD74_CD44", "MIF_CD74_CD44"])


def test_one_pair_is_enough(adata):
    com = parity(adata, pairs=["MIF_CD74_CD44"])
    assert com.probability.shape == (4, 4, 1)
    assert list(com.pathway_array(threshold=1.0)[1]) == ["MIF"]


def test_groups_and_columns_that_are_not_there(adata):
    with pytest.raises(MissingColumnError, match="celltype"):
        infer(adata, groupby="celltype")
    del adata.obs["sample"]
    with pytest.raises(MissingColumnError, match="sample"):
        infer(adata, groupby="cell_type")
    assert parity(adata).samples is None


def test_permutations_must_be_permutations(adata):
    n = adata.n_obs
    good = np.stack([np.random.default_rng(b).permutation(n) for b in range(3)], axis=1)
    assert parity(adata, permutations=good).settings["permutations"] == 3
    bad = [(good[:-1], "integer array of"), (good.astype(float), "integer array"), (good + 1, "must be from 0 to")]
    bad += [(np.zeros_like(good), "column 0 of permutations is not a permutation"), (good[:, 0], "integer array")]
    for given, message in bad:
        with pytest.raises(InputError, match=message):
            parity(adata, permutations=given)
    for number in (-1, 2.5, True, "ten"):
        with pytest.raises(InputError, match="permutations"):
            parity(adata, permutations=number)


@pytest.mark.parametrize(
    "options", [{"mode": "strict"}, {"average": "mode"}, {"kh": 0}, {"hill": -1}, {"min_cells": -1}, {"trim": 2}]
)
def test_settings_out_of_range(adata, options):
    with pytest.raises(InputError):
        parity(adata, **options)


def test_duplicated_genes(adata):
    adata.var_names = ["TGFB1", *adata.var_names[:-1]]
    with pytest.raises(InputError, match="'TGFB1' occurs more than once"):
        parity(adata)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"ligand": ["A"], "receptr": ["B"]}, "receptor"),
        ({"ligand": ["A"], "receptor": ["B"], "colour": ["x"]}, "unknown column 'colour'"),
        ({"ligand": ["A", ""], "receptor": ["B", "C"]}, "row 3: ligand is empty"),
        ({"ligand": ["A", "A"], "receptor": ["B", "B"]}, "'A_B' occurs more than once"),
        ({"ligand": [], "receptor": []}, "no rows"),
    ],
)
def test_a_table_of_ones_own_is_checked(table, message):
    with pytest.raises(InputError, match=message):
        read_resource(pd.DataFrame(table, dtype=str))


def test_a_table_of_ones_own_is_used(adata, tmp_path):
    path = tmp_path / "own.csv"
    pd.DataFrame({"ligand": ["TGFB1", "MIF"], "receptor": ["TGFBR1+TGFBR2", "CD74"]}).to_csv(path, index=False)
    com = parity(adata, resource=path, pairs=["TGFB1_TGFBR1+TGFBR2", "MIF_CD74"])
    assert com.probability.shape == (4, 4, 2)
    with pytest.raises(InputError, match="no ligand-receptor table"):
        read_resource(tmp_path / "other.csv")
    with pytest.raises(InputError, match="Secreted Signaling"):
        read_resource("cellchatdb:Secreted Signalling")
    with pytest.raises(InputError, match="organism"):
        cellchatdb("rat")
