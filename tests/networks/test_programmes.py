"""Programmes of cells are found where a pooled network finds none, and what is no programme is not called one."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scresist as sr
from scresist.cells.counts import raw_counts
from scresist.checks import InputError, RefusedError
from scresist.networks.cell_values import evenly_chosen, residual_variance
from scresist.networks.held_out import Units, cells_of_half, numbered, parts_of_cells, taken_place
from scresist.networks.members import Known, merge_agreeing, taken_apart, with_members
from scresist.networks.origin import with_origin
from scresist.networks.recipe import Recipe
from scresist.networks.robustness import match_modules
from scresist.networks.starts import by_size, component_labels

SIZES = (40, 35, 30)


def drawn(seed=0, *, n_samples=8, n_cells=120, n_genes=900, sd=0.8, others=60, soup=0.0, names=None):
    """Gamma-Poisson counts of tumour cells with three programmes on the log scale, and of T cells without."""
    rng = np.random.default_rng(seed)
    base = np.exp(rng.normal(0, 1.2, n_genes))
    base[: sum(SIZES)] = np.exp(rng.normal(0.5, 0.5, sum(SIZES)))
    t_cell = base * np.exp(rng.normal(0, 0.3, n_genes))
    t_cell[-60:], base[-60:] = base.mean() * 6, 1e-3  # genes of T cells alone
    blocks, rows = [], []
    for sample in range(n_samples):
        profile = base * np.exp(rng.normal(0, 0.3, n_genes))
        log = np.tile(np.log(profile), (n_cells, 1))
        start = 0
        for size in SIZES:
            log[:, start : start + size] += np.outer(rng.normal(0, sd, n_cells), rng.uniform(0.5, 1.0, size))
            start += size
        rate = np.exp(log)
        rate /= rate.sum(axis=1, keepdims=True)
        share = rng.beta(1, 1 / soup - 1, (n_cells, 1)) if soup else 0.0
        rate = (1 - share) * rate + share * t_cell / t_cell.sum()
        stranger = np.tile(t_cell / t_cell.sum(), (others, 1))
        depth = np.exp(rng.normal(7.3, 0.4, (n_cells + others, 1)))
        mean = depth * np.vstack([rate, stranger])
        blocks.append(rng.poisson(mean * rng.gamma(10, 0.1, mean.shape)))
        kinds = ["tumour"] * n_cells + ["T cell"] * others
        rows += [(f"P{sample}", f"P{sample}s", kind) for kind in kinds]
    obs = pd.DataFrame(rows, columns=["patient", "sample", "cell_type"])
    obs.index = [f"c{i}" for i in range(len(obs))]
    obs["malignancy"] = np.where(obs["cell_type"] == "tumour", "malignant", "normal")
    cells = ad.AnnData(sparse.csr_matrix(np.vstack(blocks)), obs=obs)
    cells.var_names = [f"G{i}" for i in range(n_genes)] if names is None else names
    cells.layers["counts"] = cells.X.copy()
    return cells


def best_f1(net, start, size):
    own = {f"G{i}" for i in range(start, start + size)} & set(net.genes)
    modules = [set(net.members(name)["gene"]) for name in net.names]
    return max((2 * len(own & m) / (len(own) + len(m)) for m in modules), default=0.0)


@pytest.fixture(scope="module")
def cells():
    return drawn()


@pytest.fixture(scope="module")
def net(cells):
    return sr.networks.build(cells, compartment="malignant")


def test_planted_programmes_are_found_whole(net):
    assert [best_f1(net, start, size) > 0.9 for start, size in zip((0, 40, 75), SIZES, strict=True)] == [True] * 3
    assert len(net.names) == 3


def test_what_was_chosen_is_reported(net):
    assert net.choices.sort_values("rank")["rank"].tolist() == list(range(1, len(net.choices) + 1))
    first = net.choices.set_index("rank").loc[1]
    assert net.settings["start"] == first["start"]
    trees = net.choices[net.choices["start"] == "tree"].sort_values("rank")
    assert (net.power, net.settings["deep_split"]) == (trees["power"].iloc[0], trees["deep_split"].iloc[0])
    assert (net.choices["information"] <= first["information"]).all()
    assert set(net.choices["min_module_size"]) == {15, 30}
    assert net.settings["min_module_size"] == first["min_module_size"]
    assert any("modules of two halves agree more" in note and "next are" in note for note in net.notes)
    assert net.candidates["kept"].sum() == len(net.names)
    assert (net.catalogue["q_coherence"] < 0.05).all()
    assert (net.catalogue["recurrence"] >= 0.8).all()  # planted in all patients: found without any fifth of them
    assert (net.catalogue["recurrence_low"] < net.catalogue["recurrence"]).all()
    stable = net.modules.set_index("gene")["stability"]
    assert stable[net.modules.set_index("gene")["module"] != "unassigned"].mean() > 0.8
    assert (net.catalogue["coherence"] > net.catalogue["coherence_chance"] + 0.01).all()


def test_halves_at_the_same_time_change_no_number(cells, net, monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        again = sr.networks.build(cells, compartment="malignant")
        for name in ("choices", "candidates", "modules"):
            pd.testing.assert_frame_equal(getattr(again, name), getattr(net, name), check_exact=True)


def test_given_settings_are_used(cells):
    net = sr.networks.build(cells, compartment="malignant", power=8, deep_split=2, n_components=4)
    assert (net.power, net.settings["deep_split"], net.choices) == (8, 2, None)
    assert net.settings["min_module_size"] == 15


def test_a_given_size_is_kept_and_the_rest_chosen(cells):
    net = sr.networks.build(cells, compartment="malignant", min_module_size=25)
    assert set(net.choices["min_module_size"]) == {25}
    assert len(net.choices) > 1
    assert net.modules.groupby("module").size().drop("unassigned").min() >= 25


def test_settings_without_a_choice_still_say_what_was_used(cells):
    net = sr.networks.build(cells, compartment="malignant", power=8, deep_split=2, n_components=4)
    assert any("in 4 components" in note for note in net.notes)


@pytest.mark.parametrize("seed", range(3))
def test_independent_genes_make_no_module(seed):
    net = sr.networks.build(drawn(seed, sd=0.0, n_samples=6), compartment="malignant")
    assert net.names == []
    assert net.modules["module"].eq("unassigned").all()
    assert len(net.power_table)
    assert net.choices is not None
    assert net.candidates is not None
    assert any("no module is proved" in note or "no group of genes" in note for note in net.notes)


def test_genes_of_other_cells_are_named_as_that():
    net = sr.networks.build(drawn(3, soup=0.15), compartment="malignant")
    foreign = {f"G{i}" for i in range(840, 900)}
    catalogue = net.catalogue.set_index("module")
    found = [m for m in net.names if len(foreign & set(net.members(m)["gene"])) > 20]
    assert found
    assert all("genes of other cells" in catalogue.loc[m, "doubts"] for m in found)
    programmes = [m for m in net.names if m not in found]
    assert not catalogue.loc[programmes, "doubts"].str.contains("genes of other cells").any()


def test_a_copy_number_that_varies_between_cells_is_named():
    """The first programme is made of neighbours on one chromosome arm."""
    table = sr.resources.genes()
    placed = table[table["cytoband"].fillna("").str.match(r"8q")].index[:40]
    rest = [g for g in table.index[table["cytoband"].fillna("").str.match(r"[1-7][pq]")] if g not in set(placed)]
    names = [*placed, *np.random.default_rng(0).permutation(rest)[:860]]
    net = sr.networks.build(drawn(1, names=names), compartment="malignant")
    module = net.modules.set_index("gene").loc[list(placed), "module"].mode()[0]
    flags = net.catalogue.set_index("module")["flags"]
    assert "copy number of chromosome arm 8q" in flags[module]
    assert not flags.drop(module).str.contains("copy number").any()


def test_modules_of_one_patient_are_proved_in_other_cells(cells):
    one = cells[cells.obs["patient"] == "P0"].copy()
    net = sr.networks.build(drawn(n_samples=1, n_cells=600), compartment="malignant", min_patients=1)
    assert max(best_f1(net, start, size) for start, size in zip((0, 40, 75), SIZES, strict=True)) > 0.8
    assert "part" in net.metacells
    with pytest.raises(RefusedError, match="1 patient and 2"):
        sr.networks.build(one, compartment="malignant")


@pytest.mark.parametrize("seed", range(2))
def test_a_few_cells_of_one_patient_make_no_module_of_nothing(seed):
    """Two hundred cells have many sets of genes that one cell raises; a part that has the cell is no proof."""
    net = sr.networks.build(drawn(seed, sd=0.0, n_samples=1, n_cells=160), compartment="malignant", min_patients=1)
    assert net.names == []


def test_a_rare_gene_that_is_asked_for_is_kept(cells):
    rare = cells.copy()
    counts = rare.layers["counts"].tolil()
    counts[:, 800:802] = 0
    counts[::40, 800] = 1
    counts[3, 801] = 1  # of one cell, which need not be in a metacell
    rare.layers["counts"] = counts.tocsr()
    net = sr.networks.build(rare, compartment="malignant", keep_genes=["G800", "G801"], power=8, deep_split=2)
    report = net.gene_report.set_index("gene")
    assert report.loc["G800", "kept"]
    assert "kept by request although" in report.loc["G800", "reason"]
    assert report.loc["G801", "kept"] or report.loc["G801", "reason"] == "constant over metacells"


def test_fewer_cells_are_evenly_chosen_whatever_their_order():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1, 2], [500, 40, 300])
    obs = pd.DataFrame(index=[f"c{i}" for i in range(840)])
    depth = rng.integers(100, 900, 840).astype(float)
    chosen = evenly_chosen(obs, groups, depth, 240)
    assert np.bincount(groups[chosen]).tolist() == [100, 40, 100]
    order = rng.permutation(840)
    again = evenly_chosen(obs.iloc[order], groups[order], depth[order], 240)
    assert set(obs.index[chosen]) == set(obs.index[order][again])
    assert len(evenly_chosen(obs, groups, depth, 840)) == 840


def test_variable_genes_are_those_of_the_programmes(cells):
    inside = (cells.obs["malignancy"] == "malignant").to_numpy()
    counts = raw_counts(cells, cells=inside)
    codes = pd.factorize(cells.obs.loc[inside, "sample"])[0]
    found = residual_variance(counts, np.asarray(counts.sum(axis=1)).ravel(), codes)
    assert np.mean(np.argsort(-found)[:60] < sum(SIZES)) > 0.9


def test_labels_are_numbered_by_size_and_merged_where_they_agree():
    assert by_size(np.array([5, 5, 0, 2, 2, 2, 7]), 2).tolist() == [2, 2, 0, 1, 1, 1, 0]
    assert numbered(np.array([1, 2, 3, 0]), np.array([True, False, True])).tolist() == [1, 0, 2, 0]
    rng = np.random.default_rng(0)
    axis = rng.normal(size=(300, 2))
    Z = np.column_stack(
        [axis[:, [0]] + 0.3 * rng.normal(size=(300, 8)), axis[:, [1]] + 0.3 * rng.normal(size=(300, 3))]
    )
    assert merge_agreeing(Z, np.repeat([1, 2, 3], [4, 4, 3]), 0.2).tolist() == [1] * 8 + [2] * 3


def test_parts_of_cells_have_all_depths():
    part = parts_of_cells(np.zeros(40, dtype=int), np.arange(40.0), np.array([f"c{i}" for i in range(40)]))
    assert np.bincount(part).tolist() == [10] * 4
    assert np.ptp([np.mean(np.flatnonzero(part == p)) for p in range(4)]) <= 3


def axes_of(correlation, sizes=(40, 30), rows=1500, rest=200, seed=0):
    """Genes that follow one of two axes, and genes that follow none, standardised."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(rows, 2)) @ np.linalg.cholesky([[1, correlation], [correlation, 1]]).T
    noise = rng.normal(size=(rows, sum(sizes) + rest))
    noise[:, : sum(sizes)] = 0.5 * axes[:, np.repeat([0, 1], sizes)] + 0.87 * noise[:, : sum(sizes)]
    return ((noise - noise.mean(axis=0)) / noise.std(axis=0)).astype(np.float32)


