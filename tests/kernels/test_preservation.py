"""Module preservation against WGCNA 1.72-1, and under the null."""

import numpy as np
import pytest

import wgcna_oracle as golden
from oracle import needs_shared
from scresist import kernels
from scresist.checks import InputError
from scresist.kernels.preservation import STATISTICS

PRESERVATION = {
    "propVarExplained.pres": "variance_explained",
    "meanSignAwareKME.pres": "mean_kme",
    "meanSignAwareCorDat.pres": "mean_cor",
    "meanAdj.pres": "mean_adjacency",
    "meanMAR.pres": "mean_mar",
    "cor.kIM": "cor_kim",
    "cor.kME": "cor_kme",
    "cor.kMEall": "cor_kme_all",
    "cor.cor": "cor_cor",
    "cor.MAR": "cor_mar",
}
QUALITY = {
    "propVarExplained.qual": "quality_variance_explained",
    "meanSignAwareKME.qual": "quality_mean_kme",
    "meanSignAwareCorDat.qual": "quality_mean_cor",
    "meanAdj.qual": "quality_mean_adjacency",
    "meanMAR.qual": "quality_mean_mar",
}


def planted(n, seed, sizes=(20, 15), noise=25, kept=(True, True)):
    rng = np.random.default_rng(seed)
    parts = [
        (rng.normal(size=(n, 1)) if keep else 0) + rng.normal(size=(n, s)) for s, keep in zip(sizes, kept, strict=True)
    ]
    return np.column_stack([*parts, rng.normal(size=(n, noise))])


LABELS = np.repeat([1, 2, 0], [20, 15, 25])


def test_a_kept_module_is_preserved_and_a_lost_one_is_not():
    found = kernels.module_preservation(planted(60, 0), planted(70, 1, kept=(True, False)), LABELS, 50, 1)
    assert found["module"].tolist() == [1, 2, 0, -1]
    assert found["size"].tolist() == [20, 15, 25, 30]
    assert found["z_summary"][0] > 3
    assert abs(found["z_summary"][1]) < 2.5
    assert found["p_mean_cor"][0] == pytest.approx(1 / 51)
    assert found["p_mean_cor"][1] > 0.05
    assert found["median_rank"][0] < found["median_rank"][1]


def test_seeds_repeat_and_threads_do_not_matter(monkeypatch):
    reference, query = planted(30, 2), planted(40, 3)
    once = kernels.module_preservation(reference, query, LABELS, 6, 5)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "3")
    again = kernels.module_preservation(reference, query, LABELS, 6, 5)
    for name, values in once.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    drawn = [kernels.module_preservation(reference, query, LABELS, 6, np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(drawn[0]["z_summary"], drawn[1]["z_summary"])


def test_without_permutations_there_is_no_z():
    found = kernels.module_preservation(planted(30, 2), planted(40, 3), LABELS, 0, 1)
    assert np.isnan(found["z_summary"]).all()
    assert np.isnan(found["p_mean_cor"]).all()
    assert np.isfinite([found[name] for name in STATISTICS]).all()


def test_bad_input_is_named():
    X = planted(30, 4)
    with pytest.raises(InputError, match="same genes"):
        kernels.module_preservation(X, X[:, :-1], LABELS, 2, 1)
    with pytest.raises(InputError, match="constant"):
        kernels.module_preservation(X, np.where(np.arange(60) == 7, 1.0, X), LABELS, 2, 1)
    with pytest.raises(InputError, match="missing"):
        kernels.module_preservation(np.where(X > 3, np.nan, X), X, LABELS, 2, 1)
    with pytest.raises(InputError, match="three genes"):
        kernels.module_preservation(X, X, np.zeros(60, dtype=int), 2, 1)


@needs_shared
@pytest.mark.parametrize("dataset", golden.SETS)
@pytest.mark.parametrize("network", ["signed", "unsigned"])
def test_r_preservation(dataset, network):
    stored = golden.arrays(f"{dataset}/mp.npz")
    colours = golden.table(f"{dataset}/mp_colors.csv.gz")["color"].to_numpy()
    labels, names = golden.alphabetical(colours)
    permutations = 100 if network == "signed" else 0
    found = kernels.module_preservation(
        stored["mp_ref"], stored["mp_query"], labels, permutations, 12345, network=network
    )
    rows = [*names[1:], "grey"]

    def r_table(name):
        return golden.table(f"{dataset}/mp_{network}_{name}.csv.gz").set_index("module")

    for part, columns in (("preservation", PRESERVATION), ("quality", QUALITY)):
        observed = r_table(f"{part}_observed")
        for theirs, ours in columns.items():
            # The random group too: the seed is R's.
            expected = observed.loc[[*rows, "gold"], theirs]
            np.testing.assert_allclose(found[ours], expected, atol=1e-9, err_msg=theirs)
    separability = r_table("testSeparability_observed").loc[rows, "separability.pres"]
    np.testing.assert_allclose(found["separability"][: len(rows)], separability, atol=1e-9)
    if network == "signed":
        mean, spread = r_table("preservation_Z_seedmean"), r_table("preservation_Z_seedsd")
        columns = {f"Z.{theirs}": f"z_{ours}" for theirs, ours in PRESERVATION.items()}
        columns |= {"Zsummary.pres": "z_summary", "Zdensity.pres": "z_density", "Zconnectivity.pres": "z_connectivity"}
        # Five seeds of twenty permutations estimate the spread itself loosely; hence a floor for it.
        within = {
            ours: np.abs(found[ours][: len(rows)] - mean.loc[rows, theirs])
            <= 3 * np.maximum(spread.loc[rows, theirs], 0.15) * np.sqrt(1.2)
            for theirs, ours in columns.items()
        }
        assert within["z_summary"].all()
        assert np.mean([part.mean() for part in within.values()]) > 0.95
