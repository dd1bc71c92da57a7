"""CellChat 2.2.0.9001 on two simulated samples, through the public functions.

README.md beside this file says how the numbers were made. Every clone has them: nothing here is skipped.
"""

import json
from functools import cache
from itertools import product
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scresist as sr
from scresist.communication.centrality import MEASURES

FOLDER = Path(__file__).parent / "cellchat"
SAMPLES = ("P03_baseline", "P05_primary")
AVERAGES = {"triMean": "trimean", "truncatedMean": "truncated"}
RUNS = list(product(SAMPLES, AVERAGES))


@cache
def arrays():
    with np.load(FOLDER / "arrays.npz") as stored:
        return {name: stored[name] for name in stored.files}


def table(name, **wanted):
    rows = pd.read_csv(FOLDER / f"{name}.csv.gz", float_precision="round_trip")
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows.reset_index(drop=True)


@cache
def cells(sample):
    obs = table("cells").set_index("cell").loc[arrays()["cells"]]
    counts = arrays()["in_counts"].T.astype(float)
    obs["labels"] = pd.Categorical(obs["labels"], categories=arrays()["groups"])
    values = np.log1p(1e4 * counts / obs["total"].to_numpy()[:, None])
    whole = ad.AnnData(sparse.csr_array(values), obs=obs, var=pd.DataFrame(index=arrays()["genes"]))
    return whole[(obs["sample"] == sample).to_numpy()].copy()


@cache
def inferred(sample, kind, min_cells=10):
    return sr.communication.infer(
        cells(sample), groupby="labels", mode="parity", average=AVERAGES[kind], min_cells=min_cells,
        permutations=arrays()[f"{sample}__permutation_0based"],
    )  # fmt: skip


def stored(sample, kind, what):
    return arrays()[f"{sample}__{kind}__{what}"]


def test_groups_and_versions_are_those_of_the_file():
    facts = json.loads((FOLDER / "info.json").read_text())
    assert facts["versions"]["CellChat"] == "2.2.0.9001"
    assert facts["groups"] == arrays()["groups"].tolist()


@pytest.mark.parametrize("sample", SAMPLES)
def test_over_expressed_genes(sample):
    key = ["group", "gene"]
    found = sr.communication.over_expressed_genes(cells(sample), groupby="labels").set_index(key)
    expected = table("overexpressed_genes", sample=sample)
    expected = expected.rename(columns={"clusters": "group", "features": "gene"}).set_index(key)
    assert set(found.index) == set(expected.index)
    found = found.loc[expected.index]
    for ours, theirs, scale in (
        ("log_fc", "logFC", 1), ("p_value", "pvalues", 1), ("p_adjusted", "pvalues.adj", 1),
        ("share_in", "pct.1", 100), ("share_out", "pct.2", 100),
    ):  # fmt: skip
        np.testing.assert_allclose(found[ours] * scale, expected[theirs], rtol=1e-9, atol=1e-12, err_msg=ours)


@pytest.mark.parametrize(("sample", "kind"), RUNS)
def test_pairs_probabilities_and_p_values(sample, kind):
    com = inferred(sample, kind, 0)
    assert list(com.groups) == arrays()["groups"].tolist()
    assert list(com.pairs) == arrays()[f"{sample}__LRsig"].tolist()
    np.testing.assert_allclose(com.probability, stored(sample, kind, "prob"), rtol=1e-10, atol=1e-15)
    np.testing.assert_array_equal(com.p_value, stored(sample, kind, "pval"))


@pytest.mark.parametrize(("sample", "kind"), RUNS)
def test_filtered_links_and_their_tables(sample, kind):
    com = inferred(sample, kind)
    np.testing.assert_allclose(com.probability, stored(sample, kind, "prob_filtered"), rtol=1e-10, atol=1e-15)
    np.testing.assert_array_equal(com.counts(), stored(sample, kind, "count"))
    np.testing.assert_allclose(com.weights(), stored(sample, kind, "weight"), rtol=1e-10)
    expected = table("df_net", sample=sample, type=kind)
    columns = {"source": "source", "target": "target", "interaction": "interaction_name", "pathway": "pathway_name",
               "ligand": "ligand", "receptor": "receptor"}  # fmt: skip
    for ours, theirs in columns.items():
        assert com.table[ours].tolist() == expected[theirs].tolist()
    np.testing.assert_allclose(com.table["probability"], expected["prob"], rtol=1e-10)
    np.testing.assert_array_equal(com.table["p_value"], expected["pval"])


