"""hdWGCNA 0.4, WGCNA 1.72-1 and dynamicTreeCut 1.63-1 on a simulated cohort, step by step and through `build`.

README.md beside this file says how the numbers were made. Every clone has them: nothing here is skipped.
"""

import json
import re
from functools import cache
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import scresist as sr
from scresist import kernels
from scresist.kernels.components import cell_component
from scresist.kernels.connectivity import one_sided_degrees
from scresist.kernels.linkage import leaf_order
from scresist.kernels.metacells import aggregate_members, choose_metacells, nearest_cells, overlap_summary
from scresist.kernels.normalise import log1p_per_10k
from scresist.networks import Pooling
from scresist.networks.detect import cut_modules
from scresist.networks.naming import alphabetical_codes, colours_of
from scresist.networks.power import POWERS
from scresist.networks.recipe import Recipe, correlations, dissimilarity
from scresist.usual_tools import cell_membership, module_differences

FOLDER = Path(__file__).parent / "hdwgcna"
FIRST = slice(0, 100)  # the genes whose full blocks are stored
PRESERVATION = {
    "propVarExplained.pres": "variance_explained", "meanSignAwareKME.pres": "mean_kme",
    "meanSignAwareCorDat.pres": "mean_cor", "meanAdj.pres": "mean_adjacency", "meanMAR.pres": "mean_mar",
    "cor.kIM": "cor_kim", "cor.kME": "cor_kme", "cor.kMEall": "cor_kme_all", "cor.cor": "cor_cor", "cor.MAR": "cor_mar",
}  # fmt: skip
QUALITY = {
    "propVarExplained.qual": "quality_variance_explained", "meanSignAwareKME.qual": "quality_mean_kme",
    "meanSignAwareCorDat.qual": "quality_mean_cor", "meanAdj.qual": "quality_mean_adjacency",
    "meanMAR.qual": "quality_mean_mar",
}  # fmt: skip


@cache
def arrays():
    with np.load(FOLDER / "arrays.npz") as stored:
        return {name: stored[name] for name in stored.files}


def table(name):
    return pd.read_csv(FOLDER / f"{name}.csv.gz", float_precision="round_trip")


@cache
def facts():
    return json.loads((FOLDER / "info.json").read_text())


@cache
def cells():
    """The 271 malignant cells, with their place among neighbours as it was given."""
    obs = table("cells").set_index("cell").loc[arrays()["cells"]]
    counts = sparse.csr_array(arrays()["in_counts"].T.astype(float))
    var = pd.DataFrame(index=arrays()["genes"])
    return ad.AnnData(counts, obs=obs, var=var, obsm={"X_pca": arrays()["in_reduction"]})


@cache
def draws():
    """The positions drawn in each group that has enough cells, from zero."""
    made, drawn, start = table("metacell_stats"), table("metacell_draws"), 0
    sizes, out = cells().obs["sample"].value_counts(), {}
    for sample in made["sample"]:
        part = drawn.iloc[start : start + sizes[sample]]
        assert part["length"].tolist() == list(range(sizes[sample], 0, -1))
        out[f"malignant#{sample}"] = part["position"].to_numpy() - 1
        start += sizes[sample]
    assert start == len(drawn)
    return out


@cache
def built(source="draws"):
    return sr.networks.build(
        cells(), groupby=("cell_type", "sample"), compartment="malignant", mode="parity", reduction="X_pca",
        pooling=Pooling(k=15, max_shared=8, target=1000, min_cells=30, small_groups=False),
        genes=arrays()["genes"].tolist(), min_module_size=20, draws=draws() if source == "draws" else None,
    )  # fmt: skip


@cache
def overlap(denominator="min"):
    A = kernels.adjacency(kernels.correlation(arrays()["datExpr"]), facts()["power"])
    return kernels.topological_overlap(A, "signed", denominator)


def colours():
    return table("construct_network_modules").set_index("gene")["module"]


@cache
def cell_values():
    X = sparse.csc_array(log1p_per_10k(cells().X))
    own = colours()
    values = {name: cell_component(X[:, np.flatnonzero(own == name)]) for name in facts()["levels"]}
    return X, pd.DataFrame(values, index=cells().obs_names)


