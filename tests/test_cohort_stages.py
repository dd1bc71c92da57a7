"""Quality, embedding, annotation, malignancy and signatures against a simulated truth, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse, stats
from sklearn.metrics import adjusted_rand_score

import scresist as sr
from scresist import resources
from scresist.annotate import shipped_markers
from scresist.cells import log_normalised, populations
from scresist.checks import InputError, RefusedError
from scresist.embedding.space import leiden, markers
from scresist.microenvironment import by_sample, count_cells, score, usable_sets
from scresist.quality.ambient import EXCLUSIVE, estimate_ambient
from scresist.quality.filter import REASONS
from simulated import drawn, embedded


@pytest.fixture(scope="module")
def measured():
    cohort = drawn()[0].copy()
    sr.quality.measure(cohort)
    return cohort


def test_each_barcode_is_kept_or_removed_for_one_reason(measured):
    table = sr.quality.summarise(measured).table
    assert (table["cells_in"] == table["cells_kept"] + table[list(REASONS)].sum(axis=1)).all()
    assert table["cells_in"].sum() == measured.n_obs
    finer = sr.quality.summarise(measured, by_lineage=True).table
    summed = finer.groupby("sample")[["cells_in", "cells_kept", *REASONS]].sum()
    pd.testing.assert_frame_equal(summed, table.set_index("sample")[summed.columns], check_dtype=False)


def test_low_quality_cells_go_and_good_ones_stay(measured):
    truth = drawn()[1]
    removed = (measured.obs["removed_for"] != "").to_numpy()
    assert removed[truth["low_quality"]].mean() > 0.8
    good = ~(truth["low_quality"] | truth["doublet"])
    assert removed[good].mean() < 0.03


def test_mitochondria_are_judged_within_the_lineage(measured):
    truth = drawn()[1]
    good = (~truth["low_quality"] & (truth["cell_type"] == "malignant")).to_numpy()
    high = (measured.obs["removed_for"] == "high_mito").to_numpy()
    assert high[good].mean() < 0.02
    tumour, immune = good, (truth["cell_type"] == "T CD8 cytotoxic").to_numpy()
    assert measured.obs["mito_percent"][tumour].median() > measured.obs["mito_percent"][immune].median()


def test_contamination_is_near_the_truth(measured):
    truth = drawn()[1].groupby("sample")["contamination"].first()
    table = sr.quality.summarise(measured).table.set_index("sample")
    error = (table["contamination"] - truth).abs()
    assert error.median() < 0.03
    np.testing.assert_allclose(np.asarray(measured.varm["ambient"]).sum(axis=0), 1.0, rtol=1e-5)


def test_lineages_that_make_the_same_genes_give_no_estimate_of_soup(measured):
    cohort = measured.copy()
    genes = cohort.var_names.isin([g for genes in EXCLUSIVE.values() for g in genes])
    counts = cohort.layers["counts"].tolil()
    rng, at = np.random.default_rng(0), np.flatnonzero(genes)
    order = np.arange(cohort.n_obs)
    for rows in cohort.obs.groupby("sample", observed=True).indices.values():
        order[rows] = rng.permutation(rows)
    counts[:, at] = counts[:, at][order]
    cohort.layers["counts"] = counts.tocsr()
    notes = estimate_ambient(cohort, np.ones(cohort.n_obs, dtype=bool))
    given = cohort.obs.groupby("sample", observed=True)["contamination"].first()
    assert given.isna().mean() > 0.5
    assert not (given > 0.5).any()
    assert any("as in cell lines" in note for note in notes)


def test_empty_droplets_give_the_ambient_profile():
    cohort = drawn()[0].copy()
    profile = np.random.default_rng(0).random(cohort.n_vars)
    n = len(cohort.uns["samples"])
    empty = np.full((cohort.n_vars, n), np.nan, dtype=np.float32)
    empty[:, 2] = profile
    cohort.varm["empty_droplets"] = empty
    sr.quality.measure(cohort, doublets=False)
    np.testing.assert_allclose(cohort.varm["ambient"][:, 2], profile / profile.sum(), rtol=1e-5)


def test_doublets_are_scored_within_samples_and_small_samples_are_named():
    cohort = drawn()[0].copy()
    first = cohort.obs["sample"].cat.categories[0]
    rows = np.concatenate([np.flatnonzero(cohort.obs["sample"] == first)[:60],
                           np.flatnonzero(cohort.obs["sample"] != first)])  # fmt: skip
    cohort = cohort[np.sort(rows)].copy()
    sr.quality.measure(cohort)
    scores = cohort.obs["doublet_score"]
    assert scores[cohort.obs["sample"] == first].isna().all()
    assert scores[cohort.obs["removed_for"] == ""].notna().sum() > 0
    assert any(str(first) in n and "fewer than 100 cells" in n for n in cohort.uns["quality_notes"])
    alone = cohort[cohort.obs["sample"] == cohort.obs["sample"].cat.categories[1]].copy()
    alone.uns["samples"] = np.array([str(cohort.obs["sample"].cat.categories[1])], dtype=object)
    alone.obs["sample"] = alone.obs["sample"].cat.remove_unused_categories()
    sr.quality.measure(alone)
    together = scores[alone.obs_names]
    np.testing.assert_allclose(alone.obs["doublet_score"], together)


def test_no_cell_left_is_an_error():
    cohort = drawn()[0].copy()
    with pytest.raises(InputError, match="no cell passes quality control"):
        sr.quality.filter(cohort, min_counts=10**7, doublets=False)


def test_a_panel_is_held_to_floors_in_proportion():
    cohort = drawn()[0][:, :400].copy()
    sr.quality.measure(cohort, doublets=False)
    notes = " ".join(cohort.uns["quality_notes"])
    assert "400 genes are a panel: the floors are 10 counts and 4 genes" in notes


def test_clusters_follow_the_cell_types():
    cohort, truth = embedded()
    kinds = truth["cell_type"].to_numpy()
    assert adjusted_rand_score(kinds, cohort.obs["cluster"]) > 0.6
    sizes = cohort.obs["cluster"].value_counts(sort=False)
    assert list(sizes) == sorted(sizes, reverse=True)
    assert cohort.obsm["X_umap"].shape == (cohort.n_obs, 2)
    curve = cohort.uns["resolution_stability"]
    stable = np.asarray(curve["resolution"])[np.asarray(curve["stability"]) >= 0.85]
    assert cohort.uns["resolution"] == stable.max()


def test_normalisation_is_counts_per_ten_thousand():
    cohort, _ = embedded()
    row = cohort.layers["counts"][5].toarray().ravel()
    made = log_normalised(cohort, cells=np.array([5])).toarray().ravel()
    np.testing.assert_allclose(made, np.log1p(row / row.sum() * 1e4), rtol=1e-5)


def test_leiden_finds_separate_cliques():
    blocks = sparse.block_diag([np.ones((8, 8)) - np.eye(8), np.ones((5, 5)) - np.eye(5)]).tocsr()
    labels = leiden(blocks, 0.5, seed=3)
    np.testing.assert_array_equal(labels, [0] * 8 + [1] * 5)


def test_markers_are_flagged_as_descriptive_and_name_the_planted_types():
    cohort, truth = embedded()
    found = markers(cohort)
    assert (found.table["use"] == "descriptive").all()
    plasma = truth.groupby(cohort.obs["cluster"].to_numpy())["cell_type"].agg(lambda t: (t == "plasma cell").mean())
    own = found.table[found.table["cluster"] == plasma.idxmax()]["gene"].head(10)
    known = resources.markers()
    assert own.isin(known[(known["lineage"] == "plasma") & (known["sign"] == 1)]["gene"]).mean() > 0.5


def test_lineage_and_type_agree_with_the_truth():
    cohort, truth = embedded()
    lineage = resources.markers().drop_duplicates("cell_type").set_index("cell_type")["lineage"]
    known = truth["cell_type"].map(lineage).fillna("epithelial").to_numpy()
    assert (cohort.obs["lineage"].astype(str).to_numpy() == known).mean() > 0.93
    immune = truth["cell_type"].isin(["B memory", "plasma cell", "NK cell", "mast cell", "T regulatory"]).to_numpy()
    assert (cohort.obs["cell_type"].astype(str)[immune] == truth["cell_type"][immune]).mean() > 0.75
    assert cohort.obs["confidence"].between(0, 1).all()


def test_annotation_names_its_evidence():
    cohort, _ = embedded()
    table = sr.annotate.evidence(cohort).table
    assert set(table["cluster"]) == set(cohort.obs["cluster"].cat.categories)
    b = table[table["lineage"] == "B"].iloc[0]
    assert "CD79A" in b["markers_for"] or "MS4A1" in b["markers_for"]


def test_overrides_and_own_markers_are_followed(tmp_path):
    cohort = embedded()[0].copy()
    sr.annotate.cell_types(cohort, overrides={"0": "my own type"}, lineages={"my own type": "epithelial"})
    own = cohort.obs["cluster"] == "0"
    assert (cohort.obs.loc[own, "cell_type"] == "my own type").all()
    assert (cohort.obs.loc[own, "lineage"] == "epithelial").all()
    with pytest.raises(InputError, match=r"'my own type' \(cluster 0\) is no cell type .* give its lineage"):
        sr.annotate.cell_types(cohort, overrides={"0": "my own type"})
    with pytest.raises(InputError, match="names cluster '99'"):
        sr.annotate.cell_types(cohort, overrides={"99": "x"})
    path = tmp_path / "own.csv"
    rows = [f"lymphocyte,{g}" for g in ("CD3D", "CD3E", "CD2", "MS4A1", "CD79A")]
    rows += [f"tumour,{g}" for g in ("EPCAM", "KRT8", "KRT18", "KRT19")]
    path.write_text("cell_type,gene\n" + "\n".join(rows) + "\n")
    sr.annotate.cell_types(cohort, markers=sr.annotate.read_markers(path))
    assert set(cohort.obs["cell_type"].astype(str)) <= {"lymphocyte", "tumour", "unassigned"}
    path.write_text("cell_type,gene,sign\na,CD3D,up\n")
    with pytest.raises(InputError, match=r"own.csv, row 2: sign must be 1 or -1"):
        sr.annotate.read_markers(path)


def test_annotation_is_refused_where_the_genes_cannot_say():
    cohort = embedded()[0]
    plain = cohort[:, ~cohort.var_names.isin(resources.markers()["gene"])].copy()
    with pytest.raises(RefusedError, match="of the lineages in scresist, human tumours, 0 have three markers"):
        sr.annotate.cell_types(plain)
    assert "mouse orthologues" in shipped_markers("mouse").source


def test_malignant_cells_are_told_from_normal_epithelium():
    cohort, truth = embedded()
    clean = ~truth["doublet"].to_numpy()
    called = cohort.obs["malignancy"].astype(str).to_numpy()
    tumour = (truth["cell_type"] == "malignant").to_numpy() & clean
    normal = (truth["cell_type"] == "gastric pit mucous cell").to_numpy() & clean
    assert (called[tumour] == "malignant").mean() > 0.95
    assert (called[normal] == "normal").mean() > 0.8  # a biopsy of the cohort has three to twelve of them
    assert (called[~tumour & clean] == "malignant").mean() < 0.02


def test_copy_number_has_the_planted_gains_and_losses():
    cohort, truth = embedded()
    planted = drawn()[2]["copy_number"]
    agree = []
    for patient, arms in planted.items():
        inside = ((cohort.obs["patient"] == patient) & (truth["cell_type"] == "malignant").to_numpy()).to_numpy()
        if inside.sum() < 20:
            continue
        profile = cohort.obsm["copy_number"].loc[inside].mean()
        agree += [np.sign(profile[arm]) == np.sign(np.log(f)) for arm, f in arms.items() if arm in profile.index]
    assert np.mean(agree) > 0.85


def test_malignancy_is_refused_without_reference_or_epithelium():
    cohort, _ = embedded()
    no_reference = cohort[cohort.obs["lineage"] == "epithelial"].copy()
    with pytest.raises(RefusedError, match="immune or stromal cells as reference"):
        sr.annotate.malignancy(no_reference)
    no_epithelium = cohort[cohort.obs["lineage"] != "epithelial"].copy()
    with pytest.raises(RefusedError, match="epithelial cells"):
        sr.annotate.malignancy(no_epithelium)
    with pytest.raises(RefusedError, match="copy number needs 2000"):
        sr.annotate.malignancy(cohort[:, :500].copy())


def test_normal_epithelium_alone_is_not_called_malignant():
    cohort, truth = embedded()
    healthy = cohort[(truth["cell_type"] != "malignant").to_numpy()].copy()
    try:
        sr.annotate.malignancy(healthy)
    except RefusedError:
        return
    assert (healthy.obs["malignancy"] == "malignant").mean() < 0.05


def test_signature_scores_are_the_mean_of_scaled_genes():
    cohort = embedded()[0].copy()
    genes = [g for g in ("CD79A", "MS4A1", "CD19") if g in cohort.var_names]
    score(cohort, sets={"b": genes, "absent": ["X1", "X2", "X3"]})
    dense = log_normalised(cohort, genes=cohort.var_names.get_indexer(genes)).toarray().astype(float)
    expected = ((dense - dense.mean(axis=0)) / np.maximum(dense.std(axis=0), 0.05)).mean(axis=1)
    np.testing.assert_allclose(cohort.obsm["signatures"]["b"], expected, atol=1e-5)
    assert any("'absent' is not scored: 0 of its 3 genes" in n for n in cohort.uns["signature_notes"])
    with pytest.raises(RefusedError, match="no signature is scored"):
        score(cohort, sets={"absent": ["X1"]})


def test_signature_means_are_missing_not_zero_where_cells_are_few():
    cohort = embedded()[0].copy()
    score(cohort)
    table = by_sample(cohort, groupby="cell_type", min_cells=10).table
    assert table.loc[table["n_cells"] < 10, "value"].isna().all()
    assert table.loc[table["n_cells"] >= 10, "value"].notna().all()
    row = table[(table["cell_type"] == "all cells") & (table["signature"] == "proliferation")].iloc[0]
    inside = (cohort.obs["sample"] == row["sample"]).to_numpy()
    weights = cohort.uns["signature_weights"]["proliferation"]
    at = cohort.var_names.get_indexer(weights.index)
    own, every = (np.asarray(cohort.layers["counts"][rows].sum(axis=0)).ravel() for rows in (inside, slice(None)))
    expected = (np.log1p(own[at] / own.sum() * 1e4) - np.log1p(every[at] / every.sum() * 1e4)) @ weights
    assert row["value"] == pytest.approx(expected, abs=0.01)  # many counts: nothing to correct


def test_signatures_do_not_differ_where_only_the_depth_of_cells_does():
    rng, n_genes = np.random.default_rng(4), 1000
    base = rng.lognormal(-0.5, 1.6, n_genes)
    base /= base.sum()
    moderate = np.flatnonzero((base > 3e-5) & (base < 8e-4))
    sets = {f"set {k}": [f"G{g}" for g in rng.choice(moderate, 12, replace=False)] for k in range(20)}
    counts, of = [], []
    for sample in range(12):
        depth = (1500 if sample < 6 else 4500) * rng.lognormal(0, 0.4, 60)
        rate = base * np.exp(0.3 * rng.normal(size=n_genes))
        counts.append(rng.poisson(depth[:, None] * rate / rate.sum()))
        of += [f"S{sample:02d}"] * 60
    obs = pd.DataFrame({"sample": of, "cell_type": "T"}, index=[f"c{i}" for i in range(720)])
    cohort = AnnData(None, obs, pd.DataFrame(index=[f"G{g}" for g in range(n_genes)]))
    cohort.layers["counts"], cohort.uns["samples"] = sparse.csr_matrix(np.vstack(counts)), np.array(sorted(set(of)))
    score(cohort, sets=sets)
    wide = by_sample(cohort, groupby="cell_type").table.query("cell_type == 'T'")
    wide = wide.pivot_table(index="sample", columns="signature", values="value")
    cells = cohort.obsm["signatures"].groupby(cohort.obs["sample"].to_numpy()).mean()
    p, p_cells = (stats.ttest_ind(values.iloc[:6], values.iloc[6:]).pvalue for values in (wide, cells))
    assert (p < 0.05).sum() <= 3
    assert (p_cells < 0.05).all()  # the mean of the cells' scores


def test_single_gene_signatures_and_shares_of_measured_genes():
    kept, notes = usable_sets(pd.Index(["PDCD1", "A", "B"]), {"one": ["PDCD1"], "many": [f"G{i}" for i in range(9)]})
    assert list(kept) == ["one"]
    assert len(notes) == 1


def test_cells_are_counted_with_true_zeros():
    cohort = embedded()[0].copy()
    cohort.obs["population"] = pd.Categorical(populations(cohort.obs))
    table = count_cells(cohort, groupby="population")
    assert table.to_numpy().sum() == cohort.n_obs
    assert table["malignant"].sum() == (cohort.obs["malignancy"] == "malignant").sum()
    without = count_cells(cohort, groupby="population", without="malignant")
    assert "malignant" not in without
