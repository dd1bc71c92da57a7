"""The shipped facts: complete, consistent, each with its source and licence."""

from importlib.resources import files

import pytest

from scresist import resources
from scresist.checks import InputError
from scresist.keys import KEYS, written_by


def test_every_shipped_file_has_a_source_and_a_licence():
    table = resources.sources()
    assert (table[["what", "source", "licence"]] != "").all().all()
    root = files("scresist.resources")
    shipped = {
        str(path.relative_to(root)) for path in root.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and not path.name.startswith(("SOURCES", "LICENSE"))
    }  # fmt: skip
    covered = set(table["file"])
    folders = tuple(f for f in covered if f.endswith("/"))
    assert {f for f in shipped if f not in covered and not f.startswith(folders)} == set()
    assert all(root.joinpath(f).is_file() or root.joinpath(f).is_dir() for f in covered)


def test_genes_have_positions_and_aliases_lead_to_them():
    genes = resources.genes()
    assert genes.loc["ERBB2", "cytoband"] == "17q12"
    assert genes.index.is_unique
    assert resources.aliases()["HER2"] == "ERBB2"


def test_markers_name_real_genes_and_consistent_lineages():
    table = resources.markers()
    known = set(resources.genes().index) | set(resources.ensembl_supplement().values()) | set(resources.aliases())
    receptor = table["gene"].str.match(r"^TR[ABDG]V")
    assert set(table.loc[~receptor, "gene"]) <= known | {"DPCR1", "GIF"}
    assert table["sign"].isin([1, -1]).all()
    assert (table.groupby("cell_type")["lineage"].nunique().drop("") == 1).all()
    lineages = set(table.loc[table["cell_type"] == "", "lineage"])
    assert set(table["lineage"]) <= lineages
    assert not table.duplicated(["lineage", "cell_type", "gene"]).any()


def test_gene_sets_are_read():
    assert len(resources.gene_sets("hallmark")) == 50
    assert len(resources.gene_sets("go_bp")) == 6403
    assert "PDCD1" in resources.gene_sets("signatures")["PD-1 (PDCD1)"]
    assert resources.progeny()["pathway"].nunique() == 14
    with pytest.raises(InputError, match=r"no shipped gene sets named 'hallmrk'; did you mean 'hallmark'\?"):
        resources.gene_sets("hallmrk")
    with pytest.raises(InputError, match="GMT line 2 has 2 fields"):
        resources.read_gmt("a\tb\tC\nd\te\n")


def test_known_escape_routes_are_sourced():
    table = resources.known_escape()
    assert {"ERBB2", "CST3", "SLC46A3", "TOP1", "ABCG2"} <= set(table["gene"])
    assert table["gene"].is_unique
    assert table["direction"].isin(["up", "down"]).all()
    assert (table["source"] != "").all()


def test_keys_are_unique_and_say_their_step():
    assert len({(k.axis, k.name) for k in KEYS}) == len(KEYS)
    assert {k.name for k in written_by("malignancy")} >= {"malignancy", "malignant_probability"}
