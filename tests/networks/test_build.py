"""Building, saving and scoring networks on a cohort with planted modules."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

import networks_cohort
import scresist as sr
from scresist.checks import InputError, MissingColumnError, RefusedError
from scresist.networks import GeneChoice, Measure, Pooling, PowerWarning, Search, module_scores, wide_scores
from scresist.networks.by_log import _modules
from scresist.networks.modes import PARITY, SOUND
from scresist.networks.power import POWERS, PowerChoice, choose_power
from scresist.networks.recipe import Recipe

SETTINGS = {"compartment": "malignant", "min_module_size": 15, "power": 12}


@pytest.fixture(scope="module")
def adata():
    return networks_cohort.cohort()


@pytest.fixture(scope="module")
def net(adata):
    return sr.networks.build(adata, **SETTINGS)


def test_planted_modules_are_found(net, adata):
    truth = pd.Series(networks_cohort.planted_labels(), adata.var_names)[net.genes]
    planted = (truth > 0).to_numpy()
    assert adjusted_rand_score(truth[planted], net.labels[planted]) > 0.95


def test_tables_have_their_columns(net):
    assert net.modules.columns[:4].tolist() == ["gene", "module", "kme", "rank"]
    assert net.power_table.columns.tolist() == [
        "power", "sft_r2", "slope", "truncated_r2", "mean_k", "median_k", "max_k",
    ]  # fmt: skip
    assert net.eigengenes.columns.tolist() == net.catalogue["module"].tolist()
    assert net.eigengenes.index.tolist() == net.metacells["metacell"].tolist()
    assert net.scores.columns.tolist() == ["sample", "module", "score", "n_cells"]
    np.testing.assert_allclose(np.linalg.norm(net.eigengenes, axis=0), 1)
    unassigned = net.modules["module"] == "unassigned"
    assert net.modules.loc[unassigned, ["kme", "rank"]].isna().all().all()


def test_the_hub_names_the_module_and_ranks_follow_kme(net):
    for _, row in net.catalogue.iterrows():
        members = net.members(row["module"])
        assert row["module"] == f"{row['module'].split(' ')[0]} {members['gene'].iloc[0]}"
        assert members["kme"].is_monotonic_decreasing
        assert members["rank"].tolist() == list(range(1, len(members) + 1))
        assert net.name_of(row["id"]) == net.name_of(row["colour"]) == row["module"]


def test_metacells_are_pure(adata):
    from scresist.cells import raw_counts
    from scresist.networks.pooling import pool_cells

    points = np.random.default_rng(0).normal(size=(adata.n_obs, 5))
    pools = pool_cells(
        adata.obs, raw_counts(adata), points, ["patient", "cell_type"], Pooling(), np.random.default_rng(1)
    )
    for members, (_, row) in zip(pools.members, pools.table.iterrows(), strict=True):
        inside = adata.obs.iloc[members]
        assert (inside["patient"] == row["patient"]).all()
        assert (inside["cell_type"] == row["cell_type"]).all()
    counts = adata.layers["counts"].toarray()
    expected = [counts[np.unique(members)].sum(axis=0) for members in pools.members]
    np.testing.assert_array_equal(pools.counts, expected)


def test_small_biopsies_stay_in_and_are_named():
    few = networks_cohort.cohort(sparse_cells=30)
    net = sr.networks.build(few, **SETTINGS)
    row = net.metacell_report.set_index("patient").loc["P5"]
    assert row["how"] == "small metacells"
    assert row["n_metacells"] > 0
    assert any("P5" in note and "fewer and smaller" in note for note in net.notes)
    net = sr.networks.build(networks_cohort.cohort(sparse_cells=7), **SETTINGS)
    assert net.metacell_report.set_index("patient").loc["P5", "how"] == "pseudobulk"
    net = sr.networks.build(networks_cohort.cohort(sparse_cells=3), **SETTINGS)
    assert net.metacell_report.set_index("patient").loc["P5", "how"] == "left out"
    assert net.scores.set_index("sample").loc["P5_s1", "score"].isna().all()


def test_the_same_seed_gives_the_same_network_and_input_is_left_alone(adata, net):
    before = adata.obs.copy(), set(adata.obsm), set(adata.uns)
    again = sr.networks.build(adata, **SETTINGS)
    pd.testing.assert_frame_equal(again.modules, net.modules)
    assert again.catalogue["id"].tolist() == net.catalogue["id"].tolist()
    other = sr.networks.build(adata, **SETTINGS, rng=np.random.default_rng(1))
    pd.testing.assert_frame_equal(other.modules, net.modules)
    pd.testing.assert_frame_equal(adata.obs, before[0])
    assert (set(adata.obsm), set(adata.uns)) == before[1:]


def test_the_order_of_cells_does_not_matter(adata, net):
    placed = adata.copy()
    placed.obsm["X_pca"] = np.random.default_rng(0).normal(size=(adata.n_obs, 6))
    order = np.random.default_rng(4).permutation(adata.n_obs)
    first = sr.networks.build(placed, **SETTINGS)
    shuffled = sr.networks.build(placed[order].copy(), **SETTINGS)
    pd.testing.assert_frame_equal(shuffled.modules, first.modules)
    pd.testing.assert_frame_equal(shuffled.expression, first.expression)


def test_counts_on_disk_are_read(adata, net, tmp_path):
    import anndata as ad
    import dask.array as da

    lazy = adata.copy()
    lazy.layers["counts"] = da.from_array(adata.layers["counts"].toarray(), chunks=(200, 300))
    pd.testing.assert_frame_equal(sr.networks.build(lazy, **SETTINGS).modules, net.modules)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    backed = ad.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    pd.testing.assert_frame_equal(sr.networks.build(backed, **SETTINGS).modules, net.modules)
    backed.file.close()


def test_the_order_of_genes_does_not_matter(adata, net):
    order = np.random.default_rng(4).permutation(adata.n_vars)
    shuffled = sr.networks.build(adata[:, order].copy(), **SETTINGS)
    same = shuffled.modules.set_index("gene")["module"].reindex(net.genes)
    assert adjusted_rand_score(same, net.modules["module"]) > 0.99


def test_a_saved_network_comes_back_whole(net, tmp_path):
    path = tmp_path / "out" / "network.zip"
    net.save(path)
    back = sr.networks.load(path)
    for name in ("modules", "catalogue", "eigengenes", "kme", "power_table", "scores", "metacells", "expression"):
        pd.testing.assert_frame_equal(getattr(back, name), getattr(net, name))
    np.testing.assert_array_equal(back.linkage, net.linkage)
    assert back.power == net.power
    assert back.notes == net.notes
    first = path.read_bytes()
    back.save(path)
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["network.zip"]


def test_loading_says_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        sr.networks.load(tmp_path / "none.zip")
    (tmp_path / "text").write_text("x")
    with pytest.raises(InputError, match="not a saved network"):
        sr.networks.load(tmp_path / "text")


def test_scores_follow_the_programmes(net, adata):
    scored = module_scores(net, adata)
    wide = wide_scores(scored)
    assert wide.shape == (6, len(net.names))
    pd.testing.assert_frame_equal(scored.table, net.scores)
    raised = adata.copy()
    genes = raised.var_names.get_indexer(net.members("M2")["gene"])
    rows = np.flatnonzero((raised.obs["patient"] == "P3") & (raised.obs["malignancy"] == "malignant"))
    counts = raised.layers["counts"].tolil()
    counts[np.ix_(rows, genes)] = counts[np.ix_(rows, genes)].toarray() * 3
    raised.layers["counts"] = counts.tocsr()
    change = wide_scores(module_scores(net, raised)) - wide
    assert change.loc["P3_s1"].idxmax() == net.name_of("M2")
    assert change.loc["P3_s1", net.name_of("M2")] > 0.5


def test_a_power_that_never_fits_falls_back_with_a_warning(adata):
    with pytest.warns(PowerWarning, match="power 12 is used"):
        net = sr.networks.build(adata, compartment="malignant", min_module_size=15, powers=[1, 2, 3], values="log")
    assert net.power == 12
    assert any("no power reaches" in note for note in net.notes)


def test_a_fit_in_a_network_that_has_vanished_does_not_count():
    table = pd.DataFrame(
        {"power": [4, 6, 12, 24], "sft_r2": [0.2, 0.7, 0.5, 0.9], "slope": [-1.0] * 4, "mean_k": [9, 3, 0.5, 0.01]}
    )
    with pytest.warns(PowerWarning, match="where the network has almost no edges"):
        assert choose_power(table, 100, "signed", living_fit=True)[0] == 6
    assert choose_power(table, 100, "signed", living_fit=False)[0] == 24
    rising = table.assign(sft_r2=[0.9, 0.9, 0.9, 0.9], slope=[1.0, -1.0, -1.0, -1.0])
    assert choose_power(rising, 100, "signed", living_fit=True)[0] == 6
    assert choose_power(rising, 100, "signed", living_fit=False)[0] == 4


def test_a_module_size_that_nothing_reaches_is_lowered_openly():
    rng = np.random.default_rng(0)
    blocks = [rng.normal(size=(100, 1)) + 0.5 * rng.normal(size=(100, 40)) for _ in range(2)]
    X = np.column_stack([*blocks, rng.normal(size=(100, 200))])
    recipe = Recipe(min_module_size=62, power=6)
    choice = PowerChoice(6, POWERS, "pearson")
    found = _modules(X, recipe, choice, SOUND)
    labels = found.detected.labels
    assert found.recipe.min_module_size == 31
    assert "there is no module of 62 genes; min_module_size was lowered to 31" in found.notes
    assert len(np.unique(labels[:40])) == len(np.unique(labels[40:80])) == 1
    with pytest.raises(RefusedError, match="no module of 62"):
        _modules(X, recipe, choice, PARITY)


def test_within_samples_differences_between_them_make_no_module(net):
    means = net.expression.groupby(net.metacells["patient"].to_numpy(), observed=True).mean()
    np.testing.assert_allclose(means.std(axis=0), 0, atol=1e-5)


def test_parity_mode_runs_on_the_same_cohort(adata):
    net = sr.networks.build(
        adata, compartment="epithelial", mode="parity", groupby=("cell_type", "patient"), min_module_size=15
    )
    assert set(net.metacells["cell_type"]) == {"epithelial"}
    assert net.metacells["metacell"].iloc[0] == "epithelial#P0_1"
    assert any("left out" in note for note in net.notes)


def test_settings_by_name_are_those_of_the_records(adata, net):
    pooling = Pooling(k=20)
    by_record = sr.networks.build(
        adata, **SETTINGS, genes=GeneChoice(fraction=0.2), pooling=pooling,
        measure=Measure(within="patient", n_components=4), search=Search(max_module_share=0.5),
    )  # fmt: skip
    by_name = sr.networks.build(
        adata, **SETTINGS, fraction=0.2, k=20, within="patient", n_components=4, max_module_share=0.5
    )
    pd.testing.assert_frame_equal(by_record.modules, by_name.modules)
    assert dict(by_record.settings) == dict(by_name.settings) != dict(net.settings)
    assert by_name.settings["k"] == 20
    with pytest.raises(TypeError, match="no setting 'fractoin'; did you mean 'fraction'"):
        sr.networks.build(adata, fractoin=0.2)


def test_gene_selection_is_reported(adata):
    listed = adata.var_names[:60].tolist()
    net = sr.networks.build(adata, **SETTINGS, genes=listed)
    assert net.genes.tolist() == listed
    net = sr.networks.build(adata, **SETTINGS, select="variable", n_genes=100, keep_genes=["G299", "ABSENT"])
    report = net.gene_report.set_index("gene")
    assert report.loc["G299", "kept"]
    assert report.loc["ABSENT", "reason"] == "not in the data"
    assert 100 <= report["kept"].sum() <= 101


def test_the_modes_differ_in_every_field_and_in_nothing_else():
    """A field that is equal in both belongs in no mode; a difference outside the record would be an `if`."""
    for field in fields(SOUND):
        assert getattr(SOUND, field.name) != getattr(PARITY, field.name), field.name
    for path in Path(sr.networks.__file__).parent.glob("*.py"):
        code = path.read_text()
        assert path.name == "modes.py" or not re.search(r"(if|and|not|or) (parity|mode ==|.*== \"parity\")", code), path


def test_draws_to_replay_must_name_every_group(adata):
    with pytest.raises(InputError, match=r"draws has no positions for group 'P0#epithelial'"):
        sr.networks.build(adata, **SETTINGS, mode="parity", draws={"P1#epithelial": np.arange(150)[::-1]})


def test_bad_input_is_named(adata):
    build = sr.networks.build
    with pytest.raises(MissingColumnError, match="donor"):
        build(adata, groupby=("donor", "cell_type"))
    with pytest.raises(InputError, match="did you mean 'T cell'"):
        build(adata, compartment="T cells")
    with pytest.raises(RefusedError, match="1 patient and 2"):
        build(adata[adata.obs["patient"] == "P0"].copy(), compartment="malignant")
    with pytest.raises(InputError, match="power"):
        build(adata, compartment="malignant", power=-2)
    with pytest.raises(RefusedError, match="no module"):
        build(adata[:, 200:].copy(), compartment="malignant", min_module_size=45, power=6, values="log")
    with pytest.raises(RefusedError, match="metacells are too few"):
        build(adata, compartment="malignant", pooling=Pooling(target=1))
    with pytest.raises(InputError, match="genes are not in the data"):
        build(adata, **SETTINGS, genes=["NOPE"])
    repeated = adata.copy()
    repeated.var_names = ["G0", *adata.var_names[:-1]]
    with pytest.raises(InputError, match="more than once"):
        build(repeated)
    bare = adata.copy()
    del bare.layers["counts"]
    with pytest.raises(InputError, match="whole numbers"):
        build(bare)
    bad = adata.copy()
    bad.layers["counts"] = bad.layers["counts"].astype(float)
    bad.layers["counts"].data[5] = np.nan
    with pytest.raises(InputError, match="NaN"):
        build(bad)
    with pytest.raises(InputError, match="k must be"):
        build(adata, pooling=Pooling(k=1))
    with pytest.raises(InputError, match="mode must be one of"):
        build(adata, mode="R")