def test_neighbours_and_metacells_are_replayed():
    obs, points = cells().obs, arrays()["in_reduction"]
    knn, stats = table("metacell_knn").set_index("cell"), table("metacell_stats").set_index("sample")
    members = table("metacell_members")
    for sample in stats.index:
        own = np.flatnonzero((obs["sample"] == sample).to_numpy())
        near = nearest_cells(points[own], np.arange(len(own)), 15)
        np.testing.assert_array_equal(near[:, :-1] + 1, knn.loc[obs.index[own]].iloc[:, 1:])
        found = choose_metacells(points[own], 15, 8, 1000, 5000, draws()[f"malignant#{sample}"])
        listed = members.loc[members["sample"] == sample, "members"].str.split(",")
        assert [obs.index[own[pool]].tolist() for pool in found] == listed.tolist()
        for name, value in overlap_summary(found).items():
            np.testing.assert_allclose(value, stats.loc[sample, name])
        counts = aggregate_members(cells().X[own], found, average=True)
        at = np.flatnonzero((members["sample"] == sample).to_numpy())
        np.testing.assert_allclose(counts, arrays()["metacell_counts_avg"].T[at], rtol=1e-13)


@pytest.mark.parametrize("source", ["draws", "seed"])
def test_build_makes_hdwgcnas_metacells_expression_and_fit(source):
    net = built(source)
    assert net.metacells["metacell"].tolist() == arrays()["metacells"].tolist()
    assert net.metacell_report.set_index("group").loc["malignant#P05_primary", "how"] == "left out"
    # The stored expression is in single precision; everything was computed from double.
    np.testing.assert_allclose(net.expression, arrays()["datExpr"], atol=1e-6)
    np.testing.assert_allclose(net.power_table, table("softpower_signed_bicor"), rtol=1e-9, atol=1e-10)
    assert net.power == facts()["power"]


def test_build_makes_hdwgcnas_modules_eigengenes_and_membership():
    net, own = built(), colours()
    assert net.genes.tolist() == own.index.tolist()
    assert net.modules["colour"].tolist() == own.tolist()
    tree, heights = net.linkage, table("hclust")
    np.testing.assert_array_equal(tree[:, :2], scipy_merges(heights[["merge1", "merge2"]].to_numpy()))
    np.testing.assert_allclose(tree[:, 2], heights["height"], atol=1e-12)
    E = pd.DataFrame(arrays()["wgcna_moduleEigengenes"], columns=arrays()["wgcna_moduleEigengenes.cols"])
    kme = pd.DataFrame(arrays()["wgcna_signedKME_pearson"], columns=arrays()["wgcna_signedKME_pearson.cols"])
    explained = dict(zip(E.columns, table("wgcna_varExplained").iloc[0], strict=True))
    for row in net.catalogue.itertuples():
        np.testing.assert_allclose(net.eigengenes[row.module], E[f"ME{row.colour}"], atol=1e-12)
        np.testing.assert_allclose(net.kme[row.module], kme[f"kME{row.colour}"], atol=1e-12)
        np.testing.assert_allclose(row.variance_explained, explained[f"ME{row.colour}"], atol=1e-12)


@pytest.mark.parametrize("single", [False, True])
def test_modules_before_and_after_merging(single):
    """In single precision, as sound mode computes, no label differs either."""
    expected = table("construct_network_modules")
    recipe = Recipe(power=facts()["power"], min_module_size=20, single=single)
    X = arrays()["datExpr"]
    found = cut_modules(X, dissimilarity(correlations(X, recipe), recipe), recipe)
    assert colours_of(found.unmerged).tolist() == expected["unmerged"].tolist()
    assert colours_of(found.labels).tolist() == expected["module"].tolist()


def test_expression_of_metacells():
    np.testing.assert_allclose(
        log1p_per_10k(arrays()["metacell_counts_avg"].T), arrays()["datExpr"], rtol=1e-13, atol=1e-13
    )


@pytest.mark.parametrize(("name", "method"), [("pearson", "pearson"), ("bicor", "bicor")])
def test_correlations_and_the_fit_table(name, method):
    R = kernels.correlation(arrays()["datExpr"], method)
    np.testing.assert_allclose(R[FIRST, FIRST], arrays()[f"{name}_first100"], atol=1e-13)
    np.testing.assert_allclose(R.sum(axis=1), table("connectivity")[f"{name}_row_sum"], rtol=1e-12)
    found = kernels.soft_threshold(R, POWERS, "signed")
    np.testing.assert_allclose(np.column_stack(list(found.values())), table(f"softpower_signed_{name}"), rtol=1e-9)