@pytest.mark.parametrize(("correlation", "modules"), [(0.3, 2), (0.6, 2), (0.95, 1)])
def test_a_module_of_two_axes_is_taken_apart(correlation, modules):
    labels = np.repeat([1, 0], [70, 200])
    found = taken_apart(axes_of(correlation), labels, Recipe(min_module_size=15, members=4.0))
    assert found.max() == modules
    assert (found[70:] == 0).all()
    if modules == 2:
        assert (found[:40] == 1).mean() > 0.95 < (found[40:70] == 2).mean()


def test_what_was_computed_for_one_setting_is_the_same_for_the_next():
    Z = axes_of(0.5)
    recipe = Recipe(min_module_size=15, members=4.0, start="components", single=True)
    known = Known()
    for labels in (np.repeat([1, 0], [70, 200]), np.repeat([1, 2, 0], [40, 30, 200]), np.repeat([1, 0], [30, 240])):
        alone = with_members(Z, labels, recipe, Z)
        assert np.array_equal(with_members(Z, labels, recipe, Z, known=known), alone)
        assert np.array_equal(with_members(Z, labels, recipe, Z, known=known), alone)
        assert alone.any()


def test_a_module_of_a_few_cells_is_told_from_one_of_all():
    Z = np.random.default_rng(2).normal(size=(2000, 30)).astype(np.float32)
    Z[:, :10] += np.random.default_rng(3).normal(size=(2000, 1))
    Z[::200, 10:20] += 8
    units = Units(Z[:0], Z, np.zeros(0, dtype=np.int64), np.zeros(2000, dtype=np.int64))
    of_all, of_few = cells_of_half(units, np.repeat([1, 2, 0], 10))
    assert 0.1 < of_all < 0.15
    assert of_few < 0.01


