"""Stability, flags, consensus, preservation, projection, meaning, a gene's view and export on planted modules."""

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import networks_cohort
import scresist as sr
from scresist.checks import DesignError, InputError, RefusedError
from scresist.networks.robustness import match_modules

SETTINGS = {"compartment": "malignant", "min_module_size": 15, "power": 12}


@pytest.fixture(scope="module")
def adata():
    return networks_cohort.cohort()


@pytest.fixture(scope="module")
def net(adata):
    return sr.networks.build(adata, **SETTINGS)


def planted(net, number):
    genes = [f"G{i}" for i in np.flatnonzero(networks_cohort.planted_labels() == number)]
    return net.modules.set_index("gene").loc[genes, "module"].mode()[0]


def test_planted_modules_recur_and_repeat_with_the_seed(net):
    first = sr.networks.stability(net, n_bootstraps=4, rng=3)
    for number in (1, 2, 3):
        row = first.modules.set_index("module").loc[planted(net, number)]
        assert row["recurrence"] == 1
        assert row["least_without_one"] > 0.7
    again = sr.networks.stability(net, n_bootstraps=4, rng=3, workers=2)
    pd.testing.assert_frame_equal(first.modules, again.modules)
    pd.testing.assert_frame_equal(first.genes, again.genes)
    assert first.genes["stability"].between(0, 1).all()
    held = sr.networks.with_stability(net, first)
    assert held.modules["stability"].notna().all()
    assert len(first.patients) == 6 * len(net.names)


def test_stability_needs_patients(net):
    with pytest.raises(DesignError, match="no column patient"):
        sr.networks.stability(net.replace(metacells=net.metacells.drop(columns="patient")))


def test_matching_is_by_the_best_jaccard_index():
    jaccard, best = match_modules(np.array([1, 1, 1, 2, 2, 0]), np.array([3, 3, 1, 2, 2, 2]))
    np.testing.assert_allclose(jaccard, [2 / 3, 2 / 3])
    assert best.tolist() == [3, 2]
    assert match_modules(np.array([1, 1]), np.array([0, 0]))[0].tolist() == [0]


def test_a_module_of_one_patient_is_none_and_is_named():
    """One patient cannot make a finding."""
    net = sr.networks.build(networks_cohort.cohort(private="a"), **SETTINGS)
    assert planted(net, 1) == "unassigned"
    row = net.candidates.set_index("carried_by").loc["P0"]
    assert not row["kept"]
    assert set(row["genes"].split()) <= {f"G{i}" for i in range(40)}
    assert row["carried_share"] > 0.5
    assert any("are not proved" in note for note in net.notes)
    unproved = sr.networks.build(networks_cohort.cohort(private="a"), values="log", **SETTINGS)
    flagged = unproved.catalogue.set_index("module")
    assert flagged.loc[planted(unproved, 1), "carried_by"] == "P0"
    assert flagged.loc[planted(unproved, 2), "carried_by"] == ""
    assert any("rests on patient P0" in note for note in unproved.notes)


def test_a_module_of_cycling_cells_is_flagged(adata):
    cycling = adata.copy()
    from scresist.networks.covariates import CYCLING

    names = adata.var_names.to_numpy().astype(object)
    names[: len(CYCLING)] = CYCLING
    cycling.var_names = names.astype(str)
    net = sr.networks.build(cycling, **SETTINGS)
    module = net.modules.set_index("gene").loc["MKI67", "module"]
    assert net.catalogue.set_index("module").loc[module, "technical"] == "cell_cycle"


def with_a_batch(adata, module_genes):
    """The cohort with the counts of some genes tripled in the samples of batch B1, and its sheet of samples."""
    moved = adata.copy()
    sheet = adata.obs[["sample", "patient", "arm"]].drop_duplicates().astype(str).set_index("sample")
    sheet["batch"] = ["B1", "B1", "B1", "B2", "B2", "B2"]
    rows = np.flatnonzero(adata.obs["sample"].astype(str).map(sheet["batch"]) == "B1")
    genes = adata.var_names.get_indexer(module_genes)
    counts = moved.layers["counts"].tolil()
    counts[np.ix_(rows, genes)] = counts[np.ix_(rows, genes)].toarray() * 3
    moved.layers["counts"] = counts.tocsr()
    return moved, sheet