def test_adjacency_and_overlap():
    A = kernels.adjacency(kernels.correlation(arrays()["datExpr"]), facts()["power"])
    np.testing.assert_allclose(A[FIRST, FIRST], arrays()["adjacency_first100"], atol=1e-13)
    np.testing.assert_allclose(A.sum(axis=1) - 1, table("connectivity")["adjacency_sum_minus1"], rtol=1e-11)
    np.testing.assert_allclose(overlap()[FIRST, FIRST], arrays()["tom_first100"], atol=1e-13)
    np.testing.assert_allclose(overlap("mean")[FIRST, FIRST], arrays()["tom_meandenom_first100"], atol=1e-13)
    np.testing.assert_allclose(overlap().sum(axis=1) - 1, table("connectivity")["tom_sum_minus1"], rtol=1e-11)


def scipy_merges(merge):
    """R's merge columns (negative: gene) as scipy numbers them."""
    return np.where(merge < 0, -merge - 1, merge + len(merge))


@cache
def tree():
    heights = table("hclust")
    merges = scipy_merges(heights[["merge1", "merge2"]].to_numpy())
    return np.column_stack([merges, heights["height"], np.zeros(len(heights))])


def test_the_tree_and_its_order():
    Z = kernels.average_linkage(1 - overlap())
    np.testing.assert_array_equal(Z[:, :2], tree()[:, :2])
    np.testing.assert_allclose(Z[:, 2], tree()[:, 2], atol=1e-12)
    order = np.loadtxt(FOLDER / "hclust_order.txt.gz", dtype=int)
    np.testing.assert_array_equal(leaf_order(Z) + 1, order)


CUTS = [f"ds{split}_pam{pam}_cut{cut}" for pam in ("F", "Tdend") for split in range(5) for cut in ("0.995", "NULL")]


@pytest.mark.parametrize("setting", CUTS)
def test_the_cut_under_every_setting(setting):
    split, pam, cut = re.fullmatch(r"ds(\d)_pam(\w+)_cut(.*)", setting).groups()
    height = None if cut == "NULL" else float(cut)
    found = kernels.cut_tree_hybrid(tree(), 1 - overlap(), height, int(split), 20, pam != "F", pam == "Tdend")
    np.testing.assert_array_equal(found, table("cutree_labels")[setting])


def test_all_stored_cuts_are_tested():
    assert set(table("cutree_labels").columns) - {"gene"} == set(CUTS)


@pytest.mark.parametrize("setting", [c for c in CUTS if c.endswith("0.995")])
@pytest.mark.parametrize("height", [0.2, 0.4, 0.6])
def test_merging_under_every_setting(setting, height):
    numbers, names = alphabetical_codes(colours_of(table("cutree_labels")[setting].to_numpy()))
    expected = table("mergeCloseModules")[f"{setting}_merge{height}"]
    merged = kernels.merge_modules(arrays()["datExpr"], numbers, height) if numbers.any() else numbers
    np.testing.assert_array_equal(names[merged], expected)


def test_eigengenes_and_membership_with_the_unassigned_genes_too():
    own, stored = colours().to_numpy(), arrays()
    names = [name.removeprefix("ME") for name in stored["wgcna_moduleEigengenes.cols"]]
    E, explained = kernels.eigengenes(stored["datExpr"], np.array([names.index(c) + 1 for c in own]))
    np.testing.assert_allclose(E, stored["wgcna_moduleEigengenes"], atol=1e-12)
    np.testing.assert_allclose(explained, table("wgcna_varExplained").iloc[0], atol=1e-12)
    for method in ("pearson", "bicor"):
        at = [names.index(n.removeprefix("kME")) for n in stored[f"wgcna_signedKME_{method}.cols"]]
        kme = kernels.signed_kme(stored["datExpr"], E[:, at], method=method)
        np.testing.assert_allclose(kme, stored[f"wgcna_signedKME_{method}"], atol=1e-12)