def test_a_module_that_rests_on_a_few_cells_of_another_kind_is_flagged():
    mixed = drawn(n_samples=4, n_cells=700, others=6)
    mixed.obs[["cell_type", "malignancy"]] = ("tumour", "malignant")
    net = sr.networks.build(mixed, compartment="malignant", fraction=0.005)
    strange = {f"G{i}" for i in range(840, 900)}
    share = {name: len(strange & set(net.members(name)["gene"])) / len(net.members(name)) for name in net.names}
    flags, few = net.catalogue.set_index("module")["flags"], net.catalogue.set_index("module")["cells_of_half"]
    assert max(share.values()) > 0.5
    for name, own in share.items():
        assert ("rests on few cells" in flags[name]) == (own > 0.5) == (few[name] < 0.01)


def test_a_module_that_is_seldom_found_again_is_flagged_and_stays_without_doubt(net, cells):
    again = np.array([1.0, 0.4, 0.2])
    made = with_origin(net.replace(catalogue=net.catalogue.assign(recurrence=again)), cells).catalogue
    assert ["uncertain genes" in flags for flags in made["flags"]] == [False, False, True]
    assert "in 20% of the networks" in made["flags"].iloc[2]
    assert (made["doubts"] == net.catalogue["doubts"]).all()


def test_another_module_that_shares_a_gene_takes_no_place():
    labels = np.repeat([1, 2, 3, 4, 0], [20, 10, 16, 12, 30])
    found = np.zeros_like(labels)
    found[:18] = 1  # most of the first
    found[20:44] = 2  # the whole second, and 14 of the 16 genes of the third
    found[45:47] = 3  # one gene of the third and one of the fourth
    found[60:80] = 3
    jaccard, best = match_modules(labels, found)
    assert best.tolist() == [1, 2, 2, 3]
    assert jaccard[3] > 0
    assert taken_place(labels, found, best).tolist() == [True, True, True, False]
    assert taken_place(labels, np.zeros_like(found), np.zeros(4, dtype=int)).tolist() == [False] * 4