def test_a_module_of_one_batch_is_flagged_from_the_sheet_or_from_the_cells(adata, net):
    moved, sheet = with_a_batch(adata, net.members(planted(net, 3))["gene"])
    assert "batch" not in moved.obs
    found = {"neither": sr.networks.build(moved, **SETTINGS)}
    found["sheet"] = sr.networks.build(moved, **SETTINGS, samples=sheet)
    moved.obs["batch"] = moved.obs["sample"].astype(str).map(sheet["batch"])
    found["cells"] = sr.networks.build(moved, **SETTINGS)
    flags = {name: net.catalogue.set_index("module")["technical"] for name, net in found.items()}
    assert "batch" not in set(flags["neither"])
    for name in ("sheet", "cells"):
        assert flags[name][planted(found[name], 3)] == "batch"
        assert flags[name][planted(found[name], 2)] == ""
    agreed = sr.networks.consensus(found["neither"], moved, samples=sheet)
    assert agreed.catalogue.set_index("module")["technical"][planted(agreed, 3)] == "batch"


def test_an_unknown_batch_is_no_batch_and_a_mixed_sample_is_named(adata, net):
    moved, sheet = with_a_batch(adata, net.members(planted(net, 1))["gene"])
    sheet["batch"] = ["B1", "", "", "", "", ""]
    built = sr.networks.build(moved, **SETTINGS, samples=sheet)
    assert "batch" not in set(built.catalogue["technical"])
    moved.obs["batch"] = np.resize(["B1", "B2"], moved.n_obs)
    built = sr.networks.build(moved, **SETTINGS)
    assert "batch" not in set(built.catalogue["technical"])
    assert any("batch has several values within a sample" in note for note in built.notes)


def test_hubs_have_intervals(net):
    hubs = sr.networks.hub_genes(net, 3)
    assert len(hubs) == 3 * len(net.names)
    assert (hubs["kme_low"] <= hubs["kme"] + 1e-6).all()
    assert (hubs["kme"] <= hubs["kme_high"] + 1e-6).all()
    assert (hubs["rank_low"] <= hubs["rank_high"]).all()


def test_one_interval_per_gene_serves_every_table(net, tmp_path):
    known = sr.networks.with_kme_intervals(net, n_bootstraps=30, rng=4)
    modules = known.modules.set_index("gene")
    hubs = sr.networks.hub_genes(known, 5).set_index("gene")
    for name in ("kme", "kme_low", "kme_high", "rank", "rank_low", "rank_high"):
        np.testing.assert_array_equal(hubs[name], modules.loc[hubs.index, name])
    views = sr.networks.gene_views(known, hubs.index[:4]).table.set_index("gene")
    assert (views["nearest"] == views["module"]).all()
    for name in ("kme", "kme_low", "kme_high"):
        np.testing.assert_array_equal(views[name], hubs.loc[views.index, name])
    own = modules["module"] != "unassigned"
    assert modules.loc[own, ["kme_low", "kme_high", "rank_low", "rank_high"]].notna().all(axis=None)
    assert modules.loc[~own, ["kme_low", "rank_low"]].isna().all(axis=None)
    known.save(tmp_path / "net.zip")
    pd.testing.assert_frame_equal(sr.networks.load(tmp_path / "net.zip").kme_low, known.kme_low)
    assert net.kme_low is None
    # A network without intervals gets the same ones in every table.
    plain = sr.networks.hub_genes(net, 1).set_index("gene")
    view = sr.networks.gene_view(net, plain.index[0]).kme.iloc[0]
    assert (view["kme_low"], view["kme_high"]) == tuple(plain.iloc[0][["kme_low", "kme_high"]])


