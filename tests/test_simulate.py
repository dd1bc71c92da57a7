"""A simulated cohort is what its plan says, and the same for the same seed."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scresist.checks import InputError
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.simulate import Plan, simulate, write_cohort

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
    from scresist.ingest import read_matrix

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
