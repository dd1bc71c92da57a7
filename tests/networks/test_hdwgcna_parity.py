"""hdWGCNA 0.4's modules, cell eigengenes, memberships, traits and differences, from its own inputs."""

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import wgcna_oracle as golden
from oracle import needs_shared
from scresist.kernels.components import cell_component
from scresist.kernels.modules import signed_kme
from scresist.networks.detect import cut_modules, find_modules
from scresist.networks.meaning import label_overlap, list_overlap
from scresist.networks.naming import colours_of
from scresist.networks.recipe import Recipe, correlations, dissimilarity
from scresist.networks.selection import detection
from scresist.usual_tools.traits import average_expression, cell_membership, module_differences, module_traits

pytestmark = needs_shared
# What ConstructNetwork was told: the network, the overlap, the power (None: the one it chose).
GRIDS = {
    "main": ("signed", "signed", None),
    "unsigned": ("unsigned", "unsigned", 6),
    "hybrid_nowick": ("signed hybrid", "signed Nowick", 6),
}
GROUP = {"A_opc500": ("OPC", "Sample"), "B_oligo1500": ("malignant", "cell_type")}
ATOL = {"A_opc500": 1e-11, "B_oligo1500": 1e-6}  # B's expression was stored in single precision


@cache
def cells_by_genes(name, part):
    stored = golden.arrays(name)
    parts = (stored[f"{part}.{key}"] for key in ("data", "indices", "indptr"))
    data, indices, indptr = parts
    matrix = sparse.csc_array((data.astype(float), indices, indptr), shape=tuple(stored[f"{part}.shape"]))
    return sparse.csr_array(matrix.T), pd.Index(stored[f"{part}.rows"]), pd.Index(stored[f"{part}.cols"])


def modules_of(dataset):
    return golden.table(f"{dataset}/construct_network_modules.csv.gz").set_index("gene_name")["color"]


@cache
def eigengenes_of(dataset):
    X, genes, cells = cells_by_genes(f"{dataset}/in.npz", "in_data")
    colour = modules_of(dataset)
    names = golden.arrays(f"{dataset}/sc.npz")["sc_MEs.cols"]
    values = {name: cell_component(X[:, genes.get_indexer(colour.index[colour == name])]) for name in names}
    return pd.DataFrame(values, index=cells)


def metadata(dataset):
    table = golden.table(f"{dataset}/in_metadata.csv.gz").set_index("cell")
    return table.loc[eigengenes_of(dataset).index]


@pytest.mark.parametrize("dataset", golden.SETS)
@pytest.mark.parametrize("tag", list(GRIDS))
def test_final_and_unmerged_colours(dataset, tag):
    X = golden.expression(dataset)
    network, tom, power = GRIDS[tag]
    final = golden.table(f"{dataset}/net_{tag}__hdwgcna_colors.csv.gz").set_index("gene")
    unmerged = golden.table(f"{dataset}/net_{tag}__hdwgcna_unmerged.csv.gz").set_index("gene")
    D = None
    for name, colours in final.items():
        split, size, pam, height = re.match(r"ds(\d)_min(\d+)_pam(\w)_merge(.*)", name).groups()
        recipe = Recipe(
            network=network,
            tom=tom,
            power=power or golden.POWER[dataset],
            deep_split=int(split),
            min_module_size=int(size),
            pam=pam == "T",
            merge_height=float(height),
            single=False,
        )
        D = dissimilarity(correlations(X, recipe), recipe) if D is None else D
        found = cut_modules(X, D, recipe)
        np.testing.assert_array_equal(colours_of(found.labels), colours, err_msg=name)
        np.testing.assert_array_equal(colours_of(found.unmerged), unmerged[name], err_msg=name)


@pytest.mark.parametrize("dataset", golden.SETS)
@pytest.mark.parametrize("single", [False, True])
def test_construct_network(dataset, single):
    recipe = Recipe(power=golden.POWER[dataset], min_module_size=25 if dataset == "A_opc500" else 50, single=single)
    found = find_modules(golden.expression(dataset), recipe)
    np.testing.assert_array_equal(colours_of(found), modules_of(dataset))


@pytest.mark.parametrize("minimum", [20, 50])
def test_few_genes_lower_the_smallest_module(minimum):
    X = golden.edge_array("few30_datExpr")
    expected = golden.edge_cases()[f"few30_ConstructNetwork_min{minimum}"]["value"]["colors"]
    found = find_modules(X, Recipe(min_module_size=minimum, power=6, single=False))
    same = (colours_of(found) == expected).mean()
    assert same == 1.0