@pytest.mark.parametrize(("sample", "kind"), RUNS)
def test_pathways_and_their_table(sample, kind):
    com = inferred(sample, kind)
    sums, names = com.pathway_array()
    assert list(names) == stored(sample, kind, "pathways").tolist()
    np.testing.assert_allclose(sums, stored(sample, kind, "netP_prob"), rtol=1e-10, atol=1e-15)
    found, expected = com.pathways(), table("df_netP", sample=sample, type=kind)
    for ours, theirs in (("source", "source"), ("target", "target"), ("pathway", "pathway_name")):
        assert found[ours].tolist() == expected[theirs].tolist()
    np.testing.assert_allclose(found["probability"], expected["prob"], rtol=1e-10)
    np.testing.assert_allclose(found["p_value"], expected["pval"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("sample", "kind"), RUNS)
def test_centralities_of_groups_in_each_pathway(sample, kind):
    com = inferred(sample, kind)
    found = sr.communication.group_centralities(com)
    names = arrays()["centr_measures"].tolist()
    assert set(names) == set(MEASURES)
    sums, pathways = com.pathway_array()
    for measure, expected in zip(names, stored(sample, kind, "centr"), strict=True):
        wide = found.pivot_table(index="group", columns="pathway", values=measure, sort=False)
        wide = wide.loc[com.groups, pathways].to_numpy()
        several = np.array([several_principal_vectors(sums[:, :, k], measure) for k in range(len(pathways))])
        assert several.sum() <= 2
        np.testing.assert_allclose(wide[:, ~several], expected[:, ~several], rtol=1e-8, atol=1e-8, err_msg=measure)


def several_principal_vectors(A, measure):
    """Whether the measure is an eigenvector that the graph does not determine: R's is then one of many."""
    products = {"hub": A @ A.T, "authority": A.T @ A, "eigen": A + A.T}
    if measure not in products:
        return False
    values = np.linalg.eigvalsh(products[measure])
    return bool(values[-2] > values[-1] * (1 - 1e-12))


@pytest.mark.parametrize(("sample", "kind"), RUNS)
def test_flow_of_one_sample(sample, kind):
    found, expected = sr.usual_tools.rank_flow({"all": inferred(sample, kind)}), table(
        "rankNet_single", sample=sample, type=kind)  # fmt: skip
    assert found["name"].tolist() == expected["name"].tolist()
    np.testing.assert_allclose(found["flow"], expected["contribution"], rtol=1e-10)
    np.testing.assert_allclose(found["scaled_flow"], expected["contribution.scaled"], rtol=1e-8)


@pytest.mark.parametrize("kind", AVERAGES)
@pytest.mark.parametrize(("level", "slot"), [("pathway", "netP"), ("pair", "net")])
@pytest.mark.parametrize("measure", ["weight", "count"])
@pytest.mark.parametrize("paired", [True, False])
def test_flows_of_two_samples_and_their_test(kind, level, slot, measure, paired):
    both = {sample: inferred(sample, kind) for sample in SAMPLES}
    found = sr.usual_tools.rank_flow(both, level=level, measure=measure, paired=paired)
    expected = table(
        "rankNet_comparison", type=kind, slot=slot, measure_arg=measure, test="paired" if paired else "unpaired"
    )
    assert found["name"].tolist() == expected["name"].tolist()
    assert found["condition"].tolist() == expected["group"].tolist()
    np.testing.assert_allclose(found["flow"], expected["contribution"], rtol=1e-10)
    np.testing.assert_allclose(found["scaled_flow"], expected["contribution.scaled"], rtol=1e-8)
    np.testing.assert_allclose(found["relative"], expected["contribution.relative.1"], rtol=1e-12)
    np.testing.assert_allclose(found["p_value"], expected["pvalues"], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", AVERAGES)
def test_totals(kind):
    found = sr.communication.compare_totals({sample: inferred(sample, kind) for sample in SAMPLES})
    expected = table("compare_totals", type=kind).set_index("row")[list(SAMPLES)]
    np.testing.assert_array_equal(found["count"], expected.loc["count"])
    np.testing.assert_allclose(found["weight"], expected.loc["weight"], rtol=1e-10)
