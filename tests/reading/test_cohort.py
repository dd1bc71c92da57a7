"""The cohort: what a matrix may not be, names mapped openly, and independence of the order of files and rows."""

import gzip

import numpy as np
import pytest
from scipy import sparse

import scresist as sr
from scresist import resources
from scresist.reading.symbols import map_symbols
from scresist.study.problems import StudyError
from tiny import SAMPLES, TOML, barcodes, counts, genes, write_study, write_tenx


def spoiled(tmp_path, matrix, *, names=None, cells=None):
    path = write_study(tmp_path)
    n = matrix.shape[0]
    write_tenx(tmp_path / "S2", sparse.csr_array(matrix), names or genes(), cells or barcodes(n))
    return sr.read_study(path)


def normalised():
    x = counts(2).toarray().astype(float)
    return np.log1p(x / x.sum(axis=1, keepdims=True) * 1e4)


MATRICES = {
    "negative": (lambda: counts(2).toarray() - 3.0, "negative values"),
    "nan": (lambda: np.where(counts(2).toarray() == 1, np.nan, counts(2).toarray()), "NaN or infinite"),
    "log-normalised": (normalised, r"log-normalised already \(exp\(x\)-1 sums to 10000"),
    "normalised": (lambda: np.expm1(normalised()), "normalised (every cell sums to 10000)"),
    "fractions": (lambda: counts(2).toarray() * 20.3, "corrected for ambient RNA or estimated"),
    "empty": (lambda: np.zeros((12, 60)), "is empty"),
}


@pytest.mark.parametrize("case", MATRICES)
def test_a_matrix_that_is_not_counts_is_named_for_what_it_looks_like(tmp_path, case):
    make, expected = MATRICES[case]
    study = spoiled(tmp_path, make())
    found = [p for p in sr.reading.inspect(study).problems if p.severity == "error"]
    assert len(found) == 1
    assert found[0].file == "S2"
    assert expected.replace("\\", "") in found[0].message.replace("\\", "")
    with pytest.raises(StudyError):
        sr.ingest(study)


def test_duplicated_barcodes(tmp_path):
    study = spoiled(tmp_path, counts(2).toarray(), cells=[*barcodes(11), "AAAC0000-1"])
    with pytest.raises(StudyError, match=r"barcode AAAC0000-1.*split merged samples"):
        sr.ingest(study)


def test_mouse_genes_in_a_human_study(tmp_path):
    mouse = [g.capitalize() + "a" for g in genes()]
    study = spoiled(tmp_path, counts(2).toarray(), names=mouse)
    with pytest.raises(StudyError, match=r'mouse genes in a human study.*organism = "mouse"'):
        sr.ingest(study)


def test_a_sample_below_the_minimum_is_a_warning(tmp_path):
    study = spoiled(tmp_path, counts(2, n_cells=3).toarray())
    found = sr.reading.inspect(study).problems
    assert any(p.severity == "warning" and "below quality.min_cells" in p.message for p in found)
    assert sr.ingest(study).n_obs == 39


def test_ensembl_ids_become_symbols_and_the_share_is_reported(tmp_path):
    table = resources.genes().loc[genes()]
    path = write_study(tmp_path)
    names = [*table["ensembl"].iloc[:-1], "ENSG99999999999"]
    for i in range(1, 5):
        write_tenx(tmp_path / f"S{i}", counts(i), names, barcodes())
    cohort = sr.ingest(sr.read_study(path))
    assert list(cohort.var_names[:5]) == genes()[:5]
    assert cohort.var_names[-1] == "ENSG99999999999"
    assert any("59 Ensembl ids became symbols (98%); 1 stay ids" in n for n in cohort.uns["ingest_notes"])


def test_mitochondrial_ensembl_ids_are_known():
    mapped = map_symbols(np.array(["ENSG00000198888.2", "ENSG00000211592"]), None, organism="human")
    assert list(mapped.symbols) == ["MT-ND1", "IGKC"]


def test_old_symbols_become_official_and_are_listed_unless_the_new_one_is_there():
    mapped = map_symbols(np.array(["CTGF", "GAPDH"]), None, organism="human")
    assert list(mapped.symbols) == ["CCN2", "GAPDH"]
    assert mapped.renamed == (("CTGF", "CCN2"),)
    both = map_symbols(np.array(["CTGF", "CCN2"]), None, organism="human")
    assert list(both.symbols) == ["CTGF", "CCN2"]
    other_gene = map_symbols(np.array(["CTGF"]), np.array(["ENSG00000000003"]), organism="human")
    assert list(other_gene.symbols) == ["CTGF"]


def test_duplicated_gene_names_are_made_unique_openly(tmp_path):
    path = write_study(tmp_path)
    names = [*genes()[:-1], genes()[0]]
    for i in range(1, 5):
        write_tenx(tmp_path / f"S{i}", counts(i), names, barcodes())
    cohort = sr.ingest(sr.read_study(path))
    assert cohort.var_names.is_unique
    assert cohort.n_vars == 60
    assert any("1 gene names occur more than once" in n and genes()[0] in n for n in cohort.uns["ingest_notes"])