@pytest.mark.parametrize("dataset", golden.SETS)
def test_genes_selected_by_fraction(dataset):
    counts, genes, cells = cells_by_genes(f"{dataset}/in.npz", "in_counts")
    for fraction in (0.05, 0.1, 0.3):
        expected = (golden.FOLDER / dataset / f"select_fraction_{fraction}.txt").read_text().split()
        _, kept = detection(counts, np.zeros(len(cells), dtype=int), fraction)
        assert genes[kept].tolist() == expected
    column = "Sample" if dataset == "A_opc500" else "patient"
    table = golden.table(f"{dataset}/in_metadata.csv.gz").set_index("cell").loc[cells]
    expected = (golden.FOLDER / dataset / "select_fraction_0.2_bygroup.txt").read_text().split()
    _, kept = detection(counts, pd.factorize(table[column])[0], 0.2)
    assert set(genes[kept]) == set(expected)


@pytest.mark.parametrize("dataset", golden.SETS)
def test_cell_eigengenes(dataset):
    found, stored = eigengenes_of(dataset), golden.arrays(f"{dataset}/sc.npz")
    for name in ("sc_MEs", "sc_MEs_exactSVD"):
        np.testing.assert_allclose(found[stored[f"{name}.cols"]], stored[name], atol=ATOL[dataset])
    X, genes, cells = cells_by_genes(f"{dataset}/in.npz", "in_data")
    totals = metadata(dataset)["total_counts"].to_numpy() if dataset == "A_opc500" else np.log10(
        np.asarray(cells_by_genes(f"{dataset}/in.npz", "in_counts")[0].sum(axis=1)).ravel())  # fmt: skip
    colour = modules_of(dataset)
    for column, name in enumerate(stored["sc_MEs_regressed.cols"]):
        part = X[:, genes.get_indexer(colour.index[colour == name])]
        found = cell_component(part, covariates=totals)
        np.testing.assert_allclose(found, stored["sc_MEs_regressed"][:, column], atol=ATOL[dataset])
    half = golden.arrays(f"{dataset}/misc.npz")
    rows = cells.get_indexer(half["project_MEs_half_b.rows"])
    colour = golden.table(f"{dataset}/sc_kME_reassigned.csv.gz").set_index("gene_name")["module"]
    for column, name in enumerate(half["project_MEs_half_b.cols"]):
        found = cell_component(X[rows][:, genes.get_indexer(colour.index[colour == name])])
        np.testing.assert_allclose(found, half["project_MEs_half_b"][:, column], atol=ATOL[dataset])


@pytest.mark.parametrize("dataset", golden.SETS)
def test_cell_memberships_and_reassignment(dataset):
    X, genes, _ = cells_by_genes(f"{dataset}/in.npz", "in_data")
    colour, E = modules_of(dataset), eigengenes_of(dataset)
    rows = (metadata(dataset)["cell_type"] == GROUP[dataset][0]).to_numpy()
    X = X[rows][:, genes.get_indexer(colour.index)]
    tables = {flag: cell_membership(X, colour.index, E[rows], colour, reassign=flag) for flag in (True, False)}
    for flag, file in ((True, "reassigned"), (False, "noreassign_sparse")):
        expected = golden.table(f"{dataset}/sc_kME_{file}.csv.gz")
        assert tables[flag]["module"].tolist() == expected["module"].tolist()
        for name in E.columns:
            np.testing.assert_allclose(tables[flag][f"kme_{name}"], expected[f"kME_{name}"], atol=ATOL[dataset])
    expected = golden.table(f"{dataset}/sc_kME_noreassign_bicor.csv.gz")
    robust = signed_kme(X.toarray(), E[rows].to_numpy(), method="bicor")
    np.testing.assert_allclose(robust, expected[[f"kME_{name}" for name in E.columns]], atol=ATOL[dataset])


@pytest.mark.parametrize("dataset", golden.SETS)
def test_module_traits(dataset):
    expected = golden.table(f"{dataset}/module_trait.csv.gz")
    obs = metadata(dataset)
    if dataset == "A_opc500":
        obs["msexf"] = obs["msexf"].astype("category")
    E = eigengenes_of(dataset)[expected["module"].unique()]
    found = module_traits(E, obs, expected["trait"].unique().tolist(), groupby=GROUP[dataset][1]).table
    both = found.merge(expected, on=["group", "trait", "module"], suffixes=("", "_r"))
    assert len(both) == len(expected)
    # For a trait constant in a group Hmisc gives NaN or, by rounding, any r and even p 0. Here it is NaN.
    usable = both["r"].notna()
    spread = obs.groupby(GROUP[dataset][1])[both["trait"].unique()].nunique()
    assert all(spread.loc[row.group, row.trait] == 1 for row in both[~usable].itertuples())
    np.testing.assert_allclose(both.loc[usable, "r"], both.loc[usable, "r_r"], atol=ATOL[dataset])
    np.testing.assert_allclose(both.loc[usable, "p_value"], both.loc[usable, "p"], atol=ATOL[dataset])
    clean = ~both["group"].isin(both.loc[~usable & both["p"].notna(), "group"])
    np.testing.assert_allclose(both.loc[clean, "q_value"], both.loc[clean, "fdr"], atol=ATOL[dataset])


