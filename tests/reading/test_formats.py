"""Every format gives the same matrix; what is wrong with one is said."""

import gzip

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scresist.reading import read_matrix
from scresist.reading.symbols import map_symbols
from scresist.study.problems import StudyError
from tiny import barcodes, counts, genes, write_tenx

X = counts(3)


def check_same(matrix):
    np.testing.assert_array_equal(matrix.counts.toarray(), X.toarray())
    assert list(matrix.genes) == genes()
    assert list(matrix.barcodes) == barcodes()


@pytest.mark.parametrize("version", [2, 3])
def test_tenx_folders(tmp_path, version):
    write_tenx(tmp_path / "m", X, genes(), barcodes(), version=version)
    check_same(read_matrix(tmp_path / "m"))


def write_h5(path, groups, *, v3):
    with h5py.File(path, "w") as file:
        for name, (matrix, names, kinds) in groups.items():
            group = file.create_group(name)
            columns = sparse.csc_array(matrix.T)
            group["data"], group["indices"], group["indptr"] = columns.data, columns.indices, columns.indptr
            group["shape"] = np.array(columns.shape)
            group["barcodes"] = np.array(barcodes(), dtype="S")
            ids = np.array([f"ENSG{i:011d}" for i in range(len(names))], dtype="S")
            if v3:
                features = group.create_group("features")
                features["id"], features["name"] = ids, np.array(names, dtype="S")
                features["feature_type"] = np.array([k for k, _ in kinds], dtype="S")
                features["genome"] = np.array([g for _, g in kinds], dtype="S")
            else:
                group["genes"], group["gene_names"] = ids, np.array(names, dtype="S")


def test_tenx_h5_v3_takes_gene_expression_and_names_the_rest(tmp_path):
    wide = sparse.hstack([X, counts(9, n_genes=4)]).tocsr()
    kinds = [("Gene Expression", "GRCh38")] * 60 + [("Antibody Capture", "")] * 4
    write_h5(tmp_path / "a.h5", {"matrix": (wide, genes() + [f"ADT{i}" for i in range(4)], kinds)}, v3=True)
    matrix = read_matrix(tmp_path / "a.h5")
    check_same(matrix)
    assert "4 Antibody Capture" in matrix.notes[0]


def test_tenx_h5_v3_with_two_genomes_takes_the_larger(tmp_path):
    wide = sparse.hstack([X, counts(9, n_genes=4)]).tocsr()
    names = [f"GRCh38_{g}" for g in genes()] + [f"mm10_Gene{i}" for i in range(4)]
    kinds = [("Gene Expression", "GRCh38")] * 60 + [("Gene Expression", "mm10")] * 4
    write_h5(tmp_path / "a.h5", {"matrix": (wide, names, kinds)}, v3=True)
    matrix = read_matrix(tmp_path / "a.h5")
    check_same(matrix)
    assert any("mm10 left out" in n for n in matrix.notes)


def test_tenx_h5_v2_with_two_genomes_takes_the_larger(tmp_path):
    groups = {"mm10": (counts(9, n_genes=4), [f"G{i}" for i in range(4)], None), "GRCh38": (X, genes(), None)}
    write_h5(tmp_path / "a.h5", groups, v3=False)
    matrix = read_matrix(tmp_path / "a.h5")
    check_same(matrix)
    assert any("mm10 left out" in n for n in matrix.notes)


def adata(matrix):
    return ad.AnnData(X=sparse.csr_matrix(matrix), obs=pd.DataFrame(index=barcodes()), var=pd.DataFrame(index=genes()))


def test_h5ad_prefers_layers_then_raw_then_x(tmp_path):
    logged = adata(np.log1p(X.toarray()))
    logged.layers["counts"] = sparse.csr_matrix(X)
    logged.write_h5ad(tmp_path / "layer.h5ad")
    check_same(read_matrix(tmp_path / "layer.h5ad"))
    raw = adata(X)
    raw.raw = raw.copy()
    raw = raw[:, :10].copy()
    raw.write_h5ad(tmp_path / "raw.h5ad")
    check_same(read_matrix(tmp_path / "raw.h5ad"))
    adata(X).write_h5ad(tmp_path / "x.h5ad")
    check_same(read_matrix(tmp_path / "x.h5ad"))