def test_intervals_are_those_of_a_plain_loop_over_patients(net):
    """Draws weight the metacells of a patient: the same as repeating their rows."""
    found = sr.networks.with_kme_intervals(net, n_bootstraps=25, level=0.8, rng=9)
    X, E = net.expression.to_numpy(float), net.eigengenes.to_numpy()
    patient, rng = pd.factorize(net.metacells["patient"])[0], np.random.default_rng(9)
    drawn = []
    for _ in range(25):
        rows = np.concatenate([np.flatnonzero(patient == p) for p in rng.integers(6, size=6)])
        drawn.append(np.corrcoef(X[rows, 3], E[rows, 1])[0, 1])
    limits = np.quantile(drawn, [0.1, 0.9])
    np.testing.assert_allclose([found.kme_low.iloc[3, 1], found.kme_high.iloc[3, 1]], limits, atol=1e-6)


def test_consensus_keeps_what_patients_share(net, adata):
    agreed = sr.networks.consensus(net, adata, quantile=0.2)
    table = sr.networks.module_agreement(net, [agreed]).set_index("module")
    for number in (1, 2, 3):
        assert table.loc[planted(net, number), "jaccard"] > 0.8
    assert agreed.settings["consensus"] == "patient"
    assert len(agreed.scores) == 6 * len(agreed.names)
    private = networks_cohort.cohort(private="a")
    one = sr.networks.build(private, values="log", **SETTINGS)
    without = sr.networks.consensus(one, quantile=0.2)
    found = sr.networks.module_agreement(one, [without]).set_index("module")["jaccard"]
    # What b and c leave of a cell's counts moves all other genes a little: hence not zero.
    assert found[planted(one, 1)] < 0.6 < 0.8 < found[planted(one, 2)]


def test_consensus_needs_two(net):
    with pytest.raises(DesignError, match="two are needed"):
        sr.networks.consensus(net, min_metacells=10_000)


def test_preservation_in_another_cohort(net):
    other = sr.networks.build(networks_cohort.cohort(seed=5, private="b"), **SETTINGS)
    table = sr.networks.preservation(net, other, n_permutations=30).table.set_index("module")
    assert table.loc[planted(net, 1), "z_summary"] > 4
    assert table.loc[planted(net, 1), "z_summary"] > table.loc[planted(net, 2), "z_summary"]
    with pytest.raises(InputError, match="genes vary in both"):
        sr.networks.preservation(net, other.expression.iloc[:, :5])


def test_projection_on_bulk(net):
    bulk = net.expression.groupby(net.metacells["patient"].to_numpy()).mean()
    noisy = bulk + np.random.default_rng(0).normal(0, 0.05, bulk.shape)
    found = sr.networks.project(net, noisy).table
    turned = sr.networks.project(net, noisy.T).table
    pd.testing.assert_frame_equal(found, turned)
    few = sr.networks.project(net, noisy.iloc[:, :50])
    assert few.table["score"].isna().any()
    assert any("less than half" in note for note in few.notes)
    with pytest.raises(InputError, match="map the names"):
        sr.networks.project(net, noisy.add_prefix("ENSG"))


def test_over_representation_is_hypergeometric_among_the_network(net, tmp_path):
    module = planted(net, 2)
    genes = net.members(module)["gene"].tolist()
    sets = {"mine": [*genes[:20], "ABSENT"], "other": net.genes[-30:].tolist(), "tiny": genes[:2]}
    table = sr.networks.over_representation(net, sets).table
    first = table[(table["module"] == module) & (table["gene_set"] == "mine")].iloc[0]
    expected = stats.hypergeom.sf(19, len(net.genes), 20, len(genes))
    np.testing.assert_allclose(first["p_value"], expected)
    assert first["set_size"] == 20
    assert first["genes"].split()[0] == genes[0]
    assert "tiny" not in set(table["gene_set"])
    for row in table.itertuples():
        members = [g for g in net.members(row.module)["gene"] if g in sets[row.gene_set]]
        assert row.genes.split() == members
        assert row.n_overlap == len(members)
    path = tmp_path / "sets.gmt"
    path.write_text("".join(f"{name}\tx\t{chr(9).join(g)}\n" for name, g in sets.items()))
    pd.testing.assert_frame_equal(sr.networks.over_representation(net, path).table, table)
    with pytest.raises(RefusedError, match="none of"):
        sr.networks.over_representation(net, {"a": ["X", "Y"]})