def test_a_gene_that_one_sample_lacks_is_left_out_for_all_and_said(tmp_path):
    path = write_study(tmp_path)
    write_tenx(tmp_path / "S3", counts(3, n_genes=55), genes()[:55], barcodes())
    cohort = sr.ingest(sr.read_study(path))
    assert cohort.n_vars == 55
    assert any("55 genes are in every sample" in n for n in cohort.uns["ingest_notes"])


def test_samples_without_common_genes_are_an_error(tmp_path):
    path = write_study(tmp_path)
    other = sorted(set(resources.genes().index) - set(genes()))[:60]
    write_tenx(tmp_path / "S3", counts(3), other, barcodes())
    with pytest.raises(StudyError, match="share only 0 genes"):
        sr.ingest(sr.read_study(path))


def test_the_order_of_rows_and_files_changes_nothing(tmp_path):
    first = sr.ingest(sr.read_study(write_study(tmp_path / "a")))
    lines = SAMPLES.splitlines()
    path = write_study(tmp_path / "b", samples="\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    turned = np.arange(12)[::-1]
    write_tenx(tmp_path / "b" / "S2", counts(2)[turned], genes(), [barcodes()[i] for i in turned])
    second = sr.ingest(sr.read_study(path))
    assert list(first.obs_names) == list(second.obs_names)
    assert (first.layers["counts"] != second.layers["counts"]).nnz == 0


def test_sheets_are_joined_to_cells(tmp_path):
    cohort = sr.ingest(sr.read_study(write_study(tmp_path)))
    assert cohort.obs.loc["S3:AAAC0004-1", ["patient", "arm"]].tolist() == ["P3", "primary"]
    assert list(cohort.obs["arm"].cat.categories) == ["baseline", "primary"]
    assert cohort.layers["counts"].dtype == np.int32
    assert sparse.issparse(cohort.layers["counts"])


def test_a_raw_matrix_gives_the_empty_droplets(tmp_path):
    samples = SAMPLES.replace("timepoint,batch", "timepoint,batch,raw_path").replace("baseline,a\n", "baseline,a,R1\n")
    samples = samples.replace(",b\n", ",b,\n").replace("progression,a\n", "progression,a,\n")
    path = write_study(tmp_path, samples=samples)
    sparse_cells = sparse.random_array((400, 60), density=0.05, rng=1, data_sampler=lambda size: np.ones(size))
    both = sparse.vstack([counts(1), sparse.csr_array(sparse_cells)]).tocsr()
    write_tenx(tmp_path / "R1", both, genes(), [*barcodes(), *(f"r{i}" for i in range(400))])
    cohort = sr.ingest(sr.read_study(path))
    totals = np.asarray(both.sum(axis=1)).ravel()
    expected = np.asarray(both[(totals > 0) & (totals <= 100)].sum(axis=0)).ravel()
    np.testing.assert_array_equal(cohort.varm["empty_droplets"][:, 0], expected)
    assert np.isnan(cohort.varm["empty_droplets"][:, 1]).all()


def test_a_gzip_cut_short_is_found_by_inspection(tmp_path):
    path = write_study(tmp_path, toml=TOML)
    file = tmp_path / "S4" / "barcodes.tsv.gz"
    file.write_bytes(gzip.compress(b"a\n" * 5000)[:20])
    found = sr.reading.inspect(sr.read_study(path)).problems
    assert any("truncated or damaged" in p.message for p in found)


def test_human_genes_in_a_mouse_study_are_an_error(tmp_path):
    path = write_study(tmp_path, toml=TOML.replace("[study]\n", '[study]\norganism = "mouse"\n'))
    found = [p for p in sr.reading.inspect(sr.read_study(path)).problems if p.severity == "error"]
    assert len(found) == 4
    assert "human genes in a mouse study" in found[0].message
    assert 'organism = "human"' in found[0].remedy


def test_no_approved_symbol_is_given_to_another_gene():
    """TRAC was read as NCOR2 where NCOR2 was not measured: no alias is another gene's symbol."""
    approved = {*resources.genes().index, *resources.other_symbols(), *resources.ensembl_supplement().values()}
    assert approved.isdisjoint(resources.aliases())
    names = np.array(sorted(approved), dtype=object)
    assert map_symbols(names, None, organism="human").renamed == ()
    for name in ("TRAC", "TRBC1", "IGHD", "IGHD2-2", "IGKC", "TRAV1-2", "CFAP90", "HLA-H", "A20", "IGHD2", "IGHV"):
        assert list(map_symbols(np.array([name, "GAPDH"]), None, organism="human").symbols) == [name, "GAPDH"]