def test_components_start_where_programmes_are():
    Z = axes_of(0.0)
    labels = component_labels(Z, np.arange(Z.shape[1]), Recipe(min_module_size=15, members=4.0))
    first, second = np.bincount(labels[:40]).argmax(), np.bincount(labels[40:70]).argmax()
    assert first != second
    assert min((labels[:40] == first).mean(), (labels[40:70] == second).mean()) > 0.9
    noise = np.random.default_rng(3).normal(size=(1000, 300)).astype(np.float32)
    assert not component_labels(noise, np.arange(300), Recipe(min_module_size=15, members=4.0)).any()


def test_the_start_can_be_given(cells):
    net = sr.networks.build(cells, compartment="malignant", start="components")
    assert (net.settings["start"], net.choices) == ("components", None)
    assert min(best_f1(net, start, size) for start, size in zip((0, 40, 75), SIZES, strict=True)) > 0.9
    with pytest.raises(InputError, match="power and deep_split are settings of a tree"):
        sr.networks.build(cells, compartment="malignant", start="components", power=6)
    with pytest.raises(InputError, match="start must be one of"):
        sr.networks.build(cells, compartment="malignant", start="leaves")
    with pytest.raises(InputError, match="residuals"):
        sr.networks.build(cells, compartment="malignant", start="components", values="log")
