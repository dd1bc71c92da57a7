"""A simulated cohort is what its plan says, and the same for the same seed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scresist.checks import InputError
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.simulate import Plan, read_plan, simulate, write_cohort

PLAN = Plan(patients={"baseline": 3, "primary": 3, "acquired": 3}, pairs=1, cells=60, n_genes=2500, seed=3)


def test_draws_are_negative_binomial():
    rate, dispersion = np.full((60_000, 2), [2.0, 5.0]), np.array([0.5, 0.2])
    counts = draw_counts(rate, dispersion, np.random.default_rng(0))
    np.testing.assert_allclose(counts.mean(axis=0), [2, 5], rtol=0.02)
    np.testing.assert_allclose(counts.var(axis=0), [2 + 0.5 * 4, 5 + 0.2 * 25], rtol=0.04)
    r = 1 / dispersion
    expected = stats.nbinom.pmf(0, r, r / (r + rate[0]))
    np.testing.assert_allclose((counts == 0).mean(axis=0), expected, atol=0.006)


def test_the_same_seed_gives_the_same_cohort_and_another_does_not():
    first, again, other = (list(simulate(replace(PLAN, seed=s)).samples()) for s in (3, 3, 4))
    assert all((a.counts != b.counts).nnz == 0 for a, b in zip(first, again, strict=True))
    assert (first[0].counts[:20] != other[0].counts[:20]).nnz > 0


def test_the_sheets_follow_the_plan():
    simulation = simulate(PLAN)
    sheet = simulation.samples_sheet
    assert sheet.groupby("arm").size().to_dict() == {"acquired": 3, "baseline": 3, "primary": 3}
    assert (sheet.groupby("patient")["arm"].nunique() == 2).sum() == 1
    assert simulation.patients_sheet["patient"].is_unique
    assert simulation.patients_sheet["pfs_event"].isin([0, 1]).all()


def test_a_null_cohort_has_no_effect_of_the_arm():
    null = replace(PLAN, module_effect=0, composition_effect=0, signal_effect=0, log_hazard=0)
    simulation = simulate(null)
    by_arm = simulation.activity.join(simulation.samples_sheet.set_index("sample")["arm"]).groupby("arm").mean()
    assert (by_arm["primary"].max() - by_arm["primary"].min()) < 4 * PLAN.patient_sd / np.sqrt(3) + 0.5
    planted = simulate(PLAN)
    difference = planted.activity - simulation.activity
    primary = planted.samples_sheet.set_index("sample")["arm"] == "primary"
    np.testing.assert_allclose(difference.loc[primary.to_numpy(), "primary"], PLAN.module_effect)
    np.testing.assert_allclose(difference.loc[~primary.to_numpy(), "primary"], 0)


def test_programmes_share_no_gene_and_the_hub_leads():
    simulation = simulate(PLAN)
    genes = [g for p in simulation.programmes.values() for g in p.index]
    assert len(genes) == len(set(genes))
    assert simulation.programmes["primary"].idxmax() == "MUC3A"
    assert len(simulation.programmes["acquired"]) == PLAN.module_size


def test_files_hold_what_was_drawn(tmp_path):
    from scresist.reading import read_matrix

    simulation = simulate(PLAN)
    write_cohort(simulation, tmp_path / "c")
    sample = next(simulation.samples())
    matrix = read_matrix(tmp_path / "c" / "matrices" / sample.name)
    assert (matrix.counts != sample.counts).nnz == 0
    assert list(matrix.barcodes) == list(sample.cells["barcode"])
    truth = json.loads((tmp_path / "c" / "truth.json").read_text())
    assert truth["modules"]["primary"]["hub"] == "MUC3A"
    cells = pd.read_parquet(tmp_path / "c" / "truth_cells.parquet")
    assert cells["sample"].nunique() == 9


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"patients": {}}, "at least one arm"),
        ({"patients": {"baseline": 0}}, "at least one patient"),
        ({"n_genes": 100}, "at least 2500"),
        ({"pairs": 9}, "pairs must be at most 3"),
        ({"cells": 0}, "cells must be"),
    ],
)
def test_plans_that_cannot_be_are_refused(change, expected):
    with pytest.raises(InputError, match=expected):
        simulate(replace(PLAN, **change))


def cells_of(simulation, arm, kind):
    """Counts of the cells of one type over the samples of one arm, summed, and their total."""
    arms = simulation.samples_sheet.set_index("sample")["arm"]
    total = np.zeros(len(simulation.profiles.genes))
    for sample in simulation.samples():
        if arms[sample.name] == arm:
            total += sample.counts[np.flatnonzero(sample.cells["cell_type"] == kind)].sum(axis=0)
    return total / total.sum()


DECOYS = replace(PLAN, cells=150, doublets=0, low_quality=0, soup_effect=2.0, macrophage_effect=2.0, ambient=0.1)


def test_decoys_change_where_they_should_and_malignant_cells_do_not_make_them():
    simulation = simulate(DECOYS)
    genes = pd.Index(simulation.profiles.genes.index)
    soup = genes.get_indexer(simulation.truth["decoys"]["decoy ambient"])
    own = genes.get_indexer(simulation.truth["decoys"]["decoy macrophage"])
    levels = {(a, t): cells_of(simulation, a, t) for a in ("baseline", "primary", "acquired")
              for t in ("malignant", "macrophage SPP1")}  # fmt: skip
    assert len(soup) >= 5
    ratio = levels["acquired", "malignant"][soup].sum() / levels["baseline", "malignant"][soup].sum()
    assert ratio == pytest.approx(np.exp(2.0), rel=0.5)
    # The soup is a tenth of the counts, and they are that share of the soup.
    assert levels["acquired", "malignant"][soup].sum() == pytest.approx(0.1 * 0.03 * np.exp(2.0), rel=0.5)
    inside = levels["primary", "macrophage SPP1"][own].sum()
    assert inside / levels["baseline", "macrophage SPP1"][own].sum() == pytest.approx(np.exp(2.0), rel=0.5)
    assert levels["primary", "malignant"][own].sum() < 0.05 * inside


def test_depth_and_cycle_decoys():
    simulation = simulate(replace(PLAN, cells=200, depth_effect=1.0, ambient=0))
    arms = simulation.samples_sheet.set_index("sample")["arm"]
    cycle = pd.Index(simulation.profiles.genes.index).get_indexer(simulation.truth["decoys"]["decoy cell cycle"])
    depth, share = {}, {}
    for sample in simulation.samples():
        tumour = np.flatnonzero(sample.cells["cell_type"] == "malignant")
        depth[sample.name] = sample.counts[tumour].sum(axis=1).mean()
        share[sample.name] = sample.counts[tumour][:, cycle].sum() / sample.counts[tumour].sum()
    mean = pd.Series(depth).groupby(arms).mean()
    assert mean["primary"] / mean["baseline"] == pytest.approx(np.e, rel=0.25)
    planted = pd.Series(simulation.truth["cycling"])
    assert np.corrcoef(planted, np.log(pd.Series(share).reindex(planted.index)))[0, 1] > 0.6


def test_without_decoys_there_are_none_and_a_null_plan_has_no_effect():
    simulation = simulate(replace(PLAN, decoys=False))
    assert simulation.truth["decoys"] == {}
    null = simulate(replace(PLAN, seed=8).null()).truth
    assert all(size == pytest.approx(0) for sizes in null["log_odds"].values() for size in sizes.values())
    assert all(s["log_fold_change"] == 0 for s in null["signals"]["acquired"])


def test_a_subclone_carries_one_more_arm():
    simulation = simulate(PLAN)
    for patient, (share, factor) in simulation.subclones.items():
        assert 0.2 <= share <= 0.5
        changed = set(np.unique(factor)) - {1.0}
        assert len(changed) == 1
        assert len(simulation.truth["subclones"][patient]["arms"]) == 1


def test_programmes_larger_than_the_genes_allow_are_refused():
    with pytest.raises(InputError, match="module_size must be at most"):
        simulate(replace(PLAN, module_size=2000))


def test_planted_and_found_side_by_side(tmp_path):
    from scresist.simulate.recovery import compare

    path = write_cohort(simulate(PLAN), tmp_path / "c").parent
    truth = json.loads((path / "truth.json").read_text())
    known = pd.read_parquet(path / "truth_cells.parquet")
    tables = tmp_path / "results" / "tables"
    tables.mkdir(parents=True)
    lineage = np.where(known["cell_type"].isin(["malignant", "gastric pit mucous cell"]), "epithelial", "T/NK")
    cells = pd.DataFrame({
        "cell": known["sample"] + ":" + known["barcode"], "cell_type": known["cell_type"], "lineage": lineage,
        "malignancy": np.where(known["cell_type"] == "malignant", "malignant", "normal"),
    })  # fmt: skip
    cells.to_parquet(tables / "cells.parquet")
    soup = truth["decoys"]["decoy ambient"][:2]
    genes = ["MUC3A", *truth["modules"]["primary"]["genes"][1:10], *soup]
    pd.DataFrame({
        "contrast": "primary", "gene": genes, "rank": np.arange(1, 13),
        "verdict": ["supported"] * 11 + ["not supported"],
    }).to_csv(tables / "candidates.csv", index=False)  # fmt: skip
    found = compare(tmp_path / "results", path).set_index(["what", "where"])["found"]
    assert found["hub gene", "primary"] == "rank 1, supported"
    assert found["programme", "primary"] == "83% of the first 30 candidates"
    assert found["decoy ambient", "primary"].startswith("1 of")
    assert found["cell type", "all cells"] == "100.0% agree"


def test_a_second_cohort_has_the_programmes_of_the_first_in_other_patients(tmp_path):
    first, other = simulate(PLAN), simulate(replace(PLAN, seed=9, patients={"baseline": 4, "primary": 4}, pairs=0),
                                            like=PLAN)  # fmt: skip
    assert other.profiles.genes.index.equals(first.profiles.genes.index)
    for name, loadings in first.programmes.items():
        pd.testing.assert_series_equal(other.programmes[name], loadings)
    assert other.decoys.genes == first.decoys.genes
    assert len(other.samples_sheet) == 8
    assert (next(iter(first.samples())).counts[:20] != next(iter(other.samples())).counts[:20]).nnz > 0
    with pytest.raises(InputError, match="the same patients"):
        simulate(PLAN, like=PLAN)
    write_cohort(other, tmp_path / "second")
    assert read_plan(tmp_path / "second") == PLAN
    with pytest.raises(InputError, match=r"no truth\.json"):
        read_plan(tmp_path)
