"""The door to the matrix: the same counts, sums and log-normalised values however they are stored and asked for."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scresist import cells
from scresist.cells import counts as room
from scresist.checks import InputError
from scresist.communication import infer
from scresist.kernels.normalise import log1p_per_10k, log2_counts_per_million

RNG = np.random.default_rng(1)
COUNTS = RNG.poisson(0.7, (37, 11))
COUNTS[4] = 0
LOGGED = np.log1p(COUNTS / np.maximum(COUNTS.sum(axis=1, keepdims=True), 1) * 1e4)
CODES = RNG.integers(-1, 4, 37)
SOME = np.array([30, 2, 17])
GENES = np.array([1, 4, 9])


def adata(layer, X=None):
    return ad.AnnData(X=X, obs=pd.DataFrame(index=[f"c{i}" for i in range(37)]), layers={"counts": layer},
                      var=pd.DataFrame(index=[f"g{i}" for i in range(11)]))  # fmt: skip


STORED = {
    "csr": lambda: sparse.csr_matrix(COUNTS), "csc": lambda: sparse.csc_matrix(COUNTS),
    "array": lambda: sparse.csr_array(COUNTS), "dense": lambda: COUNTS.astype(np.float32),
    "int32": lambda: sparse.csr_matrix(COUNTS.astype(np.int32)),
}  # fmt: skip


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of seven cells, so that every loop over blocks turns several times."""
    monkeypatch.setattr(room.count_blocks, "__kwdefaults__", {**room.count_blocks.__kwdefaults__, "size": 7})


@pytest.mark.parametrize("stored", STORED)
def test_counts_sums_and_detected_cells(stored):
    cohort = adata(STORED[stored]())
    np.testing.assert_array_equal(cells.raw_counts(cohort).toarray(), COUNTS)
    np.testing.assert_array_equal(cells.raw_counts(cohort, cells=SOME, genes=GENES).toarray(), COUNTS[SOME][:, GENES])
    mask = np.isin(np.arange(37), SOME)
    np.testing.assert_array_equal(cells.raw_counts(cohort, cells=mask).toarray(), COUNTS[mask])
    expected = np.array([COUNTS[g == CODES].sum(axis=0) for g in range(5)])
    np.testing.assert_array_equal(cells.sum_counts(cohort, CODES, 5), expected)
    seen = np.array([(COUNTS[g == CODES] > 0).sum(axis=0) for g in range(5)])
    np.testing.assert_array_equal(cells.count_detected(cohort, CODES, 5), seen)
    np.testing.assert_array_equal(cells.total_counts(cohort), COUNTS.sum(axis=1))
    np.testing.assert_array_equal(cells.total_counts(cohort, genes=GENES), COUNTS[:, GENES].sum(axis=1))
    np.testing.assert_array_equal(cells.genes_per_cell(cohort), (COUNTS > 0).sum(axis=1))


