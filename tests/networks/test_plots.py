"""Figures draw what their tables say."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import networks_cohort
import scresist as sr
from scresist.checks import InputError, MissingColumnError
from scresist.plots import networks as draw


@pytest.fixture(scope="module")
def net():
    return sr.networks.build(networks_cohort.cohort(), compartment="malignant", min_module_size=15, power=12)


@pytest.fixture
def axes():
    return Figure(figsize=(5, 4), layout="constrained").add_subplot()


def rendered(axes):
    axes.figure.canvas.draw()
    return axes


def test_the_fit_table_has_a_point_per_power(net, axes):
    drawn = rendered(draw.fit_table(net.power_table, axes, power=net.power))
    assert len(drawn.collections[0].get_offsets()) == len(net.power_table)


def test_the_dendrogram_has_a_merge_per_step_and_every_module(net, axes):
    drawn = rendered(draw.dendrogram(net.linkage, net.modules["module"], axes))
    assert len(drawn.collections[0].get_segments()) == len(net.genes) - 1
    shown = {text.get_text() for text in drawn.get_legend().get_texts()}
    assert shown == set(net.modules["module"])
    with pytest.raises(InputError, match="same genes"):
        draw.dendrogram(net.linkage, net.modules["module"].iloc[:-1], axes)


def test_hubs_and_their_network(net, axes):
    hubs = sr.networks.hub_genes(net, 5)
    first = hubs[hubs["module"] == net.names[0]]
    drawn = rendered(draw.kme_ranks(first, axes))
    assert [label.get_text() for label in drawn.get_yticklabels()] == first["gene"].tolist()
    members = net.modules[net.modules["module"] == net.names[1]]
    other = rendered(draw.hub_network(sr.networks.edges(net, top=5), members, Figure().add_subplot()))
    assert len(other.collections[-1].get_offsets()) == len(members)
    inside = sr.networks.edges(net, top=5, modules=[net.names[1]])
    for few in (inside.head(1), inside.head(0)):  # nothing to tell the strengths of the lines apart by
        rendered(draw.hub_network(few, members, Figure().add_subplot()))


def test_matrices(net, axes):
    drawn = rendered(draw.module_similarity(net.eigengenes, axes))
    assert {label.get_text() for label in drawn.get_xticklabels()} == set(net.names)
    lists = {"hubs": net.catalogue["hub"], "first": net.members("M1")["gene"]}
    table = sr.networks.list_overlap({m: net.members(m)["gene"] for m in net.names}, lists, net.genes).table
    rendered(draw.overlap_heatmap(table, Figure().add_subplot()))


def test_scores_have_one_point_per_patient(net, axes):
    adata = networks_cohort.cohort()
    samples = adata.obs.drop_duplicates("sample").set_index("sample")[["patient", "arm"]]
    drawn = rendered(draw.module_by_arm(net.scores, samples, axes, module=net.names[0]))
    assert sum(len(points.get_offsets()) for points in drawn.collections if hasattr(points, "get_offsets")) >= 6
    with pytest.raises(MissingColumnError):
        draw.module_by_arm(net.scores, samples.drop(columns="arm"), axes, module=net.names[0])


def test_preservation_and_embeddings(net, axes):
    table = sr.networks.preservation(net, net, n_permutations=3).table
    rendered(draw.preservation(table, axes))
    assert axes.get_xlabel()
    cells = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=["x", "y", "value"])
    rendered(draw.eigengene_embedding(cells, Figure().add_subplot(), module=net.names[0]))
    genes = net.modules.dropna(subset="rank").assign(x=1.0, y=np.arange(net.modules["rank"].notna().sum()))
    rendered(draw.module_umap(genes, Figure().add_subplot()))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_layout_puts_modules_apart(net):
    table = sr.networks.lay_out_genes(net)
    centre = table.groupby("module")[["x", "y"]].transform("mean")
    inside = np.hypot(*(table[["x", "y"]] - centre).to_numpy().T).mean()
    between = np.hypot(*(table[["x", "y"]] - table[["x", "y"]].mean()).to_numpy().T).mean()
    assert inside < between