def test_eigengenes_of_cells():
    _, E = cell_values()
    for name in ("sc_MEs", "sc_MEs_exactSVD"):
        expected = pd.DataFrame(arrays()[name], columns=arrays()[f"{name}.cols"])
        np.testing.assert_allclose(E[expected.columns], expected, atol=1e-10)


def test_membership_over_cells_hubs_and_degrees():
    X, E = cell_values()
    own, columns = colours(), arrays()["sc_kME.cols"]
    found = cell_membership(X, own.index, E[columns], own)
    np.testing.assert_allclose(found[[f"kme_{c}" for c in columns]], arrays()["sc_kME_sparse_pearson"], atol=1e-12)
    robust = kernels.signed_kme(X.toarray(), E[columns].to_numpy(), method="bicor")
    np.testing.assert_allclose(robust, arrays()["sc_kME_dense_bicor"], atol=1e-12)
    moved = table("construct_network_modules").set_index("gene")
    assert found["module"].tolist() == moved["module_reassigned_sparse"].tolist()
    dense = pd.DataFrame(robust, columns=[f"kme_{c}" for c in columns])
    assert not any((dense[f"kme_{m}"] < 0)[(own == m).to_numpy()].any() for m in columns if m != "grey")
    assert moved["module_reassigned_dense"].tolist() == own.tolist()
    kme = found.set_index("gene")
    for module, hubs in table("hub_genes_10").groupby("module"):
        best = kme.loc[kme["module"] == module, f"kme_{module}"].nlargest(10)
        assert best.index.tolist() == hubs["gene_name"].tolist()
        np.testing.assert_allclose(best, hubs["kME"], atol=1e-12)
    degrees = table("sc_degrees").set_index("gene_name")
    levels = {name: i + 1 for i, name in enumerate(facts()["levels"])}
    mine = pd.Series(one_sided_degrees(overlap(), own.map(levels).to_numpy()), own.index)
    np.testing.assert_allclose(mine[degrees.index], degrees["degree"], atol=1e-10)


def test_differences_between_two_sets_of_cells():
    _, E = cell_values()
    arm = cells().obs["arm"]
    masks = [(arm == name).to_numpy() for name in ("primary", "baseline")]
    found, expected = module_differences(E, *masks).table, table("dme_primary_baseline")
    assert found["module"].tolist() == expected["module"].tolist()
    np.testing.assert_allclose(found["p_value"], expected["p_val"], rtol=1e-9)
    np.testing.assert_allclose(found["log2fc"], expected["avg_log2FC"], rtol=1e-9)
    np.testing.assert_allclose(found["p_adjusted"], expected["p_val_adj"], rtol=1e-9)
    np.testing.assert_array_equal(found["share_first"], expected["pct.1"])
    np.testing.assert_array_equal(found["share_second"], expected["pct.2"])


@pytest.mark.parametrize("network", ["signed", "unsigned"])
def test_observed_preservation(network):
    own, X = colours(), pd.DataFrame(arrays()["datExpr"], columns=arrays()["genes"])
    odd = np.isin(arrays()["metacells"], facts()["odd_metacells"])
    reference = built().replace(expression=X[odd])
    found = sr.networks.preservation(reference, X[~odd], n_permutations=0, network=network, rng=12345)
    found = found.table.set_index("module")
    name_of = dict(zip(reference.catalogue["colour"], reference.names, strict=True)) | {"grey": "unassigned"}
    assert set(name_of) == set(own)
    name_of |= {"gold": "random genes"}  # drawn by R's own stream from the seed that WGCNA takes
    stored = table("module_preservation")
    stored = stored[(stored["networkType"] == network) & (stored["what"] == "observed")]
    apart = {"separability.pres": "separability"}
    kinds = {"preservation": PRESERVATION, "quality": QUALITY, "testSeparability": apart}
    for kind, columns in kinds.items():
        wide = stored[stored["kind"] == kind].pivot_table(index="module", columns="statistic", values="value")
        for theirs, ours in columns.items():
            rows = [colour for colour in name_of if colour in wide.index and not np.isnan(wide.loc[colour, theirs])]
            assert set(own) <= set(rows)
            mine = found.loc[[name_of[colour] for colour in rows], ours]
            np.testing.assert_allclose(mine, wide.loc[rows, theirs], atol=1e-9, err_msg=theirs)
