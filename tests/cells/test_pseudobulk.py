"""Sums of counts: read back from their tables as they were made."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scresist.cells import pseudobulk, read_pseudobulk
from scresist.checks import InputError, MissingColumnError, RefusedError
from scresist.results import read_table, write_table


def cohort(scale=1):
    rng = np.random.default_rng(3)
    counts = rng.poisson(0.3, (90, 8)) * scale
    counts[:, 5] = 0  # a gene without counts has its place
    obs = pd.DataFrame(
        {"sample": pd.Categorical(rng.choice(["S10", "S2", "S1"], 90)), "kind": rng.choice(["T cell", "B"], 90)},
        index=[f"c{i}" for i in range(90)],
    )
    obs.loc["c0", "kind"] = "lone"
    return ad.AnnData(obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in (3, 1, 2, 0, 7, 5, 6, 4)]),
                      layers={"counts": sparse.csr_matrix(counts)})  # fmt: skip


@pytest.mark.parametrize("scale", [1, 2**33], ids=["counts", "beyond 32 bits"])
def test_the_tables_read_back_to_the_same_sums(tmp_path, scale):
    sums = pseudobulk(cohort(scale), groupby="kind", min_cells=3)
    assert not sums.groups["kept"].all()
    write_table(sums.table(), tmp_path / "sums.parquet")
    write_table(sums.groups, tmp_path / "groups.csv")
    back = read_pseudobulk(read_table(tmp_path / "sums.parquet"), read_table(tmp_path / "groups.csv"))
    pd.testing.assert_frame_equal(back.counts, sums.counts)
    pd.testing.assert_frame_equal(back.groups, sums.groups)


def test_no_group_kept_reads_back_too():
    sums = pseudobulk(cohort(), groupby="kind", min_cells=1000)
    back = read_pseudobulk(sums.table(), sums.groups)
    assert back.counts.shape[0] == 0
    with pytest.raises(RefusedError, match="no sample has enough cells of B"):
        back.of("B")


def test_tables_of_two_runs_are_told_apart():
    sums = pseudobulk(cohort(), groupby="kind", min_cells=3)
    with pytest.raises(InputError, match="read both tables of one run"):
        read_pseudobulk(sums.table().iloc[:-1], sums.groups)
    with pytest.raises(MissingColumnError, match="count"):
        read_pseudobulk(sums.table().drop(columns="count"), sums.groups)
