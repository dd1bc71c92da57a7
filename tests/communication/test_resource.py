"""Which ligand-receptor table a study names: found, checked, hashed by content, and left alone by its readers."""

import numpy as np
import pandas as pd
import pytest
from planted_signals import cohort

from scresist import resources
from scresist.checks import InputError
from scresist.communication import (
    cellchatdb,
    check_resource,
    infer,
    is_shipped,
    locate_resource,
    read_liana,
    read_resource,
    resource_files,
    responses,
)

OWN = pd.DataFrame({"ligand": ["Tgfb1", "Mif"], "receptor": ["TGFbR1_R2", "Cd74"]})


@pytest.fixture
def folder(tmp_path):
    OWN.to_csv(tmp_path / "pairs.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("name", ["cellchatdb", "cellchatdb:all", "cellchatdb:ECM-Receptor"])
def test_shipped_tables_pass_and_are_read_from_no_file(name, folder):
    check_resource(name, "human", folder)
    assert resource_files(name, folder) == []
    assert locate_resource(name, folder) == name


def test_a_table_of_the_study_is_read_from_its_folder(folder):
    check_resource("pairs.csv", "mouse", folder)
    assert resource_files("pairs.csv", folder) == [folder / "pairs.csv"]
    assert locate_resource("pairs.csv", folder) == folder / "pairs.csv"


def test_a_file_may_be_named_like_the_shipped_table(folder):
    OWN.to_csv(folder / "cellchatdb_mine.csv", index=False)
    assert not is_shipped("cellchatdb_mine.csv")
    assert resource_files("cellchatdb_mine.csv", folder) == [folder / "cellchatdb_mine.csv"]
    assert len(read_resource(folder / "cellchatdb_mine.csv", "mouse").interactions) == 2


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("celchatdb", "did you mean 'cellchatdb'"),
        ("cellchatdb2", "did you mean 'cellchatdb'"),
        ("cellchatdb_all", "did you mean 'cellchatdb:all'"),
        ("cellchatdb:Secreted Signalling", "did you mean 'Secreted Signaling'"),
        ("cellchatdb:", "has no part ''"),
        ("pair.csv", "did you mean 'pairs.csv'"),
        (".", "is a folder"),
        ("empty.csv", "cannot be read as a csv"),
        ("ragged.csv", "cannot be read as a csv"),
        ("latin.csv", "cannot be read as a csv"),
        ("columns.csv", "has no column 'receptor'"),
    ],
)
def test_a_mistyped_resource_is_an_error_with_a_suggestion(named, message, folder):
    (folder / "empty.csv").write_text("")
    (folder / "ragged.csv").write_text("ligand,receptor\na,b,c,d\nx\n1,2,3,4,5\n")
    (folder / "latin.csv").write_bytes("ligand,receptor\nTGF\xdf,B\n".encode("latin-1"))
    (folder / "columns.csv").write_text("ligand,target\na,b\n")
    with pytest.raises(InputError, match=message):
        check_resource(named, "human", folder)


def test_another_organism_is_an_error(folder):
    with pytest.raises(InputError, match="organism must be one of human, mouse"):
        check_resource("pairs.csv", "rat", folder)


def test_a_mouse_table_gets_the_complexes_and_cofactors_of_mouse():
    mouse, human = (read_resource(OWN, organism) for organism in ("mouse", "human"))
    assert mouse.genes_of("TGFbR1_R2") == ("Tgfbr1", "Tgfbr2")
    assert human.genes_of("TGFbR1_R2") == ("TGFBR1", "TGFBR2")
    assert mouse.cofactors == cellchatdb("mouse").cofactors != cellchatdb("human").cofactors
    liana = pd.DataFrame({"ligand": ["Mif"], "receptor": ["Cd74_Cd44"]})
    assert read_liana(liana, organism="mouse").cofactors == cellchatdb("mouse").cofactors


def test_a_mouse_table_is_inferred_from_mouse_genes():
    adata = cohort(per_arm=1)
    adata.var_names = [g.title() for g in adata.var_names]
    com = infer(adata, groupby="cell_type", mode="parity", resource=OWN, organism="mouse", permutations=0,
                pairs=["Tgfb1_TGFbR1_R2"])  # fmt: skip
    assert com.probability.max() > 0


def test_what_a_table_lacks_is_empty_and_a_pair_without_a_pathway_is_one_of_its_own():
    given = OWN.assign(pathway_name=["TGFb", None], agonist=[np.nan, "x"])
    rows = read_resource(given, "mouse").interactions
    assert rows["pathway_name"].tolist() == ["TGFb", "Mif_Cd74"]
    assert rows["agonist"].tolist() == ["", "x"]
    with pytest.raises(InputError, match="row 3: receptor is empty"):
        read_resource(OWN.assign(receptor=["TGFbR1_R2", None]), "mouse")


@pytest.mark.parametrize(
    "read",
    [
        lambda: cellchatdb().interactions, lambda: cellchatdb("mouse").interactions,
        lambda: read_resource("cellchatdb:all").interactions, resources.sources, resources.genes, resources.progeny,
        resources.markers, resources.known_escape, resources.simulation_parameters,
    ],
)  # fmt: skip
def test_no_change_of_a_table_reaches_the_next_reader(read):
    before = read().copy()
    mine = read()
    mine.iloc[0, 0] = mine.iloc[1, 0]
    mine["more"] = 1
    mine.drop(index=mine.index[2], inplace=True)  # noqa: PD002 - what a careless user may do
    pd.testing.assert_frame_equal(read(), before)


@pytest.mark.parametrize(
    "mapping",
    [resources.aliases, resources.gene_lists, resources.ensembl_supplement, responses,
     lambda: resources.gene_sets("hallmark"), lambda: responses()["TGFb"], lambda: cellchatdb().complexes],
)  # fmt: skip
def test_shipped_mappings_cannot_be_changed(mapping):
    with pytest.raises(TypeError, match="does not support item assignment"):
        mapping()["TGFB1"] = ("x",)
