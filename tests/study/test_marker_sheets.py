"""Marker tables in the layouts that people download."""

import pytest

from scresist.annotate import read_markers
from scresist.study import StudyError

PANGLAO = (
    "species\tofficial gene symbol\tcell type\torgan\nMm Hs\tCD3E\tT cells\tImmune\nHs\tCD3D\tT cells\tImmune\n"
    "Mm\tCd3g\tT cells\tImmune\nHs\tMS4A1\tB cells\tImmune\n"
)
CELLMARKER = (
    "species,tissue_class,cell_name,marker,Symbol\nHuman,Blood,T cell,CD3,CD3E\nMouse,Blood,T cell,CD3,Cd3e\n"
    "Human,Blood,B cell,CD20,MS4A1\n"
)
CELLMARKER_1 = (
    'speciesType,tissueType,cellName,cellMarker,geneSymbol\nHuman,Blood,T cell,"CD3, CD4","CD3E, CD4"\n'
    'Mouse,Blood,T cell,"CD3","Cd3e"\nHuman,Blood,B cell,CD20,MS4A1\n'
)
SCTYPE = (
    "tissueType,cellName,geneSymbolmore1,geneSymbolmore2,shortName\n"
    'Immune system,T cells,"CD3E,CD3D",MS4A1,T\nImmune system,B cells,MS4A1,"CD3E, CD3D",B\n'
)
CELLTYPIST = (
    "High-hierarchy cell types,Low-hierarchy cell types,Description,Cell Ontology ID,Curated markers\n"
    'T cells,Treg cells,x,CL:1,"FOXP3, CTLA4"\nB cells,Naive B cells,y,CL:2,"IGHM, IGHD"\n'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PANGLAO, {("T cells", "CD3E", 1), ("T cells", "CD3D", 1), ("B cells", "MS4A1", 1)}),
        (CELLMARKER, {("T cell", "CD3E", 1), ("B cell", "MS4A1", 1)}),
        (CELLMARKER_1, {("T cell", "CD3E", 1), ("T cell", "CD4", 1), ("B cell", "MS4A1", 1)}),
        (SCTYPE, {("T cells", "CD3E", 1), ("T cells", "CD3D", 1), ("T cells", "MS4A1", -1), ("B cells", "MS4A1", 1),
                  ("B cells", "CD3E", -1), ("B cells", "CD3D", -1)}),
        (CELLTYPIST, {("Treg cells", "FOXP3", 1), ("Treg cells", "CTLA4", 1), ("Naive B cells", "IGHM", 1),
                      ("Naive B cells", "IGHD", 1)}),
    ],
    ids=["PanglaoDB", "CellMarker 2", "CellMarker 1", "ScType", "CellTypist"],
)  # fmt: skip
def test_the_layouts_of_marker_databases(tmp_path, text, expected):
    path = tmp_path / "markers.csv"
    path.write_text(text)
    table = read_markers(path).table
    rows = table[table["cell_type"] != ""]
    assert set(zip(rows["cell_type"], rows["gene"], rows["sign"], strict=True)) == expected


def test_the_species_of_the_study_is_taken(tmp_path):
    path = tmp_path / "markers.tsv"
    path.write_text(PANGLAO)
    assert set(read_markers(path, "mouse").table["gene"]) == {"CD3E", "Cd3g"}
    path.write_text(PANGLAO.replace("Mm Hs", "Hs").replace("Mm\t", "Hs\t"))
    with pytest.raises(StudyError, match="PanglaoDB has no marker of mouse"):
        read_markers(path, "mouse")


def test_lineages_of_celltypist_are_its_higher_level(tmp_path):
    path = tmp_path / "markers.csv"
    path.write_text(CELLTYPIST)
    table = read_markers(path).table
    assert set(table["lineage"]) == {"T cells", "B cells"}


def test_another_table_is_still_an_error(tmp_path):
    path = tmp_path / "markers.csv"
    path.write_text("cell,genes\nT,CD3E\n")
    with pytest.raises(StudyError, match="no column 'cell_type'"):
        read_markers(path)
