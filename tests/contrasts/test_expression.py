"""Expression per cell type: limma's numbers, agreement with edgeR and DESeq2, groups too small, odd input."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from oracle import SHARED, needs_shared
from scresist.cells import pseudobulk
from scresist.checks import InputError, MissingColumnError
from scresist.contrasts import composition, expression, modules, primary_against_acquired
from scresist.results import Result
from scresist.study.design import Contrast, Design
from studies import three_arms, two_arms

GOLDEN = SHARED / "oracle" / "pseudobulk"
ARMS = {"br": ("afatinib_resistant", "afatinib_sensitive"), "gbm": ("ctrl", "panobinostat")}


def golden_study(name):
    """The counts and the design the golden tables were made with: test arm second."""
    counts, meta = (pd.read_csv(GOLDEN / f, index_col=0) for f in (f"{name}_counts.csv.gz", f"{name}_meta.csv"))
    reference, test = ARMS[name]
    patient = meta.get("patient", meta.index)
    samples = pd.DataFrame({"patient": patient, "arm": meta["condition"]}, index=meta.index)
    return counts.T, Design((reference, test), (Contrast("c", test, reference),), samples)


@needs_shared
@pytest.mark.parametrize("name", ["br", "gbm"])
def test_matches_limma_voom(name):
    counts, design = golden_study(name)
    golden = pd.read_csv(GOLDEN / f"{name}_limma_voom.csv.gz", index_col="gene")
    table = expression(counts, design, influence=False, equal_variances=True).table
    table = table.set_index("gene").loc[golden.index]
    names = {"log2fc": "logFC", "ci_low": "CI.L", "p_value": "P.Value", "mean_expression": "AveExpr", "df": "df_total"}
    for ours, theirs in {**names, "q_value": "adj.P.Val"}.items():
        np.testing.assert_allclose(table[ours], golden[theirs], rtol=1e-6, err_msg=ours)


@needs_shared
@pytest.mark.parametrize(
    ("name", "program", "p", "fc", "least"),
    [
        ("br", "edger_qlf", "PValue", "logFC", 0.7),
        ("br", "deseq2", "pvalue", "log2FoldChange", 0.7),
        ("gbm", "edger_qlf", "PValue", "logFC", 0.87),
        ("gbm", "deseq2", "pvalue", "log2FoldChange", 0.87),
    ],
)
def test_agrees_with_count_models(name, program, p, fc, least):
    counts, design = golden_study(name)
    golden = pd.read_csv(GOLDEN / f"{name}_{program}.csv.gz", index_col="gene")
    table = expression(counts, design, influence=False).table.set_index("gene").loc[golden.index]
    assert table["p_value"].corr(golden[p], method="spearman") > least
    assert table["log2fc"].corr(golden[fc]) > least


def cells(design, n_cells=30, genes=400, types=("T cell", "tumour"), seed=0):
    """Negative-binomial cells of every sample and type, gene g0 raised in the test arm of the first contrast."""
    rng = np.random.default_rng(seed)
    mean, obs, blocks = rng.lognormal(0.5, 1, genes), [], []
    for sample, row in design.samples.iterrows():
        for kind in types:
            rate = mean * rng.gamma(20, 1 / 20, genes)
            rate[0] *= 8 if row["arm"] == design.contrasts[0].test else 1
            blocks.append(rng.poisson(rate * rng.gamma(4, 1 / 4, (n_cells, 1))))
            obs += [{"sample": sample, "cell_type": kind}] * n_cells
    matrix = sparse.csr_matrix(np.vstack(blocks).astype(np.float32))
    obs = pd.DataFrame(obs, index=[f"c{i}" for i in range(len(obs))])
    return ad.AnnData(
        matrix, obs=obs, var=pd.DataFrame(index=[f"g{i}" for i in range(genes)]), layers={"counts": matrix}
    )


def test_sums_and_groups_below_the_minimum():
    design = two_arms(3, 3)
    adata = cells(design)
    adata = adata[
        ~((adata.obs["sample"] == "s00") & (adata.obs["cell_type"] == "T cell")).to_numpy()
        | (np.arange(adata.n_obs) < 4)
    ].copy()
    sums = pseudobulk(adata, min_cells=10)
    small = sums.groups[~sums.groups["kept"]]
    assert small[["sample", "cell_type", "cells", "reason"]].to_numpy().tolist() == [
        ["s00", "T cell", 4, "fewer than 10 cells"]
    ]
    here = ((adata.obs["sample"] == "s02") & (adata.obs["cell_type"] == "tumour")).to_numpy()
    expected = np.asarray(adata.layers["counts"][here].sum(axis=0)).ravel()
    np.testing.assert_array_equal(sums.counts.loc[("s02", "tumour")], expected)
    assert sums.cells.loc["s00", "T cell"] == 4
    table = expression(sums, design).table
    assert set(table.loc[table["cell_type"] == "T cell", "n_test"]) == {2}
    with pytest.raises(InputError, match="raw counts"):
        pseudobulk(ad.AnnData(adata.X, obs=adata.obs))
    with pytest.raises(MissingColumnError, match="did you mean 'cell_type'"):
        pseudobulk(adata, groupby="cell_typ")


@pytest.mark.parametrize("layout", [(4, 4, 0), (0, 0, 5), (2, 3, 4)])
def test_a_planted_gene_is_found_in_every_layout(layout):
    design = two_arms(*layout)
    result = expression(pseudobulk(cells(design)), design)
    columns = ["cell_type", "contrast", "gene", "log2fc", "ci_low", "ci_high", "shrunken_log2fc", "mean_expression"]
    assert list(result.table.columns[:8]) == columns
    best = result.table.loc[result.table.groupby("cell_type")["p_value"].idxmin()]
    assert set(best["gene"]) == {"g0"}
    assert (best["q_value"] < 0.01).all()
    np.testing.assert_allclose(best["log2fc"], 3, atol=0.7)
    assert not best["rests_on_one"].any()
    others = result.table[result.table["gene"] != "g0"]
    assert (others["p_value"] < 0.05).mean() < 0.09


def test_rows_in_any_order_give_the_same_numbers():
    design = two_arms(2, 3, 3)
    sums = pseudobulk(cells(design, genes=100)).counts
    shuffled = np.random.default_rng(0).permutation(len(sums))
    one, two = expression(sums, design).table, expression(sums.iloc[shuffled], design).table
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_cell_types_of_too_few_patients_are_refused_in_words():
    design = two_arms(3, 3)
    sums = pseudobulk(cells(design))
    keep = [not (k == "T cell" and s in ("s00", "s01")) for s, k in sums.counts.index]
    fewer = replace(sums, counts=sums.counts[keep])
    table = expression(fewer, design).table
    here = table[table["cell_type"] == "T cell"]
    assert here["log2fc"].notna().all()
    assert here["p_value"].isna().all()
    assert set(here["reason"]) == {"fewer than 2 patients in arm resistant"}
    none = [not (k == "T cell" and s in ("s00", "s01", "s02")) for s, k in sums.counts.index]
    result = expression(replace(sums, counts=sums.counts[none]), design)
    assert set(result.table["cell_type"]) == {"tumour"}
    assert any("T cell: not tested, no patient of arm resistant" in n for n in result.notes)


def test_genes_asked_for_get_a_row_even_without_counts():
    design = two_arms(3, 3)
    counts = pseudobulk(cells(design, types=("tumour",))).counts.droplevel("cell_type").assign(quiet=0.0)
    plain, asked = expression(counts, design).table, expression(counts, design, keep_genes=["quiet"]).table
    row = asked[asked["gene"] == "quiet"].iloc[0]
    assert np.isnan(row["p_value"])
    assert row["reason"] == "too few counts"
    pd.testing.assert_frame_equal(plain, asked[asked["gene"] != "quiet"].reset_index(drop=True))


def test_odd_counts():
    design = two_arms(3, 3)
    counts = pseudobulk(cells(design, types=("tumour",), genes=50)).counts.droplevel("cell_type")
    with pytest.raises(InputError, match="negative"):
        expression(-counts, design)
    with pytest.raises(InputError, match="more than one row"):
        expression(pd.concat([counts, counts]), design)
    empty = counts.copy()
    empty.iloc[0] = 0
    assert (expression(empty, design).table["n_test"] == 2).all()
    nothing = expression(counts * 0, design)
    assert nothing.table.empty
    assert any("no gene has enough counts" in n for n in nothing.notes)


# --- composition, modules, primary against acquired ---


def test_composition_finds_an_expansion_and_counts_a_lost_type_as_zero():
    design = two_arms(6, 6)
    rng = np.random.default_rng(0)
    share = np.tile([0.5, 0.3, 0.15, 0.05], (12, 1)) * rng.gamma(30, 1 / 30, (12, 4))
    share[:6, 3] *= 6
    counts = np.vstack([rng.multinomial(800, s / s.sum()) for s in share])
    table = pd.DataFrame(counts, index=design.samples.index, columns=["tumour", "T", "macrophage", "B"])
    for transform in ("ratio", "logit", "clr", "arcsine"):
        found = composition(table, design, transform=transform).table.set_index("cell_type")
        assert found.loc["B", "q_value"] < 0.01
        assert found.loc["B", "share_test"] > 3 * found.loc["B", "share_reference"]
    tidy = table.rename_axis("sample").reset_index().melt("sample", var_name="cell_type", value_name="cells")
    pd.testing.assert_frame_equal(
        composition(tidy, design).table.sort_values("cell_type", ignore_index=True),
        composition(table, design).table.sort_values("cell_type", ignore_index=True),
    )
    table.loc["s07", "B"] = 0
    assert (composition(table, design).table["n_reference"] == 6).all()
    table.loc["s00"] = [3, 1, 0, 0]
    result = composition(table, design)
    assert "s00" in result.notes[-1]
    assert (result.table["n_test"] == 5).all()


def test_modules_take_scores_in_any_shape():
    design = two_arms(4, 4)
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(8, 3)), index=design.samples.index, columns=[1, 2, 3])
    tidy = scores.rename_axis("sample").reset_index().melt("sample", var_name="module", value_name="score")
    one = modules(scores, design).table
    assert list(one.columns[:3]) == ["module", "contrast", "effect"]
    np.testing.assert_allclose(modules(Result(tidy), design).table["p_value"], one["p_value"])
    with pytest.raises(InputError, match=r"networks\.module_scores"):
        modules(object(), design)


def test_primary_against_acquired_tells_the_kinds_apart():
    design = three_arms(8, 5)
    rng = np.random.default_rng(0)
    arm = design.samples["arm"].to_numpy()
    effects = {
        "shared": (4, 4),
        "opposite": (4, -4),
        "primary only": (4, 0),
        "acquired only": (0, 4),
        "undecided": (0, 0),
    }
    values = {}
    for kind, (primary, acquired) in effects.items():
        for i in range(4):
            shift = np.where(arm == "primary", primary, 0) + np.where(arm == "acquired", acquired, 0)
            values[f"{kind} {i}"] = rng.normal(size=len(arm)) * 0.8 + shift
    table = primary_against_acquired(pd.DataFrame(values, index=design.samples.index), design).table
    expected = table["feature"].str.rsplit(n=1).str[0]
    assert (table["class"] == expected).mean() >= 0.9
    assert (table.loc[expected == "undecided", "class"] == "undecided").all()
    np.testing.assert_allclose(table["difference"], table["acquired_effect"] - table["primary_effect"])


def test_significant_beside_not_significant_is_undecided():
    design = three_arms(4, 0)
    values = pd.DataFrame(
        {"m": [0.0, 0.2, -0.2, 0.1, 1.2, 1.0, 1.4, 1.1, 0.6, 0.2, 1.1, 0.7]}, index=design.samples.index
    )
    row = primary_against_acquired(values, design).table.iloc[0]
    assert row["primary_q"] < 0.05
    assert row["class"] in ("undecided", "shared")


def test_primary_against_acquired_of_genes():
    design = three_arms(4, 2)
    sums = pseudobulk(cells(design, genes=80))
    table = primary_against_acquired(sums, design).table
    planted = table[table["gene"] == "g0"]
    assert set(planted["class"]) == {"primary only"}
    assert set(table["cell_type"]) == {"T cell", "tumour"}


def test_a_class_that_rests_on_one_patient_is_undecided():
    design = three_arms(5, 0)
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(15, 15)), index=design.samples.index)
    values.loc["s05", 0] = 6.0  # one primary patient, the others barely raised
    values.loc[["s06", "s07", "s08", "s09"], 0] += 0.8
    values.loc[design.samples["arm"] == "primary", 1] += 6
    table = primary_against_acquired(values, design, alpha=0.3).table.set_index("feature")
    assert table.loc[1, "class"] == "primary only"
    assert not table.loc[1, "rests_on_one"]
    assert table.loc[0, "class"] == "undecided"
    assert table.loc[0, "influence_patient"] == "p0"
    assert table.loc[0, "reason"] == "primary only, but it rests on patient p0"


def test_an_arm_of_shallow_samples_makes_no_finding():
    rng, design = np.random.default_rng(1), two_arms(8, 4)
    test = (design.samples["arm"] == "resistant").to_numpy()
    spread = 0.3 * np.sqrt(10 / rng.chisquare(10, 3000)) * rng.normal(size=(12, 3000))
    rate = rng.lognormal(0.5, 1.5, 3000) * np.exp(spread) * rng.uniform(0.5, 2, 12)[:, None]
    counts = pd.DataFrame(rng.poisson(rate * np.where(test, 50, 1)[:, None]), design.samples.index).add_prefix("g")
    found = expression(counts, design, influence=False)
    assert 0.035 < (found.table["p_value"] < 0.05).mean() < 0.065  # 0.10, where genes without two counts are tested
    assert not (found.table["q_value"] < 0.05).any()
    assert any("too few counts to be compared" in note for note in found.notes)