@pytest.mark.parametrize("dataset", golden.SETS)
def test_module_differences(dataset):
    E = eigengenes_of(dataset)
    for file in sorted((golden.FOLDER / dataset).glob("dme_*_barcodes1.txt")):
        name = file.name.removesuffix("_barcodes1.txt")
        sets = [file.with_name(f"{name}_barcodes{i}.txt").read_text().split() for i in (1, 2)]
        rows = [E.index.get_indexer(barcodes) for barcodes in sets]
        for suffix, pseudocount in (("", 0.0), ("_pseudo1_lfc0.1", 1.0)):
            expected = golden.table(f"{dataset}/{name}{suffix}.csv.gz").dropna(subset="p_val")
            found = module_differences(E, *rows, pseudocount=pseudocount).table
            found = found[found["module"].isin(expected["module"])]
            assert found["module"].tolist() == expected["module"].tolist()
            rtol = 1e-10 if dataset == "A_opc500" else 1e-4
            np.testing.assert_allclose(np.log10(found["p_value"]), np.log10(expected["p_val"]), rtol=rtol, atol=1e-10)
            np.testing.assert_allclose(found["log2fc"], expected["avg_log2FC"], rtol=rtol, atol=1e-6)
            np.testing.assert_array_equal(found["share_first"], expected["pct.1"])
            np.testing.assert_array_equal(found["share_second"], expected["pct.2"])
            np.testing.assert_allclose(found["p_adjusted"], expected["p_val_adj"], rtol=rtol)


@pytest.mark.parametrize("dataset", golden.SETS)
def test_overlap_with_gene_lists(dataset):
    moved = golden.table(f"{dataset}/sc_kME_reassigned.csv.gz")
    modules = {name: genes.tolist() for name, genes in moved.groupby("module")["gene_name"] if name != "grey"}
    markers = golden.table(f"{dataset}/deg_markers.csv.gz").query("p_val_adj <= 0.05 and avg_log2FC > 0.25")
    lists = {name: genes.tolist() for name, genes in markers.groupby("cluster")["gene"]}
    background = len(golden.arrays(f"{dataset}/in.npz")["in_counts.rows"])
    expected = golden.table(f"{dataset}/overlap_modules_degs.csv.gz")
    found = list_overlap(modules, lists, background).table
    both = found.merge(expected, left_on=["module", "list"], right_on=["module", "group"], suffixes=("", "_r"))
    assert len(both) == len(expected)
    np.testing.assert_allclose(both["p_value"], both["pval"], atol=1e-13)
    np.testing.assert_allclose(both["q_value"], both["fdr"], atol=1e-13)
    np.testing.assert_allclose(both["jaccard"], both["Jaccard"], atol=1e-13)
    np.testing.assert_allclose(both["odds_ratio"], both["odds_ratio_r"], rtol=1e-3)  # R's root finder is that loose


@pytest.mark.parametrize("dataset", golden.SETS)
def test_overlap_of_two_labellings(dataset):
    columns = (golden.FOLDER / dataset / "overlapTable_which.txt").read_text().split()
    colours = golden.table(f"{dataset}/net_main__hdwgcna_colors.csv.gz")
    found = label_overlap(colours[columns[0]], colours[columns[1]]).table
    counts = golden.table(f"{dataset}/overlapTable_counts.csv.gz").set_index("row")
    p = golden.table(f"{dataset}/overlapTable_p.csv.gz").set_index("row")
    np.testing.assert_array_equal(found["n_overlap"].to_numpy().reshape(counts.shape), counts)
    np.testing.assert_allclose(found["p_value"].to_numpy().reshape(p.shape), p, rtol=1e-8, atol=1e-15)


@pytest.mark.parametrize("dataset", golden.SETS)
def test_average_expression_of_hubs(dataset):
    X, genes, _ = cells_by_genes(f"{dataset}/in.npz", "in_data")
    table = golden.table(f"{dataset}/sc_kME_reassigned.csv.gz")
    kme = np.array([row[f"kME_{row['module']}"] for _, row in table.iterrows()])
    modules = pd.DataFrame({"gene": table["gene_name"], "module": table["module"], "kme": kme})
    found = average_expression(X[:, genes.get_indexer(modules["gene"])], modules, n_genes=25)
    stored = golden.arrays(f"{dataset}/misc.npz")
    expected = pd.DataFrame(stored["avg_module_expr_25"], columns=stored["avg_module_expr_25.cols"])
    np.testing.assert_allclose(found[expected.columns], expected, atol=ATOL[dataset])
    hubs = golden.table(f"{dataset}/hub_genes_10.csv.gz")
    for name, listed in hubs.groupby("module"):
        own = modules[modules["module"] == name]
        least = own["kme"].nlargest(10).iloc[-1]
        assert set(own.loc[own["kme"] >= least, "gene"]) == set(listed["gene_name"])