def test_the_view_of_a_gene(net):
    hub = net.catalogue["hub"].iloc[0]
    view = sr.networks.gene_view(net, hub)
    assert view.module == view.nearest == net.names[0]
    assert view.kme["rank_there"].iloc[0] == 1
    loose = net.modules.loc[net.modules["module"] == "unassigned", "gene"]
    if len(loose):
        assert "is unassigned" in sr.networks.gene_view(net, loose.iloc[0]).verdict
    grid = [{"min_module_size": 15}, {"min_module_size": 140}]
    table = sr.networks.settings_view(net, hub, grid=grid)
    assert table["module"].iloc[0] == net.names[0]
    with pytest.raises(InputError, match="is not among the genes"):
        sr.networks.gene_view(net, "NOPE")


def test_views_of_several_genes_are_the_single_ones(net):
    hub = net.catalogue["hub"].iloc[0]
    table = sr.networks.gene_views(net, [hub, "NOPE", hub]).table.set_index("gene")
    assert list(table.index) == [hub, "NOPE"]
    one = sr.networks.gene_view(net, hub)
    best = one.kme.iloc[0]
    np.testing.assert_allclose(table.loc[hub, ["kme", "kme_low", "kme_high"]].astype(float),
                               best[["kme", "kme_low", "kme_high"]].astype(float))  # fmt: skip
    assert table.loc[hub, "verdict"] == one.verdict
    assert table.loc[hub, "neighbours"].split() == one.neighbours["gene"].head(5).tolist()
    moved = sr.networks.settings_view(net, hub)
    assert table.loc[hub, "settings_share"] == (moved["module"] == one.nearest).mean()
    assert "not among the genes" in table.loc["NOPE", "verdict"]


def test_a_gene_left_out_is_told_why(adata):
    net = sr.networks.build(adata, **SETTINGS, genes=adata.var_names[:100].tolist())
    with pytest.raises(InputError, match="not in the given list"):
        sr.networks.gene_view(net, "G200")


def test_edges_follow_the_rule(net, tmp_path):
    table = sr.networks.edges(net, top=3)
    place = {gene: i for i, gene in enumerate(net.genes)}
    for row in table.head(50).itertuples():
        i, j = place[row.source], place[row.target]
        assert j in net.neighbours[i, :3] or i in net.neighbours[j, :3]
    assert table["overlap"].is_monotonic_decreasing
    X = net.expression.to_numpy(dtype=float)
    i, j = place[table["source"].iloc[0]], place[table["target"].iloc[0]]
    np.testing.assert_allclose(table["correlation"].iloc[0], np.corrcoef(X[:, i], X[:, j])[0, 1], atol=1e-6)
    for suffix in ("tsv", "csv", "parquet", "graphml"):
        sr.networks.write_edges(net, tmp_path / f"edges.{suffix}", top=3, modules=["M2"])
    tree = ET.parse(tmp_path / "edges.graphml").getroot()
    space = "{http://graphml.graphdrawing.org/xmlns}"
    assert len(list(tree.iter(f"{space}edge"))) == len(pd.read_parquet(tmp_path / "edges.parquet"))
    with pytest.raises(InputError, match=r"\.xlsx"):
        sr.networks.write_edges(net, tmp_path / "edges.xlsx")
    with pytest.raises(InputError, match="at most 50"):
        sr.networks.edges(net, top=51)


def test_cell_eigengenes_are_written_to_their_slot(net, adata):
    cells = adata[adata.obs["malignancy"] == "malignant"].copy()
    sr.networks.cell_eigengenes(net, cells)
    table = cells.obsm["module_eigengenes"]
    assert table.columns.tolist() == net.names
    traits = sr.usual_tools.module_traits(table, cells.obs, ["arm"], groupby="patient").table
    assert traits.loc[traits["group"] != "all_cells", "r"].isna().all()
    assert traits.loc[traits["group"] == "all_cells", "p_value"].between(0, 1).all()