@pytest.mark.parametrize("stored", STORED)
def test_log_normalised_values_are_the_same_by_cell_by_gene_and_written(stored, tmp_path):
    cohort = adata(STORED[stored]())
    whole = cells.log_normalised(cohort)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(whole.toarray(), LOGGED, rtol=1e-6)
    part = cells.log_normalised(cohort, cells=SOME, genes=GENES).toarray()
    np.testing.assert_array_equal(part, whole.toarray()[SOME][:, GENES])
    by_gene = [block.toarray() for _, block in cells.log_normalised_by_gene(cohort, size=4)]
    np.testing.assert_array_equal(np.hstack(by_gene), whole.toarray())
    assert cells.mean_log_normalised(cohort) == pytest.approx(LOGGED.mean())
    cells.write_cohort(cohort, tmp_path / "cohort.h5ad")
    assert cohort.X is None, "the values are not kept beside the counts"
    back = ad.read_h5ad(tmp_path / "cohort.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), whole.toarray())
    assert back.X.dtype == np.float32
    np.testing.assert_array_equal(sparse.csr_array(back.layers["counts"]).toarray(), COUNTS)
    assert [p.name for p in tmp_path.iterdir()] == ["cohort.h5ad"]
    cells.normalise(cohort)
    np.testing.assert_array_equal(cohort.X.toarray(), whole.toarray())


def test_a_matrix_on_disk_is_read_block_by_block(tmp_path):
    with h5py.File(tmp_path / "counts.h5", "w") as file:
        ad.io.write_elem(file, "counts", sparse.csr_matrix(COUNTS))
        cohort = adata(sparse.csr_matrix(COUNTS))
        largest = []

        class OnDisk:
            """What is needed of a matrix on disk; it remembers how many cells were asked for."""

            def __init__(self):
                self.matrix = ad.io.sparse_dataset(file["counts"])
                self.shape = self.matrix.shape

            def __getitem__(self, rows):
                part = self.matrix[rows]
                largest.append(part.shape[0])
                return part

        class Cohort:
            X, layers, shape = None, {"counts": OnDisk()}, cohort.shape

        expected = np.array([COUNTS[g == CODES].sum(axis=0) for g in range(4)])
        np.testing.assert_array_equal(cells.sum_counts(Cohort(), CODES, 4), expected)
        found = cells.log_normalised(Cohort(), genes=GENES).toarray()
        np.testing.assert_array_equal(found, cells.log_normalised(cohort, genes=GENES).toarray())
        assert max(largest) == 7


def test_x_is_used_where_it_is_log_normalised():
    given = sparse.csr_matrix(LOGGED * 2)
    cohort = adata(sparse.csr_matrix(COUNTS), X=given)
    np.testing.assert_array_equal(cells.log_normalised(cohort, genes=GENES).toarray(), given.toarray()[:, GENES])
    by_gene = [block.toarray() for _, block in cells.log_normalised_by_gene(cohort, size=4)]
    np.testing.assert_array_equal(np.hstack(by_gene), given.toarray())
    assert cells.mean_log_normalised(cohort) == pytest.approx(2 * LOGGED.mean())


def test_what_is_no_count_is_named():
    cohort = adata(sparse.csr_matrix(COUNTS), X=sparse.csr_matrix(COUNTS))
    with pytest.raises(InputError, match=r"X has whole numbers up to \d+: counts"):
        cells.log_normalised(cohort)
    with pytest.raises(InputError, match=r"adata.layers has no 'count'.*did you mean 'counts'"):
        cells.raw_counts(cohort, layer="count")
    with pytest.raises(InputError, match=r'layers\["counts"\] has 1 values that are NaN'):
        cells.raw_counts(adata(np.where(np.arange(37 * 11).reshape(37, 11) == 5, np.nan, COUNTS)))
    with pytest.raises(InputError, match="negative values"):
        cells.sum_counts(adata(COUNTS - 1.0), CODES, 4)
    bare = ad.AnnData(LOGGED)
    with pytest.raises(InputError, match="not whole numbers"):
        cells.raw_counts(bare)
    with pytest.raises(InputError, match="there are no counts"):
        cells.raw_counts(ad.AnnData(obs=pd.DataFrame(index=["a"]), var=pd.DataFrame(index=["b"])))
    np.testing.assert_array_equal(cells.raw_counts(ad.AnnData(COUNTS.astype(float))).toarray(), COUNTS)


def test_scales_against_their_formulas():
    sums = RNG.poisson(40, (4, 6)).astype(float)
    million = sums / sums.sum(axis=1, keepdims=True) * 1e6
    np.testing.assert_allclose(log2_counts_per_million(sums), np.log2(million + 1))
    half = np.log2((sums + 0.5) / (sums.sum(axis=1, keepdims=True) + 1) * 1e6)
    np.testing.assert_allclose(log2_counts_per_million(sums, sums.sum(axis=1), prior=0.5), half)
    sums[2] = 0
    assert np.isnan(log2_counts_per_million(sums)[2]).all()
    np.testing.assert_allclose(log1p_per_10k(COUNTS), LOGGED)
    np.testing.assert_allclose(log1p_per_10k(COUNTS[:, GENES], COUNTS.sum(axis=1)), LOGGED[:, GENES])


def test_communication_is_the_same_from_counts_as_from_log_normalised_values():
    genes = ["MIF", "CD74", "CXCR4", "CD44", "TGFB1", "TGFBR1", "TGFBR2", *(f"g{i}" for i in range(20))]
    counts = sparse.csr_matrix(np.random.default_rng(2).poisson(2, (80, len(genes))))
    obs = pd.DataFrame({"sample": ["a", "b"] * 40, "cell_type": ["B"] * 40 + ["T"] * 40},
                       index=[f"c{i}" for i in range(80)])  # fmt: skip
    cohort = ad.AnnData(obs=obs, var=pd.DataFrame(index=genes), layers={"counts": counts})
    made = infer(cohort, groupby="cell_type", permutations=20)
    cells.normalise(cohort)
    given = infer(cohort, groupby="cell_type", permutations=20)
    pd.testing.assert_frame_equal(made.table, given.table)