def test_one_value_of_a_column_of_a_shared_h5ad(tmp_path):
    both = ad.AnnData(
        X=sparse.csr_matrix(sparse.vstack([X, counts(5)])),
        obs=pd.DataFrame({"sample": ["a"] * 12 + ["b"] * 12}, index=barcodes() + [f"x{b}" for b in barcodes()]),
        var=pd.DataFrame(index=genes()),
    )
    both.write_h5ad(tmp_path / "atlas.h5ad")
    check_same(read_matrix(f"{tmp_path}/atlas.h5ad#sample=a"))
    with pytest.raises(StudyError, match=r"no obs column 'smple'.*did you mean 'sample'"):
        read_matrix(f"{tmp_path}/atlas.h5ad#smple=a")
    with pytest.raises(StudyError, match="no cell has sample = 'c'"):
        read_matrix(f"{tmp_path}/atlas.h5ad#sample=c")


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv.gz"])
def test_genes_by_cells_tables(tmp_path, name):
    table = pd.DataFrame(X.toarray().T, index=genes(), columns=barcodes())
    table.to_csv(tmp_path / name, sep="\t" if "tsv" in name else ",")
    check_same(read_matrix(tmp_path / name))


def test_a_table_with_a_word_for_a_value(tmp_path):
    table = pd.DataFrame(X.toarray().T, index=genes(), columns=barcodes()).astype(object)
    table.iloc[7, 3] = "many"
    table.to_csv(tmp_path / "t.csv")
    with pytest.raises(StudyError, match=f"gene {genes()[7]}, column 'AAAC0003-1'.*seen: 'many'"):
        read_matrix(tmp_path / "t.csv")


@pytest.mark.parametrize("lost", ["matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"])
def test_a_folder_with_a_file_missing(tmp_path, lost):
    write_tenx(tmp_path / "m", X, genes(), barcodes())
    (tmp_path / "m" / lost).unlink()
    with pytest.raises(StudyError, match=f"lacks {lost.removesuffix('.gz')}"):
        read_matrix(tmp_path / "m")


def test_features_and_matrix_of_different_sizes(tmp_path):
    write_tenx(tmp_path / "m", X, genes()[:-1], barcodes())
    with pytest.raises(StudyError, match=r"matrix is 60 x 12 but features.tsv.gz has 59 rows"):
        read_matrix(tmp_path / "m")


def test_truncated_files(tmp_path):
    write_tenx(tmp_path / "m", X, genes(), barcodes())
    path = tmp_path / "m" / "matrix.mtx.gz"
    path.write_bytes(path.read_bytes()[:80])
    with pytest.raises(StudyError, match="truncated or damaged"):
        read_matrix(tmp_path / "m")
    adata(X).write_h5ad(tmp_path / "x.h5ad")
    (tmp_path / "x.h5ad").write_bytes((tmp_path / "x.h5ad").read_bytes()[:3000])
    with pytest.raises(StudyError, match="truncated or damaged"):
        read_matrix(tmp_path / "x.h5ad")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"gene,a\nA,1\n" * 500)[:40])
    with pytest.raises(StudyError, match="truncated or damaged"):
        read_matrix(tmp_path / "t.csv.gz")


def test_an_unknown_format(tmp_path):
    (tmp_path / "x.loom").write_bytes(b"x")
    with pytest.raises(StudyError, match="format is not known"):
        read_matrix(tmp_path / "x.loom")
    with pytest.raises(StudyError, match="does not exist"):
        read_matrix(tmp_path / "nothing")


def test_one_foreign_id_does_not_drop_the_ensembl_ids(tmp_path):
    """A spike-in in the first row: the other genes keep their ids, which decide between equal symbols."""
    names = ["ERCC-00002", "TBCE", "TBCE"]
    ids = ["ERCC-00002", "ENSG00000285053", "ENSG00000284770"]
    folder = tmp_path / "S"
    write_tenx(folder, counts(1, n_genes=3), names, barcodes())
    rows = "".join(f"{i}\t{n}\tGene Expression\n" for i, n in zip(ids, names, strict=True))
    with gzip.open(folder / "features.tsv.gz", "wt") as handle:
        handle.write(rows)
    found = read_matrix(folder)
    assert found.gene_ids.tolist() == ["", *ids[1:]]
    symbols = map_symbols(found.genes, found.gene_ids, organism="human").symbols
    assert symbols.tolist() == ["ERCC-00002", "TBCE", "ENSG00000284770"]
